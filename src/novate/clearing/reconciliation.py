"""What a broker's statement and the venue's books say of the same day, line by line: what matches, and what breaks.

    found = compare(statement, side, carried)
    found.matched["trades"]         how many lines agree
    found.breaks                    each difference once, with both sides
    engine_words(found, side)       what the engine is told of it

Each check is a function of both sides. A difference is told once, where it began: a position or a cash balance breaks only by what the
breaks of its trades do not explain, and settled balances only by more than late settlements explain.

Responsible for: finding differences, and what each is worth. Never: decides who is right, changes a balance, asks or stores anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from novate.broker import EndOfDay, Position, Trade, execution_bytes
from novate.broker.fees import cost_up, proceeds_down
from novate.clearing.ledger_side import FAILED, QUARANTINED, BrokerSide, Execution, text_of_key
from novate.clearing.settlement import days_late, late
from novate.clearing.statement_files import DOLLARS, PRICE, SHARES
from novate.messages.codes import Side

CASH: Final = "USD"


class BreakKind(StrEnum):
    """What does not fit."""

    MISSING_AT_BROKER = "missing_at_broker"
    MISSING_AT_VENUE = "missing_at_venue"
    UNKNOWN_SYMBOL = "unknown_symbol"
    IN_QUARANTINE = "in_quarantine"
    SYMBOL_DIFFERS = "symbol_differs"
    SHARES_DIFFER = "shares_differ"
    PRICE_DIFFERS = "price_differs"
    FEE_DIFFERS = "fee_differs"
    SETTLEMENT_LATE = "settlement_late"
    SETTLEMENT_FAILED = "settlement_failed"
    POSITION_DIFFERS = "position_differs"
    CASH_DIFFERS = "cash_differs"
    DIVIDEND_DIFFERS = "dividend_differs"


class About(NamedTuple):
    """A kind of break for people: what it means, and who looks at it first."""

    meaning: str
    first_to_ask: str
    stops: str
    """What stops until it is over."""


KINDS: Final[Mapping[BreakKind, About]] = {
    BreakKind.MISSING_AT_BROKER: About("The venue has an execution that the broker's file lacks.", "broker", "token"),
    BreakKind.MISSING_AT_VENUE: About("The broker's file has an execution that the venue never heard of.", "clearing", "token"),
    BreakKind.UNKNOWN_SYMBOL: About("The broker has shares or trades of a symbol that no token here stands on.", "broker", "all tokens, where dollars moved"),
    BreakKind.IN_QUARANTINE: About("The broker insists on an execution that contradicts its order.", "clearing", "token"),
    BreakKind.SYMBOL_DIFFERS: About("One execution, two symbols.", "broker", "token"),
    BreakKind.SHARES_DIFFER: About("One execution, two numbers of shares or two sides.", "broker", "token"),
    BreakKind.PRICE_DIFFERS: About("One execution, two prices.", "broker", "token"),
    BreakKind.FEE_DIFFERS: About("One execution, two fees.", "broker", "token"),
    BreakKind.SETTLEMENT_LATE: About("An execution is past its settlement day and has not settled here.", "custody", "nothing"),
    BreakKind.SETTLEMENT_FAILED: About("A settlement failed and was replaced here; the broker still has the execution.", "custody", "token"),
    BreakKind.POSITION_DIFFERS: About("Shares differ by what no trade explains.", "custody", "token"),
    BreakKind.CASH_DIFFERS: About("Dollars differ by what no trade explains.", "treasury", "all tokens"),
    BreakKind.DIVIDEND_DIFFERS: About("A dividend is not what was receivable.", "treasury", "nothing"),
}  # fmt: skip
"""Every kind of break."""


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """A difference.

    Attributes:
        kind: What does not fit.
        subject: The execution, the symbol, or `USD`: with kind and broker it names the break from day to day.
        symbol: Whose shares; empty for cash.
        broker: What the broker says, as text by name; empty where it says nothing.
        venue: What the venue has.
        shares: Broker's less the venue's, 1e-9.
        dollars: Broker's less the venue's, micro-dollars.
        engine_break: The engine's break for the same; 0 where there is none yet.
        beside: The engine's for the same beside that one: it has one for each token of a symbol.
        trade: The broker's line, where the break is about one.
    """

    kind: BreakKind
    subject: str
    symbol: str
    broker: dict[str, str]
    venue: dict[str, str]
    shares: int = 0
    dollars: int = 0
    engine_break: int = 0
    beside: tuple[int, ...] = ()
    trade: Trade | None = None


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What earlier days left for this one.

    Attributes:
        trades: Lines of earlier statements that broke and have not been resolved.
        matched: Keys of executions that an earlier statement already had.
        wanted: Keys of executions that earlier statements lacked.
    """

    trades: tuple[Trade, ...] = ()
    matched: frozenset[bytes] = frozenset()
    wanted: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class Comparison:
    """What was found for one broker and day."""

    matched: dict[str, int] = field(default_factory=lambda: {"trades": 0, "positions": 0, "cash": 0})
    breaks: list[Break] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)
    """Keys of executions that both sides have."""
    within: dict[str, int] = field(default_factory=dict)
    """Differences that the stated tolerance takes: subject to micro-dollars."""

    @property
    def clean(self) -> bool:
        """Whether nothing breaks."""
        return not self.breaks


def compare(
    statement: EndOfDay, side: BrokerSide, carried: Carried | None = None, *, cash_tolerance: int = 0
) -> Comparison:
    """Compares a statement with the venue's side of the same broker and day. `cash_tolerance` in micro-dollars.

    Raises ValueError where they are not of the same broker and day.
    """
    if (statement.broker, statement.day) != (side.name, side.day):
        raise ValueError(f"{statement.broker} {statement.day} is compared with {side.name} {side.day}")
    before = carried or Carried()
    found = Comparison()
    compare_trades(statement, side, before, found)
    compare_settlements(side, found)
    compare_failed(statement, side, found)
    compare_positions(statement, side, found)
    compare_cash(statement, side, found, cash_tolerance)
    return found


# --- trades --------------------------------------------------------------------------------------------------------------


def compare_trades(statement: EndOfDay, side: BrokerSide, carried: Carried, found: Comparison) -> None:
    """Every execution of either side, by its id."""
    told: set[bytes] = set()
    for trade in (*carried.trades, *statement.trades):
        key = execution_bytes(trade.execution)
        if key in told:
            continue
        told.add(key)
        breaks = trade_breaks(trade, side.executions.get(key), side)
        found.breaks += breaks
        if key in side.executions:
            found.seen.add(key)
        found.matched["trades"] += not breaks
    for key, one in sorted(side.executions.items(), key=lambda item: item[1].sequence):
        expected = (one.day == side.day or key in carried.wanted) and one.booked
        if expected and key not in told and key not in carried.matched:
            found.breaks.append(_missing_at_broker(one, side))


def trade_breaks(trade: Trade, one: Execution | None, side: BrokerSide) -> list[Break]:
    """What differs between a line of a statement and the venue's execution of the same id: each field once."""
    shares, dollars = signed_shares(trade.side, trade.shares), net_dollars(trade)
    if one is None or not one.booked:
        kind = BreakKind.MISSING_AT_VENUE if trade.symbol in side.tokens else BreakKind.UNKNOWN_SYMBOL
        held = one is not None and one.stage == QUARANTINED
        venue = {} if one is None else {"stage": one.stage}
        return [
            Break(
                kind=BreakKind.IN_QUARANTINE if held else kind, subject=trade.execution, symbol=trade.symbol, broker=_of_trade(trade),
                venue=venue, shares=_today(shares, side, trade.symbol), dollars=dollars,
                engine_break=one.break_id if one is not None else 0, trade=trade,
            )
        ]  # fmt: skip
    found = []
    now = Trade(
        execution=trade.execution, order=trade.order, symbol=side.symbols[one.underlying], side=one.side, shares=one.shares,
        price=side.price_of(one), fee=one.fee, traded=trade.traded, settles=one.settles,
    )  # fmt: skip
    for kind, name, fields in _FIELDS:
        then = msgspec.structs.replace(now, **{field: getattr(trade, field) for field in fields})
        if _same(kind, now, then, 10**9 // 10 ** side.decimals[one.underlying]):
            continue
        change = signed_shares(then.side, then.shares) - signed_shares(now.side, now.shares)
        if kind == BreakKind.SYMBOL_DIFFERS:
            change = 0  # the position of each symbol says the rest
        found.append(
            Break(
                kind=kind, subject=trade.execution, symbol=side.symbols[one.underlying], broker={name: _FORMAT[kind](then)},
                venue={name: _FORMAT[kind](now), "order": str(one.order)}, shares=_today(change, side, now.symbol),
                dollars=net_dollars(then) - net_dollars(now), trade=trade,
            )
        )  # fmt: skip
        now = then
    return found


_FIELDS: Final = (
    (BreakKind.SYMBOL_DIFFERS, "symbol", ("symbol",)),
    (BreakKind.SHARES_DIFFER, "shares", ("side", "shares")),
    (BreakKind.PRICE_DIFFERS, "price", ("price",)),
    (BreakKind.FEE_DIFFERS, "fee", ("fee",)),
)
_FORMAT: Final[Mapping[BreakKind, Callable[[Trade], str]]] = {
    BreakKind.SYMBOL_DIFFERS: lambda t: t.symbol,
    BreakKind.SHARES_DIFFER: lambda t: SHARES.text(signed_shares(t.side, t.shares)),
    BreakKind.PRICE_DIFFERS: lambda t: PRICE.text(t.price),
    BreakKind.FEE_DIFFERS: lambda t: DOLLARS.text(t.fee),
}


def _same(kind: BreakKind, now: Trade, then: Trade, price_unit: int) -> bool:
    """Whether a field says the same: a price to one unit of the venue's scale, anything else exactly."""
    if kind == BreakKind.PRICE_DIFFERS:
        return abs(now.price - then.price) < price_unit
    return _FORMAT[kind](now) == _FORMAT[kind](then)


def _missing_at_broker(one: Execution, side: BrokerSide) -> Break:
    symbol = side.symbols[one.underlying]
    own = Trade(
        execution=text_of_key(one.key), order=str(one.order), symbol=symbol, side=one.side, shares=one.shares,
        price=side.price_of(one), fee=one.fee, traded=one.day, settles=one.settles,
    )  # fmt: skip
    return Break(
        kind=BreakKind.MISSING_AT_BROKER, subject=own.execution, symbol=symbol, broker={}, venue=_of_trade(own),
        shares=-one.signed, dollars=-net_dollars(own),
    )  # fmt: skip


def _of_trade(trade: Trade) -> dict[str, str]:
    return {
        "order": trade.order,
        "symbol": trade.symbol,
        "side": "buy" if trade.side == Side.BID else "sell",
        "shares": SHARES.text(trade.shares),
        "price": PRICE.text(trade.price),
        "fee": DOLLARS.text(trade.fee),
        "traded": trade.traded.isoformat(),
        "settles": trade.settles.isoformat(),
    }


def signed_shares(side: Side, shares: int) -> int:
    """Bought positive, sold negative."""
    return shares if side == Side.BID else -shares


def net_dollars(trade: Trade) -> int:
    """Micro-dollars that a trade brings: a purchase costs, rounded up; a sale brings, rounded down; less the fee."""
    of = (trade.shares, trade.price)
    return (-cost_up(*of) if trade.side == Side.BID else proceeds_down(*of)) - trade.fee


def _today(shares: int, side: BrokerSide, symbol: str) -> int:
    """Shares as the venue counts them by now."""
    return int(shares * side.ratios.get(symbol, Fraction(1)))


# --- settlement ----------------------------------------------------------------------------------------------------------


def compare_settlements(side: BrokerSide, found: Comparison) -> None:
    """Executions past their settlement day that the venue has heard nothing of."""
    for one in late(side.executions.values(), side.day):
        trade_like = text_of_key(one.key)
        found.breaks.append(
            Break(
                kind=BreakKind.SETTLEMENT_LATE, subject=trade_like, symbol=side.symbols[one.underlying], broker={},
                venue={
                    "settles": one.settles.isoformat(), "days late": str(days_late(one.settles, side.day)),
                    "shares": SHARES.text(one.signed), "order": str(one.order),
                },
            )
        )  # fmt: skip


def compare_failed(statement: EndOfDay, side: BrokerSide, found: Comparison) -> None:
    """Executions whose settlement failed: the venue has replaced them, and the broker may still mean to settle them."""
    failed: dict[str, list[Execution]] = defaultdict(list)
    for one in side.executions.values():
        if one.stage == FAILED:
            failed[side.symbols[one.underlying]].append(one)
    theirs = {one.symbol: one for one in statement.positions}
    for symbol, executions in failed.items():
        said = sum(_scaled(theirs.get(symbol), side.ratios.get(symbol, Fraction(1))))
        has = side.holdings.get(symbol)
        off = said - (has.settled + has.unsettled if has is not None else 0)
        off -= sum(one.shares for one in found.breaks if one.symbol == symbol)
        told = {one.subject for one in found.breaks}
        open_ = [one for one in executions if text_of_key(one.key) not in told]
        if not open_ or off != sum(one.signed for one in open_):
            continue
        found.breaks += [
            Break(
                kind=BreakKind.SETTLEMENT_FAILED, subject=text_of_key(one.key), symbol=symbol, broker={"shares": SHARES.text(one.signed)},
                venue={"stage": one.stage, "settles": one.settles.isoformat(), "order": str(one.order)}, shares=one.signed,
                dollars=_net_of(one, side),
            )
            for one in open_
        ]  # fmt: skip


# --- positions -----------------------------------------------------------------------------------------------------------


def compare_positions(statement: EndOfDay, side: BrokerSide, found: Comparison) -> None:
    """Shares of every symbol that either side has."""
    explained: dict[str, int] = defaultdict(int)
    for one in found.breaks:
        explained[one.symbol] += one.shares
    theirs = {one.symbol: one for one in statement.positions}
    ours = {symbol: (one.settled, one.unsettled) for symbol, one in side.holdings.items()}
    for symbol in sorted(theirs.keys() | ours.keys()):
        said = _scaled(theirs.get(symbol), side.ratios.get(symbol, Fraction(1)))
        has = ours.get(symbol, (0, 0))
        if said == has == (0, 0):
            continue
        off = sum(said) - sum(has)
        slack = 0 if side.ratios.get(symbol, Fraction(1)).denominator == 1 else 4
        by_trades = off - explained[symbol]
        total_fits = abs(off) <= slack or abs(by_trades) <= slack
        settled_fits = abs(said[0] - has[0]) <= slack or _settling_explains(said[0] - has[0], side, symbol)
        if total_fits and (settled_fits or explained[symbol] != 0):
            found.matched["positions"] += abs(off) <= slack
            continue
        known = symbol in side.tokens
        found.breaks.append(
            Break(
                kind=BreakKind.POSITION_DIFFERS if known else BreakKind.UNKNOWN_SYMBOL, subject=symbol, symbol=symbol,
                broker=_of_position(said), venue=_of_position(has) | _explained(explained[symbol], SHARES.text),
                shares=off - explained[symbol] if not total_fits else said[0] - has[0],
            )
        )  # fmt: skip


def _scaled(position: Position | None, ratio: Fraction) -> tuple[int, int]:
    if position is None:
        return (0, 0)
    return int(position.settled * ratio), int(position.unsettled * ratio)


def _settling_explains(off: int, side: BrokerSide, symbol: str) -> bool:
    """Whether settled shares differ by no more than what is late here, or what a correction added ahead of its settlement."""
    of = [one for one in side.executions.values() if one.is_open and side.symbols[one.underlying] == symbol]
    overdue = [one.signed for one in late(of, side.day)]
    most = sum(shares for shares in overdue if shares > 0)
    least = sum(shares for shares in overdue if shares < 0) - sum(int(one.ahead * one.scale) for one in of)
    return least <= off <= most


def _of_position(parts: tuple[int, int]) -> dict[str, str]:
    return {"settled": SHARES.text(parts[0]), "unsettled": SHARES.text(parts[1])}


def _explained(amount: int, text: Callable[[int], str]) -> dict[str, str]:
    return {"explained by trades": text(amount)} if amount else {}


# --- cash ----------------------------------------------------------------------------------------------------------------


def compare_cash(statement: EndOfDay, side: BrokerSide, found: Comparison, tolerance: int = 0) -> None:
    """Dollars of both sides."""
    said, has = statement.cash, side.cash
    off = said.settled + said.unsettled - has.settled - has.unsettled
    explained = sum(one.dollars for one in found.breaks)
    settled_off = said.settled - has.settled
    total_fits = abs(off) <= tolerance or abs(off - explained) <= tolerance
    settled_fits = abs(settled_off) <= tolerance or _cash_settling_explains(settled_off, side, tolerance)
    if total_fits and (settled_fits or explained != 0):
        found.matched["cash"] += abs(off) <= tolerance
        if 0 < abs(off) <= tolerance:
            found.within[CASH] = off
        return
    amount = off - explained if not total_fits else settled_off
    found.breaks.append(
        Break(
            kind=BreakKind.CASH_DIFFERS, subject=CASH, symbol="",
            broker={"settled": DOLLARS.text(said.settled), "unsettled": DOLLARS.text(said.unsettled)},
            venue={"settled": DOLLARS.text(has.settled), "unsettled": DOLLARS.text(has.unsettled)}
            | _explained(explained, DOLLARS.text),
            dollars=amount,
        )
    )  # fmt: skip


def _cash_settling_explains(off: int, side: BrokerSide, tolerance: int) -> bool:
    nets = [_net_of(one, side) for one in late(side.executions.values(), side.day)]
    least, most = sum(net for net in nets if net < 0), sum(net for net in nets if net > 0)
    return least - tolerance <= off <= most + tolerance


def _net_of(one: Execution, side: BrokerSide) -> int:
    own = Trade(
        execution="", order="", symbol="", side=one.side, shares=one.shares, price=side.price_of(one), fee=one.fee, traded=one.day,
        settles=one.settles,
    )  # fmt: skip
    return net_dollars(own)


# --- what the engine is told ---------------------------------------------------------------------------------------------


class Word(NamedTuple):
    """What the engine is told about one unit at a broker: a token's shares, or (token 0) dollars.

    `off` is by how much the broker's differ from the books at the end of the day; the engine's books may have moved on since, so the
    statement that it gets is what they have by now and `off`.
    """

    token: int
    symbol: str
    off: int


def engine_words(found: Comparison, side: BrokerSide) -> list[Word]:
    """A word for every token with shares or issuance at the broker, and one for its dollars. Nought agrees.

    A token is off by every break of its symbol: a trade that one side lacks stops it on the evening of the trade, not when it would have
    settled. Dollars are off by what no trade of a token explains: what one explains stops its token alone.
    """
    off: dict[str, int] = defaultdict(int)
    for one in found.breaks:
        off[one.symbol] += one.shares
    words = [
        Word(token, symbol, off[symbol])
        for symbol, tokens in sorted(side.tokens.items())
        for token in tokens
        if symbol in side.holdings or off[symbol]
    ]
    of_nobody = {BreakKind.CASH_DIFFERS, BreakKind.UNKNOWN_SYMBOL}
    cash = sum(one.dollars for one in found.breaks if one.kind in of_nobody)
    return [*words, Word(0, CASH, cash)]


def contradictions(found: Comparison) -> list[Trade]:
    """Lines of the statement that say otherwise than the broker's own report, at the same number of shares: one execution, two contents.

    They are told to the engine as the broker says them; it books nothing of them, and stops their token.
    """
    kinds = {BreakKind.PRICE_DIFFERS, BreakKind.FEE_DIFFERS}
    by_trade: dict[str, list[Break]] = defaultdict(list)
    for one in found.breaks:
        if one.trade is not None:
            by_trade[one.trade.execution].append(one)
    return [
        breaks[0].trade
        for breaks in by_trade.values()
        if breaks[0].trade is not None and {one.kind for one in breaks} <= kinds
    ]


def by_symbol(breaks: Iterable[Break]) -> dict[str, list[Break]]:
    """Breaks by symbol; those of cash under `USD`."""
    found: dict[str, list[Break]] = defaultdict(list)
    for one in breaks:
        found[one.symbol or CASH].append(one)
    return dict(found)


def counts(breaks: Sequence[Break]) -> dict[str, int]:
    """How many there are of each kind."""
    return {kind.value: number for kind in BreakKind if (number := sum(one.kind == kind for one in breaks))}

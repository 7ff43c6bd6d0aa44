"""The venue's side of a reconciliation: its executions by the journal, and what its books have at each broker after one command.

    found = movements(past, after, until)           what the journal says of executions, once
    ledger = Ledger(); ledger.take(movement)        every execution as it stands
    side_of(engine, ledger, broker, day)            what a statement of that broker and day is compared with

A command in the journal is what somebody said; whether the engine took it, its events say. So movements are read from both together, and
whoever reads them again gets the same.

Responsible for: those movements, and executions and balances in the terms of a broker's statement (symbols, shares, dollars a share in 1e-9,
days in New York). Never: compares, writes to the home, or takes its lock.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from novate.broker import Cash, EndOfDay, Position, Trade
from novate.calendar import new_york_date
from novate.clearing.names import Names
from novate.clearing.settlement import business_day, trading_day_from
from novate.journal.recovery import frames_after
from novate.messages import (
    BreakOpened,
    BreakResolved,
    BrokerOrderRaised,
    CommandRefused,
    CorporateActionChanged,
    CorporateActionTaken,
    ReceivableChanged,
    ReportBrokerFill,
    ReportBust,
    ReportCorrection,
    ReportSettlement,
    ScheduleCorporateAction,
    iter_commands,
    iter_events,
    split,
)
from novate.messages.codes import BreakKind, BreakResolution, CorporateActionKind, CorporateActionState, Side
from novate.messages.reports import clearing
from novate.messages.reports.base import Answers
from novate.messages.reports.portfolios import listed
from novate.projector.past import Past, Told

_COMMANDS: Final = (ReportBrokerFill, ReportBust, ReportCorrection, ReportSettlement, ScheduleCorporateAction)
_EVENTS: Final = (
    CommandRefused,
    BreakOpened,
    BreakResolved,
    BrokerOrderRaised,
    CorporateActionChanged,
    CorporateActionTaken,
    ReceivableChanged,
)
_PLACE: Final = re.compile(r"(\w+)\((\d+)\)")
_SETTLED: Final = ("Broker", "HouseAt")
_COMING: Final = ("FromBroker", "HouseFrom")
_GOING: Final = ("ToBroker", "HouseTo")
DISTRIBUTES: Final = frozenset(
    (
        CorporateActionKind.CASH_DIVIDEND,
        CorporateActionKind.SPECIAL_DIVIDEND,
        CorporateActionKind.SPIN_OFF,
        CorporateActionKind.RIGHTS,
    )
)
"""Kinds of action that leave holders their shares, and something receivable on each."""
_WITH_AN_ACTION: Final = (0, 1)
"""Reasons of `ReceivableChanged` that belong to an action: its ex-date, its correction."""
_BOOKED: Final = (CorporateActionState.APPLIED, CorporateActionState.CORRECTED)
PRICE_DECIMALS: Final = 9
"""Of a price in a statement."""


# --- what the journal says -----------------------------------------------------------------------------------------------


class Movement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that the engine took, at a place of the journal.

    Attributes:
        sequence: The command's.
        at_ns: Its time.
    """

    sequence: int
    at_ns: int


class OrderRaised(Movement, frozen=True, kw_only=True):
    """An order for a broker."""

    order: int
    broker: int
    token: int
    underlying: int


class Fill(Movement, frozen=True, kw_only=True):
    """An execution as it was reported; with a `break_id` it is in quarantine, and booked nowhere."""

    order: int
    execution: bytes
    underlying: int
    side: int
    shares: int
    price: int
    fee: int
    settle_ns: int
    break_id: int = 0


class TakenBack(Movement, frozen=True, kw_only=True):
    """An execution was busted."""

    broker: int
    execution: bytes


class Changed(Movement, frozen=True, kw_only=True):
    """An execution was corrected."""

    broker: int
    execution: bytes
    shares: int
    price: int


class Settlement(Movement, frozen=True, kw_only=True):
    """An execution settled, or failed to."""

    broker: int
    execution: bytes
    settled: bool


class BreakEnded(Movement, frozen=True, kw_only=True):
    """A break of the engine was resolved."""

    break_id: int
    resolution: int


class Split(Movement, frozen=True, kw_only=True):
    """A company's shares became other shares."""

    underlying: int
    new: int
    old: int


class Dividend(Movement, frozen=True, kw_only=True):
    """A name went ex: dollars a share at the scale of its prices, before withholding, as they were booked then."""

    action: int
    underlying: int
    amount: int


class Receivable(Movement, frozen=True, kw_only=True):
    """What is receivable on a token changed; 1e-12 dollars on each. `action` is what it changed with: its effect or its correction, else 0."""

    asset: int
    each: int
    multiplier_ppb: int
    action: int = 0


class Terms(Movement, frozen=True, kw_only=True):
    """A corporate action was announced, scheduled or amended. `command` is the whole of it, as the journal has it."""

    action: int
    command: bytes


AnyMovement = (
    OrderRaised | Fill | TakenBack | Changed | Settlement | BreakEnded | Split | Dividend | Receivable | Terms
)


def movements(past: Past, after: int, until: int) -> Iterator[tuple[int, int, list[AnyMovement]]]:
    """Movements behind command `after`, up to and with `until`, in runs: each with its last command, that one's time, and what moved."""
    for told in past.told(after, until):
        yield told.last_sequence, told.time_ns, moved_in(told)


def moved_in(told: Told) -> list[AnyMovement]:
    """The movements of some commands, from both what was said and what came of it."""
    refused: set[int] = set()
    opened: dict[int, BreakOpened] = {}
    found: list[AnyMovement] = []
    taken: dict[int, CorporateActionTaken] = {}
    receivable: list[Receivable] = []
    for event in iter_events(told.events, _EVENTS):
        at = {"sequence": event.header.sequence, "at_ns": event.header.time_ns}
        match event.body:
            case CommandRefused():
                refused.add(event.header.sequence)
            case BreakOpened() as body:
                opened[event.header.sequence] = body
            case BreakResolved() as body:
                found.append(BreakEnded(break_id=body.break_id, resolution=body.resolution, **at))
            case BrokerOrderRaised() as body:
                found.append(
                    OrderRaised(
                        order=body.order,
                        broker=body.broker,
                        token=body.token,
                        underlying=body.underlying,
                        **at,
                    )
                )
            case CorporateActionTaken() as body:
                taken[body.action] = body
            case ReceivableChanged() as body:
                one = Receivable(
                    asset=body.asset, each=body.receivable, multiplier_ppb=body.multiplier_ppb, **at
                )
                (receivable if body.reason in _WITH_AN_ACTION else found).append(one)
            case CorporateActionChanged() as body if body.to in _BOOKED:
                # What became receivable with an action is told before the word that it is done, in the same command.
                if body.action in taken:
                    found += _booked(taken.pop(body.action), CorporateActionKind(body.action_kind), **at)
                found += [replace(one, action=body.action) for one in receivable]
                receivable = []
    for header, said in iter_commands(told.commands, _COMMANDS):
        if header.sequence in refused:
            continue
        at = {"sequence": header.sequence, "at_ns": header.time_ns}
        match said:
            case ReportBrokerFill():
                broken = opened.get(header.sequence)
                if broken is not None and broken.kind == BreakKind.ID_USED_TWICE:
                    continue  # the first of the two is what stands
                found.append(
                    Fill(
                        order=said.order, execution=bytes(said.execution), underlying=said.underlying, side=said.side,
                        shares=said.shares, price=said.price, fee=said.fee, settle_ns=said.settle_time_ns,
                        break_id=broken.break_id if broken is not None else 0, **at,
                    )
                )  # fmt: skip
            case ReportBust():
                found.append(TakenBack(broker=said.broker, execution=bytes(said.execution), **at))
            case ReportCorrection():
                found.append(
                    Changed(
                        broker=said.broker, execution=bytes(said.execution), shares=said.shares, price=said.price, **at
                    )
                )  # fmt: skip
            case ReportSettlement():
                settled = said.settled == 1
                found.append(
                    Settlement(broker=said.broker, execution=bytes(said.execution), settled=settled, **at)
                )
            case ScheduleCorporateAction():
                terms = msgspec.msgpack.encode(said)
                found.append(Terms(action=said.action, command=terms, **at))
    # In the journal's order; of one command an order stands before its executions, an action before what became receivable.
    return sorted(found, key=lambda one: (one.sequence, isinstance(one, Receivable)))


def _booked(one: CorporateActionTaken, kind: CorporateActionKind, **at: int) -> list[AnyMovement]:
    """What an action is to a broker's statement: its ratio is one of shares for a split alone."""
    if kind == CorporateActionKind.SPLIT:
        return [Split(underlying=one.underlying, new=one.ratio_new, old=one.ratio_old, **at)]
    if kind in DISTRIBUTES:
        return [Dividend(action=one.action, underlying=one.underlying, amount=one.amount, **at)]
    return []


def last_before(past: Past, time_ns: int, after: int = 0) -> tuple[int, int]:
    """The last command before a moment, and its time; looked for behind `after`. (0, 0) where there is none."""
    found = (0, 0)
    for frame in frames_after(past.paths.journal, after, past.last_sequence):
        if not frame.count:
            continue
        if frame.time_ns < time_ns:
            found = (frame.last_sequence, frame.time_ns)
            continue
        for header, _ in split(frame.payload):
            if header.time_ns >= time_ns:
                return found
            found = (header.sequence, header.time_ns)
        return found
    return found


# --- executions as they stand --------------------------------------------------------------------------------------------


OPEN, SETTLED, FAILED, BUSTED, QUARANTINED = "open", "settled", "failed", "busted", "quarantined"


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """An execution as the venue has it, in the units of a statement.

    Attributes:
        broker: Whose.
        key: The 16 bytes by which the engine knows it.
        order: The venue's number of its order.
        underlying: The listed id of what was traded.
        token: For which token.
        side: Which way.
        shares: As reported or corrected, in shares of the day it was traded.
        price: Of one of them, at the underlying's scale.
        fee: Micro-dollars.
        settles: The day it should.
        day: The trading day on which the venue heard of it.
        sequence: The command that brought it.
        stage: Where it stands.
        ahead: Shares that a correction added, which the books count as settled at once.
        scale: Shares of today for one of `shares`.
        break_id: The engine's break that keeps it in quarantine.
    """

    broker: int
    key: bytes
    order: int
    underlying: int
    token: int
    side: Side
    shares: int
    price: int
    fee: int
    settles: date
    day: date
    sequence: int
    stage: str = OPEN
    ahead: int = 0
    scale: Fraction = Fraction(1)
    break_id: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it has not settled, and still may."""
        return self.stage == OPEN

    @property
    def booked(self) -> bool:
        """Whether the books have it."""
        return self.stage in {OPEN, SETTLED}

    @property
    def signed(self) -> int:
        """Shares bought positive, sold negative, as many as they are today."""
        number = int(self.shares * self.scale)
        return number if self.side == Side.BID else -number


class Ledger:
    """Executions of one venue, by broker and key, as of the last movement that was taken."""

    def __init__(self) -> None:
        self.executions: dict[tuple[int, bytes], Execution] = {}
        self.orders: dict[int, OrderRaised] = {}
        self.splits: list[Split] = []
        self.terms: dict[int, Terms] = {}
        """Corporate actions by id, as scheduled last."""
        self.dividends: dict[int, Dividend] = {}
        """Those that were taken, by action."""
        self.each: dict[int, dict[int, int]] = {}
        """Action to token to what became receivable on each with it, 1e-12 dollars."""
        self.receivable: dict[int, Receivable] = {}
        """Token to what is receivable on it."""
        self._held: dict[int, tuple[int, bytes]] = {}

    def take(self, one: AnyMovement) -> None:
        """Takes one movement in; they come in the journal's order."""
        match one:
            case OrderRaised():
                self.orders[one.order] = one
            case Fill():
                self._fill(one)
            case TakenBack():
                self._change(one.broker, one.execution, stage=BUSTED)
            case Changed():
                self._correct(one)
            case Settlement():
                self._change(one.broker, one.execution, stage=SETTLED if one.settled else FAILED)
            case BreakEnded():
                self._end(one)
            case Split():
                self._split(one)
            case Terms():
                self.terms[one.action] = one
            case Dividend():
                self.dividends[one.action] = one
            case Receivable():
                self._receivable(one)

    def of(self, broker: int) -> dict[bytes, Execution]:
        """A broker's executions by key."""
        return {key: one for (which, key), one in self.executions.items() if which == broker}

    def _fill(self, one: Fill) -> None:
        order = self.orders[one.order]
        key = (order.broker, one.execution)
        self.executions[key] = Execution(
            broker=order.broker, key=one.execution, order=one.order, underlying=one.underlying, token=order.token,
            side=Side(one.side), shares=one.shares, price=one.price, fee=one.fee, settles=new_york_date(one.settle_ns),
            day=business_day(one.at_ns), sequence=one.sequence, stage=QUARANTINED if one.break_id else OPEN,
            break_id=one.break_id,
        )  # fmt: skip
        if one.break_id:
            self._held[one.break_id] = key

    def _change(self, broker: int, execution: bytes, **to: object) -> None:
        known = self.executions.get((broker, execution))
        if known is not None:
            self.executions[broker, execution] = replace(known, **to)

    def _correct(self, one: Changed) -> None:
        known = self.executions.get((one.broker, one.execution))
        if known is None:
            return
        # A correction speaks of the shares of its own day.
        shares = int(one.shares / known.scale)
        ahead = max(shares - known.shares, 0) if known.side == Side.BID and known.is_open else 0
        self._change(
            one.broker, one.execution, shares=shares, price=int(one.price * known.scale), ahead=ahead
        )

    def _end(self, one: BreakEnded) -> None:
        key = self._held.pop(one.break_id, None)
        if key is not None:
            stage = OPEN if one.resolution == BreakResolution.ADOPTED else BUSTED
            self._change(*key, stage=stage, break_id=0)

    def _receivable(self, one: Receivable) -> None:
        before = self.receivable.get(one.asset)
        self.receivable[one.asset] = one
        if one.action in self.dividends:
            each = self.each.setdefault(one.action, {})
            change = one.each - (before.each if before is not None else 0)
            each[one.asset] = each.get(one.asset, 0) + change

    def _split(self, one: Split) -> None:
        self.splits.append(one)
        ratio = Fraction(one.new, one.old)
        for key, known in self.executions.items():
            if known.underlying == one.underlying:
                self.executions[key] = replace(known, scale=known.scale * ratio)


# --- one broker's side ---------------------------------------------------------------------------------------------------


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of a symbol that the books have at a broker: settled, and bought less sold that has not."""

    settled: int
    unsettled: int


@dataclass(frozen=True, slots=True)
class BrokerSide:
    """What the venue has at one broker at the end of a day."""

    broker: int
    name: str
    day: date
    holdings: Mapping[str, Holding]
    cash: Cash
    executions: Mapping[bytes, Execution]
    symbols: Mapping[int, str]
    """Symbol of an underlying, as the broker calls it."""
    decimals: Mapping[int, int]
    """Scale of its prices."""
    tokens: Mapping[str, tuple[int, ...]]
    """Symbol to the tokens that its shares stand behind."""
    ratios: Mapping[str, Fraction] = field(default_factory=dict)
    """Splits that the venue has taken and the broker takes on its next trading day: shares of the venue for one of the broker."""

    def price_of(self, one: Execution) -> int:
        """Price of one share in 1e-9 dollars."""
        return int(one.price * 10**PRICE_DECIMALS // 10 ** self.decimals[one.underlying])


def side_of(
    engine: Answers, ledger: Ledger, broker: int, day: date, called: Mapping[str, str] = MappingProxyType({})
) -> BrokerSide:
    """A broker's side as the engine has it now, with the executions of `ledger`, which stands at the same command.

    `called` says what an underlying is called at brokers, where that differs from its name; names that were not listed yet are passed over.
    Raises ConfigError for a symbol used twice.
    """
    names = listed(engine)
    there = {one.name for one in names.underlyings}
    symbols = Names.of(names, {name: symbol for name, symbol in called.items() if name in there}).symbols
    symbol_of = {one.asset: symbols[one.underlying] for one in names.assets}
    holdings, cash = balances(engine, broker)
    by_symbol: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    tokens: dict[str, set[int]] = defaultdict(set)
    for line in clearing.supply(engine):
        tokens[symbol_of[line.token]].add(line.token)
    for token, one in holdings.items():
        by_symbol[symbol_of[token]][0] += one.settled
        by_symbol[symbol_of[token]][1] += one.unsettled
    name = next(one.name for one in clearing.brokers(engine) if one.broker == broker)
    return BrokerSide(
        broker=broker,
        name=name,
        day=day,
        holdings={
            symbol: Holding(settled=parts[0], unsettled=parts[1]) for symbol, parts in by_symbol.items()
        },
        cash=cash,
        executions=ledger.of(broker),
        symbols=symbols,
        decimals={one.underlying: one.decimals for one in names.underlyings},
        tokens={symbol: tuple(sorted(of)) for symbol, of in tokens.items()},
        ratios=_ahead(ledger, symbols, day),
    )


def balances(engine: Answers, broker: int) -> tuple[dict[int, Holding], Cash]:
    """By token what the books have at a broker, and its dollars."""
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for line in clearing.books(engine):
        found = _PLACE.fullmatch(line.place)
        if found is None or int(found[2]) != broker:
            continue
        if found[1] in _SETTLED:
            sums[line.token][0] += line.amount
        elif found[1] in _COMING:
            sums[line.token][1] += line.amount
        elif found[1] in _GOING:
            sums[line.token][1] -= line.amount
    dollars = sums.pop(0, [0, 0])
    holdings = {token: Holding(settled=parts[0], unsettled=parts[1]) for token, parts in sums.items()}
    return holdings, Cash(settled=dollars[0], unsettled=dollars[1])


def _ahead(ledger: Ledger, symbols: Mapping[int, str], day: date) -> dict[str, Fraction]:
    """The venue splits in the evening before the ex-date, the broker on the ex-date."""
    found: dict[str, Fraction] = {}
    for one in ledger.splits:
        taken = new_york_date(one.at_ns)
        if taken <= day < _ex_date(taken):
            name = symbols[one.underlying]
            found[name] = found.get(name, Fraction(1)) * Fraction(one.new, one.old)
    return found


def _ex_date(taken: date) -> date:
    """The trading day behind the evening on which a split was taken."""
    return trading_day_from(taken + timedelta(days=1))


def text_of_key(key: bytes) -> str:
    """An execution's 16 bytes as a statement has them: the broker's own id where it fits, else `#` and the bytes in hexadecimal."""
    plain = key.rstrip(b"\0")
    if plain and all(0x21 <= byte < 0x7F and byte not in b',"#' for byte in plain):
        return plain.decode("ascii")
    return "#" + key.hex()


def statement_of(side: BrokerSide, day: date) -> EndOfDay:
    """The venue's own statement of a broker and day, to be written beside the broker's: executions that it heard of that day."""
    trades = [
        Trade(
            execution=text_of_key(one.key), order=str(one.order), symbol=side.symbols[one.underlying], side=one.side, shares=one.shares,
            price=side.price_of(one), fee=one.fee, traded=one.day, settles=one.settles,
        )
        for one in side.executions.values()
        if one.day == day and one.booked
    ]  # fmt: skip
    positions = [
        Position(symbol=symbol, settled=one.settled, unsettled=one.unsettled)
        for symbol, one in side.holdings.items()
    ]
    return EndOfDay(
        broker=side.name, day=day, positions=tuple(positions), cash=side.cash, trades=tuple(trades)
    )


def listed_names(engine: Answers) -> dict[int, str]:
    """Names of tokens and other assets by id."""
    return {one.asset: one.name for one in listed(engine).assets}

"""A margin call as an object: what is missing, how it can be brought, by when, and who said that he saw it.

Three kinds. *margin*: equity is below the requirement of the watched level; what cures it is found by asking the engine what would be.
*cash*: a perp debt that stayed unsettled. *loan*: a loan that must become smaller. The last two are the engine's own calls, with its
amounts and its deadlines.

Responsible for: the objects, their remedies and deadlines. Never: computes a margin: every excess in here is an answer of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final, Literal

import msgspec

from novate.calendar import new_york_date, trading_days
from novate.messages import reports
from novate.messages.reports import lending
from novate.messages.reports.base import Answers
from novate.messages.reports.portfolios import AssetName, Listed, MarketName
from novate.units import text

MICRO: Final = 6
_MOST_POSITIONS: Final = 5
_MOST_REMEDIES: Final = 4
_FARTHEST: Final = 64
"""A deposit of more than so many times what is missing is no remedy."""
_AHEAD: Final = timedelta(days=40)

CallKind = Literal["margin", "cash", "loan"]
CallState = Literal["open", "overdue", "cured"]


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """One way to end a call by itself.

    Attributes:
        kind: `deposit`, or `close` (part of) a position at the index, before fees.
        name: The asset, or the market.
        amount: How much: whole units as text; lots for a position.
        excess_after: Dollars the account would then have beyond the requirement; empty for the engine's own calls.
        sentence: The same in words.
    """

    kind: Literal["deposit", "close"]
    name: str
    amount: str
    excess_after: str = ""
    sentence: str


class MarginCall(msgspec.Struct, frozen=True, kw_only=True):
    """What an account must bring.

    Attributes:
        id: Stable: the same call has the same id after any restart.
        account: Whose.
        kind: margin, cash or loan.
        reason: Why, one sentence.
        asset: What is called, by name; USD for a margin call.
        amount: How much is missing, as text.
        remedies: Ways to end it, each enough by itself.
        made_ns: When it was made.
        deadline_ns: When it is overdue, as the calendar stands; 0 where no time is promised.
        deadline: The same in words.
        state: open, overdue, or cured.
        acknowledged_by: Who said that he saw it; empty for nobody.
        acknowledged_ns: When.
    """

    id: str
    account: str
    kind: CallKind
    reason: str
    asset: str
    amount: str
    remedies: tuple[Remedy, ...]
    made_ns: int
    deadline_ns: int
    deadline: str
    state: CallState = "open"
    acknowledged_by: str = ""
    acknowledged_ns: int = 0


def remedies(
    answers: Answers, account: int, level: int, shortfall: int, listed: Listed
) -> tuple[Remedy, ...]:
    """What would bring the account's excess at a level back to zero: deposits of cash, then positions, smallest notional first."""
    held = reports.account(answers, account)
    owned = {line.asset for line in held.balances if line.pledged}
    coins = sorted((a for a in listed.assets if a.stablecoin), key=lambda a: (a.asset not in owned, a.asset))
    found = [r for coin in coins[:2] if (r := _deposit(answers, account, level, shortfall, coin))]
    positions = sorted((p for p in held.positions if p.perp and p.lots), key=lambda p: -abs(p.value))
    prices = {line.market: line for line in reports.markets(answers)}
    names = {market.market: market for market in listed.markets}
    closings = [
        (lots * abs(line.value) // abs(line.lots), _closing(line, names[line.market], lots, after))
        for line in positions[:_MOST_POSITIONS]
        if (ticks := prices[line.market].index_ticks) > 0
        and (least := _least_lots(answers, account, level, line, ticks)) is not None
        for lots, after in [least]
    ]
    return (*found, *(remedy for _, remedy in sorted(closings, key=lambda entry: entry[0])))[:_MOST_REMEDIES]


def _deposit(answers: Answers, account: int, level: int, shortfall: int, coin: AssetName) -> Remedy | None:
    """The least deposit of a stablecoin, to the cent, that leaves nothing missing."""
    cent = 10 ** max(coin.decimals - 2, 0)

    def after(cents: int) -> int:
        change = reports.BalanceChange(coin.asset, cents * cent)
        return reports.what_if(answers, account, [change], level=level).excess

    cents = _least(
        lambda n: after(n) >= 0, max(shortfall // 10_000, 1), max(shortfall // 10_000, 1) * _FARTHEST
    )
    if cents is None:
        return None
    amount = text(cents * cent, coin.decimals)
    return Remedy(
        kind="deposit",
        name=coin.name,
        amount=amount,
        excess_after=text(after(cents), MICRO),
        sentence=f"Deposit {amount} {coin.name}.",
    )


def _least_lots(
    answers: Answers, account: int, level: int, line: reports.PositionLine, ticks: int
) -> tuple[int, int] | None:
    """The fewest lots of a position that have to go, and the excess then; None where all of it is not enough."""

    def after(lots: int) -> int:
        trade = reports.Trade(line.market, -lots if line.lots > 0 else lots, ticks)
        return reports.what_if(answers, account, [trade], level=level).excess

    if after(abs(line.lots)) < 0:
        return None
    lots = _least(lambda n: after(n) >= 0, 1, abs(line.lots))
    return None if lots is None else (lots, after(lots))


def _least(enough: Callable[[int], bool], first: int, most: int) -> int | None:
    """The least number from 1 to `most` that is enough, when more never is less; sought from `first` upwards."""
    low, high = 0, first
    while not enough(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _closing(line: reports.PositionLine, market: MarketName, lots: int, after: int) -> Remedy:
    part = "all" if lots == abs(line.lots) else f"{lots:,} of {abs(line.lots):,}"
    verb = "Sell" if line.lots > 0 else "Buy back"
    return Remedy(
        kind="close",
        name=market.name,
        amount=str(lots),
        excess_after=text(after, MICRO),
        sentence=f"{verb} {part} lots of {market.name}.",
    )


def margin_call(
    answers: Answers,
    line: reports.AccountLine,
    level: int,
    listed: Listed,
    *,
    call_id: str,
    made_ns: int,
    cure_ns: int,
) -> MarginCall:
    """The call of an account below a level. `cure_ns` is the time the operator gives to cure it; 0 gives none."""
    missing = max(-line.excess[level], 0)
    name = reports.Level(level).name.lower().replace("_", "-")
    warns = "No time is promised: below maintenance the account is liquidated at once."
    return MarginCall(
        id=call_id,
        account=str(line.account),
        kind="margin",
        reason=f"Its equity is ${text(missing, MICRO, places=MICRO)} below the {name} requirement.",
        asset="USD",
        amount=text(missing, MICRO),
        remedies=remedies(answers, line.account, level, missing, listed) if missing else (),
        made_ns=made_ns,
        deadline_ns=made_ns + cure_ns if cure_ns else 0,
        deadline=warns if not cure_ns else f"{cure_ns // 60_000_000_000} minutes after it was made; {warns}",
    )


def engine_calls(answers: Answers, account: int, listed: Listed, now_ns: int) -> tuple[MarginCall, ...]:
    """The engine's own calls of an account: cash by market, then loans by asset."""
    closes = {line.underlying: line.closes for line in listed.underlyings}
    of_market = {market.market: market.underlying for market in listed.markets}
    of_asset = {asset.asset: asset.underlying for asset in listed.assets}
    names = {asset.asset: asset.name for asset in listed.assets}
    found = []
    for call in lending.calls(answers, account):
        underlying = of_market.get(call.market, 0) if call.call_kind == 0 else of_asset.get(call.asset, 0)
        due_ns, words = _deadline(call, now_ns, closes=closes.get(underlying, False))
        amount = text(call.open, call.decimals)
        kind: CallKind = "cash" if call.call_kind == 0 else "loan"
        place = call.market if call.call_kind == 0 else call.asset
        accepted = [names[asset] for asset in call.accepted if asset in names and names[asset] != call.name]
        ways = [
            Remedy(kind="deposit", name=call.name, amount=amount, sentence=f"Deposit {amount} {call.name}.")
        ] + [
            Remedy(kind="deposit", name=name, amount="", sentence=f"Or {name}, which is sold for it.")
            for name in accepted
        ]
        found.append(
            MarginCall(
                id=f"{kind}-{account}-{place}-{call.made_ns}",
                account=str(account),
                kind=kind,
                reason=_reason(call),
                asset=call.name,
                amount=amount,
                remedies=tuple(ways[:_MOST_REMEDIES]),
                made_ns=call.made_ns,
                deadline_ns=due_ns,
                deadline=words,
                state="overdue" if call.overdue else "open",
            )
        )
    return tuple(found)


def _reason(call: lending.Call) -> str:
    if call.call_kind == 0:
        return "A perp loss stayed unsettled past its time."
    if call.reason == 0:
        return "The pool of the loan is used above the venue's limit."
    return "A lender wants the lent tokens back."


def _deadline(call: lending.Call, now_ns: int, *, closes: bool) -> tuple[int, str]:
    """When a call is overdue, in nanoseconds UTC and in words."""
    if call.overdue:
        return now_ns, "The time is over."
    if call.due_ns:
        return call.due_ns, "At the stated time."
    if call.call_kind == 0:
        minutes = call.regular_ns // 60_000_000_000
        due = regular_time(now_ns, call.regular_ns) if closes else now_ns + call.regular_ns
        return due, f"Within {minutes} minutes of regular hours."
    return nth_open(now_ns, call.opens), f"Before {call.opens} more regular openings."


def regular_time(now_ns: int, left_ns: int) -> int:
    """When `left_ns` of the exchange's regular hours will have passed."""
    today = new_york_date(now_ns)
    for day in trading_days(today - timedelta(days=1), today + _AHEAD):
        begins = max(day.open_ns, now_ns)
        if begins < day.close_ns:
            if left_ns <= day.close_ns - begins:
                return begins + left_ns
            left_ns -= day.close_ns - begins
    return 0


def nth_open(now_ns: int, count: int) -> int:
    """The `count`-th regular opening of the exchange after now; 0 for none."""
    today = new_york_date(now_ns)
    opens = [day.open_ns for day in trading_days(today, today + _AHEAD) if day.open_ns > now_ns]
    return opens[count - 1] if 0 < count <= len(opens) else 0


def worst_first(lines: Iterable[reports.AccountLine], level: int) -> list[reports.AccountLine]:
    """Accounts in the order of what they lack."""
    return sorted(lines, key=lambda line: line.excess[level])

"""Dividends that arrived at brokers, against what the venue's tokens have receivable, and the commands that carry them on.

    paid = read_paid(path)                          a broker's activity, from a file or an adapter
    lines = match(paid, expected)                   what each brought and should have
    commands(lines, ...)                            to the engine: as cash, or as more shares per token

The engine has counted a net dividend as receivable since the ex-date. What a broker pays is looked at in three parts: on how many shares,
how many dollars a share, how much withheld. What arrives is the treasury's at the broker until it is passed on:

- dollars: `FundBroker`, so that cash agrees; then `FundDistributions` with as many stablecoins, and `PayDistribution` to holders;
- shares: `FundInventory`, so that the position agrees; then `BookReinvestment` takes them behind the token and raises its multiplier.

Responsible for: that comparison and those commands. Never: decides what is receivable, sends anything, or makes up a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final

import msgspec

from novate.broker.announcements import DividendPaid
from novate.clearing.break_book import arrival
from novate.clearing.corporate_actions import day_of, entries
from novate.clearing.ledger_side import Dividend, Ledger, balances
from novate.clearing.reconciliation import Break, BreakKind
from novate.clearing.settlement import trading_day_from
from novate.clearing.statement_files import DOLLARS, SHARES
from novate.errors import DataError
from novate.messages import (
    BookReinvestment,
    Command,
    FundBroker,
    FundDistributions,
    FundInventory,
    PayDistribution,
    encode,
    iter_commands,
)
from novate.messages.reports import clearing
from novate.messages.reports.base import Answers
from novate.messages.reports.portfolios import listed

CENT: Final = 10_000
"""Micro-dollars: brokers pay whole cents."""
TOLERANCE_PPM: Final = 50_000
"""How far reinvested shares at the index may be from what was receivable: they were bought at another moment's price."""
_KEYS: Final = (
    "broker",
    "key",
    "symbol",
    "ex_date",
    "paid",
    "shares",
    "gross",
    "withheld",
    "reinvested",
    "withdrawn",
)
_NEEDED: Final = _KEYS[:-3]
_PICO: Final = 10**12
_COMMANDS: Final = (FundBroker, FundInventory, FundDistributions, PayDistribution, BookReinvestment)


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """A dividend that the venue's tokens went ex with, at one broker.

    Attributes:
        action: The engine's id.
        broker: Name of the broker.
        broker_id: Its id.
        symbol: Whose dividend.
        ex_date: The first day without it.
        amount: Dollars a share, 1e-9, before withholding.
        net_ppb: Part of it that is receivable, 1e-9.
        shares: That the books had there when it went ex.
        of_token: Token to the shares behind it there; the rest is the house's.
        each: Token to what became receivable on each, 1e-12 dollars.
        payable: When the broker pays; None where nobody said.
    """

    action: int
    broker: str
    broker_id: int
    symbol: str
    ex_date: date
    amount: int
    net_ppb: int
    shares: int
    of_token: dict[int, int]
    each: dict[int, int]
    payable: date | None = None

    @property
    def gross(self) -> int:
        """Micro-dollars on all shares."""
        return self.shares * self.amount // _PICO

    @property
    def net(self) -> int:
        """Less what is withheld."""
        return self.shares * self.amount * self.net_ppb // (_PICO * 10**9)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A dividend at a broker: what was expected, what arrived, and what differs."""

    expected: Expected | None
    paid: tuple[DividendPaid, ...]
    differs: tuple[str, ...]
    """Of `shares`, `amount`, `withheld`, `not received`, `not expected`; empty where it agrees."""

    @property
    def broker(self) -> str:
        """Where."""
        return self.expected.broker if self.expected is not None else self.paid[0].broker

    @property
    def subject(self) -> str:
        """The name and ex-date, as a break has them."""
        one = self.expected if self.expected is not None else self.paid[0]
        return subject_of(one.symbol, one.ex_date)

    @property
    def net(self) -> int:
        """Micro-dollars that arrived, or became shares."""
        return sum(one.net for one in self.paid)


def read_paid(path: Path) -> tuple[list[DividendPaid], str]:
    """A file of dividends (.toml with [[dividend]], .json, .csv) and its SHA-256. Raises DataError with file, entry and field."""
    rows, sha256 = entries(path, "dividend", _KEYS, _NEEDED)
    found: list[DividendPaid] = []
    for row in rows:
        one = DividendPaid(
            broker=row.text("broker"), key=row.text("key"), symbol=row.text("symbol"), ex_date=row.take("ex_date", day_of, date.min),
            paid=row.take("paid", day_of, date.min), shares=row.take("shares", SHARES.units, 0), gross=row.take("gross", DOLLARS.units, 0),
            withheld=row.take("withheld", DOLLARS.units, 0), reinvested=row.take("reinvested", SHARES.units, 0),
            withdrawn=row.flag("withdrawn"),
        )  # fmt: skip
        if one.shares <= 0:
            row.bad("shares", "is above zero")
        if not 0 <= one.withheld <= one.gross or one.gross <= 0:
            row.bad("withheld", "is from 0 to gross, and gross above zero")
        if one.reinvested < 0:
            row.bad("reinvested", "is not negative")
        if one.paid < one.ex_date:
            row.bad("paid", "is not before the ex-date")
        if any((one.broker, one.key) == (other.broker, other.key) for other in found):
            row.bad("key", f"{one.key!r} stands there twice")
        found.append(one)
    return found, sha256


def expected_of(
    engine: Answers, ledger: Ledger, dividend: Dividend, ex_date: date, payable: date | None = None
) -> list[Expected]:
    """What each broker should pay of a dividend; `engine` stands right after it went ex, `ledger` and the dividend's amount may be corrected since."""
    names = listed(engine)
    own = next(one for one in names.underlyings if one.underlying == dividend.underlying)
    tokens = {
        one.asset: one for one in names.assets if one.underlying == own.underlying and not one.stablecoin
    }
    each = {
        asset: change for asset, change in ledger.each.get(dividend.action, {}).items() if asset in tokens
    }
    amount = dividend.amount * 10**9 // 10**own.decimals
    # A dollar in 1e-9 times shares in 1e-9 is 1e-18, what is receivable 1e-12.
    parts = [
        Fraction(change * 10**6, amount * tokens[asset].multiplier_ppb)
        for asset, change in each.items()
        if amount  # an estimate of nothing says nothing of what is withheld
    ]
    found = []
    for line in clearing.brokers(engine):
        holdings, _ = balances(engine, line.broker)
        behind = {
            token: holdings[token].settled + holdings[token].unsettled
            for token in tokens
            if token in holdings
        }
        shares = sum(behind.values())
        if shares:
            found.append(
                Expected(
                    action=dividend.action, broker=line.name, broker_id=line.broker, symbol=own.name, ex_date=ex_date, amount=amount,
                    net_ppb=round(parts[0] * 10**9) if parts else 10**9, shares=shares, of_token=behind, each=each, payable=payable,
                )
            )  # fmt: skip
    return found


def match(paid: Sequence[DividendPaid], expected: Sequence[Expected], day: date) -> list[Line]:
    """What arrived by `day` against what should have, per broker and dividend."""
    by: dict[tuple[str, str, date], list[DividendPaid]] = {}
    for one in paid:
        by.setdefault((one.broker, one.symbol, one.ex_date), []).append(one)
    lines = []
    for want in expected:
        found = tuple(by.pop((want.broker, want.symbol, want.ex_date), ()))
        lines.append(Line(expected=want, paid=found, differs=_differs(want, found, day)))
    lines += [Line(expected=None, paid=tuple(rest), differs=("not expected",)) for rest in by.values()]
    return lines


def _differs(want: Expected, found: tuple[DividendPaid, ...], day: date) -> tuple[str, ...]:
    if not found:
        late = want.payable is not None and want.payable < day
        return ("not received",) if late else ()
    shares, gross, withheld = (
        sum(getattr(one, name) for one in found) for name in ("shares", "gross", "withheld")
    )
    said = []
    if shares != want.shares:
        said.append("shares")
    if abs(gross - shares * want.amount // _PICO) > CENT * len(found):
        said.append("amount")
    if abs(withheld - gross * (10**9 - want.net_ppb) // 10**9) > CENT * len(found):
        said.append("withheld")
    return tuple(said)


def breaks_of(lines: Iterable[Line]) -> dict[str, list[Break]]:
    """By broker a break for each dividend that differs, with both sides."""
    found: dict[str, list[Break]] = {}
    for line in lines:
        if not line.differs:
            continue
        want = line.expected
        found.setdefault(line.broker, []).append(
            Break(
                kind=BreakKind.DIVIDEND_DIFFERS, subject=line.subject, symbol=line.subject.rpartition(" ")[0], broker=_of_paid(line.paid),
                venue=_of_expected(want) | {"differs": ", ".join(line.differs)}, dollars=line.net - (want.net if want is not None else 0),
            )
        )  # fmt: skip
    return found


def judged_of(lines: Iterable[Line], told: Iterable[DividendPaid] = ()) -> dict[str, set[str]]:
    """By broker the dividends that were looked at: those of lines, and those that somebody told something of."""
    found: dict[str, set[str]] = {}
    for line in lines:
        found.setdefault(line.broker, set()).add(line.subject)
    for one in told:
        found.setdefault(one.broker, set()).add(subject_of(one.symbol, one.ex_date))
    return found


def subject_of(symbol: str, ex_date: date) -> str:
    """A dividend as a break has it."""
    return f"{symbol} {ex_date}"


def _of_paid(paid: tuple[DividendPaid, ...]) -> dict[str, str]:
    if not paid:
        return {}
    sums = {
        name: sum(getattr(one, name) for one in paid)
        for name in ("shares", "gross", "withheld", "reinvested")
    }
    return {
        "shares": SHARES.text(sums["shares"]), "gross": DOLLARS.text(sums["gross"]), "withheld": DOLLARS.text(sums["withheld"]),
        "reinvested": SHARES.text(sums["reinvested"]),
    }  # fmt: skip


def _of_expected(want: Expected | None) -> dict[str, str]:
    if want is None:
        return {}
    return {
        "shares": SHARES.text(want.shares), "gross": DOLLARS.text(want.gross), "withheld": DOLLARS.text(want.gross - want.net),
    }  # fmt: skip


# --- commands ------------------------------------------------------------------------------------------------------------


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """Commands that belong together and are sent once.

    Attributes:
        name: By what it is known that it was sent.
        commands: In order.
    """

    name: str
    commands: tuple[Command, ...]

    @property
    def said(self) -> bytes:
        """Its commands, to be kept."""
        return b"".join(map(encode, self.commands))


def commands_of(said: bytes) -> tuple[Command, ...]:
    """The commands of a parcel that was kept."""
    return tuple(command for _, command in iter_commands(said, _COMMANDS))


def onward_name(action: int) -> str:
    """The parcel that carries a dividend on to holders."""
    return f"onward {action}"


def arrivals(line: Line) -> list[Parcel]:
    """What books a dividend at its broker, a parcel each activity: dollars as the treasury's, shares as the house's by token in proportion.

    Raises DataError for a dividend that nobody expects.
    """
    if line.expected is None:
        raise DataError("A dividend that nobody expects is not booked: a person resolves its break.")
    want, found = line.expected, []
    for one in line.paid:
        commands: list[Command] = [FundBroker(broker=want.broker_id, amount=one.net)]
        if one.reinvested:
            parts = _shared(one.reinvested, want.of_token)
            commands = [
                FundInventory(token=token, broker=want.broker_id, shares=shares)
                for token, shares in parts.items()
                if shares
            ]
        found.append(Parcel(name=arrival(one), commands=tuple(commands)))
    return found


def _shared(total: int, parts: Mapping[int, int]) -> dict[int, int]:
    """`total` by parts, rounded down; what is left goes to the first."""
    whole = sum(parts.values())
    found = {key: total * part // whole for key, part in parts.items()}
    first = next(iter(found))
    found[first] += total - sum(found.values())
    return found


def onward(
    lines: Sequence[Line], engine: Answers, cash: int, tolerance_ppm: int = TOLERANCE_PPM
) -> list[Parcel]:
    """What carries arrived dividends on to holders: cash of `cash`, or a larger multiplier where a broker reinvested.

    A token's dividend goes on once: all of what is receivable of it, and only when every broker of its shares has paid. Amounts are
    what the engine has receivable; what arrived more or less is the treasury's, and its break.
    """
    due = {line.token: line for line in clearing.supply(engine)}
    names = {one.asset: one for one in listed(engine).assets}
    found = []
    for action, of in _by_action(lines).items():
        if any(not line.paid or line.differs for line in of):
            continue
        commands: list[Command] = []
        wants = [line.expected for line in of if line.expected is not None]
        for token, each in wants[0].each.items():
            asset, supply = names[token], due.get(token)
            bought = sum(
                _shared(one.reinvested, line.expected.of_token).get(token, 0)
                for line in of
                if line.expected is not None
                for one in line.paid
            )
            if bought and supply is not None and supply.issued:
                behind = sum(want.of_token.get(token, 0) for want in wants)
                part = min(Fraction(supply.required, behind), Fraction(1)) if behind else Fraction(0)
                growth = int(bought * part * 10**asset.decimals / supply.issued)
                commands.append(
                    BookReinvestment(
                        asset=token, multiplier_ppb=asset.multiplier_ppb + growth, released=each, tolerance_ppm=tolerance_ppm
                    )
                )  # fmt: skip
            elif not bought:
                units = supply.inside if supply is not None else 0
                amount = -(-units * each * 10 ** names[cash].decimals // (10**asset.decimals * _PICO))
                commands += [
                    FundDistributions(asset=cash, amount=amount),
                    PayDistribution(asset=token, paid_asset=cash, released=each),
                ]
        found.append(Parcel(name=onward_name(action), commands=tuple(commands)))
    return found


def _by_action(lines: Sequence[Line]) -> dict[int, list[Line]]:
    found: dict[int, list[Line]] = {}
    for line in lines:
        if line.expected is not None:
            found.setdefault(line.expected.action, []).append(line)
    return found


def ex_date_of(taken: date) -> date:
    """The ex-date of an action that was taken in the evening of a day."""
    return trading_day_from(taken + timedelta(days=1))

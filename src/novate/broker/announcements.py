"""What brokers and data vendors say of companies: announcements of corporate actions, and dividends that were paid.

Responsible for: one vocabulary for files and adapters, and what is plausible on its own. Never: knows tokens, accounts or the venue's terms:
`novate.clearing.corporate_actions` makes those of it.

Shares are in 1e-9, dollars a share in 1e-9, dollars in micro-dollars, days are days in New York.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, runtime_checkable

import msgspec

from novate.errors import DataError

LARGEST_RATIO: Final = 1_000_000
_LARGEST_AMOUNT: Final = 10**6 * 10**9
LONGEST_NAME: Final = 64


class Kind(StrEnum):
    """What a company does with its shares; named as the engine names it."""

    SPLIT = "split"
    CASH_DIVIDEND = "cash_dividend"
    SPECIAL_DIVIDEND = "special_dividend"
    SPIN_OFF = "spin_off"
    MERGER = "merger"
    RIGHTS = "rights"
    DELISTING = "delisting"
    SYMBOL_CHANGE = "symbol_change"


PAYS: Final = frozenset(
    (Kind.CASH_DIVIDEND, Kind.SPECIAL_DIVIDEND, Kind.SPIN_OFF, Kind.MERGER, Kind.RIGHTS, Kind.DELISTING)
)
"""Kinds that may have an amount of dollars a share."""
OF_SHARES: Final = frozenset((Kind.SPLIT, Kind.SPIN_OFF, Kind.MERGER))
"""Kinds that may have a ratio."""


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """A corporate action as somebody announces it.

    Attributes:
        source: Who says so: a broker, a vendor, or a file's author.
        key: Its id there; with `source` it names the announcement for ever, amended or not.
        symbol: Whose shares.
        kind: What happens.
        ex_date: The first day on which a share trades without what is handed out, or as what it became.
        ratio_new: Shares after, or of the other company, ..
        ratio_old: .. for so many before; both 0 without a ratio.
        amount: Dollars a share, 1e-9; 0 for none, or not known yet.
        estimated: Whether the amount is an estimate.
        other_symbol: The other company of a spin-off or merger; empty for none.
        name: The new name of a symbol change; else empty.
        record_date: Who holds at the end of it is entitled.
        payable_date: When it is paid.
        withdrawn: It will not happen.
    """

    source: str
    key: str
    symbol: str
    kind: Kind
    ex_date: date
    ratio_new: int = 0
    ratio_old: int = 0
    amount: int = 0
    estimated: bool = False
    other_symbol: str = ""
    name: str = ""
    record_date: date | None = None
    payable_date: date | None = None
    withdrawn: bool = False

    @property
    def matter(self) -> tuple[str, Kind, date]:
        """What it is about: two sources that mean the same action agree on this."""
        return self.symbol, self.kind, self.ex_date

    @property
    def content(self) -> tuple[date, int, int, int, bool, str, str]:
        """What two sources of one matter have to agree on."""
        return (
            self.ex_date,
            self.ratio_new,
            self.ratio_old,
            self.amount,
            self.estimated,
            self.other_symbol,
            self.name,
        )


class DividendPaid(msgspec.Struct, frozen=True, kw_only=True):
    """A dividend that arrived at a broker, in dollars or reinvested in shares there.

    Attributes:
        broker: The broker's name at the venue.
        key: The broker's id of the activity, unique there.
        symbol: Whose.
        ex_date: Of the dividend.
        paid: The day it arrived.
        shares: Shares that it was paid on.
        gross: Dollars before withholding.
        withheld: Dollars withheld.
        reinvested: Shares bought with the rest; 0 where dollars arrived.
        withdrawn: The broker took it back before it was booked.
    """

    broker: str
    key: str
    symbol: str
    ex_date: date
    paid: date
    shares: int
    gross: int
    withheld: int
    reinvested: int = 0
    withdrawn: bool = False

    @property
    def net(self) -> int:
        """Dollars that arrived, or were spent on shares."""
        return self.gross - self.withheld


class Announced(NamedTuple):
    """What somebody announces for some days."""

    announcements: list[Announcement]
    """By ex-date, symbol and kind."""
    unread: list[str]
    """Those that the vocabulary above has no exact words for, a sentence each: a person reads them."""


@runtime_checkable
class Announcements(Protocol):
    """Who announces corporate actions: an adapter with that part of a broker's interface."""

    def announced(self, symbols: Sequence[str], first: date, last: date) -> Announced:
        """What is announced for symbols with a date in these days. Raises DataError where the broker has no such record."""
        ...


def check(one: Announcement) -> None:
    """Raises DataError, with the field as a fact, for an announcement that can't be right on its own."""
    for name, text in (("source", one.source), ("key", one.key), ("symbol", one.symbol)):
        if not text or len(text) > LONGEST_NAME or not text.isprintable():
            _bad(name, f"is 1 to {LONGEST_NAME} printable characters, not {text[:40]!r}")
    _check_ratio(one)
    if not 0 <= one.amount <= _LARGEST_AMOUNT:
        _bad("amount", "is at least 0 and at most a million dollars")
    if one.amount and one.kind not in PAYS:
        _bad("amount", f"does not belong to a {one.kind}")
    if (
        one.kind in {Kind.CASH_DIVIDEND, Kind.SPECIAL_DIVIDEND, Kind.RIGHTS}
        and not one.amount
        and not one.estimated
    ):
        _bad("amount", f"of a {one.kind} is above 0, or an estimate")
    if one.estimated and one.kind not in PAYS:
        _bad("estimated", f"does not belong to a {one.kind}")
    if bool(one.other_symbol) != (one.kind in {Kind.SPIN_OFF, Kind.MERGER} and one.ratio_new > 0):
        _bad("other", "and a ratio belong to a spin-off or a merger for shares, both or none")
    if bool(one.name) != (one.kind == Kind.SYMBOL_CHANGE):
        _bad("name", "belongs to a symbol change")
    if one.payable_date is not None and one.payable_date < one.ex_date and one.kind == Kind.CASH_DIVIDEND:
        _bad("payable", "is not before the ex-date")


def _check_ratio(one: Announcement) -> None:
    ratio = (one.ratio_new, one.ratio_old)
    if ratio == (0, 0):
        if one.kind == Kind.SPLIT:
            _bad("ratio", "belongs to a split")
        return
    if one.kind not in OF_SHARES:
        _bad("ratio", f"does not belong to a {one.kind}")
    if not all(1 <= part <= LARGEST_RATIO for part in ratio):
        _bad("ratio", f"is two whole numbers from 1 to {LARGEST_RATIO}")
    if one.kind == Kind.SPLIT and one.ratio_new == one.ratio_old:
        _bad("ratio", "of a split is not one to one")


def _bad(field: str, what: str) -> None:
    raise DataError(f"{field} {what}.", field=field)

"""One FIX message as fields of text, and its numbers and times read exactly.

Responsible for: that no amount goes through a float, and that a field which is missing or says what can't be is named, with its value. Never:
the wire: QuickFIX reads a frame from it and writes one to it (`novate.broker.fix.wire`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from novate.broker.fix.tags import SIDES, Kind, Tag
from novate.errors import MessageError, UnitError
from novate.messages.codes import Side
from novate.units import MICRO, decimal, scaled

NANO: Final = 9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MIDNIGHT: Final = len("YYYYMMDD-HH:MM:SS")


class Unreadable(MessageError):
    """A message can't be taken: a field is missing or says what can't be. Facts: `tag`, `value`."""

    code = "fix_unreadable"

    def __init__(self, tag: Tag, value: str | None, rule: str) -> None:
        said = "is missing" if value is None else f"is {value!r}"
        super().__init__(f"Tag {int(tag)} ({tag.name}) {said}: {rule}.", tag=int(tag), value=value)
        self.tag, self.missing = tag, value is None


class Frame(NamedTuple):
    """A message without its frame on the wire.

    Attributes:
        kind: What it is (35).
        fields: Its fields of this line's vocabulary, as text.
        fees: The amounts of its MiscFees, as text.
        seq: Its number in the session (34); 0 before it has one.
        poss_resend: Whether its sender may have said it before, under another number (97).
        poss_dup: Whether the session says it again, under its own number (43).
    """

    kind: Kind
    fields: Mapping[int, str]
    fees: tuple[str, ...] = ()
    seq: int = 0
    poss_resend: bool = False
    poss_dup: bool = False

    def text(self, tag: Tag, otherwise: str = "") -> str:
        """A field that may be missing."""
        return self.fields.get(tag, otherwise)

    def needed(self, tag: Tag) -> str:
        """A field that must be there."""
        said = self.fields.get(tag, "")
        if not said:
            raise Unreadable(tag, None, f"a message of kind {self.kind.value} is not taken without it")
        return said

    def shares(self, tag: Tag, otherwise: int | None = None) -> int:
        """Shares in 1e-9, not below 0."""
        return self._number(tag, NANO, otherwise)

    def price(self, tag: Tag, otherwise: int | None = None) -> int:
        """Dollars a share in 1e-9, not below 0."""
        return self._number(tag, NANO, otherwise)

    def dollars(self, tag: Tag, otherwise: int | None = None) -> int:
        """Micro-dollars, not below 0."""
        return self._number(tag, MICRO, otherwise)

    def _number(self, tag: Tag, decimals: int, otherwise: int | None) -> int:
        if otherwise is not None and not self.fields.get(tag):
            return otherwise
        return number(tag, self.needed(tag), decimals)

    def side(self) -> Side:
        """Which way."""
        said = self.needed(Tag.SIDE)
        if said not in SIDES:
            raise Unreadable(Tag.SIDE, said, "only 1 (buy) and 2 (sell) are dealt in")
        return SIDES[said]

    def time(self, tag: Tag) -> int:
        """A time in nanoseconds UTC."""
        said = self.needed(tag)
        try:
            whole = datetime.strptime(said[:_MIDNIGHT], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
            part = scaled(f"0{said[_MIDNIGHT:]}", NANO) if said[_MIDNIGHT:] else 0
        except (ValueError, UnitError):
            raise Unreadable(tag, said, "a time is YYYYMMDD-HH:MM:SS, with up to nine decimals") from None
        return (whole - _EPOCH) // timedelta(seconds=1) * 10**NANO + part

    def day(self, tag: Tag) -> date:
        """A day."""
        said = self.needed(tag)
        try:
            return datetime.strptime(said, "%Y%m%d").replace(tzinfo=UTC).date()
        except ValueError:
            raise Unreadable(tag, said, "a day is YYYYMMDD") from None


def number(tag: Tag, said: str, decimals: int) -> int:
    """A number of a field, scaled; not below 0."""
    try:
        found = scaled(said, decimals)
    except UnitError as error:
        raise Unreadable(tag, said, error.sentence) from None
    if found < 0:
        raise Unreadable(tag, said, "it is not below 0")
    return found


def number_text(units: int, decimals: int) -> str:
    """A scaled integer as a FIX number: no more decimals than it has."""
    said = f"{decimal(units, decimals):f}"
    return said.rstrip("0").rstrip(".") if "." in said else said


def time_text(at_ns: int) -> str:
    """A time as FIX says it, in milliseconds: what every FIX 4.4 counterparty takes."""
    at = _EPOCH + timedelta(milliseconds=at_ns // 10**6)
    return f"{at:%Y%m%d-%H:%M:%S}.{at.microsecond // 1000:03d}"


def day_text(day: date) -> str:
    """A day as FIX says it."""
    return f"{day:%Y%m%d}"

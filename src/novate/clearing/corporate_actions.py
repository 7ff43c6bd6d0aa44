"""Corporate actions from announcement to the engine's terms: read from files, told apart, put into their window.

    announced = read_announcements(path)                 TOML, JSON or CSV, strictly
    now = heard(known, announcement)                     the same, amended, or disputed by another source
    terms_of(announcement, names, action, window)        the engine's command

A file has a row an action: in TOML `[[action]]` tables, in JSON a list of objects, in CSV a line under the names of the columns.

    symbol = "NVDA"          kind = "split"       ex_date = "2024-06-10"     ratio = "10:1"
    source = "company"       key = "nvda-2024-1"  (without them the file's name, and symbol, kind and ex-date)
    amount = "0.24"          estimated = true     other = "XYZ"              name = "META"
    record = "2024-06-11"    payable = "2024-06-28"                          withdrawn = true

Responsible for: those formats, that table, and the terms. Never: a rule of the engine's, a clock, or who may.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from novate.broker.announcements import Announcement, Kind, check
from novate.calendar import new_york_ns
from novate.clearing.settlement import is_trading_day, trading_day_before
from novate.errors import DataError, UnitError
from novate.messages import ScheduleCorporateAction
from novate.messages.codes import CorporateActionKind
from novate.messages.reports.portfolios import Listed
from novate.schema.scale import Scale

WINDOW: Final = (time(19, 50), time(20, 10))
"""Of the evening before the ex-date in New York, when the venue halts the name and the action takes effect."""
CORRECTABLE_NS: Final = 30 * 86_400 * 10**9
"""For so long after the window an amount may be corrected, and holders of record are kept."""
GUARD_NS: Final = 5 * 86_400 * 10**9
"""For so long after a split prints of the old scale are passed over."""
SCALE_TOLERANCE_PPM: Final = 20_000
AMOUNT: Final = Scale(Fraction(1, 10**9))
_KEYS: Final = (
    "symbol", "kind", "ex_date", "ratio", "amount", "estimated", "other", "name", "source", "key", "record", "payable", "withdrawn",
)  # fmt: skip
_NEEDED: Final = ("symbol", "kind", "ex_date")
_RATIO: Final = re.compile(r"(\d{1,7}):(\d{1,7})", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LARGEST_BYTES: Final = 16 << 20
_T = TypeVar("_T")


# --- files ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file of announcements."""

    name: str
    sha256: str
    announcements: tuple[Announcement, ...]


def read_announcements(path: Path) -> ReadFile:
    """Reads a file by its ending (.toml, .json, .csv). Raises DataError with file, entry (from 1) and field where it is not as documented."""
    rows, sha256 = entries(path, "action", _KEYS, _NEEDED)
    found = tuple(_announcement(row) for row in rows)
    names = [(one.source, one.key) for one in found]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise DataError(
                f"{path.name}, entry {number + 1}, key: {name[1]!r} of {name[0]} stands there twice.",
                file=str(path),
            )
    return ReadFile(path.name, sha256, found)


def entries(path: Path, table: str, keys: Sequence[str], needed: Sequence[str]) -> tuple[list[Entry], str]:
    """The entries of a file by its ending, and SHA-256 of its bytes; in TOML they are `[[table]]`. Raises DataError."""
    if path.stat().st_size > _LARGEST_BYTES:
        raise DataError(f"{path} has more than {_LARGEST_BYTES} bytes.", file=str(path))
    content = path.read_bytes()
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path.name} is none of {', '.join(_READERS)}.", file=str(path))
    try:
        rows = reader(content.decode("utf-8"), table)
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        raise DataError(f"{path.name} cannot be read: {error}.", file=str(path)) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path.name} is no list of entries.", file=str(path))
    found = [Entry(path, number, row, keys, needed) for number, row in enumerate(rows, 1)]
    return found, hashlib.sha256(content).hexdigest()


def _of_toml(text: str, table: str) -> Any:
    found = tomllib.loads(text)
    strange = sorted(found.keys() - {table})
    if strange:
        raise ValueError(f"there is no {strange[0]!r} here, only [[{table}]]")
    return found.get(table, [])


def _of_json(text: str, _: str) -> Any:
    return json.loads(text)


def _of_csv(text: str, _: str) -> Any:
    lines = text.splitlines()
    rows = list(csv.DictReader(lines, strict=True))
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("a line has more or fewer fields than there are columns")
    return [{key: value for key, value in row.items() if value} for row in rows]


_READERS: Final[Mapping[str, Callable[[str, str], Any]]] = {
    ".toml": _of_toml,
    ".json": _of_json,
    ".csv": _of_csv,
}


class Entry:
    """One entry of a file; every method raises DataError with file, entry and field."""

    def __init__(
        self, path: Path, number: int, row: Mapping[str, Any], keys: Sequence[str], needed: Sequence[str]
    ) -> None:
        self.path, self._number, self._row = path, number, row
        for key in row:
            if key not in keys:
                self.bad(key, f"is unknown; there are {', '.join(keys)}")
        for key in needed:
            if key not in row:
                self.bad(key, "is missing")

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        value = self._row.get(key, default)
        if not isinstance(value, str):
            self.bad(key, f"is text, not {value!r}")
        return value

    def take(self, key: str, read: Callable[[str], _T], default: _T) -> _T:
        """A value that is written as text."""
        if key not in self._row:
            return default
        value = self._row[key]
        if isinstance(value, date):
            value = value.isoformat()
        if not isinstance(value, str):
            self.bad(key, f"is text, so that nothing is rounded; not {value!r}")
        try:
            return read(value)
        except UnitError as error:
            self.bad(key, error.sentence.removesuffix("."))
        except ValueError:
            self.bad(key, f"{value[:40]!r} is not what belongs there")

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._row.get(key, False)
        known = {"true": True, "false": False, True: True, False: False}
        if not isinstance(value, bool | str) or value not in known:
            self.bad(key, f"is true or false, not {value!r}")
        return known[value]

    def bad(self, field: str, what: str) -> NoReturn:
        """Says what is wrong where."""
        raise DataError(
            f"{self.path.name}, entry {self._number}, {field}: {what}.", file=str(self.path), entry=self._number, field=field
        )  # fmt: skip


def _announcement(entry: Entry) -> Announcement:
    new, old = entry.take("ratio", _ratio, (0, 0))
    symbol, kind = entry.text("symbol"), entry.take("kind", Kind, Kind.SPLIT)
    ex_date = entry.take("ex_date", day_of, date.min)
    found = Announcement(
        source=entry.text("source", entry.path.name), key=entry.text("key", f"{symbol} {kind.value} {ex_date}"), symbol=symbol, kind=kind,
        ex_date=ex_date, ratio_new=new, ratio_old=old, amount=entry.take("amount", AMOUNT.units, 0), estimated=entry.flag("estimated"),
        other_symbol=entry.text("other"), name=entry.text("name"), record_date=entry.take("record", _day_there, None),
        payable_date=entry.take("payable", _day_there, None), withdrawn=entry.flag("withdrawn"),
    )  # fmt: skip
    try:
        check(found)
    except DataError as error:
        entry.bad(str(error.facts["field"]), error.sentence.split(" ", 1)[1].removesuffix("."))
    if not is_trading_day(ex_date):
        entry.bad("ex_date", f"{ex_date} is no trading day")
    return found


def _ratio(text: str) -> tuple[int, int]:
    found = _RATIO.fullmatch(text)
    if found is None:
        raise UnitError(f"ratio is shares after and before such as 10:1, not {text[:40]!r}.")
    return int(found[1]), int(found[2])


def day_of(text: str) -> date:
    """A day as ISO has it. Raises ValueError."""
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _day_there(text: str) -> date | None:
    return day_of(text)


# --- one matter, several sources -----------------------------------------------------------------------------------------


class State(StrEnum):
    """What is known of an action from outside; where it stands in the engine, the engine says."""

    KNOWN = "known"
    DISPUTED = "disputed"
    WITHDRAWN = "withdrawn"


class Hearing(StrEnum):
    """What an announcement is to what was known."""

    FIRST = "first"
    REPEATED = "repeated"
    AGREES = "agrees"
    AMENDS = "amends"
    DIFFERS = "differs"
    WITHDRAWS = "withdraws"


TABLE: Final[Mapping[tuple[State | None, Hearing], State]] = {
    (None, Hearing.FIRST): State.KNOWN,
    (None, Hearing.WITHDRAWS): State.WITHDRAWN,
    (State.KNOWN, Hearing.REPEATED): State.KNOWN,
    (State.KNOWN, Hearing.AGREES): State.KNOWN,
    (State.KNOWN, Hearing.AMENDS): State.KNOWN,
    (State.KNOWN, Hearing.DIFFERS): State.DISPUTED,
    (State.KNOWN, Hearing.WITHDRAWS): State.WITHDRAWN,
    (State.DISPUTED, Hearing.REPEATED): State.DISPUTED,
    (State.DISPUTED, Hearing.AGREES): State.KNOWN,
    (State.DISPUTED, Hearing.DIFFERS): State.DISPUTED,
    (State.DISPUTED, Hearing.WITHDRAWS): State.WITHDRAWN,
    (State.WITHDRAWN, Hearing.REPEATED): State.WITHDRAWN,
    (State.WITHDRAWN, Hearing.AMENDS): State.KNOWN,
    (State.WITHDRAWN, Hearing.DIFFERS): State.DISPUTED,
    (State.WITHDRAWN, Hearing.WITHDRAWS): State.WITHDRAWN,
}
"""From what was known and what was heard to what is known. *Agrees* is that every source says the same now."""


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """One action of one company, and what each source says of it now.

    Attributes:
        number: Its id in the book; the engine's id of the action too.
        state: What is known.
        said: The newest announcement of each source, by source and key.
        chosen: The source whose terms were chosen by a person where sources differ; empty for none.
    """

    number: int
    state: State
    said: dict[str, Announcement]
    chosen: str = ""

    @property
    def announcement(self) -> Announcement:
        """The one that counts: the chosen source's, else the newest of all that agree."""
        return self.said[self.chosen] if self.chosen in self.said else list(self.said.values())[-1]

    @property
    def settled(self) -> bool:
        """Whether its terms may be proposed: one source, all of them agree, or one was chosen."""
        return self.state is State.KNOWN


def name_of(one: Announcement) -> str:
    """A source and its key, as one word."""
    return f"{one.source}:{one.key}"


def hearing(known: Matter | None, one: Announcement) -> Hearing:
    """What an announcement is to what was known."""
    if known is None:
        return Hearing.WITHDRAWS if one.withdrawn else Hearing.FIRST
    name = name_of(one)
    if one == known.said.get(name):
        return Hearing.REPEATED
    others = [said for key, said in known.said.items() if key != name]
    if one.withdrawn:
        return Hearing.WITHDRAWS if all(said.withdrawn for said in others) else Hearing.DIFFERS
    if any(said.withdrawn or said.content != one.content for said in others):
        return Hearing.DIFFERS
    return Hearing.AGREES if others else Hearing.AMENDS


def heard(known: Matter | None, one: Announcement, number: int) -> tuple[Matter, Hearing]:
    """The matter with one more announcement. A choice made before falls where its terms changed."""
    what = hearing(known, one)
    state = TABLE[None if known is None else known.state, what]
    said = dict(known.said) if known is not None else {}
    said.pop(name_of(one), None)
    said[name_of(one)] = one
    chosen = known.chosen if known is not None else ""
    if known is not None and what is Hearing.REPEATED:
        return known, what
    if chosen and what in {Hearing.AGREES, Hearing.DIFFERS, Hearing.AMENDS, Hearing.WITHDRAWS}:
        chosen = ""
    return Matter(
        number=known.number if known is not None else number, state=state, said=said, chosen=chosen
    ), what


def choose(known: Matter, name: str) -> Matter:
    """A person says which source is right. Raises DataError for a source that says nothing of it, or withdrew."""
    if name not in known.said or known.said[name].withdrawn:
        raise DataError(f"{name!r} does not announce action {known.number}; {', '.join(known.said)} do.")
    return msgspec.structs.replace(known, state=State.KNOWN, chosen=name)


# --- terms ---------------------------------------------------------------------------------------------------------------


def window_of(ex_date: date) -> tuple[int, int]:
    """The halt window: the evening of the last trading day before the ex-date, New York time, in UTC nanoseconds."""
    evening = trading_day_before(ex_date)
    return new_york_ns(evening, WINDOW[0]), new_york_ns(evening, WINDOW[1])


def terms_of(
    one: Announcement,
    names: Listed,
    action: int,
    window: tuple[int, int] | None = None,
    *,
    in_tokens: int = 0,
) -> ScheduleCorporateAction:
    """The engine's terms of an announcement.

    `in_tokens` is the stablecoin that pays fractions where a split renumbers tokens; 0: their multiplier changes. Raises DataError: a symbol that the venue does not list, or an amount beyond the scale of its prices.
    """
    start, end = window_of(one.ex_date) if window is None else window
    by_name = {line.name: line for line in names.underlyings}
    own = by_name.get(one.symbol)
    if own is None:
        raise DataError(f"The venue lists no {one.symbol}.", symbol=one.symbol)
    other = by_name.get(one.other_symbol) if one.other_symbol else None
    if one.other_symbol and other is None:
        raise DataError(
            f"The venue lists no {one.other_symbol}: state what it is worth as the amount, without the other company.",
            symbol=one.other_symbol,
        )
    amount, rest = divmod(one.amount * 10**own.decimals, 10**9)
    if rest:
        raise DataError(
            f"{AMOUNT.text(one.amount)} has more than the {own.decimals} decimals of {one.symbol}'s prices."
        )
    split = one.kind == Kind.SPLIT
    return ScheduleCorporateAction(
        action=action, underlying=own.underlying, action_kind=CorporateActionKind[one.kind.name], ratio_new=one.ratio_new,
        ratio_old=one.ratio_old, amount=amount, estimated=int(one.estimated), other_underlying=other.underlying if other is not None else 0,
        token_mode=int(split and in_tokens > 0), cash_asset=in_tokens if split else 0, name=one.name, window_start_ns=start,
        window_end_ns=end, correct_until_ns=end + CORRECTABLE_NS, scale_tolerance_ppm=SCALE_TOLERANCE_PPM if split else 0,
        guard_ns=GUARD_NS if split else 0,
    )  # fmt: skip


def differences(one: ScheduleCorporateAction, other: ScheduleCorporateAction) -> list[str]:
    """Fields in which two terms differ, with both values."""
    return [
        f"{field}: {getattr(one, field)} and {getattr(other, field)}"
        for field in one.__struct_fields__
        if getattr(one, field) != getattr(other, field)
    ]

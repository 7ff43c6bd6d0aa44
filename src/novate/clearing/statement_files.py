"""End-of-day statements as files: three of them a day and broker, written and read strictly.

    simulated-prime.positions.csv      symbol,settled,unsettled
    simulated-prime.cash.csv           settled,unsettled
    simulated-prime.trades.csv         execution,order,symbol,side,shares,price,fee,traded,settles

Each begins with a line that says what it is (`novate-statement,1,positions,Simulated Prime,2024-06-07`), then the names of the columns, then a
row per line, and ends with `end,` and the number of rows: a file that was cut short says so. Shares and prices have up to 9 decimals,
dollars up to 6, days are ISO, a side is `buy` or `sell`; rows are in order of their first column. UTF-8, commas, line feeds.

Responsible for: that format, and the SHA-256 of what was read. Never: fetches a file, or compares what stands in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from novate.broker import Cash, EndOfDay, Position, Records, Trade
from novate.clearing.corporate_actions import day_of
from novate.errors import DataError, NovateError, UnitError
from novate.files import replace_file
from novate.messages.codes import Side
from novate.schema.scale import Scale

MAGIC: Final = "novate-statement"
VERSION: Final = "1"
KINDS: Final = ("positions", "cash", "trades")
SHARES: Final = Scale(Fraction(1, 10**9))
PRICE: Final = Scale(Fraction(1, 10**9))
DOLLARS: Final = Scale(Fraction(1, 10**6))
SIDES: Final = {"buy": Side.BID, "sell": Side.ASK}
_COLUMNS: Final = {
    "positions": ("symbol", "settled", "unsettled"),
    "cash": ("settled", "unsettled"),
    "trades": ("execution", "order", "symbol", "side", "shares", "price", "fee", "traded", "settles"),
}
_LARGEST_BYTES: Final = 256 << 20
_TEXT: Final = re.compile(r"(?![ ])(?:(?![,\"])[ -~]){1,128}(?<![ ])", re.ASCII)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StatementFile:
    """A file as it was read or written."""

    kind: str
    path: Path
    sha256: str
    """Of its bytes, hexadecimal."""
    rows: int


@dataclass(frozen=True, slots=True)
class ReadStatement:
    """A statement and the files that it came from."""

    statement: EndOfDay
    files: tuple[StatementFile, ...]


def slug(broker: str) -> str:
    """A broker's name as it stands in the names of files."""
    return re.sub(r"[^a-z0-9]+", "-", broker.lower()).strip("-") or "broker"


def path_of(directory: Path, broker: str, day: date, kind: str) -> Path:
    """Where the file of a kind is: a folder a day, the broker's name in front."""
    return directory / day.isoformat() / f"{slug(broker)}.{kind}.csv"


# --- writing -------------------------------------------------------------------------------------------------------------


def write_statement(statement: EndOfDay, directory: Path) -> tuple[StatementFile, ...]:
    """Writes the three files of a statement under `directory`. A file that is there is replaced whole."""
    found = []
    for kind, rows in _rows(statement).items():
        path = path_of(directory, statement.broker, statement.day, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = text_of(kind, statement.broker, statement.day, rows).encode()
        replace_file(path, content)
        found.append(StatementFile(kind, path, hashlib.sha256(content).hexdigest(), len(rows)))
    return tuple(found)


def text_of(kind: str, broker: str, day: date, rows: Sequence[Sequence[str]]) -> str:
    """A whole file as text. Raises DataError for a value that cannot stand in one."""
    lines = [(MAGIC, VERSION, kind, broker, day.isoformat()), _COLUMNS[kind], *rows, ("end", str(len(rows)))]
    for line, fields in enumerate(lines, 1):
        for field in fields:
            if field and not _TEXT.fullmatch(field):
                raise DataError(
                    f"{field[:40]!r} cannot stand in a statement ({kind}, line {line}).", line=line
                )
    return "".join(",".join(fields) + "\n" for fields in lines)


def _rows(statement: EndOfDay) -> dict[str, list[list[str]]]:
    side = {value: name for name, value in SIDES.items()}
    positions = sorted(statement.positions, key=lambda one: one.symbol)
    trades = sorted(statement.trades, key=lambda one: one.execution)
    cash = statement.cash
    return {
        "positions": [[p.symbol, SHARES.text(p.settled), SHARES.text(p.unsettled)] for p in positions],
        "cash": [[DOLLARS.text(cash.settled), DOLLARS.text(cash.unsettled)]],
        "trades": [
            [
                t.execution, t.order, t.symbol, side[t.side], SHARES.text(t.shares), PRICE.text(t.price), DOLLARS.text(t.fee),
                t.traded.isoformat(), t.settles.isoformat(),
            ]
            for t in trades
        ],
    }  # fmt: skip


# --- reading -------------------------------------------------------------------------------------------------------------


def read_statement(directory: Path, broker: str, day: date) -> ReadStatement:
    """The statement of a broker and day. Raises DataError that names file, line and field where one is missing or is not as documented."""
    found: dict[str, Any] = {}
    files = []
    for kind in KINDS:
        path = path_of(directory, broker, day, kind)
        content = _content(path)
        found[kind] = _READERS[kind](_Sheet(path, kind, broker, day, content))
        files.append(StatementFile(kind, path, hashlib.sha256(content).hexdigest(), len(found[kind])))
    statement = EndOfDay(
        broker=broker, day=day, positions=tuple(found["positions"]), cash=found["cash"][0], trades=tuple(found["trades"])
    )  # fmt: skip
    return ReadStatement(statement, tuple(files))


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise DataError(f"{path} has more than {_LARGEST_BYTES} bytes.", file=str(path))
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"There is no statement {path}.", file=str(path)) from None


class _Sheet:
    """One file: its first and last lines are checked, its rows come with the number of their line."""

    def __init__(self, path: Path, kind: str, broker: str, day: date, content: bytes) -> None:
        self.path, self.day = path, day
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            self.bad(1, "encoding", f"is not UTF-8 at byte {error.start}")
        if "\r" in text or '"' in text or "\0" in text:
            self.bad(1, "characters", "holds a carriage return, a quote or a NUL, which no field has")
        if not text.endswith("\n"):
            self.bad(text.count("\n") + 1, "end", "is cut short: its last line does not end")
        lines = [line.split(",") for line in text[:-1].split("\n")]
        self._head(lines, kind, broker, day)
        if lines[-1][0] != "end" or len(lines[-1]) != 2:
            self.bad(
                len(lines), "end", "is cut short: it does not end with `end,` and the number of its rows"
            )
        self.rows = list(enumerate(lines[2:-1], 3))
        if lines[-1][1] != str(len(self.rows)):
            self.bad(len(lines), "end", f"says {lines[-1][1][:20]!r} rows and has {len(self.rows)}")
        for line, row in self.rows:
            if len(row) != len(_COLUMNS[kind]):
                self.bad(line, "columns", f"has {len(row)} fields where {len(_COLUMNS[kind])} belong")

    def _head(self, lines: list[list[str]], kind: str, broker: str, day: date) -> None:
        wanted = [MAGIC, VERSION, kind, broker, day.isoformat()]
        names = ("format", "version", "kind", "broker", "day")
        if len(lines) < 3 or len(lines[0]) != len(wanted):
            self.bad(1, "format", f"does not begin with `{','.join(wanted)}`")
        for name, is_, should in zip(names, lines[0], wanted, strict=True):
            if is_ != should:
                self.bad(1, name, f"is {is_[:40]!r} where {should!r} belongs")
        if tuple(lines[1]) != _COLUMNS[kind]:
            self.bad(2, "columns", f"are not `{','.join(_COLUMNS[kind])}`")

    def bad(self, line: int, field: str, what: str) -> NoReturn:
        """Says what is wrong where."""
        raise DataError(
            f"{self.path.name}, line {line}, {field}: {what}.", file=str(self.path), line=line, field=field
        )

    def take(self, line: int, field: str, read: Callable[[str], _T], text: str) -> _T:
        """A field's value."""
        try:
            return read(text)
        except UnitError as error:
            self.bad(line, field, error.sentence.removesuffix("."))
        except ValueError:
            self.bad(line, field, f"{text[:40]!r} is not what belongs there")

    def unique(self, keys: Iterable[tuple[int, str]], field: str) -> None:
        """Rows are in order of a column that names each once."""
        before = ""
        for line, key in keys:
            if key == before:
                self.bad(line, field, f"{key[:40]!r} stands there twice")
            if key < before:
                self.bad(line, field, f"{key[:40]!r} is out of order")
            before = key


def _text(text: str) -> str:
    if not _TEXT.fullmatch(text):
        raise ValueError(text)
    return text


def _side(text: str) -> Side:
    if text not in SIDES:
        raise UnitError("side must be `buy` or `sell`.")
    return SIDES[text]


def _positive(scale: Scale, name: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        found = scale.units(text, name)
        if found <= 0:
            raise UnitError(f"{name} must be above zero, got {text}.")
        return found

    return read


def _at_least_zero(text: str) -> int:
    found = DOLLARS.units(text, "fee")
    if found < 0:
        raise UnitError(f"fee must not be negative, got {text}.")
    return found


def _positions(sheet: _Sheet) -> list[Position]:
    found = []
    for line, (symbol, settled, unsettled) in sheet.rows:
        found.append(
            Position(
                symbol=sheet.take(line, "symbol", _text, symbol),
                settled=sheet.take(line, "settled", SHARES.units, settled),
                unsettled=sheet.take(line, "unsettled", SHARES.units, unsettled),
            )
        )
    sheet.unique(((line, row[0]) for line, row in sheet.rows), "symbol")
    return found


def _cash(sheet: _Sheet) -> list[Cash]:
    if len(sheet.rows) != 1:
        sheet.bad(3, "rows", f"there are {len(sheet.rows)} where one belongs")
    line, (settled, unsettled) = sheet.rows[0]
    return [
        Cash(
            settled=sheet.take(line, "settled", DOLLARS.units, settled),
            unsettled=sheet.take(line, "unsettled", DOLLARS.units, unsettled),
        )
    ]


def _trades(sheet: _Sheet) -> list[Trade]:
    found = []
    for line, (execution, order, symbol, side, shares, price, fee, traded, settles) in sheet.rows:
        one = Trade(
            execution=sheet.take(line, "execution", _text, execution),
            order=sheet.take(line, "order", _text, order) if order else "",
            symbol=sheet.take(line, "symbol", _text, symbol),
            side=sheet.take(line, "side", _side, side),
            shares=sheet.take(line, "shares", _positive(SHARES, "shares"), shares),
            price=sheet.take(line, "price", _positive(PRICE, "price"), price),
            fee=sheet.take(line, "fee", _at_least_zero, fee),
            traded=sheet.take(line, "traded", day_of, traded),
            settles=sheet.take(line, "settles", day_of, settles),
        )  # fmt: skip
        if one.traded > sheet.day:
            sheet.bad(line, "traded", f"{traded} is after the day of the statement")
        if one.settles < one.traded:
            sheet.bad(line, "settles", f"{settles} is before the trade of {traded}")
        found.append(one)
    sheet.unique(((line, row[0]) for line, row in sheet.rows), "execution")
    return found


_READERS: Final[dict[str, Callable[[_Sheet], list[Any]]]] = {
    "positions": _positions,
    "cash": _cash,
    "trades": _trades,
}


def fetch_due(lines: Mapping[str, object], day: date, directory: Path) -> dict[str, str]:
    """Fetches the statements of a day that are not there yet, of every broker whose line has such records.

    `lines` are brokers' lines by the brokers' names at the venue. Gives what was in the way, a sentence a broker: who asks again later
    asks for those alone. A file that is there and can't be read is not there.
    """
    problems = {}
    for name, line in lines.items():
        if not isinstance(line, Records) or has_statement(directory, name, day):
            continue
        try:
            found = line.end_of_day(day)
            write_statement(msgspec.structs.replace(found, broker=name), directory)
            read_statement(directory, name, day)
        except (NovateError, OSError) as error:
            problems[name] = error.sentence if isinstance(error, NovateError) else str(error)
    return problems


def has_statement(directory: Path, name: str, day: date) -> bool:
    """Whether a broker's statement of a day is there, whole."""
    try:
        read_statement(directory, name, day)
    except (NovateError, OSError):
        return False
    return True

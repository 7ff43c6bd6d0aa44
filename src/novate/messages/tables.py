"""Many messages of one type as numpy columns.

Responsible for: reading a buffer of records in place, and building one from columns, both without a Python object per
message. For records only; documents go one by one through `wire.py`.

A table has the fields `header` (as `wire.Header`), for events `lead` (index, flags, account_sequence), and `body`:
`read_table(events, OrderFilled)["body"]["price"]` is one column of int64.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from novate.errors import MessageError, UnitError
from novate.messages.commands.first import PostPrice
from novate.messages.fields import Command, Event, Message
from novate.messages.layout import LAYOUTS, RANGES, VERSION, Layout
from novate.messages.wire import BytesLike, select

Table = npt.NDArray[np.void]
Column = Any
"""One value for all rows, or anything numpy takes as a column: its dtype is checked, never converted."""

_NUMPY: Final = {"u8": "u1", "u16": "<u2", "u32": "<u4", "u64": "<u8", "i64": "<i8", "[u8;16]": "V16"}
_HEADER: Final = np.dtype(
    [
        ("length", "<u4"),
        ("kind", "<u2"),
        ("version", "<u2"),
        ("account", "<u8"),
        ("actor", "<u8"),
        ("request", "<u8"),
        ("sequence", "<u8"),
        ("time_ns", "<i8"),
    ]
)
_LEAD: Final = np.dtype([("index", "<u4"), ("flags", "<u4"), ("account_sequence", "<u8")])
_HEADER_TYPES: Final = {
    "account": "u64",
    "actor": "u64",
    "request": "u64",
    "sequence": "u64",
    "time_ns": "i64",
}


@cache
def table_dtype(cls: type[Message]) -> np.dtype[np.void]:
    """Layout of one whole message of a record class, without padding.

    Raises:
        MessageError: the class is a document.
    """
    layout = LAYOUTS[cls]
    if layout.body is None:
        raise MessageError(f"{cls.__name__} is a document; only records lie in tables")
    body = np.dtype([(field.attribute, _NUMPY[field.type]) for field in layout.fields])
    lead = [("lead", _LEAD)] if issubclass(cls, Event) else []
    return np.dtype([("header", _HEADER), *lead, ("body", body)])


def read_table(buffer: BytesLike, cls: type[Message]) -> Table:
    """All messages of one record class in a buffer, in order; of shape (count,), read-only.

    A buffer of that class alone is read in place; otherwise its messages are gathered into a copy.

    Raises:
        MessageError: the class is a document, or a message of it has another length or version.
        BadBuffer: the buffer is not messages back to back.
    """
    dtype = table_dtype(cls)
    size = dtype.itemsize
    view = memoryview(buffer).cast("B").toreadonly()
    if len(view) % size == 0:
        table: Table = np.frombuffer(view, dtype)
        if _all_are(table, cls, size):
            return table
    gathered = b"".join(select(view, cls))
    if len(gathered) % size == 0:
        table = np.frombuffer(gathered, dtype)
        if _all_are(table, cls, size):
            return table
    raise MessageError(f"{cls.__name__} has {size} bytes and version {VERSION}; the buffer holds another one")


def write_table(
    cls: type[Command],
    columns: Mapping[str, Column],
    *,
    account: Column = 0,
    actor: Column = 0,
    request: Column = 0,
    sequence: Column = 0,
    time_ns: Column = 0,
) -> bytes:
    """One command per row, from columns by field name; scalars are repeated, absent fields take their default.

    Args:
        cls: A record class of commands.
        columns: Field name to integers of shape (count,) or one integer; 16-byte fields: bytes, or an array of V16.
        account: Header field, as are the next four; one number or one per row. `time_ns` given here pre-stamps the
            commands for a sequencer that takes stamped buffers.
        actor: Key or agent.
        request: The sender's number.
        sequence: Left 0 for the sequencer.
        time_ns: Journal time, ns UTC.

    Raises:
        UnitError: a column of floats, or a value beyond its wire type; names the field.
        MessageError: an unknown or missing field, columns of different lengths, or a class that is a document.
    """
    dtype = table_dtype(cls)
    layout = LAYOUTS[cls]
    header = {
        "account": account,
        "actor": actor,
        "request": request,
        "sequence": sequence,
        "time_ns": time_ns,
    }
    heads = {name: _integers(v, _HEADER_TYPES[name], f"{cls.__name__}.{name}") for name, v in header.items()}
    bodies = _body_columns(layout, columns)
    table = np.zeros(_count([*heads.values(), *bodies.values()], cls), dtype)
    table["header"]["length"] = dtype.itemsize
    table["header"]["kind"] = cls.KIND
    table["header"]["version"] = VERSION
    for name, head in heads.items():
        table["header"][name] = head
    for name, body in bodies.items():
        table["body"][name] = body
    return table.tobytes()


def post_prices(
    underlying: Column,
    source: Column,
    price: Column,
    venue_time_ns: Column,
    *,
    time_ns: Column = 0,
    actor: Column = 0,
    **others: Column,
) -> bytes:
    """`PostPrice` commands from columns: one row per price.

    Args:
        underlying: Id, one or one per row, as are all arguments.
        source: Id of the source.
        price: At the underlying's scale.
        venue_time_ns: When the price was made, ns UTC.
        time_ns: Journal time that pre-stamps the commands; 0 leaves it to the sequencer.
        actor: Key or agent.
        others: Further fields of `PostPrice`, such as `size` or `price_kind`.

    Raises:
        UnitError, MessageError: as `write_table`.
    """
    columns = {
        "underlying": underlying,
        "source": source,
        "price": price,
        "venue_time_ns": venue_time_ns,
        **others,
    }
    return write_table(PostPrice, columns, actor=actor, time_ns=time_ns)


def _all_are(table: Table, cls: type[Message], size: int) -> bool:
    header = table["header"]
    same = (header["kind"] == cls.KIND) & (header["length"] == size) & (header["version"] == VERSION)
    return bool(same.all())


def _body_columns(layout: Layout, columns: Mapping[str, Column]) -> dict[str, npt.NDArray[Any]]:
    name = layout.cls.__name__
    unknown = set(columns) - {field.attribute for field in layout.fields}
    if unknown:
        raise MessageError(f"{name} has no field {min(unknown)}")
    out = {}
    for field in layout.fields:
        value = columns.get(field.attribute, field.default)
        where = f"{name}.{field.name}"
        if value is msgspec.NODEFAULT:
            raise MessageError(f"{where} is missing")
        out[field.attribute] = (
            _sixteen(value, where) if field.type == "[u8;16]" else _integers(value, field.type, where)
        )
    return out


def _integers(value: Column, wire_type: str, where: str) -> npt.NDArray[Any]:
    """The column as integers inside their wire type; of shape (count,) or ()."""
    try:
        column = np.asarray(value)
    except OverflowError:
        raise UnitError(f"{where} does not fit 64 bits") from None
    if column.ndim > 1:
        raise MessageError(f"{where} must be one column, not of shape {column.shape}")
    if column.size == 0:
        return np.zeros(0, _NUMPY[wire_type])
    if column.dtype.kind not in "iub":
        raise UnitError(f"{where} must be integers, not {column.dtype}; scale them with novate.units")
    low, high = RANGES[wire_type]
    least, greatest = int(column.min()), int(column.max())
    if least < low or greatest > high:
        raise UnitError(f"{where} must be {low} to {high}, got {least if least < low else greatest}")
    return column


def _sixteen(value: Column, where: str) -> npt.NDArray[Any]:
    """The column as 16-byte values; of shape (count,) or ()."""
    if isinstance(value, bytes):
        value = np.frombuffer(value, "V16")[0] if len(value) == 16 else None
    column = np.asarray(value)
    if column.dtype != np.dtype("V16") or column.ndim > 1:
        raise MessageError(f"{where} must be 16 bytes, or an array of dtype V16")
    return column


def _count(columns: list[npt.NDArray[Any]], cls: type[Message]) -> int:
    """Rows of the table: the one length that the columns have; 1 where all are scalars."""
    lengths = {len(column) for column in columns if column.ndim == 1}
    if len(lengths) > 1:
        raise MessageError(f"the columns of {cls.__name__} have different lengths: {sorted(lengths)}")
    return lengths.pop() if lengths else 1

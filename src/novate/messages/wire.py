"""Messages as bytes: a 48-byte header, then the body; one message after another in a buffer.

Responsible for: encoding one message and reading a buffer, with every number checked on the way out: a float, a value
beyond its type or a wrong length never reaches the journal. Never judges a message: rules are the engine's. Whole
columns of messages are in `tables.py`.

A `bool` counts as the 0 or 1 it is. The sequencer fills `sequence` and `time_ns`; a sender leaves them 0.
"""

import struct
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from operator import index
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from novate._core import EventHead as EventHead  # noqa: PLC0414 - ours to hand on
from novate._core import event_heads as event_heads  # noqa: PLC0414
from novate.errors import BadBuffer, MessageError, UnitError
from novate.messages.events import LAST
from novate.messages.fields import Command, Event, Message
from novate.messages.layout import (
    COMMAND_KINDS,
    EVENT_HEAD,
    EVENT_HEAD_SIZE,
    EVENT_KINDS,
    FORMATS,
    HEADER,
    HEADER_SIZE,
    LAYOUTS,
    RANGES,
    VERSION,
    Layout,
)

_HEADER: Final = struct.Struct("<" + HEADER)
_EVENT_HEAD: Final = struct.Struct("<" + EVENT_HEAD)
_ADDRESS: Final = struct.Struct("<QQQ")
"""Of a header, behind its first 8 bytes: account, actor, request."""
_LENGTH_AND_KIND: Final = struct.Struct("<IH")
_HEADER_TYPES: Final = (
    ("account", "u64"),
    ("actor", "u64"),
    ("request", "u64"),
    ("sequence", "u64"),
    ("time_ns", "i64"),
)
_EVENT_TYPES: Final = (("index", "u32"), ("flags", "u32"), ("account_sequence", "u64"))
_DECODERS: Final = {
    cls: msgspec.msgpack.Decoder(cls) for cls, layout in LAYOUTS.items() if layout.body is None
}

BytesLike = bytes | bytearray | memoryview
Kinds = Iterable[int | type[Message]] | None

_M = TypeVar("_M", bound=Message)


class Header(NamedTuple):
    """What stands in front of every message."""

    length: int
    """Bytes of the whole message, header included."""
    kind: int
    """Type number."""
    version: int
    """Message version."""
    account: int
    """Account it is about; 0 for the venue."""
    actor: int
    """Key or agent that sent the command."""
    request: int
    """Correlates a reply with its sender; chosen by the sender."""
    sequence: int
    """The command's position in the journal, from 1."""
    time_ns: int
    """The command's journal time, ns since 1970 UTC."""


class CommandMessage(NamedTuple):
    """A command with its header."""

    header: Header
    body: Command


class EventMessage(NamedTuple):
    """An event with its header and the three numbers that lead its body."""

    header: Header
    number: int
    """The event's index among the events of its command, from 0."""
    flags: int
    """1 on the last event of its command."""
    account_sequence: int
    """Position among the events of its account, from 1; 0 for the venue."""
    body: Event

    @property
    def is_last(self) -> bool:
        """Whether it is the last event of its command."""
        return bool(self.flags & LAST)


# --- writing -----------------------------------------------------------------------------------------------------------


def encode(
    command: Command,
    account: int = 0,
    actor: int = 0,
    request: int = 0,
    *,
    sequence: int = 0,
    time_ns: int = 0,
) -> bytes:
    """One command as a whole message.

    Raises:
        UnitError: a number is a float, not a number, or beyond its wire type; names the field.
        MessageError: not a command, or a text or byte field that cannot be encoded.
    """
    layout = LAYOUTS.get(type(command))
    if layout is None or not isinstance(command, Command):
        raise MessageError(f"{type(command).__name__} is not a command")
    header = (account, actor, request, sequence, time_ns)
    return _quick(layout, command, header) or _checked(layout, command, header, ())


def addressed(message: bytes, account: int, actor: int, request: int) -> bytes:
    """A whole command that is nobody's yet as an account's, sent by a key, with its sender's number. Raises UnitError for what is no id."""
    try:
        return message[:8] + _ADDRESS.pack(account, actor, request) + message[32:]
    except struct.error:
        for value, (name, wire_type) in zip((account, actor, request), _HEADER_TYPES, strict=False):
            checked_integer(value, wire_type, name)
        raise


def encode_event(
    event: Event,
    account: int = 0,
    account_sequence: int = 0,
    *,
    number: int = 0,
    flags: int = LAST,
    request: int = 0,
    sequence: int = 0,
    time_ns: int = 0,
) -> bytes:
    """One event as a whole message, as the engine would write it; `number` is its index within its command.

    For tests and simulated streams: only the engine makes the venue's events. Raises as `encode`.
    """
    layout = LAYOUTS.get(type(event))
    if layout is None or not isinstance(event, Event):
        raise MessageError(f"{type(event).__name__} is not an event")
    return _checked(
        layout, event, (account, 0, request, sequence, time_ns), (number, flags, account_sequence)
    )


def encode_body(message: Message) -> bytes:
    """The body alone, every field checked. Raises as `encode`."""
    layout = LAYOUTS[type(message)]
    name = layout.cls.__name__
    values = [
        _checked_value(value, field.type, f"{name}.{field.name}")
        for field, value in zip(layout.fields, msgspec.structs.astuple(message), strict=True)
    ]
    if layout.body is not None:
        return layout.body.pack(*values)
    return msgspec.msgpack.encode(values)


def _quick(layout: Layout, command: Command, header: tuple[int, ...]) -> bytes | None:
    """A record in one call of `struct`, which refuses floats and ranges itself; None where it objects."""
    if layout.message is None:
        return None
    values = msgspec.structs.astuple(command)
    try:
        if layout.bytes_at >= 0 and len(values[layout.bytes_at]) != 16:
            return None
        return layout.message.pack(layout.message.size, layout.kind, VERSION, *header, *values)
    except (struct.error, TypeError):
        return None


def _checked(layout: Layout, message: Message, header: tuple[int, ...], event_head: tuple[int, ...]) -> bytes:
    """The same field by field, so that the error names the one at fault."""
    head = [_checked_value(v, t, name) for v, (name, t) in zip(header, _HEADER_TYPES, strict=True)]
    if event_head:
        lead = [_checked_value(v, t, name) for v, (name, t) in zip(event_head, _EVENT_TYPES, strict=True)]
        body = _EVENT_HEAD.pack(*lead) + encode_body(message)
    else:
        body = encode_body(message)
    return _HEADER.pack(HEADER_SIZE + len(body), layout.kind, VERSION, *head) + body


def _checked_value(value: object, wire_type: str, where: str) -> object:
    if wire_type in RANGES:
        return checked_integer(value, wire_type, where)
    if wire_type == "String":
        return _checked_text(value, where)
    if wire_type == "Vec<i64>":
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            raise MessageError(f"{where} must be a sequence of integers, not {type(value).__name__}")
        return [checked_integer(item, "i64", f"{where}[{at}]") for at, item in enumerate(value)]
    exact = wire_type == "[u8;16]"
    if not isinstance(value, bytes | bytearray | memoryview) or (exact and memoryview(value).nbytes != 16):
        raise MessageError(f"{where} must be {'exactly 16 bytes' if exact else 'bytes'}")
    return bytes(value)


def checked_integer(value: object, wire_type: str, where: str) -> int:
    """`value` as a plain int inside its wire type, or a UnitError that names `where`."""
    if isinstance(value, float):
        raise UnitError(f"{where} must be an integer, not the float {value!r}; scale it with novate.units")
    try:
        number = int(index(value))  # type: ignore[arg-type]  # what cannot be an index is answered below
    except TypeError:
        raise UnitError(f"{where} must be an integer, not {type(value).__name__}") from None
    low, high = RANGES[wire_type]
    if not low <= number <= high:
        raise UnitError(f"{where} must be {low} to {high}, got {number}")
    return number


def _checked_text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise MessageError(f"{where} must be text, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MessageError(f"{where} holds a character that has no UTF-8") from None
    return value


# --- reading -----------------------------------------------------------------------------------------------------------


def read_header(message: BytesLike) -> Header:
    """The first 48 bytes of a message. Raises MessageError when there are fewer."""
    view = _bytes_of(message)
    if len(view) < HEADER_SIZE:
        raise MessageError(f"a message has at least {HEADER_SIZE} bytes, got {len(view)}")
    return Header._make(_HEADER.unpack_from(view))


def split(buffer: BytesLike) -> Iterator[tuple[Header, memoryview]]:
    """The messages of a buffer, in order, as header and body; bodies are views, nothing is copied.

    Raises:
        BadBuffer: where the buffer stops being messages back to back; what came before was yielded.
    """
    view = _bytes_of(buffer)
    for at, length, _ in _walk(view):
        yield Header._make(_HEADER.unpack_from(view, at)), view[at + HEADER_SIZE : at + length]


def decode_command(message: BytesLike) -> CommandMessage:
    """One whole command.

    Raises:
        MessageError: another length than the header's, an unknown type or version, or a body that does not fit it. A
            body that is not canonical MessagePack is read here and refused by the engine.
    """
    view = _whole(message)
    return _read_command(view, 0, len(view))


def decode_event(message: BytesLike) -> EventMessage:
    """One whole event. Raises as `decode_command`."""
    view = _whole(message)
    return _read_event(view, 0, len(view))


def iter_commands(buffer: BytesLike, kinds: Kinds = None) -> Iterator[CommandMessage]:
    """The commands of a buffer, in order; only those of `kinds` (numbers or classes) where given.

    Messages of other types are skipped by length and type alone. Raises as `split` and `decode_command`.
    """
    view = _bytes_of(buffer)
    wanted = _numbers(kinds)
    for at, length, kind in _walk(view):
        if wanted is None or kind in wanted:
            yield _read_command(view, at, length)


def iter_events(buffer: BytesLike, kinds: Kinds = None) -> Iterator[EventMessage]:
    """The events of a buffer, in order; only those of `kinds` (numbers or classes) where given.

    Messages of other types are skipped by length and type alone. Raises as `split` and `decode_event`.
    """
    view = _bytes_of(buffer)
    wanted = _numbers(kinds)
    for at, length, kind in _walk(view):
        if wanted is None or kind in wanted:
            yield _read_event(view, at, length)


def select(buffer: BytesLike, kind: int | type[Message]) -> Iterator[memoryview]:
    """The whole messages of one type (number or class), as views. Raises as `split`."""
    view = _bytes_of(buffer)
    number = kind if isinstance(kind, int) else kind.KIND
    for at, length, found in _walk(view):
        if found == number:
            yield view[at : at + length]


@cache
def body_reader(cls: type[Message], *names: str) -> Callable[[BytesLike, int], Any]:
    """What reads the body of a message of this type from a buffer, where the message begins: a tuple with the fields' names.

    With `names` only those fields, as a plain tuple, and as fast as Python can. For who reads very many messages of a buffer that is known to be whole: neither type nor
    version is looked at. Of a type whose body is no record it is the body itself. Raises MessageError for a field that is none, and for names
    in another order than the record's, which is the tuple's.
    """
    layout = LAYOUTS[cls]
    read = _read_event if issubclass(cls, Event) else _read_command
    lead = HEADER_SIZE + (EVENT_HEAD_SIZE if issubclass(cls, Event) else 0)
    if layout.body is None:
        return lambda buffer, at: (
            read(_bytes_of(buffer), at, _LENGTH_AND_KIND.unpack_from(buffer, at)[0]).body
        )
    wanted = [field for field in layout.fields if not names or field.attribute in names]
    found = [field.attribute for field in wanted]
    if names and found != list(names):
        raise MessageError(
            f"{cls.__name__} has {', '.join(found)} of these in this order, not {', '.join(names)}"
        )
    parts = (
        FORMATS[one.type] if one in wanted else f"{struct.calcsize(FORMATS[one.type])}x"
        for one in layout.fields
    )
    unpack = struct.Struct(f"<{lead}x" + "".join(parts)).unpack_from
    if names:
        return unpack
    made: Any = namedtuple("Body", [one.attribute for one in wanted], rename=True)  # type: ignore[misc]  # noqa: PYI024 - fields are data
    make = partial(tuple.__new__, made)
    return lambda buffer, at: make(unpack(buffer, at))


def _bytes_of(buffer: BytesLike) -> memoryview:
    return memoryview(buffer).cast("B")


def _whole(message: BytesLike) -> memoryview:
    view = _bytes_of(message)
    length = read_header(view).length
    if length != len(view):
        raise MessageError(f"the header says {length} bytes, the message has {len(view)}")
    return view


def _numbers(kinds: Kinds) -> frozenset[int] | None:
    if kinds is None:
        return None
    return frozenset(kind if isinstance(kind, int) else kind.KIND for kind in kinds)


def _walk(view: memoryview) -> Iterator[tuple[int, int, int]]:
    """Offset, length and type of each message."""
    at, end, peek = 0, len(view), _LENGTH_AND_KIND.unpack_from
    while at < end:
        length, kind = peek(view, at) if end - at >= HEADER_SIZE else (0, 0)
        if length < HEADER_SIZE or at + length > end:
            raise BadBuffer(f"no whole message at byte {at} of {end}", offset=at)
        yield at, length, kind
        at += length


def _read_command(view: memoryview, at: int, length: int) -> CommandMessage:
    header = Header._make(_HEADER.unpack_from(view, at))
    cls = COMMAND_KINDS.get(header.kind)
    if cls is None or header.version != VERSION:
        raise MessageError(f"no command has type {header.kind} and version {header.version}")
    return CommandMessage(header, _read_body(cls, view, at + HEADER_SIZE, length - HEADER_SIZE))


def _read_event(view: memoryview, at: int, length: int) -> EventMessage:
    header = Header._make(_HEADER.unpack_from(view, at))
    cls = EVENT_KINDS.get(header.kind)
    if cls is None or header.version != VERSION:
        raise MessageError(f"no event has type {header.kind} and version {header.version}")
    lead = HEADER_SIZE + EVENT_HEAD_SIZE
    if length < lead:
        raise MessageError(f"{cls.__name__} has at least {lead} bytes, got {length}")
    number, flags, account_sequence = _EVENT_HEAD.unpack_from(view, at + HEADER_SIZE)
    return EventMessage(
        header, number, flags, account_sequence, _read_body(cls, view, at + lead, length - lead)
    )


def _read_body(cls: type[_M], view: memoryview, at: int, length: int) -> _M:
    record = LAYOUTS[cls].body
    if record is None:
        try:
            return _DECODERS[cls].decode(view[at : at + length])  # type: ignore[return-value]  # one decoder per class
        except (msgspec.MsgspecError, ValueError) as error:
            raise MessageError(
                f"the body of {cls.__name__} is not the array of its fields: {error}"
            ) from None
    if record.size != length:
        raise MessageError(f"the body of {cls.__name__} has {record.size} bytes, got {length}")
    return msgspec.convert(record.unpack_from(view, at), cls)

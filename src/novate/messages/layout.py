"""How each message class lies on the wire, derived once from its annotations.

Responsible for: the fields of a class with type, range and unit, the fixed layout of records, and the look-ups by type
number. Never reads or writes a message: that is `wire.py` (one at a time) and `tables.py` (whole columns).
"""

import struct
from dataclasses import dataclass
from typing import Final, get_type_hints

import msgspec

from novate.messages.commands import COMMANDS
from novate.messages.events import EVENTS
from novate.messages.fields import Command, Event, Message, Wire

VERSION: Final = 1
"""The only message version so far."""
HEADER: Final = "IHHQQQQq"
"""Struct format of the header: length, type, version, account, actor, request, sequence, time_ns."""
EVENT_HEAD: Final = "IIQ"
"""Struct format of what leads every event's body: index, flags, account sequence."""
HEADER_SIZE: Final = struct.calcsize("<" + HEADER)
EVENT_HEAD_SIZE: Final = struct.calcsize("<" + EVENT_HEAD)

RANGES: Final = {
    "u8": (0, 2**8 - 1),
    "u16": (0, 2**16 - 1),
    "u32": (0, 2**32 - 1),
    "u64": (0, 2**64 - 1),
    "i64": (-(2**63), 2**63 - 1),
}
"""Wire type of an integer to its least and greatest value."""
FORMATS: Final = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i64": "q", "[u8;16]": "16s"}
"""Wire type of a record's field to its struct format."""


@dataclass(frozen=True)
class Field:
    """One field of a message."""

    attribute: str
    """Name in Python."""
    name: str
    """Name in the definitions; differs where Python reserves the word."""
    type: str
    """Wire type, such as i64."""
    unit: str
    """Unit or code of the value."""
    default: object
    """What it is when not given; `msgspec.NODEFAULT` where it must be given."""


@dataclass(frozen=True)
class Layout:
    """A message class as the codec sees it. For a document, `body` and `message` are None."""

    cls: type[Message]
    kind: int
    fields: tuple[Field, ...]
    body: struct.Struct | None
    """The record's fields alone."""
    message: struct.Struct | None
    """Header, an event's leading fields, and the record's fields."""
    bytes_at: int
    """Position of the one 16-byte field; -1 where there is none. `struct` would cut or pad it silently."""


def fields_of(cls: type[Message]) -> tuple[Field, ...]:
    """The fields of a message class, in wire order."""
    hints = get_type_hints(cls, include_extras=True)
    out = []
    for field in msgspec.structs.fields(cls):
        (wire,) = (extra for extra in hints[field.name].__metadata__ if isinstance(extra, Wire))
        out.append(Field(field.name, field.encode_name, wire.type, wire.unit, field.default))
    return tuple(out)


def _layout(cls: type[Message]) -> Layout:
    fields = fields_of(cls)
    types = [field.type for field in fields]
    bytes_at = types.index("[u8;16]") if "[u8;16]" in types else -1
    if cls.FORM != "record":
        return Layout(cls, cls.KIND, fields, None, None, bytes_at)
    body = "".join(FORMATS[wire_type] for wire_type in types)
    lead = HEADER + EVENT_HEAD if issubclass(cls, Event) else HEADER
    return Layout(
        cls, cls.KIND, fields, struct.Struct("<" + body), struct.Struct("<" + lead + body), bytes_at
    )


LAYOUTS: Final[dict[type[Message], Layout]] = {cls: _layout(cls) for cls in (*COMMANDS, *EVENTS)}
"""Every message class to its layout."""
COMMAND_KINDS: Final[dict[int, type[Command]]] = {cls.KIND: cls for cls in COMMANDS}
"""Type number to command."""
EVENT_KINDS: Final[dict[int, type[Event]]] = {cls.KIND: cls for cls in EVENTS}
"""Type number to event."""


def definitions() -> list[dict[str, object]]:
    """All definitions in the form in which the engine exports its own: name, kind, form, fields as [name, type]."""
    return [
        {
            "name": cls.__name__,
            "kind": cls.KIND,
            "form": cls.FORM,
            "fields": [[field.name, field.type] for field in layout.fields],
        }
        for cls, layout in LAYOUTS.items()
    ]

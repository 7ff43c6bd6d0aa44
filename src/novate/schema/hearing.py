"""Operations as commands straight from their JSON text: what `operations.parse` and `to_command` make of it, byte for byte, for a tenth of the work.

Responsible for: the table of what each operation takes, made from the same fields that `operations` reads, which the compiled `Hearer`
follows. Arguments that are not plain, or wrong, go the plain way, which says what is wrong: so nothing is refused here, and a test compares
the two for every operation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec

from novate._core import Hearer as Compiled
from novate.messages.layout import HEADER_SIZE, LAYOUTS
from novate.messages.wire import encode
from novate.schema.catalogue import Catalogue
from novate.schema.operations import ABSENT, Operation, operations
from novate.schema.telling import beside, places
from novate.schema.values import How, Outer

Field = tuple[str, int, str, str, list[int], bool, list[tuple[str, int]], list[tuple[str, int]]]
"""How it reads, where it is, wire type, of what a name or scale is, where the ids are that say of which one, whether it must be there, its keys each with
its bit, words."""


class Hearer:
    """Makes commands of operations as of one catalogue; a new one is made when the catalogue is."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._compiled = Compiled(_operations(), catalogue.tables)

    def command(self, op: Operation, said: bytes, rests: Callable[[bytes], int]) -> bytes | None:
        """The command that these arguments stand for, as a message that is nobody's yet; None where the plain way has to say.

        `rests` says where the order rests that an amendment names, by what is written of it, its ids: for the scales of the rest.
        """
        return self._compiled.command(op.name, said, rests)


@cache
def _operations() -> list[tuple[str, bytes, list[Field]]]:
    """Of every operation whose command is a record."""
    return [
        (op.name, _blank(op), [_field(op, one) for one in op.fields])
        for op in operations().values()
        if LAYOUTS[op.command].message is not None
    ]


def _blank(op: Operation) -> bytes:
    """The command with every field at what it is when it is left out, 0 where it must be there."""
    values = {}
    for field in LAYOUTS[op.command].fields:
        value = ABSENT.get(field.attribute, field.default)
        needed = bytes(16) if field.type == "[u8;16]" else 0
        values[field.attribute] = needed if value is msgspec.NODEFAULT else value
    return encode(op.command(**values))


def _field(op: Operation, one: Outer) -> Field:
    at = places(LAYOUTS[op.command], HEADER_SIZE)
    how, of = one.how.name.lower(), beside(one, at)
    keys, words = [(one.name, 0)], list[tuple[str, int]]()
    if one.how is How.BITS:
        keys = one.bits()
    elif one.how is How.CODE:
        words = [(word.value, number) for number, word in one.words().items()]
    elif one.how is How.SCALED and not of:
        how = "of_order" if one.what in {"ticks", "lots"} else "plain"
    needed = {column.encode_name for column in msgspec.structs.fields(op.args) if column.required}
    return how, at[one.field.attribute], one.field.type, one.what, of, one.name in needed, keys, words

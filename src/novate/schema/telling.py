"""Events as JSON text straight from their records: what `outcomes.outcome` says, byte for byte, for a small part of the work.

Responsible for: the table of what each kind of event says, made from the same fields that `outcomes` reads, which the compiled `Teller`
follows. An event whose body is no record, and a quantity whose scale has no finite decimals, go the plain way. Never says anything that the
plain way does not: a test compares the two for every kind.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Final

import msgspec

from novate._core import Teller as Compiled
from novate.messages import BookChanged, IndexChanged, MarkChanged
from novate.messages.layout import EVENT_HEAD_SIZE, FORMATS, HEADER_SIZE, LAYOUTS, Layout
from novate.messages.wire import BytesLike, EventHead, decode_event
from novate.schema.catalogue import Catalogue
from novate.schema.outcomes import MarketOf, Problem, happenings, outcome
from novate.schema.values import How, Outer

_PUBLIC: Final = (BookChanged.KIND, IndexChanged.KIND, MarkChanged.KIND)
"""Told to everybody, and so never as part of an answer."""
_json: Final = msgspec.json.encode
Field = tuple[str, str, int, str, str, list[int], list[tuple[str, int]]]
"""Name, how it reads, where it is, wire type, of what a name or scale is, where the ids are that say of which one, words or bits."""
Kind = tuple[int, int, str, list[Field]]
"""Number, bytes, name, fields."""


class Teller:
    """Tells events in the public language as of one catalogue; a new one is made when the catalogue is."""

    def __init__(self, catalogue: Catalogue, market_of: MarketOf = lambda _: 0) -> None:
        def plain(message: bytes) -> bytes:
            return _json(outcome(catalogue, decode_event(message), market_of))

        self.catalogue = catalogue
        self._compiled = Compiled(_kinds(), _PUBLIC, catalogue.tables, market_of, plain)

    def tell(self, message: BytesLike) -> bytes:
        """One whole event as the JSON text of its `Outcome`. Raises MessageError or BadBuffer for what is no event."""
        return self._compiled.tell(message)

    def answer(self, events: bytes, account: int) -> tuple[msgspec.Raw, list[EventHead]]:
        """Of a buffer of events those of an account and of the venue, without what is told to everybody: as a JSON array, and their heads.

        Raises BadBuffer for what is not whole events.
        """
        text, mine = self._compiled.answer(events, account)
        return msgspec.Raw(text), mine


def places(layout: Layout, lead: int) -> dict[str, int]:
    """Where each field of a record is in its message, whose header and what else leads its body take `lead` bytes."""
    found, at = {}, lead
    for field in layout.fields:
        found[field.attribute] = at
        at += struct.calcsize("<" + FORMATS[field.type])
    return found


def beside(one: Outer, at: dict[str, int]) -> list[int]:
    """Where the ids are that say of what the scale of a field is, the first that is not 0; none where the message says no market."""
    if not one.beside:
        return []
    of = [at[one.beside]]
    return [*of, at["market"]] if one.beside == "trigger_market" else of


@cache
def _kinds() -> list[Kind]:
    """Of every kind whose body is a record."""
    found: list[Kind] = []
    for one in happenings().values():
        layout = LAYOUTS[one.event]
        if layout.message is not None and one.data is not Problem:
            at = places(layout, HEADER_SIZE + EVENT_HEAD_SIZE)
            found.append(
                (layout.kind, layout.message.size, one.name, [_field(field, at) for field in one.fields])
            )
    return found


def _field(one: Outer, at: dict[str, int]) -> Field:
    how, of, words = one.how.name.lower(), beside(one, at), list[tuple[str, int]]()
    if one.how is How.BITS:
        words = one.bits()
    elif one.how is How.CODE:
        words = [(word.value, number) for number, word in one.words().items()]
    elif one.how is How.SCALED and one.what in {"ticks", "lots"} and not of:
        how, of = "of_order", [at["order"]]
    return one.name, how, at[one.field.attribute], one.field.type, one.what, of, words

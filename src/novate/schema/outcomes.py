"""What happened, as it is told: events of the engine in the public language, and refusals as numbered errors.

Responsible for: one struct per event, made from the engine's own definitions so that none is missing, and the way from integers and ids
to text and names. Never decides who may see what.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final

import msgspec

from novate.messages import Command, CommandRefused, Event, EventMessage, rule
from novate.messages.events import EVENTS
from novate.messages.layout import COMMAND_KINDS, LAYOUTS
from novate.messages.reference import meanings
from novate.schema.catalogue import Catalogue
from novate.schema.operations import client_text, name_of
from novate.schema.scale import DOLLARS, SHARES, Scale
from novate.schema.values import How, Number, Outer, Word, outer

MarketOf = Callable[[int], int]
"""Where an order is; 0 where that is not known."""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what an event says."""


class Problem(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Why something was refused.

    Attributes:
        number: Of the rule; never reused.
        code: Name of the rule.
        message: One sentence.
        retryable: Whether the same may succeed later, sent again as it is.
        field: What of the operation is at fault.
        value: What it was, in the field's own unit.
        limit: What it met.
    """

    number: int
    code: str
    message: str
    retryable: bool
    field: str | None = None
    value: str | None = None
    limit: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event.

    Attributes:
        event: What happened.
        seq: The command's position in the journal.
        index: The event's place among those of its command, from 0.
        ts_ns: Journal time, ns since 1970 UTC.
        account: Whose event it is; absent for the venue.
        account_seq: Its place among the account's events, from 1 without a gap.
        data: What the event says.
    """

    event: str
    seq: int
    index: int
    ts_ns: int
    data: Data
    account: str | None = None
    account_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """One kind of event."""

    name: str
    event: type[Event]
    data: type[Data]
    fields: tuple[Outer, ...]
    summary: str


@cache
def happenings() -> Mapping[str, Happening]:
    """All kinds of events by name, in the order of their numbers."""
    return {one.name: one for one in map(_happening, sorted(EVENTS, key=lambda cls: cls.KIND))}


def outcome(catalogue: Catalogue, event: EventMessage, market_of: MarketOf = lambda _: 0) -> Outcome:
    """An event in the public language."""
    name, read = _readers()[type(event.body)]
    header = event.header
    return Outcome(
        event=name,
        seq=header.sequence,
        index=event.number,
        ts_ns=header.time_ns,
        data=problem(catalogue, event.body)
        if isinstance(event.body, CommandRefused)
        else read(catalogue, event.body, market_of),
        account=str(header.account) if header.account else None,
        account_seq=event.account_sequence or None,
    )


def problem(
    catalogue: Catalogue, refused: CommandRefused, market: int = 0, sent: Command | None = None
) -> Problem:
    """A refusal of the engine.

    `sent` is the command that was refused, and `market` where its order rests if it names none: they say the scale of the figures. Figures
    whose scale nobody says are left out.
    """
    broken = rule(refused.code)
    command = COMMAND_KINDS.get(refused.command)
    found = None
    if command is not None and 1 <= refused.field <= len(LAYOUTS[command].fields):
        wanted = LAYOUTS[command].fields[refused.field - 1].attribute
        found = next((one for one in outer(command) if one.field.attribute == wanted), None)
    shown: Callable[[int], str] = str
    if found is not None and found.how in {How.SCALED, How.SCALED_EACH}:
        beside = getattr(sent, found.beside, 0) if sent is not None and found.beside else 0
        of_market = market if found.what in {"ticks", "lots", "money", "mark"} else 0
        scale = _scale(catalogue, found.what, beside or of_market)
        shown = scale.text if scale else str
        found = found if scale else found._replace(how=How.NOTHING)
    told = found is not None and found.how is not How.NOTHING and bool(refused.value or refused.limit)
    return Problem(
        number=broken.number,
        code=broken.name,
        message=broken.sentence,
        retryable=broken.retry,
        field=found.name if found else None,
        value=shown(refused.value) if told else None,
        limit=shown(refused.limit) if told else None,
    )


def wish(
    catalogue: Catalogue, command: Command, market_of: MarketOf = lambda _: 0
) -> tuple[str, dict[str, Any]]:
    """A command as the operation and the arguments that stand for it: the inverse of `operations.to_command`.

    `market_of` says where an order that is named by its id is. What a command leaves at its default is left out.
    """
    said: dict[str, Any] = {}
    for one in outer(type(command)):
        value = getattr(command, one.field.attribute)
        if value == one.field.default:
            continue
        if one.how is How.BITS:
            said |= {name: True for name, bit in one.bits() if value & bit}
        else:
            shown = _outwards(one)(catalogue, command, market_of)
            said[one.name] = shown.value if isinstance(shown, Enum) else shown
    return name_of(type(command)), said


_LISTS: Final = {"market": "markets", "asset": "assets", "underlying": "underlyings"}

# --- outwards ----------------------------------------------------------------------------------------------------------

_Reader = Callable[[Catalogue, Any, MarketOf], Data]


def _happening(event: type[Event]) -> Happening:
    fields = outer(event)
    columns: list[Any] = []
    for one in fields:
        meaning = msgspec.Meta(description=one.meaning)
        if one.how is How.BITS and one.code is not None:
            said = meanings(one.code)
            for bit, member in one.code.__members__.items():
                if member:
                    columns.append(
                        (bit.lower(), Annotated[bool, msgspec.Meta(description=said.get(bit, ""))])
                    )
        elif one.how is How.CODE:
            columns.append((one.name, Annotated[one.type | int, meaning]))
        elif one.how in {How.NAME, How.CLIENT_ID}:
            columns.append((one.name, Annotated[str, meaning] | None))
        elif one.how is How.NAMES:
            columns.append((one.name, Annotated[tuple[Word | None, ...], meaning]))
        elif one.how is How.SCALED:
            columns.append((one.name, Annotated[str, meaning] | None))
        elif one.how is How.SCALED_EACH:
            columns.append((one.name, Annotated[tuple[str | None, ...], meaning]))
        elif one.how is How.ID:
            columns.append((one.name, Annotated[Number, meaning]))
        else:
            columns.append((one.name, Annotated[one.type, meaning]))
    summary = inspect.cleandoc(event.__doc__ or "").splitlines()[0]
    if event is CommandRefused:
        return Happening(name_of(event), event, Problem, fields, summary)
    data: Any = msgspec.defstruct(
        f"{event.__name__}Data", columns, bases=(Data,), module=__name__, kw_only=True, frozen=True
    )
    data.__doc__ = summary
    return Happening(name_of(event), event, data, fields, summary)


@cache
def _readers() -> Mapping[type[Event], tuple[str, _Reader]]:
    return {one.event: (name, _reader(one)) for name, one in happenings().items()}


def _reader(one: Happening) -> _Reader:
    steps = [(field.name, _outwards(field)) for field in one.fields if field.how is not How.BITS]
    flags = [
        (name, field.field.attribute, bit)
        for field in one.fields
        if field.how is How.BITS
        for name, bit in field.bits()
    ]
    data = one.data

    def read(catalogue: Catalogue, body: Any, market_of: MarketOf) -> Data:
        values = {name: step(catalogue, body, market_of) for name, step in steps}
        for name, attribute, bit in flags:
            values[name] = bool(getattr(body, attribute) & bit)
        return data(**values)

    return read


def _outwards(one: Outer) -> Callable[[Catalogue, Any, MarketOf], Any]:
    attribute = one.field.attribute
    match one.how:
        case How.ID:
            return lambda _, body, __: str(getattr(body, attribute))
        case How.NAME:
            return lambda catalogue, body, _: _name(catalogue, one.what, getattr(body, attribute))
        case How.NAMES:
            return lambda catalogue, body, _: tuple(
                _name(catalogue, one.what, each) for each in getattr(body, attribute)
            )
        case How.CODE:
            words: dict[int, Any] = dict(one.words())
            return lambda _, body, __: words.get(getattr(body, attribute), getattr(body, attribute))
        case How.YES:
            return lambda _, body, __: bool(getattr(body, attribute))
        case How.CLIENT_ID:
            return lambda _, body, __: client_text(getattr(body, attribute)) or None
        case How.BYTES:
            return lambda _, body, __: getattr(body, attribute).hex()
        case How.SCALED:
            return lambda catalogue, body, market_of: _text(catalogue, one, body, market_of)
        case How.SCALED_EACH:
            return lambda catalogue, body, _: _texts(catalogue, one, body)
        case _:
            return lambda _, body, __: getattr(body, attribute)


def _name(catalogue: Catalogue, what: str, number: int) -> str | None:
    found = getattr(catalogue, _LISTS[what]).get(number)
    return found.name if found is not None else str(number) if number else None


def _text(catalogue: Catalogue, one: Outer, body: Any, market_of: MarketOf) -> str | None:
    beside = getattr(body, one.beside) if one.beside else 0
    if not beside and one.beside == "trigger_market":
        beside = body.market
    if not one.beside and one.what in {"ticks", "lots"}:
        beside = market_of(body.order)
    scale = _scale(catalogue, one.what, beside)
    return scale.text(getattr(body, one.field.attribute)) if scale else None


def _texts(catalogue: Catalogue, one: Outer, body: Any) -> tuple[str | None, ...]:
    values, beside = getattr(body, one.field.attribute), getattr(body, one.beside)
    besides = beside if isinstance(beside, tuple) else (beside,) * len(values)
    scales = [_scale(catalogue, one.what, each) for each in besides]
    return tuple(scale.text(value) if scale else None for scale, value in zip(scales, values, strict=True))


def _scale(catalogue: Catalogue, what: str, beside: int | tuple[int, ...]) -> Scale | None:
    if what == "dollars":
        return DOLLARS
    if what == "shares":
        return SHARES
    at = beside[0] if isinstance(beside, tuple) and beside else beside
    if not isinstance(at, int):
        return None
    if what == "amount":
        return catalogue.amounts.get(at)
    if what == "price":
        return catalogue.prices.get(at)
    market = catalogue.markets.get(at)
    return market.scale(what) if market is not None else None

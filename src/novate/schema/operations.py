"""Every wish that can be sent in, as one public struct each, and the command that it stands for.

    operation("place_order").args          the struct: what REST and WebSocket take
    to_command(catalogue, args)            the engine's command; raises SchemaError with the field at fault

Responsible for: the set of public operations, made from the engine's own definitions so that none is missing and no field is
silently dropped, and the way from text and names to integers and ids. Never judges a rule: that is the engine's.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from keyword import iskeyword
from typing import Annotated, Any, Final

import msgspec

from novate.errors import DataError, NovateError, UnitError
from novate.messages import (
    AmendOrder,
    Command,
    OrderBatch,
    PlaceOrder,
    PlaceOrderFull,
    PlaceTwap,
    ProposeChange,
)
from novate.messages.commands import COMMANDS
from novate.messages.fields import NO_CLIENT_ID
from novate.messages.layout import LAYOUTS
from novate.messages.reference import meanings
from novate.messages.wire import encode_body
from novate.schema.catalogue import SCALES, Catalogue, named
from novate.schema.scale import DOLLARS, SHARES, Scale
from novate.schema.values import ClientId, Decimal, How, Number, Outer, Word, outer

ABSENT: Final = {"order": 0, "trigger_market": 0, "price": 0, "base": 0}
"""Fields that may be left out, and what the engine reads then: nothing named, the order's own market, the listed collar, no token of a perp."""
_ORDERS: Final = (PlaceOrder, PlaceOrderFull, PlaceTwap)
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for text that is no JSON of the wanted shape: malformed, not UTF-8, or nested too deeply."""
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")


class SchemaError(NovateError):
    """What was sent is not what the operation takes. Facts: `field`."""

    code = "schema_error"


class Args(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of what an operation takes. Unknown fields are refused, never dropped."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One public operation."""

    name: str
    """Such as `place_order`."""
    command: type[Command]
    args: type[Args]
    fields: tuple[Outer, ...]
    summary: str


def to_command(catalogue: Catalogue, args: Args, market: int | tuple[int, ...] = 0) -> Command:
    """The command that these arguments stand for.

    `market` is where an order named by its id rests, for the scales of an amendment; of a batch one for each leg. Raises SchemaError: a name that nothing has, a
    number between two steps, a client id that is neither text nor hexadecimal.
    """
    return _writers()[type(args)](catalogue, args, market)


def operation(name: str) -> Operation:
    """The operation of that name. Raises SchemaError."""
    found = operations().get(name)
    if found is None:
        raise SchemaError(f"There is no operation {name[:40]!r}.", field="op")
    return found


@cache
def operations() -> Mapping[str, Operation]:
    """All operations by name, in the order of the commands' numbers."""
    return {op.name: op for op in map(_operation, sorted(COMMANDS, key=lambda cls: cls.KIND))}


def name_of(cls: type) -> str:
    """`PlaceOrder` to `place_order`."""
    return _WORD.sub("_", cls.__name__).lower()


def client_id(text: str, field: str = "client_id") -> bytes:
    """The 16 bytes of a client id: printable ASCII padded with zeros, or 32 hexadecimal digits as they are."""
    if len(text) == 32:
        try:
            found = bytes.fromhex(text)
        except ValueError:
            found = b""
    else:
        found = text.encode().ljust(16, b"\0") if text.isascii() and text.isprintable() else b""
    if len(found) != 16 or found == NO_CLIENT_ID or not text.isprintable():
        raise SchemaError(f"{field} must be 1 to 16 ASCII characters or 32 hexadecimal digits.", field=field)
    return found


def client_text(raw: bytes) -> str:
    """A client id the way it was sent; the empty text for none."""
    text = raw.rstrip(b"\0")
    if not text:
        return ""
    if text.isascii() and all(0x20 < byte < 0x7F for byte in text):
        return text.decode("ascii")
    return raw.hex()


def _operation(command: type[Command]) -> Operation:
    fields = outer(command)
    columns: list[Any] = []
    for one in fields:
        columns += _columns(command, one)
    summary = inspect.cleandoc(command.__doc__ or "").splitlines()[0]
    args: Any = msgspec.defstruct(
        f"{command.__name__}Args", columns, bases=(Args,), module=__name__, kw_only=True, frozen=True,
        forbid_unknown_fields=True, omit_defaults=True,
    )  # fmt: skip
    args.__doc__ = summary
    return Operation(name_of(command), command, args, fields, summary)


def _may_be_absent(command: type[Command], attribute: str) -> bool:
    return attribute in ABSENT and (attribute != "price" or command in _ORDERS)


def _columns(command: type[Command], one: Outer) -> list[tuple[Any, ...]]:
    """Name, type and, where it may be left out, default of a field; of bits one each."""
    meaning = msgspec.Meta(description=one.meaning)
    if one.how is How.BITS and one.code is not None:
        said = meanings(one.code)
        return [
            (name.lower(), Annotated[bool, msgspec.Meta(description=said.get(name, ""))], False)
            for name, member in one.code.__members__.items()
            if member
        ]
    if command is AmendOrder and one.how is How.SCALED:
        return [(one.name, Annotated[Decimal, meaning] | None, None)]
    if command is OrderBatch:
        return [
            (
                "legs",
                Annotated[
                    tuple[Leg, ...], msgspec.Meta(description=one.meaning, min_length=1, max_length=100)
                ],
            )
        ]
    if command is ProposeChange and one.field.attribute == "command":
        return [
            (
                "command",
                Annotated[dict[str, Any], msgspec.Meta(description=one.meaning + " `op` and `args`.")],
            )
        ]
    default = one.field.default
    if one.how is How.CLIENT_ID:
        return [(one.name, Annotated[ClientId, meaning] | None, None)]
    shown: Any = Annotated[one.type, meaning]
    if _may_be_absent(command, one.field.attribute) or (
        default is not msgspec.NODEFAULT and one.how not in {How.CODE, How.YES}
    ):
        if one.how in {How.NAME, How.ID, How.SCALED, How.SCALED_EACH, How.NAMES, How.BYTES}:
            return [(one.name, shown | None, None)]
        return [(one.name, shown, default)]
    if default is msgspec.NODEFAULT:
        return [(one.name, shown)]
    if one.how is How.CODE and isinstance(default, int):
        return [(one.name, shown, one.words()[default])]
    return [(one.name, shown, bool(default))]


class Leg(Args, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One order, cancellation or amendment of a batch."""

    op: Word
    args: msgspec.Raw


_IDS: Final = {"market": "market_ids", "asset": "asset_ids", "underlying": "underlying_ids"}

# --- inwards -----------------------------------------------------------------------------------------------------------

_Writer = Callable[[Catalogue, Args, Any], Command]


@cache
def _writers() -> Mapping[type[Args], _Writer]:
    return {op.args: _writer(op) for op in operations().values()}


def _writer(op: Operation) -> _Writer:
    """The way from this operation's arguments to its command, compiled once: an order has thirteen fields, and comes often."""
    known: dict[str, Any] = {
        "command": op.command,
        "Wrong": (UnitError, DataError),
        "SchemaError": SchemaError,
    }
    steps, values = [], []
    for index, one in enumerate(op.fields):
        attribute, default = one.field.attribute, one.field.default
        steps.append(f"at = {one.name!r}; v{index} = {_expression(op, one, index, known)}")
        known[f"d{index}"] = ABSENT.get(attribute, default)
        absent = (
            f" if v{index} is not None else d{index}"
            if attribute in ABSENT or default is not msgspec.NODEFAULT
            else ""
        )
        values.append(f"{attribute}=v{index}{absent}")
    source = (
        "def write(catalogue, args, market):",
        "    try:",
        *(f"        {step}" for step in steps or ["pass"]),
        "    except Wrong as error:",
        "        raise SchemaError(error.sentence, field=at) from None",
        f"    return command({', '.join(values)})",
    )
    exec("\n".join(source), known)  # noqa: S102 - text of our own definitions, as dataclasses do it
    made: _Writer = known["write"]
    return made


def _expression(op: Operation, one: Outer, index: int, known: dict[str, Any]) -> str:
    """One field's way in as Python; None leaves it at the command's default."""
    said = f"getattr(args, {one.name!r})" if iskeyword(one.name) else f"args.{one.name}"
    match one.how:
        case How.BITS:
            return " | ".join(f"({value} if args.{bit} else 0)" for bit, value in one.bits()) or "0"
        case How.CODE:
            known[f"w{index}"] = {word.value: number for number, word in one.words().items()}
            return f"w{index}[{said}._value_]"
        case How.YES:
            return f"int({said})"
        case How.WHOLE | How.WORDS | How.WHOLES:
            return said
        case _:
            known[f"s{index}"] = _inwards(op, one)
            return f"s{index}(catalogue, args, market)"


def _inwards(op: Operation, one: Outer) -> Callable[[Catalogue, Any, int], Any]:
    """The way in of a field that is more than its value; None leaves it at the command's default."""
    name = one.name
    if op.command is OrderBatch:
        return lambda catalogue, args, market: b"".join(
            _leg(catalogue, leg, at) for leg, at in zip(args.legs, _each(market, len(args.legs)), strict=True)
        )
    if op.command is ProposeChange and one.field.attribute == "command":
        return lambda catalogue, args, market: _wrapped(catalogue, args.command, market)
    match one.how:
        case How.ID:
            return lambda _, args, __: _number(getattr(args, name), name, one.field.type)
        case How.NAME:
            return lambda catalogue, args, _: _id(catalogue, one.what, getattr(args, name))
        case How.NAMES:
            return lambda catalogue, args, _: (
                None
                if getattr(args, name) is None
                else tuple(named(catalogue.market_ids, each, "market") for each in getattr(args, name))
            )
        case How.CLIENT_ID:
            return lambda _, args, __: (
                None if getattr(args, name) is None else client_id(getattr(args, name), name)
            )
        case How.BYTES:
            return lambda _, args, __: (
                None if getattr(args, name) is None else bytes.fromhex(getattr(args, name))
            )
        case How.SCALED if one.beside == "market" and one.what in SCALES:
            return lambda catalogue, args, market: _units_there(catalogue, one, args, market)
        case How.SCALED:
            return lambda catalogue, args, market: _units(catalogue, one, args, market)
        case _:
            return lambda catalogue, args, market: _units_each(catalogue, one, args, market)


def _id(catalogue: Catalogue, what: str, name: str | None) -> int | None:
    if name is None:
        return None
    ids: Mapping[str, int] = getattr(catalogue, _IDS[what])
    return named(ids, name, what)


def _number(text: str | None, name: str, wire: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise UnitError(f"{name} must be a whole number as text, got {text[:40]!r}.")
    most = 2 ** (64 if wire == "u64" else 32) - 1
    if not (text.isascii() and text.isdigit() and (number := int(text)) <= most):
        raise UnitError(f"{name} must be 0 to {most}, got {text[:40]!r}.")
    return number


def _units_there(catalogue: Catalogue, one: Outer, args: Any, market: int) -> int | None:
    """Of the market that the operation names: the same as `_units`, for what comes most often."""
    text, listed = getattr(args, one.name), catalogue.markets_by_name.get(args.market)
    if text is None or listed is None:
        return _units(catalogue, one, args, market)
    scale: Scale = getattr(listed, SCALES[one.what])
    return scale.units(text, one.name)


def _units(catalogue: Catalogue, one: Outer, args: Any, market: int) -> int | None:
    text = getattr(args, one.name)
    if text is None:
        return None
    if one.what == "dollars":
        return DOLLARS.units(text, one.name)
    if one.what == "shares":
        return SHARES.units(text, one.name)
    beside = getattr(args, one.beside, None) if one.beside else None
    if beside is None and one.beside == "trigger_market":
        beside = args.market
    return scale_of(catalogue, one.what, beside, market).units(text, one.name)


def _units_each(catalogue: Catalogue, one: Outer, args: Any, market: int) -> tuple[int, ...] | None:
    texts = getattr(args, one.name)
    if texts is None:
        return None
    besides = getattr(args, one.beside)
    if isinstance(besides, str):
        besides = (besides,) * len(texts)
    if len(besides) != len(texts):
        raise UnitError(f"{one.name} must have as many entries as {one.beside}.")
    return tuple(
        scale_of(catalogue, one.what, beside, market).units(text, one.name)
        for beside, text in zip(besides, texts, strict=True)
    )


def scale_of(catalogue: Catalogue, what: str, name: str | tuple[str, ...] | None, market: int = 0) -> Scale:
    """The scale of a quantity beside the name of its market, asset or underlying; `market` where no name says it."""
    if isinstance(name, tuple):
        name = name[0] if name else None
    if what == "amount":
        return catalogue.amounts[named(catalogue.asset_ids, name or "", "asset")]
    if what == "price":
        return catalogue.prices[named(catalogue.underlying_ids, name or "", "underlying")]
    at = named(catalogue.market_ids, name, "market") if name else market
    if at not in catalogue.markets:
        raise UnitError(
            "The order is not known to this gateway: its market, and so the scale of its price, is not known."
        )
    found = catalogue.markets[at]
    return found.scale(what)


def _each(market: int | tuple[int, ...], legs: int) -> tuple[int, ...]:
    return market if isinstance(market, tuple) else (market,) * legs


_LEGS: Final = {"place_order", "place_order_full", "cancel_order", "amend_order"}


def _leg(catalogue: Catalogue, leg: Leg, market: int) -> bytes:
    if leg.op not in _LEGS:
        raise SchemaError(f"A batch takes {', '.join(sorted(_LEGS))}; not {leg.op[:40]!r}.", field="legs")
    return _body(catalogue, leg.op, leg.args, market)


def _wrapped(catalogue: Catalogue, said: dict[str, Any], market: int) -> bytes:
    if set(said) != {"op", "args"} or not isinstance(said["op"], str):
        raise SchemaError("command must have `op` and `args`, and nothing else.", field="command")
    if said["op"] == name_of(ProposeChange):
        raise SchemaError("A change is not of another change.", field="command")
    return _body(catalogue, said["op"], msgspec.Raw(msgspec.json.encode(said["args"])), market)


def _body(catalogue: Catalogue, name: str, raw: msgspec.Raw, market: int) -> bytes:
    """Type number and body of a command inside another."""
    op = operation(name)
    command = to_command(catalogue, parse(op, bytes(raw)), market)
    return LAYOUTS[op.command].kind.to_bytes(2, "little") + encode_body(command)


def parse(op: Operation, said: bytes | bytearray | memoryview) -> Args:
    """The arguments of an operation from JSON. Raises SchemaError that names the field."""
    try:
        return _decoder(op.args).decode(said)
    except UNREADABLE as error:
        raise bad_json(error) from None


@cache
def _decoder(args: type[Args]) -> msgspec.json.Decoder[Args]:
    return msgspec.json.Decoder(args)


_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_FIELD: Final = re.compile(r"field `([^`]+)`")


def bad_json(error: Exception) -> SchemaError:
    """The error of what does not fit its struct, with the field at fault."""
    sentence = str(error)
    place, field = _PLACE.search(sentence), _FIELD.search(sentence)
    at = ".".join(part for part in (place[1] if place else "", field[1] if field else "") if part)
    return SchemaError(_PLACE.sub("", sentence).rstrip(".") + ".", field=at or None)


__all__ = [
    "ABSENT",
    "UNREADABLE",
    "Args",
    "Number",
    "Operation",
    "SchemaError",
    "bad_json",
    "client_id",
    "client_text",
    "operation",
    "operations",
    "parse",
    "scale_of",
    "to_command",
]

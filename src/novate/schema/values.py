"""How each field of a message reads outside, derived once from the unit that its definition states.

Responsible for: the public name, type and meaning of a field, and which scale it has beside which other field. Never moves a value: that is
`operations.py` inwards and `outcomes.py` outwards.

Ids of things with names are names; other ids are text, because a number of 64 bits is not safe in every client. Codes are their lower-case
words. Quantities whose scale the message itself tells (it names the market, asset or underlying) are decimal text; the rest
are whole numbers in the unit that their name or meaning says.
"""

from __future__ import annotations

from enum import Enum, IntEnum, IntFlag
from functools import cache
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from novate.messages.fields import CODES, Message
from novate.messages.layout import LAYOUTS, Field
from novate.messages.reference import meanings

_NAMED: Final = {
    "market": "market", "trigger_market": "market", "pair_market": "market", "perp_market": "market",
    "asset": "asset", "base": "asset", "quote": "asset", "token": "asset", "cash": "asset", "cash_asset": "asset",
    "paid_asset": "asset", "into": "asset", "other_underlying": "underlying", "underlying": "underlying",
    "calendar_underlying": "underlying",
}  # fmt: skip
"""Fields that name something listed. Where a field is the listing itself, or of another type, it stays an id."""
_LISTS: Final = {
    "ListAsset": "asset", "ListMarket": "market", "ListUnderlying": "underlying",
}  # fmt: skip
"""A listing gives the id: nothing has that name yet."""
RENAMED: Final = {
    "lots": "quantity", "leaves": "remaining", "from_": "from", "index_ticks": "index", "due_micro": "due",
    **{f"{of}_lots": f"{of}_quantity" for of in ["min", "max", "bid", "ask", "perp", "pair", "block", "quote", "mask", "unhedged"]},
}  # fmt: skip
"""Fields that have another name outside, of messages and of reports."""
DECIMAL: Final = r"^-?[0-9]{1,24}(\.[0-9]{1,24})?$"
Decimal = Annotated[str, msgspec.Meta(pattern=DECIMAL, description="Plain decimal text.", examples=["12.5"])]
Number = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{1,20}$", description="A whole number as text.", examples=["42"])
]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
ClientId = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=32,
        pattern=r"^([!-~]{1,16}|[0-9a-f]{32})$",
        description="1 to 16 printable ASCII characters, or 32 hexadecimal digits.",
    ),
]
Hex = Annotated[
    str, msgspec.Meta(pattern=r"^([0-9a-f]{2})*$", max_length=1 << 17, description="Bytes, hexadecimal.")
]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_INTEGERS: Final = {
    "u8": Annotated[int, msgspec.Meta(ge=0, le=2**8 - 1)],
    "u16": Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)],
    "u32": Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)],
    "i64": Int64,
}


class How(Enum):
    """What a value is outside."""

    NOTHING = 0
    """A reserved field: not shown."""
    WHOLE = 1
    """A whole number."""
    ID = 2
    """An id as text."""
    NAME = 3
    """A name of something listed."""
    CODE = 4
    """A word."""
    BITS = 5
    """One yes or no a bit."""
    YES = 6
    SCALED = 7
    """Decimal text."""
    WORDS = 8
    """Text as it is."""
    CLIENT_ID = 9
    BYTES = 10
    WHOLES = 11
    """A list of whole numbers."""
    NAMES = 12
    """A list of names."""
    SCALED_EACH = 13
    """A list of decimal texts, each of the scale of the name in the same place."""


class Outer(NamedTuple):
    """A field as it reads outside."""

    field: Field
    name: str
    how: How
    type: Any
    meaning: str
    what: str = ""
    """What a name is of: market, asset, underlying; or what a scale is of: ticks, lots, money, mark, amount, price, dollars, shares."""
    beside: str = ""
    """The field that says of which market, asset or underlying the scale is."""
    code: type[IntEnum | IntFlag] | None = None

    def bits(self) -> list[tuple[str, int]]:
        """Of flags: each one's name and value."""
        members = self.code.__members__.items() if self.code else ()
        return [(name.lower(), int(member)) for name, member in members if member]

    def words(self) -> dict[int, Enum]:
        """Of a code: its words by number."""
        if self.code is None:
            return {}
        public = Words.of(self.code)
        return {int(member): public[name] for name, member in self.code.__members__.items()}


class Words:
    """Public enumerations, one a code, made once."""

    made: Final[dict[type, type[Enum]]] = {}

    @classmethod
    def of(cls, code: type[IntEnum | IntFlag]) -> type[Enum]:
        """The words of a code: its members' names in lower case."""
        if code not in cls.made:
            made: Any = Enum(code.__name__, {n: n.lower() for n in code.__members__})  # type: ignore[misc]
            cls.made[code] = made
        return cls.made[code]


@cache
def outer(cls: type[Message]) -> tuple[Outer, ...]:
    """The fields of a message as they read outside, in order; reserved ones left out."""
    layout, known = LAYOUTS[cls], meanings(cls)
    attributes = {field.attribute: field for field in layout.fields}
    found = (
        _outer(cls.__name__, field, attributes, known.get(field.attribute, "")) for field in layout.fields
    )
    return tuple(one for one in found if one.how is not How.NOTHING)


def _outer(cls: str, field: Field, beside: dict[str, Field], meaning: str) -> Outer:
    name = RENAMED.get(field.attribute, field.attribute)
    unit, wire = field.unit, field.type
    if unit == "0":
        return Outer(field, name, How.NOTHING, None, "")
    if unit in CODES:
        code = CODES[unit]
        if issubclass(code, IntFlag):
            return Outer(field, name, How.BITS, bool, meaning, code=code)
        return Outer(field, name, How.CODE, Words.of(code), meaning, code=code)
    if unit == "0 no, 1 yes":
        return Outer(field, name, How.YES, bool, meaning)
    if wire == "[u8;16]":
        if field.attribute == "client_id":
            return Outer(field, name, How.CLIENT_ID, ClientId, meaning)
        return Outer(field, name, How.BYTES, Hex, meaning)
    if wire == "Bytes":
        kind = How.CLIENT_ID if field.attribute == "client_id" else How.BYTES
        return Outer(field, name, kind, ClientId if kind is How.CLIENT_ID else Hex, meaning)
    if wire == "String":
        return Outer(field, name, How.WORDS, Annotated[str, msgspec.Meta(max_length=256)], meaning)
    what = "" if _LISTS.get(cls) == field.attribute else _NAMED.get(field.attribute, "")
    if unit == "id" and wire == "u32" and what:
        return Outer(field, name, How.NAME, Word, meaning, what)
    if unit == "id" or wire == "u64":
        return Outer(field, name, How.ID, Number, meaning)
    if unit in {"ids", "numbers"} and field.attribute == "markets":
        return Outer(field, name, How.NAMES, tuple[Word, ...], meaning, "market")
    listed = _LISTS.get(cls, "")
    scaled = _scaled(unit, field.attribute, {name: one for name, one in beside.items() if name != listed})
    if scaled:
        each = wire.startswith("Vec")
        return Outer(
            field,
            name,
            How.SCALED_EACH if each else How.SCALED,
            tuple[Decimal, ...] if each else Decimal,
            meaning,
            *scaled,
        )
    if wire.startswith("Vec"):
        return Outer(field, field.attribute, How.WHOLES, tuple[Int64, ...], f"{meaning} In {unit}.")
    plain = unit in {"count", "number", "tier", "integer", "ns", "ns since 1970 UTC", "ppm"}
    return Outer(
        field, field.attribute, How.WHOLE, _INTEGERS[wire], meaning if plain else f"{meaning} In {unit}."
    )


def _scaled(unit: str, attribute: str, beside: dict[str, Field]) -> tuple[str, str] | None:
    """Of what scale a quantity is, and which field says so; None where the message does not tell."""
    if unit == "micro-dollars":
        return "dollars", ""
    if "order" in beside and not {"market", "markets"} & set(beside) and unit in {"ticks", "lots"}:
        return {"ticks": "ticks", "lots": "lots"}[unit], ""  # of the market where that order is
    if unit == "1e-9 shares":
        return "shares", ""
    if attribute == "trigger_price" and "trigger_market" in beside:
        return "ticks", "trigger_market"  # of the order's own market where none is named
    market = next((name for name in ("market", "markets") if name in beside), "")
    if unit in {"ticks", "lots", "signed lots", "quote units"}:
        if attribute in {"perp_lots", "pair_lots"}:
            market = (
                attribute.replace("lots", "market") if attribute.replace("lots", "market") in beside else ""
            )
        what = {"ticks": "ticks", "quote units": "money"}.get(unit, "lots")
        return (what, market) if market else None
    if unit == "smallest unit of the asset":
        asset = (
            "asset" if "asset" in beside else "token" if attribute == "units" and "token" in beside else ""
        )
        return ("amount", asset) if asset else None
    if unit == "price at the listing's scale":
        if "underlying" in beside:
            return "price", "underlying"
        return ("mark", market) if market == "market" else None
    return None

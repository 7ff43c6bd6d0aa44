"""What can be asked, as it is told: the engine's reports in the public language, and their JSON schemas.

    view(catalogue, reports.account(engine, 7))               the same report with names, words and decimal text
    view(catalogue, reports.book(engine, 3), market=3)        where only the question says the market
    view_schema(reports.AccountReport), components()          what that is, for a description of the API

Responsible for: reports to JSON-ready values and the schemas of those, both made once from the table in `reports.py`. Never asks, never
computes, never decides what a field is.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

from novate.errors import DataError
from novate.messages.layout import COMMAND_KINDS
from novate.messages.reference import meanings
from novate.schema.catalogue import Catalogue
from novate.schema.operations import name_of
from novate.schema.reports import NAMES, READS, Form, Kind
from novate.schema.scale import DOLLARS, SHARES, Scale
from novate.schema.values import DECIMAL, RENAMED, Words

Given = Mapping[str, Any]
"""What a report needs and does not say itself: ids by the names of `Reading.needs`."""
Show = Callable[[Catalogue, Any, Any, Given], Any]
"""A value, beside the report or row that it stands in."""
Reach = Callable[[Any, Given], Any]
"""What a report or row says, or was given."""


class NotListed(DataError):
    """A report names what the catalogue does not list, or lacks what its scales need. Facts: `what`, `id`."""

    code = "not_listed"


def view(
    catalogue: Catalogue,
    report: Any,
    *,
    market: int = 0,
    underlying: int = 0,
    cash: int = 0,
    legs: Mapping[int, Sequence[int]] | None = None,
) -> Any:
    """A report, or a collection of them, as JSON-ready values.

    Args:
        catalogue: Names and scales, as of the report's sequence.
        report: An answer of `novate.messages.reports`.
        market: Of `Book`: which one was asked for.
        underlying: Of `SourcePrice`, `Source` and `DryRun`: which one it is about.
        cash: Of `clearing.Request`: the stablecoin that pays; not needed where all stablecoins have the same decimals.
        legs: Of `Offers`: markets by request for quotes, for the prices of quotes that the account gave; null where it is not there.

    Raises:
        NotListed: the report names what the catalogue does not list: take a newer one. Or what its scales need was not given.
    """
    if isinstance(report, tuple | list) and type(report) not in READS:
        return [
            view(catalogue, one, market=market, underlying=underlying, cash=cash, legs=legs) for one in report
        ]
    return _told(catalogue, report, _given(catalogue, type(report), market, underlying, cash, legs))


def _given(
    catalogue: Catalogue,
    report: type,
    market: int,
    underlying: int,
    cash: int,
    legs: Mapping[int, Sequence[int]] | None,
) -> Given:
    if report not in READS or not READS[report].needs:
        return {}
    if not cash and "cash" in READS[report].needs:
        coins = [one for one in catalogue.assets.values() if one.stablecoin]
        if len({one.decimals for one in coins}) == 1:
            cash = coins[0].asset
    return {"market": market, "underlying": underlying, "cash": cash, "legs": legs or {}}


def _told(catalogue: Catalogue, report: Any, given: Given) -> dict[str, Any]:
    cls: type = type(report)
    return {name: show(catalogue, get(report), report, given) for name, get, show in _columns(cls)}


# --- the table, made ready ---------------------------------------------------------------------------------------------


class _Place(NamedTuple):
    """What stands in a report or a row."""

    name: str
    own: Mapping[str, Callable[[Any], Any]]
    needs: tuple[str, ...]

    def reach(self, of: str) -> Reach:
        """The way to what `of` names: a field here, a field of each entry of a list here, or what was given."""
        field, _, inside = of.partition(".")
        if inside:
            get, each = self.own[field], attrgetter(inside)
            return lambda holder, _: [each(one) for one in get(holder)]
        if of in self.own:
            get = self.own[of]
            return lambda holder, _: get(holder)
        if of in self.needs:
            return lambda _, given: given.get(of)
        raise LookupError(f"{self.name} neither says nor needs `{of}`.")


class _Shape(NamedTuple):
    """One value, or a list of them."""

    null: bool
    length: int | None
    """None for one value, 0 for a list of any length."""
    hint: Any
    """Type of the value, or of each."""


def field_names(report: type) -> tuple[str, ...]:
    """The fields of a report class, in order."""
    return tuple(getattr(report, "__struct_fields__", ()) or getattr(report, "_fields", ()))


@cache
def _columns(report: type) -> tuple[tuple[str, Callable[[Any], Any], Show], ...]:
    """Public name, value and way out of each field."""
    names, fields = field_names(report), READS[report].fields
    if set(names) != set(fields):
        odd = ", ".join(sorted(set(names) ^ set(fields)))
        raise LookupError(f"The table of reports and {report.__name__} differ in {odd}.")
    hints = get_type_hints(report)
    place = _Place(report.__name__, {name: attrgetter(name) for name in names}, READS[report].needs)
    found: list[tuple[str, Callable[[Any], Any], Show]] = []
    for name in names:
        kind = fields[name]
        if kind.form is Form.BITS and kind.code is not None:
            found += [(bit, place.own[name], _bit(mask)) for bit, mask in _bits(kind)]
        else:
            found.append((RENAMED.get(name, name), place.own[name], _way(kind, hints[name], place)))
    return tuple(found)


def _bits(kind: Kind) -> list[tuple[str, int]]:
    return (
        [(name.lower(), int(member)) for name, member in kind.code.__members__.items() if member]
        if kind.code
        else []
    )


def _bit(mask: int) -> Show:
    return lambda _, value, __, ___: bool(value & mask)


def _shape(kind: Kind, hint: Any) -> _Shape:
    null = get_origin(hint) in {Union, types.UnionType}
    if null:
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) not in {tuple, list}:
        return _Shape(null, None, hint)
    inner = [one for one in get_args(hint) if one is not Ellipsis]
    if kind.form is Form.ROW and get_origin(inner[0]) is not tuple:
        return _Shape(null, None, hint)
    fixed = get_origin(hint) is tuple and Ellipsis not in get_args(hint)
    return _Shape(null, len(inner) if fixed else 0, inner[0])


def _way(kind: Kind, hint: Any, place: _Place) -> Show:
    """The way out of one field."""
    shape = _shape(kind, hint)
    one = _one(kind, shape.hint, place)
    if shape.length is not None:
        if kind.form in _SCALES:
            return _each(kind, one, place)
        return lambda catalogue, value, holder, given: [
            one(catalogue, entry, holder, given) for entry in value
        ]
    if shape.null:
        return lambda catalogue, value, holder, given: (
            None if value is None else one(catalogue, value, holder, given)
        )
    return one


def _one(kind: Kind, hint: Any, place: _Place) -> Show:
    match kind.form:
        case Form.NUMBER | Form.PLAIN:
            return lambda _, value, __, ___: value
        case Form.BIG | Form.ID:
            return lambda _, value, __, ___: str(value)
        case Form.NOTHING:
            return lambda _, __, ___, ____: None
        case Form.BYTES:
            return lambda _, value, __, ___: value.hex()
        case Form.MARKET | Form.ASSET | Form.UNDERLYING:
            return _named(kind)
        case Form.CODE | Form.WORD | Form.OPERATION:
            return _worded(kind)
        case Form.DOLLARS | Form.PICO | Form.SHARES:
            text = _FIXED[kind.form].text
            return lambda _, value, __, ___: text(value)
        case Form.NESTED:
            return _nested(kind, hint, place)
        case Form.ROW:
            return _rowed(kind, hint, place)
        case Form.BY:
            return _chosen(kind, hint, place)
        case _:
            return _scaled(kind, place)


def _named(kind: Kind) -> Show:
    what = kind.form.name.lower()
    listed: Callable[[Catalogue], Mapping[int, Any]] = attrgetter(f"{what}s")
    maybe = kind.maybe

    def show(catalogue: Catalogue, value: int, _: Any, __: Given) -> str | None:
        found = listed(catalogue).get(value)
        if found is not None:
            return str(found.name)
        if maybe and not value:
            return None
        raise NotListed(f"No {what} with id {value} is in this catalogue.", what=what, id=value)

    return show


def _worded(kind: Kind) -> Show:
    words = _words(kind)

    def show(_: Catalogue, value: int, __: Any, ___: Given) -> str:
        found = words.get(value)
        if found is None:
            raise NotListed(
                f"No word stands for {value} of {kind.code or kind.words or 'commands'}.",
                what="word",
                id=value,
            )
        return found

    return show


def _words(kind: Kind) -> dict[int, str]:
    """Words by number."""
    if kind.code is not None:
        words = Words.of(kind.code)
        return {int(member): str(words[name].value) for name, member in kind.code.__members__.items()}
    if kind.form is Form.OPERATION:
        return {number: name_of(command) for number, command in COMMAND_KINDS.items()}
    return dict(enumerate(kind.words))


def _nested(kind: Kind, report: type, place: _Place) -> Show:
    """A report inside another: it is given what it needs by the fields beside it, or what is around them was given."""
    gives = [(need, _giving(kind.gives.get(need, need), place)) for need in READS[report].needs]
    if not any(kind.gives.get(need, need) not in place.needs for need in READS[report].needs):
        return lambda catalogue, value, _, given: _told(catalogue, value, given)
    return lambda catalogue, value, holder, given: _told(
        catalogue, value, {**given, **{need: get(holder, given) for need, get in gives}}
    )


def _giving(source: str, place: _Place) -> Reach:
    asked = re.fullmatch(r"legs\[(\w+)\]", source)
    if asked is None:
        return place.reach(source)
    legs, request = place.reach("legs"), place.reach(asked[1])
    return lambda holder, given: legs(holder, given).get(request(holder, given))


def _rowed(kind: Kind, hint: Any, place: _Place) -> Show:
    names = list(kind.parts)
    inside = _Place(
        f"a row of {place.name}", {name: itemgetter(at) for at, name in enumerate(names)}, place.needs
    )
    columns = [
        (name, at, _way(part, part_hint, inside))
        for at, ((name, part), part_hint) in enumerate(zip(kind.parts.items(), get_args(hint), strict=True))
    ]

    def show(catalogue: Catalogue, value: Sequence[Any], _: Any, given: Given) -> dict[str, Any] | None:
        if kind.maybe and not value[0]:
            return None
        return {name: way(catalogue, value[at], value, given) for name, at, way in columns}

    return show


def _chosen(kind: Kind, hint: Any, place: _Place) -> Show:
    look = place.reach(kind.of)
    cases = {case: _one(one, hint, place) for case, one in kind.cases.items()}
    other = _one(kind.other or Kind(Form.NOTHING), hint, place)
    return lambda catalogue, value, holder, given: cases.get(look(holder, given), other)(
        catalogue, value, holder, given
    )


# --- scales ------------------------------------------------------------------------------------------------------------

_FIXED: Final = {Form.DOLLARS: DOLLARS, Form.SHARES: SHARES, Form.PICO: Scale(Fraction(1, 10**12))}


def _token_price(catalogue: Catalogue, token: int) -> Scale:
    return catalogue.prices[catalogue.assets[token].underlying]


_SCALES: Final[Mapping[Form, Callable[[Catalogue, int], Scale]]] = {
    Form.TICKS: lambda catalogue, at: catalogue.markets[at].price,
    Form.LOTS: lambda catalogue, at: catalogue.markets[at].quantity,
    Form.MONEY: lambda catalogue, at: catalogue.markets[at].money,
    Form.MARK: lambda catalogue, at: catalogue.prices[catalogue.markets[at].underlying.underlying],
    Form.AMOUNT: lambda catalogue, at: catalogue.amounts[at],
    Form.PRICE: lambda catalogue, at: catalogue.prices[at],
    Form.TOKEN_PRICE: _token_price,
}


def _scaled(kind: Kind, place: _Place) -> Show:
    """A quantity. Zero needs no scale."""
    look = place.reach(kind.of)

    def show(catalogue: Catalogue, value: int, holder: Any, given: Given) -> str | None:
        if not value:
            return "0"
        at = look(holder, given)
        found = _common(catalogue, kind, at) if isinstance(at, list | tuple) else _scale(catalogue, kind, at)
        return None if found is None else found.text(value)

    return show


def _each(kind: Kind, one: Show, place: _Place) -> Show:
    """A list of quantities: place by place of what its scales are of, or all of one."""
    look = place.reach(kind.of)

    def show(catalogue: Catalogue, values: Sequence[int], holder: Any, given: Given) -> list[str | None]:
        at = look(holder, given)
        if not isinstance(at, list | tuple):
            return [one(catalogue, value, holder, given) for value in values]
        scales = [_scale(catalogue, kind, each) for each in at]
        return [scale.text(value) if scale else None for scale, value in zip(scales, values, strict=True)]

    return show


def _scale(catalogue: Catalogue, kind: Kind, at: int | None) -> Scale | None:
    """Whose scale it is; None where nobody said and the kind allows that."""
    if not at and kind.maybe:
        return None
    try:
        return _SCALES[kind.form](catalogue, at or 0)
    except KeyError:
        said = f"id {at}" if at else "nothing"
        raise NotListed(f"`{kind.of}` names {said}: its scale is not known.", what=kind.of, id=at) from None


def _common(catalogue: Catalogue, kind: Kind, ids: Sequence[int]) -> Scale | None:
    """The one scale of all of them, where they have one."""
    scales = [_scale(catalogue, kind, each) for each in ids]
    return scales[0] if len({scale.step for scale in scales if scale}) == 1 else None


# --- schemas -----------------------------------------------------------------------------------------------------------

COMPONENTS: Final = "#/components/schemas/"
_DECIMAL: Final = {"type": "string", "pattern": DECIMAL}
_NAME: Final = {"type": "string", "minLength": 1}
_PLAIN: Final = {bool: "boolean", str: "string"}
_OUTSIDE: Final = (
    (r"[Mm]icro-dollars", "dollars"), (r", ticks\b", ""), (r"\bin ticks\b", "as a price"), (r"\bTicks\b", "A price"),
    (r"\bone tick of one lot\b", "the smallest trade at the smallest price"), (r"\b([Qq])uote units\b", "coins"),
    (r"\bLots\b", "Quantity"), (r"\blots\b", "quantity"), (r"\bUnits\b", "Amount"), (r"\bunits\b", "amount"),
    (r"\bNone\b", "null"), (r"`leaves`", "`remaining`"), (r"\(1e-9\) ", ""), (r"1e-9 shares", "shares"), (r"(in|, in) (the asset's )?smallest (units?|amount)\b", ""), (r"; zeros\b", "; null"), (r"\bTrue\b", "true"),
)  # fmt: skip
"""Words of the engine's units in what a field means, and those of what is told."""
_MEANINGS: Final = {
    Form.ID: "An id.", Form.MARKET: "A market's name.", Form.ASSET: "An asset's name.", Form.UNDERLYING: "An underlying's name.",
    Form.DOLLARS: "Dollars.", Form.PICO: "Dollars.", Form.SHARES: "Shares.", Form.TICKS: "A price.", Form.PRICE: "A price.",
    Form.LOTS: "A quantity.", Form.MONEY: "Coins of the market's quote.", Form.AMOUNT: "An amount of the asset.",
}  # fmt: skip
"""Where the report says what a field means in its own description only."""


def component(report: type) -> str:
    """The name of a report's schema."""
    return NAMES.get(report, report.__name__)


def components() -> dict[str, dict[str, Any]]:
    """The schemas of all reports by name, for `components.schemas` of a description."""
    return {component(report): view_schema(report) for report in READS}


def view_schema(report: type) -> dict[str, Any]:
    """The JSON Schema of what `view` makes of a report; the reports inside are references into `components()`."""
    known, hints, fields = meanings(report), get_type_hints(report), READS[report].fields
    properties: dict[str, Any] = {}
    for name in field_names(report):
        kind = fields[name]
        if kind.form is Form.BITS:
            bits = meanings(kind.code) if kind.code else {}
            properties |= {
                bit: {"type": "boolean", "description": bits[bit.upper()]} for bit, _ in _bits(kind)
            }
            continue
        meaning = _outside(kind, known[name]) if name in known else _MEANINGS.get(kind.form)
        said = {"description": meaning} if meaning else {}
        properties[RENAMED.get(name, name)] = {**_schema(kind, hints[name]), **said}
    summary = inspect.cleandoc(report.__doc__ or "").splitlines()[0]
    return {"title": component(report), "description": summary, **_object(properties)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def _outside(kind: Kind, meaning: str) -> str:
    if kind.form in {Form.MARKET, Form.ASSET, Form.UNDERLYING}:
        meaning = (
            meaning.replace("Its id.", "Its name.").replace("micro-dollars", "dollars").replace(" (1e-9)", "")
        )
        return re.sub(r"; 0\b", "; null", meaning)
    if kind.form in {Form.NUMBER, Form.ID, Form.CODE, Form.BIG}:
        return meaning.replace("None", "null")
    for inside, outside in _OUTSIDE:
        meaning = re.sub(inside, outside, meaning)
    for at, said in enumerate(next((one.words for one in (kind, *kind.cases.values()) if one.words), ())):
        meaning = re.sub(rf"\b{at}\b", f"`{said}`", meaning)
    if kind.form is Form.BY:
        meaning = re.sub(r"; -1\b", "; null", meaning)
    return meaning[:1].upper() + meaning[1:]


def _schema(kind: Kind, hint: Any) -> dict[str, Any]:
    shape = _shape(kind, hint)
    found = _schema_of_one(kind, shape.hint)
    if kind.maybe or shape.null:
        found = {"anyOf": [found, {"type": "null"}]}
    if shape.length is None:
        return found
    bounds = {"minItems": shape.length, "maxItems": shape.length} if shape.length else {}
    return {"type": "array", "items": found, **bounds}


def _schema_of_one(kind: Kind, hint: Any) -> dict[str, Any]:
    match kind.form:
        case Form.NUMBER:
            return {"type": "integer"}
        case Form.BIG:
            return {"type": "string", "pattern": r"^-?\d{1,20}$"}
        case Form.ID:
            return {"type": "string", "pattern": r"^\d{1,20}$"}
        case Form.NOTHING:
            return {"type": "null"}
        case Form.BYTES:
            return {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
        case Form.PLAIN:
            return {"type": _PLAIN[hint]}
        case Form.MARKET | Form.ASSET | Form.UNDERLYING:
            return _NAME
        case Form.CODE | Form.WORD | Form.OPERATION:
            return {"type": "string", "enum": list(dict.fromkeys(_words(kind).values()))}
        case Form.NESTED:
            return {"$ref": COMPONENTS + component(hint)}
        case Form.ROW:
            parts = zip(kind.parts.items(), get_args(hint), strict=True)
            return _object({name: _schema(part, part_hint) for (name, part), part_hint in parts})
        case Form.BY:
            return _schema_of_cases([*kind.cases.values(), kind.other or Kind(Form.NOTHING)], hint)
        case _:
            return _DECIMAL


def _schema_of_cases(kinds: Sequence[Kind], hint: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for kind in kinds:
        one = _schema(kind, hint)
        if one not in found:
            found.append(one)
    return found[0] if len(found) == 1 else {"anyOf": found}


__all__ = [
    "COMPONENTS",
    "Given",
    "NotListed",
    "component",
    "components",
    "field_names",
    "view",
    "view_schema",
]

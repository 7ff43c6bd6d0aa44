"""Every request that has a name, as a value: method, path, body, and what answers it.

Responsible for: from Python values to a request, checked against the venue's own description of the operation before anything is sent. Never:
sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from novate.client import answers
from novate.errors import UnitError
from novate.schema.operations import operation, parse

T = TypeVar("T")
Amount = Decimal | int | str
"""A quantity, price or amount: never a float."""

_SAFE_AGAIN: Final = {"cancel_order", "cancel_all", "cancel_after", "withdraw_backstop", "post_price"}
"""Done twice they come to the same; orders are safe by their client ids."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. `again`: whether the venue may get it twice without harm. `op`: of an operation its name and its account."""

    method: str
    path: str
    answer: type[T]
    body: bytes = b""
    again: bool = True
    op: tuple[str, int | None] = ("", None)


def plain(value: Any, name: str = "value") -> Any:
    """A value as JSON has it: decimals as plain text, ids as text. Raises UnitError for a float."""
    if isinstance(value, float):
        raise UnitError(f"{name} must be a Decimal, an int or text, never a float: {value!r}.")
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: plain(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, name) for one in value]
    return value


def arguments(name: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """An operation's arguments as JSON-ready values, those that are None left out.

    Whole numbers become text where the operation takes text (ids, prices, quantities). Raises SchemaError that names the field; UnitError.
    """
    op = operation(name)
    whole = {field.name for field in op.fields if _takes_text(field.type)}
    said = {key: plain(value, key) for key, value in args.items() if value is not None}
    for key, value in said.items():
        if key in whole and isinstance(value, int) and not isinstance(value, bool):
            said[key] = str(value)
    parse(op, msgspec.json.encode(said))
    return said


def _takes_text(kind: Any) -> bool:
    return getattr(kind, "__origin__", kind) is str


def act(
    name: str, account: int | None, args: Mapping[str, Any], *, again: bool | None = None
) -> Call[answers.Done]:
    """An operation for an account, or for the venue. Raises SchemaError, UnitError."""
    body = msgspec.json.encode(arguments(name, args))
    where = f"/accounts/{int(account)}" if account is not None else ""
    safe = name in _SAFE_AGAIN if again is None else again
    return Call("POST", f"/v1{where}/operations/{name}", answers.Done, body, safe, (name, account))


def leg(name: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """An operation inside another: of a batch, a what-if or a change."""
    return {"op": name, "args": arguments(name, args)}


def what_if(account: int, legs: Sequence[Mapping[str, Any]]) -> Call[answers.WhatIf]:
    """Operations tried on a copy of the venue."""
    body = msgspec.json.encode({"operations": list(legs)})
    return Call("POST", f"/v1/accounts/{int(account)}/what-if", answers.WhatIf, body)


def ask(path: str, answer: type[T], **numbers: int) -> Call[T]:
    """A question."""
    query = "&".join(f"{name}={value}" for name, value in numbers.items())
    return Call("GET", f"/v1{path}" + (f"?{query}" if query else ""), answer)


def of_account(account: int, what: str, answer: type[T]) -> Call[T]:
    """A question about an account."""
    return ask(f"/accounts/{int(account)}{what}", answer)


def of_market(market: str, what: str, answer: type[T], **numbers: int) -> Call[T]:
    """A question about a market."""
    return ask(f"/markets/{quote(market, safe='')}{what}", answer, **numbers)

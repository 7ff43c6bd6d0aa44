"""What an instruction must be before anything of it leaves: the same for every adapter.

Responsible for: one clear error that names the rule and the value. Never: knows what a broker can do beyond the port; its own refusal is a report.
"""

from __future__ import annotations

import re
from typing import Final

from novate.broker.port import CancelOrder, Instruction, NewOrder, ReplaceOrder
from novate.errors import MessageError
from novate.messages.codes import Side

SHARE: Final = 1_000_000_000
"""One share, in units of 1e-9."""
_ORDER: Final = re.compile(r"[A-Za-z0-9-]{1,20}")
_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9.-]{0,11}")
_MOST: Final = 2**63 - 1


def check(instruction: Instruction) -> None:
    """Raises MessageError where an instruction is not what the port says, with the field and its value; nothing has left then."""
    _is(_ORDER.fullmatch(instruction.order), "order", instruction.order, "1 to 20 of A-Z a-z 0-9 -")
    if isinstance(instruction, NewOrder):
        _check_new(instruction)
        return
    _is(instruction.attempt >= 1, "attempt", instruction.attempt, "at least 1")
    if isinstance(instruction, ReplaceOrder):
        _is(0 < instruction.shares <= _MOST, "shares", instruction.shares, "above 0")
        _is(0 < instruction.limit <= _MOST, "limit", instruction.limit, "above 0")


def cancel_id(instruction: CancelOrder | ReplaceOrder) -> str:
    """The request's own id: the order's and the attempt."""
    return f"{instruction.order}.{instruction.attempt}"


def _check_new(order: NewOrder) -> None:
    _is(
        _SYMBOL.fullmatch(order.symbol),
        "symbol",
        order.symbol,
        "a capital letter, then A-Z 0-9 . -, 12 at most",
    )
    _is(0 < order.limit <= _MOST, "limit", order.limit, "above 0")
    _is(0 <= order.shares <= _MOST, "shares", order.shares, "0 or more")
    _is(0 <= order.dollars <= _MOST, "dollars", order.dollars, "0 or more")
    if order.side == Side.ASK:
        _is(order.dollars == 0, "dollars", order.dollars, "0 for a sale")
        _is(order.shares > 0, "shares", order.shares, "above 0 for a sale")
    else:
        _is(order.shares or order.dollars, "shares", order.shares, "above 0 where no dollars limit the order")
    if order.whole:
        _is(order.shares % SHARE == 0, "shares", order.shares, "whole shares where parts are not taken")


def _is(true: object, field: str, value: object, rule: str) -> None:
    if not true:
        raise MessageError(f"{field} must be {rule}, got {value!r}", field=field, value=str(value))

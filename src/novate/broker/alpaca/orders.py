"""Instructions as the bodies of Alpaca's order endpoints: text for every number.

Responsible for: what a day order with a limit looks like there. Never: sends one.
"""

from __future__ import annotations

from typing import Final

from novate.broker.alpaca.exact import cents_text, limit_text, text_of
from novate.broker.checks import SHARE, cancel_id
from novate.broker.port import NewOrder, ReplaceOrder
from novate.errors import MessageError
from novate.messages.codes import Side

Body = dict[str, str | bool]

_NANO_DOLLARS_TO_MICRO: Final = 1_000
_SIDES: Final = {Side.BID: "buy", Side.ASK: "sell"}
_CENT: Final = 10_000


def order_body(order: NewOrder, *, extended_hours: bool) -> Body:
    """The body of a new order. Raises MessageError where nothing is left of it in the broker's units: then it is not to be sent.

    A notional has whole cents and no rounding up. Where shares and dollars limit an order both, or whole shares are wanted for dollars, the
    quantity is what the dollars buy at the limit: the broker takes one of the two.
    """
    limit = limit_text(order.limit, order.side)
    if limit == "0":
        raise MessageError(f"limit {text_of(order.limit)} is below the smallest increment", field="limit")
    body: Body = {
        "symbol": order.symbol,
        "side": _SIDES[order.side],
        "type": "limit",
        "time_in_force": "day",
        "limit_price": limit,
        "client_order_id": order.order,
        "extended_hours": extended_hours,
    }
    return body | _amount(order)


def replace_body(order: ReplaceOrder, side: Side) -> Body:
    """The body of a replacement. The new order gets an id of its own, from which the venue's is read back."""
    return {
        "qty": text_of(order.shares),
        "limit_price": limit_text(order.limit, side),
        "client_order_id": cancel_id(order),
    }


def _amount(order: NewOrder) -> Body:
    if not order.dollars:
        return {"qty": text_of(order.shares)}
    if not order.shares and not order.whole:
        if order.dollars < _CENT:
            raise MessageError(f"dollars {text_of(order.dollars, 6)} are below a cent", field="dollars")
        return {"notional": cents_text(order.dollars)}
    shares = order.dollars * _NANO_DOLLARS_TO_MICRO * SHARE // order.limit
    shares = min(shares, order.shares) if order.shares else shares
    shares -= shares % SHARE if order.whole else 0
    if not shares:
        raise MessageError(
            f"dollars {text_of(order.dollars, 6)} buy no share at {text_of(order.limit)}", field="dollars"
        )
    return {"qty": text_of(shares)}

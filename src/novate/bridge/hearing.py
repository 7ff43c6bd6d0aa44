"""What the API says of the account, as facts in whole numbers.

Responsible for: text to numbers, and leaving out what the bridge is not about. Never: adds up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from novate.bridge import facts
from novate.bridge.inventory import OVER, Flight
from novate.bridge.limits import Price
from novate.bridge.terms import NameTerms
from novate.client import answers
from novate.messages.codes import Quality, RequestState, Session, Side
from novate.units import scaled


def heard(event: answers.Event) -> Iterator[facts.Fact]:
    """The facts of one event of the account."""
    data = event.data
    match event.event:
        case "order_placed" if data.price is not None and data.quantity is not None:
            yield facts.OrderRests(
                data.client_id or "",
                int(data.order),
                data.market or "",
                _side(data.side),
                nano(data.price),
                nano(data.quantity),
            )
        case "order_amended":
            yield facts.OrderChanged(int(data.order), nano(data.price), nano(data.remaining))
        case "order_decremented":
            yield facts.OrderLeft(int(data.order), nano(data.remaining))
        case "order_cancelled":
            yield facts.OrderLeft(int(data.order), 0)
        case "order_filled":
            value = Decimal(data.price) * Decimal(data.quantity)
            yield facts.OrderFilled(
                int(data.order), data.market or "", _side(data.side), nano(data.quantity), micro(value), micro(data.fee),
                nano(data.remaining),
            )  # fmt: skip
        case "settled" if data.funding is not None and Decimal(data.funding):
            yield facts.Carried(data.market or "", micro(data.funding))
        case "request_reserved" if word(data.kind) in {"mint", "redeem"}:
            mints = word(data.kind) == "mint"
            held = micro(data.amount) if mints else nano(data.amount)
            yield facts.RequestHeld(int(data.request), data.token or "", mints, held)
        case "tokens_issued":
            paid = int(data.cost) + int(data.fee)
            yield facts.Issued(int(data.request), data.token or "", nano(data.units), paid)
        case "tokens_redeemed":
            due = int(data.due) - int(data.fee)
            yield facts.Redeemed(int(data.request), data.token or "", nano(data.units), due)
        case "request_returned":
            yield facts.Returned(int(data.request), nano(data.amount))
        case "request_state_changed":
            yield facts.RequestMoved(int(data.request), RequestState[word(data.after).upper()])
        case _:
            pass


def price(told: answers.Price) -> Price:
    """What the venue says publicly of an underlying."""
    return Price(
        0 if told.index is None else nano(told.index),
        Quality[(told.quality or "stale").upper()],
        Session[(told.session or "closed").upper()],
    )


def holding(
    terms: NameTerms, account: answers.Account, requests: Sequence[Mapping[str, Any]]
) -> facts.Holding:
    """What an account and its requests come to in one name."""
    perps = {one.name: nano(account.position(one.name)) for one in terms.markets if not one.spot}
    flights = {}
    for line in requests:
        state = RequestState[str(line["state"]).upper()]
        kind = str(line["kind"])
        if line["token"] != terms.token or kind not in {"mint", "redeem"} or state in OVER:
            continue
        held = Decimal(str(line["held"]))
        flights[int(line["request"])] = Flight(kind == "mint", micro(held) if kind == "mint" else nano(held))
    return facts.Holding(nano(account.balance(terms.token)), perps, flights)


def nano(value: str | Decimal | int) -> int:
    """A number in 1e-9."""
    return scaled(value, 9)


def micro(value: str | Decimal | int) -> int:
    """Dollars in micro-dollars, to the nearest below where there are more digits."""
    return int((Decimal(value) * 1_000_000).to_integral_value("ROUND_FLOOR"))


def word(value: Any) -> str:
    """The word of a code, whether it came as an enum or as text."""
    return str(getattr(value, "value", value))


def _side(value: Any) -> Side:
    return Side.BID if word(value) == "bid" else Side.ASK

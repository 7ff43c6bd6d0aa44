"""The orders of this program: client ids, and how each order stands.

Responsible for: ids that no other order has, and one `Order` per id that replies and events keep up to date, in whatever order they come.
Never: sends, or forgets an order that may be alive.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any, Final

from novate.client.answers import Account, Event, OrderAnswer
from novate.schema.outcomes import Problem

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"
_SESSION: Final = 9
_COUNTER: Final = 7
ENDED: Final = frozenset({"filled", "cancelled", "ended", "refused"})
_KEPT: Final = 10_000
"""Orders that have ended and are still told."""


def client_ids() -> Iterator[str]:
    """Ids of 16 characters: 45 random bits of the session, then a counter of 35."""
    session = "".join(secrets.choice(_DIGITS) for _ in range(_SESSION))
    for number in count(1):
        yield session + "".join(_DIGITS[number >> shift & 31] for shift in range(5 * _COUNTER - 5, -1, -5))


@dataclass(slots=True)
class Order:
    """One order as it stands, as far as the client was told.

    Attributes:
        client_id: The program's own id.
        account: Whose.
        market: Where.
        side: `bid` or `ask`.
        quantity: As it was placed.
        price: Limit now; None of a market order.
        order: The venue's id; empty before it is known.
        status: `sending`, `open`, `filled`, `cancelled`, `refused`, `ended` (not alive, and what traded could not be learnt), or `unknown`.
        filled: What traded.
        remaining: What rests.
        reason: Why it was cancelled.
        problem: Why it was refused.
    """

    client_id: str
    account: int
    market: str
    side: str
    quantity: Decimal
    price: Decimal | None = None
    order: str = ""
    status: str = "sending"
    filled: Decimal = Decimal(0)
    remaining: Decimal = Decimal(0)
    reason: str | None = None
    problem: Problem | None = None
    since: int = field(default=0, repr=False)
    """Number of the account's last event that was known before it was sent."""
    _heard: set[int] = field(default_factory=set, repr=False)
    _newest: int = field(default=0, repr=False)

    @property
    def alive(self) -> bool:
        """Whether it may still trade, as far as is known."""
        return self.status not in ENDED

    def hear(self, event: Event) -> None:
        """Takes an event of this order, once, whether or not a later one came first."""
        at = event.account_seq or 0
        if at in self._heard:
            return
        self._heard.add(at)
        data, newer = event.data, at > self._newest
        self._newest = max(at, self._newest)
        match event.event:
            case "order_placed":
                self.order = data.order
                if newer:
                    self.remaining = Decimal(data.quantity)
                    self.status = "open"
            case "order_filled":
                self.filled += Decimal(data.quantity)
                if newer:
                    self.remaining = Decimal(data.remaining)
                    self.status = "open" if self.remaining else "filled"
            case "order_amended" if newer:
                self.remaining, self.price = Decimal(data.remaining), Decimal(data.price)
            case "order_decremented" if newer:
                self.remaining = Decimal(data.remaining)
                if not self.remaining:
                    self.status, self.reason = "cancelled", "self_trade"
            case "order_cancelled" if newer:
                self.remaining, self.status = Decimal(0), "cancelled"
                self.reason = str(getattr(data.reason, "value", data.reason))
            case _:
                pass

    def take(self, said: OrderAnswer) -> None:
        """Takes what a reply says of it, where its events could not be had."""
        self.order, self.remaining = said.order, said.remaining
        self.status = self.status if self.status in ENDED and said.status == "ended" else said.status
        self.filled = said.filled if said.filled is not None else self.filled


class Orders(Mapping[str, Order]):
    """The program's orders by client id; those that ended longest ago are let go."""

    def __init__(self) -> None:
        self._by_client: dict[tuple[int, str], Order] = {}
        self._by_order: dict[tuple[int, str], Order] = {}
        self._seen: dict[int, int] = {}
        self._ids = client_ids()

    def __getitem__(self, client_id: str) -> Order:
        for (_, known), order in self._by_client.items():
            if known == client_id:
                return order
        raise KeyError(client_id)

    def __iter__(self) -> Iterator[str]:
        return (client_id for _, client_id in list(self._by_client))

    def __len__(self) -> int:
        return len(self._by_client)

    def next_id(self) -> str:
        """A client id that no other order has."""
        return next(self._ids)

    def begin(self, account: int, args: Mapping[str, Any]) -> Order:
        """An order that is about to be sent; the same object again for a client id that was sent before."""
        at = account, str(args["client_id"])
        if at not in self._by_client:
            price = args.get("price")
            self._by_client[at] = Order(
                at[1], account, str(args["market"]), str(args["side"]), Decimal(str(args["quantity"])),
                None if price is None else Decimal(str(price)), since=self.seen(account),
            )  # fmt: skip
            self._let_go()
        return self._by_client[at]

    def seen(self, account: int) -> int:
        """Number of the last event of an account that was told; 0 for none."""
        return self._seen.get(account, 0)

    def hear(self, events: Iterable[Event]) -> None:
        """Takes events, of whatever."""
        for event in events:
            if event.account is None or event.account_seq is None:
                continue
            account = int(event.account)
            self._seen[account] = max(self.seen(account), event.account_seq)
            found = self._of(account, event)
            if found is not None:
                found.hear(event)
                if found.order:
                    self._by_order[account, found.order] = found

    def take(self, order: Order, said: OrderAnswer) -> None:
        """Takes what a reply says of an order that the venue had before."""
        order.take(said)
        self._by_order[order.account, order.order] = order

    def reread(self, account: int, told: Account) -> None:
        """Takes an account as it stands, where events are not kept any more: what does not rest has ended."""
        resting = {line.order: line for line in told.orders}
        for order in list(self._by_client.values()):
            if order.account != account or not order.order or not order.alive:
                continue
            line = resting.get(order.order)
            if line is None:
                order.status, order.remaining = "ended", Decimal(0)
            else:
                order.remaining, order.price = line.remaining, line.price

    def _of(self, account: int, event: Event) -> Order | None:
        if event.event == "order_placed" and event.data.client_id:
            return self._by_client.get((account, event.data.client_id))
        number = getattr(event.data, "order", None)
        return self._by_order.get((account, number)) if isinstance(number, str) else None

    def _let_go(self) -> None:
        if len(self._by_client) < 2 * _KEPT:
            return
        ended = [at for at, order in self._by_client.items() if not order.alive]
        for at in ended[:-_KEPT]:
            order = self._by_client.pop(at)
            self._by_order.pop((order.account, order.order), None)

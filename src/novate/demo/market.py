"""What a participant of the demo sees: public prices and its own orders and positions, built from events alone.

Responsible for: one view shared by all participants and the recorder. Never asks the engine; whatever is here, a stranger
with a data feed would know.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from novate.config import Listing
from novate.messages import (
    CommandRefused,
    EventMessage,
    IndexChanged,
    Lent,
    MarkChanged,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    Quality,
    RequestStateChanged,
    Session,
    TokensIssued,
    TokensRedeemed,
)
from novate.messages.codes import RequestState

WANTED = (
    CommandRefused, IndexChanged, Lent, MarkChanged, OrderPlaced, OrderFilled, OrderCancelled, RequestStateChanged, TokensIssued,
    TokensRedeemed,
)  # fmt: skip


@dataclass(slots=True)
class Market:
    """Public state by name, private state by account. Prices at 1e-6 dollar, positions in lots."""

    listing: Listing
    time_ns: int = 0
    index: dict[int, int] = field(default_factory=dict)
    stable: dict[int, int] = field(default_factory=dict)
    quality: dict[int, Quality] = field(default_factory=dict)
    session: dict[int, Session] = field(default_factory=dict)
    mark: dict[int, int] = field(default_factory=dict)
    lots: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    """Signed lots traded by (account, market): the position of a perp, the change of a token balance."""
    orders: defaultdict[int, dict[bytes, int]] = field(default_factory=lambda: defaultdict(dict))
    """Live orders with a client id by account: client id to order id."""
    refused: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Number of the last refusal by account; 0 before the first."""
    issued: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Units of tokens issued to an account, less those it redeemed."""
    delivered: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Requests of an account to issue or redeem that were delivered."""
    lent: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Units that accounts put into the pool of an asset, less those they took back."""
    _client_of: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def see(self, event: EventMessage) -> None:
        """Takes one event in."""
        body = event.body
        if isinstance(body, IndexChanged):
            self.index[body.underlying] = body.index
            self.stable[body.underlying] = body.stable
            self.quality[body.underlying] = Quality(body.quality)
            self.session[body.underlying] = Session(body.session)
        elif isinstance(body, MarkChanged):
            self.mark[body.market] = body.mark
        elif isinstance(body, OrderPlaced):
            if any(body.client_id):
                self.orders[event.header.account][body.client_id] = body.order
                self._client_of[body.order] = (event.header.account, body.client_id)
        elif isinstance(body, OrderFilled):
            self.lots[event.header.account, body.market] += body.lots if body.side == 0 else -body.lots
            if body.leaves == 0:
                self._end(body.order)
        elif isinstance(body, CommandRefused):
            self.refused[event.header.account] = body.code
        elif isinstance(body, OrderCancelled):
            self._end(body.order)
        elif isinstance(body, TokensIssued):
            self.issued[event.header.account] += body.units
        elif isinstance(body, TokensRedeemed):
            self.issued[event.header.account] -= body.units
        elif isinstance(body, Lent):
            self.lent[body.asset] += body.amount
        elif isinstance(body, RequestStateChanged):
            self.delivered[event.header.account] += body.after == RequestState.DELIVERED

    def _end(self, order: int) -> None:
        account, client = self._client_of.pop(order, (0, b""))
        if client:
            self.orders[account].pop(client, None)

    def price(self, name: str) -> int:
        """Index of an underlying by name, 1e-6 dollar; 0 before the first."""
        return self.index.get(self.listing.underlying[name], 0)

    def live(self, name: str) -> bool:
        """Whether the underlying's price is live."""
        return self.is_live(self.listing.underlying[name])

    def is_live(self, number: int) -> bool:
        """The same by id."""
        return self.quality.get(number) == Quality.LIVE

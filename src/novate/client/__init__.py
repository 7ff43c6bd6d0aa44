"""The client of a venue: `Client` blocks, `AsyncClient` is for asyncio, and both are the same underneath.

    errors      refused, not reached, not known
    signing     keys, nonces, signed requests
    answers     what the venue says, typed
    calls       requests as values
    orders      client ids, and how each order stands
    books       a book kept from a snapshot and deltas
    book_orders the same order by order
    steps       what is sent again and when: no input or output
    feeds       streams: no input or output
    aio         both, by httpx and websockets
    blocking    the same on a thread
    local       a venue on this machine, to try with

docs/reference/client.md says what is promised.
"""

from novate.client.aio import AsyncClient, Stream, leg
from novate.client.answers import Event
from novate.client.blocking import BlockingStream, Client
from novate.client.book_orders import BookOrders, RestingOrder
from novate.client.books import Book
from novate.client.errors import ClientError, OutcomeUnknown, VenueRefused, VenueUnreachable
from novate.client.feeds import Gap, TradesMissed
from novate.client.local import LocalVenue, local_venue
from novate.client.orders import Order
from novate.client.signing import Ed25519Key, HmacKey, Key
from novate.client.steps import Persistence

__all__ = [
    "AsyncClient",
    "BlockingStream",
    "Book",
    "BookOrders",
    "Client",
    "ClientError",
    "Ed25519Key",
    "Event",
    "Gap",
    "HmacKey",
    "Key",
    "LocalVenue",
    "Order",
    "OutcomeUnknown",
    "Persistence",
    "RestingOrder",
    "Stream",
    "TradesMissed",
    "VenueRefused",
    "VenueUnreachable",
    "leg",
    "local_venue",
]

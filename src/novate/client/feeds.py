"""Streams without input or output: what to say on a new connection, and what a message means.

Responsible for: one feed per channel; resuming where it stood, and noticing gaps. Never: a socket. A feed that raises `Missed` wants another
connection; what it says on that one continues where it stood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from novate.client import answers
from novate.client.answers import Account, Event, Price, Quote, Trade
from novate.client.book_orders import BookOrders
from novate.client.books import Book, Missed
from novate.client.errors import VenueRefused
from novate.client.signing import Signer
from novate.client.steps import Past

T = TypeVar("T")
_OUT_OF_REACH: Final = 2061
_LOGIN, _SUBSCRIBE, _PING = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Gap:
    """Events of an account that can't be had any more: the account as it stands instead.

    Events with `seq` up to `account.sequence` are in it already.

    Attributes:
        first: Number of the first event that was missed.
        last: Number of the last one.
        account: The account, read after that.
    """

    first: int
    last: int
    account: Account


@dataclass(frozen=True, slots=True)
class TradesMissed:
    """More traded while the connection was cut than the venue tells again; `Client.trades` asks for up to 1,000."""

    market: str


class Heard(msgspec.Struct, frozen=True):
    """What any message has."""

    channel: str | None = None
    ok: bool | None = None
    id: int | None = None


_heard: Final = msgspec.json.Decoder(Heard).decode


class Feed(Generic[T]):
    """Base: one subscription on one connection."""

    channel: str

    def __init__(self, signer: Signer | None = None, **wanted: Any) -> None:
        self._signer, self._wanted = signer, wanted

    def hello(self) -> list[bytes]:
        """What to say on a new connection."""
        said = [] if self._signer is None else [_say("login", _LOGIN, self._signer.login())]
        return [
            *said,
            _say("subscribe", _SUBSCRIBE, {"channel": self.channel, **self._wanted, **self._resume()}),
        ]

    def hear(self, said: bytes | str) -> Iterator[T]:
        """What a message means. Raises Missed; VenueRefused when the subscription is."""
        heard = _heard(said)
        if heard.ok is None:
            yield from self._told(said)
            return
        reply = answers.reply(said)
        if reply.error is not None:
            self._refused(VenueRefused(reply.error, 0, reply.seq))
        elif heard.id == _SUBSCRIBE:
            self._subscribed(msgspec.json.decode(reply.result))

    def _resume(self) -> dict[str, Any]:
        return {}

    def _subscribed(self, result: dict[str, Any]) -> None:
        del result

    def _refused(self, refused: VenueRefused) -> None:
        raise refused

    def _told(self, said: bytes | str) -> Iterator[T]:
        raise NotImplementedError


class BookFeed(Feed[Book]):
    """The book of a market: the same object after each change."""

    channel = "book"

    def __init__(self, signer: Signer | None, market: str) -> None:
        super().__init__(signer, market=market)
        self.book = Book(market)

    def hello(self) -> list[bytes]:
        """See Feed."""
        self.book.ready = False
        return super().hello()

    def _told(self, said: bytes | str) -> Iterator[Book]:
        self.book.hear(said)
        yield self.book


class BookOrdersFeed(Feed[BookOrders]):
    """The book of a market order by order: the same object after each change."""

    channel = "book_orders"

    def __init__(self, signer: Signer | None, market: str) -> None:
        super().__init__(signer, market=market)
        self.book = BookOrders(market)

    def hello(self) -> list[bytes]:
        """See Feed."""
        self.book.ready = False
        return super().hello()

    def _told(self, said: bytes | str) -> Iterator[BookOrders]:
        self.book.hear(said)
        yield self.book


class _Trades(msgspec.Struct, frozen=True):
    trades: tuple[Trade, ...]


class TradesFeed(Feed[Trade | TradesMissed]):
    """The trades of a market from now on; after a cut those in between first."""

    channel = "trades"

    def __init__(self, signer: Signer | None, market: str) -> None:
        super().__init__(signer, market=market)
        self._market = market
        self._last: int | None = None
        self._first = True

    def hello(self) -> list[bytes]:
        """See Feed."""
        self._first = True
        return super().hello()

    def _told(self, said: bytes | str) -> Iterator[Trade | TradesMissed]:
        trades = answers.read(_Trades, said).trades
        first, self._first = self._first, False
        if first and self._last is None:
            self._last = max((int(one.trade) for one in trades), default=0)
            return
        known = self._last or 0
        new = [one for one in trades if int(one.trade) > known]
        if first and trades and len(new) == len(trades) and known:
            yield TradesMissed(self._market)
        for one in new:
            self._last = max(self._last or 0, int(one.trade))
            yield one


class _Prices(msgspec.Struct, frozen=True):
    data: Price


class PricesFeed(Feed[Price]):
    """Prices of an underlying, or of all: as they are, then each change."""

    channel = "prices"

    def __init__(self, signer: Signer | None, underlying: str | None) -> None:
        super().__init__(signer, **({"underlying": underlying} if underlying else {}))

    def _told(self, said: bytes | str) -> Iterator[Price]:
        yield answers.read(_Prices, said).data


class QuotesFeed(Feed[Quote]):
    """Best bid and offer of a market."""

    channel = "bbo"

    def __init__(self, signer: Signer | None, market: str) -> None:
        super().__init__(signer, market=market)

    def _told(self, said: bytes | str) -> Iterator[Quote]:
        yield answers.read(Quote, said)


class VenueFeed(Feed[Event]):
    """Sessions, phases and restrictions, or liquidations."""

    def __init__(self, signer: Signer | None, channel: str) -> None:
        super().__init__(signer)
        self.channel = channel

    def _told(self, said: bytes | str) -> Iterator[Event]:
        told = msgspec.json.decode(said)
        yield answers.event(msgspec.convert({"index": 0, **told}, Event))


class AccountFeed(Feed[Event]):
    """An account's events, each once and in order.

    Attributes:
        last: Number of the last one that was told; None before the first connection.
        lost: First and last number of events that can't be had any more, until someone reads the account.
    """

    channel = "account"

    def __init__(self, signer: Signer | None, account: int, resume_from: int | None = None) -> None:
        super().__init__(signer, account=str(account))
        self.account = account
        self.last = resume_from
        self.lost: tuple[int, int] | None = None
        self._from: int | None = None

    def _resume(self) -> dict[str, Any]:
        return {} if self.last is None else {"resume_from": self.last}

    def _subscribed(self, result: dict[str, Any]) -> None:
        number = int(result["account_seq"])
        if self._from is not None:
            self.lost = self._from, max(number, self._from)
            self._from = None
            self.last = number or None
        elif self.last is None:
            # a gateway that has not heard of the account yet says 0: then the first event is where it begins
            self.last = number or None

    def _refused(self, refused: VenueRefused) -> None:
        if refused.number != _OUT_OF_REACH:
            raise refused
        self._from, self.last = (self.last or 0) + 1, None
        raise Missed("events are not kept any more")

    def _told(self, said: bytes | str) -> Iterator[Event]:
        event = answers.read(Event, said)
        number = event.account_seq or 0
        if self.last is not None and number > self.last + 1:
            raise Missed(f"event {number} follows {self.last}")
        if self.last is None or number > self.last:
            self.last = number
            yield event


class Remembering:
    """An account's events behind a number, by one connection: subscribe, ping, and all that comes before the pong."""

    def __init__(self, signer: Signer | None, account: int, since: int) -> None:
        self._feed = AccountFeed(signer, account, since)
        self._events: list[Event] = []
        self._since = since

    def hello(self) -> list[bytes]:
        """What to say."""
        return [*self._feed.hello(), _say("ping", _PING, {})]

    def hear(self, said: bytes | str) -> Past | None:
        """The past once it is complete, or that it is kept no more. Raises Missed when it can't be told now; VenueRefused."""
        heard = _heard(said)
        if heard.ok is False:
            refusal = answers.reply(said)
            if refusal.error is not None and refusal.error.number == _OUT_OF_REACH:
                return Past((), refusal.seq, kept=False)
        if heard.ok and heard.id == _PING:
            return Past(tuple(self._events), answers.reply(said).seq)
        if heard.ok and heard.id == _SUBSCRIBE:
            told = msgspec.json.decode(answers.reply(said).result)
            if int(told["account_seq"]) < max(self._since, 1):  # every account has its opening
                raise Missed("the gateway has not heard of these events")
        try:
            self._events += self._feed.hear(said)
        except VenueRefused as refused:
            if refused.retryable:
                raise Missed("the events can't be told just now") from refused
            raise
        return None


def _say(op: str, number: int, args: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"op": op, "id": number, "args": args})

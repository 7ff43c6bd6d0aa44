"""The asyncio client: what `steps` and `feeds` want done, by httpx and websockets.

Responsible for: connections, time limits, and the typed methods. Never: a rule of its own about what is sent again (`steps.py`) or told
(`feeds.py`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import websockets
from websockets.asyncio.client import connect

from novate.client import answers, calls, steps
from novate.client.acting import Acting
from novate.client.answers import Done, Event, Price, Quote, Trade
from novate.client.book_orders import BookOrders
from novate.client.books import Book, Missed
from novate.client.calls import Amount, Call
from novate.client.errors import VenueRefused
from novate.client.feeds import (
    AccountFeed,
    BookFeed,
    BookOrdersFeed,
    Feed,
    Gap,
    PricesFeed,
    QuotesFeed,
    Remembering,
    TradesFeed,
    TradesMissed,
    VenueFeed,
)
from novate.client.orders import Order, Orders
from novate.client.signing import LOGIN_PATH, Key, Signer
from novate.client.steps import Answered, Lost, Past, Pause, Persistence, Recall, Send

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_CUT = (websockets.WebSocketException, OSError, TimeoutError)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Stream(Generic[T_co]):
    """Something to iterate over with `async for`; `async with` closes it at the end."""

    def __init__(self, items: AsyncIterator[T_co]) -> None:
        self._items = items

    def __aiter__(self) -> AsyncIterator[T_co]:
        return self

    async def __anext__(self) -> T_co:
        return await anext(self._items)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the subscription and its connection."""
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()


class AsyncClient:
    """A venue, for asyncio.

    Args:
        url: Of HTTP, such as `http://127.0.0.1:8080`.
        key: Who signs; None for a venue that was started for development.
        ws_url: Of the WebSocket; by default the next port and `/v1/ws`.
        persistence: How long it tries.
        tls: For `https` and `wss`: whom to trust, and the client's own certificate (the admin door wants one); by default the machine's authorities.
        by_socket: Operations go through one WebSocket that is kept, and not each in a request of HTTP: the faster way for who trades much.
        on_wait: Gets why, each time that a request is to be sent again after a pause; in the client's own thread.

    Every method raises VenueRefused, VenueUnreachable or OutcomeUnknown; SchemaError or UnitError before anything is sent.
    """

    def __init__(
        self,
        url: str,
        key: Key | None = None,
        *,
        ws_url: str | None = None,
        persistence: Persistence | None = None,
        by_socket: bool = False,
        tls: ssl.SSLContext | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.ws_url = ws_url or _beside(self.url)
        self.persistence = persistence or Persistence()
        self.orders = Orders()
        """The orders of this client, by client id."""
        self._key = key
        self._signer: Signer | None = None
        self._tls, self._on_wait = tls, on_wait
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=self.persistence.answer_s, verify=True if tls is None else tls
        )
        self._acting = Acting(self._socket, self._signing, self.persistence.answer_s) if by_socket else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes its connections; streams are closed by whoever reads them."""
        if self._acting is not None:
            await self._acting.close()
        await self._http.aclose()

    # --- orders ---------------------------------------------------------------------------------------------------------

    async def place(
        self,
        account: int,
        market: str,
        side: str,
        quantity: Amount,
        price: Amount | None = None,
        *,
        client_id: str | None = None,
        **terms: Any,
    ) -> Order:
        """Places an order; a limit order where there is a price, else a market order.

        Terms are those of `place_order` (`time_in_force`, `post_only`, `reduce_only`); `expires_ns`, `min_quantity` and `self_trade` too.
        The order has a client id, handed out where none is given, and is sent again under it until its fate is known.
        """
        name, args = _order(self.orders, market, side, quantity, price, client_id, terms)
        return await self._drive(steps.place(self.orders, name, account, args, self.persistence))

    async def amend(self, order: Order, price: Amount | None = None, quantity: Amount | None = None) -> Order:
        """Gives an order another price, another quantity still to trade, or both."""
        args = calls.arguments(
            "amend_order", {"client_id": order.client_id, "price": price, "quantity": quantity}
        )
        del args["client_id"]
        return await self._drive(steps.amend(self.orders, order, args, self.persistence))

    async def cancel(self, order: Order) -> Order:
        """Ends an order."""
        return await self._drive(steps.cancel(self.orders, order, self.persistence))

    async def find(self, client_id: str) -> Order | None:
        """How an order stands whose fate was not known; None when the venue never got it."""
        return await self._drive(steps.find(self.orders, client_id, self.persistence))

    async def cancel_all(self, account: int, market: str | None = None) -> Done:
        """Ends all orders of an account, or those in a market."""
        return await self.call("cancel_all", account, market=market)

    async def cancel_after(self, account: int, seconds: float) -> Done:
        """The dead man's switch: without another call in this span all orders of the account are cancelled; 0 disarms."""
        return await self.call("cancel_after", account, span_ns=round(seconds * 1_000_000_000))

    async def batch(self, account: int, legs: Sequence[dict[str, Any]]) -> Done:
        """Up to 100 legs, each as `leg` makes it; orders among them get client ids."""
        return await self._drive(
            steps.batch(self.orders, account, _named(self.orders, legs), self.persistence)
        )

    # --- everything else that is done -----------------------------------------------------------------------------------

    async def call(self, op: str, account: int | None = None, **args: Any) -> Done:
        """Any operation of the venue, for an account or for the venue itself. What may not be done twice is not sent twice."""
        done = await self.request(calls.act(op, account, args))
        self.orders.hear(done.events)
        return done

    async def transfer(self, account: int, to: int, asset: str, amount: Amount) -> Done:
        """Moves what one account has to another."""
        return await self.call("transfer", account, to=to, asset=asset, amount=amount)

    async def withdraw(self, account: int, asset: str, amount: Amount) -> Done:
        """Asks for money to leave the venue."""
        return await self.call("request_withdrawal", account, asset=asset, amount=amount)

    async def lend(self, account: int, asset: str, amount: Amount) -> Done:
        """Puts money into the lending pool."""
        return await self.call("lend", account, asset=asset, amount=amount)

    async def recall(self, account: int, asset: str, amount: Amount) -> Done:
        """Takes money out of the lending pool."""
        return await self.call("recall", account, asset=asset, amount=amount)

    # --- questions ------------------------------------------------------------------------------------------------------

    async def account(self, account: int) -> answers.Account:
        """Equity, requirements, balances, positions and open orders."""
        return await self.request(calls.of_account(account, "", answers.Account))

    async def margin(self, account: int) -> answers.Margin:
        """Why the requirement is what it is."""
        return await self.request(calls.of_account(account, "/margin", answers.Margin))

    async def explain(self, account: int) -> answers.Explanation:
        """In one sentence why, and the figures behind it."""
        return await self.request(calls.of_account(account, "/explain", answers.Explanation))

    async def what_if(self, account: int, legs: Sequence[dict[str, Any]]) -> answers.WhatIf:
        """What operations, each as `leg` makes it, would come to; nothing is done."""
        return await self.request(calls.what_if(account, legs))

    async def markets(self) -> list[answers.Market]:
        """What trades."""
        return await self.request(calls.ask("/markets", list[answers.Market]))

    async def market(self, market: str) -> answers.Market:
        """One market."""
        return await self.request(calls.of_market(market, "", answers.Market))

    async def assets(self) -> list[answers.Asset]:
        """What can be held."""
        return await self.request(calls.ask("/assets", list[answers.Asset]))

    async def prices(self) -> dict[str, Price]:
        """Prices by underlying."""
        found = await self.request(calls.ask("/prices", list[Price]))
        return {one.underlying: one for one in found}

    async def book(self, market: str, depth: int = 50) -> Book:
        """A book as it is now; `follow_book` keeps one up to date."""
        raw = await self.request(calls.of_market(market, "/book", msgspec.Raw, depth=depth))
        book = Book(market)
        book.hear(raw)
        return book

    async def book_orders(self, market: str) -> BookOrders:
        """The whole book order by order as it is now; `follow_book_orders` keeps one up to date."""
        raw = await self.request(calls.of_market(market, "/book/orders", msgspec.Raw))
        book = BookOrders(market)
        book.hear(raw)
        return book

    async def trades(self, market: str, limit: int = 100) -> list[Trade]:
        """The latest trades, newest first."""
        return await self.request(calls.of_market(market, "/trades", list[Trade], limit=limit))

    async def status(self) -> answers.Status:
        """Whether the venue takes commands."""
        return await self.request(calls.ask("/status", answers.Status))

    async def ask(self, path: str, **numbers: int) -> Any:
        """Any other question, by its path below `/v1`, as JSON values."""
        return await self.request(calls.ask(path, object, **numbers))

    async def request(self, call: Call[T]) -> T:
        """Sends a request of one's own making."""
        return await self._drive(steps.deliver(call, self.persistence))

    # --- streams --------------------------------------------------------------------------------------------------------

    def follow_book(self, market: str) -> Stream[Book]:
        """The book, the same object after each change; asked for anew when a message was missed or a checksum differs."""
        return Stream(self._follow(lambda signer: BookFeed(signer, market)))

    def follow_book_orders(self, market: str) -> Stream[BookOrders]:
        """The book order by order, the same object after each change; asked for anew as `follow_book` does."""
        return Stream(self._follow(lambda signer: BookOrdersFeed(signer, market)))

    def follow_trades(self, market: str) -> Stream[Trade | TradesMissed]:
        """Trades from now on."""
        return Stream(self._follow(lambda signer: TradesFeed(signer, market)))

    def follow_quotes(self, market: str) -> Stream[Quote]:
        """Best bid and offer."""
        return Stream(self._follow(lambda signer: QuotesFeed(signer, market)))

    def follow_prices(self, underlying: str | None = None) -> Stream[Price]:
        """Prices of an underlying or of all: as they are, then each change."""
        return Stream(self._follow(lambda signer: PricesFeed(signer, underlying)))

    def follow_status(self) -> Stream[Event]:
        """Sessions, phases, restrictions."""
        return Stream(self._follow(lambda signer: VenueFeed(signer, "status")))

    def follow_liquidations(self) -> Stream[Event]:
        """Liquidations, without whose."""
        return Stream(self._follow(lambda signer: VenueFeed(signer, "liquidations")))

    def follow_account(self, account: int, resume_from: int | None = None) -> Stream[Event | Gap]:
        """An account's events, each once and in order, across cuts; those behind `resume_from` first, or from now on.

        A `Gap` stands for events that the venue does not keep any more, and brings the account as it is.
        """
        return Stream(self._events(account, resume_from))

    # --- inside ---------------------------------------------------------------------------------------------------------

    async def _events(self, account: int, resume_from: int | None) -> AsyncIterator[Event | Gap]:
        feeds: list[AccountFeed] = []

        def feed(signer: Signer | None) -> AccountFeed:
            feeds.append(AccountFeed(signer, account, resume_from))
            return feeds[-1]

        async with aclosing(self._follow(feed, told_of_cuts=True)) as items:
            async for item in items:
                if item is not None:
                    self.orders.hear((item,))
                    yield item
                elif (lost := feeds[-1].lost) is not None:
                    feeds[-1].lost = None
                    now = await self.account(account)
                    self.orders.reread(account, now)
                    yield Gap(*lost, now)

    async def _follow(self, make: Any, *, told_of_cuts: bool = False) -> AsyncGenerator[Any]:
        """A feed's items over as many connections as it takes; with `told_of_cuts` None once a connection is subscribed."""
        feed: Feed[Any] = make(await self._signing())
        tried = 0
        while True:
            try:
                async with self._socket() as socket:
                    try:
                        for said in feed.hello():
                            await socket.send(said, text=True)
                        async for heard in socket:
                            for item in feed.hear(heard):
                                yield item
                            tried = 0
                            if told_of_cuts:
                                yield None
                    finally:
                        socket.transport.abort()  # a goodbye would wait behind what nobody reads any more
            except VenueRefused as refused:
                if not refused.retryable:
                    raise
            except (Missed, *_CUT):
                pass
            await asyncio.sleep(self.persistence.pause(tried))
            tried += 1

    async def _drive(self, procedure: Generator[Send | Pause | Recall, Any, T]) -> T:
        came: Any = None
        while True:
            try:
                step = procedure.send(came)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            match step:
                case Send(call):
                    came = await self._send(call)
                case Pause(seconds, why):
                    if why and self._on_wait is not None:
                        self._on_wait(why)
                    await asyncio.sleep(seconds)
                    came = None
                case Recall(account, since):
                    came = await self._remember(account, since)

    async def _send(self, call: Call[Any]) -> Answered | Lost:
        if self._acting is not None and call.op[0]:
            return await self._acting.send(call)
        headers = {"content-type": "application/json"} if call.body else {}
        try:
            signer = await self._met()
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            return Lost(sent=False, why=f"{type(error).__name__} {error}".strip())
        try:
            if signer is not None:
                headers |= signer.headers(call.method, call.path, call.body)
            response = await self._http.request(call.method, call.path, content=call.body, headers=headers)
            told = answers.reply(response.content)
        except _NEVER_SENT as error:
            return Lost(sent=False, why=f"{type(error).__name__} {error}".strip())
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            return Lost(sent=True, why=f"{type(error).__name__} {error}".strip())
        wait = response.headers.get("retry-after", "")
        return Answered(told, response.status_code, float(wait) if wait.isdigit() else 0.0)

    async def _remember(self, account: int, since: int) -> Past | None:
        asked = Remembering(await self._signing(), account, since)
        with suppress(Missed, *_CUT):
            async with (
                asyncio.timeout(self.persistence.answer_s),
                self._socket() as socket,
            ):
                for said in asked.hello():
                    await socket.send(said, text=True)
                async for heard in socket:
                    past = asked.hear(heard)
                    if past is not None:
                        return past
        return None

    def _socket(self) -> connect:
        wait = self.persistence.answer_s
        return connect(
            self.ws_url, max_size=None, open_timeout=wait, close_timeout=min(wait, 0.2), **self._secured
        )

    @property
    def _secured(self) -> dict[str, Any]:
        return {} if self._tls is None else {"ssl": self._tls}

    async def _signing(self) -> Signer | None:
        """The signer; where the venue's id is not known yet, it is asked for as long as anything is."""
        if self._key is not None and self._signer is None:
            await self.status()
        return self._signer

    async def _met(self) -> Signer | None:
        """The signer, once the venue said its id."""
        if self._key is not None and self._signer is None:
            response = await self._http.get("/v1/status")
            status = answers.read(answers.Status, answers.reply(response.content).result)
            self._signer = Signer(status.venue, self._key)
        return self._signer


def leg(op: str, **args: Any) -> dict[str, Any]:
    """An operation inside a batch or a what-if. Raises SchemaError, UnitError."""
    return calls.leg(op, args)


def _order(
    orders: Orders,
    market: str,
    side: str,
    quantity: Amount,
    price: Amount | None,
    client_id: str | None,
    terms: dict[str, Any],
) -> tuple[str, dict[str, Any]]:
    """The operation that places an order, and its arguments."""
    name = (
        "place_order_full" if terms.keys() & {"expires_ns", "min_quantity", "self_trade"} else "place_order"
    )
    usual = {} if price is not None else {"kind": "market", "time_in_force": "ioc"}
    args = {"market": market, "side": side, "quantity": quantity, "price": price, **usual, **terms}
    return name, calls.arguments(name, {**args, "client_id": client_id or orders.next_id()})


def _named(orders: Orders, legs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The legs, every order among them with a client id."""
    return [
        {**one, "args": {"client_id": orders.next_id(), **one["args"]}} if one["op"] in steps.PLACING else one
        for one in legs
    ]


def _beside(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.hostname}:{port + 1}{LOGIN_PATH}"

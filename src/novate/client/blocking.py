"""The blocking client: the asyncio client on a thread of its own.

Responsible for: the same methods without `await`, and iterators that block. Never: anything that the asyncio client does not do.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from threading import Thread
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from novate.client import answers
from novate.client.aio import AsyncClient, Stream
from novate.client.answers import Done, Event, Price, Quote, Trade
from novate.client.book_orders import BookOrders
from novate.client.books import Book
from novate.client.calls import Amount, Call
from novate.client.feeds import Gap, TradesMissed
from novate.client.orders import Order, Orders
from novate.client.signing import Key
from novate.client.steps import Persistence

T = TypeVar("T")


class BlockingStream(Generic[T]):
    """Something to iterate over; `with` closes it at the end."""

    def __init__(
        self,
        stream: Stream[T],
        run: Callable[[Coroutine[Any, Any, Any]], Future[Any]],
        closed: Callable[[BlockingStream[Any]], None],
    ) -> None:
        self._stream, self._run, self._closed = stream, run, closed
        self._pending: Future[T] | None = None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        found = self.next(None)
        if found is None:
            raise StopIteration
        return found

    def next(self, seconds: float | None) -> T | None:
        """The next item, waited for so long; None when none came, and nothing is lost by that."""
        if self._pending is None:
            self._pending = self._run(_next(self._stream))
        try:
            found = self._pending.result(seconds)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            if self._pending.done():
                raise
            return None
        self._pending = None
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the subscription and its connection."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        self._run(_close(self._stream)).result()
        self._closed(self)


class Client:
    """A venue, for programs that block. Arguments and errors are those of `AsyncClient`. For any thread."""

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
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="novate-client", daemon=True)
        self._thread.start()
        self._streams: set[BlockingStream[Any]] = set()
        self._client = self._do(
            _made(
                url,
                key,
                ws_url=ws_url,
                persistence=persistence,
                by_socket=by_socket,
                tls=tls,
                on_wait=on_wait,
            )
        )

    @property
    def url(self) -> str:
        """Where the venue is."""
        return self._client.url

    @property
    def orders(self) -> Orders:
        """The orders of this client, by client id."""
        return self._client.orders

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections, streams included, and ends its thread."""
        if self._thread.is_alive():
            for stream in list(self._streams):
                stream.close()
            self._do(_end(self._client))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    # --- orders ---------------------------------------------------------------------------------------------------------

    def place(
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
        """See AsyncClient."""
        return self._do(
            self._client.place(account, market, side, quantity, price, client_id=client_id, **terms)
        )

    def amend(self, order: Order, price: Amount | None = None, quantity: Amount | None = None) -> Order:
        """See AsyncClient."""
        return self._do(self._client.amend(order, price, quantity))

    def cancel(self, order: Order) -> Order:
        """See AsyncClient."""
        return self._do(self._client.cancel(order))

    def find(self, client_id: str) -> Order | None:
        """See AsyncClient."""
        return self._do(self._client.find(client_id))

    def cancel_all(self, account: int, market: str | None = None) -> Done:
        """See AsyncClient."""
        return self._do(self._client.cancel_all(account, market))

    def cancel_after(self, account: int, seconds: float) -> Done:
        """See AsyncClient."""
        return self._do(self._client.cancel_after(account, seconds))

    def batch(self, account: int, legs: Sequence[dict[str, Any]]) -> Done:
        """See AsyncClient."""
        return self._do(self._client.batch(account, legs))

    # --- everything else that is done -----------------------------------------------------------------------------------

    def call(self, op: str, account: int | None = None, **args: Any) -> Done:
        """See AsyncClient."""
        return self._do(self._client.call(op, account, **args))

    def transfer(self, account: int, to: int, asset: str, amount: Amount) -> Done:
        """See AsyncClient."""
        return self._do(self._client.transfer(account, to, asset, amount))

    def withdraw(self, account: int, asset: str, amount: Amount) -> Done:
        """See AsyncClient."""
        return self._do(self._client.withdraw(account, asset, amount))

    def lend(self, account: int, asset: str, amount: Amount) -> Done:
        """See AsyncClient."""
        return self._do(self._client.lend(account, asset, amount))

    def recall(self, account: int, asset: str, amount: Amount) -> Done:
        """See AsyncClient."""
        return self._do(self._client.recall(account, asset, amount))

    # --- questions ------------------------------------------------------------------------------------------------------

    def account(self, account: int) -> answers.Account:
        """See AsyncClient."""
        return self._do(self._client.account(account))

    def margin(self, account: int) -> answers.Margin:
        """See AsyncClient."""
        return self._do(self._client.margin(account))

    def explain(self, account: int) -> answers.Explanation:
        """See AsyncClient."""
        return self._do(self._client.explain(account))

    def what_if(self, account: int, legs: Sequence[dict[str, Any]]) -> answers.WhatIf:
        """See AsyncClient."""
        return self._do(self._client.what_if(account, legs))

    def markets(self) -> list[answers.Market]:
        """See AsyncClient."""
        return self._do(self._client.markets())

    def market(self, market: str) -> answers.Market:
        """See AsyncClient."""
        return self._do(self._client.market(market))

    def assets(self) -> list[answers.Asset]:
        """See AsyncClient."""
        return self._do(self._client.assets())

    def prices(self) -> dict[str, Price]:
        """See AsyncClient."""
        return self._do(self._client.prices())

    def book(self, market: str, depth: int = 50) -> Book:
        """See AsyncClient."""
        return self._do(self._client.book(market, depth))

    def book_orders(self, market: str) -> BookOrders:
        """See AsyncClient."""
        return self._do(self._client.book_orders(market))

    def trades(self, market: str, limit: int = 100) -> list[Trade]:
        """See AsyncClient."""
        return self._do(self._client.trades(market, limit))

    def status(self) -> answers.Status:
        """See AsyncClient."""
        return self._do(self._client.status())

    def ask(self, path: str, **numbers: int) -> Any:
        """See AsyncClient."""
        return self._do(self._client.ask(path, **numbers))

    def request(self, call: Call[T]) -> T:
        """See AsyncClient."""
        return self._do(self._client.request(call))

    # --- streams --------------------------------------------------------------------------------------------------------

    def follow_book(self, market: str) -> BlockingStream[Book]:
        """See AsyncClient."""
        return self._opened(self._client.follow_book(market))

    def follow_book_orders(self, market: str) -> BlockingStream[BookOrders]:
        """See AsyncClient."""
        return self._opened(self._client.follow_book_orders(market))

    def follow_trades(self, market: str) -> BlockingStream[Trade | TradesMissed]:
        """See AsyncClient."""
        return self._opened(self._client.follow_trades(market))

    def follow_quotes(self, market: str) -> BlockingStream[Quote]:
        """See AsyncClient."""
        return self._opened(self._client.follow_quotes(market))

    def follow_prices(self, underlying: str | None = None) -> BlockingStream[Price]:
        """See AsyncClient."""
        return self._opened(self._client.follow_prices(underlying))

    def follow_status(self) -> BlockingStream[Event]:
        """See AsyncClient."""
        return self._opened(self._client.follow_status())

    def follow_liquidations(self) -> BlockingStream[Event]:
        """See AsyncClient."""
        return self._opened(self._client.follow_liquidations())

    def follow_account(self, account: int, resume_from: int | None = None) -> BlockingStream[Event | Gap]:
        """See AsyncClient."""
        return self._opened(self._client.follow_account(account, resume_from))

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _opened(self, stream: Stream[T]) -> BlockingStream[T]:
        blocking = BlockingStream(stream, self._run, self._streams.discard)
        self._streams.add(blocking)
        return blocking

    def _run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        future = self._run(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # also when the caller is interrupted: nothing goes on behind its back
            raise


async def _made(url: str, key: Key | None, **options: Any) -> AsyncClient:
    return AsyncClient(url, key, **options)


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)


async def _close(stream: Stream[Any]) -> None:
    for _ in range(100):
        try:
            await stream.aclose()
        except RuntimeError:  # its last step is still being cancelled
            await asyncio.sleep(0.01)
        else:
            return


async def _end(client: AsyncClient) -> None:
    await client.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

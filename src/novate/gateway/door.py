"""The parts of one gateway process, wired together, and what it says of itself.

Responsible for: composition; and keeping what is listed, whose accounts are whose, and the books in step with the venue's events. Never: a transport.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from novate._core import release
from novate.core_process.wire import Answered
from novate.gateway.actions import Actions
from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.gate import Gate
from novate.gateway.history import History
from novate.gateway.link import IN_FLIGHT, VenueLink
from novate.gateway.settings import GatewaySettings
from novate.gateway.streams import PUBLIC, Streams
from novate.identity import RULES, BudgetLimits, Budgets, Identity, IdentityRefused
from novate.keepers.alert_book import AlertBook
from novate.messages import AccountOpened, OwnershipMoved, iter_events, reports
from novate.schema.catalogue import Catalogue

T = TypeVar("T")

_TICK_S = 0.01
_AGAIN_S = 0.25
_LISTENED = (AccountOpened, OwnershipMoved)
_BOOK_LEVELS = 1000


class Door:
    """Everything that REST and WebSocket stand on. For one event loop."""

    def __init__(self, home: Path, identity: Identity, settings: GatewaySettings) -> None:
        self._home = home
        self.settings = settings
        self.epoch = settings.venue
        self.budgets = BudgetLimits().of_one_in(settings.gateways)
        self.link = VenueLink(home / "core.sock", home / "reader.sock", self._heard, self._missed)
        self.streams = Streams(self.epoch, lambda: self.catalogue)
        self.streams.on_listing = self._listed
        self.history = History(settings.database or f"sqlite:///{(home / 'readmodels.db').absolute()}")
        self.gate = Gate(identity, Budgets(self.budgets))
        self.actions = Actions(self.link, self.streams, self.gate)
        self._identity = identity
        self._tasks: set[asyncio.Task[Any]] = set()
        self.started_ns = time.time_ns()

    @property
    def catalogue(self) -> Catalogue:
        """Names and scales as of now. Raises GatewayRefused before the venue was reached."""
        if self.link.catalogue is None:
            raise GatewayRefused(Rule.VENUE_MUST_BE_REACHABLE)
        return self.link.catalogue

    async def alerts(self, question: Callable[[AlertBook], T]) -> T:
        """Asks the book of alerts and margin calls."""

        def asked() -> T:
            with AlertBook(self._home) as book:
                return question(book)

        return await asyncio.to_thread(asked)

    async def run(self) -> None:
        """Keeps everything in step until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run())
            tasks.create_task(self._tick())

    def status(self) -> dict[str, Any]:
        """Whether the venue takes commands, and as of when."""
        return {
            "venue": self.settings.venue,
            "release": release(),
            "development": self.settings.dev,
            "takes_commands": self.link.connected,
            "seq": self.link.sequence,
            "ts_ns": self.link.time_ns,
            "epoch": self.epoch,
        }

    def limits(self) -> dict[str, Any]:
        """What may be sent."""
        budgets = {
            name: {"per_second": limit.per_second, "burst": limit.burst}
            for name in ("key", "owner", "key_relief", "owner_relief", "address")
            if (limit := getattr(self.budgets, name))
        }
        return {
            "budgets": budgets,
            "body_bytes": self.settings.body_bytes,
            "batch_legs": 100,
            "subscriptions": self.settings.subscriptions,
            "unread_bytes": self.settings.unread_bytes,
            "commands_in_flight": IN_FLIGHT,
            "channels": [*PUBLIC, "account"],
        }

    def own_refusals(self) -> list[dict[str, Any]]:
        """The refusals of identity and gateway."""
        identity = [
            {"number": r.number, "code": r.label, "message": r.sentence, "retryable": r.retryable}
            for r in RULES.values()
        ]
        return identity + [
            {"number": r.number, "code": r.name.lower(), "message": r.sentence, "retryable": r.retryable}
            for r in Rule
        ]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.streams.tick(time.monotonic_ns() // 1_000_000)

    def _heard(self, frame: Answered) -> None:
        self.streams.feed(frame)
        for event in iter_events(frame.events, _LISTENED):
            if isinstance(event.body, AccountOpened):
                self._own(event.header.account, event.body.owner)
            elif isinstance(event.body, OwnershipMoved):
                self._later(self._learn_accounts)

    def _own(self, account: int, owner: int) -> None:
        store = self._identity.store
        try:
            store.assign_account(account, owner)
        except IdentityRefused:  # the first account of its owner
            store.add_owner(time.time_ns(), owner=owner)
            store.assign_account(account, owner)

    def _listed(self) -> None:
        self._later(self.link.renew_catalogue)

    def _missed(self, _: int) -> None:
        """Events may have been missed: books, owners and prices are asked for."""
        self.streams.missed()
        self._later(self._learn_books)
        self._later(self._learn_accounts)

    async def _learn_books(self) -> None:
        def books(engine: Any) -> dict[int, Any]:
            return {
                number: (reports.book(engine, number, _BOOK_LEVELS), engine.sequence)
                for number in self.catalogue.markets
            }

        found, _ = await self.link.ask(books)
        self.streams.begin({number: (*one, self.link.time_ns) for number, one in found.items()})
        lines, seq = await self.link.ask(reports.underlyings)
        markets, seq = await self.link.ask(reports.markets)
        self.streams.begin_prices(lines, markets, seq, self.link.time_ns)

    async def _learn_accounts(self) -> None:
        lines, _ = await self.link.ask(reports.accounts)
        known = self._identity.keyring.owner_of
        for line in lines:
            if line.owner and known(line.account) != line.owner:
                self._own(line.account, line.owner)

    def _later(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Does it, and again while the reader can't answer."""

        async def until_done() -> None:
            while True:
                try:
                    await work()
                except GatewayRefused:
                    await asyncio.sleep(_AGAIN_S)
                else:
                    return

        task = asyncio.ensure_future(until_done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

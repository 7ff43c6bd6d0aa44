"""The parts of one gateway process, wired together, and what it says of itself.

Responsible for: composition; and keeping what is listed, whose accounts are whose, and the books in step with the venue's events. Never: a transport.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from novate._core import release
from novate.core_process.recovering import told_of
from novate.core_process.shipping import read_shipping
from novate.core_process.wire import Answered
from novate.gateway.actions import Actions
from novate.gateway.admin import AdminDoor
from novate.gateway.backlog import Backlog
from novate.gateway.book_orders import CHANNEL, BookOrders
from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.gate import Gate
from novate.gateway.history import History
from novate.gateway.limits import UNPAID_BURST, UNPAID_PER_S
from novate.gateway.link import IN_FLIGHT, VenueLink
from novate.gateway.notices import Notices
from novate.gateway.ownership import Ownership
from novate.gateway.past_trades import PastTrades
from novate.gateway.settings import GatewaySettings
from novate.gateway.shared import Shared
from novate.gateway.streams import PUBLIC, Streams
from novate.identity import RULES, BudgetLimits, Budgets, Identity
from novate.identity.certificates import FOLDER
from novate.keepers.alert_book import AlertBook
from novate.messages import (
    AccountOpened,
    CorporateActionTaken,
    Listed,
    OwnershipMoved,
    ReceivableChanged,
    reports,
)
from novate.messages.reports.orders import RestingOrders
from novate.notices.feed import Feed
from novate.notices.records import Rule as NoticeRule
from novate.onboarding.refusals import Rule as OnboardingRule
from novate.onboarding.service import Onboarding
from novate.projections.location import url_of
from novate.reader_process import whole_book
from novate.schema.catalogue import Catalogue

T = TypeVar("T")

_TICK_S = 0.01
_AGAIN_S = 0.25
_SWEEP_S = 1.0
_log: Final = logging.getLogger("novate.gateway")
_BOOK_LEVELS = 1000


class Door:
    """Everything that REST and WebSocket stand on. For one event loop."""

    def __init__(self, home: Path, identity: Identity, settings: GatewaySettings) -> None:
        self._home = home
        self.settings = settings
        self.epoch = settings.venue
        self.budgets = BudgetLimits().of_one_in(settings.gateways)
        self.streams = Streams(self.epoch, lambda: self.catalogue)
        self.link = VenueLink(home / "core.sock", home / "reader.sock", self._heard, self._missed)
        for changes in (Listed, CorporateActionTaken, ReceivableChanged):
            self.streams.listen(changes, lambda _: self._later(self.link.renew_catalogue))
        self.ownership = Ownership(self.link, identity)
        self.streams.listen(AccountOpened, self.ownership.opened)
        self.streams.listen(OwnershipMoved, lambda _: self._later(self.ownership.learn))
        self.book_orders = BookOrders(self.epoch, lambda: self.catalogue, self._whole_book, self._later)
        self.history = History(url_of(home, settings.database))
        self.backlog = Backlog(self.streams, self.link, self.history)
        self.past_trades = PastTrades(self.streams, self.history, lambda: self.catalogue.markets)
        self.shared = Shared()
        self.gate = Gate(identity, Budgets(self.budgets), public=settings.surface == "public")
        self.admin = (
            AdminDoor(Path(settings.certificates or home / FOLDER)) if settings.surface == "admin" else None
        )
        self.actions = Actions(self.link, self.streams, self.gate, self.history)
        self._identity = identity
        self._tasks: set[asyncio.Task[Any]] = set()
        self.onboarding = Onboarding.open(home, identity, settings.database)
        self.notices = Notices(self, Feed.open(home, settings.database))
        self.started_ns = time.time_ns()

    @property
    def catalogue(self) -> Catalogue:
        """Names and scales as of now. Raises GatewayRefused before the venue was reached."""
        if self.link.catalogue is None:
            raise self.link.unreachable()
        return self.link.catalogue

    def teller(self, channel: str) -> Streams | BookOrders:
        """Who tells a public channel."""
        return self.book_orders if channel == CHANNEL else self.streams

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
            tasks.create_task(self._onboard())
            if self.admin is not None:
                tasks.create_task(self.admin.follow())
            tasks.create_task(self.notices.watch())

    def status(self) -> dict[str, Any]:
        """Whether the venue takes commands, and as of when; while its core recovers, how far it is."""
        shipping = read_shipping(self._home)
        return {
            "venue": self.settings.venue,
            "release": release(),
            "development": self.settings.dev,
            "takes_commands": self.link.takes_commands and not (shipping and shipping["refusing"]),
            "recovery": told_of(self.link.recovery()),
            "standby": shipping["state"] if shipping else None,
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
            "connections_per_address": self.settings.connections_per_address,
            "unpaid_messages": {"per_second": UNPAID_PER_S, "burst": UNPAID_BURST},
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
        mine = [
            {"number": r.number, "code": r.name.lower(), "message": r.sentence, "retryable": r.retryable}
            for r in (*Rule, *OnboardingRule, *NoticeRule)
        ]
        return identity + mine

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.streams.tick(time.monotonic_ns() // 1_000_000)
            self.book_orders.tick(time.monotonic())

    def _heard(self, frame: Answered) -> None:
        self.streams.feed(frame)
        self.book_orders.feed(frame)

    async def _onboard(self) -> None:
        """What is due of applications: completes what a kill left half done, looks for test deposits."""
        await self.link.ready()
        try:
            while True:
                try:
                    await asyncio.to_thread(self.onboarding.sweep, time.time_ns())
                except Exception:  # noqa: BLE001 - one application never ends the gateway
                    _log.exception("onboarding failed")
                await asyncio.sleep(_SWEEP_S)
        finally:
            self.onboarding.close()

    def _missed(self, sequence: int) -> None:
        """Events up to `sequence` may have been missed: books, owners and prices are asked for."""
        self.streams.missed()
        self.backlog.begins(sequence)
        self.past_trades.begins(sequence)
        self.book_orders.missed()
        self._later(self._learn_books)
        self._later(self.ownership.learn)
        self._later(self.past_trades.learn)

    async def _whole_book(self, market: int) -> RestingOrders:
        def asked(engine: Any) -> RestingOrders:
            return whole_book(engine, market)

        found, _ = await self.link.ask(asked)
        return found

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

"""The bridge as a process: an ordinary client of the venue around the machine, until it is asked to end.

It asks what any holder may ask, follows the account and the public prices, and sends orders and requests; `ASKED` is all of it.

Responsible for: the order of things. At a start, and again after whatever was not expected: the dead man's switch, every order of the
account cancelled, then what the account has, read between two marks in the account's events with nothing told in between. Never: a rule, or an
earlier look at anything.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from novate.bridge import hearing
from novate.bridge.day import Day, Stop, keep, restore
from novate.bridge.hedging import Mint
from novate.bridge.hours import closure
from novate.bridge.limits import Capacity, Purse
from novate.bridge.machine import Ask, Machine
from novate.bridge.orders import Amend, Cancel, Change, Place
from novate.bridge.settings import BridgeSettings, name_terms, span_ns, total_terms
from novate.bridge.story import Story
from novate.bridge.terms import NameTerms
from novate.broker.port import PrimaryMarket
from novate.calendar import new_york_date
from novate.client import AsyncClient, Gap, leg
from novate.client.answers import Account, Done, Event
from novate.client.errors import ClientError, VenueRefused
from novate.errors import ConfigError
from novate.keepers.health import write_health
from novate.messages.codes import Side
from novate.units import decimal

ASKED: Final = {
    "operations": frozenset(
        {"order_batch", "cancel_all", "cancel_after", "request_issuance", "request_redemption"}
    ),
    "questions": frozenset(
        {
            "/status",
            "/markets",
            "/assets",
            "/prices",
            "/capacity",
            "/accounts/{own}",
            "/accounts/{own}/requests",
        }
    ),
    "streams": frozenset({"account", "prices"}),
}
"""Everything that the bridge asks of the venue: operations of an account, public questions and those about its own account, streams."""

_UNSETTLING: Final = {
    "cancel_after_fired": "the dead man's switch fired",
    "position_adjusted": "a corporate action adjusted a position",
    "balance_adjusted": "a corporate action changed the number of tokens",
}
"""Events of the account after which everything is read anew."""

Clock = Callable[[], int]
_LOG: Final = logging.getLogger("novate.bridge")
_LEGS: Final = 50
_CASH_DECIMALS: Final = 6
_HEARD_S: Final = 5.0
_POLL_S: Final = 1.0
_STRIKES: Final = 3
_BACK_OFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)


class OutOfStep(Exception):
    """What was told does not fit what was known: it is all read anew."""


@dataclass(slots=True)
class _Counts:
    counts: Counter[str] = field(default_factory=Counter)
    last_refusal: str = ""


class Bridge:
    """One bridge.

    Args:
        home: Where it keeps its day, its stop and its health.
        settings: What it is told.
        client: The venue, as the bridge's account.
        primary: Who shows the primary market.
        clock: The venue's time.
    """

    def __init__(
        self, home: Path, settings: BridgeSettings, client: AsyncClient, primary: PrimaryMarket, clock: Clock
    ) -> None:
        self._home, self._settings, self._client, self._primary, self._clock = (
            home,
            settings,
            client,
            primary,
            clock,
        )
        self._account = settings.account
        self._day = Day(home)
        self._beat_s = span_ns(settings.beat, "beat") / 1e9
        self._silence_s = span_ns(settings.silence, "silence") / 1e9
        self._flatten = {one.symbol: span_ns(one.flatten, "flatten") for one in settings.name}
        self._closes = {one.symbol: one.hours == "exchange" for one in settings.name}
        self._machine: Machine | None = None
        self._known = False
        self._began = False
        """Whether something was known before."""
        self._date = ""
        self._reference = 0
        self._said = _Counts()
        self._strikes = self._failures = 0
        self._written_s = self._health_s = 0.0
        self._stops: tuple[Stop, ...] = ()
        self._ended = asyncio.Event()
        self._story = Story(self._tell)

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Until `end`. Raises ConfigError for settings that do not fit the venue, DataError for a kept day that can't be read."""
        self._machine = await self._made()
        self._restore()
        tasks = [
            asyncio.create_task(one) for one in (self._follow_account(), self._follow_prices(), self._poll())
        ]
        tasks.append(asyncio.create_task(self._stay_alive()))
        try:
            while not self._ended.is_set():
                for task in tasks:
                    if task.done():
                        task.result()
                await self._step(on_ready)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), self._beat_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(ClientError):
                self._story.replied((await self._client.cancel_all(self._account)).events)
            self._keep(at_once=True)

    def end(self) -> None:
        """Asks it to end: its orders are cancelled on the way out."""
        self._ended.set()

    # --- beginning -----------------------------------------------------------------------------------------------------

    async def _made(self) -> Machine:
        return Machine(await self._terms(), total_terms(self._settings.total), secrets.token_hex(4))

    async def _terms(self) -> list[NameTerms]:
        """As the venue lists markets and assets now. Raises ClientError; ConfigError for settings that do not fit."""
        markets = {one.name: one for one in await self._client.markets()}
        assets = {one.name: one for one in await self._client.assets()}
        cash = assets.get(self._settings.cash)
        if cash is None or cash.decimals != _CASH_DECIMALS:
            raise ConfigError(
                f"cash must be a stablecoin of {_CASH_DECIMALS} decimals, got {self._settings.cash}."
            )
        return [name_terms(one, markets, assets) for one in self._settings.name]

    def _restore(self) -> None:
        kept = self._day.read()
        if kept is None:
            return
        restore(self._it, kept)
        self._date, self._reference, self._began = kept.day, kept.reference, True
        self._story = Story(self._tell, kept.heard or None)

    @property
    def _it(self) -> Machine:
        assert self._machine is not None  # noqa: S101 - `run` made it
        return self._machine

    async def _learn(self) -> None:
        """What the account has, once none of its orders rests. Raises ClientError, OutOfStep."""
        machine = self._it
        await self._mark()
        done = await self._client.cancel_all(self._account)
        self._story.replied(done.events)
        machine.terms(await self._terms())
        await self._ask_prices()
        for _ in range(100):
            first = await self._mark()
            account = await self._client.account(self._account)
            requests = await self._client.ask(f"/accounts/{self._account}/requests")
            if account.orders:
                self._said.counts["unknown orders"] += len(account.orders)
                self._story.replied((await self._client.cancel_all(self._account)).events)
                continue
            if await self._mark() == first + 1:
                break
        else:
            raise OutOfStep("the account does not come to rest")
        names = machine.names.values()
        differ = machine.begin(
            {one.terms.symbol: hearing.holding(one.terms, account, requests) for one in names}
        )
        for symbol in differ if self._began else ():
            _LOG.warning("%s: the venue has something else than was known; what it has counts", symbol)
            self._said.counts["adopted"] += 1
        self._began = True
        self._take_account(account)
        self._roll_day()
        self._known, self._strikes = True, 0

    async def _mark(self) -> int:
        """Sets the dead man's switch, and hears it in the account's events: everything before it has been heard. Its number."""
        for _ in range(20):
            done = await self._client.cancel_after(self._account, self._silence_s)
            number = self._story.replied(done.events)
            if number and await self._story.reach(number, 0.5):
                return number
        raise OutOfStep("the account's events do not come")

    def _roll_day(self) -> None:
        today = new_york_date(self._clock()).isoformat()
        if today != self._date:
            self._it.new_day()
            self._date = today

    # --- what is heard -------------------------------------------------------------------------------------------------

    async def _follow_account(self) -> None:
        heard = self._story.heard
        async with self._client.follow_account(self._account, heard) as events:
            async for item in events:
                if isinstance(item, Gap):
                    self._story.skip(item.last)
                    self._lost("events of the account are not kept any more")
                else:
                    self._story.streamed(item)

    async def _follow_prices(self) -> None:
        async with self._client.follow_prices() as prices:
            async for told in prices:
                self._it.price(told.underlying, hearing.price(told))

    async def _poll(self) -> None:
        """Cash, excess and capacity, about once a second; and whether account, markets and tokens still are what is known."""
        while True:
            if self._known:
                try:
                    heard = self._story.heard
                    account = await self._client.account(self._account)
                    await self._ask_capacity()
                    terms = await self._terms()
                except ClientError as error:
                    self._lost(str(error))
                else:
                    self._take_account(account)
                    if heard == self._story.heard:
                        self._compare(account)
                    if terms != [name.terms for name in self._it.names.values()]:
                        self._lost("the venue lists other shares per token, or other steps")
            await asyncio.sleep(_POLL_S)

    async def _stay_alive(self) -> None:
        """Says again and again that it lives, while it knows what it does."""
        while True:
            await asyncio.sleep(self._silence_s / 3)
            if self._known:
                try:
                    done = await self._client.cancel_after(self._account, self._silence_s)
                    self._story.replied(done.events)
                except ClientError as error:
                    self._lost(str(error))

    def _tell(self, event: Event) -> None:
        for fact in hearing.heard(event):
            self._it.hear(fact)
        if event.event == "leg_refused":
            self._refused(str(event.data.code))
        if event.event == "balance_adjusted":
            self._renumbered(event.data.asset)
        if event.event in _UNSETTLING:
            self._lost(_UNSETTLING[event.event])

    def _renumbered(self, token: str) -> None:
        """The settings' base is in tokens of before: a person says what it is now."""
        for symbol, name in self._it.names.items():
            if name.terms.token == token:
                stop = Stop("tokens_renumbered", "bridge", self._clock(), hedges=False, symbol=symbol)
                self._it.stop(stop.reason, symbol=symbol, hedges=False)
                self._day.lose([stop])

    async def _ask_prices(self) -> None:
        for told in (await self._client.prices()).values():
            self._it.price(told.underlying, hearing.price(told))

    async def _ask_capacity(self) -> None:
        found: dict[str, dict[str, int]] = {}
        for line in await self._client.ask("/capacity"):
            way = "mint" if line["direction"] == "issue" else "redeem"
            found.setdefault(line["token"], {})[way] = hearing.micro(line["dollars"])
        for token, ways in found.items():
            self._it.capacity(token, Capacity(ways.get("mint", 0), ways.get("redeem", 0)))

    def _take_account(self, account: Account) -> None:
        cash = next((one for one in account.balances if one.asset == self._settings.cash), None)
        there = hearing.micro(cash.pledged - cash.reserved) if cash is not None else 0
        self._it.purse = Purse(there, hearing.micro(account.line.excess[0]))

    def _compare(self, account: Account) -> None:
        """Counts how often in a row the account has something else than is known: deposits, transfers, liquidations, corporate actions."""
        alike = all(
            hearing.holding(name.terms, account, ())[:2]
            == (name.inventory.tokens, _perps(name.inventory.perps, name.terms))
            for name in self._it.names.values()
        )
        self._strikes = 0 if alike else self._strikes + 1
        if self._strikes >= _STRIKES:
            self._lost("the account has something else than is known")

    # --- what is done --------------------------------------------------------------------------------------------------

    async def _step(self, on_ready: Callable[[], None]) -> None:
        try:
            self._look()
            if not self._known:
                await self._learn()
                await self._ask_capacity()
                on_ready()
            await self._act()
            self._failures = 0
        except (ClientError, OutOfStep) as error:
            self._lost(str(error))
            self._failures += 1
            wait_s = _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S)) - 1]
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), wait_s)
        self._keep()
        self._say()

    def _look(self) -> None:
        """Takes in the primary market, the calendar, and a stop."""
        machine, now = self._it, self._clock()
        for symbol, name in machine.names.items():
            book = self._primary.book(symbol)
            if book is not None:
                machine.book(book)
            else:
                name.book = None
            near = name.closure
            if self._closes[symbol] and (near is None or now >= near.until_ns):
                machine.closure(symbol, closure(now, self._flatten[symbol]))
        self._take_stops()

    def _take_stops(self) -> None:
        """Stops and goes on as the files say. One of a name that the settings no longer have is passed over."""
        said = self._day.stops()
        if said == self._stops:
            return
        self._it.resume()
        for one in said:
            if one.symbol and one.symbol not in self._it.names:
                _LOG.warning("%s is stopped (%s), and not in the settings", one.symbol, one.reason)
            else:
                self._it.stop(one.reason, symbol=one.symbol, hedges=one.hedges)
        self._stops = said

    async def _act(self) -> None:
        machine = self._it
        self._roll_day()
        actions = machine.act(self._clock())
        self._keep_losses()
        changes = [one for one in actions if not isinstance(one, Ask)]
        for at in range(0, len(changes), _LEGS):
            legs = [_leg(one) for one in changes[at : at + _LEGS]]
            self._said.counts["order changes"] += len(legs)
            await self._heard_all(await self._client.batch(self._account, legs))
            if not self._known:
                return
        for ask in (one for one in actions if isinstance(one, Ask)):
            await self._request(ask)

    async def _request(self, ask: Ask) -> None:
        self._reference = max(self._reference + 1, time.time_ns())
        self._keep(at_once=True)
        wish = ask.request
        if isinstance(wish, Mint):
            name, amount = "request_issuance", wish.cash
        else:
            step = self._it.names[ask.symbol].terms.token_step
            name, amount = "request_redemption", wish.tokens // step
        try:
            done = await self._client.call(
                name, self._account, token=wish.token, amount=amount, reference=self._reference
            )
        except VenueRefused as refused:
            self._refused(refused.rule)
            self._it.answered(ask.symbol, taken=False, now_ns=self._clock())
            return
        self._said.counts["requests"] += 1
        await self._heard_all(done)
        self._it.answered(ask.symbol, taken=True, now_ns=self._clock())

    async def _heard_all(self, done: Done) -> None:
        """Waits until everything up to a reply's events has been heard: nothing is decided on what is behind. Raises OutOfStep."""
        last = self._story.replied(done.events)
        if last and not await self._story.reach(last, _HEARD_S):
            raise OutOfStep("the account's events are behind")

    def _lost(self, why: str) -> None:
        """Nothing is known any more."""
        if self._known:
            _LOG.warning("reads everything anew: %s", why)
            self._said.counts["cuts"] += 1
            self._known = False
            self._it.cut()

    def _refused(self, rule: str) -> None:
        self._said.counts[f"refused {rule}"] += 1
        self._said.last_refusal = rule

    # --- what is left behind -------------------------------------------------------------------------------------------

    def _keep_losses(self) -> None:
        """A loss limit that was passed outlives the process."""
        losses = self._it.losses
        if losses:
            self._day.lose(
                [Stop(reason, "bridge", self._clock(), symbol=symbol) for symbol, reason in losses]
            )
            self._it.losses = []

    def _keep(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._date and self._story.heard and (at_once or now - self._written_s >= 1.0):
            self._written_s = now
            self._day.write(keep(self._it, self._date, self._story.heard, self._reference))

    def _say(self) -> None:
        now = time.monotonic()
        if now - self._health_s >= 1.0:
            self._health_s = now
            write_health(self._home, "bridge", self.values())

    def values(self) -> dict[str, Any]:
        """For health."""
        line = {
            "connected": self._known,
            "last_refusal": self._said.last_refusal,
            "counts": dict(sorted(self._said.counts.items())),
        }
        primary: dict[str, Any] = getattr(self._primary, "values", dict)()
        return {"line": line, "primary": primary, "heard": self._story.heard or 0, **self._it.values()}


def run_bridge(
    home: Path,
    settings: BridgeSettings,
    make_client: Callable[[], AsyncClient],
    primary: PrimaryMarket,
    clock: Clock,
    *,
    on_ready: Callable[[], None],
) -> None:
    """Runs a bridge until SIGTERM or SIGINT. Raises ConfigError, DataError."""

    async def run() -> None:
        async with make_client() as client:
            bridge = Bridge(home, settings, client, primary, clock)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, bridge.end)
            await bridge.run(_once(on_ready))

    asyncio.run(run())


def _once(ready: Callable[[], None]) -> Callable[[], None]:
    told = False

    def tell() -> None:
        nonlocal told
        if not told:
            told = True
            ready()

    return tell


def _perps(known: dict[str, int], terms: Any) -> dict[str, int]:
    return {one.name: known.get(one.name, 0) for one in terms.markets if not one.spot}


def _leg(change: Change) -> dict[str, Any]:
    match change:
        case Place():
            return leg(
                "place_order", market=change.market, side="bid" if change.side == Side.BID else "ask",
                price=decimal(change.price, 9), quantity=decimal(change.quantity, 9), post_only=True, client_id=change.client_id,
            )  # fmt: skip
        case Amend():
            return leg(
                "amend_order",
                client_id=change.client_id,
                price=decimal(change.price, 9),
                quantity=decimal(change.quantity, 9),
            )
        case Cancel():
            return leg("cancel_order", client_id=change.client_id)

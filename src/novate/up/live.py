"""A recorded crash as a venue that people trade on: prices, sessions and time at a chosen speed, the demo's people through the API.

Responsible for: the venue's beginning at the scenario's start, its clock, and the people's doings. They see the public market and trade through the
WebSocket like any stranger; only their own events tell them what became of it. Never: a privilege, or the same hash twice: a live venue
promises the replay of its own journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from novate.config import Listing
from novate.core_process import CoreGone
from novate.core_process.aio import AsyncCoreClient
from novate.demo.cast import Casting
from novate.demo.market import WANTED, Market
from novate.demo.participants import Participant
from novate.demo.run import arrival, first_prices, listing_of, opening_state
from novate.errors import ConfigError
from novate.keepers.pace import Pace
from novate.marketdata import Scenario
from novate.messages import Command, CommandRefused, PlaceOrder, encode, explain, iter_events
from novate.reader_process import ReaderClient
from novate.schema.catalogue import Catalogue
from novate.schema.outcomes import wish
from novate.venue import Venue

_log: Final = logging.getLogger("novate.people")
BEAT_NS: Final = 5_000_000_000
"""People act so often in the venue's time, and ten times a second at most."""
_FASTEST_S: Final = 0.1


def begin_live(home: Path, scenario: Scenario, speed: str, data: str = "") -> Path:
    """Begins a venue that plays the scenario at a speed; returns the keepers' file. Raises ConfigError, with nothing begun, for what can't be."""
    listing = listing_of(scenario)
    pace = Pace.begin(scenario.start_ns, speed)
    people = Casting(listing, scenario, first_prices(scenario)).cast().people
    home.mkdir(parents=True, exist_ok=True)
    at = scenario.start_ns
    with Venue.open(home, at) as venue:
        parts = [encode(c, time_ns=at) for c in (*listing.commands, *opening_state(listing, scenario))]
        for person in people:
            parts += [encode(c, account=person.account, time_ns=at) for c in arrival(listing, person)]
        for event in iter_events(venue.submit_stamped(b"".join(parts)), (CommandRefused,)):
            if isinstance(event.body, CommandRefused):
                raise ConfigError(f"The engine refuses the scenario's beginning: {explain(event.body)}")
    pace.write(home)
    settings = home / "keepers.toml"
    settings.write_text(
        f'[recorded]\nscenario = "{scenario.name}"\ndata = "{data}"\n\n[alerts]\nsweep = "60 s"\n',
        encoding="utf-8",
    )
    return settings


def run_people(home: Path, scenario: Scenario, ws_url: str, on_ready: Callable[[], None]) -> None:
    """The demo's people, through the WebSocket at `ws_url`, until the scenario ends or a signal comes."""
    asyncio.run(_People(home, scenario).run(ws_url, on_ready))


class _People:
    def __init__(self, home: Path, scenario: Scenario) -> None:
        self._home, self._end_ns = home, scenario.end_ns
        self._listing: Listing = listing_of(scenario)
        self._people = Casting(self._listing, scenario, first_prices(scenario)).cast().people
        self._market = Market(self._listing, time_ns=scenario.start_ns)
        self._pace = Pace.read(home)
        self._market_of_client: dict[tuple[int, bytes], int] = {}
        self._catalogue: Catalogue | None = None
        self._said = 0

    async def run(self, ws_url: str, on_ready: Callable[[], None]) -> None:
        with ReaderClient.connect(self._home / "reader.sock") as reader:
            self._catalogue = Catalogue.of(reader)
        watching = asyncio.create_task(self._watch())
        try:
            async for socket in connect(ws_url, max_size=None):
                on_ready()
                with suppress(ConnectionClosed):
                    await self._act(socket)
                    return
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        """The public market, and what became of the people's orders."""
        while True:
            with suppress(CoreGone):
                async with await AsyncCoreClient.connect(self._home / "core.sock", events=True) as core:
                    async for frame in core.events():
                        for event in iter_events(frame.events, WANTED):
                            self._market.see(event)
            await asyncio.sleep(_FASTEST_S)

    async def _act(self, socket: ClientConnection) -> None:
        reading = asyncio.create_task(_drain(socket))
        try:
            while self._pace() < self._end_ns:
                self._market.time_ns = self._pace()
                for person in self._people:
                    for command in person.act(self._market):
                        await socket.send(self._message(person, command))
                await asyncio.sleep(max(self._pace.real_s(BEAT_NS), _FASTEST_S))
        finally:
            reading.cancel()

    def _message(self, person: Participant, command: Command) -> bytes:
        client: Any = getattr(command, "client_id", b"")
        if isinstance(command, PlaceOrder):
            self._market_of_client[person.account, client] = command.market
        assert self._catalogue is not None  # noqa: S101 - `run` made it
        op, args = wish(
            self._catalogue, command, lambda _: self._market_of_client.get((person.account, client), 0)
        )
        self._said += 1
        return msgspec.json.encode({"op": op, "id": self._said, "account": str(person.account), "args": args})


async def _drain(socket: ClientConnection) -> None:
    """Reads replies: what became of an order is in the market's events, but a rule that is broken is told once."""
    known: set[int] = set()
    with suppress(ConnectionClosed):
        async for message in socket:
            error = msgspec.json.decode(message).get("error")
            if error and error["number"] not in known:
                known.add(error["number"])
                _log.warning("refused, %s (%s): %s", error["code"], error["number"], error["message"])

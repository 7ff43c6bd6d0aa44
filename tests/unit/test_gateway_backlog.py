"""The hand-over from what was told before to what is told live: whatever happens in between, every event once and in order."""

import asyncio
import random
from collections import deque
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_event_log import World

from novate._core import Engine
from novate.core_process.wire import Answered
from novate.event_log import EventLog, EventLogPlan
from novate.gateway import backlog as backlog_module
from novate.gateway import streams as streams_module
from novate.gateway.backlog import Backlog
from novate.gateway.errors import GatewayRefused
from novate.gateway.streams import Streams
from novate.journal.scan import START
from novate.projections import queries, schema
from novate.projections.store import Store
from novate.reader_process import Recalled
from novate.schema.catalogue import Catalogue

LISTED = Catalogue.of(Engine())


class Hears:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.cut = False

    def tell(self, message: bytes) -> bool:
        self.numbers.append(msgspec.json.decode(message)["account_seq"])
        return True

    def cut_off(self, why: str) -> None:
        del why
        self.cut = True


class Simulated:
    """A venue whose core, reader and gateway are in step as far as chance has it."""

    def __init__(self, directory: Path, seed: int, kept: int) -> None:
        self.chance = random.Random(seed)
        self.world = World(seed)
        self.log = EventLog(directory, EventLogPlan(segment_bytes=self.chance.choice((1, 2_000, 1 << 20))))
        self.log.begin(START)
        self.streams = Streams("sim", lambda: LISTED)
        self.kept = kept
        self._to_reader: deque = deque()
        self._to_gateway: deque = deque()
        self.heard = 0
        self.backlog = Backlog(self.streams, self, None)

    def happens(self) -> None:
        before = self.world.position.sequence
        events, end = self.world.frame(self.chance.randrange(1, 4))
        self._to_reader.append((events, end))
        self._to_gateway.append(Answered(0, before + 1, end.sequence - before, end.time_ns, events))

    def reader_applies(self) -> bool:
        if self._to_reader:
            self.log.append(*self._to_reader.popleft())
        return bool(self._to_reader)

    def gateway_hears(self) -> None:
        if self._to_gateway:
            frame = self._to_gateway.popleft()
            self.streams.feed(frame)
            self.heard = frame.first_sequence + frame.commands - 1

    def core_begins_anew(self) -> None:
        """What the gateway had not heard yet is lost to it."""
        self._to_gateway.clear()
        self.streams.missed()
        self.backlog.begins(self.world.position.sequence)
        self.heard = self.world.position.sequence

    def a_while(self) -> None:
        """What may happen while somebody waits; after enough of it all is quiet, so that it ends."""
        for _ in range(self.chance.randrange(5)):
            if self.world.position.sequence > 400:
                self.gateway_hears()
                continue
            self.chance.choice((self.happens, self.reader_applies, self.gateway_hears, self.gateway_hears))()

    async def recall(self, account: int, after: int, most: int, min_seq: int) -> Recalled:
        self.a_while()
        await asyncio.sleep(0)
        while self.log.end.sequence < min_seq:
            self.reader_applies()
        page = self.log.account(account, after, min(most, self.chance.randrange(1, 40)))
        end = self.log.end
        found = Recalled(
            1,
            end.sequence,
            end.time_ns,
            False,
            page.how_many,
            page.oldest,
            page.last,
            self.log.first_sequence,
            page.events,
        )
        if self.chance.random() < 0.1 and self.world.position.sequence < 400:
            self.core_begins_anew()
        self.a_while()
        return found

    async def room(self) -> None:
        self.a_while()
        await asyncio.sleep(0)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), kept=st.sampled_from([1, 3, 20, 10_000]))
def test_every_event_is_told_once_and_in_order_wherever_it_comes_from(tmp_path_factory, seed, kept):
    venue = Simulated(tmp_path_factory.mktemp("log"), seed, kept)
    chance = venue.chance

    async def run() -> None:
        for _ in range(chance.randrange(1, 40)):
            venue.happens()
        venue.core_begins_anew()
        for _ in range(chance.randrange(40)):
            venue.a_while()
        told = len(venue.world.told[7])
        after = chance.randrange(told + 1)
        hears, begun = Hears(), []
        following = asyncio.ensure_future(venue.backlog.follow(7, after, hears, begun.append, venue.room))
        while not following.done():
            venue.a_while()
            await asyncio.sleep(0)
        await following
        assert len(begun) == 1
        joined = not hears.cut
        for _ in range(5):
            venue.happens()
        while venue._to_gateway:
            venue.gateway_hears()
        last = len(venue.world.told[7])
        assert hears.numbers == list(range(after + 1, after + 1 + len(hears.numbers))), "a gap, or one twice"
        if joined and not hears.cut:
            assert after + len(hears.numbers) == last

    before, at_once = streams_module.KEPT_EVENTS, backlog_module.AT_ONCE
    streams_module.KEPT_EVENTS, backlog_module.AT_ONCE = kept, chance.choice((1, 4, 100))
    try:
        asyncio.run(run())
    finally:
        streams_module.KEPT_EVENTS, backlog_module.AT_ONCE = before, at_once
        venue.log.close()


class Rows:
    """Read models, as a gateway asks them."""

    def __init__(self, store: Store, sequence: int) -> None:
        self._store, self._sequence = store, sequence

    async def reached(self, sequence: int) -> None:
        assert sequence <= self._sequence

    async def ask(self, query, *args):
        return query(self._store.connection, *args), self._sequence


def filled(store: Store, world: World, numbers: range, account: int = 7) -> Rows:
    rows = [(account, n, world.told[account][n - 1]) for n in numbers]
    store._append(schema.account_events, rows)
    return Rows(store, world.position.sequence)


def test_what_is_older_than_the_log_comes_from_the_read_models_and_else_the_oldest_is_named(tmp_path):
    async def run() -> None:
        venue = Simulated(tmp_path / "log", 5, 10)
        venue.log.close()
        for _ in range(40):
            venue.happens()
        venue.log = EventLog(tmp_path / "late")
        events, end = venue._to_reader[25]
        venue.log.begin(end)
        for events, end in list(venue._to_reader)[26:]:
            venue.log.append(events, end)
        venue._to_reader.clear()
        venue.core_begins_anew()
        oldest = venue.log.account(7, 0, 1).oldest
        assert oldest > 3
        hears = Hears()
        with pytest.raises(GatewayRefused) as refused:
            await venue.backlog.follow(7, 1, hears, lambda _: None, venue.room)
        assert refused.value.broken.number == 2061 and refused.value.limit == oldest
        assert str(oldest) in refused.value.sentence and not hears.numbers
        with Store.open(f"sqlite:///{tmp_path}/rows.db") as store:
            rows = filled(store, venue.world, range(1, len(venue.world.told[7]) + 1))
            venue.backlog = Backlog(venue.streams, venue, rows)
            venue.backlog.begins(venue.world.position.sequence)
            await venue.backlog.follow(7, 1, hears, lambda _: None, venue.room)
            venue.happens()
            while venue._to_gateway:
                venue.gateway_hears()
            assert hears.numbers == list(range(2, len(venue.world.told[7]) + 1))
            with pytest.raises(GatewayRefused):
                await venue.backlog.events(2, 0, 10)
        venue.log.close()

    asyncio.run(run())


def test_without_a_log_the_read_models_alone_say_what_was_told(tmp_path):
    async def run() -> None:
        venue = Simulated(tmp_path / "log", 6, 10)

        async def none(*_: object) -> None:
            return None

        venue.recall = none
        for _ in range(30):
            venue.happens()
        venue.core_begins_anew()
        told = venue.world.told[7]
        with Store.open(f"sqlite:///{tmp_path}/rows.db") as store:
            venue.backlog = Backlog(venue.streams, venue, filled(store, venue.world, range(4, len(told) + 1)))
            venue.backlog.begins(venue.world.position.sequence)
            found = await venue.backlog.events(7, 3, 10**4)
            assert found.events == told[3:]
            found = await venue.backlog.events(7, len(told), 10)
            assert found == ([], len(told), venue.world.position.sequence)
            with pytest.raises(GatewayRefused):
                await venue.backlog.events(7, 2, 10)
            assert queries.account_events(store.connection, 7, 5, 3) == (told[5:8], len(told))
        venue.log.close()

    asyncio.run(run())


def test_a_number_that_is_ahead_is_waited_for_and_refused_in_the_end(tmp_path, monkeypatch):
    async def run() -> None:
        venue = Simulated(tmp_path / "log", 8, 10_000)
        for _ in range(10):
            venue.happens()
        venue.core_begins_anew()
        ahead, hears = len(venue.world.told[7]) + 4, Hears()
        following = asyncio.ensure_future(venue.backlog.follow(7, ahead, hears, lambda _: None, venue.room))
        while len(venue.world.told[7]) < ahead + 3:
            venue.happens()
        while venue._to_gateway:
            venue.gateway_hears()
            await asyncio.sleep(0)
        await following
        assert hears.numbers == list(range(ahead + 1, len(venue.world.told[7]) + 1))
        monkeypatch.setattr(backlog_module, "_AHEAD_S", 0.1)
        with pytest.raises(GatewayRefused):
            await venue.backlog.follow(7, 10**9, Hears(), lambda _: None, venue.room)
        venue.log.close()

    asyncio.run(run())

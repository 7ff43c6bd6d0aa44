"""The projector as a process: it follows a real core, is killed at random moments, and holds the same rows on SQLite and PostgreSQL.

Run as a program, this file is the projector that gets killed.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from novate.core_process import CoreClient, CoreServer
from novate.messages import AdvanceTime, encode, iter_events
from novate.projections import queries, schema, statements
from novate.projections.store import OtherJournal, connect
from novate.projector import Lag, project, run_projector
from novate.venue import Venue
from projecting import MIX, differences, dump, has_postgres, postgres, world_home
from worlds import START_NS, World

KILLS = 4


class Clock:
    """Journal time as the world has it."""

    def __init__(self) -> None:
        self.now = START_NS

    def __call__(self) -> int:
        return self.now


@contextmanager
def serving(home: Path, clock: Clock):
    """A core in a thread; yields its venue and its socket."""
    venue = Venue.open(home, clock=clock, pipelined=True, segment_bytes=400_000)
    path = home / "core.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    server = CoreServer(venue.sequencer, listener)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield venue, path
    finally:
        server.stop()
        thread.join(20)
        venue.close()
        path.unlink()


class LiveWorld:
    """A world that speaks through the core's socket."""

    def __init__(self, venue: Venue, path: Path, clock: Clock, seed: int) -> None:
        self.client = CoreClient.connect(path)
        self.clock = clock

        def send(command, account, time_ns):
            clock.now = max(clock.now, time_ns)
            return list(iter_events(self.client.submit(encode(command, account=account)).events))

        self.world = World(seed, venue.engine, send, mix=MIX)
        self.world.found(release=False)


@contextmanager
def projecting(home: Path, url: str, **options):
    """A projector in a thread; yields the list of its lags."""
    stop, ready, lags, raised = threading.Event(), threading.Event(), [], []

    def run():
        try:
            run_projector(
                home, home / "core.sock", url, on_ready=ready.set, on_lag=lags.append, stop=stop, **options
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails by it
            raised.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(20)
        yield lags
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
        assert raised == []


def wait_for(lags: list[Lag], sequence: int) -> None:
    end = time.monotonic() + 20
    while not (lags and lags[-1].sequence >= sequence):
        assert time.monotonic() < end, lags[-1:]
        time.sleep(0.01)


def sqlite(directory: Path) -> str:
    return f"sqlite:///{directory}/models.db"


@pytest.fixture(scope="module")
def server():
    if not has_postgres():
        pytest.skip("POSTGRESQL IS NOT INSTALLED: read models were not tested on it")
    # Not below the private directory of the test run: the server runs as another user.
    directory = Path("/tmp") / f"novate-postgres-{os.getpid()}"
    with postgres(directory) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty database, on each of the two."""
    if request.param == "sqlite":
        return sqlite(tmp_path)
    target = request.getfixturevalue("server")
    engine = connect(target)
    schema.metadata.drop_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
    engine.dispose()
    return target


def test_what_a_live_venue_tells_is_in_the_rows_and_a_rebuild_gives_the_same(tmp_path, url):
    clock = Clock()
    with serving(tmp_path, clock) as (venue, path):
        live = LiveWorld(venue, path, clock, seed=3)
        with projecting(tmp_path, url) as lags:
            live.world.steps(500)
            wait_for(lags, venue.sequence)
            assert lags[-1].commands == 0
            assert lags[-1].connected
        last = venue.sequence
        live.client.close()
    rows = dump(url)
    assert rows["position"][0][1] == last
    assert len(rows["fills"]) > 10
    rebuilt = f"sqlite:///{tmp_path}/rebuilt.db"
    project(tmp_path, rebuilt, until=last)
    assert dump(rebuilt) == rows
    engine = connect(url)
    with engine.connect() as connection:
        assert differences(connection, tmp_path) == {}
    engine.dispose()


def test_killed_at_random_moments_it_goes_on_to_the_same_rows(tmp_path, url):
    clock, dice = Clock(), random.Random(5)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    with serving(tmp_path, clock) as (venue, path):
        live = LiveWorld(venue, path, clock, seed=4)
        killed = 0
        for _ in range(KILLS):
            process = subprocess.Popen(
                [sys.executable, __file__, str(tmp_path), str(path), url],
                stdout=subprocess.PIPE,
                env=environment,
            )
            assert process.stdout is not None
            with process:
                assert process.stdout.readline() == b"ready\n"
                end = time.monotonic() + dice.uniform(0.02, 0.25)
                while time.monotonic() < end:
                    live.world.steps(10)
                if dice.random() < 0.5:
                    venue.sequencer.snapshot()
                process.send_signal(signal.SIGKILL)
            killed += process.returncode == -signal.SIGKILL
            live.world.steps(20)
        assert killed == KILLS
        with projecting(tmp_path, url) as lags:
            live.world.steps(50)
            wait_for(lags, venue.sequence)
        last = venue.sequence
        live.client.close()
    rebuilt = f"sqlite:///{tmp_path}/rebuilt.db"
    project(tmp_path, rebuilt, until=last)
    assert dump(url) == dump(rebuilt)


def test_statements_and_questions_say_the_same_on_both(tmp_path, server):
    home = world_home(tmp_path / "home", 8, 900)
    answers = []
    for target in (sqlite(tmp_path), server):
        project(home, target, rebuild=True)
        engine = connect(target)
        with engine.connect() as connection:
            cuts = connection.execute(
                select(schema.samples.c.boundary_ns).where(schema.samples.c.full == 1)
            ).scalars()
            first, *_, last = sorted(cuts)
            period = statements.Period("all", first, last, "UTC")
            answers.append(
                [
                    (
                        statements.statement(connection, account, period),
                        statements.confirms(connection, account, period),
                        queries.orders(connection, account, limit=queries.MOST),
                        queries.ledger(connection, account, after=(100,), limit=50, newest=True),
                        queries.margin_history(connection, account, limit=50),
                        queries.balances(connection, account, 500),
                        queries.liquidations(connection, account),
                    )
                    for account in statements.accounts(connection)
                ]
            )
        engine.dispose()
    assert answers[0] == answers[1]
    assert any(answer[0].fills for answer in answers[0])


def test_a_projector_that_falls_behind_is_not_waited_for_and_catches_up(tmp_path):
    """With room for next to nothing it hangs up again and again, and reads the journal instead."""
    clock = Clock()
    target = sqlite(tmp_path)
    with serving(tmp_path, clock) as (venue, path):
        live = LiveWorld(venue, path, clock, seed=6)
        with projecting(tmp_path, target, waiting_bytes=1, batch_rows=5) as lags:
            slowest = 0.0
            for _ in range(40):
                begun = time.monotonic()
                live.world.steps(5)
                slowest = max(slowest, time.monotonic() - begun)
            assert slowest < 5
            end = time.monotonic() + 30
            while lags[-1].sequence < venue.sequence and time.monotonic() < end:
                live.world.submit(AdvanceTime())
                time.sleep(0.2)
        last = lags[-1].sequence
        live.client.close()
    rebuilt = f"sqlite:///{tmp_path}/rebuilt.db"
    project(tmp_path, rebuilt, until=last)
    assert dump(target) == dump(rebuilt)


def test_it_waits_for_a_core_that_is_away_and_finds_it_again(tmp_path):
    clock, target = Clock(), sqlite(tmp_path)
    with serving(tmp_path, clock) as (venue, path):
        live = LiveWorld(venue, path, clock, seed=9)
        live.world.steps(20)
        live.client.close()
        project(tmp_path, target, until=venue.sequence)
    stop, lags = threading.Event(), []
    thread = threading.Thread(
        target=run_projector,
        args=(tmp_path, tmp_path / "core.sock", target),
        kwargs={"on_lag": lags.append, "stop": stop},
    )
    thread.start()
    for _ in range(2):
        with serving(tmp_path, clock) as (venue, path):
            with CoreClient.connect(path) as client:
                client.submit(encode(AdvanceTime()))
            wait_for(lags, venue.sequence)
        end = time.monotonic() + 10
        while lags[-1].connected and time.monotonic() < end:
            time.sleep(0.05)
        assert not lags[-1].connected
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_sigterm_ends_it(tmp_path):
    clock = Clock()
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    with serving(tmp_path, clock) as (_, path):
        process = subprocess.Popen(
            [sys.executable, __file__, str(tmp_path), str(path), sqlite(tmp_path)],
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert process.stdout is not None
        with process:
            assert process.stdout.readline() == b"ready\n"
            process.terminate()
            assert process.wait(10) == 0


def test_rows_of_another_journal_are_not_mixed_in(tmp_path):
    one, other = world_home(tmp_path / "one", 1, 5), world_home(tmp_path / "other", 2, 5)
    project(one, sqlite(tmp_path))
    with pytest.raises(OtherJournal):
        project(other, sqlite(tmp_path))


if __name__ == "__main__":
    home, path, target = sys.argv[1:]
    run_projector(home, path, target, on_ready=lambda: os.write(1, b"ready\n"), batch_rows=20)

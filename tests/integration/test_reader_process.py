"""The reader process behind a real core: the same state at the same command, whatever happens to either, and answers that say of when."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
import test_quarantine as quarantined
from test_core_process import numbered, raw, send_until_killed, serving, started

from novate._core import Engine, ruleset
from novate.core_process import CoreClient, CoreGone, Limits
from novate.core_process.wire import HEAD, RecordReader
from novate.errors import ConfigError, EngineHalted, JournalError, ReleaseMismatch
from novate.journal import Walk, verify_journal, walk_journal
from novate.journal.log import FileLog
from novate.journal.snapshots import snapshot_paths
from novate.messages import CommandRefused, OpenAccount, PlaceOrder, Side, encode, iter_events, reports, split
from novate.reader import Reader
from novate.reader_process import (
    AsyncReaderClient,
    BadQuestion,
    Follower,
    NotTold,
    ReaderClient,
    ReaderGone,
    ReaderLimits,
    ReaderServer,
    SnapshotPlan,
    Why,
    wire,
)
from novate.reader_process import server as reader_server
from novate.venue import Venue
from venues import START_NS, open_plain_venue


def account_question(account: int) -> bytes:
    return msgspec.msgpack.encode([reports._ACCOUNT, account])


UNKNOWN = msgspec.msgpack.encode([65_000])
MARKETS = msgspec.msgpack.encode([5])


@contextmanager
def reading(home: Path, **options):
    """A reader in a thread of this process; yields the server once it listens. What it raised is in `server.raised`."""
    path, ready = home / "reader.sock", threading.Event()
    server = ReaderServer(
        home,
        home / "core.sock",
        lambda: reader_server.listen_on(path),
        on_ready=lambda _: ready.set(),
        **options,
    )
    server.raised, server.path = [], path

    def run():
        try:
            server.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, a test looks at it
            server.raised.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(20)
        yield server
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()
        path.unlink(missing_ok=True)


def eventually(true, within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.002)


def caught_up(server: ReaderServer, sequence: int) -> bool:
    return not server.stale and server.follower.position.sequence >= sequence


def listed() -> bytes:
    """A venue with markets and two rich accounts."""
    return b"".join(open_plain_venue({1: 1, 2: 2}).sent[1:])


def order(account: int, side: int, price: int) -> bytes:
    return encode(PlaceOrder(market=1, side=side, price=price, lots=1), account=account)


def replayed_hash(home: Path, sequence: int) -> bytes:
    return Reader(home).at(sequence=sequence).engine.state_hash()


# --- answers ------------------------------------------------------------------------------------------------------------


def test_every_report_is_what_the_journal_says_at_the_sequence_it_is_of(tmp_path):
    asked = [
        reports.accounts, reports.underlyings, reports.markets, reports.ledger, reports.liquidity,
        lambda one: reports.account(one, 1), lambda one: reports.margin(one, 1), lambda one: reports.book(one, 1),
        lambda one: reports.distance(one, 1),
    ]  # fmt: skip
    with serving(tmp_path) as (path, _), CoreClient.connect(path) as core, reading(tmp_path) as server:
        core.submit(listed())
        last = core.submit(order(1, Side.BID, 9_900))
        with ReaderClient.connect(server.path) as reader:
            reader.min_seq = last.first_sequence
            told = [report(reader) for report in asked]
            assert (reader.sequence, reader.time_ns, reader.stale) == (
                last.first_sequence,
                last.time_ns,
                False,
            )
        moment = Reader(tmp_path).at(sequence=last.first_sequence)
        assert told == [report(moment.engine) for report in asked]
        assert server.follower.engine.state_hash() == moment.engine.state_hash()


def test_a_bad_question_is_the_value_error_an_engine_raises_and_the_next_one_is_answered(tmp_path):
    with serving(tmp_path), reading(tmp_path) as server, ReaderClient.connect(server.path) as reader:
        for bad in (UNKNOWN, b"", b"\xc1", b"x" * 100):
            with pytest.raises(ValueError) as of_engine:
                Engine().query(bad)
            with pytest.raises(ValueError) as refused:
                reader.query(bad)
            assert isinstance(refused.value, BadQuestion) and str(refused.value) == str(of_engine.value)
        with pytest.raises(BadQuestion):
            reader.ask(MARKETS, UNKNOWN)
        assert len(reader.ask(MARKETS, MARKETS).answers) == 2
        with pytest.raises(NotTold, match="the reader takes at most"):
            reader.query(bytes(1 << 21))
        assert reports.markets(reader) == ()


def test_a_least_sequence_is_waited_for_and_given_up_in_time(tmp_path):
    with serving(tmp_path) as (path, _), CoreClient.connect(path) as core, reading(tmp_path) as server:  # noqa: SIM117 - the core's part, then the askers'
        with ReaderClient.connect(server.path) as reader, ReaderClient.connect(server.path) as other:
            reader.min_seq, reader.wait_s = 5, 0.05
            before = time.monotonic()
            with pytest.raises(NotTold, match="Command 5 was not applied in time") as why:
                reports.accounts(reader)
            assert why.value.facts["why"] == Why.NOT_REACHED
            assert 0.05 <= time.monotonic() - before < 5
            later = threading.Timer(0.1, lambda: core.submit(numbered(1, 4)))
            reader.wait_s = 20.0
            later.start()
            reports.accounts(reader)
            assert reader.sequence == 5
            reports.accounts(other)
            assert other.sequence == 5
            later.join()


def test_a_what_if_says_what_submitting_does_and_leaves_no_trace(tmp_path):
    crossing = order(1, Side.ASK, 10_000) + order(2, Side.BID, 10_000) + order(9, Side.BID, 10_000)
    account = account_question(2)
    with serving(tmp_path) as (path, _), CoreClient.connect(path) as core, reading(tmp_path) as server:
        last = core.submit(listed())
        with ReaderClient.connect(server.path) as reader:
            reader.min_seq = last.first_sequence + last.commands - 1
            reports.accounts(reader)
            before = server.follower.engine.state_hash()
            foretold = reader.what_if(crossing, account)
            assert server.follower.engine.state_hash() == before
            assert (foretold.sequence, foretold.commands) == (reader.min_seq, 3)
            unchanged = reader.query(account)
            done = core.submit(crossing)
            reader.min_seq = done.first_sequence + 2
            assert len(foretold.answers) == 1 and foretold.answers[0] != unchanged
            bodies = [
                (type(e.body), e.header.sequence, e.header.account) for e in iter_events(foretold.events)
            ]
            assert bodies == [
                (type(e.body), e.header.sequence, e.header.account) for e in iter_events(done.events)
            ]
            assert any(kind is CommandRefused for kind, _, _ in bodies), "a refusal is an event there, too"
            assert unchanged == Reader(tmp_path).at(
                sequence=last.first_sequence + last.commands - 1
            ).engine.query(account)
            nothing = reader.what_if(b"", account)
            assert (nothing.commands, nothing.events, nothing.answers) == (0, b"", (reader.query(account),))


def copy_that_fails(engine: Engine) -> tuple[Engine, float]:
    copy = engine.fork()
    copy.rehearse_panic(copy.sequence + 2)
    return copy, 0.0


def test_what_a_what_if_can_not_try_is_said_and_a_copy_that_fails_hurts_nobody(tmp_path, monkeypatch):
    with (
        serving(tmp_path) as (path, _),
        CoreClient.connect(path) as core,
        reading(tmp_path, limits=ReaderLimits(commands_bytes=2_000)) as server,
        ReaderClient.connect(server.path) as reader,
    ):
        for commands, why in (
            (numbered(1)[:-1], Why.BAD_COMMANDS),
            (b"x", Why.BAD_COMMANDS),
            (numbered(1, 100), Why.BAD_COMMANDS),
        ):
            with pytest.raises(NotTold) as refused:
                reader.what_if(commands)
            assert refused.value.facts["why"] == why
        with pytest.raises(BadQuestion):
            reader.what_if(numbered(1), UNKNOWN)
        monkeypatch.setattr(reader_server, "timed_copy", copy_that_fails)
        with pytest.raises(NotTold) as failed:
            reader.what_if(numbered(1, 3))
        assert failed.value.facts["why"] == Why.FAILED_THERE
        core.submit(numbered(1))
        reader.min_seq = 2
        reports.accounts(reader)
        assert reader.sequence == 2
        assert not server.raised


def test_an_engine_that_fails_ends_the_reader_and_who_asks_is_told(tmp_path):
    with (
        serving(tmp_path) as (path, _),
        CoreClient.connect(path) as core,
        reading(tmp_path) as server,
        ReaderClient.connect(server.path) as reader,
    ):
        server.follower.engine.rehearse_panic(3)
        sender = threading.Timer(0.05, lambda: core.submit(numbered(1, 5)))
        sender.start()
        reader.min_seq = 4
        with pytest.raises((NotTold, ReaderGone)) as halted:
            reports.accounts(reader)
        assert halted.value.facts.get("why", Why.HALTED) == Why.HALTED
        sender.join()
        eventually(lambda: server.raised)
        assert [type(error) for error in server.raised] == [EngineHalted]


# --- who asks badly -----------------------------------------------------------------------------------------------------

HELLO = wire.pack_hello()


def spoken(path: Path, said: bytes) -> list:
    """All that the reader answers to these bytes until it hangs up."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(20)
    sock.connect(str(path))
    sock.sendall(said)
    reader, found = RecordReader(1 << 30), []
    with suppress(ConnectionResetError):  # what was said before it hung up comes first
        while chunk := sock.recv(1 << 16):
            found += [wire.parse_from_reader(record) for record in reader.feed(chunk)]
    return found


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (HEAD.pack(16, wire.Kind.HELLO, 0) + b"\x07" + bytes(7), Why.OTHER_PROTOCOL),
        (wire.pack_ask(wire.Ask(1, 0, 0, (MARKETS,))), Why.BAD_RECORD),
        (HELLO + HELLO, Why.BAD_RECORD),
        (HELLO + HEAD.pack(8, wire.Kind.ASK, 0), Why.BAD_RECORD),
        (HELLO + HEAD.pack(8, 99, 0), Why.BAD_RECORD),
        (HELLO + wire.pack_ask(wire.Ask(1, 0, 0, (MARKETS,) * 65)), Why.BAD_RECORD),
        (HELLO + wire.pack_ask(wire.Ask(1, 0, 0, (MARKETS,)))[:-1] + b"", None),
        (HELLO + HEAD.pack(1 << 24, wire.Kind.ASK, 0), Why.RECORD_TOO_LARGE),
        (b"GET / HTTP/1.1\r\n\r\n", Why.RECORD_TOO_LARGE),
    ],
)
def test_who_does_not_speak_the_protocol_is_told_and_cut_off_and_the_others_are_answered(tmp_path, said, why):
    with serving(tmp_path), reading(tmp_path) as server, ReaderClient.connect(server.path) as other:
        if why is None:  # part of a record, and then nothing: it waits, and holds nobody up
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.connect(str(server.path))
            sock.sendall(said)
            assert reports.markets(other) == ()
            sock.close()
        else:
            refused = [one for one in spoken(server.path, said) if isinstance(one, NotTold)]
            assert [one.facts["why"] for one in refused] == [why]
        assert reports.markets(other) == ()


def test_an_asker_that_reads_nothing_holds_nobody_up_and_gets_every_answer_once_it_reads(tmp_path):
    limits = ReaderLimits(unsent_bytes=1 << 16, waiting=50)
    questions, many = 3_000, msgspec.msgpack.encode([4])
    with serving(tmp_path) as (path, _), CoreClient.connect(path) as core:
        core.submit(listed())
        with reading(tmp_path, limits=limits) as server, ReaderClient.connect(server.path) as other:
            slow = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            slow.settimeout(20)
            slow.connect(str(server.path))
            asks = HELLO + b"".join(
                wire.pack_ask(wire.Ask(tag, 0, 0, (many,) * 4)) for tag in range(1, questions + 1)
            )
            sender = threading.Thread(target=slow.sendall, args=(asks,))
            sender.start()
            for _ in range(50):
                assert len(reports.markets(other)) == 4
            reader, tags = RecordReader(1 << 30), []
            while len(tags) < questions:
                for record in reader.feed(slow.recv(1 << 16)):
                    told = wire.parse_from_reader(record)
                    tags += [told.tag] if isinstance(told, wire.Told) else []
            sender.join()
            slow.close()
    assert tags == list(range(1, questions + 1))


def test_an_answer_larger_than_may_be_told_is_not_told(tmp_path):
    with serving(tmp_path) as (path, _), CoreClient.connect(path) as core:
        core.submit(listed())
        limits = ReaderLimits(answer_bytes=100)
        with reading(tmp_path, limits=limits) as server, ReaderClient.connect(server.path) as reader:
            with pytest.raises(NotTold) as refused:
                reports.markets(reader)
            assert refused.value.facts["why"] == Why.ANSWER_TOO_LARGE


# --- following ----------------------------------------------------------------------------------------------------------


def test_questions_and_frames_do_not_starve_each_other(tmp_path):
    stop = threading.Event()

    def flood(path: Path) -> None:
        with ReaderClient.connect(path) as client:
            while not stop.is_set():
                client.ask(*[MARKETS] * 64)

    with serving(tmp_path) as (path, _), CoreClient.connect(path) as core, reading(tmp_path) as server:
        floods = [threading.Thread(target=flood, args=(server.path,)) for _ in range(3)]
        for thread in floods:
            thread.start()
        with ReaderClient.connect(server.path) as reader:
            reader.wait_s = 20.0
            for first in range(1, 20_000, 1_000):
                last = core.submit(numbered(first, 1_000))
                reader.min_seq = last.first_sequence
                reader.query(MARKETS)
        stop.set()
        for thread in floods:
            thread.join()
        eventually(lambda: caught_up(server, 20_001))


def test_killed_under_load_again_and_again_the_reader_answers_on_and_is_in_the_same_state_afterwards(
    tmp_path,
):
    dice, first = random.Random("reader"), 1
    process = started(tmp_path)
    with reading(tmp_path) as server, ReaderClient.connect(server.path) as reader:
        for _ in range(4):
            told: list[int] = []
            sender = threading.Thread(
                target=send_until_killed,
                args=(tmp_path / "core.sock", first, told, random.Random(first)),
            )
            sender.start()
            enough = dice.randrange(10, 60)
            eventually(lambda told=told, enough=enough: len(told) >= enough)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            sender.join()
            eventually(lambda: server.stale)
            reports.accounts(reader)
            assert reader.stale, "it answers on, and says that it does not follow"
            process = started(tmp_path)
            with CoreClient.connect(tmp_path / "core.sock") as core:
                end = core.welcome.sequence
            eventually(lambda end=end: caught_up(server, end))
            assert server.follower.engine.state_hash() == replayed_hash(tmp_path, end)
            reports.accounts(reader)
            assert (reader.sequence, reader.stale) == (end, False)
            first = first + 1_000_000
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert not server.raised


def test_a_reader_that_the_core_cut_off_for_being_slow_goes_on_from_the_disk(tmp_path):
    limits = Limits(record_bytes=1 << 16, unsent_bytes=1 << 16)
    with (
        serving(tmp_path, limits=limits) as (path, _),
        CoreClient.connect(path) as core,
        reading(tmp_path, limits=ReaderLimits(pending_bytes=1, apply_ms=1)) as server,
    ):
        seen = set()
        for first in range(1, 60_000, 500):
            core.submit(numbered(first, 500))
            seen.add(server.stale)
        eventually(lambda: caught_up(server, 60_001))
        assert server.follower.engine.state_hash() == replayed_hash(tmp_path, 60_001)
        assert not server.raised


@pytest.mark.parametrize("segment_bytes", [3_000, 1 << 20])
def test_over_many_segments_and_clean_restarts_it_follows_and_checks_the_seals(tmp_path, segment_bytes):
    def sessions(first: int) -> int:
        with Venue.open(tmp_path, time_ns=START_NS + first, segment_bytes=segment_bytes) as venue:
            for n in range(first, first + 20):
                venue.submit(numbered(n, 3), START_NS + n)
            return venue.sequence

    sessions(1)
    end = sessions(100)
    follower = Follower(tmp_path, end)
    while follower.has_work:
        follower.work(time.monotonic() + 0.001)
    assert follower.position.sequence == end
    assert follower.engine.state_hash() == replayed_hash(tmp_path, end)
    later = sessions(200)
    follower.catch_up(later)
    while follower.has_work:
        follower.work(time.monotonic() + 0.001)
    assert follower.engine.state_hash() == replayed_hash(tmp_path, later)


def test_a_command_put_aside_while_the_venue_stood_is_not_applied_by_a_reader_that_catches_up(tmp_path):
    bad, home = quarantined.stopped(tmp_path), tmp_path / "listed"
    ends = [frame.last_sequence for frame in walk_journal(home / "journal", Walk())]
    follower = Follower(home, max(end for end in ends if end < bad))
    follower.work(float("inf"))
    for person in (quarantined.BEN, quarantined.ANN):
        quarantined.aside(home, bad, person)
    with quarantined.open_home(home, quarantined.Rehearsed(bad)).sequencer as sequencer:
        follower.catch_up(sequencer.sequence)
        follower.work(float("inf"))
        assert follower.position.sequence == sequencer.sequence > bad
        assert follower.engine.state_hash() == sequencer.engine.state_hash()


def test_another_journal_another_release_and_lost_commands_end_it(tmp_path, monkeypatch):
    home, other = tmp_path / "home", tmp_path / "other"
    for place, first in ((home, 1), (other, 50)):
        with Venue.open(place, time_ns=START_NS) as venue:
            venue.submit(numbered(first, 3), START_NS)
            venue.submit(numbered(first + 3, 3), START_NS + 1)
    follower = Follower(home, 4)
    follower.work(float("inf"))
    with pytest.raises(JournalError, match="The core is at command 3, but command 4"):
        follower.catch_up(3)
    follower.paths = Follower(other, 4).paths
    follower.catch_up(7)
    with pytest.raises(JournalError, match="stands in another frame"):
        follower.work(float("inf"))
    with pytest.raises(JournalError, match="no frame ends there"):
        Follower(home, 5).work(float("inf"))
    with pytest.raises(JournalError, match="no frame ends there"):
        Follower(home, 99).work(float("inf"))
    real = FileLog.__init__

    def of_other_release(self, *arguments, **options):
        real(self, *arguments, **(options | {"release": "9.9.9"}))

    monkeypatch.setattr(FileLog, "__init__", of_other_release)
    with Venue.open(home, time_ns=START_NS + 2) as venue:
        end = venue.sequence
    with pytest.raises(ReleaseMismatch, match=r"The core is of release 9\.9\.9"):
        Follower(home, end)


# --- snapshots ----------------------------------------------------------------------------------------------------------


def test_a_core_recovers_from_a_snapshot_the_reader_wrote_and_only_the_newest_of_its_own_are_kept(tmp_path):
    written: list[Path] = []
    plan = SnapshotPlan(every_s=0.0, every_commands=10, keep=2)
    with serving(tmp_path) as (path, _), CoreClient.connect(path) as core:
        foreign = tmp_path / "snapshots" / f"{1:020d}.snap"
        with reading(tmp_path, snapshots=plan, on_snapshot=written.append):
            for number in range(5):
                core.submit(numbered(1 + 20 * number, 20))
                eventually(lambda number=number: len(written) > number)
                if number == 0:
                    foreign.write_bytes(b"left by somebody else")
        core.submit(numbered(1_000, 5))
    assert all(isinstance(one, Path) for one in written)
    assert snapshot_paths(tmp_path / "snapshots") == [foreign, *written[-2:]]
    foreign.unlink()
    report = verify_journal(tmp_path, Engine, ruleset=ruleset())
    assert report.ok and report.snapshots_checked == 2, report.problems
    with Venue.open(tmp_path, time_ns=2**62) as venue:
        assert venue.recovery.snapshot_sequence == int(written[-1].stem) == 101
        assert venue.recovery.commands_replayed == 5
        assert venue.recovery.snapshots_skipped == ()


def test_a_reader_begins_from_the_newest_sound_snapshot_of_this_journal(tmp_path):
    home, other = tmp_path / "home", tmp_path / "other"
    for place, first in ((home, 1), (other, 50)):
        with Venue.open(place, time_ns=START_NS) as venue:
            for n in range(4):
                venue.submit(numbered(first + 10 * n, 5), START_NS + n)
                venue.sequencer.snapshot()
    one, _, damaged, foreign = snapshot_paths(home / "snapshots")
    damaged.write_bytes(damaged.read_bytes()[:-9] + bytes(9))
    foreign.write_bytes((other / "snapshots" / foreign.name).read_bytes())
    follower = Follower(home, 21)
    follower.work(float("inf"))
    assert follower.restored_at == 11
    assert [line.split(":")[0] for line in follower.snapshots_skipped] == [foreign.name, damaged.name]
    assert follower.engine.state_hash() == replayed_hash(home, 21)
    assert Follower(home, 6).restored_at == int(one.stem) == 6, "none from behind what is durable"


def test_a_snapshot_that_can_not_be_written_is_told_and_the_reader_goes_on(tmp_path):
    told: list[object] = []
    (tmp_path / "snapshots").write_text("a file where the directory should be")
    plan = SnapshotPlan(every_s=0.0, every_commands=1)
    with serving(tmp_path) as (path, _), CoreClient.connect(path) as core:  # noqa: SIM117 - the core's part, then the askers'
        with reading(tmp_path, snapshots=plan, on_snapshot=told.append) as server:
            core.submit(numbered(1, 3))
            eventually(lambda: told)
            with ReaderClient.connect(server.path) as reader:
                assert reports.markets(reader) == ()
    assert not isinstance(told[0], Path) and told[0].code in {"sync_failed", "journal_full"}


# --- for asyncio --------------------------------------------------------------------------------------------------------


def test_many_questions_in_flight_each_get_their_own_answer(tmp_path):
    expected: dict[int, bytes] = {}

    async def run(path: Path) -> None:
        async with AsyncReaderClient(path) as client:

            async def one(number: int) -> None:
                answer = await client.query(account_question(1 + number % 2))
                assert answer == expected[1 + number % 2]
                foretold = await client.what_if(
                    encode(OpenAccount(owner=7), account=100 + number, request=number)
                )
                assert {header.request for header, _ in split(foretold.events)} == {number}
                with pytest.raises(ValueError):
                    await client.query(UNKNOWN)

            await asyncio.gather(*(one(number) for number in range(1, 101)))
            with pytest.raises(NotTold, match="not applied in time"):
                await client.ask(MARKETS, min_seq=10**9, wait_s=0.01)

    with serving(tmp_path) as (path, _), CoreClient.connect(path) as core:
        core.submit(listed())
        with reading(tmp_path) as server:
            expected.update({one: server.follower.engine.query(account_question(one)) for one in (1, 2)})
            asyncio.run(run(server.path))
    assert expected[1] != expected[2]


def test_a_question_asked_while_there_is_no_reader_is_answered_once_there_is_one_again(tmp_path):
    async def run(client: AsyncReaderClient, then) -> None:
        waiting = asyncio.ensure_future(client.query(MARKETS))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(then)
        await waiting
        with pytest.raises(NotTold):
            await client.ask(MARKETS, min_seq=10**9, wait_s=0.0)
        await client.close()
        with pytest.raises(ReaderGone):
            await client.query(MARKETS)

    with serving(tmp_path):
        stop, threads = threading.Event(), []

        def start_reader() -> None:
            ready = threading.Event()

            def run_reader() -> None:
                with reading(tmp_path):
                    ready.set()
                    stop.wait(20)

            threads.append(threading.Thread(target=run_reader))
            threads[-1].start()
            ready.wait(20)

        async def main() -> None:
            await run(AsyncReaderClient(tmp_path / "reader.sock"), start_reader)
            with pytest.raises(ReaderGone, match="has not answered in time"):
                await AsyncReaderClient(tmp_path / "absent.sock", timeout_s=0.1).ask(MARKETS, wait_s=0.0)

        asyncio.run(main())
        stop.set()
        threads[0].join()


# --- as a process of its own --------------------------------------------------------------------------------------------


def test_as_a_process_it_waits_for_a_core_answers_and_ends_when_it_is_terminated(tmp_path):
    program = (
        "import sys; from novate.reader_process import serve_reader\n"
        "serve_reader(sys.argv[1], on_ready=lambda one: print(one.position.sequence, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
    )
    path = tmp_path / "reader.sock"
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(path))
    left.close()  # as a killed reader leaves it
    with serving(tmp_path):
        assert process.stdout.readline() == b"1\n"
        assert path.stat().st_mode & 0o777 == 0o600
        with ReaderClient.connect(path) as reader:
            assert reports.markets(reader) == ()
            with pytest.raises(ConfigError, match=r"A reader listens on .* already"):
                reader_server.listen_on(path)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            with pytest.raises(ReaderGone):
                reports.markets(reader)
    assert not path.exists()
    with pytest.raises(ReaderGone, match="There is no reader"):
        ReaderClient.connect(path)
    with pytest.raises(ConfigError, match="can't listen"):
        reader_server.listen_on(tmp_path / "absent" / "reader.sock")


def test_a_socket_of_something_else_is_no_reader(tmp_path):
    with serving(tmp_path) as (path, _):
        with pytest.raises(ReaderGone):
            ReaderClient.connect(path, timeout_s=5)
        raw(path).close()
        with pytest.raises(CoreGone):
            CoreClient.connect(tmp_path / "absent")

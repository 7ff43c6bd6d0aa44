"""The core process: whole buffers through a real socket into a real journal, whatever its clients do, and after it was killed.

Commands here are numbered by `request`, which every event repeats; most are refused by the empty venue, which is an answer like any
other, journaled and in order.
"""

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

import pytest

from novate._core import Engine, ruleset
from novate.core_process import (
    Answered,
    AsyncCoreClient,
    CoreClient,
    CoreGone,
    CoreRefused,
    CoreServer,
    DurableFrame,
    Limits,
    Refusal,
    serve,
    wire,
)
from novate.errors import ConfigError, EngineHalted
from novate.journal import Walk, verify_journal, walk_journal
from novate.messages import OpenAccount, QuarantineCommand, encode, split
from novate.sequencer import open_venue_log, steady_clock
from novate.venue import Venue

FIRST = 2
"""Sequence of the first command of a client: the venue's own is 1."""


def numbered(first: int, count: int = 1) -> bytes:
    return b"".join(encode(OpenAccount(owner=n), account=n, request=n) for n in range(first, first + count))


def requests(events: bytes) -> list[int]:
    """Each request once, in order: a command may have several events."""
    return list(dict.fromkeys(header.request for header, _ in split(events) if header.request))


@contextmanager
def serving(home: Path, *, pipelined: bool = True, limits: Limits | None = None, prepare=lambda _: None):
    """A core in a thread of this process; yields (path of its socket, list that gets what it raised)."""
    venue = Venue.open(home, clock=steady_clock(), pipelined=pipelined)
    prepare(venue.engine)
    path, raised = home / "core.sock", []
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    server = CoreServer(venue.sequencer, listener, limits)

    def run():
        try:
            server.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, a test looks at it
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield path, raised
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()
        venue.close()
        path.unlink()


def journaled(home: Path) -> list[int]:
    """The requests in the journal, in order, as a replay tells them."""
    found: list[int] = []
    opened = open_venue_log(
        home,
        Engine,
        release="test",
        ruleset=ruleset(),
        resume=None,
        on_events=lambda events: found.extend(requests(events)),
    )
    opened.sequencer.close()
    return found


def raw(path: Path) -> socket.socket:
    """A connection that has said HELLO and read the answer."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(20)
    sock.connect(str(path))
    sock.sendall(wire.pack_hello(0))
    assert sock.recv(1_000)
    return sock


def heard(sock: socket.socket) -> list:
    """All that the core still says until it hangs up."""
    reader, found = wire.RecordReader(1 << 30), []
    with suppress(ConnectionResetError):  # what was said before it hung up comes first
        while chunk := sock.recv(1 << 16):
            found += [wire.parse_from_core(record) for record in reader.feed(chunk)]
    return found


@pytest.mark.parametrize("pipelined", [False, True])
def test_a_buffer_is_answered_by_its_own_events_once_it_is_in_the_journal(tmp_path, pipelined):
    with serving(tmp_path, pipelined=pipelined) as (path, _), CoreClient.connect(path) as client:
        assert client.welcome.sequence == 1
        first = client.submit(numbered(1, 3))
        second = client.submit(numbered(4))
        assert (first.first_sequence, first.commands, second.first_sequence) == (FIRST, 3, FIRST + 3)
        assert first.time_ns <= second.time_ns
        assert requests(first.events) == [1, 2, 3] and requests(second.events) == [4]
        assert {header.sequence for header, _ in split(second.events)} == {FIRST + 3}
        report = verify_journal(tmp_path, Engine, ruleset=ruleset())  # beside the writer
        assert report.commands == FIRST + 3
    assert journaled(tmp_path) == [1, 2, 3, 4]


@pytest.mark.parametrize("pipelined", [False, True])
def test_many_clients_get_their_own_answers_and_a_listener_gets_everything_once_in_order(tmp_path, pipelined):
    senders, buffers, size = 4, 30, 7

    def send(path: Path, number: int, wrong: list[str]) -> None:
        with CoreClient.connect(path) as client:
            sent, first = {}, 1 + number * buffers * size
            for turn in range(1, buffers + 1):
                sent[client.send(numbered(first + (turn - 1) * size, size))] = turn * size
            answered = 0
            while answered < buffers * size:
                answer = client.receive()
                upto = sent[answer.tag]
                if requests(answer.events) != list(range(first + answered, first + upto)):
                    wrong.append(f"client {number}, tag {answer.tag}")
                answered = upto

    wrong: list[str] = []
    with (
        serving(tmp_path, pipelined=pipelined) as (path, _),
        CoreClient.connect(path, events=True) as listener,
    ):
        threads = [threading.Thread(target=send, args=(path, n, wrong)) for n in range(senders)]
        for thread in threads:
            thread.start()
        everything, sequence = [], FIRST
        while len(everything) < senders * buffers * size:
            frame = listener.receive()
            assert frame.tag is None and frame.first_sequence == sequence
            everything += requests(frame.events)
            sequence += frame.commands
        for thread in threads:
            thread.join()
    assert not wrong
    assert sorted(everything) == list(range(1, senders * buffers * size + 1))
    assert journaled(tmp_path) == everything


def test_a_client_that_leaves_is_no_business_of_the_others_and_what_it_sent_whole_stays(tmp_path):
    with serving(tmp_path) as (path, _):
        leaver = CoreClient.connect(path)
        leaver.send(numbered(1, 5))
        leaver.close()  # before its answer
        with CoreClient.connect(path) as client:
            assert client.submit(numbered(6)).first_sequence in {FIRST, FIRST + 5}
    assert sorted(journaled(tmp_path)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("cut", [1, 7, 8, 15, 16, 40, -1])
def test_part_of_a_record_is_nothing_if_its_client_leaves_and_all_of_it_once_the_rest_comes(tmp_path, cut):
    record = wire.pack_commands_head(1, len(numbered(1, 2))) + numbered(1, 2)
    with serving(tmp_path) as (path, _):
        leaver = raw(path)
        leaver.sendall(record[:cut])
        time.sleep(0.02)
        leaver.close()
        slow = raw(path)
        slow.sendall(record[:cut])
        time.sleep(0.02)
        with CoreClient.connect(path) as client:
            assert client.submit(numbered(3)).first_sequence == FIRST  # waits for nobody
        slow.sendall(record[cut:])
        assert slow.recv(1 << 16)
        slow.close()
    assert journaled(tmp_path) == [3, 1, 2]


def test_a_record_above_the_limit_is_refused_unread_after_what_came_before_it_was_answered(tmp_path):
    limits = Limits(record_bytes=1_000)
    with serving(tmp_path, limits=limits) as (path, _):
        sock = raw(path)
        good = wire.pack_commands_head(7, len(numbered(1))) + numbered(1)
        sock.sendall(good + wire.pack_commands_head(8, 1_000))
        with suppress(BrokenPipeError):  # it has refused and closed already
            sock.sendall(bytes(500))
        said = heard(sock)
        answers = [one for one in said if isinstance(one, wire.Answered)]
        refused = [one for one in said if isinstance(one, CoreRefused)]
        assert [one.tag for one in answers] == [7]
        assert [one.facts["refusal"] for one in refused] == [Refusal.RECORD_TOO_LARGE]
        with CoreClient.connect(path) as client:
            assert client.welcome.record_bytes == 1_000
            with pytest.raises(CoreRefused, match="the core takes at most 1000") as refused_here:
                client.submit(numbered(2, 100))
            assert refused_here.value.facts["refusal"] == Refusal.RECORD_TOO_LARGE
            assert requests(client.submit(numbered(3)).events) == [3]
    assert journaled(tmp_path) == [1, 3]


def test_what_is_no_buffer_of_commands_is_refused_by_its_tag_and_the_connection_goes_on(tmp_path):
    with serving(tmp_path) as (path, _), CoreClient.connect(path) as client:
        for bad in (b"", b"x", numbered(1)[:-1], numbered(1) + b"\0", bytes(48)):
            with pytest.raises(CoreRefused) as refused:
                client.submit(bad)
            assert refused.value.facts["refusal"] == Refusal.BAD_BUFFER
        with pytest.raises(CoreRefused, match="put aside while the venue is stopped"):
            client.submit(numbered(1) + encode(QuarantineCommand(quarantined=1, digest=bytes(32))))
        assert requests(client.submit(numbered(2)).events) == [2]
    assert journaled(tmp_path) == [2]


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (wire.HEAD.pack(16, wire.Kind.HELLO, 0) + b"\7\0\0\0\0\0\0\0", Refusal.OTHER_PROTOCOL),
        (wire.pack_commands_head(1, 0), Refusal.BAD_RECORD),
        (wire.HEAD.pack(8, 99, 0), Refusal.BAD_RECORD),
        (wire.HEAD.pack(8, wire.Kind.HELLO, 0), Refusal.BAD_RECORD),
        (wire.pack_hello(0) + wire.pack_hello(0), Refusal.BAD_RECORD),
        (b"GET / HTTP/1.1\r\n\r\n", Refusal.RECORD_TOO_LARGE),
    ],
)
def test_who_does_not_speak_the_protocol_is_told_and_cut_off(tmp_path, first, why):
    with serving(tmp_path) as (path, _):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(20)
        sock.connect(str(path))
        sock.sendall(first)
        refused = [one for one in heard(sock) if isinstance(one, CoreRefused)]
        assert [one.facts["refusal"] for one in refused] == [why]


@pytest.mark.parametrize("wants", [{"commands": True}, {"events": True}])
def test_a_listener_that_reads_nothing_is_cut_off_and_holds_nobody_up(tmp_path, wants):
    limits = Limits(record_bytes=1 << 16, unsent_bytes=1 << 16)
    with serving(tmp_path, limits=limits) as (path, _):
        deaf = CoreClient.connect(path, **wants)
        with CoreClient.connect(path) as client:
            for first in range(1, 20_000, 500):
                client.submit(numbered(first, 500))
        frames = 0
        with suppress(CoreGone):
            while frames < 40:
                deaf.receive()
                frames += 1
        assert frames < 40


@pytest.mark.parametrize("pipelined", [False, True])
def test_who_wants_commands_gets_every_frame_as_it_stands_in_the_journal_from_its_welcome_on(
    tmp_path, pipelined
):
    with serving(tmp_path, pipelined=pipelined) as (path, _):
        with CoreClient.connect(path) as early:
            early.submit(numbered(1, 5))
        stop = threading.Event()
        senders = [threading.Thread(target=send_while, args=(path, 1_000_000 * n, stop)) for n in range(1, 4)]
        for sender in senders:
            sender.start()
        with CoreClient.connect(path, commands=True, events=True) as listener:  # in the middle of the load
            heard = [listener.receive() for _ in range(120)]
        stop.set()
        for sender in senders:
            sender.join()
        welcomed = listener.welcome.sequence
    frames = [one for one in heard if isinstance(one, DurableFrame)]
    events = [one for one in heard if isinstance(one, Answered)]
    assert [one.tag for one in events] == [None] * len(events)
    for frame, its_events in zip(frames, events, strict=True):
        assert frame[:3] == its_events[1:4]
        assert list(dict.fromkeys(header.sequence for header, _ in split(its_events.events))) == [
            header.sequence for header, _ in split(frame.payload)
        ]
    there = {frame.first_sequence: frame for frame in walk_journal(tmp_path / "journal", Walk())}
    expected = welcomed + 1
    for frame in frames:
        assert frame.first_sequence == expected, "the WELCOME says from where frames come, each once"
        journaled_frame = there[expected]
        assert frame == (expected, journaled_frame.count, journaled_frame.time_ns, journaled_frame.payload)
        expected = frame.last_sequence + 1


def send_while(path: Path, first: int, stop: threading.Event) -> None:
    with CoreClient.connect(path) as client:
        while not stop.is_set():
            client.submit(numbered(first, 1 + first % 7))
            first += 7


@pytest.mark.parametrize("wants", [{"commands": True}, {"events": True}])
def test_a_listener_gets_what_it_asked_for_and_nothing_else(tmp_path, wants):
    with (
        serving(tmp_path) as (path, _),
        CoreClient.connect(path, **wants) as listener,
        CoreClient.connect(path) as client,
    ):
        for first in range(1, 30, 3):
            client.submit(numbered(first, 3))
        kinds = {type(listener.receive()) for _ in range(10)}
    assert kinds == ({DurableFrame} if "commands" in wants else {Answered})


def test_one_client_too_many_is_turned_away(tmp_path):
    with serving(tmp_path, limits=Limits(clients=1)) as (path, _), CoreClient.connect(path) as client:
        with pytest.raises(CoreGone):
            CoreClient.connect(path)
        assert client.submit(numbered(1)).commands == 1


def test_an_engine_that_fails_ends_the_core_and_nothing_more_is_told(tmp_path):
    with (
        serving(tmp_path, prepare=lambda engine: engine.rehearse_panic(FIRST + 1)) as (path, raised),
        CoreClient.connect(path) as client,
    ):
        client.send(numbered(1, 3))
        with pytest.raises(CoreGone):
            client.receive()
    assert [type(error) for error in raised] == [EngineHalted]


# --- for asyncio --------------------------------------------------------------------------------------------------------


async def submit_and_check(client: AsyncCoreClient, first: int, size: int) -> int:
    """One buffer of commands; whether its answer is of exactly those. Returns the sequence of the first."""
    answered = await client.submit(numbered(first, size))
    assert requests(answered.events) == list(range(first, first + size)), "its own events, all of them"
    sequences = [header.sequence for header, _ in split(answered.events)]
    assert (answered.first_sequence, answered.commands) == (sequences[0], size)
    assert sequences[-1] == sequences[0] + size - 1
    return answered.first_sequence


@pytest.mark.parametrize("pipelined", [False, True])
def test_of_many_callers_of_one_connection_each_gets_the_events_of_its_own_commands(tmp_path, pipelined):
    async def caller(client: AsyncCoreClient, number: int) -> list[int]:
        dice, first, found = random.Random(number), 100_000 * number, []
        for _ in range(20):
            size = dice.choice([1, 1, 1, 2, 5, 40])
            found.append(await submit_and_check(client, first, size))
            first += size
            if dice.random() < 0.2:
                await asyncio.sleep(dice.uniform(0, 0.003))
        return found

    async def run(path: Path) -> None:
        async with await AsyncCoreClient.connect(path) as one, await AsyncCoreClient.connect(path) as other:
            found = await asyncio.gather(*(caller((one, other)[n % 2], n) for n in range(1, 61)))
        for sequences in found:
            assert sequences == sorted(sequences), "in the order of the calls"
        assert len({sequence for sequences in found for sequence in sequences}) == 60 * 20

    with serving(tmp_path, pipelined=pipelined) as (path, _):
        asyncio.run(run(path))


def test_what_is_submitted_at_once_is_one_record_as_far_as_it_fits_and_taken_in_order(tmp_path):
    async def run(path: Path) -> None:
        async with await AsyncCoreClient.connect(path) as client:
            answers = await asyncio.gather(*(client.submit(numbered(n)) for n in range(1, 201)))
            assert [requests(answer.events) for answer in answers] == [[n] for n in range(1, 201)]
            assert 1 < client._tag < 40

    with serving(tmp_path, limits=Limits(record_bytes=1_000)) as (path, _):
        asyncio.run(run(path))
    assert journaled(tmp_path) == list(range(1, 201))


def test_a_caller_whose_buffer_is_refused_or_who_stops_waiting_is_no_business_of_the_others(tmp_path):
    async def run(path: Path) -> None:
        async with await AsyncCoreClient.connect(path) as client:
            bad = [b"", b"x", numbered(1)[:-1], numbered(1) + b"\0", numbered(1, 1_000)]
            bad.append(numbered(1) + encode(QuarantineCommand(quarantined=1, digest=bytes(32))))
            calls = [asyncio.ensure_future(client.submit(buffer)) for buffer in bad]
            good = [asyncio.ensure_future(client.submit(numbered(n, 2))) for n in (1, 3)]
            left = asyncio.ensure_future(client.submit(numbered(5)))
            await asyncio.sleep(0)
            left.cancel()
            refused = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(one, CoreRefused) for one in refused)
            why = [one.facts["refusal"] for one in refused]
            assert why == [Refusal.BAD_BUFFER] * 4 + [Refusal.RECORD_TOO_LARGE, Refusal.BAD_BUFFER]
            assert [requests(one.events) for one in await asyncio.gather(*good)] == [[1, 2], [3, 4]]
            assert await submit_and_check(client, 6, 1) == FIRST + 5

    with serving(tmp_path, limits=Limits(record_bytes=10_000)) as (path, _):
        asyncio.run(run(path))
    assert journaled(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_who_waits_when_the_core_fails_is_told_that_it_is_gone_and_so_is_who_comes_later(tmp_path):
    async def run(path: Path) -> None:
        client = await AsyncCoreClient.connect(path, events=True)
        outcomes = await asyncio.gather(
            *(client.submit(numbered(n, 3)) for n in (1, 4)), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [CoreGone, CoreGone]
        assert client.gone
        with pytest.raises(CoreGone):
            await client.submit(numbered(7))
        with pytest.raises(CoreGone):
            async for _ in client.events():
                pass
        await client.close()

    with serving(tmp_path, prepare=lambda engine: engine.rehearse_panic(FIRST + 1)) as (path, _):
        asyncio.run(run(path))


def test_where_there_is_no_core_or_one_that_speaks_another_protocol_connecting_says_so(tmp_path, monkeypatch):
    async def run(path: Path) -> None:
        with pytest.raises(CoreGone, match="There is no core at"):
            await AsyncCoreClient.connect(tmp_path / "absent.sock")
        monkeypatch.setattr(wire, "pack_hello", lambda _: wire.HEAD.pack(16, 1, 0) + b"\7" + bytes(7))
        with pytest.raises(CoreRefused, match="Protocol 7 was offered"):
            await AsyncCoreClient.connect(path)

    with serving(tmp_path) as (path, _):
        asyncio.run(run(path))


def test_frames_and_events_are_iterated_in_order_while_the_same_connection_submits(tmp_path):
    async def run(path: Path) -> None:
        client = await AsyncCoreClient.connect(path, events=True, commands=True)

        async def frames() -> list[int]:
            found: list[int] = []
            async for frame in client.frames():
                assert frame.first_sequence == client.welcome.sequence + 1 + len(found)
                found += requests(frame.payload)
                if len(found) >= 90:
                    return found
            return found

        async def events() -> list[int]:
            found: list[int] = []
            async for told in client.events():
                found += requests(told.events)
                if len(found) >= 90:
                    return found
            return found

        async def submits() -> None:
            for first in range(1, 91, 3):
                await submit_and_check(client, first, 3)

        got_frames, got_events, _ = await asyncio.gather(frames(), events(), submits())
        assert got_frames == got_events == list(range(1, 91))
        await client.close()

    with serving(tmp_path) as (path, _):
        asyncio.run(run(path))


# --- as a process of its own --------------------------------------------------------------------------------------------


def started(home: Path, *words: str) -> subprocess.Popen:
    """`novate core`, once its socket listens."""
    program = "import sys; from novate.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "core", str(home), *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith(b"Serving command"), line + process.stderr.read()
    return process


def send_until_killed(path: Path, first: int, told: list[int], dice: random.Random) -> None:
    """Keeps eight buffers in flight; the last request of each answer goes to `told`."""
    request = first
    try:
        with CoreClient.connect(path) as client:
            sent = answered = 0
            while True:
                while sent - answered < 8:
                    size = dice.randrange(1, 40)
                    sent = client.send(numbered(request, size))
                    request += size
                answer = client.receive()
                told.append(requests(answer.events)[-1])
                answered = answer.tag
    except CoreGone:
        return


@pytest.mark.parametrize("mode", ["pipelined", "lockstep"])
def test_killed_in_the_middle_and_started_again_nothing_that_was_answered_is_lost(tmp_path, mode):
    dice, words = random.Random(mode), () if mode == "pipelined" else ("--lockstep",)
    first = 1
    for _ in range(5):
        process = started(tmp_path, *words)
        told: list[int] = []
        sender = threading.Thread(
            target=send_until_killed, args=(tmp_path / "core.sock", first, told, random.Random(first))
        )
        sender.start()
        enough, end = dice.randrange(4, 40), time.monotonic() + 20
        while len(told) < enough and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(dice.uniform(0.0, 0.01))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        sender.join()
        report = verify_journal(tmp_path, Engine, ruleset=ruleset())
        assert report.ok, report.problems
        found = journaled(tmp_path)
        assert found == list(range(1, len(found) + 1)), "an exact prefix of what was sent, once each"
        assert len(told) >= enough, "the core was killed under load"
        assert len(found) >= told[-1], "an answered command was lost"
        first = len(found) + 1


def test_terminated_it_answers_what_it_took_seals_the_journal_and_says_so(tmp_path):
    process = started(tmp_path, "--json")
    with CoreClient.connect(tmp_path / "core.sock") as client:
        client.submit(numbered(1, 3))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"Stopped after command 4; the journal is sealed." in err
    assert out.strip().endswith(b"}") and b'"sequence": 4' in out
    assert verify_journal(tmp_path, Engine, ruleset=ruleset()).clean_shutdown
    assert not (tmp_path / "core.sock").exists()


def test_a_socket_that_can_not_be_is_one_clear_line_and_the_venue_is_closed_again(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(ConfigError, match="can't listen"):
        serve(home, tmp_path / "absent" / "core.sock")
    assert verify_journal(home, Engine, ruleset=ruleset()).clean_shutdown


def test_real_time_that_is_not_permitted_is_said_before_anything_is_touched(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    with pytest.raises(ConfigError, match="CAP_SYS_NICE"):
        serve(tmp_path / "home", tmp_path / "core.sock", realtime=True)
    assert not (tmp_path / "home").exists()

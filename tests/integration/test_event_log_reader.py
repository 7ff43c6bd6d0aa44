"""The event log behind a real reader: whatever is killed, cut or swapped, it holds what a replay of the journal tells, no more and no less."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest
from test_core_process import numbered, started
from test_reader_process import caught_up, eventually, listed, order, reading

from novate._core import Engine, release, ruleset
from novate.core_process import CoreClient, CoreGone
from novate.event_log import EventLog, EventLogPlan, layout, log_end
from novate.journal import Walk, walk_journal
from novate.journal.recovery import Branch, Passed
from novate.journal.scan import Position
from novate.journal.snapshots import snapshot_paths
from novate.messages import split
from novate.reader_process import Follower, NotTold, ReaderClient, ReaderGone, SnapshotPlan, Why
from novate.sequencer import open_venue_log
from novate.venue import Venue
from venues import START_NS

SMALL = EventLogPlan(segment_bytes=20_000)


def traffic(first: int, count: int) -> bytes:
    """Orders of two accounts that meet, and accounts that are opened; by number, always the same."""
    return b"".join(
        order(1 + n % 2, n % 2, 100 + n % 3) if n % 4 else numbered(1_000 + n)
        for n in range(first, first + count)
    )


def keep_sending(path: Path, until_gone: threading.Event) -> None:
    """Four buffers in flight, until the core is gone."""
    dice, first = random.Random(1), 1
    try:
        with CoreClient.connect(path) as client:
            sent = answered = 0
            while not until_gone.is_set():
                while sent - answered < 4:
                    size = dice.randrange(1, 40)
                    sent = client.send(traffic(first, size))
                    first += size
                answered = client.receive().tag
                time.sleep(0.001)
    except CoreGone:
        return


def replayed(home: Path, after: int = 0, upto: int = 2**63) -> bytes:
    """The events of the commands behind `after`, by an engine of its own."""
    engine, told = Engine(), []
    for frame in walk_journal(home / "journal", Walk()):
        if frame.count and frame.last_sequence <= upto:
            events = engine.apply(frame.payload)
            told.append(events if frame.first_sequence > after else b"")
    return b"".join(told)


def written(directory: Path) -> bytes:
    """All events of a log, as its files hold them."""
    found = []
    for path in sorted(directory.glob("*.events")):
        raw, at = path.read_bytes(), layout.SEGMENT_HEADER_BYTES
        while at < len(raw):
            head = layout.parse_record_head(raw[at : at + layout.RECORD_HEADER_BYTES])
            found.append(bytes(layout.events_of(raw[at : at + head.length])))
            at += head.length
    return b"".join(found)


def by_account(events: bytes) -> dict[int, list[bytes]]:
    found = defaultdict(list)
    for header, body in split(events):
        if header.account and int.from_bytes(body[8:16], "little"):
            found[header.account].append(bytes(body))
    return found


def reader_process(home: Path, *words: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-m", "novate.cli", "reader", str(home), *words],
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), NOVATE_SUPERVISED="1"),
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"ready")
    return process


def follow(home: Path, upto: int, log: EventLog | None, begun: Passed | None = None) -> Follower:
    follower = Follower(home, upto, log, begun)
    while follower.has_work:
        follower.work(time.monotonic() + 0.01)
    assert follower.position.sequence == upto
    return follower


def filled(home: Path, turns: int = 40, first: int = 1) -> list[int]:
    """A journal; the last command of each frame."""
    ends = []
    with Venue.open(home, time_ns=START_NS + first) as venue:
        venue.submit(listed(), START_NS + first)
        for n in range(first, first + turns):
            venue.submit(traffic(10 * n, 7), START_NS + n)
            ends.append(venue.sequence)
    return ends


def test_killed_again_and_again_while_commands_flow_no_event_is_missing_or_doubled(tmp_path):
    dice = random.Random("event log")
    core = started(tmp_path)
    with CoreClient.connect(tmp_path / "core.sock") as client:
        client.submit(listed())
    sender = threading.Thread(target=keep_sending, args=(tmp_path / "core.sock", threading.Event()))
    sender.start()
    last = 0
    for turn in range(6):
        reader = reader_process(tmp_path, "--snapshot-every", str(turn % 2))
        with ReaderClient.connect(tmp_path / "reader.sock") as asker:
            end = time.monotonic() + dice.random()
            while time.monotonic() < end:
                found = asker.recall(1, 0)
                assert found.how_many and found.first_sequence == 1
                assert found.sequence >= last, "what was durable is there again"
                last = found.sequence
        reader.send_signal(signal.SIGKILL)
        reader.wait()
    core.send_signal(signal.SIGKILL)
    core.communicate()
    sender.join()
    core = started(tmp_path)
    reader = reader_process(tmp_path)
    with CoreClient.connect(tmp_path / "core.sock") as client:
        end = client.welcome.sequence
    with ReaderClient.connect(tmp_path / "reader.sock") as asker:
        asker.min_seq = end
        truth = replayed(tmp_path)
        accounts = by_account(truth)
        assert len(accounts[1]) > 100
        for account in dice.sample(sorted(accounts), 50):
            found = asker.recall(account, 0)
            assert by_account(found.events)[account] == accounts[account]
    for process in (reader, core):
        process.send_signal(signal.SIGTERM)
        process.wait()
    core.communicate()
    assert written(tmp_path / "events") == truth


def test_from_any_end_of_the_log_the_missing_events_are_made_again(tmp_path):
    home, events = tmp_path / "home", tmp_path / "home/events"
    ends = filled(home)
    log = EventLog(events, SMALL)
    follow(home, ends[-1], log)
    log.close()
    truth = replayed(home, upto=ends[-1])
    assert written(events) == truth
    dice = random.Random("cut")
    for turn in range(25):
        victim = max(events.glob("*.events"))
        size = victim.stat().st_size
        with victim.open("r+b") as stream:
            stream.truncate(dice.randrange(layout.SEGMENT_HEADER_BYTES, size + 1))
        victim.with_suffix(".index").unlink(missing_ok=True)
        log = EventLog(events, SMALL)
        upto = ends[-1] if turn % 3 else max(dice.choice(ends), log.end.sequence)
        follower = follow(home, upto, log)
        assert log.end == follower.position
        log.close()
        assert written(events) == replayed(home, upto=upto)


def test_from_a_state_that_a_recovery_came_by_it_goes_on_as_from_the_beginning(tmp_path):
    """Where the log ends before, at, or behind that state, or holds nothing, or is of another journal."""
    home, events = tmp_path / "home", tmp_path / "home/events"
    ends = filled(home)
    log = EventLog(events, SMALL)
    truth_of = follow(home, ends[25], log).engine.state_hash()
    log.close()
    assert log_end(events).sequence == ends[25]

    def passed(at: Position | None) -> Passed:
        found: list[Passed] = []
        venue = open_venue_log(
            home, Engine, release=release(), ruleset=ruleset(), resume=None,
            branch=Branch(at, lambda one: found.append(Passed(one.engine.fork(), one.position, one.place))),
        )  # fmt: skip
        venue.sequencer.journal.close()
        venue.sequencer._lock.release()
        return found[0]

    def walked(at: int) -> Position:
        return next(
            Position(at, frame.time_ns, frame.hash)
            for frame in walk_journal(home / "journal", Walk())
            if frame.last_sequence == at
        )

    kept = tmp_path / "kept"
    shutil.copytree(events, kept)
    state = follow(home, ends[-1], None).engine.state_hash()
    for at, begins in ((log_end(events), ends[25]), (walked(ends[10]), ends[10]), (walked(ends[30]), 0)):
        shutil.rmtree(events)
        shutil.copytree(kept, events)
        log = EventLog(events, SMALL)
        begun = passed(at)
        assert begun.engine.state_hash() == truth_of or at.sequence != ends[25]
        follower = follow(home, ends[-1], log, begun)
        assert follower.restored_at == begins, "one that is behind the log's end would leave events out"
        assert follower.engine.state_hash() == state
        log.close()
        assert written(events) == replayed(home, upto=ends[-1])
    shutil.rmtree(events)
    assert log_end(events) is None
    log = EventLog(events, SMALL)
    follow(home, ends[-1], log, passed(None))
    assert log.first_sequence == ends[-1] + 1, "an empty log begins where the reader does"
    log.close()
    log = EventLog(events, SMALL)
    other = filled(tmp_path / "other", 5, first=7)
    follow(tmp_path / "other", other[-1], log)
    log.close()
    log = EventLog(events, SMALL)
    follower = follow(home, ends[-1], log, passed(log.end))
    assert follower.engine.state_hash() == state and log.end == follower.position
    log.close()


def test_a_snapshot_behind_the_end_of_the_log_is_not_begun_from(tmp_path):
    core = started(tmp_path)
    plan = SnapshotPlan(every_s=0, every_commands=50)
    with CoreClient.connect(tmp_path / "core.sock") as client:
        log = EventLog(tmp_path / "events", SMALL)
        with reading(tmp_path, events=log, snapshots=plan) as server:
            first = client.submit(listed()).first_sequence
            for n in range(1, 400, 10):
                first = client.submit(traffic(n, 10)).first_sequence
            eventually(
                lambda: caught_up(server, first + 9) and len(snapshot_paths(tmp_path / "snapshots")) > 1
            )
        log.close()
        end = client.submit(traffic(1_000, 5)).first_sequence + 4
        truth = replayed(tmp_path, upto=end)
        newest = int(snapshot_paths(tmp_path / "snapshots")[-1].stem)
        log = EventLog(tmp_path / "events", SMALL)
        follower = follow(tmp_path, end, log)
        assert follower.restored_at == newest, "the newest one is fine: the log is as far"
        log.close()
        assert written(tmp_path / "events") == truth
        for path in sorted((tmp_path / "events").glob("*.events"))[1:]:
            path.unlink()
        log = EventLog(tmp_path / "events", SMALL)
        assert log.end.sequence < newest
        follower = follow(tmp_path, end, log)
        assert follower.restored_at <= log.end.sequence
        assert any("where the event log ends" in line for line in follower.snapshots_skipped)
        log.close()
        assert written(tmp_path / "events") == truth
        shutil.rmtree(tmp_path / "events")
        log = EventLog(tmp_path / "events", SMALL)
        follower = follow(tmp_path, end, log)
        assert follower.restored_at == newest and log.first_sequence == newest + 1
        log.close()
        assert written(tmp_path / "events") == replayed(tmp_path, after=newest, upto=end)
    core.send_signal(signal.SIGTERM)
    core.communicate()


@pytest.mark.parametrize("which", ["other", "ahead"])
def test_a_log_of_another_journal_is_put_aside(tmp_path, which):
    home, other = tmp_path / "home", tmp_path / "other"
    ends, later = filled(home, 20), filled(other, 30, first=7 if which == "other" else 1)
    log = EventLog(home / "events", SMALL)
    follow(other, later[10 if which == "other" else 29], log)
    log.close()
    notes = []
    log = EventLog(home / "events", SMALL, notes.append)
    follower = follow(home, ends[-1], log)
    assert len(notes) == 1 and "put aside" in notes[0]
    assert log.end == follower.position
    first = log.first_sequence
    log.close()
    assert written(home / "events") == replayed(home, after=first - 1, upto=ends[-1])
    assert list((home / "events").glob("*.aside"))


def test_without_an_event_log_that_is_said(tmp_path):
    core = started(tmp_path)
    with reading(tmp_path) as server, ReaderClient.connect(server.path) as reader:
        with pytest.raises(NotTold) as refused:
            reader.recall(1, 0)
        assert refused.value.facts["why"] == Why.NO_EVENT_LOG
    core.send_signal(signal.SIGTERM)
    core.communicate()


def test_a_reader_whose_disk_takes_no_events_ends_and_the_next_one_goes_on(tmp_path, monkeypatch):
    core = started(tmp_path)
    log = EventLog(tmp_path / "events", SMALL)
    with CoreClient.connect(tmp_path / "core.sock") as client, reading(tmp_path, events=log) as server:
        first = client.submit(listed()).first_sequence
        eventually(lambda: caught_up(server, first))

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("novate.event_log.segment.write_fully", full)
        last = client.submit(traffic(100, 10)).first_sequence + 9
        eventually(lambda: server.raised)
        assert "No space" in str(server.raised[0])
        with pytest.raises(ReaderGone):
            ReaderClient.connect(server.path)
    monkeypatch.undo()
    log.close()
    log = EventLog(tmp_path / "events", SMALL)
    with reading(tmp_path, events=log) as server:
        eventually(lambda: caught_up(server, last))
    log.close()
    assert written(tmp_path / "events") == replayed(tmp_path)
    core.send_signal(signal.SIGTERM)
    core.communicate()

"""The journal's bytes, stamps, chain, snapshots, recovery and verification, each rule on its own."""

import errno
import io
import os
import random
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_engine import RESUME, RESUME_TYPE, ChainEngine, event_of, fields, message, split
from novate import sequencer as opening
from novate.errors import (
    BadBuffer,
    ConfigError,
    EngineHalted,
    JournalDamaged,
    JournalError,
    JournalLocked,
    LogStopped,
    NovateError,
    ReleaseMismatch,
    ReplayDiverged,
    SyncFailed,
    TimeRanBackwards,
)
from novate.journal import FileLog, Journal, MemoryLog, Walk, recovery, verify_journal, walk_journal
from novate.journal.envelope import MAX_PAYLOAD_BYTES, check_stamps, stamp
from novate.journal.layout import (
    FRAME_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    frame_checksum_holds,
    frame_hash,
    pack_frame,
    pack_segment_header,
    parse_frame_header,
    parse_segment_header,
)
from novate.journal.scan import segment_name, segment_paths, walk_segment
from novate.sequencer import OpenedVenue, Sequencer, open_venue_log, steady_clock

SECOND = 10**9


def open_home(home: Path, **options: object) -> OpenedVenue[ChainEngine]:
    settings = {"release": "0.1.0", "ruleset": 1, "resume": RESUME} | options
    return open_venue_log(home, ChainEngine, **settings)


def fill(sequencer: Sequencer[ChainEngine], frames: int, seed: int = 0, start_ns: int = SECOND) -> None:
    dice = random.Random(seed)
    for number in range(frames):
        buffer = b"".join(message(dice.randbytes(dice.randrange(40))) for _ in range(dice.randrange(1, 6)))
        sequencer.submit(buffer, start_ns + number)


def in_memory(**options: object) -> Sequencer[ChainEngine]:
    return Sequencer(ChainEngine(), Journal(MemoryLog(), Walk()), **options)


# --- errors -------------------------------------------------------------------------------------------------------------


def every_error(kind: type[NovateError] = NovateError) -> list[type[NovateError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in every_error(child))]


def test_error_codes_are_unique_and_carried_to_programs():
    kinds = every_error()
    assert len({kind.code for kind in kinds}) == len(kinds)
    damaged = JournalDamaged(segment="a.log", offset=12, sequence=3, what="the checksum fails")
    assert damaged.as_dict() == {
        "code": "journal_damaged",
        "sentence": "The journal is damaged at byte 12 of a.log (command 3): the checksum fails.",
        "segment": "a.log",
        "offset": 12,
        "sequence": 3,
        "what": "the checksum fails",
    }


# --- layout -------------------------------------------------------------------------------------------------------------


def test_headers_have_the_documented_sizes_and_round_trip():
    raw = pack_segment_header("0.1.0", 3, 17, bytes(range(32)))
    header = parse_segment_header(raw)
    assert len(raw) == SEGMENT_HEADER_BYTES == 128
    assert header is not None
    assert (header.release, header.ruleset, header.first_sequence) == ("0.1.0", 3, 17)
    frame = pack_frame(b"body", first_sequence=5, count=1, time_ns=9, durable=4, previous_hash=bytes(32))
    parsed = parse_frame_header(frame[:FRAME_HEADER_BYTES])
    assert FRAME_HEADER_BYTES == 72
    assert parsed is not None
    assert (parsed.length, parsed.first_sequence, parsed.count, parsed.time_ns, parsed.durable) == (
        80,
        5,
        1,
        9,
        4,
    )


def test_a_payload_fits_no_other_header():
    """A checksum carried over the header and the header's own checksum would forget the header."""
    common = {"first_sequence": 5, "count": 1, "durable": 4, "previous_hash": bytes(32)}
    one, other = (pack_frame(body, time_ns=t, **common) for body, t in [(b"body", 9), (b"soul", 10)])
    assert frame_checksum_holds(one)
    assert not frame_checksum_holds(one[:FRAME_HEADER_BYTES] + other[FRAME_HEADER_BYTES:])


@pytest.mark.parametrize("release", ["", "x" * 65, "a\0b"])
def test_a_release_name_that_does_not_fit_is_refused(release):
    with pytest.raises(ConfigError):
        pack_segment_header(release, 1, 1, bytes(32))


# --- envelope -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 40), min_size=1, max_size=80), st.integers(1, 2**40), st.integers(0, 2**62))
def test_stamping_fills_sequence_and_time_and_nothing_else(sizes, first, time_ns):
    buffer = b"".join(message(bytes([n % 251]) * size, request=n) for n, size in enumerate(sizes))
    filled = stamp(buffer, first, time_ns, 0)
    before, after = split(buffer), split(filled.payload)
    assert filled.commands == len(sizes)
    assert filled.time_ns == time_ns
    assert [fields(m) for m in after] == [(n, first + n, time_ns) for n in range(len(sizes))]
    assert [m[:32] + m[48:] for m in after] == [m[:32] + m[48:] for m in before]
    check_stamps(filled.payload, first, len(sizes), time_ns)


@given(
    st.integers(1, 60).flatmap(lambda size: st.lists(st.integers(0, 3), min_size=size, max_size=size)),
    st.booleans(),
    st.integers(0, 60),
)
def test_messages_may_carry_their_own_times_which_never_decrease(steps, mixed, at):
    times, now = [], 100
    for step in steps:
        now += step
        times.append(now)
    buffer = b"".join(message(b"x" * (n % 3 if mixed else 0), time_ns=t) for n, t in enumerate(times))
    filled = stamp(buffer, 1, None, 100)
    assert [fields(m)[1:] for m in split(filled.payload)] == list(enumerate(times, 1))
    assert filled.time_ns == times[-1]
    at %= len(times)
    before = times[at - 1] if at else 100
    bad = split(buffer)
    bad[at] = bad[at][:40] + struct.pack("<q", before - 1) + bad[at][48:]
    with pytest.raises(TimeRanBackwards, match=f"Command {at + 1} "):
        stamp(b"".join(bad), 1, None, 100)


@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda b: b[:-1], "ends inside the message"),
        (lambda b: b + b"\0", "ends inside the message"),
        (lambda b: b + bytes(48), "says it has 0 bytes"),
        (lambda b: b + b"\x2f" + bytes(47), "says it has 47 bytes"),
        (lambda b: b + b"\xff\xff\xff\xff" + bytes(60), "ends inside the message"),
        (lambda _: b"", "holds no whole message"),
        (lambda _: bytes(47), "holds no whole message"),
        (lambda _: bytes(MAX_PAYLOAD_BYTES + 1), "at most"),
    ],
)
def test_a_buffer_of_anything_but_whole_messages_is_refused_and_nothing_written(count, spoil, why):
    sequencer = in_memory()
    sequencer.submit(message(), 1)
    frames = len(sequencer.journal._log.frames)
    with pytest.raises(BadBuffer, match=why):
        sequencer.submit(spoil(message(b"abc") * count), 2)
    assert len(sequencer.journal._log.frames) == frames
    assert sequencer.engine.sequence == sequencer.sequence == 1
    assert fields(sequencer.submit(message(), 2)) == (0, 2, 2)


def test_check_stamps_refuses_every_other_count_sequence_and_time():
    filled = stamp(message(b"a") + message(b"bc"), 8, 50, 0)
    for first, count, time_ns in [(7, 2, 50), (8, 1, 50), (8, 3, 50), (8, 2, 51)]:
        with pytest.raises(BadBuffer):
            check_stamps(filled.payload, first, count, time_ns)


# --- sequencer ----------------------------------------------------------------------------------------------------------


def test_time_never_decreases_and_a_refusal_changes_nothing():
    sequencer = in_memory()
    sequencer.submit(message(), 10)
    for wrong in (9, -1):
        with pytest.raises(TimeRanBackwards):
            sequencer.submit(message(), wrong)
    assert (sequencer.sequence, sequencer.time_ns, len(sequencer.journal._log.frames)) == (1, 10, 1)
    sequencer.submit(message(), 10)


@pytest.mark.parametrize(
    ("time_ns", "error"), [(1.5, TypeError), ("1", TypeError), (2**63, BadBuffer), (None, ConfigError)]
)
def test_a_time_that_is_no_time_is_refused(time_ns, error):
    sequencer = in_memory()
    with pytest.raises(error):
        sequencer.submit(message(), time_ns)
    assert sequencer.journal._log.frames == []


def test_a_clock_that_goes_back_is_refused_and_steady_clock_does_not():
    times = iter([5, 6, 4, 6])
    sequencer = in_memory(clock=lambda: next(times))
    sequencer.submit(message())
    sequencer.submit(message())
    with pytest.raises(TimeRanBackwards):
        sequencer.submit(message())
    sequencer.submit(message())
    clock = steady_clock()
    readings = [clock() for _ in range(1_000)]
    assert readings == sorted(readings)


def test_pipelined_and_lockstep_write_the_same_journal(tmp_path):
    dice = random.Random(4)
    buffers = [b"".join(message(dice.randbytes(9)) for _ in range(dice.randrange(1, 50))) for _ in range(60)]
    events = {}
    for name, pipelined in [("lockstep", False), ("pipelined", True)]:
        venue = open_home(tmp_path / name, pipelined=pipelined, segment_bytes=20_000)
        with venue.sequencer as sequencer:
            parts = [sequencer.push(buffer, n) for n, buffer in enumerate(buffers)]
            assert (parts[0] == b"") is pipelined
            events[name] = b"".join(parts) + sequencer.drain()
    files = [[p.read_bytes() for p in segment_paths(tmp_path / name / "journal")] for name in events]
    assert files[0] == files[1]
    assert len(files[0]) > 1
    assert events["lockstep"] == events["pipelined"]


def test_submit_in_pipelined_mode_gives_its_own_events_and_those_in_flight(tmp_path):
    with open_home(tmp_path, pipelined=True).sequencer as sequencer:
        assert sequencer.push(message(request=1), 1) == b""
        assert sequencer.sequence == 0
        assert [fields(e) for e in split(sequencer.submit(message(request=2), 2))] == [(1, 1, 1), (2, 2, 2)]
        sequencer.push(message(request=3), 3)
        assert [fields(e) for e in split(sequencer.close())] == [(3, 3, 3)]


@pytest.mark.parametrize("pipelined", [False, True])
def test_an_engine_that_fails_halts_the_sequencer_and_the_command_stays_in_the_journal(tmp_path, pipelined):
    sequencer = open_home(tmp_path, pipelined=pipelined).sequencer
    sequencer.submit(message(b"fine"), 1)
    with pytest.raises(EngineHalted, match="planted"):
        sequencer.submit(message(b"explode"), 2)
    for call in (lambda: sequencer.submit(message(), 3), sequencer.drain, sequencer.snapshot):
        with pytest.raises(EngineHalted, match="planted"):
            call()
    sequencer.close()
    with pytest.raises(EngineHalted, match="commands 1 to 2"):
        open_home(tmp_path)
    report = verify_journal(tmp_path, ChainEngine, ruleset=1)
    assert not report.ok
    assert report.commands == 1
    assert "planted" in report.problems[0]


def test_after_close_every_call_is_refused(tmp_path):
    sequencer = open_home(tmp_path).sequencer
    sequencer.close()
    sequencer.close()
    with pytest.raises(LogStopped):
        sequencer.submit(message(), 1)


# --- journal and recovery -----------------------------------------------------------------------------------------------


def test_recovery_gives_the_same_state_and_resumes_first(tmp_path):
    with open_home(tmp_path).sequencer as sequencer:
        fill(sequencer, 40)
        before = sequencer.engine
    seen = []
    venue = open_home(tmp_path, on_events=seen.append)
    assert venue.recovery.clean_shutdown
    assert venue.recovery.truncated_tail_bytes == 0
    assert venue.recovery.commands_replayed == venue.recovery.sequence == before.sequence
    assert venue.sequencer.engine.applied[:-1] == before.applied
    assert b"".join(seen) == b"".join(map(event_of, before.applied))
    resumed = venue.sequencer.engine.applied[-1]
    assert struct.unpack_from("<H", resumed, 4) == (RESUME_TYPE,)
    assert fields(resumed)[1:] == (before.sequence + 1, before.time_ns)
    assert venue.events == event_of(resumed)
    venue.sequencer.close()


def test_a_fresh_home_has_nothing_to_resume(tmp_path):
    for _ in range(3):
        venue = open_home(tmp_path)
        assert venue.events == b""
        assert venue.recovery.sequence == venue.sequencer.sequence == 0
        venue.sequencer.close()
    assert segment_paths(tmp_path / "journal") == []


def test_segments_rotate_and_chain(tmp_path):
    with open_home(tmp_path, segment_bytes=2_000).sequencer as sequencer:
        fill(sequencer, 60)
        engine = sequencer.engine
    names = [path.name for path in segment_paths(tmp_path / "journal")]
    assert len(names) > 5
    assert names[0] == "00000000000000000001.log"
    walk = Walk()
    firsts = {
        frame.segment: frame.first_sequence
        for frame in reversed(list(walk_journal(tmp_path / "journal", walk)))
    }
    assert all(int(name[:20]) == first for name, first in firsts.items())
    assert walk.next_sequence == engine.sequence + 1
    assert verify_journal(tmp_path, ChainEngine, ruleset=1).state_hash == engine.state_hash().hex()


def test_a_missing_or_swapped_or_foreign_segment_is_refused(tmp_path):
    for name, seed in [("a", 1), ("b", 2)]:
        with open_home(tmp_path / name, segment_bytes=2_000).sequencer as sequencer:
            fill(sequencer, 40, seed=seed)
    paths = segment_paths(tmp_path / "a" / "journal")
    other = segment_paths(tmp_path / "b" / "journal")[0]
    originals = {path: path.read_bytes() for path in paths}
    for path in paths[:-1]:
        path.unlink()
        with pytest.raises(JournalDamaged):
            open_home(tmp_path / "a")
        path.write_bytes(originals[path])
    paths[0].write_bytes(other.read_bytes())
    with pytest.raises(JournalDamaged):
        open_home(tmp_path / "a")
    paths[0].write_bytes(originals[paths[1]])
    with pytest.raises(JournalDamaged, match="header says"):
        open_home(tmp_path / "a")
    paths[0].write_bytes(originals[paths[0]])
    open_home(tmp_path / "a").sequencer.close()


def test_release_is_recorded_and_another_ruleset_or_format_is_refused(tmp_path):
    with open_home(tmp_path).sequencer as sequencer:
        fill(sequencer, 3)
    with pytest.raises(ReleaseMismatch, match=r"ruleset 1 by release 0\.1\.0"):
        open_home(tmp_path, ruleset=2)
    assert not verify_journal(tmp_path, ChainEngine, ruleset=2).ok
    venue = open_home(tmp_path, release="0.2.0")
    assert venue.recovery.written_by == "0.1.0"
    venue.sequencer.close()
    assert len(segment_paths(tmp_path / "journal")) == 2
    assert verify_journal(tmp_path, ChainEngine, ruleset=1).release == "0.2.0"
    path = segment_paths(tmp_path / "journal")[0]
    raw = bytearray(path.read_bytes())
    raw[8] = 2
    header = raw[:124]
    import google_crc32c

    raw[124:128] = struct.pack("<I", google_crc32c.value(bytes(header)))
    path.write_bytes(raw)
    with pytest.raises(ReleaseMismatch, match="format 2"):
        open_home(tmp_path)


def test_one_writer_owns_a_home(tmp_path):
    first = open_home(tmp_path)
    with pytest.raises(JournalLocked):
        open_home(tmp_path)
    first.sequencer.close()
    open_home(tmp_path).sequencer.close()


def test_a_failed_opening_gives_the_home_back(tmp_path):
    with open_home(tmp_path).sequencer as sequencer:
        fill(sequencer, 3)
    with pytest.raises(TimeRanBackwards):
        open_home(tmp_path, resume_time_ns=1)
    open_home(tmp_path).sequencer.close()


def test_a_frame_appended_again_or_out_of_order_is_a_bug_not_a_write(tmp_path):
    sequencer = open_home(tmp_path).sequencer
    sequencer.submit(message(), 1)
    log = sequencer.journal._log
    frame = pack_frame(message(), first_sequence=1, count=1, time_ns=1, durable=0, previous_hash=bytes(32))
    with pytest.raises(AssertionError):
        log.append(frame)
    sequencer.close()


GOOD = {"first_sequence": 2, "count": 1, "time_ns": 10, "durable": 1}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({}, None),
        ({"first_sequence": 3}, "of command 3 stands where 2"),
        ({"previous_hash": bytes(32)}, "does not carry the hash"),
        ({"durable": 0}, "durable mark is 0, not 1"),
        ({"durable": 2}, "durable mark is 2, not 1"),
        ({"time_ns": 9}, "time 9 lies before 10"),
        ({"count": 0}, "seal without a state hash"),
    ],
)
def test_a_sound_frame_that_is_not_the_next_one_is_damage(wrong, why):
    first = pack_frame(b"a", first_sequence=1, count=1, time_ns=10, durable=0, previous_hash=bytes(32))
    second = pack_frame(b"b", **({"previous_hash": frame_hash(first)} | GOOD | wrong))
    raw = pack_segment_header("0.1.0", 1, 1, bytes(32)) + first + second
    frames = walk_segment(io.BytesIO(raw), "00000000000000000001.log", Walk(), last=True)
    if why is None:
        assert len(list(frames)) == 2
        return
    with pytest.raises(JournalDamaged, match=why):
        list(frames)


def test_a_segment_that_follows_another_chain_is_refused_even_if_it_is_empty(tmp_path):
    with open_home(tmp_path).sequencer as sequencer:
        fill(sequencer, 5)
        end = sequencer.sequence
    (tmp_path / "journal" / segment_name(end + 1)).write_bytes(
        pack_segment_header("0.1.0", 1, end + 1, bytes(32))
    )
    with pytest.raises(JournalDamaged, match="does not follow the last frame"):
        open_home(tmp_path)


def test_a_seal_alone_in_its_segment_is_never_overwritten(tmp_path):
    """A segment is named by its first command; one without any must go on being used."""
    for run in range(3):
        with open_home(tmp_path, segment_bytes=1, release=f"0.{run}.0").sequencer as sequencer:
            fill(sequencer, 2, start_ns=run * SECOND)
            engine = sequencer.engine
    report = verify_journal(tmp_path, ChainEngine, ruleset=1)
    assert report.ok, report.problems
    assert (report.state_hash, report.seals_checked) == (engine.state_hash().hex(), 3)


def test_recovery_makes_the_last_frame_durable_again_before_anything_is_applied(tmp_path, monkeypatch):
    """A killed writer may have left it in memory only, and after a failed sync memory claims it is on disk."""
    sequencer = open_home(tmp_path).sequencer
    fill(sequencer, 5)
    last = list(walk_journal(tmp_path / "journal", Walk()))[-1]
    frame = segment_paths(tmp_path / "journal")[0].read_bytes()[last.offset :]
    sequencer._halted = LogStopped("killed")
    sequencer.close()
    trace: list[object] = []
    real_pwrite, real_fsync = os.pwrite, os.fsync
    monkeypatch.setattr(
        os, "pwrite", lambda fd, b, at: (trace.append((at, bytes(b))), real_pwrite(fd, b, at))[1]
    )
    monkeypatch.setattr(os, "fsync", lambda fd: (trace.append("sync"), real_fsync(fd))[1])
    open_home(tmp_path, resume=None, on_events=lambda _: trace.append("applied")).sequencer.close()
    assert trace[:2] == [(last.offset, frame), "sync"]
    assert trace.index("applied") > 1


def test_a_log_that_met_an_error_refuses_every_later_call(tmp_path, monkeypatch):
    log = FileLog(tmp_path, Walk(), release="0.1.0", ruleset=1)
    frame = pack_frame(message(), first_sequence=1, count=1, time_ns=1, durable=0, previous_hash=bytes(32))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "planted")))
        with pytest.raises(SyncFailed):
            log.append(frame)
    for _ in range(2):
        with pytest.raises(LogStopped, match="planted"):
            log.append(frame)
    log.close()


# --- snapshots and verification -----------------------------------------------------------------------------------------


def with_snapshots(home: Path, **options: object) -> ChainEngine:
    """30 frames in small segments, a snapshot after each tenth, closed cleanly."""
    with open_home(home, segment_bytes=1_500, **options).sequencer as sequencer:
        for number in range(3):
            fill(sequencer, 10, seed=number, start_ns=number * SECOND)
            sequencer.snapshot()
        fill(sequencer, 5, seed=9, start_ns=4 * SECOND)
        return sequencer.engine


def test_recovery_takes_the_newest_sound_snapshot_and_replays_the_rest(tmp_path):
    engine = with_snapshots(tmp_path)
    paths = sorted((tmp_path / "snapshots").iterdir())
    sequences = [int(path.stem) for path in paths]
    for path, sequence in reversed(list(zip(paths, sequences, strict=True))):
        venue = open_home(tmp_path, resume=None)
        assert venue.recovery.snapshot_sequence == sequence
        assert venue.recovery.commands_replayed == engine.sequence - sequence
        assert venue.sequencer.engine.state_hash() == engine.state_hash()
        venue.sequencer.close()
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
    venue = open_home(tmp_path, resume=None)
    assert venue.recovery.snapshot_sequence == 0
    assert len(venue.recovery.snapshots_skipped) == 3
    assert venue.sequencer.engine.state_hash() == engine.state_hash()
    venue.sequencer.close()
    assert sorted((tmp_path / "snapshots").iterdir()) == paths, "damage never deletes"


def test_what_is_restored_while_the_journal_is_judged_is_restored_once(tmp_path, monkeypatch):
    engine = with_snapshots(tmp_path)
    newest = max(int(path.stem) for path in (tmp_path / "snapshots").iterdir())
    begun, threads = [], {}
    restores, judges = recovery.restored, opening.judge

    def noted(engines, file):
        begun.append(file.sequence)
        threads["restores"] = threading.current_thread()
        return restores(engines, file)

    def judging(*words, **named):
        threads["judges"] = threading.current_thread()
        return judges(*words, **named)

    monkeypatch.setattr(recovery, "restored", noted)
    monkeypatch.setattr(opening, "judge", judging)
    venue = open_home(tmp_path, resume=None)
    assert begun == [newest]
    assert threads["restores"] is threading.current_thread() is not threads["judges"]
    assert venue.sequencer.engine.state_hash() == engine.state_hash()
    venue.sequencer.close()


def test_a_snapshot_at_every_frame_recovers_to_the_same_state(tmp_path):
    with open_home(tmp_path, segment_bytes=1_500).sequencer as sequencer:
        for number in range(40):
            fill(sequencer, 1, seed=number, start_ns=number)
            sequencer.snapshot()
        expected = sequencer.engine.state_hash()
    paths = sorted((tmp_path / "snapshots").iterdir())
    for path in reversed(paths):
        venue = open_home(tmp_path, resume=None)
        assert venue.recovery.snapshot_sequence == int(path.stem)
        assert venue.sequencer.engine.state_hash() == expected
        venue.sequencer.close()
        path.unlink()


def test_a_snapshot_while_a_frame_is_in_flight_is_of_what_was_applied(tmp_path):
    with open_home(tmp_path, pipelined=True).sequencer as sequencer:
        for number in range(20):
            sequencer.push(message(bytes([number])), number)
            if number % 5 == 4:
                assert int(sequencer.snapshot().stem) == number
    report = verify_journal(tmp_path, ChainEngine, ruleset=1)
    assert report.ok, report.problems
    assert report.snapshots_checked == 4


def test_a_snapshot_of_another_journal_is_not_used(tmp_path):
    with_snapshots(tmp_path / "a")
    with open_home(tmp_path / "b").sequencer as sequencer:
        for number in range(200):
            sequencer.submit(message(b"other"), number)
    (tmp_path / "a" / "snapshots").rename(tmp_path / "b" / "snapshots")
    venue = open_home(tmp_path / "b")
    assert venue.recovery.snapshot_sequence == 0
    assert len(venue.recovery.snapshots_skipped) == 3
    venue.sequencer.close()
    assert not verify_journal(tmp_path / "b", ChainEngine, ruleset=1).ok


def test_a_journal_that_ends_before_a_snapshot_has_lost_commands_and_is_refused(tmp_path):
    with_snapshots(tmp_path)
    paths = segment_paths(tmp_path / "journal")
    for path in paths[-4:]:
        path.unlink()
    with pytest.raises(JournalDamaged, match="a snapshot was taken after"):
        open_home(tmp_path)
    for path in paths[:-4]:
        path.unlink()
    with pytest.raises(JournalDamaged, match="it ends at command 0"):
        open_home(tmp_path)


def test_verification_reports_all_it_checked_and_changes_nothing(tmp_path):
    engine = with_snapshots(tmp_path)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*") if p.is_file()}
    steps: list[tuple[int, int]] = []
    report = verify_journal(
        tmp_path, ChainEngine, ruleset=1, progress=lambda done, total: steps.append((done, total))
    )
    assert report.ok
    assert report.problems == []
    assert (report.commands, report.frames) == (engine.sequence, 36)
    assert report.state_hash == engine.state_hash().hex()
    assert report.conservation == {1: 0}
    assert (report.snapshots_checked, report.seals_checked, report.clean_shutdown) == (3, 1, True)
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1] == report.journal_bytes
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*") if p.is_file()} == before
    assert verify_journal(tmp_path / "journal", ChainEngine, ruleset=1) == report


class Leaky(ChainEngine):
    def conservation(self):
        return [(1, 0), (2, -5)]


class Different(ChainEngine):
    def state_hash(self):
        return bytes(32)


def test_verification_finds_what_is_wrong(tmp_path):
    with_snapshots(tmp_path)
    assert verify_journal(tmp_path, Leaky, ruleset=1).problems == ["Asset 2 is out of balance by -5."]
    different = verify_journal(tmp_path, Different, ruleset=1)
    assert not different.ok
    assert sum("another state" in problem for problem in different.problems) == 3
    assert sum("recorded" in problem for problem in different.problems) == 4, "three snapshots and the seal"
    with pytest.raises(ReplayDiverged):
        open_home_with(Different, tmp_path)
    newest = max((tmp_path / "snapshots").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    assert [p.split(":")[0] for p in verify_journal(tmp_path, ChainEngine, ruleset=1).problems] == [
        newest.name
    ]


def test_verification_finds_a_sound_frame_that_does_not_hold_the_commands_it_says(tmp_path):
    with open_home(tmp_path).sequencer as sequencer:
        sequencer.submit(message(), 1)
        journal = sequencer.journal
        journal.append(journal.frame(message(time_ns=2), 1, 2))
        sequencer._halted = LogStopped("the planted fault ends the run")
    report = verify_journal(tmp_path, ChainEngine, ruleset=1)
    assert report.problems == ["The frame of command 2 does not hold 1 commands stamped in order up to 2."]


def open_home_with(engines, home):
    return open_venue_log(home, engines, release="0.1.0", ruleset=1, resume=None)


def test_verification_of_nothing_says_so(tmp_path):
    with pytest.raises(JournalError, match="no journal"):
        verify_journal(tmp_path, ChainEngine, ruleset=1)

"""The journal under faults: cut at every byte, every bit flipped, garbage, failing syncs and writes, a full disk.

The promise in every case: what is recovered is an exact prefix of what was written, it holds every command up to the
last durable mark that survives, and everything else is a refusal that names the place.
"""

import contextlib
import errno
import io
import itertools
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from chain_engine import RESUME, ChainEngine, fields, message, split
from novate.errors import JournalDamaged, JournalFull, LogStopped, NovateError, SyncFailed
from novate.journal import Frame, Journal, Log, MemoryLog, Walk, layout, verify_journal, walk_journal
from novate.journal.layout import FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, pack_segment_header
from novate.journal.scan import segment_paths, walk_segment
from novate.journal.snapshots import Snapshot, read_snapshot, write_snapshot
from novate.sequencer import OpenedVenue, Sequencer, open_venue_log

NAME = "00000000000000000001.log"


@dataclass(frozen=True)
class Written:
    """A journal of one segment in memory, and where its frames lie."""

    raw: bytes
    frames: list[Frame]

    def frame_at(self, offset: int) -> int:
        """Index of the frame that holds byte `offset`."""
        return next(n for n, frame in enumerate(self.frames) if offset < frame.offset + frame.length)


def write_in_memory(frames: int, command_bytes: int, *, sealed: bool, seed: int = 1) -> Written:
    """A run of half the frames, a clean shutdown, the other half, and a second shutdown if `sealed`."""
    dice = random.Random(seed)
    log = MemoryLog()
    with Sequencer(ChainEngine(), Journal(log, Walk())) as first:
        for number in range(frames // 2):
            first.submit(message(dice.randbytes(command_bytes)) * dice.randrange(1, 4), number)
    raw = pack_segment_header("0.1.0", 1, 1, bytes(32)) + b"".join(log.frames)
    walk = Walk()
    for _ in walk_segment(io.BytesIO(raw), NAME, walk, last=True):
        pass
    second = Sequencer(first.engine, Journal(log := MemoryLog(), walk))
    for number in range(frames // 2, frames):
        second.submit(message(dice.randbytes(command_bytes)) * dice.randrange(1, 4), number)
    if sealed:
        second.close()
    raw += b"".join(log.frames)
    found, torn = read(raw)
    assert torn == 0
    assert len(found) == frames + 1 + sealed
    return Written(raw, found)


def read(raw: bytes) -> tuple[list[Frame], int]:
    """The frames a reader accepts, and how many bytes of torn tail it would cut."""
    walk = Walk()
    frames = list(walk_segment(io.BytesIO(raw), NAME, walk, last=True))
    return frames, walk.torn.size if walk.torn else 0


def judged(raw: bytes) -> tuple[list[Frame], int, JournalDamaged | None]:
    """As `read`, with the refusal in the last place."""
    try:
        return *read(raw), None
    except JournalDamaged as damaged:
        return [], 0, damaged


def open_home(home: Path, **options: object) -> OpenedVenue[ChainEngine]:
    settings = {"release": "0.1.0", "ruleset": 1, "resume": RESUME} | options
    return open_venue_log(home, ChainEngine, **settings)


# --- truncation ---------------------------------------------------------------------------------------------------------


def test_cut_at_every_byte_the_whole_frames_before_it_are_recovered():
    journal = write_in_memory(36, 700, sealed=True)
    assert len(journal.raw) > 50_000
    ends = [frame.offset + frame.length for frame in journal.frames]
    kept = 0
    for size in range(len(journal.raw)):
        cut = journal.raw[:size]
        if size < SEGMENT_HEADER_BYTES:
            with pytest.raises(JournalDamaged):
                read(cut)
            continue
        while ends[kept] <= size:
            kept += 1
        frames, torn = read(cut)
        assert frames == journal.frames[:kept]
        assert torn == size - (ends[kept - 1] if kept else SEGMENT_HEADER_BYTES)


def test_cut_anywhere_but_in_the_last_segment_is_refused(tmp_path):
    with open_home(tmp_path, segment_bytes=1_000).sequencer as sequencer:
        for number in range(12):
            sequencer.submit(message(b"x" * 90) * 2, number)
    paths = segment_paths(tmp_path / "journal")
    assert len(paths) > 3
    boundaries = {path.name: {SEGMENT_HEADER_BYTES} for path in paths}
    for frame in walk_journal(tmp_path / "journal", Walk()):
        boundaries[frame.segment].add(frame.offset + frame.length)
    for path in paths[:-1]:
        raw = path.read_bytes()
        for size in range(len(raw)):
            os.truncate(path, size)
            report = verify_journal(tmp_path, ChainEngine, ruleset=1)
            assert not report.ok
            whole_frames = size in boundaries[path.name]
            assert (
                "before this segment are missing" if whole_frames else f"of {path.name} "
            ) in report.problems[0]
            path.write_bytes(raw)
    assert verify_journal(tmp_path, ChainEngine, ruleset=1).ok


# --- flipped bits -------------------------------------------------------------------------------------------------------


def flip_every_bit(journal: Written, *, sealed: bool) -> int:
    """Flips each bit in turn; returns how many were cut as a torn tail instead of refused."""
    cut = 0
    last = len(journal.frames) - 1
    for bit in range(len(journal.raw) * 8):
        raw = bytearray(journal.raw)
        raw[bit // 8] ^= 1 << bit % 8
        hit = journal.frame_at(bit // 8) if bit // 8 >= SEGMENT_HEADER_BYTES else -1
        frames, torn, damaged = judged(bytes(raw))
        if damaged:
            assert hit < last, "only damage before the last frame is certain"
            frame = journal.frames[max(hit, 0)]
            assert damaged.facts["sequence"] == frame.first_sequence
            assert damaged.facts["offset"] == (frame.offset if hit >= 0 else 0)
        else:
            assert hit == last, f"bit {bit} of frame {hit} went undetected or lost a durable frame"
            assert frames == journal.frames[:last]
            assert torn == journal.frames[last].length
            cut += 1
    assert journal.frames[last].is_seal is sealed
    return cut


@pytest.mark.parametrize(("frames", "sealed"), [(9, False), (9, True), (2, False)])
def test_every_flipped_bit_is_refused_or_costs_only_the_frame_in_flight(frames, sealed):
    """With two frames, the one in flight stands right behind the seal of the run before."""
    journal = write_in_memory(frames, 150, sealed=sealed)
    assert flip_every_bit(journal, sealed=sealed) == journal.frames[-1].length * 8


@pytest.mark.long
def test_every_flipped_bit_of_a_long_journal():
    journal = write_in_memory(36, 700, sealed=True)
    assert flip_every_bit(journal, sealed=True) == journal.frames[-1].length * 8


# --- garbage, and frames in the wrong place -----------------------------------------------------------------------------


def garble(raw: bytes, dice: random.Random) -> tuple[bytes, int, int]:
    """`raw` with one block overwritten: noise, zeros or a stale copy; any place or a sector; (bytes, from, to)."""
    size = dice.choice([2, 16, 100, 512, 4_096])
    start = dice.randrange(SEGMENT_HEADER_BYTES, len(raw))
    if dice.random() < 0.5:
        start = max(start // 512 * 512, SEGMENT_HEADER_BYTES)
    end = min(start + size, len(raw))
    source = dice.randrange(len(raw) - (end - start))
    block = dice.choice([dice.randbytes(end - start), bytes(end - start), raw[source : source + end - start]])
    return raw[:start] + block + raw[end:], start, end


@pytest.mark.parametrize("command_bytes", [20, 400])
def test_garbage_is_refused_unless_nothing_behind_it_proves_that_it_was_durable(command_bytes):
    journal = write_in_memory(40, command_bytes, sealed=False)
    dice = random.Random(command_bytes)
    outcomes = {"refused": 0, "cut": 0}
    for _ in range(8_000):
        raw, start, end = garble(journal.raw, dice)
        changed = [at for at in range(start, end) if raw[at] != journal.raw[at]]
        if not changed:
            continue
        hit = journal.frame_at(changed[0])
        proof = any(
            frame.offset > changed[-1] or raw[frame.offset :][:FRAME_HEADER_BYTES] == header(journal, frame)
            for frame in journal.frames[hit + 1 :]
        )
        frames, _, damaged = judged(raw)
        if damaged:
            outcomes["refused"] += 1
            assert damaged.facts["sequence"] == journal.frames[hit].first_sequence
        else:
            outcomes["cut"] += 1
            assert not proof, "a durable frame was cut"
            assert frames == journal.frames[:hit]
    assert min(outcomes.values()) > 100, outcomes


def header(journal: Written, frame: Frame) -> bytes:
    return journal.raw[frame.offset : frame.offset + FRAME_HEADER_BYTES]


def test_garbage_behind_the_last_frame_is_a_torn_tail_and_costs_nothing():
    journal = write_in_memory(6, 40, sealed=True)
    dice = random.Random(7)
    for size in (1, 4, 71, 72, 73, 500, 9_000):
        for tail in (bytes(size), dice.randbytes(size), b"NvFr" + dice.randbytes(size), b"NvFr" * size):
            assert read(journal.raw + tail) == (journal.frames, len(tail))


def test_more_bytes_than_one_frame_can_have_are_more_than_the_frame_in_flight(monkeypatch):
    journal = write_in_memory(4, 40, sealed=False)
    monkeypatch.setattr(layout, "MAX_FRAME_BYTES", 1_000)
    assert read(journal.raw + bytes(1_000)) == (journal.frames, 1_000)
    with pytest.raises(JournalDamaged, match="more than one frame"):
        read(journal.raw + bytes(1_001))


def test_a_frame_missing_repeated_swapped_or_taken_from_elsewhere_is_refused():
    journal, other = write_in_memory(8, 40, sealed=True), write_in_memory(8, 40, sealed=True, seed=2)
    parts = [journal.raw[f.offset : f.offset + f.length] for f in journal.frames]
    foreign = [other.raw[f.offset : f.offset + f.length] for f in other.frames]
    head = journal.raw[:SEGMENT_HEADER_BYTES]
    wrong = [parts[:n] + parts[n + 1 :] for n in range(len(parts) - 1)]
    wrong += [[*parts[:n], parts[n], *parts[n:]] for n in range(len(parts))]
    wrong += [[*parts[:n], parts[n + 1], parts[n], *parts[n + 2 :]] for n in range(len(parts) - 1)]
    wrong += [[*parts[:n], foreign[n], *parts[n + 1 :]] for n in range(len(parts))]
    wrong += [parts[:n] + foreign[n:] for n in range(1, len(parts))]
    for frames in wrong:
        with pytest.raises(JournalDamaged):
            read(head + b"".join(frames))


# --- the same on disk, through recovery ---------------------------------------------------------------------------------


def test_recovery_of_damaged_files_is_a_prefix_goes_on_and_agrees_with_verification(tmp_path):
    with open_home(tmp_path / "whole", segment_bytes=4_000).sequencer as sequencer:
        for number in range(30):
            sequencer.submit(message(bytes([number]) * 120) * 3, number)
        whole = sequencer.engine.applied
    originals = {path.name: path.read_bytes() for path in segment_paths(tmp_path / "whole" / "journal")}
    last = max(originals)
    dice = random.Random(3)
    outcomes = {"refused": 0, "recovered": 0}
    for number in range(250):
        home = tmp_path / str(number)
        (home / "journal").mkdir(parents=True)
        files = dict(originals)
        if number % 2:
            files[last] = files[last][: dice.randrange(SEGMENT_HEADER_BYTES, len(files[last]))]
        else:
            name = dice.choice(list(files))
            raw = bytearray(files[name])
            raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
            files[name] = bytes(raw)
        for name, content in files.items():
            (home / "journal" / name).write_bytes(content)
        report = verify_journal(home, ChainEngine, ruleset=1)
        if not report.ok:
            outcomes["refused"] += 1
            with pytest.raises(JournalDamaged) as damaged:
                open_home(home)
            assert report.problems == [damaged.value.sentence]
            assert {p.name: p.read_bytes() for p in segment_paths(home / "journal")} == files
            continue
        venue = open_home(home)
        outcomes["recovered"] += 1
        engine, recovery = venue.sequencer.engine, venue.recovery
        assert engine.applied[:-1] == whole[: recovery.sequence]
        assert (report.commands, report.truncated_tail_bytes) == (
            recovery.sequence,
            recovery.truncated_tail_bytes,
        )
        if recovery.tail_kept_in is not None:
            assert files[last].endswith(recovery.tail_kept_in.read_bytes())
            assert recovery.tail_kept_in.stat().st_size == recovery.truncated_tail_bytes
        venue.sequencer.submit(message(b"onwards"), 10**6)
        venue.sequencer.close()
        assert verify_journal(home, ChainEngine, ruleset=1).state_hash == engine.state_hash().hex()
    assert min(outcomes.values()) > 50, outcomes


# --- failing syncs and writes -------------------------------------------------------------------------------------------


class Faults:
    """Stands in for one function of `os` and fails its k-th call, after doing `part` of it; counts all calls."""

    def __init__(self, monkeypatch, names: list[str], fail_at: int, error: int, part: float = 0.0) -> None:
        self.calls = 0
        self.fail_at, self.error, self.part = fail_at, error, part
        for name in names:
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name)))

    def _wrap(self, real):
        def call(fd, *arguments):
            self.calls += 1
            if self.calls == self.fail_at:
                if self.part and arguments:
                    data, offset = arguments
                    real(fd, data[: int(len(data) * self.part)], offset)
                raise OSError(self.error, os.strerror(self.error))
            return real(fd, *arguments)

        return call


def run_until_it_stops(
    home: Path, *, pipelined: bool, **options: object
) -> tuple[list[int], NovateError | None]:
    """200 commands in 40 buffers; the requests told as applied, and the error that ended it, if any.

    After the error nothing more may be accepted, told or applied.
    """
    told: list[int] = []
    error: NovateError | None = None
    try:
        sequencer = open_home(home, pipelined=pipelined, segment_bytes=3_000, **options).sequencer
    except (SyncFailed, JournalFull) as failed:
        return told, failed
    for number in range(40):
        buffer = b"".join(message(b"b" * 60, request=number * 5 + n) for n in range(5))
        try:
            told += [fields(event)[0] for event in split(sequencer.push(buffer, number))]
        except (SyncFailed, JournalFull) as failed:
            error = failed
            applied = len(sequencer.engine.applied)
            for _ in range(3):
                with pytest.raises(LogStopped):
                    sequencer.submit(message(request=999), 10**9)
            assert len(sequencer.engine.applied) == applied == len(told)
            break
    try:
        if error is None:
            told += [fields(event)[0] for event in split(sequencer.drain())]
            sequencer.close()
    except (SyncFailed, JournalFull) as failed:
        error = failed
    sequencer.close()
    return told, error


def check_restart(home: Path, told: list[int]) -> int:
    """Everything told is recovered, as a prefix of what was sent; returns how many commands came back."""
    venue = open_home(home, resume=None)
    requests = [fields(command)[0] for command in venue.sequencer.engine.applied]
    assert requests == list(range(len(requests)))
    assert told == requests[: len(told)]
    assert venue.recovery.sequence == len(requests)
    venue.sequencer.submit(message(request=len(requests)), 10**9)
    venue.sequencer.close()
    assert verify_journal(home, ChainEngine, ruleset=1).ok
    return len(requests)


def count_calls(monkeypatch, home: Path, names: list[str], *, pipelined: bool) -> int:
    with monkeypatch.context() as patch:
        faults = Faults(patch, names, 0, 0)
        told, error = run_until_it_stops(home, pipelined=pipelined)
        assert error is None
        assert told == list(range(200))
        return faults.calls


@pytest.mark.parametrize("pipelined", [False, True])
def test_the_first_failed_sync_stops_everything_before_any_ack(tmp_path, monkeypatch, pipelined):
    calls = count_calls(monkeypatch, tmp_path / "good", ["fdatasync", "fsync"], pipelined=pipelined)
    assert calls > 60, "40 frames, a seal, and three syncs for each of the segments"
    for k in range(1, calls + 1):
        home = tmp_path / str(k)
        with monkeypatch.context() as patch:
            faults = Faults(patch, ["fdatasync", "fsync"], k, errno.EIO)
            told, error = run_until_it_stops(home, pipelined=pipelined)
            assert isinstance(error, SyncFailed)
            assert faults.calls == k, "a failed sync is never tried again, and nothing is synced after it"
        check_restart(home, told)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EAGAIN])
@pytest.mark.parametrize("pipelined", [False, True])
def test_a_write_that_fails_half_way_stops_everything_and_nothing_of_it_is_applied(
    tmp_path, monkeypatch, error, pipelined
):
    calls = count_calls(monkeypatch, tmp_path / "good", ["pwrite"], pipelined=pipelined)
    for k in range(1, calls + 1):
        home = tmp_path / str(k)
        with monkeypatch.context() as patch:
            Faults(patch, ["pwrite"], k, error, part=0.5 if k % 3 else 0.0)
            told, failed = run_until_it_stops(home, pipelined=pipelined)
        assert isinstance(failed, SyncFailed if error in (errno.EIO, errno.EAGAIN) else JournalFull)
        assert "not applied" in failed.sentence
        assert check_restart(home, told) == len(told)


def test_short_writes_are_continued_and_change_nothing(tmp_path, monkeypatch):
    count_calls(monkeypatch, tmp_path / "good", [], pipelined=False)
    dice = random.Random(5)
    real = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(
            os, "pwrite", lambda fd, data, at: real(fd, data[: dice.randrange(1, len(data) + 1)], at)
        )
        told, error = run_until_it_stops(tmp_path / "short", pipelined=False)
    assert error is None
    assert told == list(range(200))
    good, short = (
        [p.read_bytes() for p in segment_paths(tmp_path / n / "journal")] for n in ("good", "short")
    )
    assert good == short


def test_a_write_that_takes_nothing_is_an_error_not_a_loop(tmp_path, monkeypatch):
    sequencer = open_home(tmp_path).sequencer
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    with pytest.raises(SyncFailed):
        sequencer.submit(message(), 1)
    sequencer.close()


@pytest.mark.parametrize("names", [["fsync"], ["pwrite"], ["fdatasync"]])
def test_a_fault_at_each_step_of_a_recovery_leaves_a_home_that_recovers(tmp_path, monkeypatch, names):
    for k in itertools.count(1):
        home = tmp_path / str(k)
        with open_home(home).sequencer as sequencer:
            for number in range(5):
                sequencer.submit(message(request=number), number)
        path = segment_paths(home / "journal")[0]
        os.truncate(path, path.stat().st_size - 10)  # into the seal
        with monkeypatch.context() as patch:
            faults = Faults(patch, names, k, errno.EIO)
            with contextlib.suppress(SyncFailed):
                open_home(home).sequencer.close()
            if faults.calls < k:
                break
        venue = open_home(home, resume=None)
        assert [fields(command)[0] for command in venue.sequencer.engine.applied[:5]] == list(range(5))
        venue.sequencer.close()
        assert verify_journal(home, ChainEngine, ruleset=1).ok
    assert k > 2


FILE_SIZE_LIMIT = """
import resource, sys
sys.path[:0] = sys.argv[2].split(":")
from test_journal_faults import *
resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))
sequencer = open_home(Path(sys.argv[1])).sequencer
for number in range(1_000):
    try:
        told = sequencer.submit(message(b"x" * 100, request=number), number)
    except JournalFull as full:
        print(number, len(sequencer.engine.applied), full.code, full.sentence)
        break
"""


def test_a_real_limit_of_the_system_gives_one_clear_message_and_applies_nothing(tmp_path):
    """No mount needed: the kernel refuses to let the file grow, in the middle of a frame."""
    search = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", FILE_SIZE_LIMIT, str(tmp_path), search],
        capture_output=True,
        text=True,
        check=True,
    )
    number, applied, code, *sentence = done.stdout.split()
    assert code == "journal_full"
    assert " ".join(sentence).startswith(f"No room to write the frame of command {int(number) + 1}")
    assert number == applied
    assert check_restart(tmp_path, list(range(int(number)))) == int(number)


# --- order, snapshots ---------------------------------------------------------------------------------------------------


class WatchedLog:
    """A log that notes when a frame has become durable; it sleeps in between, so that a wrong order would show."""

    def __init__(self, log: Log, trace: list[str]) -> None:
        self._log, self._trace = log, trace

    def append(self, frame: bytes) -> int:
        durable = self._log.append(frame)
        os.sched_yield()
        self._trace.append(f"durable {durable}")
        return durable

    def close(self) -> None:
        self._log.close()


@pytest.mark.parametrize("pipelined", [False, True])
def test_nothing_is_applied_before_it_is_durable_nor_told_before_it_is_applied(tmp_path, pipelined):
    trace: list[str] = []

    class Watched(ChainEngine):
        def apply(self, buffer: bytes) -> bytes:
            trace.append(f"apply {fields(split(buffer)[-1])[1]}")
            return super().apply(buffer)

    sequencer = open_venue_log(
        tmp_path, Watched, release="0.1.0", ruleset=1, resume=None, pipelined=pipelined,
        wrap_log=lambda log: WatchedLog(log, trace),
    ).sequencer  # fmt: skip
    for number in range(300):
        events = sequencer.push(message(), number)
        trace += [f"told {fields(event)[1]}" for event in split(events)]
    trace += [f"told {fields(event)[1]}" for event in split(sequencer.close())]
    where = {entry: at for at, entry in reversed(list(enumerate(trace)))}
    for sequence in range(1, 301):
        assert where[f"durable {sequence}"] < where[f"apply {sequence}"] < where[f"told {sequence}"]


class Stop(BaseException):
    """The process ends here."""


def test_a_snapshot_is_replaced_whole_or_not_at_all_wherever_the_process_ends(tmp_path, monkeypatch):
    old = Snapshot(7, 1, bytes(32), bytes(32), "0.1.0", 1, b"old" * 1_000)
    new = Snapshot(7, 1, bytes(32), bytes(32), "0.1.0", 1, b"new" * 3_000)
    found = []
    for boundary in itertools.count(1):
        path = write_snapshot(tmp_path, old)
        steps = itertools.count(1)

        def step(real, steps=steps, boundary=boundary):
            def call(*arguments, **options):
                if next(steps) == boundary:
                    raise Stop
                return real(*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for name in ("open", "pwrite", "fsync", "rename", "close"):
                patch.setattr(os, name, step(getattr(os, name)))
            patch.setattr(Path, "rename", step(Path.rename))
            try:
                write_snapshot(tmp_path, new)
            except Stop:
                found.append(read_snapshot(path).engine[:3])
            else:
                break
    assert read_snapshot(path) == new
    assert found == sorted(found, reverse=True), "old, then from one moment on new"
    assert set(found) == {b"old", b"new"}

"""Who goes on by himself from a recovery: where, with what, and that the recovery is as it would be without."""

import random
from pathlib import Path

import pytest

from chain_engine import RESUME, ChainEngine, message
from novate.errors import JournalDamaged
from novate.journal import Walk, walk_journal
from novate.journal.recovery import Branch, Passed
from novate.journal.scan import START, Frame, Place, Position, segment_paths
from novate.sequencer import open_venue_log

SECOND = 10**9


def opened(home: Path, branch: Branch[ChainEngine] | None = None, resume: bytes | None = None):
    return open_venue_log(
        home, ChainEngine, release="0.1.0", ruleset=1, resume=resume, segment_bytes=1_500, branch=branch
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three runs of a venue over several segments, each sealed, a snapshot within the second one."""
    dice = random.Random("branch")
    for run in range(3):
        with opened(tmp_path, resume=RESUME).sequencer as sequencer:
            for number in range(15):
                buffer = b"".join(
                    message(dice.randbytes(dice.randrange(40))) for _ in range(dice.randrange(1, 6))
                )
                sequencer.submit(buffer, (run + 1) * SECOND + number)
                if (run, number) == (1, 7):
                    sequencer.snapshot()
    return tmp_path


def frames_of(home: Path) -> list[Frame]:
    return list(walk_journal(home / "journal", Walk()))


def position_of(frame: Frame) -> Position:
    return Position(frame.last_sequence, frame.time_ns, frame.hash)


def recovered(home: Path, at: Position | None) -> tuple[ChainEngine, list[tuple[bytes, Passed[ChainEngine]]]]:
    """The engine at the end, and each call of the branch with the state there."""
    calls: list[tuple[bytes, Passed[ChainEngine]]] = []
    venue = opened(home, Branch(at, lambda passed: calls.append((passed.engine.state_hash(), passed))))
    try:
        return venue.sequencer.engine, calls
    finally:
        venue.sequencer.journal.close()
        venue.sequencer._lock.release()


def states(frames: list[Frame]) -> dict[int, bytes]:
    engine, found = ChainEngine(), {0: ChainEngine().state_hash()}
    for frame in frames:
        if not frame.is_seal:
            engine.apply(frame.payload)
            found[frame.last_sequence] = engine.state_hash()
    return found


def behind(home: Path, passed: Passed[ChainEngine]) -> list[Frame]:
    """What is read from the place that was told."""
    if passed.place is None:
        return frames_of(home)
    return list(walk_journal(home / "journal", Walk.behind(passed.position), ruleset=1, start=passed.place))


def test_at_every_frame_the_state_the_position_and_the_frames_behind_are_those_of_the_journal(home: Path):
    frames = frames_of(home)
    expected, snapshot = states(frames), int(next((home / "snapshots").iterdir()).stem)
    ends = [frame for frame in frames if not frame.is_seal]
    assert len({frame.segment for frame in frames}) > 3 and 0 < snapshot < ends[-1].last_sequence
    for at in (START, *map(position_of, ends)):
        engine, calls = recovered(home, at)
        assert engine.state_hash() == expected[ends[-1].last_sequence]
        if at.sequence < snapshot:
            assert not calls, "the state there is not come by"
            continue
        [(state, passed)] = calls
        assert (passed.position, state) == (at, expected[at.sequence])
        later = [frame for frame in frames if frame.last_sequence > at.sequence or (frame.is_seal and frame.last_sequence == at.sequence)]  # fmt: skip
        assert behind(home, passed) == later


def test_without_a_snapshot_it_may_be_the_beginning(home: Path):
    next((home / "snapshots").iterdir()).unlink()
    _, [(state, passed)] = recovered(home, START)
    assert (passed.position, passed.place, state) == (START, None, ChainEngine().state_hash())
    assert len(behind(home, passed)) == len(frames_of(home))


@pytest.mark.parametrize("which", ["none", "another journal's", "not the end of a frame", "later"])
def test_who_is_not_of_this_journal_goes_on_from_its_end(home: Path, which: str):
    frames = frames_of(home)
    last = [frame for frame in frames if not frame.is_seal][-1]
    middle = next(frame for frame in reversed(frames) if frame.count > 1)
    at = {
        "none": None,
        "another journal's": position_of(last)._replace(frame_hash=bytes(32)),
        "not the end of a frame": position_of(middle)._replace(sequence=middle.last_sequence - 1),
        "later": position_of(last)._replace(sequence=last.last_sequence + 100),
    }[which]
    engine, [(state, passed)] = recovered(home, at)
    assert passed.position == position_of(last) and state == engine.state_hash()
    assert [frame.is_seal for frame in behind(home, passed)] == [True]


def test_an_empty_home_has_its_beginning(tmp_path: Path):
    _, [(_, passed)] = recovered(tmp_path, None)
    assert (passed.position, passed.place) == (START, None)


def test_frames_written_later_are_read_from_the_place_too(home: Path):
    """Whoever begins there hears of the journal's end later, when a segment more may have been begun."""
    _, [(_, passed)] = recovered(home, None)
    count = len(segment_paths(home / "journal"))
    with opened(home, resume=RESUME).sequencer as sequencer:
        for number in range(40):
            sequencer.submit(message(bytes([number]) * 20), 9 * SECOND + number)
    assert len(segment_paths(home / "journal")) > count
    found = behind(home, passed)
    assert [frame.payload for frame in found] == [frame.payload for frame in frames_of(home) if frame.first_sequence > passed.position.sequence]  # fmt: skip


def test_from_a_place_that_another_frame_is_at_nothing_is_read(home: Path):
    frames = [frame for frame in frames_of(home) if not frame.is_seal]
    half = len(frames) // 2
    one = next(a for a, b in zip(frames[half:], frames[half + 1 :], strict=False) if a.segment == b.segment)
    for position in (position_of(one)._replace(frame_hash=bytes(32)), position_of(frames[0])):
        with pytest.raises(JournalDamaged):
            list(walk_journal(home / "journal", Walk.behind(position), start=one.end))
    wrong = Place(one.segment, one.end.offset + 1)
    with pytest.raises(JournalDamaged):
        list(walk_journal(home / "journal", Walk.behind(position_of(one)), start=wrong))

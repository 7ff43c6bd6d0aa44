"""The event log by itself: what was appended is told again from every number, whatever was cut, flipped, forgotten or killed."""

import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novate.errors import BadBuffer, ConfigError, JournalLocked
from novate.event_log import EventLog, EventLogPlan, EventLogStopped, EventsDamaged
from novate.event_log import log as log_module
from novate.journal.scan import START, Position
from novate.messages import BookChanged, Listed, iter_events
from novate.messages.wire import encode_event

HOUR = 3_600 * 10**9
ACCOUNTS = (1, 2, 7, 2**63 + 5)


class World:
    """Frames of commands with events of a few accounts, and what each account is told."""

    def __init__(self, seed: int = 1, step_ns: int = 10**9) -> None:
        self._random = random.Random(seed)
        self._step_ns = step_ns
        self.position = START
        self.told: dict[int, list[bytes]] = {account: [] for account in ACCOUNTS}

    def frame(self, commands: int = 3, fat: int = 0) -> tuple[bytes, Position]:
        """The events of the next frame, and where it ends."""
        time_ns = self.position.time_ns + self._step_ns
        made: list[bytes] = []
        first = self.position.sequence + 1
        for sequence in range(first, first + commands):
            events = self._random.randrange(1, 5)
            for number in range(events):
                account = self._random.choice((0, *ACCOUNTS))
                body = (
                    BookChanged(market=1, side=0, price=5, lots=2)
                    if not account
                    else Listed(what="asset", id=1, name="x" * fat)
                )
                told = self.told.get(account, [])
                message = encode_event(
                    body, account, len(told) + 1 if account else 0, number=number,
                    flags=int(number == events - 1), sequence=sequence, time_ns=time_ns,
                )  # fmt: skip
                made.append(message)
                if account:
                    told.append(message)
        self.position = Position(first + commands - 1, time_ns, self._random.randbytes(32))
        return b"".join(made), self.position


def filled(directory: Path, frames: int, seed: int = 1, **plan) -> World:
    world, log = World(seed), EventLog(directory, EventLogPlan(**plan))
    log.begin(START)
    for _ in range(frames):
        log.append(*world.frame(fat=40))
    log.close()
    return world


def same(log: EventLog, world: World, after: int | None = None, most: int = 10**6) -> None:
    for account, told in world.told.items():
        for number in (0, len(told) // 2, len(told) - 1, len(told)) if after is None else (after,):
            if 0 <= number <= len(told):
                page = log.account(account, number, most)
                assert page.events == b"".join(told[number : number + most])
                assert (page.how_many, page.oldest) == (len(told[number : number + most]), 0)
                assert page.last == len(told)


@pytest.mark.parametrize("segment_bytes", [1, 3_000, 1 << 20])
def test_every_account_is_told_its_events_from_every_number(tmp_path, segment_bytes):
    world, log = World(), EventLog(tmp_path / "events", EventLogPlan(segment_bytes=segment_bytes))
    log.begin(world.position)
    for turn in range(60):
        log.append(*world.frame(fat=turn))
        if turn % 20 == 7:
            same(log, world)
    same(log, world)
    assert log.account(99, 0, 10) == (b"", 0, 0, 0), "an account without events"
    page = log.account(1, len(world.told[1]) + 50, 10)
    assert page == (b"", 0, 0, len(world.told[1])), "a number that is not reached yet"
    log.close()
    again = EventLog(tmp_path / "events", EventLogPlan(segment_bytes=segment_bytes))
    assert again.end == world.position
    for number in range(0, len(world.told[7]), 3):
        same(again, world, number, most=7)
    again.append(*world.frame())
    same(again, world)
    again.close()


def test_large_answers_come_in_parts_and_large_frames_in_records(tmp_path):
    world, log = World(), EventLog(tmp_path)
    log.begin(START)
    log.append(*world.frame(2_000, fat=100))
    assert len(log._growing.places.records) > 10
    told, after = world.told[2], 0
    while after < len(told):
        page = log.account(2, after, 10**6, most_bytes=5_000)
        assert page.events == b"".join(told[after : after + page.how_many]) and page.how_many
        assert len(page.events) < 5_000 + len(told[0]) * 2
        after += page.how_many
    same(log, world)
    log.close()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), segment_bytes=st.sampled_from([1, 2_000, 1 << 20]), index=st.booleans())
def test_cut_anywhere_the_log_ends_at_a_frame_and_goes_on_there(tmp_path_factory, seed, segment_bytes, index):
    chance, directory = random.Random(seed), tmp_path_factory.mktemp("cut")
    world, log = World(seed), EventLog(directory, EventLogPlan(segment_bytes=segment_bytes))
    log.begin(START)
    frames = [world.frame(chance.randrange(1, 30), fat=chance.randrange(200)) for _ in range(25)]
    for frame in frames:
        log.append(*frame)
    log.close()
    paths = sorted(directory.glob("*.events"))
    victim = chance.choice(paths[-2:])
    damage = chance.choice(["cut", "flip", "zeros"])
    size = victim.stat().st_size
    at = chance.randrange(132, size) if size > 132 else size
    if damage == "cut":
        with victim.open("r+b") as stream:
            stream.truncate(at)
    else:
        raw = bytearray(victim.read_bytes())
        raw[at : at + 1] = bytes([raw[at] ^ 1 << chance.randrange(8)]) if damage == "flip" else b""
        if damage == "zeros":
            raw[at:] = bytes(size - at)
        victim.write_bytes(raw)
    if index or damage != "flip":  # a complete segment is not looked through when the log is opened
        victim.with_suffix(".index").unlink(missing_ok=True)
    elif victim.with_suffix(".index").exists():
        return
    again = EventLog(directory, EventLogPlan(segment_bytes=segment_bytes))
    assert again.end is not None and again.end in {START, *(end for _, end in frames)}
    for frame in frames:
        if frame[1].sequence > again.end.sequence:
            again.append(*frame)
    same(again, world)
    again.close()
    assert again.end == world.position
    shutil.rmtree(directory)


def test_a_flipped_bit_in_a_complete_segment_is_told_not_served(tmp_path):
    world = filled(tmp_path, 30, segment_bytes=3_000)
    victim = sorted(tmp_path.glob("*.events"))[1]
    assert victim.with_suffix(".index").exists()
    raw = bytearray(victim.read_bytes())
    for at in range(140, len(raw), 97):
        raw[at] ^= 16
        victim.write_bytes(raw)
        raw[at] ^= 16
        log, refused = EventLog(tmp_path, EventLogPlan(segment_bytes=3_000)), 0
        for account, told in world.told.items():
            try:
                assert log.account(account, 0, 10**6).events == b"".join(told)
            except EventsDamaged:
                refused += 1
        log.close()
        assert refused or log.first_sequence > 1, "served as if nothing were wrong"
        for aside in tmp_path.glob("*.aside"):
            raise AssertionError(aside)


def test_a_damaged_index_never_gives_another_event(tmp_path):
    world = filled(tmp_path, 30, segment_bytes=3_000)
    victim = sorted(tmp_path.glob("*.index"))[1]
    sound = victim.read_bytes()
    for at in range(88, len(sound), 53):
        raw = bytearray(sound)
        raw[at] ^= 4
        victim.write_bytes(raw)
        log = EventLog(tmp_path, EventLogPlan(segment_bytes=3_000))
        for account, told in world.told.items():
            try:
                page = log.account(account, 0, 10**6)
            except EventsDamaged:
                continue
            assert page.events == b"".join(told[: page.how_many]) or page.oldest
        log.close()


def test_what_is_older_than_it_is_kept_goes_segment_by_segment_and_the_oldest_is_named(tmp_path):
    world = World(step_ns=HOUR)
    log = EventLog(tmp_path, EventLogPlan(kept_s=24 * 3_600))
    log.begin(START)
    firsts = []
    for _ in range(200):
        log.append(*world.frame())
        firsts.append(log.first_sequence)
        while log._sealing:
            log._settle()
    assert firsts == sorted(firsts) and firsts[-1] > 1
    kept = [
        message for message in iter_events(b"".join(world.told[7])) if message.header.sequence >= firsts[-1]
    ]
    assert kept[0].header.time_ns <= world.position.time_ns - 23 * HOUR, "a day of events is there"
    assert len(list(tmp_path.glob("*.events"))) < 14
    page = log.account(7, 0, 5)
    assert page == (b"", 0, kept[0].account_sequence, len(world.told[7]))
    page = log.account(7, kept[0].account_sequence - 1, 5)
    assert page.events == b"".join(world.told[7][kept[0].account_sequence - 1 :][:5])
    log.close()


def test_a_segment_that_is_missing_leaves_only_what_is_behind_it(tmp_path):
    world = filled(tmp_path, 40, segment_bytes=3_000)
    paths = sorted(tmp_path.glob("*.events"))
    paths[2].unlink()
    notes = []
    log = EventLog(tmp_path, EventLogPlan(segment_bytes=3_000), notes.append)
    assert log.end == world.position and log.first_sequence == int(paths[3].stem)
    assert len(notes) == 1 and "missing" in notes[0]
    for account, told in world.told.items():
        page = log.account(account, 0, 10**6)
        assert page.oldest > 1
        assert log.account(account, page.oldest - 1, 10**6).events == b"".join(told[page.oldest - 1 :])
    log.close()


def test_one_process_has_it_and_what_is_of_another_journal_is_put_aside(tmp_path):
    filled(tmp_path, 5)
    log, notes = EventLog(tmp_path), []
    with pytest.raises(JournalLocked):
        EventLog(tmp_path)
    log.close()
    log = EventLog(tmp_path, on_note=notes.append)
    log.put_aside("Of another journal")
    assert log.end is None and len(notes) == 1
    world = World(9)
    log.begin(START)
    for _ in range(5):
        log.append(*world.frame())
    same(log, world)
    log.close()
    assert len(list(tmp_path.glob("*.aside"))) == 1
    again = EventLog(tmp_path)
    same(again, world)
    again.close()


def test_a_log_that_can_not_be_written_stops_and_the_next_one_goes_on_where_it_ended(tmp_path, monkeypatch):
    world, log = World(), EventLog(tmp_path)
    log.begin(START)
    log.append(*world.frame())
    reached, frame = world.position, world.frame()

    def full(fd, data, offset):
        import os

        os.pwrite(fd, data[: len(data) // 2], offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("novate.event_log.segment.write_fully", full)
    with pytest.raises(EventLogStopped, match="No space"):
        log.append(*frame)
    monkeypatch.undo()
    with pytest.raises(EventLogStopped):
        log.append(*frame)
    log.close()
    again = EventLog(tmp_path)
    assert again.end == reached
    again.append(*frame)
    same(again, world)
    again.close()


def test_what_are_no_events_is_refused(tmp_path):
    world, log = World(), EventLog(tmp_path)
    log.begin(START)
    events, end = world.frame()
    for bad in (events[:-1], events + b"\0" * 70, b"x" * 63):
        with pytest.raises(BadBuffer):
            log_module.layout.pack_records(bad, 0, 1, end, log_module.layout.Places())
    log.append(b"", end)
    assert log.end == end and log.account(1, 0, 5) == (b"", 0, 0, 0)
    log.close()
    with pytest.raises(ConfigError):
        EventLogPlan(kept_s=0)


def test_while_an_index_is_written_the_segment_is_read_as_before(tmp_path, monkeypatch):
    import threading

    hold, wrote = threading.Event(), log_module.Growing.write_index

    def slow(self):
        hold.wait(20)
        wrote(self)

    monkeypatch.setattr(log_module.Growing, "write_index", slow)
    world, log = World(), EventLog(tmp_path, EventLogPlan(segment_bytes=1))
    log.begin(START)
    for _ in range(3):
        log.append(*world.frame())
    assert len(log._sealing) == 2
    same(log, world)
    sync = log.to_sync()
    hold.set()
    sync()
    for _ in range(4):
        log.append(*world.frame())
    same(log, world)
    log.close()
    again = EventLog(tmp_path, EventLogPlan(segment_bytes=1))
    same(again, world)
    again.close()

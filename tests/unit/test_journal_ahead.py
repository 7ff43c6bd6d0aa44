"""Segments written over zeros: the same journal as one that grows, whatever of it reached the disk."""

import os
import time

import pytest

from chain_engine import ChainEngine, fields, message, split
from novate.errors import JournalDamaged
from novate.journal import Walk, verify_journal, walk_journal
from novate.journal.ahead import BLANK_NAME, BlankSegments
from novate.journal.layout import SEGMENT_HEADER_BYTES, pack_segment_header, parse_segment_header
from novate.journal.log import repair_tail
from novate.journal.scan import segment_paths
from novate.sequencer import open_venue_log

SEGMENT = 1 << 18


def opened(home, **more):
    return open_venue_log(
        home,
        ChainEngine,
        release="0.1.0",
        ruleset=1,
        resume=None,
        segment_bytes=SEGMENT,
        zeros_ahead=True,
        **more,
    )


def over_zeros(home, commands=12, size=50):
    """A sequencer whose last segment was written over zeros: its first frame was not, the blank was not there yet."""
    sequencer = opened(home).sequencer
    sequencer.submit(message(b"first", request=1), 1)
    assert sequencer.journal._log._blanks.wait(20)
    for number in range(2, commands + 1):
        sequencer.submit(message(bytes([number]) * size, request=number), number)
    return sequencer


def killed(home, sequencer):
    """The last segment's bytes as a killed process leaves them, and without the zeros."""
    path = segment_paths(home / "journal")[-1]
    raw = path.read_bytes()
    end = sequencer.journal._log._size
    assert len(raw) == SEGMENT and not raw[end:].strip(b"\0")
    sequencer.journal._log._over_zeros = False  # what close would cut, stays
    sequencer._halted = sequencer._halted or RuntimeError("killed")
    sequencer._let_go()
    return path, raw, end


def walked(home):
    """Where a walk ends: sequence, torn tail, blank; or the error's facts."""
    walk = Walk()
    try:
        frames = [frame.first_sequence for frame in walk_journal(home / "journal", walk)]
    except JournalDamaged as damage:
        return "damaged", damage.facts["offset"], damage.facts["sequence"]
    return frames, walk.torn and (walk.torn.offset, walk.torn.size), walk.blank


def test_a_segment_over_zeros_says_so_holds_the_same_frames_and_ends_at_its_last_one_once_closed(tmp_path):
    sequencer = over_zeros(tmp_path)
    paths = segment_paths(tmp_path / "journal")
    headers = [parse_segment_header(path.read_bytes()[:SEGMENT_HEADER_BYTES]) for path in paths]
    assert [header.zeros_ahead for header in headers] == [False, True]
    assert paths[-1].stat().st_size == SEGMENT
    report = verify_journal(tmp_path, ChainEngine, ruleset=1)  # beside the writer
    assert report.ok and report.commands == 12 and not report.truncated_tail_bytes
    sequencer.close()
    raw = paths[-1].read_bytes()
    assert len(raw) < SEGMENT and raw[-4:].strip(b"\0")
    assert not (tmp_path / "journal" / BLANK_NAME).exists()
    assert verify_journal(tmp_path, ChainEngine, ruleset=1).clean_shutdown


def test_after_a_kill_the_zeros_are_cut_unreported_and_the_journal_goes_on(tmp_path):
    path, _, end = killed(tmp_path, over_zeros(tmp_path))
    assert walked(tmp_path) == (list(range(1, 13)), None, end)
    venue = opened(tmp_path)
    assert path.stat().st_size == end
    assert (venue.recovery.sequence, venue.recovery.truncated_tail_bytes, venue.recovery.tail_kept_in) == (
        12,
        0,
        None,
    )
    assert fields(split(venue.sequencer.submit(message(request=13), 20))[0]) == (13, 13, 20)
    venue.sequencer.close()
    assert verify_journal(tmp_path, ChainEngine, ruleset=1).commands == 13


def test_cut_anywhere_a_segment_over_zeros_reads_as_the_one_that_grew(tmp_path):
    path, raw, end = killed(tmp_path, over_zeros(tmp_path, commands=5, size=9))
    for cut in range(SEGMENT_HEADER_BYTES, end):
        path.write_bytes(raw[:cut])
        grew = walked(tmp_path)
        path.write_bytes(raw[:cut] + bytes(3_000))
        over = walked(tmp_path)
        if raw[cut:end].strip(b"\0") and grew[1] is not None:
            # what was torn in the one is torn in the other, from the same byte on, less zeros at its end
            assert over[0] == grew[0] and over[1][0] == grew[1][0], cut
        elif raw[cut:end].strip(b"\0"):
            assert over[0] == grew[0] and over[1] is None and over[2] == cut, cut
        else:
            assert over[0] == list(range(1, 6)), cut


def test_a_flipped_bit_is_found_over_zeros_as_anywhere(tmp_path):
    path, raw, end = killed(tmp_path, over_zeros(tmp_path, commands=4, size=9))
    last = raw.rindex(b"NvFr", 0, end)
    for at in range(end):
        spoilt = bytearray(raw[: end + 2_000])
        spoilt[at] ^= 1 << (at % 8)
        path.write_bytes(spoilt)
        outcome = walked(tmp_path)
        if at < last:
            assert outcome[0] == "damaged", at
        else:
            assert outcome[0] == [1, 2, 3] and outcome[1][0] == last, at


@pytest.mark.parametrize("behind", [0, 1, 5_000, 70 << 20])
def test_what_is_no_zero_behind_the_end_is_a_torn_tail_within_a_frame_and_damage_beyond(tmp_path, behind):
    path, raw, end = killed(tmp_path, over_zeros(tmp_path, commands=3))
    with path.open("wb") as stream:
        stream.write(raw[:end])
        stream.seek(end + behind)
        stream.write(b"\1")
        stream.truncate(end + behind + 4_000)
    outcome = walked(tmp_path)
    if behind > 64 << 20:
        assert outcome == ("damaged", end, 4)
    else:
        assert outcome == ([1, 2, 3], (end, behind + 1), None)
        walk = Walk()
        list(walk_journal(tmp_path / "journal", walk))
        kept = repair_tail(tmp_path / "journal", walk)
        assert kept.read_bytes() == bytes(behind) + b"\1" and path.stat().st_size == end


def test_zeros_are_an_end_only_in_the_last_segment_and_only_where_they_were_written_ahead(tmp_path):
    path, raw, end = killed(tmp_path, over_zeros(tmp_path, commands=3))
    header = parse_segment_header(raw[:SEGMENT_HEADER_BYTES])
    plain = pack_segment_header(header.release, header.ruleset, header.first_sequence, header.previous_hash)
    path.write_bytes(plain + raw[SEGMENT_HEADER_BYTES : end + 100])
    assert walked(tmp_path)[1] == (end, 100)
    path.write_bytes(raw[: end + 100])
    first = segment_paths(tmp_path / "journal")[0]
    first.write_bytes(first.read_bytes() + bytes(10))
    assert walked(tmp_path)[0] == "damaged"


def test_a_full_segment_moves_on_to_the_next_blank_and_leaves_no_zeros(tmp_path):
    sequencer = over_zeros(tmp_path)
    for number in range(13, 40):
        sequencer.journal._log._blanks.wait(20)
        sequencer.submit(message(bytes([number]) * 30_000, request=number), number)
    sizes = [path.stat().st_size for path in segment_paths(tmp_path / "journal")]
    assert len(sizes) > 3 and sizes[-1] == SEGMENT
    sequencer.close()
    report = verify_journal(tmp_path, ChainEngine, ruleset=1)
    assert report.ok and report.commands == 39 and report.segments == len(sizes)


def test_without_room_for_a_blank_the_journal_grows_as_it_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "journal").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        blanks = BlankSegments(tmp_path / "journal", SEGMENT)
        blanks._thread.join()
    assert not blanks.ready and blanks.take() is None
    assert not (tmp_path / "journal" / BLANK_NAME).exists()
    blanks.close()


def test_a_blank_that_a_killed_process_left_is_begun_anew_and_one_not_taken_is_removed(tmp_path):
    (tmp_path / BLANK_NAME).write_bytes(b"half")
    blanks = BlankSegments(tmp_path, 1 << 22)
    time.sleep(0.01)
    blanks.close()  # in the middle
    assert not (tmp_path / BLANK_NAME).exists()
    blanks = BlankSegments(tmp_path, SEGMENT)
    assert blanks.wait(20)
    assert blanks.take().read_bytes() == bytes(SEGMENT)
    blanks.close()
    assert not (tmp_path / BLANK_NAME).exists()

"""The parts of a standby: what it takes into its journal, who may be shipped to, whose turn it is, and how far a recovery is."""

from pathlib import Path

import pytest
from rich.console import Console

from novate._core import Engine, release, ruleset
from novate.core_process import shipping_wire as ship
from novate.core_process.listening import host_and_port
from novate.core_process.recovering import Recovering, read_recovery, words_of
from novate.core_process.shipping import Shipping, ShippingPlan, shipping_key
from novate.core_process.shipping_wire import Asked, Here, ShippingDenied, What
from novate.core_process.wire import BadRecord, RecordReader
from novate.errors import ConfigError, JournalLocked, ReleaseMismatch
from novate.journal import verify_journal
from novate.journal.progress import Meter
from novate.journal.tail import (
    BEGINNING,
    FramePlace,
    NotThisJournal,
    RawFrame,
    frame_ending_at,
    raw_frames,
    segment_header,
)
from novate.journal.terms import (
    Fence,
    HomeFenced,
    HomeIsStandby,
    Term,
    begin_term,
    check_may_write,
    current_term,
    end_following,
    fence_of,
    lift_fence,
    write_fence,
    write_follows,
)
from novate.messages import OpenAccount, encode
from novate.sequencer import open_venue_log
from novate.standby.line import is_tcp
from novate.standby.mirror import Mirror, NotTheNextFrame
from novate.up.recovery_view import RecoveryView
from novate.venue import Venue

KEY = bytes(range(32))
NONCES = (b"c" * 32, b"s" * 32)


def numbered(first: int, count: int = 1) -> bytes:
    return b"".join(encode(OpenAccount(owner=n), account=n, request=n) for n in range(first, first + count))


def journal(home: Path, frames: int = 6, segment_bytes: int = 900, *, sealed: bool = True) -> list[RawFrame]:
    """A journal of several small segments; its frames as they stand on disk."""
    opened = open_venue_log(
        home, Engine, release=release(), ruleset=ruleset(), resume=None, segment_bytes=segment_bytes
    )
    for number in range(frames):
        opened.sequencer.submit(numbered(1 + 3 * number, 3), 1_000 + number)
    if sealed:
        opened.sequencer.close()
    else:
        opened.sequencer._let_go()
    end = Mirror(home)
    place = end.place
    end.close()
    return list(raw_frames(home / "journal", BEGINNING, place))


def copied(mirror: Mirror, of: Path, frames: list[RawFrame]) -> None:
    for frame in frames:
        mirror.take_segment(segment_header(of / "journal", frame.segment_first))
        mirror.take_frame(frame.data)
    mirror.sync()


def test_a_mirror_holds_the_same_files_also_when_it_is_opened_again_at_every_frame(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    frames = journal(one)
    assert len({frame.segment_first for frame in frames}) > 2, "of several segments"
    for frame in frames:
        mirror = Mirror(two)
        copied(mirror, one, [frame])
        mirror.close()
    files = {path.name: path.read_bytes() for path in (one / "journal").glob("*.log")}
    assert {path.name: path.read_bytes() for path in (two / "journal").glob("*.log")} == files
    assert verify_journal(two, Engine, ruleset=ruleset()).ok


@pytest.mark.parametrize("spoil", ["cut", "bit", "skip", "again", "other"])
def test_a_mirror_takes_nothing_but_the_next_sound_frame(tmp_path, spoil):
    one, two, other = tmp_path / "one", tmp_path / "two", tmp_path / "other"
    frames = journal(one, segment_bytes=1 << 20)
    foreign = journal(other, 3, segment_bytes=1 << 20)
    mirror = Mirror(two)
    copied(mirror, one, frames[:2])
    place, data = mirror.place, frames[2].data
    wrong = {
        "cut": data[:-1],
        "bit": data[:100] + bytes([data[100] ^ 1]) + data[101:],
        "skip": frames[3].data,
        "again": frames[1].data,
        "other": foreign[2].data,
    }[spoil]
    if spoil == "other":
        assert wrong == data, "the same commands at the same times make the same frame"
        wrong = journal(tmp_path / "third", 1, segment_bytes=1 << 20)[1].data
    with pytest.raises(NotTheNextFrame):
        mirror.take_frame(wrong)
    assert mirror.place == place
    copied(mirror, one, frames[2:])
    mirror.close()
    assert verify_journal(two, Engine, ruleset=ruleset()).ok


def test_a_mirror_takes_no_segment_of_another_ruleset_and_shares_its_home_with_nobody(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    frames = journal(one)
    mirror = Mirror(two)
    from novate.journal import layout

    with pytest.raises(ReleaseMismatch):
        mirror.take_segment(layout.pack_segment_header("x", ruleset() + 1, 1, layout.NO_HASH))
    with pytest.raises(NotTheNextFrame):
        mirror.take_segment(segment_header(one / "journal", frames[-1].segment_first))
    with pytest.raises(JournalLocked):
        Mirror(two)
    mirror.close()


def test_a_mirror_cut_anywhere_goes_on_from_its_last_whole_frame(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    frames = journal(one, 4, segment_bytes=1 << 20)
    mirror = Mirror(two)
    copied(mirror, one, frames)
    mirror.close()
    path = next((two / "journal").glob("*.log"))
    whole = path.read_bytes()
    for size in range(len(whole) - 1, len(whole) - len(frames[-1].data) - len(frames[-2].data), -37):
        path.write_bytes(whole[:size])
        mirror = Mirror(two)
        missing = [f for f in frames if f.place.sequence > mirror.sequence or f is frames[-1]]
        copied(mirror, one, missing)
        mirror.close()
        assert path.read_bytes() == whole


def test_frames_are_found_behind_any_frame_of_the_journal_and_behind_none_of_another(tmp_path):
    frames = journal(tmp_path / "one")
    folder = tmp_path / "one" / "journal"
    end = frames[-1].place
    for number, frame in enumerate(frames):
        assert list(raw_frames(folder, frame.place, end)) == frames[number + 1 :]
        assert list(raw_frames(folder, BEGINNING, frame.place)) == frames[: number + 1]
    with pytest.raises(NotThisJournal):
        list(raw_frames(folder, FramePlace(6, b"x" * 32), end))
    assert frame_ending_at(folder, 6, 18) == frames[1].place.hash
    assert frame_ending_at(folder, 5, 18) is None and frame_ending_at(folder, 21, 18) is None


def test_words_between_core_and_standby_hold_only_under_one_key_for_one_purpose_and_once():
    asked = Asked(name="two", term=3, sequence=7, hash="ab" * 32, ruleset=1)
    [record] = RecordReader(1 << 16).feed(ship.pack_ask(What.FOLLOW, asked, NONCES, KEY))
    assert ship.parse_ask(record, NONCES[0], KEY) == (What.FOLLOW, asked, NONCES[1])
    for nonce, key in ((NONCES[0], b"k" * 32), (b"x" * 32, KEY), (NONCES[0], b"")):
        with pytest.raises(ShippingDenied):
            ship.parse_ask(record, nonce, key)
    as_fence = record._replace(body=record.body[:4] + bytes([What.FENCE]) + record.body[5:])
    with pytest.raises(ShippingDenied):
        ship.parse_ask(as_fence, NONCES[0], KEY)
    here = Here(term=2, sequence=9, release="r", ruleset=1, mode="sync")
    [record] = RecordReader(1 << 16).feed(ship.pack_here(here, NONCES, KEY))
    assert ship.parse_here(record, NONCES, KEY) == here
    with pytest.raises(ShippingDenied):
        ship.parse_here(record, NONCES, b"k" * 32)
    with pytest.raises(BadRecord):
        ship.parse_stored(record)


def test_a_home_that_follows_or_is_fenced_is_opened_by_no_core(tmp_path):
    Venue.open(tmp_path, 1).close()
    check_may_write(tmp_path)
    write_follows(tmp_path, "somewhere", 1)
    with pytest.raises(HomeIsStandby, match="novate promote"):
        Venue.open(tmp_path)
    end_following(tmp_path)
    write_fence(tmp_path, Fence(term=2, by="ann", reason="moved", at_ns=1))
    with pytest.raises(HomeFenced, match="ann: moved"):
        Venue.open(tmp_path)
    assert fence_of(tmp_path).term == 2
    lift_fence(tmp_path)
    term = Term(
        term=2, sequence=18, frame_hash="00" * 32, clean=True, by="ann", reason="moved", at_ns=1, of="x"
    )
    begin_term(tmp_path, term)
    assert current_term(tmp_path) == 2
    with pytest.raises(Exception, match="can't begin"):
        begin_term(tmp_path, term)
    Venue.open(tmp_path, 10**12).close()
    (tmp_path / "follows.json").write_text("{")
    with pytest.raises(Exception, match="whose turn it is"):
        Venue.open(tmp_path)


def test_a_core_that_waits_refuses_only_once_its_standby_is_gone_for_long_and_a_plan_must_make_sense(
    tmp_path,
):
    with pytest.raises(ConfigError):
        ShippingPlan("sync", wait_s=0)
    with pytest.raises(ConfigError):
        ShippingPlan("sync", address="nowhere")
    assert host_and_port("[::1]:7") == ("::1", 7)
    assert is_tcp("standby.example:7700") and not is_tcp("/run/x:1") and not is_tcp("core")
    for plan, refuses in ((ShippingPlan("async"), False), (ShippingPlan("sync", wait_s=0.01), True)):
        said: list[str] = []
        home = tmp_path / plan.mode
        home.mkdir()
        shipping = Shipping(home, plan, said.append)
        shipping.serve()
        shipping._behind_since -= 1
        assert shipping.refusing is refuses and bool(said) is refuses
        shipping.close()
    key = shipping_key(tmp_path, create=True)
    assert (
        len(key) == 32 == len(shipping_key(tmp_path))
        and (tmp_path / "standby.key").stat().st_mode & 0o077 == 0
    )


def test_progress_is_told_by_phases_with_rate_and_rest_and_shown_as_lines_or_a_bar(tmp_path):
    told = []
    meter = Meter("replaying", 1_000, told.append, 500)
    meter._begun -= 10
    meter.at(400, always=True)
    meter.at(1_000)
    assert [one.done for one in told] == [0, 400, 1_000]
    assert told[1].fraction == 0.4 and told[1].per_s == pytest.approx(40, rel=0.1)
    assert told[1].rest_s == pytest.approx(15, rel=0.1) and told[1].snapshot_sequence == 500
    lines: list[dict] = []
    recovering = Recovering(tmp_path, lines.append)
    recovering(told[1])
    assert read_recovery(tmp_path)["done"] == 400
    assert words_of(lines[0]) == "replays 400 of 1,000 commands behind command 500 (40/s), about 15 s left"
    recovering.done()
    assert read_recovery(tmp_path) is None

    with (tmp_path / "out").open("w+") as out:
        view = RecoveryView(Console(file=out, force_terminal=False), bar=True, as_json=False, after_s=0)
        shown = [view.show("core", {**lines[0], "fraction": f}) for f in (0.0, 0.01, 0.02, 0.11, 0.12)]
        assert [line is not None for line in shown] == [True, False, False, True, False]
        view = RecoveryView(
            Console(file=out, force_terminal=True, width=200), bar=True, as_json=False, after_s=0
        )
        assert view.show("core", lines[0]) is None
        view.end()
        brief = RecoveryView(Console(file=out, force_terminal=False), bar=False, as_json=False)
        assert brief.show("core", lines[0]) is None, "what is over in a moment is not shown"
        out.seek(0)
        assert "40%" in out.read()

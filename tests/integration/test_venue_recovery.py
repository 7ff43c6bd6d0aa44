"""The real engine behind the real journal: killed in the middle of a replay, opened again, and not a cent is missing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from novate import Venue
from novate._core import Engine, ruleset
from novate.demo.staff import KEEPER, OPERATOR
from novate.errors import ResumeRefused
from novate.journal import journal_bytes, verify_journal
from novate.messages import AdvanceTime, VenueResumed, encode, iter_events, reports

KILL_AT_BYTES = (200_000, 600_000, 1_500_000)


def killed_replay(home: Path, at_bytes: int) -> None:
    """Starts the packaged replay and kills it once its journal has grown to a size."""
    command = [
        sys.executable,
        "-m",
        "novate.cli",
        "replay",
        "october-2008",
        "--headless",
        "--home",
        str(home),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while journal_bytes(home / "journal") < at_bytes:
            assert process.poll() is None, "the replay ended before it could be killed"
            assert time.monotonic() < deadline, "the journal did not grow"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("at_bytes", KILL_AT_BYTES)
def test_a_killed_venue_recovers_to_the_state_of_its_journal(tmp_path: Path, at_bytes: int) -> None:
    killed_replay(tmp_path, at_bytes)
    before = verify_journal(tmp_path, Engine, ruleset=ruleset())
    assert before.ok, before.problems

    with Venue.open(tmp_path, keeper=KEEPER) as venue:
        assert venue.recovery.sequence == before.commands
        assert (
            venue.sequencer.sequence == before.commands + 1
        )  # ResumeVenue is the first command after a recovery
        assert {difference for _, difference in venue.engine.conservation()} == {0}
        ledger = reports.ledger(venue.engine)
        assert ledger.pools_are_true
        assert {line[1:] for line in reports.ledger(venue.engine).clearing} == {(0, 0)}
        assert {u.quality for u in reports.underlyings(venue.engine) if u.index} <= {
            3,
            4,
        }  # nothing is live yet

    after = verify_journal(tmp_path, Engine, ruleset=ruleset())
    assert after.ok
    assert after.commands == before.commands + 1
    assert after.truncated_tail_bytes == 0


@pytest.mark.parametrize("key", [0, OPERATOR])
def test_a_governed_venue_is_resumed_by_a_keeper_or_not_at_all(tmp_path: Path, key: int) -> None:
    """Unless it resumes, no price is stale and no market only cancels: it must not go on as if nothing had happened."""
    killed_replay(tmp_path, 200_000)
    with pytest.raises(ResumeRefused, match=r"can't resume: .*key"):
        Venue.open(tmp_path, keeper=key)
    with Venue.open(tmp_path, keeper=KEEPER) as venue:
        assert {line.quality for line in reports.underlyings(venue.engine) if line.index} <= {3, 4}
    assert verify_journal(tmp_path, Engine, ruleset=ruleset()).ok


def test_a_snapshot_and_the_tail_give_the_state_of_the_whole_journal(tmp_path: Path) -> None:
    killed_replay(tmp_path, 300_000)
    with Venue.open(tmp_path, keeper=KEEPER) as venue:
        venue.sequencer.snapshot()
        venue.advance(venue.time_ns + 60_000_000_000, keeper=KEEPER)
        expected = venue.engine.state_hash()
    with Venue.open(tmp_path, keeper=KEEPER) as venue:
        assert venue.recovery.snapshot_sequence > 0
        assert venue.recovery.commands_replayed < venue.recovery.sequence
        fork = Engine.restore(venue.engine.snapshot())
        assert fork.state_hash() == venue.engine.state_hash()
        assert venue.engine.state_hash() != expected  # one ResumeVenue later
    assert verify_journal(tmp_path, Engine, ruleset=ruleset()).ok


def test_a_restored_and_a_forked_engine_go_on_alike(tmp_path: Path) -> None:
    killed_replay(tmp_path, 400_000)
    with Venue.open(tmp_path, keeper=KEEPER) as venue:
        engine = venue.engine
        twins = [engine.fork(), Engine.restore(engine.snapshot())]
        at = {"sequence": engine.sequence + 1, "time_ns": engine.time_ns + 1_000_000_000}
        step = encode(AdvanceTime(), actor=KEEPER, **at)
        answers = {twin.apply(step) for twin in twins}
        assert len(answers) == 1
        assert len({twin.state_hash() for twin in twins}) == 1
        assert twins[0].sequence == engine.sequence + 1


def test_the_first_command_after_a_recovery_is_told(tmp_path: Path) -> None:
    killed_replay(tmp_path, 200_000)
    with Venue.open(tmp_path, keeper=KEEPER) as venue:
        assert venue.recovery.sequence > 0
    events: list[bytes] = []
    from novate._core import release
    from novate.messages import ResumeVenue
    from novate.sequencer import open_venue_log

    opened = open_venue_log(
        tmp_path,
        Engine,
        release=release(),
        ruleset=ruleset(),
        resume=encode(ResumeVenue(), actor=KEEPER),
        on_events=events.append,
    )
    opened.sequencer.close()
    assert any(isinstance(e.body, VenueResumed) for e in iter_events(opened.events))
    assert events

"""A command that makes the engine panic, planted for real: the venue stops and says where, two people put it aside, and recovery,
verification and reader go by it alike, whether or not the release still panics."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.venues import SECOND, open_plain_venue

from novate._core import Engine, release, ruleset
from novate.cli import main
from novate.errors import BadBuffer, ConfigError, EngineHalted, JournalError
from novate.journal import put_aside, verify_journal
from novate.messages import (
    AdvanceTime,
    CommandRefused,
    ConfigureGovernance,
    GrantRole,
    QuarantineCommand,
    RegisterActor,
    ResumeVenue,
    Role,
    encode,
    iter_events,
)
from novate.messages.reports import governance
from novate.reader import Reader
from novate.sequencer import OpenedVenue, open_venue_log

START = 1_767_623_400 * SECOND
ANN, BEN, BEN_S_OTHER, CLERK, CLERK_2, KEEPER = 1, 2, 3, 4, 5, 9
PEOPLE = {ANN: (1, Role.OPERATOR), BEN: (2, Role.RISK), BEN_S_OTHER: (2, Role.RISK), CLERK: (4, Role.COMPLIANCE),
          CLERK_2: (5, Role.COMPLIANCE), KEEPER: (9, Role.KEEPER)}  # fmt: skip
GOVERNANCE = ConfigureGovernance(
    short_delay_ns=SECOND, long_delay_ns=SECOND, calendar_underlying=0, long_delay_opens=1, ownership_delay_ns=SECOND,
    approval_ns=SECOND, emergency_ns=SECOND, measured_accounts=10, open_changes=10, change_bytes=4_096, changes_per_advance=10,
    nonce_window=0, outflow_window_ns=SECOND, outflow_limit=0, outflow_wait_ns=0,
)  # fmt: skip
BAD = 3
"""Which of the commands after the set-up panics, from 1."""


class Rehearsed:
    """Makes engines that panic at one command, as a fault of this release would."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self) -> Engine:
        engine = Engine()
        engine.rehearse_panic(self.at)
        return engine

    def restore(self, snapshot: bytes, /) -> Engine:
        engine = Engine.restore(snapshot)
        engine.rehearse_panic(self.at)
        return engine


def open_home(home: Path, engines: object = Engine, *, pipelined: bool = False) -> OpenedVenue[Engine]:
    return open_venue_log(
        home, engines, release=release(), ruleset=ruleset(), resume=encode(ResumeVenue(), actor=KEEPER), resume_time_ns=None,
        pipelined=pipelined,
    )  # type: ignore[arg-type]  # fmt: skip


def set_up() -> bytes:
    """A governed venue with a listing, its commands unstamped."""
    people = [encode(RegisterActor(actor=key, person=person, owner=0)) for key, (person, _) in PEOPLE.items()]
    roles = [
        encode(
            GrantRole(actor=key, role=role, markets=(), order_notional=0, position_notional=0, expires_ns=0)
        )
        for key, (_, role) in PEOPLE.items()
    ]
    return b"".join([*people, *roles, encode(GOVERNANCE)])


def stopped(home: Path, *, pipelined: bool = False) -> int:
    """A venue that a planted panic stopped; the sequence of the command."""
    plain = home / "listed"
    with open_home(plain).sequencer as sequencer:
        answer = sequencer.submit(listing(), START) + sequencer.submit(set_up(), START)
        assert not [e.body for e in iter_events(answer) if isinstance(e.body, CommandRefused)]
        sequencer.snapshot()
        bad = sequencer.sequence + BAD
    venue = open_home(plain, Rehearsed(bad + 1), pipelined=pipelined)
    with pytest.raises(EngineHalted, match=f"inside command {bad + 1} ") as halted:
        run_into_it(venue)
    assert halted.value.facts["sequence"] == bad + 1
    with pytest.raises(EngineHalted, match=f"command {bad + 1} "):
        venue.sequencer.submit(encode(AdvanceTime(), actor=KEEPER), START + 9 * SECOND)
    venue.sequencer.close()
    return bad + 1


def listing() -> bytes:
    """The plain venue's own commands, as they were sent."""
    return b"".join(open_plain_venue({7: 11}).sent)


def run_into_it(venue: OpenedVenue[Engine]) -> None:
    """Frames of two commands until the engine fails."""
    step = encode(AdvanceTime(), actor=KEEPER)
    for n in range(1, 3):
        venue.sequencer.push(step * 2, START + n * SECOND)
    venue.sequencer.drain()


def aside(home: Path, bad: int, key: int) -> object:
    return put_aside(home, Rehearsed(bad), bad, actor=key, release=release(), ruleset=ruleset())


@pytest.mark.parametrize("pipelined", [False, True])
def test_two_people_put_a_command_aside_and_everybody_goes_by_it_alike(
    tmp_path: Path, pipelined: bool
) -> None:
    bad = stopped(tmp_path, pipelined=pipelined)
    home = tmp_path / "listed"
    for again in range(2):
        with pytest.raises(EngineHalted, match=f"inside command {bad} .*novate quarantine") as halted:
            open_home(home, Rehearsed(bad))
        assert halted.value.facts["sequence"] == bad, again
    found = verify_journal(home, Rehearsed(bad), ruleset=ruleset())
    assert not found.ok
    assert f"inside command {bad} " in found.problems[0]

    before = journal_bytes_of(home)
    for key, why in ((CLERK, "actor_must_have_the_role"), (77, "actor_must_be_known")):
        with pytest.raises(ConfigError, match=why):
            aside(home, bad, key)
    assert journal_bytes_of(home) == before
    assert aside(home, bad, BEN).people == 1  # type: ignore[attr-defined]
    with pytest.raises(EngineHalted, match=f"inside command {bad} "):
        open_home(home, Rehearsed(bad))
    with pytest.raises(ConfigError, match="quarantine_takes_two_people"):
        aside(home, bad, BEN_S_OTHER)
    done = aside(home, bad, ANN)
    assert (done.people, done.confirmed) == (2, True)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="put aside already"):
        aside(home, bad, ANN)

    events: list[bytes] = []
    opened = open_venue_log(
        home, Rehearsed(bad), release=release(), ruleset=ruleset(), resume=encode(ResumeVenue(), actor=KEEPER), on_events=events.append
    )  # fmt: skip
    answer = [e for e in iter_events(b"".join(events)) if e.header.sequence == bad]
    assert [type(e.body) for e in answer] == [CommandRefused]
    with opened.sequencer as sequencer:
        sequencer.submit(encode(AdvanceTime(), actor=KEEPER), sequencer.time_ns + SECOND)
        assert governance.releases(sequencer.engine).quarantined[0].confirmed
        end, state = sequencer.sequence, sequencer.engine.state_hash()
    # The same by a release that panics, by one that would not, by a reader, and from a snapshot.
    for engines in (Rehearsed(bad), Engine):
        report = verify_journal(home, engines, ruleset=ruleset())
        assert (report.ok, report.quarantined, report.state_hash) == (True, [bad], state.hex()), (
            report.problems
        )
    reader = Reader(home)
    assert reader.at(sequence=end).engine.state_hash() == state
    assert reader.at(sequence=bad).sequence == bad
    for engines in (Rehearsed(bad), Engine):
        with open_home(home, engines).sequencer as sequencer:
            sequencer.snapshot()
    assert verify_journal(home, Engine, ruleset=ruleset()).ok
    assert {difference for _, difference in sequencer.engine.conservation()} == {0}


def journal_bytes_of(home: Path) -> bytes:
    return b"".join(p.read_bytes() for p in sorted((home / "journal").glob("*.log")))


def test_nothing_is_put_aside_that_the_engine_applies(tmp_path: Path) -> None:
    bad = stopped(tmp_path)
    home = tmp_path / "listed"
    for engines, sequence, why in (
        (Engine, bad, "This release applies"),
        (Rehearsed(bad), bad - 1, f"stops at command {bad}, not"),
    ):
        with pytest.raises(ConfigError, match=why):
            put_aside(home, engines, sequence, actor=ANN, release=release(), ruleset=ruleset())  # type: ignore[arg-type]
    with pytest.raises(JournalError, match="is not in the journal"):
        aside(home, bad + 99, ANN)
    # A release without the fault goes on with the command applied.
    with open_home(home).sequencer as sequencer:
        assert governance.releases(sequencer.engine).quarantined == ()


def test_a_running_venue_takes_no_quarantine(tmp_path: Path) -> None:
    with open_home(tmp_path).sequencer as sequencer:
        sequencer.submit(listing(), START)
        before = sequencer.sequence
        with pytest.raises(BadBuffer, match="while the venue is stopped"):
            sequencer.submit(encode(QuarantineCommand(quarantined=1, digest=bytes(32))), START)
        assert sequencer.sequence == before
        sequencer.submit(encode(AdvanceTime()), START)


def test_the_command_line_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = stopped(tmp_path)
    assert main(["quarantine", str(tmp_path / "listed"), "--command", str(bad), "--key", "1"]) == 1
    assert "This release applies command" in capsys.readouterr().err
    assert main(["quarantine", str(tmp_path / "listed"), "--command", "99999", "--key", "1"]) == 1
    assert "is not in the journal" in capsys.readouterr().err

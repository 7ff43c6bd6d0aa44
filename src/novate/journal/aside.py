"""Putting a command aside that makes the engine fail: one person's word, written while the venue is stopped.

Responsible for: proof that the command stops the engine, the digest of its message, the engine's judgement of who says so, and the
frame behind it. Never: puts aside a command that the engine can apply, or starts a venue: `open_venue_log` does, once a second
person said the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from novate._core import digest as digest_of
from novate.errors import ConfigError, EngineHalted, JournalError
from novate.journal.envelope import stamp
from novate.journal.log import FileLog, HomeLock, repair_tail
from novate.journal.quarantine import PEOPLE, whole_messages
from novate.journal.recovery import EngineFactory, EngineT, HomePaths, Judged, frames_after, judge, rebuild
from novate.journal.terms import check_may_write
from novate.journal.writer import Journal
from novate.messages import CommandQuarantined, CommandRefused, QuarantineCommand, encode, iter_events, rule


@dataclass(frozen=True, slots=True)
class PutAside:
    """What was written."""

    quarantined: int
    """The command that is named."""
    digest: str
    """Of its whole message, hexadecimal."""
    sequence: int
    """The command that names it."""
    people: int
    """How many named it so far."""

    @property
    def confirmed(self) -> bool:
        """Whether the venue opens again, without applying it."""
        return self.people >= PEOPLE


def put_aside(
    home: Path | str,
    engines: EngineFactory[EngineT],
    quarantined: int,
    *,
    actor: int,
    release: str,
    ruleset: int,
    request: int = 0,
) -> PutAside:
    """Writes that the person behind the key `actor` puts command `quarantined` of the journal in `home` aside.

    Raises ConfigError when the command does not stop the engine, was put aside already, or this person may not say so; the journal
    is then as it was. Raises JournalError when there is no such command, and what `open_venue_log` raises.
    """
    paths = HomePaths.of(home)
    check_may_write(home)
    if not paths.journal.is_dir():
        raise JournalError(f"There is no journal in {home}.", path=str(home))
    lock = HomeLock(paths.journal)
    lock.acquire()
    try:
        judged = judge(paths, ruleset=ruleset)
        message = _message(paths, judged, quarantined)
        if quarantined in judged.quarantined:
            raise ConfigError(f"Command {quarantined} was put aside already.", sequence=quarantined)
        _must_stop(paths, engines, judged, quarantined)
        repair_tail(paths.journal, judged.walk)
        digest = digest_of(message)
        said = replace(judged, quarantined={**judged.quarantined, quarantined: digest})
        engine = rebuild(paths, engines, said, confirmed=False).engine
        walk = judged.walk
        command = encode(
            QuarantineCommand(quarantined=quarantined, digest=digest), actor=actor, request=request
        )
        filled = stamp(command, walk.next_sequence, walk.time_ns, walk.time_ns)
        people = _people(engine.apply(filled.payload))
        log = FileLog(paths.journal, walk, release=release, ruleset=ruleset)
        try:
            journal = Journal(log, walk)
            journal.append(journal.frame(filled.payload, filled.commands, filled.time_ns))
        finally:
            log.close()
        return PutAside(quarantined, digest.hex(), walk.next_sequence, people)
    finally:
        lock.release()


def _message(paths: HomePaths, judged: Judged, sequence: int) -> bytes:
    """The whole message of a command."""
    last = judged.walk.next_sequence - 1
    if 1 <= sequence <= last:
        for frame in frames_after(paths.journal, sequence - 1):
            if not frame.is_seal:
                return whole_messages(frame.payload)[sequence - frame.first_sequence]
    raise JournalError(
        f"Command {sequence} is not in the journal; it holds commands 1 to {last}.", sequence=sequence
    )


def _must_stop(paths: HomePaths, engines: EngineFactory[EngineT], judged: Judged, sequence: int) -> None:
    """A command that can be applied was applied, or will be: it is never put aside."""
    try:
        rebuild(paths, engines, judged, confirmed=False)
    except EngineHalted as halted:
        at = halted.facts.get("sequence")
        if at == sequence:
            return
        raise ConfigError(
            f"The engine stops at command {at}, not at command {sequence}.", sequence=sequence
        ) from halted
    raise ConfigError(
        f"This release applies command {sequence}; there is nothing to put aside.", sequence=sequence
    )


def _people(answer: bytes) -> int:
    """How many have said it now. Raises ConfigError with the rule that the engine refuses this person by."""
    for event in iter_events(answer):
        if isinstance(event.body, CommandRefused):
            met = rule(event.body.code)
            raise ConfigError(
                f"The engine refuses it: {met.number} {met.name}. {met.sentence}", rule=met.number
            )
        if isinstance(event.body, CommandQuarantined):
            return event.body.people
    raise ConfigError("The engine did not answer that the command is put aside.")

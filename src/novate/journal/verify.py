"""Checking a journal from its first byte to its last, changing nothing: what an auditor runs.

Responsible for: chain, checksums, replay, every seal's and snapshot's state hash, conservation. Never: cuts, repairs,
takes the writer's lock, or believes a snapshot: the replay starts before command 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from novate.errors import JournalError, NovateError
from novate.journal.envelope import check_stamps
from novate.journal.quarantine import quarantines
from novate.journal.recovery import (
    Engine,
    EngineFactory,
    EngineT,
    HomePaths,
    apply_frame,
    check_confirmed,
    check_seal,
    put_aside,
    restore_checked,
)
from novate.journal.scan import Frame, Walk, journal_bytes, segment_paths, walk_journal
from novate.journal.snapshots import BadSnapshot, Snapshot, read_snapshot, snapshot_paths

Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all) after each frame."""


@dataclass(slots=True)
class VerifyReport:
    """What a verification found. `ok` is true only if nothing is wrong; a torn tail alone is not wrong."""

    ok: bool = False
    commands: int = 0
    frames: int = 0
    segments: int = 0
    journal_bytes: int = 0
    state_hash: str = ""
    conservation: dict[int, int] = field(default_factory=dict)
    """Asset to difference; every one must be 0."""
    truncated_tail_bytes: int = 0
    clean_shutdown: bool = False
    seals_checked: int = 0
    snapshots_checked: int = 0
    quarantined: list[int] = field(default_factory=list)
    """Commands that two people put aside: answered, not applied."""
    first_time_ns: int = 0
    last_time_ns: int = 0
    release: str = ""
    """Release named in the last segment."""
    ruleset: int = 0
    problems: list[str] = field(default_factory=list)
    """One sentence each; empty if and only if `ok`."""


def verify_journal(
    directory: Path | str, engines: EngineFactory[EngineT], *, ruleset: int, progress: Progress | None = None
) -> VerifyReport:
    """Replays the journal in `directory` (HOME or HOME/journal) from the beginning and checks all it can.

    Damage, a diverged replay, a failed engine and a bad snapshot are findings in the report, not exceptions.
    Raises JournalError if there is no journal in `directory`.
    """
    paths = HomePaths.of(directory)
    if not segment_paths(paths.journal):
        raise JournalError(f"There is no journal in {directory}.", path=str(directory))
    total = journal_bytes(paths.journal)
    verification = _Verification(engines, paths, VerifyReport(journal_bytes=total))
    try:
        for frame in walk_journal(paths.journal, verification.walk, ruleset=ruleset):
            verification.take(frame)
            if progress is not None:
                progress(verification.walk.bytes_read, total)
    except NovateError as error:
        verification.report.problems.append(error.sentence)
    return verification.finish()


class _Verification:
    """One pass: the engine, the walk, the snapshots still to be met, and the report being filled."""

    def __init__(self, engines: EngineFactory[EngineT], paths: HomePaths, report: VerifyReport) -> None:
        self.engines: EngineFactory[Engine] = engines
        self.engine: Engine = engines()
        self.quarantined = quarantines(paths.journal).confirmed
        put_aside(self.engine, self.quarantined)
        self.walk = Walk()
        self.report = report
        report.quarantined = sorted(self.quarantined)
        self.snapshots = {int(path.stem): path for path in snapshot_paths(paths.snapshots)}

    def take(self, frame: Frame) -> None:
        """Applies a frame, or checks a seal, then any snapshot taken right after it."""
        report = self.report
        if frame.is_seal:
            check_seal(self.engine, frame)
            report.seals_checked += 1
            return
        check_stamps(frame.payload, frame.first_sequence, frame.count, frame.time_ns)
        apply_frame(self.engine, frame)
        report.commands += frame.count
        report.first_time_ns = report.first_time_ns or frame.time_ns
        self._check_snapshot(frame.last_sequence)

    def finish(self) -> VerifyReport:
        """Fills the report with how it ended."""
        report, walk = self.report, self.walk
        report.frames, report.segments, report.last_time_ns = walk.frames, walk.segments, walk.time_ns
        if walk.header is not None:
            report.release, report.ruleset = walk.header.release, walk.header.ruleset
        report.truncated_tail_bytes = walk.torn.size if walk.torn else 0
        report.clean_shutdown = walk.torn is None and walk.last is not None and walk.last.is_seal
        if not report.problems:  # a replay that ended early never came by the rest
            end = f"the journal ends at command {report.commands} and has no frame that ends there"
            report.problems += [f"{path.name}: {end}." for path in self.snapshots.values()]
            self._check_quarantines()
        self._check_conservation()
        report.ok = not report.problems
        return report

    def _check_quarantines(self) -> None:
        try:
            check_confirmed(self.engine, self.quarantined)
        except NovateError as error:
            self.report.problems.append(error.sentence)

    def _check_snapshot(self, sequence: int) -> None:
        """The file's recorded state, and the state it restores to, must be the one the replay has here."""
        path = self.snapshots.pop(sequence, None)
        if path is None:
            return
        try:
            self._compare(read_snapshot(path))
        except BadSnapshot as bad:
            self.report.problems.append(f"{path.name}: {bad}.")
        else:
            self.report.snapshots_checked += 1

    def _compare(self, snapshot: Snapshot) -> None:
        if snapshot.frame_hash != self.walk.command_hash:
            raise BadSnapshot("it was taken of another journal")
        if snapshot.state_hash != self.engine.state_hash():
            raise BadSnapshot("the replay is in another state than recorded")
        restore_checked(self.engines, snapshot)

    def _check_conservation(self) -> None:
        try:
            self.report.state_hash = self.engine.state_hash().hex()
            self.report.conservation = dict(self.engine.conservation())
        except Exception as error:  # noqa: BLE001 - an engine that cannot answer is a finding, whatever it raised
            self.report.problems.append(f"The engine does not answer: {error}.")
        self.report.problems += [
            f"Asset {asset} is out of balance by {difference}."
            for asset, difference in self.report.conservation.items()
            if difference
        ]

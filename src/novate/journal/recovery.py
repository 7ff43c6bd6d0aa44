"""From what is on disk to a running engine: judge the journal, pick a snapshot, replay the rest.

Responsible for: nothing is applied before the whole journal is judged; a snapshot is used only if it belongs to this
journal. Never: writes, cuts (log.py does, between the two halves here), or goes on after a doubt about the journal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from novate.errors import EngineHalted, JournalDamaged, JournalError, ReplayDiverged
from novate.journal.quarantine import Quarantines
from novate.journal.scan import Frame, Walk, segment_name, segment_paths, walk_journal
from novate.journal.snapshots import BadSnapshot, Snapshot, read_snapshot, snapshot_paths


class Engine(Protocol):
    """What the journal and the sequencer need of an engine; `novate._core.Engine` is one."""

    @property
    def sequence(self) -> int:
        """Sequence of the last command applied, 0 for none."""
        ...

    def apply(self, buffer: bytes, /) -> bytes:
        """Applies stamped commands back to back; returns their events. Deterministic."""
        ...

    def state_hash(self) -> bytes:
        """32 bytes that stand for the whole state."""
        ...

    def snapshot(self) -> bytes:
        """The whole state as bytes."""
        ...

    def conservation(self) -> list[tuple[int, int]]:
        """(asset, difference) for every asset; every difference must be 0."""
        ...

    def quarantine(self, sequence: int, digest: bytes, /) -> None:
        """Answer that command without applying it, as long as its message has the digest."""
        ...

    def unconfirmed(self) -> list[int]:
        """Commands answered so that two people have not confirmed."""
        ...


EngineT = TypeVar("EngineT", bound=Engine)
EngineT_co = TypeVar("EngineT_co", bound=Engine, covariant=True)


class EngineFactory(Protocol[EngineT_co]):
    """Makes engines; the class `novate._core.Engine` itself is one."""

    def __call__(self) -> EngineT_co:
        """A fresh engine, before the first command."""
        ...

    def restore(self, snapshot: bytes, /) -> EngineT_co:
        """The engine that `snapshot` was taken of. Raises if the bytes are not one."""
        ...


@dataclass(frozen=True, slots=True)
class HomePaths:
    """The directories of one home. Built from the home, or from the journal directory inside it."""

    journal: Path
    snapshots: Path

    @classmethod
    def of(cls, directory: Path | str) -> Self:
        """`directory` is HOME or HOME/journal: the latter if segments lie in it."""
        home = Path(directory)
        if segment_paths(home):
            home = home.parent if home.name == "journal" else home
            return cls(Path(directory), home / "snapshots")
        return cls(home / "journal", home / "snapshots")


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of reading everything: where the journal ends, and the sound snapshots, newest first."""

    walk: Walk
    snapshots: tuple[Snapshot, ...] = ()
    skipped: tuple[str, ...] = ()
    quarantined: Mapping[int, bytes] = field(default_factory=dict)
    """Commands that two messages put aside, each with the digest of its message."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a recovery did, for the operator's eyes and for tests."""

    sequence: int
    """Last command recovered; 0 for a fresh home."""
    time_ns: int
    frames: int
    clean_shutdown: bool
    """Whether the journal ended in a seal, so that even its last frame was proven."""
    snapshot_sequence: int
    """Command after which the snapshot used was taken; 0 if the journal was replayed from its beginning."""
    commands_replayed: int
    snapshots_skipped: tuple[str, ...] = ()
    truncated_tail_bytes: int = 0
    tail_kept_in: Path | None = None
    written_by: str = ""
    """Release named in the last segment."""


def judge(paths: HomePaths, *, ruleset: int | None = None) -> Judged:
    """Reads every frame and snapshot. Raises JournalDamaged or ReleaseMismatch; changes nothing.

    A sound snapshot is proof that the commands up to its sequence were durable: a journal that ends before one has
    lost commands and is refused.
    """
    sound, skipped = _read_snapshots(paths.snapshots, ruleset)
    walk = Walk(watch=frozenset(snapshot.sequence for snapshot in sound))
    quarantines = Quarantines()
    for frame in walk_journal(paths.journal, walk, ruleset=ruleset):
        quarantines.take(frame)
    end = walk.next_sequence - 1
    if sound and sound[0].sequence > end:
        torn = walk.torn
        last = segment_paths(paths.journal)
        raise JournalDamaged(
            segment=torn.segment if torn else last[-1].name if last else segment_name(1),
            offset=torn.offset if torn else last[-1].stat().st_size if last else 0,
            sequence=end + 1,
            what=f"it ends at command {end}, but a snapshot was taken after command {sound[0].sequence}",
        )
    belonging = []
    for snapshot in sound:
        if walk.hash_at.get(snapshot.sequence) == snapshot.frame_hash:
            belonging.append(snapshot)
        else:
            skipped.append(f"snapshot {snapshot.sequence}: it was taken of another journal")
    return Judged(walk, tuple(belonging), tuple(skipped), quarantines.confirmed)


@dataclass(frozen=True, slots=True)
class Rebuilt(Generic[EngineT]):
    """An engine at the end of its journal, and how it got there."""

    engine: EngineT
    snapshot_sequence: int
    commands_replayed: int
    skipped: tuple[str, ...]


def rebuild(
    paths: HomePaths,
    engines: EngineFactory[EngineT],
    judged: Judged,
    on_events: Callable[[bytes], None] | None = None,
    *,
    confirmed: bool = True,
) -> Rebuilt[EngineT]:
    """The engine at the end of the judged journal, from the newest snapshot that restores.

    `on_events` gets the events of every replayed frame, in order. Raises EngineHalted if the engine fails inside a
    command, ReplayDiverged if a seal on the way recorded another state, JournalError unless two people `confirmed` each
    command that was put aside.
    """
    engine, base, skipped = restore_newest(engines, judged.snapshots)
    put_aside(engine, judged.quarantined)
    replayed = 0
    for frame in frames_after(paths.journal, base):
        if frame.is_seal:
            check_seal(engine, frame)
            continue
        events = apply_frame(engine, frame)
        replayed += frame.count
        if on_events is not None:
            on_events(events)
    if confirmed:
        check_confirmed(engine, judged.quarantined)
    return Rebuilt(engine, base, replayed, judged.skipped + skipped)


def frames_after(journal_dir: Path, sequence: int) -> Iterator[Frame]:
    """The frames behind command `sequence`, and the seals there, reading only the segments that hold them."""
    firsts = [int(path.stem) for path in segment_paths(journal_dir)]
    start = max(bisect_right(firsts, sequence + 1) - 1, 0)
    for frame in walk_journal(journal_dir, Walk(), start=start):
        if frame.last_sequence > sequence or (frame.is_seal and frame.last_sequence == sequence):
            yield frame


def restore_checked(engines: EngineFactory[EngineT], snapshot: Snapshot) -> EngineT:
    """The engine of `snapshot`. Raises BadSnapshot unless it restores to the recorded sequence and state hash."""
    try:
        engine = engines.restore(snapshot.engine)
    except Exception as error:
        raise BadSnapshot(f"the engine does not take it ({error})") from error
    if engine.sequence != snapshot.sequence or engine.state_hash() != snapshot.state_hash:
        raise BadSnapshot("the engine restored from it is in another state than recorded")
    return engine


def restore_newest(
    engines: EngineFactory[EngineT], snapshots: tuple[Snapshot, ...]
) -> tuple[EngineT, int, tuple[str, ...]]:
    """The newest snapshot that restores, else a fresh engine; with what was skipped on the way."""
    skipped: list[str] = []
    for snapshot in snapshots:
        try:
            return restore_checked(engines, snapshot), snapshot.sequence, tuple(skipped)
        except BadSnapshot as bad:
            skipped.append(f"snapshot {snapshot.sequence}: {bad}")
    return engines(), 0, tuple(skipped)


def put_aside(engine: Engine, quarantined: Mapping[int, bytes]) -> None:
    """Tells an engine, before it replays, what to answer without applying it."""
    for sequence, digest in quarantined.items():
        engine.quarantine(sequence, digest)


def check_confirmed(engine: Engine, quarantined: Mapping[int, bytes]) -> None:
    """Raises JournalError unless two people said so of every command that was not applied."""
    open_ones = engine.unconfirmed() if quarantined else []
    if open_ones:
        raise JournalError(
            f"Command {open_ones[0]} was put aside, but not by two people of the venue.",
            sequence=open_ones[0],
        )


def apply_frame(engine: Engine, frame: Frame) -> bytes:
    """Applies one frame of commands. Raises EngineHalted, naming the command or the frame, whatever the engine raised."""
    try:
        return engine.apply(frame.payload)
    except Exception as error:
        at = error.facts.get("sequence") if isinstance(error, EngineHalted) else None
        if at is not None:
            raise EngineHalted(
                f"{error} Two people can put command {at} aside with `novate quarantine`.",
                sequence=at,
                first_sequence=frame.first_sequence,
                last_sequence=frame.last_sequence,
            ) from error
        raise EngineHalted(
            f"The engine failed in commands {frame.first_sequence} to {frame.last_sequence}: {error}",
            first_sequence=frame.first_sequence,
            last_sequence=frame.last_sequence,
        ) from error


def check_seal(engine: Engine, frame: Frame) -> None:
    """Raises ReplayDiverged unless the engine is in the state the seal recorded."""
    state = engine.state_hash()
    if state != frame.payload:
        raise ReplayDiverged(
            f"After command {frame.last_sequence} the replay has state {state.hex()}, "
            f"but the venue that shut down there recorded {frame.payload.hex()}.",
            sequence=frame.last_sequence,
        )


def _read_snapshots(directory: Path, ruleset: int | None) -> tuple[list[Snapshot], list[str]]:
    """The sound snapshots, newest first, and one line for each file that is not."""
    sound: list[Snapshot] = []
    skipped: list[str] = []
    for path in reversed(snapshot_paths(directory)):
        try:
            snapshot = read_snapshot(path)
        except BadSnapshot as bad:
            skipped.append(f"{path.name}: {bad}")
            continue
        if ruleset is not None and snapshot.ruleset != ruleset:
            skipped.append(f"{path.name}: it was taken under ruleset {snapshot.ruleset}")
        else:
            sound.append(snapshot)
    return sound, skipped

"""From what is on disk to a running engine: judge the journal, pick a snapshot, replay the rest.

Responsible for: nothing is applied before the whole journal is judged; a snapshot is used only if it belongs to this
journal. Never: writes, cuts (log.py does, between the two halves here), or goes on after a doubt about the journal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, Protocol, Self, TypeVar

from novate.errors import EngineHalted, JournalDamaged, JournalError, ReplayDiverged
from novate.journal.progress import Meter, OnProgress
from novate.journal.quarantine import Quarantines
from novate.journal.scan import (
    Frame,
    Place,
    Position,
    Span,
    Walk,
    journal_bytes,
    segment_name,
    segment_paths,
    walk_journal,
)
from novate.journal.snapshots import (
    BadSnapshot,
    Snapshot,
    SnapshotFile,
    peek_snapshot,
    read_snapshot,
    snapshot_paths,
)

_RUN_BYTES: Final = 1 << 20
"""A replay applies frames together up to about this size, so that small ones cost no more than large ones."""


class Engine(Protocol):
    """What the journal and the sequencer need of an engine; `novate._core.Engine` is one."""

    @property
    def sequence(self) -> int:
        """Sequence of the last command applied, 0 for none."""
        ...

    def apply(self, buffer: bytes, /) -> bytes:
        """Applies stamped commands back to back; returns their events. Deterministic."""
        ...

    def replay(self, buffer: bytes, /) -> None:
        """As `apply`, for a replay that tells nobody: the events are dropped."""
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
    """The outcome of reading everything: where the journal ends, and the snapshots that belong to it, newest first."""

    walk: Walk
    snapshots: tuple[SnapshotFile, ...] = ()
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


@dataclass(frozen=True, slots=True)
class Passed(Generic[EngineT]):
    """Where a recovery came by."""

    engine: EngineT
    position: Position
    place: Place | None
    """Where the frames behind it begin; None at the beginning of the journal."""


@dataclass(frozen=True, slots=True)
class Branch(Generic[EngineT]):
    """Somebody who goes on by himself from where a recovery comes by."""

    at: Position | None
    """Behind which command: that of a frame's end. None, or one that this journal does not know, is the end of the journal."""
    go: Callable[[Passed[EngineT]], None]
    """Called once, between two commands; the engine is the recovery's own. Not called where the snapshot in use is behind `at`."""


def judge(
    paths: HomePaths,
    *,
    ruleset: int | None = None,
    on_progress: OnProgress | None = None,
    watch: frozenset[int] = frozenset(),
) -> Judged:
    """Reads every frame, and what every snapshot says about itself. Raises JournalDamaged or ReleaseMismatch; changes nothing.

    The walk also tells where the frames that end at the commands of `watch` are.

    A sound snapshot is proof that the commands up to its sequence were durable: a journal that ends before one has
    lost commands and is refused. Snapshots that belong here are read in full when they are restored, not here: a home keeps
    all it ever took.
    """
    files, skipped = _peek_snapshots(paths.snapshots, ruleset)
    walk = Walk(watch=watch | {file.sequence for file in files})
    quarantines = Quarantines()
    meter = Meter("reading", journal_bytes(paths.journal), on_progress)
    for frame in walk_journal(paths.journal, walk, ruleset=ruleset):
        quarantines.take(frame)
        meter.at(walk.bytes_read)
    belonging = []
    for file in files:
        if walk.hash_at.get(file.sequence) == file.frame_hash:
            belonging.append(file)
            continue
        try:
            read_snapshot(file.path)
        except BadSnapshot as bad:
            skipped.append(f"{file.path.name}: {bad}")
            continue
        if file.sequence >= walk.next_sequence:
            raise _lost(paths, walk, file.sequence)
        skipped.append(f"snapshot {file.sequence}: it was taken of another journal")
    return Judged(walk, tuple(belonging), tuple(skipped), quarantines.confirmed)


def _lost(paths: HomePaths, walk: Walk, snapshot: int) -> JournalDamaged:
    """The journal ends before the command that a sound snapshot was taken after."""
    end, torn, segments = walk.next_sequence - 1, walk.torn, segment_paths(paths.journal)
    return JournalDamaged(
        segment=torn.segment if torn else segments[-1].name if segments else segment_name(1),
        offset=torn.offset if torn else segments[-1].stat().st_size if segments else 0,
        sequence=end + 1,
        what=f"it ends at command {end}, but a snapshot was taken after command {snapshot}",
    )


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
    begun: RestoreAhead[EngineT] | None = None,
    on_progress: OnProgress | None = None,
    upto: int | None = None,
    branch: Branch[EngineT] | None = None,
) -> Rebuilt[EngineT]:
    """The engine at the end of the judged journal, from the newest snapshot that restores.

    `on_events` gets the events of all replayed commands, in order, those of several frames at a time. `begun` is a restore that was begun
    while the journal was judged; `on_progress` is told between runs of frames how far it is. `upto` is for a journal that is written
    meanwhile: not a byte behind the frame that ends there is looked at; `branch`, who goes on by himself on the way. Raises EngineHalted if the engine fails inside a command,
    ReplayDiverged if a seal on the way recorded another state, JournalError unless two people `confirmed` each command that was put aside.
    """
    newest = judged.snapshots[0].sequence if judged.snapshots else 0
    restoring = Meter("restoring", newest, on_progress, newest)
    engine, base, skipped = restore_newest(engines, judged.snapshots, begun)
    restoring.at(base)
    put_aside(engine, judged.quarantined)
    meter = Meter("replaying", judged.walk.next_sequence - 1 - base, on_progress, base)
    frames = frames_after(paths.journal, base, upto)
    if branch is not None:
        position, place = _passing(judged.walk, branch.at)
        if position.sequence >= base:
            _replay(engine, _until(frames, base, position.sequence), on_events, meter, base)
            branch.go(Passed(engine, position, place))
    _replay(engine, frames, on_events, meter, base)
    if confirmed:
        check_confirmed(engine, judged.quarantined)
    return Rebuilt(engine, base, engine.sequence - base, judged.skipped + skipped)


def _passing(walk: Walk, at: Position | None) -> tuple[Position, Place | None]:
    """Where to go on from: `at` where this journal knows it, else its end."""
    if at is None or walk.hash_at.get(at.sequence) != at.frame_hash:
        return walk.position, walk.command_end
    return at, walk.end_at.get(at.sequence)


def _until(frames: Iterator[Frame], base: int, sequence: int) -> Iterator[Frame]:
    """The frames up to the one that ends at `sequence`, from behind command `base` on; the others stay in `frames`."""
    at = base
    while at < sequence and (frame := next(frames, None)) is not None:
        at = frame.last_sequence
        yield frame


def _replay(
    engine: Engine,
    frames: Iterator[Frame],
    on_events: Callable[[bytes], None] | None,
    meter: Meter,
    base: int,
) -> None:
    """Applies frames, which begin behind where the engine is; checks the seals among them."""
    for run in _ahead(_runs(frames)):
        if run.is_seal:
            check_seal(engine, run)
        else:
            apply_frame(engine, run, on_events)
            meter.at(engine.sequence - base)


def frames_after(
    journal_dir: Path, sequence: int, upto: int | None = None, *, judged: bool = True
) -> Iterator[Frame]:
    """The frames behind command `sequence`, and the seals there, reading only the segments that hold them.

    With `upto` they end with the frame that ends at that command: somebody may be writing behind it.
    For a journal that was `judged`: what the checksums and marks say is checked again, the hashes are not.
    """
    if upto is not None and sequence >= upto:
        return
    firsts = [int(path.stem) for path in segment_paths(journal_dir)]
    start = max(bisect_right(firsts, sequence + 1) - 1, 0)
    for frame in walk_journal(journal_dir, Walk(judged=judged), start=start):
        if frame.last_sequence > sequence or (frame.is_seal and frame.last_sequence == sequence):
            yield frame
        if upto is not None and frame.last_sequence >= upto:
            return


@dataclass(frozen=True, slots=True)
class Run(Span):
    """Frames of commands in a row, taken together; or one seal."""

    first_sequence: int
    count: int
    payload: bytes


def _runs(frames: Iterator[Frame]) -> Iterator[Run]:
    """The same commands and seals in the same order, small frames joined."""
    waiting: list[bytes] = []
    first, count, size = 0, 0, 0
    for frame in frames:
        if waiting and (frame.is_seal or size + len(frame.payload) > _RUN_BYTES):
            yield Run(first, count, b"".join(waiting))
            waiting.clear()
        if frame.is_seal:
            yield Run(frame.first_sequence, 0, frame.payload)
            continue
        if not waiting:
            first, count, size = frame.first_sequence, 0, 0
        waiting.append(frame.payload)
        count, size = count + frame.count, size + len(frame.payload)
    if waiting:
        yield Run(first, count, b"".join(waiting))


def _ahead(runs: Iterator[Run]) -> Iterator[Run]:
    """The same, the next one read by a helper thread while the engine, which needs no interpreter, applies this one."""
    with ThreadPoolExecutor(1, "novate-read") as helper:
        coming = helper.submit(next, runs, None)
        while (run := coming.result()) is not None:
            coming = helper.submit(next, runs, None)
            yield run


def restore_checked(engines: EngineFactory[EngineT], snapshot: Snapshot) -> EngineT:
    """The engine of `snapshot`. Raises BadSnapshot unless it restores to the recorded sequence and state hash."""
    try:
        engine = engines.restore(snapshot.engine)
    except Exception as error:
        raise BadSnapshot(f"the engine does not take it ({error})") from error
    if engine.sequence != snapshot.sequence or engine.state_hash() != snapshot.state_hash:
        raise BadSnapshot("the engine restored from it is in another state than recorded")
    return engine


def restored(engines: EngineFactory[EngineT], file: SnapshotFile) -> EngineT:
    """The engine of a snapshot's file. Raises BadSnapshot unless it is sound and restores to what it recorded."""
    return restore_checked(engines, read_snapshot(file.path))


class RestoreAhead(Generic[EngineT]):
    """The newest snapshot of a home, restored while a helper thread judges the journal.

    Nothing of it counts before the journal says that the snapshot belongs to it: until then it is memory that may be dropped. It is the
    helper that judges, for what a thread asks memory for lies apart from what other threads do, and this one goes on with the engine.
    """

    def __init__(self, paths: HomePaths, engines: EngineFactory[EngineT], ruleset: int | None) -> None:
        """Restores it; what is wrong with it is said by `restored`."""
        self._engines = engines
        files, _ = _peek_snapshots(paths.snapshots, ruleset)
        self._file = files[0] if files else None
        self._engine: Future[EngineT] | None = None
        if self._file is not None:
            self._engine = Future()
            try:
                self._engine.set_result(restored(engines, self._file))
            except Exception as error:  # noqa: BLE001 - whoever asks for the engine gets it
                self._engine.set_exception(error)

    def restored(self, file: SnapshotFile) -> EngineT:
        """As `restored`: the engine that is there if it is of that file, which is given out once."""
        engine, self._engine = self._engine, None
        return engine.result() if engine and file == self._file else restored(self._engines, file)


def restore_newest(
    engines: EngineFactory[EngineT],
    snapshots: tuple[SnapshotFile, ...],
    begun: RestoreAhead[EngineT] | None = None,
) -> tuple[EngineT, int, tuple[str, ...]]:
    """The newest snapshot that is sound and restores, else a fresh engine; with what was skipped on the way."""
    skipped: list[str] = []
    for file in snapshots:
        try:
            engine = begun.restored(file) if begun else restored(engines, file)
            return engine, file.sequence, tuple(skipped)
        except BadSnapshot as bad:
            skipped.append(f"{file.path.name}: {bad}")
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


def apply_frame(engine: Engine, frame: Frame | Run, on_events: Callable[[bytes], None] | None = None) -> None:
    """Applies commands; `on_events` gets their events. Raises EngineHalted, naming command or commands, whatever the engine raised."""
    try:
        if on_events is None:
            engine.replay(frame.payload)
            return
        events = engine.apply(frame.payload)
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
    on_events(events)


def check_seal(engine: Engine, frame: Frame | Run) -> None:
    """Raises ReplayDiverged unless the engine is in the state the seal recorded."""
    state = engine.state_hash()
    if state != frame.payload:
        raise ReplayDiverged(
            f"After command {frame.last_sequence} the replay has state {state.hex()}, "
            f"but the venue that shut down there recorded {frame.payload.hex()}.",
            sequence=frame.last_sequence,
        )


def _peek_snapshots(directory: Path, ruleset: int | None) -> tuple[list[SnapshotFile], list[str]]:
    """The files that say they are snapshots of this ruleset, newest first, and one line for each other one."""
    files: list[SnapshotFile] = []
    skipped: list[str] = []
    for path in reversed(snapshot_paths(directory)):
        try:
            file = peek_snapshot(path)
        except BadSnapshot as bad:
            skipped.append(f"{path.name}: {bad}")
            continue
        if ruleset is not None and file.ruleset != ruleset:
            skipped.append(f"{path.name}: it was taken under ruleset {file.ruleset}")
        else:
            files.append(file)
    return files, skipped

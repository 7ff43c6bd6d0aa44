"""The sequencer: the only writer. Takes whole buffers of commands, gives them one order and one time, journals, applies.

Responsible for: durable before applied, applied before told; time that never decreases; stopping at the first doubt.
Never: looks inside a command (but that it is no quarantine), retries a write, or calls a clock it was not given. Same buffers and times, same journal,
in lockstep as in pipelined mode.

    submit   one buffer in, its events out (lockstep; what notebooks, tests and the headless demo use)
    push     one buffer in, the events of the buffer before out: a frame is synced by a helper thread while the engine
             applies the one before it (live; the engine releases the interpreter, so both run at once)
    drain    waits for what is in flight and returns its events
    commit   as `push`, for several senders' buffers as one frame, each with its own answer; `settle` and `land` are its halves of
             `drain`: wait until the frame in flight is durable, and apply it (what the core process does between its sockets)
"""

from __future__ import annotations

import operator
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Generic, NamedTuple, Self

from novate._core import check
from novate.errors import BadBuffer, ConfigError, EngineHalted, LogStopped, NovateError
from novate.journal.ahead import BlankSegments
from novate.journal.envelope import BytesLike, Stamped, stamp
from novate.journal.log import SEGMENT_BYTES, FileLog, HomeLock, Log, repair_tail
from novate.journal.progress import OnProgress
from novate.journal.quarantine import holds_quarantine
from novate.journal.recovery import (
    Branch,
    EngineFactory,
    EngineT,
    HomePaths,
    Judged,
    Recovery,
    RestoreAhead,
    judge,
    rebuild,
)
from novate.journal.snapshots import SnapshotStore
from novate.journal.terms import check_may_write
from novate.journal.writer import Journal
from novate.messages import QuarantineCommand

Clock = Callable[[], int]
"""Nanoseconds since 1970, UTC. Must not go back; if it does, commands are refused."""


_NO_QUARANTINE: Final = (
    "A command is put aside while the venue is stopped, with `novate quarantine`; nothing was written."
)


def check_buffer(buffer: bytes) -> None:
    """Raises BadBuffer for what a sequencer would not take: anything but whole commands, or one that puts another aside."""
    if check(buffer, QuarantineCommand.KIND):
        raise BadBuffer(_NO_QUARANTINE)


def steady_clock() -> Clock:
    """A clock for live use: reads the wall clock once, then adds steady time, so that no step of the wall clock shows."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: offset + time.monotonic_ns()


class Answer(NamedTuple):
    """What one sender's buffer came to, once it is durable and applied."""

    first_sequence: int
    """Of its first command."""
    commands: int
    time_ns: int
    """Of its last command."""
    events: bytes


@dataclass(slots=True)
class _Flight:
    """A frame on its way: its commands wait for `durable` before they are applied, one sender's after the other's."""

    parts: Sequence[Stamped]
    last_sequence: int
    time_ns: int
    frame_hash: bytes
    durable: Future[None] | None = None


class Sequencer(Generic[EngineT]):
    """One engine behind one journal. For one thread; the helper thread of pipelined mode is its own business.

    `clock` is used for buffers submitted without a time. Any failure after a frame was built halts it for good: every
    later call raises the same error class again with what happened first, and recovery is by opening the home anew.
    """

    def __init__(
        self,
        engine: EngineT,
        journal: Journal,
        clock: Clock | None = None,
        *,
        pipelined: bool = False,
        snapshots: SnapshotStore | None = None,
        lock: HomeLock | None = None,
    ) -> None:
        self.engine = engine
        """Read it freely between calls; never apply to it."""
        self.journal = journal
        self.lockstep_below_bytes = 0
        """In pipelined mode frames below this size are synced and applied in turn: the hand-over to the helper costs more than the
        engine's work beside it saves."""
        self._clock = clock
        self._pool = ThreadPoolExecutor(1, "novate-sync", _ahead_of_its_process) if pipelined else None
        self._flight: _Flight | None = None
        self._snapshots = snapshots
        self._lock = lock
        self._halted: NovateError | None = None
        self._applied_sequence = journal.next_sequence - 1
        self._applied_time_ns = journal.last_time_ns
        self._applied_hash = journal.command_hash

    @property
    def sequence(self) -> int:
        """Sequence of the last command applied."""
        return self._applied_sequence

    @property
    def time_ns(self) -> int:
        """Time of the last command applied."""
        return self._applied_time_ns

    def submit(self, buffer: BytesLike, time_ns: int | None = None, *, stamped: bool = False) -> bytes:
        """Journals and applies one buffer of commands; returns their events once both are done.

        All messages get `time_ns`, or the clock's time if it is None; with `stamped` they carry their own times,
        which must not decrease. In pipelined mode the events of frames still in flight come first.

        Raises BadBuffer or TimeRanBackwards: nothing was written, go on. Raises SyncFailed, JournalFull or
        EngineHalted: nothing of this buffer may be told to anyone, and the sequencer has stopped.
        """
        before = self.push(buffer, time_ns, stamped=stamped)
        return before + self.drain() if self._pool is not None else before

    def push(self, buffer: BytesLike, time_ns: int | None = None, *, stamped: bool = False) -> bytes:
        """As `submit`, but in pipelined mode returns while the frame is being synced.

        Returns the events that became known meanwhile: those of the frame before (b"" if there was none). In lockstep
        they are this buffer's own.
        """
        return b"".join(answer.events for answer in self._commit((buffer,), time_ns, stamped=stamped))

    def commit(self, buffers: Sequence[BytesLike], time_ns: int | None = None) -> list[Answer]:
        """As `push`, for buffers of several senders that become one frame; returns one answer for each of them, in order.

        In pipelined mode they are those of the frame before, then those of this one if it is small (`lockstep_below_bytes`). Raises as `submit`; where one buffer is bad nothing of any is
        written, so a caller with several senders asks `check_buffer` first.
        """
        return self._commit(buffers, time_ns)

    def settle(self) -> None:
        """Waits until the frame in flight, if any, is durable; `commit`, `land` or `drain` applies it."""
        self._refuse_if_halted()
        self._wait()

    def settled(self, timeout_s: float) -> bool:
        """As `settle`, for so long at most; whether `settle` would return at once."""
        self._refuse_if_halted()
        flight = self._flight
        if flight is None or flight.durable is None:
            return True
        return bool(wait((flight.durable,), timeout_s).done)

    def land(self) -> list[Answer]:
        """Waits until nothing is in flight; returns the answers of what was."""
        self._refuse_if_halted()
        ready = self._landed()
        return self._apply(ready) if ready is not None else []

    def drain(self) -> bytes:
        """Waits until nothing is in flight; returns the events of what was."""
        return b"".join(answer.events for answer in self.land())

    @property
    def in_flight(self) -> bool:
        """Whether a frame waits to be durable or applied."""
        return self._flight is not None

    def snapshot(self) -> Path:
        """Writes the state after the last command applied to HOME/snapshots; returns the path.

        Raises ConfigError without a snapshot directory, JournalFull or SyncFailed if it cannot be written: the
        journal is untouched, and the sequencer goes on.
        """
        self._refuse_if_halted()
        if self._snapshots is None:
            raise ConfigError("This sequencer has no directory for snapshots.")
        return self._snapshots.write(
            sequence=self._applied_sequence,
            time_ns=self._applied_time_ns,
            state_hash=self.engine.state_hash(),
            frame_hash=self._applied_hash,
            engine=self.engine.snapshot(),
        )

    def close(self) -> bytes:
        """Ends a clean run: drains, seals the journal with the state hash, gives the home back.

        Returns the events of what was in flight; `drain` first where they must be told even if the seal then fails.
        Harmless when closed or halted: then nothing is sealed.
        """
        events = b""
        try:
            if self._halted is None:
                events = self.drain()
                seal = self.journal.seal(self.engine.state_hash())
                if seal is not None:
                    self._append(seal)
        finally:
            self._halted = self._halted or LogStopped("The sequencer is closed.")
            self._let_go()
        return events

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _time(self, time_ns: int | None) -> int:
        if time_ns is not None:
            return operator.index(time_ns)
        if self._clock is None:
            raise ConfigError("Without a clock every buffer needs a time_ns, or stamped=True.")
        return self._clock()

    def _commit(
        self, buffers: Sequence[BytesLike], time_ns: int | None, *, stamped: bool = False
    ) -> list[Answer]:
        self._refuse_if_halted()
        journal = self.journal
        at = None if stamped else self._time(time_ns)
        parts: list[Stamped] = []
        sequence, last = journal.next_sequence, journal.last_time_ns
        for buffer in buffers:
            part = stamp(buffer, sequence, at, last)
            if holds_quarantine(part.payload):
                raise BadBuffer(_NO_QUARANTINE)
            parts.append(part)
            sequence, last = sequence + part.commands, part.time_ns
        if not parts:
            return self.land()
        # The frame before must be durable before this one is built: it carries the mark.
        ready = self._landed()
        payload = parts[0].payload if len(parts) == 1 else b"".join([part.payload for part in parts])
        frame = journal.frame(payload, sequence - journal.next_sequence, last)
        flight = _Flight(parts, sequence - 1, last, journal.command_hash)
        if self._pool is not None and len(frame) >= self.lockstep_below_bytes:
            flight.durable = self._pool.submit(journal.append, frame)
            self._flight = flight
            return self._apply(ready) if ready is not None else []
        answers = self._apply(ready) if ready is not None else []
        self._append(frame)
        return answers + self._apply(flight)

    def _wait(self) -> None:
        flight = self._flight
        if flight is not None and flight.durable is not None:
            with self._or_halt("the journal"):
                flight.durable.result()

    def _landed(self) -> _Flight | None:
        """Waits for the frame in flight, if any; it is then durable and to be applied."""
        self._wait()
        flight, self._flight = self._flight, None
        return flight

    def _append(self, frame: bytes) -> None:
        with self._or_halt("the journal"):
            self.journal.append(frame)

    def _apply(self, flight: _Flight) -> list[Answer]:
        answers: list[Answer] = []
        sequence = self._applied_sequence + 1
        with self._or_halt("the engine"):
            for part in flight.parts:
                events = self.engine.apply(part.payload)
                answers.append(Answer(sequence, part.commands, part.time_ns, events))
                sequence += part.commands
        self._applied_sequence, self._applied_time_ns = flight.last_sequence, flight.time_ns
        self._applied_hash = flight.frame_hash
        return answers

    @contextmanager
    def _or_halt(self, where: str) -> Iterator[None]:
        """Whatever is raised inside, an interrupt too, halts the sequencer; an error that is not ours becomes one."""
        try:
            yield
        except NovateError as error:
            self._halted = error
            raise
        except Exception as error:
            kind = EngineHalted if where == "the engine" else LogStopped
            self._halted = kind(f"The sequencer stopped at an error of {where}: {error!r}.")
            raise self._halted from error
        except BaseException:
            self._halted = LogStopped(f"The sequencer was interrupted while it waited for {where}.")
            raise

    def _refuse_if_halted(self) -> None:
        """The first failure is raised as what it was; later calls get EngineHalted or LogStopped with its sentence."""
        if self._halted is None:
            return
        kind = EngineHalted if isinstance(self._halted, EngineHalted) else LogStopped
        raise kind(f"The sequencer has stopped: {self._halted}")

    def _let_go(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self.journal.close()
        if self._lock is not None:
            self._lock.release()


def _ahead_of_its_process() -> None:
    """In a real-time process the syncing thread goes before the others: it begins a sync and sleeps, while they compute."""
    if hasattr(os, "sched_getscheduler") and (policy := os.sched_getscheduler(0)) in {
        os.SCHED_RR,
        os.SCHED_FIFO,
    }:
        priority = os.sched_getparam(0).sched_priority + 1
        with suppress(OSError):
            os.sched_setscheduler(0, policy, os.sched_param(priority))


@dataclass(frozen=True, slots=True)
class OpenedVenue(Generic[EngineT]):
    """A running sequencer and what it took to get there."""

    sequencer: Sequencer[EngineT]
    recovery: Recovery
    events: bytes
    """Events of the `ResumeVenue` command; b"" for a fresh home."""


def open_venue_log(
    home: Path | str,
    engines: EngineFactory[EngineT],
    *,
    release: str,
    ruleset: int,
    resume: bytes | None,
    clock: Clock | None = None,
    resume_time_ns: int | None = None,
    pipelined: bool = False,
    segment_bytes: int = SEGMENT_BYTES,
    zeros_ahead: bool = False,
    on_events: Callable[[bytes], None] | None = None,
    wrap_log: Callable[[Log], Log] | None = None,
    on_progress: OnProgress | None = None,
    branch: Branch[EngineT] | None = None,
) -> OpenedVenue[EngineT]:
    """Opens (or begins) the journal of `home`, recovers the engine, and returns the sequencer that goes on with it.

    In order: take the lock; judge the whole journal; cut a torn tail and make the end durable; restore the newest
    snapshot that belongs here (the newest there is is restored while a helper thread judges the journal); replay the rest, its events going to `on_events`; journal `resume`.

    Args:
        home: the directory; `journal` and `snapshots` are made inside it.
        engines: makes and restores engines; the class `novate._core.Engine`.
        release: name of the running release, recorded in each new segment.
        ruleset: number of the ruleset the engine follows; a journal of another one is refused.
        resume: the message `ResumeVenue` with an unfilled header, the first command after each recovery of a journal
            that holds commands. None only where no such command exists.
        clock: time of buffers submitted without one.
        resume_time_ns: time of `resume`; by default the clock's, without a clock the last time in the journal.
        pipelined: whether a helper thread syncs one frame while the engine applies the one before.
        segment_bytes: size at which a new segment begins.
        zeros_ahead: whether segments are written with zeros before they are needed, so that a sync waits for the disk alone: for
            a venue that runs all day. It keeps `segment_bytes` more on the disk.
        on_events: gets the events of all replayed commands, in order.
        wrap_log: puts another log around the files (a standby, fault injection).
        on_progress: is told how far the recovery is, some ten times a second.
        branch: goes on by himself from where the recovery comes by; what is in memory then is the engine alone, and no other thread runs.

    Raises HomeIsStandby or HomeFenced (no core may write it), JournalLocked, JournalDamaged, ReleaseMismatch, ReplayDiverged,
    EngineHalted, JournalFull, SyncFailed; the home is then as it was, but for a torn tail already cut and kept.
    """
    check_may_write(home)
    paths = HomePaths(Path(home) / "journal", Path(home) / "snapshots")
    paths.journal.mkdir(parents=True, exist_ok=True)
    lock = HomeLock(paths.journal)
    lock.acquire()
    log: Log | None = None
    try:
        with ThreadPoolExecutor(1, "novate-judge") as helper:
            watch = frozenset({branch.at.sequence} if branch and branch.at else ())
            judging = helper.submit(judge, paths, ruleset=ruleset, on_progress=on_progress, watch=watch)
            begun = RestoreAhead(paths, engines, ruleset)
            judged = judging.result()
        kept = repair_tail(paths.journal, judged.walk)
        rebuilt = rebuild(
            paths, engines, judged, on_events, begun=begun, on_progress=on_progress, branch=branch
        )
        blanks = BlankSegments(paths.journal, segment_bytes) if zeros_ahead else None
        log = FileLog(
            paths.journal,
            judged.walk,
            release=release,
            ruleset=ruleset,
            segment_bytes=segment_bytes,
            blanks=blanks,
        )
        log = wrap_log(log) if wrap_log else log
        sequencer = Sequencer(
            rebuilt.engine,
            Journal(log, judged.walk),
            clock,
            pipelined=pipelined,
            snapshots=SnapshotStore(paths.snapshots, release, ruleset),
            lock=lock,
        )
        recovery = _describe(
            judged, kept, rebuilt.snapshot_sequence, rebuilt.commands_replayed, rebuilt.skipped
        )
        events = _resume(sequencer, resume, recovery, clock, resume_time_ns)
    except BaseException:
        if log is not None:
            log.close()
        lock.release()
        raise
    return OpenedVenue(sequencer, recovery, events)


def _resume(
    sequencer: Sequencer[EngineT],
    message: bytes | None,
    recovery: Recovery,
    clock: Clock | None,
    time_ns: int | None,
) -> bytes:
    if message is None or recovery.sequence == 0:
        return b""
    if time_ns is None and clock is None:
        time_ns = recovery.time_ns
    return sequencer.submit(message, time_ns)


def _describe(
    judged: Judged, kept: Path | None, snapshot_sequence: int, replayed: int, skipped: tuple[str, ...]
) -> Recovery:
    walk = judged.walk
    return Recovery(
        sequence=walk.next_sequence - 1,
        time_ns=walk.time_ns,
        frames=walk.frames,
        clean_shutdown=walk.torn is None and walk.last is not None and walk.last.is_seal,
        snapshot_sequence=snapshot_sequence,
        commands_replayed=replayed,
        snapshots_skipped=skipped,
        truncated_tail_bytes=walk.torn.size if walk.torn else 0,
        tail_kept_in=kept,
        written_by=walk.header.release if walk.header else "",
    )

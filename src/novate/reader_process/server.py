"""The loop of the reader process: follows the core, and answers questions in between.

Responsible for: one thread at the engine, which applies for a while, answers for a while, and never waits for an asker or the core; each
answer with the sequence it is of. Never: writes a command, or goes on with an engine it can't vouch for.

One turn:
    read what the core and the askers said
    apply frames, for a bounded time
    answer questions that can be answered, one record of each asker in turn, for a bounded time
    where what-ifs wait or a snapshot is due, copy the engine and leave the copy to a thread
"""

from __future__ import annotations

import gc
import selectors
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from novate._core import Engine
from novate.core_process.listening import listen, stopped_by_signals
from novate.core_process.wire import BadRecord, DurableFrame, Record, Refusal, Welcome
from novate.errors import ConfigError, EngineHalted
from novate.event_log import DIRECTORY, EventLog, EventLogPlan, EventsDamaged
from novate.journal.recovery import Passed
from novate.reader_process import wire
from novate.reader_process.askers import Asker, Waiting, until
from novate.reader_process.feed import CoreFeed
from novate.reader_process.follower import Follower
from novate.reader_process.limits import ReaderLimits, SnapshotPlan
from novate.reader_process.snapshots import SnapshotWriter, Told
from novate.reader_process.whatif import WhatIfs, timed_copy
from novate.reader_process.wire import (
    Ask,
    Foretold,
    Kind,
    NotTold,
    Question,
    Recall,
    Recalled,
    WhatIf,
    Why,
)

_ENDS: Final = {
    Refusal.RECORD_TOO_LARGE: Why.RECORD_TOO_LARGE,
    Refusal.BAD_RECORD: Why.BAD_RECORD,
    Refusal.OTHER_PROTOCOL: Why.OTHER_PROTOCOL,
}


class ReaderServer:
    """One engine that follows a core, behind one listening Unix socket. For one thread; `stop` alone may be called from another, or a signal.

    It listens once it has caught up with the core for the first time.
    """

    def __init__(
        self,
        home: Path | str,
        core_path: Path | str,
        listen: Callable[[], socket.socket],
        *,
        limits: ReaderLimits | None = None,
        snapshots: SnapshotPlan | None = None,
        events: EventLog | None = None,
        begun: Passed[Engine] | None = None,
        on_ready: Callable[[Follower], None] | None = None,
        on_snapshot: Told | None = None,
    ) -> None:
        """`events` is written and answered from; whoever opened it closes it. `begun` is a state to begin from."""
        self.limits = limits or ReaderLimits()
        self.follower: Follower | None = None
        """None until the core has said how far the journal is durable."""
        self._home = Path(home)
        self._listen = listen
        self._listener: socket.socket | None = None
        self._on_ready = on_ready
        self._on_snapshot = on_snapshot
        self._plan = snapshots
        self._events = events
        self._begun = begun
        self._snapshots: SnapshotWriter | None = None
        self._feed = CoreFeed(core_path)
        self._welcomed = False
        self._feed_watched = False
        self._selector = selectors.DefaultSelector()
        self._askers: set[Asker] = set()
        self._waiting = Waiting()
        self._what_ifs = WhatIfs(self.limits, self._wake)
        self._copy_at = 0.0
        self._to_flush: set[Asker] = set()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._stopping = False
        self._selector.register(self._woken, selectors.EVENT_READ)

    @property
    def stale(self) -> bool:
        """Whether later commands may be durable: there is no core, or it is further on by what is still read from disk."""
        return not self._welcomed or self.follower is None or self.follower.catching_up

    def stop(self) -> None:
        """Ends `run` after the turn."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Serves until `stop`. Raises what ends a follower (see `Follower.work`), CoreRefused when the core speaks another protocol."""
        try:
            while not self._stopping:
                self.turn()
        except EngineHalted as halted:
            self._halt(halted.sentence)
            raise
        finally:
            self.close()

    def turn(self) -> None:
        """One turn, see above. Waits if there is nothing to do."""
        for key, mask in self._selector.select(self._timeout()):
            if isinstance(key.data, Asker):
                self._attend(key.data, mask)
            elif key.data is not None:
                key.data()
            else:
                self._drain_waker()
        self._follow()
        if self.follower is not None and self._listener is not None:
            self._answer(self.follower)
            self._copy_if_wanted(self.follower)
        for asker in self._to_flush:
            self._flush(asker)
        self._to_flush.clear()

    def close(self) -> None:
        """Hangs up on everyone, stops listening, and waits for a snapshot being written."""
        for asker in list(self._askers):
            asker.flush()
            self._drop(asker)
        self._feed.end()
        self._selector.close()
        if self._listener is not None:
            self._listener.close()
        self._what_ifs.close()
        if self._snapshots is not None:
            self._snapshots.close()
        self._waker.close()
        self._woken.close()

    # --- the core -------------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Connects where there is no connection, applies for a while, and lets questions go on that waited for it."""
        if not self._feed.connected and time.monotonic() >= self._feed.retry_at and self._feed.connect():
            self._watch_feed()
        follower = self.follower
        if follower is None:
            return
        if follower.has_work:
            follower.work(time.monotonic() + self.limits.apply_ms / 1_000)
            self._watch_feed()
            self._waiting.release(follower.position.sequence)
        if self._listener is None and not self.stale:
            self._begin_listening(follower)

    def _hear_core(self) -> None:
        heard = self._feed.read()
        if heard is None:
            self._lose_core()
            return
        for one in heard:
            if isinstance(one, Welcome):
                if self.follower is None:
                    self.follower = Follower(self._home, one.sequence, self._events, self._begun)
                    self._begun = None
                else:
                    self.follower.catch_up(one.sequence)
                self._welcomed = True
            elif isinstance(one, DurableFrame) and self.follower is not None and self._welcomed:
                self.follower.hear(one)
            else:
                self._lose_core()
                return
        self._watch_feed()

    def _lose_core(self) -> None:
        self._unwatch_feed()
        self._feed.end()
        self._welcomed = False

    def _watch_feed(self) -> None:
        """Reads the core unless enough of what it said waits to be applied."""
        full = self.follower is not None and self.follower.pending_bytes > self.limits.pending_bytes
        if full or not self._feed.connected:
            self._unwatch_feed()
        elif not self._feed_watched:
            self._selector.register(self._feed, selectors.EVENT_READ, self._hear_core)
            self._feed_watched = True

    def _unwatch_feed(self) -> None:
        if self._feed_watched:
            self._selector.unregister(self._feed)
            self._feed_watched = False

    def _begin_listening(self, follower: Follower) -> None:
        self._listener = self._listen()
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        if self._plan is not None:
            self._snapshots = SnapshotWriter(
                follower.paths.snapshots,
                self._plan,
                follower.restored_at,
                self._wake,
                self._on_snapshot,
            )
        if self._on_ready is not None:
            self._on_ready(follower)
        gc.collect()
        gc.freeze()  # what is here stays: no collection looks through it again

    # --- the askers -----------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # gone again
        if len(self._askers) >= self.limits.clients:
            sock.close()
            return
        asker = Asker(sock, self.limits)
        self._askers.add(asker)
        self._watch(asker)

    def _attend(self, asker: Asker, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._flush(asker)
        if mask & selectors.EVENT_READ and not asker.gone:
            records = asker.read()
            if records is None:
                self._drop(asker)
                return
            bad: BadRecord | None = None
            try:
                for record in records:
                    self._take(asker, record)
            except BadRecord as error:
                bad = error
            bad = bad or asker.bad
            if bad is not None and not asker.closing:
                asker.closing = True
                self._reply(asker, NotTold(str(bad), why=_ENDS[bad.refusal], tag=0))
            self._watch(asker)

    def _take(self, asker: Asker, record: Record) -> None:
        """One record of an asker. Raises BadRecord."""
        if asker.greeted:
            question = wire.parse_question(record)
            if not isinstance(question, Recall) and len(question.questions) > self.limits.questions:
                raise BadRecord(
                    Refusal.BAD_RECORD,
                    f"{len(question.questions)} questions; at most {self.limits.questions} are taken at once.",
                )
            self._place(asker, question)
        elif record.kind == Kind.HELLO:
            wire.parse_hello(record.body)
            asker.greeted = True
            at = self._position()
            welcome = Welcome(wire.PROTOCOL, self.limits.record_bytes, at[0], at[1])
            asker.say(wire.pack_welcome(welcome))
            self._to_flush.add(asker)
        else:
            raise BadRecord(Refusal.BAD_RECORD, f"A record of kind {record.kind} is not taken here.")

    def _place(self, asker: Asker, question: Question) -> None:
        asker.waiting += 1
        if question.min_seq <= self._position()[0]:
            self._waiting.take(asker, question)
        else:
            self._waiting.hold(asker, question, until(question.wait_ms, self.limits))

    def _position(self) -> tuple[int, int]:
        return self.follower.position[:2] if self.follower is not None else (0, 0)

    # --- answers --------------------------------------------------------------------------------------------------------

    def _answer(self, follower: Follower) -> None:
        """Answers for a while: what has waited in vain, what the copies came to, then what there is, in turn."""
        now = time.monotonic()
        for asker, question in self._waiting.expired(now):
            sentence = f"Command {question.min_seq} was not applied in time; the reader is at {follower.position.sequence}."
            self._finish(asker, NotTold(sentence, why=Why.NOT_REACHED, tag=question.tag))
        for asker, reply in self._what_ifs.take():
            self._finish(asker, reply)
        end = now + self.limits.answer_ms / 1_000
        while time.monotonic() < end and (turn := self._waiting.next()) is not None:
            asker, question = turn
            if isinstance(question, WhatIf):
                refused = self._what_ifs.put(asker, question)
                if refused is not None:
                    self._finish(asker, refused)
            elif isinstance(question, Recall):
                self._finish(asker, self._recalled(follower, question))
            else:
                self._finish(asker, self._told(follower, question))

    def _told(self, follower: Follower, ask: Ask) -> wire.Told | NotTold:
        """Every answer is of one moment: nothing is applied in between."""
        engine, position = follower.engine, follower.position
        try:
            answers = tuple(engine.query(question) for question in ask.questions)
        except ValueError as bad:
            return wire.BadQuestion(str(bad), why=Why.BAD_QUESTION, tag=ask.tag)
        return wire.Told(ask.tag, position.sequence, position.time_ns, self.stale, answers)

    def _recalled(self, follower: Follower, recall: Recall) -> Recalled | NotTold:
        """The log is as far as the engine: what is applied is in it."""
        log, position = follower.events, follower.position
        if log is None:
            return NotTold("The reader keeps no event log.", why=Why.NO_EVENT_LOG, tag=recall.tag)
        try:
            page = log.account(recall.account, recall.after, min(recall.most, self.limits.recalled))
        except EventsDamaged as damaged:
            return NotTold(damaged.sentence, why=Why.NO_EVENT_LOG, tag=recall.tag)
        where = (recall.tag, position.sequence, position.time_ns, self.stale)
        return Recalled(*where, page.how_many, page.oldest, page.last, log.first_sequence, page.events)

    def _finish(self, asker: Asker, reply: wire.Reply) -> None:
        """Tells an asker what one of its questions came to."""
        asker.waiting -= 1
        self._reply(asker, reply)

    def _reply(self, asker: Asker, reply: wire.Reply) -> None:
        if asker.gone:
            return
        if isinstance(reply, wire.Told | Foretold):
            size = sum(map(len, reply.answers)) + (len(reply.events) if isinstance(reply, Foretold) else 0)
            if size > self.limits.answer_bytes:
                sentence = f"An answer of {size} bytes; at most {self.limits.answer_bytes} are told at once."
                reply = NotTold(sentence, why=Why.ANSWER_TOO_LARGE, tag=reply.tag)
        if isinstance(reply, NotTold):
            why, tag = Why(int(reply.facts["why"] or 0)), int(reply.facts["tag"] or 0)
            asker.say(wire.pack_not_told(tag, why, reply.sentence))
        elif isinstance(reply, Foretold):
            asker.say(*wire.pack_foretold(reply))
        elif isinstance(reply, Recalled):
            asker.say(*wire.pack_recalled(reply))
        else:
            asker.say(*wire.pack_told(reply))
        self._to_flush.add(asker)

    def _copy_if_wanted(self, follower: Follower) -> None:
        """Copies the engine, which stands still meanwhile, for what-ifs or a snapshot; then not again for a while."""
        if time.monotonic() < self._copy_at:
            return
        writer, position = self._snapshots, follower.position
        snapshot = writer is not None and not self.stale and writer.due(position.sequence)
        if not snapshot and not self._what_ifs.wanted:
            return
        copy, took = timed_copy(follower.engine)
        self._copy_at = time.monotonic() + took * self.limits.copy_rest
        if writer is not None and snapshot:
            writer.begin(copy, position, self._events.to_sync() if self._events is not None else None)
        else:
            self._what_ifs.begin(copy, position, stale=self.stale)

    def _halt(self, sentence: str) -> None:
        """The last word to everyone: the engine answers nothing more."""
        for asker in self._askers:
            asker.say(wire.pack_not_told(0, Why.HALTED, sentence))

    # --- the loop -------------------------------------------------------------------------------------------------------

    def _timeout(self) -> float | None:
        """How long the loop may sleep, in seconds."""
        follower = self.follower
        if (follower is not None and follower.has_work) or self._waiting.ready:
            return 0.0
        wakes = [self._waiting.deadline]
        if not self._feed.connected:
            wakes.append(self._feed.retry_at)
        if self._what_ifs.wanted:
            wakes.append(self._copy_at)
        writer = self._snapshots
        if writer is not None and follower is not None and not self.stale:
            due = writer.wakes_at(follower.position.sequence)
            wakes.append(max(due, self._copy_at))
        first = min(wakes)
        return None if first == float("inf") else max(first - time.monotonic(), 0.0)

    def _flush(self, asker: Asker) -> None:
        if asker.gone:
            return
        heeded = asker.heeded
        if not asker.flush() or (asker.closing and not asker.unsent_bytes and not asker.waiting):
            self._drop(asker)
            return
        if asker.heeded and not heeded:
            self._waiting.again(asker)
        self._watch(asker)

    def _watch(self, asker: Asker) -> None:
        if asker.gone:
            return
        wanted = selectors.EVENT_WRITE if asker.unsent_bytes else 0
        if asker.heard:
            wanted |= selectors.EVENT_READ
        if wanted == asker.watched:
            return
        if not wanted:
            self._selector.unregister(asker)
        elif not asker.watched:
            self._selector.register(asker, wanted, asker)
        else:
            self._selector.modify(asker, wanted, asker)
        asker.watched = wanted

    def _drop(self, asker: Asker) -> None:
        if not asker.gone:
            if asker.watched:
                self._selector.unregister(asker)
            self._askers.discard(asker)
            asker.close()

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except OSError:
            return  # awake already, or closed

    def _drain_waker(self) -> None:
        try:
            while self._woken.recv(4_096):
                pass
        except BlockingIOError:
            return


def serve_reader(
    home: Path | str,
    socket_path: Path | str | None = None,
    *,
    core_path: Path | str | None = None,
    limits: ReaderLimits | None = None,
    snapshots: SnapshotPlan | None = None,
    events: EventLogPlan | None = None,
    begun: Passed[Engine] | None = None,
    on_ready: Callable[[Follower], None] | None = None,
    on_snapshot: Told | None = None,
    on_note: Callable[[str], None] | None = None,
) -> None:
    """Follows the core of `home` and answers on the Unix socket `socket_path` (HOME/reader.sock) until SIGTERM or SIGINT.

    For the main thread of a process of its own. `core_path` is the core's socket (HOME/core.sock); a core that is not there yet, or no
    more, is waited for. `begun` is a state of this journal to begin from, which nobody else has; without it the reader begins from a
    snapshot. With `snapshots` it writes snapshots, and `on_snapshot` gets the path of each, or why there is none;
    `on_ready` gets the follower once the socket listens. The socket is readable and writable by its owner alone. With `events` it keeps an
    event log in HOME/events; `on_note` gets a line for what of it was cut or put aside.

    Raises ConfigError when the socket's path can't be used; JournalLocked or EventLogStopped where the event log is another's or can't be
    written; JournalDamaged, ReleaseMismatch or JournalError when the journal and the core
    don't agree or are of another release; ReplayDiverged or EngineHalted when the engine can't follow.
    """
    path = Path(socket_path) if socket_path is not None else Path(home) / "reader.sock"
    core = Path(core_path) if core_path is not None else Path(home) / "core.sock"
    listening = False

    def begin() -> socket.socket:
        nonlocal listening
        listener = listen_on(path)
        listening = True
        return listener

    log = EventLog(Path(home) / DIRECTORY, events, on_note) if events is not None else None
    server = ReaderServer(
        home,
        core,
        begin,
        limits=limits,
        snapshots=snapshots,
        events=log,
        begun=begun,
        on_ready=on_ready,
        on_snapshot=on_snapshot,
    )
    try:
        with stopped_by_signals(server.stop):
            server.run()
    finally:
        if log is not None:
            log.close()
        if listening:
            path.unlink(missing_ok=True)


def listen_on(path: Path) -> socket.socket:
    """Listens on `path`; one left there by a killed reader is replaced. Raises ConfigError, also where a reader lives already."""
    if path.is_socket() and _answers(path):
        raise ConfigError(f"A reader listens on {path} already.")
    return listen(path, "reader")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True

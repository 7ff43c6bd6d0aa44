"""The loop of the core process: gathers whole buffers, makes one frame of them, syncs, applies, answers.

Responsible for: one thread at the engine; nothing told that is not durable and applied; no client that waits for another, and none
that the core waits for. Never: looks inside a command, retries a write, or lives on after the journal or the engine failed.

One turn:
    wait until the frame in flight is durable (or, with none, until somebody says something)
    gather what the sockets hold by now; it becomes the next frame
    small: sync it, apply it, answer its senders, publish its events
    large: begin its sync, and meanwhile apply, answer and publish the frame that is durable
"""

from __future__ import annotations

import gc
import os
import selectors
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from novate._core import Engine
from novate.core_process import wire
from novate.core_process.clients import Connection
from novate.core_process.limits import Limits
from novate.core_process.listening import listen, stopped_by_signals
from novate.core_process.shipping import Shipping, forget_shipping
from novate.core_process.wire import BadRecord, Kind, Refusal, Welcome
from novate.errors import BadBuffer, ConfigError
from novate.journal.envelope import stamp
from novate.journal.progress import OnProgress
from novate.journal.recovery import Branch
from novate.sequencer import Answer, Clock, Sequencer, check_buffer, steady_clock
from novate.venue import Venue

SEGMENT_BYTES: Final = 1 << 28
"""Of the journal of a core: each is on the disk twice over, as the one being written and the blank one behind it."""
LOCKSTEP_BELOW_BYTES: Final = 1 << 15
"""About 400 commands, whose work is as long as a hand-over between two threads."""
_LOOK_S: Final = 0.05
_AWAITED: Final = (
    "The venue waits for its standby and takes no command before it is back; nothing was written."
)
_Sender = tuple[Connection, int]
"""Whose buffer it was, and the tag it came with."""
_Gathered = tuple[list[_Sender], list[bytes]]
"""One frame's buffers, and whose they are."""


class CoreServer:
    """One sequencer behind one listening Unix socket. For one thread; `stop` alone may be called from another, or a signal."""

    def __init__(
        self,
        sequencer: Sequencer[Engine],
        listener: socket.socket,
        limits: Limits | None = None,
        shipping: Shipping | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._sequencer = sequencer
        self._shipping = shipping
        self._awaited = shipping if shipping is not None and shipping.plan.sync else None
        # Who may wait for a standby does so in the helper thread, while this one looks after the sockets.
        sequencer.lockstep_below_bytes = 0 if self._awaited else LOCKSTEP_BELOW_BYTES
        self._listener = listener
        listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._clients: set[Connection] = set()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._senders: list[_Sender] = []
        self._in_flight: deque[_Gathered] = deque()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._stopping = False
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def stop(self) -> None:
        """Ends `run` after what was gathered is answered."""
        self._stopping = True
        try:
            self._waker.send(b"\0")
        except OSError:
            return  # awake already, or closed

    def run(self) -> None:
        """Serves until `stop`. Raises what the sequencer raises when it stops for good; nothing is told after that."""
        try:
            while not self._stopping:
                self.turn()
            if self._shipping is not None:
                self._shipping.end_gently()
            while self._sequencer.in_flight:
                self._publish(self._sequencer.land())
        finally:
            self.close()

    def turn(self) -> None:
        """One turn, see above. Waits if there is nothing to do."""
        sequencer = self._sequencer
        if sequencer.in_flight:
            if self._awaited is not None and not self._settled(self._awaited):
                return
            sequencer.settle()
            self._gather(0)
        else:
            self._gather(None)
        if not self._gathered:
            self._publish(sequencer.land())
            return
        buffers, senders = self._gathered, self._senders
        self._gathered, self._senders, self._gathered_bytes = [], [], 0
        answers = sequencer.commit(buffers)
        self._in_flight.append((senders, buffers))
        self._publish(answers)

    def _settled(self, shipping: Shipping) -> bool:
        """Whether the frame in flight is durable here and at the standby; meanwhile, once that takes too long, refuses what comes."""
        while not self._sequencer.settled(_LOOK_S):
            if self._stopping:
                return False
            if shipping.refusing:
                self._gather(0)
        return True

    def close(self) -> None:
        """Hangs up on everyone and stops listening."""
        for client in list(self._clients):
            client.flush()
            self._drop(client)
        self._selector.close()
        self._listener.close()
        self._waker.close()
        self._woken.close()

    def _gather(self, timeout: float | None) -> None:
        """Reads what there is, up to a frame; what a client did not fit in waits in its socket."""
        for key, mask in self._selector.select(timeout):
            if isinstance(key.data, Connection):
                client = key.data
                if mask & selectors.EVENT_WRITE:
                    self._flush(client)
                if (
                    mask & selectors.EVENT_READ
                    and not client.gone
                    and self._gathered_bytes < self.limits.frame_bytes
                ):
                    self._hear(client)
            elif key.data is not None:
                key.data()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # gone again
        if len(self._clients) >= self.limits.clients:
            sock.close()
            return
        client = Connection(sock, self.limits.record_bytes)
        self._clients.add(client)
        self._selector.register(client, selectors.EVENT_READ, client)

    def _hear(self, client: Connection) -> None:
        """Takes what one client has said. Its buffers become one, with one answer: no record costs the loop a turn of its own."""
        records = client.read()
        if records is None:
            self._drop(client)
            return
        taken: list[bytes] = []
        bad: BadRecord | None = None
        try:
            for record in records:
                self._take(client, record, taken)
        except BadRecord as error:
            bad = error
        if taken:
            commands = taken[0] if len(taken) == 1 else b"".join(taken)
            self._gathered.append(commands)
            self._gathered_bytes += len(commands)
            self._senders.append((client, client.last_tag))
            client.unanswered += 1
        bad = bad or client.bad
        if bad is not None and not client.closing:
            self._refuse(client, 0, bad.refusal, str(bad))

    def _take(self, client: Connection, record: wire.Record, taken: list[bytes]) -> None:
        if client.closing:
            return
        if record.kind == Kind.COMMANDS and client.greeted:
            tag, commands = wire.parse_commands(record.body)
            if self._awaited is not None and self._awaited.refusing:
                self._refuse(client, tag, Refusal.STANDBY_IS_AWAITED, _AWAITED)
                return
            try:
                check_buffer(commands)
            except BadBuffer as bad:
                self._refuse(client, tag, Refusal.BAD_BUFFER, bad.sentence)
                return
            taken.append(commands)
            client.last_tag = tag
        elif record.kind == Kind.HELLO and not client.greeted:
            client.wants = wire.parse_hello(record.body)
            client.greeted = True
            at = self._sequencer
            client.say(
                wire.pack_welcome(Welcome(wire.PROTOCOL, self.limits.record_bytes, at.sequence, at.time_ns))
            )
            self._flush(client)
        else:
            raise BadRecord(Refusal.BAD_RECORD, f"A record of kind {record.kind} is not taken here.")

    def _refuse(self, client: Connection, tag: int, refusal: Refusal, sentence: str) -> None:
        """Says why; hangs up unless the stream still makes sense."""
        client.say(wire.pack_refused(tag, refusal, sentence))
        if refusal not in {Refusal.BAD_BUFFER, Refusal.STANDBY_IS_AWAITED}:
            client.closing = True
        self._flush(client)

    def _publish(self, answers: list[Answer]) -> None:
        """Tells each sender what its buffer came to, and whoever wants it the whole frame."""
        told = 0
        while told < len(answers):
            senders, buffers = self._in_flight.popleft()
            of_frame = answers[told : told + len(senders)]
            told += len(senders)
            spoken: set[Connection] = set()
            for (client, tag), answer in zip(senders, of_frame, strict=True):
                if not client.gone:
                    head = wire.pack_answer_head(tag, *answer[:3], len(answer.events))
                    client.say(head, answer.events)
                    client.unanswered -= 1
                    spoken.add(client)
            # Who waits for an answer gets it before work is done for who listens; who does both gets both at once, then.
            for client in spoken:
                if not client.wants:
                    self._flush(client)
            for client in self._tell_listeners(of_frame, buffers):
                self._flush(client)

    def _tell_listeners(self, answers: list[Answer], buffers: list[bytes]) -> list[Connection]:
        """Leaves a whole frame for who wants its commands, its events, or both; returns who that is."""
        listeners = [client for client in self._clients if client.wants]
        if not listeners:
            return listeners
        frame = (answers[0].first_sequence, sum(answer.commands for answer in answers), answers[-1].time_ns)
        if any(client.wants & wire.WANTS_COMMANDS for client in listeners):
            # The sequencer stamped them the same way: one time for all, each its own sequence.
            payload = stamp(b"".join(buffers), frame[0], frame[2], frame[2]).payload
            head = wire.pack_frames_head(*frame, len(payload))
            for client in listeners:
                if client.wants & wire.WANTS_COMMANDS:
                    client.say(head, payload)
        if any(client.wants & wire.WANTS_EVENTS for client in listeners):
            events = [answer.events for answer in answers]
            head = wire.pack_events_head(*frame, sum(map(len, events)))
            for client in listeners:
                if client.wants & wire.WANTS_EVENTS:
                    client.say(head, *events)
        return listeners

    def _flush(self, client: Connection) -> None:
        """Sends what the socket takes, and waits for room for the rest, up to the bound."""
        if not client.flush() or client.unsent_bytes > self.limits.unsent_bytes:
            self._drop(client)
            return
        unsent = client.unsent_bytes > 0
        if client.closing and not unsent and not client.unanswered:
            self._drop(client)
        elif unsent is not client.awaits_room:
            client.awaits_room = unsent
            watched = selectors.EVENT_READ | selectors.EVENT_WRITE if unsent else selectors.EVENT_READ
            self._selector.modify(client, watched, client)

    def _drop(self, client: Connection) -> None:
        if not client.gone:
            self._selector.unregister(client)
            self._clients.discard(client)
            client.close()


def serve(
    home: Path | str,
    socket_path: Path | str,
    *,
    keeper: int = 0,
    pipelined: bool = True,
    limits: Limits | None = None,
    clock: Clock | None = None,
    realtime: bool = False,
    segment_bytes: int = SEGMENT_BYTES,
    shipping: Shipping | None = None,
    on_progress: OnProgress | None = None,
    branch: Branch[Engine] | None = None,
    on_ready: Callable[[Venue], None] | None = None,
) -> None:
    """Opens the venue of `home`, serves it on the Unix socket `socket_path` until SIGTERM or SIGINT, and seals its journal.

    For the main thread of a process of its own. `keeper` is the key that says the venue resumes; `clock` is the wall clock, read once
    and then steady, unless another is given; `realtime` is `run_before_others`;
    `segment_bytes` is the size of a segment, and of the zeros written ahead for the next one; `shipping` sends the journal to a standby;
    `on_progress` is told how far a recovery is; `branch` goes on by himself from it (see `open_venue_log`); `on_ready` gets the venue once the socket listens. The socket is readable and writable by its owner alone.

    Raises what `Venue.open` raises; ConfigError when the socket's path can't be used; SyncFailed, JournalFull or EngineHalted when
    the venue has to stop: then nothing more was told, and recovery is by serving the home anew.
    """
    if realtime:
        run_before_others()
    if shipping is None:
        forget_shipping(Path(home))
    venue = Venue.open(
        home,
        keeper=keeper,
        clock=clock or steady_clock(),
        pipelined=pipelined or (shipping is not None and shipping.plan.sync),
        zeros_ahead=True,
        segment_bytes=segment_bytes,
        wrap_log=shipping.wrap if shipping is not None else None,
        on_progress=on_progress,
        branch=branch,
    )
    path = Path(socket_path)
    try:
        server = CoreServer(venue.sequencer, listen(path, "core"), limits, shipping)
        try:
            with stopped_by_signals(server.stop):
                if shipping is not None:
                    shipping.on_fenced = server.stop
                    shipping.serve()
                if on_ready is not None:
                    on_ready(venue)
                gc.collect()
                gc.freeze()  # what is here stays: no collection looks through it again
                server.run()
        finally:
            path.unlink(missing_ok=True)  # while the home is still ours
    finally:
        venue.close()


def run_before_others() -> None:
    """Puts this process, and the threads it starts from here on, before all that are not real-time: SCHED_RR, lowest priority.

    A core waits for the disk and for sockets nearly all the time, and wants the processor at once when they answer. Beside a
    process that computes, the system otherwise lets it wait for the next tick, 1 to 4 ms, at each frame. Raises ConfigError where
    the system does not permit it (CAP_SYS_NICE, or a limit of RTPRIO of 1 or more).
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    except (OSError, AttributeError) as error:
        raise ConfigError(
            "Real-time scheduling is not permitted here; it takes CAP_SYS_NICE or a limit of RTPRIO of 1."
        ) from error

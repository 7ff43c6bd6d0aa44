"""The journal of a running core, frame by frame, to a standby elsewhere.

Responsible for: a frame is shipped once it is durable here, never before, so that no standby holds what this core may not have; and, where
the venue waits for it (`sync`), nothing is applied or told before it is durable there, too. Never: builds or changes a frame, lets a standby
slow the venue down that is not waited for, or decides which of two cores is the venue: a person does, with `novate promote`.

One standby at a time. It says which frame it has last; what comes behind is read from the segments, then from memory, then as it is written.

    log.append(frame)   here, then there: the log that stands in a sequencer, wrapped around its files
    Shipping.refusing   the venue waits for a standby that does not answer, and takes no commands (`when_lost = "refuse"`)
"""

from __future__ import annotations

import os
import secrets
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from novate._core import release, ruleset
from novate.core_process import shipping_wire as ship
from novate.core_process.listening import host_and_port, listen
from novate.core_process.shipping_link import Link
from novate.core_process.shipping_tls import accepted
from novate.core_process.shipping_wire import Asked, Here, ShippingDenied, What, Why
from novate.core_process.wire import BadRecord, Record, RecordReader
from novate.errors import ConfigError, LogStopped, NovateError
from novate.files import replace_file
from novate.journal import layout
from novate.journal.log import FileLog, Log
from novate.journal.tail import FramePlace, RawFrame, frame_ending_at
from novate.journal.terms import Fence, current_term, known_term, terms_of, write_fence

SOCKET: Final = "standby.sock"
KEY: Final = "standby.key"
STATUS: Final = "shipping.json"
BEAT_S: Final = 1.0
_RECENT_BYTES: Final = 1 << 24
"""Of the newest frames, kept for a standby that is a moment behind; an older one is read from disk."""
_AT_ONCE_BYTES: Final = 1 << 20
_NEAR_FRAMES: Final = 64
_HANDSHAKE_S: Final = 10.0
_CONNECTIONS: Final = 16
_LOOK_S: Final = 0.1

Say = Callable[[str], None]


class StandbyLost(LogStopped):
    """The venue was told to end while a frame waited for a standby: it is on disk here, and nobody was told."""

    code = "standby_lost"


@dataclass(frozen=True, slots=True)
class ShippingPlan:
    """How a core ships. Raises ConfigError for what makes no sense.

    `mode` is `async` (a standby is never waited for) or `sync`; in the latter `when_lost` says what happens once a frame waited `wait_s`
    for it, or none was there for so long: `refuse` takes no more commands until it is back, `continue` goes on without, loudly. `address` is
    HOST:PORT to listen on beside the socket in the home; None for that alone.
    """

    mode: Literal["async", "sync"] = "async"
    when_lost: Literal["refuse", "continue"] = "refuse"
    wait_s: float = 5.0
    address: str | None = None

    def __post_init__(self) -> None:
        if self.wait_s <= 0:
            raise ConfigError(f"A core waits for its standby longer than {self.wait_s} s.")
        if self.address is not None:
            host_and_port(self.address)

    @property
    def sync(self) -> bool:
        """Whether a standby is waited for."""
        return self.mode == "sync"


def shipping_key(home: Path, *, create: bool = False) -> bytes:
    """What core and standby prove to each other over TCP: `standby.key` in both homes. Raises ConfigError where there is none."""
    path = home / KEY
    if create and not path.exists():
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w"
        ) as stream:
            stream.write(secrets.token_hex(32) + "\n")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"There is no key in {path}: copy {KEY} from the core's home; it proves each to the other.",
            path=str(path),
        ) from error
    if len(key) < 32:
        raise ConfigError(f"The key in {path} is shorter than 32 bytes.", path=str(path))
    return key


class _Recent(NamedTuple):
    segment_first: int
    data: bytes


class Shipping:
    """What one core ships. `wrap` stands in its log; `serve` begins to listen and, where asked, to wait."""

    def __init__(self, home: Path | str, plan: ShippingPlan, say: Say = lambda _words: None) -> None:
        self.home = Path(home)
        self.plan = plan
        self.on_fenced: Callable[[], None] = lambda: None
        """Called once a later term has begun elsewhere: this core is to end."""
        self.changed = threading.Condition()
        self._say = say
        self._recent: deque[_Recent] = deque()
        self._recent_bytes = 0
        self._first_recent = 0
        """Number of the oldest frame in memory; frames of this process are counted from 0."""
        self._count = 0
        self._sequence = 0
        self._last = b""
        self._link: Link | None = None
        self._serving = False
        self._closing = False
        self._behind_since: float | None = None
        self._alone = False
        """Whether the venue goes on without a standby that it should wait for, and has said so."""
        self._told_refusing = False
        self._listeners: list[tuple[socket.socket, bytes]] = []
        self._threads: list[threading.Thread] = []
        self._connections = threading.BoundedSemaphore(_CONNECTIONS)
        self.addresses: list[str] = []
        """Where it listens."""

    # --- what the writer's thread calls -----------------------------------------------------------------------------

    def wrap(self, log: Log) -> Log:
        """The log that ships what it has written."""
        assert isinstance(log, FileLog)  # noqa: S101 - what `open_venue_log` gives
        return _ShippedLog(log, self)

    def take(self, frame: bytes, sequence: int, segment_first: int) -> None:
        """Ships a frame that is durable here; returns once it is durable there, too, if that is waited for.

        Raises StandbyLost when the venue ends meanwhile.
        """
        with self.changed:
            self._recent.append(_Recent(segment_first, frame))
            self._recent_bytes += len(frame)
            while self._recent_bytes > _RECENT_BYTES and len(self._recent) > 1:
                self._recent_bytes -= len(self._recent.popleft().data)
                self._first_recent += 1
            self._count += 1
            self._sequence, self._last = sequence, frame
            if self._serving and self._behind_since is None:
                self._behind_since = time.monotonic()
            self.changed.notify_all()
            if self._serving and self.plan.sync:
                self._wait(seal=layout.is_seal(frame))

    def _wait(self, *, seal: bool) -> None:
        """Until the newest frame is durable there, or it is decided to go on without. A seal tells nobody anything: it waits once."""
        while self._behind_since is not None and not self._alone:
            if self._overdue():
                if self._closing and seal:
                    self._say("the journal is sealed here, and not at its standby")
                    return
                if self._closing:
                    raise StandbyLost(
                        f"The venue ends while command {self._sequence} waits for its standby: it is on disk here, and told to nobody."
                    )
                self._tell_overdue()
            self.changed.wait(_LOOK_S)

    def _overdue(self) -> bool:
        since = self._behind_since  # read once: a link may take it away meanwhile
        return since is not None and time.monotonic() - since > self.plan.wait_s

    def _tell_overdue(self) -> None:
        if self.plan.when_lost == "continue":
            self._alone = True
            self._say(
                f"ALARM: the standby is gone since {self.plan.wait_s:g} s; the venue goes on WITHOUT it, and what is answered is on this disk alone"
            )
        elif not self._told_refusing:
            self._told_refusing = True
            self._say(
                f"ALARM: the standby is gone since {self.plan.wait_s:g} s; commands are refused until it is back"
            )

    # --- what the core's loop calls ---------------------------------------------------------------------------------

    @property
    def refusing(self) -> bool:
        """Whether no command may be taken: a standby that is waited for has not answered for too long."""
        if not self._serving or not self.plan.sync or self._alone or not self._overdue():
            return False
        with self.changed:
            if not self._overdue():  # it may have answered meanwhile
                return False
            self._tell_overdue()
            return not self._alone

    def serve(self) -> None:
        """Listens, and from here on waits for a standby where the plan says so. Raises ConfigError where it can't listen."""
        path = self.home / SOCKET
        self._listeners.append((listen(path, "core's shipping"), b""))
        self.addresses.append(str(path))
        if self.plan.address is not None:
            self._listeners.append((_listen_tcp(self.plan.address), shipping_key(self.home, create=True)))
            host, port = self._listeners[-1][0].getsockname()[:2]
            self.addresses.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        with self.changed:
            self._serving = True
            self._behind_since = time.monotonic()
        self._write_status()
        for work, name in ((self._accept, "novate-ship"), (self._watch, "novate-ship-watch")):
            self._threads.append(threading.Thread(target=work, name=name, daemon=True))
            self._threads[-1].start()

    def end_gently(self) -> None:
        """The venue is to end: from here on a frame waits for a standby once more, and no longer than the plan says."""
        with self.changed:
            if not self._closing:
                self._closing = True
                self._behind_since = self._behind_since and time.monotonic()
            self.changed.notify_all()

    def close(self) -> None:
        """Lets the standby have what is written, for a moment at most, and stops."""
        end = time.monotonic() + (self.plan.wait_s if self._link is not None else 0.0)
        with self.changed:
            while self._link is not None and not self._all_stored(self._link) and time.monotonic() < end:
                self.changed.wait(_LOOK_S)
            link, self._serving = self._link, False
            self.changed.notify_all()
        if link is not None:
            link.end()
        for listener, _ in self._listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        (self.home / SOCKET).unlink(missing_ok=True)
        self._write_status()

    # --- what a link calls ------------------------------------------------------------------------------------------

    @property
    def journal(self) -> Path:
        """Where the segments are."""
        return self.home / "journal"

    @property
    def ended(self) -> bool:
        """Whether nothing more is shipped."""
        return not self._serving

    def place(self) -> FramePlace:
        """The last frame written. With `changed` held."""
        return FramePlace(self._sequence, layout.frame_hash(self._last))

    @property
    def sequence(self) -> int:
        """Last command written."""
        return self._sequence

    def number_behind(self, place: FramePlace) -> int | None:
        """The number of the frame behind `place`, if it is in memory or yet to be written. With `changed` held."""
        for number, recent in enumerate(self._recent, self._first_recent):
            if layout.previous_hash(recent.data) == place.hash:
                return number
        return self._count if place == self.place() else None

    def frames_from(self, number: int) -> list[RawFrame] | None:
        """Frames in memory from `number` on, without their hashes; none yet is an empty list, gone already None. With `changed` held."""
        if number < self._first_recent:
            return None
        found: list[RawFrame] = []
        size = 0
        for at in range(number - self._first_recent, len(self._recent)):
            segment_first, data = self._recent[at]
            found.append(RawFrame(segment_first, FramePlace(0, b""), data))
            size += len(data)
            if size > _AT_ONCE_BYTES:
                break
        return found

    def heard(self, link: Link) -> None:
        """The standby said how far it is."""
        with self.changed:
            if link is not self._link or not link.verified:
                return
            level = link.stored.sequence >= self._sequence
            # Under load one that is not waited for is never level: it is near enough, and waited for from the next frame on.
            near = link.confirmed >= 0 and self._count - link.confirmed <= _NEAR_FRAMES
            if not level and not (self._alone and near):
                return
            if self._alone or self._told_refusing:
                self._say(f"the standby {link.name} is in step again at command {link.stored.sequence}")
            self._behind_since = None if level else time.monotonic()
            self._alone, self._told_refusing = False, False
            self.changed.notify_all()

    def left(self, link: Link, why: str) -> None:
        """The connection has ended."""
        with self.changed:
            if link is not self._link:
                return
            self._link = None
            if self._behind_since is None:
                self._behind_since = time.monotonic()
            self.changed.notify_all()
        if self._serving:
            self._say(f"the standby {link.name} is gone: {why}")

    # --- inside -----------------------------------------------------------------------------------------------------

    def _all_stored(self, link: Link) -> bool:
        return link.number == self._count and link.stored.frames == link.sent

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector, suppress(ValueError):  # closed before it began
            for listener, key in self._listeners:
                selector.register(listener, selectors.EVENT_READ, key)
            while self._serving:
                try:
                    for found, _ in selector.select(BEAT_S):
                        sock, _ = found.fileobj.accept()  # type: ignore[union-attr]
                        self._begin(sock, found.data)
                except (OSError, ValueError):
                    if self._serving:
                        time.sleep(_LOOK_S)

    def _begin(self, sock: socket.socket, key: bytes) -> None:
        if not self._connections.acquire(blocking=False):
            sock.close()
            return

        def work() -> None:
            try:
                sock.settimeout(_HANDSHAKE_S)
                with accepted(sock, key) if key else sock as talk:
                    self._greet(talk, key)
            except (OSError, BadRecord):
                pass
            except NovateError as error:
                self._say(f"a standby can't be served: {error}")
            finally:
                sock.close()
                self._connections.release()

        threading.Thread(target=work, name="novate-ship-one", daemon=True).start()

    def _greet(self, sock: socket.socket, key: bytes) -> None:
        """Whoever connects proves himself, says what he wants, and gets it."""
        own = secrets.token_bytes(ship.NONCE_BYTES)
        sock.sendall(ship.pack_challenge(own))
        reader = RecordReader(1 << 16)
        try:
            what, asked, nonce = ship.parse_ask(next_record(sock, reader), own, key)
            self._check(what, asked)
        except ShippingDenied as denied:
            sock.sendall(ship.pack_denied(Why(int(denied.facts["why"] or 0)), denied.sentence))
            return
        if what is What.FENCE:
            self._fence(asked)
        sock.sendall(ship.pack_here(self._here(), (own, nonce), key))
        if what is What.FENCE:
            self.on_fenced()
        elif what is What.SEARCH:
            self._search(sock, reader)
        elif what is What.FOLLOW:
            self._follow(sock, reader, asked)

    def _check(self, what: What, asked: Asked) -> None:
        if what is What.TERM:
            return
        if asked.ruleset != ruleset():
            raise ShippingDenied(
                f"This core follows ruleset {ruleset()}, not {asked.ruleset}.", why=Why.OTHER_RULESET
            )
        own = current_term(self.home)
        if what is What.FENCE:
            if asked.term <= own:
                raise ShippingDenied(
                    f"This core is of term {own}; only a later one fences it.", why=Why.OLD_TERM
                )
            return
        if asked.term > own:
            raise ShippingDenied(
                f"This core is of term {own}, and {asked.name or 'the home'} knows of term {asked.term}: this one's turn is over.",
                why=Why.OLD_TERM,
            )

    def _here(self) -> Here:
        return Here(
            term=known_term(self.home),
            terms=terms_of(self.home),
            sequence=self._sequence,
            release=release(),
            ruleset=ruleset(),
            mode=self.plan.mode,
        )

    def _fence(self, asked: Asked) -> None:
        write_fence(self.home, Fence(term=asked.term, by=asked.by, reason=asked.reason, at_ns=time.time_ns()))
        self._say(f"term {asked.term} begins elsewhere ({asked.by}: {asked.reason}); this core ends")

    def _search(self, sock: socket.socket, reader: RecordReader) -> None:
        while True:
            sequence = ship.parse_probe(next_record(sock, reader))
            sock.sendall(ship.pack_probed(sequence, frame_ending_at(self.journal, sequence, self._sequence)))

    def _follow(self, sock: socket.socket, reader: RecordReader, asked: Asked) -> None:
        link = Link(self, sock, reader, asked)
        with self.changed:
            if not self._serving:
                return
            if self._link is not None and not self._link.silent:
                sock.sendall(ship.pack_denied(Why.TAKEN, f"The standby {self._link.name} follows already."))
                return
            before, self._link = self._link, link
        if before is not None:
            before.end()
        self._say(f"the standby {link.name} follows from command {asked.sequence}")
        link.run()

    def _watch(self) -> None:
        """Writes down how shipping stands, and says so where it fails while nobody sends anything."""
        while self._serving:
            _ = self.refusing
            self._write_status()
            time.sleep(BEAT_S)

    def status(self) -> dict[str, Any]:
        """How shipping stands, for status and metrics."""
        with self.changed:
            link = self._link
            state = "gone" if link is None else "in step" if self._behind_since is None else "behind"
            if link is not None and link.verified and link.stored.sequence >= self._sequence:
                state = "in step"
            return {
                "mode": self.plan.mode,
                "when_lost": self.plan.when_lost,
                "state": state,
                "standby": link.name if link else "",
                "sequence": self._sequence,
                "stored": link.stored.sequence if link else None,
                "applied": link.stored.applied if link else None,
                "refusing": self.plan.sync and not self._alone and self._overdue(),
                "alone": self._alone,
                "addresses": self.addresses,
                "serves": self._serving,
                "at_ns": time.time_ns(),
            }

    def _write_status(self) -> None:
        with suppress(OSError):
            replace_file(self.home / STATUS, msgspec.json.encode(self.status()))


class _ShippedLog:
    """See Log: durable here first, then there."""

    def __init__(self, log: FileLog, shipping: Shipping) -> None:
        self._log, self._shipping = log, shipping

    def append(self, frame: bytes) -> int:
        durable = self._log.append(frame)
        self._shipping.take(frame, durable, self._log.segment_first)
        return durable

    def close(self) -> None:
        self._shipping.close()
        self._log.close()


def read_shipping(home: Path) -> dict[str, Any] | None:
    """What a core said of its shipping last; None where it ships nothing."""
    try:
        found = msgspec.json.decode((home / STATUS).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError):
        return None
    return found


def forget_shipping(home: Path) -> None:
    """A core that ships nothing says nothing of it."""
    (home / STATUS).unlink(missing_ok=True)


def next_records(sock: socket.socket, reader: RecordReader, read_bytes: int = 1 << 16) -> list[Record]:
    """What is whole once one record is. Raises OSError at the end, BadRecord."""
    while True:
        chunk = sock.recv(read_bytes)
        if not chunk:
            raise ConnectionResetError("the other end has hung up")
        records = reader.feed(chunk)
        if reader.bad is not None:
            raise reader.bad
        if records:
            return records


def next_record(sock: socket.socket, reader: RecordReader) -> Record:
    """One record; for a conversation in which nobody speaks twice in a row. Raises OSError at its end, BadRecord."""
    return next_records(sock, reader)[0]


def _listen_tcp(address: str) -> socket.socket:
    host, port = host_and_port(address)
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(
            f"The core can't ship from {address}: {error.strerror or error}.", address=address
        ) from error

"""The loop of a standby: connects to the core, writes what it ships, syncs, confirms, and keeps an engine warm.

Responsible for: a confirmation is sent only when its frames are on this disk and prove to follow each other; connecting again whenever the
line ends; following nobody of an earlier term. Never: answers a command or a question, or becomes the venue by itself.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from novate._core import release, ruleset
from novate.core_process import shipping_wire as ship
from novate.core_process.listening import stopped_by_signals
from novate.core_process.shipping import shipping_key
from novate.core_process.shipping_files import take_file
from novate.core_process.shipping_wire import Asked, Ship, ShippingDenied, Stored, What, Why
from novate.errors import JournalError
from novate.files import replace_file
from novate.identity.sealing import KEY_FILE
from novate.journal import layout
from novate.journal.progress import OnProgress
from novate.journal.quarantine import holds_quarantine
from novate.journal.terms import (
    current_term,
    fence_of,
    follows,
    known_term,
    lift_fence,
    terms_of,
    write_follows,
    write_terms,
)
from novate.reader_process.limits import SnapshotPlan
from novate.standby.line import Line, LineBroken, is_tcp
from novate.standby.mirror import Mirror
from novate.standby.parting import find_parting, set_aside
from novate.standby.warm import Warm

STATUS: Final = "standby.json"
REQUEST: Final = "promote.request"
"""A file in the home by which a standby is asked to end, so that it can be promoted."""
_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 2.0
_LOOK_S: Final = 0.2
_STATUS_S: Final = 1.0
_BATCH_BYTES: Final = 1 << 22

Say = Callable[[str], None]


class OldTerm(JournalError):
    """The core is of an earlier term than this home knows: it is the one whose turn is over. Facts: `term`, `own`."""

    code = "old_term"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandbyPlan:
    """Whom a standby follows, and how.

    `of` is the core's home, its `standby.sock`, or HOST:PORT. `set_aside`: where the journal here has parted from the core's, its end is
    put aside, kept beside, instead of an error.
    """

    of: str
    name: str = field(default_factory=socket.gethostname)
    snapshots: SnapshotPlan | None = field(default_factory=SnapshotPlan)
    set_aside: bool = False


class Standby:
    """One standby in `home`. For one thread; `stop` may be called from another, or a signal."""

    def __init__(
        self,
        home: Path | str,
        plan: StandbyPlan,
        say: Say = lambda _words: None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.home, self.plan = Path(home), plan
        self._say, self._on_progress = say, on_progress
        self._stopping = threading.Event()
        self._key = shipping_key(self.home) if is_tcp(plan.of) else b""
        self._connected = False
        self._core_sequence = 0
        self._why = ""
        self._status_at = 0.0
        self._anew = False
        self._wait_s = _FIRST_WAIT_S
        self._told_no_key = False
        self._files: dict[str, bytes] = {}
        """What the core shipped of databases beside the journal, and is not written yet."""

    def stop(self) -> None:
        """Ends `run`."""
        self._stopping.set()

    def run(self, on_ready: Callable[[int], None] | None = None) -> None:
        """Follows until `stop`, or until the home is asked for by who promotes it; `on_ready` gets the first command that was confirmed.

        Raises JournalLocked, JournalDamaged, SyncFailed, JournalFull; StandbyDiverged where the journal here has parted from the core's;
        OldTerm where the core's turn is over; ShippingDenied for any other reason why nothing is shipped.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.home / REQUEST).unlink(missing_ok=True)
        while not self._ended():
            mirror = Mirror(self.home, self._on_progress)
            warm = Warm(mirror.paths, mirror.judged, self.plan.snapshots, self._on_progress)
            self._anew = False
            try:
                self._keep_following(mirror, warm, on_ready)
            except ShippingDenied as denied:
                self._why = denied.sentence
                if denied.facts["why"] != Why.DIVERGED:
                    raise
                warm.close()
                mirror.close()
                self._part()
            finally:
                self._connected = False
                warm.close()
                self._write_status(mirror, warm)
                mirror.close()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _ended(self) -> bool:
        return self._stopping.is_set() or (self.home / REQUEST).exists()

    def _mark(self) -> None:
        marked = follows(self.home)
        if marked is None or marked.of != self.plan.of:
            write_follows(self.home, self.plan.of, time.time_ns())

    def _part(self) -> None:
        """The journal here is not a part of the core's. Raises StandbyDiverged, unless its end is to be put aside."""
        parting = find_parting(self.home, self.plan.of, self._key, self.plan.name)
        if not self.plan.set_aside:
            raise parting.as_error(self.home)
        for path in set_aside(self.home, parting):
            self._say(f"put aside: {path}")
        self._say(parting.sentence)

    def _keep_following(self, mirror: Mirror, warm: Warm, on_ready: Callable[[int], None] | None) -> None:
        self._wait_s = _FIRST_WAIT_S
        while not self._ended() and not self._anew:
            try:
                with self._open(mirror) as line:
                    self._connected = True
                    self._follow(line, mirror, warm, on_ready)
            except (LineBroken, ShippingDenied) as broken:
                if isinstance(broken, ShippingDenied) and broken.facts["why"] != Why.TAKEN:
                    raise
                if self._connected or not self._why:
                    self._say(f"not connected to {self.plan.of}: {broken}")
                self._why = broken.sentence
            finally:
                self._connected = False
                self._write_files()
            self._write_status(mirror, warm)
            end = time.monotonic() + self._wait_s
            while time.monotonic() < end and not self._ended():
                time.sleep(min(_LOOK_S, self._wait_s))
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    def _open(self, mirror: Mirror) -> Line:
        own, place = known_term(self.home), mirror.place
        asked = Asked(
            name=self.plan.name, term=own, sequence=place.sequence, hash=place.hash.hex(), ruleset=ruleset()
        )
        line = Line.open(self.plan.of, What.FOLLOW, asked, self._key)
        if line.here.term < own:
            line.close()
            raise OldTerm(
                f"The core at {self.plan.of} is of term {line.here.term}; this home knows of term {own}.",
                term=line.here.term,
                own=own,
            )
        self._mark()  # of a home that a core of its own time has answered, and before a byte of its journal
        return line

    def _follow(self, line: Line, mirror: Mirror, warm: Warm, on_ready: Callable[[int], None] | None) -> None:
        """Until the line ends, or this standby."""
        verified, frames = False, 0
        self._core_sequence = line.here.sequence
        line.send(ship.pack_stored(Stored(0, mirror.sequence, warm.applied)))
        while not self._ended() and not self._anew:
            self._write_status(mirror, warm, every_s=_STATUS_S)
            if not line.waiting and not select.select([line], [], [], _LOOK_S)[0]:
                continue
            taken = self._take(line, mirror)
            if not verified:  # a core that ships or beats has found our last frame in its journal
                verified = True
                self._verified(line, mirror, on_ready)
                self._anew = warm.failed is not None  # what it failed at may have been put aside meanwhile
            if taken:
                mirror.sync()
                frames += len(taken)
            for header, frame, _ in taken:
                if header.count and holds_quarantine(layout.frame_payload(frame)):
                    self._anew = True  # what is put aside must be known before it is replayed
            try:
                line.send(ship.pack_stored(Stored(frames, mirror.sequence, warm.applied)))
            finally:  # they are on disk here, whoever hears of it
                for header, frame, frame_hash in taken:
                    warm.hear(header, frame, frame_hash)
            self._write_files()

    def _take(self, line: Line, mirror: Mirror) -> list[tuple[layout.FrameHeader, bytes, bytes]]:
        """What the core says at once, written and not synced."""
        taken: list[tuple[layout.FrameHeader, bytes, bytes]] = []
        size = 0
        while True:
            try:
                records = line.receive()
            except LineBroken:
                if taken:
                    return taken  # they are to be synced and applied; the next look says again that the line has ended
                raise
            for record in records:
                match record.kind:
                    case Ship.FRAME:
                        header = mirror.take_frame(record.body)
                        taken.append((header, record.body, mirror.place.hash))
                        size += len(record.body)
                        self._core_sequence = max(self._core_sequence, mirror.sequence)
                    case Ship.SEGMENT:
                        mirror.take_segment(record.body)
                    case Ship.BEAT:
                        self._core_sequence = max(self._core_sequence, ship.parse_beat(record).sequence)
                    case Ship.FILE:
                        self._files.update([ship.parse_file(record)])
                    case Ship.DENIED:
                        raise ship.parse_denied(record)
                    case _:
                        raise LineBroken(f"The core sends a record of kind {record.kind}.")
            if size > _BATCH_BYTES or not select.select([line], [], [], 0)[0]:
                return taken

    def _write_files(self) -> None:
        """Keys and alerts of the core's home, once no frame waits for it to be said that it is on disk."""
        while self._files:
            self._write_file(*self._files.popitem())

    def _write_file(self, name: str, content: bytes) -> None:
        """A copy's secrets are of use only with the core's own key, which a backup brings."""
        if not (self.home / KEY_FILE).exists():
            if not self._told_no_key:
                self._say(
                    f"has no {KEY_FILE} of the core's home: keys and alerts are not copied; restore a backup here first"
                )
            self._told_no_key = True
            return
        try:
            take_file(self.home, name, content)
        except (OSError, ValueError) as error:
            self._say(f"{name} can't be copied: {error}")

    def _verified(self, line: Line, mirror: Mirror, on_ready: Callable[[int], None] | None) -> None:
        self._why, self._wait_s = "", _FIRST_WAIT_S
        if line.here.terms != terms_of(self.home):
            write_terms(self.home, line.here.terms)
        if fence_of(self.home) is not None:
            lift_fence(self.home)
        self._say(f"follows {self.plan.of}, term {line.here.term}, from command {mirror.sequence}")
        if on_ready is not None:
            on_ready(mirror.sequence)

    def _write_status(self, mirror: Mirror, warm: Warm, every_s: float = 0.0) -> None:
        now = time.monotonic()
        if now - self._status_at < every_s:
            return
        self._status_at = now
        state = warm.state_hash
        facts = {
            "of": self.plan.of,
            "name": self.plan.name,
            "pid": os.getpid(),
            "release": release(),
            "term": current_term(self.home),
            "connected": self._connected,
            "why": self._why,
            "core_sequence": self._core_sequence,
            "stored": mirror.sequence,
            "applied": warm.applied,
            "lag_commands": max(self._core_sequence - mirror.sequence, 0),
            "sealed": mirror.sealed,
            "state_hash": state.hash if state else None,
            "state_hash_sequence": state.sequence if state else None,
            "engine": warm.failed.sentence if warm.failed else "",
            "snapshots": warm.snapshots_failed.sentence if warm.snapshots_failed else "",
            "at_ns": time.time_ns(),
        }
        with suppress(OSError):
            replace_file(self.home / STATUS, msgspec.json.encode(facts))


def read_standby(home: Path) -> dict[str, Any] | None:
    """What the standby of a home said last; None where none was."""
    try:
        return msgspec.json.decode((home / STATUS).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError):
        return None


def follow(
    home: Path | str,
    plan: StandbyPlan,
    say: Say = lambda _words: None,
    *,
    on_progress: OnProgress | None = None,
    on_ready: Callable[[int], None] | None = None,
) -> None:
    """Runs a standby until SIGTERM or SIGINT, or until it is promoted. For the main thread. Raises what `Standby.run` raises."""
    standby = Standby(home, plan, say, on_progress)
    with stopped_by_signals(standby.stop):
        standby.run(on_ready)

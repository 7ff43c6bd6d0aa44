"""The audit log: who was let in, who was not, and what was changed, as a chain that shows every later change of it.

Responsible for: appending records durably, and finding what was dropped, moved or edited. Never: decides, or forgets.

HOME/audit.log holds one JSON object a line: number, time, kind, the engine's sequence where known, the actor, facts, the SHA-256 of the line
before (`previous`), and last an HMAC of the line under a key of the home (`mac`). HOME/audit.head says how many there are and how the last
one hashes, under an HMAC too: a chain alone does not show that its end is missing. The log is synced before its head is written, so that the
head never promises more than the disk holds. The chain can be checked without the key, by anyone; with it nobody but its holder can have
written the records. Who holds the key and the files can write another history: a copy of the head kept elsewhere shows that too.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

import msgspec

from novate.errors import Fact, NovateError

BEGINNING: Final = "0" * 64
"""`previous` of the first record."""

_MAC: Final = b',"mac":"'
_MAC_BYTES: Final = len(_MAC) + 64 + 2  # the member, its closing quote and brace
_MOST_WAITING: Final = 10_000
_HEAD_BYTES: Final = 1_024


class AuditDamaged(NovateError):
    """The audit log is not the one that its head speaks of. Facts: `record`, `what`."""

    code = "audit_damaged"


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One record. `sequence` is the engine's, 0 where none is known; `actor` is 0 for nobody and for the console."""

    number: int
    time_ns: int
    kind: str
    sequence: int
    actor: int
    facts: dict[str, Fact]
    previous: str
    mac: str = ""


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the log must hold at least: so many records in so many bytes, of which the last hashes so."""

    records: int
    size: int
    last: str
    mac: str = ""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a check of the log found."""

    records: int
    last: str
    """SHA-256 of the last line."""
    damage: tuple[str, ...]
    """Each place that is not as it was written, in words; empty for a whole log."""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, moved or edited."""
        return not self.damage


class _Job(msgspec.Struct):
    time_ns: int
    kind: str
    sequence: int
    actor: int
    facts: dict[str, Fact]
    done: threading.Event | None
    error: list[NovateError]


class AuditLog:
    """The log of one home, written by a thread of its own. Any thread may record; other processes of the home may write too."""

    def __init__(self, home: Path, key: bytes) -> None:
        self._path = home / "audit.log"
        self._head_path = home / "audit.head"
        self._key = _derived(key)
        self._log = -1
        self._head_file = -1
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        self._failed: NovateError | None = None

    @classmethod
    def open(cls, home: Path, key: bytes) -> Self:
        """Opens or begins the log, cuts what a dying process left of a last line. Raises AuditDamaged where records are missing."""
        log = cls(home, key)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        log._log = os.open(log._path, flags, 0o600)
        log._head_file = os.open(log._head_path, flags, 0o600)
        try:
            with log._locked():
                log._continue()
        except NovateError:
            os.close(log._log)
            os.close(log._head_file)
            raise
        log._thread.start()
        return log

    def record(
        self,
        kind: str,
        time_ns: int,
        *,
        actor: int = 0,
        sequence: int = 0,
        wait: bool = False,
        **facts: Fact,
    ) -> None:
        """Records what happened. With `wait` it is on disk when this returns, else soon after.

        Raises AuditDamaged or the error of the disk that the writer met, also an earlier one: what cannot be recorded must not go on.
        """
        if self._failed is not None:
            raise self._failed
        facts = {name: int(fact) if isinstance(fact, bool) else fact for name, fact in facts.items()}
        job = _Job(time_ns, kind, sequence, actor, facts, threading.Event() if wait else None, [])
        self._jobs.put(job)
        if job.done is not None:
            job.done.wait()
            if job.error:
                raise job.error[0]

    def close(self) -> None:
        """Writes what waits and closes the files."""
        if self._log < 0:
            return
        self._jobs.put(None)
        self._thread.join()
        os.close(self._log)
        os.close(self._head_file)
        self._log = -1

    def _work(self) -> None:
        ending = False
        while not ending:
            jobs = [self._jobs.get()]
            while not self._jobs.empty() and len(jobs) < 1_000:
                jobs.append(self._jobs.get())
            ending = None in jobs
            batch = [job for job in jobs if job is not None]
            try:
                if batch and self._failed is None:
                    with self._locked():
                        self._append(batch)
            except (OSError, NovateError) as error:
                self._failed = error if isinstance(error, NovateError) else _no_room(error)
            for job in batch:
                if self._failed is not None:
                    job.error.append(self._failed)
                if job.done is not None:
                    job.done.set()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._log, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._log, fcntl.LOCK_UN)

    def _append(self, jobs: list[_Job]) -> None:
        head = self._continue()
        lines = bytearray()
        last, number = head.last, head.records
        for job in jobs:
            number += 1
            entry = Entry(
                number=number, time_ns=job.time_ns, kind=job.kind, sequence=job.sequence, actor=job.actor,
                facts=job.facts, previous=last,
            )  # fmt: skip
            line = _with_mac(entry, self._key)
            last = sha256(line).hexdigest()
            lines += line + b"\n"
        if os.pwrite(self._log, lines, head.size) != len(lines):
            os.ftruncate(self._log, head.size)
            raise AuditDamaged("The audit log takes no more.")
        os.fdatasync(self._log)
        self._write_head(Head(records=number, size=head.size + len(lines), last=last))

    def _continue(self) -> Head:
        """The head, moved on over whole records that a process wrote before it died; a part of a line is cut."""
        head = self._read_head()
        size = os.fstat(self._log).st_size
        if head is None and size:
            raise AuditDamaged("The audit log has no head, so nobody can say whether its end is there.")
        if head is None:
            head = Head(records=0, size=0, last=BEGINNING)
            self._write_head(head)
            os.fdatasync(self._head_file)
        if size < head.size:
            raise AuditDamaged("Records are missing at the end of the audit log.", record=head.records)
        if size == head.size:
            return head
        records, last, at = head.records, head.last, head.size
        for line in os.pread(self._log, size - head.size, head.size).split(b"\n")[:-1]:
            entry = _parsed(line)
            if entry is None or entry.previous != last or not _is_ours(line, self._key):
                raise AuditDamaged("The audit log goes on with what it did not write.", record=records + 1)
            records, last, at = records + 1, sha256(line).hexdigest(), at + len(line) + 1
        if at < size:
            os.ftruncate(self._log, at)
        head = Head(records=records, size=at, last=last)
        self._write_head(head)
        return head

    def _read_head(self) -> Head | None:
        data = os.pread(self._head_file, _HEAD_BYTES, 0).strip()
        if not data:
            return None
        head = _parsed_head(data)
        return head if head is not None and _is_ours(data, self._key) else None

    def _write_head(self, head: Head) -> None:
        line = _with_mac(head, self._key)
        os.pwrite(self._head_file, line.ljust(_HEAD_BYTES - 1) + b"\n", 0)


def verify_audit(path: Path, key: bytes | None = None) -> AuditReport:
    """Reads a whole log, and its head beside it, and reports every record that was dropped, moved or edited.

    `key` is the home's key; without it the chain is checked, and that nobody wrote it anew is not. Never raises for damage.
    """
    derived = None if key is None else _derived(key)
    damage: list[str] = []
    last, number, size = BEGINNING, 0, 0
    with path.open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_SH)  # a moment between two batches of its writers
        head_path = path.with_name("audit.head")
        head = head_path.read_bytes().strip() if head_path.exists() else b""
        end = os.fstat(log.fileno()).st_size
        fcntl.flock(log, fcntl.LOCK_UN)
        while size < end and (line := log.readline()):
            number += 1
            size += len(line)
            content = line.removesuffix(b"\n")
            damage += [f"record {number}: {what}" for what in _faults(content, number, last, derived)]
            if content == line:
                damage.append(f"record {number}: it has no end")
            last = sha256(content).hexdigest()
    damage += _head_faults(head, number, size, last, derived)
    return AuditReport(number, last, tuple(damage))


def _faults(line: bytes, number: int, previous: str, key: bytes | None) -> Iterator[str]:
    entry = _parsed(line)
    if entry is None:
        yield "it cannot be read"
        return
    if entry.number != number:
        yield f"it says it is record {entry.number}"
    if entry.previous != previous:
        yield "it does not follow the one before it"
    if key is not None and not _is_ours(line, key):
        yield "it was not written by the holder of the key"


def _head_faults(data: bytes, records: int, size: int, last: str, key: bytes | None) -> Iterator[str]:
    head = _parsed_head(data)
    if head is None:
        if records or data:  # an empty log may have no head
            yield "head: it is missing or cannot be read"
        return
    if key is not None and not _is_ours(data, key):
        yield "head: it was not written by the holder of the key"
    if (head.records, head.size, head.last) != (records, size, last):
        yield f"head: it speaks of {head.records} records in {head.size} bytes, not of {records} in {size}"


def _derived(key: bytes) -> bytes:
    return hmac.digest(key, b"novate audit log", "sha256")


def _with_mac(value: Entry | Head, key: bytes) -> bytes:
    """The line of a record: JSON whose last member is the HMAC of the line with that member empty."""
    bare = msgspec.json.encode(value)
    stem = bare[: -len(b'""}')]
    return stem + b'"' + hmac.digest(key, bare, "sha256").hex().encode() + b'"}'


def _is_ours(line: bytes, key: bytes) -> bool:
    if line[-_MAC_BYTES : -_MAC_BYTES + len(_MAC)] != _MAC:
        return False
    bare = line[: -_MAC_BYTES + len(_MAC)] + b'"}'
    return hmac.compare_digest(hmac.digest(key, bare, "sha256").hex().encode(), line[-66:-2])


def _parsed(line: bytes) -> Entry | None:
    try:
        entry = msgspec.json.decode(line, type=Entry)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return entry if msgspec.json.encode(entry) == line else None


def _parsed_head(data: bytes) -> Head | None:
    try:
        return msgspec.json.decode(data, type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _no_room(error: OSError) -> NovateError:
    return AuditDamaged(f"The audit log takes no more: {error.strerror}.")

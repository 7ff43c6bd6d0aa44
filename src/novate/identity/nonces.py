"""The journal of nonces: which of them each signer has used, across restarts and across the gateways of one home.

Responsible for: taking a nonce once, and refusing what lies outside the clock window. Never: reads a clock, or checks a signature; a
nonce is taken only after the signature was found good, so that nobody uses up another's.

Files of 32-byte records, one file per span of the *signed* timestamp, in HOME/nonces/. A replayed request has the same timestamp, so
its first use lies in the same file or in a neighbour that is still there; a file whose whole span has left the window is deleted, and
memory holds what the files hold. Every process of a home appends under one file lock, after it has read what others appended: a nonce
used at one gateway is used at all. Nothing is synced, because a write survives the process and only the machine's fall can lose it:
the file `state` holds the machine's boot id, and after another boot nothing signed before it is taken. Where the system tells no boot
id, every use is synced instead.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from novate.errors import ConfigError, NovateError
from novate.identity.refusals import IdentityRefused, Rule

SECOND: Final = 1_000_000_000
_RECORD: Final = struct.Struct("<QQqII")  # signer, nonce, timestamp, zero, CRC-32 of what stands before it
_STATE: Final = struct.Struct("<36sqI")  # boot id, floor, CRC-32 of both
_NAME: Final = re.compile(r"nonces-([0-9]{1,12})")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class NonceJournalDamaged(NovateError):
    """A record of the nonce journal is not what was written, or it cannot be written. No request is taken on its word."""

    code = "nonce_journal_damaged"


class _Span:
    """The nonces signed in one span of time: in memory what stands in its file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.size = 0
        self.used: dict[int, set[int]] = {}
        self.count = 0

    def catch_up(self) -> None:
        """Reads what others appended. A part of a record at the end is what a dying process left, and is cut."""
        size = os.lseek(self.descriptor, 0, os.SEEK_END)
        if size == self.size:
            return
        if size < self.size:
            raise NonceJournalDamaged(f"{self.path.name} became shorter.", size=size)
        data = os.pread(self.descriptor, size - self.size, self.size)
        whole = len(data) - len(data) % _RECORD.size
        for at in range(0, whole, _RECORD.size):
            signer, nonce, _, _, crc = _RECORD.unpack_from(data, at)
            if zlib.crc32(data[at : at + _RECORD.size - 4]) != crc:
                raise NonceJournalDamaged(f"{self.path.name} is damaged.", offset=self.size + at)
            self.remember(signer, nonce)
        self.size += whole
        if whole < len(data):
            os.ftruncate(self.descriptor, self.size)

    def append(self, signer: int, nonce: int, timestamp_ns: int) -> None:
        head = _RECORD.pack(signer, nonce, timestamp_ns, 0, 0)[:-4]
        record = head + zlib.crc32(head).to_bytes(4, "little")
        try:
            written = os.pwrite(self.descriptor, record, self.size)
        except OSError as error:
            raise NonceJournalDamaged(f"{self.path.name} takes no more: {error.strerror}.") from error
        if written != len(record):
            os.ftruncate(self.descriptor, self.size)
            raise NonceJournalDamaged(f"{self.path.name} takes no more.")
        self.size += written
        self.remember(signer, nonce)

    def remember(self, signer: int, nonce: int) -> None:
        self.used.setdefault(signer, set()).add(nonce)
        self.count += 1

    def close(self) -> None:
        os.close(self.descriptor)


class NonceJournal:
    """Nonces of all signers of one home. For one thread; other processes of the home may have it open too."""

    def __init__(
        self,
        folder: Path,
        *,
        window_ns: int = 60 * SECOND,
        most_per_signer: int = 200_000,
        most: int = 2_000_000,
        boot: Callable[[], tuple[bytes, int] | None] | None = None,
    ) -> None:
        if window_ns < 30 * SECOND:
            raise ConfigError("A clock window below 30 s refuses honest clients under load.")
        self.window_ns = window_ns
        self._most_per_signer = most_per_signer
        self._most = most
        self._folder = folder
        self._spans: dict[int, _Span] = {}
        self._floor_ns = 0
        self._boot = boot_of_this_machine if boot is None else boot
        self._state = -1
        self._syncs = False

    @classmethod
    def open(cls, folder: Path, now_ns: int, **options: int) -> Self:
        """Opens or begins the journal in `folder`. Raises NonceJournalDamaged, ConfigError."""
        journal = cls(folder, **options)  # type: ignore[arg-type]
        journal.start(now_ns)
        return journal

    @property
    def floor_ns(self) -> int:
        """Nothing signed before this is taken."""
        return self._floor_ns

    def start(self, now_ns: int) -> None:
        """Opens the files, and judges whether the machine has fallen since they were written."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._state = os.open(self._folder / "state", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        boot = self._boot()
        self._syncs = boot is None
        with self._locked():
            before, self._floor_ns = self._read_state(now_ns)
            if boot is not None and before not in (boot[0], b""):
                # What was accepted before the fall was signed at most one window ahead of it.
                self._floor_ns = max(self._floor_ns, boot[1] + self.window_ns)
            self._write_state(b"" if boot is None else boot[0])
            for path in self._folder.iterdir():
                found = _NAME.fullmatch(path.name)
                if found:
                    self._span(int(found[1])).catch_up()
            self._prune(now_ns)

    def refuse_before(self, floor_ns: int) -> None:
        """From here on nothing signed before `floor_ns` is taken: who took it may have been another home, whose nonces are not here."""
        with self._locked():
            _, before = self._read_state(floor_ns)
            self._floor_ns = max(before, floor_ns)
            self._write_state(None)

    def check_time(self, timestamp_ns: int, now_ns: int, expires_after_ns: int = 0) -> None:
        """Raises IdentityRefused for a request outside the window (with the venue's time) or past its own expiry. Takes nothing."""
        if abs(now_ns - timestamp_ns) > self.window_ns or timestamp_ns < self._floor_ns:
            raise IdentityRefused(
                Rule.TIMESTAMP_MUST_BE_IN_WINDOW,
                f"It is {now_ns} at the venue.",
                server_time_ns=now_ns,
                window_ns=self.window_ns,
                earliest_ns=max(now_ns - self.window_ns, self._floor_ns),
            )
        if expires_after_ns and now_ns > expires_after_ns:
            raise IdentityRefused(Rule.REQUEST_MUST_NOT_BE_EXPIRED, server_time_ns=now_ns)

    def take(
        self, signer: int, nonce: int, timestamp_ns: int, now_ns: int, expires_after_ns: int = 0
    ) -> None:
        """Uses a nonce of a signer. It stands in the file before this returns.

        Raises IdentityRefused: `timestamp_must_be_in_window`, `request_must_not_be_expired`, `duplicate_nonce`,
        `nonces_must_fit_the_window`; NonceJournalDamaged where it cannot be written.
        """
        with self._locked():
            _, self._floor_ns = self._read_state(now_ns)
            self.check_time(timestamp_ns, now_ns, expires_after_ns)
            self._prune(now_ns)
            first = (now_ns - self.window_ns) // self.window_ns
            for number in (first, first + 1, first + 2):  # where any timestamp inside the window lies
                self._span(number).catch_up()
            own = self._span(timestamp_ns // self.window_ns)
            if any(nonce in span.used.get(signer, ()) for span in self._spans.values()):
                raise IdentityRefused(Rule.DUPLICATE_NONCE, nonce=nonce)
            if (
                sum(len(span.used.get(signer, ())) for span in self._spans.values()) >= self._most_per_signer
                or self.held >= self._most
            ):
                raise IdentityRefused(Rule.NONCES_MUST_FIT_THE_WINDOW)
            own.append(signer, nonce, timestamp_ns)
            if self._syncs:
                os.fdatasync(own.descriptor)

    @property
    def held(self) -> int:
        """Nonces in memory."""
        return sum(span.count for span in self._spans.values())

    def close(self) -> None:
        """Closes the files."""
        for span in self._spans.values():
            span.close()
        self._spans.clear()
        if self._state >= 0:
            os.close(self._state)
            self._state = -1

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._state, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._state, fcntl.LOCK_UN)

    def _span(self, number: int) -> _Span:
        span = self._spans.get(number)
        if span is None:
            span = self._spans[number] = _Span(self._folder / _name(number))
        return span

    def _prune(self, now_ns: int) -> None:
        """Deletes what has left the window. First the floor rises: a clock set back later finds nothing taken twice."""
        first = (now_ns - self.window_ns) // self.window_ns
        gone = [number for number in self._spans if number < first]
        if not gone:
            return
        self._floor_ns = max(self._floor_ns, (max(gone) + 1) * self.window_ns)
        self._write_state(None)
        for number in gone:
            span = self._spans.pop(number)
            span.close()
            span.path.unlink(missing_ok=True)

    def _read_state(self, now_ns: int) -> tuple[bytes, int]:
        data = os.pread(self._state, _STATE.size, 0)
        if not data and not any(_NAME.fullmatch(path.name) for path in self._folder.iterdir()):
            return b"", self._floor_ns
        if len(data) == _STATE.size:
            boot, floor, crc = _STATE.unpack(data)
            if crc == zlib.crc32(data[:-4]):
                return boot.rstrip(b"\0"), max(floor, self._floor_ns)
        # Nobody knows any more what was deleted: nothing signed until a window from now is taken.
        self._floor_ns = now_ns + self.window_ns
        return b"", self._floor_ns

    def _write_state(self, boot: bytes | None) -> None:
        known = os.pread(self._state, 36, 0).rstrip(b"\0") if boot is None else boot
        head = _STATE.pack(known, self._floor_ns, 0)[:-4]
        os.pwrite(self._state, head + zlib.crc32(head).to_bytes(4, "little"), 0)
        os.fdatasync(self._state)


def _name(number: int) -> str:
    return f"nonces-{number}"


def boot_of_this_machine() -> tuple[bytes, int] | None:
    """The boot id and when that boot began, ns since 1970; None where the system does not tell."""
    try:
        boot = _BOOT_ID.read_bytes().strip()
    except OSError:
        return None
    return boot, time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)

"""The connection of a standby, or of who promotes one, to the core that ships: by Unix socket or TCP, encrypted and proven by a key over the latter.

Responsible for: the first words, and whole records. Never: writes to a journal, or decides what a record means.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from novate.core_process import shipping_wire as ship
from novate.core_process.listening import host_and_port
from novate.core_process.shipping import SOCKET, next_record, next_records
from novate.core_process.shipping_tls import connected
from novate.core_process.shipping_wire import Asked, Here, What
from novate.core_process.wire import BadRecord, Record, RecordReader
from novate.errors import ConfigError, NovateError

_READ_BYTES: Final = 1 << 18


class LineBroken(NovateError):
    """There is no core there, or the connection has ended."""

    code = "line_broken"


def is_tcp(of: str) -> bool:
    """Whether an address is HOST:PORT; else it is the path of a socket, or of a home that has one."""
    if "/" in of or Path(of).exists():
        return False
    try:
        host_and_port(of)
    except ConfigError:
        return False
    return True


class Line:
    """One connection that has proven itself. For one thread."""

    def __init__(self, sock: socket.socket, here: Here, reader: RecordReader) -> None:
        self.here = here
        """What the core said of itself."""
        self._sock = sock
        self._reader = reader
        self._records: list[Record] = []

    @classmethod
    def open(cls, of: str, what: What, asked: Asked, key: bytes = b"", timeout_s: float = 10.0) -> Self:
        """Connects and asks. Raises LineBroken, or ShippingDenied with the core's reason."""
        sock: socket.socket | None = None
        try:
            sock = _connected(of, timeout_s, key)
            nonce = secrets.token_bytes(ship.NONCE_BYTES)
            reader = RecordReader(ship.MOST_BYTES)
            nonces = ship.parse_challenge(next_record(sock, reader)), nonce
            proven = key if is_tcp(of) else b""
            sock.sendall(ship.pack_ask(what, asked, nonces, proven))
            found = next_records(sock, reader, _READ_BYTES)
            here = ship.parse_here(found[0], nonces, proven)
        except (OSError, BadRecord) as error:
            if sock is not None:
                sock.close()
            raise LineBroken(f"There is no core that ships at {of} ({error}).", of=of) from error
        except NovateError:
            if sock is not None:
                sock.close()
            raise
        line = cls(sock, here, reader)
        line._records = found[1:]
        return line

    def fileno(self) -> int:
        """For selectors."""
        return self._sock.fileno()

    @property
    def waiting(self) -> bool:
        """Whether `receive` gives something without reading."""
        return bool(self._records)

    def receive(self) -> list[Record]:
        """The records that are there; waits for one at least. Raises LineBroken."""
        if self._records:
            found, self._records = self._records, []
            return found
        try:
            return next_records(self._sock, self._reader, _READ_BYTES)
        except (OSError, BadRecord) as error:
            raise LineBroken(f"The connection to the core has ended ({error}).") from error

    def send(self, record: bytes) -> None:
        """Sends one record. Raises LineBroken."""
        try:
            self._sock.sendall(record)
        except OSError as error:
            raise LineBroken(f"The connection to the core has ended ({error}).") from error

    def close(self) -> None:
        """Hangs up."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _connected(of: str, timeout_s: float, key: bytes) -> socket.socket:
    if is_tcp(of):
        return connected(socket.create_connection(host_and_port(of), timeout_s), key)
    path = Path(of)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        sock.connect(str(path / SOCKET if path.is_dir() else path))
    except OSError:
        sock.close()
        raise
    return sock

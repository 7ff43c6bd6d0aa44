"""Reading a socket into memory that is there already.

Responsible for: that no read asks the system for room. `recv` makes a buffer of all it may read and cuts it: of a quarter of a megabyte that is a
mapping, its pages and its end, 35 us for a record of 150 bytes. Never: waits, or knows a record.
"""

from __future__ import annotations

import socket
from typing import Final

READ_BYTES: Final = 1 << 18
"""Read of one connection before the next one's turn."""


class Inbox:
    """For one reader at a time. Memory that was never read into costs nothing."""

    __slots__ = ("_memory",)

    def __init__(self, size: int = READ_BYTES) -> None:
        self._memory = memoryview(bytearray(size))

    def read(self, sock: socket.socket) -> bytes:
        """What there is, up to the size; b"" once the other side has hung up. Raises what `recv_into` does."""
        return bytes(self._memory[: sock.recv_into(self._memory)])

"""A tiny deterministic engine for journal tests: its state is a hash chain over the bytes it was given.

It shows exactly which commands were applied, in which order, once each. It knows no rule of novate.
"""

import hashlib
import struct

HEADER = struct.Struct("<IHHQQQQq")
STATE = struct.Struct("<Qq32s")
RESUME_TYPE = 9


def message(body: bytes = b"", *, request: int = 0, kind: int = 1, time_ns: int = 0) -> bytes:
    """One command with an unfilled sequence."""
    return HEADER.pack(HEADER.size + len(body), kind, 1, 7, 7, request, 0, time_ns) + body


def split(buffer: bytes) -> list[bytes]:
    """The messages of a buffer, each with its header."""
    parts, at = [], 0
    while at < len(buffer):
        length = HEADER.unpack_from(buffer, at)[0]
        parts.append(bytes(buffer[at : at + length]))
        at += length
    return parts


def fields(command: bytes) -> tuple[int, int, int]:
    """(request, sequence, time_ns) of one message."""
    _, _, _, _, _, request, sequence, time_ns = HEADER.unpack_from(command)
    return request, sequence, time_ns


def event_of(command: bytes) -> bytes:
    """What ChainEngine answers to one command: its header, as a message without a body."""
    return struct.pack("<I", HEADER.size) + command[4 : HEADER.size]


RESUME = message(kind=RESUME_TYPE)


class ChainEngine:
    """Answers each command with its own header, so that events repeat sequence and request."""

    def __init__(self) -> None:
        self.sequence = 0
        self.time_ns = 0
        self._state = bytes(32)
        self.applied: list[bytes] = []

    @classmethod
    def restore(cls, snapshot: bytes) -> "ChainEngine":
        engine = cls()
        engine.sequence, engine.time_ns, engine._state = STATE.unpack(snapshot)
        return engine

    def apply(self, buffer: bytes) -> bytes:
        events = b""
        for command in split(buffer):
            if b"explode" in command:
                raise RuntimeError("the engine met its planted fault")
            _, sequence, time_ns = fields(command)
            if sequence != self.sequence + 1 or time_ns < self.time_ns:
                raise AssertionError(
                    f"command {sequence} at {time_ns} after {self.sequence} at {self.time_ns}"
                )
            self.sequence, self.time_ns = sequence, time_ns
            self._state = hashlib.sha256(self._state + command).digest()
            self.applied.append(command)
            events += event_of(command)
        return events

    def replay(self, buffer: bytes) -> None:
        self.apply(buffer)

    def snapshot(self) -> bytes:
        return STATE.pack(self.sequence, self.time_ns, self._state)

    def state_hash(self) -> bytes:
        return hashlib.sha256(self.snapshot()).digest()

    def conservation(self) -> list[tuple[int, int]]:
        return [(1, 0)]

"""How much one asker may ask at once, how much work one turn of the reader does, and when it writes a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from novate.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """Bounds of the reader process. Raises ConfigError where they contradict each other."""

    record_bytes: int = 1 << 20
    """Largest record an asker may send, its 8 bytes in front included. A larger one ends the connection unread."""
    questions: int = 64
    """In one record."""
    commands_bytes: int = 1 << 16
    """Of commands in one what-if: about 800 orders."""
    answer_bytes: int = 1 << 28
    """Largest answer record; a larger answer is not told."""
    recalled: int = 10_000
    """Events of an account told at once; about 4 MiB of them in any case."""
    waiting: int = 1_024
    """Questions of one asker that are not answered yet; beyond that it is not read."""
    unsent_bytes: int = 1 << 24
    """While an asker leaves more than this unread, it is not read either, and none of its questions is answered."""
    what_ifs: int = 256
    """Of all askers, that wait for a copy of the state; one more is answered BUSY."""
    wait_ms: int = 60_000
    """Longest wait for a least sequence; a longer one is cut to it."""
    clients: int = 1_024
    """Connections at once. One more is closed at once."""
    pending_bytes: int = 1 << 26
    """Of frames read from the core and not applied yet; beyond that they stay in the socket, and in the end the core cuts off."""
    apply_ms: int = 20
    """After so much applying in a row it is the questions' turn."""
    answer_ms: int = 10
    """After so much answering in a row it is the frames' turn. One question is never interrupted."""
    copy_rest: int = 4
    """After a copy of the state the next one waits this many times as long as it took."""

    def __post_init__(self) -> None:
        if min(getattr(self, name) for name in self.__slots__) < 1:
            raise ConfigError(f"Impossible limits of the reader process: {self}.")
        if not self.commands_bytes < self.record_bytes:
            raise ConfigError("commands_bytes must be below record_bytes.")


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """When the reader writes its state into HOME/snapshots, and how many of its own it keeps. Raises ConfigError."""

    every_s: float = 600.0
    """At least so long after the one before."""
    every_commands: int = 1
    """And at least so many commands after it."""
    keep: int = 3
    """Newest of those it wrote itself; older ones of its own are removed, those of others never."""

    def __post_init__(self) -> None:
        if self.every_s < 0 or self.every_commands < 1 or self.keep < 1:
            raise ConfigError(f"Impossible plan of snapshots: {self}.")

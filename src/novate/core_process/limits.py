"""How much one client may send at once, and how much of what it is told it may leave unread."""

from __future__ import annotations

from dataclasses import dataclass

from novate.errors import ConfigError
from novate.journal.layout import MAX_PAYLOAD_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the core process, in bytes unless said otherwise. Raises ConfigError where they contradict each other."""

    record_bytes: int = 1 << 20
    """Largest record a client may send, its 8 bytes in front included. A larger one ends the connection unread."""
    frame_bytes: int = 1 << 22
    """The core stops gathering for a frame beyond this; what waits goes into the next. A record more may be in it."""
    unsent_bytes: int = 1 << 26
    """A client that leaves more than this unread is cut off. Its commands stay, in the journal as in the state."""
    clients: int = 1_024
    """Connections at once. One more is closed at once."""

    def __post_init__(self) -> None:
        if not 64 <= self.record_bytes <= MAX_PAYLOAD_BYTES // 2 or self.frame_bytes < 1 or self.clients < 1:
            raise ConfigError(f"Impossible limits of the core process: {self}.")
        if self.frame_bytes + self.record_bytes > MAX_PAYLOAD_BYTES:
            raise ConfigError(
                f"frame_bytes and record_bytes together must fit a frame, {MAX_PAYLOAD_BYTES} bytes."
            )
        if self.unsent_bytes < self.record_bytes:
            raise ConfigError("unsent_bytes must not be below record_bytes.")

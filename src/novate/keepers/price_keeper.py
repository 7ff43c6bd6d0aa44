"""Feeds to the core: the newest price of each source, in one buffer per beat, its raw message on disk before it is sent.

Responsible for: conflation and back-pressure (while a buffer is under way, a newer price of a source takes the place of the older one), and
that the message behind every price is archived before the price is sent. Never: changes a price, or drops the newest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from novate.messages import PostPrice
from novate.prices.archive import RawArchive
from novate.prices.feed import Priced

BUFFER: Final = 1_000
"""Prices in one buffer."""


@dataclass(slots=True)
class PriceKeeper:
    """What waits to be sent. Pure."""

    most: int = BUFFER
    """Prices in one beat."""
    taken: int = 0
    conflated: int = 0
    """Prices that a newer one of the same source replaced before they were sent."""
    sent: int = 0
    _newest: dict[tuple[int, int], Priced] = field(default_factory=dict)

    def take(self, priced: Priced) -> None:
        """A feed has a price."""
        key = (priced.command.underlying, priced.command.source)
        self.taken += 1
        self.conflated += key in self._newest
        self._newest[key] = priced

    def due(self) -> list[Priced]:
        """What to send now, oldest message first."""
        chosen = sorted(self._newest.values(), key=lambda priced: priced.received_ns)[: self.most]
        for priced in chosen:
            del self._newest[priced.command.underlying, priced.command.source]
        self.sent += len(chosen)
        return chosen

    def values(self) -> dict[str, Any]:
        """For health."""
        return {
            "taken": self.taken,
            "conflated": self.conflated,
            "sent": self.sent,
            "waiting": len(self._newest),
        }


def archived(prices: Iterable[Priced], archive: RawArchive) -> list[PostPrice]:
    """The commands of these prices, once the messages behind them are on disk."""
    commands = []
    for priced in prices:
        archive.append(priced.feed, priced.received_ns, priced.frame)
        commands.append(priced.command)
    if commands:
        archive.sync()
    return commands


def send_archived(
    prices: Sequence[Priced], archive: RawArchive, send: Callable[[Sequence[PostPrice]], object]
) -> None:
    """Archives, then sends, in buffers that the core takes."""
    commands = archived(prices, archive)
    for first in range(0, len(commands), BUFFER):
        send(commands[first : first + BUFFER])

"""One feed: connects, hears, takes prices in, and connects again for ever, with back-off and health.

Responsible for: the order of things around an adapter and a link. Never: knows a format, or sends a command: prices go to `sink`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from novate.errors import NovateError
from novate.messages import PostPrice
from novate.prices.archive import raw_hash
from novate.prices.health import Backoff, FeedHealth
from novate.prices.intake import Garbage, Intake
from novate.prices.links import Link, LinkLost, LinkRefused
from novate.prices.observation import Adapter, Clock, Frame, Phase

REFUSED_WAIT_S: Final = 300.0
"""A refused key is tried again after this: an operator may have paid meanwhile."""
_HANDSHAKE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Priced:
    """One price of a feed, and the frame it came in."""

    feed: str
    symbol: str
    command: PostPrice
    frame: Frame
    received_ns: int


Sink = Callable[[Priced], None]


@dataclass(slots=True)
class Feed:
    """What one feed is made of. `link` makes a new connection each time."""

    name: str
    adapter: Adapter
    link: Callable[[], Link]
    intake: Intake
    health: FeedHealth
    backoff: Backoff
    clock: Clock
    silence_s: float = 60.0
    """Without any frame for so long the connection counts as dead."""
    refused_wait_s: float = REFUSED_WAIT_S

    def take(self, frame: Frame, sink: Sink) -> tuple[tuple[str, ...], Phase | None, str]:
        """Takes one frame in: its prices go to `sink`; returns what to answer, and where the connection is."""
        now = self.clock()
        self.health.frame(now)
        heard = self.adapter.heard(frame)
        if heard.malformed:
            self.intake.refused[Garbage.MALFORMED] += heard.malformed
        digest = raw_hash(frame) if heard.observations else b""
        for seen in heard.observations:
            command = self.intake.take(seen, digest, now)
            if command is not None:
                self.health.price(seen.symbol, now)
                self.backoff.reset()
                sink(Priced(self.name, seen.symbol, command, frame, now))
        self.health.counts.update(observations=len(heard.observations))
        return heard.replies, heard.phase, heard.why

    def values(self) -> dict[str, object]:
        """Its health with what was refused, JSON-ready."""
        refused = {kind.value: count for kind, count in sorted(self.intake.refused.items())}
        return self.health.values(self.clock()) | {"refused": refused}


async def run_feed(feed: Feed, sink: Sink) -> None:
    """Runs a feed until it is cancelled. An error of one connection is a line of its health, never the end."""
    while True:
        refused = False
        feed.health.connecting()
        link: Link | None = None
        try:
            link = feed.link()
            await _session(feed, link, sink)
            why = "the feed hung up"
        except (NovateError, TimeoutError) as error:
            refused = isinstance(error, LinkRefused)
            why = str(error) or "nothing came"
        finally:
            if link is not None:
                await link.close()
        feed.health.cut(feed.clock(), why, refused=refused)
        wait_s = feed.refused_wait_s if refused else feed.backoff.next_s()
        await asyncio.sleep(wait_s)


async def _session(feed: Feed, link: Link, sink: Sink) -> None:
    """One connection, from its first word to its end."""
    opened = feed.adapter.opened()
    await asyncio.wait_for(link.open(), _HANDSHAKE_S)
    for reply in opened.replies:
        await link.say(reply)
    ready = opened.phase is Phase.READY
    if ready:
        feed.health.ready()
    frames = aiter(link.frames())
    while True:
        frame = await asyncio.wait_for(anext(frames, None), feed.silence_s if ready else _HANDSHAKE_S)
        if frame is None:
            return
        replies, phase, why = feed.take(frame, sink)
        for reply in replies:
            await link.say(reply)
        if phase is Phase.READY and not ready:
            ready = True
            feed.health.ready()
        elif phase is Phase.REFUSED:
            raise LinkRefused(f"{feed.name} refuses: {why}")
        elif phase is Phase.BROKEN:
            raise LinkLost(f"{feed.name} ends the session: {why}")

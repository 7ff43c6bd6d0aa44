"""Drives a venue through a scenario in virtual time: prices, sessions, time, and the participants' commands.

Responsible for: what goes into each frame and when. One frame per five seconds of market time: the clock steps in between,
then the prices and sessions of that instant, then what participants and the venue's desks send in answer to the frame before, then the
clock. What runs beside the venue, as clearing does, sends frames of its own after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from novate.config import Listing
from novate.demo.market import WANTED, Market
from novate.demo.participants import Participant
from novate.demo.staff import KEEPER, Desk, key_of
from novate.marketdata import Scenario
from novate.messages import (
    AdvanceTime,
    Command,
    Event,
    EventMessage,
    PostLiquidity,
    PostPrice,
    PriceClass,
    PriceKind,
    encode,
    iter_events,
    post_prices,
)

FRAME_NS: Final = 5_000_000_000
TICK_MICRO_USD: Final = 1_000_000_000_000
"""A tick of a recorded bar stands for a market of a million dollars: bars say nothing about the size of a quote."""
PRICE_BYTES: Final = len(
    encode(
        PostPrice(
            underlying=1,
            source=1,
            price=1,
            confidence_ppm=0,
            price_kind=0,
            reserved0=0,
            reserved1=0,
            venue_time_ns=0,
            size=0,
            raw_hash=bytes(16),
        )
    )
)
Sink = Callable[[EventMessage], None]


class Runs(Protocol):
    """What a replay drives: a venue with its journal, or one in memory."""

    @property
    def sequence(self) -> int:
        """Sequence of the last command."""

    def submit_stamped(self, buffer: bytes) -> bytes:
        """Applies messages that carry their own times; returns their events."""


class Beside(Protocol):
    """A process of the venue's in lockstep with it: what it sends are frames of its own."""

    def hear(self, sequence: int, events: bytes) -> None:
        """A frame's events, up to command `sequence`."""

    def step(self, time_ns: int) -> None:
        """Does what is due; after each frame of the replay."""


@dataclass(slots=True)
class Counts:
    """How much went through."""

    commands: int = 0
    events: int = 0
    frames: int = 0


@dataclass(slots=True)
class Replay:
    """One scenario on its way through one venue."""

    venue: Runs
    scenario: Scenario
    listing: Listing
    market: Market
    participants: Sequence[Participant]
    desks: Sequence[Desk]
    advance_ns: int
    also: tuple[type[Event], ...] = ()
    """Event types the sink wants besides those of the public view."""
    sink: Sink = lambda _: None
    beside: Sequence[Beside] = ()
    """What runs beside the venue, in the same steps."""
    counts: Counts = field(default_factory=Counts)
    _wanted: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        kinds: tuple[type[Event], ...] = (*WANTED, *self.also)
        self._wanted = frozenset(kind.KIND for kind in kinds)

    def run(self, each_frame: Callable[[int], None]) -> None:
        """Plays the whole window; `each_frame(time_ns)` is called after every frame."""
        prices, bounds = self._price_stream()
        scheduled = self._schedule()
        at = 0
        start, end = self.scenario.start_ns, self.scenario.end_ns
        for frame, time_ns in enumerate(range(start + FRAME_NS, end + 1, FRAME_NS)):
            parts = [self._clock(time_ns - FRAME_NS, time_ns)]
            while at < len(scheduled) and scheduled[at][0] <= time_ns:
                parts.append(encode(scheduled[at][1], actor=KEEPER, time_ns=time_ns))
                at += 1
            parts.append(prices[bounds[frame] * PRICE_BYTES : bounds[frame + 1] * PRICE_BYTES])
            self.market.time_ns = time_ns
            for person in self.participants:
                parts += [
                    encode(c, account=person.account, actor=key_of(person.account), time_ns=time_ns)
                    for c in person.act(self.market)
                ]
            for desk in self.desks:
                parts += [encode(s.command, actor=s.actor, time_ns=time_ns) for s in desk.act(self.market)]
            parts.append(encode(AdvanceTime(), actor=KEEPER, time_ns=time_ns))
            self.take_in(self.venue.submit_stamped(b"".join(parts)))
            for other in self.beside:
                other.step(time_ns)
            for desk in self.desks:
                desk.after_frame(time_ns)
            each_frame(time_ns)

    def take_in(self, events: bytes) -> None:
        """Shows a frame's events to the market view, the sink and what runs beside."""
        self.counts.frames += 1
        for other in self.beside:
            other.hear(self.venue.sequence, events)
        for event in iter_events(events, self._wanted):
            self.market.see(event)
            self.sink(event)
        self.counts.events += count_messages(events)
        self.counts.commands = self.venue.sequence

    def _clock(self, after_ns: int, before_ns: int) -> bytes:
        """The clock's steps strictly between two instants."""
        first = after_ns - after_ns % self.advance_ns + self.advance_ns
        return b"".join(
            encode(AdvanceTime(), actor=KEEPER, time_ns=t) for t in range(first, before_ns, self.advance_ns)
        )

    def _price_stream(self) -> tuple[bytes, list[int]]:
        """All prices as commands, stamped with the frame they arrive in, and where each frame begins."""
        ticks = self.scenario.ticks
        start = self.scenario.start_ns
        frames = -(-(ticks["time_ns"] - start) // FRAME_NS)
        numbers = np.array(
            [self.listing.underlying[name] for name in self.scenario.underlyings], dtype=np.uint32
        )
        stream = post_prices(
            numbers[ticks["underlying"]],
            ticks["source"] + 1,
            ticks["price_e6"],
            ticks["time_ns"],
            time_ns=start + np.maximum(frames, 1) * FRAME_NS,
            actor=KEEPER,
            confidence_ppm=1_000_000,
            price_kind=self._kinds()[ticks["underlying"]],
            size=TICK_MICRO_USD,
        )
        count = (self.scenario.end_ns - start) // FRAME_NS
        edges = np.searchsorted(np.maximum(frames, 1), np.arange(1, count + 2), side="left")
        return stream, [0, *edges[1:].tolist()]

    def _kinds(self) -> NDArray[np.uint8]:
        """What a tick of each name is: an issuer's value, or a quote."""
        nav = [self.listing.terms[name].price_class == PriceClass.NAV for name in self.scenario.underlyings]
        return np.where(nav, int(PriceKind.ISSUER), int(PriceKind.QUOTE)).astype(np.uint8)

    def _schedule(self) -> list[tuple[int, Command]]:
        """Sessions, and the liquidity each name begins a regular session with, in time order."""
        due: list[tuple[int, Command]] = []
        for name, changes in self.scenario.sessions.items():
            number = self.listing.underlying[name]
            for change in changes[1:]:
                due += [
                    (change.time_ns, c)
                    for c in self._before_open(name, number, change.time_ns, int(change.session))
                ]
                due.append((change.time_ns, change.command(number)))
        due.sort(key=lambda item: item[0])
        return due

    def _before_open(self, name: str, number: int, time_ns: int, session: int) -> list[Command]:
        """Yesterday's consolidated volume is known before today's open."""
        today = np.datetime64(time_ns, "ns").astype("datetime64[D]").astype(object)
        known = [usd for day, usd in self.scenario.daily_volume_usd[name] if day < today]
        if session != 2 or not known:
            return []
        terms = self.listing.terms[name]
        return [
            PostLiquidity(
                underlying=number,
                spot_volume=known[-1] * 1_000_000,
                sigma_ppm=self.scenario.daily_sigma_ppm.get(name, terms.sigma_ppm),
                half_spread_ppm=terms.half_spread_ppm,
            )
        ]


def count_messages(buffer: bytes) -> int:
    """Messages in a buffer."""
    view, at, count = memoryview(buffer), 0, 0
    while at < len(view):
        at += int.from_bytes(view[at : at + 4], "little")
        count += 1
    return count

"""Whether a feed is alive: its state, the age of each symbol, what is counted, and how long to wait before the next try.

Responsible for: values that a metrics endpoint reads and alarms that begin and end once. Never: connects, or decides what a stale price
means for anyone: the engine flags a source after 5 s and drops it after 30 s by the listing; these alarms say so to people beforehand.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from novate.calendar import SECOND_NS

FLAG_NS: Final = 5 * SECOND_NS
DROP_NS: Final = 30 * SECOND_NS


class FeedState(StrEnum):
    """Where a feed is."""

    CONNECTING = "connecting"
    """Not subscribed yet, or not again."""
    LIVE = "live"
    """Subscribed, and every symbol that should speak did within 30 s."""
    STALE = "stale"
    """Subscribed, and a symbol that should speak is silent for 30 s and more."""
    DOWN = "down"
    """Cut off; the next try waits for the back-off."""
    REFUSED = "refused"
    """The vendor does not take the key or the subscription."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A symbol is late (5 s) or stale (30 s), or a feed is not connected; or that is over."""

    feed: str
    symbol: str
    """Empty for the feed as a whole."""
    kind: str
    """`late`, `stale`, or `down`."""
    raised: bool
    """False when it is over."""
    age_ns: int
    """Since the last price, or since the feed was last connected."""


def _always(_symbol: str, _now_ns: int) -> bool:
    return True


@dataclass(slots=True)
class FeedHealth:
    """The health of one feed. All times are the clock's of whoever calls, nanoseconds UTC.

    `expects` says whether a symbol should speak at a time: a stock is silent at night, and that is no alarm.
    """

    feed: str
    symbols: Iterable[str]
    began_ns: int
    expects: Callable[[str, int], bool] = _always
    counts: Counter[str] = field(default_factory=Counter)
    """connects, frames, observations, prices, and each kind of garbage."""
    last_error: str = ""
    last_frame_ns: int = 0
    _phase: FeedState = FeedState.CONNECTING
    _last_price_ns: dict[str, int] = field(default_factory=dict)
    _speaking_since_ns: dict[str, int] = field(default_factory=dict)
    _raised: set[tuple[str, str]] = field(default_factory=set)
    _cut_ns: int = 0

    def __post_init__(self) -> None:
        self.symbols = tuple(self.symbols)
        self._cut_ns = self.began_ns
        self._speaking_since_ns = dict.fromkeys(self.symbols, self.began_ns)

    def connecting(self) -> None:
        """A try begins."""
        if self._phase is not FeedState.DOWN:
            self._phase = FeedState.CONNECTING

    def ready(self) -> None:
        """Subscribed."""
        self._phase = FeedState.LIVE
        self.counts["connects"] += 1

    def cut(self, now_ns: int, why: str, *, refused: bool = False) -> None:
        """The connection is over, or never was."""
        if self._phase is FeedState.LIVE:
            self._cut_ns = now_ns
        self._phase = FeedState.REFUSED if refused else FeedState.DOWN
        self.last_error = why
        self.counts["cuts"] += 1

    def frame(self, now_ns: int) -> None:
        """Anything came."""
        self.last_frame_ns = now_ns
        self.counts["frames"] += 1

    def price(self, symbol: str, now_ns: int) -> None:
        """A price was taken."""
        self._last_price_ns[symbol] = now_ns
        self.counts["prices"] += 1

    def age_ns(self, symbol: str, now_ns: int) -> int:
        """How long a symbol has been silent while it should speak; 0 while it need not."""
        if not self.expects(symbol, now_ns):
            self._speaking_since_ns.pop(symbol, None)
            return 0
        since = self._speaking_since_ns.setdefault(symbol, now_ns)
        return max(now_ns - max(since, self._last_price_ns.get(symbol, 0)), 0)

    def state(self, now_ns: int) -> FeedState:
        """Where the feed is."""
        if self._phase is not FeedState.LIVE:
            return self._phase
        oldest = max((self.age_ns(symbol, now_ns) for symbol in self.symbols), default=0)
        return FeedState.STALE if oldest >= DROP_NS else FeedState.LIVE

    def alarms(self, now_ns: int) -> list[Alarm]:
        """What began or ended since the last call, each once."""
        changes: list[Alarm] = []
        for symbol in self.symbols:
            age = self.age_ns(symbol, now_ns)
            for kind, bound in (("late", FLAG_NS), ("stale", DROP_NS)):
                self._turn(changes, symbol, kind, age, raised=age >= bound)
        down = self._phase is not FeedState.LIVE
        since = now_ns - self._cut_ns if down else 0
        self._turn(changes, "", "down", since, raised=down and since >= FLAG_NS)
        return changes

    def _turn(self, changes: list[Alarm], symbol: str, kind: str, age_ns: int, *, raised: bool) -> None:
        key = (symbol, kind)
        if raised is not (key in self._raised):
            (self._raised.add if raised else self._raised.discard)(key)
            changes.append(Alarm(self.feed, symbol, kind, raised, age_ns))

    def values(self, now_ns: int) -> dict[str, Any]:
        """Everything as one JSON-ready object, ages in milliseconds; None for a symbol that never spoke."""
        return {
            "feed": self.feed,
            "state": self.state(now_ns).value,
            "last_error": self.last_error,
            "last_message_age_ms": (now_ns - self.last_frame_ns) // 10**6 if self.last_frame_ns else None,
            "symbols": {
                symbol: (now_ns - self._last_price_ns[symbol]) // 10**6
                if symbol in self._last_price_ns
                else None
                for symbol in self.symbols
            },
            "alarms": sorted(f"{kind} {symbol}".strip() for symbol, kind in self._raised),
            "counts": dict(sorted(self.counts.items())),
        }


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next try: doubling, bounded, and half of it by chance, so that many do not return at once."""

    least_s: float = 0.5
    most_s: float = 30.0
    chance: random.Random = field(default_factory=random.SystemRandom)
    _tries: int = 0

    def next_s(self) -> float:
        """Seconds to wait now."""
        full = min(self.least_s * 2.0**self._tries, self.most_s)
        self._tries = min(self._tries + 1, 60)
        return full * (0.5 + self.chance.random() / 2)

    def reset(self) -> None:
        """It works again."""
        self._tries = 0

"""What the primary market shows of one symbol: quotes of a tape, less what was taken from them.

Responsible for: the levels of both sides, taking from them, and what a purchase or sale leaves behind (the impact). Never: knows an order, an
account or a session.

The model, because a recorded market can't react. A quote is a slot: one exchange's best on one side, or one level of a modelled book.
1. What is taken from a slot is gone until the tape changes that slot.
2. `impact` (in parts of 1000) times what was taken stays away from the front of that side and comes back by half in every `half_life`. It
   takes the best levels away, so the price moves. What 1 still holds back counts in it. 0: the next quote heals everything.
The other side does not move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from novate.broker.checks import SHARE
from novate.broker.port import Level
from novate.errors import ConfigError

WHOLE: Final = 1000
SECOND_NS: Final = 1_000_000_000
CENT: Final = 10_000_000
"""In 1e-9 dollars."""


@dataclass(frozen=True, slots=True)
class Impact:
    """How the market answers to what is taken: `parts` of 1000 of it stay away, half of that after `half_life_ns`."""

    parts: int = WHOLE
    half_life_ns: int = 60 * SECOND_NS

    def __post_init__(self) -> None:
        if not 0 <= self.parts <= 10 * WHOLE:
            raise ConfigError(f"impact.parts must be 0 to {10 * WHOLE}, got {self.parts}")
        if self.half_life_ns <= 0:
            raise ConfigError(f"impact.half_life_ns must be above 0, got {self.half_life_ns}")


@dataclass(frozen=True, slots=True)
class Best:
    """How a tape is read that tells only of who makes the national best.

    Attributes:
        kept_ns: How long a slot behind the best is held to be as it was last seen; not at all where levels are modelled.
        behind: Modelled levels behind the best, in the last slots: a cent apart, drawn anew when the best moves.
        behind_parts: Size of each, in 1000 of what the best usually showed (its mean, the last 64 rows weighing most).
    """

    kept_ns: int = 1_800 * SECOND_NS
    behind: int = 0
    behind_parts: int = WHOLE


@dataclass(slots=True)
class Shown:
    """One side: per slot its price, size, what was taken since the tape changed it, and when it did. Size 0: nothing is quoted."""

    bids: bool
    prices: list[int]
    sizes: list[int]
    taken: list[int]
    changed_ns: list[int]
    away: int = 0
    away_ns: int = 0
    front: int = 0
    """The national best as a tape of it told last; 0 where the tape tells of every slot."""
    front_size: int = 0
    told: int = 0
    """With a front: slots that the tape tells of; those behind them are modelled."""
    usual: int = 0
    """What the front usually showed."""
    kept_ns: int = 0
    """With a front: how long a slot behind it is held to be as it was last seen."""

    @classmethod
    def empty(cls, slots: int, *, bids: bool) -> Shown:
        """A side on which nothing is quoted."""
        return cls(bids, [0] * slots, [0] * slots, [0] * slots, [0] * slots)

    def quote(self, slot: int, price: int, size: int, time_ns: int) -> None:
        """The tape's next quote of a slot."""
        self.prices[slot], self.sizes[slot], self.taken[slot], self.changed_ns[slot] = price, size, 0, time_ns

    def tell_best(self, slot: int, price: int, size: int, time_ns: int, best: Best) -> None:
        """The tape's next national best. What was better is gone: nobody would tell of it any more."""
        self.usual = self.usual + (size - self.usual) // 64 if self.front else size
        if price != self.front:
            for other, known in enumerate(self.prices):
                if known > price if self.bids else known < price:
                    self.sizes[other] = self.taken[other] = 0
            self._model(price, time_ns, best)
        self.front, self.front_size, self.told = price, size, len(self.sizes) - best.behind
        self.kept_ns = -1 if best.behind else best.kept_ns
        self.quote(slot, price, size, time_ns)

    def _model(self, price: int, time_ns: int, best: Best) -> None:
        first = len(self.sizes) - best.behind
        size = self.usual * best.behind_parts // WHOLE // SHARE * SHARE
        for place in range(best.behind):
            behind = price + (place + 1) * (-CENT if self.bids else CENT)
            self.quote(first + place, behind, size if behind > 0 else 0, time_ns)

    def left(self, slot: int, now_ns: int) -> int:
        """What a slot has left. With a front nobody at its price has more than it, and behind it only what was seen lately counts."""
        size = self.sizes[slot]
        if self.front and size:
            if self.prices[slot] == self.front:
                size = min(size, self.front_size)
            elif slot < self.told and now_ns - self.changed_ns[slot] > self.kept_ns:
                size = 0
        return max(size - self.taken[slot], 0)

    def open_slots(self, now_ns: int) -> list[int]:
        """Slots with something left, best price first, equal ones by number."""
        sign = -1 if self.bids else 1
        return sorted(
            (slot for slot in range(len(self.sizes)) if self.left(slot, now_ns)),
            key=lambda slot: (sign * self.prices[slot], slot),
        )

    def clear(self) -> None:
        """Nothing is quoted any more; what stays away does."""
        self.sizes, self.taken = [0] * len(self.sizes), [0] * len(self.taken)
        self.front = self.front_size = self.usual = 0

    def away_at(self, now_ns: int, half_life_ns: int) -> int:
        """What stays away at a moment; between two halvings it falls along a line."""
        halvings, rest = divmod(max(now_ns - self.away_ns, 0), half_life_ns)
        if halvings >= 63:
            return 0
        left = self.away >> halvings
        return left - left * rest // (2 * half_life_ns)


@dataclass(slots=True)
class Displayed:
    """Both sides of one symbol."""

    impact: Impact
    bids: Shown
    asks: Shown
    changed_ns: int = 0

    @classmethod
    def empty(cls, slots: int, impact: Impact) -> Displayed:
        """A market that shows nothing yet."""
        return cls(impact, Shown.empty(slots, bids=True), Shown.empty(slots, bids=False))

    def levels(self, side: Shown, now_ns: int) -> list[tuple[int, int, list[tuple[int, int]]]]:
        """(price, shares, [(slot, shares)]), best first: what can be taken now."""
        slots = self._uncrossed(side, now_ns)
        hidden = side.away_at(now_ns, self.impact.half_life_ns) - sum(side.taken)
        levels: list[tuple[int, int, list[tuple[int, int]]]] = []
        for slot in slots:
            left = side.left(slot, now_ns)
            if hidden > 0:
                gone = min(hidden, left)
                hidden, left = hidden - gone, left - gone
            if left <= 0:
                continue
            price = side.prices[slot]
            if levels and levels[-1][0] == price:
                levels[-1][2].append((slot, left))
                levels[-1] = (price, levels[-1][1] + left, levels[-1][2])
            else:
                levels.append((price, left, [(slot, left)]))
        return levels

    def book(self, *, bids: bool, now_ns: int) -> tuple[Level, ...]:
        """One side as it is told."""
        side = self.bids if bids else self.asks
        return tuple(Level(price, shares) for price, shares, _ in self.levels(side, now_ns))

    def take(self, side: Shown, parts: list[tuple[int, int]], shares: int, now_ns: int) -> None:
        """Takes shares of one level from its slots, in their order."""
        left = shares
        for slot, there in parts:
            some = min(left, there)
            side.taken[slot] += some
            left -= some
            if not left:
                break
        away = side.away_at(now_ns, self.impact.half_life_ns)
        side.away, side.away_ns = away + shares * self.impact.parts // WHOLE, now_ns

    def _uncrossed(self, side: Shown, now_ns: int) -> list[int]:
        """A side's slots without those that an equal or newer quote of the other side crosses: a stale quote is not there to be hit."""
        other = self.asks if side.bids else self.bids
        own, others = side.open_slots(now_ns), other.open_slots(now_ns)
        sign = -1 if side.bids else 1
        while own and others and sign * (side.prices[own[0]] - other.prices[others[0]]) < 0:
            if side.changed_ns[own[0]] <= other.changed_ns[others[0]]:
                own.pop(0)
            else:
                others.pop(0)
        return own

"""From raw prices to an index and its quality, in plain Python: a list of what was said, and the rules read from the page.

Responsible for: restating docs/concepts/prices.md for one continuous underlying (sources, origins, age, median, quorum, jumps, closed
hours, reopening, halts, restarts, witnesses, the stable and the slower price, the gate) so that the engine can be compared with it.
Knows no cancelled prints, corporate actions or values signed by an issuer. Never imports the engine. The drift is computed with
sixty digits, so it may differ from the engine's fixed point by a unit.
"""

from dataclasses import dataclass, field
from decimal import Decimal, localcontext

M = 1_000_000
LIVE, DEGRADED, SUSPECT, STALE, CLOSED, HALTED = range(6)
SESSION_CLOSED, PRE, REGULAR, POST, OVERNIGHT, SESSION_HALTED = range(6)
QUOTE, TRADE = 0, 1
GATE = {
    LIVE: "YYYYYYYY", DEGRADED: "YYYNSYNY", SUSPECT: "YYNNSNNN", STALE: "NYNNNNNN", CLOSED: "YYYYBYQQ", HALTED: "NYNNNNNN",
}  # fmt: skip
"""Open, reduce, withdraw, borrow, liquidate, fund, mint, redeem."""
BLENDING = (2, 3, 4, 6)
"""What a blend forbids besides: withdraw, borrow, liquidate, mint."""
BUCKETS = 30


def nearest(dividend: int, divisor: int) -> int:
    """Halves up."""
    return (2 * dividend + divisor) // (2 * divisor)


@dataclass(frozen=True)
class Terms:
    """The parameters, as listed. Times in nanoseconds, rates in ppm."""

    quorum: int
    deviation: int
    jump: int
    price_min: int
    price_max: int
    min_size: int
    drop_after: int
    window: int
    agreement: int
    confirm_after: int
    confirm_quotes: int
    venues_while_closed: int
    long_closure: int
    reopening: int
    blend: int
    bound: int
    re_anchors: int
    re_anchor_at: int
    drift: int


@dataclass(frozen=True)
class Said:
    """What a source said last."""

    source: int
    origin: int
    price: int
    confidence: int
    time: int
    holds: bool


@dataclass
class Jump:
    """Beyond the limit since when, which way, and how often each holder has confirmed it."""

    up: bool
    since: int
    holders: dict[int, list[int]] = field(default_factory=dict)
    """By source: times of its advancing quotes."""


@dataclass
class Drift:
    """A closure's way: exact index, middle of the bounds, re-anchors up and down."""

    index: Decimal
    reference: int
    time: int
    up: int = 0
    down: int = 0


class Price:
    """One underlying. `sources` gives each id its origin and whether it trades while the primary market is closed."""

    def __init__(self, terms: Terms, sources: dict[int, tuple[int, bool]]) -> None:
        self.terms, self.sources = terms, sources
        self.said: dict[int, Said] = {}
        self.last_time: dict[int, int] = {}
        self.index = self.last_external = self.current = 0
        self.quality, self.fresh, self.confidence = STALE, 0, M
        self.waiting = True
        """No quorum yet, or none since a restart."""
        self.jump: Jump | None = None
        self.closed_since: int | None = None
        self.opened: int | None = None
        self.drift: Drift | None = None
        self.blend: tuple[int, int] | None = None
        """Index and time at which it began."""
        self.path: list[tuple[int, int]] = []
        """Since when which index held, as far back as the stable price looks."""
        self.began = 0
        self.stable = 0
        self.used: list[Said] = []
        self.witnessed_index, self.witnessed = 0, False
        self.off_since: int | None = None

    # --- what comes in ---

    def post(self, said: Said, size: int, now: int) -> str | None:
        """A source's price; the rule it breaks, or None."""
        if said.source not in self.sources:
            return "source_must_exist"
        if not max(self.terms.price_min, 1) <= said.price <= self.terms.price_max:
            return "price_must_be_positive_and_plausible"
        if said.time > now:
            return "price_must_not_be_from_the_future"
        if said.time < self.last_time.get(said.source, said.time):
            return "price_time_must_not_run_backwards"
        if said.confidence > M:
            return "confidence_must_be_a_fraction"
        if size >= self.terms.min_size:
            self.said[said.source] = said
            self.last_time[said.source] = said.time
        return None

    def restart(self) -> None:
        """Nothing counts until it is said again."""
        self.said.clear()
        self.waiting, self.jump, self.quality, self.current = True, None, STALE, 0

    def drift_towards(self, impact: int | None, now: int) -> None:
        """Time passes in a closed market; `impact` is the middle of its book."""
        if self.quality != CLOSED or not self.index:
            return
        if self.drift is None:
            self.drift = Drift(Decimal(self.index), self.index, self.closed_since or now)
        drift, terms = self.drift, self.terms
        elapsed, drift.time = now - drift.time, now
        if impact is not None and terms.bound:
            low, high = self.bounds(drift.reference)
            target = min(max(impact, low), high)
            with localcontext() as context:
                context.prec = 60
                left = (Decimal(-elapsed) / Decimal(terms.drift)).exp()
                drift.index = target + (drift.index - target) * left
            self.re_anchor(drift, low, high)
        self.index = nearest(int(drift.index * M), M)

    def re_anchor(self, drift: Drift, low: int, high: int) -> None:
        """Near a bound the reference moves to it."""
        at, gone = self.terms.re_anchor_at, nearest(int(drift.index * M), M) - drift.reference
        if (
            high > drift.reference
            and gone * M >= (high - drift.reference) * at
            and drift.up < self.terms.re_anchors
        ):
            drift.reference, drift.up = high, drift.up + 1
        elif (
            low < drift.reference
            and -gone * M >= (drift.reference - low) * at
            and drift.down < self.terms.re_anchors
        ):
            drift.reference, drift.down = low, drift.down + 1

    def bounds(self, reference: int) -> tuple[int, int]:
        """Around a reference, rounded inwards."""
        return -(-reference * (M - self.terms.bound) // M), reference * (M + self.terms.bound) // M

    # --- the judgement ---

    def refresh(self, session: int, now: int) -> None:
        """After every accepted price, step of time and change of session."""
        closed = session == SESSION_CLOSED
        young = [s for s in self.said.values() if now - s.time <= self.terms.drop_after]
        fresh = self.one_per_origin([s for s in young if not closed or self.sources[s.source][1]])
        self.fresh = len(fresh)
        price, self.used, agreed = self.consensus(fresh)
        self.current = price
        self.follow_reopening(session, now)
        if session == SESSION_HALTED:
            self.jump, self.quality = None, HALTED
        elif closed and (self.waiting or len(fresh) < self.terms.venues_while_closed):
            self.quality = self.judge_closed(now)
        else:
            self.quality = self.judge_open(price, agreed, session, now)
        self.judge_witnesses(now)
        self.confidence = min((s.confidence for s in self.used), default=M)
        if self.path and self.path[-1][1] != self.index:
            self.path.append((now, self.index))
        self.stable = self.mean(now) if self.path else self.index

    def one_per_origin(self, said: list[Said]) -> list[Said]:
        """Of one origin its latest; of equals the lowest source. Ascending by price."""
        kept: dict[tuple[int, int], Said] = {}
        for one in sorted(said, key=lambda s: s.source):
            key = (one.origin, 0 if one.origin else one.source)
            if key not in kept or kept[key].time < one.time:
                kept[key] = one
        return sorted(kept.values(), key=lambda s: (s.price, s.source))

    def consensus(self, fresh: list[Said]) -> tuple[int, list[Said], bool]:
        """Median, those that count, and whether they agree; the median no longer depends on the last index."""
        near, found = self.last_external, self.agree(fresh, self.last_external)
        for _ in range(16):
            if found[0] == near:
                break
            near = found[0]
            found = self.agree(fresh, near)
        return found

    def agree(self, fresh: list[Said], near: int) -> tuple[int, list[Said], bool]:
        """The median nearest to `near`; of three or more, without those too far from a first median."""
        if not fresh:
            return 0, [], False
        used = fresh
        if len(fresh) >= 3:
            first = median([s.price for s in fresh], near)
            used = [s for s in fresh if within(s.price, first, self.terms.deviation)]
        prices = [s.price for s in used]
        price = median(prices, near)
        both = (prices[(len(prices) - 1) // 2], prices[len(prices) // 2])
        agreed = 2 * len(used) > len(fresh) and all(within(p, price, self.terms.agreement) for p in both)
        return price, used, agreed

    def judge_open(self, price: int, agreed: bool, session: int, now: int) -> int:
        """Live, or why not."""
        doubt = (
            STALE
            if not self.used
            else SUSPECT
            if not agreed
            else DEGRADED
            if len(self.used) < self.terms.quorum
            else None
        )
        if doubt is not None:
            self.jump = None
            return STALE if self.waiting else doubt
        self.waiting = False
        if self.too_early(session, now):
            self.jump = None
            return SUSPECT
        if self.index and not self.confirmed(price, now):
            return SUSPECT
        if self.index and self.opened is not None and session in (PRE, REGULAR) and self.terms.blend:
            start, since = self.blend = self.blend or (self.index, now)
            elapsed = min(max(now - since, 0), self.terms.blend)
            self.index = start + nearest((price - start) * elapsed, self.terms.blend)
            self.jump = None
        else:
            self.confirm(price, now)
        return LIVE

    def judge_closed(self, now: int) -> int:
        """The last external price stands; a first one, or a restart, needs a quorum that agrees, however old."""
        self.jump = None
        if self.waiting:
            price, used, agreed = self.agree(
                self.one_per_origin(list(self.said.values())), self.last_external
            )
            known = not self.last_external or within(price, self.last_external, self.terms.agreement)
            if not (used and agreed and known and len(used) >= self.terms.quorum):
                return STALE
            self.waiting = False
            if not self.index:
                self.confirm(price, now)
        if self.closed_since is None:
            self.closed_since = now
        if self.drift and self.quality != CLOSED:
            self.drift.time = now
        return CLOSED

    def confirmed(self, price: int, now: int) -> bool:
        """No jump, a second independent source, or patience."""
        terms = self.terms
        if within(price, self.index, terms.jump) or within(price, self.last_external, terms.jump):
            return True
        if sum(within(s.price, price, terms.agreement) for s in self.used) >= 2:
            return True
        up = price > self.index
        if self.jump is None or self.jump.up != up:
            self.jump = Jump(up, now)
        beyond = {
            s.source: s.time
            for s in self.used
            if s.holds and (s.price > self.index) == up and not within(s.price, self.index, terms.jump)
        }
        holders = {source: times for source, times in self.jump.holders.items() if source in beyond}
        for source, time in beyond.items():
            times = holders.setdefault(source, [])
            if not times or time > times[-1]:
                times.append(time)
        self.jump.holders = holders
        patient = sum(len(times) >= terms.confirm_quotes for times in holders.values())
        return now - self.jump.since >= terms.confirm_after and patient >= min(terms.quorum, 2)

    def confirm(self, price: int, now: int) -> None:
        """The outside says so."""
        self.index = self.last_external = price
        self.jump = self.closed_since = self.opened = self.blend = self.drift = None
        if not self.path:
            self.path, self.began = [(now, price)], now

    def follow_reopening(self, session: int, now: int) -> None:
        """Into a closure, out of it, to the end of a blend."""
        if self.closed_since is None:
            return
        if session == SESSION_CLOSED:
            self.opened = self.blend = None
        elif session == SESSION_HALTED:
            self.blend = None
        elif self.opened is None:
            self.opened = now
        if self.blend and now - self.blend[1] >= self.terms.blend:
            self.closed_since = self.opened = self.blend = self.drift = None

    def too_early(self, session: int, now: int) -> bool:
        """A long closure has just ended in overnight trading."""
        if session != OVERNIGHT or self.closed_since is None or self.opened is None:
            return False
        return (
            self.opened - self.closed_since > self.terms.long_closure
            and now - self.opened < self.terms.reopening
        )

    def judge_witnesses(self, now: int) -> None:
        """Whether two sources agree with the price confirmed before they moved it, or their move has stood."""
        if self.quality != LIVE:
            self.witnessed = False
            return
        if (
            not self.witnessed_index
            or len(self.used) >= 3
            or self.agreeing(self.witnessed_index) >= 2
            or (self.off_since is not None and now - self.off_since >= self.terms.confirm_after)
        ):
            self.witnessed_index = self.index
        if self.witnessed_index == self.index:
            self.off_since = None
        elif self.off_since is None:
            self.off_since = now
        self.witnessed = self.agreeing(self.witnessed_index) >= 2

    def agreeing(self, price: int) -> int:
        """How many of those that count are near a price."""
        return sum(within(s.price, price, self.terms.agreement) for s in self.used)

    # --- what is read ---

    def mean(self, now: int) -> int:
        """Time-weighted over thirty whole buckets of the grid and the running one; the index before any time has passed."""
        step = max(self.terms.window // BUCKETS, 1)
        start = max((now // step - BUCKETS) * step, self.began)
        while len(self.path) > 1 and self.path[1][0] <= start:
            self.path.pop(0)
        ends = [time for time, _ in self.path[1:]] + [now]
        total = sum(
            price * max(0, end - max(time, start)) for (time, price), end in zip(self.path, ends, strict=True)
        )
        return nearest(total, now - start) if now > start else self.index

    def initial(self) -> tuple[int, int]:
        """Prices of a long and of a short at initial."""
        prices = [self.index, self.stable, self.last_external]
        if self.blend and self.current:
            prices.append(self.current)
        return min(prices), max(prices)

    def slower(self) -> tuple[int, int]:
        """Of a long and of a short: the better of confirmed and stable price."""
        return max(self.last_external, self.stable), min(self.last_external, self.stable)

    def uses_slower(self) -> bool:
        """Whether a liquidation must look at the slower price."""
        if self.quality == LIVE:
            return len(self.used) < 3 and not self.witnessed
        return self.quality != CLOSED

    def cells(self) -> str:
        """The gate's row; a blend forbids more."""
        row = GATE[self.quality]
        return "".join("N" if self.blend and at in BLENDING else cell for at, cell in enumerate(row))


def within(price: int, base: int, ppm: int) -> bool:
    """Whether a price lies within a rate of a base."""
    return abs(price - base) * M <= base * ppm


def median(prices: list[int], near: int) -> int:
    """Of ascending prices; of two middle ones the nearer to `near`, else the lower."""
    low, high = prices[(len(prices) - 1) // 2], prices[len(prices) // 2]
    return high if abs(high - near) < abs(low - near) else low

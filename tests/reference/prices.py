"""From raw prices to an index and its quality, in plain Python: a list of what was said, and the rules read from the page.

Responsible for: restating docs/concepts/prices.md for one underlying (sources, origins, age, median, quorum, jumps, closed hours,
reopening, halts, restarts, witnesses, prints taken back, the stable and the slower price, the gate; a value signed by its issuer) and the
prices' part of docs/concepts/corporate-actions.md, so that the engine can be compared with it. Never imports the engine. The drift is
computed with sixty digits, so it may differ from the engine's fixed point by a unit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from fractions import Fraction

M = 1_000_000
LIVE, DEGRADED, SUSPECT, STALE, CLOSED, HALTED = range(6)
SESSION_CLOSED, PRE, REGULAR, POST, OVERNIGHT, SESSION_HALTED = range(6)
QUOTE, TRADE, ISSUER_VALUE = 0, 1, 2
GATE = {
    LIVE: "YYYYYYYY", DEGRADED: "YYYNSYNY", SUSPECT: "YYNNSNNN", STALE: "NYNNNNNN", CLOSED: "YYYYBYQQ", HALTED: "NYNNNNNN",
}  # fmt: skip
"""Open, reduce, withdraw, borrow, liquidate, fund, mint, redeem."""
BLENDING = (2, 3, 4, 6)
"""What a blend forbids besides: withdraw, borrow, liquidate, mint."""
BUCKETS = 30
YEAR = 365 * 86_400 * 1_000_000_000
"""Nanoseconds of a year, the base of an accrual."""


def nearest(dividend: int | Fraction, divisor: int = 1) -> int:
    """Halves up."""
    return int((2 * dividend + divisor) // (2 * divisor))


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
    kept: int
    """Statements of a source that it may still take back."""
    nav: bool = False
    """One value, signed by the issuer."""
    accrual: int = 0
    """Growth of such a value, ppm a year."""
    max_age: int = 0
    """Age from which it is not fresh."""

    @property
    def fresh_for(self) -> int:
        """Age up to which a price counts."""
        return self.max_age if self.nav else self.drop_after


@dataclass(frozen=True)
class Said:
    """What a source said last."""

    source: int
    origin: int
    price: int
    confidence: int
    time: int
    kind: int


@dataclass
class Statement:
    """A print and those that followed within the sources' agreement of it: what a source takes back as one."""

    first: int
    """Price of the first print."""
    first_time: int
    """The venue's time of it .."""
    since: int
    """.. and the journal's."""
    last: Said
    before: int
    """Index before it .."""
    external: int
    """.. and last external price."""
    moved: bool = False
    """Whether the index came to rest on it."""


@dataclass(frozen=True)
class Guard:
    """A confirmed split whose other scale may be printed."""

    action: int
    ratio: Fraction
    """Shares after it for shares before it."""
    tolerance: int
    until: int


@dataclass(frozen=True)
class Action:
    """A confirmed corporate action: a split by a ratio, a distribution of so much a share, or the end at a price."""

    number: int
    start: int
    end: int
    split: Fraction | None = None
    amount: int = 0
    final: bool = False


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
        self.statements: dict[int, list[Statement]] = {source: [] for source in sorted(sources)}
        """By source, the oldest first; the last one is in force."""
        self.posted: set[int] = set()
        """Who has spoken since a restart."""
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
        self.path: list[tuple[int, int | Fraction]] = []
        """Since when which index held, as far back as the stable price looks."""
        self.began = 0
        self.stable = 0
        self.used: list[Said] = []
        self.witnessed_index, self.witnessed = 0, False
        self.off_since: int | None = None
        self.guards: list[Guard] = []
        self.actions: list[Action] = []
        """Confirmed, and neither taken nor missed."""
        self.taken: list[Action] = []
        self.ended = False

    # --- what comes in ---

    def post(self, said: Said, size: int, now: int) -> str | None:
        """A source's price; the rule it breaks, or None."""
        if said.source not in self.sources:
            return "source_must_exist"
        if not self.plausible(said.price):
            return "price_must_be_positive_and_plausible"
        if said.time > now:
            return "price_must_not_be_from_the_future"
        before = self.statements[said.source]
        if before and said.time < before[-1].last.time:
            return "price_time_must_not_run_backwards"
        if said.confidence > M:
            return "confidence_must_be_a_fraction"
        if (said.kind == ISSUER_VALUE) != self.terms.nav:
            return "price_kind_must_fit_its_class"
        if self.terms.nav or size >= self.terms.min_size:
            self.say(said, before, now)
        return None

    def plausible(self, price: int) -> bool:
        """Within the listed bounds."""
        return max(self.terms.price_min, 1) <= price <= self.terms.price_max

    def say(self, said: Said, before: list[Statement], now: int) -> None:
        """The statement in force goes on, or another begins."""
        self.posted.add(said.source)
        if before and within(said.price, before[-1].first, self.terms.agreement):
            before[-1].last = said
        else:
            before.append(Statement(said.price, said.time, now, said, self.index, self.last_external))
            del before[: -self.terms.kept]

    def restart(self) -> None:
        """Nothing counts until it is said again."""
        self.posted.clear()
        self.waiting, self.jump, self.quality, self.current = True, None, STALE, 0

    def take_back(self, source: int, time: int, corrected: int, now: int) -> str | None:
        """The statement with a print of this venue time goes, or gets another price; the rule that is broken, or None.

        Which of several statements of one time (the last), what began later, and that a correction keeps the statement's
        place are the engine's choices, in no rule.
        """
        if corrected and not self.plausible(corrected):
            return "price_must_be_positive_and_plausible"
        if source not in self.sources:
            return "source_must_exist"
        said, at = self.statements[source], self.holding(source, time)
        if at is None:
            return "print_must_be_known"
        gone = replace(said[at])
        in_force = at == len(said) - 1
        until = now if in_force else said[at + 1].since
        if corrected:
            said[at].first, said[at].last = corrected, replace(gone.last, price=corrected)
            said[at].moved = False
        else:
            del said[at]
            self.forget_patience(gone)
        if gone.moved and self.others_there(gone, until) < self.terms.quorum:
            self.undo(gone, in_force, until, now)
        return None

    def others_there(self, gone: Statement, until: int) -> int:
        """Origins of other sources that said the same when the statement ended."""

        def origin(source: int) -> tuple[bool, int]:
            return (False, self.sources[source][0]) if self.sources[source][0] else (True, source)

        there = set()
        for source, said in self.statements.items():
            for at, one in enumerate(said):
                ends = said[at + 1].since if at + 1 < len(said) else None
                overlaps = one.since <= until and (ends is None or ends >= until)
                if source != gone.last.source and overlaps and self.is_near(one.last.price, gone):
                    there.add(origin(source))
        return len(there - {origin(gone.last.source)})

    def holding(self, source: int, time: int) -> int | None:
        """Place of the last statement with a print of this venue time."""
        said = self.statements.get(source, [])
        return max((at for at, s in enumerate(said) if s.first_time <= time <= s.last.time), default=None)

    def forget_patience(self, gone: Statement) -> None:
        """What was taken back confirms no jump."""
        times = self.jump.holders.get(gone.last.source) if self.jump else None
        if times is not None:
            times[:] = [time for time in times if not gone.first_time <= time <= gone.last.time]

    def rests_on(self, statement: Statement) -> bool:
        """Whether the index does, and so goes back with it."""
        in_force = self.statements[statement.last.source][-1] is statement
        return statement.moved and in_force and self.is_near(self.index, statement)

    def is_near(self, price: int, statement: Statement) -> bool:
        """Within the sources' agreement of what was said last in it."""
        return within(price, statement.last.price, self.terms.agreement)

    def undo(self, gone: Statement, in_force: bool, until: int, now: int) -> None:
        """The index before it, in history and, if it still rests on it, now; also before what began later on it."""
        if gone.before:
            self.value_anew(gone.before, gone.since, until, now)
        for later in (s for said in self.statements.values() for s in said if s.since >= gone.since):
            if self.is_near(later.before, gone):
                later.before, later.external = gone.before, gone.external
        if gone.before and in_force and self.is_near(self.index, gone):
            self.index, self.last_external = gone.before, gone.external
            self.witnessed_index, self.off_since, self.jump = gone.external, None, None
            if self.drift:
                self.drift = Drift(Decimal(self.index), self.last_external, now)

    def value_anew(self, price: int, since: int, until: int, now: int) -> None:
        """Every minute of the stable price's grid that a span touches is valued at a price, as far as it has run."""
        step = max(self.terms.window // BUCKETS, 1)
        start = max(since // step * step, self.path[0][0])
        end = min((max(until - 1, since) // step + 1) * step, now)
        if start < end:
            then = [index for time, index in self.path if time <= end][-1]
            before = [held for held in self.path if held[0] < start]
            after = [held for held in self.path if held[0] > end]
            self.path = [*before, (start, price), (end, then), *after]

    # --- corporate actions ---

    def confirm_action(self, action: Action, tolerance: int = 0, guard: int = 0) -> None:
        """Its window is kept free; from now on prints of a split's other scale don't count."""
        self.actions.append(action)
        if action.split is not None:
            self.guards.append(Guard(action.number, action.split, tolerance, action.end + guard))

    def drop_action(self, action: Action) -> None:
        """It won't happen, or not then."""
        self.actions.remove(action)
        self.guards = [guard for guard in self.guards if guard.action != action.number]

    def halts(self, now: int) -> bool:
        """Halted in the window of an action, also once it is taken, and for good when the name has ended."""
        return self.ended or any(a.start <= now < a.end for a in (*self.actions, *self.taken))

    def is_other_scale(self, price: int, now: int) -> bool:
        """Near the index times or divided by the ratio of a split that is confirmed, and for a while after it."""
        return bool(self.index) and any(
            within(price, nearest(self.index * ratio), guard.tolerance)
            for guard in self.guards
            for ratio in (guard.ratio, 1 / guard.ratio)
            if now < guard.until
        )

    def act(self, now: int) -> Action | None:
        """Time has passed, and the prices are judged: the first action whose window is open is taken; older ones are missed."""
        for action in sorted(self.actions, key=lambda a: a.start):
            if action.start > now:
                break
            distributed = action.split is None and not action.final
            if action.end <= now or not self.index or (distributed and action.amount >= self.index):
                self.drop_action(action)
                continue
            self.actions.remove(action)
            self.taken.append(action)
            self.take(action, now)
            return action
        return None

    def take(self, action: Action, now: int) -> None:
        """Every price of the history moves at once: to nearest, never to zero."""
        if action.split is not None:
            by = 1 / action.split
            self.move(lambda price: price * by, now)
            low, high = (max(nearest(p * by), 1) for p in (self.terms.price_min, self.terms.price_max))
            self.terms = replace(self.terms, price_min=low, price_max=high)
        elif not action.final:
            self.move(lambda price: max(price - action.amount, 1), now)
        else:
            self.move(lambda _: action.amount, now)
            self.witnessed_index, self.off_since, self.ended = action.amount, None, True

    def move(self, change: Callable[[int | Fraction], int | Fraction], now: int) -> None:
        """Index, last external, stable and current price, statements, a drift, and the stable price's history."""

        def changed(price: int) -> int:
            return max(nearest(change(price)), 1) if price else 0

        for said in (s for statements in self.statements.values() for s in statements):
            said.first, said.before = changed(said.first), changed(said.before)
            said.external = changed(said.external)
            said.last = replace(said.last, price=changed(said.last.price))
        self.index, self.last_external = changed(self.index), changed(self.last_external)
        self.stable, self.current = changed(self.stable), changed(self.current)
        self.witnessed_index = changed(self.witnessed_index)
        if self.drift:
            self.drift.reference = changed(self.drift.reference)
            self.drift.index = Decimal(changed(nearest(int(self.drift.index * M), M)))
        self.path = [*((time, change(price)) for time, price in self.path), (now, self.index)]

    # --- closed hours ---

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
        closed = session == SESSION_CLOSED and not self.terms.nav
        before = self.index
        fresh = self.one_per_origin(
            [
                said
                for said in self.spoken(now)
                if now - said.time <= self.terms.fresh_for and (not closed or self.sources[said.source][1])
            ],
            now,
        )
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
        if self.index != before:
            self.remember_who_moved()
        if self.path and self.path[-1][1] != self.index:
            self.path.append((now, self.index))
        self.stable = self.mean(now) if self.path else self.index

    def remember_who_moved(self) -> None:
        """What sources say that have spoken since a restart and is near the new index, however old (the engine's choice)."""
        for statement in (self.statements[source][-1] for source in self.posted if self.statements[source]):
            if within(statement.last.price, self.index, self.terms.agreement):
                statement.moved = True

    def spoken(self, now: int) -> list[Said]:
        """What sources say, as if nothing where it is of a split's other scale."""
        said = [self.statements[source][-1].last for source in self.statements if self.says(source)]
        return [one for one in said if not self.is_other_scale(one.price, now)]

    def says(self, source: int) -> bool:
        """Whether it has spoken since a restart, and has not taken everything back."""
        return source in self.posted and bool(self.statements[source])

    def worth(self, said: Said, now: int) -> Said:
        """An issuer's value grows from its time on, rounded down, as long as it may be fresh."""
        if not self.terms.nav:
            return said
        age = min(max(now - said.time, 0), self.terms.max_age)
        return replace(said, price=said.price + said.price * self.terms.accrual * age // (M * YEAR))

    def one_per_origin(self, said: list[Said], now: int) -> list[Said]:
        """Of one origin its latest; of equals the lowest source. What they are worth now, ascending."""
        kept: dict[tuple[int, int], Said] = {}
        for one in sorted(said, key=lambda s: s.source):
            key = (one.origin, 0 if one.origin else one.source)
            if key not in kept or kept[key].time < one.time:
                kept[key] = self.worth(one, now)
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
            price, used, agreed = self.agree(self.one_per_origin(self.spoken(now), now), self.last_external)
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
            if s.kind != TRADE
            and (s.price > self.index) == up
            and not within(s.price, self.index, terms.jump)
        }
        holders = {source: times for source, times in self.jump.holders.items() if source in beyond}
        for source, time in beyond.items():
            times = holders.setdefault(source, [])
            if not times or time > times[-1]:
                times.append(time)
            del times[: -terms.confirm_quotes]
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

"""The engine's index and its quality equal the plain Python reference, after every command.

Random streams of quotes and trades from five sources (two of one origin, two that never close), near and far from each other, old,
small or refused; of prints taken back or corrected, steps of time, sessions, restarts, splits and distributions (confirmed, cancelled,
missed, taken) with prints of the other scale, and quotes in the venue's own book. Other streams are about a name whose value its issuer
signs. Index (to a unit once it has drifted), last external, stable and slower price, quality, gate, confidence, fresh sources, discovery
bounds and what each source is remembered for are compared, and what an account is judged at.

SEEDS streams of COMMANDS commands for each kind; NOVATE_LONG=1 runs twenty times as many.
"""

import os
import sys
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from random import Random

import msgspec
import pytest

from novate.messages import (
    AdvanceTime,
    CancelAll,
    CancelCorporateAction,
    CancelPrint,
    Command,
    CommandRefused,
    ConfirmCorporateAction,
    CorporateActionKind,
    ListSource,
    ListWithholding,
    OrderKind,
    PlaceOrder,
    PostPrice,
    ResumeVenue,
    ScheduleCorporateAction,
    SetSession,
    Side,
    TimeInForce,
    encode,
    iter_events,
    reports,
    rule,
)
from novate.messages.reports.prices import gates, sources
from reference.prices import (
    CLOSED,
    ISSUER_VALUE,
    LIVE,
    SESSION_CLOSED,
    SESSION_HALTED,
    STALE,
    SUSPECT,
    Action,
    Price,
    Said,
    Terms,
    nearest,
)
from venues import DOLLARS, PARAMETERS, PERP, PRICES, SECOND, SIZE, M, open_plain_venue, underlying

SEEDS = 6 * (20 if os.environ.get("NOVATE_LONG") else 1)
COMMANDS = 1_200
NAME, MARKET, MAKER, TICK = 3, 9, 1, 10_000
SOURCES = {1: (0, False), 2: (5, False), 3: (5, False), 4: (0, True), 5: (0, True)}
"""Origin, and whether it never closes."""
LISTED = msgspec.structs.replace(
    underlying(NAME, "X", DOLLARS), quorum=2, min_size=10**9, discovery_ppm=50_000, re_anchors=1
)
TERMS = Terms(
    quorum=LISTED.quorum, deviation=LISTED.deviation_ppm, jump=LISTED.jump_ppm, price_min=LISTED.price_min,
    price_max=LISTED.price_max, min_size=LISTED.min_size, drop_after=PARAMETERS.drop_after_ns, window=PARAMETERS.stable_window_ns,
    agreement=PARAMETERS.source_agreement_ppm, confirm_after=PARAMETERS.confirm_after_ns, confirm_quotes=PARAMETERS.confirm_quotes,
    venues_while_closed=PRICES.venues_while_closed, long_closure=PRICES.long_closure_ns, reopening=PRICES.reopening_ns,
    blend=PRICES.blend_ns, bound=LISTED.discovery_ppm, re_anchors=LISTED.re_anchors, re_anchor_at=PRICES.re_anchor_at_ppm,
    drift=PRICES.drift_ns, kept=PRICES.statements_kept,
)  # fmt: skip
DAY = 86_400
NAV = msgspec.structs.replace(
    LISTED, price_class=1, quorum=1, jump_ppm=20_000, accrual_ppm=250_000, max_age_ns=4 * DAY * SECOND, discovery_ppm=0,
)  # fmt: skip
NAV_TERMS = replace(
    TERMS,
    nav=True,
    quorum=1,
    jump=NAV.jump_ppm,
    accrual=NAV.accrual_ppm,
    max_age=NAV.max_age_ns,
    bound=0,
)
NAV_SOURCES = {1: (0, False)}
RATIOS = ((2, 1), (7, 1), (10, 1), (3, 2), (20, 3), (1, 2), (1, 10), (1, 7), (2, 3))
FIRST, SECOND_PERSON = 7, 8
seen: Counter[str] = Counter()


class Both:
    """The engine and the reference side by side."""

    def __init__(self, random: Random, quorum: int, *, nav: bool = False) -> None:
        self.random, self.session, self.truth = random, 2, DOLLARS * M
        self.venue = open_plain_venue({MAKER: 1})
        self.nav, self.sources = nav, NAV_SOURCES if nav else SOURCES
        self.venue.must(NAV if nav else msgspec.structs.replace(LISTED, quorum=quorum))
        for source, (origin, always_open) in self.sources.items():
            self.venue.must(
                ListSource(
                    underlying=NAME, source=source, name=f"S{source}", origin=origin, always_open=always_open
                )
            )
        self.venue.must(msgspec.structs.replace(PERP[0], market=MARKET, name="X-PERP", underlying=NAME))
        self.venue.must(ListWithholding(asset=0, market=MARKET, withholding_ppm=150_000))
        terms = NAV_TERMS if nav else replace(TERMS, quorum=quorum)
        self.price = Price(terms, self.sources)
        self.slack = 0
        """Price units that a drift may have left between the two."""
        self.split = Fraction(1)
        """Shares now for one when listed."""
        self.actions = 0
        self.enter(2)

    def send(self, command: Command, actor: int = 0) -> str | None:
        """The name of the rule that it breaks, or None."""
        stamped = encode(
            command, actor=actor, sequence=self.venue.engine.sequence + 1, time_ns=self.venue.time_ns
        )
        bodies = [event.body for event in iter_events(self.venue.engine.apply(stamped))]
        refused = [rule(body.code).name for body in bodies if isinstance(body, CommandRefused)]
        return refused[0] if refused else None

    def post(self, source: int, price: int, *, late: int = 0, size: int = SIZE, kind: int = 0) -> None:
        """One price."""
        random, now = self.random, self.venue.time_ns
        confidence = random.choice((M, M, M, random.randint(500_000, M)))
        command = PostPrice(
            underlying=NAME, source=source, price=price, venue_time_ns=now - late, size=size, price_kind=kind,
            confidence_ppm=confidence,
        )  # fmt: skip
        origin = self.sources[source][0] if source in self.sources else 0
        told = self.price.post(Said(source, origin, price, confidence, now - late, kind), size, now)
        assert self.send(command) == told, command
        small = size < self.price.terms.min_size and not self.nav
        seen[told or ("too small" if small else "prices")] += 1
        seen["prices of the other scale"] += told is None and self.price.is_other_scale(price, now)
        if told is None:
            self.refresh()
        self.compare()

    def take_back(self, source: int, time: int, corrected: int) -> None:
        """A source takes a print back, or corrects it."""
        command = CancelPrint(underlying=NAME, source=source, venue_time_ns=time, corrected=corrected)
        before, history = self.price.index, list(self.price.path)
        at = self.price.holding(source, time)
        since = max((action.start for action in self.price.taken), default=0)
        seen["taken back across an action"] += (
            at is not None and self.price.statements[source][at].since < since
        )
        told = self.price.take_back(source, time, corrected, self.venue.time_ns)
        assert self.send(command) == told, command
        seen[
            f"taking back: {told}" if told else "prints corrected" if corrected else "prints taken back"
        ] += 1
        seen["signed: prints taken back"] += self.nav and told is None
        seen["the index went back"] += told is None and self.price.index != before
        seen["history valued anew"] += told is None and self.price.path != history
        if told is None:
            self.refresh()
        self.compare()

    def refresh(self) -> None:
        """The reference judges its prices."""
        now = self.venue.time_ns
        self.price.refresh(SESSION_HALTED if self.price.halts(now) else self.session, now)

    def enter(self, session: int) -> None:
        """Another session."""
        self.session = session
        self.venue.must(SetSession(underlying=NAME, session=session, next_session=2, next_time_ns=0))
        self.refresh()
        self.compare()

    def advance(self, seconds: int) -> None:
        """Time passes."""
        self.venue.time_ns += seconds * SECOND
        index, actions = self.price.index, len(self.price.actions)
        self.price.drift_towards(self.impact(), self.venue.time_ns)
        self.refresh()
        seen["accrued"] += self.nav and self.price.index > index
        taken = self.price.act(self.venue.time_ns)
        self.venue.must(AdvanceTime())
        seen["actions missed"] += actions - len(self.price.actions) - (taken is not None)
        if taken is not None:
            self.follow(taken)
        self.compare()

    def follow(self, action: Action) -> None:
        """The outside goes ex too."""
        if action.split is not None:
            self.split *= action.split
            self.truth = max(nearest(self.truth / action.split), M)
            self.slack = int(-(-self.slack // action.split))
        elif not action.final:
            self.truth = max(self.truth - action.amount, M)
        seen[
            "splits" if action.split is not None else "names ended" if action.final else "distributions"
        ] += 1
        seen["acts while a drift waits"] += self.price.drift is not None

    def schedule(self, *, final: bool = False) -> None:
        """Two people agree on an action of the next minutes; sometimes they take that back."""
        random, index = self.random, self.price.index
        last = max((action.end for action in self.price.actions), default=0)
        start = max(self.venue.time_ns, last) + random.choice((1, 5, 20, 60)) * SECOND
        end = start + random.choice((10, 60, 120)) * SECOND
        kind: int = CorporateActionKind.MERGER
        ratio, amount = (0, 0), index + index // 50
        if not final:
            kind = random.choice((0, 0, 0, CorporateActionKind.CASH_DIVIDEND, CorporateActionKind.RIGHTS))
            # Less than every price of the stable price's history: what is floored there, minute by minute, is in no rule.
            lowest = int(min((price for _, price in self.price.path), default=index))
            amount = 0 if kind == CorporateActionKind.SPLIT else random.randint(1, max(lowest // 10, 1))
        if kind == CorporateActionKind.SPLIT:
            ratio = random.choice([r for r in RATIOS if (r[0] < r[1]) == (self.truth < 60 * M)])
        tolerance, guard = random.choice((5_000, 20_000, 50_000)), random.choice((0, 60, 600)) * SECOND
        if not amount and not ratio[0]:
            return
        self.actions += 1
        terms = ScheduleCorporateAction(
            action=self.actions, underlying=NAME, action_kind=kind, ratio_new=ratio[0], ratio_old=ratio[1], amount=amount,
            window_start_ns=start, window_end_ns=end, correct_until_ns=end, scale_tolerance_ppm=tolerance if ratio[0] else 0,
            guard_ns=guard if ratio[0] else 0,
        )  # fmt: skip
        if self.send(terms, FIRST) or self.send(ConfirmCorporateAction(action=self.actions), SECOND_PERSON):
            seen["actions refused"] += 1
            return
        split = Fraction(*ratio) if ratio[0] else None
        action = Action(self.actions, start, end, split, amount, final)
        self.price.confirm_action(action, tolerance, guard)
        seen["actions confirmed"] += 1
        self.compare()

    def stand_down(self) -> None:
        """A confirmed action won't happen."""
        if self.price.actions:
            action = self.random.choice(self.price.actions)
            assert self.send(CancelCorporateAction(action=action.number), FIRST) is None
            self.price.drop_action(action)
            seen["actions cancelled"] += 1
            self.compare()

    def impact(self) -> int | None:
        """The middle of the venue's own book; one level a side is deep enough."""
        book = reports.book(self.venue.engine, MARKET, 1)
        if not book.bids or not book.asks:
            return None
        bid, ask = (nearest(ticks * TICK / self.split) for ticks in (book.bids[0][0], book.asks[0][0]))
        return nearest(bid + ask, 2)

    def restart(self) -> None:
        """Nothing counts until it is said again."""
        self.venue.must(ResumeVenue())
        self.price.restart()
        self.refresh()
        self.compare()

    def quote(self) -> None:
        """A book around anything between ten percent below and above; or none."""
        self.venue.must(CancelAll(), MAKER)
        if self.random.random() < 0.2:
            return
        middle = int(self.price.last_external * self.random.randint(900, 1_100) * self.split // 1_000 // TICK)
        for side, price in ((Side.BID, middle - 20), (Side.ASK, middle + 20)):
            if price > 0:
                order = PlaceOrder(
                    market=MARKET,
                    side=side,
                    kind=OrderKind.LIMIT,
                    time_in_force=TimeInForce.GTC,
                    price=price,
                    lots=10**9 // price,
                )
                self.venue.send(order, MAKER)

    def compare(self) -> None:
        """Everything that a reader sees."""
        gate = next(g for g in gates(self.venue.engine) if g.underlying == NAME)
        line = next(u for u in reports.underlyings(self.venue.engine) if u.underlying == NAME)
        mine = self.price
        # What drifted, and every mean and blend after it, may be a unit off.
        self.slack = max(self.slack, mine.drift is not None)
        assert (gate.quality, gate.cells, gate.last_external, gate.current, gate.blending) == (
            mine.quality, mine.cells(), mine.last_external, mine.current, mine.blend is not None,
        )  # fmt: skip
        pairs = [(gate.index, mine.index), (gate.stable, mine.stable)]
        pairs += zip((line.long_price, line.short_price), mine.initial(), strict=True)
        pairs += zip((line.slower_long, line.slower_short), mine.slower(), strict=True)
        bounds = mine.bounds(mine.drift.reference) if mine.drift else (0, 0)
        pairs += zip((gate.low, gate.high), bounds, strict=True)
        assert all(abs(theirs - ours) <= self.slack for theirs, ours in pairs), pairs
        seen["compared"] += 1
        seen["off by a unit"] += any(theirs != ours for theirs, ours in pairs)
        assert (line.fresh_sources, line.confidence_ppm, line.uses_slower) == (
            mine.fresh,
            mine.confidence,
            mine.uses_slower(),
        )
        self.compare_sources()
        self.count()

    def compare_sources(self) -> None:
        """What each source says and is remembered for."""
        mine = self.price
        for told in sources(self.venue.engine, NAME):
            statements = mine.statements[told.source]
            last = statements[-1].last if statements else Said(told.source, 0, 0, M, 0, 0)
            assert (told.price, told.venue_time_ns, told.statements, told.posted) == (
                last.price, last.time, len(statements), told.source in mine.posted,
            )  # fmt: skip

    def count(self) -> None:
        """What the comparisons met."""
        mine, now = self.price, self.venue.time_ns
        seen[f"quality {mine.quality}"] += 1
        seen["blending"] += mine.blend is not None
        seen["adrift"] += mine.quality == CLOSED and mine.index != mine.last_external
        seen["re-anchored"] += mine.drift is not None and mine.drift.up + mine.drift.down > 0
        seen["a jump waits"] += mine.jump is not None
        seen["two sources without history"] += (
            mine.quality == LIVE and len(mine.used) == 2 and not mine.witnessed
        )
        seen["ignored by a guard"] += any(
            now - s.last.time <= mine.terms.fresh_for and mine.is_other_scale(s.last.price, now)
            for source, statements in mine.statements.items()
            if source in mine.posted
            for s in statements[-1:]
        )
        seen["in the window of an action"] += mine.halts(now)
        if self.nav:
            seen[f"signed: quality {mine.quality}"] += 1
            seen["signed: live though closed"] += self.session == SESSION_CLOSED and mine.quality == LIVE
            seen["signed: too old"] += mine.quality == STALE and not mine.waiting
            seen["signed: a jump waits"] += mine.quality == SUSPECT and mine.jump is not None


def step(both: Both) -> None:
    """One random command, or a few."""
    random, dice = both.random, both.random.random()
    if dice < 0.42:
        post_any(both)
    elif dice < 0.52:
        for source in SOURCES:
            both.post(source, both.truth + random.randint(-1_000, 1_000))
    elif dice < 0.56:
        move(both)
    elif dice < 0.74:
        both.advance(random.choice((1, 1, 2, 5, 10, 20, 31, 60, 600, 3_600)))
    elif dice < 0.79:
        both.enter(random.choice((0, 0, 1, 2, 2, 2, 3, 4, 4, 5)))
    elif dice < 0.8:
        # A long closure and the night after it.
        both.enter(0)
        both.advance(50_000)
        both.enter(4)
        for source in SOURCES:
            both.post(source, both.truth)
    elif dice < 0.82:
        both.restart()
    elif dice < 0.86:
        both.quote()
    elif dice < 0.89:
        # A lone source is patient, or two.
        for _ in range(5):
            for source in random.sample([1, 2, 4], k=random.choice((1, 2))):
                both.post(source, both.truth + both.truth * 12 // 100)
            both.advance(20)
    elif dice < 0.94:
        take_back_any(both)
    elif dice < 0.95:
        bust(both)
    elif dice < 0.965:
        both.schedule()
    elif dice < 0.975:
        both.stand_down()
    elif dice < 0.987:
        live_through(both)
    else:
        print_other_scale(both)


def post_any(both: Both) -> None:
    """A source says anything."""
    random = both.random
    if random.random() < 0.03:
        both.venue.time_ns += random.choice((1, 20)) * SECOND  # and nobody says so
    source = random.choice((1, 1, 2, 3, 4, 4, 5, 5, 9))
    off = random.choice(
        (
            0,
            0,
            0,
            random.randint(-3_000, 3_000),
            random.randint(-30_000, 30_000),
            random.choice((-500_000, 150_000, 6 * M)),
        )
    )
    price = both.truth + both.truth * off // M
    late = random.choice((0, 0, 0, 1, 5, 40, -1)) * SECOND
    size = random.choice((SIZE, SIZE, SIZE, SIZE, 10**8))
    kind = random.choice((0,) * 12 + (1,) * 4 + (ISSUER_VALUE,))
    price = random.choice((price,) * 60 + (0, 0, both.price.terms.price_max, both.price.terms.price_max + 1))
    both.post(source, price, late=late, size=size, kind=kind)


def move(both: Both) -> None:
    """The truth is another."""
    by = both.random.choice((1, -1, 4, -4, 15, -15, 60) if both.nav else (1, -1, 20, -20, 150, -130))
    both.truth = min(max(both.truth + both.truth * by // 1_000, 10 * M), 900 * M)


def take_back_any(both: Both) -> None:
    """A source takes back its last print, one before it or none that anybody knows; or corrects it."""
    random = both.random
    source = random.choice(
        (*both.sources, *both.sources, 9) if random.random() < 0.1 else tuple(both.sources)
    )
    statements = both.price.statements.get(source)
    time = both.venue.time_ns - random.choice((0, 1, 30)) * SECOND
    if statements and random.random() < 0.95:
        said = random.choice((statements[-1], statements[-1], random.choice(statements)))
        time = random.choice((said.first_time, said.last.time, (said.first_time + said.last.time) // 2))
    near = both.truth + both.truth * random.randint(-20_000, 20_000) // M
    both.take_back(
        source,
        time,
        random.choice((0, 0, 0, near, near, random.choice((-1, both.price.terms.price_max + 1)))),
    )


def bust(both: Both) -> None:
    """Enough sources move the index, it stands for a while, others may follow, and the first take their prints back."""
    random = both.random
    wrong = both.truth + both.truth * random.choice((30_000, -30_000, 80_000, -80_000)) // M
    movers = random.sample(sorted(both.sources), k=min(random.choice((1, 2, 3)), len(both.sources)))
    for source in both.sources:
        both.post(source, both.truth, kind=ISSUER_VALUE * both.nav)
    both.advance(random.choice((1, 20)))
    time = both.venue.time_ns
    for source in movers:
        both.post(source, wrong, kind=ISSUER_VALUE * both.nav)
    for _ in range(random.choice((0, 1, 3))):
        both.advance(random.choice((1, 20, 70, 400)))
        if random.random() < 0.5:
            source = random.choice(sorted(both.sources))
            both.post(source, both.truth, kind=ISSUER_VALUE * both.nav)
    for source in movers:
        both.take_back(source, time, random.choice((0, 0, both.truth)))


def live_through(both: Both) -> None:
    """An action from its confirmation to the end of its guard, with everybody awake; or while the index drifts in a closed market."""
    awake = list(both.sources)
    if not both.nav and both.random.random() < 0.4:
        awake = [source for source in awake if not both.sources[source][1]]
        both.enter(SESSION_CLOSED)
        both.quote()
        both.advance(600)
        both.advance(600)
    both.schedule()
    for _ in range(12):
        if len(awake) < len(both.sources):
            both.quote()
        for source in awake:
            both.post(source, both.truth, kind=ISSUER_VALUE * both.nav)
        ends = [(action.end - both.venue.time_ns) // SECOND for action in both.price.actions]
        both.advance(both.random.choice((1, 5, 10, *ends)))
        both.random.choice((post_signed if both.nav else post_any, take_back_any, print_other_scale))(both)


def print_other_scale(both: Both) -> None:
    """One source, or all, print the price before a split after it, or the other way round; near the edge of what is ignored."""
    random, price, now = both.random, both.price, both.venue.time_ns
    guards = [guard for guard in price.guards if now < guard.until]
    if not guards or not price.index:
        return
    guard = random.choice(guards)
    other = nearest(price.index * random.choice((guard.ratio, 1 / guard.ratio)))
    edge = random.choice((0, 0, 0, guard.tolerance, guard.tolerance + 1, -guard.tolerance))
    quorum = not random.randrange(3)
    for source in both.sources if quorum else random.sample(sorted(both.sources), k=1):
        both.post(source, max(other + other * edge // M, 1), kind=ISSUER_VALUE * both.nav)
    seen["all sources print the other scale"] += quorum and not price.spoken(now) and price.quality == STALE


def post_signed(both: Both) -> None:
    """The issuer, or somebody else, says anything."""
    random = both.random
    off = random.choice(
        (0, 0, random.randint(-3_000, 3_000), random.randint(-15_000, 15_000), 40_000, -40_000)
    )
    late = random.choice((0, 0, 0, 1, 3_600, DAY, -1)) * SECOND
    price = random.choice((both.truth + both.truth * off // M,) * 40 + (0, both.price.terms.price_max + 1))
    kind = random.choice((ISSUER_VALUE,) * 16 + (0, 1))
    both.post(random.choice((1,) * 30 + (9,)), price, late=late, size=random.choice((0, SIZE)), kind=kind)


def step_signed(both: Both) -> None:
    """The same for a name whose value its issuer signs."""
    random, dice = both.random, both.random.random()
    if dice < 0.4:
        post_signed(both)
    elif dice < 0.44:
        move(both)
    elif dice < 0.7:
        both.advance(random.choice((1, 20, 60, 600, 3_600, 3_600, DAY // 2, DAY, 4 * DAY, 4 * DAY + 1)))
    elif dice < 0.76:
        both.enter(random.choice((0, 0, 0, 1, 2, 3, 4, 5)))
    elif dice < 0.79:
        both.restart()
    elif dice < 0.84:
        # The issuer insists on a jump, or is not patient enough.
        both.post(1, both.truth, kind=ISSUER_VALUE)
        for _ in range(random.choice((2, 4, 5))):
            both.advance(20)
            both.post(1, both.truth + both.truth * 5 // 100, kind=ISSUER_VALUE)
            seen["signed: a jump is confirmed"] += both.price.quality == LIVE
    elif dice < 0.9:
        take_back_any(both)
    elif dice < 0.92:
        bust(both)
    elif dice < 0.93:
        both.schedule()
    elif dice < 0.95:
        both.stand_down()
    elif dice < 0.96:
        live_through(both)
    else:
        print_other_scale(both)


def end(both: Both) -> None:
    """The name is bought for cash: what is said afterwards moves nothing."""
    both.post(1, both.truth, kind=ISSUER_VALUE * both.nav)
    if both.price.index:
        both.schedule(final=True)
        for _ in range(30):
            both.advance(10)
        for _ in range(30):
            (step_signed if both.nav else step)(both)


@pytest.mark.parametrize("quorum", [1, 2])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_engine_and_reference_judge_the_same_prices(seed: int, quorum: int) -> None:
    both = Both(Random(seed), quorum)
    for _ in range(COMMANDS):
        step(both)
    end(both)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_engine_and_reference_judge_the_same_signed_values(seed: int) -> None:
    both = Both(Random(seed), 1, nav=True)
    for _ in range(COMMANDS):
        step_signed(both)
    end(both)


def test_the_streams_reached_everything() -> None:
    """Runs after the streams, which it needs."""
    sys.stdout.write(f"\ncompared with the reference: {dict(seen)}\n")
    for what in (
        *(f"quality {quality}" for quality in range(6)), "prices", "too small", "blending", "adrift", "re-anchored", "a jump waits",
        "two sources without history", "price_time_must_not_run_backwards", "source_must_exist",
        "price_must_be_positive_and_plausible", "price_must_not_be_from_the_future", "price_kind_must_fit_its_class",
        "taking back: source_must_exist", "acts while a drift waits", "actions cancelled", "names ended",
    ):  # fmt: skip
        assert seen[what] >= 10, what
    for what in (
        "prints taken back", "prints corrected", "the index went back", "history valued anew", "taken back across an action",
        "taking back: price_must_be_positive_and_plausible", "signed: prints taken back", "accrued", "signed: live though closed",
        "signed: too old", "signed: a jump waits", "signed: a jump is confirmed", "ignored by a guard",
        "in the window of an action",
    ):  # fmt: skip
        assert seen[what] >= 100, what
    for what, least in (
        ("splits", 60), ("distributions", 40), ("actions missed", 40), ("prices of the other scale", 200),
        ("all sources print the other scale", 15), ("taking back: print_must_be_known", 20),
    ):  # fmt: skip
        assert seen[what] >= least, what
    assert seen["off by a unit"] * 1_000 <= seen["compared"]

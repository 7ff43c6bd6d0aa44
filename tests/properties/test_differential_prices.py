"""The engine's index and its quality equal the plain Python reference, after every command.

Random streams of quotes and trades from five sources (two of one origin, two that never close), near and far from each other, old,
small or refused; of steps of time, sessions, restarts and quotes in the venue's own book. Index (to a unit while it drifts), last
external, stable and slower price, quality, gate, confidence and fresh sources are compared, and what an account is judged at.

SEEDS streams of COMMANDS commands; NOVATE_LONG=1 runs twenty times as many.
"""

import os
import sys
from collections import Counter
from dataclasses import replace
from random import Random

import msgspec
import pytest

from novate.messages import (
    AdvanceTime,
    CancelAll,
    CommandRefused,
    ListSource,
    OrderKind,
    PlaceOrder,
    PostPrice,
    ResumeVenue,
    SetSession,
    Side,
    TimeInForce,
    reports,
    rule,
)
from novate.messages.reports.prices import gates
from reference.prices import CLOSED, LIVE, Price, Said, Terms, nearest
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
    drift=PRICES.drift_ns,
)  # fmt: skip
seen: Counter[str] = Counter()


class Both:
    """The engine and the reference side by side."""

    def __init__(self, random: Random, quorum: int) -> None:
        self.random, self.session, self.truth = random, 2, DOLLARS * M
        self.venue = open_plain_venue({MAKER: 1})
        self.venue.must(msgspec.structs.replace(LISTED, quorum=quorum))
        for source, (origin, always_open) in SOURCES.items():
            self.venue.must(
                ListSource(
                    underlying=NAME, source=source, name=f"S{source}", origin=origin, always_open=always_open
                )
            )
        self.venue.must(msgspec.structs.replace(PERP[0], market=MARKET, name="X-PERP", underlying=NAME))
        self.price = Price(replace(TERMS, quorum=quorum), SOURCES)
        self.ever_adrift = False
        self.enter(2)

    def post(self, source: int, price: int, *, late: int = 0, size: int = SIZE, kind: int = 0) -> None:
        """One price."""
        random, now = self.random, self.venue.time_ns
        confidence = random.choice((M, M, M, random.randint(500_000, M)))
        command = PostPrice(
            underlying=NAME, source=source, price=price, venue_time_ns=now - late, size=size, price_kind=kind,
            confidence_ppm=confidence,
        )  # fmt: skip
        refused = [
            rule(e.body.code).name for e in self.venue.send(command) if isinstance(e.body, CommandRefused)
        ]
        origin = SOURCES[source][0] if source in SOURCES else 0
        told = self.price.post(Said(source, origin, price, confidence, now - late, kind == 0), size, now)
        assert refused == ([told] if told else []), command
        seen[told or ("too small" if size < TERMS.min_size else "prices")] += 1
        if told is None:
            self.price.refresh(self.session, now)
        self.compare()

    def enter(self, session: int) -> None:
        """Another session."""
        self.session = session
        self.venue.must(SetSession(underlying=NAME, session=session, next_session=2, next_time_ns=0))
        self.price.refresh(session, self.venue.time_ns)
        self.compare()

    def advance(self, seconds: int) -> None:
        """Time passes."""
        self.venue.time_ns += seconds * SECOND
        self.price.drift_towards(self.impact(), self.venue.time_ns)
        self.price.refresh(self.session, self.venue.time_ns)
        self.venue.must(AdvanceTime())
        self.compare()

    def impact(self) -> int | None:
        """The middle of the venue's own book; one level a side is deep enough."""
        book = reports.book(self.venue.engine, MARKET, 1)
        if not book.bids or not book.asks:
            return None
        return nearest((book.bids[0][0] + book.asks[0][0]) * TICK, 2)

    def restart(self) -> None:
        """Nothing counts until it is said again."""
        self.venue.must(ResumeVenue())
        self.price.restart()
        self.price.refresh(self.session, self.venue.time_ns)
        self.compare()

    def quote(self) -> None:
        """A book around anything between ten percent below and above; or none."""
        self.venue.must(CancelAll(), MAKER)
        if self.random.random() < 0.2:
            return
        middle = self.price.last_external * self.random.randint(900, 1_100) // 1_000 // TICK
        for side, price in ((Side.BID, middle - 20), (Side.ASK, middle + 20)):
            if price > 0:
                order = PlaceOrder(
                    market=MARKET,
                    side=side,
                    kind=OrderKind.LIMIT,
                    time_in_force=TimeInForce.GTC,
                    price=price,
                    lots=10_000,
                )
                self.venue.send(order, MAKER)

    def compare(self) -> None:
        """Everything that a reader sees."""
        gate = next(g for g in gates(self.venue.engine) if g.underlying == NAME)
        line = next(u for u in reports.underlyings(self.venue.engine) if u.underlying == NAME)
        mine = self.price
        # What drifted, and every mean and blend after it, may be a unit off.
        self.ever_adrift |= mine.drift is not None
        assert (gate.quality, gate.cells, gate.last_external, gate.current, gate.blending) == (
            mine.quality, mine.cells(), mine.last_external, mine.current, mine.blend is not None,
        )  # fmt: skip
        pairs = [(gate.index, mine.index), (gate.stable, mine.stable)]
        pairs += zip((line.long_price, line.short_price), mine.initial(), strict=True)
        pairs += zip((line.slower_long, line.slower_short), mine.slower(), strict=True)
        assert all(abs(theirs - ours) <= self.ever_adrift for theirs, ours in pairs), pairs
        assert (line.fresh_sources, line.confidence_ppm, line.uses_slower) == (
            mine.fresh,
            mine.confidence,
            mine.uses_slower(),
        )
        seen[f"quality {mine.quality}"] += 1
        seen["blending"] += mine.blend is not None
        seen["adrift"] += mine.quality == CLOSED and mine.index != mine.last_external
        seen["re-anchored"] += mine.drift is not None and mine.drift.up + mine.drift.down > 0
        seen["a jump waits"] += mine.jump is not None
        seen["two sources without history"] += (
            mine.quality == LIVE and len(mine.used) == 2 and not mine.witnessed
        )


def step(both: Both) -> None:
    """One random command."""
    random, dice = both.random, both.random.random()
    if dice < 0.5:
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
        both.post(
            source,
            random.choice((price,) * 40 + (0, 10**13)),
            late=late,
            size=size,
            kind=random.choice((0, 0, 0, 1)),
        )
    elif dice < 0.6:
        for source in SOURCES:
            both.post(source, both.truth + random.randint(-1_000, 1_000))
    elif dice < 0.64:
        both.truth = min(
            max(both.truth + both.truth * random.choice((1, -1, 20, -20, 150, -130)) // 1_000, 10 * M),
            900 * M,
        )
    elif dice < 0.84:
        both.advance(random.choice((1, 1, 2, 5, 10, 20, 31, 60, 600, 3_600)))
    elif dice < 0.89:
        both.enter(random.choice((0, 0, 1, 2, 2, 2, 3, 4, 4, 5)))
    elif dice < 0.9:
        # A long closure and the night after it.
        both.enter(0)
        both.advance(50_000)
        both.enter(4)
        for source in SOURCES:
            both.post(source, both.truth)
    elif dice < 0.93:
        both.restart()
    elif dice < 0.97:
        both.quote()
    else:
        # A lone source is patient, or two.
        for _ in range(5):
            for source in random.sample([1, 2, 4], k=random.choice((1, 2))):
                both.post(source, both.truth + both.truth * 12 // 100)
            both.advance(20)


@pytest.mark.parametrize("quorum", [1, 2])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_engine_and_reference_judge_the_same_prices(seed: int, quorum: int) -> None:
    both = Both(Random(seed), quorum)
    for _ in range(COMMANDS):
        step(both)


def test_the_streams_reached_everything() -> None:
    """Runs after the streams, which it needs."""
    sys.stdout.write(f"\ncompared with the reference: {dict(seen)}\n")
    for what in (
        *(f"quality {quality}" for quality in range(6)), "prices", "too small", "blending", "adrift", "re-anchored", "a jump waits",
        "two sources without history", "price_time_must_not_run_backwards", "source_must_exist",
        "price_must_be_positive_and_plausible", "price_must_not_be_from_the_future",
    ):  # fmt: skip
        assert seen[what] >= 10, what

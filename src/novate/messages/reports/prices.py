"""What may be done with each underlying now, and what each source says.

Responsible for: questions 600 to 699. The other side stands in `crates/novate-core/src/query/prices.rs`.
"""

from novate.messages.reports.base import Answers, Report, ask

_GATES = 600
_SOURCES = 601


class Gate(Report, frozen=True, kw_only=True):
    """One underlying's quality gate and the prices behind it.

    Attributes:
        underlying: Its id.
        quality: `Quality` of its price.
        cells: Open, reduce, withdraw, borrow, liquidate, fund, mint, redeem: Y yes, N no, S at the slower price, B bounded
            as in closed hours, Q queued or in kind.
        index: Confirmed; while closed drifted, while reopening blended.
        last_external: The last price that the outside confirmed.
        current: What the fresh sources say together, confirmed or not; 0 for nothing.
        stable: The slow price.
        blending: Whether a reopening is on its way to the external price.
        halted_ns: How long it has been halted.
        least_gap_initial_ppm: What halts and reports ask of the gap rate at initial.
        least_gap_maintenance_ppm: The same below initial.
        worthless_unmatched: Whether collateral that no perp matches is worth nothing.
        low: Lower discovery bound; 0 while the index does not drift.
        high: Upper discovery bound.
        cancel_only_until_ns: Until when markets only cancel after an outage; 0 for no outage.
    """

    underlying: int
    quality: int
    cells: str
    index: int
    last_external: int
    current: int
    stable: int
    blending: bool
    halted_ns: int
    least_gap_initial_ppm: int
    least_gap_maintenance_ppm: int
    worthless_unmatched: bool
    low: int
    high: int
    cancel_only_until_ns: int


class Source(Report, frozen=True, kw_only=True):
    """One source of an underlying.

    Attributes:
        source: Its id.
        origin: Sources of one origin count once; 0 is an origin of its own.
        always_open: Whether it trades while the primary market is closed.
        posted: Whether it posted since the listing or the last restart.
        price: What it says; 0 before the first.
        venue_time_ns: When it says that was.
        statements: How many of its statements may still be taken back.
    """

    source: int
    origin: int
    always_open: bool
    posted: bool
    price: int
    venue_time_ns: int
    statements: int


def gates(engine: Answers) -> tuple[Gate, ...]:
    """All underlyings by id."""
    return ask(engine, tuple[Gate, ...], _GATES)


def sources(engine: Answers, underlying: int) -> tuple[Source, ...]:
    """The sources of an underlying by id. ValueError: no such underlying."""
    return ask(engine, tuple[Source, ...], _SOURCES, underlying)

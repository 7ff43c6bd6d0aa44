"""Questions about why and what next: how far each state is, what one more unit would cost, which prices stand behind an index.

Responsible for: the answers of `crates/novate-core/src/query/explain.rs`, field by field, and one function per question. Never
computes: every number is the engine's own.
"""

from novate.messages.reports.base import Answers, Report, ask

_THRESHOLDS, _MARGINAL, _SOURCES, _SESSIONS = range(500, 504)
THOUSAND_DOLLARS = 1_000_000_000
"""Size that a marginal requirement is asked for by default, micro-dollars."""


class Move(Report, frozen=True, kw_only=True):
    """A move of all prices of one underlying.

    Attributes:
        ppm: Signed: -100,000 is a fall of 10 %.
        index: The index after it, at the underlying's scale.
    """

    ppm: int
    index: int


class StateDistance(Report, frozen=True, kw_only=True):
    """How far one state of the ladder is; 0 ppm when the account is there.

    Attributes:
        state: `AccountState`, yellow to black.
        fall: Smallest fall that leads there; None where none down to -99 % does.
        rise: Smallest rise that leads there; None where none up to +300 % does.
    """

    state: int
    fall: Move | None
    rise: Move | None


class Thresholds(Report, frozen=True, kw_only=True):
    """The four distances in one underlying, all other prices unchanged.

    Attributes:
        underlying: Its id.
        name: Its name.
        index: Its index now, at its scale.
        states: Yellow, orange, red, black.
    """

    underlying: int
    name: str
    index: int
    states: tuple[StateDistance, ...]


class Marginal(Report, frozen=True, kw_only=True):
    """What a little more of one market would add to the requirement.

    Attributes:
        market: Its id.
        name: Its name.
        lots: Lots tried: the fewest worth the size asked for.
        notional: Their value at the index, micro-dollars.
        buy: Change of the requirement when they are bought at the index, micro-dollars; negative where that hedges.
        sell: The same when they are sold.
    """

    market: int
    name: str
    lots: int
    notional: int
    buy: int
    sell: int


class SourcePrice(Report, frozen=True, kw_only=True):
    """What one source said last.

    Attributes:
        source: Its id.
        price: Its price, at the underlying's scale; 0 before the first.
        venue_time_ns: When the source says it was.
        confidence_ppm: How sure it is.
        posted: Whether it counts: it posted since the listing or the last restart.
    """

    source: int
    price: int
    venue_time_ns: int
    confidence_ppm: int
    posted: bool


class SessionLine(Report, frozen=True, kw_only=True):
    """An underlying's session, the next one, and the closure ahead, as `SetSession` last said.

    Attributes:
        underlying: Its id.
        name: Its name.
        session: The session in force.
        next_session: The one after it.
        next_time_ns: When that begins; 0 for what never closes.
        closure_step_ns: When initial requirements rise for the closure; 0 when none is ahead, as in the next three.
        closure_ramp_from_ns: When maintenance begins to rise.
        closure_ramp_to_ns: When maintenance has risen in full.
        closure_end_ns: When the closure ends.
    """

    underlying: int
    name: str
    session: int
    next_session: int
    next_time_ns: int
    closure_step_ns: int
    closure_ramp_from_ns: int
    closure_ramp_to_ns: int
    closure_end_ns: int


def thresholds(engine: Answers, account: int) -> tuple[Thresholds, ...]:
    """Per underlying the account is exposed to, the moves that lead to each state; found to within 100 ppm."""
    return ask(engine, tuple[Thresholds, ...], _THRESHOLDS, account)


def marginal(
    engine: Answers, account: int, level: int = 0, size: int = THOUSAND_DOLLARS
) -> tuple[Marginal, ...]:
    """Per market of each underlying the account is exposed to, what about `size` micro-dollars more would change at a level."""
    return ask(engine, tuple[Marginal, ...], _MARGINAL, account, int(level), size)


def sources(engine: Answers, underlying: int) -> tuple[SourcePrice, ...]:
    """The outside prices behind an index."""
    return ask(engine, tuple[SourcePrice, ...], _SOURCES, underlying)


def sessions(engine: Answers) -> tuple[SessionLine, ...]:
    """Sessions of all underlyings, by id."""
    return ask(engine, tuple[SessionLine, ...], _SESSIONS)

"""Questions about portfolios that nobody holds, at stated prices and sessions, and about what is listed.

Responsible for: the columns of `crates/novate-core/src/query/portfolios.rs`, and one function per question. Never computes: every
number is the engine's own. What people write becomes these columns in `novate.embedding`.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from novate.messages.reports.base import Answers, Report, ask

_PORTFOLIOS, _LISTED = 550, 551

AS_IT_IS: Final = 2**16 - 1
"""Session index that leaves an underlying's session as it is."""
AT_THE_PRICE: Final = -(2**63)
"""Entry cost that is the position's value at each moment."""
LEVELS: Final = 4
FIGURES: Final = ("equity", "requirement", "sr", "gap", "basis", "wrap", "fx", "liq", "crowd", "loss", "lent")
"""What is answered per portfolio, moment and level, micro-dollars; terms before the level's factor."""
KINDS: Final = ("token", "perp", "cash")


class SessionRow(NamedTuple):
    """A session and the closure that is ahead or running, as `SetSession` has them."""

    session: int
    closure_step_ns: int = 0
    closure_ramp_from_ns: int = 0
    closure_ramp_to_ns: int = 0
    closure_end_ns: int = 0


class Moments(NamedTuple):
    """Prices and sessions by moment; matrices have a row per moment and a column per underlying."""

    underlyings: NDArray[np.uint32]
    times: NDArray[np.int64]
    """Nanoseconds UTC; 0 for the engine's own time."""
    prices: NDArray[np.int64]
    """At each underlying's scale; 0 leaves all its prices as they are."""
    sessions: tuple[SessionRow, ...]
    session_of: NDArray[np.uint16]
    """Places in `sessions`, or `AS_IT_IS`."""


class Holdings(NamedTuple):
    """Portfolios one after the other, each a run of holdings."""

    counts: NDArray[np.uint32]
    """Holdings of each portfolio."""
    kinds: NDArray[np.uint8]
    """0 a balance of an asset, 1 a perp position."""
    ids: NDArray[np.uint32]
    sizes: NDArray[np.int64]
    """Units, or lots; signed."""
    costs: NDArray[np.int64]
    """Quote units paid for a perp's lots, or `AT_THE_PRICE`."""


class Parts(NamedTuple):
    """Contributions, those of a portfolio at a moment one after the other."""

    counts: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    """Places in `KINDS`."""
    ids: NDArray[np.uint32]
    values: NDArray[np.int64]
    amounts: NDArray[np.int64]


class Sheet(NamedTuple):
    """Every portfolio at every moment."""

    figures: NDArray[np.int64]
    """Portfolio, moment, `Level`, place in `FIGURES`."""
    binding: NDArray[np.uint32]
    """Portfolio, moment, `Level`: place in `rows`."""
    rows: tuple[str, ...]
    """Binding rows in words."""
    states: NDArray[np.uint8]
    """Portfolio, moment: the `AccountState` that these excesses mean."""
    parts: Parts


class _Answer(Report, frozen=True, kw_only=True):
    figures: bytes
    binding: bytes
    rows: tuple[str, ...]
    states: bytes
    part_counts: bytes
    part_kinds: bytes
    part_ids: bytes
    part_values: bytes
    part_amounts: bytes


class UnderlyingName(Report, frozen=True, kw_only=True):
    """An underlying by name.

    Attributes:
        underlying: Its id.
        name: Its name.
        decimals: Scale of its prices.
        price_min: Least plausible price.
        price_max: Greatest plausible price.
        nav: Whether its issuer states its value.
        closes: Whether a next session is known: what trades round the clock has none.
        sources: Its price sources.
    """

    underlying: int
    name: str
    decimals: int
    price_min: int
    price_max: int
    nav: bool
    closes: bool
    sources: tuple[int, ...]


class AssetName(Report, frozen=True, kw_only=True):
    """An asset by name.

    Attributes:
        asset: Its id.
        name: Its name.
        stablecoin: Whether it is cash.
        underlying: What prices it.
        decimals: Scale of its amounts.
        multiplier_ppb: Shares of one token, 1e-9.
        pool: Whether it can be lent and borrowed.
    """

    asset: int
    name: str
    stablecoin: bool
    underlying: int
    decimals: int
    multiplier_ppb: int
    pool: bool


class MarketName(Report, frozen=True, kw_only=True):
    """A market by name.

    Attributes:
        market: Its id.
        name: Its name.
        perp: Whether it is a perp.
        underlying: What it is on.
        base: Token of a spot market; 0 for a perp.
        quote: Stablecoin that pays.
        tick_size: Price step at the underlying's scale, as listed.
        lot_size: Quantity step, as listed: 1e-9 shares of a perp, units of a token.
        split: What splits since made of a listed share, numerator and denominator: a perp's lot is `lot_size` times it.
    """

    market: int
    name: str
    perp: bool
    underlying: int
    base: int
    quote: int
    tick_size: int
    lot_size: int
    split: tuple[int, int]


class Listed(Report, frozen=True, kw_only=True):
    """Everything listed, each in the order of its ids."""

    underlyings: tuple[UnderlyingName, ...]
    assets: tuple[AssetName, ...]
    markets: tuple[MarketName, ...]


def listed(engine: Answers) -> Listed:
    """Names, scales and price bounds of everything listed."""
    return ask(engine, Listed, _LISTED)


def portfolios(
    engine: Answers, moments: Moments, holdings: Holdings, *, contributions: int | None = None
) -> Sheet:
    """Equity, requirement, terms and binding row of each portfolio at each moment and level, as a newcomer's only account.

    A stated price is the underlying's index, stable and last external price at once, without a book beside it: perps are valued
    at it. Exit costs are what the venue stores for an owner of this size at the regular open. Nothing happens.

    Args:
        engine: Whose rules, caps, pools and liquidity hold.
        moments: Prices and sessions.
        holdings: The portfolios.
        contributions: Level whose contributions are wanted; None for none.

    Raises:
        ValueError: an id that nothing has, a balance below zero of what nobody lends, sessions whose times are not in order.
    """
    told = ask(
        engine,
        _Answer,
        _PORTFOLIOS,
        moments.underlyings.astype("<u4").tobytes(),
        moments.times.astype("<i8").tobytes(),
        moments.prices.astype("<i8").tobytes(),
        moments.sessions,
        moments.session_of.astype("<u2").tobytes(),
        holdings.counts.astype("<u4").tobytes(),
        holdings.kinds.astype("u1").tobytes(),
        holdings.ids.astype("<u4").tobytes(),
        holdings.sizes.astype("<i8").tobytes(),
        holdings.costs.astype("<i8").tobytes(),
        contributions,
    )
    shape = (len(holdings.counts), len(moments.times), LEVELS)
    return Sheet(
        np.frombuffer(told.figures, "<i8").reshape(*shape, len(FIGURES)),
        np.frombuffer(told.binding, "<u4").reshape(shape),
        told.rows,
        np.frombuffer(told.states, "u1").reshape(shape[:2]),
        Parts(
            np.frombuffer(told.part_counts, "<u4"),
            np.frombuffer(told.part_kinds, "u1"),
            np.frombuffer(told.part_ids, "<u4"),
            np.frombuffer(told.part_values, "<i8"),
            np.frombuffer(told.part_amounts, "<i8"),
        ),
    )

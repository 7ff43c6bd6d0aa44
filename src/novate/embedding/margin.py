"""Requirement and explanation of portfolios on a data frame, vectorised over portfolios and dates.

    novate.margin({"tNVDA": 1_000, "NVDA-PERP": -1_000, "USDC": 50_000}, {"NVDA": 190.0})

Responsible for: asking the engine's own evaluation once per stretch of portfolios, and putting its answers into frames. Never
computes a requirement: every number is `margin::evaluate` of the production engine, to the micro-dollar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from novate._core import Engine, release, ruleset
from novate.config import Listing, load_listing, packaged_listing
from novate.embedding.columns import UNDATED, Book, Positions, book_of, price_matrix
from novate.embedding.instruments import Instruments
from novate.embedding.sessions import session_columns
from novate.errors import ConfigError, DataError
from novate.messages import AccountState, ActivateRelease, PriceClass, encode, reports
from novate.messages.reports import Level, portfolios
from novate.messages.reports.portfolios import FIGURES, KINDS, Holdings, Moments, Sheet

LEVELS: Final = {level.name.lower(): level for level in Level}
TERMS: Final = {
    "scenario": "sr",
    "gap": "gap",
    "basis": "basis",
    "wrap": "wrap",
    "fx": "fx",
    "liquidity": "liq",
}
"""Columns of the terms at initial, and what the margin report calls them. The other three are of orders and loans to pools,
which a portfolio here has none of."""
_STATES: Final = np.array([state.name.lower() for state in AccountState], dtype=object)
_AT_ONCE: Final = 200_000
"""Portfolios times moments in one question: some 70 MB of answers."""
_MICRO: Final = 1e6


@dataclass(frozen=True)
class Rules:
    """Whose rules hold: an engine, its names, and which of them never close."""

    core: Engine
    instruments: Instruments
    open_always: frozenset[str]

    @classmethod
    def of_listing(cls, listing: Listing) -> Rules:
        """An empty venue with this listing."""
        core = Engine()
        commands = [ActivateRelease(release=release(), ruleset=ruleset()), *listing.commands]
        core.apply(b"".join(encode(command, sequence=at) for at, command in enumerate(commands, 1)))
        return cls(core, Instruments.of(core), never_close(listing))


def never_close(listing: Listing) -> frozenset[str]:
    """Names that trade round the clock: coins, and what its issuer values. A listing file says it by its class `crypto`."""
    return frozenset(
        name
        for name, terms in listing.terms.items()
        if terms.price_class == PriceClass.NAV or listing.class_of.get(name) == "crypto"
    )


@lru_cache(maxsize=1)
def _packaged() -> Rules:
    return Rules.of_listing(packaged_listing())


def rules_of(params: object) -> Rules:
    """The rules that `params` names: None is the packaged listing, a path a listing file, else a `Listing` or an engine."""
    if params is None:
        return _packaged()
    if isinstance(params, Listing):
        return Rules.of_listing(params)
    if isinstance(params, str | Path):
        return Rules.of_listing(load_listing(params))
    found = params if isinstance(params, Rules) else getattr(params, "rules", None)
    if isinstance(found, Rules):
        return found
    if isinstance(params, Engine):
        names = Instruments.of(params)
        return Rules(
            params, names, frozenset(line.name for line in names.listed.underlyings if not line.closes)
        )
    raise ConfigError(
        f"params is a {type(params).__name__}: expected None (the packaged listing), a Listing, the path of a listing file, "
        "or an engine."
    )


def margin(
    positions: Positions,
    prices: Any = None,
    session: Any = "regular",
    params: object = None,
    *,
    explain: bool = True,
    exact: bool = False,
) -> pd.DataFrame:
    """Requirement, excess and what makes them, for each portfolio at each date.

    Each portfolio is the only account of a newcomer to the venue: it has all of the caps' room, its own exit costs, no open
    orders, and nothing lent.

    Args:
        positions: a frame (or a CSV file) with columns `instrument` (a token, a perp or a stablecoin of the listing),
            `quantity` (tokens, coins or shares, signed; a borrowed token and a loan are negative), optionally `portfolio`, and
            `price`, a perp's entry price (default: the price of each date, so nothing is gained or lost yet). Or one portfolio
            as a mapping or series of instrument to quantity.
        prices: a mapping or series of underlying to dollars, or a frame with a row per date and a column per underlying.
            Stablecoins are a dollar unless they are there. None: as they stand in the engine that `params` is.
        session: `regular`, `pre`, `post`, `overnight`, `closed`, `halted`, `before_weekend`, `weekend`, or `calendar` (the exchange's
            session and closure at each date); one for all, per date, or per underlying. None: as in the engine.
            Names that never close are regular unless named themselves.
        params: the listing whose rules hold: None for the packaged one, a `Listing`, the path of a listing file, or an engine.
        explain: with the column `explanation`, one sentence a row.
        exact: integers in micro-dollars instead of floats in dollars.

    Returns:
        A frame indexed by date and portfolio, as far as these are given, in the order of the dates. Columns, in dollars:
        `equity` and `requirement` at initial, `excess`, `state` (green: may open risk; yellow: below initial; orange: would be
        liquidated; red, black), `liquidation_end`, `maintenance` and `close_out` with an `.._excess` each (against that level's
        own equity), the terms of the initial requirement, which sum to it (`scenario`, `gap`, `basis`, `wrap`, `fx`,
        `liquidity`), `binding` (the row that sets the scenario term) and `explanation`.

    Raises:
        DataError: names table, column, row and value of what can't be. ConfigError: `params`, as `load_listing`.
    """
    asked = _asked(positions, prices, session, params)
    figures, binding, states = [], [], []
    rows: dict[str, int] = {}
    for sheet in _sheets(asked, None):
        places = np.array([rows.setdefault(row, len(rows)) for row in sheet.rows], dtype=np.int64)
        figures.append(sheet.figures)
        binding.append(places[sheet.binding[:, :, Level.INITIAL]])
        states.append(sheet.states)
    # Portfolios come first from the engine; a frame reads by date.
    whole = np.concatenate(figures).swapaxes(0, 1)
    words = np.array([*rows], dtype=object)[np.concatenate(binding).swapaxes(0, 1).ravel()]
    columns = _columns(whole.reshape(-1, *whole.shape[2:]))
    if explain:
        columns["explanation"] = [
            _sentence(*row)
            for row in zip(
                *(columns[name].tolist() for name in ("equity", "requirement", "excess")), words, strict=True
            )
        ]
    states_flat = _STATES[np.concatenate(states).swapaxes(0, 1).ravel()]
    order = ["equity", "requirement", "excess", "state", *_levels(), *TERMS, "binding"]
    told = {
        name: columns[name] if exact else columns[name] / _MICRO for name in columns if name != "explanation"
    }
    told |= {"state": states_flat, "binding": words}
    if explain:
        told["explanation"], order = columns["explanation"], [*order, "explanation"]
    return pd.DataFrame({name: told[name] for name in order}, index=asked.index())


def contributions(
    positions: Positions,
    prices: Any = None,
    session: Any = "regular",
    params: object = None,
    *,
    level: str = "initial",
    exact: bool = False,
) -> pd.DataFrame:
    """What each holding makes of the requirement: a row per date, portfolio and instrument; they sum to it exactly.

    Arguments as for `margin`; `level` is `initial`, `liquidation_end`, `maintenance` or `close_out`. Columns: `kind` (token, perp, cash),
    `underlying`, `value` (signed, at the level's prices; cash is net of the results of perps) and `contribution` (signed;
    negative where the holding hedges others). Cash that only perp results make is a row, too.
    """
    if level not in LEVELS:
        raise DataError(f"level = {level!r}: expected one of {', '.join(LEVELS)}.", value=level)
    asked = _asked(positions, prices, session, params)
    parts = [sheet.parts for sheet in _sheets(asked, LEVELS[level])]
    counts, kinds, ids, values, amounts = (np.concatenate(column) for column in zip(*parts, strict=True))
    dates, names = asked.dates, asked.book.names
    portfolio = np.repeat(np.repeat(np.arange(len(names)), len(dates)), counts)
    moment = np.repeat(np.tile(np.arange(len(dates)), len(names)), counts)
    order = np.lexsort((np.arange(len(moment)), portfolio, moment))
    held = asked.rules.instruments
    keys = kinds.astype(np.int64) << 32 | ids
    known, place = np.unique(keys, return_inverse=True)
    label = np.array([held.named[bool(key >> 32 == 1), int(key & 0xFFFFFFFF)] for key in known], dtype=object)
    of = np.array([held.held[name].underlying for name in label], dtype=object)
    scale = 1 if exact else _MICRO
    frame = pd.DataFrame(
        {
            "instrument": label[place],
            "kind": np.array(KINDS, dtype=object)[kinds],
            "underlying": of[place],
            "value": values if exact else values / scale,
            "contribution": amounts if exact else amounts / scale,
        }
    ).iloc[order]
    index = asked.index(moment[order], portfolio[order])
    if index is None:
        return frame.set_index("instrument")
    return frame.set_index(index).set_index("instrument", append=True)


@dataclass(frozen=True)
class _Asked:
    """A question, checked."""

    rules: Rules
    book: Book
    moments: Moments
    dates: tuple[Any, ...]
    dated: bool
    date_name: str

    def index(
        self, moment: NDArray[np.int64] | None = None, portfolio: NDArray[np.int64] | None = None
    ) -> pd.Index | None:
        """Dates and portfolios of the rows, as far as the question has them; by default each pair once, by date."""
        if moment is None or portfolio is None:
            moment = np.repeat(np.arange(len(self.dates)), len(self.book.names))
            portfolio = np.tile(np.arange(len(self.book.names)), len(self.dates))
        levels = []
        if self.dated:
            levels.append(pd.Index(list(self.dates), name=self.date_name)[moment])
        if self.book.names != (None,):
            levels.append(pd.Index(list(self.book.names), name="portfolio")[portfolio])
        if not levels:
            return None
        return levels[0] if len(levels) == 1 else pd.MultiIndex.from_arrays(levels)


def _asked(positions: Positions, prices: Any, session: Any, params: object) -> _Asked:
    rules = rules_of(params)
    book = book_of(positions, rules.instruments)
    table, dated = _table(prices, params)
    if prices is None:
        names: list[str] = []
        matrix = np.zeros((1, 0), dtype=np.int64)
        for line in reports.underlyings(rules.core):
            if line.name in book.underlyings and not line.index:
                raise DataError(f"The engine has no price of {line.name} yet, which the portfolio holds.")
    else:
        names, matrix = price_matrix(table, rules.instruments, book.underlyings)
    # Sessions are of everything held, whether or not a price is stated for it.
    more = sorted(book.underlyings - set(names))
    names, matrix = [*names, *more], np.hstack([matrix, np.zeros((len(matrix), len(more)), dtype=np.int64)])
    dates = tuple(table.index)
    times, sessions, places = session_columns(session, dates, names, rules.instruments, rules.open_always)
    numbers = [rules.instruments.underlyings[name].underlying for name in names]
    moments = Moments(np.array(numbers, dtype=np.uint32), times, matrix, sessions, places)
    return _Asked(rules, book, moments, dates, dated, str(table.index.name or "date"))


def _table(prices: Any, params: object) -> tuple[pd.DataFrame, bool]:
    """Prices as a frame with a row per moment, and whether the rows are dates."""
    if prices is None:
        if params is None or isinstance(params, Listing | str | Path):
            raise DataError("prices is missing: only an engine as params has prices of its own.")
        return pd.DataFrame(index=[UNDATED]), False
    if isinstance(prices, pd.DataFrame):
        if prices.empty:
            raise DataError("prices is empty: expected a row per date.")
        if not prices.index.is_unique:
            twice = prices.index[prices.index.duplicated()][0]
            raise DataError(f"prices has two rows {twice}: expected one per date.", row=str(twice))
        return prices, True
    if isinstance(prices, Mapping | pd.Series):
        return pd.DataFrame({name: [value] for name, value in dict(prices).items()}, index=[UNDATED]), False
    raise DataError(
        f"prices is a {type(prices).__name__}: expected a mapping or series of underlying to dollars, or a frame of dates by "
        "underlyings."
    )


def _sheets(asked: _Asked, level: Level | None) -> Iterator[Sheet]:
    """The engine's answers, a stretch of portfolios at a time."""
    held, dates = asked.book.holdings, len(asked.dates)
    step = max(_AT_ONCE // dates, 1)
    ends = np.concatenate([[0], np.cumsum(held.counts, dtype=np.int64)])
    for first in range(0, len(held.counts), step):
        last = min(first + step, len(held.counts))
        own = slice(ends[first], ends[last])
        some = Holdings(
            held.counts[first:last], held.kinds[own], held.ids[own], held.sizes[own], held.costs[own]
        )
        try:
            yield portfolios.portfolios(asked.rules.core, asked.moments, some, contributions=level)
        except ValueError as error:
            raise DataError(f"The engine does not take the question: {error}.") from error


def _levels() -> Iterator[str]:
    for level in ("liquidation_end", "maintenance", "close_out"):
        yield level
        yield f"{level}_excess"


def _columns(figures: NDArray[np.int64]) -> dict[str, Any]:
    """Micro-dollars by column; `figures` has a row per date and portfolio, then level, then figure."""
    at = {name: place for place, name in enumerate(FIGURES)}
    initial = figures[:, Level.INITIAL]
    equity, requirement = initial[:, at["equity"]], initial[:, at["requirement"]]
    found: dict[str, Any] = {"equity": equity, "requirement": requirement, "excess": equity - requirement}
    for name in ("liquidation_end", "maintenance", "close_out"):
        own = figures[:, LEVELS[name]]
        found[name] = own[:, at["requirement"]]
        found[f"{name}_excess"] = own[:, at["equity"]] - found[name]
    return found | {name: initial[:, at[term]] for name, term in TERMS.items()}


def _sentence(equity: int, requirement: int, excess: int, binding: str) -> str:
    """Why, in one line; amounts are micro-dollars."""
    left = f"has ${excess / _MICRO:,.2f} more than that" if excess >= 0 else f"lacks ${-excess / _MICRO:,.2f}"
    share = f" ({requirement / equity:.1%} of its equity)" if equity > 0 else ""
    return f"needs ${requirement / _MICRO:,.2f}{share} because {binding}; {left}"

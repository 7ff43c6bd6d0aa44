"""Names to ids and scales: what a portfolio or an order may call a token, a perp or cash.

Responsible for: looking up what an engine lists, and saying what it has where a name is unknown. The names come from the engine
itself, so a restored production day knows them as well as a fresh listing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction

from novate.errors import DataError
from novate.messages.reports import portfolios
from novate.messages.reports.base import Answers

SHARE = 10**9
"""A share in the engine's units of perps."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """Something an account can hold."""

    name: str
    perp: bool
    id: int
    """Asset, or market of a perp."""
    underlying: str
    per_unit: Fraction
    """Smallest units (lots of a perp) in one token, coin or share."""
    quote: str = ""
    """What a perp settles in."""


@dataclass(frozen=True)
class Instruments:
    """Everything one engine lists, by name."""

    listed: portfolios.Listed
    held: dict[str, Instrument] = field(init=False)
    """Tokens, coins and perps."""
    underlyings: dict[str, portfolios.UnderlyingName] = field(init=False)
    assets: dict[str, portfolios.AssetName] = field(init=False)
    markets: dict[str, portfolios.MarketName] = field(init=False)
    named: dict[tuple[bool, int], str] = field(init=False)
    """(perp, id) to the name of an instrument."""

    def __post_init__(self) -> None:
        names = {line.underlying: line.name for line in self.listed.underlyings}
        coins = {line.asset: line.name for line in self.listed.assets}
        held = {
            line.name: Instrument(
                line.name, False, line.asset, names[line.underlying], Fraction(10**line.decimals)
            )
            for line in self.listed.assets
        } | {
            line.name: Instrument(
                line.name, True, line.market, names[line.underlying], 1 / lot_of(line), coins[line.quote]
            )
            for line in self.listed.markets
            if line.perp
        }
        for name, value in (
            ("held", held),
            ("underlyings", {line.name: line for line in self.listed.underlyings}),
            ("assets", {line.name: line for line in self.listed.assets}),
            ("markets", {line.name: line for line in self.listed.markets}),
            ("named", {(one.perp, one.id): one.name for one in held.values()}),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, engine: Answers) -> Instruments:
        """What `engine` lists now."""
        return cls(portfolios.listed(engine))

    def underlying_of(self, number: int) -> str:
        """Name of an underlying by id."""
        return next(line.name for line in self.listed.underlyings if line.underlying == number)


def lot_of(market: portfolios.MarketName) -> Fraction:
    """Shares in one lot of a perp, after its splits."""
    return Fraction(market.lot_size * market.split[0], SHARE * market.split[1])


def unknown(what: str, name: object, known: Iterable[str], where: str = "", **facts: str | int) -> DataError:
    """The error for a name that nothing has, with the nearest names or all of them."""
    names = list(known)
    near = get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"there are {', '.join(names) or 'none: nothing is listed'}."
    )
    return DataError(f"{where}{what} {name!r} is not listed; {hint}", name=str(name), **facts)

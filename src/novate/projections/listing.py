"""What is listed, as far as rows need it: scales, what a market exchanges, and what an amount is worth.

Responsible for: the dimension rows, and integer valuations from them. Never judges a price: values are at the index, without the
haircuts of margin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from novate.messages import reports
from novate.messages.reports import portfolios
from novate.messages.reports.base import Answers


class Asset(NamedTuple):
    """A row of `assets`."""

    asset: int
    name: str
    decimals: int
    stablecoin: int
    underlying: int
    multiplier_ppb: int


class Market(NamedTuple):
    """A row of `markets`, without the last trade."""

    market: int
    name: str
    perp: int
    underlying: int
    base: int
    quote: int
    tick_size: int
    lot_size: int
    unit: int


class Underlying(NamedTuple):
    """A row of `underlyings`, without the index."""

    underlying: int
    name: str
    decimals: int


@dataclass(slots=True)
class Listing:
    """Everything listed by id, and the last index of each underlying."""

    assets: dict[int, Asset] = field(default_factory=dict)
    markets: dict[int, Market] = field(default_factory=dict)
    underlyings: dict[int, Underlying] = field(default_factory=dict)
    index: dict[int, int] = field(default_factory=dict)
    cash: dict[int, int] = field(default_factory=dict)
    """What pays for issuance of a token, where that was seen."""

    def read(self, engine: Answers) -> None:
        """Takes in what the engine lists now."""
        listed = portfolios.listed(engine)
        units = {line.market: line.unit for line in reports.markets(engine)}
        for u in listed.underlyings:
            self.underlyings[u.underlying] = Underlying(u.underlying, u.name, u.decimals)
        for a in listed.assets:
            self.assets[a.asset] = Asset(
                a.asset, a.name, a.decimals, int(a.stablecoin), a.underlying, a.multiplier_ppb
            )
        for m in listed.markets:
            self.markets[m.market] = Market(
                m.market, m.name, int(m.perp), m.underlying, m.base, m.quote, m.tick_size, m.lot_size,
                units[m.market],
            )  # fmt: skip

    def face(self, asset: int, units: int) -> int:
        """Micro-dollars of a stablecoin at face, rounded down."""
        return int(units * 1_000_000 // 10 ** self.assets[asset].decimals)

    def worth(self, asset: int, units: int, price: int | None = None) -> int:
        """Micro-dollars: a stablecoin at face, a token at `price` (by default the last index), rounded down."""
        listed = self.assets[asset]
        if listed.stablecoin:
            return self.face(asset, units)
        at = self.index.get(listed.underlying, 0) if price is None else price
        scale = 10 ** (listed.decimals + 3 + self.underlyings[listed.underlying].decimals)
        return int(units * listed.multiplier_ppb * at // scale)

    def perps_of(self, quote: int) -> list[int]:
        """Perp markets that pay in a stablecoin."""
        return [m.market for m in self.markets.values() if m.perp and m.quote == quote]

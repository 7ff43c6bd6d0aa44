"""What a venue lists, by the names people use, with the scale of every quantity.

Responsible for: names to ids and back, and scales, as of one sequence. Never: asks by itself; whoever holds one makes a new one when the
venue lists something or a split takes effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from typing import Final, TypeVar

import msgspec

from novate._core import Listed as Tables
from novate.errors import DataError
from novate.messages.reports.base import Answers
from novate.messages.reports.portfolios import AssetName, Listed, MarketName, UnderlyingName, listed
from novate.schema.scale import DOLLARS, SHARES, Scale

_SHARE: Final = 10**9
_T = TypeVar("_T")
SCALES: Final = {"ticks": "price", "lots": "quantity", "money": "money", "mark": "mark"}
"""What a quantity of a market is in, and the attribute of `Market` with its scale."""


@dataclass(frozen=True, slots=True)
class Market:
    """A market and its scales."""

    id: int
    name: str
    perp: bool
    underlying: UnderlyingName
    base: AssetName | None
    """Token of a spot market."""
    quote: AssetName
    price: Scale
    """Of a tick, in dollars a share or a token."""
    quantity: Scale
    """Of a lot, in shares of a perp, tokens of a spot market."""
    money: Scale
    """Of a quote unit, in coins."""
    mark: Scale
    """Of its underlying's price, in dollars."""

    def scale(self, what: str) -> Scale:
        """The scale of ticks, lots, money or mark."""
        found: Scale = getattr(self, SCALES[what])
        return found


@dataclass(frozen=True)
class Catalogue:
    """Everything listed, by name and by id."""

    listed: Listed
    markets: Mapping[int, Market] = field(init=False)
    assets: Mapping[int, AssetName] = field(init=False)
    underlyings: Mapping[int, UnderlyingName] = field(init=False)
    market_ids: Mapping[str, int] = field(init=False)
    markets_by_name: Mapping[str, Market] = field(init=False)
    asset_ids: Mapping[str, int] = field(init=False)
    underlying_ids: Mapping[str, int] = field(init=False)
    amounts: Mapping[int, Scale] = field(init=False)
    """Of an asset's smallest unit."""
    prices: Mapping[int, Scale] = field(init=False)
    """Of an underlying's price."""
    tables: Tables = field(init=False, repr=False, compare=False)
    """The same as compiled code reads it."""

    def __post_init__(self) -> None:
        assets = {line.asset: line for line in self.listed.assets}
        underlyings = {line.underlying: line for line in self.listed.underlyings}
        amounts = {line.asset: Scale(Fraction(1, 10**line.decimals)) for line in assets.values()}
        markets = {
            line.market: _market(line, underlyings[line.underlying], assets, amounts)
            for line in self.listed.markets
        }
        for name, value in (
            ("assets", assets),
            ("underlyings", underlyings),
            ("amounts", amounts),
            ("markets", markets),
            ("markets_by_name", {one.name: one for one in markets.values()}),
            ("market_ids", {one.name: one.id for one in markets.values()}),
            ("asset_ids", {one.name: one.asset for one in assets.values()}),
            ("underlying_ids", {one.name: one.underlying for one in underlyings.values()}),
            (
                "prices",
                {at: Scale(Fraction(1, 10**one.decimals)) for at, one in underlyings.items()},
            ),
        ):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "tables", self._tables())

    @classmethod
    def of(cls, engine: Answers) -> Catalogue:
        """What `engine`, or a reader, lists now."""
        return cls(listed(engine))

    def shares_text(self, asset: AssetName) -> str:
        """Shares of one token, as text."""
        return Scale(Fraction(1, 10**9)).text(asset.multiplier_ppb)

    def _tables(self) -> Tables:
        ids = {"market": self.market_ids, "asset": self.asset_ids, "underlying": self.underlying_ids}
        names = [
            (what, at, name, msgspec.json.encode(name).decode())
            for what, things in ids.items()
            for name, at in things.items()
        ]
        scales = [(what, at, one.scale(what)) for what in SCALES for at, one in self.markets.items()]
        scales += [("amount", at, scale) for at, scale in self.amounts.items()]
        scales += [("price", at, scale) for at, scale in self.prices.items()]
        scales += [("dollars", 0, DOLLARS), ("shares", 0, SHARES)]
        return Tables(names, [(what, at, *scale.decimal()) for what, at, scale in scales])

    def market(self, name: str) -> Market:
        """The market of that name. Raises DataError with the nearest names."""
        return self.markets[named(self.market_ids, name, "market")]


def named(ids: Mapping[str, _T], name: str, what: str) -> _T:
    """The id of a name. Raises DataError that says what there is."""
    found = ids.get(name)
    if found is None:
        raise DataError(f"There is no {what} {name[:40]!r}; {_nearest(name, ids)}", name=name[:40])
    return found


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(name[:40], names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return (
        f"there are {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}."
        if names
        else "none is listed."
    )


def _market(
    line: MarketName,
    underlying: UnderlyingName,
    assets: Mapping[int, AssetName],
    amounts: Mapping[int, Scale],
) -> Market:
    num, den = line.split
    price = Fraction(line.tick_size * den, num * 10**underlying.decimals)
    base = assets.get(line.base)
    lot = (
        Fraction(line.lot_size * num, den * _SHARE)
        if base is None
        else Fraction(line.lot_size, 10**base.decimals)
    )
    return Market(
        line.market, line.name, line.perp, underlying, base, assets[line.quote],
        Scale(price), Scale(lot), amounts[line.quote], Scale(Fraction(1, 10**underlying.decimals)),
    )  # fmt: skip

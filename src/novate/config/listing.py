"""A listing: the commands that list a venue, and what people look up in them by name.

Responsible for: names to ids, terms and scales, and leaving a dated row out. Holds nothing that is not in its commands but
the class of each underlying. Never reads a file and never changes: `without_row` gives another listing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from novate.errors import ConfigError
from novate.messages import (
    Command,
    ListAsset,
    ListBroker,
    ListBucket,
    ListDatedRow,
    ListIssuance,
    ListMarket,
    ListPool,
    ListSource,
    ListUnderlying,
    MarketKind,
    encode,
)

PERP_LOT_DECIMALS = 9
"""A perp's lot is in 1e-9 shares; a spot market's in the token's smallest unit."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A venue as listed. All mappings by name are in the order of the file.

    `commands` are ConfigureVenue and its areas, buckets, dated rows, underlyings, sources, assets, markets, brokers with their
    dollars, issuance terms with what is attested, pools with their deposits: an order the engine takes. They follow the journal's first command, `ActivateRelease`, which is not among them.
    """

    commands: Sequence[Command]
    class_of: Mapping[str, str]
    """Underlying to its class in the file; "stable" for a stablecoin."""
    bucket: dict[str, int] = field(init=False)
    underlying: dict[str, int] = field(init=False)
    asset: dict[str, int] = field(init=False)
    market: dict[str, int] = field(init=False)
    terms: dict[str, ListUnderlying] = field(init=False)
    """Underlying to its terms."""
    assets: dict[str, ListAsset] = field(init=False)
    markets: dict[str, ListMarket] = field(init=False)
    broker: dict[str, int] = field(init=False)
    issuance: dict[str, ListIssuance] = field(init=False)
    """Token to the terms on which it is issued and redeemed."""
    pools: dict[str, ListPool] = field(init=False)
    """Stablecoin or token to its pool."""
    dated_rows: dict[str, ListDatedRow] = field(init=False)
    """Date to the row."""
    sources: dict[tuple[str, int], str] = field(init=False)
    """Underlying and source id to the source's name."""
    underlying_of_asset: dict[str, str] = field(init=False)
    underlying_of_market: dict[str, str] = field(init=False)
    token_of_underlying: dict[str, str] = field(init=False)
    """Underlying to the token of it, where there is one."""

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        listed = self.commands
        terms = {c.name: c for c in listed if isinstance(c, ListUnderlying)}
        assets = {c.name: c for c in listed if isinstance(c, ListAsset)}
        markets = {c.name: c for c in listed if isinstance(c, ListMarket)}
        names = {c.underlying: name for name, c in terms.items()}
        put("bucket", {c.name: c.bucket for c in listed if isinstance(c, ListBucket)})
        put("dated_rows", {c.date: c for c in listed if isinstance(c, ListDatedRow)})
        put("sources", {(names[c.underlying], c.source): c.name for c in listed if isinstance(c, ListSource)})
        put("terms", terms)
        put("assets", assets)
        put("markets", markets)
        put("underlying", {name: c.underlying for name, c in terms.items()})
        put("asset", {name: c.asset for name, c in assets.items()})
        held = {c.asset: name for name, c in assets.items()}
        put("broker", {c.name: c.broker for c in listed if isinstance(c, ListBroker)})
        put("issuance", {held[c.token]: c for c in listed if isinstance(c, ListIssuance)})
        put("pools", {held[c.asset]: c for c in listed if isinstance(c, ListPool)})
        put("market", {name: c.market for name, c in markets.items()})
        put("underlying_of_asset", {name: names[c.underlying] for name, c in assets.items()})
        put("underlying_of_market", {name: names[c.underlying] for name, c in markets.items()})
        put(
            "token_of_underlying",
            {names[c.underlying]: name for name, c in assets.items() if c.asset_kind == 1},
        )

    def buffer(self) -> bytes:
        """All commands as messages back to back, for the sequencer to stamp."""
        return b"".join(encode(command) for command in self.commands)

    def without_row(self, date: str) -> Listing:
        """The same listing without the dated row of this date; other rows keep their ids. ConfigError: no such row."""
        if date not in self.dated_rows:
            raise ConfigError(
                f"There is no dated row {date}; there are {', '.join(self.dated_rows) or 'none'}.", date=date
            )
        kept = tuple(c for c in self.commands if not (isinstance(c, ListDatedRow) and c.date == date))
        return replace(self, commands=kept)

    def decimals(self, asset: str) -> int:
        """Digits of an asset's amounts after the point."""
        return self.assets[asset].decimals

    def tick_size(self, market: str) -> int:
        """A market's price step, at the scale of its underlying's price (1e-6 dollar in the demo)."""
        return self.markets[market].tick_size

    def lot_size(self, market: str) -> int:
        """A market's quantity step: units of the token (spot), or 1e-9 shares (perp)."""
        return self.markets[market].lot_size

    def lot_decimals(self, market: str) -> int:
        """The scale of `lot_size`: one share or token is 10 to this power."""
        terms = self.markets[market]
        if terms.market_kind == MarketKind.PERP:
            return PERP_LOT_DECIMALS
        return next(c.decimals for c in self.assets.values() if c.asset == terms.base)

    def quote_units(self, market: str) -> int:
        """Quote units that one tick of one lot is worth: price in ticks x lots x this is a notional. Always whole."""
        terms = self.markets[market]
        quote = next(c.decimals for c in self.assets.values() if c.asset == terms.quote)
        down = self.terms[self.underlying_of_market[market]].decimals + self.lot_decimals(market)
        return int(terms.tick_size * terms.lot_size * 10**quote // 10**down)

"""What the margin reference reads: listings with the field names of the listing commands, views of prices and accounts.

Responsible for: naming the inputs. Never computes. Units: money in micro-dollars or the asset's smallest unit, prices at
the underlying's scale (`decimals` digits), rates in parts per million, shares in 1e-9. Fields that margin does not read
default to 0, so that a test states only what matters; any object with the same attributes will do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class ConfigureVenue:
    """Venue parameters, once."""

    liquidation_end_ppm: int
    maintenance_ppm: int
    close_out_ppm: int
    bucket_sum_ppm: int
    gap_sum_ppm: int
    tail_shock_ppm: int
    tail_weight_ppm: int
    rotation_ppm: int
    participation_ppm: int
    impact_ppm: int
    liquidity_cap_ppm: int
    long_charge_limit_ppm: int
    gain_cap: int
    withdrawal_multiple_ppm: int = 0
    flag_after_ns: int = 0
    drop_after_ns: int = 0
    stable_window_ns: int = 0
    source_agreement_ppm: int = 0
    confirm_after_ns: int = 0
    confirm_quotes: int = 0
    mark_average_ns: int = 0
    mark_speed_ppm: int = 0
    settle_every_ns: int = 0
    premium_gap_ns: int = 0
    sweep_accounts: int = 0
    client_ids_kept: int = 0
    orders_per_market: int = 0
    liquidation_fee_ppm: int = 0
    liquidation_fee_share_ppm: int = 0
    liquidation_fee_equity_ppm: int = 0
    liquidation_volume_ppm: int = 0
    liquidation_depth_ppm: int = 0
    liquidation_closed_ppm: int = 0
    liquidation_min_tolerance_ppm: int = 0
    production: int = 0


@dataclass(frozen=True, kw_only=True)
class ListBucket:
    """A risk bucket; the session factors reach margin through `PriceView`."""

    bucket: int
    name: str = ""
    gain_ppm: int
    history_divisor: int = 1
    extended_ppm: int = 0
    overnight_ppm: int = 0
    closure_ppm: int = 0


@dataclass(frozen=True, kw_only=True)
class ListDatedRow:
    """A dated joint move: ppm per bucket id, from 1."""

    row: int
    date: str = ""
    moves_ppm: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ListUnderlying:
    """What has a price outside."""

    underlying: int
    name: str = ""
    bucket: int
    sector: int
    gap_group: int
    decimals: int = 6
    price_class: int = 0
    quorum: int = 0
    deviation_ppm: int = 0
    jump_ppm: int = 0
    price_min: int = 0
    price_max: int = 0
    accrual_ppm: int = 0
    max_age_ns: int = 0
    beta_ppm: int = 1_000_000
    shock_down_ppm: int
    shock_up_ppm: int
    gap_ppm: int
    leverage_ppm: int = 1_000_000
    basis_ppm: int
    half_spread_ppm: int = 0
    sigma_ppm: int = 0
    spot_volume: int = 0
    perp_volume: int = 0
    session_share_ppm: int = 1_000_000
    crowd_ppm: int = 0
    crowd_low: int = 0
    crowd_high: int = 1
    confidence_floor_ppm: int = 0
    confidence_slope_ppm: int = 0
    min_size: int = 0
    discovery_ppm: int = 0
    re_anchors: int = 0


@dataclass(frozen=True, kw_only=True)
class ListAsset:
    """What an account holds: kind 0 is a stablecoin, 1 a token."""

    asset: int
    name: str = ""
    asset_kind: int
    decimals: int = 6
    underlying: int = 0
    multiplier_ppb: int = 1_000_000_000
    wrap_ppm: int = 0
    borrow_wrap_ppm: int = 0
    depeg_ppm: int = 0
    loan_to_value_ppm: int = 0
    owner_cap: int = 0
    venue_cap: int = 0


@dataclass(frozen=True, kw_only=True)
class ListPool:
    """Where an asset is lent."""

    asset: int
    lent_charge_ppm: int


@dataclass(frozen=True, kw_only=True)
class ListMarket:
    """What trades: kind 0 is spot, 1 a perp."""

    market: int
    name: str = ""
    market_kind: int
    base: int = 0
    underlying: int
    quote: int
    tick_size: int
    lot_size: int
    min_lots: int = 0
    max_lots: int = 0
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    band_ppm: int = 0
    collar_ppm: int = 0
    self_trade: int = 0
    impact_notional: int = 0
    funding_ppm: int = 0
    funding_closed_ppm: int = 0
    interest_ppm: int = 0
    premium_clamp_ppm: int = 0
    funding_cap_ppm: int = 0
    funding_closed_cap_ppm: int = 0
    band_extended_ppm: int = 0
    band_closed_ppm: int = 0
    opens_by_auction: int = 0


@dataclass(frozen=True, kw_only=True)
class PriceView:
    """One underlying's prices now.

    `index` drifts while closed and blends while reopening, `last_external` is the last confirmed one (None: the index),
    `blending_to` the external price a reopening goes to; `least_gap_*_ppm` is what halts and reports ask of the gap rate,
    `worthless_unmatched` whether a halt has lasted so long that only matched tokens count. `marks` is one price per perp
    market that has one, `session_*_ppm` the factor of the bucket's session, `price_ppm` a stablecoin's dollar price, `uses_slower` whether the
    index is too thinly supported to liquidate at.
    """

    index: int
    stable: int
    last_external: int | None = None
    marks: Mapping[int, int] = field(default_factory=dict)
    session_initial_ppm: int = 1_000_000
    session_maintenance_ppm: int = 1_000_000
    confidence_ppm: int = 1_000_000
    price_ppm: int = 1_000_000
    uses_slower: bool = True
    blending_to: int | None = None
    least_gap_initial_ppm: int = 0
    least_gap_maintenance_ppm: int = 0
    worthless_unmatched: bool = False

    @property
    def confirmed(self) -> int:
        """The last price that the outside confirmed."""
        return self.index if self.last_external is None else self.last_external


class Liquidity(NamedTuple):
    """Cost of getting out, per dollar, stored per owner and underlying."""

    k_spot_ppm: int
    k_perp_ppm: int


@dataclass(frozen=True, kw_only=True)
class Venue:
    """Everything that is not the account. `liquidity` is keyed (owner, underlying); open interest is micro-dollars;
    `admitted` is each token's units admitted in all accounts."""

    parameters: ConfigureVenue
    buckets: Mapping[int, ListBucket]
    dated_rows: Mapping[int, ListDatedRow]
    underlyings: Mapping[int, ListUnderlying]
    assets: Mapping[int, ListAsset]
    markets: Mapping[int, ListMarket]
    prices: Mapping[int, PriceView]
    liquidity: Mapping[tuple[int, int], Liquidity]
    open_interest: Mapping[int, int] = field(default_factory=dict)
    admitted: Mapping[int, int] = field(default_factory=dict)
    due_ppm: int = 1_000_000
    """Part of cash due from redemptions that counts."""
    pools: Mapping[int, ListPool] = field(default_factory=dict)
    receivable: Mapping[int, int] = field(default_factory=dict)
    """Dividends receivable on each token, in 1e-12 dollars."""
    splits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Perps whose shares were split: new shares for old ones since the listing."""


class Balance(NamedTuple):
    """Smallest units; `admitted` units of a token count as unhedged collateral at initial. `escrowed` units are held for
    requests to issue or redeem, `due` cash is owed by the venue for redemptions."""

    pledged: int
    lent: int = 0
    admitted: int = 0
    escrowed: int = 0
    due: int = 0


class Position(NamedTuple):
    """Signed lots and signed cost; cost, claim, hedged claim and debt in quote units."""

    lots: int
    cost: int
    claim: int = 0
    hedged_claim: int = 0
    debt: int = 0


class OpenOrder(NamedTuple):
    """Side 0 bids, 1 asks; price in ticks, at least one lot."""

    market: int
    side: int
    price: int
    lots: int


@dataclass(frozen=True, kw_only=True)
class AccountView:
    """One account: balances by asset, positions by market, open orders; of its owner, how many accounts and each token's
    units admitted in all of them."""

    owner: int = 1
    balances: Mapping[int, Balance] = field(default_factory=dict)
    positions: Mapping[int, Position] = field(default_factory=dict)
    orders: tuple[OpenOrder, ...] = ()
    owner_accounts: int = 1
    owner_admitted: Mapping[int, int] = field(default_factory=dict)

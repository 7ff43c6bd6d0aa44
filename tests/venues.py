"""A plain venue for tests: one name, a token, two perps and two spot markets, mild parameters, rich accounts.

Responsible for: listings that stand out of the way, so that a test sees only the rule it is about. Prices are 1e-6 dollar;
a tick is one cent, a lot a hundredth of a share or of a token, the index 100 dollars: 10,000 ticks.
"""

from collections.abc import Mapping

from novate import _core
from novate._core import Engine
from novate.messages import (
    ActivateRelease,
    AdvanceTime,
    Command,
    CommandRefused,
    ConfigureLending,
    ConfigureLiquidation,
    ConfigureOrders,
    ConfigurePackages,
    ConfigurePrices,
    ConfigureVenue,
    Deposit,
    EventMessage,
    ListAsset,
    ListBucket,
    ListDatedRow,
    ListMarket,
    ListSource,
    ListUnderlying,
    MarketKind,
    OpenAccount,
    PostPrice,
    Session,
    SetSession,
    encode,
    iter_events,
)

M = 1_000_000
SECOND = 1_000_000_000
START_NS = 1_767_623_400 * SECOND
USD, TOKEN = 1, 2
NAME, CASH = 1, 2
DOLLARS = 100
"""The index."""

PARAMETERS = ConfigureVenue(
    liquidation_end_ppm=850_000, maintenance_ppm=750_000, close_out_ppm=500_000, bucket_sum_ppm=500_000,
    gap_sum_ppm=250_000, tail_shock_ppm=2 * M, tail_weight_ppm=350_000, rotation_ppm=500_000, participation_ppm=100_000,
    impact_ppm=M, liquidity_cap_ppm=100_000, long_charge_limit_ppm=950_000, gain_cap=10**12, withdrawal_multiple_ppm=1_500_000,
    flag_after_ns=5 * SECOND, drop_after_ns=30 * SECOND, stable_window_ns=1_800 * SECOND, source_agreement_ppm=10_000,
    confirm_after_ns=60 * SECOND, confirm_quotes=3, mark_average_ns=150 * SECOND, mark_speed_ppm=5_000,
    settle_every_ns=3_600 * SECOND, premium_gap_ns=360 * SECOND, sweep_accounts=100, client_ids_kept=100,
    orders_per_market=1_000_000, liquidation_fee_ppm=15_000, liquidation_fee_share_ppm=250_000,
    liquidation_fee_equity_ppm=500_000, liquidation_volume_ppm=100_000, liquidation_depth_ppm=250_000,
    liquidation_closed_ppm=250_000, liquidation_min_tolerance_ppm=20_000, production=0,
)  # fmt: skip
ORDERS = ConfigureOrders(
    batch_legs=20, orders_per_account=1_000_000, orders_per_book=1_000_000, order_interval_ns=1_000, order_burst=10**9,
    timers_per_advance=100, longest_expiry_ns=86_400 * SECOND, twap_interval_ns=SECOND, twap_slices=1_000, twap_catch_up=3,
    silence_least_ns=SECOND, silence_most_ns=86_400 * SECOND, call_ns=60 * SECOND, reducing_corners=256,
)  # fmt: skip

LIQUIDATION = ConfigureLiquidation(
    auction_start_ppm=1_000, auction_fast_ppm=500, auction_fast_ns=10 * SECOND, auction_slow_ppm=100,
    auction_duration_ns=60 * SECOND, auction_closed_factor=4, backstop_notice_ns=3_600 * SECOND, insurance_group_day_cap=10**10,
    residue_value=M, deleverage_share_ppm=M // 2, deleverage_notional=10**12, sale_tolerance_ppm=20_000, recovery_sessions=2,
    cover_owners=100, open_interest_floor_ppm=250_000,
)  # fmt: skip
PACKAGES = ConfigurePackages(
    legs=8, open_blocks=20, open_requests=10, open_quotes=100, quotes_per_request=20, makers_per_request=20,
    longest_life_ns=86_400 * SECOND, reveal=0, compensation_per_trade=10**11, compensation_per_day=10**12,
)  # fmt: skip


PRICES = ConfigurePrices(
    statements_kept=8, venues_while_closed=2, drift_ns=3_600 * SECOND, re_anchor_at_ppm=900_000,
    breach_ns=1_800 * SECOND, long_closure_ns=43_200 * SECOND, reopening_ns=900 * SECOND, blend_ns=30 * SECOND,
    outage_ns=5 * SECOND, cancel_only_ns=60 * SECOND, halt_first_ns=3_600 * SECOND, halt_first_gap_ppm=300_000,
    halt_second_ns=86_400 * SECOND, halt_second_gap_ppm=600_000, halt_last_ns=259_200 * SECOND,
    halt_settle_ns=259_200 * SECOND, earnings_multiple_ppm=1_500_000, earnings_ramp_ns=7_200 * SECOND,
)  # fmt: skip
SIZE = 10**11
"""Micro-dollars behind every posted price."""

LENDING = ConfigureLending(
    call_above_ppm=950_000, call_after_ns=3_600 * SECOND, call_deadline_ns=86_400 * SECOND, unsettled_after_ns=3_600 * SECOND,
    cash_call_ns=4 * 3_600 * SECOND, recall_opens=2, ticks_per_command=1_440,
)  # fmt: skip


def underlying(number: int, name: str, price: int) -> ListUnderlying:
    """A liquid name of quorum 1."""
    return ListUnderlying(
        underlying=number, name=name, bucket=1, sector=1, gap_group=number, decimals=6, price_class=0, quorum=1,
        deviation_ppm=50_000, jump_ppm=100_000, price_min=1, price_max=1_000 * price * M, accrual_ppm=0, max_age_ns=0,
        beta_ppm=M, shock_down_ppm=90_000, shock_up_ppm=90_000, gap_ppm=60_000, leverage_ppm=M, basis_ppm=10_000,
        half_spread_ppm=100, sigma_ppm=20_000, spot_volume=10**15, perp_volume=10**15, session_share_ppm=M, crowd_ppm=0,
        crowd_low=0, crowd_high=1, confidence_floor_ppm=0, confidence_slope_ppm=0, min_size=M,
    )  # fmt: skip


def market(number: int, name: str, kind: int, self_trade: int) -> ListMarket:
    """A wide market, fees included."""
    spot = kind == MarketKind.SPOT
    return ListMarket(
        market=number, name=name, market_kind=kind, base=TOKEN if spot else 0, underlying=NAME, quote=USD, tick_size=10_000,
        lot_size=10**4 if spot else 10**7, min_lots=1, max_lots=10**9, maker_fee_ppm=150, taker_fee_ppm=350,
        band_ppm=500_000, collar_ppm=50_000, self_trade=self_trade, impact_notional=10**9, funding_ppm=500_000,
        funding_closed_ppm=250_000, interest_ppm=100, premium_clamp_ppm=500, funding_cap_ppm=1_000,
        funding_closed_cap_ppm=200, band_extended_ppm=500_000, band_closed_ppm=500_000, opens_by_auction=0,
    )  # fmt: skip


PERP = (market(1, "PERP", MarketKind.PERP, 0), market(2, "PERP-ALLOW", MarketKind.PERP, 1))
SPOT = (market(3, "SPOT", MarketKind.SPOT, 0), market(4, "SPOT-ALLOW", MarketKind.SPOT, 1))


class PlainVenue:
    """A bare engine; `send` stamps and applies one command."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.time_ns = START_NS
        self.sent: list[bytes] = []
        """Every command so far, as it was sent."""

    def send(self, command: Command, account: int = 0) -> list[EventMessage]:
        """One command now; its events."""
        stamped = encode(command, account=account, sequence=self.engine.sequence + 1, time_ns=self.time_ns)
        self.sent.append(stamped)
        return list(iter_events(self.engine.apply(stamped)))

    def must(self, command: Command, account: int = 0) -> list[EventMessage]:
        """The same for a command that has to be taken."""
        events = self.send(command, account)
        refused = [event.body for event in events if isinstance(event.body, CommandRefused)]
        assert not refused, (command, refused)
        return events

    def price(self, number: int, price: int) -> None:
        """Two sources agree on a price at 1e-6 dollar."""
        for source in (1, 2):
            self.must(
                PostPrice(
                    underlying=number, source=source, price=price, venue_time_ns=self.time_ns, size=SIZE
                )
            )

    def advance(self, seconds: int) -> None:
        """Time passes."""
        self.time_ns += seconds * SECOND
        self.must(AdvanceTime())


def open_plain_venue(owners: Mapping[int, int]) -> PlainVenue:
    """The venue with accounts (owner by account), each with 10 million dollars and 100,000 tokens."""
    venue = PlainVenue()
    venue.must(ActivateRelease(release=_core.release(), ruleset=_core.ruleset()))
    venue.must(PARAMETERS)
    venue.must(ORDERS)
    venue.must(PRICES)
    venue.must(PACKAGES)
    venue.must(LIQUIDATION)
    venue.must(LENDING)
    venue.must(
        ListBucket(
            bucket=1,
            name="us_equity",
            gain_ppm=700_000,
            history_divisor=1,
            extended_ppm=1_150_000,
            overnight_ppm=1_300_000,
            closure_ppm=1_600_000,
        )
    )
    venue.must(ListDatedRow(row=1, date="2020-03-16", moves_ppm=(-109_000,)))
    for number, name, dollars in ((NAME, "NVDA", DOLLARS), (CASH, "USD", 1)):
        venue.must(underlying(number, name, dollars))
        for source in (1, 2):
            venue.must(ListSource(underlying=number, source=source, name=f"S{source}"))
    for asset, name, kind, of, cap in ((USD, "USDC", 0, CASH, 0), (TOKEN, "NVDAx", 1, NAME, 10**15)):
        venue.must(
            ListAsset(
                asset=asset,
                name=name,
                asset_kind=kind,
                decimals=6,
                underlying=of,
                multiplier_ppb=10**9,
                wrap_ppm=20_000 * kind,
                borrow_wrap_ppm=50_000 * kind,
                depeg_ppm=10_000,
                loan_to_value_ppm=650_000 * kind,
                owner_cap=cap,
                venue_cap=cap,
                sale_rank=kind,
            )
        )
    for listed in (*PERP, *SPOT):
        venue.must(listed)
    for number, dollars in ((NAME, DOLLARS), (CASH, 1)):
        venue.must(
            SetSession(underlying=number, session=Session.REGULAR, next_session=Session.POST, next_time_ns=0)
        )
        venue.price(number, dollars * M)
    venue.advance(1)
    for account, owner in owners.items():
        venue.must(OpenAccount(owner=owner), account)
        venue.must(Deposit(asset=USD, amount=10**13, reference=1), account)
        venue.must(Deposit(asset=TOKEN, amount=10**11, reference=1), account)
    return venue

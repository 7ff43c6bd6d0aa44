"""A seeded random venue and random things that happen in it, all by real commands: what differential and golden tests feed on.

Responsible for: drawing listings inside their bounds (odd scales, multipliers and caps included) and steps in which
accounts trade, borrow, fall below their requirements and are liquidated while prices, sessions and sources change. Never
looks at how the engine decides: a refused command is part of the stream, and counted.

A world speaks to an engine through `send`, so that the same stream runs on a bare `Engine` or through a journal.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random

from novate import _core
from novate._core import Engine
from novate.messages import (
    ActivateRelease,
    AdvanceTime,
    AmendOrder,
    AssetKind,
    CancelAll,
    CancelOrder,
    Command,
    CommandRefused,
    ConfigureLending,
    ConfigureOrders,
    ConfigurePrices,
    ConfigureVenue,
    Deposit,
    EventMessage,
    Flags,
    FundInsurance,
    FundPool,
    Lend,
    ListAsset,
    ListBucket,
    ListDatedRow,
    ListMarket,
    ListPool,
    ListSource,
    ListUnderlying,
    MarketKind,
    OpenAccount,
    OrderKind,
    PlaceOrder,
    PostLiquidity,
    PostPrice,
    Recall,
    RequestWithdrawal,
    ResumeVenue,
    Session,
    SetSession,
    SettleWithdrawal,
    Side,
    TimeInForce,
    Transfer,
    VoidWithdrawal,
    encode,
    iter_events,
    reports,
    rule,
)
from venues import LIQUIDATION, PACKAGES

M = 1_000_000
SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
START_NS = 1_767_623_400 * SECOND
"""Monday 2026-01-05, 09:30 in New York."""
ORDERS = ConfigureOrders(
    batch_legs=20, orders_per_account=1_000, orders_per_book=10_000, order_interval_ns=1_000, order_burst=10**9,
    timers_per_advance=100, longest_expiry_ns=86_400 * SECOND, twap_interval_ns=SECOND, twap_slices=1_000, twap_catch_up=3,
    silence_least_ns=SECOND, silence_most_ns=86_400 * SECOND, call_ns=60 * SECOND, reducing_corners=256,
)  # fmt: skip

EQUITY, CRYPTO, RATES, CASH = 1, 2, 3, 4
USD, EUR = 1, 2
"""Two stablecoins; the second has other decimals and a price that wanders."""
COINS = {USD: 91, EUR: 92}
LENDER = 6
"""Account that only lends."""

LENDING = ConfigureLending(
    call_above_ppm=950_000, call_after_ns=3_600 * SECOND, call_deadline_ns=86_400 * SECOND, unsettled_after_ns=3_600 * SECOND,
    cash_call_ns=4 * 3_600 * SECOND, recall_opens=2, ticks_per_command=1_440,
)  # fmt: skip
"""Lending parameters."""

Send = Callable[[Command, int, int], list[EventMessage]]
"""Sends one command: command, account, time; returns its events."""

MIX = {
    "order": 40, "cross": 25, "cancel": 5, "amend": 6, "price": 14, "time": 4, "money": 8, "session": 2, "coin": 2, "liquidity": 2,
    "cancel_all": 1, "resume": 0,
}  # fmt: skip
"""How often each step is drawn."""


def sender(engine: Engine) -> Send:
    """A `send` straight into an engine, sequence stamped here."""

    def send(command: Command, account: int, time_ns: int) -> list[EventMessage]:
        stamped = encode(command, account=account, sequence=engine.sequence + 1, time_ns=time_ns)
        return list(iter_events(engine.apply(stamped)))

    return send


class World:
    """A venue under a seed. `listed` has every accepted listing command by class and id; `refused` counts refusals."""

    def __init__(self, seed: int, engine: Engine, send: Send, *, mix: dict[str, int] | None = None) -> None:
        self.random = Random(seed)
        self.engine = engine
        self.send = send
        self.mix = MIX | (mix or {})
        self.time_ns = START_NS
        self.commands = 0
        self.refused: Counter[str] = Counter()
        self.parameters: ConfigureVenue
        self.buckets: dict[int, ListBucket] = {}
        self.pools: dict[int, ListPool] = {}
        self.dated_rows: dict[int, ListDatedRow] = {}
        self.underlyings: dict[int, ListUnderlying] = {}
        self.assets: dict[int, ListAsset] = {}
        self.markets: dict[int, ListMarket] = {}
        self.owners: dict[int, int] = {}
        """Owner by account."""
        self.price: dict[int, int] = {}
        """What the outside thinks each underlying is worth, at its scale."""
        self.orders: list[tuple[int, int]] = []
        """(account, order) of orders placed, live or not."""
        self.withdrawals: list[int] = []
        self._reference = 0

    def submit(self, command: Command, account: int = 0) -> list[EventMessage]:
        """Sends a command now."""
        events = self.send(command, account, self.time_ns)
        self.commands += 1
        for event in events:
            if isinstance(event.body, CommandRefused):
                self.refused[rule(event.body.code).name] += 1
        return events

    def accepted(self, command: Command) -> bool:
        """Sends a listing; whether it was taken."""
        return not any(isinstance(event.body, CommandRefused) for event in self.submit(command))

    def odds(self, chance: float) -> bool:
        """True with a chance."""
        return self.random.random() < chance

    def near(self, value: int, width_ppm: int) -> int:
        """A number within a width of a value, at least 1."""
        return max(1, value + value * self.random.randint(-width_ppm, width_ppm) // M)

    # --- listings ------------------------------------------------------------------------------------------------------

    def found(self, *, release: bool = True, names: int = 5, accounts: int = 6) -> None:
        """Lists everything, opens and funds accounts (and the lender), opens sessions and posts first prices."""
        if release:
            self.submit(ActivateRelease(release=_core.release(), ruleset=_core.ruleset()))
        self.parameters = self._parameters()
        self._list(self.parameters)
        self._list(ORDERS)
        self._list(self._price_parameters())
        self._list(PACKAGES)
        self._list(LIQUIDATION)
        self._list(LENDING)
        self._list_buckets()
        for coin, underlying in COINS.items():
            self._list_coin(coin, underlying)
        for underlying in range(1, names + 1):
            self._list_name(underlying)
        self._list_pool(USD)
        for account in range(1, accounts + 1):
            self.owners[account] = self.random.randint(1, max(1, accounts - 2)) if account != LENDER else 99
            self.submit(OpenAccount(owner=self.owners[account]), account)
        self._open_sessions()
        for bucket in self.buckets:
            self.submit(FundInsurance(bucket=bucket, asset=USD, amount=10**10))
        for account in self.owners:
            self._fund(account)

    def _list_pool(self, asset: int) -> None:
        self.pools[asset] = ListPool(
            asset=asset, rate_ppm=80_000, reserve_ppm=100_000, owner_cap=10**12, venue_cap=10**13, utilisation_ppm=(800_000, M),
            rates_ppm=(80_000, 500_000), locked_deposit=10**6, reserve_target=10**9, insurance_bucket=1,
            lent_charge_ppm=self.random.choice((0, 33_333, 100_000)),
        )  # fmt: skip
        self._list(self.pools[asset])
        self._list(FundPool(asset=asset, amount=10**6))

    def _list(self, command: Command) -> None:
        assert self.accepted(command), f"refused: {command}"

    def _parameters(self) -> ConfigureVenue:
        draw = self.random.randint
        return ConfigureVenue(
            liquidation_end_ppm=draw(800_000, 900_000), maintenance_ppm=draw(650_000, 790_000),
            close_out_ppm=draw(400_000, 600_000), bucket_sum_ppm=draw(0, M), gap_sum_ppm=draw(0, M),
            tail_shock_ppm=draw(M, 3 * M), tail_weight_ppm=draw(0, 600_000), rotation_ppm=draw(0, M),
            participation_ppm=draw(50_000, 200_000), impact_ppm=draw(0, 2 * M), liquidity_cap_ppm=draw(20_000, 150_000),
            long_charge_limit_ppm=draw(600_000, M), gain_cap=self.random.choice((0, 10**9, 10**10, 10**13)),
            withdrawal_multiple_ppm=draw(M, 2 * M), flag_after_ns=5 * SECOND, drop_after_ns=30 * SECOND,
            stable_window_ns=1_800 * SECOND, source_agreement_ppm=10_000, confirm_after_ns=60 * SECOND, confirm_quotes=3,
            mark_average_ns=150 * SECOND, mark_speed_ppm=draw(1_000, 20_000), settle_every_ns=1_200 * SECOND,
            premium_gap_ns=360 * SECOND, sweep_accounts=draw(1, 20), client_ids_kept=8, orders_per_market=50,
            liquidation_fee_ppm=15_000, liquidation_fee_share_ppm=250_000, liquidation_fee_equity_ppm=500_000,
            liquidation_volume_ppm=M, liquidation_depth_ppm=M, liquidation_closed_ppm=250_000,
            liquidation_min_tolerance_ppm=20_000, production=0,
        )  # fmt: skip

    def _price_parameters(self) -> ConfigurePrices:
        """Short closures, halts and blends, so that a stream of minutes meets them all."""
        draw = self.random.randint
        return ConfigurePrices(
            statements_kept=draw(2, 8), venues_while_closed=2, drift_ns=draw(600, 7_200) * SECOND,
            re_anchor_at_ppm=draw(500_000, M), breach_ns=draw(60, 600) * SECOND, long_closure_ns=HOUR,
            reopening_ns=draw(0, 900) * SECOND, blend_ns=draw(0, 60) * SECOND, outage_ns=5 * SECOND, cancel_only_ns=60 * SECOND,
            halt_first_ns=60 * SECOND, halt_first_gap_ppm=300_000, halt_second_ns=300 * SECOND, halt_second_gap_ppm=600_000,
            halt_last_ns=900 * SECOND, halt_settle_ns=HOUR, earnings_multiple_ppm=draw(M, 2 * M), earnings_ramp_ns=600 * SECOND,
        )  # fmt: skip

    def _list_buckets(self) -> None:
        draw = self.random.randint
        for bucket, name in ((EQUITY, "us_equity"), (CRYPTO, "crypto"), (RATES, "rates"), (CASH, "cash")):
            self.buckets[bucket] = ListBucket(
                bucket=bucket,
                name=name,
                gain_ppm=draw(0, M),
                history_divisor=8 if bucket == RATES else 1,
                extended_ppm=draw(M, 1_200_000),
                overnight_ppm=draw(M, 1_400_000),
                closure_ppm=draw(M, 1_700_000),
            )
            self._list(self.buckets[bucket])
        numbers = self.random.sample(range(1, 100), draw(1, 5))  # ids in no order: the first listed wins ties
        for row in numbers:
            if not self.dated_rows or self.odds(0.6):  # else the row before again: a tie
                moves = tuple(draw(-150_000, 150_000) if self.odds(0.8) else 0 for _ in self.buckets)
            self.dated_rows[row] = ListDatedRow(row=row, date=f"2020-01-{row % 28 + 1:02}", moves_ppm=moves)
            self._list(self.dated_rows[row])

    def _list_coin(self, coin: int, underlying: int) -> None:
        decimals = self.random.choice((4, 6, 9))
        self.price[underlying] = 10**decimals
        self.underlyings[underlying] = self._underlying(underlying, CASH, decimals, 1)
        self._list(self.underlyings[underlying])
        self._list_sources(underlying)
        self.assets[coin] = ListAsset(
            asset=coin, name=f"COIN{coin}", asset_kind=AssetKind.STABLECOIN,
            decimals=6 if coin == USD else self.random.choice((4, 6, 8)), underlying=underlying,
            multiplier_ppb=10**9, wrap_ppm=0, borrow_wrap_ppm=0, depeg_ppm=self.random.randint(0, 50_000),
            loan_to_value_ppm=0, owner_cap=0, venue_cap=0, sale_rank=0,
        )  # fmt: skip
        self._list(self.assets[coin])

    def _list_name(self, underlying: int) -> None:
        """An underlying, listed with milder numbers until its charges fit, its tokens and its markets."""
        decimals, bucket = self.random.randint(2, 9), self.random.choice((EQUITY, EQUITY, CRYPTO, RATES))
        self.price[underlying] = self.random.randint(5, 4_000) * 10**decimals + self.random.randint(0, 9)
        listing = self._underlying(underlying, bucket, decimals, M)
        for mildness in range(2, 100):
            if self.accepted(listing):
                break
            listing = self._underlying(underlying, bucket, decimals, M // mildness)
        self.underlyings[underlying] = listing
        self._list_sources(underlying)
        for number in range(self.random.choice((1, 1, 2))):
            self._list_token(underlying, 10 * underlying + number)
        for number in range(self.random.choice((1, 1, 2))):
            self._list_market(10 * underlying + 5 + number, underlying, 0)

    def _underlying(self, underlying: int, bucket: int, decimals: int, severity: int) -> ListUnderlying:
        draw = self.random.randint
        price = self.price[underlying]

        def upto(most: int) -> int:
            return draw(0, max(0, most * severity // M))

        low, gap = draw(0, 10**11), self.random.choice((0, upto(300_000)))
        edge = min(
            200_000, 2 * self.parameters.gap_sum_ppm * gap // M + draw(0, 1)
        )  # where BASIS changes its form
        return ListUnderlying(
            underlying=underlying, name=f"U{underlying}", bucket=bucket, sector=draw(0, 3), gap_group=draw(1, 4),
            decimals=decimals, price_class=0, quorum=draw(1, 2), deviation_ppm=50_000, jump_ppm=100_000, price_min=1,
            price_max=min(100 * price, 9 * 10**12), accrual_ppm=0, max_age_ns=0,
            beta_ppm=draw(0, (5 if bucket == RATES else 2) * severity), shock_down_ppm=upto(200_000),
            shock_up_ppm=upto(250_000), gap_ppm=gap,
            leverage_ppm=self.random.choice((M, M, 2 * M, 3 * M)),
            basis_ppm=self.random.choice((0, edge, upto(40_000))), half_spread_ppm=upto(2_000), sigma_ppm=upto(60_000),
            spot_volume=self.random.choice((0, draw(10**10, 10**13))) if severity == M else 10**12,
            perp_volume=self.random.choice((0, draw(10**10, 10**13))), session_share_ppm=draw(100_000, M),
            crowd_ppm=self.random.choice((0, upto(50_000))), crowd_low=low, crowd_high=low + draw(1, 10**12),
            confidence_floor_ppm=draw(0, M), confidence_slope_ppm=draw(0, 2 * M), min_size=M,
        )  # fmt: skip

    def _list_sources(self, underlying: int) -> None:
        for source in range(1, 4):
            self._list(ListSource(underlying=underlying, source=source, name=f"S{source}"))

    def _list_token(self, underlying: int, asset: int) -> None:
        draw = self.random.randint
        decimals = draw(4, 9)
        token = ListAsset(
            asset=asset, name=f"T{asset}", asset_kind=AssetKind.TOKEN, decimals=decimals, underlying=underlying,
            multiplier_ppb=self.random.choice((10**9, draw(10**8, 3 * 10**9))), wrap_ppm=draw(0, 30_000),
            borrow_wrap_ppm=draw(0, 60_000), depeg_ppm=0, loan_to_value_ppm=self.random.choice((0, draw(300_000, 900_000))),
            owner_cap=self.random.choice((0, 10 ** (decimals + 1), 10 ** (decimals + 7))),
            venue_cap=self.random.choice((10 ** (decimals + 1), 10 ** (decimals + 7))), sale_rank=asset % 5,
        )  # fmt: skip
        while not self.accepted(token):
            token = ListAsset(
                **{f: getattr(token, f) for f in token.__struct_fields__} | {"wrap_ppm": token.wrap_ppm // 2}
            )
        self.assets[asset] = token
        self._list_market(100 + asset, underlying, asset)

    def _list_market(self, market: int, underlying: int, base: int) -> None:
        draw = self.random.randint
        quote = USD if self.odds(0.8) else EUR
        size_decimals = self.assets[base].decimals if base else 9
        price_decimals, quote_decimals = self.underlyings[underlying].decimals, self.assets[quote].decimals
        tick_exponent = max(0, len(str(self.price[underlying])) - draw(4, 6))
        lot_exponent = price_decimals + size_decimals - quote_decimals - tick_exponent + draw(0, 1)
        if lot_exponent < 0:
            tick_exponent, lot_exponent = tick_exponent - lot_exponent, 0
        self.markets[market] = ListMarket(
            market=market, name=f"M{market}", market_kind=MarketKind.SPOT if base else MarketKind.PERP, base=base,
            underlying=underlying, quote=quote, tick_size=10**tick_exponent, lot_size=10**lot_exponent * draw(1, 3),
            min_lots=1, max_lots=10**12, maker_fee_ppm=draw(0, 200), taker_fee_ppm=draw(200, 900),
            band_ppm=draw(50_000, 500_000), collar_ppm=50_000, self_trade=0, impact_notional=10**9, funding_ppm=500_000,
            funding_closed_ppm=250_000, interest_ppm=100, premium_clamp_ppm=500, funding_cap_ppm=1_000,
            funding_closed_cap_ppm=200, band_extended_ppm=500_000, band_closed_ppm=500_000, opens_by_auction=0,
        )  # fmt: skip
        self._list(self.markets[market])

    def _open_sessions(self) -> None:
        for underlying in self.underlyings:
            self.submit(
                SetSession(
                    underlying=underlying, session=Session.REGULAR, next_session=Session.POST, next_time_ns=0
                )
            )
            self._post(underlying, 0, 3)
        self.submit(AdvanceTime())

    def _fund(self, account: int) -> None:
        if account == LENDER:
            self._deposit(account, USD, 2_000_000)
            self.submit(Lend(asset=USD, amount=1_500_000 * 10**6), account)
            return
        poorest, richest = self.random.choice(((300, 3_000), (1_000, 20_000), (10_000, 100_000)))
        for coin in COINS:
            self._deposit(account, coin, self.random.randint(poorest, richest))
        for asset, token in self.assets.items():
            if token.asset_kind == AssetKind.TOKEN and self.odds(0.5):
                self._deposit(account, asset, self.random.randint(poorest, richest))

    # --- steps ---------------------------------------------------------------------------------------------------------

    def steps(self, count: int) -> None:
        """That many random steps."""
        kinds, weights = zip(*self.mix.items(), strict=True)
        for kind in self.random.choices(kinds, weights, k=count):
            getattr(self, f"_step_{kind}")()

    def any_account(self) -> int:
        """An account that trades."""
        return self.random.choice([account for account in self.owners if account != LENDER])

    def units(self, asset: int, dollars: int) -> int:
        """About so many dollars of an asset, in its units."""
        listed = self.assets[asset]
        underlying = self.underlyings[listed.underlying]
        per_unit = self.price[listed.underlying] * listed.multiplier_ppb
        return max(1, dollars * 10 ** (listed.decimals + underlying.decimals + 9) // per_unit)

    def _deposit(self, account: int, asset: int, dollars: int) -> None:
        self._reference += 1
        amount = self.near(self.units(asset, dollars), 1_000)
        self.submit(Deposit(asset=asset, amount=amount, reference=self._reference), account)

    def _post(self, underlying: int, width_ppm: int, sources: int, confidence_ppm: int = M) -> None:
        listed = self.underlyings[underlying]
        for source in self.random.sample(range(1, 4), sources):
            price = min(self.near(self.price[underlying], width_ppm), listed.price_max)
            self.submit(
                PostPrice(
                    underlying=underlying,
                    source=source,
                    price=price,
                    confidence_ppm=confidence_ppm,
                    venue_time_ns=self.time_ns,
                    size=10**10,
                )
            )

    def lots(self, market: int, dollars: int) -> int:
        """About so many dollars of a market, in lots."""
        listed = self.markets[market]
        if listed.base:
            return max(1, self.units(listed.base, dollars) // listed.lot_size)
        underlying = self.underlyings[listed.underlying]
        return max(
            1, dollars * 10 ** (9 + underlying.decimals) // (self.price[listed.underlying] * listed.lot_size)
        )

    def _step_order(self) -> None:
        market, side = self.random.choice(list(self.markets)), self.random.choice((Side.BID, Side.ASK))
        index = next(line.index_ticks for line in reports.markets(self.engine) if line.market == market)
        away = self.random.choice((0, 500, 3_000, 20_000))
        kind, force, flags = OrderKind.LIMIT, TimeInForce.GTC, Flags.NONE
        if self.odds(0.1):
            flags = self.random.choice((Flags.POST_ONLY, Flags.REDUCE_ONLY))
        elif self.odds(0.2):
            kind, force = (
                self.random.choice(list(OrderKind)),
                self.random.choice((TimeInForce.IOC, TimeInForce.FOK)),
            )
        price = 0 if kind == OrderKind.MARKET else self.near(index, away)
        account = self.any_account()
        dollars = self.random.choice((0, 100, 5_000, 20_000, 60_000, 200_000))
        lots = self.near(self.lots(market, dollars), 200_000)
        order = PlaceOrder(
            market=market, side=side, kind=kind, time_in_force=force, flags=flags, price=price, lots=lots
        )
        for event in self.submit(order, account):
            if event.body.KIND == 129:
                self.orders.append((account, event.body.order))

    def _step_cross(self) -> None:
        """Two accounts trade, up to several times the equity of the first."""
        first, second = self.random.sample([account for account in self.owners if account != LENDER], 2)
        market, side = self.random.choice(list(self.markets)), self.random.choice((Side.BID, Side.ASK))
        if self.odds(0.5):  # whoever holds a token sells it, whoever has none buys it
            base = self.markets[market].base
            held = {b.asset: b.pledged for b in reports.account(self.engine, first).balances}
            side = Side.ASK if held.get(base, 0) > 0 else Side.BID
        index = next(line.index_ticks for line in reports.markets(self.engine) if line.market == market)
        equity = max(0, reports.account(self.engine, first).line.equity) // M
        lots = self.lots(market, equity * self.random.choice((5, 20, 60, 150, 400)) // 100)
        price = self.near(index, 2_000)
        self.submit(PlaceOrder(market=market, side=side, price=price, lots=lots), first)
        self.submit(
            PlaceOrder(market=market, side=1 - side, time_in_force=TimeInForce.IOC, price=price, lots=lots),
            second,
        )

    def _recent_order(self) -> tuple[int, int]:
        return self.random.choice(self.orders[-60:]) if self.orders else (1, 1)

    def _step_cancel(self) -> None:
        account, order = self._recent_order()
        self.submit(CancelOrder(order=order), account)

    def _step_amend(self) -> None:
        account, order = self._recent_order()
        live = [line for line in reports.account(self.engine, account).orders if line.order == order]
        if live:
            price, lots = self.near(live[0].price, 3_000), self.near(live[0].leaves, 500_000)
            self.submit(AmendOrder(order=order, price=self.random.choice((0, price)), lots=lots), account)

    def _step_cancel_all(self) -> None:
        self.submit(CancelAll(market=self.random.choice([0, *self.markets])), self.any_account())

    def _step_price(self) -> None:
        """Time goes on and several names move, some with few or doubtful sources."""
        self.time_ns += self.random.randint(1, 20) * SECOND
        for underlying in self.random.sample(
            sorted(self.underlyings), self.random.randint(1, len(self.underlyings))
        ):
            if underlying not in COINS.values():
                width = self.random.choice((1_000, 10_000, 30_000, 120_000))
                self.price[underlying] = min(
                    self.near(self.price[underlying], width), self.underlyings[underlying].price_max // 2
                )
            confidence = M if self.odds(0.7) else self.random.randint(0, M)
            sources = self.random.choice((1, 2, 3, 3, 3))
            self._post(underlying, self.random.choice((0, 500, 15_000)), sources, confidence)
        self.submit(AdvanceTime())

    def _step_coin(self) -> None:
        coin = self.random.choice(list(COINS.values()))
        par = 10 ** self.underlyings[coin].decimals
        self.price[coin] = par * self.random.choice((M, 1_004_000, 998_000, 990_000, 940_000)) // M
        self._post(coin, 0, 3)

    def _step_time(self) -> None:
        self.time_ns += self.random.choice((1, 10, 60, 400, 1_200)) * SECOND + self.random.randint(0, SECOND)
        self.submit(AdvanceTime())

    def _step_session(self) -> None:
        """Another session, of one name or of all, perhaps with a closure around it."""
        times = [0, 0, 0, 0]
        if self.odds(0.5):
            around = self.random.randint
            before = sorted(self.time_ns + around(-4, 4) * HOUR for _ in range(3))
            times = [*before, self.time_ns + around(5, 60) * HOUR]
        session = self.random.choice([*Session, Session.REGULAR, Session.REGULAR, Session.REGULAR])
        names = list(self.underlyings) if self.odds(0.5) else [self.random.choice(list(self.underlyings))]
        for underlying in names:
            self.submit(
                SetSession(
                    underlying=underlying,
                    session=session,
                    next_session=Session.REGULAR,
                    next_time_ns=self.time_ns + HOUR,
                    closure_step_ns=times[0],
                    closure_ramp_from_ns=times[1],
                    closure_ramp_to_ns=times[2],
                    closure_end_ns=times[3],
                )
            )

    def _step_liquidity(self) -> None:
        """New liquidity inputs, in force at the regular open that follows."""
        underlying = self.random.choice(list(self.underlyings))
        draw = self.random.randint
        self.submit(
            PostLiquidity(
                underlying=underlying,
                spot_volume=draw(0, 10**13),
                sigma_ppm=draw(0, 60_000),
                half_spread_ppm=draw(0, 3_000),
            )
        )
        for session in (Session.PRE, Session.REGULAR):
            self.submit(
                SetSession(underlying=underlying, session=session, next_session=Session.POST, next_time_ns=0)
            )

    def _step_resume(self) -> None:
        self.submit(ResumeVenue())

    def _step_money(self) -> None:
        account, asset = self.any_account(), self.random.choice(list(self.assets))
        amount = self.near(self.units(asset, self.random.choice((10, 1_000, 30_000))), 500_000)
        match self.random.randint(0, 6):
            case 0 | 1:
                self._deposit(account, asset, self.random.randint(10, 5_000))
            case 2:
                self.submit(Transfer(to=self.any_account(), asset=asset, amount=amount), account)
            case 3:
                events = self.submit(RequestWithdrawal(asset=asset, amount=amount), account)
                self.withdrawals += [e.body.withdrawal for e in events if e.body.KIND == 165]
            case 4 if self.withdrawals:
                ends = self.random.choice((SettleWithdrawal, VoidWithdrawal))
                self.submit(ends(withdrawal=self.withdrawals.pop()))
            case 5:
                self.submit(Lend(asset=USD, amount=amount), account)
            case _:
                self.submit(Recall(asset=USD, amount=amount), account)


def kinds(events: Iterable[EventMessage]) -> Counter[str]:
    """How often each event occurs."""
    return Counter(type(event.body).__name__ for event in events)

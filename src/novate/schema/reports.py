"""How each field of each report reads outside: one table, complete, nothing guessed.

    READS[reports.PositionLine].fields["lots"]       LOTS: lots of the market in field `market`, as decimal text

Responsible for: the kind of every field of every answer in `novate.messages.reports`, and where the scale of a quantity comes from. A report
or a field without an entry is an error when `views.py` is first used, and a test. Never converts: that is `views.py`.

A quantity names in `of` the field that says whose scale it has. That field is in the same report or row, or among the `needs` of its class:
then the report around it says it, or whoever asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum, IntFlag
from typing import Any, Final, NamedTuple

from novate.messages import codes, reports
from novate.messages.reports import (
    clearing,
    corporate,
    explain,
    governance,
    lending,
    liquidation,
    orders,
    packages,
    portfolios,
    prices,
)


class Form(Enum):
    """What a value becomes."""

    NUMBER = 0
    """The same whole number: counts, times, rates, positions in the journal."""
    BIG = 1
    """A whole number of 64 bits as text: what it counts depends on what it is about."""
    ID = 2
    """An id as text; "0" where the report says 0."""
    PLAIN = 3
    """Text, or yes and no."""
    BYTES = 4
    """Hexadecimal."""
    MARKET = 5
    """A name."""
    ASSET = 6
    UNDERLYING = 7
    CODE = 8
    """A word of an enumeration."""
    BITS = 9
    """One field of yes or no a bit, by the bit's name."""
    WORD = 10
    """A word of a list, by its place."""
    OPERATION = 11
    """The operation that a command's type number stands for."""
    DOLLARS = 12
    """Decimal text, of micro-dollars; so are all below."""
    PICO = 13
    """Of 1e-12 dollars."""
    SHARES = 14
    """Of 1e-9 shares."""
    TICKS = 15
    """Of a market's ticks."""
    LOTS = 16
    """Of a market's lots."""
    MONEY = 17
    """Of a market's quote units."""
    MARK = 18
    """Of the price scale of a market's underlying."""
    AMOUNT = 19
    """Of an asset's smallest unit."""
    PRICE = 20
    """Of an underlying's price scale."""
    TOKEN_PRICE = 21
    """Of the price scale of a token's underlying."""
    NESTED = 22
    """Another report, or a list of them."""
    ROW = 23
    """A pair or triple, with names for its parts."""
    BY = 24
    """As another field of the same report says."""
    NOTHING = 25
    """Null."""


class Kind(NamedTuple):
    """How a value reads outside. In a list it is said of each entry."""

    form: Form
    of: str = ""
    """The field that says whose scale it is, or, of `BY`, which case. Where that is a list, so is the value, place by place."""
    maybe: bool = False
    """Null where it names nothing (0), or where nobody can say the scale."""
    code: type[IntEnum | IntFlag] | None = None
    words: tuple[str, ...] = ()
    parts: Mapping[str, Kind] = {}
    cases: Mapping[Any, Kind] = {}
    other: Kind | None = None
    """Of `BY`: in every other case; without it, null."""
    gives: Mapping[str, str] = {}
    """Of `NESTED`: what the reports inside need, and the field here that says it, where that has another name."""


class Reading(NamedTuple):
    """How a report reads outside."""

    fields: Mapping[str, Kind]
    needs: tuple[str, ...]
    """What its scales need and it does not say itself: `market`, `markets`, `asset`, `underlying`, `cash`, `legs`."""


NUMBER: Final = Kind(Form.NUMBER)
BIG: Final = Kind(Form.BIG)
ID: Final = Kind(Form.ID)
PLAIN: Final = Kind(Form.PLAIN)
BYTES: Final = Kind(Form.BYTES)
NOTHING: Final = Kind(Form.NOTHING)
MARKET: Final = Kind(Form.MARKET)
ASSET: Final = Kind(Form.ASSET)
UNDERLYING: Final = Kind(Form.UNDERLYING)
OPERATION: Final = Kind(Form.OPERATION)
DOLLARS: Final = Kind(Form.DOLLARS)
PICO: Final = Kind(Form.PICO)
SHARES: Final = Kind(Form.SHARES)
NESTED: Final = Kind(Form.NESTED)
TICKS: Final = Kind(Form.TICKS, "market")
LOTS: Final = Kind(Form.LOTS, "market")
MONEY: Final = Kind(Form.MONEY, "market")
MARK: Final = Kind(Form.MARK, "market")
AMOUNT: Final = Kind(Form.AMOUNT, "asset")
TOKENS: Final = Kind(Form.AMOUNT, "token")
CASH: Final = Kind(Form.AMOUNT, "cash")
PRICE: Final = Kind(Form.PRICE, "underlying")


def code(of: type[IntEnum | IntFlag]) -> Kind:
    """A word of an enumeration; of bits one field each."""
    return Kind(Form.BITS if issubclass(of, IntFlag) else Form.CODE, code=of)


def word(*words: str) -> Kind:
    """A word by its place."""
    return Kind(Form.WORD, words=words)


def maybe(kind: Kind) -> Kind:
    """The same, or null."""
    return kind._replace(maybe=True)


def row(**parts: Kind) -> Kind:
    """A pair or triple with names for its parts."""
    return Kind(Form.ROW, parts=parts)


def by(field: str, cases: Mapping[Any, Kind], other: Kind | None = None) -> Kind:
    """As `field` says; null in a case that is not named, where there is no `other`."""
    return Kind(Form.BY, field, cases=cases, other=other)


def _all(kind: Kind, names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), kind)


def _reads(*needs: str, **fields: Kind) -> Reading:
    return Reading(fields, needs)


_ACCOUNT_STATE: Final = code(codes.AccountState)
_SIDE: Final = code(codes.Side)
_SESSION: Final = code(codes.Session)
_LEVEL: Final = code(reports.Level)
_REQUEST_HELD: Final = by("kind", {codes.RequestKind.MINT: CASH}, TOKENS)
_CAP: Final = by("cap_kind", {codes.CapKind.UNDERLYING: DOLLARS}, Kind(Form.LOTS, "id"))
_DIFFERENCE: Final = by(
    "kind",
    {
        codes.BreakKind.STATEMENT: by("token", {0: DOLLARS}, SHARES),
        codes.BreakKind.WRONG_SYMBOL: UNDERLYING,
        codes.BreakKind.WRONG_SIDE: _SIDE,
        codes.BreakKind.LATE_FILL: SHARES,
        codes.BreakKind.BEYOND_LIMIT: Kind(Form.TOKEN_PRICE, "token"),
        codes.BreakKind.ID_USED_TWICE: SHARES,
    },
    BIG,  # an overfill is of 1e-9 shares or of micro-dollars, and the break does not say which
)
_HOLDING: Final = row(asset=ASSET, amount=AMOUNT)

READS: Final[dict[type, Reading]] = {
    # --- accounts ------------------------------------------------------------------------------------------------------
    reports.AccountLine: _reads(
        account=ID, owner=ID, state=_ACCOUNT_STATE, in_liquidation=PLAIN, **_all(DOLLARS, "equity requirements excess")
    ),
    reports.BalanceLine: _reads(
        asset=ASSET, name=PLAIN, **_all(AMOUNT, "pledged lent reserved admitted held escrowed due"), value=DOLLARS
    ),
    reports.PositionLine: _reads(
        market=MARKET, name=PLAIN, perp=PLAIN, lots=LOTS, **_all(MONEY, "cost claim hedged_claim debt"),
        value=DOLLARS, result=DOLLARS, bid_lots=LOTS, ask_lots=LOTS,
    ),
    reports.OrderLine: _reads(
        order=ID, market=MARKET, side=_SIDE, price=TICKS, leaves=LOTS, flags=code(codes.Flags)
    ),
    reports.AccountReport: _reads(
        sequence=NUMBER, time_ns=NUMBER, **_all(NESTED, "line balances positions orders")
    ),
    # --- margin --------------------------------------------------------------------------------------------------------
    reports.TermAmounts: _reads(**_all(DOLLARS, "sr gap basis wrap fx liq crowd loss lent")),
    reports.Contribution: _reads(
        kind=PLAIN, id=by("kind", {"token": ASSET, "cash": ASSET, "perp": MARKET, "orders": UNDERLYING}),
        name=PLAIN, value=DOLLARS, amount=DOLLARS,
    ),
    reports.BindingRow: _reads(kind=code(reports.RowKind), place=NUMBER, detail=NUMBER, rises=PLAIN),
    reports.GapGroup: _reads(group=ID, amount=DOLLARS),
    reports.LevelReport: _reads(
        level=_LEVEL, factor_ppm=NUMBER, **_all(DOLLARS, "equity requirement excess"), terms=NESTED,
        requirement_without_orders=DOLLARS, orders=DOLLARS, binding=PLAIN,
        **_all(NESTED, "binding_row gap_groups contributions"),
    ),
    reports.MarginReport: _reads(
        account=ID, sequence=NUMBER, time_ns=NUMBER, state=_ACCOUNT_STATE, levels=NESTED
    ),
    reports.Distance: _reads(underlying=UNDERLYING, name=PLAIN, fall_ppm=NUMBER, rise_ppm=NUMBER),
    explain.Move: _reads("underlying", ppm=NUMBER, index=PRICE),
    explain.StateDistance: _reads("underlying", state=_ACCOUNT_STATE, fall=NESTED, rise=NESTED),
    explain.Thresholds: _reads(underlying=UNDERLYING, name=PLAIN, index=PRICE, states=NESTED),
    explain.Marginal: _reads(market=MARKET, name=PLAIN, lots=LOTS, **_all(DOLLARS, "notional buy sell")),
    # --- markets and prices --------------------------------------------------------------------------------------------
    reports.UnderlyingLine: _reads(
        underlying=UNDERLYING, name=PLAIN,
        **_all(PRICE, "index stable last_external long_price short_price slower_long slower_short"),
        uses_slower=PLAIN, quality=code(codes.Quality), session=_SESSION,
        **_all(NUMBER, "initial_ppm maintenance_ppm confidence_ppm fresh_sources"),
        **_all(DOLLARS, "open_interest spot_volume perp_volume"),
        sigma_ppm=NUMBER, half_spread_ppm=NUMBER, speed_budget=DOLLARS,
    ),
    reports.MarketLine: _reads(
        market=MARKET, name=PLAIN, perp=PLAIN, unit=MONEY, index_ticks=TICKS, mark=MARK,
        **_all(TICKS, "best_bid best_ask last_trade"), open_interest=LOTS, orders=NUMBER,
    ),
    reports.Book: _reads("market", bids=NESTED, asks=NESTED),
    reports.BookLevel: _reads("market", price=TICKS, lots=LOTS),
    reports.LiquidityLine: _reads(owner=ID, underlying=UNDERLYING, spot_ppm=NUMBER, perp_ppm=NUMBER),
    explain.SourcePrice: _reads(
        "underlying", source=ID, price=PRICE, venue_time_ns=NUMBER, confidence_ppm=NUMBER, posted=PLAIN
    ),
    explain.SessionLine: _reads(
        underlying=UNDERLYING, name=PLAIN, session=_SESSION, next_session=_SESSION,
        **_all(NUMBER, "next_time_ns closure_step_ns closure_ramp_from_ns closure_ramp_to_ns closure_end_ns"),
    ),
    prices.Gate: _reads(
        underlying=UNDERLYING, quality=code(codes.Quality), cells=PLAIN, **_all(PRICE, "index last_external current stable"),
        blending=PLAIN, **_all(NUMBER, "halted_ns least_gap_initial_ppm least_gap_maintenance_ppm"),
        worthless_unmatched=PLAIN, low=PRICE, high=PRICE, cancel_only_until_ns=NUMBER,
    ),
    prices.Source: _reads(
        "underlying", source=ID, origin=ID, always_open=PLAIN, posted=PLAIN, price=PRICE, venue_time_ns=NUMBER,
        statements=NUMBER,
    ),
    # --- orders --------------------------------------------------------------------------------------------------------
    orders.Auction: _reads(
        market=MARKET, phase=code(codes.MarketPhase), until_ns=NUMBER, price=TICKS, lots=LOTS, surplus=LOTS
    ),
    orders.WaitingOrder: _reads(
        order=ID, market=MARKET, side=_SIDE, **_all(LOTS, "lots filled"), price=TICKS, trigger_market=maybe(MARKET),
        trigger_price=Kind(Form.TICKS, "trigger_market"), rises=PLAIN, **_all(NUMBER, "slices sent next_ns"),
    ),
    orders.Waiting: _reads(silence_ns=NUMBER, orders=NESTED),
    orders.RestingOrder: _reads("market", order=ID, side=_SIDE, price=TICKS, lots=LOTS),
    orders.RestingOrders: _reads(
        market=MARKET, **_all(NUMBER, "sequence time_ns resting"), orders=NESTED, next=ID
    ),
    # --- packages ------------------------------------------------------------------------------------------------------
    packages.Fill: _reads(market=MARKET, lots=LOTS, price=TICKS, fee=MONEY),
    packages.Preview: _reads(
        refusal=NUMBER, rule=PLAIN, field=NUMBER, value=BIG, limit=BIG, units=NUMBER, fills=NESTED,
        **_all(maybe(Kind(Form.MONEY, "fills.market")), "cost fee"),
        **_all(DOLLARS, "excess_before excess_after requirement_after crowd"),
    ),
    packages.BlockLine: _reads(
        block=ID, proposer=ID, counterparty=ID, markets=MARKET, lots=Kind(Form.LOTS, "markets"),
        prices=Kind(Form.TICKS, "markets"), expiry_ns=NUMBER,
    ),
    packages.QuoteLine: _reads(
        "markets", quote=ID, **_all(maybe(Kind(Form.TICKS, "markets")), "buy_prices sell_prices"), expiry_ns=NUMBER
    ),
    packages.RequestLine: _reads(
        request=ID, markets=MARKET, lots=Kind(Form.LOTS, "markets"), side=code(codes.TradeSide), expiry_ns=NUMBER,
        quotes=NESTED,
    ),
    packages.Offers: _reads(
        "legs", blocks=NESTED, requests=NESTED,
        quotes=row(request=ID, quote=NESTED._replace(gives={"markets": "legs[request]"})),
    ),
    # --- lending -------------------------------------------------------------------------------------------------------
    lending.Pool: _reads(
        asset=ASSET, name=PLAIN, **_all(NUMBER, "rate_ppm supply_rate_ppm utilisation_ppm"),
        **_all(AMOUNT, "owed reserved claims available waiting"), closed=PLAIN, above_since_ns=NUMBER, bears=AMOUNT,
    ),
    lending.Claim: _reads(
        asset=ASSET, claim=AMOUNT, rate_ppm=NUMBER, utilisation_ppm=NUMBER, **_all(AMOUNT, "withdrawable waiting ahead"),
        charge_ppm=NUMBER, before_lenders=AMOUNT, share_ppm=NUMBER,
    ),
    lending.Call: _reads(
        call_kind=word("cash", "loan"), reason=by("call_kind", {1: word("use", "recall")}), market=maybe(MARKET),
        asset=ASSET, name=PLAIN, decimals=NUMBER, open=AMOUNT, **_all(NUMBER, "made_ns regular_ns due_ns opens"),
        overdue=PLAIN, accepted=ASSET,
    ),
    lending.Loan: _reads(
        asset=ASSET, owed=AMOUNT, inside_line=AMOUNT, rate_ppm=NUMBER, line_rate_ppm=NUMBER, room=AMOUNT, line=ID,
        size=AMOUNT, paid_until_ns=NUMBER, ends_ns=NUMBER,
    ),
    lending.LineType: _reads(
        asset=ASSET, line=ID, **_all(NUMBER, "rate_cap_ppm fee_ppm notice_ns"), **_all(AMOUNT, "least most available")
    ),
    reports.VenueBalance: _reads(asset=ASSET, party=PLAIN, amount=AMOUNT),
    reports.PoolLine: _reads(asset=ASSET, **_all(AMOUNT, "lent borrowed reserved")),
    reports.AssetDifference: _reads(asset=ASSET, difference=AMOUNT),
    reports.LedgerReport: _reads(**_all(NESTED, "venue pools conservation clearing"), pools_are_true=PLAIN),
    reports.ClearingDifference: _reads(market=MARKET, positions=LOTS, difference=MONEY),
    # --- liquidation ---------------------------------------------------------------------------------------------------
    liquidation.Rank: _reads(market=MARKET, lots=LOTS, unhedged_lots=LOTS, profit=MONEY, rank=NUMBER, of=NUMBER),
    liquidation.Standing: _reads(
        account=ID, state=_ACCOUNT_STATE, stage=code(codes.LiquidationStage), next_stages=code(codes.LiquidationStage),
        excess=DOLLARS, net_value=DOLLARS, cash_due=maybe(_HOLDING), perp_loss=row(bucket=ID, loss=DOLLARS),
        debts=row(market=MARKET, debt=MONEY), insurance_left_today=DOLLARS, locked_gains=DOLLARS, ranks=NESTED,
        freed=_HOLDING,
    ),
    liquidation.Auction: _reads(
        auction=ID, account=ID, **_all(NUMBER, "start_ns end_ns discount_ppm sold_ppm"),
        path=row(time_ns=NUMBER, discount_ppm=NUMBER), taken=row(account=ID, notional=DOLLARS),
    ),
    liquidation.BucketInsurance: _reads(
        bucket=ID, name=PLAIN, balance=DOLLARS, target=DOLLARS, largest=row(owner=ID, shortfall=DOLLARS),
        open_interest_ppm=NUMBER, shareable_gains=DOLLARS,
    ),
    liquidation.BackstopTranche: _reads(
        account=ID, discount_ppm=NUMBER, last_discount_ppm=NUMBER, **_all(DOLLARS, "notional loss loss_limit"),
        release_ns=NUMBER, exhausted=PLAIN,
    ),
    liquidation.OpenInterest: _reads(
        market=MARKET, open_interest=LOTS, cap=by("cap", {-1: NOTHING}, LOTS),
        underlying_cap=by("underlying_cap", {-1: NOTHING}, DOLLARS), open_interest_ppm=NUMBER,
    ),
    # --- issuance and redemption ---------------------------------------------------------------------------------------
    clearing.Supply: _reads(
        token=ASSET, **_all(SHARES, "settled bought sold shortage required surplus difference"),
        **_all(TOKENS, "issued inside outside"), house=SHARES, locked=TOKENS,
    ),
    clearing.Capacity: _reads(
        token=ASSET, direction=code(codes.RequestDirection), dollars=DOLLARS, binding=code(codes.CapacityTerm)
    ),
    clearing.Request: _reads(
        "cash", request=ID, token=ASSET, kind=code(codes.RequestKind), state=code(codes.RequestState),
        price=Kind(Form.TOKEN_PRICE, "token"), amount=_REQUEST_HELD, held=_REQUEST_HELD, units=TOKENS, shares=SHARES,
        due=CASH, order=ID, expires_ns=NUMBER, forced=PLAIN, priority=word("deleveraged", "liquidation", "everybody"),
        ahead=NUMBER, ahead_held=_REQUEST_HELD,
    ),
    clearing.Break: _reads(
        break_id=ID, token=maybe(ASSET), broker=ID, kind=code(codes.BreakKind), owner=ID, age_ns=NUMBER,
        expected=_DIFFERENCE, found=_DIFFERENCE, execution=ID,
    ),
    clearing.BookLine: _reads(token=maybe(ASSET), place=PLAIN, amount=by("token", {0: DOLLARS}, SHARES)),
    clearing.Broker: _reads(
        broker=ID, name=PLAIN, reachable=PLAIN, frozen_until_ns=NUMBER, dollars=DOLLARS, committed=DOLLARS
    ),
    clearing.IssuanceTerms: _reads(
        token=ASSET, cash=ASSET, **_all(NUMBER, "mint_fee_ppm redeem_fee_ppm sanity_ppm window_ns sessions statement_age_ns"),
        **_all(DOLLARS, "request_min request_max account_limit token_limit"),
    ),
    # --- governance ----------------------------------------------------------------------------------------------------
    governance.EffectLine: _reads(
        account=ID,
        **_all(
            DOLLARS,
            "equity_before equity_after requirements_before requirements_after excess_before excess_after",
        ),
        state_before=_ACCOUNT_STATE, state_after=_ACCOUNT_STATE,
    ),
    governance.ChangeEffect: _reads(refusal=NUMBER, rule=PLAIN, accounts=NUMBER, lines=NESTED),
    governance.GrantLine: _reads(
        account=ID, role=code(codes.Role), markets=MARKET, order_notional=DOLLARS, position_notional=DOLLARS,
        expires_ns=NUMBER, in_force=PLAIN,
    ),
    governance.ActorLine: _reads(actor=ID, person=ID, owner=ID, revoked=PLAIN, request=ID, grants=NESTED),
    governance.ChangeLine: _reads(
        change=ID, stage=word("second_person", "time"), account=ID, kind=OPERATION, body=BYTES, reason=PLAIN,
        **_all(ID, "proposer proposer_person approver approver_person"), long_delay=PLAIN,
        **_all(NUMBER, "expires_ns approved_ns due_ns opens_left"),
    ),
    governance.RestrictionLine: _reads(
        power=code(codes.Power),
        id=by(
            "power",
            {
                codes.Power.CANCEL_ONLY: MARKET, codes.Power.REDUCE_ONLY: MARKET, codes.Power.OPEN_INTEREST: MARKET,
                codes.Power.ISSUANCE: ASSET, codes.Power.COLLATERAL_CAP: ASSET, codes.Power.FREEZE: ID,
            },
        ),
        limit=by(
            "power",
            {
                codes.Power.COLLATERAL_CAP: Kind(Form.AMOUNT, "id"), codes.Power.OPEN_INTEREST: Kind(Form.LOTS, "id"),
            },
        ),
        until_ns=NUMBER,
    ),
    governance.LapseLine: _reads(account=ID, asset=ASSET, stage=code(codes.LapseStage), next_ns=NUMBER),
    governance.HolderLine: _reads(
        owner=ID, holder_class=ID, class_name=PLAIN, expires_ns=NUMBER, expired=PLAIN, frozen=PLAIN, salted_id=BYTES,
        withdrawals_take_two=PLAIN, keys_take_two=PLAIN, cooling_ns=NUMBER, addresses=row(address=BYTES, usable_ns=NUMBER),
        outflow=DOLLARS, outflow_ns=NUMBER, lapses=NESTED,
    ),
    governance.CapLine: _reads(
        cap_kind=code(codes.CapKind), id=by("cap_kind", {codes.CapKind.UNDERLYING: UNDERLYING}, MARKET),
        **_all(_CAP, "most closed_most in_force used"), by=ID,
    ),
    governance.ObligorLine: _reads(
        obligor=ID, owners=ID, accounts=ID, positions=row(market=MARKET, long=LOTS, short=LOTS),
        collateral=row(asset=ASSET, admitted=AMOUNT, cap=AMOUNT),
    ),
    governance.QuarantineLine: _reads(sequence=NUMBER, digest=BYTES, people=ID, confirmed=PLAIN),
    governance.Releases: _reads(permitted=row(release=PLAIN, ruleset=NUMBER), quarantined=NESTED),
    # --- corporate actions ---------------------------------------------------------------------------------------------
    corporate.ActionLine: _reads(
        action=ID, underlying=UNDERLYING, action_kind=code(codes.CorporateActionKind),
        state=code(codes.CorporateActionState), scheduled_by=ID, confirmed_by=ID, sequence=NUMBER, booked=PRICE,
        records=NUMBER,
    ),
    corporate.ActionEffect: _reads(
        account=ID, **_all(DOLLARS, "equity_before equity requirement_before requirement"), orders_cancelled=NUMBER,
        **_all(_HOLDING, "tokens_before tokens cash_before cash"),
    ),
    corporate.DryRun: _reads(
        "underlying", action=ID, index_before=PRICE, index=PRICE, accounts=NESTED, equity_before=DOLLARS, equity=DOLLARS,
        below_maintenance=NUMBER,
    ),
    corporate.ReceivableLine: _reads(asset=ASSET, each=PICO, due_micro=DOLLARS),
    # --- listings ------------------------------------------------------------------------------------------------------
    portfolios.UnderlyingName: _reads(
        underlying=ID, name=PLAIN, decimals=NUMBER, price_min=PRICE, price_max=PRICE, nav=PLAIN, closes=PLAIN, sources=ID
    ),
    portfolios.AssetName: _reads(
        asset=ID, name=PLAIN, stablecoin=PLAIN, underlying=UNDERLYING, decimals=NUMBER, multiplier_ppb=NUMBER, pool=PLAIN
    ),
    portfolios.MarketName: _reads(
        market=ID, name=PLAIN, perp=PLAIN, underlying=UNDERLYING, base=maybe(ASSET), quote=ASSET, tick_size=PRICE,
        lot_size=by("perp", {True: SHARES}, Kind(Form.AMOUNT, "base")), split=row(numerator=NUMBER, denominator=NUMBER),
    ),
    portfolios.Listed: _reads(**_all(NESTED, "underlyings assets markets")),
}  # fmt: skip
"""Every report to how it reads."""

NAMES: Final[dict[type, str]] = {
    orders.Auction: "CallAuction", liquidation.Auction: "BackstopAuction", clearing.Request: "IssuanceRequest",
    clearing.Break: "ClearingBreak", clearing.BookLine: "ClearingBookLine", prices.Source: "PriceSource",
    lending.Call: "LendingCall",
}  # fmt: skip
"""Names in descriptions, where the class's own name does not tell or two have the same."""

"""Every command of the venue: wishes, outside facts and time, as they stand in the journal.

Responsible for: names, numbers, order and meaning of the fields. Never checks a rule: that is the engine's. The same
definitions stand in `crates/novate-core/src/command.rs`; a test compares them. Numbers and field order are append-only.

The account a command acts for is in the header; commands of the venue carry account 0. Units are part of each field's
type (see `fields.py`); fields named `reserved...` are 0 and keep the records aligned. "Micro" is 1e-6.
"""

from typing import ClassVar

from novate.messages.codes import Flags, OrderKind, TimeInForce
from novate.messages.fields import (
    NO_CLIENT_ID,
    Amount,
    AssetKindCode,
    Bytes16,
    Command,
    Count,
    FlagBits,
    HotCommand,
    Id,
    Integer,
    LongId,
    Lots,
    MarketKindCode,
    MicroUsd,
    Nanos,
    OrderKindCode,
    Ppb,
    Ppm,
    Ppm32,
    PpmRow,
    Price,
    PriceClassCode,
    PriceKindCode,
    QuoteUnits,
    Reference,
    SelfTradeCode,
    SessionCode,
    SideCode,
    Text,
    Ticks,
    TimeInForceCode,
    TimeNs,
    Yes,
    Zero8,
    Zero16,
)

# --- trading: records --------------------------------------------------------------------------------------------------


class PlaceOrder(HotCommand, frozen=True, kw_only=True):
    """A new order.

    Attributes:
        market: Where it trades.
        side: Bid or ask.
        kind: Limit or market.
        time_in_force: What happens to what is not filled at once; a market order is IOC or FOK.
        flags: Post-only, reduce-only.
        price: Limit price; for a market order the worst price, 0 for the listed collar.
        lots: Quantity, above zero.
        client_id: The sender's own id and idempotency key; zeros mean none.
    """

    KIND: ClassVar[int] = 1

    market: Id
    side: SideCode
    kind: OrderKindCode = OrderKind.LIMIT
    time_in_force: TimeInForceCode = TimeInForce.GTC
    flags: FlagBits = Flags.NONE
    price: Ticks
    lots: Lots
    client_id: Bytes16 = NO_CLIENT_ID


class CancelOrder(HotCommand, frozen=True, kw_only=True):
    """Cancels a live order of the account.

    Attributes:
        order: The venue's order id; 0 to name it by client id.
        client_id: Used only when `order` is 0.
    """

    KIND: ClassVar[int] = 2

    order: LongId = 0
    client_id: Bytes16 = NO_CLIENT_ID


class AmendOrder(HotCommand, frozen=True, kw_only=True):
    """Changes price or remaining quantity. Priority is kept only when nothing but the size shrinks.

    Attributes:
        order: The venue's order id; 0 to name it by client id.
        client_id: Used only when `order` is 0.
        price: New limit price; 0 keeps it.
        lots: New remaining quantity; 0 keeps it.
    """

    KIND: ClassVar[int] = 3

    order: LongId = 0
    client_id: Bytes16 = NO_CLIENT_ID
    price: Ticks = 0
    lots: Lots = 0


class PostPrice(HotCommand, frozen=True, kw_only=True):
    """A raw price of one source, as received.

    Attributes:
        underlying: What is priced.
        source: Which listed source says so.
        price: Dollars at the underlying's scale, above zero.
        confidence_ppm: How sure the source is; 1,000,000 is full.
        price_kind: Quote, trade or issuer value.
        venue_time_ns: When the price was made, by the source's clock; never after the command's own time.
        size: Dollars quoted or traded at the price.
        raw_hash: First 16 bytes of the SHA-256 of the raw message; zeros when there is none.
    """

    KIND: ClassVar[int] = 4

    underlying: Id
    source: Id
    price: Price
    confidence_ppm: Ppm32 = 1_000_000
    price_kind: PriceKindCode = 0
    reserved0: Zero8 = 0
    reserved1: Zero16 = 0
    venue_time_ns: TimeNs
    size: MicroUsd = 0
    raw_hash: Bytes16 = NO_CLIENT_ID


class AdvanceTime(HotCommand, frozen=True, kw_only=True):
    """Time passes, to the header's time: due timers run and unfinished sweeps continue."""

    KIND: ClassVar[int] = 5


class CancelAll(HotCommand, frozen=True, kw_only=True):
    """Cancels all orders of the account.

    Attributes:
        market: In this market; 0 for all markets.
    """

    KIND: ClassVar[int] = 6

    market: Id = 0


# --- the venue and its listings: documents -----------------------------------------------------------------------------


class ActivateRelease(Command, frozen=True, kw_only=True):
    """First command of a journal: which release and which rules it obeys.

    Attributes:
        release: The engine's release, as `novate._core.release()` names it.
        ruleset: Number of the ruleset.
    """

    KIND: ClassVar[int] = 20

    release: Text
    ruleset: Count


class ConfigureVenue(Command, frozen=True, kw_only=True):
    """Parameters of the venue, once, before the first listing.

    Attributes:
        liquidation_end_ppm: Factor of the level at which a liquidation ends; the initial level's is 1.
        maintenance_ppm: Factor of the maintenance level.
        close_out_ppm: Factor of the close-out level.
        bucket_sum_ppm: Weight of the sum of the buckets' losses against their largest: 1 adds all, 0 takes the largest.
        gap_sum_ppm: Weight of the gap groups beyond the two largest.
        tail_shock_ppm: Size of a tail row, as a multiple of the grid's shock.
        tail_weight_ppm: Part of a tail row's loss that counts.
        rotation_ppm: Part of the shock by which a sector moves against the others.
        participation_ppm: Share of a day's volume that closing out may take.
        impact_ppm: Impact of trading that share, in daily volatilities.
        liquidity_cap_ppm: Highest exit cost per dollar, and the cost where there is no volume.
        long_charge_limit_ppm: Upper bound of shock + gap + wrap + 1.5 x exit cost per long dollar.
        gain_cap: Unmatched perp gains that count at initial, per owner.
        withdrawal_multiple_ppm: Equity must be this multiple of the initial requirement after a withdrawal or loan.
        flag_after_ns: Age at which a source is flagged.
        drop_after_ns: Age at which a source no longer counts.
        stable_window_ns: Span of the stable price's time-weighted mean.
        source_agreement_ppm: Two sources closer than this agree.
        confirm_after_ns: How long a lone source must stay beyond a jump before it is believed.
        confirm_quotes: How many advancing prices that takes at least.
        mark_average_ns: Span of the mark's average of book middle less index.
        mark_speed_ppm: Greatest move of the mark per second.
        settle_every_ns: Time between settlements of perps.
        premium_gap_ns: Longest gap between premium samples that still sets funding.
        sweep_accounts: Accounts a sweep visits per `AdvanceTime`.
        client_ids_kept: Client ids of ended orders remembered per account.
        orders_per_market: Open orders an account may have in one market.
        liquidation_fee_ppm: Liquidation fee, at most this part of the slice's notional.
        liquidation_fee_share_ppm: ... and at most this part of the requirement's fall.
        liquidation_fee_equity_ppm: ... and at most this part of the remaining equity.
        liquidation_volume_ppm: Part of a day's volume that liquidations may take in a day.
        liquidation_depth_ppm: Part of the visible depth that one slice may take.
        liquidation_closed_ppm: Factor of both while the underlying is closed.
        liquidation_min_tolerance_ppm: Least distance of a slice's worst price from the index.
        production: 1 refuses what only tests and replays may list.
    """

    KIND: ClassVar[int] = 21

    liquidation_end_ppm: Ppm
    maintenance_ppm: Ppm
    close_out_ppm: Ppm
    bucket_sum_ppm: Ppm
    gap_sum_ppm: Ppm
    tail_shock_ppm: Ppm
    tail_weight_ppm: Ppm
    rotation_ppm: Ppm
    participation_ppm: Ppm
    impact_ppm: Ppm
    liquidity_cap_ppm: Ppm
    long_charge_limit_ppm: Ppm
    gain_cap: MicroUsd
    withdrawal_multiple_ppm: Ppm
    flag_after_ns: Nanos
    drop_after_ns: Nanos
    stable_window_ns: Nanos
    source_agreement_ppm: Ppm
    confirm_after_ns: Nanos
    confirm_quotes: Count
    mark_average_ns: Nanos
    mark_speed_ppm: Ppm
    settle_every_ns: Nanos
    premium_gap_ns: Nanos
    sweep_accounts: Count
    client_ids_kept: Count
    orders_per_market: Count
    liquidation_fee_ppm: Ppm
    liquidation_fee_share_ppm: Ppm
    liquidation_fee_equity_ppm: Ppm
    liquidation_volume_ppm: Ppm
    liquidation_depth_ppm: Ppm
    liquidation_closed_ppm: Ppm
    liquidation_min_tolerance_ppm: Ppm
    production: Yes


class ListBucket(Command, frozen=True, kw_only=True):
    """A risk bucket: underlyings whose gains may offset each other's losses.

    Attributes:
        bucket: Its id, from 1.
        name: 1 to 32 printable ASCII characters.
        gain_ppm: Part of a gain that counts against losses inside the bucket.
        history_divisor: Dated moves are scaled by beta over this: 8 where beta is a duration, else 1.
        extended_ppm: Factor of shock, gap and wrap before and after the regular session.
        overnight_ppm: The same overnight.
        closure_ppm: The same over a weekend or holiday.
    """

    KIND: ClassVar[int] = 22

    bucket: Id
    name: Text
    gain_ppm: Ppm
    history_divisor: Integer
    extended_ppm: Ppm
    overnight_ppm: Ppm
    closure_ppm: Ppm


class ListDatedRow(Command, frozen=True, kw_only=True):
    """A joint move of all buckets that happened on a date; a row of the historical stress.

    Attributes:
        row: Its id, from 1.
        date: The day, such as 2020-03-12.
        moves_ppm: One signed move per bucket id, from 1; 0 where there is no history.
    """

    KIND: ClassVar[int] = 23

    row: Id
    date: Text
    moves_ppm: PpmRow


class ListUnderlying(Command, frozen=True, kw_only=True):
    """Something that has a price outside.

    Attributes:
        underlying: Its id, from 1.
        name: 1 to 32 printable ASCII characters.
        bucket: Its risk bucket.
        sector: Sector inside the bucket, for rotation rows; 0 for none.
        gap_group: Names that can gap together share a number.
        decimals: Digits of its price after the dollar point.
        price_class: Continuous, or one issuer value.
        quorum: Independent fresh sources that a price needs.
        deviation_ppm: Distance from the median of three or more at which a source is dropped.
        jump_ppm: Move that needs a second source to confirm it.
        price_min: Lower absolute bound of a plausible price.
        price_max: Upper absolute bound of a plausible price.
        accrual_ppm: Yearly accrual between issuer values; NAV only.
        max_age_ns: Greatest age of an issuer value; NAV only.
        beta_ppm: Beta to the bucket; duration in years in a rates bucket.
        shock_down_ppm: The bucket's fall that beta multiplies.
        shock_up_ppm: The bucket's rise that beta multiplies.
        gap_ppm: Move of this name alone.
        leverage_ppm: Leverage inside the product; 1,000,000 for none.
        basis_ppm: Distance between token and perp that a hedged pair must bear.
        half_spread_ppm: Half spread of the exit.
        sigma_ppm: Daily volatility.
        spot_volume: Dollars a day of the primary market: until the first refresh, then its floor.
        perp_volume: Dollars a day of this venue's perp, likewise.
        session_share_ppm: Part of the day's volume that the session can bear.
        crowd_ppm: Charge on new exposure at full open interest.
        crowd_low: Open interest where the charge begins.
        crowd_high: Open interest where it is full.
        confidence_floor_ppm: Price confidence below which shock and gap grow at initial.
        confidence_slope_ppm: Growth of shock and gap per unit of missing confidence.
        min_size: Quotes and trades of fewer dollars neither move nor confirm the index.
        discovery_ppm: Half-width of the bounds in which a closed index drifts.
        re_anchors: How often in a direction and closure the bounds may move to their edge.
    """

    KIND: ClassVar[int] = 24

    underlying: Id
    name: Text
    bucket: Id
    sector: Id
    gap_group: Id
    decimals: Count
    price_class: PriceClassCode
    quorum: Count
    deviation_ppm: Ppm
    jump_ppm: Ppm
    price_min: Price
    price_max: Price
    accrual_ppm: Ppm
    max_age_ns: Nanos
    beta_ppm: Ppm
    shock_down_ppm: Ppm
    shock_up_ppm: Ppm
    gap_ppm: Ppm
    leverage_ppm: Ppm
    basis_ppm: Ppm
    half_spread_ppm: Ppm
    sigma_ppm: Ppm
    spot_volume: MicroUsd
    perp_volume: MicroUsd
    session_share_ppm: Ppm
    crowd_ppm: Ppm
    crowd_low: MicroUsd
    crowd_high: MicroUsd
    confidence_floor_ppm: Ppm
    confidence_slope_ppm: Ppm
    min_size: MicroUsd = 0
    discovery_ppm: Ppm = 0
    re_anchors: Count = 0


class ListSource(Command, frozen=True, kw_only=True):
    """A price source of an underlying.

    Attributes:
        underlying: What it prices.
        source: Its id.
        name: 1 to 32 printable ASCII characters.
        origin: Sources of one origin (operator, venue) count once; 0 is an origin of its own.
        always_open: Whether it trades while the primary market is closed.
    """

    KIND: ClassVar[int] = 25

    underlying: Id
    source: Id
    name: Text
    origin: Id = 0
    always_open: Yes = 0


class ListAsset(Command, frozen=True, kw_only=True):
    """Something an account can hold.

    Attributes:
        asset: Its id, from 1.
        name: 1 to 32 printable ASCII characters.
        asset_kind: Stablecoin or token.
        decimals: Digits of its amounts after the point.
        underlying: What it is worth: the token's underlying, or the stablecoin's own price.
        multiplier_ppb: Shares per token.
        wrap_ppm: Charge per dollar held, for the risk of the token itself.
        borrow_wrap_ppm: The same per dollar borrowed.
        depeg_ppm: Least charge against a fall of the peg; stablecoins.
        loan_to_value_ppm: Part of its value that may be borrowed against.
        owner_cap: Most of it that counts as unhedged collateral, per owner.
        venue_cap: Most of it that counts as unhedged collateral, in all.
        sale_rank: Place in the order in which collateral is sold for a cash deficit; lower goes first.
    """

    KIND: ClassVar[int] = 26

    asset: Id
    name: Text
    asset_kind: AssetKindCode
    decimals: Count
    underlying: Id
    multiplier_ppb: Ppb
    wrap_ppm: Ppm
    borrow_wrap_ppm: Ppm
    depeg_ppm: Ppm
    loan_to_value_ppm: Ppm
    owner_cap: Amount
    venue_cap: Amount
    sale_rank: Count


class ListMarket(Command, frozen=True, kw_only=True):
    """Something that trades. One tick of one lot is a whole number of quote units.

    Attributes:
        market: Its id, from 1.
        name: 1 to 32 printable ASCII characters.
        market_kind: Spot or perp.
        base: Spot: the token. Perp: 0.
        underlying: What it follows.
        quote: The stablecoin it is paid in.
        tick_size: Price step; spot: dollars of one token.
        lot_size: Spot: smallest units of the token. Perp: 1e-9 shares.
        min_lots: Smallest order.
        max_lots: Largest order.
        maker_fee_ppm: Fee of the resting side.
        taker_fee_ppm: Fee of the incoming side.
        band_ppm: Distance from the index at which limit prices are refused.
        collar_ppm: Distance from the index at which market orders stop.
        self_trade: What happens when an owner's order meets his own.
        impact_notional: Size whose average price is the impact bid and ask; perps.
        funding_ppm: Part of the premium that funding charges; perps.
        funding_closed_ppm: The same while the underlying is closed.
        interest_ppm: Interest part of funding, per 8 hours; signed.
        premium_clamp_ppm: Bound of interest less premium, per 8 hours.
        funding_cap_ppm: Largest rate of an hour, either sign.
        funding_closed_cap_ppm: The same while the underlying is closed.
        band_extended_ppm: The price band before and after the regular session.
        band_closed_ppm: The price band overnight, closed and halted.
        opens_by_auction: 1 keeps the market closed until its first auction.
    """

    KIND: ClassVar[int] = 27

    market: Id
    name: Text
    market_kind: MarketKindCode
    base: Id
    underlying: Id
    quote: Id
    tick_size: Price
    lot_size: Integer
    min_lots: Lots
    max_lots: Lots
    maker_fee_ppm: Ppm
    taker_fee_ppm: Ppm
    band_ppm: Ppm
    collar_ppm: Ppm
    self_trade: SelfTradeCode
    impact_notional: QuoteUnits
    funding_ppm: Ppm
    funding_closed_ppm: Ppm
    interest_ppm: Ppm
    premium_clamp_ppm: Ppm
    funding_cap_ppm: Ppm
    funding_closed_cap_ppm: Ppm
    band_extended_ppm: Ppm
    band_closed_ppm: Ppm
    opens_by_auction: Yes


class ListPool(Command, frozen=True, kw_only=True):
    """Lenders' money or tokens for loans of an asset, at a yearly rate by utilisation.

    Attributes:
        asset: What is lent.
        rate_ppm: Yearly rate while nothing is used: where the curve begins.
        reserve_ppm: Part of the interest that goes to the pool's reserve.
        owner_cap: Most that one owner may borrow.
        venue_cap: Most that all may borrow.
        utilisation_ppm: The curve's further points, ascending: used parts of the pool; the last is all of it.
        rates_ppm: The yearly rates there; never falling.
        locked_deposit: What the operator locks in the pool before it opens.
        reserve_target: What the reserve keeps; more goes to insurance at the hourly settlement.
        insurance_bucket: The bucket whose insurance gets that, and bears the pool's losses first.
        lent_charge_ppm: Part of a lent claim's value that is added to its lender's requirement.
    """

    KIND: ClassVar[int] = 28

    asset: Id
    rate_ppm: Ppm
    reserve_ppm: Ppm
    owner_cap: Amount
    venue_cap: Amount
    utilisation_ppm: PpmRow
    rates_ppm: PpmRow
    locked_deposit: Amount
    reserve_target: Amount
    insurance_bucket: Id
    lent_charge_ppm: Ppm


# --- accounts and money: documents -------------------------------------------------------------------------------------


class OpenAccount(Command, frozen=True, kw_only=True):
    """Opens the account whose id is in the header.

    Attributes:
        owner: Who owns it; not 0. Accounts of one owner are one group for caps and exit costs.
    """

    KIND: ClassVar[int] = 29

    owner: Id


class Deposit(Command, frozen=True, kw_only=True):
    """Money or tokens that arrived in custody for the account.

    Attributes:
        asset: What arrived.
        amount: How much, above zero.
        reference: The outside's number of the arrival; rises per account and asset, so none is booked twice.
    """

    KIND: ClassVar[int] = 30

    asset: Id
    amount: Amount
    reference: Reference


class RequestWithdrawal(Command, frozen=True, kw_only=True):
    """Takes an amount out of the balance into a pending posting.

    Attributes:
        asset: What is to leave.
        amount: How much, above zero.
    """

    KIND: ClassVar[int] = 31

    asset: Id
    amount: Amount


class SettleWithdrawal(Command, frozen=True, kw_only=True):
    """The outside paid.

    Attributes:
        withdrawal: Which pending withdrawal.
    """

    KIND: ClassVar[int] = 32

    withdrawal: LongId


class VoidWithdrawal(Command, frozen=True, kw_only=True):
    """The outside did not pay; the amount returns to the balance.

    Attributes:
        withdrawal: Which pending withdrawal.
    """

    KIND: ClassVar[int] = 33

    withdrawal: LongId


class Transfer(Command, frozen=True, kw_only=True):
    """Moves a balance to another account.

    Attributes:
        to: The receiving account.
        asset: What moves.
        amount: How much, above zero.
    """

    KIND: ClassVar[int] = 34

    to: LongId
    asset: Id
    amount: Amount


class Lend(Command, frozen=True, kw_only=True):
    """Puts cash of the account into the lending pool.

    Attributes:
        asset: Which cash.
        amount: How much, above zero.
    """

    KIND: ClassVar[int] = 35

    asset: Id
    amount: Amount


class Recall(Command, frozen=True, kw_only=True):
    """Takes lent cash back.

    Attributes:
        asset: Which cash.
        amount: How much, above zero.
    """

    KIND: ClassVar[int] = 36

    asset: Id
    amount: Amount


class FundInsurance(Command, frozen=True, kw_only=True):
    """The operator's money for a bucket's insurance.

    Attributes:
        bucket: Whose insurance.
        asset: Which cash.
        amount: How much, above zero.
    """

    KIND: ClassVar[int] = 37

    bucket: Id
    asset: Id
    amount: Amount


# --- the outside: documents --------------------------------------------------------------------------------------------


class SetSession(Command, frozen=True, kw_only=True):
    """An underlying's session, the next one, and the weekend or holiday closure ahead.

    Attributes:
        underlying: Whose session.
        session: The session from now on.
        next_session: The one after it.
        next_time_ns: When that begins.
        closure_step_ns: When initial requirements rise for the closure; 0 when none is ahead, as in the next three.
        closure_ramp_from_ns: When maintenance begins to rise.
        closure_ramp_to_ns: When maintenance has risen in full.
        closure_end_ns: When the closure ends.
    """

    KIND: ClassVar[int] = 38

    underlying: Id
    session: SessionCode
    next_session: SessionCode
    next_time_ns: TimeNs
    closure_step_ns: TimeNs = 0
    closure_ramp_from_ns: TimeNs = 0
    closure_ramp_to_ns: TimeNs = 0
    closure_end_ns: TimeNs = 0


class PostLiquidity(Command, frozen=True, kw_only=True):
    """Liquidity of the primary market, kept for the next refresh at a regular open.

    Attributes:
        underlying: Of what.
        spot_volume: Dollars a day.
        sigma_ppm: Daily volatility.
        half_spread_ppm: Half spread.
    """

    KIND: ClassVar[int] = 39

    underlying: Id
    spot_volume: MicroUsd
    sigma_ppm: Ppm
    half_spread_ppm: Ppm


class ResumeVenue(Command, frozen=True, kw_only=True):
    """First command after each recovery: nothing is liquidated before a fresh quorum of prices."""

    KIND: ClassVar[int] = 40


COMMANDS: tuple[type[Command], ...] = (
    PlaceOrder, CancelOrder, AmendOrder, PostPrice, AdvanceTime, CancelAll, ActivateRelease, ConfigureVenue, ListBucket,
    ListDatedRow, ListUnderlying, ListSource, ListAsset, ListMarket, ListPool, OpenAccount, Deposit,
    RequestWithdrawal, SettleWithdrawal, VoidWithdrawal, Transfer, Lend, Recall, FundInsurance, SetSession,
    PostLiquidity, ResumeVenue,
)  # fmt: skip
"""All commands, by number."""

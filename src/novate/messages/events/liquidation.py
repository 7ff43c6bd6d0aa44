"""Backstop, insurance, auto-deleveraging, loss sharing and recovery: events 850 to 899.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/liquidation.rs`; a test compares them.
"""

from typing import ClassVar

import msgspec

from novate.messages.fields import (
    Amount,
    AuctionEndCode,
    Count,
    Event,
    Id,
    LiquidationCauseCode,
    LiquidationRoleCode,
    LiquidationStageCode,
    LongId,
    Lots,
    MicroUsd,
    Ppm,
    QuoteUnits,
    SaleWayCode,
    Ticks,
    TimeNs,
    Yes,
)


class LiquidationConfigured(Event, frozen=True, kw_only=True):
    """The parameters of stages 4 to 8 are set."""

    KIND: ClassVar[int] = 850


class LiquidationStageChanged(Event, frozen=True, kw_only=True):
    """The account moved on the table of stages; `cause` says why (see the table of stages).

    Attributes:
        from_: Stage before.
        to: Stage after.
        cause: Why.
    """

    KIND: ClassVar[int] = 851

    from_: LiquidationStageCode = msgspec.field(name="from")
    to: LiquidationStageCode
    cause: LiquidationCauseCode


class OwnAccountSetOff(Event, frozen=True, kw_only=True):
    """Free excess of an account of the same owner moved here (positive) or away (negative) before stages 5 to 8.

    Attributes:
        counterparty: The other account.
        asset: The asset.
        amount: How much.
    """

    KIND: ClassVar[int] = 852

    counterparty: LongId
    asset: Id
    amount: Amount


class OwnPositionsClosed(Event, frozen=True, kw_only=True):
    """Opposing unhedged positions of one owner were closed against each other.

    Signed lots of this account; ticks.

    Attributes:
        counterparty: The other account.
        market: The market.
        lots: Signed lots of this account.
        price: The price.
    """

    KIND: ClassVar[int] = 853

    counterparty: LongId
    market: Id
    lots: Lots
    price: Ticks


class BankruptcyPriced(Event, frozen=True, kw_only=True):
    """What a leg of a black account is closed at: it gets `amount` quote units against the maintenance price.

    Attributes:
        market: The market.
        lots: Signed lots of this account.
        maintenance_price: What the leg is worth a lot, its clipped premium included.
        bankruptcy_price: What it is closed at.
        amount: How much.
    """

    KIND: ClassVar[int] = 854

    market: Id
    lots: Lots
    maintenance_price: Ticks
    bankruptcy_price: Ticks
    amount: QuoteUnits


class InsurancePaid(Event, frozen=True, kw_only=True):
    """A bucket's insurance paid into the account; `operator` of it came from the operator's tranche.

    Attributes:
        bucket: The bucket.
        market: The market.
        asset: The asset.
        amount: How much.
        operator: Part of it that came from the operator's tranche.
        balance: What there is afterwards.
    """

    KIND: ClassVar[int] = 855

    bucket: Id
    market: Id
    asset: Id
    amount: Amount
    operator: Amount
    balance: Amount


class InsuranceRepaid(Event, frozen=True, kw_only=True):
    """The account gave back what insurance had paid.

    Attributes:
        bucket: The bucket.
        asset: The asset.
        amount: How much.
        balance: What there is afterwards.
    """

    KIND: ClassVar[int] = 856

    bucket: Id
    asset: Id
    amount: Amount
    balance: Amount


class LoanDeficitAbsorbed(Event, frozen=True, kw_only=True):
    """A deficit of a loan was absorbed: by insurance, by the pool's reserve, by its lenders.

    Attributes:
        asset: The asset.
        amount: How much.
    """

    KIND: ClassVar[int] = 857

    asset: Id
    amount: Amount


class Deleveraged(Event, frozen=True, kw_only=True):
    """A position was reduced by auto-deleveraging.

    Signed lots and price in ticks; `haircut` quote units are the difference to the maintenance price; rank from 1;
    `hedged` 1 when unhedged winners were exhausted; role 0 the black account, 1 a winner.

    Attributes:
        market: The market.
        role: Which side this account is.
        counterparty: The other account.
        lots: Signed lots of this account.
        maintenance_price: What the leg is worth a lot, its clipped premium included.
        price: The price.
        haircut: What the winner pays against the maintenance price.
        rank: Place among the winners, from 1.
        hedged: Whether unhedged winners were exhausted.
    """

    KIND: ClassVar[int] = 858

    market: Id
    role: LiquidationRoleCode
    counterparty: LongId
    lots: Lots
    maintenance_price: Ticks
    price: Ticks
    haircut: QuoteUnits
    rank: Count
    hedged: Yes


class MarketSettled(Event, frozen=True, kw_only=True):
    """All positions of a market were closed at the maintenance price.

    Attributes:
        market: The market.
        price: The price.
        lots: Signed lots of this account.
        accounts: Accounts with a position.
    """

    KIND: ClassVar[int] = 859

    market: Id
    price: Ticks
    lots: Lots
    accounts: Count


class PositionSettled(Event, frozen=True, kw_only=True):
    """This account's position in a market that settled.

    Attributes:
        market: The market.
        lots: Signed lots of this account.
        price: The price.
        result: What was realised.
    """

    KIND: ClassVar[int] = 860

    market: Id
    lots: Lots
    price: Ticks
    result: QuoteUnits


class LossShared(Event, frozen=True, kw_only=True):
    """The account's perp gains of a bucket carried part of a loss.

    Gains and losses since the last moment without a black account, micro-dollars; amount in quote units.

    Attributes:
        bucket: The bucket.
        market: The market.
        gain: Perp gain since the last moment without a black account, less the loss on the spot it hedged.
        amount: How much.
    """

    KIND: ClassVar[int] = 861

    bucket: Id
    market: Id
    gain: MicroUsd
    amount: QuoteUnits


class BackstopCommitted(Event, frozen=True, kw_only=True):
    """The account is a backstop tranche.

    Attributes:
        discount_ppm: Discount on the legs.
        notional: Gross value of the legs.
        loss_limit: What the tranche may lose.
        equity: Net value when it was committed.
    """

    KIND: ClassVar[int] = 862

    discount_ppm: Ppm
    notional: MicroUsd
    loss_limit: MicroUsd
    equity: MicroUsd


class BackstopWithdrawn(Event, frozen=True, kw_only=True):
    """The tranche is released at `release_ns`; 0 when it is released now.

    Attributes:
        release_ns: When the tranche is released; 0 once it is.
    """

    KIND: ClassVar[int] = 863

    release_ns: TimeNs


class BackstopTrancheExhausted(Event, frozen=True, kw_only=True):
    """The tranche lost its limit and takes no more.

    Attributes:
        loss: What it has lost.
        loss_limit: What the tranche may lose.
    """

    KIND: ClassVar[int] = 864

    loss: MicroUsd
    loss_limit: MicroUsd


class BackstopAuctionOpened(Event, frozen=True, kw_only=True):
    """The account's legs are offered.

    Discount starts here and grows until the end.

    Attributes:
        auction: The auction.
        notional: Gross value of the legs.
        discount_ppm: Discount on the legs.
        end_ns: When it ends without a taker.
    """

    KIND: ClassVar[int] = 865

    auction: LongId
    notional: MicroUsd
    discount_ppm: Ppm
    end_ns: TimeNs


class BackstopSliceTaken(Event, frozen=True, kw_only=True):
    """A slice went to a tranche: `share_ppm` of every leg. Role 0 the account, 1 the tranche.

    Attributes:
        auction: The auction.
        role: Which side this account is.
        counterparty: The other account.
        share_ppm: Part of every leg on offer.
        discount_ppm: Discount on the legs.
        notional: Gross value of the legs.
        cost: Discount in all.
        requirement_before: Requirement at liquidation-end before.
        requirement_after: And after.
    """

    KIND: ClassVar[int] = 866

    auction: LongId
    role: LiquidationRoleCode
    counterparty: LongId
    share_ppm: Ppm
    discount_ppm: Ppm
    notional: MicroUsd
    cost: MicroUsd
    requirement_before: MicroUsd
    requirement_after: MicroUsd


class BackstopAuctionEnded(Event, frozen=True, kw_only=True):
    """The auction ended: 0 the account is above close-out, 1 time, 2 every willing tranche is exhausted, 3 black.

    Attributes:
        auction: The auction.
        reason: Why it ended.
        sold_ppm: Part of the legs that was sold.
    """

    KIND: ClassVar[int] = 867

    auction: LongId
    reason: AuctionEndCode
    sold_ppm: Ppm


class CollateralSold(Event, frozen=True, kw_only=True):
    """Collateral was sold for a cash deficit: in a book (0) or by redemption (1).

    A hedge's perp closed with it.

    Attributes:
        asset: The asset.
        way: Book or redemption.
        units: Units of the token.
        proceeds: Units of the stablecoin received.
        perp_market: Market of the perp that closed with it; 0 for none.
        perp_lots: Lots bought back.
        deficit: Cash that was due, units of the stablecoin.
    """

    KIND: ClassVar[int] = 868

    asset: Id
    way: SaleWayCode
    units: Amount
    proceeds: Amount
    perp_market: Id
    perp_lots: Lots
    deficit: Amount


class ResidueBought(Event, frozen=True, kw_only=True):
    """Insurance bought a residue: tokens at the index, or a perp position below one lot's worth of value.

    Attributes:
        asset: The asset.
        units: Units of the token.
        amount: How much.
        bucket: The bucket.
    """

    KIND: ClassVar[int] = 869

    asset: Id
    units: Amount
    amount: Amount
    bucket: Id


class InsuranceTargetSet(Event, frozen=True, kw_only=True):
    """The bucket's target: the cover-2 shortfall; and what there is.

    Attributes:
        bucket: The bucket.
        target: Cover-2 shortfall.
        balance: What there is afterwards.
        open_interest_ppm: Factor of open-interest caps.
    """

    KIND: ClassVar[int] = 870

    bucket: Id
    target: MicroUsd
    balance: MicroUsd
    open_interest_ppm: Ppm


class OperatorTrancheFunded(Event, frozen=True, kw_only=True):
    """The operator's tranche of a bucket grew.

    Attributes:
        bucket: The bucket.
        asset: The asset.
        amount: How much.
        balance: What there is afterwards.
    """

    KIND: ClassVar[int] = 871

    bucket: Id
    asset: Id
    amount: Amount
    balance: Amount


class CollateralPassedToRecovery(Event, frozen=True, kw_only=True):
    """Unsold collateral passed to recovery at a price (micro-dollars for all of it, 0 without a bid).

    Attributes:
        asset: The asset.
        units: Units of the token.
        value: What was paid for it.
        recovery_units: Recovery units of the token in all.
    """

    KIND: ClassVar[int] = 872

    asset: Id
    units: Amount
    value: MicroUsd
    recovery_units: MicroUsd


class RecoveryPaid(Event, frozen=True, kw_only=True):
    """Recovered money was paid to holders of recovery units.

    Attributes:
        token: The token.
        sold: Units that leave.
        asset: The asset.
        amount: How much.
    """

    KIND: ClassVar[int] = 873

    token: Id
    sold: Amount
    asset: Id
    amount: Amount


EVENTS: tuple[type[Event], ...] = (
    LiquidationConfigured, LiquidationStageChanged, OwnAccountSetOff, OwnPositionsClosed, BankruptcyPriced,
    InsurancePaid, InsuranceRepaid, LoanDeficitAbsorbed, Deleveraged, MarketSettled, PositionSettled, LossShared,
    BackstopCommitted, BackstopWithdrawn, BackstopTrancheExhausted, BackstopAuctionOpened, BackstopSliceTaken,
    BackstopAuctionEnded, CollateralSold, ResidueBought, InsuranceTargetSet, OperatorTrancheFunded,
    CollateralPassedToRecovery, RecoveryPaid,
)  # fmt: skip
"""By number."""

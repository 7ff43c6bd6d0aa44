"""Backstop, insurance, auto-deleveraging, loss sharing and recovery: commands 800 to 849.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/liquidation.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    Command,
    Count,
    Id,
    LongId,
    MicroUsd,
    Nanos,
    Ppm,
)


class ConfigureLiquidation(Command, frozen=True, kw_only=True):
    """Parameters of stages 4 to 8, once, after ConfigureVenue.

    Rates in ppm, times in ns, money in micro-dollars.

    Attributes:
        auction_start_ppm: Discount an auction starts with.
        auction_fast_ppm: What the discount grows by each second at first.
        auction_fast_ns: How long it grows fast.
        auction_slow_ppm: What it grows by each second afterwards.
        auction_duration_ns: How long an auction lasts.
        auction_closed_factor: How many times longer while a price is closed.
        backstop_notice_ns: From a provider's notice to the release of its tranche.
        insurance_group_day_cap: Most that insurance pays for one owner in one day.
        residue_value: Residues up to this value are bought by insurance; a loan beyond its owner's cap by no more sells no collateral.
        deleverage_share_ppm: Part of a position that one deleveraging takes at most.
        deleverage_notional: Notional that one deleveraging takes from one account at most.
        sale_tolerance_ppm: How far below the index collateral is sold at most.
        recovery_sessions: Openings after which unsold collateral passes to recovery.
        cover_owners: Owners looked at per `AdvanceTime` for the insurance target.
        open_interest_floor_ppm: Least factor of open-interest caps while insurance is below its target.
    """

    KIND: ClassVar[int] = 800

    auction_start_ppm: Ppm
    auction_fast_ppm: Ppm
    auction_fast_ns: Nanos
    auction_slow_ppm: Ppm
    auction_duration_ns: Nanos
    auction_closed_factor: Count
    backstop_notice_ns: Nanos
    insurance_group_day_cap: MicroUsd
    residue_value: MicroUsd
    deleverage_share_ppm: Ppm
    deleverage_notional: MicroUsd
    sale_tolerance_ppm: Ppm
    recovery_sessions: Count
    cover_owners: Count
    open_interest_floor_ppm: Ppm


class CommitBackstop(Command, frozen=True, kw_only=True):
    """Makes the account a backstop tranche.

    It takes slices by itself from this discount on, up to this notional an auction, until it has lost the limit.
    Its money stays until its notice has passed.

    Attributes:
        discount_ppm: Discount on the legs.
        notional: Gross value of the legs.
        loss_limit: What the tranche may lose.
    """

    KIND: ClassVar[int] = 801

    discount_ppm: Ppm
    notional: MicroUsd
    loss_limit: MicroUsd


class WithdrawBackstop(Command, frozen=True, kw_only=True):
    """Gives notice; after it the tranche is an ordinary account again."""

    KIND: ClassVar[int] = 802


class BidBackstop(Command, frozen=True, kw_only=True):
    """A tranche takes a share of what an auction offers at its present discount.

    Attributes:
        auction: The auction.
        share_ppm: Part of every leg on offer.
    """

    KIND: ClassVar[int] = 803

    auction: LongId
    share_ppm: Ppm


class FundOperatorTranche(Command, frozen=True, kw_only=True):
    """The operator's own money that pays before a bucket's insurance.

    Attributes:
        bucket: The bucket.
        asset: The asset.
        amount: How much.
    """

    KIND: ClassVar[int] = 804

    bucket: Id
    asset: Id
    amount: Amount


class PayRecovery(Command, frozen=True, kw_only=True):
    """Money that recovered collateral fetched outside, for the holders of its recovery units; `sold` units leave.

    Attributes:
        token: The token.
        sold: Units that leave.
        asset: The asset.
        amount: How much.
    """

    KIND: ClassVar[int] = 805

    token: Id
    sold: Amount
    asset: Id
    amount: Amount


COMMANDS: tuple[type[Command], ...] = (
    ConfigureLiquidation, CommitBackstop, WithdrawBackstop, BidBackstop, FundOperatorTranche, PayRecovery,
)  # fmt: skip
"""By number."""

"""What a liquidation would do, before it does: thresholds, ranks, auctions, insurance and tranches.

Responsible for: one class per answer of `crates/novate-core/src/query/liquidation.rs`, one function per question. Never computes.
"""

from novate.messages.reports.base import Answers, Report, ask


class Rank(Report, frozen=True, kw_only=True):
    """Where a position stands among those that a deleveraging would ask.

    Attributes:
        market: Its market.
        lots: Signed lots.
        unhedged_lots: Lots that no token of the account hedges; they go first.
        profit: What the position has made since it was opened, quote units.
        rank: Place among the winners, from 1; 0 when it has no profit and would not be asked.
        of: How many winners there are.
    """

    market: int
    lots: int
    unhedged_lots: int
    profit: int
    rank: int
    of: int


class Standing(Report, frozen=True, kw_only=True):
    """How far an account is from each stage, and what each would take.

    Attributes:
        account: The account.
        state: Its `AccountState`.
        stage: Its `LiquidationStage`.
        next_stages: Stages it goes to below initial, maintenance, close-out, and with a net value below zero.
        excess: Excess at initial, liquidation-end, maintenance and close-out, micro-dollars.
        net_value: Net value at close-out, micro-dollars.
        cash_due: Stablecoin and units due in cash now; zeros for none.
        perp_loss: Bucket and perp loss since the account was last green, micro-dollars.
        debts: Market and unsettled perp debt, quote units.
        insurance_left_today: What insurance may still pay for its owner today, micro-dollars.
        locked_gains: Perp gains that can't leave while an account is black, micro-dollars.
        ranks: One per perp position.
        freed: Token and units that are first in the redemption queue.
    """

    account: int
    state: int
    stage: int
    next_stages: tuple[int, ...]
    excess: tuple[int, ...]
    net_value: int
    cash_due: tuple[int, int]
    perp_loss: tuple[tuple[int, int], ...]
    debts: tuple[tuple[int, int], ...]
    insurance_left_today: int
    locked_gains: int
    ranks: tuple[Rank, ...]
    freed: tuple[tuple[int, int], ...]


class Auction(Report, frozen=True, kw_only=True):
    """A running Dutch auction.

    Attributes:
        auction: Its id.
        account: Whose legs are offered.
        start_ns: When it began.
        end_ns: When it ends without a taker.
        discount_ppm: Discount now.
        sold_ppm: Part of the legs that was sold.
        path: Time and discount, from the start to the end.
        taken: Account and notional it took, micro-dollars.
    """

    auction: int
    account: int
    start_ns: int
    end_ns: int
    discount_ppm: int
    sold_ppm: int
    path: tuple[tuple[int, int], ...]
    taken: tuple[tuple[int, int], ...]


class BucketInsurance(Report, frozen=True, kw_only=True):
    """The insurance of a bucket.

    Attributes:
        bucket: The bucket.
        name: Its name.
        balance: Insurance and operator's tranche, micro-dollars at face.
        target: Cover-2 shortfall of the last complete sweep, micro-dollars.
        largest: The owners it is made of, each with its shortfall.
        open_interest_ppm: Factor of open-interest caps.
        shareable_gains: Perp gains that would share a loss now, micro-dollars.
    """

    bucket: int
    name: str
    balance: int
    target: int
    largest: tuple[tuple[int, int], ...]
    open_interest_ppm: int
    shareable_gains: int


class BackstopTranche(Report, frozen=True, kw_only=True):
    """A backstop provider's isolated account.

    Attributes:
        account: The account.
        discount_ppm: Discount from which it takes by itself.
        last_discount_ppm: Discount at the end of an auction of normal length.
        notional: What it takes from one auction at most, micro-dollars.
        loss: What it has lost since it was committed, micro-dollars.
        loss_limit: What it may lose, micro-dollars.
        release_ns: When its notice has passed; 0 without notice.
        exhausted: Whether it has lost its limit.
    """

    account: int
    discount_ppm: int
    last_discount_ppm: int
    notional: int
    loss: int
    loss_limit: int
    release_ns: int
    exhausted: bool


class OpenInterest(Report, frozen=True, kw_only=True):
    """A perp market's open interest and the caps that bind now.

    Attributes:
        market: The market.
        open_interest: Lots long.
        cap: Most lots of the market; -1 without a cap.
        underlying_cap: Most micro-dollars of all perps of its underlying; -1 without a cap.
        open_interest_ppm: What both were multiplied by for the bucket's insurance.
    """

    market: int
    open_interest: int
    cap: int
    underlying_cap: int
    open_interest_ppm: int


def standing(engine: Answers, account: int) -> Standing:
    """How far an account is from each stage, and what each would take."""
    return ask(engine, Standing, 800, account)


def auctions(engine: Answers) -> list[Auction]:
    """Running auctions, with the path of their discounts."""
    return ask(engine, list[Auction], 801)


def insurance(engine: Answers) -> list[BucketInsurance]:
    """Balance, target and factor of every bucket's insurance."""
    return ask(engine, list[BucketInsurance], 802)


def tranches(engine: Answers) -> list[BackstopTranche]:
    """All backstop tranches."""
    return ask(engine, list[BackstopTranche], 803)


def open_interest(engine: Answers) -> list[OpenInterest]:
    """Open interest of every perp market, with its caps as the bucket's insurance leaves them."""
    return ask(engine, list[OpenInterest], 804)

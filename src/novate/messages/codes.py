"""The small numbers that messages carry instead of words.

Responsible for: naming each value once. A field holds the plain integer, so a number this release does not know still
decodes; compare with the member (`event.side == Side.ASK`). Numbers are append-only.
"""

from enum import IntEnum, IntFlag


class Side(IntEnum):
    """Side of the book an order belongs to.

    Attributes:
        BID: Buys.
        ASK: Sells.
    """

    BID = 0
    ASK = 1


class OrderKind(IntEnum):
    """Limit or market.

    Attributes:
        LIMIT: Never trades beyond its price.
        MARKET: Immediate; trades up to the worst price the sender or the market's collar allows.
    """

    LIMIT = 0
    MARKET = 1


class TimeInForce(IntEnum):
    """How long what is not filled at once may stay.

    Attributes:
        GTC: Rests until cancelled.
        IOC: Immediate or cancel: the rest is cancelled.
        FOK: Fill or kill: all at once or nothing.
    """

    GTC = 0
    IOC = 1
    FOK = 2


class Flags(IntFlag):
    """Instructions of an order; added together.

    Attributes:
        NONE: No instruction.
        POST_ONLY: Refused when it would take.
        REDUCE_ONLY: Never opens or turns a perp position.
    """

    NONE = 0
    POST_ONLY = 1
    REDUCE_ONLY = 2


class PriceKind(IntEnum):
    """What a source's price is.

    Attributes:
        QUOTE: Middle or side of a quote.
        TRADE: A trade print.
        ISSUER: An issuer's stated value.
    """

    QUOTE = 0
    TRADE = 1
    ISSUER = 2


class PriceClass(IntEnum):
    """How an underlying is priced.

    Attributes:
        CONTINUOUS: A median of independent live sources.
        NAV: One issuer value with a stated accrual.
    """

    CONTINUOUS = 0
    NAV = 1


class AssetKind(IntEnum):
    """What an asset is.

    Attributes:
        STABLECOIN: Cash; the quote of markets.
        TOKEN: A token of an underlying.
    """

    STABLECOIN = 0
    TOKEN = 1


class MarketKind(IntEnum):
    """What trades in a market.

    Attributes:
        SPOT: A token for a stablecoin.
        PERP: A perpetual future on an underlying.
    """

    SPOT = 0
    PERP = 1


class SelfTrade(IntEnum):
    """What happens when an owner's order meets his own.

    Attributes:
        CANCEL_NEWEST: The rest of the incoming order is cancelled.
        ALLOW: They trade; for benches only.
    """

    CANCEL_NEWEST = 0
    ALLOW = 1


class Session(IntEnum):
    """Trading session of an underlying, New York time for equities.

    Attributes:
        CLOSED: Weekend, holiday, or hours without trading for this name.
        PRE: Pre-market, from 04:00.
        REGULAR: Regular session, from 09:30; always, for crypto.
        POST: Post-market, from the regular close.
        OVERNIGHT: 20:00 to 04:00, Sunday to Thursday.
        HALTED: Trading is halted outside.
    """

    CLOSED = 0
    PRE = 1
    REGULAR = 2
    POST = 3
    OVERNIGHT = 4
    HALTED = 5


class Quality(IntEnum):
    """How far an underlying's price can be trusted; decides what is allowed.

    Attributes:
        LIVE: Confirmed by its quorum.
        DEGRADED: Fewer fresh sources than the quorum.
        SUSPECT: Sources disagree, or an unconfirmed jump.
        STALE: No fresh source.
        CLOSED: The session is closed; the last external price stands.
        HALTED: Halted outside.
    """

    LIVE = 0
    DEGRADED = 1
    SUSPECT = 2
    STALE = 3
    CLOSED = 4
    HALTED = 5


class CancelReason(IntEnum):
    """Why an order ended before it was filled.

    Attributes:
        REQUESTED: Its owner asked.
        NOT_FILLED: The rest of an immediate-or-cancel order.
        SELF_TRADE: It met an order of its own owner.
        NOTHING_TO_REDUCE: A reduce-only order with nothing left to reduce.
        UNFUNDED: The cash or tokens behind a spot order are gone.
        BELOW_INITIAL: The account is below its initial requirement (stage 0).
        BELOW_MAINTENANCE: The account is below its maintenance requirement (stage 1).
        AMENDED: Replaced by an amendment.
    """

    REQUESTED = 0
    NOT_FILLED = 1
    SELF_TRADE = 2
    NOTHING_TO_REDUCE = 3
    UNFUNDED = 4
    BELOW_INITIAL = 5
    BELOW_MAINTENANCE = 6
    AMENDED = 7


class AccountState(IntEnum):
    """Where an account's equity stands against its requirements.

    Attributes:
        GREEN: At or above initial.
        YELLOW: Below initial: only reducing orders.
        ORANGE: Below maintenance: liquidation reduces it.
        RED: Below close-out.
        BLACK: Equity at close-out is negative.
    """

    GREEN = 0
    YELLOW = 1
    ORANGE = 2
    RED = 3
    BLACK = 4


class FundingReason(IntEnum):
    """Why an hour's funding rate is what it is.

    Attributes:
        SET: Computed from the hour's premium.
        SAMPLES_MISSING: A gap between premium samples was too long: no funding.
        PRICE_NOT_LIVE: The index was not live: no funding.
    """

    SET = 0
    SAMPLES_MISSING = 1
    PRICE_NOT_LIVE = 2


class LiquidationSkip(IntEnum):
    """Why a liquidation slice was not taken.

    Attributes:
        SPEED_LIMIT: The venue's speed limit for the underlying is used up.
        NO_DEPTH: Nothing in the book inside the worst price.
        REQUIREMENT_WOULD_RISE: The slice would raise the requirement.
        COST_ABOVE_RELIEF: Fee and slippage exceed the fall of the requirement.
        PRICE_QUALITY: The underlying's price quality forbids liquidation.
    """

    SPEED_LIMIT = 0
    NO_DEPTH = 1
    REQUIREMENT_WOULD_RISE = 2
    COST_ABOVE_RELIEF = 3
    PRICE_QUALITY = 4

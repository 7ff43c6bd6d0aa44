"""The small numbers that messages carry instead of words.

Responsible for: naming each value once; append-only. A field holds the plain integer (`event.side == Side.ASK`), so an unknown one decodes.
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
        GTD: Good till date: rests until cancelled or until its time; in a full order.
    """

    GTC = 0
    IOC = 1
    FOK = 2
    GTD = 3


class SelfTradeMode(IntEnum):
    """What an order does when it meets one of its own owner, in a market that keeps them from trading.

    Attributes:
        CANCEL_NEWEST: The rest of the incoming order is cancelled.
        CANCEL_OLDEST: The resting order is cancelled.
        CANCEL_BOTH: Both are cancelled.
        DECREMENT: Both shrink by the smaller of the two; what is left of the larger lives on.
    """

    CANCEL_NEWEST = 0
    CANCEL_OLDEST = 1
    CANCEL_BOTH = 2
    DECREMENT = 3


class TriggerKind(IntEnum):
    """What a waiting order waits for.

    Attributes:
        NONE: It does not wait.
        STOP: A mark that goes against its owner: up to the price for a bid, down to it for an ask.
        TAKE_PROFIT: A mark that goes in its owner's favour: down to the price for a bid, up to it for an ask.
    """

    NONE = 0
    STOP = 1
    TAKE_PROFIT = 2


class MarketPhase(IntEnum):
    """What may be done with the orders of a market.

    Attributes:
        OPEN: Orders match as they come.
        CANCEL_ONLY: Orders may only leave.
        CALL: Orders gather for an auction and do not match.
        CLOSED: No orders.
    """

    OPEN = 0
    CANCEL_ONLY = 1
    CALL = 2
    CLOSED = 3


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
    """What a market does when an owner's order meets his own.

    Attributes:
        CANCEL_NEWEST: They do not trade; the incoming order's `SelfTradeMode` says what goes, cancel newest unless it says more.
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
        EXPIRED: Its time is over.
        SILENCE: The dead-man switch of its account fired.
        DONE: A parent order has sent all its slices.
        CORPORATE_ACTION: A corporate action of its underlying takes effect.
        MARKET_SETTLED: The perps of a halted underlying are settled by decision.
        RESTRICTED: An emergency power, a change of fees, or a lapse of eligibility.
    """

    REQUESTED = 0
    NOT_FILLED = 1
    SELF_TRADE = 2
    NOTHING_TO_REDUCE = 3
    UNFUNDED = 4
    BELOW_INITIAL = 5
    BELOW_MAINTENANCE = 6
    AMENDED = 7
    EXPIRED = 8
    SILENCE = 9
    DONE = 10
    CORPORATE_ACTION = 12
    MARKET_SETTLED = 30
    RESTRICTED = 40


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


class LiquidationStage(IntEnum):
    """Where an account is on the way from a missed requirement to a covered loss.

    Attributes:
        CANCEL_RISK: Yellow: orders that do not reduce are cancelled.
        CANCEL_ALL: All orders are cancelled, transfers are frozen, the account is looked at again.
        REDUCE: Reduced through the books.
        PACE: Waits for the speed limit.
        SELL_COLLATERAL: Collateral is sold for a cash deficit.
        BACKSTOP: Backstop providers take slices in a Dutch auction.
        INSURANCE: Insurance pays to the bankruptcy price.
        DELEVERAGE: Winners are closed at the bankruptcy price.
        SHARE_LOSS: The bucket's perp gains share what is left.
        FREE: In no stage.
        EXHAUSTED: Every stage did what it could; the rest was reported.
    """

    CANCEL_RISK = 0
    CANCEL_ALL = 1
    REDUCE = 2
    PACE = 3
    SELL_COLLATERAL = 4
    BACKSTOP = 5
    INSURANCE = 6
    DELEVERAGE = 7
    SHARE_LOSS = 8
    FREE = 9
    EXHAUSTED = 10


class LiquidationCause(IntEnum):
    """Why an account moved to another stage.

    Attributes:
        BELOW_INITIAL: Excess at initial is negative.
        BELOW_MAINTENANCE: Excess at maintenance is negative.
        STILL_ORANGE: Still so after all orders are cancelled.
        RED: Excess at close-out is negative.
        BLACK: Net value at close-out is negative.
        CASH_DUE: A cash call or a called loan is overdue, or cash is negative beyond its caps.
        PACED: The speed limit leaves no slice now.
        REFILLED: The speed limit leaves room again.
        NOTHING_REDUCES: No slice lowers the requirement by more than it costs, or none finds depth.
        SALE_DONE: The cash deficit is gone, or nothing sells now.
        NO_LONGER_RED: Excess at close-out is not negative any more.
        NO_TAKER: Nobody took the rest before the auction's end.
        BACKSTOP_EXHAUSTED: Every tranche has reached its loss limit.
        COVERED: Net value at close-out is not negative any more.
        NOT_COVERED: The stage paid what it may, and net value is still negative.
        WAITS: Something is left that can be sold later.
        NOTHING_LEFT: Nothing is left to sell and no stage covers the rest.
        RESTORED: Excess at liquidation-end and at initial are not negative.
        EASED: Excess at liquidation-end is not negative, at initial it is.
    """

    BELOW_INITIAL = 0
    BELOW_MAINTENANCE = 1
    STILL_ORANGE = 2
    RED = 3
    BLACK = 4
    CASH_DUE = 5
    PACED = 6
    REFILLED = 7
    NOTHING_REDUCES = 8
    SALE_DONE = 9
    NO_LONGER_RED = 10
    NO_TAKER = 11
    BACKSTOP_EXHAUSTED = 12
    COVERED = 13
    NOT_COVERED = 14
    WAITS = 15
    NOTHING_LEFT = 16
    RESTORED = 17
    EASED = 18


class LiquidationRole(IntEnum):
    """Which side of a slice or of a deleveraging an account is.

    Attributes:
        GIVES: The account in liquidation.
        TAKES: The backstop tranche, or the winner.
    """

    GIVES = 0
    TAKES = 1


class AuctionEnd(IntEnum):
    """Why a backstop auction ended.

    Attributes:
        ABOVE_CLOSE_OUT: The account is above close-out again.
        TIME: Nobody took the rest in time.
        EXHAUSTED: Every tranche has reached its loss limit.
        BLACK: The account's net value fell below zero.
    """

    ABOVE_CLOSE_OUT = 0
    TIME = 1
    EXHAUSTED = 2
    BLACK = 3


class SaleWay(IntEnum):
    """How collateral was sold.

    Attributes:
        BOOK: Through a book of the venue.
        REDEMPTION: By redeeming the token.
    """

    BOOK = 0
    REDEMPTION = 1


class HolderType(IntEnum):
    """What a holder is.

    Attributes:
        PERSON: A natural person.
        FIRM: A company.
        FUND: An investment fund.
        DEALER: A regulated dealer.
    """

    PERSON = 0
    FIRM = 1
    FUND = 2
    DEALER = 3


class Subject(IntEnum):
    """What a rule of eligibility is about.

    Attributes:
        ASSET: Holding an asset.
        MARKET: Opening positions in a market.
    """

    ASSET = 0
    MARKET = 1


class CorporateActionKind(IntEnum):
    """What a company does with its shares.

    Attributes:
        SPLIT: Shares are split or joined.
        CASH_DIVIDEND: An ordinary dividend in cash.
        SPECIAL_DIVIDEND: A dividend outside the ordinary ones.
        SPIN_OFF: Shares of another company are handed out.
        MERGER: The shares become cash, shares of another company, or both.
        RIGHTS: Rights, sold for cash unless elected otherwise.
        DELISTING: The shares stop trading.
        SYMBOL_CHANGE: Only the name changes.
    """

    SPLIT = 0
    CASH_DIVIDEND = 1
    SPECIAL_DIVIDEND = 2
    SPIN_OFF = 3
    MERGER = 4
    RIGHTS = 5
    DELISTING = 6
    SYMBOL_CHANGE = 7


class CorporateActionState(IntEnum):
    """Where an action stands.

    Attributes:
        ANNOUNCED: It will come; when is not known.
        SCHEDULED: Terms and window are known; nobody has confirmed them.
        CONFIRMED: A second actor agreed.
        RUNNING: Its cursor runs; the venue waits.
        APPLIED: Done.
        CORRECTED: Done, and its amount corrected since.
        CANCELLED: It will not happen.
    """

    ANNOUNCED = 1
    SCHEDULED = 2
    CONFIRMED = 3
    RUNNING = 4
    APPLIED = 5
    CORRECTED = 6
    CANCELLED = 7


class LimitKind(IntEnum):
    """What the limits of a package hold.

    Attributes:
        EACH_LEG: Each leg within its price.
        WHOLE: Each leg within its price, and the whole within a net limit.
    """

    EACH_LEG = 0
    WHOLE = 1


class TradeSide(IntEnum):
    """What the one who asks for quotes may do with the package.

    Attributes:
        BUY: Buy it.
        SELL: Sell it.
        EITHER: Buy or sell it, as it chooses at the trade.
    """

    BUY = 0
    SELL = 1
    EITHER = 2


class Reveal(IntFlag):
    """What is known before a trade on a quote; added together.

    Attributes:
        NOBODY: Neither side.
        REQUESTER: The requester, to the makers.
        MAKER: The maker, to the requester.
    """

    NOBODY = 0
    REQUESTER = 1
    MAKER = 2


class OfferState(IntEnum):
    """Where a block proposal, a request for quotes or a quote is.

    Attributes:
        OPEN: Waits for consent.
        TRADED: Both sides consented and it traded.
        DECLINED: The counterparty refused.
        WITHDRAWN: The one who made it took it back.
        EXPIRED: Its time ran out.
        REPLACED: Its maker quoted anew.
        LAPSED: Its request ended, or its maker could not take the trade.
    """

    OPEN = 0
    TRADED = 1
    DECLINED = 2
    WITHDRAWN = 3
    EXPIRED = 4
    REPLACED = 5
    LAPSED = 6


class TradeOrigin(IntEnum):
    """Where a trade between two accounts comes from.

    Attributes:
        BLOCK: A block.
        QUOTE: A quote.
    """

    BLOCK = 0
    QUOTE = 1


class RequestDirection(IntEnum):
    """Which way between tokens and shares.

    Attributes:
        ISSUE: Tokens come into being.
        REDEEM: Tokens end.
    """

    ISSUE = 0
    REDEEM = 1


class RequestKind(IntEnum):
    """What a request asks for.

    Attributes:
        MINT: Tokens for cash.
        REDEEM: Cash for tokens.
        MINT_IN_KIND: Tokens for shares that a participant brings.
        REDEEM_IN_KIND: Shares for tokens, taken by a participant.
    """

    MINT = 0
    REDEEM = 1
    MINT_IN_KIND = 2
    REDEEM_IN_KIND = 3


class RequestState(IntEnum):
    """Where a request to issue or redeem stands.

    Attributes:
        REQUESTED: It arrived; nothing is held yet.
        RESERVED: Its amounts are held; no broker has it.
        ROUTED: A broker has its order.
        PARTLY_FILLED: Part of it is filled, the rest is at a broker.
        FILLED: Nothing more will fill; settlement is ahead.
        UNKNOWN: The broker is out of reach; everything is held until its report.
        SETTLED: Settled at the broker, or the venue's own account carries it.
        DELIVERED: The holder has what it asked for, for good.
        REJECTED: A broker refused it and no other took it.
        CANCELLED: It ended unfilled on somebody's wish.
        EXPIRED: It waited too long.
        FAILED: A settlement failed; the venue's own account carries it.
        BUSTED: An execution was taken back; the venue's own account carries it.
    """

    REQUESTED = 0
    RESERVED = 1
    ROUTED = 2
    PARTLY_FILLED = 3
    FILLED = 4
    UNKNOWN = 5
    SETTLED = 6
    DELIVERED = 7
    REJECTED = 8
    CANCELLED = 9
    EXPIRED = 10
    FAILED = 11
    BUSTED = 12


class BrokerPurpose(IntEnum):
    """Why a broker order exists.

    Attributes:
        REQUEST: For a request.
        BUY_IN: Buys a shortage back.
        HEDGE: Sells what a fault left with the house.
    """

    REQUEST = 0
    BUY_IN = 1
    HEDGE = 2


class CarriedReason(IntEnum):
    """Why the venue's own account carries an execution.

    Attributes:
        BUST: The broker took it back.
        CORRECTION: The broker changed its shares or price.
        FAILED_SETTLEMENT: It did not settle.
    """

    BUST = 0
    CORRECTION = 1
    FAILED_SETTLEMENT = 2


class BreakKind(IntEnum):
    """What does not fit.

    Attributes:
        STATEMENT: A custodian's statement differs from the books.
        WRONG_SYMBOL: A fill of another underlying than ordered.
        WRONG_SIDE: A fill of the other side.
        LATE_FILL: A fill after the order had ended.
        OVERFILL: More than was ordered.
        BEYOND_LIMIT: Worse than the worst price.
        ID_USED_TWICE: One execution id for two executions.
    """

    STATEMENT = 0
    WRONG_SYMBOL = 1
    WRONG_SIDE = 2
    LATE_FILL = 3
    OVERFILL = 4
    BEYOND_LIMIT = 5
    ID_USED_TWICE = 6


class BreakResolution(IntEnum):
    """How a break ended.

    Attributes:
        EXPLAINED: The books were right.
        ADOPTED: The quarantined execution is the venue's own.
        TAKEN_BACK: The broker took the quarantined execution back.
    """

    EXPLAINED = 0
    ADOPTED = 1
    TAKEN_BACK = 2


class CapacityTerm(IntEnum):
    """What bounds how much can be issued or redeemed now.

    Attributes:
        CLOSED: The channel is closed, or a gate is shut.
        DEPTH: The primary market's best prices.
        CASH: Dollars prefunded at the broker.
        SHARES: Settled shares at the broker.
        CUSTODY: The broker's custody limit.
        ORDER: The broker's largest order.
        LIMIT: The token's limit of the window.
        INVENTORY: House inventory.
        BROKER: No broker can be reached.
    """

    CLOSED = 0
    DEPTH = 1
    CASH = 2
    SHARES = 3
    CUSTODY = 4
    ORDER = 5
    LIMIT = 6
    INVENTORY = 7
    BROKER = 8


class Role(IntEnum):
    """What a key may do, at an account or at the venue.

    Attributes:
        TRADER: Places orders.
        VIEWER: Sees.
        TREASURER: Moves money.
        RISK: Watches the venue's risk.
        COMPLIANCE: Decides who may hold what.
        OPERATOR: Runs the venue.
        KEEPER: Brings facts: prices, sessions, chain, broker, time.
    """

    TRADER = 0
    VIEWER = 1
    TREASURER = 2
    RISK = 3
    COMPLIANCE = 4
    OPERATOR = 5
    KEEPER = 6


class Power(IntEnum):
    """An emergency power; each only reduces risk.

    Attributes:
        CANCEL_ONLY: A market takes only cancels.
        REDUCE_ONLY: A market takes only orders that reduce a position or sell a token.
        WITHDRAWALS: No withdrawal is taken.
        ISSUANCE: No issuance of a token.
        COLLATERAL_CAP: A lower venue cap of a token as unhedged collateral.
        OPEN_INTEREST: A lower cap of a market's open interest.
        FREEZE: An owner is frozen.
    """

    CANCEL_ONLY = 0
    REDUCE_ONLY = 1
    WITHDRAWALS = 2
    ISSUANCE = 3
    COLLATERAL_CAP = 4
    OPEN_INTEREST = 5
    FREEZE = 6


class CapKind(IntEnum):
    """What a cap is about.

    Attributes:
        ACCOUNT: An account's position in a market, lots.
        OBLIGOR: An obligor's positions in a market, lots.
        OPEN_INTEREST: A market's open interest, lots.
        UNDERLYING: Open interest of all perps of an underlying, micro-dollars.
    """

    ACCOUNT = 0
    OBLIGOR = 1
    OPEN_INTEREST = 2
    UNDERLYING = 3


class LapseStage(IntEnum):
    """Where an owner stands who may not hold a token any more.

    Attributes:
        OVER: Eligible again, or nothing left.
        NOTICE: Told; no more may come in.
        REDUCE_ONLY: Only reducing in the underlying's markets.
        REDEEMING: Sold at market, the matched perp closed with each fill.
    """

    OVER = 0
    NOTICE = 1
    REDUCE_ONLY = 2
    REDEEMING = 3


class ChangeOutcome(IntEnum):
    """How a change ended without effect.

    Attributes:
        REJECTED: By a person.
        EXPIRED: Nobody approved it in time.
        REFUSED: Its command met a rule when it was due.
    """

    REJECTED = 0
    EXPIRED = 1
    REFUSED = 2

"""Issuance and redemption: quotes, requests, broker legs, backing: events 950 to 999.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/clearing.rs`; a test compares them. Shares are in 1e-9, dollars in micro-dollars.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    BreakKindCode,
    CapacityTermCode,
    CarriedReasonCode,
    DirectionCode,
    Event,
    Id,
    Integer,
    LongId,
    Lots,
    MicroUsd,
    Nanos,
    NanoShares,
    Price,
    PurposeCode,
    Reference,
    RequestKindCode,
    RequestStateCode,
    ResolutionCode,
    SideCode,
    TimeNs,
    Yes,
)


class ClearingConfigured(Event, frozen=True, kw_only=True):
    """Issuance and redemption have their parameters."""

    KIND: ClassVar[int] = 950


class BackingAttested(Event, frozen=True, kw_only=True):
    """Settled shares stand behind tokens outside the venue.

    Attributes:
        token: The token.
        broker: The broker.
        units: Tokens.
        shares: Shares.
    """

    KIND: ClassVar[int] = 951

    token: Id
    broker: Id
    units: Amount
    shares: NanoShares


class BrokerFunded(Event, frozen=True, kw_only=True):
    """Dollars at a broker, and its balance.

    Attributes:
        broker: The broker.
        amount: Dollars that came.
        balance: Dollars settled there.
    """

    KIND: ClassVar[int] = 952

    broker: Id
    amount: MicroUsd
    balance: MicroUsd


class InventoryFunded(Event, frozen=True, kw_only=True):
    """House shares of a token at a broker, and their balance.

    Attributes:
        token: The token.
        broker: The broker.
        shares: Shares.
        balance: House shares there.
    """

    KIND: ClassVar[int] = 954

    token: Id
    broker: Id
    shares: NanoShares
    balance: NanoShares


class FirmPriceRequested(Event, frozen=True, kw_only=True):
    """A holder asks for a firm price.

    Attributes:
        quote: The quote.
        token: The token.
        direction: Issue or redeem.
        amount: Cash to spend, or tokens to redeem.
    """

    KIND: ClassVar[int] = 955

    quote: LongId
    token: Id
    direction: DirectionCode
    amount: Amount


class FirmPriceGiven(Event, frozen=True, kw_only=True):
    """A firm price, with the fee it will cost, until its expiry.

    Attributes:
        quote: The quote.
        token: The token.
        price: Price of one share.
        fee: Fee of accepting it.
        expires_ns: Firm until then.
    """

    KIND: ClassVar[int] = 956

    quote: LongId
    token: Id
    price: Price
    fee: MicroUsd
    expires_ns: TimeNs


class RequestReserved(Event, frozen=True, kw_only=True):
    """Amounts are held for a request.

    `kind` 0 issue, 1 redeem, 2 and 3 in kind; `asset` and `amount` are what is held.

    Attributes:
        request: The request.
        kind: What is asked for.
        token: The token.
        asset: What is held.
        amount: How much of it is held.
        price: Firm price; 0 at market.
        reference: Rises per account: a request executes once.
    """

    KIND: ClassVar[int] = 957

    request: LongId
    kind: RequestKindCode
    token: Id
    asset: Id
    amount: Amount
    price: Price
    reference: Reference


class RequestStateChanged(Event, frozen=True, kw_only=True):
    """A request moved on in its table.

    Attributes:
        request: The request.
        before: From this state.
        after: To this state.
    """

    KIND: ClassVar[int] = 958

    request: LongId
    before: RequestStateCode
    after: RequestStateCode


class BrokerOrderRaised(Event, frozen=True, kw_only=True):
    """Everything a broker adapter needs to send an order.

    `purpose` 0 request, 1 buy-in, 2 hedge; `side` 0 buys.

    Attributes:
        order: The broker order.
        request: The request; 0 for the venue's own orders.
        purpose: Why the order exists.
        broker: The broker.
        token: The token.
        underlying: The underlying.
        side: Bid when it bought, ask when it sold.
        dollars: Dollars to spend; 0 for a sale.
        shares: Shares; 0 when dollars alone limit it.
        limit_price: Worst price of one share.
        whole: Whether parts of a share are not taken.
    """

    KIND: ClassVar[int] = 959

    order: LongId
    request: LongId
    purpose: PurposeCode
    broker: Id
    token: Id
    underlying: Id
    side: SideCode
    dollars: MicroUsd
    shares: NanoShares
    limit_price: Price
    whole: Yes


class BrokerCancelRaised(Event, frozen=True, kw_only=True):
    """The broker should end an order.

    Attributes:
        order: The broker order.
        broker: The broker.
    """

    KIND: ClassVar[int] = 960

    order: LongId
    broker: Id


class TokensIssued(Event, frozen=True, kw_only=True):
    """Tokens came into being for an account: cash paid without fee, and the fee.

    Attributes:
        request: The request.
        token: The token.
        units: Tokens.
        shares: Shares.
        price: Price of one share; 0 in kind.
        cost: Cash paid, without the fee.
        fee: Fee, in the same cash.
        locked: Tokens of the account that may not leave yet.
    """

    KIND: ClassVar[int] = 961

    request: LongId
    token: Id
    units: Amount
    shares: NanoShares
    price: Price
    cost: Amount
    fee: Amount
    locked: Amount


class TokensRedeemed(Event, frozen=True, kw_only=True):
    """Tokens ended: cash due without fee, and the fee.

    Attributes:
        request: The request.
        token: The token.
        units: Tokens.
        shares: Shares.
        price: Price of one share; 0 in kind.
        due: Cash due, without the fee.
        fee: Fee, in the same cash.
    """

    KIND: ClassVar[int] = 962

    request: LongId
    token: Id
    units: Amount
    shares: NanoShares
    price: Price
    due: Amount
    fee: Amount


class RequestReturned(Event, frozen=True, kw_only=True):
    """What was held and not used is back.

    Attributes:
        request: The request.
        asset: The asset.
        amount: How much.
    """

    KIND: ClassVar[int] = 963

    request: LongId
    asset: Id
    amount: Amount


class ExecutionSettled(Event, frozen=True, kw_only=True):
    """An execution settled at the broker.

    Attributes:
        execution: The venue's number of the execution.
        order: The broker order.
        broker: The broker.
        shares: Shares.
        dollars: Dollars that moved, the broker's fee included.
    """

    KIND: ClassVar[int] = 964

    execution: LongId
    order: LongId
    broker: Id
    shares: NanoShares
    dollars: MicroUsd


class ExecutionCarried(Event, frozen=True, kw_only=True):
    """The venue's own account carries an execution.

    `reason` 0 bust, 1 correction, 2 failed settlement, 3 default.

    Attributes:
        execution: The venue's number of the execution.
        order: The broker order.
        broker: The broker.
        reason: Why.
        shares: Shares less than were executed.
        dollars: Dollars.
    """

    KIND: ClassVar[int] = 965

    execution: LongId
    order: LongId
    broker: Id
    reason: CarriedReasonCode
    shares: NanoShares
    dollars: MicroUsd


class RequestPaid(Event, frozen=True, kw_only=True):
    """A redemption's cash is paid.

    Attributes:
        request: The request.
        asset: The asset.
        amount: Cash paid.
        balance: Balance after it.
    """

    KIND: ClassVar[int] = 966

    request: LongId
    asset: Id
    amount: Amount
    balance: Amount


class BreakOpened(Event, frozen=True, kw_only=True):
    """A difference stops issuance of a token.

    See `BreakKind`.

    Attributes:
        break_id: The break.
        token: The token whose issuance it stops; 0 all.
        broker: The broker.
        kind: What does not fit.
        expected: What the books or the order say.
        found: What was reported.
    """

    KIND: ClassVar[int] = 967

    break_id: LongId
    token: Id
    broker: Id
    kind: BreakKindCode
    expected: Integer
    found: Integer


class BreakAssigned(Event, frozen=True, kw_only=True):
    """Somebody works on it.

    Attributes:
        break_id: The break.
        owner: Who works on it.
    """

    KIND: ClassVar[int] = 968

    break_id: LongId
    owner: LongId


class BreakResolved(Event, frozen=True, kw_only=True):
    """It is over.

    Attributes:
        break_id: The break.
        token: The token.
        resolution: How it ended.
        age_ns: How long it was open.
    """

    KIND: ClassVar[int] = 969

    break_id: LongId
    token: Id
    resolution: ResolutionCode
    age_ns: Nanos


class CapacityChanged(Event, frozen=True, kw_only=True):
    """What can be issued (0) or redeemed (1) at once, micro-dollars, and the term that binds.

    See `CapacityTerm`.

    Attributes:
        token: The token.
        direction: Issue or redeem.
        dollars: How much, at the index.
        binding: The term that binds.
    """

    KIND: ClassVar[int] = 970

    token: Id
    direction: DirectionCode
    dollars: MicroUsd
    binding: CapacityTermCode


class ConversionRequested(Event, frozen=True, kw_only=True):
    """Money on its way between stablecoin and dollars.

    Attributes:
        conversion: The conversion.
        asset: The asset.
        broker: The broker.
        to_dollars: Whether stablecoins become dollars; 0 the other way.
        amount: What left.
    """

    KIND: ClassVar[int] = 971

    conversion: LongId
    asset: Id
    broker: Id
    to_dollars: Yes
    amount: Integer


class ConversionEnded(Event, frozen=True, kw_only=True):
    """What it brought; 0 when it failed.

    Attributes:
        conversion: The conversion.
        amount: What came; 0 when it failed.
    """

    KIND: ClassVar[int] = 972

    conversion: LongId
    amount: Integer


class IssuancePaused(Event, frozen=True, kw_only=True):
    """Whether issuance and redemption of a token are stopped.

    Attributes:
        token: The token.
        mint: Whether issuance is stopped.
        redeem: Whether redemption is stopped.
    """

    KIND: ClassVar[int] = 973

    token: Id
    mint: Yes
    redeem: Yes


class BrokerChanged(Event, frozen=True, kw_only=True):
    """A broker's line, permission and freeze.

    Attributes:
        broker: The broker.
        connected: Whether the line stands.
        enabled: Whether orders may go there.
        frozen_until_ns: In default until then; 0 when it is not.
    """

    KIND: ClassVar[int] = 974

    broker: Id
    connected: Yes
    enabled: Yes
    frozen_until_ns: TimeNs


class ShortageChanged(Event, frozen=True, kw_only=True):
    """What the treasury owes the backing of a token, 1e-9 shares.

    Attributes:
        token: The token.
        shares: Shares owed.
    """

    KIND: ClassVar[int] = 975

    token: Id
    shares: NanoShares


class RequestsNetted(Event, frozen=True, kw_only=True):
    """Two opposite requests met at the index without going to a broker.

    Attributes:
        issuance: The request to issue.
        redemption: The request to redeem.
        token: The token.
        units: Tokens.
        price: The index.
    """

    KIND: ClassVar[int] = 976

    issuance: LongId
    redemption: LongId
    token: Id
    units: Amount
    price: Price


class DepthPosted(Event, frozen=True, kw_only=True):
    """Depth at the primary market.

    Attributes:
        underlying: The underlying.
        buy: To buy.
        sell: To sell.
    """

    KIND: ClassVar[int] = 977

    underlying: Id
    buy: MicroUsd
    sell: MicroUsd


class StatementAgreed(Event, frozen=True, kw_only=True):
    """A statement agrees with the books.

    Attributes:
        broker: The broker.
        token: The token; 0 for dollars.
        amount: What both have.
    """

    KIND: ClassVar[int] = 979

    broker: Id
    token: Id
    amount: Integer


class ParticipantAuthorised(Event, frozen=True, kw_only=True):
    """An account may bring and take shares.

    Attributes:
        account: The account.
        allowed: Whether it may.
    """

    KIND: ClassVar[int] = 980

    account: LongId
    allowed: Yes


class SettlementOverdue(Event, frozen=True, kw_only=True):
    """An execution is past its settlement day without a report.

    Attributes:
        execution: The venue's number of the execution.
        order: The broker order.
        broker: The broker.
    """

    KIND: ClassVar[int] = 981

    execution: LongId
    order: LongId
    broker: Id


class HedgeClosed(Event, frozen=True, kw_only=True):
    """The perp closed that tokens had hedged which were redeemed by force, or bought for a borrower.

    Attributes:
        token: The token.
        market: Perp market.
        lots: Signed lots: bought back positive, sold negative.
        left: Signed lots that wait for depth.
    """

    KIND: ClassVar[int] = 982

    token: Id
    market: Id
    lots: Lots
    left: Lots


class HedgeTraded(Event, frozen=True, kw_only=True):
    """With a fill of a request its perp traded: signed lots; `left` lots wait for depth.

    Attributes:
        request: The request.
        market: Perp market.
        lots: Signed lots; negative is sold.
        left: Lots that wait for depth.
    """

    KIND: ClassVar[int] = 983

    request: LongId
    market: Id
    lots: Lots
    left: Lots


class BackingRetired(Event, frozen=True, kw_only=True):
    """Tokens retired, and the shares behind them left the books for what the company paid.

    Attributes:
        token: The token.
        units: Units that retired.
        shares: Shares that left, 1e-9.
    """

    KIND: ClassVar[int] = 984

    token: Id
    units: Amount
    shares: NanoShares


EVENTS: tuple[type[Event], ...] = (
    ClearingConfigured,
    BackingAttested,
    BrokerFunded,
    InventoryFunded,
    FirmPriceRequested,
    FirmPriceGiven,
    RequestReserved,
    RequestStateChanged,
    BrokerOrderRaised,
    BrokerCancelRaised,
    TokensIssued,
    TokensRedeemed,
    RequestReturned,
    ExecutionSettled,
    ExecutionCarried,
    RequestPaid,
    BreakOpened,
    BreakAssigned,
    BreakResolved,
    CapacityChanged,
    ConversionRequested,
    ConversionEnded,
    IssuancePaused,
    BrokerChanged,
    ShortageChanged,
    RequestsNetted,
    DepthPosted,
    StatementAgreed,
    ParticipantAuthorised,
    SettlementOverdue,
    HedgeClosed,
    HedgeTraded,
    BackingRetired,
)
"""By number."""

"""Issuance and redemption: quotes, requests, broker legs, backing: commands 900 to 949.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/clearing.rs`; a test compares them. Shares are in 1e-9, dollars in micro-dollars.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    Bytes16,
    Command,
    Count,
    DirectionCode,
    HotCommand,
    Id,
    Integer,
    LongId,
    Masks,
    MicroUsd,
    Nanos,
    NanoShares,
    Ppm,
    Price,
    Reference,
    ResolutionCode,
    SideCode,
    Text,
    Ticks,
    TimeNs,
    Yes,
    Zero8,
    Zero16,
    Zero32,
)


class ConfigureClearing(Command, frozen=True, kw_only=True):
    """What all of issuance and redemption obeys, once, before brokers and tokens are listed for it.

    Attributes:
        quote_life_ns: How long a given quote is firm.
        queue_life_ns: How long a request waits for a broker.
        default_freeze_ns: How long a broker in default stays frozen.
        peg_ppm: Largest distance of a stablecoin from a dollar at which it is taken or converted.
        conversion_limit: Largest single conversion.
        conversion_cutoff_ns: Time of the UTC day after which no conversion starts.
        shortage_cap: Shortages of all tokens beyond which nothing is issued.
        due_ppm: Part of cash due from a redemption that counts in equity until it is paid.
        depth_age_ns: Greatest age of a posted depth.
        kept_ns: How long ended requests and settled executions are remembered.
        queue_accounts: Requests looked at in one command.
    """

    KIND: ClassVar[int] = 900

    quote_life_ns: Nanos
    queue_life_ns: Nanos
    default_freeze_ns: Nanos
    peg_ppm: Ppm
    conversion_limit: MicroUsd
    conversion_cutoff_ns: Nanos
    shortage_cap: MicroUsd
    due_ppm: Ppm
    depth_age_ns: Nanos
    kept_ns: Nanos
    queue_accounts: Count


class ListBroker(Command, frozen=True, kw_only=True):
    """A broker: custody limits in micro-dollars of shares and cash, and of one order.

    Attributes:
        broker: The broker.
        name: What people call it, up to 32 printable ASCII characters.
        fractional: Whether it takes parts of a share.
        custody_limit: Most that may be held there, shares at the index.
        order_limit: Largest order.
    """

    KIND: ClassVar[int] = 901

    broker: Id
    name: Text
    fractional: Yes
    custody_limit: MicroUsd
    order_limit: MicroUsd


class ListIssuance(Command, frozen=True, kw_only=True):
    """Puts a token under the supply invariant, before any of it is in the vault.

    Limits in micro-dollars a window.

    Attributes:
        token: The token.
        cash: Stablecoin that pays and is paid.
        mint_fee_ppm: Fee of an issuance.
        redeem_fee_ppm: Fee of a redemption.
        sanity_ppm: Largest distance of a quote or fill from the index.
        request_min: Smallest request.
        request_max: Largest request.
        account_limit: Most of an account in a window.
        token_limit: Most of all accounts in a window.
        window_ns: Length of a window.
        sessions: One mask per session: 1 issue, 2 redeem, 4 issue in kind, 8 redeem in kind, 16 queue what is not open.
        statement_age_ns: Greatest age of a custodian's statement for issuance to go on.
    """

    KIND: ClassVar[int] = 902

    token: Id
    cash: Id
    mint_fee_ppm: Ppm
    redeem_fee_ppm: Ppm
    sanity_ppm: Ppm
    request_min: MicroUsd
    request_max: MicroUsd
    account_limit: MicroUsd
    token_limit: MicroUsd
    window_ns: Nanos
    sessions: Masks
    statement_age_ns: Nanos


class AttestBacking(Command, frozen=True, kw_only=True):
    """Settled shares at a broker for tokens that exist outside the venue.

    Attributes:
        token: The token.
        broker: The broker.
        units: Tokens.
        shares: Shares.
    """

    KIND: ClassVar[int] = 903

    token: Id
    broker: Id
    units: Amount
    shares: NanoShares


class FundBroker(Command, frozen=True, kw_only=True):
    """The operator's dollars at a broker: one person pays in, two agree on what is taken out.

    Attributes:
        broker: The broker.
        amount: Dollars that came; negative: that were taken out, at most what no order and no purchase that settles later claims.
    """

    KIND: ClassVar[int] = 904

    broker: Id
    amount: MicroUsd


class FundInventory(Command, frozen=True, kw_only=True):
    """The operator's shares at a broker, booked apart from the backing: one person brings them, two agree on what is taken out.

    Attributes:
        token: The token.
        broker: The broker.
        shares: Shares that came; negative: that were taken out, at most what is for no sale.
    """

    KIND: ClassVar[int] = 906

    token: Id
    broker: Id
    shares: NanoShares


class PostDepth(Command, frozen=True, kw_only=True):
    """Micro-dollars at the primary market's best prices, to buy and to sell.

    Attributes:
        underlying: The underlying.
        buy: To buy.
        sell: To sell.
    """

    KIND: ClassVar[int] = 907

    underlying: Id
    buy: MicroUsd
    sell: MicroUsd


class RequestFirmPrice(Command, frozen=True, kw_only=True):
    """Asks for a firm price.

    `direction` 0 issues `amount` of cash, 1 redeems `amount` tokens.

    Attributes:
        token: The token.
        direction: Issue or redeem.
        amount: Cash to spend, or tokens to redeem.
    """

    KIND: ClassVar[int] = 908

    token: Id
    direction: DirectionCode
    amount: Amount


class GiveFirmPrice(Command, frozen=True, kw_only=True):
    """The keeper's firm price for a question.

    Attributes:
        quote: The quote.
        price: Price of one share.
    """

    KIND: ClassVar[int] = 909

    quote: LongId
    price: Price


class RequestIssuance(Command, frozen=True, kw_only=True):
    """Tokens for `amount` of cash, fee included.

    `reference` rises per account; `quote` 0 is at market.

    Attributes:
        token: The token.
        amount: Cash, the fee included.
        reference: Rises per account: a request executes once.
        quote: The accepted quote; 0 at market.
    """

    KIND: ClassVar[int] = 910

    token: Id
    amount: Amount
    reference: Reference
    quote: LongId = 0


class RequestRedemption(Command, frozen=True, kw_only=True):
    """Cash for `amount` tokens.

    Attributes:
        token: The token.
        amount: Tokens.
        reference: Rises per account: a request executes once.
        quote: The accepted quote; 0 at market.
    """

    KIND: ClassVar[int] = 911

    token: Id
    amount: Amount
    reference: Reference
    quote: LongId = 0


class RequestInKind(Command, frozen=True, kw_only=True):
    """A participant brings shares for (direction 0) or takes shares of (1) `amount` tokens at a broker.

    Attributes:
        token: The token.
        direction: Issue or redeem.
        amount: Tokens.
        broker: The broker.
        reference: Rises per account: a request executes once.
    """

    KIND: ClassVar[int] = 912

    token: Id
    direction: DirectionCode
    amount: Amount
    broker: Id
    reference: Reference


class CancelRequest(Command, frozen=True, kw_only=True):
    """Ends a request: at once while it waits, else by the broker's answer.

    Attributes:
        request: The request.
    """

    KIND: ClassVar[int] = 913

    request: LongId


class ReportBrokerAccepted(Command, frozen=True, kw_only=True):
    """The broker has the order, or still has it after a break of the line.

    Attributes:
        order: The broker order.
    """

    KIND: ClassVar[int] = 914

    order: LongId


class ReportBrokerReject(Command, frozen=True, kw_only=True):
    """The broker refused the order.

    Attributes:
        order: The broker order.
    """

    KIND: ClassVar[int] = 916

    order: LongId


class ReportBrokerCancelled(Command, frozen=True, kw_only=True):
    """The broker ended the order, asked or not.

    Attributes:
        order: The broker order.
    """

    KIND: ClassVar[int] = 917

    order: LongId


class ReportBrokerLine(Command, frozen=True, kw_only=True):
    """The line to a broker broke (0) or is back (1).

    Attributes:
        broker: The broker.
        connected: Whether the line stands.
    """

    KIND: ClassVar[int] = 918

    broker: Id
    connected: Yes


class DeliverRequest(Command, frozen=True, kw_only=True):
    """The holder has it for good: the chain confirmed, or the cash of a redemption is there to be paid.

    Attributes:
        request: The request.
    """

    KIND: ClassVar[int] = 924

    request: LongId


class ReportInKind(Command, frozen=True, kw_only=True):
    """Shares a participant brought or took.

    Attributes:
        request: The request.
        shares: Shares.
    """

    KIND: ClassVar[int] = 925

    request: LongId
    shares: NanoShares


class ReportStatement(Command, frozen=True, kw_only=True):
    """What a custodian says it holds: settled shares of a token, or (token 0) settled micro-dollars.

    Attributes:
        broker: The broker.
        token: The token; 0 for dollars.
        amount: Settled shares (1e-9) it holds, or micro-dollars.
    """

    KIND: ClassVar[int] = 926

    broker: Id
    token: Id
    amount: Integer


class RequestConversion(Command, frozen=True, kw_only=True):
    """Stablecoins of the treasury to dollars at a broker (1), or back (0).

    Attributes:
        asset: The asset.
        broker: The broker.
        to_dollars: Whether stablecoins become dollars; 0 the other way.
        amount: Units of the stablecoin, or micro-dollars, that leave.
    """

    KIND: ClassVar[int] = 927

    asset: Id
    broker: Id
    to_dollars: Yes
    amount: Integer


class ReportConversion(Command, frozen=True, kw_only=True):
    """What the conversion brought; 0 when it failed and the amount is back.

    Attributes:
        conversion: The conversion.
        amount: Micro-dollars, or units of the stablecoin, that came; 0 when it failed.
    """

    KIND: ClassVar[int] = 928

    conversion: LongId
    amount: Integer


class PauseIssuance(Command, frozen=True, kw_only=True):
    """Stops (1) or allows (0) issuance and redemption of a token.

    Attributes:
        token: The token.
        mint: Whether issuance is stopped.
        redeem: Whether redemption is stopped.
    """

    KIND: ClassVar[int] = 929

    token: Id
    mint: Yes
    redeem: Yes


class EnableBroker(Command, frozen=True, kw_only=True):
    """Lets orders go to a broker (1) or not (0).

    Attributes:
        broker: The broker.
        enabled: Whether orders may go there.
    """

    KIND: ClassVar[int] = 930

    broker: Id
    enabled: Yes


class ReportBrokerDefault(Command, frozen=True, kw_only=True):
    """The broker is in default: everything there is frozen.

    Attributes:
        broker: The broker.
    """

    KIND: ClassVar[int] = 931

    broker: Id


class AuthoriseParticipant(Command, frozen=True, kw_only=True):
    """An account may (1) bring and take shares.

    Attributes:
        account: The account.
        allowed: Whether it may.
    """

    KIND: ClassVar[int] = 932

    account: LongId
    allowed: Yes


class AssignBreak(Command, frozen=True, kw_only=True):
    """Who works on a break.

    Attributes:
        break_id: The break.
        owner: Who works on it.
    """

    KIND: ClassVar[int] = 933

    break_id: LongId
    owner: LongId


class ResolveBreak(Command, frozen=True, kw_only=True):
    """How a break ended: 0 explained, 1 the quarantined execution goes to the house inventory, 2 the broker took it back.

    Attributes:
        break_id: The break.
        resolution: How it ended.
    """

    KIND: ClassVar[int] = 934

    break_id: LongId
    resolution: ResolutionCode


class ReportBrokerFill(HotCommand, frozen=True, kw_only=True):
    """One execution.

    Prices at the underlying's scale, shares in 1e-9, the fee in micro-dollars.

    Attributes:
        order: The broker order.
        execution: The broker's own id, or the first 16 bytes of its hash.
        underlying: The underlying.
        side: Bid when it bought, ask when it sold.
        complete: Whether the order is done with it.
        shares: Shares.
        price: Price of one share.
        fee: The fee.
        settle_time_ns: When it settles.
    """

    KIND: ClassVar[int] = 915

    order: LongId
    execution: Bytes16
    underlying: Id
    side: SideCode
    complete: Yes
    reserved0: Zero16 = 0
    shares: NanoShares
    price: Price
    fee: MicroUsd
    settle_time_ns: TimeNs


class ReportBust(HotCommand, frozen=True, kw_only=True):
    """The broker takes an execution back.

    Attributes:
        broker: The broker.
        execution: The broker's own id, or the first 16 bytes of its hash.
    """

    KIND: ClassVar[int] = 920

    broker: Id
    reserved0: Zero32 = 0
    execution: Bytes16


class ReportCorrection(HotCommand, frozen=True, kw_only=True):
    """The broker corrects an execution's shares or price.

    Attributes:
        broker: The broker.
        execution: The broker's own id, or the first 16 bytes of its hash.
        shares: Shares.
        price: Price of one share.
    """

    KIND: ClassVar[int] = 921

    broker: Id
    reserved0: Zero32 = 0
    execution: Bytes16
    shares: NanoShares
    price: Price


class ReportSettlement(HotCommand, frozen=True, kw_only=True):
    """An execution settled (1) or failed to (0).

    Attributes:
        broker: The broker.
        settled: Whether it settled; 0 when it failed to.
        execution: The broker's own id, or the first 16 bytes of its hash.
    """

    KIND: ClassVar[int] = 922

    broker: Id
    settled: Yes
    reserved0: Zero8 = 0
    reserved1: Zero16 = 0
    execution: Bytes16


class RequestHedged(Command, frozen=True, kw_only=True):
    """An issuance (direction 0) with a short perp against it, or a redemption (1) that buys the perp back.

    The perp trades with each fill at no worse than `price`. Other fields as in a request.

    Attributes:
        token: The token.
        direction: Issue or redeem.
        amount: Cash of an issuance, fee included; tokens of a redemption.
        market: Perp market on the token's underlying.
        price: Worst price of the perp; 0 the market's band.
        reference: Rises per account: a request executes once.
        quote: The accepted quote; 0 at market.
    """

    KIND: ClassVar[int] = 935

    token: Id
    direction: DirectionCode
    amount: Amount
    market: Id
    price: Ticks
    reference: Reference
    quote: LongId = 0


COMMANDS: tuple[type[Command], ...] = (
    ConfigureClearing,
    ListBroker,
    ListIssuance,
    AttestBacking,
    FundBroker,
    FundInventory,
    PostDepth,
    RequestFirmPrice,
    GiveFirmPrice,
    RequestIssuance,
    RequestRedemption,
    RequestInKind,
    CancelRequest,
    ReportBrokerAccepted,
    ReportBrokerFill,
    ReportBrokerReject,
    ReportBrokerCancelled,
    ReportBrokerLine,
    ReportBust,
    ReportCorrection,
    ReportSettlement,
    DeliverRequest,
    ReportInKind,
    ReportStatement,
    RequestConversion,
    ReportConversion,
    PauseIssuance,
    EnableBroker,
    ReportBrokerDefault,
    AuthoriseParticipant,
    AssignBreak,
    ResolveBreak,
    RequestHedged,
)
"""By number."""

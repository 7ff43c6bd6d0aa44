"""Roles, proposals, eligibility, freezes, limits and releases: commands 1000 to 1049.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/governance.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    Bytes,
    CapKindCode,
    Command,
    Count,
    HolderTypeCode,
    Id,
    Integer,
    LongId,
    MicroUsd,
    Nanos,
    Numbers,
    PowerCode,
    Ppm,
    RoleCode,
    SubjectCode,
    Text,
    Tier,
    TimeNs,
    Yes,
)


class ConfigureEligibility(Command, frozen=True, kw_only=True):
    """Switches eligibility on, once.

    Which tokens are closed to whom by default, and how long a holder who lost eligibility has.

    Attributes:
        excluded_jurisdiction: Two capital letters. Holders from there need a rule that admits them.
        restricted_buckets: Buckets whose tokens are restricted.
        notice_ns: Time after eligibility was lost until only reducing is possible.
        reduce_only_ns: From then until the tokens are redeemed at market.
    """

    KIND: ClassVar[int] = 1000

    excluded_jurisdiction: Text
    restricted_buckets: Numbers
    notice_ns: Nanos
    reduce_only_ns: Nanos


class ListHolderClass(Command, frozen=True, kw_only=True):
    """A kind of holder.

    Attributes:
        holder_class: Its id.
        name: 1 to 32 printable ASCII characters.
        jurisdiction: Two capital letters.
        holder_type: What the holder is.
        tier: Tier of the identity check, from 0.
    """

    KIND: ClassVar[int] = 1001

    holder_class: Id
    name: Text
    jurisdiction: Text
    holder_type: HolderTypeCode
    tier: Tier


class SetEligibility(Command, frozen=True, kw_only=True):
    """Admits a class to an asset or a market, or excludes it, between two times; takes the place of an earlier rule.

    Attributes:
        subject: What the rule is about.
        id: The asset or market.
        holder_class: The holder class.
        admits: 1 admits, 0 excludes.
        from_ns: In force from this time.
        until_ns: Before this time; 0 without end.
    """

    KIND: ClassVar[int] = 1002

    subject: SubjectCode
    id: Id
    holder_class: Id
    admits: Yes
    from_ns: TimeNs
    until_ns: TimeNs


class ClassifyOwner(Command, frozen=True, kw_only=True):
    """The result of an identity check.

    The salted id is all that the journal knows of the person.

    Attributes:
        owner: Who.
        holder_class: Holder class.
        expires_ns: The result counts before this time.
        salted_id: 1 to 64 bytes.
    """

    KIND: ClassVar[int] = 1003

    owner: Id
    holder_class: Id
    expires_ns: TimeNs
    salted_id: Bytes


class Hold(Command, frozen=True, kw_only=True):
    """Sets units apart: no margin value, never lent, sold, liquidated or loss-shared.

    Under the rule of every outflow.

    Attributes:
        asset: Which asset.
        amount: How much, above zero.
    """

    KIND: ClassVar[int] = 1004

    asset: Id
    amount: Amount


class Pledge(Command, frozen=True, kw_only=True):
    """Lets units that were set apart back the portfolio again.

    Attributes:
        asset: Which asset.
        amount: How much, above zero.
    """

    KIND: ClassVar[int] = 1005

    asset: Id
    amount: Amount


class ConfigureGovernance(Command, frozen=True, kw_only=True):
    """Switches governance on, once: from here on every command is checked against its authority.

    Attributes:
        short_delay_ns: Between approval and effect of a change under which no requirement rises.
        long_delay_ns: The same where an existing requirement rises; without a calendar.
        calendar_underlying: Counts the long delay in regular opens of this underlying; 0 in `long_delay_ns`.
        long_delay_opens: How many opens.
        ownership_delay_ns: Public delay before an account changes its owner.
        approval_ns: A change that nobody approved in this time is gone.
        emergency_ns: A restriction that two people did not confirm in this time is gone.
        measured_accounts: Most accounts measured when a change is proposed; with more the delay is the long one.
        open_changes: Most changes that may be open at once.
        change_bytes: Most bytes of a wrapped command.
        changes_per_advance: Most changes and redemptions that one `AdvanceTime` carries out.
        nonce_window: Requests of an actor must be new within this window, 0 to 64; 0 switches it off.
        outflow_window_ns: Time in which a full outflow bucket empties.
        outflow_limit: Size of an owner's outflow bucket.
        outflow_wait_ns: How long a withdrawal above the bucket waits before it may be paid.
    """

    KIND: ClassVar[int] = 1006

    short_delay_ns: Nanos
    long_delay_ns: Nanos
    calendar_underlying: Id
    long_delay_opens: Count
    ownership_delay_ns: Nanos
    approval_ns: Nanos
    emergency_ns: Nanos
    measured_accounts: Count
    open_changes: Count
    change_bytes: Count
    changes_per_advance: Count
    nonce_window: Count
    outflow_window_ns: Nanos
    outflow_limit: MicroUsd
    outflow_wait_ns: Nanos


class RegisterActor(Command, frozen=True, kw_only=True):
    """Makes a key known: whose it is, by a number that is not a name.

    Attributes:
        actor: The key.
        person: The person; one person may have several keys and is still one.
        owner: The owner the person acts for; 0 for the venue's own people.
    """

    KIND: ClassVar[int] = 1007

    actor: LongId
    person: LongId
    owner: Id


class GrantRole(Command, frozen=True, kw_only=True):
    """Gives a key a role: at the account in the header, or at the venue.

    Takes the place of an earlier grant of the role.

    Attributes:
        actor: The key.
        role: The role.
        markets: Markets it is limited to; empty for all.
        order_notional: Most that one order may be worth; 0 without limit.
        position_notional: Most that a position may be worth after all orders of its side; 0 without limit.
        expires_ns: Ends at this time; 0 without end.
    """

    KIND: ClassVar[int] = 1008

    actor: LongId
    role: RoleCode
    markets: Numbers
    order_notional: MicroUsd
    position_notional: MicroUsd
    expires_ns: TimeNs


class RevokeRole(Command, frozen=True, kw_only=True):
    """Takes a role from a key, at the account in the header or at the venue.

    Attributes:
        actor: The key.
        role: The role.
    """

    KIND: ClassVar[int] = 1009

    actor: LongId
    role: RoleCode


class RevokeActor(Command, frozen=True, kw_only=True):
    """Revokes a key for ever.

    Attributes:
        actor: The key.
    """

    KIND: ClassVar[int] = 1010

    actor: LongId


class ProposeChange(Command, frozen=True, kw_only=True):
    """Proposes a command that takes two people.

    Its effect on every account can be asked before anyone approves.

    Attributes:
        account: Account the command acts for; 0 for the venue.
        command: Type number, little-endian, and body.
        reason: 1 to 256 printable ASCII characters.
    """

    KIND: ClassVar[int] = 1011

    account: LongId
    command: Bytes
    reason: Text


class ApproveChange(Command, frozen=True, kw_only=True):
    """A second person agrees.

    Attributes:
        change: Which change.
    """

    KIND: ClassVar[int] = 1012

    change: LongId


class RejectChange(Command, frozen=True, kw_only=True):
    """Ends a change that has not taken effect.

    Attributes:
        change: Which change.
    """

    KIND: ClassVar[int] = 1013

    change: LongId


class Restrict(Command, frozen=True, kw_only=True):
    """An emergency power of one person.

    It only reduces risk and ends by itself unless two people confirm it.

    Attributes:
        power: What is restricted.
        id: Market, asset or owner; 0 for withdrawals.
        limit: The lower cap, for powers that lower one.
        reason: 1 to 256 printable ASCII characters.
    """

    KIND: ClassVar[int] = 1014

    power: PowerCode
    id: Id
    limit: Integer
    reason: Text


class ConfirmRestriction(Command, frozen=True, kw_only=True):
    """Lets a restriction stand until it is lifted.

    Attributes:
        power: What is restricted.
        id: Market, asset or owner; 0 for withdrawals.
    """

    KIND: ClassVar[int] = 1015

    power: PowerCode
    id: Id


class LiftRestriction(Command, frozen=True, kw_only=True):
    """Ends a restriction.

    Attributes:
        power: What is restricted.
        id: Market, asset or owner; 0 for withdrawals.
    """

    KIND: ClassVar[int] = 1016

    power: PowerCode
    id: Id


class ChangeTerms(Command, frozen=True, kw_only=True):
    """Changes what is listed, by the whole new document; the checks are those of a listing.

    Attributes:
        terms: Type number of the listing, little-endian, and its body.
    """

    KIND: ClassVar[int] = 1017

    terms: Bytes


class SetLimit(Command, frozen=True, kw_only=True):
    """Caps positions or open interest.

    Orders that reduce are free of it.

    Attributes:
        cap_kind: What is capped.
        id: Market or underlying.
        most: The cap, in lots of a market or micro-dollars of an underlying; 0 takes the cap away.
        closed_most: The cap while the underlying is not in its regular session.
    """

    KIND: ClassVar[int] = 1018

    cap_kind: CapKindCode
    id: Id
    most: Integer
    closed_most: Integer


class MoveOwnership(Command, frozen=True, kw_only=True):
    """Gives an account to another owner, after a public delay.

    Attributes:
        account: Which account.
        owner: The new owner.
    """

    KIND: ClassVar[int] = 1019

    account: LongId
    owner: Id


class JoinOwners(Command, frozen=True, kw_only=True):
    """Makes two owners one obligor: caps, set-off and self-trade prevention count them together.

    Attributes:
        owner: Joins.
        into: Whom it joins.
    """

    KIND: ClassVar[int] = 1020

    owner: Id
    into: Id


class SetOwnerPolicy(Command, frozen=True, kw_only=True):
    """Which wishes of the account's owner take two of its own people, and how long a new address waits.

    Attributes:
        withdrawals: Withdrawals, transfers and addresses.
        keys: Keys, roles and limits, and this policy.
        cooling_ns: Before a new address may be used.
    """

    KIND: ClassVar[int] = 1021

    withdrawals: Yes
    keys: Yes
    cooling_ns: Nanos


class AddAddress(Command, frozen=True, kw_only=True):
    """Enters an address in the owner's book.

    Attributes:
        address: 1 to 64 bytes.
    """

    KIND: ClassVar[int] = 1022

    address: Bytes


class RemoveAddress(Command, frozen=True, kw_only=True):
    """Takes an address out of the owner's book.

    Attributes:
        address: 1 to 64 bytes.
    """

    KIND: ClassVar[int] = 1023

    address: Bytes


class WithdrawTo(Command, frozen=True, kw_only=True):
    """A withdrawal to an address of the owner's book, from the pledged balance or from units set apart.

    Attributes:
        asset: What is to leave.
        amount: How much, above zero.
        address: Where to.
        from_held: 1 takes units that were set apart.
    """

    KIND: ClassVar[int] = 1024

    asset: Id
    amount: Amount
    address: Bytes
    from_held: Yes


class PermitRelease(Command, frozen=True, kw_only=True):
    """Lets one person of operations activate a release.

    Attributes:
        release: Its name.
        ruleset: Number of its ruleset.
    """

    KIND: ClassVar[int] = 1025

    release: Text
    ruleset: Count


class EnterRelease(Command, frozen=True, kw_only=True):
    """A release takes over in mid-journal, with the hash of the state before it.

    Attributes:
        release: Its name.
        ruleset: Number of its ruleset.
        state_before: BLAKE3 of the state before this command.
    """

    KIND: ClassVar[int] = 1026

    release: Text
    ruleset: Count
    state_before: Bytes


class QuarantineCommand(Command, frozen=True, kw_only=True):
    """One of two people says that a command panics and must be answered without being applied.

    Attributes:
        quarantined: Its sequence.
        digest: BLAKE3 of the whole message as it stands in the journal.
    """

    KIND: ClassVar[int] = 1027

    quarantined: LongId
    digest: Bytes


class ListFeeTier(Command, frozen=True, kw_only=True):
    """Lower fees above a traded volume of 30 days; a tier never raises a market's listed fee.

    Attributes:
        tier: Its id.
        volume: Traded by the obligor's accounts in the last 30 days.
        perp_maker_ppm: Maker fee on perps.
        perp_taker_ppm: Taker fee on perps.
        spot_maker_ppm: Maker fee on spot.
        spot_taker_ppm: Taker fee on spot.
    """

    KIND: ClassVar[int] = 1028

    tier: Id
    volume: MicroUsd
    perp_maker_ppm: Ppm
    perp_taker_ppm: Ppm
    spot_maker_ppm: Ppm
    spot_taker_ppm: Ppm


class CollectFees(Command, frozen=True, kw_only=True):
    """The venue's fees become an account's money: the operator's own, which sells, redeems or withdraws it like any other.

    Attributes:
        account: Who gets them.
        asset: A stablecoin, or a token that fees were kept in.
        amount: How much.
    """

    KIND: ClassVar[int] = 1029

    account: LongId
    asset: Id
    amount: Amount


COMMANDS: tuple[type[Command], ...] = (
    ConfigureEligibility,
    ListHolderClass,
    SetEligibility,
    ClassifyOwner,
    Hold,
    Pledge,
    ConfigureGovernance,
    RegisterActor,
    GrantRole,
    RevokeRole,
    RevokeActor,
    ProposeChange,
    ApproveChange,
    RejectChange,
    Restrict,
    ConfirmRestriction,
    LiftRestriction,
    ChangeTerms,
    SetLimit,
    MoveOwnership,
    JoinOwners,
    SetOwnerPolicy,
    AddAddress,
    RemoveAddress,
    WithdrawTo,
    PermitRelease,
    EnterRelease,
    QuarantineCommand,
    ListFeeTier,
    CollectFees,
)
"""By number."""

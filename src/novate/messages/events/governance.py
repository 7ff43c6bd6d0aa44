"""Roles, proposals, eligibility, freezes, limits and releases: events 1050 to 1099.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/governance.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    Bytes,
    CapKindCode,
    ChangeOutcomeCode,
    Count,
    Event,
    Id,
    Integer,
    LapseStageCode,
    LongId,
    Lots,
    MicroUsd,
    Nanos,
    Number,
    PowerCode,
    RoleCode,
    SubjectCode,
    Text,
    Tier,
    TimeNs,
    Yes,
)


class EligibilityConfigured(Event, frozen=True, kw_only=True):
    """Eligibility is on."""

    KIND: ClassVar[int] = 1050


class EligibilitySet(Event, frozen=True, kw_only=True):
    """A rule of eligibility took its place.

    Attributes:
        subject: What it is about.
        id: The asset or market.
        holder_class: The holder class.
        admits: 1 admits, 0 excludes.
        from_ns: In force from this time.
        until_ns: Before this time; 0 without end.
        version: Counts all changes of classes and rules.
    """

    KIND: ClassVar[int] = 1051

    subject: SubjectCode
    id: Id
    holder_class: Id
    admits: Yes
    from_ns: TimeNs
    until_ns: TimeNs
    version: Count


class OwnerClassified(Event, frozen=True, kw_only=True):
    """An owner's class and its expiry.

    Attributes:
        owner: Who.
        holder_class: Holder class.
        expires_ns: Counts before this time.
        version: Version of the rules it was decided under.
    """

    KIND: ClassVar[int] = 1052

    owner: Id
    holder_class: Id
    expires_ns: TimeNs
    version: Count


class Held(Event, frozen=True, kw_only=True):
    """Units were set apart (positive) or pledged again (negative).

    Attributes:
        asset: Which asset.
        amount: How much.
        held: Set apart after it.
        balance: Pledged after it.
    """

    KIND: ClassVar[int] = 1053

    asset: Id
    amount: Amount
    held: Amount
    balance: Amount


class GovernanceConfigured(Event, frozen=True, kw_only=True):
    """Governance is on."""

    KIND: ClassVar[int] = 1054


class ActorRegistered(Event, frozen=True, kw_only=True):
    """A key is known.

    Attributes:
        actor: The key.
        person: The person.
        owner: The owner the person acts for; 0 for the venue.
    """

    KIND: ClassVar[int] = 1055

    actor: LongId
    person: LongId
    owner: Id


class RoleGranted(Event, frozen=True, kw_only=True):
    """A key has a role, at the account or at the venue.

    Attributes:
        actor: The key.
        role: The role.
        expires_ns: Ends at this time; 0 without end.
    """

    KIND: ClassVar[int] = 1056

    actor: LongId
    role: RoleCode
    expires_ns: TimeNs


class RoleRevoked(Event, frozen=True, kw_only=True):
    """A key lost a role.

    Attributes:
        actor: The key.
        role: The role.
    """

    KIND: ClassVar[int] = 1057

    actor: LongId
    role: RoleCode


class ActorRevoked(Event, frozen=True, kw_only=True):
    """A key is revoked for ever.

    Attributes:
        actor: The key.
    """

    KIND: ClassVar[int] = 1058

    actor: LongId


class ChangeProposed(Event, frozen=True, kw_only=True):
    """A change waits for a second person.

    Attributes:
        change: Its id.
        kind: Type of the wrapped command.
        long_delay: Whether a requirement would rise.
        refusal: Refusal that it would meet now; 0 none.
        expires_ns: Gone at this time without approval.
        reason: Why.
    """

    KIND: ClassVar[int] = 1059

    change: LongId
    kind: Number
    long_delay: Yes
    refusal: Number
    expires_ns: TimeNs
    reason: Text


class ChangeApproved(Event, frozen=True, kw_only=True):
    """Two people agreed; the delay runs.

    Attributes:
        change: Its id.
        due_ns: Takes effect at this time; 0 when it counts opens.
        opens_left: Regular opens until it takes effect.
    """

    KIND: ClassVar[int] = 1060

    change: LongId
    due_ns: TimeNs
    opens_left: Count


class ChangeEnded(Event, frozen=True, kw_only=True):
    """A change ended without effect.

    Attributes:
        change: Its id.
        outcome: How.
        code: Refusal it met when due.
        value: The refusal's value.
        limit: The refusal's limit.
    """

    KIND: ClassVar[int] = 1061

    change: LongId
    outcome: ChangeOutcomeCode
    code: Number
    value: Integer
    limit: Integer


class ChangeExecuted(Event, frozen=True, kw_only=True):
    """A change took effect; the events of its command follow or stand before.

    Attributes:
        change: Its id.
        kind: Type of the wrapped command.
    """

    KIND: ClassVar[int] = 1062

    change: LongId
    kind: Number


class ChangePostponed(Event, frozen=True, kw_only=True):
    """A requirement would rise that did not rise when the change was proposed: it waits the long delay.

    Attributes:
        change: Its id.
        due_ns: Takes effect at this time; 0 when it counts opens.
    """

    KIND: ClassVar[int] = 1063

    change: LongId
    due_ns: TimeNs


class Restricted(Event, frozen=True, kw_only=True):
    """A restriction is in force.

    Attributes:
        power: What is restricted.
        id: Market, asset or owner.
        limit: The lower cap.
        until_ns: Ends at this time; 0 until it is lifted.
        reason: Why.
    """

    KIND: ClassVar[int] = 1064

    power: PowerCode
    id: Id
    limit: Integer
    until_ns: TimeNs
    reason: Text


class RestrictionEnded(Event, frozen=True, kw_only=True):
    """A restriction is over.

    Attributes:
        power: What was restricted.
        id: Market, asset or owner.
        lifted: 1 by two people, 0 by its time.
    """

    KIND: ClassVar[int] = 1065

    power: PowerCode
    id: Id
    lifted: Yes


class TermsChanged(Event, frozen=True, kw_only=True):
    """The terms of a listing changed.

    Attributes:
        kind: Type of the listing's document.
        id: What is listed.
    """

    KIND: ClassVar[int] = 1066

    kind: Number
    id: Id


class LimitSet(Event, frozen=True, kw_only=True):
    """A cap is in force.

    Attributes:
        cap_kind: What is capped.
        id: Market or underlying.
        most: The cap; 0 when it was taken away.
        closed_most: The cap outside the regular session.
    """

    KIND: ClassVar[int] = 1067

    cap_kind: CapKindCode
    id: Id
    most: Integer
    closed_most: Integer


class OwnershipMoved(Event, frozen=True, kw_only=True):
    """The account has another owner.

    Attributes:
        owner: The new one.
    """

    KIND: ClassVar[int] = 1068

    owner: Id


class OwnersJoined(Event, frozen=True, kw_only=True):
    """Two owners are one obligor.

    Attributes:
        owner: Joined.
        into: Whom.
    """

    KIND: ClassVar[int] = 1069

    owner: Id
    into: Id


class OwnerPolicySet(Event, frozen=True, kw_only=True):
    """The owner's own rule of two people.

    Attributes:
        withdrawals: For withdrawals.
        keys: For keys.
        cooling_ns: Before a new address may be used.
    """

    KIND: ClassVar[int] = 1070

    withdrawals: Yes
    keys: Yes
    cooling_ns: Nanos


class AddressAdded(Event, frozen=True, kw_only=True):
    """An address stands in the owner's book.

    Attributes:
        address: The address.
        usable_ns: From this time.
    """

    KIND: ClassVar[int] = 1071

    address: Bytes
    usable_ns: TimeNs


class AddressRemoved(Event, frozen=True, kw_only=True):
    """An address left the owner's book.

    Attributes:
        address: The address.
    """

    KIND: ClassVar[int] = 1072

    address: Bytes


class WithdrawalQueued(Event, frozen=True, kw_only=True):
    """When a withdrawal may be paid.

    Attributes:
        withdrawal: Which.
        release_ns: From this time.
        outflow: Level of the owner's outflow bucket with it.
        address: Where to; empty when the account's standing address.
    """

    KIND: ClassVar[int] = 1073

    withdrawal: LongId
    release_ns: TimeNs
    outflow: MicroUsd
    address: Bytes


class ReleasePermitted(Event, frozen=True, kw_only=True):
    """One person of operations may activate this release.

    Attributes:
        release: Its name.
        ruleset: Number of its ruleset.
    """

    KIND: ClassVar[int] = 1074

    release: Text
    ruleset: Count


class ReleaseEntered(Event, frozen=True, kw_only=True):
    """A release took over.

    Attributes:
        release: Its name.
        ruleset: Number of its ruleset.
        state_before: BLAKE3 of the state before.
        state_after: BLAKE3 of the state after.
    """

    KIND: ClassVar[int] = 1075

    release: Text
    ruleset: Count
    state_before: Bytes
    state_after: Bytes


class CommandQuarantined(Event, frozen=True, kw_only=True):
    """One of two people, or the second of them, quarantined a command.

    Attributes:
        quarantined: Its sequence.
        people: How many said so.
    """

    KIND: ClassVar[int] = 1076

    quarantined: LongId
    people: Tier


class FeeTierListed(Event, frozen=True, kw_only=True):
    """Lower fees above a traded volume.

    Attributes:
        tier: Its id.
        volume: Traded in 30 days.
    """

    KIND: ClassVar[int] = 1077

    tier: Id
    volume: MicroUsd


class EligibilityLapsed(Event, frozen=True, kw_only=True):
    """The owner may not hold this token any more; or may again.

    Attributes:
        asset: The token.
        stage: What holds now.
        version: Version of the rules it was decided under.
        next_ns: Time of the next stage; 0 when there is none.
    """

    KIND: ClassVar[int] = 1078

    asset: Id
    stage: LapseStageCode
    version: Count
    next_ns: TimeNs


class EligibilityRedeemed(Event, frozen=True, kw_only=True):
    """Tokens that may not be held were sold, with the matched perp.

    Attributes:
        asset: The token.
        market: Spot market; 0 for a redemption.
        lots: Lots sold.
        perp_market: Perp market; 0 without one.
        perp_lots: Lots bought back.
        request: The request for the redemption; 0 for a token without one, which was sold in its book.
        units: Token units that go.
    """

    KIND: ClassVar[int] = 1079

    asset: Id
    market: Id
    lots: Lots
    perp_market: Id
    perp_lots: Lots
    request: LongId
    units: Amount


class FeesCollected(Event, frozen=True, kw_only=True):
    """Fees of the venue became the account's.

    Attributes:
        asset: What they are in.
        amount: How much.
        left: What is left of them.
    """

    KIND: ClassVar[int] = 1080

    asset: Id
    amount: Amount
    left: Amount


EVENTS: tuple[type[Event], ...] = (
    EligibilityConfigured,
    EligibilitySet,
    OwnerClassified,
    Held,
    GovernanceConfigured,
    ActorRegistered,
    RoleGranted,
    RoleRevoked,
    ActorRevoked,
    ChangeProposed,
    ChangeApproved,
    ChangeEnded,
    ChangeExecuted,
    ChangePostponed,
    Restricted,
    RestrictionEnded,
    TermsChanged,
    LimitSet,
    OwnershipMoved,
    OwnersJoined,
    OwnerPolicySet,
    AddressAdded,
    AddressRemoved,
    WithdrawalQueued,
    ReleasePermitted,
    ReleaseEntered,
    CommandQuarantined,
    FeeTierListed,
    EligibilityLapsed,
    EligibilityRedeemed,
    FeesCollected,
)
"""By number."""

//! Roles, proposals, eligibility, freezes, limits and releases: events 1050 to 1099.
//!
//! Responsible for: the definitions. Never decides anything.

use crate::codec::Bytes;
use crate::document;

document! {
    /// Eligibility is on.
    EligibilityConfigured = 1050 {}
    /// A rule of eligibility took its place.
    EligibilitySet = 1051 {
        /// What it is about.
        subject: u8,
        /// The asset or market.
        id: u32,
        /// The holder class.
        holder_class: u32,
        /// 1 admits, 0 excludes.
        admits: u8,
        /// In force from this time.
        from_ns: i64,
        /// Before this time; 0 without end.
        until_ns: i64,
        /// Counts all changes of classes and rules.
        version: u32,
    }
    /// An owner's class and its expiry.
    OwnerClassified = 1052 {
        /// Who.
        owner: u32,
        /// Holder class.
        holder_class: u32,
        /// Counts before this time.
        expires_ns: i64,
        /// Version of the rules it was decided under.
        version: u32,
    }
    /// Units were set apart (positive) or pledged again (negative).
    Held = 1053 {
        /// Which asset.
        asset: u32,
        /// How much.
        amount: i64,
        /// Set apart after it.
        held: i64,
        /// Pledged after it.
        balance: i64,
    }
    /// Governance is on.
    GovernanceConfigured = 1054 {}
    /// A key is known.
    ActorRegistered = 1055 {
        /// The key.
        actor: u64,
        /// The person.
        person: u64,
        /// The owner the person acts for; 0 for the venue.
        owner: u32,
    }
    /// A key has a role, at the account or at the venue.
    RoleGranted = 1056 {
        /// The key.
        actor: u64,
        /// The role.
        role: u8,
        /// Ends at this time; 0 without end.
        expires_ns: i64,
    }
    /// A key lost a role.
    RoleRevoked = 1057 {
        /// The key.
        actor: u64,
        /// The role.
        role: u8,
    }
    /// A key is revoked for ever.
    ActorRevoked = 1058 {
        /// The key.
        actor: u64,
    }
    /// A change waits for a second person.
    ChangeProposed = 1059 {
        /// Its id.
        change: u64,
        /// Type of the wrapped command.
        kind: u16,
        /// Whether a requirement would rise.
        long_delay: u8,
        /// Refusal that it would meet now; 0 none.
        refusal: u16,
        /// Gone at this time without approval.
        expires_ns: i64,
        /// Why.
        reason: String,
    }
    /// Two people agreed; the delay runs.
    ChangeApproved = 1060 {
        /// Its id.
        change: u64,
        /// Takes effect at this time; 0 when it counts opens.
        due_ns: i64,
        /// Regular opens until it takes effect.
        opens_left: u32,
    }
    /// A change ended without effect.
    ChangeEnded = 1061 {
        /// Its id.
        change: u64,
        /// How.
        outcome: u8,
        /// Refusal it met when due.
        code: u16,
        /// The refusal's value.
        value: i64,
        /// The refusal's limit.
        limit: i64,
    }
    /// A change took effect; the events of its command follow or stand before.
    ChangeExecuted = 1062 {
        /// Its id.
        change: u64,
        /// Type of the wrapped command.
        kind: u16,
    }
    /// A requirement would rise that did not rise when the change was proposed: it waits the long delay.
    ChangePostponed = 1063 {
        /// Its id.
        change: u64,
        /// Takes effect at this time; 0 when it counts opens.
        due_ns: i64,
    }
    /// A restriction is in force.
    Restricted = 1064 {
        /// What is restricted.
        power: u8,
        /// Market, asset or owner.
        id: u32,
        /// The lower cap.
        limit: i64,
        /// Ends at this time; 0 until it is lifted.
        until_ns: i64,
        /// Why.
        reason: String,
    }
    /// A restriction is over.
    RestrictionEnded = 1065 {
        /// What was restricted.
        power: u8,
        /// Market, asset or owner.
        id: u32,
        /// 1 by two people, 0 by its time.
        lifted: u8,
    }
    /// The terms of a listing changed.
    TermsChanged = 1066 {
        /// Type of the listing's document.
        kind: u16,
        /// What is listed.
        id: u32,
    }
    /// A cap is in force.
    LimitSet = 1067 {
        /// What is capped.
        cap_kind: u8,
        /// Market or underlying.
        id: u32,
        /// The cap; 0 when it was taken away.
        most: i64,
        /// The cap outside the regular session.
        closed_most: i64,
    }
    /// The account has another owner.
    OwnershipMoved = 1068 {
        /// The new one.
        owner: u32,
    }
    /// Two owners are one obligor.
    OwnersJoined = 1069 {
        /// Joined.
        owner: u32,
        /// Whom.
        into: u32,
    }
    /// The owner's own rule of two people.
    OwnerPolicySet = 1070 {
        /// For withdrawals.
        withdrawals: u8,
        /// For keys.
        keys: u8,
        /// Before a new address may be used.
        cooling_ns: i64,
    }
    /// An address stands in the owner's book.
    AddressAdded = 1071 {
        /// The address.
        address: Bytes,
        /// From this time.
        usable_ns: i64,
    }
    /// An address left the owner's book.
    AddressRemoved = 1072 {
        /// The address.
        address: Bytes,
    }
    /// When a withdrawal may be paid.
    WithdrawalQueued = 1073 {
        /// Which.
        withdrawal: u64,
        /// From this time.
        release_ns: i64,
        /// Level of the owner's outflow bucket with it.
        outflow: i64,
        /// Where to; empty when the account's standing address.
        address: Bytes,
    }
    /// One person of operations may activate this release.
    ReleasePermitted = 1074 {
        /// Its name.
        release: String,
        /// Number of its ruleset.
        ruleset: u32,
    }
    /// A release took over.
    ReleaseEntered = 1075 {
        /// Its name.
        release: String,
        /// Number of its ruleset.
        ruleset: u32,
        /// BLAKE3 of the state before.
        state_before: Bytes,
        /// BLAKE3 of the state after.
        state_after: Bytes,
    }
    /// One of two people, or the second of them, quarantined a command.
    CommandQuarantined = 1076 {
        /// Its sequence.
        quarantined: u64,
        /// How many said so.
        people: u8,
    }
    /// Lower fees above a traded volume.
    FeeTierListed = 1077 {
        /// Its id.
        tier: u32,
        /// Traded in 30 days.
        volume: i64,
    }
    /// The owner may not hold this token any more; or may again.
    EligibilityLapsed = 1078 {
        /// The token.
        asset: u32,
        /// What holds now.
        stage: u8,
        /// Version of the rules it was decided under.
        version: u32,
        /// Time of the next stage; 0 when there is none.
        next_ns: i64,
    }
    /// Tokens that may not be held were sold, with the matched perp.
    EligibilityRedeemed = 1079 {
        /// The token.
        asset: u32,
        /// Spot market; 0 for a redemption.
        market: u32,
        /// Lots sold.
        lots: i64,
        /// Perp market; 0 without one.
        perp_market: u32,
        /// Lots bought back.
        perp_lots: i64,
        /// The request for the redemption; 0 for a token without one, which was sold in its book.
        request: u64,
        /// Token units that go.
        units: i64,
    }
    /// Fees of the venue became the account's.
    FeesCollected = 1080 {
        /// What they are in.
        asset: u32,
        /// How much.
        amount: i64,
        /// What is left of them.
        left: i64,
    }
}

//! Roles, proposals, eligibility, freezes, limits and releases: commands 1000 to 1049.
//!
//! Responsible for: the definitions. Never checks or applies anything.

use crate::codec::Bytes;
use crate::document;

document! {
    /// Switches eligibility on, once. Which tokens are closed to whom by default, and how long a holder who lost
    /// eligibility has.
    ConfigureEligibility = 1000 {
        /// Two capital letters. Holders from there need a rule that admits them.
        excluded_jurisdiction: String,
        /// Buckets whose tokens are restricted.
        restricted_buckets: Vec<i64>,
        /// Time after eligibility was lost until only reducing is possible.
        notice_ns: i64,
        /// From then until the tokens are redeemed at market.
        reduce_only_ns: i64,
    }
    /// A kind of holder.
    ListHolderClass = 1001 {
        /// Its id.
        holder_class: u32,
        /// 1 to 32 printable ASCII characters.
        name: String,
        /// Two capital letters.
        jurisdiction: String,
        /// What the holder is.
        holder_type: u8,
        /// Tier of the identity check, from 0.
        tier: u8,
    }
    /// Admits a class to an asset or a market, or excludes it, between two times; takes the place of an earlier rule.
    SetEligibility = 1002 {
        /// What the rule is about.
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
    }
    /// The result of an identity check. The salted id is all that the journal knows of the person.
    ClassifyOwner = 1003 {
        /// Who.
        owner: u32,
        /// Holder class.
        holder_class: u32,
        /// The result counts before this time.
        expires_ns: i64,
        /// 1 to 64 bytes.
        salted_id: Bytes,
    }
    /// Sets units apart: no margin value, never lent, sold, liquidated or loss-shared. Under the rule of every outflow.
    Hold = 1004 {
        /// Which asset.
        asset: u32,
        /// How much, above zero.
        amount: i64,
    }
    /// Lets units that were set apart back the portfolio again.
    Pledge = 1005 {
        /// Which asset.
        asset: u32,
        /// How much, above zero.
        amount: i64,
    }
    /// Switches governance on, once: from here on every command is checked against its authority.
    ConfigureGovernance = 1006 {
        /// Between approval and effect of a change under which no requirement rises.
        short_delay_ns: i64,
        /// The same where an existing requirement rises; without a calendar.
        long_delay_ns: i64,
        /// Counts the long delay in regular opens of this underlying; 0 in `long_delay_ns`.
        calendar_underlying: u32,
        /// How many opens.
        long_delay_opens: u32,
        /// Public delay before an account changes its owner.
        ownership_delay_ns: i64,
        /// A change that nobody approved in this time is gone.
        approval_ns: i64,
        /// A restriction that two people did not confirm in this time is gone.
        emergency_ns: i64,
        /// Most accounts measured when a change is proposed; with more the delay is the long one.
        measured_accounts: u32,
        /// Most changes that may be open at once.
        open_changes: u32,
        /// Most bytes of a wrapped command.
        change_bytes: u32,
        /// Most changes and redemptions that one `AdvanceTime` carries out.
        changes_per_advance: u32,
        /// Requests of an actor must be new within this window, 0 to 64; 0 switches it off.
        nonce_window: u32,
        /// Time in which a full outflow bucket empties.
        outflow_window_ns: i64,
        /// Size of an owner's outflow bucket.
        outflow_limit: i64,
        /// How long a withdrawal above the bucket waits before it may be paid.
        outflow_wait_ns: i64,
    }
    /// Makes a key known: whose it is, by a number that is not a name.
    RegisterActor = 1007 {
        /// The key.
        actor: u64,
        /// The person; one person may have several keys and is still one.
        person: u64,
        /// The owner the person acts for; 0 for the venue's own people.
        owner: u32,
    }
    /// Gives a key a role: at the account in the header, or at the venue. Takes the place of an earlier grant of the
    /// role.
    GrantRole = 1008 {
        /// The key.
        actor: u64,
        /// The role.
        role: u8,
        /// Markets it is limited to; empty for all.
        markets: Vec<i64>,
        /// Most that one order may be worth; 0 without limit.
        order_notional: i64,
        /// Most that a position may be worth after all orders of its side; 0 without limit.
        position_notional: i64,
        /// Ends at this time; 0 without end.
        expires_ns: i64,
    }
    /// Takes a role from a key, at the account in the header or at the venue.
    RevokeRole = 1009 {
        /// The key.
        actor: u64,
        /// The role.
        role: u8,
    }
    /// Revokes a key for ever.
    RevokeActor = 1010 {
        /// The key.
        actor: u64,
    }
    /// Proposes a command that takes two people. Its effect on every account can be asked before anyone approves.
    ProposeChange = 1011 {
        /// Account the command acts for; 0 for the venue.
        account: u64,
        /// Type number, little-endian, and body.
        command: Bytes,
        /// 1 to 256 printable ASCII characters.
        reason: String,
    }
    /// A second person agrees.
    ApproveChange = 1012 {
        /// Which change.
        change: u64,
    }
    /// Ends a change that has not taken effect.
    RejectChange = 1013 {
        /// Which change.
        change: u64,
    }
    /// An emergency power of one person. It only reduces risk and ends by itself unless two people confirm it.
    Restrict = 1014 {
        /// What is restricted.
        power: u8,
        /// Market, asset or owner; 0 for withdrawals.
        id: u32,
        /// The lower cap, for powers that lower one.
        limit: i64,
        /// 1 to 256 printable ASCII characters.
        reason: String,
    }
    /// Lets a restriction stand until it is lifted.
    ConfirmRestriction = 1015 {
        /// What is restricted.
        power: u8,
        /// Market, asset or owner; 0 for withdrawals.
        id: u32,
    }
    /// Ends a restriction.
    LiftRestriction = 1016 {
        /// What is restricted.
        power: u8,
        /// Market, asset or owner; 0 for withdrawals.
        id: u32,
    }
    /// Changes what is listed, by the whole new document; the checks are those of a listing.
    ChangeTerms = 1017 {
        /// Type number of the listing, little-endian, and its body.
        terms: Bytes,
    }
    /// Caps positions or open interest. Orders that reduce are free of it.
    SetLimit = 1018 {
        /// What is capped.
        cap_kind: u8,
        /// Market or underlying.
        id: u32,
        /// The cap, in lots of a market or micro-dollars of an underlying; 0 takes the cap away.
        most: i64,
        /// The cap while the underlying is not in its regular session.
        closed_most: i64,
    }
    /// Gives an account to another owner, after a public delay.
    MoveOwnership = 1019 {
        /// Which account.
        account: u64,
        /// The new owner.
        owner: u32,
    }
    /// Makes two owners one obligor: caps, set-off and self-trade prevention count them together.
    JoinOwners = 1020 {
        /// Joins.
        owner: u32,
        /// Whom it joins.
        into: u32,
    }
    /// Which wishes of the account's owner take two of its own people, and how long a new address waits.
    SetOwnerPolicy = 1021 {
        /// Withdrawals, transfers and addresses.
        withdrawals: u8,
        /// Keys, roles and limits, and this policy.
        keys: u8,
        /// Before a new address may be used.
        cooling_ns: i64,
    }
    /// Enters an address in the owner's book.
    AddAddress = 1022 {
        /// 1 to 64 bytes.
        address: Bytes,
    }
    /// Takes an address out of the owner's book.
    RemoveAddress = 1023 {
        /// 1 to 64 bytes.
        address: Bytes,
    }
    /// A withdrawal to an address of the owner's book, from the pledged balance or from units set apart.
    WithdrawTo = 1024 {
        /// What is to leave.
        asset: u32,
        /// How much, above zero.
        amount: i64,
        /// Where to.
        address: Bytes,
        /// 1 takes units that were set apart.
        from_held: u8,
    }
    /// Lets one person of operations activate a release.
    PermitRelease = 1025 {
        /// Its name.
        release: String,
        /// Number of its ruleset.
        ruleset: u32,
    }
    /// A release takes over in mid-journal, with the hash of the state before it.
    EnterRelease = 1026 {
        /// Its name.
        release: String,
        /// Number of its ruleset.
        ruleset: u32,
        /// BLAKE3 of the state before this command.
        state_before: Bytes,
    }
    /// One of two people says that a command panics and must be answered without being applied.
    QuarantineCommand = 1027 {
        /// Its sequence.
        quarantined: u64,
        /// BLAKE3 of the whole message as it stands in the journal.
        digest: Bytes,
    }
    /// Lower fees above a traded volume of 30 days; a tier never raises a market's listed fee.
    ListFeeTier = 1028 {
        /// Its id.
        tier: u32,
        /// Traded by the obligor's accounts in the last 30 days.
        volume: i64,
        /// Maker fee on perps.
        perp_maker_ppm: i64,
        /// Taker fee on perps.
        perp_taker_ppm: i64,
        /// Maker fee on spot.
        spot_maker_ppm: i64,
        /// Taker fee on spot.
        spot_taker_ppm: i64,
    }
    /// The venue's fees become an account's money: the operator's own, which sells, redeems or withdraws it like any other.
    CollectFees = 1029 {
        /// Who gets them.
        account: u64,
        /// A stablecoin, or a token that fees were kept in.
        asset: u32,
        /// How much.
        amount: i64,
    }
}

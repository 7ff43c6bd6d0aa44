//! Roles, proposals, eligibility, freezes, limits and releases: events 1050 to 1099.
//!
//! Responsible for: the definitions. Never decides anything.

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
}

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
}

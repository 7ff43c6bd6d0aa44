//! Every refusal of the engine: a number that is never reused, a name that states the rule, one sentence.
//!
//! Responsible for: the table, and the small value a handler returns. Never formats for people beyond the
//! exported JSON that Python and the documentation read.

use std::fmt::Write as _;

macro_rules! refusals {
    ($($number:literal $name:ident $retry:literal $sentence:literal;)*) => {
        /// A numbered refusal. The name states the rule that the command broke.
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Reject { $(#[doc = $sentence] $name = $number,)* }

        /// All refusals in ascending order of their numbers: number, name, sentence, whether a retry can help.
        pub const REFUSALS: &[(u16, &str, &str, bool)] = &[$(($number, stringify!($name), $sentence, $retry),)*];
    };
}

refusals! {
    101 message_must_be_complete false "The message is shorter or longer than its type says.";
    102 message_type_must_be_known false "No command has this type number.";
    103 message_version_must_be_known false "This version of the message is not supported by the release.";
    104 body_must_match_its_type false "The body is not the MessagePack array of this command's fields.";
    105 time_must_not_run_backwards false "The command's time is before the venue's time.";
    106 sequence_must_be_next false "The command's sequence is not the one after the last applied.";
    107 first_command_must_activate_a_release false "A journal opens with ActivateRelease.";
    108 ruleset_must_be_supported false "This build does not implement the ruleset.";
    109 command_must_not_name_an_account false "A venue command carries account 0.";

    201 account_must_exist false "No account has this id.";
    202 account_must_be_new false "An account with this id is already open.";
    203 account_id_must_not_be_zero false "Account 0 means the venue itself.";
    204 owner_must_not_be_zero false "Owner 0 is not a person.";
    205 amount_must_be_positive false "The amount is zero or negative.";
    206 amount_must_not_exceed_balance true "The account does not have this much free.";
    207 amount_must_not_overflow false "The resulting balance does not fit its integer.";
    208 reference_must_be_new false "This deposit reference, or a later one, was already booked for the account and asset.";
    209 withdrawal_must_be_pending false "No pending withdrawal has this id.";
    210 account_must_not_be_frozen true "Transfers of an account in liquidation are frozen.";
    211 transfer_must_change_account false "Sender and receiver are the same account.";

    301 id_must_not_be_zero false "Listed ids start at 1.";
    302 id_must_be_new false "Something with this id is already listed.";
    303 venue_must_be_configured false "ConfigureVenue comes before listings.";
    304 asset_must_exist false "No asset has this id.";
    305 underlying_must_exist false "No underlying has this id.";
    306 market_must_exist false "No market has this id.";
    307 bucket_must_exist false "No bucket has this id.";
    308 source_must_exist false "The underlying has no price source with this id.";
    309 parameter_must_be_within_bounds false "A listing parameter is outside its validated bounds.";
    310 name_must_be_short_and_plain false "Names have 1 to 32 printable ASCII characters.";
    311 tick_times_lot_must_be_whole_quote_units false "One tick of one lot must be a whole number of quote units.";
    312 charge_per_long_dollar_must_stay_below_its_limit false "Shock, gap, wrap and liquidation cost of one long dollar exceed the venue's limit.";
    313 quote_must_be_a_stablecoin false "A market is quoted in a stablecoin.";
    314 base_must_be_a_token false "A spot market trades a token of an underlying.";
    315 pool_must_exist false "This asset has no lending pool.";
    316 row_must_name_every_bucket false "A dated row has one move per bucket id, from 1.";
    317 configuration_must_not_change_after_listing false "The venue is configured once, before the first listing.";
    318 listing_must_precede_trading false "Buckets and dated rows are listed before the first account opens.";

    401 side_must_be_known false "Side is 0 (bid) or 1 (ask).";
    402 order_kind_must_be_known false "Kind is 0 (limit) or 1 (market).";
    403 time_in_force_must_be_known false "Time in force is 0 (GTC), 1 (IOC) or 2 (FOK).";
    404 flags_must_be_known false "Only post-only and reduce-only are flags.";
    405 price_must_be_positive false "A limit price is at least one tick.";
    406 lots_must_be_positive false "The quantity is zero or negative.";
    407 lots_must_be_within_market_limits false "The quantity is below the minimum or above the maximum order.";
    408 price_must_be_inside_band true "The limit price is outside the market's band around its index.";
    409 post_only_must_not_take true "The order would have traded at once.";
    410 post_only_must_rest false "Post-only goes with a good-till-cancelled limit order.";
    411 market_order_must_not_rest false "A market order is IOC or FOK.";
    412 fill_or_kill_must_fill true "The book cannot fill the whole quantity at this price.";
    413 reduce_only_must_reduce true "There is no opposite position left for this order to reduce.";
    414 order_must_exist false "No live order of this account has this id.";
    415 client_id_must_be_new false "The client id belongs to another order of this account.";
    416 open_orders_must_be_below_limit true "The account has the maximum number of open orders in this market.";
    417 amend_must_change_something false "Neither price nor quantity differs.";
    418 notional_must_not_overflow false "Price times quantity does not fit its integer.";
    419 market_order_needs_a_book true "There is nothing on the other side within the collar.";
    420 reduce_only_needs_a_perp false "Reduce-only is an instruction for perp positions.";
    421 spot_sell_must_be_owned true "A spot sell reserves tokens the account holds free.";
    422 spot_buy_must_be_funded true "A spot buy reserves cash, or room in the cash pool, and there is not enough.";
    423 venue_must_be_open_for_orders true "The market takes no new orders in this state.";
    424 order_already_exists false "The same client id and the same order: it was accepted before; nothing was done again.";

    501 excess_at_initial_must_not_be_negative true "After this command the account's equity would be below its initial requirement.";
    502 only_reducing_orders_below_initial true "The account is below its initial requirement; only orders that reduce risk are taken.";
    503 withdrawal_needs_one_and_a_half_initial true "Withdrawing or borrowing needs equity without unsettled gains of a multiple of the initial requirement.";
    504 loan_must_stay_within_loan_to_value true "The loan would exceed the loan-to-value of the account's assets.";
    505 account_must_not_be_in_liquidation true "The account is being liquidated.";

    601 price_must_be_positive_and_plausible false "The price is zero, negative or outside the listing's absolute bounds.";
    602 price_must_not_be_from_the_future true "The price's venue time is after the venue's time.";
    603 price_time_must_not_run_backwards false "The source already sent a price of a later time.";
    604 session_must_be_known false "Sessions are closed, pre, regular, post, overnight and halted.";
    605 session_times_must_be_ordered false "The next session and the closure's times must come in order and after now.";
    606 price_quality_forbids_opening true "Risk can't be increased while the price is of this quality.";
    607 price_quality_forbids_withdrawal true "Withdrawals wait while a held underlying's price is of this quality.";
    608 price_quality_forbids_borrowing true "Borrowing waits while a held underlying's price is of this quality.";
    609 confidence_must_be_a_fraction false "Confidence is 0 to 1,000,000 ppm.";

    701 pool_must_have_liquidity true "The pool has not this much to lend or to return now.";
    702 loan_must_stay_within_caps true "The owner's or the venue's borrowing cap is reached.";
    703 lent_must_cover_recall false "The account has not lent this much.";

    // 8xx liquidation

    // 9xx clearing

    // 10xx governance

    // 11xx eligibility

    // 12xx corporate actions
}

/// Why a command was refused: the rule, which field of its body (1-based, 0 for none), the offending
/// value and the limit it met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub code: Reject,
    /// Position of the offending field in the command's body, from 1; 0 when no single field is at fault.
    pub field: u16,
    /// The offending value.
    pub value: i64,
    /// The bound it met.
    pub limit: i64,
}

impl Reject {
    /// A refusal with the offending value and the limit it met.
    #[must_use]
    pub const fn at(self, field: u16, value: i64, limit: i64) -> Refusal {
        Refusal { code: self, field, value, limit }
    }

    /// Whether the same command may succeed later.
    #[must_use]
    pub fn retry_can_help(self) -> bool {
        REFUSALS.iter().any(|row| row.0 == self as u16 && row.3)
    }
}

impl From<Reject> for Refusal {
    fn from(code: Reject) -> Self {
        code.at(0, 0, 0)
    }
}

/// Refuses with `reject` unless `holds`.
#[inline]
pub fn require(holds: bool, reject: impl Into<Refusal>) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(reject.into()) }
}

/// The refusal table as a JSON array of objects: number, name, sentence, retry.
#[must_use]
pub fn export_json() -> String {
    let mut json = String::from("[");
    for (i, (number, name, sentence, retry)) in REFUSALS.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(json, "{comma}{{\"number\":{number},\"name\":\"{name}\",\"sentence\":\"{sentence}\",\"retry\":{retry}}}");
    }
    json.push(']');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_sentences_are_plain() {
        assert!(REFUSALS.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(REFUSALS.iter().all(|r| r.2.ends_with('.') && !r.2.contains('"')));
    }
}

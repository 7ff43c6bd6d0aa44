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
    110 command_quarantined false "Two people quarantined this command because it made the engine panic; it is answered, never applied.";
    111 time_must_leave_room_for_deadlines false "The command's time is 2200 or later; no deadline counted from an earlier one can overflow.";

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
    403 time_in_force_must_be_known false "Time in force is 0 (GTC), 1 (IOC) or 2 (FOK), and in a full order 3 (good till date).";
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
    425 auction_takes_only_resting_orders false "While an auction gathers orders, an order is a limit order that rests, without post-only or a minimum.";
    426 expiry_must_be_ahead false "A good-till-date order, and no other, carries a time after now and within the longest expiry.";
    427 minimum_must_fill_at_once true "The book does not have the minimum quantity within the price.";
    428 trigger_must_be_ahead_of_the_mark true "The mark has already reached the trigger price.";
    429 trigger_must_be_whole false "A trigger has a kind, a price and a perp of the order's underlying whose mark pulls it; other orders have none.";
    430 self_trade_mode_must_be_known false "Self-trade prevention is cancel newest 0, oldest 1, both 2, or decrement 3.";
    431 order_rate_must_stay_below_limit true "The account sends orders faster than the listed rate; cancellations are never limited.";
    432 book_must_have_room true "The market's book holds its greatest number of orders.";
    433 account_orders_must_be_below_limit true "The account has the greatest number of open and waiting orders.";
    435 batch_must_be_whole false "A batch is one or more whole legs of known types, at most the listed number.";
    436 phase_must_follow false "The market's present phase does not lead to this one.";
    437 schedule_must_fit false "The interval is too short, or the duration has too few or too many intervals, or a slice is below the smallest order.";
    438 silence_must_be_within_bounds false "The span of the dead-man switch is outside its listed bounds.";
    439 production_must_prevent_self_trade false "A production venue lists no market in which an owner may trade with himself.";
    440 production_must_have_a_quorum false "A production venue lists no underlying with a quorum of one source, unless its price is a value that its issuer signs.";

    460 legs_must_be_within_limit false "A package has at least two legs, any trade at most the listed number.";
    461 legs_must_be_complete false "Each leg has a market, lots other than 0, and a price where one is asked for.";
    462 limit_kind_must_be_known false "A limit is 0 (each leg) or 1 (also the whole).";
    463 units_must_be_ordered false "The least units are at least 1 and at most the units wanted.";
    464 net_price_needs_one_quote false "Notionals in different stablecoins do not add up to one price.";
    465 package_must_fill_whole true "The books do not have the least units of every leg within the limits.";
    466 package_must_not_meet_its_owner true "An order of the same owner stands where a leg would trade.";
    467 market_must_have_block_terms false "The market has no listed terms for blocks and quotes.";
    468 leg_must_meet_minimum_size false "A leg is smaller than the listed size for blocks or quotes.";
    469 price_must_be_near_index true "The price is farther from the index than blocks and quotes may be in this session.";
    470 sides_must_have_two_owners false "Both sides of a trade belong to one owner.";
    471 expiry_must_be_ahead_and_near false "An expiry is after now and within the listed longest life.";
    472 open_offers_must_be_below_limit true "The listed number of open blocks, requests or quotes is reached.";
    473 block_must_be_open false "No open block of this number waits for this account's answer.";
    474 quote_request_must_be_open false "No open request has this number.";
    475 quote_must_be_open true "No firm quote for this side has this number, or there is none.";
    476 maker_must_be_asked false "The request names its makers, and this account is not among them.";
    477 quote_must_price_each_leg false "A quote has a price for every leg of each side it quotes, and only for sides that were asked for.";
    478 other_side_must_be_able_to_trade true "The other side could not take this trade now.";
    479 client_id_must_have_16_bytes false "A client id is empty or has 16 bytes.";
    480 treasury_must_cover_compensation true "The treasury does not have this much of the asset.";
    481 compensation_must_stay_below_its_cap true "The cap per trade or per day would be passed.";
    482 trade_must_have_happened false "No trade has this number.";
    483 reason_must_be_stated false "The reason has 1 to 200 printable ASCII characters.";

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
    610 price_kind_must_fit_its_class false "A NAV takes values its issuer signed, everything else quotes and trades.";
    611 print_must_be_known false "The source's statements that are remembered hold no print of this venue time.";
    612 drift_must_stay_within_margin false "Discovery bounds with their re-anchors reach farther than the closed initial margin of one leg.";
    613 event_times_must_be_ordered false "A window begins after now and ends after it began.";
    614 settlement_needs_a_long_halt true "Perps are settled by decision only while their underlying is halted, and has been for the listed time.";
    615 settlement_must_not_be_running true "The settlement of a halted underlying's perps is still under way.";

    701 pool_must_have_liquidity true "The pool has not this much to lend or to return now.";
    702 loan_must_stay_within_caps true "The owner's or the venue's borrowing cap is reached.";
    703 lent_must_cover_recall false "The account has not lent this much.";
    704 curve_must_rise_to_full_use false "The curve's points ascend to a utilisation of 100 % and its rates never fall.";
    705 pool_must_be_funded true "The operator locks a deposit before a pool takes lenders and borrowers.";
    706 pool_must_not_be_called true "The pool was used above its limit for too long: no new loans until that ends.";
    707 pool_must_stay_within_its_size true "The pool can't hold this many units.";
    708 call_must_be_answered_before_money_leaves true "A cash call or a called loan of the account is open.";
    709 recall_notice_is_for_tokens false "Loans of tokens are recalled by notice; loans of cash are called when the pool is used above its limit.";
    710 line_must_be_listed false "The pool sells no committed line of this type.";
    711 line_must_be_new false "The pool has a committed line of this type.";
    712 line_must_fit false "The size is outside what this type is sold in.";
    713 account_must_have_one_line false "The account has a committed line of the asset, or (to give it up) has none.";
    714 lines_are_of_cash false "Committed lines are of pools of a stablecoin.";

    // 8xx liquidation
    801 backstop_discount_must_be_within_the_auction false "A tranche's discount is between the auction's first and last.";
    802 account_must_not_be_a_tranche_already false "The account is a backstop tranche already.";
    803 account_must_be_a_tranche false "The account is not a backstop tranche.";
    804 tranche_must_hold_cash_alone false "Before it is committed, a tranche holds stablecoins and nothing else.";
    805 tranche_money_must_stay_until_its_notice_has_passed true "What is committed as backstop capital leaves only after its notice.";
    806 auction_must_be_running true "No running auction has this id.";
    807 share_must_be_offered false "The share is zero or more than the auction still offers.";
    808 tranche_must_be_margined_after_the_slice true "After the slice the tranche would be below its initial requirement, short of cash, or beyond its notional.";
    809 slice_must_not_raise_the_requirement true "Without these legs the account's requirement would be higher, or its net value negative.";
    810 tranche_must_be_below_its_loss_limit false "The tranche has lost its limit.";
    811 perp_gains_must_stay_while_an_account_is_black true "Perp gains since the last moment without a black account wait until no account is black.";
    812 recovery_must_hold_this_much false "Recovery does not hold this many units of the token, or nobody holds units of it.";
    813 tranche_must_not_bid_on_its_owner true "The auction offers the legs of an account of the same owner.";
    814 open_interest_must_stay_within_what_insurance_covers true "Open interest would pass its cap, which is lower while the bucket's insurance is below its target.";

    // 9xx clearing
    901 clearing_must_be_configured false "ConfigureClearing comes before brokers and tokens are listed for issuance.";
    902 clearing_must_be_configured_once false "Issuance and redemption are configured once.";
    903 broker_must_exist false "No broker has this id.";
    904 broker_must_be_new false "A broker with this id is already listed.";
    905 token_must_be_listed_for_issuance false "The token has no issuance terms.";
    906 token_must_be_new_to_issuance false "The token has issuance terms already, or some of it is in the vault without backing.";
    907 sessions_must_be_named_in_full false "A session table has one mask of 0 to 31 for each of the six sessions.";
    908 backing_must_cover_tokens false "The shares attested are fewer than the tokens are worth.";
    909 deposit_must_be_of_issued_tokens false "More of the token would come in than exists outside the venue.";
    910 request_reference_must_be_new false "This reference, or a later one, was used: a request executes once.";
    911 request_must_exist false "No request of this account has this id.";
    912 request_must_allow_event false "The request is in a state in which this cannot happen.";
    913 request_must_be_within_limits false "The request is below the smallest or above the largest amount.";
    914 account_limit_must_hold true "The account's limit of this window is used up.";
    915 token_limit_must_hold true "The token's limit of this window is used up.";
    916 issuance_must_not_be_paused true "The operator stopped this for the token.";
    917 issuance_must_not_be_frozen true "A corporate action is near: nothing is issued or redeemed.";
    918 breaks_must_be_resolved true "Issuance of the token waits until its breaks are resolved.";
    919 statement_must_be_recent true "No custodian's statement agreed recently enough.";
    920 price_quality_forbids_issuance true "Issuance and redemption wait while the price is of this quality.";
    921 session_must_allow_channel true "The token's session table is closed for this channel.";
    922 stablecoin_must_hold_its_peg true "The stablecoin is further from a dollar than allowed.";
    923 capacity_must_cover_request true "Brokers, depth and prefunded money can't take this now.";
    924 shortage_must_be_below_cap true "The treasury's debt of shares is at its cap.";
    925 quote_must_be_known true "No open question for a price, or no firm quote of this account, has this id.";
    926 quote_must_be_firm true "The quote is past its expiry.";
    927 quote_must_fit_request false "The quote is for another token, direction or amount.";
    928 primary_price_must_be_near_index true "The price is further from the index than the token's listing allows.";
    929 direction_must_be_known false "Direction is 0 (issue) or 1 (redeem).";
    930 order_must_be_a_share true "The broker takes whole shares only, and this is less than one.";
    931 account_must_be_a_participant false "Only authorised participants bring and take shares.";
    932 tokens_must_be_settled_to_leave true "Tokens minted on unsettled fills stay until their shares are settled.";
    933 broker_order_must_exist false "No broker order has this id.";
    934 broker_order_must_be_open false "The order is done already.";
    935 execution_must_be_new false "The execution was booked before; nothing was done again.";
    936 execution_must_exist false "The broker reported no such execution.";
    937 execution_must_be_open false "The execution is settled, carried by the venue or in quarantine.";
    938 execution_must_be_plausible false "Shares, price, fee or settlement time of the execution are absurd.";
    939 treasury_must_cover_payment true "The treasury has not this much in the vault or at the broker.";
    940 conversion_must_be_within_limits true "The conversion is too large, or after the cut-off.";
    941 conversion_must_be_pending false "No conversion with this id is on its way.";
    942 break_must_be_open false "No open break has this id.";
    943 resolution_must_fit_break false "The resolution is not one of this break's.";
    944 broker_must_have_shares true "The broker does not hold this many settled shares for the token.";
    945 statement_must_name_the_books false "The broker holds nothing of this token.";
    946 cash_must_be_a_stablecoin false "Issuance is paid in a listed stablecoin of a token.";
    947 forced_redemption_must_run false "A redemption that the holder did not ask for is not the holder's to end.";
    948 perp_must_hedge_the_token false "The market is a perp on the token's underlying.";
    949 correction_must_change_something false "The execution has these shares and this price already.";

    1001 actor_must_be_known false "No key has this number.";
    1002 actor_must_not_be_revoked false "The key is revoked for ever.";
    1003 actor_must_have_the_role false "The key has no role that may send this command for this account or for the venue.";
    1004 change_must_be_proposed_and_approved false "This command takes two people: it is proposed, approved by another person, and waits.";
    1005 governance_must_be_configured false "ConfigureGovernance comes before changes and restrictions.";
    1006 governance_must_be_configured_once false "Governance is switched on once; later changes are changes of terms.";
    1007 governance_needs_its_people false "Two people to run the venue, two of compliance and a keeper must have their roles first.";
    1008 role_must_be_known false "Roles are 0 to 6.";
    1009 actor_must_be_new false "This key was registered before.";
    1010 owner_asks_for_two_people false "The owner lets only two of its people together send this; propose it.";
    1011 role_must_fit_its_person false "At an account only people of its owner trade, see and pay; at the venue only the venue's people.";
    1012 request_must_be_new_and_within_the_window false "The key used this request number before, or it is older than the window.";
    1013 command_must_take_two_people false "The wrapped command needs no second person, or may not be wrapped for this account.";
    1014 reason_must_be_given false "A reason has 1 to 256 printable ASCII characters.";
    1015 change_must_be_open false "No open change has this id.";
    1016 wrapped_command_must_fit false "A wrapped command has a type number and at most the listed bytes.";
    1017 change_must_be_in_the_right_stage false "A change is approved once.";
    1018 approver_must_be_another_person false "Nobody approves what they proposed, with whatever key.";
    1019 power_must_be_known false "Emergency powers are 0 to 6; withdrawals have no id.";
    1020 restriction_must_reduce_risk false "A restriction is new, or lowers the cap in force.";
    1021 restriction_must_be_in_force false "There is no such restriction.";
    1022 cap_kind_must_be_known false "Limits are 0 to 3, of perp markets or underlyings.";
    1023 terms_must_be_changeable false "This document is not one whose terms can change.";
    1024 term_must_not_change false "This term stays as it was listed.";
    1025 owner_must_be_another false "The account or the owner is there already.";
    1026 address_must_be_short false "An address has 1 to 64 bytes, a book 256 addresses.";
    1027 address_must_be_new false "The address is in the owner's book.";
    1028 address_must_be_usable true "The address is not in the owner's book, or still cooling off.";
    1029 quarantine_must_name_an_earlier_command false "A quarantine names a command that this journal answered unapplied.";
    1030 quarantine_must_name_the_message false "The digest is not 32 bytes, or not the one the first person named.";
    1031 quarantine_takes_two_people false "This person said so before.";
    1032 open_changes_must_be_below_limit true "The listed number of changes is open.";
    1033 restriction_must_not_be_in_force true "An emergency restriction forbids this now.";
    1034 actor_must_be_allowed_in_the_market false "The key's role is limited to other markets.";
    1035 order_must_stay_within_the_actors_limit true "The order is worth more than the key may place.";
    1036 position_must_stay_within_the_actors_limit true "The position would be worth more than the key may build.";
    1037 position_must_stay_within_its_cap true "The account's or its obligor's position would pass its cap.";
    1038 open_interest_must_stay_within_its_cap true "Open interest would pass its cap.";
    1039 withdrawal_must_wait_for_its_release true "The withdrawal is above the outflow bucket and waits.";
    1040 withdrawal_must_name_an_address false "The owner keeps an address book: withdraw to an address of it.";
    1041 release_must_be_permitted false "Two people permit a release before one of operations enters it.";
    1042 state_hash_must_match true "The hash is not the one of the state before this command.";
    1043 cap_must_not_be_below_what_is_admitted true "More is admitted than the new cap; an emergency cap stops the growth.";
    1044 fees_must_cover_what_is_collected true "The venue does not have this much of fees in the asset.";


    1101 owner_must_not_be_frozen true "The owner is frozen: no trades, transfers or withdrawals; margin goes on.";
    1102 holder_must_be_eligible_for_asset true "The owner's class may not hold this asset now.";
    1103 holder_must_be_eligible_for_market true "The owner's class may not open positions in this market now.";
    1104 eligibility_must_be_configured false "ConfigureEligibility comes before classes and rules.";
    1105 eligibility_must_be_configured_once false "Eligibility is switched on once; later changes are governance.";
    1106 class_must_exist false "No holder class has this id.";
    1107 class_fields_must_be_known false "A jurisdiction has two capital letters; the types of holders are 0 to 3.";
    1108 eligibility_must_have_an_order_of_times false "The end of a rule or a classification comes after its beginning and after now.";
    1109 subject_must_be_known false "A rule is about an asset (0) or a market (1).";
    1110 salted_id_must_be_short false "A salted id has 1 to 64 bytes.";
    1111 held_must_cover_pledge false "The account does not hold this much apart.";
    1112 owner_must_exist false "No account has an owner of this id.";

    // 12xx corporate actions
    1201 venue_must_not_run_a_corporate_action true "While a corporate action runs over the accounts, only cancels and outside facts are taken.";
    1202 underlying_must_not_be_in_a_corporate_action true "Trading of the underlying waits for its corporate action, or ended with one.";
    1203 corporate_action_must_exist false "No corporate action has this id.";
    1204 corporate_action_must_be_in_a_state_for_this false "The action's life-cycle table has no such step from its present state.";
    1205 corporate_action_kind_must_be_known false "Kinds are split, cash dividend, special dividend, spin-off, merger, rights, delisting and symbol change.";
    1206 corporate_action_terms_must_be_complete false "A term that this kind of action needs is missing, or one that it does not have is given.";
    1207 window_must_be_ahead_and_in_order false "The window lies ahead, ends after it starts, and corrections end after it.";
    1208 second_actor_must_confirm false "Who scheduled or amended an action can't confirm it.";
    1209 withholding_must_be_listed false "A dividend needs the listed withholding of every token and perp of the underlying.";
    1210 split_must_fit_every_listing false "A number of a market, token or price would leave its range or its lots would lose exactness.";
    1211 windows_must_not_overlap false "The underlying has another action at that time.";
    1212 amount_must_stay_below_the_price true "A distribution of the whole price or more is a merger or a delisting.";
    1213 loans_and_withdrawals_must_keep_their_number true "A token that is lent, borrowed or on its way out is split by its multiplier, not by its number.";
    1214 released_must_be_receivable false "More is released than is receivable per token.";
    1215 reinvested_shares_must_match_what_is_released true "The growth of the multiplier at the index is not what was released, within the tolerance.";
    1216 distributions_must_be_funded true "Brokers have not paid enough in for this distribution.";
    1217 correction_must_come_in_time false "Corrections of this action have ended, or its kind has no amount.";
    1218 only_ended_tokens_retire false "A token is retired only when its underlying has ended.";
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

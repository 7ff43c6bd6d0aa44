//! The fault matrix of prices: every fault of sources and of the venue's own book, in every session, against what it could
//! hurt. For half a minute of it:
//!
//! * *mark*: nobody is liquidated, and no mark moves faster than its speed;
//! * *collateral*: tokens are never worth more than before, and not less where only a minority of sources is wrong;
//! * *borrowing*: nothing is lent that the true price would not carry.
//!
//! A majority of sources that is wrong moves the stable price as fast as a half-hour mean moves and no faster: at ten times the
//! price, half a minute is 15 %. That much more counts, and is lent, then.

mod common;

use common::venue::{SIZE, Venue};
use common::{invariants, told};
use novate_core::command::*;
use novate_core::margin::{Level, Question};
use novate_core::units::SECOND;

const DOLLAR: i64 = 1_000_000;
const TRUTH: i64 = 180 * DOLLAR;
const MIKE: u64 = 1;
const ALICE: u64 = 2;
const CID: u64 = 3;
const LENDER: u64 = 4;

/// What one source says each second: price, seconds its venue time is ahead, micro-dollars, quote (0) or trade (1).
type Says = Option<(i64, i64, i64, u8)>;

const RIGHT: Says = Some((TRUTH, 0, SIZE, 0));
const SILENT: Says = None;

const fn wrong(price: i64) -> Says {
    Some((price, 0, SIZE, 0))
}

/// Name, what the three sources say, whether the true sources are too few to hold the index.
const FAULTS: [(&str, [Says; 3], bool); 18] = [
    ("one source silent", [SILENT, RIGHT, RIGHT], false),
    ("two sources silent", [SILENT, SILENT, RIGHT], false),
    ("all silent", [SILENT; 3], false),
    ("one source ten times too high", [wrong(10 * TRUTH), RIGHT, RIGHT], false),
    ("one source a thousandth", [wrong(TRUTH / 1_000), RIGHT, RIGHT], false),
    ("a majority ten times too high", [wrong(10 * TRUTH), wrong(10 * TRUTH), RIGHT], true),
    ("a majority a thousandth", [wrong(TRUTH / 1_000), wrong(TRUTH / 1_000), RIGHT], true),
    ("zero", [wrong(0), RIGHT, RIGHT], false),
    ("negative", [wrong(-TRUTH), RIGHT, RIGHT], false),
    ("beyond any number", [wrong(i64::MAX), RIGHT, RIGHT], false),
    ("from the future", [Some((TRUTH / 2, 3_600, SIZE, 0)), RIGHT, RIGHT], false),
    ("an old price, said anew", [wrong(150 * DOLLAR), RIGHT, RIGHT], false),
    ("the scale before a split of seven", [wrong(7 * TRUTH), RIGHT, RIGHT], false),
    ("the scale after it", [wrong(TRUTH / 7), RIGHT, RIGHT], false),
    ("one share, by all", [Some((TRUTH / 2, 0, TRUTH / 2, 1)); 3], false),
    ("a lone trade of full size", [Some((TRUTH / 2, 0, SIZE, 1)), SILENT, SILENT], false),
    ("a lone quote of full size", [wrong(TRUTH / 2), SILENT, SILENT], false),
    ("two that disagree, the third silent", [wrong(TRUTH * 97 / 100), RIGHT, SILENT], false),
];
const SESSIONS: [(&str, u8); 5] = [("closed", 0), ("pre", 1), ("regular", 2), ("post", 3), ("overnight", 4)];

/// Alice is long 100 shares on little, Cid holds 100 tokens, Lender lends; the price has been true for half an hour.
fn venue() -> Venue {
    let mut v = Venue::standard();
    all_true(&mut v);
    for (account, cash, tokens) in [(MIKE, 10_000_000, 0), (ALICE, 3_600, 0), (CID, 0, 100), (LENDER, 1_000_000, 0)] {
        v.send(account, &OpenAccount { owner: account as u32 });
        for (asset, amount) in [(1, cash * DOLLAR), (2, tokens * DOLLAR)] {
            if amount > 0 {
                v.send(account, &Deposit { asset, amount, reference: account * 10 + u64::from(asset) });
            }
        }
    }
    v.send(LENDER, &Lend { asset: 1, amount: 500_000 * DOLLAR });
    order(&mut v, MIKE, 1, 10_000, 18_000);
    order(&mut v, ALICE, 0, 10_000, 18_000);
    (0..190).for_each(|_| all_true(&mut v));
    v
}

fn all_true(v: &mut Venue) {
    v.now += 10 * SECOND;
    v.price(4, DOLLAR);
    v.price(1, TRUTH);
    v.advance(0);
}

fn order(v: &mut Venue, account: u64, side: u8, lots: i64, price: i64) {
    v.send(account, &PlaceOrder { market: 1, side, kind: 0, time_in_force: 0, flags: 0, price, lots, client_id: [0; 16] });
}

fn enter(v: &mut Venue, session: u8) {
    v.say(0, &format!("SetSession underlying=1 session={session} next_session=2"));
}

/// One second of a fault; then everything that must be true.
fn second(v: &mut Venue, sources: &[Says; 3], outnumbered: bool, what: &str) {
    let before = v.state().known_market(1).mark.mark();
    v.now += SECOND;
    v.price(4, DOLLAR);
    for (source, says) in (1..).zip(sources) {
        if let Some((price, ahead, size, price_kind)) = *says {
            let venue_time_ns = v.now + ahead * SECOND;
            let post = PostPrice { underlying: 1, source, price, confidence_ppm: 1_000_000, price_kind, reserved0: 0, reserved1: 0, venue_time_ns, size, raw_hash: [0; 16] };
            v.send(0, &post);
        }
    }
    v.advance(0);
    invariants::hold(v);
    let mark = v.state().known_market(1).mark.mark();
    assert!((mark - before).abs() <= before / 200 + 1, "{what}: the mark went from {before} to {mark} in a second");
    for account in [ALICE, CID] {
        let holder = &v.state().accounts[v.index(account) as usize];
        assert!(holder.liquidation.is_none(), "{what}: account {account} is in liquidation");
    }
    let worth = |level| v.evaluate(CID, &Question::at(level)).equity;
    let whole = i128::from(100 * TRUTH);
    let most = if outnumbered { whole * 116 / 100 } else { whole };
    assert!(worth(Level::Initial) <= most, "{what}: collateral counts {} at initial", worth(Level::Initial));
    assert!(outnumbered || worth(Level::Maintenance) == whole, "{what}: collateral counts {} at maintenance", worth(Level::Maintenance));
    // 65 % of 18,000 dollars is 11,700: a dollar more is never lent, whatever is said.
    let amount = (most * 65 / 100) as i64 + DOLLAR;
    let answer = v.send(CID, &RequestWithdrawal { asset: 1, amount });
    assert!(answer.iter().any(|e| e.refusal().is_some()), "{what}: lent beyond the true price");
}

#[test]
fn no_fault_of_a_price_liquidates_inflates_or_lends() {
    let base = venue();
    let lent = base.clone().send(CID, &RequestWithdrawal { asset: 1, amount: 5_000 * DOLLAR });
    assert!(lent.iter().all(|e| e.refusal().is_none()), "at the true price, what it carries is lent");
    let mut cells = 0;
    for (session, number) in SESSIONS {
        let mut open = base.clone();
        enter(&mut open, number);
        for (fault, sources, outnumbered) in &FAULTS {
            let mut v = open.clone();
            (0..30).for_each(|_| second(&mut v, sources, *outnumbered, &format!("{fault}, {session}")));
            cells += 3;
        }
        // The venue itself: it comes back after eight hours, and one source repeats what it said before a crash.
        let mut v = open.clone();
        v.now += 28_800 * SECOND;
        v.send(0, &ResumeVenue {});
        (0..30).for_each(|_| second(&mut v, &[wrong(TRUTH * 8 / 10), SILENT, SILENT], false, &format!("old prices after a restart, {session}")));
        // Its own book is swept, to the edge of the band.
        let mut v = open.clone();
        order(&mut v, LENDER, 1, 10, 18_500);
        order(&mut v, MIKE, 0, 10_000, 21_500);
        order(&mut v, LENDER, 1, 10, 21_600);
        (0..30).for_each(|_| second(&mut v, &[RIGHT; 3], false, &format!("the own book swept, {session}")));
        cells += 6;
    }
    told(&format!("{cells} cells: {} faults, {} sessions, mark, collateral and borrowing", FAULTS.len() + 2, SESSIONS.len()));
}

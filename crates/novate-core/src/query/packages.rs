//! Packages, blocks and quotes: what one would do, and what is open: questions 450 to 499.
//!
//! Responsible for: reading, never changing. A preview runs the production checks on a copy of the state; its work is that of the
//! command it previews, and the copy.

use super::{arguments, dense, reply, small};
use crate::bilateral;
use crate::command::PlacePackage;
use crate::context::{Context, Scratch};
use crate::event::EventWriter;
use crate::legs::{self, Part};
use crate::margin::{Level, Question};
use crate::package;
use crate::reject::{REFUSALS, Refusal};
use crate::state::State;
use crate::state::packages::Leg;
use serde::Serialize;

const PACKAGE: u64 = 450;
const SIDE: u64 = 451;
const OFFERS: u64 = 452;

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(state: &State, number: u64, request: &[u8]) -> Result<Vec<u8>, String> {
    match number {
        PACKAGE => reply(&package(state, &arguments(request)?)?),
        SIDE => reply(&side(state, &arguments(request)?)?),
        OFFERS => reply(&offers(state, arguments::<(u64, u64)>(request)?.1)?),
        other => Err(super::unknown(other)),
    }
}

/// What would refuse, or the fills; and the end state in either case where there are fills.
#[derive(Default, Serialize)]
struct Preview {
    /// Number and name of the refusal; 0 and empty for none.
    refusal: u16,
    rule: String,
    field: u16,
    value: i64,
    limit: i64,
    units: i64,
    /// Per fill: market, signed lots, ticks, fee in quote units.
    fills: Vec<(u32, i64, i64, i64)>,
    /// Signed quote units in all, fees left out.
    cost: i64,
    fee: i64,
    /// Per level before and after, micro-dollars; CROWD of the trade is in neither.
    excess_before: [i64; 4],
    excess_after: [i64; 4],
    requirement_after: [i64; 4],
    crowd: i64,
}

impl Preview {
    fn refused(mut self, refusal: Refusal) -> Self {
        self.refusal = refusal.code as u16;
        self.rule = REFUSALS.iter().find(|r| r.0 == self.refusal).map_or("", |r| r.1).to_owned();
        (self.field, self.value, self.limit) = (refusal.field, refusal.value, refusal.limit);
        self
    }

    fn of(cx: &mut Context<'_>, account: u32, units: i64, parts: &[Part]) -> Self {
        let before = Level::ALL.map(|level| small(cx.evaluate(account, &Question::at(level)).excess()));
        let after = legs::rehearse(cx, account, parts, |cx| Level::ALL.map(|level| cx.evaluate(account, &Question::at(level))));
        let cost = |p: &Part| cx.state.known_market(p.market).quote_units(p.price, p.lots);
        Self {
            units,
            fills: parts.iter().map(|p| (p.market, p.lots, p.price, p.fee)).collect(),
            cost: small(parts.iter().map(cost).sum()),
            fee: small(parts.iter().map(|p| i128::from(p.fee)).sum()),
            excess_before: before,
            excess_after: after.map(|e| small(e.excess())),
            requirement_after: after.map(|e| small(e.requirement)),
            crowd: small(legs::crowd_of(cx.state, account, parts)),
            ..Self::default()
        }
    }
}

/// Runs on a copy of the state that is thrown away.
fn on_a_copy<T>(state: &State, ask: impl FnOnce(&mut Context<'_>) -> T) -> T {
    let (mut copy, mut events, mut scratch) = (state.clone(), EventWriter::silent(), Scratch::default());
    ask(&mut Context { state: &mut copy, events: &mut events, scratch: &mut scratch })
}

type PackageWish = (u64, u64, Vec<i64>, Vec<i64>, Vec<i64>, u8, i64, i64, i64);

fn package(state: &State, wish: &PackageWish) -> Result<Preview, String> {
    let (_, account, markets, lots, prices, limit_kind, net_limit, units, least_units) = wish.clone();
    let account = dense(state, account)?;
    let command = PlacePackage { markets, lots, prices, limit_kind, net_limit, units, least_units, client_id: crate::codec::Bytes::new() };
    let planned = package::read(state, account, &command).and_then(|wish| package::plan(state, &wish).map(|plan| (wish, plan)));
    let (wish, plan) = match planned {
        Ok(planned) => planned,
        Err(refusal) => return Ok(Preview::default().refused(refusal)),
    };
    Ok(on_a_copy(state, |cx| {
        let preview = Preview::of(cx, account, plan.units, &plan.parts);
        match package::check(cx, &wish, &plan) {
            Ok(()) => preview,
            Err(refusal) => preview.refused(refusal),
        }
    }))
}

type SideWish = (u64, u64, Vec<i64>, Vec<i64>, Vec<i64>);

/// One side of a block or of a trade on a quote: lots are the account's.
fn side(state: &State, (_, account, markets, lots, prices): &SideWish) -> Result<Preview, String> {
    let account = dense(state, *account)?;
    let read = legs::read(state, (markets, lots, Some(prices)), 1, 1, false);
    let fits = |legs: Vec<Leg>| {
        bilateral::check_sizes(state, bilateral::Origin::Quote, &legs, 1)?;
        legs::check_sizes(state, account, &legs)?;
        bilateral::check_prices(state, &legs, 3).map(|()| legs)
    };
    let legs = match read.and_then(fits) {
        Ok(legs) => legs,
        Err(refusal) => return Ok(Preview::default().refused(refusal)),
    };
    Ok(on_a_copy(state, |cx| {
        let parts = bilateral::parts(cx.state, &legs);
        let preview = Preview::of(cx, account, 1, &parts);
        let checked = legs::check_side(cx, account, &parts).and_then(|loans| legs::check_pools(cx.state, &loans));
        match checked {
            Ok(()) => preview,
            Err(refusal) => preview.refused(refusal),
        }
    }))
}

/// A block: number, proposer, counterparty, markets, lots, prices, expiry.
type BlockLine = (u64, u64, u64, Vec<i64>, Vec<i64>, Vec<i64>, i64);
/// A request: number, markets, lots, side, expiry, quotes (number, buy prices, sell prices, expiry).
type RequestLine = (u64, Vec<i64>, Vec<i64>, u8, i64, Vec<QuoteLine>);
type QuoteLine = (u64, Vec<i64>, Vec<i64>, i64);

#[derive(Serialize)]
struct Offers {
    blocks: Vec<BlockLine>,
    requests: Vec<RequestLine>,
    /// Request and quote.
    quotes: Vec<(u64, QuoteLine)>,
}

/// What an account has open, or waits for its answer. Work: the open offers of the venue.
fn offers(state: &State, account: u64) -> Result<Offers, String> {
    let dense = dense(state, account)?;
    let (p, id) = (&state.packages, |dense: u32| state.accounts[dense as usize].id);
    let markets = |legs: &[Leg]| legs.iter().map(|l| i64::from(l.market)).collect();
    let lots = |legs: &[Leg]| legs.iter().map(|l| l.lots).collect();
    let line = |(&number, q): (&u64, &crate::state::packages::Quote)| (number, q.buy.clone(), q.sell.clone(), q.expiry_ns);
    let blocks = p.blocks.iter().filter(|(_, b)| b.proposer == dense || b.counterparty == dense).map(|(&number, b)| {
        let prices = b.legs.iter().map(|l| l.price).collect();
        (number, id(b.proposer), id(b.counterparty), markets(&b.legs), lots(&b.legs), prices, b.expiry_ns)
    });
    let own = p.requests.iter().filter(|(_, r)| r.requester == dense);
    let requests = own.map(|(&number, r)| (number, markets(&r.legs), lots(&r.legs), r.side, r.expiry_ns, r.quotes.iter().map(line).collect()));
    let given = p.requests.iter().flat_map(|(&number, r)| r.quotes.iter().filter(|(_, q)| q.maker == dense).map(move |q| (number, line(q))));
    Ok(Offers { blocks: blocks.collect(), requests: requests.collect(), quotes: given.collect() })
}

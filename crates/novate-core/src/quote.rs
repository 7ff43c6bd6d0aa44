//! Requests for quotes: one account asks, makers answer with firm prices, the requester trades on one of them.
//!
//! Responsible for: the lives of requests and quotes (`offer`), who may answer and what each side sees, and the choice of
//! the best quote. A quote is margined when it is given, and both sides again in the command that trades; it reserves
//! nothing. Between consent and trade its maker is not asked: there is no last look.

use crate::bilateral::{self, Origin};
use crate::codec::Header;
use crate::command::{AcceptQuote, CancelQuoteRequest, GiveQuote, RequestQuotes, WithdrawQuote};
use crate::context::Context;
use crate::event::{QuoteEnded, QuoteGiven, QuoteRequestEnded, QuotesRequested};
use crate::legs;
use crate::offer::{self, OfferEvent};
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::state::packages::{Due, Leg, Quote, QuoteRequest};
use crate::units::{Ticks, narrow};

/// The requester buys the package, sells it, or may do either.
const BUY: u8 = 0;
const SELL: u8 = 1;
const EITHER: u8 = 2;

/// Bits of `ConfigurePackages.reveal`.
const REQUESTER: u8 = 1;
const MAKER: u8 = 2;

/// `RequestQuotes`.
///
/// # Errors
/// 201, 306, 401, 418, 460, 461, 464, 467, 468, 470 to 472, 505.
pub fn request(cx: &mut Context<'_>, header: &Header, c: &RequestQuotes) -> Result<(), Refusal> {
    let requester = cx.state.account(header.account)?;
    require(c.side <= EITHER, Reject::side_must_be_known.at(3, i64::from(c.side), 2))?;
    let legs = legs::read(cx.state, (&c.markets, &c.lots, None), 1, 1, true)?;
    legs::one_quote(cx.state, &legs)?;
    offer::check_expiry(cx.state, c.expiry_ns, 4)?;
    bilateral::check_sizes(cx.state, Origin::Quote, &legs, 1)?;
    legs::check_sizes(cx.state, requester, &legs)?;
    let makers = makers(cx.state, requester, &c.makers)?;
    require(cx.state.accounts[requester as usize].liquidation.is_none(), Reject::account_must_not_be_in_liquidation)?;
    let terms = cx.state.packages.terms.as_ref();
    let (most, reveal) = terms.map_or((0, 0), |t| (t.open_requests, t.reveal));
    offer::check_room(offer::open(cx.state, requester).requests, most)?;

    let request = offer::number(cx.state);
    let RequestQuotes { markets, lots, side, expiry_ns, .. } = c.clone();
    let known = QuotesRequested { request, requester: header.account, markets, lots, side, expiry_ns };
    let to_makers = if reveal & REQUESTER == 0 { QuotesRequested { requester: 0, ..known.clone() } } else { known.clone() };
    cx.tell_account(requester, &known);
    if makers.is_empty() {
        cx.tell(&to_makers);
    }
    makers.iter().for_each(|&maker| cx.tell_account(maker, &to_makers));
    let open = QuoteRequest { requester, legs, side, made_ns: cx.state.now, expiry_ns, makers, quotes: std::collections::BTreeMap::new() };
    cx.state.packages.requests.insert(request, open);
    cx.state.packages.due.insert((expiry_ns, Due::Request(request)));
    offer::count(cx.state, requester, |open| open.requests += 1);
    Ok(())
}

/// The accounts asked, ascending and each once.
fn makers(state: &State, requester: u32, named: &[i64]) -> Result<Vec<u32>, Refusal> {
    let most = state.packages.terms.as_ref().map_or(0, |t| t.makers_per_request);
    require(named.len() <= most as usize, Reject::open_offers_must_be_below_limit.at(5, named.len() as i64, i64::from(most)))?;
    let mut makers = Vec::with_capacity(named.len());
    for &id in named {
        let maker = state.account(u64::try_from(id).unwrap_or(0))?;
        bilateral::check_owners(state, requester, maker)?;
        makers.push(maker);
    }
    makers.sort_unstable();
    makers.dedup();
    Ok(makers)
}

fn open_request(state: &State, number: u64) -> Result<&QuoteRequest, Refusal> {
    let found = state.packages.requests.get(&number).filter(|r| r.expiry_ns > state.now && !offer::is_void(state, &r.legs, r.made_ns));
    found.ok_or(Reject::quote_request_must_be_open.at(1, number as i64, 0))
}

/// The requester's legs of one side at a quote's prices.
fn priced(request: &QuoteRequest, side: u8, prices: &[Ticks]) -> Vec<Leg> {
    let sign = if side == SELL { -1 } else { 1 };
    request.legs.iter().zip(prices).map(|(l, &price)| Leg { lots: sign * l.lots, price, ..*l }).collect()
}

/// `GiveQuote`: an earlier quote of the maker for the same request is replaced.
///
/// # Errors
/// 201, 405, 418, 464, 469 to 472, 474, 476, 477, 606, and those of `legs::check_side` for each side quoted.
pub fn give(cx: &mut Context<'_>, header: &Header, c: &GiveQuote) -> Result<(), Refusal> {
    let maker = cx.state.account(header.account)?;
    let request = open_request(cx.state, c.request)?;
    bilateral::check_owners(cx.state, maker, request.requester)?;
    let asked = request.makers.is_empty() || request.makers.contains(&maker);
    require(asked, Reject::maker_must_be_asked.at(1, header.account as i64, 0))?;
    check_form(request, c)?;
    offer::check_expiry(cx.state, c.expiry_ns, 4)?;
    let sides = [(BUY, priced(request, BUY, &c.buy_prices)), (SELL, priced(request, SELL, &c.sell_prices))];
    let earlier = request.quotes.iter().find(|(_, q)| q.maker == maker).map(|(&number, _)| number);
    let (given, requester) = (request.quotes.len() as u32, request.requester);
    let (most, in_all, reveal) = cx.state.packages.terms.as_ref().map_or((0, 0, 0), |t| (t.quotes_per_request, t.open_quotes, t.reveal));
    if earlier.is_none() {
        offer::check_room(given, most)?;
        offer::check_room(offer::open(cx.state, maker).quotes, in_all)?;
    }
    for (_, legs) in sides.iter().filter(|s| !s.1.is_empty()) {
        bilateral::check_prices(cx.state, legs, 2)?;
        let theirs = legs::reversed(legs);
        legs::check_sizes(cx.state, maker, &theirs)?;
        legs::check_side(cx, maker, &bilateral::parts(cx.state, &theirs))?;
    }

    if let Some(earlier) = earlier {
        end_quote(cx, c.request, earlier, OfferEvent::Replace);
    }
    let quote = offer::number(cx.state);
    let GiveQuote { request, buy_prices, sell_prices, expiry_ns } = c.clone();
    let known = QuoteGiven { request, quote, maker: header.account, buy_prices, sell_prices, expiry_ns };
    cx.tell_account(maker, &known);
    cx.tell_account(requester, &QuoteGiven { maker: if reveal & MAKER == 0 { 0 } else { known.maker }, ..known.clone() });
    let live = Quote { maker, buy: known.buy_prices, sell: known.sell_prices, expiry_ns };
    cx.state.packages.requests.get_mut(&request).expect("found open above").quotes.insert(quote, live);
    cx.state.packages.due.insert((expiry_ns, Due::Quote(request, quote)));
    offer::count(cx.state, maker, |open| open.quotes += 1);
    Ok(())
}

/// Every leg of each side it quotes has a price; at least one side, and only sides that were asked for.
fn check_form(request: &QuoteRequest, c: &GiveQuote) -> Result<(), Refusal> {
    let legs = request.legs.len();
    let fits = |prices: &[Ticks], asked: bool| prices.is_empty() || (asked && prices.len() == legs);
    let (buys, sells) = (fits(&c.buy_prices, request.side != SELL), fits(&c.sell_prices, request.side != BUY));
    require(buys, Reject::quote_must_price_each_leg.at(2, c.buy_prices.len() as i64, legs as i64))?;
    require(sells, Reject::quote_must_price_each_leg.at(3, c.sell_prices.len() as i64, legs as i64))?;
    require(!c.buy_prices.is_empty() || !c.sell_prices.is_empty(), Reject::quote_must_price_each_leg.at(2, 0, legs as i64))?;
    let positive = |prices: &[Ticks], field| prices.iter().try_for_each(|&p| require(p > 0, Reject::price_must_be_positive.at(field, p, 1)));
    positive(&c.buy_prices, 2)?;
    positive(&c.sell_prices, 3)
}

/// `AcceptQuote`: the stated quote, or the best one whose maker can take the trade. Better ones that cannot are told to have
/// lapsed.
///
/// # Errors
/// 201, 401, 465, 469, 474, 475, 478, 606, and those of `legs::check_side`.
pub fn accept(cx: &mut Context<'_>, header: &Header, c: &AcceptQuote) -> Result<(), Refusal> {
    let requester = cx.state.account(header.account)?;
    let request = open_request(cx.state, c.request)?;
    require(request.requester == requester, Reject::quote_request_must_be_open.at(1, c.request as i64, 0))?;
    require(c.side == request.side || (request.side == EITHER && c.side < EITHER), Reject::side_must_be_known.at(3, i64::from(c.side), i64::from(request.side)))?;
    let ranked = ranked(cx.state, request, c);
    let mut refused = Err(Reject::quote_must_be_open.at(2, c.quote as i64, 0));
    for (at, (cost, number, maker, legs)) in ranked.iter().enumerate() {
        if *cost > i128::from(c.net_limit) {
            let outside = Reject::package_must_fill_whole.at(4, narrow(*cost).unwrap_or(i64::MAX), c.net_limit);
            return if at == 0 { Err(outside) } else { refused };
        }
        match bilateral::check_prices(cx.state, legs, 2).and_then(|()| bilateral::check(cx, requester, *maker, legs)) {
            Ok(()) => {
                let lapsed: Vec<u64> = ranked[..at].iter().map(|r| r.1).collect();
                trade(cx, c.request, *number, (requester, *maker), legs, &lapsed);
                return Ok(());
            }
            Err(refusal) => refused = Err(refusal),
        }
    }
    refused
}

/// Firm quotes of a side that the command may take, the cheapest for the requester first, then the earliest: cost in quote
/// units, number, maker, and the requester's legs.
fn ranked(state: &State, request: &QuoteRequest, c: &AcceptQuote) -> Vec<(i128, u64, u32, Vec<Leg>)> {
    let firm = request.quotes.iter().filter(|(number, q)| q.expiry_ns > state.now && (c.quote == 0 || **number == c.quote));
    let of_side = firm.map(|(&number, q)| (number, q.maker, if c.side == SELL { &q.sell } else { &q.buy }));
    let quoted = of_side.filter(|(_, _, prices)| !prices.is_empty());
    let cost = |(number, maker, prices): (u64, u32, &Vec<Ticks>)| {
        let legs = priced(request, c.side, prices);
        (legs::net(state, &legs), number, maker, legs)
    };
    let mut found: Vec<_> = quoted.map(cost).collect();
    found.sort_by_key(|f| (f.0, f.1));
    found
}

fn trade(cx: &mut Context<'_>, request: u64, quote: u64, sides: (u32, u32), legs: &[Leg], lapsed: &[u64]) {
    for &number in lapsed {
        end_quote(cx, request, number, OfferEvent::Lapse);
    }
    end_quote(cx, request, quote, OfferEvent::Accept);
    end(cx, request, OfferEvent::Accept);
    bilateral::trade(cx, Origin::Quote, quote, sides, legs);
}

/// `WithdrawQuote`.
///
/// # Errors
/// 201, `quote_must_be_open`.
pub fn withdraw(cx: &mut Context<'_>, header: &Header, c: &WithdrawQuote) -> Result<(), Refusal> {
    let maker = cx.state.account(header.account)?;
    let own = cx.state.packages.requests.get(&c.request).and_then(|r| r.quotes.get(&c.quote)).filter(|q| q.maker == maker);
    require(own.is_some(), Reject::quote_must_be_open.at(2, c.quote as i64, 0))?;
    end_quote(cx, c.request, c.quote, OfferEvent::Withdraw);
    Ok(())
}

/// `CancelQuoteRequest`.
///
/// # Errors
/// 201, `quote_request_must_be_open`.
pub fn cancel(cx: &mut Context<'_>, header: &Header, c: &CancelQuoteRequest) -> Result<(), Refusal> {
    let requester = cx.state.account(header.account)?;
    let request = open_request(cx.state, c.request)?;
    require(request.requester == requester, Reject::quote_request_must_be_open.at(1, c.request as i64, 0))?;
    end(cx, c.request, OfferEvent::Withdraw);
    Ok(())
}

/// A request's time ran out.
pub fn expire_request(cx: &mut Context<'_>, request: u64) {
    end(cx, request, OfferEvent::Expire);
}

/// A quote's time ran out.
pub fn expire(cx: &mut Context<'_>, request: u64, quote: u64) {
    end_quote(cx, request, quote, OfferEvent::Expire);
}

/// Ends the quotes whose maker and requester have come to one owner.
pub fn lapse_own(cx: &mut Context<'_>) {
    let owner = |account: u32| cx.state.accounts[account as usize].owner;
    let of = |(&request, r): (&u64, &QuoteRequest)| {
        r.quotes.iter().filter(|(_, q)| owner(q.maker) == owner(r.requester)).map(|(&quote, _)| (request, quote)).collect::<Vec<_>>()
    };
    let quotes: Vec<(u64, u64)> = cx.state.packages.requests.iter().flat_map(of).collect();
    quotes.into_iter().for_each(|(request, quote)| end_quote(cx, request, quote, OfferEvent::Lapse));
}

/// Ends a request; its quotes lapse with it.
fn end(cx: &mut Context<'_>, number: u64, event: OfferEvent) {
    let Some(request) = cx.state.packages.requests.get(&number) else { return };
    let (requester, expiry_ns) = (request.requester, request.expiry_ns);
    let quotes: Vec<u64> = request.quotes.keys().copied().collect();
    quotes.into_iter().for_each(|quote| end_quote(cx, number, quote, OfferEvent::Lapse));
    cx.state.packages.requests.remove(&number);
    cx.state.packages.due.remove(&(expiry_ns, Due::Request(number)));
    offer::count(cx.state, requester, |open| open.requests -= 1);
    cx.tell_account(requester, &QuoteRequestEnded { request: number, state: offer::ended(event) });
}

fn end_quote(cx: &mut Context<'_>, request: u64, number: u64, event: OfferEvent) {
    let Some(open) = cx.state.packages.requests.get_mut(&request) else { return };
    let Some(quote) = open.quotes.remove(&number) else { return };
    let requester = open.requester;
    cx.state.packages.due.remove(&(quote.expiry_ns, Due::Quote(request, number)));
    offer::count(cx.state, quote.maker, |open| open.quotes -= 1);
    let ended = QuoteEnded { request, quote: number, state: offer::ended(event) };
    cx.tell_account(quote.maker, &ended);
    cx.tell_account(requester, &ended);
}

//! Random corporate actions: announced, scheduled, rehearsed, amended, confirmed, cancelled, run, corrected, paid, while orders,
//! positions, requests, loans and withdrawals are open.

use super::stream::Stream;
use super::venue::Venue;
use super::wire::Event;
use novate_core::command::*;
use novate_core::corporate_action::rehearse;
use novate_core::event::CorporateActionTaken;
use novate_core::margin::{Level, Portfolio, Question, evaluate};
use novate_core::state::State;
use novate_core::state::corporate::ActionState;
use novate_core::units::{PPM, Ratio, SECOND, div_floor, pow10};

/// Names of the underlyings, for a change of name that the words of other steps survive.
const NAMES: [&str; 3] = ["NVDA", "SPY", "BTC"];
/// Keys of two people; before governance any two numbers are.
const PEOPLE: [u64; 2] = [71, 72];

impl Stream {
    /// One random command of the area.
    pub fn corporate_step(&mut self) -> Vec<Event> {
        if !self.actions {
            return Vec::new();
        }
        let open = self.latest(&[ActionState::Scheduled, ActionState::Confirmed]);
        let done = self.latest(&[ActionState::Applied, ActionState::Corrected]);
        match self.chance.range(0, 13) {
            0..=4 => self.schedule(),
            5..=7 => {
                check_rehearsal(&self.venue, open);
                self.by(PEOPLE[1], &ConfirmCorporateAction { action: open })
            }
            8 if self.chance.one_in(3) => self.by(PEOPLE[0], &CancelCorporateAction { action: open }),
            8 | 9 => {
                let booked = self.venue.state().corporate.actions.get(&done).map_or(0, |a| a.booked);
                let amount = self.chance.pick(&[0, booked / 2, booked + booked / 10, booked + 1, 700_000]);
                self.venue.send(0, &CorrectCorporateAction { action: done, amount })
            }
            10 | 11 => self.pay_out(),
            _ => self.reinvest(),
        }
    }

    fn by<B: novate_core::codec::Body>(&mut self, actor: u64, body: &B) -> Vec<Event> {
        let before = std::mem::replace(&mut self.venue.actor, actor);
        let answer = self.venue.send(0, body);
        self.venue.actor = before;
        answer
    }

    fn latest(&self, states: &[ActionState]) -> u64 {
        let actions = &self.venue.state().corporate.actions;
        actions.iter().rev().find(|(_, a)| states.contains(&a.state)).map_or(self.action.max(1), |(&id, _)| id)
    }

    /// New terms, or other terms for one that is open.
    fn schedule(&mut self) -> Vec<Event> {
        self.list_withholding();
        let open = self.latest(&[ActionState::Announced, ActionState::Scheduled, ActionState::Confirmed]);
        let late = self.commands > 800;
        let c = &mut self.chance;
        let action = if c.one_in(4) { open } else { self.action + 1 };
        self.action = self.action.max(action);
        let underlying = c.pick(&[1, 1, 2, 2, 3]);
        let kinds: &[u8] = if late && c.one_in(12) { &[MERGER, DELISTING] } else { &[SPLIT, SPLIT, SPLIT, CASH_DIVIDEND, CASH_DIVIDEND, SPECIAL_DIVIDEND, SPIN_OFF, RIGHTS, SYMBOL_CHANGE] };
        let action_kind = c.pick(kinds);
        let split = action_kind == SPLIT;
        let at = underlying as usize - 1;
        let (price, base) = (self.prices[at], self.bases[at]);
        // Splits go both ways, so that prices stay inside what is listed.
        let ratios: &[(i64, i64)] = if base >= [180_000_000, 680_000_000, 90_000_000_000][at] { &[(7, 1), (10, 1), (3, 2), (2, 1), (20, 3)] } else { &[(1, 10), (1, 7), (2, 3), (1, 2)] };
        let part = price / c.pick(&[1_000, 300, 100, 20]) + 1;
        let (mut ratio, mut amount, mut other) = ((0, 0), 0, 0);
        match action_kind {
            SPLIT => ratio = c.pick(ratios),
            SYMBOL_CHANGE => {}
            DELISTING => amount = if c.one_in(2) { 0 } else { price / 2 },
            SPIN_OFF | MERGER if underlying != 3 && c.one_in(2) => (ratio, other) = ((1, c.range(20, 200)), if underlying == 1 { 2 } else { 1 }),
            MERGER => amount = price + price / 10,
            _ => amount = part,
        }
        let estimated = u8::from(!split && action_kind != SYMBOL_CHANGE && other == 0 && c.one_in(5));
        let token_mode = u8::from(split && underlying != 3 && c.one_in(2));
        let announced = c.one_in(12);
        if token_mode == 1 {
            // Withdrawals would keep their number.
            for withdrawal in self.venue.state().withdrawals.keys().copied().collect::<Vec<u64>>() {
                self.venue.send(0, &SettleWithdrawal { withdrawal });
            }
        }
        let c = &mut self.chance;
        let start = if announced { 0 } else { self.venue.now + c.range(1, 120) * SECOND };
        let end = if announced { 0 } else { start + c.range(1, 1_200) * SECOND };
        let terms = ScheduleCorporateAction {
            action,
            underlying,
            action_kind,
            ratio_new: ratio.0,
            ratio_old: ratio.1,
            amount,
            estimated,
            other_underlying: other,
            token_mode,
            cash_asset: u32::from(token_mode == 1),
            name: if action_kind == SYMBOL_CHANGE { NAMES[at].to_owned() } else { String::new() },
            window_start_ns: start,
            window_end_ns: end,
            correct_until_ns: end + c.range(0, 50_000) * SECOND,
            scale_tolerance_ppm: if split { 20_000 } else { 0 },
            guard_ns: if split { c.range(0, 3_600) * SECOND } else { 0 },
        };
        let mut answer = self.by(PEOPLE[0], &terms);
        let renumbers = token_mode == 1 && start > 0 && self.chance.one_in(2);
        if renumbers {
            self.free_tokens(underlying + 1);
        }
        if renumbers || self.chance.one_in(2) {
            check_rehearsal(&self.venue, action);
            answer.extend(self.by(PEOPLE[1], &ConfirmCorporateAction { action }));
        }
        if renumbers {
            answer.extend(self.wait_for_window(start));
        }
        answer
    }

    /// Loans come back and lenders take their tokens: nothing keeps its number.
    fn free_tokens(&mut self, asset: u32) {
        let stakes = |s: &Self| -> Vec<(u64, i64, i64)> {
            let state = s.venue.state();
            let of = |b: &novate_core::account::Balance| (state.ledger.owed(b), state.ledger.claim(b));
            state.accounts.iter().filter_map(|a| a.balance(asset).map(|b| (a.id, of(b).0, of(b).1))).collect()
        };
        for (account, owed, _) in stakes(self).into_iter().filter(|s| s.1 > 0) {
            self.deposit(account, asset, owed + 5);
        }
        for (account, _, claim) in stakes(self).into_iter().filter(|s| s.2 > 0) {
            self.venue.send(account, &Recall { asset, amount: claim });
        }
    }

    /// The window opens, brokers end what they have, and the action takes effect.
    fn wait_for_window(&mut self, start: i64) -> Vec<Event> {
        self.venue.now = self.venue.now.max(start);
        let mut answer = self.venue.advance(0);
        for (_, order) in self.venue.state().clearing.working.clone() {
            answer.extend(self.venue.send(0, &ReportBrokerCancelled { order }));
        }
        for _ in 0..4 {
            answer.extend(self.venue.advance(0));
        }
        answer
    }

    fn list_withholding(&mut self) {
        if self.venue.state().corporate.token_withholding.is_empty() {
            for (asset, market) in [(2, 0), (3, 0), (0, 1), (0, 3), (0, 5)] {
                let withholding_ppm = self.chance.pick(&[0, 150_000, 300_000, 300_000]);
                self.venue.send(0, &ListWithholding { asset, market, withholding_ppm });
            }
        }
    }

    /// What brokers paid comes in and goes out, all of it or a part.
    fn pay_out(&mut self) -> Vec<Event> {
        let asset = self.chance.pick(&[2, 2, 3]);
        let state = self.venue.state();
        let (due, ended) = (state.ledger.receivable(asset), state.corporate.ended.contains(&(asset - 1)));
        let c = &mut self.chance;
        let released = if c.one_in(3) { due / 2 } else { due };
        let (paid_asset, units) = if c.one_in(4) { (5 - asset, c.range(1, 50_000_000)) } else { (1, 0) };
        let retire = u8::from(ended && c.one_in(2));
        let released = if retire == 1 { released.max(1_000_000_000_000) } else { released };
        // Tokens come from outside, where there are only so many.
        let amount = if paid_asset == 1 { 1 << 42 } else { 1 << 30 };
        self.venue.send(0, &FundDistributions { asset: paid_asset, amount });
        self.venue.send(0, &PayDistribution { asset, paid_asset, released, units, retire })
    }

    fn reinvest(&mut self) -> Vec<Event> {
        let asset = self.chance.pick(&[2, 2, 3]);
        let state = self.venue.state();
        let (due, listed) = (state.ledger.receivable(asset), state.known_asset(asset));
        let underlying = state.known_underlying(listed.terms.underlying);
        let index = i128::from(underlying.price.index().max(1));
        let grown = div_floor(i128::from(due) * pow10(underlying.terms.decimals), index * 1_000) as i64;
        let multiplier_ppb = listed.terms.multiplier_ppb + grown;
        self.venue.send(0, &BookReinvestment { asset, multiplier_ppb, released: due, tolerance_ppm: 20_000 })
    }

    /// What took effect moves the stream's own prices.
    pub fn follow_actions(&mut self, events: &[Event]) {
        for taken in events.iter().filter_map(Event::as_a::<CorporateActionTaken>) {
            let at = taken.underlying as usize - 1;
            if let Some(ratio) = Ratio::new(taken.ratio_new, taken.ratio_old).filter(|_| taken.amount == 0) {
                for price in [&mut self.prices[at], &mut self.bases[at]] {
                    *price = (ratio.inverse().of_nearest(i128::from(*price)) as i64).max(1_000);
                }
            } else if taken.index > 0 {
                self.prices[at] = (self.prices[at] - taken.amount).max(self.bases[at] / 20);
            }
        }
    }
}

/// Equity of every account without its orders, at maintenance and close-out: no cap bounds what counts there.
fn equities(state: &State) -> Vec<[i128; 2]> {
    let mut portfolio = Portfolio::default();
    let mut of = |account: u32| [Level::Maintenance, Level::CloseOut].map(|level| evaluate(state, account, &Question { orders: false, ..Question::at(level) }, &mut portfolio).equity);
    (0..state.accounts.len() as u32).map(&mut of).collect()
}

/// What an account is expected to lose.
#[derive(Default)]
struct Expected {
    /// Withheld of the amount on its perp shares and on its tokens, micro-dollars.
    perps: i128,
    tokens: i128,
    /// What the bound of the perps' premium moves by.
    premium: i128,
    /// Shares (1e-9), and whole tokens and positions, each of which may be 1e-9 share off.
    shares: i128,
    count: i128,
}

fn expected(state: &State, account: u32, terms: &ScheduleCorporateAction, amount: i64) -> Expected {
    let listed = state.known_underlying(terms.underlying);
    let holder = &state.accounts[account as usize];
    let taxed = matches!(terms.action_kind, CASH_DIVIDEND | SPECIAL_DIVIDEND);
    let rate = |list: &std::collections::BTreeMap<u32, i64>, id: u32| if taxed { i128::from(list.get(&id).copied().unwrap_or(0)) } else { 0 };
    let mut found = Expected::default();
    for &market in &listed.perps {
        let count = state.shares_of(state.known_market(market), i128::from(holder.lots(market)));
        found.perps += listed.value_down(count, amount) * rate(&state.corporate.perp_withholding, market) / i128::from(PPM);
        found.premium += listed.value_down(count.abs(), amount) * i128::from(listed.terms.basis_ppm) / i128::from(PPM);
        found.shares += count.abs();
        found.count += i128::from(count != 0);
    }
    for &asset in &listed.assets {
        let Some(balance) = holder.balance(asset) else { continue };
        let units = state.ledger.pledged_and_lent(balance) + i128::from(balance.escrowed);
        let count = state.known_asset(asset).shares(units);
        found.tokens += listed.value_down(count, amount) * rate(&state.corporate.token_withholding, asset) / i128::from(PPM);
        found.shares += count.abs();
        found.count += units.abs() / pow10(state.known_asset(asset).terms.decimals) + 1;
    }
    found
}

/// The action carried out on a copy moves no equity but by what is withheld, to half a price unit a share before or after and
/// a unit per leg; the bound of a perp's premium falls with its index; a new multiplier rounds down by at most 1e-9 share a token.
pub fn check_rehearsal(venue: &Venue, id: u64) -> u32 {
    let before = venue.state();
    let Some(action) = before.corporate.actions.get(&id) else { return 0 };
    let terms = action.terms.clone();
    let mut after = before.clone();
    if rehearse(&mut after, id).is_err() || matches!(terms.action_kind, MERGER | DELISTING) || before.now < terms.window_start_ns - 30 * SECOND {
        return 0;
    }
    // After a long halt no token counts that no perp matches: there is nothing to lose of it.
    let halted = before.known_underlying(terms.underlying).session.halted_for(after.now);
    if before.prices.terms.as_ref().is_some_and(|t| halted >= t.halt_last_ns) {
        return 0;
    }
    // Time goes on to the window, so what time alone changes is the same on both sides.
    let mut waited = before.clone();
    waited.now = after.now;
    let amount = after.corporate.actions[&id].booked;
    let index = i128::from(before.known_underlying(terms.underlying).price.index());
    // A perp pays in its stablecoin, whose price an account's cash may (or, above one, may not) be counted at.
    let off = (before.stablecoin_ppm(before.known_asset(1)) - PPM).abs();
    let mut compared = 0;
    for (account, (was, is)) in equities(&waited).into_iter().zip(equities(&after)).enumerate() {
        let own = expected(before, account as u32, &terms, amount);
        let lost = own.perps + own.tokens;
        let shares = own.shares.max(expected(&after, account as u32, &terms, 0).shares);
        let dearest = index.max(i128::from(after.known_underlying(terms.underlying).price.index()));
        let allowed = shares * 2 / 1_000_000_000 + own.count * dearest / 1_000_000_000 + own.perps.abs() * i128::from(off) / i128::from(PPM) + own.premium + 12;
        // All of it at the stablecoin's price, which is a tenth from one at most.
        let allowed = allowed + allowed / 10;
        for (a, b) in was.into_iter().zip(is) {
            let moved = (b - a + lost).abs();
            assert!(moved <= allowed, "action {id} {terms:?}: account {} had {a}, has {b}, expected to lose {lost}, allowed {allowed}\n{}{}", account + 1, picture(&waited, account, terms.underlying), picture(&after, account, terms.underlying));
            compared += 1;
        }
    }
    let sums = after.clearing_differences();
    assert!(sums.values().all(|s| *s == (0, 0)), "positions and clearing sum to zero after action {id}");
    assert!(after.ledger.conservation(&after.accounts).values().all(|d| *d == 0), "money is conserved by action {id}");
    compared
}

/// What an account has in an underlying, and at what prices it is valued.
pub fn picture(state: &State, account: usize, underlying: u32) -> String {
    let price = &state.known_underlying(underlying).price;
    let (holder, receivable) = (&state.accounts[account], state.ledger.receivables().collect::<Vec<_>>());
    let markets = state.known_underlying(underlying).perps.iter().map(|&m| state.known_market(m).split).collect::<Vec<_>>();
    format!("index {} stable {} external {} {:?}; {:?} {:?} {receivable:?} {markets:?}\n", price.index(), price.stable(), price.last_external(), price.quality(), holder.balances, holder.positions)
}

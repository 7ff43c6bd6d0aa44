//! The language of the scenario tables: one command a line, in the words of a trading desk; balances after; an expected
//! refusal at the end of the line after `!`. `scenarios/README.md` explains it.

mod orders;

use super::venue::{SIZE, STANDARD, Venue};
use super::wire::{self, Event};
use novate_core::account::{AccountState, Position};
use novate_core::codec::{Body, HEADER, Header, VERSION};
use novate_core::command::*;
use novate_core::event::*;
use novate_core::ledger::Party;
use novate_core::order::Side;
use novate_core::price::{Action, Permission, Quality};
use novate_core::reject::REFUSALS;
use novate_core::units::SECOND;
use std::collections::{BTreeMap, BTreeSet};

type Told = Result<(), String>;

/// What a table did.
pub struct Outcome {
    /// Refusals met.
    pub met: BTreeSet<u16>,
    /// Lines run.
    pub lines: usize,
    /// Lines that were not as they say.
    pub wrong: Vec<String>,
}

/// Runs a table.
pub fn run(file: &str, table: &str) -> Outcome {
    let mut script = Script::default();
    let mut wrong = Vec::new();
    for (number, line) in (1..).zip(table.lines()) {
        let line = line.split('#').next().unwrap_or("").trim();
        if !line.is_empty() {
            if let Err(problem) = script.line(line) {
                wrong.push(format!("{file}, line {number}, scenario {}: {line}\n  {problem}", script.title));
            }
            script.lines += 1;
        }
    }
    Outcome { met: script.met, lines: script.lines, wrong }
}

#[derive(Default)]
struct Script {
    title: String,
    venue: Venue,
    people: BTreeMap<String, u64>,
    owners: BTreeMap<String, u32>,
    orders: BTreeMap<String, u64>,
    prices: BTreeMap<u32, i64>,
    references: u64,
    answer: Vec<Event>,
    /// Events since the last line that is a command.
    recent: Vec<Event>,
    met: BTreeSet<u16>,
    lines: usize,
}

fn number(text: &str, decimals: u32) -> Result<i64, String> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part = format!("{part:0<width$}", width = decimals as usize);
    if part.len() > decimals as usize {
        return Err(format!("{text} has more than {decimals} decimals"));
    }
    let value = format!("{whole}{part}").replace(',', "").parse::<i128>().map_err(|_| format!("{text} is not a number"))?;
    i64::try_from(sign * value).map_err(|e| e.to_string())
}

fn span(text: &str) -> Result<i64, String> {
    let (digits, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(format!("{text} is not a span of time")),
    };
    Ok(number(digits, 9)? * unit)
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Told {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}

impl Script {
    fn line(&mut self, line: &str) -> Told {
        let (words, expected) = line.split_once('!').map_or((line, None), |(w, e)| (w, Some(e.trim())));
        let words: Vec<&str> = words.split_whitespace().collect();
        if words[0] == "scenario" {
            self.begin(&words[1..].join(" "));
            return Ok(());
        }
        self.answer.clear();
        if self.assertion(&words)? {
            return Ok(());
        }
        self.command(&words)?;
        super::invariants::hold(&self.venue);
        self.recent = self.answer.clone();
        self.outcome(expected)
    }

    fn begin(&mut self, title: &str) {
        // `scenario .. with ConfigureOrders order_burst=3`: the standard venue but for these fields.
        let venue = match title.split_once(" with ").filter(|(_, but)| wire::definition(but.split(' ').next().unwrap_or("")).is_some()) {
            Some((_, but)) => Venue::standard_but(but),
            None if title.starts_with("empty") => Venue::default(),
            None if title.starts_with("governed") => Venue::governed(),
            None => Venue::standard(),
        };
        *self = Self { title: title.to_owned(), venue, met: std::mem::take(&mut self.met), lines: self.lines, ..Self::default() };
    }

    fn outcome(&mut self, expected: Option<&str>) -> Told {
        let found = self.answer.iter().rev().find_map(Event::refusal);
        self.met.extend(found);
        let name = |n: u16| REFUSALS.iter().find(|r| r.0 == n).map_or("", |r| r.1);
        match (expected, found) {
            (None, None) => Ok(()),
            (None, Some(n)) => {
                let refused: Option<CommandRefused> = self.answer.iter().find_map(Event::as_a);
                Err(format!("refused: {n} {} {refused:?}", name(n)))
            }
            (Some(rule), n) => same(n.map_or("accepted".to_owned(), |n| format!("{n} {}", name(n))), rule.to_owned()),
        }
    }

    // ---- names ----

    fn market(&self, name: &str) -> Result<u32, String> {
        let found = self.venue.state().markets.iter().flatten().find(|m| m.terms.name == name);
        found.map(|m| m.terms.market).ok_or_else(|| format!("no market {name}"))
    }

    fn asset(&self, name: &str) -> Result<u32, String> {
        let found = self.venue.state().assets.iter().flatten().find(|a| a.terms.name == name);
        found.map(|a| a.terms.asset).ok_or_else(|| format!("no asset {name}"))
    }

    fn underlying(&self, name: &str) -> Result<u32, String> {
        let found = self.venue.state().underlyings.iter().flatten().find(|u| u.terms.name == name);
        found.map(|u| u.terms.underlying).ok_or_else(|| format!("no underlying {name}"))
    }

    fn bucket(&self, name: &str) -> Result<u32, String> {
        let found = self.venue.state().buckets.iter().flatten().find(|b| b.terms.name == name);
        found.map(|b| b.terms.bucket).ok_or_else(|| format!("no bucket {name}"))
    }

    fn amount(&self, text: &str, asset: u32) -> Result<i64, String> {
        number(text, self.venue.state().known_asset(asset).terms.decimals)
    }

    /// Shares of a perp, tokens of a spot market, as lots.
    fn lots(&self, text: &str, market: u32) -> Result<i64, String> {
        let listed = self.venue.state().known_market(market);
        let decimals = if listed.is_perp() { 9 } else { self.venue.state().known_asset(listed.terms.base).terms.decimals };
        let (units, split) = (i128::from(number(text, decimals)?), listed.split);
        let (units, lot) = (units * i128::from(split.den), i128::from(listed.terms.lot_size) * i128::from(split.num));
        if units % lot == 0 { Ok((units / lot) as i64) } else { Err(format!("{text} is no whole number of lots")) }
    }

    fn ticks(&self, text: &str, market: u32) -> Result<i64, String> {
        let (price, listed) = (number(text, 6)?, self.venue.state().known_market(market));
        // After a split a tick is no decimal: the text names the tick it rounds to.
        let ticks = listed.ticks_of(price);
        if listed.price_of(ticks) == price { Ok(ticks) } else { Err(format!("{text} is no whole number of ticks")) }
    }

    fn person(&mut self, name: &str) -> u64 {
        let next = self.people.len() as u64 + 1;
        *self.people.entry(name.to_owned()).or_insert(next)
    }

    fn position(&self, account: u64, market: u32) -> Position {
        let holder = &self.venue.state().accounts[self.venue.index(account) as usize];
        holder.position(market).cloned().unwrap_or_default()
    }

    // ---- commands ----

    fn send<B: Body>(&mut self, account: u64, body: &B) -> Told {
        self.answer.extend(self.venue.send(account, body));
        Ok(())
    }

    fn command(&mut self, words: &[&str]) -> Told {
        match *words {
            [name, ..] if wire::definition(name).is_some() => self.raw(0, words),
            ["as", who, ..] => {
                let account = self.person(who);
                self.raw(account, &words[2..])
            }
            ["actor", actor, ..] => {
                let actor = number(actor, 0)? as u64;
                self.raw_by(actor, 0, &words[2..])
            }
            ["by", key, ref rest @ ..] => self.by(key, rest),
            ["from", "now", "on", "by", key] => {
                self.venue.actor = number(key, 0)? as u64;
                Ok(())
            }
            ["proposes", "for", who, ref rest @ ..] => {
                let account = self.person(who);
                self.propose(account, rest)
            }
            ["proposes", ref rest @ ..] => self.propose(0, rest),
            ["terms", ref rest @ ..] => {
                let terms = ChangeTerms { terms: self.wrapped(rest)?.into() };
                self.send(0, &terms)
            }
            ["envelope", what] => self.envelope(what),
            // Time in which no `AdvanceTime` comes.
            ["venue", "sleeps", by] => {
                self.venue.now += span(by)?;
                Ok(())
            }
            ["price", name, price, ref rest @ ..] => self.post(name, price, rest),
            ["time", by, ref rest @ ..] => self.pass(by, rest),
            ["outage", by] => {
                self.venue.now += span(by)?;
                self.raw(0, &["ResumeVenue"])
            }
            ["session", name, session] => {
                let names = ["closed", "pre", "regular", "post", "overnight", "halted"];
                let session = names.iter().position(|n| *n == session).ok_or("no such session")?;
                let underlying = self.underlying(name)?;
                self.answer = self.venue.say(0, &format!("SetSession underlying={underlying} session={session} next_session=2"));
                Ok(())
            }
            ["market", name, "goes", phase, ref span_of @ ..] => {
                let phase = ["open", "cancel-only", "call", "closed"].iter().position(|p| *p == phase).ok_or("no such phase")?;
                let market = self.market(name)?;
                let until = if let ["for", by] = span_of { self.venue.now + span(by)? } else { 0 };
                self.raw(0, &["SetMarketPhase", &format!("market={market} phase={phase} until_ns={until}")])
            }
            ["withdrawal", id, "settles"] => self.raw(0, &["SettleWithdrawal", &format!("withdrawal={id}")]),
            ["withdrawal", id, "is", "voided"] => self.raw(0, &["VoidWithdrawal", &format!("withdrawal={id}")]),
            ["insurance", bucket, "gets", amount, asset] => {
                let (bucket, asset) = (self.bucket(bucket)?, self.asset(asset)?);
                let amount = self.amount(amount, asset)?;
                self.send(0, &FundInsurance { bucket, asset, amount })
            }
            [who, ref deed @ ..] => self.deed(who, deed),
            [] => Ok(()),
        }
    }

    /// `Name field=value ..`, with `like X` for the standard listing of that name as the default of every field.
    fn raw(&mut self, account: u64, words: &[&str]) -> Told {
        let actor = self.venue.actor;
        self.raw_by(actor, account, words)
    }

    fn raw_by(&mut self, actor: u64, account: u64, words: &[&str]) -> Told {
        let (kind, body) = wire::encode(&standard(words)?)?;
        self.answer.extend(self.venue.raw(Header { kind, account, actor, version: VERSION, ..Header::default() }, &body));
        Ok(())
    }

    /// A command of a key: `by 3`, or `by 3/17` with a request number.
    fn by(&mut self, key: &str, words: &[&str]) -> Told {
        let (before, (actor, request)) = (self.venue.actor, key.split_once('/').unwrap_or((key, "0")));
        self.venue.actor = number(actor, 0)? as u64;
        self.venue.request = number(request, 0)? as u64;
        let told = self.command(words);
        (self.venue.actor, self.venue.request) = (before, 0);
        told
    }

    /// Type number and body of a command in words; `terms` before it wraps it in a change of terms.
    fn wrapped(&self, words: &[&str]) -> Result<Vec<u8>, String> {
        let with = |kind: u16, body: Vec<u8>| [kind.to_le_bytes().to_vec(), body].concat();
        if let ["terms", rest @ ..] = words {
            let mut body = Vec::new();
            ChangeTerms { terms: self.wrapped(rest)?.into() }.put(&mut body);
            return Ok(with(ChangeTerms::KIND, body));
        }
        let (kind, body) = wire::encode(&standard(words)?)?;
        Ok(with(kind, body))
    }

    fn propose(&mut self, account: u64, words: &[&str]) -> Told {
        let command = self.wrapped(words)?.into();
        self.send(0, &ProposeChange { account, command, reason: "a test".to_owned() })
    }

    /// Messages that no client would write.
    fn envelope(&mut self, what: &str) -> Told {
        let (kind, mut body) = wire::encode("PlaceOrder market=1")?;
        let header = Header { kind, account: 1, version: VERSION, ..Header::default() };
        let (header, cut) = match what {
            "too-short" => (header, 1),
            "of-unknown-type" => (Header { kind: 9_999, ..header }, 0),
            "of-unknown-version" => (Header { version: 9, ..header }, 0),
            "not-the-fields" => (Header { kind: Deposit::KIND, ..header }, 0),
            "venue-command-of-an-account" => (Header { kind: AdvanceTime::KIND, ..header }, body.len()),
            "from-yesterday" => {
                self.venue.now -= 86_400 * SECOND;
                self.answer = self.venue.advance(0);
                self.venue.now += 86_400 * SECOND;
                return Ok(());
            }
            "from-the-year-2200" => {
                let now = std::mem::replace(&mut self.venue.now, 7_258_118_400 * SECOND);
                self.answer = self.venue.advance(0);
                self.venue.now = now;
                return Ok(());
            }
            "out-of-sequence" => {
                let (sequence, time_ns, length) = (self.venue.engine.sequence() + 5, self.venue.now, HEADER as u32);
                let mut message = Vec::new();
                Header { kind: AdvanceTime::KIND, version: VERSION, length, sequence, time_ns, ..Header::default() }.write(&mut message);
                self.answer = self.venue.apply(&message);
                return Ok(());
            }
            _ => return Err("no such envelope".to_owned()),
        };
        body.truncate(body.len() - cut);
        self.answer = self.venue.raw(header, &body);
        Ok(())
    }

    fn post(&mut self, name: &str, price: &str, rest: &[&str]) -> Told {
        let underlying = self.underlying(name)?;
        let price = number(price, 6)?;
        let (mut from, mut confidence, mut late, mut size, mut kind) = (None, 1_000_000, 0, SIZE, 0);
        for pair in rest.chunks(2) {
            match *pair {
                ["from", source] => from = Some(number(source, 0)? as u32),
                ["confidence", c] => confidence = number(c, 6)? as u32,
                ["dated", by] => late = span(by)?,
                ["early", by] => late = -span(by)?,
                ["sized", dollars] => size = number(dollars, 6)?,
                ["kind", name] => kind = ["quote", "trade", "value"].iter().position(|k| *k == name).ok_or("no such kind of price")?,
                _ => return Err("a price has `from`, `confidence`, `dated`, `early`, `sized` or `kind`".to_owned()),
            }
        }
        self.prices.insert(underlying, price);
        if rest.is_empty() {
            self.answer = self.venue.price(underlying, price);
            return Ok(());
        }
        for source in from.map_or(vec![1, 2, 3], |s| vec![s]) {
            let time = self.venue.now - late;
            self.answer.extend(self.venue.say(0, &format!(
                "PostPrice underlying={underlying} source={source} price={price} confidence_ppm={confidence} venue_time_ns={time} size={size} price_kind={kind}"
            )));
        }
        Ok(())
    }

    /// `time 1h`, `time 1h by 60s` in steps, `.. live` with the last prices posted again before each step.
    fn pass(&mut self, by: &str, rest: &[&str]) -> Told {
        let whole = span(by)?;
        let step = if let ["by", step, ..] = rest { span(step)? } else { whole };
        let live = rest.last() == Some(&"live");
        for _ in 0..whole / step {
            self.venue.now += step;
            if live {
                for (underlying, price) in self.prices.clone() {
                    self.answer.extend(self.venue.price(underlying, price));
                }
            }
            self.answer.extend(self.venue.advance(0));
        }
        Ok(())
    }

    fn deed(&mut self, who: &str, deed: &[&str]) -> Told {
        let account = self.person(who);
        match *deed {
            ["opens", "an", "account"] => {
                let name = who.split('/').next().unwrap_or(who).to_owned();
                let next = self.owners.len() as u32 + 1;
                let owner = *self.owners.entry(name).or_insert(next);
                self.send(account, &OpenAccount { owner })
            }
            ["deposits", amount, asset, ref rest @ ..] => {
                let asset = self.asset(asset)?;
                self.references += 1;
                let reference = if let ["ref", r] = rest { number(r, 0)? as u64 } else { self.references };
                let amount = self.amount(amount, asset)?;
                self.send(account, &Deposit { asset, amount, reference })
            }
            [verb @ ("withdraws" | "lends" | "recalls"), amount, asset] => {
                let asset = self.asset(asset)?;
                let amount = self.amount(amount, asset)?;
                match verb {
                    "withdraws" => self.send(account, &RequestWithdrawal { asset, amount }),
                    "lends" => self.send(account, &Lend { asset, amount }),
                    _ => self.send(account, &Recall { asset, amount }),
                }
            }
            ["transfers", amount, asset, "to", other] => {
                let (asset, to) = (self.asset(asset)?, self.person(other));
                let amount = self.amount(amount, asset)?;
                self.send(account, &Transfer { to, asset, amount })
            }
            ["arms", by] => self.send(account, &CancelAfter { span_ns: if by == "off" { 0 } else { span(by)? } }),
            ["batches", ref legs @ ..] => {
                let mut bytes = Vec::new();
                for leg in legs.join(" ").split('|') {
                    let (kind, body) = wire::encode(leg.trim())?;
                    bytes.extend_from_slice(&kind.to_le_bytes());
                    bytes.extend_from_slice(&body);
                }
                self.send(account, &OrderBatch { legs: bytes.into() })
            }
            [verb @ ("buys" | "sells"), size, market, "every", interval, "for", whole, ref terms @ ..] => self.twap(account, verb, [size, market, interval, whole], terms),
            [verb @ ("buys" | "sells"), size, market, "at", price, ref terms @ ..] => self.order(account, verb, size, market, price, terms),
            ["cancels", "all", ref market @ ..] => {
                let market = market.first().map_or(Ok(0), |m| self.market(m))?;
                self.send(account, &CancelAll { market })
            }
            ["cancels", name] => {
                let order = self.orders.get(name).copied().unwrap_or(12_345);
                self.send(account, &CancelOrder { order, client_id: [0; 16] })
            }
            ["cancels", "client", id] => self.raw(account, &["CancelOrder", &format!("client_id={id}")]),
            ["amends", name, ref to @ ..] => {
                let order = self.orders.get(name).copied().ok_or("no order of that name")?;
                let slot = self.venue.state().orders.get(order);
                let market = slot.map_or(1, |s| self.venue.state().orders.order(s).market());
                let (mut price, mut lots) = (0, 0);
                for pair in to.chunks(2) {
                    match *pair {
                        ["to", size] => lots = self.lots(size, market)?,
                        ["at", at] => price = self.ticks(at, market)?,
                        _ => return Err("an amendment is `to SIZE` or `at PRICE`".to_owned()),
                    }
                }
                self.send(account, &AmendOrder { order, client_id: [0; 16], price, lots })
            }
            _ => Err("nobody does that".to_owned()),
        }
    }

    // ---- what must be true now ----

    fn assertion(&mut self, words: &[&str]) -> Result<bool, String> {
        match *words {
            ["happened", event, ref rest @ ..] => self.happened(event, rest).and_then(|n| if n > 0 { Ok(true) } else { Err(format!("it did not; what did: {}", self.told())) }),
            ["never", event, ref rest @ ..] => self.happened(event, rest).and_then(|n| if n == 0 { Ok(true) } else { Err(format!("it did: {}", self.told())) }),
            ["book", market, side, ref levels @ ..] => self.book(market, side, levels).map(|()| true),
            ["index", name, price, quality] => {
                let state = &self.venue.state().known_underlying(self.underlying(name)?).price;
                let qualities = [Quality::Live, Quality::Degraded, Quality::Suspect, Quality::Stale, Quality::Closed, Quality::Halted];
                let expected = ["live", "degraded", "suspect", "stale", "closed", "halted"].iter().position(|q| *q == quality).ok_or("no such quality")?;
                same((state.index(), state.quality()), (number(price, 6)?, qualities[expected])).map(|()| true)
            }
            ["gate", name, cells] => {
                let price = &self.venue.state().known_underlying(self.underlying(name)?).price;
                same(ACTIONS.map(|action| letter(price.permission(action))).iter().collect::<String>(), cells.to_owned()).map(|()| true)
            }
            ["stable", name, price] => {
                let found = self.venue.state().known_underlying(self.underlying(name)?).price.stable();
                same(found, number(price, 6)?).map(|()| true)
            }
            ["mark", name, price] => same(self.venue.state().known_market(self.market(name)?).mark.mark(), number(price, 6)?).map(|()| true),
            [party @ ("fees" | "rounding" | "custody" | "reserve" | "pending" | "treasury"), "are" | "is", amount, asset] => {
                let asset = self.asset(asset)?;
                let party = match party {
                    "fees" => Party::Fees,
                    "rounding" => Party::Rounding,
                    "custody" => Party::Custody,
                    "reserve" => Party::Reserve,
                    "treasury" => Party::Treasury,
                    _ => Party::Pending,
                };
                same(self.venue.state().ledger.venue(party, asset), self.amount(amount, asset)?)?;
                Ok(true)
            }
            ["insurance", bucket, "is", amount, asset] => {
                let (bucket, asset) = (self.bucket(bucket)?, self.asset(asset)?);
                same(self.venue.state().ledger.venue(Party::Insurance(bucket), asset), self.amount(amount, asset)?).map(|()| true)
            }
            ["clearing", market, "is", amount] => {
                let market = self.market(market)?;
                let quote = self.venue.state().known_market(market).terms.quote;
                same(self.venue.state().ledger.venue(Party::Clearing(market), quote), self.amount(amount, quote)?).map(|()| true)
            }
            [who, ref claim @ ..] if self.people.contains_key(who) => {
                let account = self.people[who];
                if self.venue.state().account(account).is_err() { Ok(false) } else { self.claim(account, claim) }
            }
            _ => Ok(false),
        }
    }

    fn claim(&mut self, account: u64, words: &[&str]) -> Result<bool, String> {
        let index = self.venue.index(account) as usize;
        let holder = self.venue.state().accounts[index].clone();
        let balance = |asset: u32| holder.balance(asset).cloned().unwrap_or_default();
        match *words {
            ["has", count, "orders"] => {
                let found = self.venue.state().orders.of_account(holder.orders).count();
                same(found as i64, number(count, 0)?)?;
            }
            ["has", amount, asset] => {
                let asset = self.asset(asset)?;
                same(balance(asset).pledged, self.amount(amount, asset)?)?;
            }
            ["has", "lent", amount, asset] => {
                let asset = self.asset(asset)?;
                same(balance(asset).lent, self.amount(amount, asset)?)?;
            }
            ["has", "held", amount, asset] => {
                let asset = self.asset(asset)?;
                same(balance(asset).held, self.amount(amount, asset)?)?;
            }
            ["has", "reserved", amount, asset] => {
                let asset = self.asset(asset)?;
                same(balance(asset).reserved, self.amount(amount, asset)?)?;
            }
            ["has", "admitted", amount, asset] => {
                let asset = self.asset(asset)?;
                same(balance(asset).admitted, self.amount(amount, asset)?)?;
            }
            ["holds", size, market] => {
                let market = self.market(market)?;
                same(holder.lots(market), self.lots(size, market)?)?;
            }
            [kind @ ("claims" | "owes"), amount, "on", market] => {
                let market = self.market(market)?;
                let quote = self.venue.state().known_market(market).terms.quote;
                let p = self.position(account, market);
                same(if kind == "claims" { p.claim() } else { p.debt() }, self.amount(amount, quote)?)?;
            }
            ["is", state @ ("green" | "yellow" | "orange" | "red" | "black")] => {
                let states = [AccountState::Green, AccountState::Yellow, AccountState::Orange, AccountState::Red, AccountState::Black];
                let at = ["green", "yellow", "orange", "red", "black"].iter().position(|s| *s == state).unwrap_or(0);
                same(holder.state, states[at])?;
            }
            ["is", "below", "close-out", "adrift"] => same(holder.drift_breach_since_ns != 0, true)?,
            ["is", "in", "liquidation"] => same(holder.liquidation.is_some(), true)?,
            ["is", "not", "in", "liquidation"] => same(holder.liquidation.is_some(), false)?,
            ["needs", amount, "at", level] => {
                let found = self.venue.evaluate(account, &novate_core::margin::Question::at(level_of(level)?)).requirement;
                same(found, i128::from(number(amount, 6)?))?;
            }
            ["is", "worth", amount, "at", level] => {
                let found = self.venue.evaluate(account, &novate_core::margin::Question::at(level_of(level)?)).equity;
                same(found, i128::from(number(amount, 6)?))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn book(&self, market: &str, side: &str, levels: &[&str]) -> Told {
        let market = self.market(market)?;
        let side = if side == "bids" { Side::Bid } else { Side::Ask };
        let found: Vec<(i64, i64)> = self.venue.state().known_market(market).book.levels(side, 100).collect();
        let expected: Result<Vec<(i64, i64)>, String> = levels.iter().filter(|l| **l != "none").map(|level| {
            let (size, price) = level.split_once('@').ok_or("a level is SIZE@PRICE")?;
            Ok((self.ticks(price, market)?, self.lots(size, market)?))
        }).collect();
        same(found, expected?)
    }

    /// The last command's events in words.
    fn told(&self) -> String {
        let one = |e: &Event| {
            let definition = wire::event_of(e.header.kind)?;
            let fields: Vec<String> = wire::fields(&definition, &e.body).iter().map(|(f, v)| format!("{f}={v}")).collect();
            Some(format!("\n    {} for {} {}", definition.name, e.header.account, fields.join(" ")))
        };
        self.recent.iter().filter_map(one).collect()
    }

    /// How often an event of that name (with `for`, of that person; with `field=value`, with those fields) came with the
    /// last command.
    fn happened(&self, event: &str, rest: &[&str]) -> Result<usize, String> {
        let definition = wire::event_definition(event).ok_or_else(|| format!("no event is called {event}"))?;
        let (account, wanted) = match rest {
            ["for", who, wanted @ ..] => (Some(*self.people.get(*who).ok_or("nobody of that name")?), wanted),
            wanted => (None, wanted),
        };
        let wanted: Vec<(&str, &str)> = wanted.iter().map(|w| w.split_once('=').ok_or_else(|| format!("{w} is not field=value"))).collect::<Result<_, _>>()?;
        if let Some((unknown, _)) = wanted.iter().find(|(f, _)| definition.fields.iter().all(|(n, _)| n != f)) {
            return Err(format!("{event} has no field {unknown}"));
        }
        let named = self.recent.iter().filter(|e| e.header.kind == definition.kind && account.is_none_or(|a| e.header.account == a));
        let fits = |e: &&Event| {
            let found = wire::fields(&definition, &e.body);
            wanted.iter().all(|(field, value)| found.iter().any(|(f, v)| f == field && v == value))
        };
        Ok(named.filter(fits).count())
    }
}

const ACTIONS: [Action; 8] =
    [Action::Open, Action::Reduce, Action::Withdraw, Action::Borrow, Action::Liquidate, Action::Fund, Action::Mint, Action::Redeem];

const fn letter(permission: Permission) -> char {
    match permission {
        Permission::Yes => 'Y',
        Permission::No => 'N',
        Permission::Slower => 'S',
        Permission::Bounded => 'B',
        Permission::Queued => 'Q',
    }
}

/// A command in words, `like X` replaced by the standard listing of that name.
fn standard(words: &[&str]) -> Result<String, String> {
    let [name, "like", model, rest @ ..] = words else { return Ok(words.join(" ")) };
    let line = STANDARD.lines().find(|l| l.starts_with(&format!("{name} ")) && (*model == "standard" || l.contains(&format!(" name={model} "))));
    Ok(format!("{} {}", line.ok_or_else(|| format!("no {name} is called {model}"))?, rest.join(" ")))
}

fn level_of(name: &str) -> Result<novate_core::margin::Level, String> {
    use novate_core::margin::Level;
    Ok(match name {
        "initial" => Level::Initial,
        "liquidation-end" => Level::LiquidationEnd,
        "maintenance" => Level::Maintenance,
        "close-out" => Level::CloseOut,
        _ => return Err(format!("no level is called {name}")),
    })
}


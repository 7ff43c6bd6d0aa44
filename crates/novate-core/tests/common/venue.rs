//! An engine with the pen in hand: stamps sequence and time, sends one command, reads its events.

use super::wire::{self, Event};
use novate_core::authority::{self, Authority};
use novate_core::codec::{Body, HEADER, Header, VERSION};
use novate_core::command::{AdvanceTime, Command, PostPrice};
use novate_core::engine::Engine;
use novate_core::margin::{Evaluation, Level, Portfolio, Question, evaluate};
use novate_core::state::State;
use novate_core::state::governance::Role;
use novate_core::units::SECOND;

/// The listings of the standard venue, one command a line.
pub const STANDARD: &str = include_str!("../scenarios/venue.txt");
/// Keys, roles and parameters of a governed venue.
pub const GOVERNED: &str = include_str!("../scenarios/governed.txt");
/// Journal time of the first command: 2026-03-02 14:30 UTC, a Monday's regular session.
pub const START: i64 = 1_772_461_800 * SECOND;

/// Micro-dollars behind every posted price: a hundred thousand dollars.
pub const SIZE: i64 = 100_000_000_000;

/// The venue under test.
#[derive(Clone)]
pub struct Venue {
    pub engine: Engine,
    pub now: i64,
    /// The last message sent, header included.
    pub message: Vec<u8>,
    /// Every message since a test began to keep them, and its answer.
    pub kept: Option<Vec<(Vec<u8>, Vec<Event>)>>,
    /// Sequence of each account's last event.
    pub account_sequences: std::collections::BTreeMap<u64, u64>,
    /// Key and request that commands carry.
    pub actor: u64,
    pub request: u64,
    /// Whether commands without a key get one whose person may send them: 100 and the account, or one of the venue's.
    pub keys: bool,
}

impl Default for Venue {
    fn default() -> Self {
        Self { engine: Engine::new(), now: START, message: Vec::new(), kept: None, account_sequences: std::collections::BTreeMap::new(), actor: 0, request: 0, keys: false }
    }
}

impl Venue {
    /// The standard venue: everything listed, every session regular, no price yet.
    pub fn standard() -> Self {
        Self::standard_but("")
    }

    /// The standard venue with other fields in one of its listings: `ConfigureOrders order_burst=3`, or with the name that
    /// the listing says (`ListMarket name=NVDA-PERP opens_by_auction=1`).
    pub fn standard_but(but: &str) -> Self {
        let (command, fields) = but.split_once(' ').unwrap_or((but, ""));
        let name = fields.split(' ').find(|f| f.starts_with("name=")).unwrap_or("");
        let mut venue = Self::default();
        for line in STANDARD.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
            let meant = !but.is_empty() && line.starts_with(&format!("{command} ")) && line.contains(name);
            if meant { venue.tell(&format!("{line} {fields}")) } else { venue.tell(line) }
        }
        for underlying in 1..=4 {
            venue.tell(&format!("SetSession underlying={underlying} session=2 next_session=2"));
        }
        venue
    }

    /// The standard venue under governance: `scenarios/governed.txt` after its listings. Key 9 is the keeper's.
    pub fn governed() -> Self {
        let mut venue = Self::standard();
        for line in GOVERNED.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
            venue.tell(line);
        }
        venue.actor = 9;
        venue
    }

    /// A venue command in words; panics when it is refused.
    pub fn tell(&mut self, line: &str) {
        let answer = self.say(0, line);
        assert!(answer.iter().all(|e| e.refusal().is_none()), "{line}: refused {:?}", answer.last().and_then(Event::refusal));
    }

    /// A command in words.
    pub fn say(&mut self, account: u64, line: &str) -> Vec<Event> {
        let (kind, body) = wire::encode(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        self.raw(Header { kind, account, version: VERSION, ..Header::default() }, &body)
    }

    /// A command.
    pub fn send<B: Body>(&mut self, account: u64, body: &B) -> Vec<Event> {
        let mut bytes = Vec::new();
        body.put(&mut bytes);
        self.raw(Header { kind: B::KIND, account, version: VERSION, ..Header::default() }, &bytes)
    }

    /// Any bytes under any header; sequence, time and length are filled in. Checks the events' numbering.
    pub fn raw(&mut self, header: Header, body: &[u8]) -> Vec<Event> {
        self.message.clear();
        let sequence = self.engine.sequence() + 1;
        let length = (HEADER + body.len()) as u32;
        let asked = if header.actor == 0 { self.actor } else { header.actor };
        let (actor, request) = (if asked == 0 && self.keys { key_for(&header, body) } else { asked }, self.request);
        Header { length, sequence, actor, request, time_ns: self.now, ..header }.write(&mut self.message);
        self.message.extend_from_slice(body);
        let message = std::mem::take(&mut self.message);
        let answer = self.apply(&message);
        if let Some(kept) = &mut self.kept {
            kept.push((message.clone(), answer.clone()));
        }
        self.message = message;
        answer
    }

    /// A whole message as it is.
    pub fn apply(&mut self, message: &[u8]) -> Vec<Event> {
        let mut out = Vec::new();
        self.engine.apply(message, &mut out).expect("the framing is right");
        let answer = wire::events(&out);
        let sequence = Header::read(message).expect("a header").sequence;
        for (index, event) in answer.iter().enumerate() {
            assert_eq!((event.index as usize, event.header.sequence), (index, sequence), "events of a command are numbered from 0");
            assert_eq!(event.last, index + 1 == answer.len(), "the last event says so");
            if event.header.account != 0 && event.account_sequence != 0 {
                let last = self.account_sequences.entry(event.header.account).or_default();
                assert_eq!(event.account_sequence, *last + 1, "an account's events have no gap");
                *last += 1;
            }
        }
        answer
    }

    /// Lets time pass in one step.
    pub fn advance(&mut self, nanos: i64) -> Vec<Event> {
        self.now += nanos;
        self.send(0, &AdvanceTime {})
    }

    /// All three (or the one) sources post a price in micro-dollars.
    pub fn price(&mut self, underlying: u32, price: i64) -> Vec<Event> {
        let sources = if underlying == 4 { 1 } else { 3 };
        (1..=sources).flat_map(|source| self.quote(underlying, source, price, 1_000_000)).collect()
    }

    /// One source posts.
    pub fn quote(&mut self, underlying: u32, source: u32, price: i64, confidence_ppm: u32) -> Vec<Event> {
        let post = PostPrice {
            underlying,
            source,
            price,
            confidence_ppm,
            price_kind: 0,
            reserved0: 0,
            reserved1: 0,
            venue_time_ns: self.now,
            size: SIZE,
            raw_hash: [0; 16],
        };
        self.send(0, &post)
    }

    /// The state.
    pub fn state(&self) -> &State {
        self.engine.state()
    }

    /// Dense index of an account that is open.
    pub fn index(&self, account: u64) -> u32 {
        self.state().account(account).expect("the account is open")
    }

    /// Evaluates an account.
    pub fn evaluate(&self, account: u64, question: &Question<'_>) -> Evaluation {
        evaluate(self.state(), self.index(account), question, &mut Portfolio::default())
    }

    /// Excess at a level, open orders counted.
    pub fn excess(&self, account: u64, level: Level) -> i128 {
        self.evaluate(account, &Question::at(level)).excess()
    }
}

/// A key of `scenarios/governed.txt` (or 100 and the account) that may send the command.
fn key_for(header: &Header, body: &[u8]) -> u64 {
    let Ok(command) = Command::take(header, body) else { return 0 };
    match authority::of(&command) {
        Authority::Account(..) => 100 + header.account,
        Authority::AccountOrChange(..) if header.account != 0 => 100 + header.account,
        Authority::Fact => 9,
        Authority::Staff(roles) if roles.contains(&Role::Treasurer) => 6,
        Authority::Staff(roles) if !roles.contains(&Role::Operator) => 4,
        _ => 1,
    }
}

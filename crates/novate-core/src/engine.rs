//! The engine: commands in, events out, one at a time, in order.
//!
//! Responsible for: framing of a buffer, the order of commands, and the check of touched accounts at the end of
//! each. Never reads a clock, a file or a random number; the same commands give the same state on any machine.

use crate::codec::{Body, HEADER, Header, digest};
use crate::command::{AmendOrder, CancelAll, CancelOrder, EnterRelease, PlaceOrder, PlaceOrderFull};
use crate::context::{Context, Scratch};
use crate::dispatch::{dispatch, handle};
use crate::event::{CommandRefused, EventWriter};
use crate::governance::effect;
use crate::lookahead::Lookahead;
use crate::reject::{Refusal, Reject, require};
use crate::state::State;
use crate::{clearing, ladder, lending, query, snapshot};
use std::collections::BTreeMap;
use std::fmt;

/// The buffer's framing is wrong; nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadBuffer {
    /// Byte offset of the message at fault.
    pub offset: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl fmt::Display for BadBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "buffer refused at byte {}: {}; nothing was applied", self.offset, self.problem)
    }
}

/// A venue.
#[derive(Debug, Default)]
pub struct Engine {
    state: State,
    scratch: Scratch,
    /// Commands to answer without applying, with the digest of their message; read from the journal before its replay.
    quarantined: BTreeMap<u64, [u8; 32]>,
    /// A rehearsal: the command of this sequence panics.
    rehearsal: Option<u64>,
    /// The command that is being applied; after a panic, the one that caused it.
    applying: Option<u64>,
}

impl Clone for Engine {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), quarantined: self.quarantined.clone(), ..Self::default() }
    }
}

impl Engine {
    /// An empty venue before its first command.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies every message of `input` and appends their events to `out`.
    ///
    /// # Errors
    /// `BadBuffer` when the lengths do not add up; then nothing was applied. A command that breaks a rule is no error:
    /// its answer is a `CommandRefused` event.
    pub fn apply(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), BadBuffer> {
        check_framing(input)?;
        let mut events = EventWriter::new(std::mem::take(out));
        self.apply_all(input, &mut events);
        *out = events.into_bytes();
        Ok(())
    }

    /// Applies every message of `input` as `apply` does, and tells nobody: what a replay wants.
    ///
    /// # Errors
    /// As `apply`.
    pub fn replay(&mut self, input: &[u8]) -> Result<(), BadBuffer> {
        check_framing(input)?;
        self.apply_all(input, &mut EventWriter::silent());
        Ok(())
    }

    fn apply_all(&mut self, input: &[u8], events: &mut EventWriter) {
        let (mut rest, mut ahead) = (input, Lookahead::over(input, &self.state));
        while let Some(header) = Header::read(rest) {
            let (message, tail) = rest.split_at(header.length as usize);
            if let Some(ahead) = &mut ahead {
                ahead.step(&self.state);
            }
            self.apply_one(header, message, events);
            rest = tail;
        }
    }

    /// Answers the commands of these sequences without applying them, as long as their message has the digest. A panic made the
    /// engine unusable at them; two people said so in the journal.
    pub fn quarantine(&mut self, sequence: u64, digest: [u8; 32]) {
        self.quarantined.insert(sequence, digest);
    }

    /// Sequences answered unapplied that two people have not confirmed: at the end of a journal there must be none.
    #[must_use]
    pub fn unconfirmed(&self) -> Vec<u64> {
        let governance = &self.state.governance;
        let confirmed = |s: &u64| governance.quarantined.get(s).is_some_and(|q| q.people.len() >= 2);
        governance.skipped.iter().copied().filter(|s| !confirmed(s)).collect()
    }

    /// Evaluates every order from now on, also where the account's cushion says enough. The outcome is the same; for tests and
    /// comparisons.
    pub fn evaluate_always(&mut self) {
        self.state.lull.turn_off();
    }

    /// Orders that were taken without an evaluation since this engine was made.
    #[must_use]
    pub const fn orders_spared(&self) -> u64 {
        self.scratch.spared
    }

    /// Looks at an account, after a command that touched it or in the sweep, that found it green without an evaluation.
    #[must_use]
    pub const fn checks_spared(&self) -> u64 {
        self.scratch.passed
    }

    /// Rehearses the way back from a panic: the command of this sequence panics, once it is applied. Not part of the state.
    pub fn rehearse_panic(&mut self, sequence: u64) {
        self.rehearsal = Some(sequence);
    }

    /// The command inside which a panic left this engine unusable.
    #[must_use]
    pub fn failed(&self) -> Option<u64> {
        self.applying
    }

    /// Whether this message is quarantined.
    fn is_quarantined(&self, header: &Header, message: &[u8]) -> bool {
        self.quarantined.get(&header.sequence).is_some_and(|named| *named == digest(message))
    }

    fn apply_one(&mut self, header: Header, message: &[u8], events: &mut EventWriter) {
        self.applying = Some(header.sequence);
        let body = &message[HEADER..];
        let quarantined = !self.quarantined.is_empty() && self.is_quarantined(&header, message);
        assert!(quarantined || self.rehearsal != Some(header.sequence), "rehearsed panic of command {}", header.sequence);
        self.scratch.state_before = (header.kind == EnterRelease::KIND).then(|| snapshot::hash(&self.state));
        events.begin(header);
        self.scratch.touched.clear();
        self.scratch.deleveraged = false;
        let is_order = matches!(header.kind, PlaceOrder::KIND | PlaceOrderFull::KIND | CancelOrder::KIND | AmendOrder::KIND | CancelAll::KIND);
        self.state.lull.begin(is_order, header.time_ns);
        let mut cx = Context { state: &mut self.state, events, scratch: &mut self.scratch };
        let act = |cx: &mut Context<'_>| if quarantined { skip(cx, &header) } else { dispatch(cx, &header, body) };
        if let Err(refusal) = sequenced(&mut cx, &header).and_then(|()| act(&mut cx)) {
            refuse(&mut cx, &header, &refusal);
        }
        clearing::hedged::of_fills(&mut cx);
        clearing::unwind::of_touched(&mut cx);
        let mut touched = std::mem::take(&mut cx.scratch.touched);
        for &account in &touched {
            ladder::check(&mut cx, account);
        }
        lending::tell_interest(&mut cx);
        touched.clear();
        cx.scratch.touched = touched;
        cx.events.finish();
        self.applying = None;
    }

    /// Answers a MessagePack question; see `query`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the request.
    pub fn query(&self, request: &[u8]) -> Result<Vec<u8>, String> {
        match query::number(request)? {
            effect::EFFECT => effect::answer(&self.state, request, handle),
            _ => query::answer(&self.state, request),
        }
    }

    /// The whole state as bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        snapshot::write(&self.state)
    }

    /// A venue that continues where the snapshot was taken.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the bytes.
    pub fn restore(bytes: &[u8]) -> Result<Self, String> {
        Ok(Self { state: snapshot::read(bytes)?, ..Self::default() })
    }

    /// BLAKE3 of the state.
    #[must_use]
    pub fn state_hash(&self) -> [u8; 32] {
        snapshot::hash(&self.state)
    }

    /// Sequence of the last command.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.state.sequence
    }

    /// Journal time of the last command.
    #[must_use]
    pub fn time_ns(&self) -> i64 {
        self.state.now
    }

    /// Per asset, custody less everything owed: zero, always.
    #[must_use]
    pub fn conservation(&self) -> Vec<(u32, i128)> {
        let mut differences = self.state.ledger.conservation(&self.state.accounts);
        for asset in self.state.assets.iter().flatten() {
            differences.entry(asset.terms.asset).or_default();
        }
        differences.into_iter().collect()
    }

    /// The state, for readers inside the crate's tests and benchmarks.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }
}

fn check_framing(input: &[u8]) -> Result<(), BadBuffer> {
    let mut offset = 0;
    while offset < input.len() {
        let bad = |problem| BadBuffer { offset, problem };
        let header = Header::read(&input[offset..]).ok_or_else(|| bad("a header has 48 bytes"))?;
        let length = header.length as usize;
        if length < HEADER {
            return Err(bad("the length is shorter than a header"));
        }
        if length > input.len() - offset {
            return Err(bad("the length is beyond the buffer"));
        }
        offset += length;
    }
    Ok(())
}

/// 2200-01-01, in nanoseconds since 1970: 62 years before the end of the integer, longer than any parameter of time.
const TIME_LIMIT_NS: i64 = 7_258_118_400_000_000_000;

/// Order and time of the journal. A refused command still takes its sequence.
fn sequenced(cx: &mut Context<'_>, header: &Header) -> Result<(), Refusal> {
    let next = cx.state.sequence + 1;
    require(header.sequence == next, Reject::sequence_must_be_next.at(0, header.sequence as i64, next as i64))?;
    cx.state.sequence = next;
    require(header.time_ns >= cx.state.now, Reject::time_must_not_run_backwards.at(0, header.time_ns, cx.state.now))?;
    require(header.time_ns < TIME_LIMIT_NS, Reject::time_must_leave_room_for_deadlines.at(0, header.time_ns, TIME_LIMIT_NS))?;
    cx.state.prices.before_ns = cx.state.now;
    cx.state.now = header.time_ns;
    Ok(())
}

/// A quarantined command takes its sequence and its time, nothing else.
fn skip(cx: &mut Context<'_>, header: &Header) -> Result<(), Refusal> {
    cx.state.governance.skipped.push(header.sequence);
    Err(Reject::command_quarantined.into())
}

fn refuse(cx: &mut Context<'_>, header: &Header, refusal: &Refusal) {
    let event = CommandRefused {
        code: refusal.code as u16,
        command: header.kind,
        field: refusal.field,
        retry: u16::from(refusal.code.retry_can_help()),
        value: refusal.value,
        limit: refusal.limit,
    };
    match cx.state.account(header.account) {
        Ok(account) => cx.tell_account(account, &event),
        Err(_) => cx.events.emit(header.account, 0, &event),
    }
}

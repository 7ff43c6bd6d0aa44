//! The whole engine on the workload: bytes in, margin check, matching, ledger, events out.
//!
//! A first pass, not timed, applies one command at a time, reads its events, learns the venue's order ids and compares
//! every trade with the file. The timed passes replay the same bytes; since the engine is deterministic, an equal state
//! hash afterwards says that they did the same work.

use crate::count::allocations;
use crate::figures::{Figures, peak_mib};
use crate::file::{Op, Record, Tally, Workload};
use crate::venue::{self, Encoder, order};
use novate_core::codec::{Body, HEADER, Header};
use novate_core::command::{AmendOrder, CancelOrder, GTC, IOC};
use novate_core::engine::Engine;
use novate_core::event::{CommandRefused, OrderFilled, OrderPlaced};
use rustc_hash::FxHashMap;
use std::path::Path;
use std::time::Instant;

/// Bytes in front of an event's own fields.
const LEAD: usize = HEADER + 16;
/// Markets that one account may meet, so that it never holds more than 8 underlyings.
const GROUP: u32 = 8;

/// The set-up, and the workload in the venue's own bytes.
struct Prepared {
    setup: Vec<u8>,
    commands: Vec<u8>,
    /// Where each command begins, and the end of the last.
    starts: Vec<usize>,
    prefill: usize,
    accounts: u32,
    /// Trades, volume, order of trades and orders at rest are those of the file.
    right: bool,
    events: u64,
    event_bytes: u64,
    state_hash: [u8; 32],
}

/// The venue's account of a record. An account of the file is one account per group of markets here, unless `wide`.
fn account_of(work: &Workload, wide: bool, r: &Record) -> u64 {
    let group = if wide { 0 } else { u32::from(r.symbol) / GROUP };
    u64::from(group * work.accounts + r.account) + 1
}

/// Listings, money, and 1 to 8 underlyings for each account: those it may trade in the workload, and others.
fn set_up(work: &Workload, wide: bool) -> (Encoder, u32) {
    let groups = if wide { 1 } else { work.symbols.div_ceil(GROUP) };
    let accounts = groups * work.accounts;
    let mut to = Encoder::default();
    venue::list(&mut to, work.symbols.max(GROUP));
    venue::open(&mut to, accounts);
    venue::seed(&mut to, accounts, |account| {
        let first = (account - 1) / work.accounts * GROUP;
        let held = account % GROUP + 1;
        // A market of its own group each; the workload's single market is the first of its group.
        (0..held).map(|m| first + m + 1).collect()
    });
    (to, accounts)
}

fn prepare(work: &Workload, wide: bool) -> Result<Prepared, String> {
    let (mut to, accounts) = set_up(work, wide);
    let setup = std::mem::take(&mut to.bytes);
    let mut engine = venue::build(&setup)?;
    let mut ids = vec![0_u64; work.last_id() as usize + 1];
    let mut files: FxHashMap<u64, u64> = FxHashMap::default();
    let (mut tally, mut starts, mut events) = (Tally::START, Vec::new(), Vec::new());
    let (mut count, mut bytes) = (0, 0);
    for (at, r) in work.records.iter().enumerate() {
        let start = encode_one(&mut to, account_of(work, wide, r), r, &ids);
        starts.push(start);
        events.clear();
        engine.apply(&to.bytes[start..], &mut events).map_err(|e| e.to_string())?;
        if let Some(refusal) = first_refusal(&events) {
            return Err(format!("command {at}: {refusal}"));
        }
        if at >= work.prefill {
            bytes += events.len() as u64;
        }
        each(&events, |header, body| {
            count += u64::from(at >= work.prefill);
            if header.kind == OrderPlaced::KIND {
                let placed = OrderPlaced::take(body).expect("the engine's own event");
                ids[r.id as usize] = placed.order;
                files.insert(placed.order, r.id);
            } else if header.kind == OrderFilled::KIND {
                let fill = OrderFilled::take(body).expect("the engine's own event");
                if fill.maker == 1 {
                    tally.trade(files[&fill.order], r.id, fill.price, fill.lots);
                }
            }
        });
    }
    starts.push(to.bytes.len());
    Ok(Prepared {
        setup,
        commands: to.bytes,
        starts,
        prefill: work.prefill,
        accounts,
        right: tally == work.expected && u64::from(engine.state().orders.len()) == work.resting,
        events: count,
        event_bytes: bytes,
        state_hash: engine.state_hash(),
    })
}

fn encode_one(to: &mut Encoder, account: u64, r: &Record, ids: &[u64]) -> usize {
    let market = u32::from(r.symbol) + 1;
    match r.op {
        Op::Add => to.put(account, &order(market, r.side, GTC, r.price, r.lots)),
        Op::Take => to.put(account, &order(market, r.side, IOC, r.price, r.lots)),
        Op::Cancel => to.put(account, &CancelOrder { order: ids[r.id as usize], client_id: [0; 16] }),
        Op::Move => {
            to.put(account, &AmendOrder { order: ids[r.id as usize], client_id: [0; 16], price: r.price, lots: 0 })
        }
    }
}

/// Header and own fields of each event.
fn each(mut events: &[u8], mut visit: impl FnMut(Header, &[u8])) {
    while let Some(header) = Header::read(events) {
        let (event, rest) = events.split_at(header.length as usize);
        visit(header, &event[LEAD..]);
        events = rest;
    }
}

/// The first refusal among events, in words.
pub fn first_refusal(events: &[u8]) -> Option<String> {
    let mut found = None;
    each(events, |header, body| {
        if header.kind == CommandRefused::KIND && found.is_none() {
            let refused = CommandRefused::take(body).expect("the engine's own event");
            found = Some(format!(
                "sequence {} refused with {} (value {}, limit {})",
                header.sequence, refused.code, refused.value, refused.limit
            ));
        }
    });
    found
}

/// One timed pass. Latencies, if wanted, are of single commands.
fn pass(ready: &Prepared, engine: &mut Engine, batch: usize, mut times: Option<&mut Vec<f64>>) -> Result<f64, String> {
    let mut events = Vec::with_capacity(1 << 20);
    engine.apply(&ready.commands[..ready.starts[ready.prefill]], &mut events).map_err(|e| e.to_string())?;
    let timed = &ready.starts[ready.prefill..];
    let commands = timed.len() - 1;
    let start = Instant::now();
    for from in (0..commands).step_by(batch) {
        let to = (from + batch).min(commands);
        events.clear();
        let began = times.is_some().then(Instant::now);
        engine.apply(&ready.commands[timed[from]..timed[to]], &mut events).map_err(|e| e.to_string())?;
        if let (Some(times), Some(began)) = (&mut times, began) {
            times.push(began.elapsed().as_nanos() as f64);
        }
    }
    Ok(commands as f64 / start.elapsed().as_secs_f64() / 1e6)
}

/// What `run` is asked for.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// Commands per call.
    pub batch: usize,
    /// Timed passes.
    pub reps: usize,
    /// Time single commands.
    pub latency: bool,
    /// Count allocations.
    pub count: bool,
}

/// Replays a workload, or a file that `encode` wrote of one, through the engine; rate, and what else is wanted.
pub fn run(path: &Path, wide: bool, wanted: Wanted) -> Result<String, String> {
    let ready = match Prepared::read(path)? {
        Some(ready) => ready,
        None => prepare(&Workload::read(path)?, wide)?,
    };
    let (mut rates, mut times, mut same, mut allocated, mut spared) = (Vec::new(), Vec::new(), true, 0, 0);
    let batch = if wanted.latency { 1 } else { wanted.batch };
    for _ in 0..wanted.reps {
        let mut engine = venue::build(&ready.setup)?;
        let (before, unspared) = (allocations(), engine.orders_spared());
        rates.push(pass(&ready, &mut engine, batch, wanted.latency.then_some(&mut times))?);
        allocated = allocations() - before;
        spared = engine.orders_spared() - unspared;
        same &= engine.state_hash() == ready.state_hash;
    }
    let commands = ready.starts.len() - 1 - ready.prefill;
    let per = |n: u64| n as f64 / commands as f64;
    let mut extra = String::new();
    if wanted.latency {
        extra += &format!(",{}", Figures::of(times).percentiles());
    }
    if wanted.count {
        extra += &format!(",\"allocations_per_command\":{:.4}", per(allocated));
    }
    extra += &format!(",\"orders_spared_per_command\":{:.3}", per(spared));
    Ok(format!(
        "{{\"peer\":\"novate engine\",\"file\":\"{}\",\"reps\":{},\"batch\":{batch},{},\"totals_ok\":{same},\"hash_ok\":{},\"accounts\":{},\"events_per_command\":{:.2},\"event_bytes_per_command\":{:.0},\"rss_mib\":{}{extra}}}",
        path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned()),
        wanted.reps,
        Figures::of(rates).rates(),
        ready.right && same,
        ready.accounts,
        per(ready.events),
        per(ready.event_bytes),
        peak_mib(),
    ))
}

/// First bytes of an encoded file.
const MAGIC: &[u8; 8] = b"NVCMD001";
/// Numbers behind them.
const WORDS: usize = 9;

impl Prepared {
    fn words(&self) -> [u64; WORDS] {
        let timed = self.starts.len() - 1 - self.prefill;
        [
            self.setup.len() as u64,
            starts_of(&self.setup).len() as u64 - 1,
            self.starts[self.prefill] as u64,
            self.prefill as u64,
            timed as u64,
            u64::from(self.accounts),
            self.events,
            self.event_bytes,
            u64::from(self.right),
        ]
    }

    /// An encoded file; `None` when it is something else.
    fn read(path: &Path) -> Result<Option<Self>, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let head = 8 + 8 * WORDS + 32;
        if bytes.len() < head || &bytes[..8] != MAGIC {
            return Ok(None);
        }
        let word = |at: usize| u64::from_le_bytes(bytes[8 + 8 * at..16 + 8 * at].try_into().expect("8 bytes"));
        let (setup, commands) = bytes[head..].split_at(word(0) as usize);
        Ok(Some(Self {
            setup: setup.to_vec(),
            commands: commands.to_vec(),
            starts: starts_of(commands),
            prefill: word(3) as usize,
            accounts: word(5) as u32,
            events: word(6),
            event_bytes: word(7),
            right: word(8) == 1,
            state_hash: bytes[head - 32..head].try_into().expect("32 bytes"),
        }))
    }
}

/// Where each message begins, and the end of the last.
fn starts_of(messages: &[u8]) -> Vec<usize> {
    let (mut starts, mut at) = (vec![0], 0);
    while let Some(header) = Header::read(&messages[at..]) {
        at += header.length as usize;
        starts.push(at);
    }
    starts
}

/// Writes the bytes for later runs and for drivers in other languages: the magic; bytes and number of the set-up's commands,
/// bytes and number of those that fill the books, number of timed ones, accounts, events and their bytes, whether the
/// outcome was right; the state hash in the end; then all commands.
pub fn encode(path: &Path, wide: bool, out: &Path) -> Result<String, String> {
    let work = Workload::read(path)?;
    let ready = prepare(&work, wide)?;
    let mut bytes = MAGIC.to_vec();
    ready.words().into_iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    for part in [&ready.state_hash[..], &ready.setup, &ready.commands] {
        bytes.extend_from_slice(part);
    }
    std::fs::write(out, &bytes).map_err(|e| format!("{}: {e}", out.display()))?;
    let (file, commands) = (&work.name, ready.starts.len() - 1);
    Ok(format!("{{\"file\":\"{file}\",\"commands\":{commands},\"bytes\":{},\"hash_ok\":{}}}", bytes.len(), ready.right))
}

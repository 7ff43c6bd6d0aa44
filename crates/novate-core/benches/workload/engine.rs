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
    tally: Tally,
    resting: u64,
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
        tally,
        resting: u64::from(engine.state().orders.len()),
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
        Op::Move => to.put(account, &AmendOrder { order: ids[r.id as usize], client_id: [0; 16], price: r.price, lots: 0 }),
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
            found = Some(format!("sequence {} refused with {} (value {}, limit {})", header.sequence, refused.code, refused.value, refused.limit));
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

/// Replays the file through the engine; rate, or latency of single commands, or allocations.
pub fn run(work: &Workload, wide: bool, batch: usize, reps: usize, latency: bool, count: bool) -> Result<String, String> {
    let ready = prepare(work, wide)?;
    let (mut rates, mut times, mut same, mut allocated) = (Vec::new(), Vec::new(), true, 0);
    for _ in 0..reps {
        let mut engine = venue::build(&ready.setup)?;
        let before = allocations();
        let (batch, times) = if latency { (1, Some(&mut times)) } else { (batch, None) };
        rates.push(pass(&ready, &mut engine, batch, times)?);
        allocated = allocations() - before;
        same &= engine.state_hash() == ready.state_hash;
    }
    let commands = ready.starts.len() - 1 - ready.prefill;
    let per = |n: u64| n as f64 / commands as f64;
    let totals = ready.tally.trades == work.expected.trades && ready.tally.volume == work.expected.volume;
    let mut extra = String::new();
    if latency {
        extra += &format!(",{}", Figures::of(times).percentiles());
    }
    if count {
        extra += &format!(",\"allocations_per_command\":{:.4}", per(allocated));
    }
    Ok(format!(
        "{{\"peer\":\"novate engine\",\"file\":\"{}\",\"reps\":{reps},\"batch\":{},{},\"totals_ok\":{},\"hash_ok\":{},\"accounts\":{},\"underlyings_per_account\":\"{}\",\"events_per_command\":{:.2},\"event_bytes_per_command\":{:.0},\"rss_mib\":{}{extra}}}",
        work.name,
        if latency { 1 } else { batch },
        Figures::of(rates).rates(),
        totals && ready.resting == work.resting && same,
        ready.tally == work.expected && same,
        ready.accounts,
        if wide { "up to all" } else { "1 to 8" },
        per(ready.events),
        per(ready.event_bytes),
        peak_mib(),
    ))
}

/// Writes the bytes for drivers in other languages: bytes and number of commands of the set-up, bytes and number of those
/// that fill the books, number of timed ones; then all commands.
pub fn encode(work: &Workload, wide: bool, out: &Path) -> Result<String, String> {
    let ready = prepare(work, wide)?;
    let total = ready.starts.len() - 1;
    let last = ready.commands.len();
    let setup_count = {
        let (mut count, mut rest) = (0_u64, &ready.setup[..]);
        while let Some(header) = Header::read(rest) {
            rest = &rest[header.length as usize..];
            count += 1;
        }
        count
    };
    let prefill_bytes = ready.starts[ready.prefill];
    let words = [ready.setup.len() as u64, setup_count, prefill_bytes as u64, ready.prefill as u64, (total - ready.prefill) as u64];
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    bytes.extend_from_slice(&ready.state_hash);
    bytes.extend_from_slice(&ready.setup);
    bytes.extend_from_slice(&ready.commands[..last]);
    std::fs::write(out, &bytes).map_err(|e| format!("{}: {e}", out.display()))?;
    Ok(format!("{{\"file\":\"{}\",\"commands\":{total},\"bytes\":{},\"hash_ok\":{}}}", work.name, bytes.len(), ready.tally == work.expected))
}

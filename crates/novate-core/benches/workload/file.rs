//! The workload file of `benches/workload/gen.py`: commands, and the trades that a right engine makes of them.
//!
//! Responsible for: reading it, and the hash over trades. Never applies anything.

use novate_core::order::Side;
use std::path::Path;

const HEADER: usize = 128;
const RECORD: usize = 32;

/// What a record asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A limit order that may rest.
    Add,
    /// A cancel of a resting order.
    Cancel,
    /// A new price for a resting order, priority lost.
    Move,
    /// Takes at any price, the rest is dropped.
    Take,
}

/// One command of the file.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// What.
    pub op: Op,
    /// Side.
    pub side: Side,
    /// Symbol from 0.
    pub symbol: u16,
    /// Account from 0.
    pub account: u32,
    /// The file's own order id.
    pub id: u64,
    /// Ticks.
    pub price: i64,
    /// Lots.
    pub lots: i64,
}

/// Trades counted, and hashed in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Trades.
    pub trades: u64,
    /// Lots.
    pub volume: u64,
    /// Sum of price times lots.
    pub notional: u64,
    /// Over maker, taker, price and lots of each trade.
    pub hash: u64,
}

impl Tally {
    /// Nothing traded.
    pub const START: Self = Self { trades: 0, volume: 0, notional: 0, hash: 0xcbf2_9ce4_8422_2325 };

    /// Counts a trade in; the orders by the file's ids.
    #[inline]
    pub fn trade(&mut self, maker: u64, taker: u64, price: i64, lots: i64) {
        self.trades += 1;
        self.volume += lots as u64;
        self.notional += (price * lots) as u64;
        for word in [maker, taker, price as u64, lots as u64] {
            self.hash = (self.hash ^ word).wrapping_mul(0x100_0000_01b3);
        }
    }
}

/// The whole file.
pub struct Workload {
    /// Its name without folder and extension.
    pub name: String,
    /// Commands that fill the books; not timed.
    pub prefill: usize,
    /// Symbols.
    pub symbols: u32,
    /// Accounts.
    pub accounts: u32,
    /// What a right engine trades.
    pub expected: Tally,
    /// Orders at rest in the end.
    pub resting: u64,
    /// All commands, prefill first.
    pub records: Vec<Record>,
}

impl Workload {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        if bytes.len() < HEADER || &bytes[..8] != b"NVWL0001" || !(bytes.len() - HEADER).is_multiple_of(RECORD) {
            return Err(format!("{} is no workload file", path.display()));
        }
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        Ok(Self {
            name: path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned()),
            prefill: word(8) as usize,
            symbols: half(24),
            accounts: half(28),
            expected: Tally { trades: word(32), volume: word(40), notional: word(48), hash: word(56) },
            resting: word(64),
            records: bytes[HEADER..].chunks_exact(RECORD).map(record).collect::<Result<_, _>>()?,
        })
    }

    /// The largest order id.
    pub fn last_id(&self) -> u64 {
        self.records.iter().map(|r| r.id).max().unwrap_or(0)
    }
}

fn record(bytes: &[u8]) -> Result<Record, String> {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let op = match bytes[0] {
        1 => Op::Add,
        2 => Op::Cancel,
        3 => Op::Move,
        4 => Op::Take,
        other => return Err(format!("the file has an unknown operation {other}")),
    };
    Ok(Record {
        op,
        side: Side::try_from(bytes[1]).map_err(str::to_owned)?,
        symbol: u16::from_le_bytes([bytes[2], bytes[3]]),
        account: u32::from_le_bytes(bytes[4..8].try_into().expect("4 bytes")),
        id: word(8),
        price: word(16) as i64,
        lots: word(24) as i64,
    })
}

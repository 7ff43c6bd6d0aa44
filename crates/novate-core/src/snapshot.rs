//! Snapshots and the state hash: one canonical byte form of the whole state.
//!
//! Responsible for: bytes out, bytes in, and refusing bytes that are not a state. Equal states give equal bytes on every
//! machine: integers only, ordered containers only, look-up tables left out and rebuilt.

use crate::account::Account;
use crate::order::NIL;
use crate::state::State;
use postcard::ser_flavors::Flavor;

const MAGIC: &[u8; 8] = b"NVSTATE3";
/// The magic, and room for the body's length.
const HEAD: &[u8; 16] = b"NVSTATE3\0\0\0\0\0\0\0\0";

/// Bytes that a digest takes at once: below this, calling it costs more than its work.
const GULP: usize = 1 << 16;

/// Where the serialised state goes: into `bytes`, or through them into a digest. A state of a million accounts is a gigabyte, and
/// is never held twice.
struct Sink {
    bytes: Vec<u8>,
    digest: Option<blake3::Hasher>,
}

impl Sink {
    fn swallow(&mut self, least: usize) {
        if let Some(digest) = &mut self.digest
            && self.bytes.len() >= least
        {
            digest.update(&self.bytes);
            self.bytes.clear();
        }
    }
}

impl Flavor for Sink {
    type Output = Self;

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.bytes.extend_from_slice(data);
        self.swallow(GULP);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.bytes.push(byte);
        self.swallow(GULP);
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<Self> {
        self.swallow(0);
        Ok(self)
    }
}

fn serialise(state: &State, into: Sink) -> Sink {
    postcard::serialize_with_flavor(state, into).expect("a state in memory always serialises")
}

/// The state's bytes: magic, length, body, and a 32-byte digest of what precedes it.
#[must_use]
pub fn write(state: &State) -> Vec<u8> {
    closed(serialise(state, Sink { bytes: HEAD.to_vec(), digest: None }).bytes)
}

/// A body between its magic and its digest.
#[must_use]
pub fn seal(body: &[u8]) -> Vec<u8> {
    closed([&HEAD[..], body].concat())
}

/// Fills the head's length in and adds the digest.
fn closed(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = (bytes.len() - HEAD.len()) as u64;
    bytes[MAGIC.len()..HEAD.len()].copy_from_slice(&body.to_le_bytes());
    let digest = blake3::hash(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

/// BLAKE3 of the snapshot's body.
#[must_use]
pub fn hash(state: &State) -> [u8; 32] {
    let bytes = Vec::with_capacity(2 * GULP);
    let sink = serialise(state, Sink { bytes, digest: Some(blake3::Hasher::new()) });
    *sink.digest.expect("it was given one").finalize().as_bytes()
}

/// Reads a snapshot.
///
/// # Errors
/// A sentence that says what is wrong with the bytes.
pub fn read(bytes: &[u8]) -> Result<State, String> {
    let damaged = |what: &str| format!("not a snapshot of this release: {what}");
    let (covered, digest) = bytes.split_at_checked(bytes.len().saturating_sub(32)).ok_or_else(|| damaged("too short"))?;
    if covered.len() < HEAD.len() || !covered.starts_with(MAGIC) {
        let family = &MAGIC[..MAGIC.len() - 1];
        return Err(damaged(if covered.starts_with(family) { "it was taken by a build that lays a state out differently" } else { "the magic is missing" }));
    }
    if blake3::hash(covered).as_bytes() != digest {
        return Err(damaged("the digest does not match"));
    }
    let mut state: State = postcard::from_bytes(&covered[HEAD.len()..]).map_err(|e| damaged(&e.to_string()))?;
    check(&state).map_err(|e| damaged(&e))?;
    state.rebuild_indexes();
    Ok(state)
}

/// What a digest can't say: that books, accounts and slab agree.
fn check(state: &State) -> Result<(), String> {
    state.orders.verify()?;
    let mut resting = 0;
    for market in state.markets.iter().flatten() {
        market.book.verify(&state.orders, market.terms.market)?;
        resting += market.book.len();
    }
    if resting != state.orders.resting() {
        return Err("an order rests in no book".to_owned());
    }
    let listed: u32 = (0..).zip(&state.accounts).map(|(at, account)| count_orders(state, at, account)).sum::<Result<u32, String>>()?;
    if listed == state.orders.len() { Ok(()) } else { Err(format!("{listed} of {} orders are an account's", state.orders.len())) }
}

/// Number of an account's orders, or what is wrong with its list.
fn count_orders(state: &State, at: u32, account: &Account) -> Result<u32, String> {
    if account.orders != NIL && state.orders.find(account.orders).is_none_or(|o| o.account() != at || !o.is_first_of_account()) {
        return Err(format!("the orders of account {} do not begin in slot {}", account.id, account.orders));
    }
    let (mut orders, mut lots) = (0, 0_i64);
    for slot in state.orders.of_account(account.orders) {
        lots = lots.checked_add(state.orders.order(slot).leaves()).ok_or("an account's orders overflow")?;
        orders += 1;
    }
    Ok(orders)
}

//! Snapshots and the state hash: one canonical byte form of the whole state.
//!
//! Responsible for: bytes out, bytes in, and refusing bytes that are not a state. Equal states give equal bytes on every
//! machine: integers only, ordered containers only, look-up tables left out and rebuilt.

use crate::state::State;

const MAGIC: &[u8; 8] = b"NVSTATE1";

/// The state's bytes: magic, length, body, and a 32-byte digest of what precedes it.
#[must_use]
pub fn write(state: &State) -> Vec<u8> {
    seal(&postcard::to_allocvec(state).expect("a state in memory always serialises"))
}

/// A body between its magic and its digest.
#[must_use]
pub fn seal(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 48);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.extend_from_slice(body);
    let digest = blake3::hash(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

/// BLAKE3 of the snapshot's body.
#[must_use]
pub fn hash(state: &State) -> [u8; 32] {
    let body = postcard::to_allocvec(state).expect("a state in memory always serialises");
    *blake3::hash(&body).as_bytes()
}

/// Reads a snapshot.
///
/// # Errors
/// A sentence that says what is wrong with the bytes.
pub fn read(bytes: &[u8]) -> Result<State, String> {
    let damaged = |what: &str| format!("not a snapshot of this release: {what}");
    let (covered, digest) = bytes.split_at_checked(bytes.len().saturating_sub(32)).ok_or_else(|| damaged("too short"))?;
    if covered.len() < 16 || &covered[..8] != MAGIC {
        return Err(damaged("the magic is missing"));
    }
    if blake3::hash(covered).as_bytes() != digest {
        return Err(damaged("the digest does not match"));
    }
    let mut state: State = postcard::from_bytes(&covered[16..]).map_err(|e| damaged(&e.to_string()))?;
    state.rebuild_indexes();
    check(&state).map_err(|e| damaged(&e))?;
    Ok(state)
}

/// What a digest can't say: that books and slab agree.
fn check(state: &State) -> Result<(), String> {
    state.orders.verify()?;
    let mut resting = 0;
    for market in state.markets.iter().flatten() {
        market.book.verify(&state.orders, market.terms.market)?;
        resting += market.book.len();
    }
    if resting == state.orders.resting() { Ok(()) } else { Err("an order rests in no book".to_owned()) }
}

//! Orders beyond the plain ones: stops, time in force, batches, packages, auctions, blocks, quotes: questions 400 to 499.
//!
//! Responsible for: reading, never changing.

use crate::state::State;

/// Answers this area's questions.
///
/// # Errors
/// A sentence that says what is wrong with the request.
pub fn answer(_state: &State, number: u64, _request: &[u8]) -> Result<Vec<u8>, String> {
    Err(super::unknown(number))
}

//! Closed hours, reopening, halts, outages and cancelled prints: questions 600 to 699.
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

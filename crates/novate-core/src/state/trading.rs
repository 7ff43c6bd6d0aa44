//! Orders beyond the plain ones: stops, time in force, batches, packages, auctions, blocks, quotes: what of it is state.
//!
//! Responsible for: the records. Never contains a rule.

use serde::{Deserialize, Serialize};

/// This area's part of the state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trading {}

//! Orders beyond the plain ones: stops, time in force, batches, packages, auctions, blocks, quotes: events 450 to 499.
//!
//! Responsible for: the definitions. Never decides anything.

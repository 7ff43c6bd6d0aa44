//! Orders beyond the plain ones: stops, time in force, batches, packages, auctions, blocks, quotes: commands 400 to 449.
//!
//! Responsible for: the definitions. Never checks or applies anything.

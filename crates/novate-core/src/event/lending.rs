//! Pools, curves, committed lines, stock loans and cash calls: events 750 to 799.
//!
//! Responsible for: the definitions. Never decides anything.

//! Pools, curves, committed lines, stock loans and cash calls: commands 700 to 749.
//!
//! Responsible for: the definitions. Never checks or applies anything.

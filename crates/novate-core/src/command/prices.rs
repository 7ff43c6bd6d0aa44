//! Closed hours, reopening, halts, outages and cancelled prints: commands 600 to 649.
//!
//! Responsible for: the definitions. Never checks or applies anything.

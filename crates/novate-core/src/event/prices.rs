//! Closed hours, reopening, halts, outages and cancelled prints: events 650 to 699.
//!
//! Responsible for: the definitions. Never decides anything.

//! Corporate actions: schedule, effect, receivables and corrections: events 1250 to 1299.
//!
//! Responsible for: the definitions. Never decides anything.

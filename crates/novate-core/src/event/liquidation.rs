//! Backstop, insurance, auto-deleveraging, loss sharing and recovery: events 850 to 899.
//!
//! Responsible for: the definitions. Never decides anything.

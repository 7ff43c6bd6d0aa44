//! Issuance and redemption: quotes, requests, broker legs, backing: events 950 to 999.
//!
//! Responsible for: the definitions. Never decides anything.

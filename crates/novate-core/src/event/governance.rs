//! Roles, proposals, eligibility, freezes, limits and releases: events 1050 to 1099.
//!
//! Responsible for: the definitions. Never decides anything.

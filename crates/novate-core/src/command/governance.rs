//! Roles, proposals, eligibility, freezes, limits and releases: commands 1000 to 1049.
//!
//! Responsible for: the definitions. Never checks or applies anything.

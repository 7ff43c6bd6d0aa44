//! Issuance and redemption: quotes, requests, broker legs, backing: commands 900 to 949.
//!
//! Responsible for: the definitions. Never checks or applies anything.

//! Backstop, insurance, auto-deleveraging, loss sharing and recovery: commands 800 to 849.
//!
//! Responsible for: the definitions. Never checks or applies anything.

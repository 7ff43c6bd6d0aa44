//! Corporate actions: schedule, effect, receivables and corrections: commands 1200 to 1249.
//!
//! Responsible for: the definitions. Never checks or applies anything.

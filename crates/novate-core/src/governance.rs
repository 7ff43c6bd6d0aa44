//! Who may do what, and how the venue's own rules change.
//!
//! Responsible for: the handlers of this area's commands, by noun in the files of `governance/`. Never decides who may send a
//! command (`authority` does) and never values anything (`margin` does).

pub mod holders;

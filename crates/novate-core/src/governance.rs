//! Who may do what, and how the venue's own rules change.
//!
//! Responsible for: the handlers of this area's commands, by noun in the files of `governance/`. Never decides who may send a
//! command (`authority` does) and never values anything (`margin` does).

pub mod actors;
pub mod changes;
pub mod effect;
pub mod holders;
pub mod lapses;
pub mod owners;
pub mod releases;
pub mod restrictions;
pub mod terms;

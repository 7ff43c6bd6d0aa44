//! The tables, the golden journals and the book's own tests, on the naive book: the same files that judge the fast one.
#![allow(clippy::duplicate_mod, reason = "each of these files stands alone elsewhere and brings what it shares with the others")]

extern crate novate_naive as novate_core;

#[path = "../../novate-core/tests/book.rs"]
mod book;
#[path = "../../novate-core/tests/golden.rs"]
mod golden;
#[path = "../../novate-core/tests/scenarios.rs"]
mod scenarios;

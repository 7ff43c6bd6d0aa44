//! How fast the engine is: one line of JSON per run, on a workload whose outcome is known.
//!
//!     workload engine  FILE [--reps N] [--batch N] [--wide] [--latency] [--count]
//!     workload match   FILE [--reps N] [--latency]
//!     workload margin  UNDERLYINGS [--reps N]      an evaluation with an order
//!     workload order   UNDERLYINGS [--reps N]      an order's check from what its account surely has left
//!     workload rebuild ACCOUNTS [--reps N]
//!     workload sweep   ACCOUNTS [--reps N]
//!     workload encode  FILE OUT [--wide]       the same commands as the venue's bytes, for `engine` and for Python
//!     workload sizes
//!
//! Responsible for: reading the arguments and printing. Never a rule of the venue: the modes drive the real engine
//! through its bytes, but for `match` (book and slab alone) and `margin`, `order` and `rebuild` (the requirement alone).
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    reason = "a benchmark reads a file, measures time and prints; the engine it drives does none of these"
)]

mod book;
mod count;
mod engine;
mod file;
mod figures;
mod margin;
mod venue;

use std::path::PathBuf;

/// The arguments after the mode.
struct Arguments {
    plain: Vec<String>,
    reps: usize,
    batch: usize,
    wide: bool,
    latency: bool,
    count: bool,
}

impl Arguments {
    fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self { plain: Vec::new(), reps: 3, batch: 64, wide: false, latency: false, count: false };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|n| n.parse().ok()).filter(|&n: &usize| n > 0);
            match word.as_str() {
                "--reps" => read.reps = number().ok_or("--reps needs a number above 0")?,
                "--batch" => read.batch = number().ok_or("--batch needs a number above 0")?,
                "--wide" => read.wide = true,
                "--latency" => read.latency = true,
                "--count" => read.count = true,
                "--bench" => {} // cargo says so
                _ => read.plain.push(word),
            }
        }
        Ok(read)
    }

    fn file(&self, at: usize) -> Result<PathBuf, String> {
        self.plain.get(at).map(PathBuf::from).ok_or_else(|| "a file is missing".to_owned())
    }

    fn number(&self, at: usize) -> Result<u32, String> {
        self.plain.get(at).and_then(|n| n.parse().ok()).filter(|&n| n > 0).ok_or_else(|| "a number above 0 is missing".to_owned())
    }
}

fn run() -> Result<String, String> {
    let mut words = std::env::args().skip(1);
    let mode = words.next().unwrap_or_default();
    let given = Arguments::read(words)?;
    match mode.as_str() {
        "engine" => {
            let Arguments { batch, reps, latency, count, .. } = given;
            engine::run(&given.file(0)?, given.wide, engine::Wanted { batch, reps, latency, count })
        }
        "match" => book::run(&file::Workload::read(&given.file(0)?)?, given.reps, given.latency),
        "encode" => engine::encode(&given.file(0)?, given.wide, &given.file(1)?),
        "margin" => Ok(margin::check(given.number(0)?, given.reps)),
        "order" => Ok(margin::order(given.number(0)?, given.reps)),
        "rebuild" => Ok(margin::rebuild(given.number(0)?, given.reps)),
        "sweep" => Ok(margin::sweep(given.number(0)?, given.reps)),
        "sizes" => Ok(figures::sizes()),
        _ => {
            Err("usage: workload engine|match|encode FILE .. | margin|order UNDERLYINGS | rebuild ACCOUNTS | sweep ACCOUNTS | sizes"
                .to_owned())
        }
    }
}

fn main() {
    match run() {
        Ok(line) => println!("{line}"),
        Err(problem) => {
            println!("{{\"error\":\"{problem}\"}}");
            std::process::exit(2);
        }
    }
}

//! The rules as tables that a desk can check: `scenarios/*.txt`, run on the real engine, every invariant checked after
//! every line. Each refusal that the engine can give is met by at least one line.

mod common;

use common::{script, told};
use novate_core::reject::REFUSALS;
use std::collections::BTreeSet;

const TABLES: [&str; 20] = [
    "ledger", "lending", "listing", "matching", "orders", "waiting", "auction", "margin", "prices", "closed", "halts", "settlement", "liquidation", "sale", "waterfall", "clearing",
    "eligibility", "governance", "corporate", "packages",
];

/// Numbers that are reserved for rules that no command of this release can break.
const NEVER: &[(u16, &str)] = &[
    (917, "no line of a table asks for tokens inside a corporate action's window"),
    (1006, "under governance it is met inside a change alone, as the code of its proposal"),
    (110, "tests/governance.rs meets it: a command must panic first"),
    (1031, "tests/governance.rs meets it: a command must panic first"),
];

#[test]
fn the_tables_are_true_and_meet_every_refusal() {
    let (mut met, mut lines, mut wrong) = (BTreeSet::new(), 0, Vec::new());
    for name in TABLES {
        let path = format!("{}/tests/scenarios/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let table = std::fs::read_to_string(&path).expect("the table is there");
        let outcome = script::run(&format!("{name}.txt"), &table);
        met.extend(outcome.met);
        lines += outcome.lines;
        wrong.extend(outcome.wrong);
    }
    assert!(wrong.is_empty(), "{} lines are not true:\n{}", wrong.len(), wrong.join("\n"));
    let missing: Vec<_> = REFUSALS.iter().filter(|r| !met.contains(&r.0) && NEVER.iter().all(|n| n.0 != r.0)).map(|r| (r.0, r.1)).collect();
    assert!(missing.is_empty(), "no line of a table meets {missing:?}");
    for (number, reason) in NEVER {
        assert!(!met.contains(number), "{number} is met after all: {reason}");
    }
    told(&format!("{lines} lines in {} tables, {} refusals met", TABLES.len(), met.len()));
}

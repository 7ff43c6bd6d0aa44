//! The rules as tables that a desk can check: `scenarios/*.txt`, run on the real engine, every invariant checked after
//! every line. Each refusal that the engine can give is met by at least one line.

mod common;

use common::{script, told};
use novate_core::reject::REFUSALS;
use std::collections::BTreeSet;

/// What tables run on, not tables themselves.
const WORLDS: [&str; 2] = ["governed.txt", "venue.txt"];

/// Every table of the folder, by name.
fn tables() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../novate-core/tests/scenarios");
    let files = std::fs::read_dir(folder).expect("the folder of tables").map(|entry| entry.expect("a file").path());
    let named = files.map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), path));
    let mut found: Vec<_> = named.filter(|(name, _)| name.ends_with(".txt") && !WORLDS.contains(&name.as_str())).collect();
    found.sort();
    found.into_iter().map(|(name, path)| (name, std::fs::read_to_string(path).expect("a table"))).collect()
}

/// Numbers that are reserved for rules that no command of this release can break.
const NEVER: &[(u16, &str)] = &[
    (1006, "under governance it is met inside a change alone, as the code of its proposal"),
    (110, "tests/governance.rs meets it: a command must panic first"),
    (1031, "tests/governance.rs meets it: a command must panic first"),
];

#[test]
fn the_tables_are_true_and_meet_every_refusal() {
    let (mut met, mut lines, mut wrong) = (BTreeSet::new(), 0, Vec::new());
    let tables = tables();
    assert!(tables.len() >= 19, "every area has a table");
    for (name, table) in &tables {
        let outcome = script::run(name, table);
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
    told(&format!("{lines} lines in {} tables, {} refusals met", tables.len(), met.len()));
}

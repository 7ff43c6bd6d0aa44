//! The golden journals on this build of the engine: a debug build, a release build, one thread or many, the same state.
//!
//! The package's own test replays them through the journal reader; this one reads the frames itself, so that a build without
//! Python, optimised or not, is held to the same hashes.

mod common;

use common::told;
use novate_core::engine::Engine;
use std::path::{Path, PathBuf};

/// Bytes of a segment's header, and of a frame before and after its payload (`docs/internals/journal.md`).
const SEGMENT_HEADER: usize = 128;
const FRAME_HEADER: usize = 72;
const FRAME_CHECKSUM: usize = 4;
const FRAME_LENGTH_AT: usize = 4;
const FRAME_COUNT_AT: usize = 32;
const THREADS: usize = 4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

#[allow(clippy::disallowed_methods, reason = "a test reads the journals it is about")]
fn journals() -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder())
        .expect("the golden journals")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("00000000000000000001.log").is_file())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(path.join("00000000000000000001.log")).expect("a segment"))
        })
        .collect();
    found.sort();
    found
}

/// The recorded state hash of a journal.
fn recorded(name: &str, expected: &str) -> String {
    let (_, row) = expected.split_once(&format!("\"{name}\": {{")).expect("a row");
    let (_, value) = row.split_once("\"state_hash\": \"").expect("a state hash");
    value[..64].to_owned()
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

/// Applies a segment's frames, telling their events or not.
fn replay(segment: &[u8], tells: bool) -> (Engine, u64) {
    let (mut engine, mut rest, mut out) = (Engine::new(), &segment[SEGMENT_HEADER..], Vec::new());
    while !rest.is_empty() {
        let (frame, tail) = rest.split_at(number(rest, FRAME_LENGTH_AT));
        if number(frame, FRAME_COUNT_AT) > 0 {
            let commands = &frame[FRAME_HEADER..frame.len() - FRAME_CHECKSUM];
            if tells { engine.apply(commands, &mut out) } else { engine.replay(commands) }.expect("whole commands");
            out.clear();
        }
        rest = tail;
    }
    let commands = engine.sequence();
    (engine, commands)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the engine never spawns a thread; this asks whether it would matter")]
fn every_build_and_every_thread_comes_to_the_recorded_state() {
    let expected = std::fs::read_to_string(folder().join("expected.json")).expect("what was recorded");
    let all = journals();
    assert!(all.len() >= 6);
    let mut commands = 0;
    for (name, segment) in &all {
        let wanted = recorded(name, &expected);
        let found: Vec<(String, u64)> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..THREADS).map(|at| scope.spawn(move || replay(segment, at % 2 == 0))).collect();
            runs.into_iter().map(|run| run.join().expect("a replay")).map(|(engine, n)| (hex(&engine.state_hash()), n)).collect()
        });
        for (state, n) in found {
            assert_eq!(state, wanted, "{name}");
            commands += n;
        }
    }
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    told(&format!("{commands} commands of {} journals on {THREADS} threads, {build} build: the recorded states", all.len()));
}

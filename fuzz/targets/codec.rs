//! Any bytes as a message: they are refused, or they are a message whose encoding is those bytes again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use novate_core::codec::{Header, VERSION};
use novate_core::command::Command;
use novate_core::event;

fuzz_target!(|data: &[u8]| {
    let [low, high, body @ ..] = data else { return };
    let kind = u16::from_le_bytes([*low, *high]);
    let header = Header { kind, version: VERSION, ..Header::default() };
    if let Ok(command) = Command::take(&header, body) {
        let mut again = Vec::new();
        command.put(&mut again);
        assert_eq!(again, body, "a command that decodes is its own encoding");
    }
    if let Ok(again) = event::round_trip(kind, body) {
        assert_eq!(again, body, "an event that decodes is its own encoding");
    }
});

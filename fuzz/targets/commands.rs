//! Any bytes as a stream of commands to a busy venue: every invariant holds after each, whatever they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use novate_core::codec::{Header, VERSION};
use novate_core::units::SECOND;

#[path = "../../crates/novate-core/tests/common/mod.rs"]
mod common;

use common::stream::Stream;
use common::wire::{Definition, definitions};
use common::{invariants, wire};

/// Reads numbers off the input; zeros when it is used up.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Small numbers, powers of ten, and the ends of the types are what breaks things.
    fn number(&mut self, ty: &str) -> i128 {
        let (least, greatest) = match ty {
            "u8" => (0, i128::from(u8::MAX)),
            "u16" => (0, i128::from(u16::MAX)),
            "u32" => (0, i128::from(u32::MAX)),
            "u64" => (0, i128::from(u64::MAX)),
            _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
        };
        let (kind, value) = (self.byte(), i128::from(self.byte()));
        match kind % 8 {
            0 | 1 => value % 10,
            2 => value,
            3 => value * 10_i128.pow(u32::from(kind) / 16),
            4 => (value << 8 | i128::from(self.byte())) * 10_i128.pow(u32::from(kind) / 32),
            5 => least + value,
            6 => greatest - value,
            _ => -value,
        }
        .clamp(least, greatest)
    }

    fn line(&mut self, definition: &Definition) -> String {
        let mut line = definition.name.clone();
        for (name, ty) in &definition.fields {
            match ty.as_str() {
                "String" | "[u8;16]" => line += &format!(" {name}={}", (b'a' + self.byte() % 3) as char),
                "Bytes" => line += &format!(" {name}={:02x}{:02x}", self.byte(), self.byte()),
                "Vec<i64>" => line += &format!(" {name}={},{},{}", self.number("i64"), self.number("i64"), self.number("i64")),
                ty => line += &format!(" {name}={}", self.number(ty)),
            }
        }
        line
    }
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let mut stream = Stream::new(u64::from(bytes.byte() % 4));
    let all = definitions();
    while !bytes.0.is_empty() {
        match bytes.byte() % 4 {
            0 => {
                stream.step();
            }
            1 => {
                stream.venue.advance(i64::from(bytes.byte()) * SECOND);
            }
            _ => {
                let definition = &all[usize::from(bytes.byte()) % all.len()];
                let account = u64::from(bytes.byte() % 10);
                let (kind, body) = wire::encode(&bytes.line(definition)).expect("a body of its definition");
                stream.venue.raw(Header { kind, account, version: VERSION, ..Header::default() }, &body);
            }
        }
        invariants::hold(&stream.venue);
    }
});

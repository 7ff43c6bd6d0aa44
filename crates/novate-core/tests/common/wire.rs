//! The wire by names: `ListBucket bucket=1 name=equity` to bytes, bytes to events.

use novate_core::codec::{Body, HEADER, Header};
use novate_core::event::{CommandRefused, LAST};

/// A message's definition, as the engine exports it.
#[derive(Clone, Debug)]
pub struct Definition {
    pub name: String,
    pub kind: u16,
    pub document: bool,
    /// Names and types, in wire order.
    pub fields: Vec<(String, String)>,
}

impl Definition {
    /// Reads the engine's JSON, whose only nesting is the list of [name, type].
    fn parse(json: &str) -> Self {
        let between = |open: &str, close: &str| json.split_once(open).and_then(|(_, rest)| rest.split_once(close)).expect("a definition").0;
        let list = between("\"fields\":[", "]}");
        let pairs = list.split("],[").filter(|p| !p.is_empty()).map(|pair| {
            let (name, ty) = pair.trim_start_matches('[').split_once(',').expect("name and type");
            (name.trim_matches('"').to_owned(), ty.trim_end_matches(']').trim_matches('"').to_owned())
        });
        Self {
            name: between("\"name\":\"", "\"").to_owned(),
            kind: between("\"kind\":", ",").parse().expect("a number"),
            document: between("\"form\":\"", "\"") == "document",
            fields: pairs.map(|(name, ty)| if ty == "[u8;16" { (name, "[u8;16]".to_owned()) } else { (name, ty) }).collect(),
        }
    }
}

thread_local! {
    static COMMANDS: Vec<Definition> = novate_core::command::definitions().iter().map(|json| Definition::parse(json)).collect();
    static EVENTS: Vec<Definition> = novate_core::event::definitions().iter().map(|json| Definition::parse(json)).collect();
}

/// All commands.
pub fn definitions() -> Vec<Definition> {
    COMMANDS.with(Clone::clone)
}

/// The definition of a command's name.
pub fn definition(name: &str) -> Option<Definition> {
    COMMANDS.with(|all| all.iter().find(|d| d.name == name).cloned())
}

/// The definition of an event's name.
pub fn event_definition(name: &str) -> Option<Definition> {
    EVENTS.with(|all| all.iter().find(|d| d.name == name).cloned())
}

/// The definition of an event's type number.
pub fn event_of(kind: u16) -> Option<Definition> {
    EVENTS.with(|all| all.iter().find(|d| d.kind == kind).cloned())
}

/// Kind and body of `Name field=value ..`; fields not named are 0, empty or a dash. Later values win.
pub fn encode(line: &str) -> Result<(u16, Vec<u8>), String> {
    let mut words = line.split_whitespace();
    let name = words.next().ok_or("no command")?;
    let definition = definition(name).ok_or_else(|| format!("no command is called {name}"))?;
    let given: Vec<(&str, &str)> = words.map(|w| w.split_once('=').ok_or_else(|| format!("{w} is not field=value"))).collect::<Result<_, _>>()?;
    if let Some((unknown, _)) = given.iter().find(|(f, _)| definition.fields.iter().all(|(n, _)| n != f)) {
        return Err(format!("{name} has no field {unknown}"));
    }
    let document = definition.document;
    let mut body = Vec::new();
    if document {
        put_array(definition.fields.len(), &mut body);
    }
    for (field, ty) in &definition.fields {
        let value = given.iter().rev().find(|(f, _)| f == field).map(|(_, v)| *v);
        put_field(ty, value, document, &mut body).map_err(|e| format!("{field}: {e}"))?;
    }
    Ok((definition.kind, body))
}

fn put_array(length: usize, out: &mut Vec<u8>) {
    if length < 16 {
        out.push(0x90 | length as u8);
    } else {
        out.push(0xdc);
        out.extend_from_slice(&(length as u16).to_be_bytes());
    }
}

fn put_field(ty: &str, value: Option<&str>, document: bool, out: &mut Vec<u8>) -> Result<(), String> {
    let number = || value.unwrap_or("0").parse::<i128>().map_err(|e| e.to_string());
    let bytes = |v: Vec<u8>, out: &mut Vec<u8>| out.extend_from_slice(&v);
    match ty {
        "String" => rmp_serde::encode::write(out, value.unwrap_or("-")).map_err(|e| e.to_string())?,
        "Vec<i64>" => {
            let list: Result<Vec<i64>, _> = value.unwrap_or("").split(',').filter(|w| !w.is_empty()).map(str::parse).collect();
            rmp_serde::encode::write(out, &list.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        }
        "Bytes" => put_bytes(&hex(value.unwrap_or(""))?, out),
        "[u8;16]" => {
            let mut id = [0; 16];
            let text = value.unwrap_or("").as_bytes();
            id[..text.len()].copy_from_slice(text);
            out.extend_from_slice(&id);
        }
        _ if document && ty == "i64" => rmp_serde::encode::write(out, &(number()? as i64)).map_err(|e| e.to_string())?,
        _ if document => rmp_serde::encode::write(out, &(number()? as u64)).map_err(|e| e.to_string())?,
        "u8" => bytes(vec![number()? as u8], out),
        "u16" => bytes((number()? as u16).to_le_bytes().to_vec(), out),
        "u32" => bytes((number()? as u32).to_le_bytes().to_vec(), out),
        "u64" => bytes((number()? as u64).to_le_bytes().to_vec(), out),
        _ => bytes((number()? as i64).to_le_bytes().to_vec(), out),
    }
    Ok(())
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).map_err(|e| e.to_string())).collect()
}

/// MessagePack's binary form.
fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    match bytes.len() {
        n @ 0..=0xff => out.extend_from_slice(&[0xc4, n as u8]),
        n => {
            out.push(0xc5);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

/// An event's fields by name, each as the table writes it: numbers in digits, texts as they are, lists with commas.
pub fn fields(definition: &Definition, body: &[u8]) -> Vec<(String, String)> {
    let mut values = Vec::new();
    if definition.document {
        let mut rest = body;
        read_length(&mut rest, 0x90, 0x0f, 0xdc);
        definition.fields.iter().for_each(|_| values.push(read_value(&mut rest)));
    } else {
        let mut at = 0;
        for (_, ty) in &definition.fields {
            let size = match ty.as_str() {
                "u8" => 1,
                "u16" => 2,
                "u32" => 4,
                "[u8;16]" => 16,
                _ => 8,
            };
            let bytes = &body[at..at + size];
            at += size;
            let mut wide = [0; 8];
            wide[..size.min(8)].copy_from_slice(&bytes[..size.min(8)]);
            values.push(match ty.as_str() {
                "[u8;16]" => String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned(),
                "i64" => i64::from_le_bytes(wide).to_string(),
                _ => u64::from_le_bytes(wide).to_string(),
            });
        }
    }
    definition.fields.iter().map(|f| f.0.clone()).zip(values).collect()
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest.split_at(N);
    *rest = tail;
    head.try_into().expect("N bytes")
}

/// Length of an array or text: a short form in the marker itself, or the 16-bit form.
fn read_length(rest: &mut &[u8], short: u8, mask: u8, long: u8) -> usize {
    let [marker] = take(rest);
    if marker == long { usize::from(u16::from_be_bytes(take(rest))) } else { usize::from((marker - short) & mask) }
}

fn read_value(rest: &mut &[u8]) -> String {
    match rest[0] {
        0x00..=0x7f => take::<1>(rest)[0].to_string(),
        0x90..=0x9f | 0xdc => {
            let count = read_length(rest, 0x90, 0x0f, 0xdc);
            (0..count).map(|_| read_value(rest)).collect::<Vec<_>>().join(",")
        }
        0xa0..=0xbf => {
            let length = read_length(rest, 0xa0, 0x1f, 0xda);
            text(rest, length)
        }
        marker => {
            take::<1>(rest);
            match marker {
                0xc4 => {
                    let length = usize::from(take::<1>(rest)[0]);
                    let bytes: String = rest[..length].iter().map(|b| format!("{b:02x}")).collect();
                    *rest = &rest[length..];
                    bytes
                }
                0xcc => take::<1>(rest)[0].to_string(),
                0xcd => u16::from_be_bytes(take(rest)).to_string(),
                0xce => u32::from_be_bytes(take(rest)).to_string(),
                0xcf => u64::from_be_bytes(take(rest)).to_string(),
                0xd0 => i8::from_be_bytes(take(rest)).to_string(),
                0xd1 => i16::from_be_bytes(take(rest)).to_string(),
                0xd2 => i32::from_be_bytes(take(rest)).to_string(),
                0xd3 => i64::from_be_bytes(take(rest)).to_string(),
                0xd9 => {
                    let length = usize::from(take::<1>(rest)[0]);
                    text(rest, length)
                }
                0xe0..=0xff => (marker as i8).to_string(),
                other => panic!("no table reads the MessagePack marker {other:#x}"),
            }
        }
    }
}

fn text(rest: &mut &[u8], length: usize) -> String {
    let (head, tail) = rest.split_at(length);
    *rest = tail;
    String::from_utf8_lossy(head).into_owned()
}

/// One event: header, its own numbers, body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub header: Header,
    pub index: u32,
    pub last: bool,
    pub account_sequence: u64,
    pub body: Vec<u8>,
}

impl Event {
    /// The body, when it is a `B`.
    pub fn as_a<B: Body>(&self) -> Option<B> {
        (self.header.kind == B::KIND).then(|| B::take(&self.body).expect("an event decodes"))
    }

    /// The refusal's number, when it is one.
    pub fn refusal(&self) -> Option<u16> {
        self.as_a::<CommandRefused>().map(|r| r.code)
    }
}

/// All events of a buffer.
pub fn events(mut bytes: &[u8]) -> Vec<Event> {
    let mut found = Vec::new();
    while let Some(header) = Header::read(bytes) {
        let (message, rest) = bytes.split_at(header.length as usize);
        let number = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().expect("four bytes"));
        found.push(Event {
            header,
            index: number(HEADER),
            last: number(HEADER + 4) == LAST,
            account_sequence: u64::from_le_bytes(message[HEADER + 8..HEADER + 16].try_into().expect("eight bytes")),
            body: message[HEADER + 16..].to_vec(),
        });
        bytes = rest;
    }
    found
}

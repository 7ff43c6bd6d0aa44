//! The wire by names: `ListBucket bucket=1 name=equity` to bytes, bytes to events.

use novate_core::codec::{Body, HEADER, Header};
use novate_core::command::*;
use novate_core::event::{CommandRefused, LAST};

/// A command's definition.
pub struct Definition {
    pub name: &'static str,
    pub kind: u16,
    pub form: &'static str,
    pub fields: &'static [(&'static str, &'static str)],
}

macro_rules! definitions {
    ($($name:ident),*) => {
        pub const DEFINITIONS: &[Definition] =
            &[$(Definition { name: $name::NAME, kind: $name::KIND, form: $name::FORM, fields: $name::FIELDS }),*];
    };
}

definitions!(
    PlaceOrder, CancelOrder, AmendOrder, PostPrice, AdvanceTime, CancelAll, ActivateRelease, ConfigureVenue, ListBucket,
    ListDatedRow, ListUnderlying, ListSource, ListAsset, ListMarket, ListPool, OpenAccount, Deposit, RequestWithdrawal,
    SettleWithdrawal, VoidWithdrawal, Transfer, Lend, Recall, FundInsurance, SetSession, PostLiquidity, ResumeVenue
);

/// The definition of a command's name.
pub fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|d| d.name == name)
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
    let document = definition.form == "document";
    let mut body = Vec::new();
    if document {
        put_array(definition.fields.len(), &mut body);
    }
    for (field, ty) in definition.fields {
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
        "[u8; 16]" => {
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

/// One event: header, its own numbers, body.
#[derive(Clone, Debug)]
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

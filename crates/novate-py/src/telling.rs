//! Events as JSON text from their records: the class `Teller`.
//!
//! What a kind of event says, field by field, is Python's table (`novate/schema/telling.py`), made of the definitions; this file
//! follows it. What it does not follow goes the plain way, a function of Python that tells any event. Bytes are the same either way.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::engine::bytes_of;
use crate::errors;
use crate::heads::{LEAD, event_heads};
use crate::listed::{Listed, named, put, scaled};
use crate::record::{Wire, number, whole};

/// A field: its name, how it reads, where it is, its wire type, what a name or a scale is of, the offsets of the ids that say of
/// which one (the first that is not 0), and its words or bits by number.
type Given = (String, String, usize, String, String, Vec<usize>, Vec<(String, u64)>);

/// How a field reads.
enum Show {
    Whole,
    Id,
    Yes,
    Bits(Vec<(String, u64)>),
    Code(Vec<Option<String>>),
    Name(usize),
    Client,
    Bytes,
    Scaled {
        what: usize,
        of: Vec<usize>,
    },
    /// Of the market where the order at this offset is.
    OfOrder {
        what: usize,
        order: usize,
    },
}

struct Field {
    /// `"name":`, behind a comma but for the first.
    key: String,
    at: usize,
    wire: Wire,
    show: Show,
}

struct Kind {
    number: u16,
    size: usize,
    /// The text up to the sequence.
    begins: String,
    fields: Vec<Field>,
}

/// An event that has to be told the plain way.
struct Plain;

/// Tells events in the public language as of one catalogue.
#[pyclass(frozen, module = "novate._core")]
pub struct Teller {
    kinds: Vec<Option<Kind>>,
    unheard: Vec<u16>,
    listed: Py<Listed>,
    market_of: Py<PyAny>,
    plain: Py<PyAny>,
}

#[pymethods]
impl Teller {
    /// `kinds` are (number, bytes, name, fields); `unheard` the numbers that `answer` leaves out; `market_of` says where an order is, 0 for
    /// not known; `plain` tells any whole event.
    #[new]
    #[pyo3(signature = (kinds, unheard, listed, market_of, plain, /))]
    fn new(
        kinds: Vec<(u16, usize, String, Vec<Given>)>,
        unheard: Vec<u16>,
        listed: Py<Listed>,
        market_of: Py<PyAny>,
        plain: Py<PyAny>,
    ) -> PyResult<Self> {
        let most = kinds.iter().map(|kind| usize::from(kind.0) + 1).max().unwrap_or(0);
        let mut made: Vec<Option<Kind>> = Vec::new();
        made.resize_with(most, || None);
        for (number, size, name, fields) in kinds {
            let fields = fields.into_iter().enumerate().map(|(at, field)| Field::of(field, at == 0, size));
            made[usize::from(number)] = Some(Kind {
                number,
                size,
                begins: format!("{{\"event\":\"{name}\",\"seq\":"),
                fields: fields.collect::<PyResult<_>>()?,
            });
        }
        Ok(Self { kinds: made, unheard, listed, market_of, plain })
    }

    /// One whole event as JSON text. Raises `BadBuffer` for what is none, and what the plain way raises.
    #[pyo3(signature = (event, /))]
    fn tell<'py>(&self, py: Python<'py>, event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let event = bytes_of(event)?;
        let event = event.as_bytes();
        if whole(event).map(<[u8]>::len) != Some(event.len()) {
            return Err(errors::no_event(py, 0, event.len()));
        }
        let mut out = Vec::with_capacity(512);
        self.put(py, event, &mut out)?;
        Ok(PyBytes::new(py, &out))
    }

    /// The events of a buffer that are the account's or the venue's and are not left out: a JSON array, and their heads.
    #[pyo3(signature = (events, account, /))]
    fn answer<'py>(
        &self,
        py: Python<'py>,
        events: &[u8],
        account: u64,
    ) -> PyResult<(Bound<'py, PyBytes>, Vec<crate::heads::EventHead>)> {
        let mut out = Vec::with_capacity(1024);
        out.push(b'[');
        let mut mine = event_heads(py, events)?;
        mine.retain(|head| !self.unheard.contains(&head.kind) && (head.account == account || head.account == 0));
        for head in &mine {
            if out.len() > 1 {
                out.push(b',');
            }
            self.put(py, &events[head.at..head.at + head.length], &mut out)?;
        }
        out.push(b']');
        Ok((PyBytes::new(py, &out), mine))
    }
}

impl Teller {
    fn put(&self, py: Python<'_>, event: &[u8], out: &mut Vec<u8>) -> PyResult<()> {
        let kind = self.kinds.get(usize::from(number::<u16>(event, 4))).and_then(Option::as_ref);
        let begins = out.len();
        if let Some(kind) = kind.filter(|kind| kind.size == event.len())
            && self.follow(py, kind, event, out)?.is_ok()
        {
            return Ok(());
        }
        out.truncate(begins);
        let text = self.plain.call1(py, (PyBytes::new(py, event),))?;
        out.extend_from_slice(text.bind(py).cast::<PyBytes>()?.as_bytes());
        Ok(())
    }

    fn follow(&self, py: Python<'_>, kind: &Kind, event: &[u8], out: &mut Vec<u8>) -> PyResult<Result<(), Plain>> {
        debug_assert_eq!(kind.number, number::<u16>(event, 4));
        out.extend_from_slice(kind.begins.as_bytes());
        put(number::<u64>(event, 32).into(), out);
        out.extend_from_slice(b",\"index\":");
        put(number::<u32>(event, 48).into(), out);
        out.extend_from_slice(b",\"ts_ns\":");
        signed(number(event, 40), out);
        out.extend_from_slice(b",\"data\":{");
        for field in &kind.fields {
            if self.show(py, field, event, out)?.is_err() {
                return Ok(Err(Plain));
            }
        }
        out.push(b'}');
        let (account, among) = (number::<u64>(event, 8), number::<u64>(event, 56));
        if account != 0 {
            out.extend_from_slice(b",\"account\":\"");
            put(account.into(), out);
            out.push(b'"');
        }
        if among != 0 {
            out.extend_from_slice(b",\"account_seq\":");
            put(among.into(), out);
        }
        out.push(b'}');
        Ok(Ok(()))
    }

    fn show(&self, py: Python<'_>, field: &Field, event: &[u8], out: &mut Vec<u8>) -> PyResult<Result<(), Plain>> {
        out.extend_from_slice(field.key.as_bytes());
        let listed = self.listed.get();
        let value = field.wire.read(event, field.at);
        match &field.show {
            Show::Whole => put_number(value, out),
            Show::Id => {
                out.push(b'"');
                put_number(value, out);
                out.push(b'"');
            }
            Show::Yes => yes(value != 0, out),
            Show::Bits(bits) => {
                for (key, bit) in bits {
                    out.extend_from_slice(key.as_bytes());
                    yes(value & i128::from(*bit) != 0, out);
                }
            }
            Show::Code(words) => {
                match usize::try_from(value).ok().and_then(|at| words.get(at)).and_then(Option::as_ref) {
                    Some(word) => out.extend_from_slice(word.as_bytes()),
                    None => put_number(value, out),
                }
            }
            Show::Name(list) => match u32::try_from(value).ok().and_then(|id| listed.quoted(*list, id)) {
                _ if value == 0 => out.extend_from_slice(b"null"),
                Some(name) => out.extend_from_slice(name.as_bytes()),
                None => {
                    out.push(b'"');
                    put_number(value, out);
                    out.push(b'"');
                }
            },
            Show::Client => client(&event[field.at..field.at + 16], out),
            Show::Bytes => {
                out.push(b'"');
                hex(&event[field.at..field.at + 16], out);
                out.push(b'"');
            }
            Show::Scaled { what, of } => {
                let id = of.iter().map(|at| number::<u32>(event, *at)).find(|id| *id != 0).unwrap_or(0);
                return Ok(scale(listed, *what, id, number(event, field.at), out));
            }
            Show::OfOrder { what, order } => {
                let id = self.market_of.call1(py, (number::<u64>(event, *order),))?.extract::<u32>(py)?;
                return Ok(scale(listed, *what, id, number(event, field.at), out));
            }
        }
        Ok(Ok(()))
    }
}

impl Field {
    fn of((name, how, at, wire, what, of, words): Given, first: bool, size: usize) -> PyResult<Self> {
        let bad = |why: &str| PyValueError::new_err(format!("the field {name} {why}"));
        let wire = Wire::named(&wire).ok_or_else(|| bad("has a wire type that no record has"))?;
        let comma = if first { "" } else { "," };
        let ids_inside =
            of.iter().all(|beside| *beside >= LEAD && beside + if how == "of_order" { 8 } else { 4 } <= size);
        let sixteen = matches!(how.as_str(), "client_id" | "bytes");
        if at < LEAD || at + wire.size() > size || !ids_inside || sixteen != (wire == Wire::Bytes16) {
            return Err(bad("is not where it is said to be"));
        }
        let scaled_right = wire == Wire::I64;
        let show = match how.as_str() {
            "whole" => Show::Whole,
            "id" => Show::Id,
            "yes" => Show::Yes,
            "bits" => {
                let key = |(at, (name, bit)): (usize, (String, u64))| {
                    (format!("{}\"{name}\":", if at == 0 { comma } else { "," }), bit)
                };
                Show::Bits(words.into_iter().enumerate().map(key).collect())
            }
            "code" => {
                let mut table = vec![None; 256];
                for (word, number) in words {
                    let place = usize::try_from(number).ok().and_then(|number| table.get_mut(number));
                    *place.ok_or_else(|| bad("has a word for more than a byte"))? = Some(format!("\"{word}\""));
                }
                Show::Code(table)
            }
            "name" => Show::Name(named(&what)?),
            "client_id" => Show::Client,
            "bytes" => Show::Bytes,
            "scaled" if scaled_right => Show::Scaled { what: scaled(&what)?, of },
            "of_order" if scaled_right && of.len() == 1 => Show::OfOrder { what: scaled(&what)?, order: of[0] },
            _ => return Err(bad("is told in a way that is not known here")),
        };
        let key = if how == "bits" { String::new() } else { format!("{comma}\"{name}\":") };
        Ok(Self { key, at, wire, show })
    }
}

fn scale(listed: &Listed, what: usize, id: u32, units: i64, out: &mut Vec<u8>) -> Result<(), Plain> {
    match listed.scale(what, id) {
        None => out.extend_from_slice(b"null"),
        Some(None) => return Err(Plain),
        Some(Some(scale)) => {
            out.push(b'"');
            scale.put(units, out);
            out.push(b'"');
        }
    }
    Ok(())
}

fn signed(number: i64, out: &mut Vec<u8>) {
    put_number(number.into(), out);
}

fn put_number(number: i128, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    put(number.unsigned_abs(), out);
}

fn yes(is: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if is { b"true" } else { b"false" });
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.extend([byte >> 4, byte & 15].map(|half| b"0123456789abcdef"[usize::from(half)]));
    }
}

/// A client id the way it was sent: printable text without spaces, else its 32 digits; null for none.
fn client(raw: &[u8], out: &mut Vec<u8>) {
    let size = raw.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = &raw[..size];
    if text.is_empty() {
        out.extend_from_slice(b"null");
        return;
    }
    out.push(b'"');
    if text.iter().all(u8::is_ascii_graphic) {
        for byte in text {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*byte);
        }
    } else {
        hex(raw, out);
    }
    out.push(b'"');
}

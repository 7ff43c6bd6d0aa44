//! Operations from JSON text to records: the class `Hearer`.
//!
//! What an operation takes, field by field, is Python's table (`novate/schema/hearing.py`), made of the definitions; this file follows
//! it for arguments that are plain: one flat object, text of printable ASCII without escapes, names that are listed, numbers on
//! their steps. Of anything else it says `None`, and Python's way is gone, which also says what is wrong with it.

use std::collections::BTreeMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::listed::{Listed, named, scaled};
use crate::record::{Wire, number};

/// Bytes of a command's header.
const HEADER: usize = 48;
/// Most keys of an operation.
const KEYS: usize = 32;

/// A field: how it reads, where it is, its wire type, what a name or a scale is of, the offsets of the ids that say of which one (the
/// first that is not 0; none where the operation says no market), whether it must be there, its keys, each with the bit that it
/// stands for (0 for the whole field), and its words by number.
type Given = (String, usize, String, String, Vec<usize>, bool, Vec<(String, u64)>, Vec<(String, u64)>);

/// How a field reads.
enum Hear {
    Whole,
    Id,
    Yes,
    Bits,
    Code(Vec<(String, u64)>),
    Name(usize),
    Client,
    Bytes,
    Scaled {
        what: usize,
        of: Vec<usize>,
    },
    /// In dollars or shares, which are of nothing listed.
    Plain {
        what: usize,
    },
    /// Of the market where the order rests that the operation names.
    OfOrder {
        what: usize,
    },
}

struct Field {
    at: usize,
    wire: Wire,
    needed: bool,
    hear: Hear,
}

struct Key {
    name: String,
    field: usize,
    bit: u64,
}

struct Operation {
    /// The whole command with every field at its default, and nobody's.
    blank: Vec<u8>,
    fields: Vec<Field>,
    keys: Vec<Key>,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a [u8]),
    Number(i64),
    Yes(bool),
}

/// Makes commands of operations as of one catalogue.
#[pyclass(frozen, module = "novate._core")]
pub struct Hearer {
    operations: BTreeMap<String, Operation>,
    listed: Py<Listed>,
}

#[pymethods]
impl Hearer {
    /// `operations` are (name, the command with defaults, fields).
    #[new]
    #[pyo3(signature = (operations, listed, /))]
    fn new(operations: Vec<(String, Vec<u8>, Vec<Given>)>, listed: Py<Listed>) -> PyResult<Self> {
        let mut made = BTreeMap::new();
        for (name, blank, fields) in operations {
            made.insert(name, Operation::of(blank, fields)?);
        }
        Ok(Self { operations: made, listed })
    }

    /// The command that an operation's arguments stand for, nobody's yet; `None` for what is not plain, or wrong. `rests` says in which
    /// market the order rests that it names, 0 for not known: it gets the command as far as it needs no scale.
    #[pyo3(signature = (name, args, rests, /))]
    fn command<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        args: &[u8],
        rests: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some(operation) = self.operations.get(name) else { return Ok(None) };
        let mut said = [None; KEYS];
        let mut record = operation.blank.clone();
        let listed = self.listed.get();
        if operation.read(args, &mut said).and_then(|()| operation.put(&mut record, listed, 0, &said, false)).is_none()
        {
            return Ok(None);
        }
        let mut market = 0;
        if operation.asks(&said) {
            market = rests.call1((PyBytes::new(py, &record),))?.extract()?;
        }
        Ok(operation.put(&mut record, listed, market, &said, true).map(|()| PyBytes::new(py, &record)))
    }
}

impl Operation {
    fn of(blank: Vec<u8>, given: Vec<Given>) -> PyResult<Self> {
        let (mut fields, mut keys) = (Vec::new(), Vec::new());
        for (how, at, wire, what, of, needed, names, words) in given {
            let bad = |why: &str| PyValueError::new_err(format!("the field at byte {at} {why}"));
            let wire = Wire::named(&wire).ok_or_else(|| bad("has a wire type that no record has"))?;
            let sixteen = matches!(how.as_str(), "client_id" | "bytes");
            let inside = |at: usize, size: usize| at >= HEADER && at + size <= blank.len();
            if !inside(at, wire.size()) || !of.iter().all(|at| inside(*at, 4)) || sixteen != (wire == Wire::Bytes16) {
                return Err(bad("is not where it is said to be"));
            }
            let amount = wire == Wire::I64;
            let hear = match how.as_str() {
                "whole" => Hear::Whole,
                "id" => Hear::Id,
                "yes" => Hear::Yes,
                "bits" => Hear::Bits,
                "code" => Hear::Code(words),
                "name" if wire == Wire::U32 => Hear::Name(named(&what)?),
                "client_id" => Hear::Client,
                "bytes" => Hear::Bytes,
                "scaled" if amount && !of.is_empty() => Hear::Scaled { what: scaled(&what)?, of },
                "plain" if amount => Hear::Plain { what: scaled(&what)? },
                "of_order" if amount => Hear::OfOrder { what: scaled(&what)? },
                _ => return Err(bad("is heard in a way that is not known here")),
            };
            let field = fields.len();
            keys.extend(names.into_iter().map(|(name, bit)| Key { name, field, bit }));
            fields.push(Field { at, wire, needed, hear });
        }
        if keys.len() > KEYS {
            return Err(PyValueError::new_err(format!("an operation has at most {KEYS} keys, not {}", keys.len())));
        }
        Ok(Self { blank, fields, keys })
    }

    /// Whether something is said whose scale is that of the order's market.
    fn asks(&self, said: &[Option<Value<'_>>; KEYS]) -> bool {
        let asks = |key: &Key| matches!(self.fields[key.field].hear, Hear::OfOrder { .. });
        self.keys.iter().zip(said).any(|(key, value)| value.is_some() && asks(key))
    }

    /// Writes what is said and needs no scale, or what needs one: these are last, as the ids beside them say of what.
    fn put(
        &self,
        record: &mut [u8],
        listed: &Listed,
        market: u32,
        said: &[Option<Value<'_>>; KEYS],
        scaled: bool,
    ) -> Option<()> {
        for (key, value) in self.keys.iter().zip(said) {
            let field = &self.fields[key.field];
            match *value {
                None if field.needed => return None,
                Some(value) if field.scaled() == scaled => field.put(record, listed, market, key.bit, value)?,
                _ => {}
            }
        }
        Some(())
    }

    /// What is said, by the place of its key.
    fn read<'a>(&self, text: &'a [u8], said: &mut [Option<Value<'a>>; KEYS]) -> Option<()> {
        let mut text = Text { rest: text };
        text.expect(b'{')?;
        if !text.taken(b'}') {
            loop {
                let name = text.string()?;
                let key = self.keys.iter().position(|key| key.name.as_bytes() == name)?;
                text.expect(b':')?;
                let value = text.value()?;
                if said[key].replace(value).is_some() {
                    return None; // twice
                }
                if text.taken(b'}') {
                    break;
                }
                text.expect(b',')?;
            }
        }
        text.blank();
        text.rest.is_empty().then_some(())
    }
}

impl Field {
    const fn scaled(&self) -> bool {
        matches!(self.hear, Hear::Scaled { .. } | Hear::Plain { .. } | Hear::OfOrder { .. })
    }

    fn put(&self, record: &mut [u8], listed: &Listed, market: u32, bit: u64, value: Value<'_>) -> Option<()> {
        let number = match (&self.hear, value) {
            (Hear::Whole, Value::Number(number)) => number.into(),
            (Hear::Yes, Value::Yes(yes)) => yes.into(),
            (Hear::Bits, Value::Yes(yes)) => {
                let before = self.wire.read(record, self.at);
                if yes { before | i128::from(bit) } else { before }
            }
            (Hear::Id, Value::Text(text)) => whole_number(text)?,
            (Hear::Code(words), Value::Text(text)) => words.iter().find(|(word, _)| word.as_bytes() == text)?.1.into(),
            (Hear::Name(list), Value::Text(text)) => listed.id(*list, text)?.into(),
            (Hear::Client, Value::Text(text)) => return self.put_bytes(record, client_id(text)?),
            (Hear::Bytes, Value::Text(text)) => return self.put_bytes(record, hex(text)?),
            (Hear::Scaled { what, of }, Value::Text(text)) => {
                let id = of.iter().map(|at| number::<u32>(record, *at)).find(|id| *id != 0)?;
                units(listed, *what, id, text)?
            }
            (Hear::Plain { what }, Value::Text(text)) => units(listed, *what, 0, text)?,
            (Hear::OfOrder { what }, Value::Text(text)) => units(listed, *what, market, text)?,
            _ => return None,
        };
        self.wire.write(record, self.at, number)
    }

    fn put_bytes(&self, record: &mut [u8], bytes: [u8; 16]) -> Option<()> {
        record[self.at..self.at + 16].copy_from_slice(&bytes);
        Some(())
    }
}

fn units(listed: &Listed, what: usize, id: u32, text: &[u8]) -> Option<i128> {
    listed.scale(what, id)??.units(text).map(i128::from)
}

fn whole_number(text: &[u8]) -> Option<i128> {
    if text.is_empty() || text.len() > 20 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |number, digit| number * 10 + i128::from(digit - b'0')))
}

/// 1 to 16 printable characters, or 32 hexadecimal digits that are not all 0.
fn client_id(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() == 32 {
        return hex(text).filter(|bytes| *bytes != [0; 16]);
    }
    if text.is_empty() || text.len() > 16 || !text.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let mut found = [0; 16];
    found[..text.len()].copy_from_slice(text);
    Some(found)
}

/// 32 hexadecimal digits, letters small.
fn hex(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 32 {
        return None;
    }
    let mut found = [0; 16];
    for (byte, pair) in found.iter_mut().zip(text.chunks_exact(2)) {
        *byte = half(pair[0])? << 4 | half(pair[1])?;
    }
    Some(found)
}

const fn half(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// JSON text of which nothing but plain things is read.
struct Text<'a> {
    rest: &'a [u8],
}

impl<'a> Text<'a> {
    fn blank(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn taken(&mut self, byte: u8) -> bool {
        self.blank();
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.taken(byte).then_some(())
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let size = self.rest.iter().position(|byte| !matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'))?;
        let found = &self.rest[..size];
        self.rest = &self.rest[size..];
        self.rest = self.rest.strip_prefix(b"\"")?;
        Some(found)
    }

    fn value(&mut self) -> Option<Value<'a>> {
        self.blank();
        for (word, yes) in [(b"true".as_slice(), true), (b"false".as_slice(), false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Some(Value::Yes(yes));
            }
        }
        if self.rest.first() == Some(&b'"') {
            return self.string().map(Value::Text);
        }
        self.number().map(Value::Number)
    }

    fn number(&mut self) -> Option<i64> {
        let (negative, rest) = self.rest.strip_prefix(b"-").map_or((false, self.rest), |rest| (true, rest));
        let size = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = &rest[..size];
        self.rest = &rest[size..];
        if size > 18 || (digits.first() == Some(&b'0') && (size > 1 || negative)) {
            return None;
        }
        if matches!(self.rest.first(), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        // No digits: no number. 18 of them fit.
        let number = i64::try_from(whole_number(digits)?).ok()?;
        Some(if negative { -number } else { number })
    }
}

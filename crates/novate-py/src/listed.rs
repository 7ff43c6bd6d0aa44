//! What a venue lists, as far as text and records need it: names by id, ids by name, and the scale of every quantity.
//!
//! Python makes one of its catalogue, and a new one when the catalogue changes. A scale whose step has no finite decimals is
//! left out there: whoever meets one goes Python's way.

use std::collections::BTreeMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// What has names.
const NAMED: [&str; 3] = ["market", "asset", "underlying"];
/// What has scales.
const SCALED: [&str; 8] = ["ticks", "lots", "money", "mark", "amount", "price", "dollars", "shares"];
/// Digits of a number that is read here; longer ones go Python's way.
const DIGITS: usize = 30;

/// One unit of the engine is `step` of 10^-`decimals` outside.
#[derive(Clone, Copy)]
pub struct Scale {
    step: u64,
    decimals: u32,
}

impl Scale {
    /// Units as plain decimal text without zeros at its end.
    pub fn put(self, units: i64, out: &mut Vec<u8>) {
        let number = i128::from(units) * i128::from(self.step);
        if number < 0 {
            out.push(b'-');
        }
        let number = number.unsigned_abs();
        let one = 10_u128.pow(self.decimals);
        put(number / one, out);
        let mut part = number % one;
        if part == 0 {
            return;
        }
        let mut width = self.decimals as usize;
        while part.is_multiple_of(10) {
            part /= 10;
            width -= 1;
        }
        out.push(b'.');
        let begins = out.len();
        put(part, out);
        let written = out.len() - begins;
        out.splice(begins..begins, std::iter::repeat_n(b'0', width - written));
    }

    /// The units that plain decimal text stands for; `None` for what is no such text, lies between two units or does not fit.
    pub fn units(self, text: &[u8]) -> Option<i64> {
        let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
        let mut number: i128 = 0;
        let mut parts = text.splitn(2, |&byte| byte == b'.');
        let (whole, part) = (parts.next()?, parts.next());
        if whole.is_empty() || part.is_some_and(<[u8]>::is_empty) {
            return None;
        }
        let part = part.unwrap_or_default();
        if whole.len() > 24 || part.len() > 24 || whole.len() + part.len() > DIGITS {
            return None;
        }
        for digit in whole.iter().chain(part) {
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number * 10 + i128::from(digit - b'0');
        }
        let step = i128::from(self.step).checked_mul(10_i128.checked_pow(u32::try_from(part.len()).ok()?)?)?;
        let number = number.checked_mul(10_i128.pow(self.decimals))?;
        if number % step != 0 {
            return None;
        }
        i64::try_from(if negative { -(number / step) } else { number / step }).ok()
    }
}

/// A whole number in decimal digits.
pub fn put(mut number: u128, out: &mut Vec<u8>) {
    let mut digits = [0; 39];
    let mut at = digits.len();
    // Nearly all are short: a division of 64 bits is a tenth of one of 128.
    while number > u128::from(u64::MAX) {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    let mut short = number as u64;
    loop {
        at -= 1;
        digits[at] = b'0' + (short % 10) as u8;
        short /= 10;
        if short == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Names and scales as of one catalogue.
#[pyclass(frozen, module = "novate._core")]
pub struct Listed {
    quoted: Vec<BTreeMap<u32, String>>,
    ids: Vec<BTreeMap<Vec<u8>, u32>>,
    scales: Vec<BTreeMap<u32, Option<Scale>>>,
}

#[pymethods]
impl Listed {
    /// `names` are (what, id, name, the name as JSON); `scales` are (what, of which id, step, decimals), with a step of 0 where text is
    /// not `step` times 10^-`decimals`. `ValueError` for what is neither named nor scaled.
    #[new]
    #[pyo3(signature = (names, scales, /))]
    fn new(names: Vec<(String, u32, String, String)>, scales: Vec<(String, u32, u64, u32)>) -> PyResult<Self> {
        let mut made = Self {
            quoted: vec![BTreeMap::new(); NAMED.len()],
            ids: vec![BTreeMap::new(); NAMED.len()],
            scales: vec![BTreeMap::new(); SCALED.len()],
        };
        for (what, id, name, quoted) in names {
            let list = named(&what)?;
            made.quoted[list].insert(id, quoted);
            made.ids[list].insert(name.into_bytes(), id);
        }
        for (what, id, step, decimals) in scales {
            let scale = (step > 0 && decimals <= 18).then_some(Scale { step, decimals });
            made.scales[scaled(&what)?].insert(id, scale);
        }
        Ok(made)
    }
}

impl Listed {
    /// A name as JSON.
    pub fn quoted(&self, list: usize, id: u32) -> Option<&str> {
        self.quoted[list].get(&id).map(String::as_str)
    }

    /// The id of a name.
    pub fn id(&self, list: usize, name: &[u8]) -> Option<u32> {
        self.ids[list].get(name).copied()
    }

    /// The scale of a thing: `None` where it is not listed, `Some(None)` where it is none of this file's.
    pub fn scale(&self, what: usize, id: u32) -> Option<Option<Scale>> {
        self.scales[what].get(&id).copied()
    }
}

/// The number of a list of names.
pub fn named(what: &str) -> PyResult<usize> {
    found(&NAMED, what, "names")
}

/// The number of a list of scales.
pub fn scaled(what: &str) -> PyResult<usize> {
    found(&SCALED, what, "scales")
}

fn found(known: &[&str], what: &str, of: &str) -> PyResult<usize> {
    let at = known.iter().position(|one| *one == what);
    at.ok_or_else(|| PyValueError::new_err(format!("{of} are of {}, not of {what:?}", known.join(", "))))
}

//! Where the events of a buffer are, and what their heads say, for whoever reads a few fields of very many of them.

use pyo3::prelude::*;

use crate::errors;
use crate::record::{number, whole};

/// Bytes of an event's header and of the three numbers that lead its body.
pub const LEAD: usize = 64;

/// Where an event is in its buffer, and what its head says.
#[pyclass(frozen, get_all, module = "novate._core")]
pub struct EventHead {
    /// Offset of its first byte.
    pub at: usize,
    /// Bytes of the whole message.
    pub length: usize,
    /// Type number.
    pub kind: u16,
    /// Whose event it is; 0 for the venue.
    pub account: u64,
    /// The command's position in the journal.
    sequence: u64,
    /// Journal time, nanoseconds UTC.
    time_ns: i64,
    /// Position among the events of its account; 0 for the venue.
    account_sequence: u64,
}

/// The heads of a buffer of whole events, in order; the offset of the first one that is not whole is the error.
pub fn heads(events: &[u8]) -> Result<Vec<EventHead>, usize> {
    let mut found = Vec::with_capacity(events.len() / 96);
    let mut at = 0;
    while at < events.len() {
        let event = whole(&events[at..]).ok_or(at)?;
        found.push(EventHead {
            at,
            length: event.len(),
            kind: number(event, 4),
            account: number(event, 8),
            sequence: number(event, 32),
            time_ns: number(event, 40),
            account_sequence: number(event, 56),
        });
        at += event.len();
    }
    Ok(found)
}

/// The same for Python: `BadBuffer` where the events stop being whole.
pub fn event_heads(py: Python<'_>, events: &[u8]) -> PyResult<Vec<EventHead>> {
    heads(events).map_err(|at| errors::no_event(py, at, events.len()))
}

//! The border between the engine and Python: module `novate._core`.
//!
//! Bytes in, bytes out. This crate holds no rule of the venue and keeps no state but the engine it wraps (`engine.rs`) and tables
//! that Python gave it: `telling.rs` and `hearing.rs` follow these from records to JSON and back, and know no message either.
//! `errors.rs` is the one place where failures become Python exceptions.
#![warn(missing_docs)]

mod errors;
mod engine;
mod record;
mod heads;
mod listed;
mod telling;
mod hearing;

use pyo3::prelude::*;

/// The extension module. Its list of names is the whole public surface, checked against `src/novate/_core.pyi`.
#[pymodule(gil_used = false)]
mod _core {
    use novate_core::codec::{Header, VERSION};
    use novate_core::command::{self, Command};
    use novate_core::envelope;
    use novate_core::event;
    use novate_core::reject::Reject;
    use pyo3::types::{PyBytes, PyBytesMethods};

    use super::engine::bytes_of;
    use super::{Bound, PyAny, PyResult, Python, errors, pyfunction};

    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::heads::EventHead;
    #[pymodule_export]
    use super::hearing::Hearer;
    #[pymodule_export]
    use super::listed::Listed;
    #[pymodule_export]
    use super::telling::Teller;

    /// Where each event of a buffer is, and what its head says. Raises `BadBuffer` for anything but whole events.
    #[pyfunction]
    #[pyo3(signature = (events, /))]
    fn event_heads(py: Python<'_>, events: &[u8]) -> PyResult<Vec<EventHead>> {
        super::heads::event_heads(py, events)
    }

    /// Every refusal the engine can answer, as a JSON array: number, name, sentence, and whether a retry can help.
    #[pyfunction]
    fn refusals() -> String {
        novate_core::reject::export_json()
    }

    /// Release of the engine, recorded in every journal segment.
    #[pyfunction]
    fn release() -> &'static str {
        novate_core::RELEASE
    }

    /// Number of the ruleset this build applies; a change of behaviour is a new number.
    #[pyfunction]
    fn ruleset() -> u32 {
        novate_core::RULESET
    }

    /// BLAKE3 of a whole message as it stands in the journal: what a quarantine names it by.
    #[pyfunction]
    #[pyo3(signature = (message, /))]
    fn digest<'py>(py: Python<'py>, message: &[u8]) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &novate_core::codec::digest(message))
    }

    /// A copy of `buffer` with its sequences filled, and its times unless `time_ns` is None; how many messages, the last at which
    /// time. Raises `BadBuffer` for anything but whole messages, `TimeRanBackwards` for a time before the one in front.
    #[pyfunction]
    #[pyo3(signature = (buffer, first_sequence, time_ns, last_time_ns, /))]
    fn stamp<'py>(
        py: Python<'py>,
        buffer: &Bound<'py, PyAny>,
        first_sequence: u64,
        time_ns: Option<i64>,
        last_time_ns: i64,
    ) -> PyResult<(Bound<'py, PyBytes>, u64, i64)> {
        let input = bytes_of(buffer)?;
        let input = input.as_bytes();
        let mut stamped = Err(envelope::Fault::NoMessage);
        let filled = PyBytes::new_with(py, input.len(), |out| {
            out.copy_from_slice(input);
            stamped = envelope::stamp(out, first_sequence, time_ns, last_time_ns);
            Ok(())
        })?;
        stamped.map_or_else(
            |fault| Err(errors::unstamped(py, input.len(), fault)),
            |done| Ok((filled, done.commands, done.time_ns)),
        )
    }

    /// Whether one of the messages in `buffer` is of type `kind`, where all of it is messages that `stamp` would take; else raises
    /// `BadBuffer`.
    #[pyfunction]
    #[pyo3(signature = (buffer, kind, /))]
    fn check(py: Python<'_>, buffer: &[u8], kind: u16) -> PyResult<bool> {
        envelope::check(buffer, kind).map_err(|fault| errors::unstamped(py, buffer.len(), fault))
    }

    /// Whether one of the messages in `buffer` is of type `kind`. Their headers are all that is looked at.
    #[pyfunction]
    #[pyo3(signature = (buffer, kind, /))]
    fn holds(buffer: &[u8], kind: u16) -> bool {
        envelope::holds(buffer, kind)
    }

    /// Every command and event the engine knows, as a JSON array: name, kind, form, and fields as name and type.
    #[pyfunction]
    fn definitions() -> String {
        let all: Vec<String> = command::definitions().into_iter().chain(event::definitions()).collect();
        format!("[{}]", all.join(","))
    }

    /// Decodes the body of a message (an event's without its three leading fields) and encodes it again, so that a test
    /// can compare the bytes. A body the engine would refuse raises `ValueError`.
    #[pyfunction]
    #[pyo3(signature = (kind, body, /))]
    fn round_trip<'py>(py: Python<'py>, kind: u16, body: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let header = Header { kind, version: VERSION, ..Header::default() };
        let again = match Command::take(&header, body) {
            Ok(command) => {
                let mut out = Vec::with_capacity(body.len());
                command.put(&mut out);
                Ok(out)
            }
            Err(refusal) if refusal.code == Reject::message_type_must_be_known => event::round_trip(kind, body),
            Err(refusal) => Err(refusal),
        };
        let again = again.map_err(|refusal| errors::bad_input(format!("refused: {:?}", refusal.code)))?;
        Ok(PyBytes::new(py, &again))
    }
}

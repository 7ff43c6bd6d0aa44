//! The one place where failures of the engine become Python exceptions.
//!
//! The classes are Python's own, drawn as a tree in `novate/errors.py`; this file only raises them. A refused command is
//! not a failure: it is an event, and never passes through here.

use std::any::Any;

use novate_core::envelope::Fault;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};

mod python {
    #![allow(missing_docs)]
    pyo3::import_exception!(novate.errors, BadBuffer);
    pyo3::import_exception!(novate.errors, EngineHalted);
    pyo3::import_exception!(novate.errors, TimeRanBackwards);
}

/// The engine stopped at a fault of its own, inside the command of this sequence, and answers nothing more.
pub fn halted(py: Python<'_>, reason: &str, sequence: Option<u64>) -> PyErr {
    let Some(sequence) = sequence else {
        return python::EngineHalted::new_err(format!("The engine failed and answers nothing more: {reason}"));
    };
    let sentence = format!("The engine failed inside command {sequence} and answers nothing more: {reason}");
    let build = || {
        let facts = PyDict::new(py);
        facts.set_item("sequence", sequence)?;
        py.get_type::<python::EngineHalted>().call((sentence,), Some(&facts))
    };
    build().map_or_else(|error| error, PyErr::from_value)
}

/// A buffer that is not whole messages; the engine's state is untouched.
pub fn bad_buffer(what: impl ToString) -> PyErr {
    python::BadBuffer::new_err(what.to_string())
}

/// A buffer that can't be given its order and time; `size` are its bytes.
pub fn unstamped(py: Python<'_>, size: usize, fault: Fault) -> PyErr {
    let (sentence, facts) = match fault {
        Fault::NoMessage => {
            (format!("The buffer has {size} bytes and holds no whole message."), vec![("size", size as i128)])
        }
        Fault::TooShort { offset, length } => (
            format!("The message at byte {offset} says it has {length} bytes; a header alone has 48."),
            vec![("offset", offset as i128)],
        ),
        Fault::CutShort { offset } => {
            (format!("The buffer ends inside the message at byte {offset}."), vec![("offset", offset as i128)])
        }
        Fault::Backwards { sequence, time_ns, last_time_ns } => (
            format!("Command {sequence} has time {time_ns}, before the journal's last time {last_time_ns}."),
            vec![
                ("sequence", i128::from(sequence)),
                ("time_ns", i128::from(time_ns)),
                ("last_time_ns", i128::from(last_time_ns)),
            ],
        ),
    };
    let class = match fault {
        Fault::Backwards { .. } => py.get_type::<python::TimeRanBackwards>(),
        _ => py.get_type::<python::BadBuffer>(),
    };
    facts
        .into_py_dict(py)
        .and_then(|facts| class.call((sentence,), Some(&facts)))
        .map_or_else(|error| error, PyErr::from_value)
}

/// A buffer of `size` bytes in which no whole event begins at a byte.
pub fn no_event(py: Python<'_>, at: usize, size: usize) -> PyErr {
    let sentence = format!("no whole event at byte {at} of {size}");
    let build = || py.get_type::<python::BadBuffer>().call((sentence,), Some(&[("offset", at)].into_py_dict(py)?));
    build().map_or_else(|error| error, PyErr::from_value)
}

/// A question or a snapshot that the engine can not read; its state is untouched.
pub fn bad_input(what: impl ToString) -> PyErr {
    PyValueError::new_err(what.to_string())
}

/// The text of a caught panic.
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

//! The one place where failures of the engine become Python exceptions.
//!
//! The classes are Python's own, drawn as a tree in `novate/errors.py`; this file only raises them. A refused command is
//! not a failure: it is an event, and never passes through here.

use std::any::Any;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

mod python {
    #![allow(missing_docs)]
    pyo3::import_exception!(novate.errors, BadBuffer);
    pyo3::import_exception!(novate.errors, EngineHalted);
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

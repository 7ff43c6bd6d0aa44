//! The one place where failures of the engine become Python exceptions.
//!
//! The classes are Python's own, drawn as a tree in `novate/errors.py`; this file only raises them. A refused command is
//! not a failure: it is an event, and never passes through here.

use std::any::Any;

use pyo3::PyErr;
use pyo3::exceptions::PyValueError;

mod python {
    #![allow(missing_docs)]
    pyo3::import_exception!(novate.errors, BadBuffer);
    pyo3::import_exception!(novate.errors, EngineHalted);
}

/// The engine stopped at a fault of its own and answers nothing more.
pub fn halted(reason: &str) -> PyErr {
    python::EngineHalted::new_err(reason.to_owned())
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

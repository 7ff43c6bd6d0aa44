//! The Python class `Engine`: a lock around one engine, and one door (`enter`) through which every call passes.
//!
//! The door releases the interpreter first and locks second, so a thread that waits for the engine never holds the
//! interpreter, and a thread that holds the engine never waits for it. It knows no message and decides nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock};

use novate_core::engine::Engine as Core;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use crate::errors;

/// Bytes of events that there is room for from the start, per byte of commands: orders make up to three.
const EVENTS: usize = 4;

/// A deterministic venue engine: commands in, events out. Safe to share between threads; calls run one at a time.
#[pyclass(frozen, module = "novate._core")]
pub struct Engine {
    core: Mutex<Core>,
    /// Why the engine halted, and inside which command. Set once, by the call that panicked.
    halted: OnceLock<(String, Option<u64>)>,
}

impl From<Core> for Engine {
    fn from(core: Core) -> Self {
        Self { core: Mutex::new(core), halted: OnceLock::new() }
    }
}

impl Engine {
    /// Runs `work` on the engine, without the interpreter. A panic inside leaves the lock poisoned: the state may be half
    /// written, so this call and every later one raise `EngineHalted`.
    fn enter<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Core) -> T + Send) -> PyResult<T> {
        let outcome = py.detach(|| {
            catch_unwind(AssertUnwindSafe(|| match self.core.lock() {
                Ok(mut core) => Some(work(&mut core)),
                Err(_poisoned) => None,
            }))
        });
        match outcome {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.halted.get().map_or_else(|| errors::halted(py, "it panicked", None), |(text, at)| errors::halted(py, text, *at))),
            Err(panic) => {
                // The lock is poisoned and stays so; the sequence is written before a command is applied, so it is whole.
                let at = self.core.lock().map_or_else(|poisoned| poisoned.into_inner().failed(), |core| core.failed());
                let (text, at) = self.halted.get_or_init(|| (errors::panic_text(panic.as_ref()), at));
                Err(errors::halted(py, text, *at))
            }
        }
    }
}

#[pymethods]
impl Engine {
    #[new]
    fn new() -> Self {
        Core::new().into()
    }

    /// Applies the messages in `buffer`, in order, and returns their events. A buffer that is not whole messages raises
    /// `BadBuffer` and changes nothing.
    #[pyo3(signature = (buffer, /))]
    fn apply<'py>(&self, py: Python<'py>, buffer: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let input = bytes_of(buffer)?;
        let input = input.as_bytes();
        let events = self.enter(py, |core| {
            let mut events = Vec::with_capacity(input.len() * EVENTS);
            core.apply(input, &mut events).map(|()| events)
        })?;
        Ok(PyBytes::new(py, &events.map_err(errors::bad_buffer)?))
    }

    /// Applies the messages in `buffer` as `apply` does, and makes no events. What a replay wants that tells nobody.
    #[pyo3(signature = (buffer, /))]
    fn replay(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<()> {
        let input = bytes_of(buffer)?;
        let input = input.as_bytes();
        self.enter(py, |core| core.replay(input))?.map_err(errors::bad_buffer)
    }

    /// Answers a read-only question, MessagePack in and out.
    #[pyo3(signature = (request, /))]
    fn query<'py>(&self, py: Python<'py>, request: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let request = bytes_of(request)?;
        let request = request.as_bytes();
        let answer = self.enter(py, |core| core.query(request))?;
        Ok(PyBytes::new(py, &answer.map_err(errors::bad_input)?))
    }

    /// The whole state as bytes that `restore` takes.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.enter(py, |core| core.snapshot())?))
    }

    /// The engine a snapshot was taken of. Damaged or foreign bytes raise `ValueError`.
    #[staticmethod]
    #[pyo3(signature = (snapshot, /))]
    fn restore(py: Python<'_>, snapshot: &Bound<'_, PyAny>) -> PyResult<Self> {
        let snapshot = bytes_of(snapshot)?;
        let snapshot = snapshot.as_bytes();
        let core = py.detach(|| catch_unwind(|| Core::restore(snapshot)));
        match core {
            Ok(core) => Ok(core.map_err(errors::bad_input)?.into()),
            Err(panic) => Err(errors::bad_input(errors::panic_text(panic.as_ref()))),
        }
    }

    /// 32 bytes that are equal exactly when two engines hold the same state.
    fn state_hash<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.enter(py, |core| core.state_hash())?))
    }

    /// Answers the command of this sequence without applying it, as long as its whole message has the BLAKE3 `digest`.
    #[pyo3(signature = (sequence, digest, /))]
    fn quarantine(&self, py: Python<'_>, sequence: u64, digest: [u8; 32]) -> PyResult<()> {
        self.enter(py, |core| core.quarantine(sequence, digest))
    }

    /// Commands answered unapplied that two people have not confirmed.
    fn unconfirmed(&self, py: Python<'_>) -> PyResult<Vec<u64>> {
        self.enter(py, |core| core.unconfirmed())
    }

    /// Rehearses a fault: the command of this sequence panics when it is applied. Not part of the state.
    #[pyo3(signature = (sequence, /))]
    fn rehearse_panic(&self, py: Python<'_>, sequence: u64) -> PyResult<()> {
        self.enter(py, |core| core.rehearse_panic(sequence))
    }

    /// An independent copy, for questions of the form "what if".
    fn fork(&self, py: Python<'_>) -> PyResult<Self> {
        self.enter(py, |core| core.clone()).map(Self::from)
    }

    /// Sequence of the last command applied; 0 when none was.
    #[getter]
    fn sequence(&self, py: Python<'_>) -> PyResult<u64> {
        self.enter(py, |core| core.sequence())
    }

    /// Time of the last command applied, nanoseconds UTC.
    #[getter]
    fn time_ns(&self, py: Python<'_>) -> PyResult<i64> {
        self.enter(py, |core| core.time_ns())
    }

    /// Per asset, the difference that must be 0, in the asset's smallest unit.
    fn conservation(&self, py: Python<'_>) -> PyResult<Vec<(u32, i128)>> {
        self.enter(py, |core| core.conservation())
    }
}

/// The bytes of any buffer, structured numpy arrays included. `bytes` are used in place; anything else is copied while the
/// interpreter is held, because its owner could write to it once the interpreter is released.
pub fn bytes_of<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    let copy = PyMemoryView::from(data)?.call_method0("tobytes")?;
    Ok(copy.cast_into::<PyBytes>()?)
}

//! The one door into the core: detaches from the interpreter, sets the floating-point mode, picks the threads and the
//! instruction set, polls for Ctrl-C, turns a panic into an exception and maps errors. Nothing else in this crate does any
//! of these.

use std::num::NonZeroUsize;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use hardmine_core::float_mode::Mode;
use hardmine_core::{Error, Execution, Isa};
use pyo3::exceptions::{PyKeyboardInterrupt, PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

/// Runs `work` detached from the interpreter with `threads` threads.
pub fn run<T: Send>(
    py: Python<'_>,
    threads: usize,
    work: impl FnOnce(&Execution<'_>) -> hardmine_core::Result<T> + Send,
) -> PyResult<T> {
    let threads =
        NonZeroUsize::new(threads).ok_or_else(|| PyValueError::new_err("num_threads: 0, expected at least 1"))?;
    let isa = forced_isa()?;
    let callers_mode = Mode::current();
    let (outcome, signal) = py.detach(move || {
        let signal = Mutex::new(None);
        // A method path is not general enough over the lifetime of `py`.
        #[allow(clippy::redundant_closure_for_method_calls)]
        let poll = || match callers_mode.during(|| Python::attach(|py| py.check_signals())) {
            Ok(()) => false,
            Err(raised) => {
                *signal.lock().unwrap_or_else(PoisonError::into_inner) = Some(raised);
                true
            }
        };
        let exec = Execution::new(threads, isa, &poll);
        let outcome = catch_unwind(AssertUnwindSafe(|| Mode::DEFAULT.during(|| work(&exec))));
        (outcome, signal.into_inner().unwrap_or_else(PoisonError::into_inner))
    });
    // Asking for signals took this one from the interpreter: it is raised here or lost, whatever else came of the work.
    if let (Ok(_), Some(raised)) = (&outcome, signal) {
        return Err(raised);
    }
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(to_py(&error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            // A panic in a kernel over numbers that change under its hands is what bounds checks are for; one over numbers
            // that stand still is ours.
            Err(PyRuntimeError::new_err(format!(
                "hardmine failed inside: {text}. If another thread changed an input during the call, that is why; if not, it \
                 is a bug, please report it"
            )))
        }
    }
}

/// Runs a few operations of the core, attached and on this thread: in the floating-point mode of [`run`].
pub fn compute<T>(work: impl FnOnce() -> T) -> T {
    Mode::DEFAULT.during(work)
}

/// The Python exception of a core error.
pub fn to_py(error: &Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Interrupted => PyKeyboardInterrupt::new_err(()),
        Error::OutOfMemory { .. } => PyMemoryError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// The level named by `HARDMINE_ISA`, or the highest of the machine.
pub fn forced_isa() -> PyResult<Isa> {
    let Ok(name) = std::env::var("HARDMINE_ISA") else { return Ok(Isa::detect()) };
    match Isa::from_name(&name) {
        Some(level) if level.is_supported() => Ok(level),
        Some(_) => {
            let have = Isa::available().map(Isa::name).collect::<Vec<_>>().join(", ");
            Err(PyValueError::new_err(format!("HARDMINE_ISA={name}: this machine has {have}")))
        }
        None => {
            let known = Isa::ALL.map(Isa::name).join(", ");
            Err(PyValueError::new_err(format!("HARDMINE_ISA={name}: unknown level, expected one of {known}")))
        }
    }
}

//! What the library can tell about itself: version, levels, processors.

use hardmine_core::{pool, Isa};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::door;

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(isa_levels, module)?)?;
    module.add_function(wrap_pyfunction!(available_threads, module)?)?;
    module.add_function(wrap_pyfunction!(panic_in_worker, module)?)?;
    module.add_function(wrap_pyfunction!(in_default_mode, module)?)?;
    Ok(())
}

/// Instruction-set levels that this machine runs, lowest first.
#[pyfunction]
fn isa_levels() -> Vec<&'static str> {
    Isa::available().map(Isa::name).collect()
}

/// Processors that this process may use.
#[pyfunction]
fn available_threads() -> usize {
    pool::available_threads().get()
}

/// Panics in a worker: the way to test that a panic becomes one exception and leaves the pool usable.
#[pyfunction]
fn panic_in_worker(py: Python<'_>, threads: usize) -> PyResult<()> {
    door::run(py, threads, |exec| {
        pool::map(
            exec,
            0..64,
            || (),
            |(), index, _| {
                assert!(index != 33, "asked for");
                Ok(())
            },
        )
        .map(drop)
    })
}

/// Calls a Python function in the floating-point mode of the kernels: what it makes of floats belongs to results too.
#[pyfunction]
fn in_default_mode<'py>(
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    door::compute(|| function.call(args, Some(kwargs)))
}

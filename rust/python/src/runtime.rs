//! What the library can tell about itself: version, levels, processors.

use hardmine_core::{pool, Isa};
use pyo3::prelude::*;

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(isa_levels, module)?)?;
    module.add_function(wrap_pyfunction!(available_threads, module)?)?;
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

//! Door of `hardmine_core::fuse`.

// Arguments arrive by value from Python.
#![allow(clippy::needless_pass_by_value)]

use hardmine_core::fuse::{self as core, Fusion, Lists};
use hardmine_core::Csr;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::slice;
use crate::door::{self, to_py};

/// Adds this file's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(fuse, module)?)
}

/// One teacher: (offsets, ids, scores, weight).
type ListArrays<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, f32>, f64);

/// (offsets, ids, scores, sources).
type FusedArrays<'py> =
    (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<i16>>);

/// Fuses candidate lists.
#[pyfunction]
#[pyo3(signature = (runs, method, constant, min_votes, k, num_threads))]
fn fuse<'py>(
    py: Python<'py>,
    runs: Vec<ListArrays<'py>>,
    method: &str,
    constant: f64,
    min_votes: usize,
    k: usize,
    num_threads: usize,
) -> PyResult<FusedArrays<'py>> {
    let fusion = match method {
        "rrf" => Fusion::ReciprocalRank(constant),
        "round_robin" => Fusion::RoundRobin,
        "vote" => Fusion::Vote,
        "zscore" => Fusion::ZScore,
        "union" => Fusion::Union,
        other => return Err(PyValueError::new_err(format!("method: unknown {other:?}"))),
    };
    let lists = runs.iter().map(lists).collect::<PyResult<Vec<_>>>()?;
    let fused = door::run(py, num_threads, |exec| core::fuse(exec, &lists, fusion, min_votes, k))?;
    Ok((
        fused.offsets.into_pyarray(py),
        fused.ids.into_pyarray(py),
        fused.scores.into_pyarray(py),
        fused.sources.into_pyarray(py),
    ))
}

fn lists<'a>((offsets, ids, scores, weight): &'a ListArrays<'_>) -> PyResult<Lists<'a>> {
    let (offsets, ids) = (slice("runs", offsets)?, slice("runs", ids)?);
    let ids = Csr::new("runs", offsets, ids, offsets.len().saturating_sub(1), None).map_err(|error| to_py(&error))?;
    Ok(Lists { ids, scores: slice("runs", scores)?, weight: *weight })
}

//! Door of `hardmine_core::fuse`.

// Arguments arrive by value from Python.
#![allow(clippy::needless_pass_by_value)]

use hardmine_core::fuse::{self as core, Fusion, Teacher};
use hardmine_core::Result;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::slice;
use crate::door;
use crate::ragged::{RaggedArrays, RaggedSlices};

/// Adds this file's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(fuse, module)?)
}

/// The dictionary `_native.FuseRun`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct TeacherArrays<'py> {
    lists: RaggedArrays<'py>,
    scores: PyReadonlyArray1<'py, f32>,
    weight: f64,
}

/// The dictionary `_native.Fused`.
#[derive(IntoPyObject)]
struct FusedArrays<'py> {
    offsets: Bound<'py, PyArray1<i64>>,
    ids: Bound<'py, PyArray1<i64>>,
    scores: Bound<'py, PyArray1<f32>>,
    sources: Bound<'py, PyArray1<i16>>,
}

/// Fuses candidate lists.
#[pyfunction]
fn fuse<'py>(
    py: Python<'py>,
    runs: Vec<TeacherArrays<'py>>,
    method: &str,
    constant: f64,
    min_votes: usize,
    k: usize,
    num_threads: usize,
) -> PyResult<FusedArrays<'py>> {
    let fusion = fusion(method, constant)?;
    let runs = runs.iter().map(slices).collect::<PyResult<Vec<_>>>()?;
    let fused = door::run(py, num_threads, |exec| {
        let teachers = runs.iter().map(teacher).collect::<Result<Vec<_>>>()?;
        core::fuse(exec, &teachers, fusion, min_votes, k)
    })?;
    Ok(FusedArrays {
        offsets: fused.offsets.into_pyarray(py),
        ids: fused.ids.into_pyarray(py),
        scores: fused.scores.into_pyarray(py),
        sources: fused.sources.into_pyarray(py),
    })
}

fn fusion(method: &str, constant: f64) -> PyResult<Fusion> {
    match method {
        "rrf" => Ok(Fusion::ReciprocalRank(constant)),
        "round_robin" => Ok(Fusion::RoundRobin),
        "vote" => Ok(Fusion::Vote),
        "zscore" => Ok(Fusion::ZScore),
        "union" => Ok(Fusion::Union),
        other => Err(PyValueError::new_err(format!("method: unknown {other:?}"))),
    }
}

fn slices<'a>(run: &'a TeacherArrays<'_>) -> PyResult<(RaggedSlices<'a>, &'a [f32], f64)> {
    Ok((run.lists.slices("runs")?, slice("runs", &run.scores)?, run.weight))
}

fn teacher<'a>((lists, scores, weight): &(RaggedSlices<'a>, &'a [f32], f64)) -> Result<Teacher<'a>> {
    Ok(Teacher { ids: lists.csr(lists.offsets, None)?, scores, weight: *weight })
}

//! Door of `hardmine_core::topk`.

// Arguments arrive by value from Python.
#![allow(clippy::needless_pass_by_value)]

use half::{bf16, f16};
use hardmine_core::{topk as core, Error};
use numpy::{PyReadonlyArray1, PyUntypedArray};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::array::{slice, AnyMatrix};
use crate::door::{self, to_py};
use crate::ranked::{to_arrays, LimitArrays, RankedArrays};
use crate::with_matrix;

/// Adds this file's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(topk, module)?)?;
    module.add_class::<TopKAccumulator>()
}

/// The k best documents per output row; `rows` maps output rows to matrix rows.
#[pyfunction]
#[pyo3(signature = (scores, kind, k, limits, rows, threads))]
fn topk<'py>(
    py: Python<'py>,
    scores: &Bound<'py, PyUntypedArray>,
    kind: &str,
    k: usize,
    limits: LimitArrays<'py>,
    rows: Option<PyReadonlyArray1<'py, i64>>,
    threads: usize,
) -> PyResult<RankedArrays<'py>> {
    let matrix = AnyMatrix::new("scores", scores, kind)?;
    let rows = rows.as_ref().map(|rows| slice("rows", rows)).transpose()?;
    let outputs = rows.map_or(matrix.rows(), <[i64]>::len);
    let limits = limits.limits(outputs, Some(matrix.columns()))?;
    let found =
        door::run(py, threads, |exec| with_matrix!(matrix, matrix => core::topk(exec, matrix, k, &limits, rows)))?;
    Ok(to_arrays(py, found))
}

/// One accumulator per score type: types never mix in one ranking.
enum State {
    F16(core::TopKAccumulator<f16>),
    Bf16(core::TopKAccumulator<bf16>),
    F32(core::TopKAccumulator<f32>),
    F64(core::TopKAccumulator<f64>),
}

/// Calls `$body` with `$inner` bound to the typed accumulator inside `$state`.
macro_rules! with_state {
    ($state:expr, $inner:ident => $body:expr) => {
        match $state {
            State::F16($inner) => $body,
            State::Bf16($inner) => $body,
            State::F32($inner) => $body,
            State::F64($inner) => $body,
        }
    };
}

#[pyclass(module = "hardmine._native")]
struct TopKAccumulator(State);

#[pymethods]
impl TopKAccumulator {
    #[new]
    fn new(num_queries: usize, k: usize, kind: &str) -> PyResult<Self> {
        let state = match kind {
            "f16" => core::TopKAccumulator::new(num_queries, k).map(State::F16),
            "bf16" => core::TopKAccumulator::new(num_queries, k).map(State::Bf16),
            "f32" => core::TopKAccumulator::new(num_queries, k).map(State::F32),
            "f64" => core::TopKAccumulator::new(num_queries, k).map(State::F64),
            _ => return Err(PyTypeError::new_err(format!("scores_tile: unknown item kind {kind}"))),
        };
        state.map(TopKAccumulator).map_err(|error| to_py(&error))
    }

    #[allow(clippy::too_many_arguments)]
    fn update<'py>(
        &mut self,
        py: Python<'py>,
        tile: &Bound<'py, PyUntypedArray>,
        kind: &str,
        first_query: usize,
        first_document: i64,
        limits: LimitArrays<'py>,
        threads: usize,
    ) -> PyResult<()> {
        let tile = AnyMatrix::new("scores_tile", tile, kind)?;
        let queries = with_state!(&self.0, inner => inner.queries());
        let limits = limits.limits(queries, None)?;
        let state = &mut self.0;
        door::run(py, threads, move |exec| match (state, tile) {
            (State::F16(inner), AnyMatrix::F16(tile)) => inner.update(exec, tile, first_query, first_document, &limits),
            (State::Bf16(inner), AnyMatrix::Bf16(tile)) => {
                inner.update(exec, tile, first_query, first_document, &limits)
            }
            (State::F32(inner), AnyMatrix::F32(tile)) => inner.update(exec, tile, first_query, first_document, &limits),
            (State::F64(inner), AnyMatrix::F64(tile)) => inner.update(exec, tile, first_query, first_document, &limits),
            _ => Err(Error::Value { argument: "scores_tile", problem: "another score type than before".to_owned() }),
        })
    }

    fn merge(&mut self, other: &Self) -> PyResult<()> {
        match (&mut self.0, &other.0) {
            (State::F16(inner), State::F16(other)) => inner.merge(other),
            (State::Bf16(inner), State::Bf16(other)) => inner.merge(other),
            (State::F32(inner), State::F32(other)) => inner.merge(other),
            (State::F64(inner), State::F64(other)) => inner.merge(other),
            _ => return Err(PyValueError::new_err("other: another score type than this accumulator's")),
        }
        .map_err(|error| to_py(&error))
    }

    fn finish<'py>(&self, py: Python<'py>, threads: usize) -> PyResult<RankedArrays<'py>> {
        let found = door::run(py, threads, |exec| with_state!(&self.0, inner => inner.finish(exec)))?;
        Ok(to_arrays(py, found))
    }
}

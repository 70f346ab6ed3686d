//! Door of `hardmine_core::topk`.

// Arguments arrive by value from Python.
#![allow(clippy::needless_pass_by_value)]

use half::{bf16, f16};
use hardmine_core::{topk as core, Error};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyUntypedArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::{slice, AnyMatrix};
use crate::door;
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
    fn new(
        py: Python<'_>,
        num_queries: usize,
        k: usize,
        kind: &str,
        limits: LimitArrays<'_>,
        threads: usize,
    ) -> PyResult<Self> {
        let limits = limits.limits(num_queries, None)?;
        door::run(py, threads, |exec| {
            Ok(TopKAccumulator(match kind {
                "f16" => State::F16(core::TopKAccumulator::new(exec, num_queries, k, &limits)?),
                "bf16" => State::Bf16(core::TopKAccumulator::new(exec, num_queries, k, &limits)?),
                "f32" => State::F32(core::TopKAccumulator::new(exec, num_queries, k, &limits)?),
                "f64" => State::F64(core::TopKAccumulator::new(exec, num_queries, k, &limits)?),
                _ => return Err(another_type("scores_tile")),
            }))
        })
    }

    /// Goes on from what `kept` of another one gave.
    #[staticmethod]
    fn restore(
        py: Python<'_>,
        num_queries: usize,
        k: usize,
        kind: &str,
        limits: LimitArrays<'_>,
        kept: KeptArrays<'_>,
        threads: usize,
    ) -> PyResult<Self> {
        let (limits, kept) = (limits.limits(num_queries, None)?, kept.kept()?);
        door::run(py, threads, |exec| {
            Ok(TopKAccumulator(match kind {
                "f16" => State::F16(core::TopKAccumulator::restore(exec, num_queries, k, &limits, &kept)?),
                "bf16" => State::Bf16(core::TopKAccumulator::restore(exec, num_queries, k, &limits, &kept)?),
                "f32" => State::F32(core::TopKAccumulator::restore(exec, num_queries, k, &limits, &kept)?),
                "f64" => State::F64(core::TopKAccumulator::restore(exec, num_queries, k, &limits, &kept)?),
                _ => return Err(another_type("state")),
            }))
        })
    }

    /// All that it holds, as arrays.
    fn kept<'py>(&self, py: Python<'py>, threads: usize) -> PyResult<KeptDict<'py>> {
        let kept = door::run(py, threads, |exec| with_state!(&self.0, inner => inner.kept(exec)))?;
        let counts = kept.tallies.iter().flat_map(|t| [t.excluded, t.nan, t.above_ceiling, t.below_floor]);
        let counts = PyArray1::from_iter(py, counts);
        Ok(KeptDict {
            offsets: kept.offsets.into_pyarray(py),
            ranks: kept.ranks.into_pyarray(py),
            ids: kept.ids.into_pyarray(py),
            counts,
        })
    }

    fn update<'py>(
        &mut self,
        py: Python<'py>,
        tile: &Bound<'py, PyUntypedArray>,
        kind: &str,
        first_query: usize,
        first_document: i64,
        threads: usize,
    ) -> PyResult<()> {
        let tile = AnyMatrix::new("scores_tile", tile, kind)?;
        let state = &mut self.0;
        door::run(py, threads, move |exec| match (state, tile) {
            (State::F16(inner), AnyMatrix::F16(tile)) => inner.update(exec, tile, first_query, first_document),
            (State::Bf16(inner), AnyMatrix::Bf16(tile)) => inner.update(exec, tile, first_query, first_document),
            (State::F32(inner), AnyMatrix::F32(tile)) => inner.update(exec, tile, first_query, first_document),
            (State::F64(inner), AnyMatrix::F64(tile)) => inner.update(exec, tile, first_query, first_document),
            _ => Err(another_type("scores_tile")),
        })
    }

    fn merge(&mut self, py: Python<'_>, other: &Self, threads: usize) -> PyResult<()> {
        let (state, other) = (&mut self.0, &other.0);
        door::run(py, threads, move |exec| match (state, other) {
            (State::F16(inner), State::F16(other)) => inner.merge(exec, other),
            (State::Bf16(inner), State::Bf16(other)) => inner.merge(exec, other),
            (State::F32(inner), State::F32(other)) => inner.merge(exec, other),
            (State::F64(inner), State::F64(other)) => inner.merge(exec, other),
            _ => Err(another_type("other")),
        })
    }

    fn finish<'py>(&self, py: Python<'py>, threads: usize) -> PyResult<RankedArrays<'py>> {
        let found = door::run(py, threads, |exec| with_state!(&self.0, inner => inner.finish(exec)))?;
        Ok(to_arrays(py, found))
    }
}

/// What an accumulator holds, on its way out; four counts a query lie in one row of numbers.
#[derive(IntoPyObject)]
struct KeptDict<'py> {
    offsets: Bound<'py, PyArray1<i64>>,
    ranks: Bound<'py, PyArray1<u64>>,
    ids: Bound<'py, PyArray1<i64>>,
    counts: Bound<'py, PyArray1<i64>>,
}

/// And on its way in again.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct KeptArrays<'py> {
    offsets: PyReadonlyArray1<'py, i64>,
    ranks: PyReadonlyArray1<'py, u64>,
    ids: PyReadonlyArray1<'py, i64>,
    counts: PyReadonlyArray1<'py, i64>,
}

impl KeptArrays<'_> {
    fn kept(&self) -> PyResult<core::Kept> {
        let (counts, rest) = slice("state counts", &self.counts)?.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(PyValueError::new_err("state counts: expected four of every query"));
        }
        let tally = |&[excluded, nan, above_ceiling, below_floor]: &[i64; 4]| hardmine_core::Tally {
            excluded,
            nan,
            above_ceiling,
            below_floor,
        };
        Ok(core::Kept {
            offsets: slice("state offsets", &self.offsets)?.to_vec(),
            ranks: slice("state ranks", &self.ranks)?.to_vec(),
            ids: slice("state ids", &self.ids)?.to_vec(),
            tallies: counts.iter().map(tally).collect(),
        })
    }
}

fn another_type(argument: &'static str) -> Error {
    Error::Value { argument, problem: "another score type than this accumulator's".to_owned() }
}

//! Draws: `draw`, `sample_uniform`, the alias table, and what other functions draw by the same kernels.

// PyO3 hands extracted arguments over by value.
#![allow(clippy::needless_pass_by_value)]

use hardmine_core::draw::{self, Domain, Keys, Noise, Request};
use hardmine_core::error::try_collect;
use hardmine_core::{Csr, Execution, Result};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyUntypedArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::{slice, AnyMatrix};
use crate::door;
use crate::with_matrix;

type KeyArray<'py> = PyReadonlyArray1<'py, u64>;
type Ints<'py> = PyReadonlyArray1<'py, i64>;

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(domains, module)?)?;
    module.add_function(wrap_pyfunction!(draw_rows, module)?)?;
    module.add_function(wrap_pyfunction!(draw_lists, module)?)?;
    module.add_function(wrap_pyfunction!(gumbel_noise, module)?)?;
    module.add_function(wrap_pyfunction!(sample_uniform, module)?)?;
    module.add_class::<AliasTable>()
}

/// The dictionary `_native.Noise`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct NoiseValues {
    domain: String,
    seed: u64,
    epoch: u64,
}

impl NoiseValues {
    fn noise(&self) -> PyResult<Noise> {
        let domain = Domain::from_name(&self.domain)
            .ok_or_else(|| PyValueError::new_err(format!("domain: unknown name {:?}", self.domain)))?;
        Ok(Noise::new(self.seed, self.epoch, domain))
    }
}

/// Names of all domains of noise.
#[pyfunction]
fn domains() -> Vec<&'static str> {
    Domain::ALL.iter().map(|domain| domain.name()).collect()
}

/// Draws `n` columns of every row; the result is flat.
#[pyfunction]
#[pyo3(signature = (log_weights, kind, n, *, noise, replace, row_keys, column_keys, num_threads))]
#[allow(clippy::too_many_arguments)] // named by the caller
fn draw_rows<'py>(
    py: Python<'py>,
    log_weights: &Bound<'py, PyUntypedArray>,
    kind: &str,
    n: usize,
    noise: NoiseValues,
    replace: bool,
    row_keys: Option<KeyArray<'py>>,
    column_keys: Option<KeyArray<'py>>,
    num_threads: usize,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let matrix = AnyMatrix::new("log_weights", log_weights, kind)?;
    let keys = Keys { rows: keys("row_keys", row_keys.as_ref())?, columns: keys("column_keys", column_keys.as_ref())? };
    let noise = noise.noise()?;
    let drawn = with_matrix!(matrix, m => {
        door::run(py, num_threads, |exec| draw::draw_rows(exec, m, n, noise, keys, replace))
    })?;
    Ok(drawn.into_pyarray(py))
}

/// The dictionary `_native.WeightedLists`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct WeightedLists<'py> {
    offsets: Ints<'py>,
    keys: Ints<'py>,
    log_weights: Option<PyReadonlyArray1<'py, f64>>,
    row_keys: Option<KeyArray<'py>>,
}

/// The dictionary `_native.DrawnLists`: `positions` are among all entries.
#[derive(IntoPyObject)]
struct DrawnLists<'py> {
    offsets: Bound<'py, PyArray1<i64>>,
    positions: Bound<'py, PyArray1<i64>>,
}

/// Draws at most `n` entries of every list.
#[pyfunction]
#[pyo3(signature = (lists, n, *, noise, num_threads))]
fn draw_lists<'py>(
    py: Python<'py>,
    lists: WeightedLists<'py>,
    n: usize,
    noise: NoiseValues,
    num_threads: usize,
) -> PyResult<DrawnLists<'py>> {
    let (offsets, ids) = (slice("offsets", &lists.offsets)?, slice("keys", &lists.keys)?);
    let log_weights = lists.log_weights.as_ref().map(|weights| slice("log_weights", weights)).transpose()?;
    let keys = Keys { rows: keys("row_keys", lists.row_keys.as_ref())?, columns: None };
    let noise = noise.noise()?;
    let (starts, positions) = door::run(py, num_threads, |exec| {
        let offsets = own(offsets)?;
        let lists = Csr::new("lists", &offsets, ids, offsets.len().saturating_sub(1), None)?;
        draw::draw_lists(exec, lists, log_weights, n, noise, keys)
    })?;
    Ok(DrawnLists { offsets: starts.into_pyarray(py), positions: positions.into_pyarray(py) })
}

/// The noise that one row of `draw_rows` sees: what its tests compare.
#[pyfunction]
fn gumbel_noise<'py>(
    py: Python<'py>,
    seed: u64,
    epoch: u64,
    row_key: u64,
    column_keys: KeyArray<'py>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let column_keys = slice("column_keys", &column_keys)?;
    let noise = door::run(py, 1, |exec| {
        let mut out = vec![0.0; column_keys.len()];
        Noise::new(seed, epoch, Domain::Draw).gumbel_into(exec.isa(), row_key, column_keys, &mut out);
        Ok(out)
    })?;
    Ok(noise.into_pyarray(py))
}

/// The dictionary `_native.Request`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct RequestArrays<'py> {
    rows: usize,
    n: usize,
    replace: bool,
    exclude: Option<(Ints<'py>, Ints<'py>)>,
    noise: NoiseValues,
    row_keys: Option<KeyArray<'py>>,
}

impl RequestArrays<'_> {
    /// Answers the request by `sample`, which gets it with the exclusions checked against the number of items.
    fn run<'py>(
        &self,
        py: Python<'py>,
        num_items: usize,
        num_threads: usize,
        sample: impl FnOnce(&Execution<'_>, &Request<'_>) -> Result<Vec<i64>> + Send,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let exclude = self
            .exclude
            .as_ref()
            .map(|(offsets, ids)| Ok::<_, PyErr>((slice("exclude", offsets)?, slice("exclude", ids)?)));
        let exclude = exclude.transpose()?;
        let keys = Keys { rows: keys("row_keys", self.row_keys.as_ref())?, columns: None };
        let (rows, n, replace, noise) = (self.rows, self.n, self.replace, self.noise.noise()?);
        let drawn = door::run(py, num_threads, |exec| {
            let offsets = exclude.map(|(offsets, _)| own(offsets)).transpose()?;
            let exclude = match (&offsets, exclude) {
                (Some(offsets), Some((_, ids))) => Some(Csr::new("exclude", offsets, ids, rows, Some(num_items))?),
                _ => None,
            };
            sample(exec, &Request { rows, n, replace, exclude, noise, keys })
        })?;
        Ok(drawn.into_pyarray(py))
    }
}

/// Draws items uniformly; the result is flat.
#[pyfunction]
fn sample_uniform<'py>(
    py: Python<'py>,
    num_items: usize,
    request: RequestArrays<'py>,
    num_threads: usize,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    request.run(py, num_items, num_threads, |exec, request| draw::sample_uniform(exec, num_items as u64, request))
}

/// A table for weighted draws.
#[pyclass(frozen)]
struct AliasTable(draw::AliasTable);

#[pymethods]
impl AliasTable {
    #[new]
    fn new(py: Python<'_>, weights: PyReadonlyArray1<'_, f64>) -> PyResult<Self> {
        let weights = slice("weights", &weights)?;
        door::run(py, 1, |exec| draw::AliasTable::new(exec, weights)).map(AliasTable)
    }

    /// Draws items; the result is flat.
    fn sample<'py>(
        &self,
        py: Python<'py>,
        request: RequestArrays<'py>,
        num_threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        request.run(py, self.0.len(), num_threads, |exec, request| self.0.sample(exec, request))
    }
}

/// Offsets are checked once and used often: another thread may write to the caller's.
fn own(offsets: &[i64]) -> Result<Vec<i64>> {
    try_collect(offsets.iter().map(|&offset| Ok(offset)))
}

fn keys<'a>(argument: &str, keys: Option<&'a KeyArray<'_>>) -> PyResult<Option<&'a [u64]>> {
    keys.map(|keys| slice(argument, keys)).transpose()
}

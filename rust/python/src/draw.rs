//! Draws: `draw`, `sample_uniform` and the alias table.

// PyO3 hands extracted arguments over by value.
#![allow(clippy::needless_pass_by_value)]

use hardmine_core::draw::{self, Domain, Keys, Noise, Request};
use hardmine_core::Csr;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyUntypedArray};
use pyo3::prelude::*;

use crate::array::{slice, AnyMatrix};
use crate::door::{self, to_py};
use crate::with_matrix;

type KeyArray<'py> = PyReadonlyArray1<'py, u64>;
type CsrArrays<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>);

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(draw_rows, module)?)?;
    module.add_function(wrap_pyfunction!(gumbel_noise, module)?)?;
    module.add_function(wrap_pyfunction!(sample_uniform, module)?)?;
    module.add_class::<AliasTable>()
}

/// Draws `n` columns of every row; the result is flat.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn draw_rows<'py>(
    py: Python<'py>,
    log_weights: &Bound<'py, PyUntypedArray>,
    kind: &str,
    n: usize,
    seed: u64,
    epoch: u64,
    replace: bool,
    row_keys: Option<KeyArray<'py>>,
    column_keys: Option<KeyArray<'py>>,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let matrix = AnyMatrix::new("log_weights", log_weights, kind)?;
    let keys = Keys { rows: keys("row_keys", row_keys.as_ref())?, columns: keys("column_keys", column_keys.as_ref())? };
    let noise = Noise::new(seed, epoch, Domain::Draw);
    let drawn = with_matrix!(matrix, m => {
        door::run(py, threads, |exec| draw::draw_rows(exec, m, n, noise, keys, replace))
    })?;
    Ok(drawn.into_pyarray(py))
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

/// The arrays behind a [`Request`]: (rows, n, seed, epoch, replace, exclude, `row_keys`).
#[derive(FromPyObject)]
struct RequestArrays<'py>(usize, usize, u64, u64, bool, Option<CsrArrays<'py>>, Option<KeyArray<'py>>);

impl RequestArrays<'_> {
    /// The request, its exclusions checked against the number of items.
    fn request(&self, domain: Domain, num_items: usize) -> PyResult<Request<'_>> {
        let RequestArrays(rows, n, seed, epoch, replace, exclude, row_keys) = self;
        let exclude = match exclude {
            None => None,
            Some((offsets, ids)) => {
                let (offsets, ids) = (slice("exclude", offsets)?, slice("exclude", ids)?);
                Some(Csr::new("exclude", offsets, ids, *rows, Some(num_items)).map_err(|error| to_py(&error))?)
            }
        };
        let keys = Keys { rows: keys("row_keys", row_keys.as_ref())?, columns: None };
        let noise = Noise::new(*seed, *epoch, domain);
        Ok(Request { rows: *rows, n: *n, replace: *replace, exclude, noise, keys })
    }
}

/// Draws items uniformly; the result is flat.
#[pyfunction]
fn sample_uniform<'py>(
    py: Python<'py>,
    num_items: usize,
    request: RequestArrays<'py>,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let request = request.request(Domain::Uniform, num_items)?;
    let drawn = door::run(py, threads, |exec| draw::sample_uniform(exec, num_items as u64, &request))?;
    Ok(drawn.into_pyarray(py))
}

/// A table for weighted draws.
#[pyclass(frozen)]
struct AliasTable(draw::AliasTable);

#[pymethods]
impl AliasTable {
    #[new]
    fn new(py: Python<'_>, weights: PyReadonlyArray1<'_, f64>) -> PyResult<Self> {
        let weights = slice("weights", &weights)?;
        door::run(py, 1, |_| draw::AliasTable::new(weights)).map(AliasTable)
    }

    /// Draws items; the result is flat.
    fn sample<'py>(
        &self,
        py: Python<'py>,
        request: RequestArrays<'py>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let request = request.request(Domain::Alias, self.0.len())?;
        Ok(door::run(py, threads, |exec| self.0.sample(exec, &request))?.into_pyarray(py))
    }
}

fn keys<'a>(argument: &str, keys: Option<&'a KeyArray<'_>>) -> PyResult<Option<&'a [u64]>> {
    keys.map(|keys| slice(argument, keys)).transpose()
}

//! Door of `hardmine_core::batch`.

// Arguments arrive by value from Python.
#![allow(clippy::needless_pass_by_value)]

use hardmine_core::batch::{self as core, Kind, MaskRules};
use hardmine_core::ceiling::{score_ceiling, Ceiling};
use hardmine_core::{Csr, NanPolicy};
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray1, PyUntypedArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::{slice, AnyMatrix};
use crate::door::{self, to_py};
use crate::{plan, with_matrix};

/// Adds this file's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(in_batch_mask, module)?)?;
    module.add_function(wrap_pyfunction!(triplets, module)?)
}

type Ids<'py> = PyReadonlyArray1<'py, i64>;

/// Ceilings and what they speak of: the dictionary `_native.MaskCeiling`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct CeilingArrays<'py> {
    terms: Vec<(String, f64, f64)>,
    positive_columns: Ids<'py>,
    positive_scores: Option<PyReadonlyArray1<'py, f32>>,
}

/// Equal things: the dictionary `_native.MaskLabels`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct LabelArrays<'py> {
    by_column: Vec<Ids<'py>>,
    query_ids: Option<Ids<'py>>,
    known: Option<KnownArrays<'py>>,
}

/// Positives of queries, and the ids of the columns: the dictionary `_native.KnownPositives`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct KnownArrays<'py> {
    offsets: Ids<'py>,
    ids: Ids<'py>,
    column_ids: Ids<'py>,
}

impl KnownArrays<'_> {
    fn known(&self) -> PyResult<(Csr<'_>, &[i64])> {
        let (offsets, ids) = (slice("positives offsets", &self.offsets)?, slice("positives ids", &self.ids)?);
        let rows = offsets.len().saturating_sub(1);
        let known = Csr::new("positives", offsets, ids, rows, None).map_err(|error| to_py(&error))?;
        Ok((known, slice("ids", &self.column_ids)?))
    }
}

/// True where a column is no trustworthy negative of a row.
#[pyfunction]
#[pyo3(signature = (scores, kind, ceiling, labels, keep_positive, drop_nan, num_threads))]
#[allow(clippy::too_many_arguments)]
fn in_batch_mask<'py>(
    py: Python<'py>,
    scores: &Bound<'py, PyUntypedArray>,
    kind: &str,
    ceiling: CeilingArrays<'py>,
    labels: LabelArrays<'py>,
    keep_positive: bool,
    drop_nan: bool,
    num_threads: usize,
) -> PyResult<Bound<'py, PyArray2<bool>>> {
    let matrix = AnyMatrix::new("scores", scores, kind)?;
    let (shape, positive_columns) =
        ([matrix.rows(), matrix.columns()], slice("positive_columns", &ceiling.positive_columns)?);
    let bounds = door::compute(|| bounds(matrix, &ceiling))?;
    let by_column = labels.by_column.iter().map(|labels| slice("labels", labels)).collect::<PyResult<Vec<_>>>()?;
    let rules = MaskRules {
        ceiling: &bounds,
        positive_columns,
        labels: &by_column,
        queries: labels.query_ids.as_ref().map(|queries| slice("query_ids", queries)).transpose()?,
        known: labels.known.as_ref().map(KnownArrays::known).transpose()?,
        keep_positive,
        nan: if drop_nan { NanPolicy::Drop } else { NanPolicy::Raise },
    };
    let mask =
        door::run(py, num_threads, |exec| with_matrix!(matrix, matrix => core::in_batch_mask(exec, matrix, &rules)))?;
    mask.into_pyarray(py).reshape(shape)
}

/// One bound per row, +inf where no rule sets one.
fn bounds(matrix: AnyMatrix<'_>, ceiling: &CeilingArrays<'_>) -> PyResult<Vec<f32>> {
    let rules = plan::rules(&ceiling.terms)?;
    if !rules.iter().any(|rule| Ceiling::needs_positive(*rule)) {
        return Ok(vec![score_ceiling(&rules, 0.0); matrix.rows()]);
    }
    let columns = slice("positive_columns", &ceiling.positive_columns)?;
    let scores = match &ceiling.positive_scores {
        Some(scores) => slice("positive_scores", scores)?.to_vec(),
        None => with_matrix!(matrix, matrix => core::positive_scores(&matrix, columns)).map_err(|e| to_py(&e))?,
    };
    Ok(scores.iter().map(|p| score_ceiling(&rules, f64::from(*p))).collect())
}

/// (anchor, positive, negative) of a batch, by the distances within it; -1 is no label.
#[pyfunction]
#[pyo3(signature = (distances, dtype, labels, kind, margin, drop_nan, num_threads))]
#[allow(clippy::too_many_arguments)]
fn triplets<'py>(
    py: Python<'py>,
    distances: &Bound<'py, PyUntypedArray>,
    dtype: &str,
    labels: Ids<'py>,
    kind: &str,
    margin: f64,
    drop_nan: bool,
    num_threads: usize,
) -> PyResult<Bound<'py, PyArray2<i64>>> {
    let matrix = AnyMatrix::new("distances", distances, dtype)?;
    let labels = slice("labels", &labels)?;
    let kind = match kind {
        "all" => Kind::All,
        "hard" => Kind::Hard,
        "semi_hard" => Kind::SemiHard(margin),
        "easy" => Kind::Easy(margin),
        "batch_hard" => Kind::BatchHard,
        _ => return Err(PyValueError::new_err(format!("kind: {kind:?}, expected a kind of triplets"))),
    };
    let nan = if drop_nan { NanPolicy::Drop } else { NanPolicy::Raise };
    let found = door::run(
        py,
        num_threads,
        |exec| with_matrix!(matrix, matrix => core::triplets(exec, &matrix, labels, kind, nan)),
    )?;
    let count = found.len() / 3;
    found.into_pyarray(py).reshape([count, 3])
}

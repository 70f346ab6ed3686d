//! The result of a scan on its way to Python, and the limits on their way in.

use hardmine_core::{Csr, Limits, NanPolicy, Ranked};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::array::slice;
use crate::door::to_py;

/// A dictionary of these arrays; the last four have one number per row.
#[derive(IntoPyObject)]
pub struct RankedArrays<'py> {
    offsets: Bound<'py, PyArray1<i64>>,
    ids: Bound<'py, PyArray1<i64>>,
    scores: Bound<'py, PyArray1<f32>>,
    above_ceiling: Bound<'py, PyArray1<i64>>,
    below_floor: Bound<'py, PyArray1<i64>>,
    nan: Bound<'py, PyArray1<i64>>,
    excluded: Bound<'py, PyArray1<i64>>,
}

/// Hands the arrays over without a copy.
pub fn to_arrays(py: Python<'_>, found: Ranked) -> RankedArrays<'_> {
    // Where nothing was removed anywhere, one array of zeros stands for all four.
    let zeros = PyArray1::<i64>::zeros(py, if found.tallies.is_empty() { found.offsets.len() - 1 } else { 0 }, false);
    let column = |pick: fn(&hardmine_core::Tally) -> i64| -> Bound<'_, PyArray1<i64>> {
        if found.tallies.is_empty() {
            return zeros.clone();
        }
        found.tallies.iter().map(pick).collect::<Vec<_>>().into_pyarray(py)
    };
    let (above_ceiling, below_floor) = (column(|t| t.above_ceiling), column(|t| t.below_floor));
    let (nan, excluded) = (column(|t| t.nan), column(|t| t.excluded));
    let (offsets, ids, scores) =
        (found.offsets.into_pyarray(py), found.ids.into_pyarray(py), found.scores.into_pyarray(py));
    RankedArrays { offsets, ids, scores, above_ceiling, below_floor, nan, excluded }
}

/// The arrays behind a [`Limits`], attributes of an object in Python.
#[derive(FromPyObject)]
pub struct LimitArrays<'py> {
    ceiling: Option<PyReadonlyArray1<'py, f32>>,
    floor: Option<PyReadonlyArray1<'py, f32>>,
    /// Offsets and ids.
    exclude: Option<(PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>)>,
    nan_is_dropped: bool,
    reached: Option<PyReadonlyArray1<'py, f32>>,
}

impl LimitArrays<'_> {
    /// Checked limits for `rows` rows over `documents` documents (`None`: any non-negative id).
    pub fn limits(&self, rows: usize, documents: Option<usize>) -> PyResult<Limits<'_>> {
        let exclude = match &self.exclude {
            None => None,
            Some((offsets, ids)) => {
                let (offsets, ids) = (slice("exclude", offsets)?, slice("exclude", ids)?);
                let limit = documents.unwrap_or(i64::MAX as usize);
                Some(Csr::new("exclude", offsets, ids, rows, Some(limit)).map_err(|error| to_py(&error))?)
            }
        };
        let limits = Limits {
            ceiling: self.ceiling.as_ref().map(|array| slice("ceiling", array)).transpose()?,
            floor: self.floor.as_ref().map(|array| slice("floor", array)).transpose()?,
            exclude,
            nan: if self.nan_is_dropped { NanPolicy::Drop } else { NanPolicy::Raise },
            reached: self.reached.as_ref().map(|array| slice("reached", array)).transpose()?,
        };
        limits.check(rows).map_err(|error| to_py(&error))?;
        Ok(limits)
    }
}

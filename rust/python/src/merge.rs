//! Door of `hardmine_core::merge`.

// Arguments arrive by value from Python.
#![allow(clippy::needless_pass_by_value)]

use hardmine_core::merge::{self as core, Merged, Shard};
use hardmine_core::{Csr, Result};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::array::slice;
use crate::door;
use crate::ragged::{Ints, RaggedArrays, RaggedSlices};

/// Adds this file's function to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(merge, module)?)
}

/// The dictionary `_native.MergeShard`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct ShardArrays<'py> {
    lists: RaggedArrays<'py>,
    scores: PyReadonlyArray1<'py, f32>,
    first_document: i64,
    ranks: Option<PyReadonlyArray1<'py, i32>>,
    above_ceiling: Option<Ints<'py>>,
    sources: Option<PyReadonlyArray1<'py, i16>>,
    anchor_scores: Option<PyReadonlyArray1<'py, f32>>,
}

/// What lies behind [`ShardArrays`], its lists not checked yet.
struct ShardSlices<'a> {
    lists: RaggedSlices<'a>,
    columns: Shard<'a>,
}

impl ShardArrays<'_> {
    fn slices(&self) -> PyResult<ShardSlices<'_>> {
        let columns = Shard {
            ids: Csr::default(),
            scores: slice("scores", &self.scores)?,
            first_document: self.first_document,
            ranks: self.ranks.as_ref().map(|array| slice("ranks", array)).transpose()?,
            above_ceiling: self.above_ceiling.as_ref().map(|array| slice("above_ceiling", array)).transpose()?,
            sources: self.sources.as_ref().map(|array| slice("sources", array)).transpose()?,
            anchors: self.anchor_scores.as_ref().map(|array| slice("anchor_scores", array)).transpose()?,
        };
        Ok(ShardSlices { lists: self.lists.slices("runs")?, columns })
    }
}

impl<'a> ShardSlices<'a> {
    fn shard(&self) -> Result<Shard<'a>> {
        Ok(Shard { ids: self.lists.csr(self.lists.offsets, None)?, ..self.columns })
    }
}

/// The dictionary `_native.Merged`.
#[derive(IntoPyObject)]
struct MergedArrays<'py> {
    offsets: Bound<'py, PyArray1<i64>>,
    ids: Bound<'py, PyArray1<i64>>,
    scores: Bound<'py, PyArray1<f32>>,
    ranks: Option<Bound<'py, PyArray1<i32>>>,
    sources: Option<Bound<'py, PyArray1<i16>>>,
    anchor_scores: Option<Bound<'py, PyArray1<f32>>>,
}

impl<'py> MergedArrays<'py> {
    fn new(py: Python<'py>, merged: Merged) -> Self {
        MergedArrays {
            offsets: merged.offsets.into_pyarray(py),
            ids: merged.ids.into_pyarray(py),
            scores: merged.scores.into_pyarray(py),
            ranks: merged.ranks.map(|column| column.into_pyarray(py)),
            sources: merged.sources.map(|column| column.into_pyarray(py)),
            anchor_scores: merged.anchors.map(|column| column.into_pyarray(py)),
        }
    }
}

/// The k best candidates of every query among those of all shards.
#[pyfunction]
fn merge<'py>(
    py: Python<'py>,
    shards: Vec<ShardArrays<'py>>,
    k: usize,
    num_threads: usize,
) -> PyResult<MergedArrays<'py>> {
    let shards = shards.iter().map(ShardArrays::slices).collect::<PyResult<Vec<_>>>()?;
    let merged = door::run(py, num_threads, |exec| {
        let shards = shards.iter().map(ShardSlices::shard).collect::<Result<Vec<_>>>()?;
        core::merge(exec, &shards, k)
    })?;
    Ok(MergedArrays::new(py, merged))
}

//! Doors of `hardmine_core::sparse`.
#![allow(clippy::needless_pass_by_value)] // PyO3 hands arguments over by value.

use half::f16;
use hardmine_core::sparse::{self, Postings, SparseRows, Weights};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::array::slice;
use crate::door::{self, to_py};
use crate::ragged::Ints;
use crate::ranked::{to_arrays, LimitArrays, RankedArrays};

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(sparse_postings, module)?)?;
    module.add_function(wrap_pyfunction!(sparse_search, module)?)?;
    module.add_function(wrap_pyfunction!(sparse_transpose, module)?)?;
    module.add_function(wrap_pyfunction!(sparse_block, module)?)?;
    module.add_function(wrap_pyfunction!(sparse_working_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(sparse_pair_scores, module)?)
}

/// Weights of either type.
#[derive(FromPyObject)]
enum WeightArray<'py> {
    F32(PyReadonlyArray1<'py, f32>),
    F16(PyReadonlyArray1<'py, f16>),
}

/// The arrays behind [`SparseRows`]: `nouns.sparse.SparseRows`.
#[derive(FromPyObject)]
struct RowArrays<'py> {
    offsets: Ints<'py>,
    terms: PyReadonlyArray1<'py, i32>,
    weights: WeightArray<'py>,
}

impl RowArrays<'_> {
    fn rows(&self, argument: &'static str) -> PyResult<SparseRows<'_>> {
        let weights = match &self.weights {
            WeightArray::F32(weights) => Weights::F32(slice(argument, weights)?),
            WeightArray::F16(weights) => Weights::F16(slice(argument, weights)?),
        };
        let (offsets, terms) = (slice(argument, &self.offsets)?, slice(argument, &self.terms)?);
        SparseRows::new(argument, offsets, terms, weights).map_err(|error| to_py(&error))
    }
}

/// The arrays behind [`Postings`]: `primitives.search.sparse.Postings`.
#[derive(FromPyObject)]
struct PostingArrays<'py> {
    documents: usize,
    terms: PyReadonlyArray1<'py, i32>,
    lists: Ints<'py>,
    blocks: PyReadonlyArray1<'py, i32>,
    starts: Ints<'py>,
    high: PyReadonlyArray1<'py, f32>,
    low: PyReadonlyArray1<'py, f32>,
    places: PyReadonlyArray1<'py, u16>,
    weights: PyReadonlyArray1<'py, f32>,
    codes: PyReadonlyArray1<'py, u8>,
    gridded: Ints<'py>,
    grids: PyReadonlyArray1<'py, u16>,
}

impl PostingArrays<'_> {
    fn postings(&self) -> PyResult<Postings<'_>> {
        Ok(Postings {
            documents: self.documents,
            terms: slice("postings", &self.terms)?,
            lists: slice("postings", &self.lists)?,
            blocks: slice("postings", &self.blocks)?,
            starts: slice("postings", &self.starts)?,
            high: slice("postings", &self.high)?,
            low: slice("postings", &self.low)?,
            places: slice("postings", &self.places)?,
            weights: slice("postings", &self.weights)?,
            codes: slice("postings", &self.codes)?,
            gridded: slice("postings", &self.gridded)?,
            grids: slice("postings", &self.grids)?,
        })
    }
}

/// A dictionary of what `primitives.search.sparse.Postings` holds beside the number of documents.
#[derive(IntoPyObject)]
struct BuiltArrays<'py> {
    terms: Bound<'py, PyArray1<i32>>,
    lists: Bound<'py, PyArray1<i64>>,
    blocks: Bound<'py, PyArray1<i32>>,
    starts: Bound<'py, PyArray1<i64>>,
    high: Bound<'py, PyArray1<f32>>,
    low: Bound<'py, PyArray1<f32>>,
    places: Bound<'py, PyArray1<u16>>,
    weights: Bound<'py, PyArray1<f32>>,
    codes: Bound<'py, PyArray1<u8>>,
    gridded: Bound<'py, PyArray1<i64>>,
    grids: Bound<'py, PyArray1<u16>>,
}

/// The inverted index of some rows; see `sparse::postings`.
#[pyfunction]
fn sparse_postings<'py>(py: Python<'py>, rows: RowArrays<'py>, threads: usize) -> PyResult<BuiltArrays<'py>> {
    let rows = rows.rows("documents")?;
    let built = door::run(py, threads, |exec| sparse::build(exec, &rows))?;
    Ok(BuiltArrays {
        terms: built.terms.into_pyarray(py),
        lists: built.lists.into_pyarray(py),
        blocks: built.blocks.into_pyarray(py),
        starts: built.starts.into_pyarray(py),
        high: built.high.into_pyarray(py),
        low: built.low.into_pyarray(py),
        places: built.places.into_pyarray(py),
        weights: built.weights.into_pyarray(py),
        codes: built.codes.into_pyarray(py),
        gridded: built.gridded.into_pyarray(py),
        grids: built.grids.into_pyarray(py),
    })
}

/// The best documents of queries `first..first + count`; limits are those of these queries alone.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn sparse_search<'py>(
    py: Python<'py>,
    queries: RowArrays<'py>,
    first: usize,
    count: usize,
    documents: RowArrays<'py>,
    postings: PostingArrays<'py>,
    k: usize,
    limits: LimitArrays<'py>,
    threads: usize,
) -> PyResult<RankedArrays<'py>> {
    let (queries, documents) = (queries.rows("queries")?, documents.rows("documents")?);
    let (postings, limits) = (postings.postings()?, limits.limits(count, Some(documents.len()))?);
    let rows = first..first.saturating_add(count);
    let found = door::run(py, threads, |exec| sparse::search(exec, &queries, rows, &documents, &postings, k, &limits))?;
    Ok(to_arrays(py, found))
}

/// Rows by document (offsets, terms, weights) of lists by term.
#[pyfunction]
#[allow(clippy::type_complexity)] // three arrays
fn sparse_transpose<'py>(
    py: Python<'py>,
    offsets: Ints<'py>,
    documents: PyReadonlyArray1<'py, i32>,
    weights: PyReadonlyArray1<'py, f32>,
    rows: usize,
) -> PyResult<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<f32>>)> {
    let (offsets, documents) = (slice("offsets", &offsets)?, slice("documents", &documents)?);
    let weights = slice("weights", &weights)?;
    let (offsets, terms, weights) =
        door::run(py, 1, |exec| sparse::transpose::transpose(exec, offsets, documents, weights, rows))?;
    Ok((offsets.into_pyarray(py), terms.into_pyarray(py), weights.into_pyarray(py)))
}

/// Documents of a block of an index.
#[pyfunction]
fn sparse_block() -> usize {
    sparse::postings::BLOCK
}

/// Bytes that a search of so many queries, of `longest` terms at most, takes beyond its result.
#[pyfunction]
fn sparse_working_bytes(k: usize, queries: usize, longest: usize, threads: usize) -> usize {
    sparse::working_bytes(k, queries, longest, threads)
}

#[pyfunction]
fn sparse_pair_scores<'py>(
    py: Python<'py>,
    queries: RowArrays<'py>,
    documents: RowArrays<'py>,
    query_ids: Ints<'py>,
    document_ids: Ints<'py>,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let (queries, documents) = (queries.rows("queries")?, documents.rows("documents")?);
    let (query_ids, document_ids) = (slice("query_ids", &query_ids)?, slice("document_ids", &document_ids)?);
    let scores =
        door::run(py, threads, |exec| sparse::pair_scores(exec, &queries, &documents, query_ids, document_ids))?;
    Ok(scores.into_pyarray(py))
}

//! Doors of `hardmine_core::search`.
#![allow(clippy::needless_pass_by_value)] // PyO3 hands arguments over by value.

use hardmine_core::error::try_collect;
use hardmine_core::search::{self, block, codes, Coded, Codes, Embeddings, Frame, Hits, Similarity, Source, Tile};
use hardmine_core::Isa;
use numpy::{
    IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray1, PyReadwriteArray2, PyUntypedArray,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::array::{slice, slice_mut, AnyMatrix};
use crate::door;
use crate::ranked::{to_arrays, LimitArrays, RankedArrays};

/// Adds this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(pair_scores, module)?)?;
    module.add_function(wrap_pyfunction!(row_norms, module)?)?;
    module.add_function(wrap_pyfunction!(check_limits, module)?)?;
    module.add_function(wrap_pyfunction!(search_bound, module)?)?;
    module.add_function(wrap_pyfunction!(widen_rows, module)?)?;
    module.add_function(wrap_pyfunction!(code_sizes, module)?)?;
    module.add_function(wrap_pyfunction!(encode_rows, module)?)?;
    module.add_function(wrap_pyfunction!(choose_frame, module)?)?;
    module.add_function(wrap_pyfunction!(has_fast_codes, module)?)?;
    module.add_class::<SearchScan>()?;
    Ok(())
}

/// An array of embeddings and the kind of its items, as the Python layer hands them over.
pub type EmbeddingArray<'py> = (Bound<'py, PyUntypedArray>, String);

/// The embeddings in such an array.
pub fn embeddings<'a>(argument: &str, array: &'a Bound<'_, PyUntypedArray>, kind: &str) -> PyResult<Embeddings<'a>> {
    match AnyMatrix::new(argument, array, kind)? {
        AnyMatrix::F16(m) => Ok(Embeddings::F16(m)),
        AnyMatrix::Bf16(m) => Ok(Embeddings::Bf16(m)),
        AnyMatrix::F32(m) => Ok(Embeddings::F32(m)),
        AnyMatrix::F64(_) => Err(PyTypeError::new_err(format!("{argument}: float64 embeddings"))),
    }
}

fn similarity(name: &str) -> PyResult<Similarity> {
    match name {
        "dot" => Ok(Similarity::Dot),
        "cosine" => Ok(Similarity::Cosine),
        _ => Err(PyValueError::new_err(format!("similarity: {name:?}, expected 'dot' or 'cosine'"))),
    }
}

fn same_dimension(queries: &Embeddings<'_>, documents: &Embeddings<'_>) -> PyResult<()> {
    let (found, wanted) = (queries.dimension(), documents.dimension());
    if found == wanted {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("queries: dimension {found}, expected {wanted} (that of documents)")))
}

#[pyfunction]
fn pair_scores<'py>(
    py: Python<'py>,
    queries: EmbeddingArray<'py>,
    documents: EmbeddingArray<'py>,
    query_ids: PyReadonlyArray1<'py, i64>,
    document_ids: PyReadonlyArray1<'py, i64>,
    similarity: &str,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let similarity = self::similarity(similarity)?;
    let (queries, documents) =
        (embeddings("queries", &queries.0, &queries.1)?, embeddings("documents", &documents.0, &documents.1)?);
    same_dimension(&queries, &documents)?;
    let (query_ids, document_ids) = (slice("query_ids", &query_ids)?, slice("document_ids", &document_ids)?);
    let scores = door::run(py, threads, |exec| {
        search::pair_scores(exec, queries, documents, query_ids, document_ids, similarity)
    })?;
    Ok(scores.into_pyarray(py))
}

#[pyfunction]
fn row_norms<'py>(
    py: Python<'py>,
    argument: &str,
    rows: EmbeddingArray<'py>,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    // The core names arguments by static strings.
    let argument = ["queries", "vectors", "batch"].into_iter().find(|known| *known == argument).unwrap_or("documents");
    let rows = embeddings(argument, &rows.0, &rows.1)?;
    let norms = door::run(py, threads, |exec| search::row_norms(exec, argument, rows))?;
    Ok(norms.into_pyarray(py))
}

/// Raises what a scan with these limits would raise.
#[pyfunction]
fn check_limits(limits: LimitArrays<'_>, queries: usize, documents: usize) -> PyResult<()> {
    limits.limits(queries, Some(documents)).map(drop)
}

/// Writes rows `first..first + len(out)` into `out` as float32, divided by their norms where those are given.
#[pyfunction]
fn widen_rows(
    py: Python<'_>,
    rows: EmbeddingArray<'_>,
    first: usize,
    norms: Option<PyReadonlyArray1<'_, f64>>,
    mut out: PyReadwriteArray2<'_, f32>,
    threads: usize,
) -> PyResult<()> {
    let rows = embeddings("rows", &rows.0, &rows.1)?;
    let norms = norms.as_ref().map(|norms| slice("norms", norms)).transpose()?;
    let [count, dimension] = *out.as_array().shape() else { unreachable!("two dimensions by its type") };
    let fits = first.checked_add(count).is_some_and(|end| end <= rows.rows()) && dimension == rows.dimension();
    if !fits || norms.is_some_and(|norms| norms.len() != rows.rows()) {
        return Err(PyValueError::new_err("out: its shape, the rows and their norms do not match"));
    }
    let out = slice_mut("out", &mut out)?;
    door::run(py, threads, |exec| rows.widen(exec, first, norms, out))
}

/// What a float32 score may be off: (scale, slack) per query and the factor per document; see `search::error_bound`.
#[pyfunction]
fn search_bound<'py>(
    py: Python<'py>,
    similarity: &str,
    dimension: usize,
    query_norms: PyReadonlyArray1<'py, f64>,
    document_norms: PyReadonlyArray1<'py, f64>,
) -> PyResult<[Bound<'py, PyArray1<f32>>; 3]> {
    let similarity = self::similarity(similarity)?;
    let (queries, documents) = (slice("query_norms", &query_norms)?, slice("document_norms", &document_norms)?);
    let found = door::compute(|| {
        let bound = search::error_bound::ErrorBound::new(similarity, dimension);
        [
            try_collect(queries.iter().map(|&norm| Ok(bound.query(norm).scale))),
            try_collect(queries.iter().map(|&norm| Ok(bound.query(norm).slack))),
            try_collect(documents.iter().map(|&norm| Ok(bound.document(norm)))),
        ]
    });
    let [scale, slack, factor] = found.map(|values| values.map_err(|error| door::to_py(&error)));
    Ok([scale?, slack?, factor?].map(|values: Vec<f32>| values.into_pyarray(py)))
}

/// Embeddings and their norms: `primitives.search.tiles.Rows`.
#[derive(FromPyObject)]
struct RowsArrays<'py> {
    array: Bound<'py, PyUntypedArray>,
    kind: String,
    norms: PyReadonlyArray1<'py, f64>,
}

/// The arrays behind a [`Source`]: `primitives.search.tiles.Source`.
#[derive(FromPyObject)]
struct SourceArrays<'py> {
    queries: RowsArrays<'py>,
    documents: RowsArrays<'py>,
}

impl SourceArrays<'_> {
    fn source(&self) -> PyResult<Source<'_>> {
        let queries = embeddings("queries", &self.queries.array, &self.queries.kind)?;
        let documents = embeddings("documents", &self.documents.array, &self.documents.kind)?;
        same_dimension(&queries, &documents)?;
        let query_norms = slice("query_norms", &self.queries.norms)?;
        let document_norms = slice("document_norms", &self.documents.norms)?;
        Ok(Source { queries, query_norms, documents, document_norms })
    }
}

/// The arrays behind [`Hits`]: `primitives.search.tiles.Hits`.
#[derive(FromPyObject)]
struct HitArrays<'py> {
    first_query: usize,
    offsets: PyReadonlyArray1<'py, i64>,
    rows: PyReadonlyArray1<'py, i64>,
    documents: Option<PyReadonlyArray1<'py, i64>>,
    above: PyReadonlyArray1<'py, i64>,
    below: PyReadonlyArray1<'py, i64>,
}

impl HitArrays<'_> {
    fn hits(&self) -> PyResult<Hits<'_>> {
        Ok(Hits {
            first_query: self.first_query,
            offsets: slice("offsets", &self.offsets)?,
            rows: slice("rows", &self.rows)?,
            documents: self.documents.as_ref().map(|ids| slice("documents", ids)).transpose()?,
            above: slice("above", &self.above)?,
            below: slice("below", &self.below)?,
        })
    }
}

/// How embeddings are moved and turned: `primitives.search.codes.Frame`.
#[derive(FromPyObject)]
struct FrameArrays<'py> {
    similarity: String,
    centre: PyReadonlyArray1<'py, f32>,
    rotated: bool,
}

impl FrameArrays<'_> {
    fn frame(&self) -> PyResult<Frame<'_>> {
        let (similarity, centre) = (self::similarity(&self.similarity)?, slice("centre", &self.centre)?);
        Ok(Frame { similarity, centre, rotated: self.rotated })
    }
}

/// The arrays behind [`Coded`]: `primitives.search.codes.Codes`.
#[derive(FromPyObject)]
struct CodedArrays<'py> {
    data: PyReadonlyArray1<'py, u8>,
    terms: PyReadonlyArray1<'py, f32>,
    frame: FrameArrays<'py>,
    first: usize,
    rows: usize,
}

impl CodedArrays<'_> {
    fn coded(&self, dimension: usize) -> PyResult<Coded<'_>> {
        let (data, terms) = (slice("codes", &self.data)?, slice("terms", &self.terms)?);
        let codes = Codes::new(data, terms, self.rows, dimension).map_err(|error| door::to_py(&error))?;
        Ok(Coded { codes, frame: self.frame.frame()?, first: self.first })
    }
}

/// Lengths of the two arrays that hold the codes of so many documents.
#[pyfunction]
fn code_sizes(rows: usize, dimension: usize) -> (usize, usize) {
    (block::blocks(rows) * block::block_bytes(dimension), block::blocks(rows) * block::TERMS)
}

/// A centre, empty where none pays, and whether a rotation pays; see `search::frame`.
#[pyfunction]
fn choose_frame<'py>(
    py: Python<'py>,
    rows: RowsArrays<'_>,
    similarity: &str,
    threads: usize,
) -> PyResult<(Bound<'py, PyArray1<f32>>, bool)> {
    let (similarity, documents) = (self::similarity(similarity)?, embeddings("documents", &rows.array, &rows.kind)?);
    let norms = slice("document_norms", &rows.norms)?;
    let (centre, rotated) = door::run(py, threads, |exec| search::frame::choose(exec, documents, norms, similarity))?;
    Ok((centre.into_pyarray(py), rotated))
}

/// Whether the level in force has a kernel for codes that beats a matrix product of floats.
#[pyfunction]
fn has_fast_codes() -> PyResult<bool> {
    door::forced_isa().map(|isa| isa != Isa::Portable)
}

/// Writes the codes of rows `first..first + count` into `data` and `terms`; see `search::codes`.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn encode_rows(
    py: Python<'_>,
    rows: RowsArrays<'_>,
    first: usize,
    count: usize,
    frame: FrameArrays<'_>,
    mut data: PyReadwriteArray1<'_, u8>,
    mut terms: PyReadwriteArray1<'_, f32>,
    threads: usize,
) -> PyResult<()> {
    let documents = embeddings("documents", &rows.array, &rows.kind)?;
    let (norms, frame) = (slice("document_norms", &rows.norms)?, frame.frame()?);
    let (data, terms) = (slice_mut("codes", &mut data)?, slice_mut("terms", &mut terms)?);
    door::run(py, threads, |exec| codes::encode(exec, documents, norms, (first, count), &frame, data, terms))
}

/// State of a block of queries; see `search::scan`.
#[pyclass(module = "hardmine._native")]
struct SearchScan(search::SearchScan);

#[pymethods]
impl SearchScan {
    #[new]
    fn new(
        py: Python<'_>,
        similarity: &str,
        queries: usize,
        documents: usize,
        k: usize,
        limits: LimitArrays<'_>,
    ) -> PyResult<Self> {
        let (similarity, limits) = (self::similarity(similarity)?, limits.limits(queries, Some(documents))?);
        door::run(py, 1, |exec| search::SearchScan::new(exec, similarity, queries, documents, k, &limits))
            .map(SearchScan)
    }

    /// Bytes that the state of one query may take.
    #[staticmethod]
    fn bytes_per_query(k: usize, documents: usize) -> usize {
        search::SearchScan::bytes_per_query(k, documents)
    }

    /// Bytes that the buffers of all threads take while so many queries are settled.
    #[staticmethod]
    fn settling_bytes(k: usize, documents: usize, queries: usize, threads: usize) -> usize {
        search::SearchScan::settling_bytes(k, documents, queries, threads)
    }

    fn update(
        &mut self,
        py: Python<'_>,
        source: SourceArrays<'_>,
        tile: PyReadonlyArray2<'_, f32>,
        first_query: usize,
        first_document: usize,
        threads: usize,
    ) -> PyResult<()> {
        let source = source.source()?;
        let columns = tile.as_array().ncols();
        let approx = slice("tile", &tile)?;
        let tile = Tile { approx, first_query, first_document, columns };
        door::run(py, threads, |exec| self.0.update(exec, &source, &tile))
    }

    /// Takes in blocks `first_block..last_block` of the codes; gives the number of documents rescored on the way.
    fn update_codes(
        &mut self,
        py: Python<'_>,
        source: SourceArrays<'_>,
        codes: CodedArrays<'_>,
        first_block: usize,
        last_block: usize,
        threads: usize,
    ) -> PyResult<u64> {
        let source = source.source()?;
        let coded = codes.coded(source.documents.dimension())?;
        door::run(py, threads, |exec| self.0.update_codes(exec, &source, &coded, first_block..last_block))
    }

    /// Rescores what is left; gives the queries that must be scanned again by a careful state.
    fn settle<'py>(
        &mut self,
        py: Python<'py>,
        source: SourceArrays<'_>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let source = source.source()?;
        Ok(door::run(py, threads, |exec| self.0.settle(exec, &source))?.into_pyarray(py))
    }

    /// What the scan cost so far: documents that cheap arithmetic could not discard, documents rescored.
    fn counts(&self) -> [u64; 2] {
        self.0.counts()
    }

    /// Makes no guesses from now on.
    fn careful(&mut self) {
        self.0.careful();
    }

    /// Takes over the states of another, one for each of `queries`.
    fn adopt(&mut self, queries: PyReadonlyArray1<'_, i64>, other: &mut SearchScan) -> PyResult<()> {
        self.0.adopt(slice("queries", &queries)?, &mut other.0).map_err(|error| door::to_py(&error))
    }

    fn offer(&mut self, py: Python<'_>, source: SourceArrays<'_>, hits: HitArrays<'_>, threads: usize) -> PyResult<()> {
        let (source, hits) = (source.source()?, hits.hits()?);
        door::run(py, threads, |exec| self.0.offer(exec, &source, &hits))
    }

    fn thresholds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let thresholds = self.0.thresholds().map_err(|error| door::to_py(&error))?;
        Ok(thresholds.into_pyarray(py))
    }

    fn finish<'py>(
        &mut self,
        py: Python<'py>,
        source: SourceArrays<'py>,
        threads: usize,
    ) -> PyResult<RankedArrays<'py>> {
        let source = source.source()?;
        let found = door::run(py, threads, |exec| self.0.finish(exec, &source))?;
        Ok(to_arrays(py, found))
    }
}

//! Doors of `hardmine_core::search`.

use hardmine_core::search::{self, Embeddings, Similarity};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyUntypedArray};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::array::{slice, AnyMatrix};
use crate::door;

/// Adds this file's functions and classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(pair_scores, module)?)?;
    module.add_function(wrap_pyfunction!(row_norms, module)?)?;
    Ok(())
}

/// An array of embeddings and the kind of its items, as the Python layer hands them over.
type Rows<'py> = (Bound<'py, PyUntypedArray>, String);

fn embeddings<'a>(argument: &str, rows: &'a Rows<'_>) -> PyResult<Embeddings<'a>> {
    match AnyMatrix::new(argument, &rows.0, &rows.1)? {
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
    queries: Rows<'py>,
    documents: Rows<'py>,
    query_ids: PyReadonlyArray1<'py, i64>,
    document_ids: PyReadonlyArray1<'py, i64>,
    similarity: &str,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let similarity = self::similarity(similarity)?;
    let (queries, documents) = (embeddings("queries", &queries)?, embeddings("documents", &documents)?);
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
    rows: Rows<'py>,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    // The core names arguments by static strings.
    let argument = if argument == "queries" { "queries" } else { "documents" };
    let rows = embeddings(argument, &rows)?;
    let norms = door::run(py, threads, |exec| search::row_norms(exec, argument, rows))?;
    Ok(norms.into_pyarray(py))
}

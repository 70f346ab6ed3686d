//! Doors of `hardmine_core::{ceiling, exclusions, anchor}`.

// Arguments arrive by value from Python.
#![allow(clippy::needless_pass_by_value)]

use hardmine_core::anchor;
use hardmine_core::ceiling::score_ceilings;
use hardmine_core::exclusions::Exclusions;
use hardmine_core::{Csr, Error};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyUntypedArray};
use pyo3::prelude::*;

use crate::array::{slice, AnyMatrix};
use crate::door;
use crate::plan::{self, Term};
use crate::ragged::{Ints, RaggedArrays};
use crate::with_matrix;

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(ceilings, module)?)?;
    module.add_function(wrap_pyfunction!(exclusions, module)?)?;
    module.add_function(wrap_pyfunction!(anchor_scores, module)?)
}

/// The ceiling on the score alone for every row of positive scores, float32.
#[pyfunction]
fn ceilings<'py>(
    py: Python<'py>,
    terms: Vec<Term>,
    offsets: Ints<'py>,
    scores: PyReadonlyArray1<'py, f32>,
    aggregate: &str,
    num_threads: usize,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let (rules, aggregate) = (plan::rules(&terms)?, plan::aggregate(aggregate)?);
    let (offsets, scores) = (slice("offsets", &offsets)?, slice("scores", &scores)?);
    let bounds = door::run(py, num_threads, |exec| score_ceilings(exec, &rules, offsets, scores, aggregate))?;
    Ok(bounds.into_pyarray(py))
}

/// The dictionary `_native.Exclusions`.
#[derive(IntoPyObject)]
struct UnionArrays<'py> {
    offsets: Bound<'py, PyArray1<i64>>,
    ids: Bound<'py, PyArray1<i64>>,
    positive: Bound<'py, PyArray1<i64>>,
    excluded: Bound<'py, PyArray1<i64>>,
    duplicate_text: Bound<'py, PyArray1<i64>>,
}

/// The union of positives, extra exclusions and text duplicates of positives.
#[pyfunction]
fn exclusions<'py>(
    py: Python<'py>,
    positives: RaggedArrays<'py>,
    exclude: Option<RaggedArrays<'py>>,
    document_groups: Option<Ints<'py>>,
    num_documents: usize,
    num_threads: usize,
) -> PyResult<UnionArrays<'py>> {
    let positives = positives.slices("positives")?;
    let exclude = exclude.as_ref().map(|exclude| exclude.slices("exclude")).transpose()?;
    let groups = document_groups.as_ref().map(|groups| slice("document_groups", groups)).transpose()?;
    let union = door::run(py, num_threads, |exec| {
        let limit = Some(num_documents);
        let positives = positives.csr(positives.offsets, limit)?;
        let exclude = exclude.map(|it| Csr::new("exclude", it.offsets, it.ids, positives.rows(), limit)).transpose()?;
        match groups.map(<[i64]>::len).filter(|found| *found != num_documents) {
            Some(found) => Err(Error::Length { argument: "document_groups", found, wanted: num_documents }),
            None => Exclusions::new(exec, positives, exclude, groups),
        }
    })?;
    let [positive, excluded, duplicate_text] = union.counts.map(|counts| counts.into_pyarray(py));
    let (offsets, ids) = (union.offsets.into_pyarray(py), union.ids.into_pyarray(py));
    Ok(UnionArrays { offsets, ids, positive, excluded, duplicate_text })
}

/// Largest centred cosine between each candidate and a positive of its query.
#[pyfunction]
fn anchor_scores<'py>(
    py: Python<'py>,
    candidates: RaggedArrays<'py>,
    positives: RaggedArrays<'py>,
    document_embeddings: &Bound<'py, PyUntypedArray>,
    kind: &str,
    num_threads: usize,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let documents = AnyMatrix::new("document_embeddings", document_embeddings, kind)?;
    let (candidates, positives) = (candidates.slices("candidates")?, positives.slices("positives")?);
    let anchors = with_matrix!(&documents, matrix => {
        door::run(py, num_threads, |exec| {
            let limit = Some(matrix.rows());
            let candidates = candidates.csr(candidates.offsets, limit)?;
            anchor::anchor_scores(exec, candidates, positives.csr(positives.offsets, limit)?, matrix)
        })?
    });
    Ok(anchors.into_pyarray(py))
}

//! Door of `hardmine_core::select`.

// Arguments arrive by value from Python.
#![allow(clippy::needless_pass_by_value)]

use std::collections::BTreeMap;

use hardmine_core::select::{self as core, Chosen, Cosine, Lists, Near, Queries, Ragged};
use hardmine_core::take::Rows;
use hardmine_core::{Csr, Result};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::array::slice;
use crate::door;
use crate::plan::PlanValues;
use crate::ragged::{Ints, RaggedArrays, RaggedSlices};
use crate::search::{embeddings, EmbeddingArray};

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(select, module)?)
}

/// The dictionary `_native.SelectLists`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct ListArrays<'py> {
    lists: RaggedArrays<'py>,
    scores: PyReadonlyArray1<'py, f32>,
    ranks: Option<PyReadonlyArray1<'py, i32>>,
    anchor_scores: Option<PyReadonlyArray1<'py, f32>>,
    above: Option<PyReadonlyArray1<'py, u8>>,
    num_documents: Option<usize>,
    rows: Option<Ints<'py>>,
}

/// What lies behind [`ListArrays`].
struct ListSlices<'a> {
    lists: RaggedSlices<'a>,
    scores: &'a [f32],
    ranks: Option<&'a [i32]>,
    anchors: Option<&'a [f32]>,
    above: Option<&'a [u8]>,
    num_documents: Option<usize>,
    rows: Option<&'a [i64]>,
}

impl ListArrays<'_> {
    fn slices(&self) -> PyResult<ListSlices<'_>> {
        Ok(ListSlices {
            lists: self.lists.slices("candidates")?,
            scores: slice("scores", &self.scores)?,
            ranks: self.ranks.as_ref().map(|array| slice("ranks", array)).transpose()?,
            anchors: self.anchor_scores.as_ref().map(|array| slice("anchor_scores", array)).transpose()?,
            above: self.above.as_ref().map(|array| slice("above", array)).transpose()?,
            num_documents: self.num_documents,
            rows: self.rows.as_ref().map(|array| slice("rows", array)).transpose()?,
        })
    }
}

/// Where the lists lie: a copy of all offsets, or the places of the rows that are meant.
enum Places {
    All(Vec<i64>),
    Some(Rows),
}

impl ListSlices<'_> {
    fn places(&self) -> Result<Places> {
        let Some(rows) = self.rows else { return self.lists.own_offsets().map(Places::All) };
        let found = Rows::new(self.lists.argument, self.lists.offsets, self.lists.ids.len(), rows)?;
        self.num_documents.map_or(Ok(()), |limit| found.check_ids(self.lists.argument, self.lists.ids, limit))?;
        Ok(Places::Some(found))
    }

    fn lists<'a>(&'a self, places: &'a Places) -> Result<Lists<'a>> {
        let lists = match places {
            Places::All(offsets) => Ragged::All(self.lists.csr(offsets, self.num_documents)?),
            Places::Some(rows) => Ragged::Some(rows, self.lists.ids),
        };
        Ok(Lists { lists, scores: self.scores, ranks: self.ranks, anchors: self.anchors, above: self.above })
    }
}

/// The dictionary `_native.SelectQueries`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct QueryArrays<'py> {
    positives: RaggedArrays<'py>,
    positive_scores: Option<PyReadonlyArray1<'py, f32>>,
    exclude: Option<RaggedArrays<'py>>,
    document_groups: Option<Ints<'py>>,
    near_groups: Option<Ints<'py>>,
    document_embeddings: Option<EmbeddingArray<'py>>,
    near_cosine: Option<f32>,
    query_keys: Option<PyReadonlyArray1<'py, u64>>,
    query_of_pair: Option<Ints<'py>>,
    lists_by_pair: bool,
}

/// What lies behind [`QueryArrays`].
struct QuerySlices<'a> {
    positives: RaggedSlices<'a>,
    positive_scores: Option<&'a [f32]>,
    exclude: Option<RaggedSlices<'a>>,
    groups: Option<&'a [i64]>,
    near: Option<Near<'a>>,
    keys: Option<&'a [u64]>,
    query_of_pair: Option<&'a [i64]>,
    lists_by_pair: bool,
}

impl QueryArrays<'_> {
    fn slices(&self) -> PyResult<QuerySlices<'_>> {
        Ok(QuerySlices {
            positives: self.positives.slices("positives")?,
            positive_scores: self.positive_scores.as_ref().map(|array| slice("positive scores", array)).transpose()?,
            exclude: self.exclude.as_ref().map(|exclude| exclude.slices("exclude")).transpose()?,
            groups: self.document_groups.as_ref().map(|array| slice("document_groups", array)).transpose()?,
            near: self.near()?,
            keys: self.query_keys.as_ref().map(|array| slice("query_keys", array)).transpose()?,
            query_of_pair: self.query_of_pair.as_ref().map(|array| slice("query_of_pair", array)).transpose()?,
            lists_by_pair: self.lists_by_pair,
        })
    }
}

impl QueryArrays<'_> {
    fn near(&self) -> PyResult<Option<Near<'_>>> {
        let groups = self.near_groups.as_ref().map(|array| slice("near_groups", array)).transpose()?;
        let cosine = match (&self.document_embeddings, self.near_cosine) {
            (Some((array, kind)), Some(least)) => {
                Some(Cosine { embeddings: embeddings("document_embeddings", array, kind)?, least })
            }
            _ => None,
        };
        Ok((groups.is_some() || cosine.is_some()).then_some(Near { groups, cosine }))
    }
}

impl QuerySlices<'_> {
    fn queries<'a>(&'a self) -> Result<Queries<'a>> {
        let any = Some(i64::MAX as usize);
        let positives = self.positives.csr(self.positives.offsets, any)?;
        let csr = |it: &RaggedSlices<'a>| Csr::new(it.argument, it.offsets, it.ids, positives.rows(), any);
        Ok(Queries {
            positives,
            positive_scores: self.positive_scores,
            exclude: self.exclude.as_ref().map(csr).transpose()?,
            groups: self.groups,
            near: self.near,
            keys: self.keys,
            query_of_pair: self.query_of_pair,
            lists_by_pair: self.lists_by_pair,
        })
    }
}

/// The dictionary `_native.Chosen`.
#[derive(IntoPyObject)]
struct ChosenArrays<'py> {
    offsets: Bound<'py, PyArray1<i64>>,
    ids: Bound<'py, PyArray1<i64>>,
    scores: Bound<'py, PyArray1<f32>>,
    ranks: Bound<'py, PyArray1<i32>>,
    positive_scores: Bound<'py, PyArray1<f32>>,
    rows: Option<Bound<'py, PyArray1<i64>>>,
    counts: BTreeMap<&'static str, Bound<'py, PyArray1<i64>>>,
}

impl<'py> ChosenArrays<'py> {
    fn new(py: Python<'py>, chosen: Chosen) -> Self {
        let named = core::COUNTS.into_iter().zip(chosen.counts);
        ChosenArrays {
            offsets: chosen.offsets.into_pyarray(py),
            ids: chosen.ids.into_pyarray(py),
            scores: chosen.scores.into_pyarray(py),
            ranks: chosen.ranks.into_pyarray(py),
            positive_scores: chosen.positive_scores.into_pyarray(py),
            rows: chosen.rows.map(|rows| rows.into_pyarray(py)),
            counts: named.filter_map(|(name, counts)| Some((name, counts?.into_pyarray(py)))).collect(),
        }
    }
}

/// Negatives of every row.
#[pyfunction]
fn select<'py>(
    py: Python<'py>,
    lists: ListArrays<'py>,
    queries: QueryArrays<'py>,
    plan: PlanValues<'py>,
    num_threads: usize,
) -> PyResult<ChosenArrays<'py>> {
    let (lists, queries, rules) = (lists.slices()?, queries.slices()?, plan.rules()?);
    let plan = plan.plan(&rules)?;
    let chosen = door::run(py, num_threads, |exec| {
        let places = lists.places()?;
        core::select(exec, &lists.lists(&places)?, &queries.queries()?, &plan)
    })?;
    Ok(ChosenArrays::new(py, chosen))
}

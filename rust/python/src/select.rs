//! Selection: candidates to negatives, ceilings, exclusions, anchor scores.

use hardmine_core::anchor;
use hardmine_core::ceiling::{score_ceiling, Aggregate, Ceiling};
use hardmine_core::draw::LogWeight;
use hardmine_core::exclusions::{Exclusions, Kind};
use hardmine_core::select::{self as core_select, Choice, Chosen, Lists, Plan, Queries, Ragged, Shortage, Window};
use hardmine_core::take::Rows;
use hardmine_core::Csr;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyUntypedArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::{slice, AnyMatrix};
use crate::door;
use crate::with_matrix;

type Ints<'py> = PyReadonlyArray1<'py, i64>;

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(select, module)?)?;
    module.add_function(wrap_pyfunction!(ceilings, module)?)?;
    module.add_function(wrap_pyfunction!(exclusions, module)?)?;
    module.add_function(wrap_pyfunction!(anchor_scores, module)?)?;
    Ok(())
}

/// (offsets, ids, scores, ranks, `anchor_scores`, number of documents, the rows of these lists that are meant).
#[derive(FromPyObject)]
struct ListArrays<'py>(
    Ints<'py>,
    Ints<'py>,
    PyReadonlyArray1<'py, f32>,
    Option<PyReadonlyArray1<'py, i32>>,
    Option<PyReadonlyArray1<'py, f32>>,
    Option<usize>,
    Option<Ints<'py>>,
);

impl ListArrays<'_> {
    /// Where the rows that are meant lie; `None` where all are.
    fn rows(&self) -> PyResult<Option<Rows>> {
        let Some(rows) = &self.6 else { return Ok(None) };
        let (offsets, ids) = (slice("candidates", &self.0)?, slice("candidates", &self.1)?);
        let rows = Rows::new("candidates", offsets, ids.len(), slice("rows", rows)?).and_then(|rows| {
            self.5.map_or(Ok(()), |limit| rows.check_ids("candidates", ids, limit))?;
            Ok(rows)
        });
        rows.map(Some).map_err(|error| door::to_py(&error))
    }

    fn lists<'a>(&'a self, rows: Option<&'a Rows>) -> PyResult<Lists<'a>> {
        let (offsets, ids) = (slice("candidates", &self.0)?, slice("candidates", &self.1)?);
        let lists = match rows {
            Some(rows) => Ragged::Some(rows, ids),
            None => Csr::new("candidates", offsets, ids, offsets.len().max(1) - 1, self.5)
                .map(Ragged::All)
                .map_err(|error| door::to_py(&error))?,
        };
        Ok(Lists {
            lists,
            scores: slice("scores", &self.2)?,
            ranks: self.3.as_ref().map(|array| slice("ranks", array)).transpose()?,
            anchors: self.4.as_ref().map(|array| slice("anchor_scores", array)).transpose()?,
        })
    }
}

/// (offsets, ids, scores, exclude, `document_groups`, `query_keys`, `query_of_pair`, `lists_by_pair`).
#[derive(FromPyObject)]
struct QueryArrays<'py>(
    Ints<'py>,
    Ints<'py>,
    Option<PyReadonlyArray1<'py, f32>>,
    Option<(Ints<'py>, Ints<'py>)>,
    Option<Ints<'py>>,
    Option<PyReadonlyArray1<'py, u64>>,
    Option<Ints<'py>>,
    bool,
);

impl QueryArrays<'_> {
    fn positives(&self) -> PyResult<Csr<'_>> {
        csr("positives", &self.0, &self.1, None)
    }

    /// The union of what is excluded, `None` where that is the positives alone.
    fn exclusions(&self) -> PyResult<Option<Exclusions>> {
        if self.3.is_none() && self.4.is_none() {
            return Ok(None);
        }
        union(self.positives()?, self.3.as_ref(), self.4.as_ref()).map(Some)
    }

    fn queries<'a>(&'a self, union: Option<&'a Exclusions>) -> PyResult<Queries<'a>> {
        let positives = self.positives()?;
        let excluded = union.map(|u| Csr::new("exclude", &u.offsets, &u.ids, positives.rows(), None)).transpose();
        Ok(Queries {
            positives,
            positive_scores: self.2.as_ref().map(|array| slice("positive scores", array)).transpose()?,
            excluded: excluded.map_err(|error| door::to_py(&error))?.unwrap_or(positives),
            kinds: union.map(|union| &union.kinds[..]),
            keys: self.5.as_ref().map(|array| slice("query_keys", array)).transpose()?,
            query_of_pair: self.6.as_ref().map(|array| slice("query_of_pair", array)).transpose()?,
            lists_by_pair: self.7,
        })
    }
}

fn csr<'a>(name: &'static str, offsets: &'a Ints<'_>, ids: &'a Ints<'_>, rows: Option<usize>) -> PyResult<Csr<'a>> {
    let (offsets, ids) = (slice(name, offsets)?, slice(name, ids)?);
    let rows = rows.unwrap_or(offsets.len().max(1) - 1);
    Csr::new(name, offsets, ids, rows, Some(i64::MAX as usize)).map_err(|error| door::to_py(&error))
}

fn union(
    positives: Csr<'_>,
    exclude: Option<&(Ints<'_>, Ints<'_>)>,
    groups: Option<&Ints<'_>>,
) -> PyResult<Exclusions> {
    let exclude = exclude.map(|(offsets, ids)| csr("exclude", offsets, ids, Some(positives.rows()))).transpose()?;
    let groups = groups.map(|groups| slice("document_groups", groups)).transpose()?;
    Exclusions::new(positives, exclude, groups).map_err(|error| door::to_py(&error))
}

/// (n, ceilings, floor, (min, max, filtered), aggregate, (top, law, a, b, array), (shortage, documents), (seed, epoch),
/// `document_keys`).
#[derive(FromPyObject)]
struct PlanParts<'py>(
    usize,
    Vec<(String, f64, f64)>,
    Option<f32>,
    (usize, Option<usize>, bool),
    String,
    (usize, String, f64, f64, Option<PyReadonlyArray1<'py, f64>>),
    (String, usize),
    (u64, u64),
    Option<PyReadonlyArray1<'py, u64>>,
);

impl PlanParts<'_> {
    fn plan<'a>(&'a self, ceilings: &'a [Ceiling]) -> PyResult<Plan<'a>> {
        Ok(Plan {
            n: self.0,
            ceilings,
            floor: self.2,
            window: Window { min: self.3 .0, max: self.3 .1, filtered: self.3 .2 },
            aggregate: aggregate(&self.4)?,
            choice: Choice { top: self.5 .0, law: self.law()? },
            shortage: match self.6 .0.as_str() {
                "keep" => Shortage::Keep,
                "drop" => Shortage::Drop,
                "error" => Shortage::Error,
                "fill" => Shortage::Fill(self.6 .1),
                other => return Err(unknown("on_shortage", other)),
            },
            seed: self.7 .0,
            epoch: self.7 .1,
            document_keys: self.8.as_ref().map(|array| slice("document_keys", array)).transpose()?,
        })
    }

    fn law(&self) -> PyResult<Option<LogWeight<'_>>> {
        let (_, law, a, b, array) = &self.5;
        let given = array.as_ref().map(|array| slice("log_weights", array)).transpose()?.unwrap_or(&[]);
        Ok(Some(match law.as_str() {
            "top" => return Ok(None),
            "uniform" => LogWeight::Uniform,
            "softmax" => LogWeight::Softmax { temperature: *a },
            "sim-ans" => LogWeight::SimAns { a: *a, b: *b },
            "laplace" => LogWeight::Laplace { tau: *a },
            "rank-power" => LogWeight::RankPower { alpha: *a },
            "popularity" => LogWeight::Popularity { counts: given, alpha: *a },
            "weighted" => LogWeight::Weighted { log_weights: given },
            other => return Err(unknown("draw", other)),
        }))
    }
}

fn unknown(argument: &str, name: &str) -> PyErr {
    PyValueError::new_err(format!("{argument}: unknown name {name:?}"))
}

fn aggregate(name: &str) -> PyResult<Aggregate> {
    match name {
        "min" | "each" => Ok(Aggregate::Min),
        "mean" => Ok(Aggregate::Mean),
        "max" => Ok(Aggregate::Max),
        other => Err(unknown("positive_agg", other)),
    }
}

/// The ceilings of a value object's terms.
pub fn rules(terms: &[(String, f64, f64)]) -> PyResult<Vec<Ceiling>> {
    let rule = |(name, a, b): &(String, f64, f64)| match name.as_str() {
        "abs" => Ok(Ceiling::Absolute(*a)),
        "margin-pos" => Ok(Ceiling::MarginPos(*a)),
        "perc-pos" => Ok(Ceiling::PercPos(*a)),
        "anchored" => Ok(Ceiling::Anchored { f: *a, weight: *b }),
        other => Err(unknown("ceiling", other)),
    };
    terms.iter().map(rule).collect()
}

/// (offsets, ids, scores, ranks, `positive_scores`, rows, counts in the order of `COUNTS`).
type ChosenArrays<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<f32>>,
    Bound<'py, PyArray1<i32>>,
    Bound<'py, PyArray1<f32>>,
    Option<Bound<'py, PyArray1<i64>>>,
    Vec<(&'static str, Option<Bound<'py, PyArray1<i64>>>)>,
);

fn to_arrays(py: Python<'_>, chosen: Chosen) -> ChosenArrays<'_> {
    let named = core_select::COUNTS.into_iter().zip(chosen.counts);
    (
        chosen.offsets.into_pyarray(py),
        chosen.ids.into_pyarray(py),
        chosen.scores.into_pyarray(py),
        chosen.ranks.into_pyarray(py),
        chosen.positive_scores.into_pyarray(py),
        chosen.rows.map(|rows| rows.into_pyarray(py)),
        named.map(|(name, counts)| (name, counts.map(|counts| counts.into_pyarray(py)))).collect(),
    )
}

/// Negatives of every row.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // extracted by value
fn select<'py>(
    py: Python<'py>,
    lists: ListArrays<'py>,
    queries: QueryArrays<'py>,
    plan: PlanParts<'py>,
    num_threads: usize,
) -> PyResult<ChosenArrays<'py>> {
    let (rules, union) = (rules(&plan.1)?, queries.exclusions()?);
    let rows = lists.rows()?;
    let (lists, queries) = (lists.lists(rows.as_ref())?, queries.queries(union.as_ref())?);
    let plan = plan.plan(&rules)?;
    let chosen = door::run(py, num_threads, |exec| core_select::select(exec, &lists, &queries, &plan))?;
    Ok(to_arrays(py, chosen))
}

/// The ceiling on the score alone for every positive score, float32.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // extracted by value
fn ceilings<'py>(
    py: Python<'py>,
    terms: Vec<(String, f64, f64)>,
    offsets: Ints<'py>,
    scores: PyReadonlyArray1<'py, f32>,
    aggregate: &str,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let (rules, aggregate) = (rules(&terms)?, self::aggregate(aggregate)?);
    let (offsets, scores) = (slice("offsets", &offsets)?, slice("scores", &scores)?);
    let rows = offsets.len().max(1) - 1;
    hardmine_core::csr::check_offsets("positives", offsets, scores.len(), rows).map_err(|e| door::to_py(&e))?;
    let row = |pair: &[i64]| &scores[pair[0] as usize..pair[1] as usize];
    let p = offsets.windows(2).map(|pair| aggregate.of(row(pair)).unwrap_or(f64::NAN));
    Ok(door::compute(|| p.map(|p| score_ceiling(&rules, p)).collect::<Vec<_>>()).into_pyarray(py))
}

/// (offsets, ids) of all that is excluded, and how many of each query are positives, named, and text duplicates.
type UnionArrays<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, [Bound<'py, PyArray1<i64>>; 3]);

/// The union of positives, extra exclusions and text duplicates of positives.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // extracted by value
fn exclusions<'py>(
    py: Python<'py>,
    positives: (Ints<'py>, Ints<'py>),
    exclude: Option<(Ints<'py>, Ints<'py>)>,
    document_groups: Option<Ints<'py>>,
    num_documents: usize,
) -> PyResult<UnionArrays<'py>> {
    let (starts, ids) = (slice("positives", &positives.0)?, slice("positives", &positives.1)?);
    let rows = starts.len().max(1) - 1;
    let positives =
        Csr::new("positives", starts, ids, rows, Some(num_documents)).map_err(|error| door::to_py(&error))?;
    let union = union(positives, exclude.as_ref(), document_groups.as_ref())?;
    Csr::new("exclude", &union.offsets, &union.ids, positives.rows(), Some(num_documents))
        .map_err(|error| door::to_py(&error))?;
    let counts = [Kind::Positive, Kind::Excluded, Kind::DuplicateText].map(|kind| {
        let count = |pair: &[i64]| {
            let row = &union.kinds[pair[0] as usize..pair[1] as usize];
            row.iter().filter(|other| **other == kind).count() as i64
        };
        union.offsets.windows(2).map(count).collect::<Vec<_>>().into_pyarray(py)
    });
    Ok((union.offsets.into_pyarray(py), union.ids.into_pyarray(py), counts))
}

/// Largest centred cosine between each candidate and a positive of its query.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // extracted by value
fn anchor_scores<'py>(
    py: Python<'py>,
    candidates: (Ints<'py>, Ints<'py>),
    positives: (Ints<'py>, Ints<'py>),
    document_embeddings: &Bound<'py, PyUntypedArray>,
    kind: &str,
    num_threads: usize,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let documents = AnyMatrix::new("document_embeddings", document_embeddings, kind)?;
    let limited = |name, offsets, ids| {
        let (offsets, ids): (&[i64], &[i64]) = (slice(name, offsets)?, slice(name, ids)?);
        Csr::new(name, offsets, ids, offsets.len().max(1) - 1, Some(documents.rows())).map_err(|e| door::to_py(&e))
    };
    let candidates = limited("candidates", &candidates.0, &candidates.1)?;
    let positives = limited("positives", &positives.0, &positives.1)?;
    let anchors = with_matrix!(&documents, matrix => {
        door::run(py, num_threads, |exec| anchor::anchor_scores(exec, candidates, positives, matrix))?
    });
    Ok(anchors.into_pyarray(py))
}

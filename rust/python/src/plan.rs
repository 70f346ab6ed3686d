//! What a selection says, as Python tells it: ceilings, draw and the rest of `hardmine_core::select::Plan`.

use hardmine_core::ceiling::{Aggregate, Ceiling};
use hardmine_core::draw::LogWeight;
use hardmine_core::select::{By, Choice, Law, Plan, Shortage, Strata, Window};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::array::slice;

/// Name of a ceiling and its two parameters.
pub type Term = (String, f64, f64);

/// The dictionary `_native.Law`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct LawValues<'py> {
    top: usize,
    pool: Option<usize>,
    name: String,
    a: f64,
    b: f64,
    array: Option<PyReadonlyArray1<'py, f64>>,
}

impl LawValues<'_> {
    fn choice(&self) -> PyResult<Choice<'_>> {
        Ok(Choice { top: self.top, pool: self.pool, law: self.law()? })
    }

    fn law(&self) -> PyResult<Option<Law<'_>>> {
        let (a, b) = (self.a, self.b);
        let array = || self.array.as_ref().map_or(Ok(&[][..]), |array| slice("draw", array));
        let strata = |by| Law::Strata(Strata { bins: (a as u32).max(1), by });
        let weights = match self.name.as_str() {
            "top" => return Ok(None),
            "stratified-score" => return Ok(Some(strata(By::Score))),
            "stratified-rank" => return Ok(Some(strata(By::Rank))),
            "uniform" => LogWeight::Uniform,
            "softmax" => LogWeight::Softmax { temperature: a },
            "sim-ans" => LogWeight::SimAns { a, b },
            "laplace" => LogWeight::Laplace { tau: a },
            "rank-power" => LogWeight::RankPower { alpha: a },
            "popularity" => LogWeight::Popularity { counts: array()?, alpha: a },
            "weighted" => LogWeight::Weighted { log_weights: array()? },
            other => return Err(unknown("draw", other)),
        };
        Ok(Some(Law::Weights(weights)))
    }
}

/// The dictionary `_native.SelectPlan`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct PlanValues<'py> {
    num_negatives: usize,
    ceilings: Vec<Term>,
    floor: Option<f32>,
    range_min: usize,
    range_max: Option<usize>,
    range_on: String,
    positive_agg: String,
    draw: LawValues<'py>,
    on_shortage: String,
    num_documents: usize,
    seed: u64,
    epoch: u64,
    document_keys: Option<PyReadonlyArray1<'py, u64>>,
}

impl PlanValues<'_> {
    /// The ceilings, which the plan borrows.
    pub fn rules(&self) -> PyResult<Vec<Ceiling>> {
        rules(&self.ceilings)
    }

    /// The plan under the ceilings.
    pub fn plan<'a>(&'a self, ceilings: &'a [Ceiling]) -> PyResult<Plan<'a>> {
        let filtered = self.range_on == "filtered";
        Ok(Plan {
            n: self.num_negatives,
            ceilings,
            floor: self.floor,
            window: Window { min: self.range_min, max: self.range_max, filtered },
            aggregate: aggregate(&self.positive_agg)?,
            choice: self.draw.choice()?,
            shortage: self.shortage()?,
            seed: self.seed,
            epoch: self.epoch,
            document_keys: self.document_keys.as_ref().map(|array| slice("document_keys", array)).transpose()?,
        })
    }

    fn shortage(&self) -> PyResult<Shortage> {
        match self.on_shortage.as_str() {
            "keep" => Ok(Shortage::Keep),
            "drop" => Ok(Shortage::Drop),
            "error" => Ok(Shortage::Error),
            "fill" => Ok(Shortage::Fill(self.num_documents)),
            other => Err(unknown("on_shortage", other)),
        }
    }
}

fn unknown(argument: &str, name: &str) -> PyErr {
    PyValueError::new_err(format!("{argument}: unknown name {name:?}"))
}

/// How several positives become one score.
pub fn aggregate(name: &str) -> PyResult<Aggregate> {
    match name {
        "min" | "each" => Ok(Aggregate::Min),
        "mean" => Ok(Aggregate::Mean),
        "max" => Ok(Aggregate::Max),
        other => Err(unknown("positive_agg", other)),
    }
}

/// The ceilings of a value object's terms.
pub fn rules(terms: &[Term]) -> PyResult<Vec<Ceiling>> {
    let rule = |(name, a, b): &Term| match name.as_str() {
        "abs" => Ok(Ceiling::Absolute(*a)),
        "margin-pos" => Ok(Ceiling::MarginPos(*a)),
        "perc-pos" => Ok(Ceiling::PercPos(*a)),
        "anchored" => Ok(Ceiling::Anchored { f: *a, weight: *b }),
        other => Err(unknown("ceiling", other)),
    };
    terms.iter().map(rule).collect()
}

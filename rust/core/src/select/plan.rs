//! What a selection is told and what it gives.

use crate::ceiling::{Aggregate, Ceiling};
use crate::csr::Csr;
use crate::draw::LogWeight;
use crate::select::{Lists, Near, Strata};

/// What is known of the queries.
#[derive(Debug, Clone, Copy)]
pub struct Queries<'a> {
    /// Labelled positives.
    pub positives: Csr<'a>,
    /// Their scores, aligned with `positives.ids()`.
    pub positive_scores: Option<&'a [f32]>,
    /// Further documents that are never negatives, in any order, repeats allowed.
    pub exclude: Option<Csr<'a>>,
    /// Text group of every document: one that shares the group of a positive of the query is no negative of it.
    pub groups: Option<&'a [i64]>,
    /// What makes near-duplicates: of the positives none is a negative, and no two negatives are of each other.
    pub near: Option<Near<'a>>,
    /// Noise key of each query; its index without them.
    pub keys: Option<&'a [u64]>,
    /// For one row per (query, positive) pair: the query of each pair, in the order of `positives`.
    pub query_of_pair: Option<&'a [i64]>,
    /// Whether pairs have candidate lists of their own.
    pub lists_by_pair: bool,
}

impl Queries<'_> {
    /// Number of rows of the result, left-out ones included.
    pub(super) fn rows(&self) -> usize {
        self.query_of_pair.map_or(self.positives.rows(), <[i64]>::len)
    }

    /// Query of a row.
    pub(super) fn query(&self, row: usize) -> usize {
        self.query_of_pair.map_or(row, |queries| queries[row] as usize)
    }

    /// Candidate list of a row.
    pub(super) fn list(&self, row: usize) -> usize {
        if self.lists_by_pair {
            row
        } else {
            self.query(row)
        }
    }
}

/// Half-open range of ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First rank (0-based) inside.
    pub min: usize,
    /// First rank outside again.
    pub max: Option<usize>,
    /// Whether ranks count the survivors of the score filters.
    pub filtered: bool,
}

/// How negatives are chosen among the admissible candidates of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice<'a> {
    /// The first so many for certain; all of them where there is no law.
    pub top: usize,
    /// The others are drawn from so many that follow, from all without it.
    pub pool: Option<usize>,
    /// The law by which the others are drawn.
    pub law: Option<Law<'a>>,
}

/// What makes one candidate likelier than another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law<'a> {
    /// Its weight.
    Weights(LogWeight<'a>),
    /// How many share its bin.
    Strata(Strata),
}

/// What to do with a row that has fewer than `n` admissible candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// A shorter row.
    Keep,
    /// Leave the row out.
    Drop,
    /// Stop.
    Error,
    /// Add random documents out of so many.
    Fill(usize),
}

/// Everything that a selection says.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Negatives per row.
    pub n: usize,
    /// Ceilings; all must hold.
    pub ceilings: &'a [Ceiling],
    /// Lower bound on the score.
    pub floor: Option<f32>,
    /// Ranks that are looked at.
    pub window: Window,
    /// How several positives become one score.
    pub aggregate: Aggregate,
    /// Choice among what is admissible.
    pub choice: Choice<'a>,
    /// What to do with a short row.
    pub shortage: Shortage,
    /// Seed of all noise.
    pub seed: u64,
    /// Epoch of all noise.
    pub epoch: u64,
    /// Noise key of each document; its index without them.
    pub document_keys: Option<&'a [u64]>,
}

impl Plan<'_> {
    pub(super) fn needs_positive(&self) -> bool {
        let law_needs =
            matches!(self.choice.law, Some(Law::Weights(LogWeight::SimAns { .. } | LogWeight::Laplace { .. })));
        law_needs || self.ceilings.iter().any(|rule| rule.needs_positive())
    }

    /// Whether the choice is the first n between bounds on the score.
    pub(super) fn is_plain(&self) -> bool {
        self.choice.law.is_none() && !self.is_anchored() && self.window.min == 0 && self.window.max.is_none()
    }

    pub(super) fn is_anchored(&self) -> bool {
        self.ceilings.iter().any(|rule| matches!(rule, Ceiling::Anchored { .. }))
    }

    /// Which counts of [`COUNTS`] can differ from 0.
    pub(super) fn counted(&self, lists: &Lists<'_>, queries: &Queries<'_>) -> [bool; COUNTS.len()] {
        let windowed = self.window.min > 0 || self.window.max.is_some();
        let (excludes, groups, near) = (queries.exclude.is_some(), queries.groups.is_some(), queries.near.is_some());
        let has_ceiling = !self.ceilings.is_empty() || lists.above.is_some();
        [true, excludes, groups, near, windowed, has_ceiling, self.floor.is_some(), true, true]
    }
}

/// Names of the counts of a row, in the order of the tests.
pub const COUNTS: [&str; 9] = [
    "positive",
    "excluded",
    "duplicate_text",
    "near_duplicate",
    "outside_window",
    "above_ceiling",
    "below_floor",
    "not_drawn",
    "kept",
];

/// What was chosen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chosen {
    /// Row r owns `offsets[r]..offsets[r + 1]`.
    pub offsets: Vec<i64>,
    /// Document indices in ranking order, filled ones last.
    pub ids: Vec<i64>,
    /// Scores; NaN for filled documents.
    pub scores: Vec<f32>,
    /// Ranks before score filters (1-based); 0 for filled documents.
    pub ranks: Vec<i32>,
    /// Per row: score of the positive that the rules used; NaN where none is known.
    pub positive_scores: Vec<f32>,
    /// Per row: its counts, `None` where a count is 0 in every row.
    pub counts: [Option<Vec<i64>>; COUNTS.len()],
    /// Input row of each row, where rows were left out.
    pub rows: Option<Vec<i64>>,
}

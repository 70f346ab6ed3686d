//! Candidates to negatives: exclusions, window, ceilings and draw, row by row, with a count of what became of everything.
//!
//! Scores fall along a list, so what the window and the bounds on the score let through is one stretch of it, found by
//! search. The only full pass is over the ids, for the excluded documents.

mod columns;
mod fill;
mod front;
mod hits;
mod output;
mod ragged;
mod row;
mod weighed;

use std::ops::Range;

use crate::ceiling::{Aggregate, Ceiling};
use crate::csr::Csr;
use crate::draw::LogWeight;
use crate::error::{Error, Result};
use crate::exclusions::Kind;
use crate::pool::{self, Execution};

use columns::Columns;
pub use ragged::Ragged;
use row::Worker;

/// Most rows of one task.
const MOST_ROWS: usize = 512;
/// Candidates of one task, about: a millisecond of draws, so that work divides well and Ctrl-C is noticed.
const SOME_CANDIDATES: usize = 65_536;
/// Draws for fewer rows than this are not worth a task.
const FEW_ROWS: usize = 32;
/// So many tasks let threads that start late do their share.
const TASKS_PER_THREAD: usize = 4;

/// Candidate lists in ranking order, the columns aligned with `lists.ids()`; so are the weights of a law that has them.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'a> {
    /// One list per query, or per row where `Rows::lists_by_row` says so.
    pub lists: Ragged<'a>,
    /// Never rising inside a list, no NaN.
    pub scores: &'a [f32],
    /// Rising ranks (1-based) before any score filter; without them the position is the rank.
    pub ranks: Option<&'a [i32]>,
    /// Anchor scores, needed by [`Ceiling::Anchored`].
    pub anchors: Option<&'a [f32]>,
}

/// What is known of the queries.
#[derive(Debug, Clone, Copy)]
pub struct Queries<'a> {
    /// Labelled positives.
    pub positives: Csr<'a>,
    /// Their scores, aligned with `positives.ids()`.
    pub positive_scores: Option<&'a [f32]>,
    /// Documents that are never negatives: the positives alone (in any order), or a sorted union with `kinds`.
    pub excluded: Csr<'a>,
    /// Reason of each excluded document; `None` where all are positives.
    pub kinds: Option<&'a [Kind]>,
    /// Noise key of each query; its index without them.
    pub keys: Option<&'a [u64]>,
    /// For one row per (query, positive) pair: the query of each pair, in the order of `positives`.
    pub query_of_pair: Option<&'a [i64]>,
    /// Whether pairs have candidate lists of their own.
    pub lists_by_pair: bool,
}

impl Queries<'_> {
    /// Number of rows of the result, left-out ones included.
    fn rows(&self) -> usize {
        self.query_of_pair.map_or(self.positives.rows(), <[i64]>::len)
    }

    /// Query of a row.
    fn query(&self, row: usize) -> usize {
        self.query_of_pair.map_or(row, |queries| queries[row] as usize)
    }

    /// Candidate list of a row.
    fn list(&self, row: usize) -> usize {
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
    /// The law by which the others are drawn.
    pub law: Option<LogWeight<'a>>,
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
    fn needs_positive(&self) -> bool {
        let law_needs = matches!(self.choice.law, Some(LogWeight::SimAns { .. } | LogWeight::Laplace { .. }));
        law_needs || self.ceilings.iter().any(|rule| rule.needs_positive())
    }

    /// Whether the choice is the first n between bounds on the score.
    fn is_plain(&self) -> bool {
        self.choice.law.is_none() && !self.is_anchored() && self.window.min == 0 && self.window.max.is_none()
    }

    fn is_anchored(&self) -> bool {
        self.ceilings.iter().any(|rule| matches!(rule, Ceiling::Anchored { .. }))
    }

    /// Which counts of [`COUNTS`] can differ from 0.
    fn counted(&self, has_kinds: bool) -> [bool; COUNTS.len()] {
        let windowed = self.window.min > 0 || self.window.max.is_some();
        [true, has_kinds, has_kinds, windowed, !self.ceilings.is_empty(), self.floor.is_some(), true, true]
    }
}

/// Names of the counts of a row, in the order of the tests.
pub const COUNTS: [&str; 8] =
    ["positive", "excluded", "duplicate_text", "outside_window", "above_ceiling", "below_floor", "not_drawn", "kept"];

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

/// Selects negatives for every row.
pub fn select(exec: &Execution<'_>, lists: &Lists<'_>, queries: &Queries<'_>, plan: &Plan<'_>) -> Result<Chosen> {
    check(lists, queries, plan)?;
    let rows = queries.rows();
    let block = rows_of_task(exec, lists, rows, plan);
    let blocks: Vec<Range<usize>> = (0..rows).step_by(block).map(|start| start..(start + block).min(rows)).collect();
    let sizes: Vec<usize> = blocks.iter().map(|block| capacity(lists, queries, plan, block)).collect();
    let mut columns = Columns::new(&sizes, rows, plan, queries.kinds.is_some())?;
    let parts = columns.parts(&blocks, &sizes);
    let worker = || Worker::new(exec, lists, queries, plan);
    let extents = pool::map(exec, blocks.iter().cloned().zip(parts), worker, |worker, _, (block, mut part)| {
        for row in block {
            worker.run(row, &mut part)?;
        }
        Ok(part.finish())
    })?;
    // SAFETY: the extents of all parts, in order.
    Ok(unsafe { columns.close(&extents) })
}

/// Number of rows that one task selects for.
fn rows_of_task(exec: &Execution<'_>, lists: &Lists<'_>, rows: usize, plan: &Plan<'_>) -> usize {
    let mean_length = lists.lists.total() / lists.lists.rows().max(1) + 1;
    let block = (SOME_CANDIDATES / mean_length).clamp(1, MOST_ROWS);
    if exec.threads() > 1 && plan.choice.law.is_some() {
        // A batch of draws takes long enough for all threads; without draws, waking them would take longer.
        block.min(rows.div_ceil(TASKS_PER_THREAD * exec.threads()).max(FEW_ROWS))
    } else {
        block
    }
}

/// Most negatives that a block of rows can have.
fn capacity(lists: &Lists<'_>, queries: &Queries<'_>, plan: &Plan<'_>, block: &Range<usize>) -> usize {
    let wanted = plan.n.saturating_mul(block.len());
    if matches!(plan.shortage, Shortage::Fill(_)) {
        return wanted;
    }
    let is_in_order = queries.query_of_pair.is_none() || queries.lists_by_pair;
    let there = if is_in_order && matches!(lists.lists, Ragged::All(_)) {
        let (first, last) = (queries.list(block.start), queries.list(block.end - 1));
        lists.lists.range(last).end - lists.lists.range(first).start
    } else {
        block.clone().map(|row| lists.lists.range(queries.list(row)).len().min(plan.n)).sum()
    };
    wanted.min(there)
}

fn check(lists: &Lists<'_>, queries: &Queries<'_>, plan: &Plan<'_>) -> Result<()> {
    let items = lists.lists.ids().len();
    let rows = if queries.lists_by_pair { queries.positives.ids().len() } else { queries.positives.rows() };
    let lengths = [
        ("candidates", lists.lists.rows(), rows),
        ("scores", lists.scores.len(), items),
        ("ranks", lists.ranks.map_or(items, <[i32]>::len), items),
        ("anchor_scores", lists.anchors.map_or(items, <[f32]>::len), items),
        ("exclude", queries.excluded.rows(), queries.positives.rows()),
        ("query_keys", queries.keys.map_or(queries.positives.rows(), <[u64]>::len), queries.positives.rows()),
    ];
    for (argument, found, wanted) in lengths {
        if found != wanted {
            return Err(Error::Length { argument, found, wanted });
        }
    }
    if let Some(pairs) = queries.query_of_pair {
        let (argument, pairs_wanted) = ("query_of_pair", queries.positives.ids().len());
        if pairs.len() != pairs_wanted {
            return Err(Error::Length { argument, found: pairs.len(), wanted: pairs_wanted });
        }
        let limit = queries.positives.rows() as i64;
        if let Some(row) = pairs.iter().position(|query| !(0..limit).contains(query)) {
            return Err(Error::IdOutOfRange { argument, row, id: pairs[row], limit });
        }
    }
    if let Some(LogWeight::Weighted { log_weights }) = plan.choice.law {
        if log_weights.len() != items {
            return Err(Error::Length { argument: "log_weights", found: log_weights.len(), wanted: items });
        }
    }
    if plan.is_anchored() && lists.anchors.is_none() {
        let problem = "missing; add them with anchor_scores(), which the ceiling Anchored needs".into();
        return Err(Error::Value { argument: "anchor_scores", problem });
    }
    if plan.needs_positive() && queries.positive_scores.is_none() {
        let problem = "no scores, which this ceiling or draw needs; add them with Positives.with_scores()".into();
        return Err(Error::Value { argument: "positives", problem });
    }
    Ok(())
}

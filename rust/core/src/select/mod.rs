//! Candidates to negatives: exclusions, window, ceilings and draw, row by row, with a count of what became of everything.
//!
//! Scores fall along a list, so what the window and the bounds on the score let through is one stretch of it, found by
//! search. The only full pass is over the ids, for the excluded documents.

mod apart;
mod columns;
mod fill;
mod front;
mod hits;
mod list;
mod near;
mod output;
mod plan;
mod row;
mod shortage;
mod span;
mod strata;
mod weighed;

use std::ops::Range;

use crate::draw::LogWeight;
use crate::error::{Error, Result};
use crate::exclusions::Twins;
use crate::pool::{self, Execution};

use columns::Columns;
pub use list::{Lists, Ragged};
use near::Judge;
pub use near::{Cosine, Near};
pub use plan::{Choice, Chosen, Law, Plan, Queries, Shortage, Window, COUNTS};
use row::Worker;
pub use strata::{By, Strata};

/// Most rows of one task.
const MOST_ROWS: usize = 512;
/// Candidates of one task, about: a millisecond of draws, so that work divides well and Ctrl-C is noticed.
const SOME_CANDIDATES: usize = 65_536;
/// Draws for fewer rows than this are not worth a task.
const FEW_ROWS: usize = 32;
/// So many tasks let threads that start late do their share.
const TASKS_PER_THREAD: usize = 4;

/// Selects negatives for every row.
pub fn select(exec: &Execution<'_>, lists: &Lists<'_>, queries: &Queries<'_>, plan: &Plan<'_>) -> Result<Chosen> {
    check(lists, queries, plan)?;
    let rows = queries.rows();
    let block = rows_of_task(exec, lists, rows, plan);
    let blocks: Vec<Range<usize>> = (0..rows).step_by(block).map(|start| start..(start + block).min(rows)).collect();
    let sizes: Vec<usize> = blocks.iter().map(|block| capacity(lists, queries, plan, block)).collect();
    let mut columns = Columns::new(&sizes, rows, plan.counted(lists, queries), plan)?;
    let parts = columns.parts(&blocks, &sizes);
    let twins = match (plan.shortage, queries.groups) {
        (Shortage::Fill(_), Some(groups)) => Some(Twins::new(exec, queries.positives, groups)?),
        _ => None,
    };
    let worker = || {
        let judge = queries.near.map(Judge::new).transpose();
        judge.map(|judge| (Worker::new(exec, lists, queries, plan, twins.as_ref()), judge))
    };
    let extents = pool::map(exec, blocks.iter().cloned().zip(parts), worker, |own, _, (block, mut part)| {
        let (worker, judge) = own.as_mut().map_err(|error| error.clone())?;
        for row in block {
            worker.run(row, judge.as_mut(), &mut part)?;
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
    if let Shortage::Fill(documents) = plan.shortage {
        let most = |row| plan.n.min(lists.lists.range(queries.list(row)).len().saturating_add(documents));
        return block.clone().fold(0usize, |sum, row| sum.saturating_add(most(row)));
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
    let (items, labels) = (lists.lists.ids().len(), queries.positives.ids().len());
    let rows = if queries.lists_by_pair { labels } else { queries.positives.rows() };
    let lengths = [
        ("candidates", lists.lists.rows(), rows),
        ("scores", lists.scores.len(), items),
        ("ranks", lists.ranks.map_or(items, <[i32]>::len), items),
        ("anchor_scores", lists.anchors.map_or(items, <[f32]>::len), items),
        ("above", lists.above.map_or(items, <[u8]>::len), items),
        ("exclude", queries.exclude.map_or(queries.positives.rows(), |csr| csr.rows()), queries.positives.rows()),
        ("positive_scores", queries.positive_scores.map_or(labels, <[f32]>::len), labels),
        ("query_keys", queries.keys.map_or(queries.positives.rows(), <[u64]>::len), queries.positives.rows()),
    ];
    for (argument, found, wanted) in lengths {
        if found != wanted {
            return Err(Error::Length { argument, found, wanted });
        }
    }
    if let Some(pairs) = queries.query_of_pair {
        let (argument, pairs_wanted) = ("query_of_pair", labels);
        if pairs.len() != pairs_wanted {
            return Err(Error::Length { argument, found: pairs.len(), wanted: pairs_wanted });
        }
        let limit = queries.positives.rows() as i64;
        if let Some(row) = pairs.iter().position(|query| !(0..limit).contains(query)) {
            return Err(Error::IdOutOfRange { argument, row, id: pairs[row], limit });
        }
    }
    if let Some(groups) = queries.groups {
        queries.positives.check_ids("positives", groups.len())?;
    }
    for documents in queries.near.iter().flat_map(Near::documents) {
        queries.positives.check_ids("positives", documents)?;
    }
    if let Some(Law::Weights(LogWeight::Weighted { log_weights })) = plan.choice.law {
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

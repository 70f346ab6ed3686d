//! The k best documents of every row of a score matrix, in one pass at memory speed.
//!
//! Each row keeps a lower bound that at least k of its scores are known to reach. Vector code compares 64 scores at a
//! time with it and reports blocks that hold anything else; what reached the bound goes, as one integer in ranking
//! order, into a small buffer that is cut back to k when full, which raises the bound. A first bound comes from the
//! maxima of disjoint groups: the k-th largest of them is reached by k scores whatever the order of the data, so
//! sorted rows cost a small multiple of shuffled ones.

mod accumulator;
mod bound;
mod dense;
mod direct;
mod entry;
mod kernels;
mod output;
mod rows;
mod selector;
mod sort;
#[cfg(test)]
mod tests;
mod whole;

use std::ops::Range;

pub use accumulator::TopKAccumulator;
pub(crate) use kernels::ceiling_in;
pub use kernels::Scan;

use crate::error::{check_room, Error, Result};
use crate::limits::{Limits, NanPolicy, Ranked, Tally};
use crate::matrix::Matrix;
use crate::pool::{self, Execution};
use output::Found;
use rows::{RowGroup, Worker};
use selector::RowState;

/// Bytes of scores that one task reads, so that tasks are many and short.
const TASK_BYTES: usize = 1 << 20;

/// A row is split over tasks only into parts of at least so many columns.
const MIN_PART: usize = 1 << 16;

/// Scores of one task, where rows are so long that they are split for this alone: a task must end within some tens of
/// milliseconds.
const MAX_PART: usize = 1 << 24;

/// Selects the `k` best admissible documents of each row.
///
/// `limits` holds one entry per *output* row. Output row `r` reads matrix row `rows[r]`, or row `r` where `rows` is
/// absent, so one matrix row can be scanned under several ceilings. Scores come out as float32, zeros as 0.0.
///
/// # Errors
/// [`Error::NotANumber`] at the first NaN in output order under [`NanPolicy::Raise`], with the matrix row; a limit of
/// the wrong length or NaN; a row outside the matrix; [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn topk<T: Scan>(
    exec: &Execution<'_>,
    scores: Matrix<'_, T>,
    k: usize,
    limits: &Limits<'_>,
    rows: Option<&[i64]>,
) -> Result<Ranked> {
    let outputs = rows.map_or(scores.rows(), <[i64]>::len);
    limits.check(outputs)?;
    check_rows(rows, scores.rows())?;
    check_room::<Tally>(outputs)?;
    let k = k.min(scores.columns());
    let plan = Plan::new(exec.threads(), &scores, outputs, k);
    let (isa, nan) = (exec.isa(), limits.nan);
    let worker = || Worker::new(k, isa, nan);
    let group =
        |task: Range<usize>, columns: Range<usize>| RowGroup { scores, limits, first_limit: 0, rows, task, columns };
    if plan.parts == 1 && whole::suits(limits, &scores, k) {
        return whole::topk(exec, scores, k, nan, rows, &plan);
    }
    if plan.parts == 1 {
        let found = pool::map(exec, plan.row_ranges(outputs), worker, |worker, _, task| {
            let mut found = Found::default();
            for chunk in chunks(task, Worker::width(&scores)) {
                let count = worker.scan(&group(chunk, 0..scores.columns()))?.len();
                for index in 0..count {
                    let (entries, tally) = worker.finish(index);
                    found.push::<T>(entries, tally)?;
                }
            }
            Ok(found)
        })?;
        return Found::join(&found);
    }
    let partial = parts(exec, scores, k, limits, rows, &plan, 0, 0)?;
    let width = Worker::width(&scores);
    // A group's parts lie side by side; NaN is looked for row by row, so that the first one in row order is named.
    let found = pool::map(exec, 0..outputs, <(RowState<T>, Vec<_>)>::default, |(whole, scratch), _, row| {
        whole.clear();
        for part in &partial[row / width * plan.parts..][..plan.parts] {
            whole.absorb(&part[row % width], k);
        }
        let matrix_row = rows.map_or(row, |rows| rows[row] as usize);
        refuse_nan(std::slice::from_ref(whole), limits.nan, |_| matrix_row)?;
        let mut found = Found::default();
        let tally = whole.tally;
        found.push::<T>(whole.finish(k, scratch), tally)?;
        Ok(found)
    })?;
    Found::join(&found)
}

/// The states of every group of rows and every part of the columns, groups first. Output row 0 has the limits
/// `first_limit`, column 0 is document `first_document`. NaN is left to the caller.
#[allow(clippy::too_many_arguments)]
fn parts<T: Scan>(
    exec: &Execution<'_>,
    scores: Matrix<'_, T>,
    k: usize,
    limits: &Limits<'_>,
    rows: Option<&[i64]>,
    plan: &Plan,
    first_limit: usize,
    first_document: i64,
) -> Result<Vec<Vec<RowState<T>>>> {
    let outputs = rows.map_or(scores.rows(), <[i64]>::len);
    let groups = chunks(0..outputs, Worker::width(&scores));
    let tasks =
        groups.flat_map(|rows| plan.column_ranges(scores.columns()).map(move |columns| (rows.clone(), columns)));
    let (isa, nan) = (exec.isa(), limits.nan);
    let plain = scores.has_contiguous_rows() && whole::suits(limits, &scores, k);
    let memory = || Worker::new(k, isa, nan);
    pool::map(exec, tasks, memory, |worker, _, (task, columns)| {
        let first_id = first_document + columns.start as i64;
        if plain {
            let row = rows.map_or(task.start, |rows| rows[task.start] as usize);
            let mut none = Vec::new();
            let values = scores.row_part(row, columns.clone(), &mut none);
            if let Some(state) = direct::ordered(isa, values, first_id, k) {
                return Ok(vec![state]);
            }
        }
        let mut states =
            worker.scan_all(&RowGroup { scores, limits, first_limit, rows, task, columns }, first_id).to_vec();
        for state in &mut states {
            state.cut(k);
        }
        Ok(states)
    })
}

fn chunks(range: Range<usize>, width: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(width).map(move |start| start..end.min(start + width))
}

fn check_rows(rows: Option<&[i64]>, count: usize) -> Result<()> {
    let limit = count as i64;
    if let Some((row, &id)) = rows.and_then(|rows| rows.iter().enumerate().find(|(_, id)| !(0..limit).contains(*id))) {
        return Err(Error::IdOutOfRange { argument: "rows", row, id, limit });
    }
    Ok(())
}

/// How the work is cut. Never what comes out.
struct Plan {
    rows_per_task: usize,
    parts: usize,
}

impl Plan {
    /// For `rows` output rows of `scores` (more or fewer than it has, where rows are mapped).
    fn new<T: Scan>(threads: usize, scores: &Matrix<'_, T>, rows: usize, k: usize) -> Self {
        let columns = scores.columns();
        // Parts that are not much longer than k would select little.
        let most = columns / MIN_PART.max(k.saturating_mul(8));
        let wanted = if threads > 1 && rows > 0 && rows < 4 * threads { (4 * threads).div_ceil(rows) } else { 1 };
        let longest = MAX_PART / Worker::width(scores);
        let parts = wanted.max(columns.div_ceil(longest)).min(most).max(1);
        // The last parts may be empty after rounding up their length.
        let parts = columns.div_ceil(columns.div_ceil(parts).max(1)).max(1);
        let by_bytes = TASK_BYTES / columns.saturating_mul(size_of::<T>()).max(1024);
        let by_threads = rows.div_ceil(4 * threads);
        Plan { rows_per_task: by_bytes.min(by_threads).max(Worker::width(scores)), parts }
    }

    fn row_ranges(&self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        chunks(0..rows, self.rows_per_task)
    }

    fn column_ranges(&self, columns: usize) -> impl Iterator<Item = Range<usize>> {
        chunks(0..columns, columns.div_ceil(self.parts))
    }
}

/// Reports the first NaN among `states`, which stand for rising rows, where NaN is refused. `row_of` names a state's row.
fn refuse_nan<T: Scan>(states: &[RowState<T>], nan: NanPolicy, row_of: impl Fn(usize) -> usize) -> Result<()> {
    if nan == NanPolicy::Raise {
        for (index, state) in states.iter().enumerate() {
            if let Some(column) = state.first_nan {
                let (row, column) = (row_of(index), column as usize);
                return Err(Error::NotANumber { argument: "scores", row, column });
            }
        }
    }
    Ok(())
}

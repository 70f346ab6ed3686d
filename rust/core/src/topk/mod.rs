//! The k best documents of every row of a score matrix, in one pass at memory speed.
//!
//! Each row keeps a lower bound that at least k of its scores are known to reach. Vector code compares 64 scores at a
//! time with it and reports blocks that hold anything else; what reached the bound goes, as one integer in ranking
//! order, into a small buffer that is cut back to k when full, which raises the bound. A first bound comes from the
//! maxima of disjoint groups: the k-th largest of them is reached by k scores whatever the order of the data, so
//! sorted rows cost a small multiple of shuffled ones.

mod accumulator;
mod best;
mod checks;
mod dense;
mod direct;
mod entry;
mod kernels;
mod limits;
mod ordered;
mod output;
mod parts;
mod plan;
mod rows;
mod selector;
#[cfg(test)]
mod tests;
mod threshold;
mod whole;

use std::ops::Range;

pub use accumulator::{Kept, TopKAccumulator};
pub(crate) use kernels::ceiling_in;
pub use kernels::Scan;

use crate::error::{check_room, Result};
use crate::excluded::Excluded;
use crate::limits::{Limits, Ranked, Tally};
use crate::matrix::Matrix;
use crate::pool::{self, Execution};
use checks::check_rows;
use limits::ScanLimits;
use output::Found;
use parts::WholeRows;
use plan::{chunks, Plan};
use rows::{RowGroup, Worker};
use selector::RowState;

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
    let excluded = Excluded::new(exec, limits.exclude)?;
    let limits = ScanLimits::new(limits, &excluded);
    if plan.parts == 1 && whole::suits(&limits, &scores, k) {
        return whole::topk(exec, scores, k, limits, rows, &plan);
    }
    if plan.parts == 1 {
        let memory = || Worker::new(exec, k, limits.nan);
        let found = pool::map(exec, plan.row_ranges(outputs), memory, |worker, _, task: Range<usize>| {
            let mut found = Found::default();
            for task in chunks(task, Worker::width(&scores)) {
                let columns = 0..scores.columns();
                let count = worker.scan(&RowGroup { scores, limits, first_limit: 0, rows, task, columns })?.len();
                for index in 0..count {
                    let (entries, tally) = worker.finish(index)?;
                    found.push::<T>(exec, entries, tally)?;
                }
            }
            Ok(found)
        })?;
        return Found::join(exec, found);
    }
    let parts = WholeRows { scores, rows, limits, first_limit: 0, first_document: 0 }.parts(exec, k, &plan)?;
    let found = pool::map(exec, 0..outputs, <(RowState<T>, Vec<_>)>::default, |(whole, scratch), _, row| {
        whole.clear();
        let matrix_row = rows.map_or(row, |rows| rows[row] as usize);
        parts.absorb_into(exec, whole, row, k, matrix_row, limits.nan)?;
        let mut found = Found::default();
        let tally = whole.tally;
        found.push::<T>(exec, whole.finish(exec, k, scratch)?, tally)?;
        Ok(found)
    })?;
    Found::join(exec, found)
}

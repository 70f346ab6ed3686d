//! How the work is cut. Never what comes out.

use std::ops::Range;

use super::kernels::Scan;
use super::rows::Worker;
use crate::matrix::Matrix;

/// Bytes of scores that one task reads, so that tasks are many and short.
const TASK_BYTES: usize = 1 << 20;

/// A row is split over tasks only into parts of at least so many columns.
pub(super) const MIN_PART: usize = 1 << 16;

/// Scores of one task, where rows are so long that they are split for this alone: many short tasks keep every thread busy
/// to the end.
const MAX_PART: usize = 1 << 24;

pub(super) struct Plan {
    pub rows_per_task: usize,
    /// Parts of the columns, each a task of its own.
    pub parts: usize,
    columns: usize,
}

impl Plan {
    /// For `rows` output rows of `scores` (more or fewer than it has, where rows are mapped).
    pub(super) fn new<T: Scan>(threads: usize, scores: &Matrix<'_, T>, rows: usize, k: usize) -> Self {
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
        Plan { rows_per_task: by_bytes.min(by_threads).max(Worker::width(scores)), parts, columns }
    }

    pub(super) fn row_ranges(&self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        chunks(0..rows, self.rows_per_task)
    }

    pub(super) fn column_ranges(&self) -> impl Iterator<Item = Range<usize>> {
        chunks(0..self.columns, self.columns.div_ceil(self.parts))
    }
}

/// `range` in pieces of `width`.
pub(super) fn chunks(range: Range<usize>, width: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(width).map(move |start| start..end.min(start + width))
}

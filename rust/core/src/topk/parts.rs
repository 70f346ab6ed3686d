//! Rows that are cut into parts of their columns, each searched by a task of its own.

use super::checks::refuse_nan;
use super::kernels::Scan;
use super::limits::ScanLimits;
use super::ordered;
use super::plan::{chunks, Plan};
use super::rows::{RowGroup, Worker};
use super::selector::RowState;
use super::whole;
use crate::error::{try_collect, try_reserve_exact, Result};
use crate::limits::NanPolicy;
use crate::matrix::Matrix;
use crate::pool::{self, Execution};

/// Output rows of a matrix, all its columns.
#[derive(Clone, Copy)]
pub(super) struct WholeRows<'r, 'a, T> {
    pub scores: Matrix<'a, T>,
    /// Matrix row of each output row, where they differ.
    pub rows: Option<&'r [i64]>,
    pub limits: ScanLimits<'r>,
    /// Row of `limits` that holds those of output row 0.
    pub first_limit: usize,
    /// Document of column 0.
    pub first_document: i64,
}

impl<T: Scan> WholeRows<'_, '_, T> {
    fn count(&self) -> usize {
        self.rows.map_or(self.scores.rows(), <[i64]>::len)
    }

    /// The states of every group of rows and every part of the columns, groups first. NaN is left to the caller.
    pub(super) fn parts(&self, exec: &Execution<'_>, k: usize, plan: &Plan) -> Result<Parts<T>> {
        let width = Worker::width(&self.scores);
        let groups = chunks(0..self.count(), width);
        let tasks = groups.flat_map(|rows| plan.column_ranges().map(move |columns| (rows.clone(), columns)));
        let in_order = self.scores.has_contiguous_rows() && whole::suits(&self.limits, &self.scores, k);
        let memory = || Worker::new(exec, k, self.limits.nan);
        let states = pool::map(exec, tasks, memory, |worker, _, (task, columns)| {
            let first_id = self.first_document + columns.start as i64;
            if in_order {
                let row = self.rows.map_or(task.start, |rows| rows[task.start] as usize);
                let mut none = Vec::new();
                let values = self.scores.row_part(row, columns.clone(), &mut none);
                if let Some(state) = ordered::state(exec, values, first_id, k)? {
                    return try_collect(std::iter::once(Ok(state)));
                }
            }
            let group = RowGroup {
                scores: self.scores,
                limits: self.limits,
                first_limit: self.first_limit,
                rows: self.rows,
                task,
                columns,
            };
            let mut kept = Vec::new();
            for state in worker.scan_all(&group, first_id)? {
                state.cut(exec, k)?;
                let mut copy = RowState::new();
                copy.assign(exec, state)?;
                try_reserve_exact(&mut kept, 1)?;
                kept.push(copy);
            }
            Ok(kept)
        })?;
        Ok(Parts { states, width, per_row: plan.parts })
    }
}

/// What the parts of the columns hold of every row.
pub(super) struct Parts<T> {
    states: Vec<Vec<RowState<T>>>,
    width: usize,
    per_row: usize,
}

impl<T: Scan> Parts<T> {
    /// Takes what the parts hold of output row `row` into `state`; a NaN is said to be in row `named`. It is looked for row
    /// by row, so that the first one in row order is named.
    pub(super) fn absorb_into(
        &self,
        exec: &Execution<'_>,
        state: &mut RowState<T>,
        row: usize,
        k: usize,
        named: usize,
        nan: NanPolicy,
    ) -> Result<()> {
        for part in &self.states[row / self.width * self.per_row..][..self.per_row] {
            state.absorb(exec, &part[row % self.width], k)?;
        }
        refuse_nan(std::slice::from_ref(state), nan, |_| named)
    }
}

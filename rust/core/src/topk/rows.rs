//! Scanning a few rows of a matrix of any strides: borrowed where a row is contiguous, gathered in tiles where not.

use std::ops::Range;

use super::checks::refuse_nan;
use super::entry::Entry;
use super::kernels::{Scan, BLOCK};
use super::limits::ScanLimits;
use super::selector::{RowState, Selector};
use crate::error::{make_room, try_reserve_exact, Result};
use crate::limits::{NanPolicy, Tally};
use crate::matrix::Matrix;
use crate::pool::Execution;

/// Rows gathered together: where columns lie closer than rows, a cache line then gives a score to each of them.
pub(super) const GATHERED_ROWS: usize = 32;

/// Columns of a gathered tile.
const GATHERED_COLUMNS: usize = 2048;

/// Space behind each gathered row, so that rows of a tile do not compete for the same cache sets.
const GATHERED_PAD: usize = 32;

/// A tile with less than one column for so many kept entries is scanned into them directly.
const SMALL_TILE: usize = 8;

/// Output rows `task` over columns `columns`.
pub(super) struct RowGroup<'g, 'a, T> {
    pub scores: Matrix<'a, T>,
    pub limits: ScanLimits<'g>,
    /// Row of `limits` that holds those of output row 0.
    pub first_limit: usize,
    pub rows: Option<&'g [i64]>,
    pub task: Range<usize>,
    pub columns: Range<usize>,
}

impl<T> RowGroup<'_, '_, T> {
    fn matrix_row(&self, output: usize) -> usize {
        self.rows.map_or(output, |rows| rows[output] as usize)
    }
}

/// Memory of one thread.
pub(super) struct Worker<'e, T: Scan> {
    exec: &'e Execution<'e>,
    selector: Selector<'e, T>,
    nan: NanPolicy,
    states: Vec<RowState<T>>,
    entries: Vec<Entry>,
    k: usize,
    tile: Vec<T>,
}

impl<'e, T: Scan> Worker<'e, T> {
    pub(super) fn new(exec: &'e Execution<'e>, k: usize, nan: NanPolicy) -> Self {
        let selector = Selector::new(exec, k, nan);
        Worker { exec, selector, nan, states: Vec::new(), entries: Vec::new(), k, tile: Vec::new() }
    }

    /// Rows that one scan should take.
    pub(super) fn width(scores: &Matrix<'_, T>) -> usize {
        if scores.has_contiguous_rows() {
            1
        } else {
            GATHERED_ROWS
        }
    }

    /// Scans a group from scratch; one state per output row. NaN is refused where it has to be.
    pub(super) fn scan(&mut self, group: &RowGroup<'_, '_, T>) -> Result<&mut [RowState<T>]> {
        let nan = self.nan;
        let states = self.scan_all(group, group.columns.start as i64)?;
        refuse_nan(states, nan, |index| group.matrix_row(group.task.start + index))?;
        Ok(states)
    }

    /// The best k of a state that `scan` gave, in ranking order.
    pub(super) fn finish(&mut self, index: usize) -> Result<(&[Entry], Tally)> {
        let state = &mut self.states[index];
        let tally = state.tally;
        Ok((state.finish(self.exec, self.k, &mut self.entries)?, tally))
    }

    /// As `scan`, but leaves NaN to the caller; its first column is document `first_id`.
    pub(super) fn scan_all(&mut self, group: &RowGroup<'_, '_, T>, first_id: i64) -> Result<&mut [RowState<T>]> {
        let count = group.task.len();
        self.states.resize_with(count.max(self.states.len()), RowState::new);
        let mut states = std::mem::take(&mut self.states);
        states[..count].iter_mut().for_each(RowState::clear);
        let done = self.scan_into(group, &mut states[..count], first_id);
        self.states = states;
        done?;
        Ok(&mut self.states[..count])
    }

    /// Scans a group on top of what `states` hold; its first column is document `first_id`.
    pub(super) fn update(
        &mut self,
        group: &RowGroup<'_, '_, T>,
        states: &mut [RowState<T>],
        first_id: i64,
    ) -> Result<()> {
        let columns = group.columns.len();
        if states.iter().all(|state| columns <= state.entries.len() / SMALL_TILE) {
            // To copy what is kept for the sake of a few scores more would cost far more than their scan.
            for state in states.iter_mut() {
                let room = columns + state.entries.len() / SMALL_TILE;
                if state.entries.capacity() - state.entries.len() < columns + BLOCK {
                    try_reserve_exact(&mut state.entries, room + BLOCK)?;
                }
            }
            self.scan_into(group, states, first_id)?;
            return states.iter_mut().try_for_each(|state| self.selector.settle(state));
        }
        // Scans want a roomy buffer, states are kept small: there are as many as queries.
        self.states.resize_with(states.len().max(self.states.len()), RowState::new);
        let mut roomy = std::mem::take(&mut self.states);
        for (roomy, state) in roomy.iter_mut().zip(states.iter()) {
            roomy.assign(self.exec, state)?;
        }
        self.scan_into(group, &mut roomy[..states.len()], first_id)?;
        for (roomy, state) in roomy.iter_mut().zip(states) {
            self.selector.settle(roomy)?;
            state.assign(self.exec, roomy)?;
        }
        self.states = roomy;
        Ok(())
    }

    fn scan_into(&mut self, group: &RowGroup<'_, '_, T>, states: &mut [RowState<T>], first_id: i64) -> Result<()> {
        if group.scores.has_contiguous_rows() {
            for (output, state) in group.task.clone().zip(states) {
                let row = group.matrix_row(output);
                let values = group.scores.row_part(row, group.columns.clone(), &mut self.tile);
                self.selector.scan(state, values, first_id, &group.limits.row(group.first_limit + output))?;
            }
            return Ok(());
        }
        let limits: Vec<_> = group.task.clone().map(|output| group.limits.row(group.first_limit + output)).collect();
        let rows: Vec<usize> = group.task.clone().map(|output| group.matrix_row(output)).collect();
        let pitch = GATHERED_COLUMNS + GATHERED_PAD;
        make_room(&mut self.tile, rows.len() * pitch)?;
        self.tile.resize(rows.len() * pitch, T::default());
        for start in group.columns.clone().step_by(GATHERED_COLUMNS) {
            let end = group.columns.end.min(start + GATHERED_COLUMNS);
            group.scores.gather(&rows, start..end, &mut self.tile, pitch);
            let document = first_id + (start - group.columns.start) as i64;
            for ((tile, state), limits) in self.tile.chunks(pitch).zip(states.iter_mut()).zip(&limits) {
                self.selector.scan(state, &tile[..end - start], document, limits)?;
            }
            self.exec.check()?;
        }
        Ok(())
    }
}

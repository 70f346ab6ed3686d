//! Rows without limits, whole: every row fills its own place in the output, k wide.

use std::ops::Range;

use super::dense;
use super::direct::Direct;
use super::kernels::Scan;
use super::limits::ScanLimits;
use super::output::{self, Places, Short};
use super::plan::{chunks, Plan};
use super::rows::{RowGroup, Worker};
use crate::error::{make_room, try_collect, Result};
use crate::limits::Ranked;
use crate::matrix::Matrix;
use crate::pool::{self, Execution};

/// Rows of strided memory up to this long are gathered whole.
const GATHERED: usize = 4096;

/// Whether a scan under these limits can give every row k scores, NaN aside, in entries of the smaller kind.
pub(super) fn suits<T: Scan>(limits: &ScanLimits<'_>, scores: &Matrix<'_, T>, k: usize) -> bool {
    limits.admit_all() && k > 0 && u32::try_from(scores.columns()).is_ok()
}

/// See [`super::topk`]; for 1 <= k <= columns and limits that admit all.
pub(super) fn topk<T: Scan>(
    exec: &Execution<'_>,
    scores: Matrix<'_, T>,
    k: usize,
    limits: ScanLimits<'_>,
    rows: Option<&[i64]>,
    plan: &Plan,
) -> Result<Ranked> {
    let outputs = rows.map_or(scores.rows(), <[i64]>::len);
    let mut found = Places::new(outputs, k)?;
    if dense::suits(exec.threads(), &scores, outputs, k) {
        let (mut places, mut done) = (found.ids.chunks_mut(k).zip(found.scores.chunks_mut(k)).enumerate(), true);
        while let Some((output, (ids, best))) = places.next().filter(|_| done) {
            let row = rows.map_or(output, |rows| rows[output] as usize);
            done = dense::fill(exec, scores.row(row, &mut Vec::new()), ids, best)?;
        }
        if done {
            return found.close_gaps(exec, &[]);
        }
    }
    let size = plan.rows_per_task;
    let places = size.saturating_mul(k);
    let parts = found.ids.chunks_mut(places).zip(found.scores.chunks_mut(places));
    let memory = || (Worker::new(exec, k, limits.nan), Direct::new(exec), Vec::new());
    let short = pool::map(exec, parts, memory, |(worker, direct, tile), index, (ids, best)| {
        let mut task = Task { exec, scores, limits, rows, ids, best, k, first: index * size, short: Vec::new() };
        let end = task.first + task.ids.len() / k;
        for group in chunks(task.first..end, Worker::width(&scores)) {
            task.group(group, worker, direct, tile)?;
        }
        Ok(task.short)
    })?;
    let short: Vec<Short> = try_collect(short.into_iter().flatten().map(Ok))?;
    found.close_gaps(exec, &short)
}

/// Output rows from `first` on, and their places.
struct Task<'t, 'a, T> {
    exec: &'t Execution<'t>,
    scores: Matrix<'a, T>,
    limits: ScanLimits<'t>,
    rows: Option<&'t [i64]>,
    ids: &'t mut [i64],
    best: &'t mut [f32],
    k: usize,
    first: usize,
    short: Vec<Short>,
}

impl<T: Scan> Task<'_, '_, T> {
    fn group(
        &mut self,
        group: Range<usize>,
        worker: &mut Worker<'_, T>,
        direct: &mut Direct<'_, T>,
        tile: &mut Vec<T>,
    ) -> Result<()> {
        let columns = self.scores.columns();
        if self.scores.has_contiguous_rows() {
            let row = self.matrix_row(group.start);
            let values = self.scores.row(row, tile);
            let place = self.place(group.start);
            if direct.fill(values, &mut self.ids[place.clone()], &mut self.best[place])? {
                return Ok(());
            }
            return self.scan(group, worker);
        }
        if columns > GATHERED {
            return self.scan(group, worker);
        }
        let rows: Vec<usize> = group.clone().map(|output| self.matrix_row(output)).collect();
        make_room(tile, rows.len() * columns)?;
        tile.resize(rows.len() * columns, T::default());
        self.scores.gather(&rows, 0..columns, tile, columns);
        for (output, values) in group.zip(tile.chunks(columns)) {
            let place = self.place(output);
            if !direct.fill(values, &mut self.ids[place.clone()], &mut self.best[place])? {
                self.scan(output..output + 1, worker)?;
            }
        }
        Ok(())
    }

    /// Under a rising bound; also where there is NaN.
    fn scan(&mut self, group: Range<usize>, worker: &mut Worker<'_, T>) -> Result<()> {
        let columns = 0..self.scores.columns();
        let of_all = RowGroup {
            scores: self.scores,
            limits: self.limits,
            first_limit: 0,
            rows: self.rows,
            task: group,
            columns,
        };
        worker.scan(&of_all)?;
        for (index, output) in of_all.task.clone().enumerate() {
            let (entries, tally) = worker.finish(index)?;
            let place = self.place(output);
            output::write::<T, _>(self.exec, entries, &mut self.ids[place.clone()], &mut self.best[place])?;
            if entries.len() < self.k || tally.nan > 0 {
                self.short.push(Short { row: output, length: entries.len(), tally });
            }
        }
        Ok(())
    }

    fn matrix_row(&self, output: usize) -> usize {
        self.rows.map_or(output, |rows| rows[output] as usize)
    }

    fn place(&self, output: usize) -> Range<usize> {
        let start = (output - self.first) * self.k;
        start..start + self.k
    }
}

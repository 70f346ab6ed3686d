//! Rows without limits, whole: every row fills its own place in the output, k wide.

use std::ops::Range;

use super::dense;
use super::direct::Direct;
use super::entry::{self, Packed};
use super::kernels::Scan;
use super::output::{close_gaps, zeros, Short};
use super::rows::{RowGroup, Worker};
use super::{chunks, Plan, Result};
use crate::limits::{Limits, NanPolicy, Ranked};
use crate::matrix::Matrix;
use crate::pool::{self, Execution};

/// Rows of strided memory up to this long are gathered whole.
const GATHERED: usize = 4096;

/// Whether a scan under these limits can give every row k scores, NaN aside, in entries of the smaller kind.
pub(super) fn suits<T: Scan>(limits: &Limits<'_>, scores: &Matrix<'_, T>, k: usize) -> bool {
    let unlimited = limits.ceiling.is_none() && limits.floor.is_none() && limits.exclude.is_none();
    unlimited && k > 0 && u32::try_from(scores.columns()).is_ok()
}

/// See [`super::topk`]; for 1 <= k <= columns.
pub(super) fn topk<T: Scan>(
    exec: &Execution<'_>,
    scores: Matrix<'_, T>,
    k: usize,
    nan: NanPolicy,
    rows: Option<&[i64]>,
    plan: &Plan,
) -> Result<Ranked> {
    let outputs = rows.map_or(scores.rows(), <[i64]>::len);
    let (mut ids, mut best) = (zeros::<i64>(outputs, k)?, zeros::<f32>(outputs, k)?);
    if dense::suits(exec.threads(), &scores, outputs, k) {
        let (mut places, mut done) = (ids.chunks_mut(k).zip(best.chunks_mut(k)).enumerate(), true);
        while let Some((output, (ids, best))) = places.next().filter(|_| done) {
            let row = rows.map_or(output, |rows| rows[output] as usize);
            done = dense::fill(exec, scores.row(row, &mut Vec::new()), ids, best)?;
        }
        if done {
            return Ok(close_gaps(ids, best, outputs, k, &[]));
        }
    }
    let limits = Limits { nan, ..Limits::NONE };
    let size = plan.rows_per_task;
    let parts = ids.chunks_mut(size.saturating_mul(k)).zip(best.chunks_mut(size.saturating_mul(k)));
    let isa = exec.isa();
    let memory = || (Worker::new(k, isa, nan), Direct::new(isa), Vec::new());
    let short = pool::map(exec, parts, memory, |(worker, direct, tile), index, (ids, best)| {
        let mut task = Task { scores, limits: &limits, rows, ids, best, k, first: index * size, short: Vec::new() };
        let end = task.first + task.ids.len() / k;
        for group in chunks(task.first..end, Worker::width(&scores)) {
            task.group(group, worker, direct, tile)?;
        }
        Ok(task.short)
    })?;
    let short: Vec<Short> = short.into_iter().flatten().collect();
    Ok(close_gaps(ids, best, outputs, k, &short))
}

/// Output rows from `first` on, and their places.
struct Task<'t, 'a, T> {
    scores: Matrix<'a, T>,
    limits: &'t Limits<'t>,
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
        worker: &mut Worker<T>,
        direct: &mut Direct<T>,
        tile: &mut Vec<T>,
    ) -> Result<()> {
        let columns = self.scores.columns();
        if self.scores.has_contiguous_rows() {
            let row = self.matrix_row(group.start);
            let values = self.scores.row(row, tile);
            let place = self.place(group.start);
            if direct.fill(values, &mut self.ids[place.clone()], &mut self.best[place]) {
                return Ok(());
            }
            return self.scan(group, worker);
        }
        if columns > GATHERED {
            return self.scan(group, worker);
        }
        let rows: Vec<usize> = group.clone().map(|output| self.matrix_row(output)).collect();
        tile.resize(rows.len() * columns, T::default());
        self.scores.gather(&rows, 0..columns, tile, columns);
        for (output, values) in group.zip(tile.chunks(columns)) {
            let place = self.place(output);
            if !direct.fill(values, &mut self.ids[place.clone()], &mut self.best[place]) {
                self.scan(output..output + 1, worker)?;
            }
        }
        Ok(())
    }

    /// Under a rising bound; also where there is NaN.
    fn scan(&mut self, group: Range<usize>, worker: &mut Worker<T>) -> Result<()> {
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
            let (entries, tally) = worker.finish(index);
            let place = self.place(output);
            let found = entries.iter().zip(&mut self.ids[place.clone()]).zip(&mut self.best[place]);
            for ((entry, id), best) in found {
                *id = entry.id();
                *best = entry::score::<T>(*entry).to_f32();
            }
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

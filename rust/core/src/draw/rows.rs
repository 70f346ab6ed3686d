//! Draws from every row of a matrix of log-weights.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::draw::largest::descending;
use crate::draw::logarithm::ln;
use crate::draw::noise::{exponential, Noise};
use crate::draw::picker::Picker;
use crate::error::{check_room, try_collect, try_zeros, Error, Result};
use crate::matrix::Matrix;
use crate::order::Score;
use crate::pool::{self, Execution};

/// Cells that one task works on.
const TASK_CELLS: usize = 1 << 16;

/// Whose noise the rows and columns of a call see: stable keys, or the indices themselves.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// One key for each row.
    pub rows: Option<&'a [u64]>,
    /// One key for each column.
    pub columns: Option<&'a [u64]>,
}

impl Keys<'_> {
    /// Key of a row.
    #[inline]
    #[must_use]
    pub fn row(&self, row: usize) -> u64 {
        self.rows.map_or(row as u64, |keys| keys[row])
    }

    /// Checks the number of row keys.
    pub fn check_rows(&self, rows: usize) -> Result<()> {
        match self.rows {
            Some(keys) if keys.len() != rows => {
                Err(Error::Length { argument: "row_keys", found: keys.len(), wanted: rows })
            }
            _ => Ok(()),
        }
    }
}

/// Draws `n` columns from every row, row after row, -1 where a row has no more to give.
///
/// Without replacement: the n largest of log-weight + Gumbel noise, ascending by column. With replacement: in the order of
/// the draws. A column of log-weight -inf is never drawn. NaN and +inf are errors.
pub fn draw_rows<T: Score>(
    exec: &Execution<'_>,
    log_weights: Matrix<'_, T>,
    n: usize,
    noise: Noise,
    keys: Keys<'_>,
    replace: bool,
) -> Result<Vec<i64>> {
    let (rows, columns) = (log_weights.rows(), log_weights.columns());
    keys.check_rows(rows)?;
    // One row at work: its weights, their keys, and the positions in between.
    check_room::<[u64; 4]>(columns)?;
    let column_keys = match keys.columns {
        Some(keys) if keys.len() != columns => {
            return Err(Error::Length { argument: "column_keys", found: keys.len(), wanted: columns });
        }
        Some(keys) => keys.to_vec(),
        None => try_collect((0..columns as u64).map(Ok))?,
    };
    let mut out = try_zeros(rows.checked_mul(n).ok_or(Error::OutOfMemory { bytes: usize::MAX })?)?;
    let rows_of_task = (TASK_CELLS / (columns + n).max(1)).clamp(1, rows.max(1));
    let parts = (0..rows.div_ceil(rows_of_task)).zip(chunks_of_rows(&mut out, rows_of_task, n));
    let isa = exec.isa();
    let scratch = || RowScratch::new(Picker::new(isa, noise), noise);
    pool::map(exec, parts, scratch, |scratch, _, (part, out)| {
        let first = part * rows_of_task;
        for row in first..(first + rows_of_task).min(rows) {
            scratch.load(row, log_weights)?;
            let out = &mut out[(row - first) * n..][..n];
            out.fill(-1);
            if replace {
                scratch.with_replacement(keys.row(row), &column_keys, out);
            } else {
                scratch.without_replacement(keys.row(row), &column_keys, out);
            }
        }
        Ok(())
    })?;
    Ok(out)
}

/// Cuts `rows x n` values into runs of rows; empty runs where `n` is 0.
pub(super) fn chunks_of_rows(out: &mut [i64], rows: usize, n: usize) -> impl Iterator<Item = &mut [i64]> {
    let mut rest = out;
    std::iter::from_fn(move || {
        let length = (rows * n).min(rest.len());
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(length);
        rest = tail;
        Some(part)
    })
}

/// The next event of a column: descending key and position, its place in `waited`, how many events it had before.
type Event = ((u64, u32), u32, u32);

struct RowScratch<T> {
    picker: Picker,
    arrivals: Vec<Noise>,
    row: Vec<T>,
    log_weights: Vec<f64>,
    positions: Vec<u32>,
    ordered: Vec<(f64, u32)>,
    waited: Vec<f64>,
    heap: BinaryHeap<Reverse<Event>>,
}

impl<T: Score> RowScratch<T> {
    fn new(picker: Picker, noise: Noise) -> Self {
        RowScratch {
            picker,
            arrivals: vec![noise],
            row: Vec::new(),
            log_weights: Vec::new(),
            positions: Vec::new(),
            ordered: Vec::new(),
            waited: Vec::new(),
            heap: BinaryHeap::new(),
        }
    }

    /// Copies a row and checks the copy.
    fn load(&mut self, row: usize, matrix: Matrix<'_, T>) -> Result<()> {
        self.log_weights.clear();
        self.log_weights.extend(matrix.row(row, &mut self.row).iter().map(|weight| weight.to_f64()));
        let drawable = |weight: f64| weight < f64::INFINITY;
        if self.log_weights.iter().map(|&weight| u32::from(drawable(weight))).sum::<u32>() as usize
            == self.log_weights.len()
        {
            return Ok(());
        }
        let argument = "log_weights";
        let column = self.log_weights.iter().position(|&weight| !drawable(weight)).expect("one was counted");
        if self.log_weights[column].is_nan() {
            return Err(Error::NotANumber { argument, row, column });
        }
        let problem = format!("inf at row {row}, column {column}, expected a finite number or -inf");
        Err(Error::Value { argument, problem })
    }

    fn without_replacement(&mut self, row_key: u64, column_keys: &[u64], out: &mut [i64]) {
        self.picker.pick(row_key, column_keys, &self.log_weights, out.len(), &mut self.positions);
        for (out, &position) in out.iter_mut().zip(&self.positions) {
            *out = i64::from(position);
        }
    }

    /// Every column is a Poisson process with its weight as rate: the labels of the first n events of all processes
    /// together are n independent draws. The first event of a column is at the time exp(-key), so only the columns of the n
    /// largest keys can be among them; each later one follows after a fresh exponential waiting time.
    fn with_replacement(&mut self, row_key: u64, column_keys: &[u64], out: &mut [i64]) {
        self.picker.pick_in_order(row_key, column_keys, &self.log_weights, out.len(), &mut self.ordered);
        self.waited.clear();
        self.heap.clear();
        for (slot, &(key, position)) in (0u32..).zip(&self.ordered) {
            let bits = self.arrivals[0].bits(row_key, column_keys[position as usize]);
            self.waited.push(exponential(bits));
            self.heap.push(Reverse((descending(key, position), slot, 1)));
        }
        for out in out {
            let Some(Reverse(((_, position), slot, arrival))) = self.heap.pop() else { return };
            *out = i64::from(position);
            while self.arrivals.len() <= arrival as usize {
                self.arrivals.push(self.arrivals[0].arrival(self.arrivals.len() as u32));
            }
            let bits = self.arrivals[arrival as usize].bits(row_key, column_keys[position as usize]);
            let waited = &mut self.waited[slot as usize];
            *waited += exponential(bits);
            let key = self.log_weights[position as usize] - ln(*waited);
            self.heap.push(Reverse((descending(key, position), slot, arrival + 1)));
        }
    }
}

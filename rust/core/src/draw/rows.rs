//! Draws from every row of a matrix of log-weights.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::draw::largest::{descending, rest, Pair};
use crate::draw::logarithm::ln;
use crate::draw::noise::{exponential, Noise};
use crate::draw::picker::{check_width, Picker};
use crate::error::{check_room, try_reserve, try_zeros, Error, Result};
use crate::matrix::Matrix;
use crate::order::Score;
use crate::pool::{self, Execution};
use crate::steps::{self, in_steps};

/// Cells that one task works on.
const TASK_CELLS: usize = 1 << 16;

/// Times that a column is met, for which the noise is kept; that of later ones is made anew each time.
const KEPT_ARRIVALS: usize = 1 << 10;

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
/// the draws. A column of log-weight -inf is never drawn. NaN and +inf are errors, and so are columns, or draws with
/// replacement, that 32 bits cannot number.
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
    check_width("log_weights", columns)?;
    if replace {
        check_width("n", n)?;
    }
    // One row at work: its weights, their keys, and the positions in between.
    check_room::<[u64; 4]>(columns)?;
    let mut column_keys = Vec::new();
    match keys.columns {
        Some(keys) if keys.len() != columns => {
            return Err(Error::Length { argument: "column_keys", found: keys.len(), wanted: columns });
        }
        Some(keys) => steps::copy(exec, &mut column_keys, keys)?,
        None => number(exec, columns, &mut column_keys)?,
    }
    let mut out = try_zeros(rows.checked_mul(n).ok_or(Error::OutOfMemory { bytes: usize::MAX })?)?;
    let rows_of_task = (TASK_CELLS / (columns + n).max(1)).clamp(1, rows.max(1));
    let parts = (0..rows.div_ceil(rows_of_task)).zip(chunks_of_rows(&mut out, rows_of_task, n));
    let scratch = || RowScratch::new(noise);
    pool::map(exec, parts, scratch, |scratch, _, (part, out)| {
        let first = part * rows_of_task;
        for row in first..(first + rows_of_task).min(rows) {
            scratch.load(exec, row, log_weights)?;
            let out = &mut out[(row - first) * n..][..n];
            let drawn = if replace {
                scratch.with_replacement(exec, keys.row(row), &column_keys, out)?
            } else {
                scratch.without_replacement(exec, keys.row(row), &column_keys, out)?
            };
            fill(exec, &mut out[drawn..])?;
        }
        Ok(())
    })?;
    Ok(out)
}

/// The numbers below `len`, into an empty vector.
pub(super) fn number(exec: &Execution<'_>, len: usize, out: &mut Vec<u64>) -> Result<()> {
    try_reserve(out, len)?;
    in_steps(exec, len, |some| {
        out.extend(some.start as u64..some.end as u64);
        Ok(())
    })
}

/// Nothing where a row has no more to give.
pub(super) fn fill(exec: &Execution<'_>, out: &mut [i64]) -> Result<()> {
    in_steps(exec, out.len(), |some| {
        out[some].fill(-1);
        Ok(())
    })
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

/// The next event of a column: descending key, its rest, position, place in `waited`, how many events it had before.
type Event = (u64, u64, u32, u32, u32);

struct RowScratch<T> {
    picker: Picker,
    noise: Noise,
    arrivals: Vec<Noise>,
    row: Vec<T>,
    log_weights: Vec<f64>,
    positions: Vec<u32>,
    ordered: Vec<Pair>,
    waited: Vec<f64>,
    heap: BinaryHeap<Reverse<Event>>,
}

impl<T: Score> RowScratch<T> {
    fn new(noise: Noise) -> Self {
        RowScratch {
            picker: Picker::new(noise),
            noise,
            arrivals: Vec::new(),
            row: Vec::new(),
            log_weights: Vec::new(),
            positions: Vec::new(),
            ordered: Vec::new(),
            waited: Vec::new(),
            heap: BinaryHeap::new(),
        }
    }

    /// Copies a row and checks the copy.
    fn load(&mut self, exec: &Execution<'_>, row: usize, matrix: Matrix<'_, T>) -> Result<()> {
        self.log_weights.clear();
        try_reserve(&mut self.log_weights, matrix.columns())?;
        in_steps(exec, matrix.columns(), |some| {
            let start = some.start;
            self.log_weights.extend(matrix.row_part(row, some, &mut self.row).iter().map(|weight| weight.to_f64()));
            check(row, start, &self.log_weights[start..])
        })
    }

    /// Returns how many were drawn.
    fn without_replacement(
        &mut self,
        exec: &Execution<'_>,
        row_key: u64,
        column_keys: &[u64],
        out: &mut [i64],
    ) -> Result<usize> {
        self.picker.pick(exec, row_key, column_keys, &self.log_weights, out.len(), &mut self.positions)?;
        in_steps(exec, self.positions.len(), |some| {
            for (out, &position) in out[some.clone()].iter_mut().zip(&self.positions[some]) {
                *out = i64::from(position);
            }
            Ok(())
        })?;
        Ok(self.positions.len())
    }

    /// Every column is a Poisson process with its weight as rate: the labels of the first n events of all processes
    /// together are n independent draws. The first event of a column is at the time exp(-key), so only the columns of the n
    /// largest keys can be among them; each later one follows after a fresh exponential waiting time.
    ///
    /// Returns how many were drawn.
    fn with_replacement(
        &mut self,
        exec: &Execution<'_>,
        row_key: u64,
        column_keys: &[u64],
        out: &mut [i64],
    ) -> Result<usize> {
        self.picker.pick_in_order(exec, row_key, column_keys, &self.log_weights, out.len(), &mut self.ordered)?;
        let firsts = self.ordered.len();
        if firsts == 0 {
            return Ok(0);
        }
        self.waited.clear();
        try_reserve(&mut self.waited, firsts)?;
        let mut events = std::mem::take(&mut self.heap).into_vec();
        events.clear();
        try_reserve(&mut events, firsts)?;
        in_steps(exec, firsts, |some| {
            for (slot, &(key, position)) in (some.start as u32..).zip(&self.ordered[some]) {
                let waited = exponential(self.noise.bits(row_key, column_keys[position as usize]));
                self.waited.push(waited);
                events.push(Reverse((key, rest(self.log_weights[position as usize], -ln(waited)), position, slot, 1)));
            }
            Ok(())
        })?;
        // In rising order already, which makes a heap of them at once.
        self.heap = BinaryHeap::from(events);
        in_steps(exec, out.len(), |some| {
            for out in &mut out[some] {
                let Some(mut next) = self.heap.peek_mut() else { break };
                let Reverse((.., position, slot, arrival)) = *next;
                *out = i64::from(position);
                let bits = arrival_noise(self.noise, &mut self.arrivals, arrival)
                    .bits(row_key, column_keys[position as usize]);
                let waited = &mut self.waited[slot as usize];
                *waited += exponential(bits);
                let (log_weight, noise) = (self.log_weights[position as usize], -ln(*waited));
                let (key, _) = descending(log_weight + noise, position);
                *next = Reverse((key, rest(log_weight, noise), position, slot, arrival + 1));
            }
            Ok(())
        })?;
        Ok(out.len())
    }
}

/// The noise of an arrival, kept where it is an early one.
fn arrival_noise(noise: Noise, kept: &mut Vec<Noise>, arrival: u32) -> Noise {
    while kept.len() <= arrival as usize && kept.len() < KEPT_ARRIVALS {
        kept.push(noise.arrival(kept.len() as u32));
    }
    kept.get(arrival as usize).copied().unwrap_or_else(|| noise.arrival(arrival))
}

/// Refuses log-weights of row `row` that no draw can use; the first of them stands in column `start`.
pub(super) fn check(row: usize, start: usize, log_weights: &[f64]) -> Result<()> {
    let drawable = |weight: f64| weight < f64::INFINITY;
    if log_weights.iter().map(|&weight| u32::from(drawable(weight))).sum::<u32>() as usize == log_weights.len() {
        return Ok(());
    }
    let argument = "log_weights";
    let at = log_weights.iter().position(|&weight| !drawable(weight)).expect("one was counted");
    let column = start + at;
    if log_weights[at].is_nan() {
        return Err(Error::NotANumber { argument, row, column });
    }
    let problem = format!("inf at row {row}, column {column}, expected a finite number or -inf");
    Err(Error::Value { argument, problem })
}

//! The rows found, on their way into one result.

use super::entry::{Entry, Packed};
use super::kernels::Scan;
use crate::error::{check_room, try_reserve, try_reserve_exact, try_vec, Error, Result};
use crate::limits::{Ranked, Tally};
use crate::pool::Execution;
use crate::steps::{self, STEP};

/// Rows found by one task, in output form.
#[derive(Default)]
pub(super) struct Found {
    ids: Vec<i64>,
    scores: Vec<f32>,
    lengths: Vec<usize>,
    tallies: Vec<Tally>,
}

impl Found {
    pub(super) fn push<T: Scan>(&mut self, exec: &Execution<'_>, entries: &[Entry], tally: Tally) -> Result<()> {
        steps::append(exec, &mut self.ids, entries, Packed::id)?;
        steps::append(exec, &mut self.scores, entries, |entry| T::of_entry(entry).to_f32())?;
        try_reserve(&mut self.lengths, 1)?;
        try_reserve(&mut self.tallies, 1)?;
        self.lengths.push(entries.len());
        self.tallies.push(tally);
        Ok(())
    }

    /// All rows in one. What one task found is given back as soon as it has been copied.
    pub(super) fn join(exec: &Execution<'_>, mut parts: Vec<Found>) -> Result<Ranked> {
        let mut ranked = Ranked::default();
        let rows: usize = parts.iter().map(|part| part.lengths.len()).sum();
        try_reserve_exact(&mut ranked.offsets, rows + 1)?;
        try_reserve_exact(&mut ranked.tallies, rows)?;
        ranked.offsets.push(0);
        let mut end = 0;
        for part in &parts {
            ranked.tallies.extend_from_slice(&part.tallies);
            ranked.offsets.extend(part.lengths.iter().map(|&length| {
                end += length as i64;
                end
            }));
            exec.check()?;
        }
        if parts.len() == 1 {
            (ranked.ids, ranked.scores) = (std::mem::take(&mut parts[0].ids), std::mem::take(&mut parts[0].scores));
            return Ok(ranked);
        }
        try_reserve_exact(&mut ranked.ids, end as usize)?;
        try_reserve_exact(&mut ranked.scores, end as usize)?;
        for part in parts {
            steps::append(exec, &mut ranked.ids, &part.ids, |id| id)?;
            steps::append(exec, &mut ranked.scores, &part.scores, |score| score)?;
            exec.check()?;
        }
        Ok(ranked)
    }
}

/// Writes entries in ranking order into the places of a row, as far as these reach.
pub(super) fn write<T: Scan, E: Packed>(
    exec: &Execution<'_>,
    entries: &[E],
    ids: &mut [i64],
    scores: &mut [f32],
) -> Result<()> {
    for ((entries, ids), scores) in entries.chunks(STEP).zip(ids.chunks_mut(STEP)).zip(scores.chunks_mut(STEP)) {
        for ((entry, id), score) in entries.iter().zip(ids).zip(scores) {
            *id = entry.id();
            *score = T::of_entry(*entry).to_f32();
        }
        if entries.len() == STEP {
            exec.check()?;
        }
    }
    Ok(())
}

/// A row with fewer scores than its place in the output has room for.
pub(super) struct Short {
    pub row: usize,
    pub length: usize,
    pub tally: Tally,
}

/// The best of every row, each in a place of the output that is k wide.
pub(super) struct Places {
    pub ids: Vec<i64>,
    pub scores: Vec<f32>,
    rows: usize,
    k: usize,
}

impl Places {
    pub(super) fn new(rows: usize, k: usize) -> Result<Self> {
        Ok(Places { ids: zeros(rows, k)?, scores: zeros(rows, k)?, rows, k })
    }

    /// Closes the gaps behind short rows, given in rising order.
    pub(super) fn close_gaps(self, exec: &Execution<'_>, short: &[Short]) -> Result<Ranked> {
        let Places { mut ids, mut scores, rows, k } = self;
        let mut offsets = Vec::new();
        try_reserve_exact(&mut offsets, rows + 1)?;
        if short.is_empty() {
            offsets.extend((0..=rows).map(|row| (row * k) as i64));
            return Ok(Ranked { offsets, ids, scores, tallies: Vec::new() });
        }
        offsets.push(0);
        let mut tallies = try_vec::<Tally>(rows)?;
        let mut end = 0;
        let mut short = short.iter().peekable();
        for (row, tally) in tallies.iter_mut().enumerate() {
            let mut length = k;
            if let Some(found) = short.next_if(|found| found.row == row) {
                (length, *tally) = (found.length, found.tally);
            }
            steps::move_down(exec, &mut ids, row * k, end, length)?;
            steps::move_down(exec, &mut scores, row * k, end, length)?;
            end += length;
            offsets.push(end as i64);
            if row % 1024 == 0 {
                exec.check()?;
            }
        }
        ids.truncate(end);
        scores.truncate(end);
        Ok(Ranked { offsets, ids, scores, tallies })
    }
}

/// `rows` times `k` zeros whose pages are first touched by whoever fills them.
fn zeros<V: Copy + Default>(rows: usize, k: usize) -> Result<Vec<V>> {
    let length = rows.checked_mul(k).ok_or(Error::OutOfMemory { bytes: usize::MAX })?;
    // Asks first, because a refused `vec!` ends the process.
    check_room::<V>(length)?;
    Ok(vec![V::default(); length])
}

//! The rows found, on their way into one result.

use super::entry::{self, Entry, Packed};
use super::kernels::Scan;
use crate::error::{Error, Result};
use crate::limits::{Ranked, Tally};

/// Rows found by one task, in output form.
#[derive(Default)]
pub(super) struct Found {
    ids: Vec<i64>,
    scores: Vec<f32>,
    lengths: Vec<usize>,
    tallies: Vec<Tally>,
}

impl Found {
    pub(super) fn push<T: Scan>(&mut self, entries: &[Entry], tally: Tally) -> Result<()> {
        reserve(&mut self.ids, entries.len())?;
        reserve(&mut self.scores, entries.len())?;
        self.ids.extend(entries.iter().map(|entry| entry.id()));
        self.scores.extend(entries.iter().map(|&entry| entry::score::<T>(entry).to_f32()));
        self.lengths.push(entries.len());
        self.tallies.push(tally);
        Ok(())
    }

    pub(super) fn join(parts: &[Found]) -> Result<Ranked> {
        let mut ranked = Ranked { offsets: vec![0], ..Ranked::default() };
        let total = parts.iter().map(|part| part.ids.len()).sum();
        reserve(&mut ranked.ids, total)?;
        reserve(&mut ranked.scores, total)?;
        let mut end = 0;
        for part in parts {
            ranked.ids.extend_from_slice(&part.ids);
            ranked.scores.extend_from_slice(&part.scores);
            ranked.tallies.extend_from_slice(&part.tallies);
            ranked.offsets.extend(part.lengths.iter().map(|&length| {
                end += length as i64;
                end
            }));
        }
        Ok(ranked)
    }
}

/// A row with fewer scores than its place in the output has room for.
pub(super) struct Short {
    pub row: usize,
    pub length: usize,
    pub tally: Tally,
}

/// Closes the gaps behind short rows, given in rising order, in an output of `rows` times `k`.
pub(super) fn close_gaps(mut ids: Vec<i64>, mut scores: Vec<f32>, rows: usize, k: usize, short: &[Short]) -> Ranked {
    if short.is_empty() {
        let offsets = (0..=rows).map(|row| (row * k) as i64).collect();
        return Ranked { offsets, ids, scores, tallies: Vec::new() };
    }
    let (mut offsets, mut tallies) = (vec![0], vec![Tally::default(); rows]);
    let mut end = 0;
    let mut short = short.iter().peekable();
    for (row, tally) in tallies.iter_mut().enumerate() {
        let mut length = k;
        if let Some(found) = short.next_if(|found| found.row == row) {
            (length, *tally) = (found.length, found.tally);
        }
        ids.copy_within(row * k..row * k + length, end);
        scores.copy_within(row * k..row * k + length, end);
        end += length;
        offsets.push(end as i64);
    }
    ids.truncate(end);
    scores.truncate(end);
    Ranked { offsets, ids, scores, tallies }
}

/// Sizes come from user input, so a refused allocation is an error, not an abort.
pub(super) fn reserve<V>(vec: &mut Vec<V>, more: usize) -> Result<()> {
    vec.try_reserve(more).map_err(|_| Error::OutOfMemory { bytes: more.saturating_mul(size_of::<V>()) })
}

/// `rows` times `k` zeros whose pages are first touched by whoever fills them.
pub(super) fn zeros<V: Copy + Default>(rows: usize, k: usize) -> Result<Vec<V>> {
    let length = rows.checked_mul(k).ok_or(Error::OutOfMemory { bytes: usize::MAX })?;
    // Asks first, because a refused `vec!` ends the process.
    reserve(&mut Vec::<V>::new(), length)?;
    Ok(vec![V::default(); length])
}

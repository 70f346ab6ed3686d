//! The result of a selection while many tasks write it.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::select::output::{copy, Column, Filled, Stretch};
use crate::select::{Chosen, Plan, Shortage, COUNTS};

/// All columns of the result.
pub struct Columns {
    ids: Column<i64>,
    scores: Column<f32>,
    ranks: Column<i32>,
    lengths: Column<i64>,
    positive_scores: Column<f32>,
    rows: Column<i64>,
    counts: Vec<Column<i64>>,
    counted: [bool; COUNTS.len()],
    drops: bool,
}

/// The stretches of one task, filled row by row.
pub struct Part<'a> {
    ids: Stretch<'a, i64>,
    scores: Stretch<'a, f32>,
    ranks: Stretch<'a, i32>,
    /// Items written, and how many of them belong to ended rows.
    items: usize,
    row_start: usize,
    lengths: Stretch<'a, i64>,
    positive_scores: Stretch<'a, f32>,
    /// Empty where no row can be left out.
    kept_rows: Stretch<'a, i64>,
    /// Those that are always 0 are empty.
    counts: [Stretch<'a, i64>; COUNTS.len()],
    /// Rows written.
    rows: usize,
}

/// How far a task filled its stretches: those of items, of rows, and of rows that were kept.
pub struct Extent {
    items: Filled,
    rows: Filled,
}

impl Columns {
    /// Columns for `rows` rows in blocks of at most `sizes` items.
    pub fn new(sizes: &[usize], rows: usize, counted: [bool; COUNTS.len()], plan: &Plan<'_>) -> Result<Self> {
        let items = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        let items = items.ok_or(Error::OutOfMemory { bytes: usize::MAX })?;
        let drops = plan.shortage == Shortage::Drop;
        let counts = counted.iter().map(|&on| Column::new(if on { rows } else { 0 }));
        Ok(Columns {
            ids: Column::new(items)?,
            scores: Column::new(items)?,
            ranks: Column::new(items)?,
            lengths: Column::new(rows + 1)?,
            positive_scores: Column::new(rows)?,
            rows: Column::new(if drops { rows } else { 0 })?,
            counts: counts.collect::<Result<_>>()?,
            counted,
            drops,
        })
    }

    /// One part per block.
    pub fn parts(&mut self, blocks: &[Range<usize>], sizes: &[usize]) -> Vec<Part<'_>> {
        let (counted, drops) = (self.counted, self.drops);
        let (mut ids, mut scores, mut ranks) = (self.ids.cutter(), self.scores.cutter(), self.ranks.cutter());
        let (mut lengths, mut positive_scores) = (self.lengths.cutter(), self.positive_scores.cutter());
        let mut rows = self.rows.cutter();
        let mut counts: Vec<_> = self.counts.iter_mut().map(Column::cutter).collect();
        let part = |(block, &size): (&Range<usize>, &usize)| Part {
            ids: ids.cut(size),
            scores: scores.cut(size),
            ranks: ranks.cut(size),
            items: 0,
            row_start: 0,
            lengths: lengths.cut(block.len()),
            positive_scores: positive_scores.cut(block.len()),
            kept_rows: rows.cut(if drops { block.len() } else { 0 }),
            counts: std::array::from_fn(|index| counts[index].cut(if counted[index] { block.len() } else { 0 })),
            rows: 0,
        };
        blocks.iter().zip(sizes).map(part).collect()
    }

    /// The finished result.
    ///
    /// # Safety
    /// `extents` must be those of all parts of the one call of [`Columns::parts`], in order.
    pub unsafe fn close(self, extents: &[Extent]) -> Chosen {
        let items = || extents.iter().map(|extent| extent.items);
        let rows = || extents.iter().map(|extent| extent.rows);
        let counts = self.counts.into_iter().zip(self.counted);
        // SAFETY: a part writes the same number of items to all columns of items and of rows to all columns of rows; a
        // column that is off is not closed.
        unsafe {
            let mut closed = counts.map(|(column, on)| on.then(|| column.close(rows())));
            Chosen {
                offsets: to_offsets(self.lengths.close(rows())),
                ids: self.ids.close(items()),
                scores: self.scores.close(items()),
                ranks: self.ranks.close(items()),
                positive_scores: self.positive_scores.close(rows()),
                rows: self.drops.then(|| self.rows.close(rows())),
                counts: std::array::from_fn(|_| closed.next().flatten()),
            }
        }
    }
}

impl Part<'_> {
    /// Number of items written to the current row.
    pub fn row_len(&self) -> usize {
        self.items - self.row_start
    }

    /// Writes one item.
    #[inline]
    pub fn push(&mut self, id: i64, score: f32, rank: i32) {
        self.ids[self.items].write(id);
        self.scores[self.items].write(score);
        self.ranks[self.items].write(rank);
        self.items += 1;
    }

    /// Writes items of the ranks `first_rank..`.
    #[inline]
    pub fn extend(&mut self, ids: &[i64], scores: &[f32], first_rank: i32) {
        let end = self.items + ids.len();
        copy(self.ids, self.items, ids);
        copy(self.scores, self.items, &scores[..ids.len()]);
        for (slot, rank) in self.ranks[self.items..end].iter_mut().zip(first_rank..) {
            slot.write(rank);
        }
        self.items = end;
    }

    /// Forgets the items of the current row, which is left out.
    pub fn drop_row(&mut self) {
        self.items = self.row_start;
    }

    /// Ends the current row.
    #[inline]
    pub fn end_row(&mut self, row: usize, positive_score: f32, counts: &[usize; COUNTS.len()]) {
        self.lengths[self.rows].write(self.row_len() as i64);
        self.positive_scores[self.rows].write(positive_score);
        if let Some(slot) = self.kept_rows.get_mut(self.rows) {
            slot.write(row as i64);
        }
        for (column, &count) in self.counts.iter_mut().zip(counts) {
            if let Some(slot) = column.get_mut(self.rows) {
                slot.write(count as i64);
            }
        }
        self.rows += 1;
        self.row_start = self.items;
    }

    /// Ends the writing.
    pub fn finish(self) -> Extent {
        Extent {
            items: Filled { size: self.ids.len(), used: self.row_start },
            rows: Filled { size: self.lengths.len(), used: self.rows },
        }
    }
}

/// Turns lengths into offsets in place; one more value than `lengths` must fit without moving it.
fn to_offsets(mut lengths: Vec<i64>) -> Vec<i64> {
    let mut end = 0;
    for length in &mut lengths {
        let start = end;
        end += std::mem::replace(length, start);
    }
    lengths.push(end);
    lengths
}

//! The result of a selection while many tasks write it.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::select::output::{Column, Filled, Stretch};
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

/// The stretches of one task.
pub struct Part<'a> {
    /// Document indices.
    pub ids: Stretch<'a, i64>,
    /// Their scores.
    pub scores: Stretch<'a, f32>,
    /// Their ranks.
    pub ranks: Stretch<'a, i32>,
    /// Documents per row.
    lengths: Stretch<'a, i64>,
    positive_scores: Stretch<'a, f32>,
    rows: Stretch<'a, i64>,
    counts: Vec<Stretch<'a, i64>>,
    counted: [bool; COUNTS.len()],
    drops: bool,
    row_start: usize,
}

/// How far a task filled its stretches: those of items, of rows, and of rows that were kept.
pub struct Extent {
    items: Filled,
    rows: Filled,
}

impl Columns {
    /// Columns for `rows` rows in blocks of at most `sizes` items.
    pub fn new(sizes: &[usize], rows: usize, plan: &Plan<'_>, has_kinds: bool) -> Result<Self> {
        let items = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        let items = items.ok_or(Error::OutOfMemory { bytes: usize::MAX })?;
        let counted = plan.counted(has_kinds);
        let drops = plan.shortage == Shortage::Drop;
        let counts = counted.iter().map(|&on| Column::new(if on { rows } else { 0 }));
        Ok(Columns {
            ids: Column::new(items)?,
            scores: Column::new(items)?,
            ranks: Column::new(items)?,
            lengths: Column::new(rows)?,
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
            lengths: lengths.cut(block.len()),
            positive_scores: positive_scores.cut(block.len()),
            rows: rows.cut(if drops { block.len() } else { 0 }),
            counts: counts.iter_mut().zip(counted).map(|(c, on)| c.cut(if on { block.len() } else { 0 })).collect(),
            counted,
            drops,
            row_start: 0,
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
        // SAFETY: `Part::finish` has checked that all stretches of a part that belong to items were filled equally far,
        // and so were those that belong to rows; a column that is off has stretches of size 0 and is not closed.
        unsafe {
            let mut closed = counts.map(|(column, on)| on.then(|| column.close(rows())));
            Chosen {
                offsets: to_offsets(&self.lengths.close(rows())),
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
        self.ids.len() - self.row_start
    }

    /// Writes one item.
    #[inline]
    pub fn push(&mut self, id: i64, score: f32, rank: i32) {
        self.ids.push(id);
        self.scores.push(score);
        self.ranks.push(rank);
    }

    /// Forgets the items of the current row, which is left out.
    pub fn drop_row(&mut self) {
        self.ids.truncate(self.row_start);
        self.scores.truncate(self.row_start);
        self.ranks.truncate(self.row_start);
    }

    /// Ends the current row.
    pub fn end_row(&mut self, row: usize, positive_score: f32, counts: &[usize; COUNTS.len()]) {
        self.lengths.push(self.row_len() as i64);
        self.positive_scores.push(positive_score);
        if self.drops {
            self.rows.push(row as i64);
        }
        for ((stretch, &count), on) in self.counts.iter_mut().zip(counts).zip(self.counted) {
            if on {
                stretch.push(count as i64);
            }
        }
        self.row_start = self.ids.len();
    }

    /// Ends the writing.
    pub fn finish(self) -> Extent {
        let (items, rows) = (self.ids.finish(), self.lengths.finish());
        assert!(self.scores.finish() == items && self.ranks.finish() == items);
        assert!(self.positive_scores.finish() == rows && (!self.drops || self.rows.finish() == rows));
        for (stretch, on) in self.counts.into_iter().zip(self.counted) {
            assert!(!on || stretch.finish() == rows);
        }
        Extent { items, rows }
    }
}

fn to_offsets(lengths: &[i64]) -> Vec<i64> {
    let mut offsets = Vec::with_capacity(lengths.len() + 1);
    let mut end = 0;
    offsets.push(end);
    offsets.extend(lengths.iter().map(|length| {
        end += length;
        end
    }));
    offsets
}

//! Selection inside one row: a threshold that rises, and a buffer of what reached it.

use super::entry::{Entry, Packed};
use super::kernels::{Hit, Scan, Thresholds, BLOCK};
use super::limits::RowLimits;
use super::{best, threshold};
use crate::error::{make_room, try_reserve, Result};
use crate::limits::{NanPolicy, Tally};
use crate::pool::Execution;
use crate::{sort, steps};

/// Columns scanned between two looks at the bound: small enough that a stale bound costs little.
const STRIDE: usize = 128 * BLOCK;

/// Columns scanned between two looks at whether to go on: far less than a millisecond, and more than most rows have.
const UNASKED: usize = 1 << 17;

/// Bytes of scores whose bound is estimated ahead: they are read twice, so they should stay in the second-level cache.
const SPAN_BYTES: usize = 512 << 10;

/// Groups per wanted score in an estimate. More make the bound tighter and cost more to select from.
const GROUPS_PER_SCORE: usize = 4;

/// Fewest groups worth building where there are more columns.
const MIN_GROUPS: usize = 256;

/// Most vectors per group: documents in ascending order pass whole groups, so that these must stay small.
const MAX_PER_GROUP: usize = 64;

/// What is known of a row between two scans.
#[derive(Debug, Clone)]
pub(super) struct RowState<T> {
    /// Everything that may be among the best k, in any order.
    pub entries: Vec<Entry>,
    /// The k-th best at the last cut: nothing behind it can enter.
    pub worst: Entry,
    /// At least k entries reach this, or it is -inf.
    pub least: T,
    /// Whether the last scan let so many through that estimating the bound first will pay.
    pub flooded: bool,
    pub tally: Tally,
    /// Document of the first NaN met.
    pub first_nan: Option<i64>,
}

impl<T: Scan> Default for RowState<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scan> RowState<T> {
    pub(super) fn new() -> Self {
        RowState {
            entries: Vec::new(),
            worst: Entry::LAST,
            least: T::LOWEST,
            flooded: false,
            tally: Tally::default(),
            first_nan: None,
        }
    }

    /// Back to an empty row, keeping the memory.
    pub(super) fn clear(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.clear();
        *self = RowState { entries, ..Self::new() };
    }

    /// Becomes a copy of `other`, with no more memory than that needs (unless it has more already).
    pub(super) fn assign(&mut self, exec: &Execution<'_>, other: &Self) -> Result<()> {
        let mut entries = std::mem::take(&mut self.entries);
        steps::copy(exec, &mut entries, &other.entries)?;
        *self = RowState { entries, ..*other };
        Ok(())
    }

    /// Takes in what another state found among other documents.
    pub(super) fn absorb(&mut self, exec: &Execution<'_>, other: &Self, k: usize) -> Result<()> {
        steps::append(exec, &mut self.entries, &other.entries, |entry| entry)?;
        self.cut(exec, k)?;
        self.add_tally(other.tally);
        self.first_nan = self.first_nan.or(other.first_nan);
        Ok(())
    }

    pub(super) fn add_tally(&mut self, other: Tally) {
        self.tally.excluded += other.excluded;
        self.tally.nan += other.nan;
        self.tally.above_ceiling += other.above_ceiling;
        self.tally.below_floor += other.below_floor;
    }

    /// Drops what ranks behind the k-th best.
    pub(super) fn cut(&mut self, exec: &Execution<'_>, k: usize) -> Result<()> {
        if self.entries.len() > k {
            sort::select(exec, &mut self.entries, k - 1, |entry| *entry)?;
            self.entries.truncate(k);
            self.worst = self.entries[k - 1];
            // An estimate may be ahead of the buffer: what reached it is still to come.
            if self.worst.rank() > self.least.rank() {
                self.least = T::of_entry(self.worst);
            }
        }
        Ok(())
    }

    /// The best k in ranking order.
    pub(super) fn finish(&mut self, exec: &Execution<'_>, k: usize, scratch: &mut Vec<Entry>) -> Result<&[Entry]> {
        best::best(exec, &mut self.entries, k, false, scratch)?;
        Ok(&self.entries)
    }
}

/// Scans scores into row states; holds the scratch memory of one thread.
pub(super) struct Selector<'e, T: Scan> {
    exec: &'e Execution<'e>,
    k: usize,
    capacity: usize,
    nan: NanPolicy,
    hits: Vec<Hit>,
    maxima: Vec<T>,
}

impl<'e, T: Scan> Selector<'e, T> {
    pub(super) fn new(exec: &'e Execution<'e>, k: usize, nan: NanPolicy) -> Self {
        let capacity = k.saturating_add((k / 2).max(3 * BLOCK));
        Selector { exec, k, capacity, nan, hits: Vec::new(), maxima: Vec::new() }
    }

    /// Scans `values`, the scores of documents `first_id..`, into `row`. Scans may come in any order of documents.
    pub(super) fn scan(
        &mut self,
        row: &mut RowState<T>,
        values: &[T],
        first_id: i64,
        limits: &RowLimits<'_, T>,
    ) -> Result<()> {
        let span = SPAN_BYTES / size_of::<T>();
        let (mut start, mut estimated, mut asked) = (0, 0, 0);
        while start < values.len() {
            let rest = values.len() - start;
            let unbounded = row.worst == Entry::LAST && row.least == T::LOWEST;
            if start >= estimated && (row.flooded || unbounded) && row.entries.len() + rest > self.capacity {
                let ahead = rest.min(span);
                self.estimate(row, &values[start..start + ahead], first_id + start as i64, limits)?;
                estimated = start + ahead;
            }
            let part = &values[start..values.len().min(start + STRIDE)];
            let (passed, scanned) = self.scan_part(row, part, first_id + start as i64, limits)?;
            row.flooded = passed > scanned / 16;
            start += scanned;
            if start - asked >= UNASKED {
                asked = start;
                self.exec.check()?;
            }
        }
        if !limits.excluded.is_empty() {
            self.move_excluded(row, values, first_id, limits)?;
        }
        Ok(())
    }

    /// Cuts a state that is to be kept, unless little would be gained.
    pub(super) fn settle(&self, row: &mut RowState<T>) -> Result<()> {
        if row.entries.len() > self.k.saturating_add(self.k / 4 + 16) {
            row.cut(self.exec, self.k)?;
        }
        Ok(())
    }

    /// Scans scores under one bound; returns how many reached it, and how many were scanned: fewer than there are where
    /// a cut has raised the bound, so that a flood of equal scores ends with the first k of them.
    fn scan_part(
        &mut self,
        row: &mut RowState<T>,
        values: &[T],
        first_id: i64,
        limits: &RowLimits<'_, T>,
    ) -> Result<(usize, usize)> {
        let least = self.bound(row, first_id);
        let least = if least.rank() < limits.floor.rank() { limits.floor } else { least };
        let bounds = Thresholds { least, floor: limits.floor, ceiling: limits.ceiling, counted: limits.bounded };
        let excluded = limits.excluded_between(first_id, first_id + values.len() as i64);
        let mut hits = std::mem::take(&mut self.hits);
        make_room(&mut hits, values.len() / BLOCK + 2)?;
        let counts = T::hits(self.exec.isa(), values, &bounds, &mut hits);
        row.tally.above_ceiling += counts.above;
        row.tally.below_floor += counts.below;
        let (mut passed, mut scanned) = (0, values.len());
        for hit in &hits {
            let at = hit.block as usize * BLOCK;
            if row.entries.len() + BLOCK > self.capacity {
                row.cut(self.exec, self.k)?;
                // What lies outside floor and ceiling has been counted to the end, and is counted once.
                if at > 0 && !limits.bounded {
                    scanned = at;
                    break;
                }
            }
            let block = &values[at..values.len().min(at + BLOCK)];
            passed += self.admit(row, block, first_id + at as i64, hit.mask, excluded)?;
        }
        self.hits = hits;
        Ok((passed, scanned))
    }

    /// Lowest score that can still enter, for documents from `first_id` on.
    fn bound(&self, row: &RowState<T>, first_id: i64) -> T {
        if self.k == 0 {
            return T::HIGHEST;
        }
        // Documents behind the k-th best need a higher score than its own.
        let above = row.worst != Entry::LAST && first_id > row.worst.id() && row.least == T::of_entry(row.worst);
        if above && row.least < T::HIGHEST {
            return T::from_rank(row.least.rank() + 1);
        }
        row.least
    }

    /// Looks at the scores that `mask` names, one by one. `excluded` are those of the documents around.
    fn admit(
        &self,
        row: &mut RowState<T>,
        block: &[T],
        first_id: i64,
        mut mask: u64,
        excluded: &[i64],
    ) -> Result<usize> {
        try_reserve(&mut row.entries, BLOCK)?;
        let before = row.entries.len();
        while mask != 0 {
            let lane = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let (score, id) = (block[lane], first_id + lane as i64);
            if score.is_nan() {
                row.first_nan = Some(row.first_nan.map_or(id, |first| first.min(id)));
                row.tally.nan += 1;
                continue;
            }
            let entry = Entry::pack(score.rank(), id);
            let excluded = !excluded.is_empty() && excluded.binary_search(&id).is_ok();
            if entry < row.worst && self.k > 0 && !excluded {
                row.entries.push(entry);
            }
        }
        Ok(row.entries.len() - before)
    }

    /// Raises the bound to the k-th largest of the maxima of disjoint groups of admissible scores: k scores reach it.
    fn estimate(
        &mut self,
        row: &mut RowState<T>,
        values: &[T],
        first_id: i64,
        limits: &RowLimits<'_, T>,
    ) -> Result<()> {
        if self.k == 0 {
            return Ok(());
        }
        // Each excluded document can spoil the maximum of one group.
        let spoiled = limits.excluded_between(first_id, first_id + values.len() as i64).len();
        let wanted = self.k + spoiled;
        let groups = wanted.saturating_mul(GROUPS_PER_SCORE).max(MIN_GROUPS);
        let per_group = (values.len() / groups).clamp(1, MAX_PER_GROUP);
        let ceiling = limits.bounded.then_some(limits.ceiling);
        if values.len() / per_group < wanted {
            return Ok(());
        }
        make_room(&mut self.maxima, values.len())?;
        T::maxima(self.exec.isa(), values, per_group, ceiling, &mut self.maxima);
        if self.maxima.len() < wanted {
            return Ok(());
        }
        // A group that came out as NaN is worth nothing.
        self.maxima.iter_mut().filter(|max| max.is_nan()).for_each(|max| *max = T::LOWEST);
        let bound = threshold::reached_by(self.exec, &self.maxima, wanted, wanted / 16)?;
        if bound.rank() > row.least.rank() {
            row.least = bound;
        }
        Ok(())
    }

    /// Counts excluded documents as excluded and nothing else.
    fn move_excluded(
        &self,
        row: &mut RowState<T>,
        values: &[T],
        first_id: i64,
        limits: &RowLimits<'_, T>,
    ) -> Result<()> {
        let ids = limits.excluded_between(first_id, first_id + values.len() as i64);
        row.tally.excluded += ids.len() as i64;
        let tally = &mut row.tally;
        steps::each(self.exec, ids, |ids| {
            for &id in ids {
                let score = values[(id - first_id) as usize];
                if score.is_nan() {
                    tally.nan -= i64::from(self.nan == NanPolicy::Drop);
                } else if limits.bounded {
                    tally.above_ceiling -= i64::from(score.rank() > limits.ceiling.rank());
                    tally.below_floor -= i64::from(score.rank() < limits.floor.rank());
                }
            }
        })
    }
}

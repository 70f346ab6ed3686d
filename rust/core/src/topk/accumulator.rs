//! Selection over score tiles that come one after the other, in any order.

use super::checks::refuse_nan;
use super::entry::{Entry, Packed};
use super::kernels::Scan;
use super::limits::ScanLimits;
use super::output::Found;
use super::parts::WholeRows;
use super::plan::{chunks, Plan};
use super::rows::{RowGroup, Worker};
use super::selector::RowState;
use crate::csr::Csr;
use crate::error::{try_reserve_exact, Error, Result};
use crate::excluded::Excluded;
use crate::limits::{Limits, NanPolicy, Ranked, Tally};
use crate::matrix::Matrix;
use crate::pool::{self, Execution};
use crate::steps;

/// Entries copied between two questions whether to go on.
const UNASKED: usize = 1 << 17;

/// Rows that one task of `merge` or `finish` takes.
const ROWS_PER_TASK: usize = 256;

/// The k best of every query over all tiles seen so far.
///
/// Documents have global ids, and the state is the best k under the ranking order of (score, id), so the cut into tiles
/// and their order never change the result. A document must come in one tile only: it is not remembered once it has
/// dropped out. Scores keep their own type inside: `f64` tiles are ranked as `f64`.
#[derive(Debug, Clone)]
pub struct TopKAccumulator<T: Scan> {
    k: usize,
    limits: OwnedLimits,
    rows: Vec<RowState<T>>,
    failed: bool,
}

/// What an accumulator holds of every query, as plain numbers: enough to go on in another process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Query q owns `offsets[q]..offsets[q + 1]` of `ranks` and `ids`.
    pub offsets: Vec<i64>,
    /// Order-preserving integers of the scores.
    pub ranks: Vec<u64>,
    /// Documents.
    pub ids: Vec<i64>,
    /// What was removed from every query.
    pub tallies: Vec<Tally>,
}

/// The limits of every query, copied and checked once: tiles may be many and small.
#[derive(Debug, Clone)]
struct OwnedLimits {
    ceiling: Option<Vec<f32>>,
    floor: Option<Vec<f32>>,
    excluded: Excluded,
    nan: NanPolicy,
}

impl OwnedLimits {
    fn new(exec: &Execution<'_>, limits: &Limits<'_>) -> Result<Self> {
        let copy = |values: Option<&[f32]>| {
            let mut copy = Vec::new();
            values.map(|values| steps::copy(exec, &mut copy, values)).transpose().map(|some| some.map(|()| copy))
        };
        let excluded = Excluded::new(exec, limits.exclude)?;
        Ok(OwnedLimits { ceiling: copy(limits.ceiling)?, floor: copy(limits.floor)?, excluded, nan: limits.nan })
    }

    fn view(&self) -> ScanLimits<'_> {
        let (ceiling, floor) = (self.ceiling.as_deref(), self.floor.as_deref());
        ScanLimits { ceiling, floor, excluded: &self.excluded, nan: self.nan }
    }
}

impl<T: Scan> TopKAccumulator<T> {
    /// An empty state of `queries` rows; `limits` holds one entry per query.
    ///
    /// # Errors
    /// A limit of the wrong length or NaN; [`Error::OutOfMemory`]; [`Error::Interrupted`].
    pub fn new(exec: &Execution<'_>, queries: usize, k: usize, limits: &Limits<'_>) -> Result<Self> {
        limits.check(queries)?;
        let mut rows = Vec::new();
        try_reserve_exact(&mut rows, queries)?;
        rows.resize_with(queries, RowState::new);
        Ok(TopKAccumulator { k, limits: OwnedLimits::new(exec, limits)?, rows, failed: false })
    }

    /// All that is held.
    ///
    /// # Errors
    /// A failed update before, [`Error::OutOfMemory`], [`Error::Interrupted`].
    pub fn kept(&self, exec: &Execution<'_>) -> Result<Kept> {
        self.check_usable()?;
        let mut kept = Kept::default();
        let total = self.rows.iter().map(|row| row.entries.len()).sum();
        try_reserve_exact(&mut kept.offsets, self.rows.len() + 1)?;
        try_reserve_exact(&mut kept.ranks, total)?;
        try_reserve_exact(&mut kept.ids, total)?;
        try_reserve_exact(&mut kept.tallies, self.rows.len())?;
        kept.offsets.push(0);
        for row in &self.rows {
            for entries in row.entries.chunks(UNASKED) {
                kept.ranks.extend(entries.iter().map(|entry| entry.rank()));
                kept.ids.extend(entries.iter().map(|entry| entry.id()));
                exec.check()?;
            }
            kept.offsets.push(kept.ids.len() as i64);
            kept.tallies.push(row.tally);
        }
        Ok(kept)
    }

    /// Goes on from what another accumulator of the same arguments held.
    ///
    /// # Errors
    /// As [`TopKAccumulator::new`]; columns of `kept` that do not fit each other or the number of queries.
    pub fn restore(exec: &Execution<'_>, queries: usize, k: usize, limits: &Limits<'_>, kept: &Kept) -> Result<Self> {
        let mut restored = Self::new(exec, queries, k, limits)?;
        let lists = Csr::new("state", &kept.offsets, &kept.ids, queries, Some(i64::MAX as usize))?;
        for (argument, found, wanted) in
            [("state ranks", kept.ranks.len(), kept.ids.len()), ("state counts", kept.tallies.len(), queries)]
        {
            if found != wanted {
                return Err(Error::Length { argument, found, wanted });
            }
        }
        for (query, row) in restored.rows.iter_mut().enumerate() {
            let range = lists.range(query);
            try_reserve_exact(&mut row.entries, range.len())?;
            for (ranks, ids) in kept.ranks[range.clone()].chunks(UNASKED).zip(kept.ids[range].chunks(UNASKED)) {
                row.entries.extend(ranks.iter().zip(ids).map(|(&rank, &id)| Entry::pack(rank, id)));
                exec.check()?;
            }
            row.tally = kept.tallies[query];
        }
        Ok(restored)
    }

    /// Number of queries.
    #[must_use]
    pub fn queries(&self) -> usize {
        self.rows.len()
    }

    /// Takes in a tile: its row 0 is query `first_query`, its column 0 document `first_document`.
    ///
    /// # Errors
    /// A tile that sticks out of the queries or of the 64-bit ids, NaN under [`crate::NanPolicy::Raise`] (named by query
    /// and document), [`Error::Interrupted`]. After an error that came midway the accumulator refuses further use.
    pub fn update(
        &mut self,
        exec: &Execution<'_>,
        tile: Matrix<'_, T>,
        first_query: usize,
        first_document: i64,
    ) -> Result<()> {
        self.check_usable()?;
        let end = first_query.checked_add(tile.rows()).filter(|end| *end <= self.rows.len());
        if end.is_none() {
            let problem =
                format!("{first_query} with a tile of {} rows, but there are {} queries", tile.rows(), self.rows.len());
            return Err(Error::Value { argument: "first_query", problem });
        }
        let last = i64::try_from(tile.columns()).ok().and_then(|columns| first_document.checked_add(columns));
        if first_document < 0 || last.is_none() {
            let problem =
                format!("{first_document} with a tile of {} columns, expected ids from 0 to 2^63 - 1", tile.columns());
            return Err(Error::Value { argument: "first_document", problem });
        }
        self.failed = true;
        self.scan(exec, tile, first_query, first_document)?;
        self.failed = false;
        Ok(())
    }

    fn scan(
        &mut self,
        exec: &Execution<'_>,
        tile: Matrix<'_, T>,
        first_query: usize,
        first_document: i64,
    ) -> Result<()> {
        let TopKAccumulator { k, ref limits, ref mut rows, .. } = *self;
        let (plan, limits) = (Plan::new(exec.threads(), &tile, tile.rows(), k), limits.view());
        let states = &mut rows[first_query..first_query + tile.rows()];
        if plan.parts > 1 {
            let of_tile = WholeRows { scores: tile, rows: None, limits, first_limit: first_query, first_document };
            let parts = of_tile.parts(exec, k, &plan)?;
            let absorb = |(): &mut (), row, state: &mut RowState<T>| {
                parts.absorb_into(exec, state, row, k, first_query + row, limits.nan)
            };
            return pool::map(exec, states.iter_mut(), || (), absorb).map(drop);
        }
        let memory = || Worker::new(exec, k, limits.nan);
        let states = states.chunks_mut(plan.rows_per_task);
        let update = |worker: &mut Worker<'_, T>, index, states: &mut [RowState<T>]| {
            let start = index * plan.rows_per_task;
            let width = Worker::width(&tile);
            for (task, states) in chunks(start..start + states.len(), width).zip(states.chunks_mut(width)) {
                let first = first_query + task.start;
                let columns = 0..tile.columns();
                let group = RowGroup { scores: tile, limits, first_limit: first_query, rows: None, task, columns };
                worker.update(&group, states, first_document)?;
                refuse_nan(states, limits.nan, |index| first + index)?;
            }
            Ok(())
        };
        pool::map(exec, states, memory, update).map(drop)
    }

    /// Takes in what another accumulator found among other documents.
    ///
    /// # Errors
    /// Another number of queries, another k, or a failed update in either; [`Error::OutOfMemory`],
    /// [`Error::Interrupted`]. After one of the last two the accumulator refuses further use.
    pub fn merge(&mut self, exec: &Execution<'_>, other: &Self) -> Result<()> {
        self.check_usable()?;
        other.check_usable()?;
        for (what, found, wanted) in [("num_queries", other.rows.len(), self.rows.len()), ("k", other.k, self.k)] {
            if found != wanted {
                let problem = format!("{what} {found}, expected {wanted}");
                return Err(Error::Value { argument: "other", problem });
            }
        }
        self.failed = true;
        let k = self.k;
        let rows = self.rows.chunks_mut(ROWS_PER_TASK).zip(other.rows.chunks(ROWS_PER_TASK));
        let absorb = |(): &mut (), _, (rows, others): (&mut [RowState<T>], &[RowState<T>])| {
            rows.iter_mut().zip(others).try_for_each(|(row, other)| row.absorb(exec, other, k))
        };
        pool::map(exec, rows, || (), absorb)?;
        self.failed = false;
        Ok(())
    }

    /// The best k of every query so far; more tiles may follow.
    ///
    /// # Errors
    /// A failed update before, [`Error::OutOfMemory`], [`Error::Interrupted`].
    pub fn finish(&self, exec: &Execution<'_>) -> Result<Ranked> {
        self.check_usable()?;
        let k = self.k;
        let memory = <(RowState<T>, Vec<_>)>::default;
        let found = pool::map(exec, self.rows.chunks(ROWS_PER_TASK), memory, |(copy, scratch), _, rows| {
            let mut found = Found::default();
            for row in rows {
                copy.assign(exec, row)?;
                found.push::<T>(exec, copy.finish(exec, k, scratch)?, row.tally)?;
            }
            Ok(found)
        })?;
        Found::join(exec, found)
    }

    fn check_usable(&self) -> Result<()> {
        if self.failed {
            let problem = "an update failed midway, so its state is incomplete; start a new one".to_owned();
            return Err(Error::Value { argument: "accumulator", problem });
        }
        Ok(())
    }
}

//! Selection over score tiles that come one after the other, in any order.

use super::kernels::Scan;
use super::rows::{RowGroup, Worker};
use super::selector::RowState;
use super::{chunks, refuse_nan, Error, Found, Plan, Result};
use crate::limits::{Limits, Ranked};
use crate::matrix::Matrix;
use crate::pool::{self, Execution};

/// Rows that one task of `finish` sorts.
const ROWS_PER_TASK: usize = 256;

/// The k best of every query over all tiles seen so far.
///
/// Documents have global ids, and the state is the best k under the ranking order of (score, id), so the cut into tiles
/// and their order never change the result. A document must come in one tile only: it is not remembered once it has
/// dropped out. Scores keep their own type inside: `f64` tiles are ranked as `f64`.
#[derive(Debug, Clone)]
pub struct TopKAccumulator<T: Scan> {
    k: usize,
    rows: Vec<RowState<T>>,
    failed: bool,
}

impl<T: Scan> TopKAccumulator<T> {
    /// An empty state of `queries` rows.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(queries: usize, k: usize) -> Result<Self> {
        let mut rows = Vec::new();
        super::output::reserve(&mut rows, queries)?;
        rows.resize_with(queries, RowState::new);
        Ok(TopKAccumulator { k, rows, failed: false })
    }

    /// Number of queries.
    #[must_use]
    pub fn queries(&self) -> usize {
        self.rows.len()
    }

    /// Takes in a tile: its row 0 is query `first_query`, its column 0 document `first_document`. `limits` holds one
    /// entry per query of the accumulator.
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
        limits: &Limits<'_>,
    ) -> Result<()> {
        self.check_usable()?;
        limits.check(self.rows.len())?;
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
        self.scan(exec, tile, first_query, first_document, limits)?;
        self.failed = false;
        Ok(())
    }

    fn scan(
        &mut self,
        exec: &Execution<'_>,
        tile: Matrix<'_, T>,
        first_query: usize,
        first_document: i64,
        limits: &Limits<'_>,
    ) -> Result<()> {
        let k = self.k;
        let plan = Plan::new(exec.threads(), &tile, tile.rows(), k);
        let (isa, nan) = (exec.isa(), limits.nan);
        let worker = || Worker::new(k, isa, nan);
        let states = &mut self.rows[first_query..first_query + tile.rows()];
        if plan.parts > 1 {
            let width = Worker::width(&tile);
            let partial = super::parts(exec, tile, k, limits, None, &plan, first_query, first_document)?;
            pool::map(
                exec,
                states.iter_mut(),
                || (),
                |(), row, state| {
                    for part in &partial[row / width * plan.parts..][..plan.parts] {
                        state.absorb(&part[row % width], k);
                    }
                    refuse_nan(std::slice::from_ref(state), limits.nan, |_| first_query + row)
                },
            )?;
            return Ok(());
        }
        let states = states.chunks_mut(plan.rows_per_task);
        pool::map(exec, states, worker, |worker, index, states| {
            let start = index * plan.rows_per_task;
            let width = Worker::width(&tile);
            for (task, states) in chunks(start..start + states.len(), width).zip(states.chunks_mut(width)) {
                let first = first_query + task.start;
                let columns = 0..tile.columns();
                let group = RowGroup { scores: tile, limits, first_limit: first_query, rows: None, task, columns };
                worker.update(&group, states, first_document);
                refuse_nan(states, limits.nan, |index| first + index)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Takes in what another accumulator found among other documents.
    ///
    /// # Errors
    /// Another number of queries, another k, or a failed update in either.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.check_usable()?;
        other.check_usable()?;
        for (what, found, wanted) in [("num_queries", other.rows.len(), self.rows.len()), ("k", other.k, self.k)] {
            if found != wanted {
                let problem = format!("{what} {found}, expected {wanted}");
                return Err(Error::Value { argument: "other", problem });
            }
        }
        for (row, other) in self.rows.iter_mut().zip(&other.rows) {
            row.absorb(other, self.k);
        }
        Ok(())
    }

    /// The best k of every query so far; more tiles may follow.
    ///
    /// # Errors
    /// A failed update before, [`Error::OutOfMemory`], [`Error::Interrupted`].
    pub fn finish(&self, exec: &Execution<'_>) -> Result<Ranked> {
        self.check_usable()?;
        let k = self.k;
        let found = pool::map(
            exec,
            self.rows.chunks(ROWS_PER_TASK),
            <(RowState<T>, Vec<_>)>::default,
            |(copy, scratch), _, rows| {
                let mut found = Found::default();
                for row in rows {
                    copy.assign(row);
                    found.push::<T>(copy.finish(k, scratch), row.tally)?;
                }
                Ok(found)
            },
        )?;
        Found::join(&found)
    }

    fn check_usable(&self) -> Result<()> {
        if self.failed {
            let problem = "an update failed midway, so its state is incomplete; start a new one".to_owned();
            return Err(Error::Value { argument: "accumulator", problem });
        }
        Ok(())
    }
}

//! From score tiles to exact top-k lists: the state of a block of queries.

use std::ops::Range;

use crate::csr::Csr;
use crate::error::{try_collect, try_reserve_exact, Error, Result};
use crate::excluded::{between, Excluded};
use crate::limits::{ceiling_of, floor_of, reached_of, Limits, Ranked, Tally};
use crate::pool::{self, Execution};
use crate::steps;

use super::embeddings::{Embeddings, RowScratch};
use super::error_bound::{ErrorBound, QueryError};
use super::exact::Similarity;
use super::filter::{filter, seed, Part, Positions, Thresholds, CHUNK};
use super::query_state::{Interval, QueryState, Scorer, Scratch, Wanted, RESCORED_AT_ONCE};

/// Queries per task: a few dozen microseconds of work at the usual tile sizes.
const QUERIES_PER_TASK: usize = 8;

/// The embeddings behind the tiles, for rescoring, with the norms that [`super::row_norms`] gave.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The queries of this scan.
    pub queries: Embeddings<'a>,
    /// Their norms.
    pub query_norms: &'a [f64],
    /// The documents.
    pub documents: Embeddings<'a>,
    /// Their norms.
    pub document_norms: &'a [f64],
}

/// Approximate scores of some queries and documents, row after row: the float32 matrix product of the embeddings, or for
/// the cosine of their normalised copies, computed in any order of summation.
#[derive(Debug, Clone, Copy)]
pub struct Tile<'a> {
    /// Scores, [rows, columns].
    pub approx: &'a [f32],
    /// Query of the first row.
    pub first_query: usize,
    /// Document of the first column.
    pub first_document: usize,
    /// Number of documents.
    pub columns: usize,
}

/// What somebody else's filter left of a tile, with the same rules as [`filter`]; documents named by their row in the
/// source given along, which may hold a part of the corpus.
#[derive(Debug, Clone, Copy)]
pub struct Hits<'a> {
    /// Query of the first row.
    pub first_query: usize,
    /// Row r owns `offsets[r]..offsets[r + 1]` of `rows`.
    pub offsets: &'a [i64],
    /// Rows of the source's documents.
    pub rows: &'a [i64],
    /// Document of each row of the source; `None` where the source holds the whole corpus.
    pub documents: Option<&'a [i64]>,
    /// Per row: documents surely above the ceiling, excluded ones left out.
    pub above: &'a [i64],
    /// Per row: documents surely below the floor and not above the ceiling, excluded ones left out.
    pub below: &'a [i64],
}

/// State of a block of queries while tiles arrive, in any order, each (query, document) pair once.
#[derive(Debug, Clone)]
pub struct SearchScan {
    pub(super) similarity: Similarity,
    pub(super) wanted: AllWanted,
    pub(super) excluded: Excluded,
    pub(super) states: Vec<QueryState>,
    /// Whether scans of this state must not guess.
    pub(super) careful: bool,
}

impl SearchScan {
    /// State for `queries` queries that want the `k` best of `documents` documents within `limits`.
    pub fn new(
        exec: &Execution<'_>,
        similarity: Similarity,
        queries: usize,
        documents: usize,
        k: usize,
        limits: &Limits<'_>,
    ) -> Result<Self> {
        limits.check(queries)?;
        if u32::try_from(documents).is_err() {
            let problem = format!("{documents} rows, expected fewer than 2^32; search the corpus in parts");
            return Err(Error::Value { argument: "documents", problem });
        }
        let copy = |values: Option<&[f32]>| {
            let mut copy = Vec::new();
            values.map(|values| steps::copy(exec, &mut copy, values)).transpose().map(|some| some.map(|()| copy))
        };
        let (ceiling, floor, reached) = (copy(limits.ceiling)?, copy(limits.floor)?, copy(limits.reached)?);
        let excluded = Excluded::new(exec, limits.exclude)?;
        let wanted = AllWanted { k: k.min(documents), documents, ceiling, floor, reached };
        let states = try_collect((0..queries).map(|query| {
            let mut state = QueryState::new(&wanted.of(query));
            state.tally.excluded = excluded.row(query).len() as i64;
            Ok(state)
        }))?;
        Ok(SearchScan { similarity, wanted, excluded, states, careful: false })
    }

    /// Bytes that the state of one query may take.
    #[must_use]
    pub fn bytes_per_query(k: usize, documents: usize) -> usize {
        capacity(k.min(documents), documents) * size_of::<Interval>() + size_of::<QueryState>() + 64
    }

    /// Lower bound of each query's final k-th best admissible score, for filters elsewhere.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn thresholds(&self) -> Result<Vec<f32>> {
        try_collect(self.states.iter().map(|state| Ok(state.theta())))
    }

    /// Takes in one tile.
    pub fn update(&mut self, exec: &Execution<'_>, source: &Source<'_>, tile: &Tile<'_>) -> Result<()> {
        let count = tile.approx.len() / tile.columns.max(1);
        self.check(source, tile.first_query, count)?;
        let documents = tile.first_document..tile.first_document + tile.columns;
        let all = self.wanted.documents;
        if documents.end > all || source.documents.rows() != all {
            let (found, wanted) = (documents.end.max(source.documents.rows()), all);
            return Err(Error::Length { argument: "documents", found, wanted });
        }
        if count == 0 {
            return Ok(());
        }
        let bound = ErrorBound::new(self.similarity, source.documents.dimension());
        let norms = try_collect(source.document_norms[documents].iter().map(|&norm| Ok(bound.document(norm))))?;
        let largest = norms.iter().copied().fold(0.0, f32::max);
        self.for_queries(exec, tile.first_query..tile.first_query + count, source, |query, scratch| {
            let at = (query.index - tile.first_query) * tile.columns;
            let row = TileRow {
                approx: &tile.approx[at..at + tile.columns],
                norms: &norms,
                first: tile.first_document,
                bound: bound.query(query.scorer.query_norm),
                overflowed: bound.may_overflow(query.scorer.query_norm, largest),
            };
            row.feed(query, scratch)
        })
        .map(drop)
    }

    /// Takes in what a filter elsewhere left of a tile; every hit is rescored at once.
    pub fn offer(&mut self, exec: &Execution<'_>, source: &Source<'_>, hits: &Hits<'_>) -> Result<()> {
        let count = hits.above.len();
        self.check(source, hits.first_query, count)?;
        let lists = Csr::new("rows", hits.offsets, hits.rows, count, Some(source.documents.rows()))?;
        if let Some(documents) = hits.documents {
            let wanted = source.documents.rows();
            if documents.len() != wanted || documents.iter().any(|&id| !(0..self.wanted.documents as i64).contains(&id))
            {
                return Err(Error::Length { argument: "documents", found: documents.len(), wanted });
            }
        }
        self.for_queries(exec, hits.first_query..hits.first_query + count, source, |query, scratch| {
            let index = query.index - hits.first_query;
            query.state.tally.above_ceiling += hits.above[index];
            query.state.tally.below_floor += hits.below[index];
            for (place, &at) in lists.row(index).iter().enumerate() {
                if place % RESCORED_AT_ONCE == 0 {
                    exec.check()?;
                }
                let id = hits.documents.map_or(at, |documents| documents[at as usize]);
                if query.excluded.binary_search(&id).is_err() {
                    let score = query.scorer.score(at as usize, &mut scratch.document);
                    query.push(Interval { low: score, high: score, id: id as u32 }, scratch)?;
                }
            }
            Ok(())
        })
        .map(drop)
    }

    /// Makes no guesses from now on.
    pub fn careful(&mut self) {
        self.careful = true;
    }

    /// What the scan cost so far, over all queries: documents that cheap arithmetic could not discard, and documents that
    /// were rescored.
    #[must_use]
    pub fn counts(&self) -> [u64; 2] {
        self.states.iter().fold([0, 0], |sum, state| [sum[0] + state.survivors, sum[1] + state.rescored])
    }

    /// Takes over the states of `other`, one for each of `queries`, which they replace.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::IdOutOfRange`].
    pub fn adopt(&mut self, queries: &[i64], other: &mut SearchScan) -> Result<()> {
        let (found, wanted, limit) = (other.states.len(), queries.len(), self.states.len());
        if found != wanted {
            return Err(Error::Length { argument: "queries", found, wanted });
        }
        for (row, (&id, state)) in queries.iter().zip(&mut other.states).enumerate() {
            let place = usize::try_from(id).ok().and_then(|id| self.states.get_mut(id));
            let place = place.ok_or(Error::IdOutOfRange { argument: "queries", row, id, limit: limit as i64 })?;
            std::mem::swap(place, state);
        }
        Ok(())
    }

    /// The result; the state is used up.
    pub fn finish(&mut self, exec: &Execution<'_>, source: &Source<'_>) -> Result<Ranked> {
        let count = self.states.len();
        self.check(source, 0, count)?;
        self.settle(exec, source)?;
        let results = self.for_queries(exec, 0..count, source, |query, scratch| query.state.finish(exec, scratch))?;
        let total = results.iter().flatten().map(|(best, _)| best.len()).sum();
        let mut found = Ranked::default();
        try_reserve_exact(&mut found.offsets, count + 1)?;
        try_reserve_exact(&mut found.tallies, count)?;
        try_reserve_exact(&mut found.ids, total)?;
        try_reserve_exact(&mut found.scores, total)?;
        found.offsets.push(0);
        for results in results {
            for (best, tally) in results {
                steps::append(exec, &mut found.scores, &best, |interval| interval.low)?;
                steps::append(exec, &mut found.ids, &best, |interval| i64::from(interval.id))?;
                found.offsets.push(found.ids.len() as i64);
                found.tallies.push(tally);
            }
            exec.check()?;
        }
        Ok(found)
    }

    pub(super) fn check(&self, source: &Source<'_>, first_query: usize, count: usize) -> Result<()> {
        let lengths = [
            ("queries", source.queries.rows(), self.states.len()),
            ("queries", self.states.len().max(first_query + count), self.states.len()),
            ("query_norms", source.query_norms.len(), self.states.len()),
            ("document_norms", source.document_norms.len(), source.documents.rows()),
            ("queries", source.queries.dimension(), source.documents.dimension()),
        ];
        match lengths.into_iter().find(|(_, found, wanted)| found != wanted) {
            Some((argument, found, wanted)) => Err(Error::Length { argument, found, wanted }),
            None => Ok(()),
        }
    }

    /// Runs `task` on the states of some queries, in parallel; results in order, one list per task.
    fn for_queries<R: Send>(
        &mut self,
        exec: &Execution<'_>,
        queries: Range<usize>,
        source: &Source<'_>,
        task: impl Fn(&mut Query<'_>, &mut Scratch) -> Result<R> + Sync,
    ) -> Result<Vec<Vec<R>>> {
        let SearchScan { similarity, ref wanted, ref excluded, ref mut states, .. } = *self;
        let scratch = || (RowScratch::default(), Scratch::default());
        let first = queries.start;
        let parts = states[queries].chunks_mut(QUERIES_PER_TASK);
        pool::map(exec, parts, scratch, |(query_scratch, scratch), part, states| {
            query_scratch.reserve(&source.queries)?;
            scratch.document.reserve(&source.documents)?;
            let first = first + part * QUERIES_PER_TASK;
            try_collect((first..).zip(states).map(|(index, state)| {
                let scorer = Scorer {
                    exec,
                    similarity,
                    query: source.queries.row(index, query_scratch),
                    query_norm: source.query_norms[index],
                    documents: source.documents,
                    document_norms: source.document_norms,
                };
                let wanted = wanted.of(index);
                task(&mut Query { index, state, wanted, excluded: excluded.row(index), scorer }, scratch)
            }))
        })
    }
}

/// One query: its number, its state, and what decides about documents.
struct Query<'a> {
    index: usize,
    state: &'a mut QueryState,
    wanted: Wanted,
    excluded: &'a [i64],
    scorer: Scorer<'a>,
}

impl Query<'_> {
    fn push(&mut self, interval: Interval, scratch: &mut Scratch) -> Result<()> {
        self.state.push(interval, &self.wanted, &self.scorer, scratch)
    }
}

/// So many that what the bounds of codes leave open fits and a shrink pays for itself, and never more than there are documents.
pub(super) fn capacity(k: usize, documents: usize) -> usize {
    k.saturating_mul(6).saturating_add(128).min(documents.max(k.saturating_add(1)))
}

/// What is wanted of every query of a scan: [`Limits`] but for exclusions.
#[derive(Debug, Clone)]
pub(super) struct AllWanted {
    /// Number of documents wanted, of so many.
    pub k: usize,
    pub documents: usize,
    ceiling: Option<Vec<f32>>,
    floor: Option<Vec<f32>>,
    reached: Option<Vec<f32>>,
}

impl AllWanted {
    /// What is wanted of one query.
    pub fn of(&self, query: usize) -> Wanted {
        let (ceiling, floor) = (ceiling_of(self.ceiling.as_deref(), query), floor_of(self.floor.as_deref(), query));
        let least = floor.max(reached_of(self.reached.as_deref(), query));
        Wanted { k: self.k, capacity: capacity(self.k, self.documents), ceiling, floor, least }
    }

    /// Whether there are ceilings or floors.
    pub fn is_limited(&self) -> bool {
        self.ceiling.is_some() || self.floor.is_some()
    }
}

/// One query's row of a tile.
struct TileRow<'a> {
    approx: &'a [f32],
    norms: &'a [f32],
    first: usize,
    bound: QueryError,
    overflowed: bool,
}

impl TileRow<'_> {
    /// Feeds the row to the query's state, in runs between excluded documents.
    fn feed(&self, query: &mut Query<'_>, scratch: &mut Scratch) -> Result<()> {
        let mut start = 0;
        let mut positions: Positions = [0; CHUNK];
        for &id in between(query.excluded, self.first as i64, (self.first + self.approx.len()) as i64) {
            let stop = id as usize - self.first;
            if stop > start {
                self.run(start..stop, query, scratch, &mut positions)?;
            }
            start = stop + 1;
        }
        self.run(start..self.approx.len(), query, scratch, &mut positions)
    }

    fn run(
        &self,
        range: Range<usize>,
        query: &mut Query<'_>,
        scratch: &mut Scratch,
        positions: &mut Positions,
    ) -> Result<()> {
        let Wanted { k, ceiling, floor, .. } = query.wanted;
        let isa = query.scorer.exec.isa();
        let part = |range: Range<usize>| Part {
            approx: &self.approx[range.clone()],
            norms: &self.norms[range],
            bound: self.bound,
        };
        if !self.overflowed && query.state.is_fresh(&query.wanted) {
            let limits = Thresholds { theta: query.state.theta(), ceiling, floor };
            if let Some(theta) = seed(&part(range.clone()), limits, k, scratch)? {
                query.state.raise_theta(theta);
            }
        }
        for start in range.clone().step_by(CHUNK) {
            let chunk = start..range.end.min(start + CHUNK);
            if self.overflowed {
                for at in chunk {
                    query.push(self.interval(at), scratch)?;
                }
                continue;
            }
            let limits = Thresholds { theta: query.state.theta(), ceiling, floor };
            let found = if ceiling < f32::INFINITY || floor > f32::NEG_INFINITY {
                filter::<true>(isa, &part(chunk), limits, positions)
            } else {
                filter::<false>(isa, &part(chunk), limits, positions)
            };
            let Tally { above_ceiling, below_floor, .. } = &mut query.state.tally;
            *above_ceiling += found.above as i64;
            *below_floor += found.below as i64;
            for &position in &positions[..found.hits] {
                query.push(self.interval(start + position as usize), scratch)?;
            }
        }
        Ok(())
    }

    /// The interval of a document; a value that is not finite says nothing.
    fn interval(&self, at: usize) -> Interval {
        let (a, e) = (self.approx[at], self.bound.scale * self.norms[at] + self.bound.slack);
        let id = (self.first + at) as u32;
        let (low, high) = (a - e, a + e);
        if !a.is_finite() || low.is_nan() || high.is_nan() {
            return Interval { low: f32::NEG_INFINITY, high: f32::INFINITY, id };
        }
        Interval { low, high, id }
    }
}

//! From score tiles to exact top-k lists: the state of a block of queries.

use crate::csr::{check_offsets, Csr};
use crate::error::{Error, Result};
use crate::isa::Isa;
use crate::limits::{Limits, Ranked, Tally};
use crate::pool::{self, Execution};

use super::bound::{Bound, QueryBound};
use super::embeddings::{Embeddings, RowScratch};
use super::exact::Similarity;
use super::filter::{filter, seed, Part, Positions, Thresholds, CHUNK};
use super::row::{Entry, Row, Scorer, Scratch, Wanted};

/// Queries per task: a few dozen microseconds of work at the usual tile sizes.
const ROWS_PER_TASK: usize = 8;

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
pub struct Scan {
    similarity: Similarity,
    k: usize,
    documents: usize,
    ceiling: Option<Vec<f32>>,
    floor: Option<Vec<f32>>,
    excluded: Vec<Box<[u32]>>,
    rows: Vec<Row>,
}

impl Scan {
    /// State for `queries` queries that want the `k` best of `documents` documents within `limits`.
    pub fn new(
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
        let mut scratch = Vec::new();
        let excluded = if limits.exclude.is_some() {
            let row = |row| limits.excluded(row, &mut scratch).iter().map(|&id| id as u32).collect();
            (0..queries).map(row).collect()
        } else {
            Vec::new()
        };
        let (ceiling, floor) = (limits.ceiling.map(<[f32]>::to_vec), limits.floor.map(<[f32]>::to_vec));
        let mut scan = Scan { similarity, k: k.min(documents), documents, ceiling, floor, excluded, rows: Vec::new() };
        let rows = (0..queries).map(|query| {
            let mut row = Row::new(&scan.wanted(query));
            row.tally.excluded = scan.excluded(query).len() as i64;
            row
        });
        scan.rows = rows.collect();
        Ok(scan)
    }

    /// Bytes that the state of one query may take.
    #[must_use]
    pub fn bytes_per_query(k: usize, documents: usize) -> usize {
        capacity(k.min(documents), documents) * size_of::<Entry>() + size_of::<Row>() + 64
    }

    fn excluded(&self, query: usize) -> &[u32] {
        self.excluded.get(query).map_or(&[], |ids| ids)
    }

    fn wanted(&self, query: usize) -> Wanted {
        wanted(self.k, self.documents, self.ceiling.as_deref(), self.floor.as_deref(), query)
    }

    /// Lower bound of each query's final k-th best admissible score, for filters elsewhere.
    #[must_use]
    pub fn thresholds(&self) -> Vec<f32> {
        self.rows.iter().map(Row::theta).collect()
    }

    /// Takes in one tile.
    pub fn update(&mut self, exec: &Execution<'_>, source: &Source<'_>, tile: &Tile<'_>) -> Result<()> {
        let count = tile.approx.len() / tile.columns.max(1);
        self.check(source, tile.first_query, count)?;
        let documents = tile.first_document..tile.first_document + tile.columns;
        if documents.end > self.documents || source.documents.rows() != self.documents {
            let (found, wanted) = (documents.end.max(source.documents.rows()), self.documents);
            return Err(Error::Length { argument: "documents", found, wanted });
        }
        if count == 0 {
            return Ok(());
        }
        let bound = Bound::new(self.similarity, source.documents.dimension());
        let norms: Vec<f32> = source.document_norms[documents].iter().map(|&norm| bound.document(norm)).collect();
        let largest = norms.iter().copied().fold(0.0, f32::max);
        let isa = exec.isa();
        self.for_rows(exec, tile.first_query, count, source, |row, wanted, excluded, scorer, scratch| {
            let at = (row.index - tile.first_query) * tile.columns;
            let view = RowView {
                approx: &tile.approx[at..at + tile.columns],
                norms: &norms,
                first: tile.first_document,
                bound: bound.query(scorer.query_norm),
                overflowed: bound.may_overflow(scorer.query_norm, largest),
            };
            view.feed(isa, row.state, wanted, excluded, scorer, scratch);
        })
    }

    /// Takes in what a filter elsewhere left of a tile; every hit is rescored at once.
    pub fn offer(&mut self, exec: &Execution<'_>, source: &Source<'_>, hits: &Hits<'_>) -> Result<()> {
        let count = hits.above.len();
        self.check(source, hits.first_query, count)?;
        let lists = Csr::new("rows", hits.offsets, hits.rows, count, Some(source.documents.rows()))?;
        check_offsets("rows", hits.offsets, hits.rows.len(), count)?;
        if let Some(documents) = hits.documents {
            let wanted = source.documents.rows();
            if documents.len() != wanted || documents.iter().any(|&id| !(0..self.documents as i64).contains(&id)) {
                return Err(Error::Length { argument: "documents", found: documents.len(), wanted });
            }
        }
        self.for_rows(exec, hits.first_query, count, source, |row, wanted, excluded, scorer, scratch| {
            let index = row.index - hits.first_query;
            row.state.tally.above_ceiling += hits.above[index];
            row.state.tally.below_floor += hits.below[index];
            for &at in lists.row(index) {
                let id = hits.documents.map_or(at, |documents| documents[at as usize]) as u32;
                if excluded.binary_search(&id).is_err() {
                    let score = scorer.score(at as usize, &mut scratch.document);
                    row.state.push(Entry { low: score, high: score, id }, wanted, scorer, scratch);
                }
            }
        })
    }

    /// The result; the state is used up.
    pub fn finish(&mut self, exec: &Execution<'_>, source: &Source<'_>) -> Result<Ranked> {
        let count = self.rows.len();
        self.check(source, 0, count)?;
        let results = self.for_rows_with(exec, 0, count, source, |row, wanted, _, scorer, scratch| {
            row.state.finish(wanted, scorer, scratch)
        })?;
        let total = results.iter().flatten().map(|(best, _)| best.len()).sum();
        let mut found = Ranked { offsets: vec![0], ..Ranked::default() };
        found.ids.try_reserve_exact(total).map_err(|_| Error::OutOfMemory { bytes: total * 12 })?;
        found.scores.try_reserve_exact(total).map_err(|_| Error::OutOfMemory { bytes: total * 12 })?;
        for (best, tally) in results.into_iter().flatten() {
            found.scores.extend(best.iter().map(|(score, _)| score));
            found.ids.extend(best.iter().map(|(_, id)| id));
            found.offsets.push(found.ids.len() as i64);
            found.tallies.push(tally);
        }
        Ok(found)
    }

    fn check(&self, source: &Source<'_>, first_query: usize, count: usize) -> Result<()> {
        let lengths = [
            ("queries", source.queries.rows(), self.rows.len()),
            ("queries", self.rows.len().max(first_query + count), self.rows.len()),
            ("query_norms", source.query_norms.len(), self.rows.len()),
            ("document_norms", source.document_norms.len(), source.documents.rows()),
            ("queries", source.queries.dimension(), source.documents.dimension()),
        ];
        match lengths.into_iter().find(|(_, found, wanted)| found != wanted) {
            Some((argument, found, wanted)) => Err(Error::Length { argument, found, wanted }),
            None => Ok(()),
        }
    }

    fn for_rows(
        &mut self,
        exec: &Execution<'_>,
        first: usize,
        count: usize,
        source: &Source<'_>,
        task: impl Fn(RowOf<'_>, &Wanted, &[u32], &Scorer<'_>, &mut Scratch) + Sync,
    ) -> Result<()> {
        self.for_rows_with(exec, first, count, source, task).map(drop)
    }

    /// Runs `task` on the states of `count` queries, in parallel; results in order, one list per task.
    fn for_rows_with<R: Send>(
        &mut self,
        exec: &Execution<'_>,
        first: usize,
        count: usize,
        source: &Source<'_>,
        task: impl Fn(RowOf<'_>, &Wanted, &[u32], &Scorer<'_>, &mut Scratch) -> R + Sync,
    ) -> Result<Vec<Vec<R>>> {
        let Scan { similarity, k, documents, ref ceiling, ref floor, ref excluded, ref mut rows } = *self;
        let isa = exec.isa();
        let scratch = || (RowScratch::default(), Scratch::default());
        let parts = rows[first..first + count].chunks_mut(ROWS_PER_TASK);
        pool::map(exec, parts, scratch, |(query_scratch, scratch), part, states| {
            let first = first + part * ROWS_PER_TASK;
            let mut results = Vec::with_capacity(states.len());
            for (index, state) in (first..).zip(states) {
                let scorer = Scorer {
                    isa,
                    similarity,
                    query: source.queries.row(index, query_scratch),
                    query_norm: source.query_norms[index],
                    documents: source.documents,
                    document_norms: source.document_norms,
                };
                let wanted = wanted(k, documents, ceiling.as_deref(), floor.as_deref(), index);
                let excluded = excluded.get(index).map_or(&[][..], |ids| ids);
                results.push(task(RowOf { index, state }, &wanted, excluded, &scorer, scratch));
            }
            Ok(results)
        })
    }
}

/// One query's state and number.
struct RowOf<'a> {
    index: usize,
    state: &'a mut Row,
}

/// Twice what is wanted, so that a shrink pays for itself, and never more than there are documents.
fn capacity(k: usize, documents: usize) -> usize {
    (2 * k).saturating_add(64).min(documents.max(k + 1))
}

fn wanted(k: usize, documents: usize, ceiling: Option<&[f32]>, floor: Option<&[f32]>, query: usize) -> Wanted {
    let ceiling = ceiling.map_or(f32::INFINITY, |values| values[query]);
    let floor = floor.map_or(f32::NEG_INFINITY, |values| values[query]);
    Wanted { k, capacity: capacity(k, documents), ceiling, floor }
}

/// One query's row of a tile.
struct RowView<'a> {
    approx: &'a [f32],
    norms: &'a [f32],
    first: usize,
    bound: QueryBound,
    overflowed: bool,
}

impl RowView<'_> {
    /// Feeds the row to the state, in runs between excluded documents.
    fn feed(
        &self,
        isa: Isa,
        state: &mut Row,
        wanted: &Wanted,
        excluded: &[u32],
        scorer: &Scorer<'_>,
        scratch: &mut Scratch,
    ) {
        let end = self.first + self.approx.len();
        let met = excluded.partition_point(|&id| (id as usize) < self.first);
        let mut start = 0;
        for &id in excluded[met..].iter().take_while(|&&id| (id as usize) < end) {
            let stop = id as usize - self.first;
            self.run(isa, start..stop, state, wanted, scorer, scratch);
            start = stop + 1;
        }
        self.run(isa, start..self.approx.len(), state, wanted, scorer, scratch);
    }

    fn run(
        &self,
        isa: Isa,
        range: std::ops::Range<usize>,
        state: &mut Row,
        wanted: &Wanted,
        scorer: &Scorer<'_>,
        scratch: &mut Scratch,
    ) {
        let limited = wanted.ceiling < f32::INFINITY || wanted.floor > f32::NEG_INFINITY;
        if !self.overflowed && state.is_fresh(wanted) {
            let limits = Thresholds { theta: state.theta(), ceiling: wanted.ceiling, floor: wanted.floor };
            let (approx, norms) = (&self.approx[range.clone()], &self.norms[range.clone()]);
            if let Some(theta) = seed(approx, norms, self.bound, limits, wanted.k, &mut scratch.keys) {
                state.raise_theta(theta);
            }
        }
        let mut positions: Positions = [0; CHUNK];
        for start in range.clone().step_by(CHUNK) {
            let chunk = start..range.end.min(start + CHUNK);
            if self.overflowed {
                chunk.for_each(|at| state.push(self.entry(at), wanted, scorer, scratch));
                continue;
            }
            let part = Part { approx: &self.approx[chunk.clone()], norms: &self.norms[chunk], bound: self.bound };
            let limits = Thresholds { theta: state.theta(), ceiling: wanted.ceiling, floor: wanted.floor };
            let found = if limited {
                filter::<true>(isa, &part, limits, &mut positions)
            } else {
                filter::<false>(isa, &part, limits, &mut positions)
            };
            let Tally { above_ceiling, below_floor, .. } = &mut state.tally;
            *above_ceiling += found.above as i64;
            *below_floor += found.below as i64;
            for &position in &positions[..found.hits] {
                state.push(self.entry(start + position as usize), wanted, scorer, scratch);
            }
        }
    }

    /// The interval of a document; a value that is not finite says nothing.
    fn entry(&self, at: usize) -> Entry {
        let (a, e) = (self.approx[at], self.bound.scale * self.norms[at] + self.bound.slack);
        let id = (self.first + at) as u32;
        let (low, high) = (a - e, a + e);
        if !a.is_finite() || low.is_nan() || high.is_nan() {
            return Entry { low: f32::NEG_INFINITY, high: f32::INFINITY, id };
        }
        Entry { low, high, id }
    }
}

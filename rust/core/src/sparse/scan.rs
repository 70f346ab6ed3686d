//! The scan: block after block, the lists of one query after the other.
//!
//! Once k documents are known, a document of a later block must score more than the k-th best (or more than the ceiling,
//! to be counted). So lists whose postings could not lift a document there by themselves are left out; documents of the
//! others that might get there with them are scored from their rows. Where these are many, a list is added up after all.

use std::ops::Range;

use crate::csr::concat;
use crate::error::{make_room, try_collect, try_reserve, try_reserve_exact, Error, Result};
use crate::excluded::{between, Excluded};
use crate::limits::{ceiling_of, floor_of, Limits, Ranked, Tally};
use crate::pool::{self, Execution};

use super::bound;
use super::lists::{List, Lists};
use super::postings::{Postings, BLOCK};
use super::rows::SparseRows;
use super::score::{Breath, Query};
use super::state::{document_of, score_of, Bounds, State};
use super::sums::Sums;

/// Queries of a task: what they share of a block is in the cache.
const QUERIES_PER_TASK: usize = 32;
/// Postings that are added up in the time that one document is scored from its row.
const POSTINGS_PER_ROW: usize = 160;
/// Fewer postings than documents by this factor: their documents are visited one by one.
const SPARSE: usize = 8;
/// Blocks after which it is tried again to leave a list out, where that did not pay.
const RETRY: usize = 8;

/// Bytes of working memory of a search for queries of `longest` terms at most, on so many threads, beyond its result.
#[must_use]
pub fn working_bytes(k: usize, queries: usize, longest: usize, threads: usize) -> usize {
    // Few queries have a state for each part of the documents.
    let is_few = queries < 2 * threads;
    let states = if is_few { (2 * threads + 1).saturating_mul(queries) } else { QUERIES_PER_TASK * threads };
    let state = State::capacity(k).saturating_mul(8).saturating_add(2048);
    // A thread holds the queries of a task, and the lists of one.
    let held = if is_few { queries } else { QUERIES_PER_TASK.min(queries) };
    let of_terms = longest.saturating_mul(held.saturating_mul(8).saturating_add(size_of::<List<'_>>()));
    let per_thread = of_terms.saturating_add(BLOCK * 12);
    states.saturating_mul(state).saturating_add(threads.saturating_mul(per_thread))
}

/// What all tasks share.
struct Search<'a> {
    exec: &'a Execution<'a>,
    queries: &'a SparseRows<'a>,
    documents: &'a SparseRows<'a>,
    postings: &'a Postings<'a>,
    k: usize,
    limits: &'a Limits<'a>,
    excluded: &'a Excluded,
    /// Row of the first query.
    first: usize,
}

/// Buffers that one thread reuses.
struct Worker<'a> {
    queries: Vec<Query>,
    lists: Lists<'a>,
    sums: Sums,
    /// Documents of the block at hand whose rows are to be looked at.
    open: Vec<u32>,
}

/// The k best admissible documents that share a term with the query, of the queries in `rows`. Limits are given for these
/// queries alone; counts leave out documents that share no term.
///
/// # Errors
/// Limits or parts that do not fit; [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn search(
    exec: &Execution<'_>,
    queries: &SparseRows<'_>,
    rows: Range<usize>,
    documents: &SparseRows<'_>,
    postings: &Postings<'_>,
    k: usize,
    limits: &Limits<'_>,
) -> Result<Ranked> {
    postings.check()?;
    if documents.len() != postings.documents || u32::try_from(documents.len()).is_err() {
        return Err(Error::Length { argument: "documents", found: documents.len(), wanted: postings.documents });
    }
    if rows.start > rows.end || rows.end > queries.len() {
        return Err(Error::Length { argument: "queries", found: queries.len(), wanted: rows.end });
    }
    limits.check(rows.len())?;
    let excluded = Excluded::new(exec, limits.exclude)?;
    let k = k.min(documents.len());
    let search = Search { exec, queries, documents, postings, k, limits, excluded: &excluded, first: rows.start };
    let blocks = postings.num_blocks();
    if rows.len() >= 2 * exec.threads() || exec.threads() == 1 {
        let size = rows.len().div_ceil(2 * exec.threads()).clamp(1, QUERIES_PER_TASK);
        let tasks = (0..rows.len()).step_by(size).map(|start| start..rows.len().min(start + size));
        let found = pool::map(exec, tasks, Worker::new, |worker, _, task| {
            search.found(search.scan(worker, task, 0..blocks)?)
        })?;
        return join(found, rows.len());
    }
    // Few queries: each thread takes some of the documents.
    let size = blocks.div_ceil(2 * exec.threads()).max(1);
    let tasks = (0..blocks).step_by(size).map(|start| start..blocks.min(start + size));
    let parts = pool::map(exec, tasks, Worker::new, |worker, _, task| search.scan(worker, 0..rows.len(), task))?;
    let mut states = try_collect(rows.clone().map(|_| Ok(State::new(k))))?;
    for part in parts {
        for (state, other) in states.iter_mut().zip(&part) {
            state.join(exec, other)?;
        }
    }
    join(vec![search.found(states)?], rows.len())
}

impl Worker<'_> {
    fn new() -> Self {
        Worker { queries: Vec::new(), lists: Lists::default(), sums: Sums::new(), open: Vec::new() }
    }
}

impl<'a> Search<'a> {
    /// The states of some queries after some blocks.
    fn scan(&self, worker: &mut Worker<'a>, queries: Range<usize>, blocks: Range<usize>) -> Result<Vec<State>> {
        let mut states = try_collect(queries.clone().map(|_| Ok(State::new(self.k))))?;
        while worker.queries.len() < queries.len() {
            try_reserve(&mut worker.queries, 1)?;
            worker.queries.push(Query::default());
        }
        let documents = (blocks.start * BLOCK) as i64..(blocks.end * BLOCK).min(self.documents.len()) as i64;
        let mut breath = Breath::default();
        for (at, query) in queries.clone().enumerate() {
            worker.queries[at].set(self.queries, self.first + query)?;
            breath.after(self.exec, worker.queries[at].terms.len())?;
            for &id in between(self.excluded.row(query), documents.start, documents.end) {
                let shares = worker.queries[at].score(self.documents, id as usize).is_some();
                states[at].tally.excluded += i64::from(shares);
                breath.after(self.exec, self.documents.range(id as usize).len())?;
            }
        }
        for block in blocks {
            for (at, query) in queries.clone().enumerate() {
                self.block(worker, at, &mut states[at], query, block)?;
                self.exec.check()?;
            }
        }
        Ok(states)
    }

    /// One block for one query.
    fn block(&self, worker: &mut Worker<'a>, at: usize, state: &mut State, number: usize, block: usize) -> Result<()> {
        let Worker { queries, lists, sums, open } = worker;
        let query = &queries[at];
        lists.set(query, self.postings, block)?;
        if lists.all.is_empty() {
            return Ok(());
        }
        let first = block * BLOCK;
        let documents = self.postings.documents_in(block);
        let excluded = between(self.excluded.row(number), first as i64, (first + documents) as i64);
        let (ceiling, floor) = (ceiling_of(self.limits.ceiling, number), floor_of(self.limits.floor, number));
        let bounds = Bounds { ceiling, floor, excluded };
        state.cut(self.exec)?;
        // Every document below the floor is counted: then none can be passed over.
        let counts_all = floor > f32::NEG_INFINITY;
        let last = if counts_all { f64::NAN } else { bound::rounds_to_at_most(state.least().min(ceiling)) };
        if state.left_out == 0 && block.is_multiple_of(RETRY) {
            state.left_out = 1;
        }
        lists.leave_out(last, state.left_out);

        let mut added = 0;
        while lists.needed > 0 && lists.left_out() > 0 {
            let cut = lists.cut(last);
            let is_sparse = lists.postings(0..lists.needed) < documents / SPARSE;
            for list in &lists.all[added..lists.needed] {
                sums.add(list.places, list.weights, list.by);
            }
            added = lists.needed;
            make_room(open, documents)?;
            if is_sparse {
                for list in &lists.all[..added] {
                    sums.drain(list.places, documents, cut, |document, _| open.push(document as u32));
                }
                added = 0;
            } else {
                sums.above(self.exec.isa(), documents, cut, |document, _| open.push(document as u32));
            }
            let (rows, left_out) = (open.len() * POSTINGS_PER_ROW, lists.left_out());
            let more = left_out.div_ceil(4);
            if rows > lists.postings(lists.needed..lists.needed + more) {
                lists.take_more(more);
                state.left_out = lists.left_out();
                continue;
            }
            if 4 * rows < lists.postings(lists.needed - 1..lists.needed) {
                state.left_out = left_out.saturating_add(1);
            }
            if added > 0 {
                sums.reset();
            }
            for &place in &*open {
                let document = first + place as usize;
                if let Some(score) = query.score(self.documents, document) {
                    state.offer(self.exec, document, score, &bounds)?;
                }
            }
            return Ok(());
        }
        if lists.needed == 0 {
            return Ok(());
        }
        if added > 0 {
            sums.reset();
        }
        self.add_all(lists, sums, last, documents, |place, sum| {
            state.offer(self.exec, first + place, sum as f32, &bounds)
        })
    }

    /// Adds all lists up in the order of their terms: the sums are the scores before they are rounded.
    fn add_all(
        &self,
        lists: &mut Lists<'a>,
        sums: &mut Sums,
        last: f64,
        documents: usize,
        mut offer: impl FnMut(usize, f64) -> Result<()>,
    ) -> Result<()> {
        lists.all.sort_unstable_by_key(|list| list.order);
        for list in &lists.all {
            sums.add(list.places, list.weights, list.by);
        }
        let mut outcome = Ok(());
        let mut found = |document, sum| {
            if outcome.is_ok() {
                outcome = offer(document, sum);
            }
        };
        if lists.postings(0..lists.all.len()) < documents / SPARSE {
            for list in &lists.all {
                sums.drain(list.places, documents, last, &mut found);
            }
        } else {
            sums.above(self.exec.isa(), documents, last, &mut found);
            sums.reset();
        }
        outcome
    }

    /// The lists of some queries in output form.
    fn found(&self, states: Vec<State>) -> Result<Found> {
        let mut found = Found::default();
        let mut scratch = Vec::new();
        for mut state in states {
            state.finish(self.exec, &mut scratch)?;
            try_reserve(&mut found.ids, state.entries.len())?;
            try_reserve(&mut found.scores, state.entries.len())?;
            try_reserve(&mut found.lengths, 1)?;
            try_reserve(&mut found.tallies, 1)?;
            found.ids.extend(state.entries.iter().map(|entry| document_of(*entry)));
            found.scores.extend(state.entries.iter().map(|entry| score_of(*entry)));
            found.lengths.push(state.entries.len() as i64);
            found.tallies.push(state.tally);
        }
        Ok(found)
    }
}

/// Lists of some queries.
#[derive(Default)]
struct Found {
    ids: Vec<i64>,
    scores: Vec<f32>,
    lengths: Vec<i64>,
    tallies: Vec<Tally>,
}

fn join(parts: Vec<Found>, rows: usize) -> Result<Ranked> {
    let (mut ids, mut scores, mut tallies) = (Vec::new(), Vec::new(), Vec::new());
    let offsets = crate::csr::offsets_of(rows, parts.iter().flat_map(|part| part.lengths.iter().copied()))?;
    for part in parts {
        try_reserve_exact(&mut ids, 1)?;
        try_reserve_exact(&mut scores, 1)?;
        try_reserve(&mut tallies, part.tallies.len())?;
        ids.push(part.ids);
        scores.push(part.scores);
        tallies.extend_from_slice(&part.tallies);
    }
    if tallies.iter().all(|tally| *tally == Tally::default()) {
        tallies.clear();
    }
    Ok(Ranked { offsets, ids: concat(ids)?, scores: concat(scores)?, tallies })
}

//! The scan: block after block, the lists of one query after the other.
//!
//! A block leaves open what its bounds do not pass over ([`super::block`]); what is open at the end is scored from its
//! rows. Many queries are shared out among the threads; for few, each thread takes some of the documents.

use std::ops::Range;

use crate::csr::concat;
use crate::error::{try_collect, try_reserve, try_reserve_exact, Error, Result};
use crate::excluded::{between, Excluded};
use crate::limits::{reached_of, Limits, Ranked, Tally};
use crate::pool::{self, Execution};

use super::block::Worker;
use super::lists::Asked;
use super::postings::{Postings, BLOCK};
use super::rows::SparseRows;
use super::score::Breath;
use super::shared::Search;
use super::state::{document_of, score_of, State};

/// Queries of a task: what they share of a block is in the cache.
const QUERIES_PER_TASK: usize = 32;
/// Bytes of working memory of a search for queries of `longest` terms at most, on so many threads, beyond its result.
#[must_use]
pub fn working_bytes(k: usize, queries: usize, longest: usize, threads: usize) -> usize {
    // Few queries have a state for each part of the documents.
    let is_few = queries < 2 * threads;
    let states = if is_few { (2 * threads + 1).saturating_mul(queries) } else { QUERIES_PER_TASK * threads };
    let state = State::bytes(k).saturating_add(2048);
    // A thread holds the queries of a task.
    let held = if is_few { queries } else { QUERIES_PER_TASK.min(queries) };
    let per_thread = held.saturating_mul(Asked::bytes(longest)).saturating_add(Worker::bytes(k, longest));
    states.saturating_mul(state).saturating_add(threads.saturating_mul(per_thread))
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
    let mut states = try_collect((0..rows.len()).map(|query| Ok(search.state(query))))?;
    for part in parts {
        for (state, other) in states.iter_mut().zip(&part) {
            state.join(exec, other)?;
        }
    }
    join(vec![search.found(states)?], rows.len())
}

impl<'a> Search<'a> {
    /// The state of a query before it has seen a document.
    fn state(&self, query: usize) -> State {
        State::new(self.k, reached_of(self.limits.reached, query))
    }

    /// The states of some queries after some blocks.
    fn scan(&self, worker: &mut Worker<'a>, queries: Range<usize>, blocks: Range<usize>) -> Result<Vec<State>> {
        let mut states = try_collect(queries.clone().map(|query| Ok(self.state(query))))?;
        while worker.queries.len() < queries.len() {
            try_reserve(&mut worker.queries, 1)?;
            worker.queries.push(Asked::default());
        }
        let documents = (blocks.start * BLOCK) as i64..(blocks.end * BLOCK).min(self.documents.len()) as i64;
        let mut breath = Breath::default();
        for (at, query) in queries.clone().enumerate() {
            worker.queries[at].set(self.queries, self.first + query, self.postings, &blocks)?;
            breath.after(self.exec, worker.queries[at].query.terms.len())?;
            for &id in between(self.excluded.row(query), documents.start, documents.end) {
                let Worker { queries, shared, .. } = worker;
                let score = queries[at].query.score(self.exec.isa(), self.documents, id as usize, shared)?;
                states[at].tally.excluded += i64::from(score.is_some());
                breath.after(self.exec, self.documents.range(id as usize).len())?;
            }
        }
        for block in blocks {
            for (at, query) in queries.clone().enumerate() {
                if let Some(later) = worker.queries[..queries.len()].get(at + 1) {
                    later.prefetch(self.postings);
                }
                self.block(worker, at, &mut states[at], query, block)?;
                self.exec.check()?;
            }
        }
        for (at, query) in queries.enumerate() {
            self.settle(worker, at, &mut states[at], query)?;
        }
        Ok(states)
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

//! The end of a scan: the documents that are left are rescored, many queries together and in the order of the corpus, so
//! that memory is read in long runs and what several queries want is read once.

use crate::error::{try_collect, try_reserve, Result};
use crate::pool;
use crate::pool::Execution;
use crate::sort;

use super::embeddings::RowScratch;
use super::exact;
use super::query_state::{QueryState, Scratch, RESCORED_AT_ONCE};
use super::scan::{wanted, SearchScan, Source};

/// Most queries that are settled together, and most documents that they may want, roughly.
const MOST_QUERIES: usize = 1024;
const MOST_PAIRS: usize = 1 << 17;
/// Documents fetched ahead of the one that is rescored.
const PREFETCH: usize = 8;

/// A document to rescore.
#[derive(Debug, Clone, Copy)]
struct Pair {
    document: u32,
    query: u32,
    at: u32,
}

/// Buffers that one thread reuses.
#[derive(Default)]
struct Buffers {
    pairs: Vec<Pair>,
    spare: Vec<Pair>,
    counts: Vec<usize>,
    query: RowScratch,
    scratch: Scratch,
}

impl SearchScan {
    /// Bytes of the buffers of a thread that settles queries.
    #[must_use]
    pub fn settling_bytes(k: usize) -> usize {
        2 * size_of::<Pair>() * MOST_PAIRS.max(2 * k)
    }

    /// Rescores all that is left, and gives the queries whose guess was not confirmed: they need another scan, with a state
    /// that was told to be [`Self::careful`], and its result by [`Self::adopt`].
    ///
    /// # Errors
    /// [`crate::Error::Length`], [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`].
    pub fn settle(&mut self, exec: &Execution<'_>, source: &Source<'_>) -> Result<Vec<i64>> {
        let count = self.states.len();
        self.check(source, 0, count)?;
        let SearchScan { k, documents, similarity, ref ceiling, ref floor, ref mut states, .. } = *self;
        let wanted = |query| wanted(k, documents, ceiling.as_deref(), floor.as_deref(), query);
        let fair = count.div_ceil(4 * exec.threads());
        let size = fair.clamp(1, (MOST_PAIRS / k.max(1)).clamp(1, MOST_QUERIES));
        let missed = pool::map(exec, states.chunks_mut(size), Buffers::default, |buffers, part, states| {
            let first = part * size;
            buffers.query.reserve(&source.queries)?;
            buffers.scratch.document.reserve(&source.documents)?;
            let score = |buffers: &mut Buffers, states: &mut [QueryState]| -> Result<()> {
                let Buffers { pairs, spare, counts, query, scratch } = buffers;
                pairs.clear();
                try_reserve(pairs, counts.iter().sum())?;
                for (index, (state, count)) in states.iter().zip(counts.iter()).enumerate() {
                    let open = state.open(*count);
                    pairs.extend(open.map(|(at, document)| Pair { document, query: index as u32, at: at as u32 }));
                }
                sort::sort(exec, pairs, |pair| pair.document, 0, spare)?;
                for (index, pair) in pairs.iter().enumerate() {
                    if index % RESCORED_AT_ONCE == 0 {
                        exec.check()?;
                    }
                    if let Some(later) = pairs.get(index + PREFETCH) {
                        source.documents.prefetch(later.document as usize);
                    }
                    let (number, row) = (first + pair.query as usize, pair.document as usize);
                    let dot = exact::dot(
                        exec.isa(),
                        source.queries.row(number, query),
                        source.documents.row(row, &mut scratch.document),
                    );
                    let score = similarity.score(dot, source.query_norms[number], source.document_norms[row]);
                    states[pair.query as usize].know(pair.at as usize, score, &wanted(number));
                }
                Ok(())
            };
            buffers.counts.clear();
            try_reserve(&mut buffers.counts, states.len())?;
            for (index, state) in states.iter_mut().enumerate() {
                buffers.counts.push(state.put_best_first(&wanted(first + index), exec)?);
            }
            score(buffers, states)?;
            for (index, state) in states.iter_mut().enumerate() {
                buffers.counts[index] = state.drop_ruled_out(&wanted(first + index), exec, &mut buffers.scratch)?;
            }
            score(buffers, states)?;
            let confirmed = states.iter_mut().enumerate().map(|(index, state)| {
                let query = first + index;
                Ok((query as i64, state.conclude(&wanted(query), exec)?))
            });
            let mut confirmed = try_collect(confirmed)?;
            confirmed.retain(|(_, confirmed)| !confirmed);
            Ok(confirmed)
        })?;
        try_collect(missed.into_iter().flatten().map(|(query, _)| Ok(query)))
    }
}

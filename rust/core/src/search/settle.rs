//! The end of a scan: the documents that are left are rescored, many queries together and in the order of the corpus, so
//! that memory is read in long runs and what several queries want is read once.

use crate::error::{try_collect, try_reserve, try_reserve_exact, Result};
use crate::pool;
use crate::pool::Execution;
use crate::sort;

use super::embeddings::RowScratch;
use super::exact::{self, Similarity};
use super::query_state::{QueryState, Scratch, RESCORED_AT_ONCE};
use super::scan::{capacity, AllWanted, SearchScan, Source};

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
    /// Bytes that the buffers of all threads take while so many queries are settled.
    #[must_use]
    pub fn settling_bytes(k: usize, documents: usize, queries: usize, threads: usize) -> usize {
        let list = capacity(k.min(documents), documents);
        let pairs = queries.saturating_mul(list).min(threads.saturating_mul(MOST_PAIRS.saturating_add(list)));
        // Pairs, and room to sort them in.
        pairs.saturating_mul(2 * size_of::<Pair>())
    }

    /// Rescores all that is left, and gives the queries whose guess was not confirmed: they need another scan, with a state
    /// that was told to be [`Self::careful`], and its result by [`Self::adopt`].
    ///
    /// # Errors
    /// [`crate::Error::Length`], [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`].
    pub fn settle(&mut self, exec: &Execution<'_>, source: &Source<'_>) -> Result<Vec<i64>> {
        let count = self.states.len();
        self.check(source, 0, count)?;
        let SearchScan { similarity, ref wanted, ref mut states, .. } = *self;
        let settling = Settling { exec, source, similarity, wanted };
        let fair = count.div_ceil(4 * exec.threads());
        let size = fair.clamp(1, (MOST_PAIRS / wanted.k.max(1)).clamp(1, MOST_QUERIES));
        let missed = pool::map(exec, states.chunks_mut(size), Buffers::default, |buffers, part, states| {
            buffers.query.reserve(&source.queries)?;
            buffers.scratch.document.reserve(&source.documents)?;
            settling.settle(part * size, states, buffers)
        })?;
        try_collect(missed.into_iter().flatten().map(Ok))
    }
}

/// What all parts share.
struct Settling<'a> {
    exec: &'a Execution<'a>,
    source: &'a Source<'a>,
    similarity: Similarity,
    wanted: &'a AllWanted,
}

impl Settling<'_> {
    /// Settles the queries from `first` on; gives those whose guess was not confirmed.
    fn settle(&self, first: usize, states: &mut [QueryState], buffers: &mut Buffers) -> Result<Vec<i64>> {
        buffers.counts.clear();
        try_reserve(&mut buffers.counts, states.len())?;
        for (query, state) in (first..).zip(&mut *states) {
            buffers.counts.push(state.put_best_first(&self.wanted.of(query), self.exec)?);
        }
        self.rescore(first, states, buffers)?;
        for (index, state) in states.iter_mut().enumerate() {
            let wanted = self.wanted.of(first + index);
            buffers.counts[index] = state.drop_ruled_out(&wanted, self.exec, &mut buffers.scratch)?;
        }
        self.rescore(first, states, buffers)?;
        let mut missed = Vec::new();
        for (query, state) in (first..).zip(states) {
            if !state.conclude(&self.wanted.of(query), self.exec)? {
                try_reserve(&mut missed, 1)?;
                missed.push(query as i64);
            }
        }
        Ok(missed)
    }

    /// Rescores what is open among the first `counts` documents of each list: as many lists at a time as the buffers hold.
    fn rescore(&self, first: usize, states: &mut [QueryState], buffers: &mut Buffers) -> Result<()> {
        let Buffers { pairs, spare, counts, query, scratch } = buffers;
        let mut start = 0;
        while start < states.len() {
            pairs.clear();
            let mut end = start;
            while end < states.len() && pairs.len() < MOST_PAIRS {
                try_reserve_exact(pairs, counts[end])?;
                let open = states[end].open(counts[end]);
                pairs.extend(open.map(|(at, document)| Pair { document, query: end as u32, at: at as u32 }));
                end += 1;
            }
            sort::sort(self.exec, pairs, |pair| pair.document, 0, spare)?;
            for (index, pair) in pairs.iter().enumerate() {
                if index % RESCORED_AT_ONCE == 0 {
                    self.exec.check()?;
                }
                if let Some(later) = pairs.get(index + PREFETCH) {
                    self.source.documents.prefetch(later.document as usize);
                }
                let (number, row) = (first + pair.query as usize, pair.document as usize);
                let document = self.source.documents.row(row, &mut scratch.document);
                let dot = exact::dot(self.exec.isa(), self.source.queries.row(number, query), document);
                let norms = (self.source.query_norms[number], self.source.document_norms[row]);
                let score = self.similarity.score(dot, norms.0, norms.1);
                states[pair.query as usize].know(pair.at as usize, score, &self.wanted.of(number));
            }
            start = end;
        }
        Ok(())
    }
}

//! The scan over codes: what the kernel lists goes to the states of the queries, with the interval that holds its score.
//!
//! Work is cut by queries where there are enough of them for every thread, and each part owns its states. Where there are
//! few, it is cut by documents too: such a part has states of its own, which start from the thresholds known so far and are
//! poured into the queries' states afterwards.

use std::ops::Range;

use crate::error::{make_room, try_collect, try_reserve_exact, Error, Result};
use crate::excluded::{between, Excluded};
use crate::order::Score;
use crate::pool::{self, Execution};

use super::code_bound::QueryTerms;
use super::codes::{BlockView, Codes, BLOCK, STEP};
use super::embeddings::RowScratch;
use super::encode::{Encoded, Encoder, Frame};
use super::exact::{self, Similarity};
use super::kernels::{compare, shape, Found, Line, GROUP};
use super::query_state::{QueryState, Scorer, Scratch, Wanted};
use super::scan::{wanted, SearchScan, Source};

/// Most queries of a part: with their codes and states they fit the second cache.
const MOST_QUERIES: usize = 240;
/// Fewest of a part, where there are so many: below, a block of documents is fetched for too little work.
const FEWEST_QUERIES: usize = 24;
/// Blocks between two looks at whether to go on.
const BLOCKS_AT_ONCE: usize = 16;
/// Documents looked at first, for a threshold: that many per document wanted, and one of so many of all.
const SEEN_PER_WANTED: usize = 48;
const SEEN_OF_ALL: usize = 64;

/// Documents as codes, and where they lie in the corpus.
#[derive(Debug, Clone, Copy)]
pub struct Coded<'a> {
    /// The codes.
    pub codes: Codes<'a>,
    /// How the embeddings were moved and turned.
    pub frame: Frame<'a>,
    /// Document of the first row of the codes.
    pub first: usize,
}

impl SearchScan {
    /// Takes in the documents of some blocks of the codes, for all queries. Gives the number of documents that were rescored
    /// on the way: where that is a good part of all, codes do not pay.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Value`], [`Error::OutOfMemory`], [`Error::Interrupted`].
    pub fn update_codes(
        &mut self,
        exec: &Execution<'_>,
        source: &Source<'_>,
        coded: &Coded<'_>,
        blocks: Range<usize>,
    ) -> Result<u64> {
        let queries = self.states.len();
        self.check(source, 0, queries)?;
        self.check_codes(source, coded, &blocks)?;
        if queries == 0 || blocks.is_empty() {
            return Ok(0);
        }
        let SearchScan { similarity, k, documents, ref ceiling, ref floor, ref excluded, ref mut states } = *self;
        let (ceiling, floor) = (ceiling.as_deref(), floor.as_deref());
        let scan = Shared { exec, source, coded, similarity, k, documents, ceiling, floor, excluded };
        let rescored = |states: &[QueryState]| states.iter().map(|state| state.rescored).sum::<u64>();
        let before = rescored(states);
        let group = shape(exec.isa()).group;
        let fair = queries.div_ceil(exec.threads() * 4).next_multiple_of(group);
        let per_part = fair.clamp(FEWEST_QUERIES, MOST_QUERIES);
        let parts = queries.div_ceil(per_part);
        let cuts = if parts >= exec.threads() { 1 } else { (2 * exec.threads()).div_ceil(parts) };
        // The first pass of a cut scan only looks for thresholds.
        let first = if cuts == 1 { blocks.clone() } else { 0..0 };
        pool::map(exec, states.chunks_mut(per_part), Part::default, |part, index, states| {
            part.run(&scan, index * per_part, states, first.clone())
        })?;
        if cuts > 1 {
            let mine: &[QueryState] = states;
            let size = blocks.len().div_ceil(cuts);
            let work = (0..parts).flat_map(|part| (0..cuts).map(move |cut| (part, cut)));
            let found = pool::map(exec, work, Part::default, |part, _, (at, cut)| {
                let queries = at * per_part..mine.len().min((at + 1) * per_part);
                let mut own = try_collect(queries.clone().map(|query| Ok(scan.state_like(&mine[query], query))))?;
                let start = (blocks.start + cut * size).min(blocks.end);
                part.run(&scan, queries.start, &mut own, start..(start + size).min(blocks.end))?;
                Ok(own)
            })?;
            for (index, own) in found.into_iter().enumerate() {
                let first = index / cuts * per_part;
                scan.pour(first, &mut states[first..], own)?;
            }
        }
        Ok(rescored(states) - before)
    }

    fn check_codes(&self, source: &Source<'_>, coded: &Coded<'_>, blocks: &Range<usize>) -> Result<()> {
        let (dimension, rows) = (source.documents.dimension(), coded.codes.rows());
        coded.frame.check(dimension)?;
        let end = coded.first.saturating_add(rows);
        let lengths = [
            ("documents", source.documents.rows(), self.documents),
            ("documents", end.max(self.documents), self.documents),
            ("codes", coded.codes.dimension(), dimension),
            ("codes", blocks.end.max(rows.div_ceil(BLOCK)), rows.div_ceil(BLOCK)),
        ];
        match lengths.into_iter().find(|(_, found, wanted)| found != wanted) {
            Some((argument, found, wanted)) => Err(Error::Length { argument, found, wanted }),
            None => Ok(()),
        }
    }
}

/// What all parts of a scan share.
#[derive(Clone, Copy)]
struct Shared<'a> {
    exec: &'a Execution<'a>,
    source: &'a Source<'a>,
    coded: &'a Coded<'a>,
    similarity: Similarity,
    k: usize,
    documents: usize,
    ceiling: Option<&'a [f32]>,
    floor: Option<&'a [f32]>,
    excluded: &'a Excluded,
}

impl Shared<'_> {
    fn wanted(&self, query: usize) -> Wanted {
        wanted(self.k, self.documents, self.ceiling, self.floor, query)
    }

    fn is_limited(&self) -> bool {
        self.ceiling.is_some() || self.floor.is_some()
    }

    /// An empty state that knows the threshold of another.
    fn state_like(&self, state: &QueryState, query: usize) -> QueryState {
        let mut own = QueryState::new(&self.wanted(query));
        own.raise_theta(state.theta());
        own
    }

    /// One bit for every document of the block that is there and not excluded.
    fn allowed(&self, query: usize, block: usize) -> u64 {
        let start = (self.coded.first + block * BLOCK) as i64;
        let excluded = between(self.excluded.row(query), start, start + BLOCK as i64);
        excluded.iter().fold(self.coded.codes.present(block), |bits, id| bits & !(1 << (id - start)))
    }

    fn scorer<'s>(&'s self, query: usize, values: &'s [f32]) -> Scorer<'s> {
        let Source { query_norms, documents, document_norms, .. } = *self.source;
        let (exec, similarity) = (self.exec, self.similarity);
        Scorer { exec, similarity, query: values, query_norm: query_norms[query], documents, document_norms }
    }

    /// Adds to the states of queries from `first` on what parts found for them.
    fn pour(&self, first: usize, states: &mut [QueryState], found: Vec<QueryState>) -> Result<()> {
        let (mut row, mut scratch) = (RowScratch::default(), Scratch::default());
        row.reserve(&self.source.queries)?;
        scratch.document.reserve(&self.source.documents)?;
        for (index, (state, found)) in states.iter_mut().zip(found).enumerate() {
            let query = first + index;
            let wanted = self.wanted(query);
            let scorer = self.scorer(query, self.source.queries.row(query, &mut row));
            state.take(found, &wanted, &scorer, &mut scratch)?;
        }
        Ok(())
    }
}

/// Buffers of a part, reused from part to part.
#[derive(Default)]
struct Part {
    /// The queries as float32, row after row.
    rows: Vec<f32>,
    terms: Vec<QueryTerms>,
    lines: Vec<Line>,
    /// Their codes, group after group, in each step after step.
    codes: Vec<i32>,
    /// Queries per group.
    group: usize,
    found: Found,
    encoder: Encoder,
    row: RowScratch,
    scratch: Scratch,
}

impl Part {
    fn run(&mut self, scan: &Shared<'_>, first: usize, states: &mut [QueryState], blocks: Range<usize>) -> Result<()> {
        self.prepare(scan, first, states)?;
        self.seed(scan, first, states)?;
        if scan.is_limited() {
            self.scan::<true>(scan, first, states, blocks)
        } else {
            self.scan::<false>(scan, first, states, blocks)
        }
    }

    /// Codes, terms and lines of the queries.
    fn prepare(&mut self, scan: &Shared<'_>, first: usize, states: &[QueryState]) -> Result<()> {
        let (frame, queries) = (&scan.coded.frame, scan.source.queries);
        let (isa, h) = (scan.exec.isa(), queries.dimension());
        let (shape, steps) = (shape(isa), h.div_ceil(STEP));
        // As even as can be: 8 queries are two groups of 4, not one of 6 and one of 2.
        self.group = states.len().div_ceil(states.len().div_ceil(shape.group));
        let Part { rows, terms, lines, codes, group, encoder, row, scratch, .. } = self;
        row.reserve(&queries)?;
        encoder.reserve(h)?;
        scratch.document.reserve(&scan.source.documents)?;
        rows.clear();
        terms.clear();
        lines.clear();
        codes.clear();
        try_reserve_exact(rows, states.len() * h)?;
        try_reserve_exact(terms, states.len())?;
        try_reserve_exact(lines, states.len())?;
        try_reserve_exact(codes, states.len() * steps)?;
        codes.resize(states.len() * steps, 0);
        let centre_norm = exact::norm(isa, frame.centre);
        for (index, state) in states.iter().enumerate() {
            let query = first + index;
            let (values, norm) = (queries.row(query, row), scan.source.query_norms[query]);
            rows.extend_from_slice(values);
            let encoded = encoder.encode(isa, values, norm, frame, false, shape.levels);
            let (mut offset, mut length) = (0.0, norm);
            if !frame.centre.is_empty() {
                offset = exact::dot(isa, values, frame.centre);
                if frame.similarity == Similarity::Cosine && norm > 0.0 {
                    (offset, length) = (offset / norm, 1.0);
                }
            }
            let found = QueryTerms::new(&encoded, &encoder.codes, offset, [length, centre_norm]);
            lines.push(found.line(state.theta(), &scan.wanted(query)));
            terms.push(found);
            let start = index / *group * *group;
            let (lane, size) = (index - start, (*group).min(states.len() - start));
            let place = &mut codes[start * steps..(start + size) * steps];
            for (word, codes) in place[lane..].iter_mut().step_by(size).zip(encoder.codes.chunks(STEP)) {
                *word = i32::from_le_bytes([codes[0], codes[1], codes[2], codes[3]].map(|code| code as u8));
            }
        }
        Ok(())
    }

    /// First thresholds for queries that have none, from documents all over the corpus: these are dealt into groups, and k
    /// groups have a best one at least that good.
    fn seed(&mut self, scan: &Shared<'_>, first: usize, states: &mut [QueryState]) -> Result<()> {
        let (k, codes) = (scan.k, &scan.coded.codes);
        let all = codes.rows().div_ceil(BLOCK);
        let seen = k.saturating_mul(SEEN_PER_WANTED).max(codes.rows() / SEEN_OF_ALL).div_ceil(BLOCK);
        // With four groups per document wanted, some 1.15 k documents reach the bound that comes out; with two, 1.4 k.
        let lines_of_best = k.saturating_mul(4).div_ceil(BLOCK).min(seen);
        let fresh = states.iter().enumerate().all(|(at, state)| state.is_fresh(&scan.wanted(first + at)));
        if k == 0 || !fresh || seen.saturating_mul(4) > all || lines_of_best * BLOCK < 2 * k {
            return Ok(());
        }
        let (isa, steps) = (scan.exec.isa(), codes.dimension().div_ceil(STEP));
        let size = lines_of_best * BLOCK;
        make_room(&mut self.scratch.best, size * GROUP)?;
        make_room(&mut self.scratch.keys, size)?;
        for start in (0..states.len()).step_by(self.group) {
            scan.exec.check()?;
            let end = states.len().min(start + self.group);
            let Part { terms, lines, codes: packed, found, scratch, .. } = self;
            scratch.best.clear();
            scratch.best.resize(size * (end - start), f32::NEG_INFINITY);
            let open: [Line; GROUP] =
                std::array::from_fn(|at| Line { theta: f32::NEG_INFINITY, ..lines[(start + at).min(end - 1)] });
            for index in 0..seen {
                let block = index * all / seen;
                let view = codes.block(block);
                let packed = &packed[start * steps..end * steps];
                compare::<false>(isa, &view, packed, &open[..end - start], found);
                let place = index % lines_of_best * BLOCK;
                for query in 0..end - start {
                    let best = &mut scratch.best[query * size + place..][..BLOCK];
                    let allowed = scan.allowed(first + start + query, block);
                    lows(isa, &found.sums[query], view.terms(), &open[query], allowed, best);
                }
            }
            for query in start..end {
                let best = &scratch.best[(query - start) * size..][..size];
                scratch.keys.clear();
                scratch.keys.extend(best.iter().map(|low| low.key()));
                let (_, kth, _) = scratch.keys.select_nth_unstable(size - k);
                let bound = f32::from_key(*kth);
                if bound.is_finite() {
                    states[query].raise_theta(terms[query].at_least(bound));
                    lines[query] = terms[query].line(states[query].theta(), &scan.wanted(first + query));
                }
            }
        }
        Ok(())
    }

    fn scan<const LIMITED: bool>(
        &mut self,
        scan: &Shared<'_>,
        first: usize,
        states: &mut [QueryState],
        blocks: Range<usize>,
    ) -> Result<()> {
        let (isa, codes) = (scan.exec.isa(), &scan.coded.codes);
        let steps = codes.dimension().div_ceil(STEP);
        for block in blocks {
            if block % BLOCKS_AT_ONCE == 0 {
                scan.exec.check()?;
            }
            let view = codes.block(block);
            for start in (0..states.len()).step_by(self.group) {
                let end = states.len().min(start + self.group);
                let packed = &self.codes[start * steps..end * steps];
                compare::<LIMITED>(isa, &view, packed, &self.lines[start..end], &mut self.found);
                for at in 0..end - start {
                    let Found { listed, above, below, .. } = &self.found;
                    if listed[at] | above[at] | below[at] != 0 {
                        let query = start + at;
                        self.note(scan, first + query, query, &mut states[query], block, &view)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes note of what a block holds for the query at `at` of the part.
    fn note(
        &mut self,
        scan: &Shared<'_>,
        query: usize,
        at: usize,
        state: &mut QueryState,
        block: usize,
        view: &BlockView<'_>,
    ) -> Result<()> {
        let lane = at % self.group;
        let allowed = scan.allowed(query, block);
        let Found { listed, above, below, sums } = &self.found;
        state.tally.above_ceiling += i64::from((above[lane] & allowed).count_ones());
        state.tally.below_floor += i64::from((below[lane] & allowed).count_ones());
        let mut listed = listed[lane] & allowed;
        if listed == 0 {
            return Ok(());
        }
        let (wanted, terms) = (scan.wanted(query), view.terms());
        let dimension = scan.source.queries.dimension();
        let scorer = scan.scorer(query, &self.rows[at * dimension..(at + 1) * dimension]);
        let before = state.theta();
        while listed != 0 {
            let place = listed.trailing_zeros() as usize;
            listed &= listed - 1;
            let document = Encoded { scale: terms[0][place], residual: terms[1][place], length: terms[2][place] };
            let id = (scan.coded.first + block * BLOCK + place) as u32;
            let interval = self.terms[at].interval(sums[lane][place], &document, id);
            state.push(interval, &wanted, &scorer, &mut self.scratch)?;
        }
        if state.theta() != before {
            self.lines[at] = self.terms[at].line(state.theta(), &wanted);
        }
        Ok(())
    }
}

per_isa! {
    /// Raises `best` to the lower ends of the documents that are surely admissible and allowed.
    fn lows(sums: &[i32; BLOCK], terms: [&[f32; BLOCK]; 3], line: &Line, allowed: u64, best: &mut [f32]) => lows_body
}

#[allow(clippy::inline_always)] // compiled anew for every level
#[inline(always)]
fn lows_body(sums: &[i32; BLOCK], terms: [&[f32; BLOCK]; 3], line: &Line, allowed: u64, best: &mut [f32]) {
    let [scales, residuals, lengths] = terms;
    let mut lows = [f32::NEG_INFINITY; BLOCK];
    for at in 0..BLOCK {
        let middle = sums[at] as f32 * scales[at];
        let width = line.residual * residuals[at] + line.length * lengths[at];
        let (low, high) = (middle - width, middle + width);
        lows[at] = if low >= line.from && high <= line.within { low } else { f32::NEG_INFINITY };
    }
    let mut forbidden = !allowed;
    while forbidden != 0 {
        lows[forbidden.trailing_zeros() as usize] = f32::NEG_INFINITY;
        forbidden &= forbidden - 1;
    }
    for (best, low) in best.iter_mut().zip(lows) {
        *best = if low > *best { low } else { *best };
    }
}

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

use super::block::{BlockView, BLOCK, STEP};
use super::code_bound::QueryTerms;
use super::codes::Codes;
use super::embeddings::RowScratch;
use super::encode::{Encoded, Encoder, Frame};
use super::exact::{self, Similarity};
use super::kernels::{compare, review, shape, Found, Line, GROUP};
use super::query_state::{QueryState, Scorer, Scratch, Wanted};
use super::scan::{AllWanted, SearchScan, Source};

/// Most queries of a part: with their codes and states they fit the second cache.
const MOST_QUERIES: usize = 240;
/// Fewest of a part, where there are so many: below, a block of documents is fetched for too little work.
const FEWEST_QUERIES: usize = 24;
/// Blocks between two looks at whether to go on.
const BLOCKS_AT_ONCE: usize = 16;
/// Documents looked at first, for a threshold: that many per document wanted, and one of so many of all; at most so many
/// blocks, whose sums are kept meanwhile.
const SEEN_PER_WANTED: usize = 64;
const SEEN_OF_ALL: usize = 16;
const MOST_SEEN: usize = 160;
/// The part of the bound that a score hardly leaves: the bound is the worst case, some 25 times what is common.
const LIKELY: f32 = 0.125;

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
    /// Takes in some blocks of the codes, for all queries: those at `places` of an order that leaps through the corpus, so
    /// that what comes first is a sample of it, sorted or not. Gives the number of documents that were rescored
    /// on the way: where that is a good part of all, codes do not pay.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Value`], [`Error::OutOfMemory`], [`Error::Interrupted`].
    pub fn update_codes(
        &mut self,
        exec: &Execution<'_>,
        source: &Source<'_>,
        coded: &Coded<'_>,
        places: Range<usize>,
    ) -> Result<u64> {
        let queries = self.states.len();
        self.check(source, 0, queries)?;
        self.check_codes(source, coded, &places)?;
        if queries == 0 || places.is_empty() {
            return Ok(0);
        }
        let SearchScan { similarity, ref wanted, ref excluded, ref mut states, careful } = *self;
        let order = Leaps::new(coded.codes.rows().div_ceil(BLOCK));
        let scan = Shared { exec, source, coded, similarity, wanted, excluded, order, careful };
        let rescored = |states: &[QueryState]| states.iter().map(|state| state.rescored).sum::<u64>();
        let before = rescored(states);
        let group = shape(exec.isa()).group;
        let fair = queries.div_ceil(exec.threads() * 4).next_multiple_of(group);
        let per_part = fair.clamp(FEWEST_QUERIES, MOST_QUERIES);
        let parts = queries.div_ceil(per_part);
        let cuts = if parts >= exec.threads() { 1 } else { (2 * exec.threads()).div_ceil(parts).min(places.len()) };
        if cuts == 1 {
            pool::map(exec, states.chunks_mut(per_part), Part::default, |part, index, states| {
                part.run(&scan, index * per_part, states, places.clone())
            })?;
        } else {
            let mine: &[QueryState] = states;
            let size = places.len().div_ceil(cuts);
            let work = (0..parts).flat_map(|part| (0..cuts).map(move |cut| (part, cut)));
            let found = pool::map(exec, work, Part::default, |part, _, (at, cut)| {
                let queries = at * per_part..mine.len().min((at + 1) * per_part);
                let mut own = try_collect(queries.clone().map(|query| Ok(scan.state_like(&mine[query], query))))?;
                let start = (places.start + cut * size).min(places.end);
                part.run(&scan, queries.start, &mut own, start..(start + size).min(places.end))?;
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
            ("documents", source.documents.rows(), self.wanted.documents),
            ("documents", end.max(self.wanted.documents), self.wanted.documents),
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
    wanted: &'a AllWanted,
    excluded: &'a Excluded,
    order: Leaps,
    careful: bool,
}

/// An order of blocks in which any run is spread over the corpus: steps of the golden ratio.
#[derive(Clone, Copy)]
struct Leaps {
    count: usize,
    step: usize,
}

impl Leaps {
    fn new(count: usize) -> Self {
        let mut step = (count as f64 * 0.618_033_988_749_894_9) as usize;
        while step > 1 && greatest_divisor(count, step) > 1 {
            step -= 1;
        }
        Leaps { count, step: step.max(1) }
    }

    /// The block at a place: every one has its own.
    fn block(self, place: usize) -> usize {
        (place as u64 * self.step as u64 % self.count as u64) as usize
    }
}

fn greatest_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_divisor(b, a % b)
    }
}

impl Shared<'_> {
    /// An empty state that knows the threshold of another.
    fn state_like(&self, state: &QueryState, query: usize) -> QueryState {
        let mut own = QueryState::new(&self.wanted.of(query));
        own.raise_theta(state.theta());
        own.guess(state.bar());
        own
    }

    /// One bit for every document of the block that is there and not excluded.
    fn allowed(&self, query: usize, block: usize) -> u64 {
        let excluded = self.excluded.row(query);
        if excluded.is_empty() {
            return self.coded.codes.present(block);
        }
        let start = (self.coded.first + block * BLOCK) as i64;
        let excluded = between(excluded, start, start + BLOCK as i64);
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
            let wanted = self.wanted.of(query);
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
    wanted: Vec<Wanted>,
    /// Their codes, group after group, in each step after step.
    codes: Vec<i32>,
    /// Queries per group.
    group: usize,
    found: Found,
    /// Sums of the blocks seen first, block after block, in each query after query.
    seen: Vec<[i32; BLOCK]>,
    /// What the scores of a query in these blocks hardly fall short of, as integers.
    guesses: Vec<u32>,
    encoder: Encoder,
    row: RowScratch,
    scratch: Scratch,
}

impl Part {
    fn run(&mut self, scan: &Shared<'_>, first: usize, states: &mut [QueryState], places: Range<usize>) -> Result<()> {
        // What was found so far says more than what there was to go by when it was listed.
        for (query, state) in (first..).zip(&mut *states) {
            state.raise_bar(&scan.wanted.of(query), scan.exec, &mut self.scratch)?;
        }
        self.prepare(scan, first, states)?;
        if scan.wanted.is_limited() {
            self.scan::<true>(scan, first, states, places)
        } else {
            self.scan::<false>(scan, first, states, places)
        }
    }

    /// Codes, terms and lines of the queries.
    fn prepare(&mut self, scan: &Shared<'_>, first: usize, states: &[QueryState]) -> Result<()> {
        let (frame, queries) = (&scan.coded.frame, scan.source.queries);
        let (isa, h) = (scan.exec.isa(), queries.dimension());
        let (shape, steps) = (shape(isa), h.div_ceil(STEP));
        // As even as can be: 8 queries are two groups of 4, not one of 6 and one of 2.
        self.group = states.len().div_ceil(states.len().div_ceil(shape.group));
        let Part { rows, terms, lines, wanted, codes, group, encoder, row, scratch, .. } = self;
        row.reserve(&queries)?;
        encoder.reserve(h)?;
        scratch.document.reserve(&scan.source.documents)?;
        rows.clear();
        terms.clear();
        lines.clear();
        wanted.clear();
        codes.clear();
        try_reserve_exact(rows, states.len() * h)?;
        try_reserve_exact(terms, states.len())?;
        try_reserve_exact(lines, states.len())?;
        try_reserve_exact(wanted, states.len())?;
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
            wanted.push(scan.wanted.of(query));
            lines.push(found.line(state.bar(), &wanted[index]));
            terms.push(found);
            let start = index / *group * *group;
            let (lane, size) = (index - start, (*group).min(states.len() - start));
            let place = &mut codes[start * steps..(start + size) * steps];
            for (word, codes) in place.iter_mut().skip(lane).step_by(size).zip(encoder.codes.chunks(STEP)) {
                *word = i32::from_le_bytes([codes[0], codes[1], codes[2], codes[3]].map(|code| code as u8));
            }
        }
        Ok(())
    }

    fn scan<const LIMITED: bool>(
        &mut self,
        scan: &Shared<'_>,
        first: usize,
        states: &mut [QueryState],
        places: Range<usize>,
    ) -> Result<()> {
        let (isa, codes, h) = (scan.exec.isa(), &scan.coded.codes, scan.source.queries.dimension());
        let steps = h.div_ceil(STEP);
        let seen = self.seed::<LIMITED>(scan, first, states, &places)?;
        let Part { rows, terms, lines, wanted, codes: packed, group, found, scratch, .. } = self;
        for place in places.start + seen..places.end {
            if place % BLOCKS_AT_ONCE == 0 {
                scan.exec.check()?;
            }
            let block = scan.order.block(place);
            let view = codes.block(block);
            for start in (0..states.len()).step_by(*group) {
                let end = states.len().min(start + *group);
                compare::<LIMITED>(isa, &view, &packed[start * steps..end * steps], &lines[start..end], found);
                for at in start..end {
                    let lane = at - start;
                    let told = [found.listed[lane], found.above[lane], found.below[lane]];
                    if told[0] != 0 || (LIMITED && told[1] | told[2] != 0) {
                        let (values, sums) = (&rows[at * h..(at + 1) * h], &found.sums[lane]);
                        let query = Query { number: first + at, values, terms: &terms[at], wanted: &wanted[at] };
                        query.note::<LIMITED>(
                            scan,
                            block,
                            &view,
                            sums,
                            told,
                            &mut states[at],
                            &mut lines[at],
                            scratch,
                        )?;
                    }
                }
            }
        }
        Ok(())
    }

    /// First thresholds for queries that have none: the documents of the first places are dealt into groups, and k groups
    /// have a best one at least that good. And guesses: where the k-th best of all would be if the documents of the first
    /// places are a fair sample, with some room for chance. What a caller knows to be reached may do as well as either: that is
    /// seen from how many of the sample reach it. Gives the number of places that are done with.
    fn seed<const LIMITED: bool>(
        &mut self,
        scan: &Shared<'_>,
        first: usize,
        states: &mut [QueryState],
        places: &Range<usize>,
    ) -> Result<usize> {
        let (k, codes, h) = (scan.wanted.k, &scan.coded.codes, scan.source.queries.dimension());
        let seen = (k.saturating_mul(SEEN_PER_WANTED) / BLOCK).max(places.len() / SEEN_OF_ALL);
        let seen = seen.clamp(1, MOST_SEEN).min(places.len());
        // With four groups per document wanted, some 1.15 k documents reach the bound that comes out; with two, 1.4 k.
        let best_blocks = k.saturating_mul(4).div_ceil(BLOCK).min(seen);
        let fresh = states.iter().zip(&self.wanted).all(|(state, wanted)| state.is_fresh(wanted));
        if k == 0 || !fresh || best_blocks * BLOCK < 2 * k {
            return Ok(0);
        }
        let (isa, steps, size) = (scan.exec.isa(), h.div_ceil(STEP), best_blocks * BLOCK);
        let rank = sample_rank(k, seen * BLOCK, codes.rows());
        let Part { rows, terms, lines, wanted, codes: packed, group, found, seen: kept, guesses, scratch, .. } = self;
        make_room(&mut scratch.best, size * GROUP)?;
        make_room(guesses, seen * BLOCK)?;
        make_room(&mut scratch.keys, size)?;
        make_room(kept, seen * GROUP)?;
        for start in (0..states.len()).step_by(*group) {
            scan.exec.check()?;
            let end = states.len().min(start + *group);
            let count = end - start;
            scratch.best.clear();
            scratch.best.resize(size * count, f32::NEG_INFINITY);
            kept.clear();
            let open: [Line; GROUP] =
                std::array::from_fn(|at| Line { theta: f32::NEG_INFINITY, ..lines[(start + at).min(end - 1)] });
            for place in 0..seen {
                let block = scan.order.block(places.start + place);
                let view = codes.block(block);
                compare::<false>(isa, &view, &packed[start * steps..end * steps], &open[..count], found);
                kept.extend_from_slice(&found.sums[..count]);
                for (lane, line) in open[..count].iter().enumerate().filter(|(lane, _)| !wanted[start + lane].is_told())
                {
                    let best = &mut scratch.best[lane * size + place % best_blocks * BLOCK..][..BLOCK];
                    let allowed = scan.allowed(first + start + lane, block);
                    lows(isa, &found.sums[lane], view.terms(), line, allowed, best);
                }
            }
            for at in start..end {
                let best = &mut scratch.best[(at - start) * size..][..size];
                if wanted[at].is_told() {
                    // By the middles of the intervals: a guess, too, hardly asks for more.
                    let line = Line { residual: 0.0, length: 0.0, ..lines[at] };
                    let sums_of = |place: usize| {
                        let block = scan.order.block(places.start + place);
                        (codes.block(block), scan.allowed(first + at, block), &kept[place * count + at - start])
                    };
                    let reaching = (0..seen).map(sums_of).map(|(view, allowed, sums)| {
                        (review::<false>(isa, &view, sums, &line)[0] & allowed).count_ones() as usize
                    });
                    if reaching.sum::<usize>() <= rank {
                        continue;
                    }
                    for (place, (view, allowed, sums)) in (0..seen).map(sums_of).enumerate() {
                        let best = &mut best[place % best_blocks * BLOCK..][..BLOCK];
                        lows(isa, sums, view.terms(), &open[at - start], allowed, best);
                    }
                }
                scratch.keys.clear();
                scratch.keys.extend(best.iter().map(|low| low.key()));
                let (_, kth, _) = scratch.keys.select_nth_unstable(size - k);
                let bound = f32::from_key(*kth);
                if bound.is_finite() {
                    states[at].raise_theta(terms[at].at_least(bound));
                }
                if !scan.careful && rank < seen * BLOCK {
                    guesses.clear();
                    for place in 0..seen {
                        let block = scan.order.block(places.start + place);
                        let allowed = scan.allowed(first + at, block);
                        let sums = &kept[place * count + at - start];
                        push_guesses(isa, sums, codes.block(block).terms(), &open[at - start], allowed, guesses);
                    }
                    let (_, guess, _) = guesses.select_nth_unstable(seen * BLOCK - rank);
                    let guess = f32::from_key(*guess);
                    if guess.is_finite() {
                        states[at].guess(terms[at].at_least(guess));
                    }
                }
                lines[at] = terms[at].line(states[at].bar(), &wanted[at]);
            }
            for place in 0..seen {
                let block = scan.order.block(places.start + place);
                let view = codes.block(block);
                for at in start..end {
                    let sums = &kept[place * count + at - start];
                    let told = review::<LIMITED>(isa, &view, sums, &lines[at]);
                    let query = Query {
                        number: first + at,
                        values: &rows[at * h..(at + 1) * h],
                        terms: &terms[at],
                        wanted: &wanted[at],
                    };
                    query.note::<LIMITED>(scan, block, &view, sums, told, &mut states[at], &mut lines[at], scratch)?;
                }
            }
        }
        Ok(seen)
    }
}

/// What is known of a query.
struct Query<'a> {
    number: usize,
    values: &'a [f32],
    terms: &'a QueryTerms,
    wanted: &'a Wanted,
}

impl Query<'_> {
    /// Takes note of what a block holds for the query: `told` is what the kernel told of it.
    #[allow(clippy::too_many_arguments)]
    #[inline]
    fn note<const LIMITED: bool>(
        &self,
        scan: &Shared<'_>,
        block: usize,
        view: &BlockView<'_>,
        sums: &[i32; BLOCK],
        told: [u64; 3],
        state: &mut QueryState,
        line: &mut Line,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let allowed = scan.allowed(self.number, block);
        if LIMITED {
            state.tally.above_ceiling += i64::from((told[1] & allowed).count_ones());
            state.tally.below_floor += i64::from((told[2] & allowed).count_ones());
        }
        let (mut listed, terms, before) = (told[0] & allowed, view.terms(), state.bar());
        while listed != 0 {
            let place = listed.trailing_zeros() as usize;
            listed &= listed - 1;
            let document = Encoded { scale: terms[0][place], residual: terms[1][place], length: terms[2][place] };
            let id = (scan.coded.first + block * BLOCK + place) as u32;
            if state.note(self.terms.interval(sums[place], &document, id), self.wanted)? {
                state.shrink(self.wanted, &scan.scorer(self.number, self.values), scratch)?;
            }
        }
        if state.bar() != before {
            *line = self.terms.line(state.bar(), self.wanted);
        }
        Ok(())
    }
}

/// The rank in a sample whose document is so far down that k of all are surely better, but for chances of one in a
/// thousand: the number of the k best that are in the sample is nearly a Poisson one.
fn sample_rank(k: usize, sample: usize, all: usize) -> usize {
    let expected = k as f64 * sample as f64 / all.max(1) as f64;
    (expected + 3.0 * expected.sqrt() + 2.0).ceil() as usize
}

per_isa! {
    /// Appends what the scores of admissible and allowed documents hardly fall short of; the lowest for all others. Codes
    /// are off by far less than their bound, which holds for residuals that all point the same way.
    fn push_guesses(
        sums: &[i32; BLOCK], terms: [&[f32; BLOCK]; 3], line: &Line, allowed: u64, guesses: &mut Vec<u32>,
    ) => push_guesses_body
}

#[allow(clippy::inline_always)] // compiled anew for every level
#[inline(always)]
fn push_guesses_body(
    sums: &[i32; BLOCK],
    terms: [&[f32; BLOCK]; 3],
    line: &Line,
    allowed: u64,
    guesses: &mut Vec<u32>,
) {
    let mut keys = [f32::NEG_INFINITY.key(); BLOCK];
    for at in 0..BLOCK {
        let middle = sums[at] as f32 * terms[0][at];
        let width = line.residual * terms[1][at] + line.length * terms[2][at];
        let admissible = middle >= line.from && middle <= line.within;
        keys[at] = (if admissible { middle - width * LIKELY } else { f32::NEG_INFINITY }).key();
    }
    let mut forbidden = !allowed;
    while forbidden != 0 {
        keys[forbidden.trailing_zeros() as usize] = f32::NEG_INFINITY.key();
        forbidden &= forbidden - 1;
    }
    guesses.extend_from_slice(&keys);
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

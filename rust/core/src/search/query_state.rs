//! What the scan remembers about one query: a bounded list of documents that may still be among its k best.
//!
//! A document enters as an interval that surely holds its score, and ends as a point once it is rescored. `theta` is a
//! proven lower bound of the final k-th best admissible score: the k-th largest lower end among surely admissible
//! documents, or what the caller knows that k of them reach elsewhere. A document is dropped when its upper end lies below `theta` and its side of the ceiling and floor is sure
//! (and counted). So memory is bounded, and a corpus of equal scores costs rescoring, not space.
//!
//! A caller may guess: whatever ends below `guess` is dropped too. Once every score is known, the guess is confirmed where
//! k admissible documents reach it: what was dropped lies below them. Where it is not, the query must be scanned again.

use crate::error::{try_reserve, try_reserve_exact, Result};
use crate::limits::Tally;
use crate::order::Score;
use crate::pool::Execution;
use crate::{sort, steps};

use super::embeddings::{Embeddings, RowScratch};
use super::exact::{self, Similarity};

/// Documents fetched ahead of the one that is rescored.
const PREFETCH: usize = 8;

/// So many documents are few.
const FEW_WANTED: usize = 32;

/// Documents rescored between two looks at whether to go on.
pub(super) const RESCORED_AT_ONCE: usize = 64;

/// Scores documents exactly for one query.
#[derive(Clone, Copy)]
pub struct Scorer<'a> {
    /// How the call runs.
    pub exec: &'a Execution<'a>,
    /// Similarity.
    pub similarity: Similarity,
    /// The query as float32.
    pub query: &'a [f32],
    /// Its norm.
    pub query_norm: f64,
    /// All documents.
    pub documents: Embeddings<'a>,
    /// Their norms.
    pub document_norms: &'a [f64],
}

impl Scorer<'_> {
    /// Exact score of the document in that row.
    #[inline]
    pub fn score(&self, row: usize, scratch: &mut RowScratch) -> f32 {
        let dot = exact::dot(self.exec.isa(), self.query, self.documents.row(row, scratch));
        self.similarity.score(dot, self.query_norm, self.document_norms[row])
    }

    /// As [`Self::score`], for the query in float64.
    #[inline]
    fn score_wide(&self, query: &[f64], row: usize, scratch: &mut RowScratch) -> f32 {
        let dot = exact::dot_wide(self.exec.isa(), query, self.documents.row(row, scratch));
        self.similarity.score(dot, self.query_norm, self.document_norms[row])
    }
}

/// A document and the interval that holds its score; a point where the score is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The score is at least this.
    pub low: f32,
    /// The score is at most this.
    pub high: f32,
    /// The document.
    pub id: u32,
}

impl Interval {
    /// Whether the score is not known yet.
    fn is_open(&self) -> bool {
        self.low < self.high
    }

    /// In ranking order, where scores are known.
    fn ranking(&self) -> u64 {
        (u64::from(!self.low.key()) << 32) | u64::from(self.id)
    }
}

/// Where a query's list stops growing and what is admissible to it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Number of documents wanted.
    pub k: usize,
    /// Entries kept before the list is shrunk.
    pub capacity: usize,
    /// A score above this is not admissible.
    pub ceiling: f32,
    /// A score below this is not admissible.
    pub floor: f32,
    /// A score below this is not wanted, admissible or not: k documents elsewhere reach it, or it is the floor. Not below that.
    pub least: f32,
}

impl Wanted {
    /// Whether there is neither ceiling nor floor.
    fn is_open(&self) -> bool {
        self.ceiling == f32::INFINITY && self.floor == f32::NEG_INFINITY
    }

    /// Whether there is something to go by before any document was seen.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.least > self.floor
    }

    /// Whether the interval reaches across the ceiling or the floor.
    #[allow(clippy::needless_bitwise_bool)]
    fn unsure(&self, interval: &Interval) -> bool {
        // No short cuts: none of the four can be foretold, and a wrong guess costs more than all of them.
        ((interval.low <= self.ceiling) & (self.ceiling < interval.high))
            | ((interval.low < self.floor) & (self.floor <= interval.high))
    }
}

/// Buffers that one thread reuses from query to query.
#[derive(Default)]
pub struct Scratch {
    /// Scores as integers, for selection.
    pub keys: Vec<u32>,
    /// Best lower ends of groups of documents.
    pub best: Vec<f32>,
    /// For sorting.
    pub intervals: Vec<Interval>,
    /// For the documents' rows.
    pub document: RowScratch,
    /// The query in float64.
    wide: Vec<f64>,
}

/// State of one query.
#[derive(Debug, Clone)]
pub struct QueryState {
    theta: f32,
    guess: f32,
    intervals: Vec<Interval>,
    /// What was surely removed so far.
    pub tally: Tally,
    /// Documents listed so far: those that cheap arithmetic could not discard.
    pub survivors: u64,
    /// Documents rescored so far.
    pub rescored: u64,
}

impl QueryState {
    /// Empty state. With k = 0 no score at all is wanted.
    #[must_use]
    pub fn new(wanted: &Wanted) -> Self {
        let theta = if wanted.k == 0 { f32::INFINITY } else { wanted.least };
        QueryState {
            theta,
            guess: f32::NEG_INFINITY,
            intervals: Vec::new(),
            tally: Tally::default(),
            survivors: 0,
            rescored: 0,
        }
    }

    /// A proven lower bound of the final k-th best admissible score, or of that of a search that this one is a part of.
    #[inline]
    #[must_use]
    pub fn theta(&self) -> f32 {
        self.theta
    }

    /// What ends below this is dropped: `theta`, or a guess above it.
    #[inline]
    #[must_use]
    pub fn bar(&self) -> f32 {
        self.theta.max(self.guess)
    }

    /// Drops from now on what ends below this, to be confirmed by [`Self::settle`].
    pub fn guess(&mut self, bar: f32) {
        self.guess = self.guess.max(bar);
    }

    /// Whether no document has told anything yet.
    #[must_use]
    pub fn is_fresh(&self, wanted: &Wanted) -> bool {
        self.intervals.is_empty() && self.theta <= wanted.least
    }

    /// Notes another proven lower bound of the final k-th best admissible score.
    pub fn raise_theta(&mut self, bound: f32) {
        self.theta = self.theta.max(bound);
    }

    /// Takes note of a document whose score lies in the interval.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`]: the state is then of no use.
    pub fn push(
        &mut self,
        interval: Interval,
        wanted: &Wanted,
        scorer: &Scorer<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if self.note(interval, wanted)? {
            self.shrink(wanted, scorer, scratch)?;
        }
        Ok(())
    }

    /// As [`Self::push`], for callers that have a scorer at hand only where it is needed: whether a [`Self::shrink`] must
    /// follow.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    #[inline]
    pub fn note(&mut self, interval: Interval, wanted: &Wanted) -> Result<bool> {
        if interval.low > wanted.ceiling {
            self.tally.above_ceiling += 1;
        } else if interval.high < wanted.floor && interval.high <= wanted.ceiling {
            self.tally.below_floor += 1;
        } else if !(interval.high < self.bar()) || wanted.unsure(&interval) {
            if self.intervals.capacity() == 0 {
                try_reserve_exact(&mut self.intervals, wanted.capacity)?;
            }
            self.intervals.push(interval);
            self.survivors += 1;
            return Ok(self.intervals.len() >= wanted.capacity);
        }
        Ok(false)
    }

    /// Takes over what another state of the same query found in other documents.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn take(
        &mut self,
        other: QueryState,
        wanted: &Wanted,
        scorer: &Scorer<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        self.tally.above_ceiling += other.tally.above_ceiling;
        self.tally.below_floor += other.tally.below_floor;
        self.rescored += other.rescored;
        self.raise_theta(other.theta);
        self.guess(other.guess);
        let survivors = self.survivors + other.survivors;
        other.intervals.into_iter().try_for_each(|interval| self.push(interval, wanted, scorer, scratch))?;
        self.survivors = survivors; // not once more those that were taken over
        Ok(())
    }

    /// Raises the bar to what the list proves, where few are wanted, of which a sample to guess from holds hardly one: more
    /// than some proofs cost as much as they spare.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn raise_bar(&mut self, wanted: &Wanted, exec: &Execution<'_>, scratch: &mut Scratch) -> Result<()> {
        if wanted.k <= FEW_WANTED && self.intervals.len() >= 2 * wanted.k {
            self.discard(wanted, exec, scratch)?;
        }
        Ok(())
    }

    /// Makes room in the list.
    ///
    /// # Errors
    /// As [`Self::push`].
    #[cold]
    pub fn shrink(&mut self, wanted: &Wanted, scorer: &Scorer<'_>, scratch: &mut Scratch) -> Result<()> {
        self.discard(wanted, scorer.exec, scratch)?;
        // Half of the spare room must come free, or the next shrink follows too soon.
        let few = wanted.k + (wanted.capacity - wanted.k) / 2;
        if self.intervals.len() > few {
            self.tighten(wanted, scorer, scratch)?;
        }
        if self.intervals.len() > few {
            self.resolve(self.intervals.len(), wanted, scorer, scratch)?;
        }
        Ok(())
    }

    /// Rescores the documents that look best, k of them: their scores discard most of the others, which then are never read.
    fn tighten(&mut self, wanted: &Wanted, scorer: &Scorer<'_>, scratch: &mut Scratch) -> Result<()> {
        let count = self.put_best_first(wanted, scorer.exec)?;
        if count < self.intervals.len() {
            self.resolve(count, wanted, scorer, scratch)?;
            self.discard(wanted, scorer.exec, scratch)?;
        }
        Ok(())
    }

    /// Raises `theta` and drops what lies below it.
    fn discard(&mut self, wanted: &Wanted, exec: &Execution<'_>, scratch: &mut Scratch) -> Result<()> {
        let keys = &mut scratch.keys;
        keys.clear();
        try_reserve(keys, self.intervals.len())?;
        steps::each(exec, &self.intervals, |part| {
            if wanted.is_open() {
                keys.extend(part.iter().map(|interval| interval.low.key()));
            } else {
                keys.extend(part.iter().filter(|interval| !wanted.unsure(interval)).map(|interval| interval.low.key()));
            }
        })?;
        if wanted.k > 0 && keys.len() >= wanted.k {
            let place = keys.len() - wanted.k;
            sort::select(exec, keys, place, |key| *key)?;
            self.theta = self.theta.max(f32::from_key(keys[place]));
        }
        let bar = self.bar();
        steps::retain(exec, &mut self.intervals, |interval| !(interval.high < bar) | wanted.unsure(interval))
    }

    /// Rescores the first `count` intervals; where those are all, keeps the k best.
    fn resolve(&mut self, count: usize, wanted: &Wanted, scorer: &Scorer<'_>, scratch: &mut Scratch) -> Result<()> {
        let Scratch { document, wide, .. } = scratch;
        wide.clear();
        try_reserve(wide, scorer.query.len())?;
        wide.extend(scorer.query.iter().map(|x| f64::from(*x)));
        for at in 0..count {
            if at % RESCORED_AT_ONCE == 0 {
                scorer.exec.check()?;
            }
            // Documents lie far apart: fetch the next ones while this one is computed.
            if let Some(later) = self.intervals[..count].get(at + PREFETCH).filter(|later| later.is_open()) {
                scorer.documents.prefetch(later.id as usize);
            }
            let interval = self.intervals[at];
            if interval.is_open() {
                self.know(at, scorer.score_wide(wide, interval.id as usize, document), wanted);
            }
        }
        self.keep_admissible(wanted, scorer.exec)?;
        if count >= self.intervals.len() {
            self.keep_best(wanted, scorer.exec)?;
        }
        Ok(())
    }

    /// Notes the score of the document at a place of the list.
    #[inline]
    pub fn know(&mut self, at: usize, score: f32, wanted: &Wanted) {
        let interval = &mut self.intervals[at];
        (interval.low, interval.high) = (score, score);
        self.tally.above_ceiling += i64::from(score > wanted.ceiling);
        self.tally.below_floor += i64::from(score < wanted.floor && score <= wanted.ceiling);
        self.rescored += 1;
    }

    /// Drops what turned out not to be admissible, or not to be wanted.
    fn keep_admissible(&mut self, wanted: &Wanted, exec: &Execution<'_>) -> Result<()> {
        let welcome = |interval: &Interval| interval.low <= wanted.ceiling && interval.low >= wanted.least;
        steps::retain(exec, &mut self.intervals, |interval| interval.is_open() || welcome(interval))
    }

    /// Keeps the k best of documents whose scores are all known.
    fn keep_best(&mut self, wanted: &Wanted, exec: &Execution<'_>) -> Result<()> {
        if self.intervals.len() > wanted.k {
            if wanted.k > 0 {
                sort::select(exec, &mut self.intervals, wanted.k - 1, Interval::ranking)?;
                self.theta = self.theta.max(self.intervals[wanted.k - 1].low);
            }
            self.intervals.truncate(wanted.k);
        }
        Ok(())
    }

    /// Puts first what is to be rescored first: as many as are wanted, the best as far as is known. Gives their number.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn put_best_first(&mut self, wanted: &Wanted, exec: &Execution<'_>) -> Result<usize> {
        if wanted.k > 0 && self.intervals.len() > wanted.k {
            let best_first = |interval: &Interval| !(interval.low * 0.5 + interval.high * 0.5).key();
            sort::select(exec, &mut self.intervals, wanted.k - 1, best_first)?;
            return Ok(wanted.k);
        }
        Ok(self.intervals.len())
    }

    /// Drops what the scores known by now rule out. Gives the number of documents that are left.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn drop_ruled_out(&mut self, wanted: &Wanted, exec: &Execution<'_>, scratch: &mut Scratch) -> Result<usize> {
        self.keep_admissible(wanted, exec)?;
        self.discard(wanted, exec, scratch)?;
        Ok(self.intervals.len())
    }

    /// Keeps the k best, now that every score is known: whether they confirm the guess, if there was one.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn conclude(&mut self, wanted: &Wanted, exec: &Execution<'_>) -> Result<bool> {
        self.keep_admissible(wanted, exec)?;
        self.keep_best(wanted, exec)?;
        let reached = || self.intervals.iter().all(|interval| interval.low >= self.guess);
        Ok(self.guess <= self.theta || (self.intervals.len() == wanted.k && reached()))
    }

    /// The documents whose scores are not known yet, among the first `count`: places in the list, and ids.
    pub fn open(&self, count: usize) -> impl Iterator<Item = (usize, u32)> + '_ {
        let places = self.intervals[..count].iter().enumerate();
        places.filter(|(_, interval)| interval.is_open()).map(|(at, interval)| (at, interval.id))
    }

    /// The list in ranking order and with scores at both ends, and the exact tally, after [`Self::conclude`]. The state is
    /// used up.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(&mut self, exec: &Execution<'_>, scratch: &mut Scratch) -> Result<(Vec<Interval>, Tally)> {
        sort::sort(exec, &mut self.intervals, Interval::ranking, 0, &mut scratch.intervals)?;
        Ok((std::mem::take(&mut self.intervals), self.tally))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::matrix::Matrix;
    use crate::steps::tests::{going, stopped};

    #[test]
    fn rescoring_ends_when_asked() {
        let (values, norms) = ([1.0f32; 200], [1.0; 100]);
        let documents = Embeddings::F32(Matrix::from_slice(&values, 100, 2));
        for (exec, wanted) in [(going(), Ok(())), (stopped(), Err(Error::Interrupted))] {
            let (query, similarity, document_norms) = (&values[..2], Similarity::Dot, &norms[..]);
            let scorer = Scorer { exec: &exec, similarity, query, query_norm: 1.0, documents, document_norms };
            let limits = Wanted {
                k: 2,
                capacity: 99,
                ceiling: f32::INFINITY,
                floor: f32::NEG_INFINITY,
                least: f32::NEG_INFINITY,
            };
            let (mut state, mut scratch) = (QueryState::new(&limits), Scratch::default());
            for id in 0..90 {
                state.push(Interval { low: 0.0, high: 3.0, id }, &limits, &scorer, &mut scratch).unwrap();
            }
            assert_eq!(state.shrink(&limits, &scorer, &mut scratch), wanted);
            assert_eq!(state.intervals.len(), if wanted.is_ok() { 2 } else { 90 });
        }
    }
}

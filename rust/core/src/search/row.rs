//! What the scan remembers about one query: a bounded list of documents that may still be among its k best.
//!
//! A document enters as an interval that surely holds its score, and ends as a point once it is rescored. `theta` is a
//! proven lower bound of the final k-th best admissible score: the k-th largest lower end among surely admissible
//! documents. A document is dropped when its upper end lies below `theta` and its side of the ceiling and floor is sure
//! (and counted). So memory is bounded, and a corpus of equal scores costs rescoring, not space.

use std::cmp::Reverse;

use crate::limits::Tally;
use crate::order::{sort_ranking, Score};

use super::embeddings::{Embeddings, RowScratch};
use super::exact::{self, Similarity};
use crate::isa::Isa;

/// Documents fetched ahead of the one that is rescored.
const PREFETCH: usize = 3;

/// Scores documents exactly for one query.
#[derive(Clone, Copy)]
pub struct Scorer<'a> {
    /// Instruction set.
    pub isa: Isa,
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
        let dot = exact::dot(self.isa, self.query, self.documents.row(row, scratch));
        self.similarity.score(dot, self.query_norm, self.document_norms[row])
    }
}

/// A document and the interval that holds its score; a point where the score is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// The score is at least this.
    pub low: f32,
    /// The score is at most this.
    pub high: f32,
    /// The document.
    pub id: u32,
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
}

impl Wanted {
    /// Whether the interval reaches across the ceiling or the floor.
    fn unsure(&self, entry: &Entry) -> bool {
        (entry.low <= self.ceiling && self.ceiling < entry.high) || (entry.low < self.floor && self.floor <= entry.high)
    }
}

/// Buffers that one thread reuses from row to row.
#[derive(Default)]
pub struct Scratch {
    /// Scores as integers, for selection.
    pub keys: Vec<u32>,
    /// For the documents' rows.
    pub document: RowScratch,
}

/// State of one query.
#[derive(Debug, Clone)]
pub struct Row {
    theta: f32,
    entries: Vec<Entry>,
    /// What was surely removed so far.
    pub tally: Tally,
}

impl Row {
    /// Empty state. No score below the floor is ever wanted, and with k = 0 none at all.
    #[must_use]
    pub fn new(wanted: &Wanted) -> Self {
        let theta = if wanted.k == 0 { f32::INFINITY } else { wanted.floor };
        Row { theta, entries: Vec::new(), tally: Tally::default() }
    }

    /// A proven lower bound of the final k-th best admissible score.
    #[inline]
    #[must_use]
    pub fn theta(&self) -> f32 {
        self.theta
    }

    /// Whether nothing is known yet that would discard a document.
    #[must_use]
    pub fn is_fresh(&self, wanted: &Wanted) -> bool {
        self.entries.is_empty() && self.theta <= wanted.floor
    }

    /// Notes another proven lower bound of the final k-th best admissible score.
    pub fn raise_theta(&mut self, bound: f32) {
        self.theta = self.theta.max(bound);
    }

    /// Takes note of a document whose score lies in the interval of `entry`.
    pub fn push(&mut self, entry: Entry, wanted: &Wanted, scorer: &Scorer<'_>, scratch: &mut Scratch) {
        if entry.low > wanted.ceiling {
            self.tally.above_ceiling += 1;
        } else if entry.high < wanted.floor && entry.high <= wanted.ceiling {
            self.tally.below_floor += 1;
        } else if !(entry.high < self.theta) || wanted.unsure(&entry) {
            if self.entries.capacity() == 0 {
                self.entries.reserve_exact(wanted.capacity);
            }
            self.entries.push(entry);
            if self.entries.len() >= wanted.capacity {
                self.shrink(wanted, scorer, scratch);
            }
        }
    }

    fn shrink(&mut self, wanted: &Wanted, scorer: &Scorer<'_>, scratch: &mut Scratch) {
        self.discard(wanted, scratch);
        // Half of the spare room must come free, or the next shrink follows too soon.
        if self.entries.len() > wanted.k + (wanted.capacity - wanted.k) / 2 {
            self.resolve(wanted, scorer, scratch);
        }
    }

    /// Raises `theta` and drops what lies below it.
    fn discard(&mut self, wanted: &Wanted, scratch: &mut Scratch) {
        let keys = &mut scratch.keys;
        keys.clear();
        keys.extend(self.entries.iter().filter(|entry| !wanted.unsure(entry)).map(|entry| entry.low.key()));
        if wanted.k > 0 && keys.len() >= wanted.k {
            let place = keys.len() - wanted.k;
            let (_, kth, _) = keys.select_nth_unstable(place);
            self.theta = self.theta.max(f32::from_key(*kth));
        }
        let theta = self.theta;
        self.entries.retain(|entry| !(entry.high < theta) || wanted.unsure(entry));
    }

    /// Rescores every interval and keeps the k best.
    fn resolve(&mut self, wanted: &Wanted, scorer: &Scorer<'_>, scratch: &mut Scratch) {
        let tally = &mut self.tally;
        for at in 0..self.entries.len() {
            // Documents lie far apart: fetch the next ones while this one is computed.
            if let Some(later) = self.entries.get(at + PREFETCH).filter(|later| later.low < later.high) {
                scorer.documents.prefetch(later.id as usize);
            }
            let entry = &mut self.entries[at];
            if entry.low < entry.high {
                let score = scorer.score(entry.id as usize, &mut scratch.document);
                (entry.low, entry.high) = (score, score);
                tally.above_ceiling += i64::from(score > wanted.ceiling);
                tally.below_floor += i64::from(score < wanted.floor && score <= wanted.ceiling);
            }
        }
        self.entries.retain(|entry| entry.low <= wanted.ceiling && entry.low >= wanted.floor);
        if self.entries.len() > wanted.k {
            if wanted.k > 0 {
                let rank = |entry: &Entry| (Reverse(entry.low.key()), entry.id);
                let (_, kth, _) = self.entries.select_nth_unstable_by_key(wanted.k - 1, rank);
                self.theta = self.theta.max(kth.low);
            }
            self.entries.truncate(wanted.k);
        }
    }

    /// The k best, in ranking order, and the exact tally.
    pub fn finish(&mut self, wanted: &Wanted, scorer: &Scorer<'_>, scratch: &mut Scratch) -> (Vec<(f32, i64)>, Tally) {
        self.discard(wanted, scratch);
        // In the order of the corpus: neighbours share memory pages.
        self.entries.sort_unstable_by_key(|entry| entry.id);
        self.resolve(wanted, scorer, scratch);
        let mut best: Vec<_> = self.entries.iter().map(|entry| (entry.low, i64::from(entry.id))).collect();
        sort_ranking(&mut best);
        self.entries = Vec::new();
        (best, self.tally)
    }
}

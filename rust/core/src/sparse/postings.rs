//! An inverted index in blocks of documents: per block a dictionary of the terms that occur in it, and per term the
//! documents that have it, with their weights.
//!
//! A block is small enough for the sums of its documents to stay in the cache, and its documents have numbers of two
//! bytes. Blocks know nothing of each other: they are made in parallel.

use std::ops::Range;

use crate::error::{try_reserve_exact, try_vec, Error, Result};
use crate::pool::{self, Execution};
use crate::sort;

use super::rows::SparseRows;

/// Documents of a block.
pub const BLOCK: usize = 1 << 14;

/// The index of some documents: flat arrays, which may lie in a file that anybody wrote. Nothing in them makes a search
/// read out of place.
#[derive(Debug, Clone, Copy)]
pub struct Postings<'a> {
    /// Number of documents.
    pub documents: usize,
    /// Block b has entries `blocks[b]..blocks[b + 1]` of the dictionary.
    pub blocks: &'a [i64],
    /// Term of each entry, rising inside a block.
    pub terms: &'a [i32],
    /// Entry e has postings `starts[e]..starts[e + 1]`.
    pub starts: &'a [i64],
    /// Largest weight of each entry.
    pub high: &'a [f32],
    /// Smallest weight of each entry.
    pub low: &'a [f32],
    /// Document of each posting, counted from the first of its block, rising inside an entry.
    pub places: &'a [u16],
    /// Weight of each posting.
    pub weights: &'a [f32],
}

/// What [`Postings`] borrows.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)] // as above
pub struct Built {
    pub blocks: Vec<i64>,
    pub terms: Vec<i32>,
    pub starts: Vec<i64>,
    pub high: Vec<f32>,
    pub low: Vec<f32>,
    pub places: Vec<u16>,
    pub weights: Vec<f32>,
}

impl<'a> Postings<'a> {
    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// [`Error::Value`] where they do not.
    pub fn check(&self) -> Result<()> {
        let entries = self.terms.len();
        let fits = self.blocks.len() == self.documents.div_ceil(BLOCK) + 1
            && self.starts.len() == entries + 1
            && (self.high.len(), self.low.len()) == (entries, entries)
            && self.places.len() == self.weights.len();
        let problem = || "arrays of lengths that do not fit".to_owned();
        fits.then_some(()).ok_or_else(|| Error::Value { argument: "postings", problem: problem() })
    }

    /// Number of blocks.
    #[must_use]
    pub fn num_blocks(&self) -> usize {
        self.blocks.len() - 1
    }

    /// Number of documents of a block.
    #[must_use]
    pub fn documents_in(&self, block: usize) -> usize {
        (self.documents - block * BLOCK).min(BLOCK)
    }

    /// Entries of a block.
    #[must_use]
    pub fn entries(&self, block: usize) -> Range<usize> {
        within(self.blocks, block, self.terms.len())
    }

    /// Documents and weights of an entry.
    #[inline]
    #[must_use]
    pub fn list(&self, entry: usize) -> (&'a [u16], &'a [f32]) {
        let range = within(self.starts, entry, self.places.len());
        (&self.places[range.clone()], &self.weights[range])
    }
}

/// Where row `row` lies among `len` items, whatever the offsets are.
#[inline]
fn within(offsets: &[i64], row: usize, len: usize) -> Range<usize> {
    let end = (offsets[row + 1].max(0) as usize).min(len);
    (offsets[row].max(0) as usize).min(end)..end
}

/// One posting while a block is sorted: the term above the document.
#[derive(Debug, Clone, Copy, Default)]
struct Item {
    key: u64,
    weight: f32,
}

/// Dictionary of one block; `starts` count from its first posting.
#[derive(Default)]
struct Dictionary {
    terms: Vec<i32>,
    starts: Vec<i64>,
    high: Vec<f32>,
    low: Vec<f32>,
}

/// Makes the index of some documents. Beyond the result it takes 32 bytes per posting of a block, on every thread, and
/// the dictionary a second time.
///
/// # Errors
/// [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn build(exec: &Execution<'_>, rows: &SparseRows<'_>) -> Result<Built> {
    let count = rows.len().div_ceil(BLOCK);
    let ends = |block: usize| rows.range((block * BLOCK).min(rows.len() - 1)).start;
    let total = if rows.is_empty() { 0 } else { rows.range(rows.len() - 1).end };
    let mut built = Built { places: try_vec(total)?, weights: try_vec(total)?, ..Built::default() };
    let mut parts = Vec::new();
    try_reserve_exact(&mut parts, count)?;
    let (mut places, mut weights) = (built.places.as_mut_slice(), built.weights.as_mut_slice());
    let mut before = 0;
    for block in 0..count {
        // Never falling, whatever became of the offsets: a block takes what is between.
        let end = if block + 1 == count { total } else { ends(block + 1).clamp(before, total) };
        let (some, rest) = places.split_at_mut(end - before);
        let (of_some, of_rest) = weights.split_at_mut(end - before);
        parts.push((some, of_some));
        (places, weights, before) = (rest, of_rest, end);
    }
    let dictionaries = pool::map(exec, parts, <(Vec<Item>, Vec<Item>)>::default, |(items, spare), block, part| {
        collect(exec, rows, block, part.0.len(), items)?;
        sort::sort(exec, items, |item| item.key, 0, spare)?;
        write(exec, items, part)
    })?;
    let entries = dictionaries.iter().map(|part| part.terms.len()).sum();
    try_reserve_exact(&mut built.blocks, count + 1)?;
    try_reserve_exact(&mut built.terms, entries)?;
    try_reserve_exact(&mut built.starts, entries + 1)?;
    try_reserve_exact(&mut built.high, entries)?;
    try_reserve_exact(&mut built.low, entries)?;
    let mut first = 0;
    built.blocks.push(0);
    for part in dictionaries {
        exec.check()?;
        built.terms.extend_from_slice(&part.terms);
        built.high.extend_from_slice(&part.high);
        built.low.extend_from_slice(&part.low);
        let postings = part.starts[part.terms.len()];
        built.starts.extend(part.starts[..part.terms.len()].iter().map(|start| first + start));
        built.blocks.push(built.terms.len() as i64);
        first += postings;
    }
    built.starts.push(first);
    Ok(built)
}

/// The postings of a block, `count` of them.
fn collect(
    exec: &Execution<'_>,
    rows: &SparseRows<'_>,
    block: usize,
    count: usize,
    items: &mut Vec<Item>,
) -> Result<()> {
    items.clear();
    try_reserve_exact(items, count)?;
    let documents = block * BLOCK..rows.len().min((block + 1) * BLOCK);
    for (place, row) in documents.enumerate() {
        if place % 1024 == 1023 {
            exec.check()?;
        }
        let range = rows.range(row);
        for (entry, &term) in range.clone().zip(rows.terms(range)) {
            items.push(Item { key: u64::from(term as u32) << 16 | place as u64, weight: rows.weight(entry) });
        }
    }
    // Other offsets than before: somebody wrote to them. What there is fills the room.
    items.resize(count, Item::default());
    Ok(())
}

/// Cuts sorted postings into lists.
fn write(exec: &Execution<'_>, items: &[Item], (places, weights): (&mut [u16], &mut [f32])) -> Result<Dictionary> {
    let mut found = Dictionary::default();
    let term = |item: &Item| (item.key >> 16) as i32;
    let distinct = items.chunk_by(|a, b| term(a) == term(b)).count();
    try_reserve_exact(&mut found.terms, distinct)?;
    try_reserve_exact(&mut found.starts, distinct + 1)?;
    try_reserve_exact(&mut found.high, distinct)?;
    try_reserve_exact(&mut found.low, distinct)?;
    let mut start = 0;
    for list in items.chunk_by(|a, b| term(a) == term(b)) {
        found.terms.push(term(&list[0]));
        found.starts.push(start as i64);
        found.high.push(list.iter().fold(f32::NEG_INFINITY, |high, item| high.max(item.weight)));
        found.low.push(list.iter().fold(f32::INFINITY, |low, item| low.min(item.weight)));
        for (at, item) in (start..).zip(list) {
            (places[at], weights[at]) = (item.key as u16, item.weight);
        }
        start += list.len();
        if found.terms.len() % 4096 == 0 {
            exec.check()?;
        }
    }
    found.starts.push(start as i64);
    Ok(found)
}

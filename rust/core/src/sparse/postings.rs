//! An inverted index: per term the documents that have it, with their weights, cut where a block of documents ends.
//!
//! A block is small enough for the sums of its documents to stay in the cache, and its documents have numbers of two
//! bytes. The lists of a term lie behind each other, block after block: a query finds each of its terms once, and then
//! goes along.

use std::ops::Range;

use crate::error::{Error, Result};

use super::grids::Grid;
pub use super::sums::BLOCK;

/// The index of some documents: flat arrays, which may lie in a file that anybody wrote. Nothing in them makes a search
/// read out of place.
#[derive(Debug, Clone, Copy)]
pub struct Postings<'a> {
    /// Number of documents.
    pub documents: usize,
    /// The terms that occur, rising.
    pub terms: &'a [i32],
    /// Term t has lists `lists[t]..lists[t + 1]`.
    pub lists: &'a [i64],
    /// Block of each list, rising inside a term.
    pub blocks: &'a [i32],
    /// List l has postings `starts[l]..starts[l + 1]`.
    pub starts: &'a [i64],
    /// Largest weight of each list.
    pub high: &'a [f32],
    /// Smallest weight of each list.
    pub low: &'a [f32],
    /// Document of each posting, counted from the first of its block, rising inside a list.
    pub places: &'a [u16],
    /// Weight of each posting.
    pub weights: &'a [f32],
    /// Code of each weight; see `coarse`.
    pub codes: &'a [u8],
    /// Lists that have a grid, rising.
    pub gridded: &'a [i64],
    /// Their codes of every document of the block.
    pub grids: &'a [u16],
}

/// What [`Postings`] borrows.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)] // as above
pub struct Built {
    pub terms: Vec<i32>,
    pub lists: Vec<i64>,
    pub blocks: Vec<i32>,
    pub starts: Vec<i64>,
    pub high: Vec<f32>,
    pub low: Vec<f32>,
    pub places: Vec<u16>,
    pub weights: Vec<f32>,
    pub codes: Vec<u8>,
    pub gridded: Vec<i64>,
    pub grids: Vec<u16>,
}

impl<'a> Postings<'a> {
    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// [`Error::Value`] where they do not.
    pub fn check(&self) -> Result<()> {
        let (lists, postings) = (self.blocks.len(), self.places.len());
        let fits = self.lists.len() == self.terms.len() + 1
            && self.starts.len() == lists + 1
            && (self.high.len(), self.low.len()) == (lists, lists)
            && (self.weights.len(), self.codes.len()) == (postings, postings)
            && self.gridded.len().checked_mul(BLOCK / 2) == Some(self.grids.len());
        let problem = || "arrays of lengths that do not fit".to_owned();
        fits.then_some(()).ok_or_else(|| Error::Value { argument: "postings", problem: problem() })
    }

    /// Number of blocks.
    #[must_use]
    pub fn num_blocks(&self) -> usize {
        self.documents.div_ceil(BLOCK)
    }

    /// Number of documents of a block.
    #[must_use]
    pub fn documents_in(&self, block: usize) -> usize {
        (self.documents - block * BLOCK).min(BLOCK)
    }

    /// Lists of a term, as far as they lie in these blocks.
    #[must_use]
    pub fn lists_of(&self, term: i32, blocks: &Range<usize>) -> Range<usize> {
        let Ok(at) = self.terms.binary_search(&term) else { return 0..0 };
        let lists = within(self.lists, at, self.blocks.len());
        let of_lists = &self.blocks[lists.clone()];
        let until = |end: usize| lists.start + of_lists.partition_point(|&block| (block as usize) < end);
        let start = until(blocks.start);
        start..until(blocks.end).max(start)
    }

    /// Documents, weights and codes of a list.
    #[inline]
    #[must_use]
    pub fn list(&self, list: usize) -> (&'a [u16], &'a [f32], &'a [u8]) {
        let range = within(self.starts, list, self.places.len());
        (&self.places[range.clone()], &self.weights[range.clone()], &self.codes[range])
    }

    /// The grid of a list, where it has one.
    #[inline]
    #[must_use]
    pub fn grid(&self, list: usize) -> Option<&'a Grid> {
        let at = self.gridded.binary_search(&(list as i64)).ok()?;
        self.grids.as_chunks::<{ BLOCK / 2 }>().0.get(at)
    }
}

/// Where row `row` lies among `len` items, whatever the offsets are.
#[inline]
fn within(offsets: &[i64], row: usize, len: usize) -> Range<usize> {
    let end = (offsets[row + 1].max(0) as usize).min(len);
    (offsets[row].max(0) as usize).min(end)..end
}

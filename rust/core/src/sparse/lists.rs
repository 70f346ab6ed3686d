//! The lists of a query in one block, and which of them need not be added up.

use std::ops::Range;

use crate::error::{make_room, Result};
use crate::order::Score;

use super::bound;
use super::postings::Postings;
use super::score::Query;

/// One list: a term that the query and the block have.
#[derive(Debug, Clone, Copy)]
pub(super) struct List<'a> {
    pub places: &'a [u16],
    pub weights: &'a [f32],
    /// Weight of the query.
    pub by: f32,
    /// Most that it adds to the score of a document; 0 where a document does better without it.
    pub most: f64,
    /// Its place in the order of terms.
    pub order: u32,
}

/// The lists of a block: the first `needed` are added up, in rising order of their terms where that is all of them.
#[derive(Default)]
pub(super) struct Lists<'a> {
    pub all: Vec<List<'a>>,
    pub needed: usize,
    /// Most that the others add.
    others: f64,
    /// Sum of the sizes of all products, at most.
    size: f64,
}

impl<'a> Lists<'a> {
    /// Becomes the lists of a block, all of them needed.
    pub fn set(&mut self, query: &Query, postings: &Postings<'a>, block: usize) -> Result<()> {
        make_room(&mut self.all, query.terms.len())?;
        (self.others, self.size) = (0.0, 0.0);
        let mut entries = postings.entries(block);
        for (order, (&term, &by)) in query.terms.iter().zip(&query.weights).enumerate() {
            let dictionary = &postings.terms[entries.clone()];
            match dictionary.binary_search(&term) {
                Ok(at) => {
                    let entry = entries.start + at;
                    let (places, weights) = postings.list(entry);
                    let (high, low) = (
                        f64::from(by) * f64::from(postings.high[entry]),
                        f64::from(by) * f64::from(postings.low[entry]),
                    );
                    self.size += high.abs().max(low.abs());
                    self.all.push(List { places, weights, by, most: high.max(low).max(0.0), order: order as u32 });
                    entries.start = entry + 1;
                }
                Err(at) => entries.start += at,
            }
        }
        self.needed = self.all.len();
        Ok(())
    }

    /// Leaves as many lists out as can be, at most `most`, while no document that has only these passes `last`: first those
    /// with most postings for what they may add.
    pub fn leave_out(&mut self, last: f64, most: usize) {
        let price = |list: &List<'_>| list.most / (list.places.len() as f64 + 1.0);
        self.all.sort_unstable_by(|a, b| price(b).key().cmp(&price(a).key()).then(a.order.cmp(&b.order)));
        while self.needed > 0 && self.left_out() < most {
            let others = self.others + self.all[self.needed - 1].most;
            if !(bound::lacking(self.all.len(), others, self.size) <= last) {
                break;
            }
            (self.needed, self.others) = (self.needed - 1, others);
        }
    }

    /// Sums of the lists needed that are at most this belong to documents that do not pass `last`.
    pub fn cut(&self, last: f64) -> f64 {
        if self.needed == self.all.len() {
            return last;
        }
        let lacking = bound::lacking(self.all.len(), self.others, self.size);
        // The difference is rounded too.
        last - lacking - (last.abs() + lacking) * 2f64.powi(-52)
    }

    /// How many are not needed.
    pub fn left_out(&self) -> usize {
        self.all.len() - self.needed
    }

    /// Needs some of those left out too.
    pub fn take_more(&mut self, count: usize) {
        self.needed += count;
        self.others = self.all[self.needed..].iter().map(|list| list.most).sum();
    }

    /// Postings of some lists.
    pub fn postings(&self, range: Range<usize>) -> usize {
        self.all[range].iter().map(|list| list.places.len()).sum()
    }
}

//! The lists of a query in one block, and which of them need not be added up.

use std::ops::Range;

use crate::error::{make_room, Result};
use crate::order::Score;

use super::bound;
use super::coarse::{Units, GRID_FROM, MOST_LISTS};
use super::grids::Grid;
use super::postings::Postings;
use super::rows::{prefetch, SparseRows};
use super::score::Query;

/// Postings that are added up in the time that a grid takes.
const POSTINGS_PER_GRID: usize = 512;
/// Share of the score to be passed that lists are left out for.
const SHARE: f64 = 0.03;

/// One list: a term that the query and the block have.
#[derive(Debug, Clone, Copy)]
pub(super) struct List<'a> {
    pub places: &'a [u16],
    pub weights: &'a [f32],
    pub codes: &'a [u8],
    pub grid: Option<&'a Grid>,
    /// Weight of the query.
    pub by: f32,
    /// Most that it adds to the score of a document; 0 where a document does better without it.
    pub most: f64,
    /// Size of its largest product.
    pub largest: f64,
    /// Its place in the order of terms.
    order: u32,
}

impl List<'_> {
    /// Postings that are added up in the time that the bounds of this list take.
    fn cost(&self) -> usize {
        self.grid.map_or(self.places.len() + 8, |_| POSTINGS_PER_GRID)
    }
}

/// A query, and for each of its terms the lists of blocks that are still to come.
#[derive(Default)]
pub(super) struct Asked {
    pub query: Query,
    ahead: Vec<Range<usize>>,
}

impl Asked {
    /// Bytes of one with so many terms.
    pub const fn bytes(terms: usize) -> usize {
        Query::bytes(terms).saturating_add(terms.saturating_mul(size_of::<Range<usize>>()))
    }

    /// Becomes a row, for some blocks.
    pub fn set(
        &mut self,
        rows: &SparseRows<'_>,
        row: usize,
        postings: &Postings<'_>,
        blocks: &Range<usize>,
    ) -> Result<()> {
        self.query.set(rows, row)?;
        make_room(&mut self.ahead, self.query.terms.len())?;
        self.ahead.extend(self.query.terms.iter().map(|&term| postings.lists_of(term, blocks)));
        Ok(())
    }

    /// Asks the processor to load the lists that come next.
    pub fn prefetch(&self, postings: &Postings<'_>) {
        for list in self.ahead.iter().filter_map(|ahead| ahead.clone().next()) {
            let (places, _, codes) = postings.list(list);
            prefetch(places, 2);
            prefetch(codes, 1);
        }
    }
}

/// The lists of a block, in rising order of their terms until some are left out; the first `needed` are not.
#[derive(Default)]
pub(super) struct Lists<'a> {
    pub all: Vec<List<'a>>,
    pub needed: usize,
    /// Most that the others add.
    others: f64,
    /// Sum of the sizes of all products, at most.
    size: f64,
    /// Whether a product may be negative.
    lowers: bool,
}

impl<'a> Lists<'a> {
    /// Becomes the lists of a block, all of them needed. Blocks rise from call to call of the same `query`.
    pub fn set(&mut self, query: &mut Asked, postings: &Postings<'a>, block: usize) -> Result<()> {
        make_room(&mut self.all, query.ahead.len())?;
        (self.others, self.size, self.lowers) = (0.0, 0.0, false);
        for (order, (ahead, &by)) in query.ahead.iter_mut().zip(&query.query.weights).enumerate() {
            let Some(list) = ahead.clone().next().filter(|list| postings.blocks[*list] as usize <= block) else {
                continue;
            };
            ahead.start += 1;
            let (places, weights, codes) = postings.list(list);
            let grid = (places.len() >= GRID_FROM).then(|| postings.grid(list)).flatten();
            let (high, low) =
                (f64::from(by) * f64::from(postings.high[list]), f64::from(by) * f64::from(postings.low[list]));
            let (most, largest) = (high.max(low).max(0.0), high.abs().max(low.abs()));
            self.size += largest;
            self.lowers |= high.min(low) < 0.0;
            self.all.push(List { places, weights, codes, grid, by, most, largest, order: order as u32 });
        }
        self.needed = self.all.len();
        Ok(())
    }

    /// Whether no document passes `last`.
    pub fn end_below(&self, last: f64) -> bool {
        bound::lacking(self.all.len(), self.all.iter().map(|list| list.most).sum(), self.size) <= last
    }

    /// Leaves as many lists out as can be while they add little to `last`: first those that cost most for what they may
    /// add.
    pub fn leave_out(&mut self, last: f64) {
        let price = |list: &List<'_>| list.most / list.cost() as f64;
        self.all.sort_unstable_by(|a, b| price(b).key().cmp(&price(a).key()).then(a.order.cmp(&b.order)));
        while self.needed > 0 {
            let others = self.others + self.all[self.needed - 1].most;
            if !(bound::lacking(self.all.len(), others, self.size) <= SHARE * last) {
                break;
            }
            (self.needed, self.others) = (self.needed - 1, others);
        }
    }

    /// What the bounds of the lists needed tell; None where that is nothing.
    pub fn told(&self) -> Option<Told> {
        if self.needed > MOST_LISTS {
            return None;
        }
        let units = Units::new(self.needed, self.needed().iter().map(|list| list.largest).sum());
        let lacking = bound::lacking(self.all.len(), self.others, self.size);
        Some(Told { units, lacking, roundings: bound::lacking(self.all.len(), 0.0, self.size), lowers: self.lowers })
    }

    /// Those needed.
    pub fn needed(&self) -> &[List<'a>] {
        &self.all[..self.needed]
    }

    /// All lists in rising order of their terms.
    pub fn in_order(&mut self) -> &[List<'a>] {
        self.all.sort_unstable_by_key(|list| list.order);
        &self.all
    }

    /// Postings of all lists.
    pub fn postings(&self) -> usize {
        self.all.iter().map(|list| list.places.len()).sum()
    }
}

/// What the units of the lists of a block tell of scores.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub units: Units,
    /// What a score may be more than the products that have units.
    lacking: f64,
    /// What a score may be less than the products that have units.
    roundings: f64,
    /// Whether a product may be negative.
    pub lowers: bool,
}

impl Told {
    /// Documents with at most so many units do not pass `last`; None where there may be none.
    pub fn cut(&self, last: f64) -> Option<u16> {
        // The difference is rounded too.
        self.units.at_most(last - self.lacking - (last.abs() + self.lacking) * 2f64.powi(-52))
    }

    /// The score of a document with so many units is at most this.
    #[inline]
    pub fn most(&self, units: u16) -> f32 {
        ((self.units.most(units) + self.lacking) * (1.0 + 2f64.powi(-50))) as f32
    }

    /// At least this.
    #[inline]
    pub fn least(&self, units: u16) -> f32 {
        if self.lowers {
            return f32::NEG_INFINITY;
        }
        let least = self.units.least(units);
        (least - self.roundings - (least.abs() + self.roundings) * 2f64.powi(-50)) as f32
    }
}

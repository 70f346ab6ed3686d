//! Upper bounds of sums of products, in units that fit 16 bits, for the documents of one block: what most documents are
//! passed over by.
//!
//! The size of a weight is a code of one byte, at least the size in 255ths of the largest of its list. A list adds, for a
//! code c, `c * factor / 256` units, rounded down; the factor is the size of its largest product, rounded up. So what a
//! list adds and one unit are at least the size of the product, and all lists together stay below 2^16 units.

// The inner loops of a search are made of these.
#![allow(clippy::inline_always)]

use crate::isa::Isa;

use super::grids::{self, product, Grid, AT_ONCE, GROUPS};
use super::sums::{place, BLOCK};

/// A list of a block that has at least so many documents has a grid too.
pub(super) const GRID_FROM: usize = BLOCK / 16;

/// Units that the largest products of the lists add up to.
const RANGE: f64 = 60_000.0;

/// Lists that are added up at most: what they are rounded up by stays within 16 bits.
pub(super) const MOST_LISTS: usize = 1024;

/// Covers the roundings of float64 in what is compared here.
const SLACK: f64 = 1.0 + 1.0 / (1u64 << 38) as f64;

/// Sets of documents of which the one with the most units is looked at: more of them give a closer bound, to fewer of the
/// best.
const SETS: usize = 1024;

/// The code of a weight of a list whose largest size is `most`: its size in 255ths of that, rounded up.
#[inline(always)]
pub(super) fn code_of(weight: f32, most: f32) -> u8 {
    // A quotient of 255 that is rounded up stays 255: the cast saturates.
    (f64::from(weight.abs()) / f64::from(most) * 255.0).ceil() as u8
}

/// What units of some lists tell of scores.
#[derive(Clone, Copy)]
pub(super) struct Units {
    /// Size of a unit.
    size: f64,
    /// Lists that are added up.
    lists: f64,
    /// What the units may have too much, but for one for each list.
    too_much: f64,
}

impl Units {
    /// Of so many lists, where the sizes of their largest products add up to `largest`.
    pub fn new(lists: usize, largest: f64) -> Self {
        Units { size: largest / RANGE, lists: lists as f64, too_much: largest / 255.0 }
    }

    /// The factor of a list whose largest product has this size.
    #[inline(always)]
    pub fn factor(self, largest: f64) -> u16 {
        (largest / self.size * (SLACK * 256.0 / 255.0)).ceil() as u16
    }

    /// Documents whose units are at most this have products whose sizes add up to at most `sum`; None where there may be
    /// none.
    pub fn at_most(self, sum: f64) -> Option<u16> {
        let units = (sum / self.size / SLACK).floor() - self.lists;
        (units >= 0.0).then_some(units as u16)
    }

    /// The sizes of the products of a document with these units add up to at most this.
    #[inline(always)]
    pub fn most(self, units: u16) -> f64 {
        (f64::from(units) + self.lists) * self.size * SLACK
    }

    /// As [`Self::most`]: at least this.
    #[inline(always)]
    pub fn least(self, units: u16) -> f64 {
        (f64::from(units) - self.lists) * self.size / SLACK - self.too_much * SLACK
    }
}

per_isa! {
    /// Adds a list.
    fn add_list(units: &mut [u16; BLOCK], documents: &[u16], codes: &[u8], factor: u16) => add_list_body
}

#[inline(always)]
fn add_list_body(sums: &mut [u16; BLOCK], documents: &[u16], codes: &[u8], factor: u16) {
    for (&document, &code) in documents.iter().zip(codes) {
        let sum = &mut sums[place(document)];
        *sum = sum.wrapping_add(product(u16::from(code) << 8, factor));
    }
}

per_isa! {
    /// The most units, but no more than `admissible`, of any document of each of many sets of them, all of one size.
    fn most_of_sets(sums: &[[u16; AT_ONCE]], admissible: u16, most: &mut [u16; SETS]) => most_of_sets_body
}

#[inline(always)]
fn most_of_sets_body(sums: &[[u16; AT_ONCE]], admissible: u16, most: &mut [u16; SETS]) {
    let most = most.as_chunks_mut::<AT_ONCE>().0;
    for (sums, most) in sums.chunks(sums.len().div_ceil(most.len()).max(1)).zip(most) {
        for sums in sums {
            for (most, &sum) in most.iter_mut().zip(sums) {
                *most = (*most).max(if sum <= admissible { sum } else { 0 });
            }
        }
    }
}

/// Units of one block, all 0 between two queries.
pub(super) struct Coarse(Box<[u16; BLOCK]>);

impl Coarse {
    pub fn new() -> Self {
        Coarse(vec![0; BLOCK].into_boxed_slice().try_into().expect("as long as a block"))
    }

    /// Adds the units of a list.
    #[inline]
    pub fn add(&mut self, isa: Isa, documents: &[u16], codes: &[u8], factor: u16) {
        add_list(isa, &mut self.0, documents, codes, factor);
    }

    /// Calls `found` with every one of the first documents, and its units, that has more of them than `cut` after those
    /// of the grids are added, in their order; their units are 0 afterwards.
    #[inline]
    pub fn above(
        &mut self,
        isa: Isa,
        grids: &[(&Grid, u16)],
        documents: usize,
        cut: u16,
        mut found: impl FnMut(usize, u16),
    ) {
        let mut groups = [0; GROUPS];
        let groups = &mut groups[..documents.div_ceil(AT_ONCE)];
        grids::add(isa, &mut self.0, grids, cut, groups);
        for (group, (sums, passing)) in self.0.as_chunks_mut::<AT_ONCE>().0.iter_mut().zip(groups).enumerate() {
            if *passing == 0 {
                continue;
            }
            while *passing != 0 {
                let place = passing.trailing_zeros() as usize;
                *passing &= *passing - 1;
                found(group * AT_ONCE + place, sums[place]);
            }
            *sums = [0; AT_ONCE];
        }
    }

    /// Adds grids; gives units that at least `count` of the first documents have, none of them more than `admissible`.
    pub fn reached_by(
        &mut self,
        isa: Isa,
        grids: &[(&Grid, u16)],
        documents: usize,
        count: usize,
        admissible: u16,
    ) -> u16 {
        let groups = documents.div_ceil(AT_ONCE);
        grids::add(isa, &mut self.0, grids, 0, &mut [0; GROUPS][..groups]);
        let mut most = [0; SETS];
        most_of_sets(isa, &self.0.as_chunks().0[..groups], admissible, &mut most);
        SETS.checked_sub(count).map_or(0, |nth| *most.select_nth_unstable(nth).1)
    }

    /// All are 0 again.
    pub fn reset(&mut self) {
        self.0.fill(0);
    }

    /// As [`Self::above`] for the documents of a list, in its order.
    #[inline]
    pub fn drain(&mut self, list: &[u16], cut: u16, mut found: impl FnMut(usize, u16)) {
        for &document in list {
            let document = place(document);
            let sum = std::mem::take(&mut self.0[document]);
            if sum > cut {
                found(document, sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparse::tests::numbers;

    #[test]
    fn units_bound_sums_from_both_sides() {
        let mut next = numbers(3);
        for round in 0..3000 {
            // Weights that are their codes, and weights that are nearly one code less: lists have 255 as their largest.
            let less = [0.0, 0.99][round % 2];
            let lists: Vec<(f64, f32)> =
                (0..=round % 60).map(|_| (f64::from(next() % 999 + 1), (next() % 255 + 1) as f32 - less)).collect();
            let told = Units::new(lists.len(), lists.iter().map(|(by, _)| by * 255.0).sum());
            let of =
                |&(by, weight): &(f64, f32)| product(u16::from(code_of(weight, 255.0)) << 8, told.factor(by * 255.0));
            let units: u16 = lists.iter().map(of).sum();
            let sum: f64 = lists.iter().map(|(by, weight)| by * f64::from(*weight)).sum();
            assert!(told.least(units) <= sum && sum <= told.most(units), "{lists:?}");
            assert!(told.at_most(sum * (1.0 - 1e-9)).is_none_or(|most| units > most), "{lists:?}");
        }
    }
}

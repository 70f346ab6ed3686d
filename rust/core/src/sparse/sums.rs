//! Sums of products by document, for the documents of one block: the inner loops.

// The inner loops of a search are made of these.
#![allow(clippy::inline_always)]

use crate::isa::Isa;

/// Documents of a block.
pub const BLOCK: usize = 1 << 14;

/// What a sum is before a product is added to it. Adding to it gives the product itself, and no product of two float32
/// numbers other than zero is zero in float64: so no sum of products is -0.0.
const UNTOUCHED: u64 = 1 << 63;

/// Documents that are looked at together.
const AT_ONCE: usize = 64;
const GROUPS: usize = BLOCK / AT_ONCE;

/// Sums of one block, all untouched between two queries.
pub(super) struct Sums(Box<[f64; BLOCK]>);

/// A document as posted: no number names a place outside the block.
#[inline(always)]
pub(super) fn place(document: u16) -> usize {
    usize::from(document) % BLOCK
}

#[inline(always)]
fn may_pass(sum: f64, cut: f64) -> bool {
    !(sum <= cut) && sum.to_bits() != UNTOUCHED
}

per_isa! {
    /// Which groups of documents have a sum that is not at most `cut`.
    fn groups_above(sums: &[[f64; AT_ONCE]], cut: f64, found: &mut [bool; GROUPS]) => groups_above_body
}

#[inline(always)]
fn groups_above_body(sums: &[[f64; AT_ONCE]], cut: f64, found: &mut [bool; GROUPS]) {
    for (sums, found) in sums.iter().zip(found) {
        let mut any = 0u64;
        for &sum in sums {
            any |= u64::from(!(sum <= cut));
        }
        *found = any != 0;
    }
}

impl Sums {
    pub fn new() -> Self {
        Sums(vec![-0.0; BLOCK].into_boxed_slice().try_into().expect("as long as a block"))
    }

    /// Adds the products of `by` and the weights of a list.
    #[inline]
    pub fn add(&mut self, documents: &[u16], weights: &[f32], by: f32) {
        let by = f64::from(by);
        for (&document, &weight) in documents.iter().zip(weights) {
            self.0[place(document)] += by * f64::from(weight);
        }
    }

    /// Calls `found` with every touched document below `documents` whose sum is not at most `cut`, in their order.
    #[inline]
    pub fn above(&self, isa: Isa, documents: usize, cut: f64, mut found: impl FnMut(usize, f64)) {
        let mut groups = [false; GROUPS];
        let sums = &self.0.as_chunks::<AT_ONCE>().0[..documents.div_ceil(AT_ONCE)];
        groups_above(isa, sums, cut, &mut groups);
        for (group, (sums, passes)) in sums.iter().zip(groups).enumerate() {
            if !passes {
                continue;
            }
            for (document, &sum) in (group * AT_ONCE..documents).zip(sums) {
                if may_pass(sum, cut) {
                    found(document, sum);
                }
            }
        }
    }

    /// As [`Self::above`] for the documents of a list, in its order; they are untouched afterwards.
    #[inline]
    pub fn drain(&mut self, list: &[u16], documents: usize, cut: f64, mut found: impl FnMut(usize, f64)) {
        for &document in list {
            let document = place(document);
            let sum = std::mem::replace(&mut self.0[document], -0.0);
            if may_pass(sum, cut) && document < documents {
                found(document, sum);
            }
        }
    }

    /// The sums of the first documents are untouched again.
    pub fn reset(&mut self, documents: usize) {
        self.0[..documents].fill(-0.0);
    }
}

//! Sparse rows as they lie in the caller's arrays.

// The inner loops of a search are made of these.
#![allow(clippy::inline_always)]

use half::f16;

use crate::csr::check_offsets;
use crate::error::{Error, Result};

/// Weights of either accepted type.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// IEEE half precision.
    F16(&'a [f16]),
    /// Single precision.
    F32(&'a [f32]),
}

impl Weights<'_> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Weights::F16(weights) => weights.len(),
            Weights::F32(weights) => weights.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The weight at a place, widened exactly.
    #[inline(always)]
    #[must_use]
    pub fn at(&self, place: usize) -> f32 {
        match self {
            Weights::F16(weights) => weights[place].to_f32(),
            Weights::F32(weights) => weights[place],
        }
    }
}

/// Rows of (term, weight), terms rising inside a row. Whoever made them has checked terms and weights; should they have
/// changed since, results are wrong, and nothing is read out of place.
#[derive(Debug, Clone, Copy)]
pub struct SparseRows<'a> {
    offsets: &'a [i64],
    terms: &'a [i32],
    weights: Weights<'a>,
}

impl<'a> SparseRows<'a> {
    /// Checks that the parts fit each other.
    pub fn new(
        argument: &'static str,
        offsets: &'a [i64],
        terms: &'a [i32],
        weights: Weights<'a>,
    ) -> Result<SparseRows<'a>> {
        if terms.len() != weights.len() {
            return Err(Error::Length { argument, found: terms.len(), wanted: weights.len() });
        }
        check_offsets(argument, offsets, terms.len(), offsets.len().max(1) - 1)?;
        Ok(SparseRows { offsets, terms, weights })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the entries of a row lie: inside the arrays whatever became of the offsets.
    #[inline]
    #[must_use]
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        let end = (self.offsets[row + 1].max(0) as usize).min(self.terms.len());
        (self.offsets[row].max(0) as usize).min(end)..end
    }

    /// Asks the processor to load what says where a row lies.
    #[inline]
    pub fn prefetch_offsets(&self, row: usize) {
        prefetch(&self.offsets[row..], 1);
    }

    /// Asks the processor to load the terms of a row.
    #[inline]
    pub fn prefetch_terms(&self, row: usize) {
        prefetch(self.terms(self.range(row)), 8);
    }

    /// Asks the processor to load the weight of an entry.
    #[inline(always)]
    pub fn prefetch_weight(&self, entry: usize) {
        match self.weights {
            Weights::F16(weights) => prefetch(&weights[entry..], 1),
            Weights::F32(weights) => prefetch(&weights[entry..], 1),
        }
    }

    /// Terms of some entries.
    #[inline]
    #[must_use]
    pub fn terms(&self, range: std::ops::Range<usize>) -> &'a [i32] {
        &self.terms[range]
    }

    /// Weight of an entry.
    #[inline(always)]
    #[must_use]
    pub fn weight(&self, entry: usize) -> f32 {
        self.weights.at(entry)
    }
}

/// Asks the processor to load some lines of memory, from the first item on.
#[inline(always)]
pub(super) fn prefetch<T>(items: &[T], lines: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in items.chunks(64 / size_of::<T>()).take(lines) {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: a prefetch has no effect but on the caches; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (items, lines);
}

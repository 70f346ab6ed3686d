//! Which terms of a document a query may have: a filter that most terms do not pass, many of them at a time.

// The inner loops of a search are made of these.
#![allow(clippy::inline_always)]

use crate::isa::Isa;

/// Slots that terms are spread over.
pub(super) const SLOTS: usize = 1024;
/// Terms that are looked at by one call.
pub(super) const AT_ONCE: usize = 256;
/// Terms that are looked at together.
const LANES: usize = 16;

const FACTOR: u32 = 0x9E37_79B1;

/// The slot of a term.
#[inline(always)]
pub(super) fn slot(term: i32) -> usize {
    ((term as u32).wrapping_mul(FACTOR) >> 22) as usize
}

/// Bit s % 32 of number s / 32 stands for slot s.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter([u32; SLOTS / 32]);

/// Places of the terms that pass, of up to [`AT_ONCE`].
pub(super) type Passing = [u32; AT_ONCE + LANES];
/// Before any passed.
pub(super) const NO_PLACES: Passing = [0; AT_ONCE + LANES];

impl Filter {
    /// Lets a slot pass.
    pub fn open(&mut self, slot: usize) {
        self.0[slot / 32] |= 1 << (slot % 32);
    }

    /// Writes the places of those terms whose slot passes, rising, and gives their number.
    #[inline]
    pub fn passing(&self, isa: Isa, terms: &[i32], passing: &mut Passing) -> usize {
        let terms = &terms[..terms.len().min(AT_ONCE)];
        by_isa!(
            isa,
            avx512: x86::passing_avx512(&self.0, terms, passing),
            avx2: x86::passing_avx2(&self.0, terms, passing),
            portable: passing_body(&self.0, terms, passing),
        )
    }
}

#[inline(always)]
fn passing_body(filter: &[u32; SLOTS / 32], terms: &[i32], passing: &mut Passing) -> usize {
    let mut count = 0;
    for (place, &term) in terms.iter().enumerate() {
        // Written whether it passes or not: which do is hard to predict.
        passing[count] = place as u32;
        let slot = slot(term);
        count += (filter[slot / 32] >> (slot % 32) & 1) as usize;
    }
    count
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports)] // a dozen intrinsics
    use std::arch::x86_64::*;

    use super::{passing_body, Passing, FACTOR, LANES, SLOTS};

    macro_rules! of_level {
        ([$($feature:tt)*] passing_avx2) => {
            #[target_feature($(enable = $feature),*)]
            pub fn passing_avx2(filter: &[u32; SLOTS / 32], terms: &[i32], passing: &mut Passing) -> usize {
                passing_body(filter, terms, passing)
            }
        };
        ([$($feature:tt)*] passing_avx512) => {
            #[target_feature($(enable = $feature),*)]
            pub fn passing_avx512(filter: &[u32; SLOTS / 32], terms: &[i32], passing: &mut Passing) -> usize {
                // SAFETY: the filter is 32 numbers of 32 bits.
                let (low, high) = unsafe {
                    (_mm512_loadu_si512(filter.as_ptr().cast()), _mm512_loadu_si512(filter.as_ptr().add(LANES).cast()))
                };
                let (factor, one) = (_mm512_set1_epi32(FACTOR.cast_signed()), _mm512_set1_epi32(1));
                let mut places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                let mut count = 0;
                for terms in terms.chunks(LANES) {
                    let there = u16::MAX >> (LANES - terms.len());
                    // SAFETY: what is not there is not read.
                    let terms = unsafe { _mm512_maskz_loadu_epi32(there, terms.as_ptr()) };
                    let hash = _mm512_mullo_epi32(terms, factor);
                    let of_slot = _mm512_permutex2var_epi32(low, _mm512_srli_epi32::<27>(hash), high);
                    // Turned by the number of the slot modulo 32.
                    let bits = _mm512_rorv_epi32(of_slot, _mm512_srli_epi32::<22>(hash));
                    let passes = _mm512_mask_test_epi32_mask(there, bits, one);
                    let some = &mut passing[count..count + LANES];
                    // SAFETY: there are 16 numbers.
                    unsafe {
                        _mm512_storeu_si512(some.as_mut_ptr().cast(), _mm512_maskz_compress_epi32(passes, places));
                    }
                    count += passes.count_ones() as usize;
                    places = _mm512_add_epi32(places, _mm512_set1_epi32(LANES as i32));
                }
                count
            }
        };
    }

    with_features!(avx512 => of_level! { passing_avx512 });
    with_features!(avx2 => of_level! { passing_avx2 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparse::tests::numbers;

    #[test]
    fn every_level_lets_the_same_terms_pass() {
        let mut next = numbers(11);
        for round in 0..400usize {
            let mut filter = Filter::default();
            let count = [0, 1, 15, 16, 17, 100, AT_ONCE - 1, AT_ONCE][round % 8];
            let terms: Vec<i32> = (0..count).map(|_| next().cast_signed()).collect();
            for &term in terms.iter().step_by([1, 2, 50][round % 3]) {
                filter.open(slot(term));
            }
            let wanted: Vec<u32> = (0..count as u32)
                .filter(|&place| {
                    let slot = slot(terms[place as usize]);
                    filter.0[slot / 32] & 1 << (slot % 32) != 0
                })
                .collect();
            for isa in Isa::available() {
                let mut passing = NO_PLACES;
                let found = filter.passing(isa, &terms, &mut passing);
                assert_eq!(passing[..found], wanted, "{isa:?} {count}");
            }
        }
    }
}

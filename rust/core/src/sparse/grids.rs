//! Lists that many documents of a block have, as a code for every document: added up without looking for places.

// The inner loops of a search are made of these.
#![allow(clippy::inline_always)]

use crate::isa::Isa;

use super::sums::{place, BLOCK};

/// Documents that are looked at together.
pub(super) const AT_ONCE: usize = 64;
pub(super) const GROUPS: usize = BLOCK / AT_ONCE;
const HALF: usize = AT_ONCE / 2;

/// Codes of every document of a block, 0 where it lacks the term. Two lie in one number, those of documents `HALF` apart, so
/// that neither has to be widened: the one of the first in the lower byte.
pub type Grid = [u16; BLOCK / 2];

/// Writes the code of a document into a grid of zeros.
pub(super) fn set_code(grid: &mut [u16], document: u16, code: u8) {
    let (group, within) = (place(document) / AT_ONCE, place(document) % AT_ONCE);
    grid[group * HALF + within % HALF] |= u16::from(code) << (within / HALF * 8);
}

/// Units of a code that lies in the upper byte.
#[inline(always)]
pub(super) fn product(code: u16, factor: u16) -> u16 {
    ((u32::from(code) * u32::from(factor)) >> 16) as u16
}

/// Adds grids to the units of other lists, and finds the documents that have more than `cut`: for each of the first groups
/// a number of which bit i stands for its i-th. The units of groups without any become 0.
pub(super) fn add(isa: Isa, sums: &mut [u16; BLOCK], grids: &[(&Grid, u16)], cut: u16, found: &mut [u64]) {
    by_isa!(
        isa,
        avx512: x86::add_avx512(sums, grids, cut, found),
        avx2: x86::add_avx2(sums, grids, cut, found),
        portable: add_portable(sums, grids, cut, found),
    );
}

fn add_portable(sums: &mut [u16; BLOCK], grids: &[(&Grid, u16)], cut: u16, found: &mut [u64]) {
    for (group, (sums, found)) in sums.as_chunks_mut::<AT_ONCE>().0.iter_mut().zip(found).enumerate() {
        for (grid, factor) in grids {
            let (low, high) = sums.split_at_mut(HALF);
            for ((low, high), &codes) in low.iter_mut().zip(high).zip(&grid.as_chunks::<HALF>().0[group]) {
                *low = low.wrapping_add(product(codes << 8, *factor));
                *high = high.wrapping_add(product(codes & 0xFF00, *factor));
            }
        }
        *found = 0;
        if sums.iter().fold(0, |most, &sum| most.max(sum)) > cut {
            for (bit, &sum) in sums.iter().enumerate() {
                *found |= u64::from(sum > cut) << bit;
            }
        } else {
            *sums = [0; AT_ONCE];
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports)] // some twenty intrinsics
    use std::arch::x86_64::*;

    use super::{Grid, AT_ONCE, BLOCK, HALF};

    macro_rules! of_level {
        ([$($feature:tt)*] add_avx512) => {
            #[target_feature($(enable = $feature),*)]
            pub fn add_avx512(sums: &mut [u16; BLOCK], grids: &[(&Grid, u16)], cut: u16, found: &mut [u64]) {
                let (upper, cut) = (_mm512_set1_epi16(0xFF00_u16 as i16), _mm512_set1_epi16(cut as i16));
                for (group, (sums, found)) in sums.as_chunks_mut::<AT_ONCE>().0.iter_mut().zip(found).enumerate() {
                    let (low_at, high_at) = sums.split_at_mut(HALF);
                    // SAFETY: each half is 32 numbers of 16 bits.
                    let (mut low, mut high) = unsafe {
                        (_mm512_loadu_si512(low_at.as_ptr().cast()), _mm512_loadu_si512(high_at.as_ptr().cast()))
                    };
                    for (grid, factor) in grids {
                        // SAFETY: as above, a part of a grid.
                        let codes = unsafe { _mm512_loadu_si512(grid.as_chunks::<HALF>().0[group].as_ptr().cast()) };
                        let factor = _mm512_set1_epi16(*factor as i16);
                        low = _mm512_add_epi16(low, _mm512_mulhi_epu16(_mm512_slli_epi16::<8>(codes), factor));
                        high = _mm512_add_epi16(high, _mm512_mulhi_epu16(_mm512_and_si512(codes, upper), factor));
                    }
                    *found = u64::from(_mm512_cmpgt_epu16_mask(low, cut))
                        | u64::from(_mm512_cmpgt_epu16_mask(high, cut)) << HALF;
                    if *found == 0 {
                        (low, high) = (_mm512_setzero_si512(), _mm512_setzero_si512());
                    }
                    // SAFETY: as above.
                    unsafe {
                        _mm512_storeu_si512(low_at.as_mut_ptr().cast(), low);
                        _mm512_storeu_si512(high_at.as_mut_ptr().cast(), high);
                    }
                }
            }
        };
        ([$($feature:tt)*] add_avx2) => {
            #[target_feature($(enable = $feature),*)]
            pub fn add_avx2(sums: &mut [u16; BLOCK], grids: &[(&Grid, u16)], cut: u16, found: &mut [u64]) {
                const LANES: usize = 16;
                let (upper, cut) = (_mm256_set1_epi16(0xFF00_u16 as i16), _mm256_set1_epi16(cut as i16));
                for (group, (sums, found)) in sums.as_chunks_mut::<AT_ONCE>().0.iter_mut().zip(found).enumerate() {
                    let parts = sums.as_chunks_mut::<LANES>().0;
                    // SAFETY: each part is 16 numbers of 16 bits.
                    let load = |part: &[u16; LANES]| unsafe { _mm256_loadu_si256(part.as_ptr().cast()) };
                    let mut held = [load(&parts[0]), load(&parts[1]), load(&parts[2]), load(&parts[3])];
                    for (grid, factor) in grids {
                        let of_group = grid.as_chunks::<HALF>().0[group].as_chunks::<LANES>().0;
                        let (first, second) = (load(&of_group[0]), load(&of_group[1]));
                        let factor = _mm256_set1_epi16(*factor as i16);
                        let low = |codes| _mm256_mulhi_epu16(_mm256_slli_epi16::<8>(codes), factor);
                        let high = |codes| _mm256_mulhi_epu16(_mm256_and_si256(codes, upper), factor);
                        held[0] = _mm256_add_epi16(held[0], low(first));
                        held[1] = _mm256_add_epi16(held[1], low(second));
                        held[2] = _mm256_add_epi16(held[2], high(first));
                        held[3] = _mm256_add_epi16(held[3], high(second));
                    }
                    let most = _mm256_max_epu16(_mm256_max_epu16(held[0], held[1]), _mm256_max_epu16(held[2], held[3]));
                    let within = |units| _mm256_cmpeq_epi16(_mm256_max_epu16(units, cut), cut);
                    *found = 0;
                    if _mm256_movemask_epi8(within(most)) != -1 {
                        for (half, held) in held.as_chunks::<2>().0.iter().enumerate() {
                            // Packing takes the first halves of both, then the others.
                            let packed = _mm256_packs_epi16(within(held[0]), within(held[1]));
                            let within = _mm256_movemask_epi8(_mm256_permute4x64_epi64::<0b11_01_10_00>(packed));
                            *found |= u64::from(!within.cast_unsigned()) << (half * HALF);
                        }
                    }
                    for (part, held) in parts.iter_mut().zip(held) {
                        let held = if *found == 0 { _mm256_setzero_si256() } else { held };
                        // SAFETY: as above.
                        unsafe { _mm256_storeu_si256(part.as_mut_ptr().cast(), held) };
                    }
                }
            }
        };
    }

    with_features!(avx512 => of_level! { add_avx512 });
    with_features!(avx2 => of_level! { add_avx2 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparse::tests::numbers;

    #[test]
    fn every_level_adds_the_same() {
        let mut next = numbers(5);
        let grids: Vec<Box<Grid>> = (0..3)
            .map(|_| {
                let mut grid = Box::new([0; BLOCK / 2]);
                (0..BLOCK as u16).for_each(|document| set_code(&mut *grid, document, (next() % 256) as u8));
                grid
            })
            .collect();
        let others: Vec<u16> = (0..BLOCK).map(|_| (next() % 9000) as u16).collect();
        for (count, cut) in [(0, 8_990), (1, 20_000), (3, 40_000), (3, 0), (3, u16::MAX)] {
            let some: Vec<(&Grid, u16)> =
                grids[..count].iter().zip([90, 21_000, 15_000]).map(|(g, f)| (&**g, f)).collect();
            for isa in Isa::available() {
                let mut sums: Box<[u16; BLOCK]> = others.clone().into_boxed_slice().try_into().unwrap();
                let mut found = [u64::MAX; GROUPS];
                add(isa, &mut sums, &some, cut, &mut found);
                for (group, found) in found.into_iter().enumerate() {
                    let wanted: Vec<u16> = (group * AT_ONCE..(group + 1) * AT_ONCE)
                        .map(|document| {
                            let within = document % AT_ONCE;
                            let at = document / AT_ONCE * HALF + within % HALF;
                            let code = |grid: &Grid| grid[at] >> (within / HALF * 8) & 0xFF;
                            let units = some.iter().map(|(grid, f)| product(code(grid) << 8, *f));
                            units.fold(others[document], u16::wrapping_add)
                        })
                        .collect();
                    let above = wanted.iter().rev().fold(0, |bits, &units| bits << 1 | u64::from(units > cut));
                    assert_eq!(found, above, "{isa:?} {group}");
                    let kept = if found == 0 { vec![0; AT_ONCE] } else { wanted };
                    assert_eq!(sums[group * AT_ONCE..][..AT_ONCE], kept, "{isa:?} {group}");
                }
            }
        }
    }
}

//! The one step of a draw that plain Rust does not turn into good vector code: gathering what reaches a threshold.

/// Keys handled at a time.
pub(super) const LANES: usize = 32;

/// One implementation for each instruction set.
pub(super) trait Gather {
    /// Writes the positions (`first` + lane) and the values of the keys that reach `cut` to the front of the two buffers, in
    /// order, and returns their number. What lies behind them in the buffers is overwritten too.
    ///
    /// # Safety
    /// The machine must have the level, and both buffers must hold at least [`LANES`] values.
    unsafe fn gather(chunk: &[i32; LANES], cut: i32, first: u32, positions: &mut [u32], keys: &mut [i32]) -> usize;
}

/// For machines without vector instructions that we know of.
pub(super) struct Plain;

impl Gather for Plain {
    #[inline(always)]
    #[allow(clippy::inline_always)]
    unsafe fn gather(chunk: &[i32; LANES], cut: i32, first: u32, positions: &mut [u32], keys: &mut [i32]) -> usize {
        let mut found = 0;
        for (&key, position) in chunk.iter().zip(first..) {
            // Written always, kept where the key reaches the cut: no branch to mispredict.
            (positions[found], keys[found]) = (position, key);
            found += usize::from(key >= cut);
        }
        found
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Narrow, Wide};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_loadu_si256, _mm256_movemask_ps, _mm256_set1_epi32,
        _mm512_add_epi32, _mm512_cmpge_epi32_mask, _mm512_loadu_si512, _mm512_maskz_compress_epi32, _mm512_set1_epi32,
        _mm512_setr_epi32, _mm512_storeu_si512,
    };

    use super::{Gather, LANES};

    /// AVX-512: compression in registers.
    pub(in crate::draw) struct Wide;

    impl Gather for Wide {
        #[inline]
        #[target_feature(enable = "avx512f,popcnt")]
        unsafe fn gather(chunk: &[i32; LANES], cut: i32, first: u32, positions: &mut [u32], keys: &mut [i32]) -> usize {
            debug_assert!(positions.len() >= LANES && keys.len() >= LANES);
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let mut found = 0;
            for half in [0, 16] {
                // SAFETY: 16 values from 0 and from 16 on lie inside the chunk of 32. Both buffers hold 32 values and at
                // most 16 have been found before the second half.
                unsafe {
                    let values = _mm512_loadu_si512(chunk.as_ptr().add(half).cast());
                    let mask = _mm512_cmpge_epi32_mask(values, _mm512_set1_epi32(cut));
                    let own = _mm512_add_epi32(lanes, _mm512_set1_epi32(first as i32 + half as i32));
                    let to = positions.as_mut_ptr().add(found);
                    _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi32(mask, own));
                    let to = keys.as_mut_ptr().add(found);
                    _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi32(mask, values));
                    found += mask.count_ones() as usize;
                }
            }
            found
        }
    }

    /// AVX2: comparison in registers, then one step for each key that reaches the cut.
    pub(in crate::draw) struct Narrow;

    impl Gather for Narrow {
        #[inline]
        #[target_feature(enable = "avx2")]
        unsafe fn gather(chunk: &[i32; LANES], cut: i32, first: u32, positions: &mut [u32], keys: &mut [i32]) -> usize {
            let mut mask = 0;
            for quarter in [0, 8, 16, 24] {
                // SAFETY: 8 values from 0, 8, 16 and 24 on lie inside the chunk of 32.
                let values = unsafe { _mm256_loadu_si256(chunk.as_ptr().add(quarter).cast()) };
                let below = _mm256_cmpgt_epi32(_mm256_set1_epi32(cut), values);
                mask |= (!_mm256_movemask_ps(_mm256_castsi256_ps(below)) as u32 & 0xFF) << quarter;
            }
            let mut found = 0;
            while mask != 0 {
                let lane = mask.trailing_zeros();
                (positions[found], keys[found]) = (first + lane, chunk[lane as usize]);
                found += 1;
                mask &= mask - 1;
            }
            found
        }
    }
}

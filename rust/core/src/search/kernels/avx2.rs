//! The kernels on 256-bit vectors. Without VNNI, products of bytes are summed by two in 16 bits, which the codes of the
//! queries are too small to saturate: 4 queries by 16 documents in 8 registers. With AVX-VNNI, 6 queries by 16 documents
//! in 12.

#[allow(clippy::wildcard_imports)] // some twenty intrinsics
use std::arch::x86_64::*;

use super::told::{Found, Line};
use crate::search::block::{BlockView, BLOCK, STEP};

/// Vectors of 8 documents that are worked on at a time.
const VECTORS: usize = 2;

/// Both kernels: how many queries a group may hold, and what adds four products a lane to the sums.
macro_rules! kernel {
    ($(#[$attribute:meta])* $compare:ident $group:ident [$($queries:literal)*] $most:literal $add:expr) => {
        $(#[$attribute])*
        pub fn $compare<const LIMITED: bool>(
            block: &BlockView<'_>,
            codes: &[i32],
            lines: &[Line],
            found: &mut Found,
        ) {
            match lines.len() {
                $($queries => $group::<$queries, LIMITED>(block, codes, lines, found),)*
                _ => $group::<$most, LIMITED>(block, codes, lines, found),
            }
        }

        $(#[$attribute])*
        fn $group<const QUERIES: usize, const LIMITED: bool>(
            block: &BlockView<'_>,
            codes: &[i32],
            lines: &[Line],
            found: &mut Found,
        ) {
            let lines: &[Line; QUERIES] = lines.try_into().expect("as many as the match said");
            for first in (0..BLOCK).step_by(8 * VECTORS) {
                let mut sums = [[_mm256_setzero_si256(); VECTORS]; QUERIES];
                for (sums, line) in sums.iter_mut().zip(lines) {
                    *sums = [_mm256_set1_epi32(line.start); VECTORS];
                }
                for (documents, codes) in block.codes.chunks_exact(BLOCK * STEP).zip(codes.chunks_exact(QUERIES)) {
                    let mut vectors = [_mm256_setzero_si256(); VECTORS];
                    for (at, vector) in vectors.iter_mut().enumerate() {
                        // SAFETY: `documents` has 256 bytes; first <= 48 and at < 2.
                        *vector = unsafe { _mm256_loadu_si256(documents.as_ptr().add(STEP * (first + 8 * at)).cast()) };
                    }
                    for query in 0..QUERIES {
                        let code = _mm256_set1_epi32(codes[query]);
                        for at in 0..VECTORS {
                            sums[query][at] = $add(sums[query][at], vectors[at], code);
                        }
                    }
                }
                for (sums, out) in sums.iter().zip(&mut found.sums) {
                    for (at, sums) in sums.iter().enumerate() {
                        // SAFETY: the place has 64 numbers; first <= 48 and at < 2.
                        unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(first + 8 * at).cast(), *sums) };
                    }
                }
            }
            for (query, line) in lines.iter().enumerate() {
                let sums = &found.sums[query];
                let looked = Line { theta: if LIMITED { line.bar() } else { line.theta }, ..*line };
                let mut told = review::<false>(block, sums, &looked);
                if LIMITED && told[0] != 0 {
                    told = review::<true>(block, sums, line);
                }
                [found.listed[query], found.above[query], found.below[query]] = told;
            }
        }
    };
}

kernel!(
    /// Without VNNI: products of bytes summed by two in 16 bits, then in 32.
    #[target_feature(enable = "avx2,fma")]
    compare group [1 2 3] 4
    |sums, vector, code| {
        _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(vector, code), _mm256_set1_epi16(1)))
    }
);

kernel!(
    /// With AVX-VNNI: four products a lane and instruction.
    #[target_feature(enable = "avxvnni,avx2,fma")]
    compare_dots group_dots [1 2 3 4 5] 6
    |sums, vector, code| _mm256_dpbusd_avx_epi32(sums, vector, code)
);

/// The tests of one query, from its sums.
#[target_feature(enable = "avx2,fma")]
pub fn review<const LIMITED: bool>(block: &BlockView<'_>, sums: &[i32; BLOCK], line: &Line) -> [u64; 3] {
    let [scales, residuals, lengths] = block.terms();
    let (mut listed, mut above, mut below) = (0u64, 0u64, 0u64);
    for at in (0..BLOCK).step_by(8) {
        // SAFETY: each of the four has 64 numbers, and at <= 56.
        let (sum, scale, residual, length) = unsafe {
            (
                _mm256_cvtepi32_ps(_mm256_loadu_si256(sums.as_ptr().add(at).cast())),
                _mm256_loadu_ps(scales.as_ptr().add(at)),
                _mm256_loadu_ps(residuals.as_ptr().add(at)),
                _mm256_loadu_ps(lengths.as_ptr().add(at)),
            )
        };
        let width = _mm256_mul_ps(_mm256_set1_ps(line.residual), residual);
        let width = _mm256_fmadd_ps(_mm256_set1_ps(line.length), length, width);
        let high = _mm256_fmadd_ps(sum, scale, width);
        let mut here = bits(_mm256_cmp_ps::<_CMP_NLT_UQ>(high, _mm256_set1_ps(line.theta)));
        if LIMITED {
            let low = _mm256_fmsub_ps(sum, scale, width);
            let over = bits(_mm256_cmp_ps::<_CMP_GT_OQ>(low, _mm256_set1_ps(line.above)));
            let may_be_over = bits(_mm256_cmp_ps::<_CMP_NLE_UQ>(high, _mm256_set1_ps(line.within)));
            let under = bits(_mm256_cmp_ps::<_CMP_LT_OQ>(high, _mm256_set1_ps(line.below)));
            let may_be_under = bits(_mm256_cmp_ps::<_CMP_NGE_UQ>(low, _mm256_set1_ps(line.from)));
            above |= over << at;
            below |= (under & !may_be_over) << at;
            here = (here | may_be_over | (may_be_under & !under)) & !over;
        }
        listed |= here << at;
    }
    [listed, above, below]
}

/// One bit per lane.
#[target_feature(enable = "avx2")]
#[inline]
fn bits(mask: __m256) -> u64 {
    u64::from(_mm256_movemask_ps(mask) as u8)
}

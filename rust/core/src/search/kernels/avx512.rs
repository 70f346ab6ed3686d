//! The kernel with VNNI: 6 queries by 64 documents in 24 registers, four products a lane and instruction.

#[allow(clippy::wildcard_imports)] // some twenty intrinsics
use std::arch::x86_64::*;

use super::{Found, Line};
use crate::search::codes::{BlockView, BLOCK, STEP};

/// Vectors of 16 documents in a block.
const VECTORS: usize = BLOCK / 16;

#[target_feature(enable = "avx512f,avx512vnni")]
pub fn compare<const LIMITED: bool>(block: &BlockView<'_>, codes: &[i32], lines: &[Line], found: &mut Found) {
    match lines.len() {
        1 => group::<1, LIMITED>(block, codes, lines, found),
        2 => group::<2, LIMITED>(block, codes, lines, found),
        3 => group::<3, LIMITED>(block, codes, lines, found),
        4 => group::<4, LIMITED>(block, codes, lines, found),
        5 => group::<5, LIMITED>(block, codes, lines, found),
        _ => group::<6, LIMITED>(block, codes, lines, found),
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn group<const QUERIES: usize, const LIMITED: bool>(
    block: &BlockView<'_>,
    codes: &[i32],
    lines: &[Line],
    found: &mut Found,
) {
    let lines: &[Line; QUERIES] = lines.try_into().expect("as many as the match said");
    let mut sums = [[_mm512_setzero_si512(); VECTORS]; QUERIES];
    for (sums, line) in sums.iter_mut().zip(lines) {
        *sums = [_mm512_set1_epi32(line.start); VECTORS];
    }
    for (documents, codes) in block.codes.chunks_exact(BLOCK * STEP).zip(codes.chunks_exact(QUERIES)) {
        let mut vectors = [_mm512_setzero_si512(); VECTORS];
        for (at, vector) in vectors.iter_mut().enumerate() {
            // SAFETY: `documents` has 256 bytes, and at < 4.
            *vector = unsafe { _mm512_loadu_si512(documents.as_ptr().add(64 * at).cast()) };
        }
        for query in 0..QUERIES {
            let code = _mm512_set1_epi32(codes[query]);
            for at in 0..VECTORS {
                sums[query][at] = _mm512_dpbusd_epi32(sums[query][at], vectors[at], code);
            }
        }
    }
    let [scales, residuals, lengths] = block.terms();
    for query in 0..QUERIES {
        let line = &lines[query];
        let (mut listed, mut above, mut below) = (0u64, 0u64, 0u64);
        for at in 0..VECTORS {
            // SAFETY: each of the three has 64 numbers, and at < 4.
            let (scale, residual, length) = unsafe {
                (
                    _mm512_loadu_ps(scales.as_ptr().add(16 * at)),
                    _mm512_loadu_ps(residuals.as_ptr().add(16 * at)),
                    _mm512_loadu_ps(lengths.as_ptr().add(16 * at)),
                )
            };
            let sum = _mm512_cvtepi32_ps(sums[query][at]);
            let width = _mm512_mul_ps(_mm512_set1_ps(line.residual), residual);
            let width = _mm512_fmadd_ps(_mm512_set1_ps(line.length), length, width);
            let high = _mm512_fmadd_ps(sum, scale, width);
            let mut here = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(high, _mm512_set1_ps(line.theta));
            if LIMITED {
                let low = _mm512_fmsub_ps(sum, scale, width);
                let over = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(low, _mm512_set1_ps(line.above));
                let may_be_over = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(high, _mm512_set1_ps(line.within));
                let under = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(high, _mm512_set1_ps(line.below));
                let may_be_under = _mm512_cmp_ps_mask::<_CMP_NGE_UQ>(low, _mm512_set1_ps(line.from));
                above |= u64::from(over) << (16 * at);
                below |= u64::from(under & !may_be_over) << (16 * at);
                here = (here | may_be_over | (may_be_under & !under)) & !over;
            }
            listed |= u64::from(here) << (16 * at);
        }
        (found.listed[query], found.above[query], found.below[query]) = (listed, above, below);
        if listed != 0 {
            for at in 0..VECTORS {
                // SAFETY: the place has 64 numbers, and at < 4.
                unsafe { _mm512_storeu_si512(found.sums[query].as_mut_ptr().add(16 * at).cast(), sums[query][at]) };
            }
        }
    }
}

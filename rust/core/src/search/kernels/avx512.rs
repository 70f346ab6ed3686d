//! The kernel with VNNI: 6 queries by 64 documents in 24 registers, four products a lane and instruction.

#[allow(clippy::wildcard_imports)] // some twenty intrinsics
use std::arch::x86_64::*;

use super::told::{Found, Line};
use crate::search::block::{BlockView, BLOCK, STEP};

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
    // The widest of the group's widths does for all: three operations a vector, and hardly a document more.
    let (mut residual, mut length) = (lines[0].residual, lines[0].length);
    for line in lines {
        (residual, length) = (residual.max(line.residual), length.max(line.length));
    }
    let [scales, residuals, lengths] = block.terms();
    let mut widths = [_mm512_setzero_ps(); VECTORS];
    for (at, width) in widths.iter_mut().enumerate() {
        // SAFETY: each of the two has 64 numbers, and at < 4.
        let (residuals, lengths) = unsafe {
            (_mm512_loadu_ps(residuals.as_ptr().add(16 * at)), _mm512_loadu_ps(lengths.as_ptr().add(16 * at)))
        };
        *width = _mm512_mul_ps(_mm512_set1_ps(residual), residuals);
        *width = _mm512_fmadd_ps(_mm512_set1_ps(length), lengths, *width);
    }
    for query in 0..QUERIES {
        let bar = _mm512_set1_ps(if LIMITED { lines[query].bar() } else { lines[query].theta });
        let mut listed = 0u64;
        for at in 0..VECTORS {
            // SAFETY: the line has 64 numbers, and at < 4.
            let scale = unsafe { _mm512_loadu_ps(scales.as_ptr().add(16 * at)) };
            let high = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[query][at]), scale, widths[at]);
            listed |= u64::from(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(high, bar)) << (16 * at);
        }
        [found.listed[query], found.above[query], found.below[query]] = [listed, 0, 0];
        if listed != 0 {
            store(&sums[query], &mut found.sums[query]);
            if LIMITED {
                let told = review::<true>(block, &found.sums[query], &lines[query]);
                [found.listed[query], found.above[query], found.below[query]] = told;
            }
        }
    }
}

/// Keeps the sums of a query for a closer look.
#[target_feature(enable = "avx512f")]
#[inline]
fn store(sums: &[__m512i; VECTORS], out: &mut [i32; BLOCK]) {
    for (at, sums) in sums.iter().enumerate() {
        // SAFETY: the place has 64 numbers, and at < 4.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(16 * at).cast(), *sums) };
    }
}

/// The tests of one query, from its sums.
#[target_feature(enable = "avx512f")]
pub fn review<const LIMITED: bool>(block: &BlockView<'_>, sums: &[i32; BLOCK], line: &Line) -> [u64; 3] {
    let [scales, residuals, lengths] = block.terms();
    let (mut listed, mut above, mut below) = (0u64, 0u64, 0u64);
    for at in (0..BLOCK).step_by(16) {
        // SAFETY: each of the four has 64 numbers, and at <= 48.
        let (sum, scale, residual, length) = unsafe {
            (
                _mm512_cvtepi32_ps(_mm512_loadu_si512(sums.as_ptr().add(at).cast())),
                _mm512_loadu_ps(scales.as_ptr().add(at)),
                _mm512_loadu_ps(residuals.as_ptr().add(at)),
                _mm512_loadu_ps(lengths.as_ptr().add(at)),
            )
        };
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
            above |= u64::from(over) << at;
            below |= u64::from(under & !may_be_over) << at;
            here = (here | may_be_over | (may_be_under & !under)) & !over;
        }
        listed |= u64::from(here) << at;
    }
    [listed, above, below]
}

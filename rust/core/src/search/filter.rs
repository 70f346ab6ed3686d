//! The pass over a tile's row that nearly every document ends in: compare bounds with thresholds, count what is surely
//! above the ceiling or below the floor, and list the few positions that need a closer look.
//!
//! The levels may list different positions: they round `scale * n + slack` once or twice, and the bound covers both. What
//! comes out of the scan is the same, since it follows from the exact scores alone.

use crate::error::{try_reserve, Result};
use crate::isa::Isa;
use crate::order::Score;

use super::error_bound::QueryError;
use super::query_state::Scratch;

/// Documents per call: their positions fit the buffer.
pub const CHUNK: usize = 1024;
/// Positions found by one call.
pub type Positions = [u32; CHUNK];

/// Part of a tile's row: the documents of a query that follow one another.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Tile values of the documents.
    pub approx: &'a [f32],
    /// Their n(d).
    pub norms: &'a [f32],
    /// Error bound of the query.
    pub bound: QueryError,
}

/// What a document's score is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// A score surely below this is not among the k best admissible. At least `floor`.
    pub theta: f32,
    /// A score above this is not admissible.
    pub ceiling: f32,
    /// A score below this is not admissible.
    pub floor: f32,
}

/// Counts of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Positions listed.
    pub hits: usize,
    /// Documents surely above the ceiling (not listed).
    pub above: usize,
    /// Documents surely below the floor and not above the ceiling (not listed).
    pub below: usize,
}

/// Lists the positions of documents that may be among the best, or whose side of the ceiling or floor is not sure. With
/// `LIMITED` false there is neither ceiling nor floor. NaN values are always listed; infinite ones are taken at their
/// word, so parts that may have overflowed must not come here.
#[inline]
pub fn filter<const LIMITED: bool>(isa: Isa, part: &Part<'_>, limits: Thresholds, out: &mut Positions) -> Found {
    assert!(part.approx.len() <= CHUNK && part.approx.len() == part.norms.len());
    by_isa!(
        isa,
        avx512: x86::filter_avx512::<LIMITED>(part, limits, out),
        avx2: x86::filter_avx2::<LIMITED>(part, limits, out),
        portable: filter_portable::<LIMITED>(part, limits, out),
    )
}

fn filter_portable<const LIMITED: bool>(part: &Part<'_>, limits: Thresholds, out: &mut Positions) -> Found {
    const BLOCK: usize = 32;
    let mut found = Found::default();
    for (block, (approx, norms)) in part.approx.chunks(BLOCK).zip(part.norms.chunks(BLOCK)).enumerate() {
        let QueryError { scale, slack } = part.bound;
        // Written so that the compiler turns it into vector code; `!(high < theta)` holds for NaN too.
        let mut discarded = true;
        for (a, n) in approx.iter().zip(norms) {
            discarded &= *a + (scale * n + slack) < limits.theta;
        }
        if LIMITED || !discarded {
            one_by_one::<LIMITED>(part, block * BLOCK..block * BLOCK + approx.len(), limits, &mut found, out);
        }
    }
    found
}

/// The tests themselves, in plain words; the vector kernels make the same ones.
fn one_by_one<const LIMITED: bool>(
    part: &Part<'_>,
    range: std::ops::Range<usize>,
    Thresholds { theta, ceiling, floor }: Thresholds,
    found: &mut Found,
    out: &mut Positions,
) {
    for position in range {
        let (a, e) = (part.approx[position], part.bound.scale * part.norms[position] + part.bound.slack);
        let (low, high) = (a - e, a + e);
        let mut listed = !(high < theta);
        if LIMITED {
            let (above, may_be_above) = (low > ceiling, !(high <= ceiling));
            let (below, may_be_below) = (high < floor, !(low >= floor));
            found.above += usize::from(above);
            found.below += usize::from(below && !may_be_above);
            listed = (listed || may_be_above || (may_be_below && !below)) && !above;
        }
        if listed {
            out[found.hits] = position as u32;
            found.hits += 1;
        }
    }
}

/// A first lower bound of the `k`-th best admissible score, before any was seen: the documents are dealt into groups, and
/// `k` groups have a best one at least that good. One fast pass then spares the lists most of their first entries.
/// `None` where too few documents are surely admissible.
pub fn seed(part: &Part<'_>, limits: Thresholds, k: usize, scratch: &mut Scratch) -> Result<Option<f32>> {
    // With four groups per document wanted, some 1.15 k documents reach the bound that comes out; with two, 1.4 k.
    let groups = k.saturating_mul(4).next_multiple_of(16).min(part.approx.len() / 32 * 16);
    if k == 0 || groups < k.saturating_mul(2) {
        return Ok(None);
    }
    let Scratch { best, keys, .. } = scratch;
    best.clear();
    keys.clear();
    try_reserve(best, groups)?;
    try_reserve(keys, groups)?;
    best.resize(groups, f32::NEG_INFINITY);
    for (approx, norms) in part.approx.chunks(groups).zip(part.norms.chunks(groups)) {
        for ((best, a), n) in best.iter_mut().zip(approx).zip(norms) {
            let e = part.bound.scale * n + part.bound.slack;
            let (low, high) = (a - e, a + e);
            let admissible = low >= limits.floor && high <= limits.ceiling;
            *best = best.max(if admissible { low } else { f32::NEG_INFINITY });
        }
    }
    keys.extend(best.iter().map(|low| low.key()));
    let (_, kth, _) = keys.select_nth_unstable(groups - k);
    Ok(Some(f32::from_key(*kth)).filter(|bound| bound.is_finite()))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports)] // some twenty intrinsics
    use std::arch::x86_64::*;

    use super::{one_by_one, Found, Part, Positions, Thresholds};

    /// Floats fetched ahead: the tile comes from an outer cache, whose latency the hardware's own look-ahead does not hide.
    const AHEAD: usize = 1024;

    #[target_feature(enable = "avx512f")]
    pub fn filter_avx512<const LIMITED: bool>(part: &Part<'_>, limits: Thresholds, out: &mut Positions) -> Found {
        let mut found = Found::default();
        let (scale, slack) = (_mm512_set1_ps(part.bound.scale), _mm512_set1_ps(part.bound.slack));
        let theta = _mm512_set1_ps(limits.theta);
        let (ceiling, floor) = (_mm512_set1_ps(limits.ceiling), _mm512_set1_ps(limits.floor));
        let mut position = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let count = part.approx.len();
        let mut at = 0;
        while at < count {
            // Nearly all runs of 64 hold nothing: one branch for four vectors.
            if !LIMITED && count - at >= 64 {
                let mut none = true;
                for block in (at..at + 64).step_by(16) {
                    let ahead = part.approx.as_ptr().wrapping_add(block + AHEAD);
                    _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                    // SAFETY: block + 16 <= at + 64 <= count, the length of both slices.
                    let (a, n) = unsafe {
                        let (approx, norms) = (part.approx.as_ptr().add(block), part.norms.as_ptr().add(block));
                        (_mm512_loadu_ps(approx), _mm512_loadu_ps(norms))
                    };
                    let high = _mm512_add_ps(a, _mm512_fmadd_ps(scale, n, slack));
                    none &= _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(high, theta) == 0;
                }
                if none {
                    position = _mm512_add_epi32(position, _mm512_set1_epi32(64));
                    at += 64;
                    continue;
                }
            }
            let lanes: __mmask16 = if count - at >= 16 { 0xffff } else { (1 << (count - at)) - 1 };
            // SAFETY: only lanes before `count` are read, and both slices have that length.
            let (a, n) = unsafe {
                let (approx, norms) = (part.approx.as_ptr().add(at), part.norms.as_ptr().add(at));
                (_mm512_maskz_loadu_ps(lanes, approx), _mm512_maskz_loadu_ps(lanes, norms))
            };
            let e = _mm512_fmadd_ps(scale, n, slack);
            let high = _mm512_add_ps(a, e);
            let mut listed = _mm512_mask_cmp_ps_mask::<_CMP_NLT_UQ>(lanes, high, theta);
            if LIMITED {
                let low = _mm512_sub_ps(a, e);
                let above = _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(lanes, low, ceiling);
                let may_be_above = _mm512_mask_cmp_ps_mask::<_CMP_NLE_UQ>(lanes, high, ceiling);
                let below = _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(lanes, high, floor);
                let may_be_below = _mm512_mask_cmp_ps_mask::<_CMP_NGE_UQ>(lanes, low, floor);
                found.above += above.count_ones() as usize;
                found.below += (below & !may_be_above).count_ones() as usize;
                listed = (listed | may_be_above | (may_be_below & !below)) & !above;
            }
            if listed != 0 {
                // SAFETY: at most `at` positions were listed before, and `at`, a multiple of 16 below CHUNK, is at most
                // CHUNK - 16: the 16 places written lie inside the buffer.
                unsafe {
                    let place = out.as_mut_ptr().add(found.hits).cast();
                    _mm512_storeu_si512(place, _mm512_maskz_compress_epi32(listed, position));
                }
                found.hits += listed.count_ones() as usize;
            }
            position = _mm512_add_epi32(position, _mm512_set1_epi32(16));
            at += 16;
        }
        found
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn filter_avx2<const LIMITED: bool>(part: &Part<'_>, limits: Thresholds, out: &mut Positions) -> Found {
        let mut found = Found::default();
        let (scale, slack) = (_mm256_set1_ps(part.bound.scale), _mm256_set1_ps(part.bound.slack));
        let theta = _mm256_set1_ps(limits.theta);
        let (ceiling, floor) = (_mm256_set1_ps(limits.ceiling), _mm256_set1_ps(limits.floor));
        let whole = part.approx.len() / 8 * 8;
        for at in (0..whole).step_by(8) {
            // SAFETY: at + 8 <= the length of both slices.
            let (a, n) = unsafe {
                (_mm256_loadu_ps(part.approx.as_ptr().add(at)), _mm256_loadu_ps(part.norms.as_ptr().add(at)))
            };
            let e = _mm256_fmadd_ps(scale, n, slack);
            let high = _mm256_add_ps(a, e);
            let mut listed = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NLT_UQ>(high, theta));
            if LIMITED {
                let low = _mm256_sub_ps(a, e);
                let above = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(low, ceiling));
                let may_be_above = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NLE_UQ>(high, ceiling));
                let below = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(high, floor));
                let may_be_below = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NGE_UQ>(low, floor));
                found.above += above.count_ones() as usize;
                found.below += (below & !may_be_above).count_ones() as usize;
                listed = (listed | may_be_above | (may_be_below & !below)) & !above;
            }
            while listed != 0 {
                out[found.hits] = at as u32 + listed.trailing_zeros();
                found.hits += 1;
                listed &= listed - 1;
            }
        }
        one_by_one::<LIMITED>(part, whole..part.approx.len(), limits, &mut found, out);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_finds_the_same_where_the_bound_is_exact() {
        // Powers of two: no level rounds, so the lists must agree.
        let values: Vec<f32> =
            (0..CHUNK as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 20) as f32 / 4096.0).collect();
        let norms = vec![0.25; CHUNK];
        for length in [0, 1, 7, 8, 15, 16, 17, 100, CHUNK] {
            let mut approx = values[..length].to_vec();
            if length > 10 {
                approx[9] = f32::NAN;
            }
            let bound = QueryError { scale: 0.125, slack: 0.03125 };
            let part = Part { approx: &approx, norms: &norms[..length], bound };
            for (theta, ceiling, floor) in [(0.5, 0.9, 0.2), (2.0, 0.3, 0.6), (f32::NEG_INFINITY, 0.5, 0.5)] {
                let limits = Thresholds { theta, ceiling, floor };
                let run = |isa| {
                    let mut out = [0; CHUNK];
                    let plain = filter::<false>(isa, &part, limits, &mut out);
                    let plain_hits = out[..plain.hits].to_vec();
                    let limited = filter::<true>(isa, &part, limits, &mut out);
                    (plain_hits, out[..limited.hits].to_vec(), limited.above, limited.below)
                };
                let wanted = run(Isa::Portable);
                assert_eq!(wanted.0.contains(&9), length > 10 || (length > 9 && approx[9] + 0.0625 >= theta));
                for isa in Isa::available() {
                    assert_eq!(run(isa), wanted, "{isa:?} {length} {limits:?}");
                }
            }
        }
    }
}

//! Where the excluded documents of a query stand in its candidate list: the one full pass over the ids.

use crate::exclusions::Kind;
use crate::isa::Isa;

/// An excluded document found in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Position in the list.
    pub at: usize,
    /// Why it is excluded.
    pub kind: Kind,
}

/// Up to this many ids are compared with every candidate directly; more are sorted and searched.
const FEW: usize = 8;

/// Finds where the `wanted` ids stand in the list, in rising position. `kinds` is aligned with `wanted`; without it, all are
/// positives and may be unsorted. With it, `wanted` is sorted.
pub fn find(
    isa: Isa,
    list: &[i64],
    wanted: &[i64],
    kinds: Option<&[Kind]>,
    sorted: &mut Vec<i64>,
    hits: &mut Vec<Hit>,
) {
    hits.clear();
    let kind_of = |index: usize| kinds.map_or(Kind::Positive, |kinds| kinds[index]);
    if wanted.len() <= FEW {
        for (index, &id) in wanted.iter().enumerate() {
            compare(isa, list, id, kind_of(index), hits);
        }
        if wanted.len() > 1 {
            hits.sort_unstable_by_key(|hit| hit.at);
        }
        return;
    }
    let wanted = if kinds.is_some() {
        wanted
    } else {
        sorted.clear();
        sorted.extend_from_slice(wanted);
        sorted.sort_unstable();
        sorted
    };
    for (at, id) in list.iter().enumerate() {
        if let Ok(index) = wanted.binary_search(id) {
            hits.push(Hit { at, kind: kind_of(index) });
        }
    }
}

fn compare(isa: Isa, list: &[i64], id: i64, kind: Kind, hits: &mut Vec<Hit>) {
    by_isa!(
        isa,
        avx512: compare_avx512(list, id, kind, hits),
        avx2: compare_avx2(list, id, kind, hits),
        portable: compare_by(list, kind, hits, |block| mask_of(block, id)),
    );
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn compare_avx512(list: &[i64], id: i64, kind: Kind, hits: &mut Vec<Hit>) {
    use std::arch::x86_64::{_mm512_cmpeq_epi64_mask, _mm512_mask_cmpeq_epi64_mask, _mm512_set1_epi64};
    use std::arch::x86_64::{_mm512_loadu_epi64, _mm512_maskz_loadu_epi64};
    let wanted = _mm512_set1_epi64(id);
    compare_by(list, kind, hits, |block| {
        let (eights, rest) = block.as_chunks::<8>();
        let mut mask = 0;
        for (index, eight) in eights.iter().enumerate() {
            // SAFETY: the chunk holds eight values.
            let eight = unsafe { _mm512_loadu_epi64(eight.as_ptr()) };
            mask |= u64::from(_mm512_cmpeq_epi64_mask(eight, wanted)) << (index * 8);
        }
        if !rest.is_empty() {
            let inside = u8::MAX >> (8 - rest.len());
            // SAFETY: the mask admits the values of `rest` alone.
            let rest = unsafe { _mm512_maskz_loadu_epi64(inside, rest.as_ptr()) };
            mask |= u64::from(_mm512_mask_cmpeq_epi64_mask(inside, rest, wanted)) << (eights.len() * 8);
        }
        mask
    });
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn compare_avx2(list: &[i64], id: i64, kind: Kind, hits: &mut Vec<Hit>) {
    use std::arch::x86_64::{
        _mm256_castsi256_pd, _mm256_cmpeq_epi64, _mm256_loadu_si256, _mm256_movemask_pd, _mm256_set1_epi64x,
    };
    let wanted = _mm256_set1_epi64x(id);
    compare_by(list, kind, hits, |block| {
        let (fours, rest) = block.as_chunks::<4>();
        let mut mask = 0;
        for (index, four) in fours.iter().enumerate() {
            // SAFETY: the chunk holds four values.
            let four = unsafe { _mm256_loadu_si256(four.as_ptr().cast()) };
            let equal = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(four, wanted)));
            mask |= (equal as u64) << (index * 4);
        }
        if rest.is_empty() {
            mask
        } else {
            mask | mask_of(rest, id) << (fours.len() * 4)
        }
    });
}

/// One bit for each value of a block of at most 64, set where it is the id.
#[inline(always)]
#[allow(clippy::inline_always)] // one copy per instruction set
fn mask_of(block: &[i64], id: i64) -> u64 {
    block.iter().zip(0..64).fold(0, |mask, (&other, bit)| mask | u64::from(other == id) << bit)
}

/// Pushes a hit for every bit that `mask` sets, 64 ids at a time: no branch but on the rare hit.
#[inline(always)]
#[allow(clippy::inline_always)] // one copy per instruction set
fn compare_by(list: &[i64], kind: Kind, hits: &mut Vec<Hit>, mask: impl Fn(&[i64]) -> u64) {
    for (index, block) in list.chunks(64).enumerate() {
        let mut left = mask(block);
        while left != 0 {
            hits.push(Hit { at: index * 64 + left.trailing_zeros() as usize, kind });
            left &= left - 1;
        }
    }
}

/// Number of hits before list position `position`.
#[inline]
pub fn before(hits: &[Hit], position: usize) -> usize {
    if hits.len() <= FEW {
        return hits.iter().take_while(|hit| hit.at < position).count();
    }
    hits.partition_point(|hit| hit.at < position)
}

/// List position of the `count`-th (0-based) candidate at or after `from` that is no hit, at most `end`.
#[inline]
pub fn nth(hits: &[Hit], from: usize, count: usize, end: usize) -> usize {
    let mut position = from.saturating_add(count);
    for hit in &hits[before(hits, from)..] {
        if hit.at > position {
            break;
        }
        position += 1;
    }
    position.min(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_finds_every_id_at_every_position() {
        let list: Vec<i64> = (0..83).map(|i| i * 3).collect();
        let mut hits = Vec::new();
        for isa in Isa::available() {
            for at in 0..list.len() {
                for width in at + 1..=list.len() {
                    find(isa, &list[..width], &[list[at], 1], None, &mut Vec::new(), &mut hits);
                    assert_eq!(hits, [Hit { at, kind: Kind::Positive }]);
                }
            }
        }
    }

    #[test]
    fn few_and_many_agree() {
        let list: Vec<i64> = (0..40).rev().collect();
        let kinds = [Kind::Excluded; 40];
        for count in 0..40 {
            let wanted: Vec<i64> = (0..count).map(|i| i * 2).collect();
            let mut hits = Vec::new();
            find(Isa::Portable, &list, &wanted, Some(&kinds[..wanted.len()]), &mut Vec::new(), &mut hits);
            let expected: Vec<usize> = (0..40).filter(|at| wanted.contains(&list[*at])).collect();
            assert_eq!(hits.iter().map(|hit| hit.at).collect::<Vec<_>>(), expected);
            let unsorted: Vec<i64> = wanted.iter().rev().copied().collect();
            find(Isa::Portable, &list, &unsorted, None, &mut Vec::new(), &mut hits);
            assert_eq!(hits.iter().map(|hit| hit.at).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn counting_around_hits() {
        let hits: Vec<Hit> = [0, 1, 4].iter().map(|&at| Hit { at, kind: Kind::Positive }).collect();
        // Free positions: 2, 3, 5, 6, ...
        assert_eq!([0, 1, 2, 3].map(|count| nth(&hits, 0, count, 9)), [2, 3, 5, 6]);
        assert_eq!([0, 1, 2].map(|count| nth(&hits, 3, count, 6)), [3, 5, 6]);
        assert_eq!([0, 1, 2, 5].map(|position| before(&hits, position)), [0, 1, 2, 3]);
    }
}

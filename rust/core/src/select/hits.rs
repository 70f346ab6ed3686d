//! Where the excluded documents of a query stand in its candidate list: the one full pass over the ids.

use crate::error::{try_reserve, Result};
use crate::exclusions::Kind;
use crate::isa::Isa;
use crate::pool::Execution;
use crate::sort;

/// An excluded document found in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Position in the list.
    pub at: usize,
    /// Why it is excluded.
    pub kind: Kind,
}

/// Who is excluded for one query.
#[derive(Clone, Copy)]
pub struct Excluded<'a> {
    /// Its positives, in any order.
    pub positives: &'a [i64],
    /// Documents that the caller named, in any order.
    pub named: &'a [i64],
    /// Text group of every document, and those of the positives, sorted, without repeats.
    pub groups: Option<(&'a [i64], &'a [i64])>,
}

/// Up to this many ids are compared with every candidate directly; more are sorted and searched.
const FEW: usize = 8;
/// Candidates that are looked at between two questions whether to go on.
const STRETCH: usize = 1 << 16;

/// Finds where excluded documents stand in the list, in rising position, each once, under the first reason that applies.
#[inline]
pub fn find(
    exec: &Execution<'_>,
    list: &[i64],
    excluded: Excluded<'_>,
    sorted: &mut Vec<i64>,
    hits: &mut Vec<Hit>,
) -> Result<()> {
    hits.clear();
    by_id(exec, list, excluded.positives, Kind::Positive, sorted, hits)?;
    if !excluded.named.is_empty() {
        by_id(exec, list, excluded.named, Kind::Excluded, sorted, hits)?;
    }
    if let Some((groups, wanted)) = excluded.groups {
        by_group(exec, list, groups, wanted, hits)?;
    }
    if hits.len() > 1 {
        // Also where another thread writes to the list meanwhile, no position may occur twice.
        sort::sort_by_key(exec, hits, |hit| (hit.at, hit.kind as u8))?;
        hits.dedup_by_key(|hit| hit.at);
    }
    Ok(())
}

#[inline]
fn by_id(
    exec: &Execution<'_>,
    list: &[i64],
    wanted: &[i64],
    kind: Kind,
    sorted: &mut Vec<i64>,
    hits: &mut Vec<Hit>,
) -> Result<()> {
    if wanted.len() <= FEW {
        for &id in wanted {
            compare(exec.isa(), list, id, kind, hits);
        }
        return Ok(());
    }
    by_search(exec, list, wanted, kind, sorted, hits)
}

#[cold]
fn by_search(
    exec: &Execution<'_>,
    list: &[i64],
    wanted: &[i64],
    kind: Kind,
    sorted: &mut Vec<i64>,
    hits: &mut Vec<Hit>,
) -> Result<()> {
    sorted.clear();
    try_reserve(sorted, wanted.len())?;
    sorted.extend_from_slice(wanted);
    sort::sort_by_key(exec, sorted, |id| *id)?;
    search(exec, list, hits, kind, |id| sorted.binary_search(&id).is_ok())
}

fn by_group(exec: &Execution<'_>, list: &[i64], groups: &[i64], wanted: &[i64], hits: &mut Vec<Hit>) -> Result<()> {
    let group_of = |id: i64| groups.get(id as usize);
    match wanted {
        [] => Ok(()),
        [only] => search(exec, list, hits, Kind::DuplicateText, |id| group_of(id) == Some(only)),
        _ => search(exec, list, hits, Kind::DuplicateText, |id| {
            group_of(id).is_some_and(|group| wanted.binary_search(group).is_ok())
        }),
    }
}

/// Pushes a hit for every id of the list that `is_wanted`.
fn search(
    exec: &Execution<'_>,
    list: &[i64],
    hits: &mut Vec<Hit>,
    kind: Kind,
    is_wanted: impl Fn(i64) -> bool,
) -> Result<()> {
    for (stretch, ids) in list.chunks(STRETCH).enumerate() {
        if stretch > 0 {
            exec.check()?;
        }
        for (at, &id) in (stretch * STRETCH..).zip(ids) {
            if is_wanted(id) {
                try_reserve(hits, 1)?;
                hits.push(Hit { at, kind });
            }
        }
    }
    Ok(())
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
    use std::num::NonZeroUsize;

    use super::*;

    fn found(isa: Isa, list: &[i64], excluded: Excluded<'_>) -> Vec<Hit> {
        let exec = Execution::new(NonZeroUsize::MIN, isa, &|| false);
        let mut hits = vec![Hit { at: 7, kind: Kind::Excluded }];
        find(&exec, list, excluded, &mut Vec::new(), &mut hits).unwrap();
        hits
    }

    #[test]
    fn every_level_finds_every_id_at_every_position() {
        let list: Vec<i64> = (0..83).map(|i| i * 3).collect();
        for isa in Isa::available() {
            for at in 0..list.len() {
                for width in at + 1..=list.len() {
                    let excluded = Excluded { positives: &[list[at], 1], named: &[], groups: None };
                    assert_eq!(found(isa, &list[..width], excluded), [Hit { at, kind: Kind::Positive }]);
                }
            }
        }
    }

    #[test]
    fn few_and_many_named_by_id_or_by_group_agree() {
        let list: Vec<i64> = (0..40).rev().collect();
        let groups: Vec<i64> = (0..40).map(|id| id / 4).collect();
        for count in 0..40 {
            let wanted: Vec<i64> = (0..count).map(|i| i * 2).rev().collect();
            let at = |kind, holds: &dyn Fn(i64) -> bool| -> Vec<Hit> {
                (0..40).filter(|at| holds(list[*at])).map(|at| Hit { at, kind }).collect()
            };
            let named = Excluded { positives: &[], named: &wanted, groups: None };
            let expected = at(Kind::Excluded, &|id| wanted.contains(&id));
            assert_eq!(found(Isa::Portable, &list, named), expected);
            let positives = Excluded { positives: &wanted, named: &wanted, groups: None };
            let expected = at(Kind::Positive, &|id| wanted.contains(&id));
            assert_eq!(found(Isa::Portable, &list, positives), expected);
            let mut own: Vec<i64> = wanted.iter().map(|id| id / 4).collect();
            own.sort_unstable();
            own.dedup();
            let grouped = Excluded { positives: &[], named: &[], groups: Some((&groups, &own)) };
            let expected = at(Kind::DuplicateText, &|id| own.contains(&(id / 4)));
            assert_eq!(found(Isa::Portable, &list, grouped), expected);
        }
    }

    #[test]
    fn the_first_reason_counts() {
        let excluded = Excluded { positives: &[3], named: &[5, 3], groups: Some((&[0, 0, 0, 9, 9, 9], &[9])) };
        let kinds: Vec<_> = found(Isa::Portable, &[5, 4, 3, 2], excluded).iter().map(|hit| hit.kind).collect();
        assert_eq!(kinds, [Kind::Excluded, Kind::DuplicateText, Kind::Positive]);
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

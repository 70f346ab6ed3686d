//! Plain Rust in a shape that compilers vectorise for the target's baseline.

use super::lanes::{Counts, Hit, Lanes, Thresholds, BLOCK};

/// Groups whose maxima are built side by side: what one vector register of most machines holds, or a few.
const LANES: usize = 16;

/// See [`super::Scan::hits`].
pub(super) fn hits<T: Lanes>(values: &[T], bounds: &Thresholds<T>, hits: &mut Vec<Hit>) -> Counts {
    let mut counts = Counts::default();
    let least = bounds.least.low_lane();
    for (index, values) in values.chunks(BLOCK).enumerate() {
        if !bounds.counted && !any_reaches(values, least) {
            continue;
        }
        let (mask, here) = block(values, bounds);
        counts.above += here.above;
        counts.below += here.below;
        if mask != 0 {
            hits.push(Hit { block: index as u32, mask });
        }
    }
    counts
}

#[inline(always)]
fn any_reaches<T: Lanes>(values: &[T], least: T::Lane) -> bool {
    values.iter().fold(false, |any, value| any | reaches(value.lane(), least))
}

/// Not below, written so that NaN reaches every bound.
#[allow(clippy::neg_cmp_op_on_partial_ord)]
#[inline(always)]
fn reaches<L: Copy + PartialOrd>(lane: L, least: L) -> bool {
    !(lane < least)
}

/// Mask and counts of at most [`BLOCK`] scores.
pub(super) fn block<T: Lanes>(values: &[T], bounds: &Thresholds<T>) -> (u64, Counts) {
    debug_assert!(values.len() <= BLOCK);
    let least = bounds.least.low_lane();
    let mut mask = 0u64;
    for (bit, value) in values.iter().enumerate() {
        mask |= u64::from(reaches(value.lane(), least)) << bit;
    }
    let mut counts = Counts::default();
    if bounds.counted {
        let (floor, ceiling) = (bounds.floor.low_lane(), bounds.ceiling.high_lane());
        for (bit, value) in values.iter().enumerate() {
            let lane = value.lane();
            let above = lane > ceiling && lane <= T::TOP;
            mask &= !(u64::from(above) << bit);
            counts.above += i64::from(above);
            counts.below += i64::from(lane < floor);
        }
    }
    (mask, counts)
}

/// See [`super::Scan::maxima`].
pub(super) fn maxima<T: Lanes>(values: &[T], per_group: usize, ceiling: Option<T>, maxima: &mut Vec<T>) {
    let cap = ceiling.unwrap_or(T::HIGHEST).high_lane();
    let lowest = T::LOWEST.lane();
    for chunk in values.chunks_exact(per_group * LANES) {
        let mut best = [lowest; LANES];
        for vector in chunk.chunks_exact(LANES) {
            for (best, value) in best.iter_mut().zip(vector) {
                let next = value.lane();
                // NaN is not under the cap, whichever way it compares.
                *best = if next > *best && next <= cap { next } else { *best };
            }
        }
        maxima.extend(best.map(T::from_lane));
    }
}

//! The kernels written once over "a vector of lanes"; each instruction set only says what its vectors do.

// Loads and stores stay inside the slices by the block and chunk counts; the rest is the trait's own precondition.
#![allow(unsafe_op_in_unsafe_fn)]

use super::lanes::{Counts, Hit, Lanes, Thresholds, BLOCK};
use super::portable;

/// A register (or two) of lanes of one score type.
///
/// The methods are `inline(always)` so that they are compiled inside the one function per instruction set that enables
/// its features.
///
/// # Safety
/// Every method needs the instruction set it is written for. Pointers must be readable (writable) for `LANES` items.
pub(super) trait Vector: Copy {
    /// Score type.
    type Item: Lanes;
    /// Items per vector: a divisor of [`BLOCK`].
    const LANES: usize;

    /// Lanes of the items at `from`.
    unsafe fn load(from: *const Self::Item) -> Self;
    /// The same lane everywhere.
    unsafe fn splat(lane: <Self::Item as Lanes>::Lane) -> Self;
    /// Bit per lane: not below `bound`, or NaN.
    unsafe fn reaches(self, bound: Self) -> u64;
    /// Bit per lane: above `bound` and not NaN.
    unsafe fn exceeds(self, bound: Self) -> u64;
    /// Bit per lane: below `bound`; never NaN.
    unsafe fn misses(self, bound: Self) -> u64;
    /// Larger lane of each pair. A NaN in `self` is passed over, or comes out as NaN.
    unsafe fn max(self, so_far: Self) -> Self;
    /// As `max`, but lanes of `self` above `ceiling` (and NaN) are passed over.
    unsafe fn max_under(self, so_far: Self, ceiling: Self) -> Self;
    /// Writes the lanes back as items.
    unsafe fn store(self, to: *mut Self::Item);
}

/// Reports the blocks of `values` that reach the bounds; see [`super::Scan::hits`].
///
/// # Safety
/// Needs the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn hits<V: Vector, const COUNTED: bool>(
    values: &[V::Item],
    bounds: &Thresholds<V::Item>,
    hits: &mut Vec<Hit>,
) -> Counts {
    let blocks = values.len() / BLOCK;
    assert!(hits.capacity() > blocks + 1);
    let first = values.as_ptr();
    let out = hits.as_mut_ptr();
    let mut found = 0;
    let mut counts = Counts::default();
    let least = V::splat(bounds.least.low_lane());
    let floor = V::splat(bounds.floor.low_lane());
    let ceiling = V::splat(bounds.ceiling.high_lane());
    for block in 0..blocks {
        let (mut mask, mut above, mut below) = (0u64, 0u64, 0u64);
        let mut lane = 0;
        while lane < BLOCK {
            let vector = V::load(first.add(block * BLOCK + lane));
            mask |= vector.reaches(least) << lane;
            if COUNTED {
                above |= vector.exceeds(ceiling) << lane;
                below |= vector.misses(floor) << lane;
            }
            lane += V::LANES;
        }
        if COUNTED {
            counts.above += i64::from(above.count_ones());
            counts.below += i64::from(below.count_ones());
            mask &= !above;
        }
        // Always written, kept only if set: a hit is too unpredictable for a branch.
        out.add(found).write(Hit { block: block as u32, mask });
        found += usize::from(mask != 0);
    }
    hits.set_len(found);
    let rest = &values[blocks * BLOCK..];
    if !rest.is_empty() {
        let (mask, tail) = portable::block(rest, bounds);
        counts.above += tail.above;
        counts.below += tail.below;
        if mask != 0 {
            hits.push(Hit { block: blocks as u32, mask });
        }
    }
    counts
}

/// Maximum of each group of `per_group` scores; see [`super::Scan::maxima`].
///
/// # Safety
/// Needs the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn maxima<V: Vector, const CAPPED: bool>(
    values: &[V::Item],
    per_group: usize,
    ceiling: V::Item,
    maxima: &mut Vec<V::Item>,
) {
    let chunk = per_group * V::LANES;
    let chunks = values.len() / chunk;
    maxima.reserve(chunks * V::LANES);
    let first = values.as_ptr();
    let out = maxima.as_mut_ptr();
    let cap = V::splat(ceiling.high_lane());
    let lowest = V::splat(V::Item::LOWEST.lane());
    for index in 0..chunks {
        let mut best = lowest;
        for vector in 0..per_group {
            let next = V::load(first.add(index * chunk + vector * V::LANES));
            best = if CAPPED { next.max_under(best, cap) } else { next.max(best) };
        }
        best.store(out.add(index * V::LANES));
    }
    maxima.set_len(chunks * V::LANES);
}

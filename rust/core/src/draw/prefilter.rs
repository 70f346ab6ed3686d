//! A cheap look at a row: which positions can be among the n largest keys at all.
//!
//! Gumbel noise is first computed in float32 from the top 32 of its 64 bits, under a proven bound on the error. A position
//! whose approximate key lies further below the n-th largest than both errors can add up to has no chance, and is never
//! computed in full. What is picked is therefore the same to the bit as without this step.

use crate::draw::gather::{Gather, LANES};

/// Bound on |approximate noise - noise|, rounding of the sum of noise and log-weight near zero included.
///
/// Over all trusted inputs the error is below half of this (a test walks through them); the rest is room.
const NOISE_BOUND: f64 = 1.0 / 512.0;

/// Bound on the relative error of an approximate key: the log-weight is rounded to float32, then the sum; 2^-24 each.
const KEY_BOUND: f64 = 1.0 / 4_194_304.0;

/// Top halves of the random bits outside of which the approximation is not trusted; such rows are computed in full.
const TRUSTED: std::ops::RangeInclusive<u32> = 1 << 9..=u32::MAX - (1 << 12);

/// Bound on the error of an approximate key `rough`. `rough - error(rough)` and `rough + error(rough)` rise with `rough`.
#[inline(always)]
#[allow(clippy::inline_always)]
fn error(rough: f64) -> f64 {
    NOISE_BOUND + KEY_BOUND * rough.abs()
}

/// A float as an integer of the same order: maxima of integers are vector code, those of floats are not.
#[inline(always)]
#[allow(clippy::inline_always)]
fn ordered(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

/// The float of [`ordered`].
#[inline(always)]
#[allow(clippy::inline_always)]
fn float(key: i32) -> f64 {
    f64::from(f32::from_bits((key ^ ((key >> 31) & i32::MAX)) as u32))
}

/// [`ordered`] of -inf.
const NEVER: i32 = f32::NEG_INFINITY.to_bits() as i32 ^ i32::MAX;

/// Polynomial for ln(1 + f) / f on [-1/4, 1/2], Chebyshev fit with an error below 4.2e-4.
#[inline(always)]
#[allow(clippy::inline_always)]
fn ln_1p_over(f: f32) -> f32 {
    (0.999_923_94 - f * 0.503_946_07) + (f * f) * (0.343_469_48 - f * 0.185_161_08)
}

/// x as (k, f) with x = 2^k (1 + f), f in [-1/4, 1/2).
#[inline(always)]
#[allow(clippy::inline_always)]
fn split(x: f32) -> (f32, f32) {
    const ONE: u32 = 0x3F80_0000;
    const THREE_QUARTERS: u32 = 0x3F40_0000;
    let shifted = x.to_bits().wrapping_add(ONE - THREE_QUARTERS);
    let k = ((shifted >> 23) as i32).wrapping_sub(127) as f32;
    (k, f32::from_bits((shifted & 0x007F_FFFF).wrapping_add(THREE_QUARTERS)) - 1.0)
}

/// Approximate Gumbel noise of 64 bits whose top half is `top`.
#[inline(always)]
#[allow(clippy::inline_always)]
fn rough_gumbel(top: u32) -> f32 {
    const LN_2: f32 = std::f32::consts::LN_2;
    // Near 1, u is taken from its other end, where float32 has digits to spare.
    let near_one = top >= 0xC000_0000;
    let integer = if near_one { !top } else { top >> 1 };
    let value = integer as i32 as f32 + 0.5;
    let (k, f) = split(value * (1.0 / 2_147_483_648.0));
    let (k, f) = if near_one { (0.0, value * (-1.0 / 4_294_967_296.0)) } else { (k, f) };
    let exponential = -(k * LN_2 + f * ln_1p_over(f));
    let (k, f) = split(exponential);
    -(k * LN_2 + f * ln_1p_over(f))
}

/// Approximate keys of a row as ordered integers, padded with -inf to whole chunks.
#[derive(Debug, Clone, Default)]
pub(super) struct Rough {
    tops: Vec<u32>,
    weights: Vec<f32>,
    keys: Vec<i32>,
}

impl Rough {
    /// Computes the keys. Returns whether every one of them may be trusted.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn fill(&mut self, bits: &[u64], log_weights: &[f64]) -> bool {
        let padded = log_weights.len().next_multiple_of(LANES);
        self.tops.resize(padded, 0);
        self.weights.resize(padded, 0.0);
        self.keys.resize(padded, 0);
        for (top, &bits) in self.tops.iter_mut().zip(bits) {
            *top = (bits >> 32) as u32;
        }
        for (weight, &log_weight) in self.weights.iter_mut().zip(log_weights) {
            *weight = log_weight as f32;
        }
        self.tops[log_weights.len()..].fill(*TRUSTED.start());
        self.weights[log_weights.len()..].fill(f32::NEG_INFINITY);
        // Items of one width from here on: the widest vectors.
        let mut untrusted = 0u32;
        for ((key, &top), &weight) in self.keys.iter_mut().zip(&self.tops).zip(&self.weights) {
            untrusted |= u32::from(top.wrapping_sub(*TRUSTED.start()) > TRUSTED.end() - TRUSTED.start());
            *key = ordered(rough_gumbel(top) + weight);
        }
        untrusted == 0
    }

    /// Gathers the positions that can be among the `n` largest, ascending; false where there is no finite threshold.
    ///
    /// n positions reach t, so n keys are at least L = t - error(t); a position of approximate key a can only compete
    /// where a + error(a) >= L. That is solved for a with room for the dependence of the error on a.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn contenders<G: Gather>(&self, n: usize, contenders: &mut Contenders) -> bool {
        let threshold = float(self.reached_by(n));
        if !threshold.is_finite() {
            return false;
        }
        let least = threshold - error(threshold);
        let cut = (least - error(least) - KEY_BOUND * (least.abs() + 1.0)) as f32;
        let cut = ordered(cut.next_down());
        let Contenders { positions, keys, found } = contenders;
        if positions.len() < self.keys.len() + LANES {
            positions.resize(self.keys.len() + LANES, 0);
            keys.resize(self.keys.len() + LANES, 0);
        }
        *found = 0;
        for (first, chunk) in (0u32..).step_by(LANES).zip(self.keys.as_chunks().0) {
            // SAFETY: the level of this code was chosen among those that the machine has; there is room for a chunk more
            // than there are positions.
            *found += unsafe { G::gather(chunk, cut, first, &mut positions[*found..], &mut keys[*found..]) };
        }
        true
    }

    /// A threshold that at least `n` keys reach, and not many more.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn reached_by(&self, n: usize) -> i32 {
        // n of the largest keys of L groups are n keys. At three quarters of the groups, about twice as many reach it.
        match n {
            0..=12 => self.largest_of_groups::<16>(n),
            13..=24 => self.largest_of_groups::<32>(n),
            25..=48 => self.largest_of_groups::<64>(n),
            _ => self.bisect(n),
        }
    }

    /// The n-th largest among the largest keys of `L` groups of positions, group = position modulo L.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn largest_of_groups<const L: usize>(&self, n: usize) -> i32 {
        let mut largest = [NEVER; L];
        let (whole, rest) = self.keys.as_chunks::<L>();
        for chunk in whole {
            for (largest, &key) in largest.iter_mut().zip(chunk) {
                *largest = key.max(*largest);
            }
        }
        for (largest, &key) in largest.iter_mut().zip(rest) {
            *largest = key.max(*largest);
        }
        let mut threshold = NEVER;
        for (&own, before) in largest.iter().zip(count_before(&largest)) {
            threshold = threshold.max(if before as usize + 1 >= n { own } else { NEVER });
        }
        threshold
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn count_from(&self, threshold: i32) -> usize {
        self.keys.iter().map(|&key| u32::from(key >= threshold)).sum::<u32>() as usize
    }

    /// Halves an interval of thresholds until little more than `n` keys reach its lower end.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn bisect(&self, n: usize) -> i32 {
        let mut high = i64::from(self.keys.iter().copied().max().unwrap_or(NEVER));
        let mut low = i64::from(NEVER);
        let mut found = self.keys.len();
        while found > n + n / 4 && low + 1 < high {
            let middle = (low + high) >> 1;
            let count = self.count_from(middle as i32);
            if count >= n {
                (low, found) = (middle, count);
            } else {
                high = middle;
            }
        }
        low as i32
    }
}

/// Positions that can be among the n largest, ascending, and their approximate keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Contenders {
    positions: Vec<u32>,
    keys: Vec<i32>,
    /// How many there are; what lies behind them in the two vectors is left over.
    found: usize,
}

impl Contenders {
    pub(super) fn positions(&self) -> &[u32] {
        &self.positions[..self.found]
    }

    /// Lets all of `positions` contend.
    pub(super) fn replace(&mut self, positions: impl Iterator<Item = u32>) {
        self.positions.clear();
        self.positions.extend(positions);
        self.keys.resize(self.positions.len(), 0);
        self.found = self.positions.len();
    }

    /// Writes the positions of the `n` largest if the approximate keys (at most L) tell them already: where the n-th and
    /// the next lie further apart than both errors. That is nearly always so.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn settle<const L: usize>(&self, n: usize, out: &mut Vec<u32>) -> bool {
        let mut keys = [NEVER; L];
        for (key, &own) in keys.iter_mut().zip(&self.keys[..self.found]) {
            *key = own;
        }
        let before = count_before(&keys);
        let (mut last, mut next) = (i32::MAX, NEVER);
        for (&key, &before) in keys.iter().zip(&before) {
            last = last.min(if (before as usize) < n { key } else { i32::MAX });
            next = next.max(if (before as usize) < n { NEVER } else { key });
        }
        let settled = next == NEVER || float(last) - error(float(last)) > float(next) + error(float(next));
        if settled {
            let taken = self.positions().iter().zip(&before).filter(|(_, before)| (**before as usize) < n);
            out.extend(taken.map(|(&position, _)| position));
        }
        settled
    }
}

/// How many keys come before each: larger ones, and equal ones of lower index.
#[inline(always)]
#[allow(clippy::inline_always)]
fn count_before<const L: usize>(keys: &[i32; L]) -> [u32; L] {
    let mut before = [0u32; L];
    for (index, &rival) in (0u32..).zip(keys) {
        for ((before, &own), lane) in before.iter_mut().zip(keys).zip(0u32..) {
            *before += u32::from(rival > own) | (u32::from(rival == own) & u32::from(index < lane));
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::noise::gumbel;

    /// Largest error over the tops `start, start + step, ...`, against both ends of the 32 bits that the top leaves open.
    fn largest_error(start: u32, end: u32, step: usize) -> f64 {
        let error = |top: u32| {
            let rough = f64::from(rough_gumbel(top));
            let bits = u64::from(top) << 32;
            (rough - gumbel(bits)).abs().max((rough - gumbel(bits | 0xFFFF_FFFF)).abs())
        };
        (start..=end).step_by(step).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn the_bound_holds_at_the_ends_and_on_a_sample() {
        let (first, last) = (*TRUSTED.start(), *TRUSTED.end());
        assert!(largest_error(first, 1 << 18, 1) < NOISE_BOUND / 2.0);
        assert!(largest_error(last - (1 << 18), last, 1) < NOISE_BOUND / 2.0);
        assert!(largest_error(0xC000_0000 - 1000, 0xC000_0000 + 1000, 1) < NOISE_BOUND / 2.0);
        assert!(largest_error(first, last, 4093) < NOISE_BOUND / 2.0);
    }

    #[test]
    #[ignore = "all 2^32 inputs: minutes"]
    fn the_bound_holds_everywhere() {
        let error = largest_error(*TRUSTED.start(), *TRUSTED.end(), 1);
        assert!(error < NOISE_BOUND / 2.0, "largest error {error}");
    }
}

//! A cheap look at a row: which positions can be among the n largest keys at all.
//!
//! Gumbel noise is first computed in float32 from the top 32 of its 64 bits, under a proven bound on the error. A position
//! whose approximate key lies further below the n-th largest than both errors can add up to has no chance, and is never
//! computed in full. What is picked is therefore the same to the bit as without this step.

/// Values handled at a time: whole vectors at every level, and the bits of one mask.
pub(super) const LANES: usize = 32;

/// Bound on |approximate noise - noise|, rounding of the sum of noise and log-weight near zero included.
///
/// The largest error over all 2^32 inputs is 0.0009 (a test walks through them); the rest is room.
const NOISE_BOUND: f64 = 1.0 / 512.0;

/// Bound on the relative error of an approximate key: the log-weight is rounded to float32, then the sum; 2^-24 each.
const KEY_BOUND: f64 = 1.0 / 4_194_304.0;

/// Top halves of the random bits outside of which the approximation is not trusted; such rows are computed in full.
const TRUSTED: std::ops::RangeInclusive<u32> = 1 << 9..=u32::MAX - (1 << 12);

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

/// Approximate keys of a row, padded with -inf to whole chunks.
#[derive(Debug, Clone, Default)]
pub(super) struct Rough {
    tops: Vec<u32>,
    keys: Vec<f32>,
}

impl Rough {
    /// Computes the keys. Returns whether every one of them may be trusted.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn fill(&mut self, bits: &[u64], log_weights: &[f64]) -> bool {
        let padded = log_weights.len().next_multiple_of(LANES);
        self.tops.resize(padded, 0);
        self.keys.resize(padded, 0.0);
        for (top, &bits) in self.tops.iter_mut().zip(bits) {
            *top = (bits >> 32) as u32;
        }
        for (key, &log_weight) in self.keys.iter_mut().zip(log_weights) {
            *key = log_weight as f32;
        }
        self.tops[log_weights.len()..].fill(*TRUSTED.start());
        self.keys[log_weights.len()..].fill(f32::NEG_INFINITY);
        // Items of one width from here on: the widest vectors.
        let mut untrusted = 0u32;
        for (key, &top) in self.keys.iter_mut().zip(&self.tops) {
            untrusted |= u32::from(top.wrapping_sub(*TRUSTED.start()) > TRUSTED.end() - TRUSTED.start());
            *key += rough_gumbel(top);
        }
        untrusted == 0
    }

    /// Whole chunks of keys.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn chunks(&self) -> &[[f32; LANES]] {
        self.keys.as_chunks().0
    }

    /// The approximate key that a position must reach to have a chance among the `n` largest.
    ///
    /// n positions reach t, so n keys are at least L = t - bound(t); a position of approximate key a can only compete
    /// where a + bound(a) >= L. Both sides are widened for the dependence of the bound on a.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn cut(&self, n: usize) -> Option<f32> {
        let threshold = f64::from(self.reached_by(n)?);
        let least = threshold - NOISE_BOUND - KEY_BOUND * threshold.abs();
        let cut = least - NOISE_BOUND - 2.0 * KEY_BOUND * (least.abs() + 1.0);
        Some((cut as f32).next_down())
    }

    /// A threshold that at least `n` keys reach, and not many more; `None` where there is no finite one.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn reached_by(&self, n: usize) -> Option<f32> {
        // n of the largest keys of L groups are n keys. At three quarters of the groups, about twice as many reach it.
        let threshold = match n {
            0..=12 => self.largest_of_groups::<16>(n),
            13..=24 => self.largest_of_groups::<32>(n),
            25..=48 => self.largest_of_groups::<64>(n),
            _ => self.bisect(n)?,
        };
        threshold.is_finite().then_some(threshold)
    }

    /// The n-th largest among the largest keys of `L` groups of positions, group = position modulo L.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn largest_of_groups<const L: usize>(&self, n: usize) -> f32 {
        let mut largest = [f32::NEG_INFINITY; L];
        for chunk in self.keys.chunks(L) {
            for (largest, &key) in largest.iter_mut().zip(chunk) {
                *largest = if key > *largest { key } else { *largest };
            }
        }
        // How many are above each; the n-th largest is the largest with n - 1 or more above or level with it.
        let mut before = [0u32; L];
        for (index, &rival) in (0u32..).zip(&largest) {
            for ((before, &own), lane) in before.iter_mut().zip(&largest).zip(0u32..) {
                *before += u32::from(rival > own) | (u32::from(rival == own) & u32::from(index < lane));
            }
        }
        let mut threshold = f32::NEG_INFINITY;
        for (&own, &before) in largest.iter().zip(&before) {
            let own = if before as usize + 1 >= n { own } else { f32::NEG_INFINITY };
            threshold = if own > threshold { own } else { threshold };
        }
        threshold
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn count_from(&self, threshold: f32) -> usize {
        let mut counts = [0u32; LANES];
        for chunk in self.chunks() {
            for (count, &key) in counts.iter_mut().zip(chunk) {
                *count += u32::from(key >= threshold);
            }
        }
        counts.iter().sum::<u32>() as usize
    }

    /// Halves an interval of thresholds until little more than `n` keys reach its lower end.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn bisect(&self, n: usize) -> Option<f32> {
        let mut high = self.keys.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        let mut span = 4.0f32;
        let (mut low, mut found) = loop {
            let found = self.count_from(high - span);
            if found >= n {
                break (high - span, found);
            }
            span *= 4.0;
            // Also ends the search where `high` is infinite.
            if !(span < 1e6) {
                return None;
            }
        };
        while found > n + n / 4 {
            let middle = low + (high - low) * 0.5;
            if !(low < middle && middle < high) {
                break;
            }
            let count = self.count_from(middle);
            if count >= n {
                (low, found) = (middle, count);
            } else {
                high = middle;
            }
        }
        Some(low)
    }
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

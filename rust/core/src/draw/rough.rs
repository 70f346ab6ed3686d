//! Gumbel noise in float32, cheap and with a proven bound on the error.

use crate::draw::level::Level;

/// Bound on |approximate noise - noise|, rounding of the sum of noise and log-weight near zero included.
///
/// Over all trusted inputs the error is below half of this (a test walks through them); the rest is room.
pub(super) const NOISE_BOUND: f32 = 1.0 / 512.0;

/// Top halves of the random bits outside of which the approximation is not trusted; such rows are computed in full.
pub(super) const TRUSTED: std::ops::RangeInclusive<u32> = 1 << 9..=u32::MAX - (1 << 12);

/// x as (127 + k, f) with x = 2^k (1 + f), f in [-1/4, 1/2).
#[inline(always)]
#[allow(clippy::inline_always)]
unsafe fn split<L: Level>(x: L::Float) -> (L::Float, L::Float) {
    const ONE: i32 = 0x3F80_0000;
    const THREE_QUARTERS: i32 = 0x3F40_0000;
    // SAFETY: the caller promises the level.
    unsafe {
        let shifted = L::add_ints(L::as_ints(x), L::ints(ONE - THREE_QUARTERS));
        let k = L::to_floats(L::shift::<23>(shifted));
        let mantissa = L::add_ints(L::and(shifted, L::ints(0x007F_FFFF)), L::ints(THREE_QUARTERS));
        (k, L::add(L::as_floats(mantissa), L::floats(-1.0)))
    }
}

/// base - ln(1 + f), with a polynomial for ln(1 + f) / f on [-1/4, 1/2]: a Chebyshev fit with an error below 4.2e-4.
#[inline(always)]
#[allow(clippy::inline_always)]
unsafe fn less_ln_1p<L: Level>(base: L::Float, f: L::Float) -> L::Float {
    // SAFETY: the caller promises the level.
    unsafe {
        let cubic = L::madd(f, L::floats(-0.185_161_08), L::floats(0.343_469_48));
        let cubic = L::madd(f, L::madd(f, cubic, L::floats(-0.503_946_07)), L::floats(0.999_923_94));
        L::nmadd(f, cubic, base)
    }
}

/// Approximate Gumbel noise, plus `weight`, of 64 bits each whose top halves are `top`.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) unsafe fn rough_key<L: Level>(top: L::Int, weight: L::Float) -> L::Float {
    const LN_2: f32 = std::f32::consts::LN_2;
    // SAFETY: the caller promises the level.
    unsafe {
        // Where `top` is in the last quarter, near 1, u is taken from its other end: float32 has digits to spare there.
        let flipped = L::xor(top, L::ints(i32::MIN));
        let quarter = L::ints(0x3FFF_FFFF);
        let integer = L::pick_if_above(flipped, quarter, L::xor(top, L::ints(-1)), L::shift::<1>(top));
        let value = L::add(L::to_floats(integer), L::floats(0.5));
        let (k, far) = split::<L>(value);
        // u = value / 2^31, or 1 - value / 2^32.
        let near = L::mul(value, L::floats(-1.0 / 4_294_967_296.0));
        let base = L::nmadd(k, L::floats(LN_2), L::floats((127.0 + 31.0) * LN_2));
        let base = L::as_floats(L::pick_if_above(flipped, quarter, L::ints(0), L::as_ints(base)));
        let f = L::as_floats(L::pick_if_above(flipped, quarter, L::as_ints(near), L::as_ints(far)));
        let exponential = less_ln_1p::<L>(base, f);
        let (k, f) = split::<L>(exponential);
        less_ln_1p::<L>(L::nmadd(k, L::floats(LN_2), L::add(weight, L::floats(127.0 * LN_2))), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::level::{at_level, AtLevel, LANES};
    use crate::draw::noise::gumbel;
    use crate::isa::Isa;

    /// Largest error over the tops `start, start + step, ...`, against both ends of the 32 bits that the top leaves open.
    struct LargestError {
        start: u32,
        end: u32,
        step: u32,
    }

    impl AtLevel for LargestError {
        type Out = f64;

        #[inline(always)]
        #[allow(clippy::inline_always)]
        unsafe fn run<L: Level>(self) -> f64 {
            let (mut error, mut top) = (0.0f64, u64::from(self.start));
            while top <= u64::from(self.end) {
                let next = |lane: usize| (top + lane as u64 * u64::from(self.step)).min(u64::from(self.end)) as u32;
                let tops: [u32; LANES] = std::array::from_fn(next);
                let mut found = [0f32; LANES];
                // SAFETY: the arrays hold LANES values; the caller promises the level.
                unsafe {
                    let key = rough_key::<L>(L::load(tops.as_ptr().cast()), L::floats(0.0));
                    L::store(found.as_mut_ptr().cast(), L::as_ints(key));
                }
                for (rough, top) in found.into_iter().zip(tops) {
                    let (rough, bits) = (f64::from(rough), u64::from(top) << 32);
                    let both = (rough - gumbel(bits)).abs().max((rough - gumbel(bits | 0xFFFF_FFFF)).abs());
                    error = error.max(both);
                }
                top += LANES as u64 * u64::from(self.step);
            }
            error
        }
    }

    fn assert_bound(start: u32, end: u32, step: u32) {
        for isa in Isa::available() {
            let error = at_level(isa, LargestError { start, end, step });
            assert!(error < f64::from(NOISE_BOUND) / 2.0, "{error} between {start} and {end} at {}", isa.name());
        }
    }

    #[test]
    fn the_bound_holds_at_the_ends_and_on_a_sample() {
        let (first, last) = (*TRUSTED.start(), *TRUSTED.end());
        assert_bound(first, 1 << 18, 1);
        assert_bound(last - (1 << 18), last, 1);
        assert_bound(0xC000_0000 - 1000, 0xC000_0000 + 1000, 1);
        assert_bound(first, last, 4093);
    }

    #[test]
    #[ignore = "all 2^32 inputs: minutes"]
    fn the_bound_holds_everywhere() {
        assert_bound(*TRUSTED.start(), *TRUSTED.end(), 1);
    }
}

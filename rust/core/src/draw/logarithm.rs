//! A natural logarithm whose bits are the same on every machine.
//!
//! The platform's `ln` differs in the last place from one C library to the next. This one is `+ - * /` in a written order
//! and nothing else, with no branch and no table, so a loop over it becomes vector code.

/// ln 2 in two parts. The first has 21 zero bits at its end, so its product with any exponent is exact.
const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// Bits of sqrt(1/2), cut to 32: a mantissa is brought into [sqrt(1/2), sqrt(2)).
const SQRT_HALF: u64 = 0x3FE6_A09E_0000_0000;
const ONE: u64 = 0x3FF0_0000_0000_0000;
const MANTISSA: u64 = 0x000F_FFFF_FFFF_FFFF;

/// Natural logarithm of a positive, normal, finite `x`; off by less than one unit in the last place.
///
/// With x = 2^k (1 + f) and s = f / (2 + f): ln(1 + f) = 2 atanh(s) = f - f^2/2 + s (f^2/2 + s^2 R(s^2)), where the
/// polynomial R is a Chebyshev fit to (2 atanh(s) / s - 2) / s^2 with an error below 1e-17 after scaling.
#[inline(always)]
#[must_use]
#[allow(clippy::inline_always)]
pub fn ln(x: f64) -> f64 {
    let shifted = x.to_bits().wrapping_add(ONE - SQRT_HALF);
    // An exponent becomes a float by sitting in the mantissa of 2^52: no conversion instruction is needed.
    let exponent = f64::from_bits(0x4330_0000_0000_0000 | (shifted >> 52)) - (4_503_599_627_370_496.0 + 1023.0);
    let f = f64::from_bits((shifted & MANTISSA).wrapping_add(SQRT_HALF)) - 1.0;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (0.399_999_999_998_994_44 + w * (0.222_222_111_302_598_78 + w * 0.153_317_106_182_107_73));
    let odd = 0.285_714_286_260_032_7 + w * (0.181_828_894_556_749_47 + w * 0.146_165_854_248_886_23);
    let tail = z * (0.666_666_666_666_667 + w * odd) + even;
    exponent * LN2_HIGH - ((half_square - (s * (half_square + tail) + exponent * LN2_LOW)) - f)
}

/// [`ln`] of any finite `x >= 0`, subnormals included; zero gives -inf. Without a branch, as [`ln`].
#[inline(always)]
#[must_use]
#[allow(clippy::inline_always)]
pub fn ln_any(x: f64) -> f64 {
    let small = x < f64::MIN_POSITIVE;
    let found = ln(if small { x * 18_014_398_509_481_984.0 } else { x });
    let found = if small { found - 54.0 * (LN2_HIGH + LN2_LOW) } else { found };
    if x == 0.0 {
        f64::NEG_INFINITY
    } else {
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The platform's logarithm is within one unit itself, so two units apart at most.
    #[test]
    fn agrees_with_the_platform() {
        let mut state = 1u64;
        for step in 0..2_000_000u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let exponent = if step % 2 == 0 { 1023 - state % 60 } else { 1 + (state >> 5) % 2045 };
            let x = f64::from_bits(exponent << 52 | state >> 12);
            let (found, wanted) = (ln(x), x.ln());
            let unit = f64::from_bits(wanted.abs().to_bits() + 1) - wanted.abs();
            assert!((found - wanted).abs() <= 2.0 * unit, "ln {x:e}: {found:e}, not {wanted:e}");
        }
    }

    #[test]
    fn corners() {
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(ln(2.0), std::f64::consts::LN_2);
        assert_eq!(ln_any(0.0), f64::NEG_INFINITY);
        assert!((ln_any(5e-324) - 5e-324f64.ln()).abs() < 1e-12);
    }
}

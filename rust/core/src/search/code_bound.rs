//! How far an inner product of codes may lie from the exact score, with every rounding step accounted for.
//!
//! Notation: u = 2^-24; h = dimension, at most 2^15; |x| = Euclidean norm; q and d = the embeddings, for the cosine divided
//! by their norms; m = the centre; R = the rotation (or nothing); q' = R q and d' = R (d - m). Codes and scale give q^ = s(q) c(q)
//! and d^ = s(d) c(d), and r(q) = q' - q^, r(d) = d' - d^ are what they leave. Then
//!
//! ```text
//! q d = q m + q' d' = q m + q^ d^ + q^ r(d) + r(q) d',   |q d - q m - q^ d^| <= |q^| |r(d)| + |r(q)| |d'|
//! ```
//!
//! by Cauchy-Schwarz. What is computed differs from these letters by roundings, all of them covered by
//! `MARGIN |q'| |d'|` with MARGIN = 2^-17 = 128 u, and by a few 2^-40 |q| |m|:
//! - q' and d' are computed in float32 from numbers in float64: u each for the last rounding (the float64 steps are below
//!   2^-50 of |d'| + |m|), and for the rotation u per level of its butterflies and 2 u for its factor, twice at most, since a
//!   butterfly's sums and differences are each off by u of themselves and it is a rotation but for its factor: 2 (15 + 2) u of the
//!   norm. Both sides: 70 u.
//! - The codes come from `x * fl(1 / s)`, off by 2 u of x from x / s; the difference to the code is exact (Sterbenz), so
//!   what is summed as |r|^2 is the residual but for 2 u |x|. Both sides: 4 u. The sums of squares are enlarged by more than
//!   their own roundings.
//! - The sum of products of codes is an exact integer below 2^31 (48,641 h at most on the way). Its conversion to float32, the
//!   product with s(d), and the two sums that end at `high` or `low`: 4 u of |q^| |d^|, and 2 u of the width.
//! - `residual`, `length` and the two factors of a query are enlarged by 2^-20 of themselves, and rounded up.
//! - All is divided by s(q), in float64, bounds rounded towards keeping.
//!
//! A score S is float32 and the exact float64 sum E rounded once, |E - q d| <= (h + 8) 2^-53 |q| (|d'| + |m|). A bound t is
//! float32. E <= prev(t) gives S <= prev(t) < t, and E <= t gives S <= t; likewise upwards: rounding is monotone.
//!
//! An embedding without codes (all zero, or beyond what float32 holds on the way) has scale and codes 0 and a residual not
//! below its length: the bound then says |q' d'| <= |q'| |d'|. A zero embedding has width 0 and a score that is known. Infinities
//! and NaN of widths say nothing, and are never taken for more.

use super::encode::{round_down, round_up, Encoded};
use super::kernels::Line;
use super::query_state::{Interval, Wanted};

const MARGIN: f64 = 1.0 / 131_072.0;
const ENLARGED: f64 = 1.0 + 1.0 / 1_048_576.0;
/// Twice what a rounding to float32 can cost, of the number and where it is subnormal.
const ROUNDING: f64 = 1.0 / 8_388_608.0;
const TINY: f64 = 2.802_596_928_649_634e-45;
/// Of |q| |m|: the float64 product with the centre, the float64 exact sum, the bounds' own arithmetic.
const CENTRE_MARGIN: f64 = 1.0 / (1u64 << 35) as f64;

/// A query as the bound needs it.
#[derive(Debug, Clone, Copy)]
pub struct QueryTerms {
    /// Its scale; 1 where it has no codes.
    scale: f64,
    /// |q^| over its scale.
    residual: f32,
    /// |r(q)| over its scale, and the margin.
    length: f32,
    /// Product with the centre.
    offset: f64,
    /// What that product may be off.
    slack: f64,
    /// What the sums of its codes start at.
    start: i32,
}

impl QueryTerms {
    /// Terms of a query with these codes; `offset` is its product with the centre, `norms` its norm and that of the centre.
    #[must_use]
    pub fn new(encoded: &Encoded, codes: &[i8], offset: f64, norms: [f64; 2]) -> Self {
        let scale = if encoded.scale > 0.0 { f64::from(encoded.scale) } else { 1.0 };
        let squares: i64 = codes.iter().map(|code| i64::from(*code) * i64::from(*code)).sum();
        let sum: i32 = codes.iter().map(|code| i32::from(*code)).sum();
        let left = f64::from(encoded.residual) + MARGIN * f64::from(encoded.length);
        QueryTerms {
            scale,
            residual: round_up((squares as f64).sqrt() * ENLARGED),
            length: round_up(left / scale * ENLARGED * ENLARGED),
            offset,
            slack: norms[0] * norms[1] * CENTRE_MARGIN,
            start: -128 * sum,
        }
    }

    /// What the kernel compares with.
    #[must_use]
    pub fn line(&self, theta: f32, wanted: &Wanted) -> Line {
        Line {
            start: self.start,
            residual: self.residual,
            length: self.length,
            theta: self.down(theta.next_down()),
            above: self.up(wanted.ceiling.next_up()),
            within: self.down(wanted.ceiling),
            below: self.down(wanted.floor.next_down()),
            from: self.up(wanted.floor),
        }
    }

    fn down(&self, bound: f32) -> f32 {
        round_down((f64::from(bound) - self.offset - self.slack) / self.scale)
    }

    fn up(&self, bound: f32) -> f32 {
        round_up((f64::from(bound) - self.offset + self.slack) / self.scale)
    }

    /// The score that a value of the kernel's scale surely reaches.
    #[must_use]
    pub fn at_least(&self, value: f32) -> f32 {
        round_down(f64::from(value) * self.scale + self.offset - self.slack)
    }

    /// The interval of a document with that sum of products of codes.
    #[must_use]
    pub fn interval(&self, sum: i32, document: &Encoded, id: u32) -> Interval {
        let middle = f64::from(sum) * f64::from(document.scale) * self.scale + self.offset;
        let width = f64::from(self.residual) * f64::from(document.residual)
            + f64::from(self.length) * f64::from(document.length);
        let width = width * ENLARGED * self.scale + self.slack;
        // What rounding to float32 can cost, so that no branch has to ask in which direction it went.
        let rounding = (middle.abs() + width) * ROUNDING + TINY;
        let width = if width == 0.0 { 0.0 } else { width + rounding };
        if width.is_finite() {
            let (low, high) = ((middle - width) as f32, (middle + width) as f32);
            Interval { low: low.min(f32::MAX), high: high.max(f32::MIN), id }
        } else {
            Interval { low: f32::NEG_INFINITY, high: f32::INFINITY, id }
        }
    }
}

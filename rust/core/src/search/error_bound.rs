//! How far a float32 score tile may lie from the exact score, with every rounding step accounted for.
//!
//! Notation: u = 2^-24 (half the spacing of float32 at 1), h = dimension, r = the real inner product, E = the exact
//! score in float64 before its last rounding, S = E rounded to float32, a = the tile's value, |x| = Euclidean norm.
//! The filter needs float32 numbers low <= S <= high, and gets them as `a - e` and `a + e`, computed in float32, with
//!
//! ```text
//! e = scale(q) * n(d) + slack(q)
//! ```
//!
//! **Inner product.** In any order of summation, fused or not, a product passes through at most h roundings on its way
//! to the sum, so |a - r| <= gamma(h) * sum |q(i) d(i)| <= gamma(h) |q| |d| with gamma(h) = h u / (1 - h u) (Higham, Accuracy
//! and Stability of Numerical Algorithms, section 3.1, and Cauchy-Schwarz), as long as nothing over- or underflows.
//! - Overflow: a partial sum is at most (1 + gamma(h)) |q| |d|. Where [`ErrorBound::may_overflow`] says that this can leave
//!   float32, a value that is not finite says nothing and is never discarded; a finite value came from finite partial
//!   sums, because neither infinity nor NaN ever turns finite again.
//! - Underflow: the sums and products of a library that flushes subnormal results to zero are off by at most 2^-126
//!   each (2 h of them, grown by later roundings at most twofold); inputs read as zero cost at most
//!   2^-126 sum (|q(i)| + |d(i)|) <= 2^-126 sqrt(h) (|q| + |d|). All of it is in `scale` and `slack`, so the bound holds
//!   under any setting of the flush-to-zero flags.
//! - The float64 sum: |E - r| <= h 2^-53 (1 + tiny) |q| |d|.
//! - The filter's own `a + e` and `a - e` round by u |a + e|, and |a| <= 2 |q| |d|: 2 u |q| |d|, and a little of e.
//! - n(d) is |d| rounded up to float32; scale and slack are computed in float64, enlarged by 2^-20 of themselves (more
//!   than their own roundings, those of the float64 norms and of `scale * n + slack` together) and rounded up.
//! - The last rounding, E to S, is monotone, and low and high are float32 numbers: low <= E <= high gives
//!   low <= S <= high.
//!
//! **Cosine.** The tile is the product of float32 copies divided by their float64 norms. Each component of a copy is off
//! by u of itself (and by 2^-126 where it underflows), so the product of two copies is off the real cosine by 2 u more;
//! their norms are at most 1 + 2 u, so n(d) = 1. A zero vector stays zero: its tile value is 0, as is its exact score.
//!
//! A product in reduced precision (TF32, bfloat16) or by Strassen's method does not obey this bound: callers must not
//! use one.

use super::encode::round_up;
use super::exact::Similarity;

const U: f64 = 1.0 / 16_777_216.0;
const TINY: f64 = f32::MIN_POSITIVE as f64;
const MARGIN: f64 = 1.0 + 1.0 / 1_048_576.0;

/// The bound for one similarity and dimension.
#[derive(Debug, Clone, Copy)]
pub struct ErrorBound {
    similarity: Similarity,
    dimension: f64,
    relative: f64,
}

/// The bound of one query: `e = scale * n(d) + slack`.
#[derive(Debug, Clone, Copy)]
pub struct QueryError {
    /// Factor of the document's norm.
    pub scale: f32,
    /// Constant part: what underflow can cost.
    pub slack: f32,
}

impl ErrorBound {
    /// The bound for embeddings of `dimension` numbers. Where the theory ends (dimensions in the millions) it is
    /// infinite: nothing is discarded.
    #[must_use]
    pub fn new(similarity: Similarity, dimension: usize) -> Self {
        let h = dimension as f64;
        let gamma = if h * U < 0.25 { h * U / (1.0 - h * U) } else { f64::INFINITY };
        let own_roundings = match similarity {
            Similarity::Dot => 4.0 * U,
            Similarity::Cosine => 10.0 * U,
        };
        // 2^-50 h covers the float64 sum, and for the cosine both norms and the quotient.
        let relative = (gamma * (1.0 + 4.0 * U) + own_roundings + (h + 8.0) * U * U * 0.25) * MARGIN;
        ErrorBound { similarity, dimension: h, relative }
    }

    /// The bound of a query of that norm.
    #[must_use]
    pub fn query(&self, norm: f64) -> QueryError {
        let norm = self.norm(norm);
        let inputs = 2.0 * TINY * self.dimension.sqrt();
        let scale = norm * self.relative + inputs;
        let slack = norm * inputs + (8.0 * self.dimension + 32.0) * TINY;
        QueryError { scale: round_up(scale * MARGIN), slack: round_up(slack * MARGIN) }
    }

    /// n(d) of a document of that norm.
    #[must_use]
    pub fn document(&self, norm: f64) -> f32 {
        match self.similarity {
            Similarity::Dot => round_up(norm * MARGIN),
            Similarity::Cosine => 1.0,
        }
    }

    /// Whether a tile value of this query and a document of at most this n(d) may have left the range of float32.
    #[must_use]
    pub fn may_overflow(&self, query_norm: f64, largest: f32) -> bool {
        // Not written as `>=`: a product that is NaN must count as overflow.
        !(self.norm(query_norm) * f64::from(largest) < f64::from(f32::MAX) / 4.0)
    }

    fn norm(&self, norm: f64) -> f64 {
        match self.similarity {
            Similarity::Dot => norm,
            Similarity::Cosine => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_up_never_falls_short() {
        for x in [0.0, 1.0, 1.0 + 1e-12, 3.3e-46, 1e-40, 3.5e38, f64::INFINITY] {
            assert!(f64::from(round_up(x)) >= x, "{x}");
        }
        assert_eq!(round_up(1.0), 1.0);
    }

    #[test]
    fn the_bound_covers_the_rounding_of_a_dot_product() {
        let bound = ErrorBound::new(Similarity::Dot, 384);
        let e = bound.query(1.0).scale * bound.document(1.0);
        assert!(f64::from(e) >= 388.0 * U && f64::from(e) < 400.0 * U);
        assert!(ErrorBound::new(Similarity::Dot, 1 << 23).query(1.0).scale.is_infinite());
        assert!(bound.may_overflow(1e20, 1e20) && !bound.may_overflow(1e18, 1e18));
        assert!(bound.may_overflow(0.0, f32::INFINITY));
    }
}

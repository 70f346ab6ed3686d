//! The total order on (score, index): the only place that compares scores.
//!
//! A score becomes an unsigned key whose integer order is the score order, with -0.0 and 0.0 on one key. Integer keys
//! have no partial order to trip over, and one maximum over `(key, !index)` settles ties for the lower index.
//! NaN has no place in the order: callers test [`Score::is_nan`] first.

use half::{bf16, f16};

/// A floating-point score type that the kernels accept.
pub trait Score: Copy + Send + Sync + PartialOrd + Default + 'static {
    /// Unsigned integer in score order.
    type Key: Copy + Ord + Send + Sync + Default + std::fmt::Debug + 'static;

    /// Key of this score; equal scores, and only those, share a key. Not meaningful for NaN.
    fn key(self) -> Self::Key;
    /// Score of a key; gives 0.0 for the shared key of both zeros.
    fn from_key(key: Self::Key) -> Self;
    /// Whether this is NaN.
    fn is_nan(self) -> bool;
    /// This score as float32: exact for f16, bf16 and f32, rounded to nearest for f64.
    fn to_f32(self) -> f32;
    /// This score as float64, always exact.
    fn to_f64(self) -> f64;
}

macro_rules! ordered_bits {
    ($float:ty, $key:ty, $signed:ty, $to_f32:expr, $to_f64:expr) => {
        impl Score for $float {
            type Key = $key;

            #[inline(always)]
            fn key(self) -> $key {
                const TOP: $key = 1 << (<$key>::BITS - 1);
                let bits = self.to_bits();
                let bits = if bits == TOP { 0 } else { bits };
                // Negative scores: flip every bit. Others: set the top bit.
                let mask = ((bits as $signed) >> (<$key>::BITS - 1)) as $key | TOP;
                bits ^ mask
            }

            #[inline(always)]
            fn from_key(key: $key) -> Self {
                const TOP: $key = 1 << (<$key>::BITS - 1);
                let mask = if key & TOP == 0 { <$key>::MAX } else { TOP };
                Self::from_bits(key ^ mask)
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                self != self
            }

            #[inline(always)]
            fn to_f32(self) -> f32 {
                ($to_f32)(self)
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                ($to_f64)(self)
            }
        }
    };
}

ordered_bits!(f16, u16, i16, f16::to_f32, f16::to_f64);
ordered_bits!(bf16, u16, i16, bf16::to_f32, bf16::to_f64);
ordered_bits!(f32, u32, i32, |x| x, f64::from);
ordered_bits!(f64, u64, i64, |x| x as f32, |x| x);

/// Whether `(score_a, index_a)` ranks before `(score_b, index_b)`.
#[inline]
pub fn ranks_before<T: Score>(score_a: T, index_a: i64, score_b: T, index_b: i64) -> bool {
    let (a, b) = (score_a.key(), score_b.key());
    a > b || (a == b && index_a < index_b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_follow_scores<T: Score + std::fmt::Debug>(values: &[T]) {
        for &a in values {
            for &b in values {
                assert_eq!(a < b, a.key() < b.key(), "{a:?} {b:?}");
                assert_eq!(a == b, a.key() == b.key(), "{a:?} {b:?}");
            }
            assert!(T::from_key(a.key()) == a);
        }
    }

    #[test]
    fn every_f16_and_bf16_has_its_place() {
        let mut halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|x| !x.is_nan()).collect();
        halves.sort_unstable_by_key(|x| x.key());
        assert!(halves
            .windows(2)
            .all(|w| w[0].to_f64() <= w[1].to_f64() && (w[0] == w[1]) == (w[0].key() == w[1].key())));
        let mut brains: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).filter(|x| !x.is_nan()).collect();
        brains.sort_unstable_by_key(|x| x.key());
        assert!(brains
            .windows(2)
            .all(|w| w[0].to_f64() <= w[1].to_f64() && (w[0] == w[1]) == (w[0].key() == w[1].key())));
    }

    #[test]
    fn corner_values_are_ordered() {
        let f32s = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.0,
            -f32::MIN_POSITIVE,
            -1e-45,
            -0.0,
            0.0,
            1e-45,
            1.0,
            f32::MAX,
            f32::INFINITY,
        ];
        keys_follow_scores(&f32s);
        keys_follow_scores(&f32s.map(f64::from));
    }
}

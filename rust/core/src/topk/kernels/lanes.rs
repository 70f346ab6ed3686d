//! What kernels compare, and what they report.

use half::{bf16, f16};

use crate::order::Score;
use crate::topk::entry::Packed;

/// Columns of one block: one bit each in a mask.
pub(in crate::topk) const BLOCK: usize = 64;

/// A block that holds scores to look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hit {
    /// Number of the block in the scanned slice.
    pub block: u32,
    /// Bit i: column `block * 64 + i` reaches the bound and the ceiling, or is NaN.
    pub mask: u64,
}

/// What a scan compares with.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds<T> {
    /// Scores below this cannot enter the best k. Never below the floor.
    pub least: T,
    /// Scores below this are counted, where counting is asked for.
    pub floor: T,
    /// Scores above this are counted and never reported, where counting is asked for.
    pub ceiling: T,
    /// Whether floor and ceiling act at all.
    pub counted: bool,
}

/// How the scores of a row lie, where none of them is NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Never rising.
    Falling,
    /// Never falling.
    Rising,
    /// Neither, or with NaN.
    Mixed,
}

/// Scores outside floor and ceiling in one scan; NaN is neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub above: i64,
    pub below: i64,
}

/// A score type as kernels see it. The lane is what vectors compare: the float itself, or for 16-bit floats an
/// integer in score order with every NaN above +inf.
pub trait Lanes: Score + sealed::Sealed {
    /// Value that vector instructions compare.
    #[doc(hidden)]
    type Lane: Copy + PartialOrd;
    /// Packed key and document, for documents below 2^32.
    #[doc(hidden)]
    type Compact: Packed;
    /// Signed integer in score order, -0.0 before 0.0, NaN beyond both infinities.
    #[doc(hidden)]
    type Folded: Copy + Ord;
    /// Lane of +inf: the highest that is not NaN.
    #[doc(hidden)]
    const TOP: Self::Lane;
    /// -inf.
    #[doc(hidden)]
    const LOWEST: Self;
    /// +inf.
    #[doc(hidden)]
    const HIGHEST: Self;

    /// The key of `order.rs`, widened.
    #[doc(hidden)]
    fn rank(self) -> u64;
    /// Score of a rank that `rank` gave.
    #[doc(hidden)]
    fn from_rank(rank: u64) -> Self;
    /// Score that an entry was packed with.
    #[doc(hidden)]
    #[inline(always)]
    fn of_entry(entry: impl Packed) -> Self {
        Self::from_rank(entry.rank())
    }
    #[doc(hidden)]
    fn folded(self) -> Self::Folded;
    /// Score that `folded` came from.
    #[doc(hidden)]
    fn of_folded(folded: Self::Folded) -> Self;
    /// Lane of a score.
    #[doc(hidden)]
    fn lane(self) -> Self::Lane;
    /// Score of a lane that `lane` gave.
    #[doc(hidden)]
    fn from_lane(lane: Self::Lane) -> Self;
    /// Lane of an inclusive lower bound: at a zero, that of -0.0.
    #[doc(hidden)]
    fn low_lane(self) -> Self::Lane;
    /// Lane of an inclusive upper bound: at a zero, that of 0.0.
    #[doc(hidden)]
    fn high_lane(self) -> Self::Lane;
    /// The nearest value of this type.
    #[doc(hidden)]
    fn nearest(value: f32) -> Self;
}

mod sealed {
    /// Keeps the list of score types closed: each needs kernels.
    pub trait Sealed {}
}

macro_rules! scan_floats {
    ($float:ty, $key:ty, $signed:ty, $entry:ty, $nearest:expr) => {
        impl sealed::Sealed for $float {}
        impl Lanes for $float {
            type Lane = $float;
            type Compact = $entry;
            type Folded = $signed;
            const TOP: $float = <$float>::INFINITY;
            const LOWEST: $float = <$float>::NEG_INFINITY;
            const HIGHEST: $float = <$float>::INFINITY;

            #[inline(always)]
            fn folded(self) -> $signed {
                let bits = self.to_bits() as $signed;
                bits ^ ((bits >> (<$signed>::BITS - 1)) & <$signed>::MAX)
            }
            #[inline(always)]
            fn of_folded(folded: $signed) -> Self {
                Self::from_bits((folded ^ ((folded >> (<$signed>::BITS - 1)) & <$signed>::MAX)) as $key)
            }
            #[inline(always)]
            fn lane(self) -> $float {
                self
            }
            #[inline(always)]
            fn from_lane(lane: $float) -> Self {
                lane
            }
            #[inline(always)]
            fn low_lane(self) -> $float {
                self
            }
            #[inline(always)]
            fn high_lane(self) -> $float {
                self
            }
            fn nearest(value: f32) -> Self {
                $nearest(value)
            }
            #[inline(always)]
            fn rank(self) -> u64 {
                u64::from(self.key())
            }
            #[inline(always)]
            fn from_rank(rank: u64) -> Self {
                Self::from_key(rank as $key)
            }
        }
    };
}

scan_floats!(f32, u32, i32, u64, |value| value);
scan_floats!(f64, u64, i64, u128, f64::from);

macro_rules! scan_halves {
    ($half:ty, $shift:expr) => {
        impl sealed::Sealed for $half {}
        impl Lanes for $half {
            type Lane = i16;
            type Compact = u64;
            type Folded = i16;
            const TOP: i16 = to_lane(<$half>::INFINITY.to_bits(), $shift);
            const LOWEST: $half = <$half>::NEG_INFINITY;
            const HIGHEST: $half = <$half>::INFINITY;

            #[inline(always)]
            fn folded(self) -> i16 {
                fold(self.to_bits() as i16)
            }
            #[inline(always)]
            fn of_folded(folded: i16) -> Self {
                Self::from_bits(fold(folded) as u16)
            }
            #[inline(always)]
            fn lane(self) -> i16 {
                to_lane(self.to_bits(), $shift)
            }
            #[inline(always)]
            fn from_lane(lane: i16) -> Self {
                Self::from_bits(fold(lane.wrapping_sub($shift)) as u16)
            }
            #[inline(always)]
            fn low_lane(self) -> i16 {
                to_lane(if self.to_bits() == 0 { 0x8000 } else { self.to_bits() }, $shift)
            }
            #[inline(always)]
            fn high_lane(self) -> i16 {
                to_lane(if self.to_bits() == 0x8000 { 0 } else { self.to_bits() }, $shift)
            }
            fn nearest(value: f32) -> Self {
                <$half>::from_f32(value)
            }
            #[inline(always)]
            fn rank(self) -> u64 {
                u64::from(self.key())
            }
            #[inline(always)]
            fn from_rank(rank: u64) -> Self {
                Self::from_key(rank as u16)
            }
        }
    };
}

/// What turns sign-folded bits into a lane: moves -inf to the lowest integer, so that NaN of both signs ends on top.
pub(super) const fn lane_shift(negative_infinity: u16) -> i16 {
    i16::MIN.wrapping_sub(fold(negative_infinity as i16))
}

pub(super) const F16_SHIFT: i16 = lane_shift(f16::NEG_INFINITY.to_bits());
pub(super) const BF16_SHIFT: i16 = lane_shift(bf16::NEG_INFINITY.to_bits());

scan_halves!(f16, F16_SHIFT);
scan_halves!(bf16, BF16_SHIFT);

/// Sign-magnitude to two's complement order, and back.
#[inline(always)]
const fn fold(bits: i16) -> i16 {
    bits ^ ((bits >> 15) & 0x7fff)
}

#[inline(always)]
const fn to_lane(bits: u16, shift: i16) -> i16 {
    fold(bits as i16).wrapping_add(shift)
}

/// Smallest value of the type that is not below `bound`.
pub(crate) fn floor_in<T: Lanes>(bound: f32) -> T {
    let nearest = T::nearest(bound);
    if nearest.to_f64() < f64::from(bound) {
        return T::from_rank(nearest.rank() + 1);
    }
    nearest
}

/// Largest value of the type that is not above `bound`.
pub(crate) fn ceiling_in<T: Lanes>(bound: f32) -> T {
    let nearest = T::nearest(bound);
    if nearest.to_f64() > f64::from(bound) {
        // The rank below that of zero belongs to no score: both zeros share one.
        let step = if nearest.rank() == T::default().rank() { 2 } else { 1 };
        return T::from_rank(nearest.rank() - step);
    }
    nearest
}

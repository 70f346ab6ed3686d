//! AVX2: comparisons give lanes of ones, gathered into bit masks by `movemask`.

// Every method below is a few intrinsics, whose needs (the instruction set, readable memory) `Vector` states once.
#![allow(unsafe_op_in_unsafe_fn, clippy::wildcard_imports)]

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::lanes::{Counts, Hit, Lanes, Thresholds, BF16_SHIFT, F16_SHIFT};
use super::vector::{self, Vector};

/// The vector of a score type.
pub(super) trait HasVector: Lanes {
    type Vector: Vector<Item = Self>;
}

impl HasVector for f32 {
    type Vector = F32;
}
impl HasVector for f64 {
    type Vector = F64;
}
impl HasVector for f16 {
    type Vector = Half<f16, F16_SHIFT>;
}
impl HasVector for bf16 {
    type Vector = Half<bf16, BF16_SHIFT>;
}

/// # Safety
/// Needs AVX2.
#[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2")]
pub(super) unsafe fn hits<T: HasVector>(values: &[T], bounds: &Thresholds<T>, hits: &mut Vec<Hit>) -> Counts {
    if bounds.counted {
        vector::hits::<T::Vector, true>(values, bounds, hits)
    } else {
        vector::hits::<T::Vector, false>(values, bounds, hits)
    }
}

/// # Safety
/// Needs AVX2.
#[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2")]
pub(super) unsafe fn maxima<T: HasVector>(values: &[T], per_group: usize, ceiling: Option<T>, maxima: &mut Vec<T>) {
    match ceiling {
        Some(ceiling) => vector::maxima::<T::Vector, true>(values, per_group, ceiling, maxima),
        None => vector::maxima::<T::Vector, false>(values, per_group, T::HIGHEST, maxima),
    }
}

macro_rules! float_vector {
    ($name:ident, $float:ty, $register:ty, $lanes:expr, $load:ident, $splat:ident, $compare:ident, $movemask:ident,
     $max:ident, $blend:ident, $store:ident) => {
        #[derive(Clone, Copy)]
        pub(super) struct $name($register);

        impl Vector for $name {
            type Item = $float;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn load(from: *const $float) -> Self {
                $name($load(from))
            }
            #[inline(always)]
            unsafe fn splat(lane: $float) -> Self {
                $name($splat(lane))
            }
            #[inline(always)]
            unsafe fn reaches(self, bound: Self) -> u64 {
                u64::from($movemask($compare::<_CMP_NLT_UQ>(self.0, bound.0)) as u32)
            }
            #[inline(always)]
            unsafe fn exceeds(self, bound: Self) -> u64 {
                u64::from($movemask($compare::<_CMP_GT_OQ>(self.0, bound.0)) as u32)
            }
            #[inline(always)]
            unsafe fn misses(self, bound: Self) -> u64 {
                u64::from($movemask($compare::<_CMP_LT_OQ>(self.0, bound.0)) as u32)
            }
            #[inline(always)]
            unsafe fn max(self, so_far: Self) -> Self {
                // The instruction returns its second operand where either is NaN.
                $name($max(self.0, so_far.0))
            }
            #[inline(always)]
            unsafe fn max_under(self, so_far: Self, ceiling: Self) -> Self {
                let under = $compare::<_CMP_LE_OQ>(self.0, ceiling.0);
                $name($blend(so_far.0, $max(self.0, so_far.0), under))
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $float) {
                $store(to, self.0);
            }
        }
    };
}

float_vector!(
    F32,
    f32,
    __m256,
    8,
    _mm256_loadu_ps,
    _mm256_set1_ps,
    _mm256_cmp_ps,
    _mm256_movemask_ps,
    _mm256_max_ps,
    _mm256_blendv_ps,
    _mm256_storeu_ps
);
float_vector!(
    F64,
    f64,
    __m256d,
    4,
    _mm256_loadu_pd,
    _mm256_set1_pd,
    _mm256_cmp_pd,
    _mm256_movemask_pd,
    _mm256_max_pd,
    _mm256_blendv_pd,
    _mm256_storeu_pd
);

/// 32 lanes of a 16-bit float in two registers, so that one byte mask covers them.
pub(super) struct Half<T, const SHIFT: i16>(__m256i, __m256i, std::marker::PhantomData<T>);

impl<T, const SHIFT: i16> Clone for Half<T, SHIFT> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, const SHIFT: i16> Copy for Half<T, SHIFT> {}

impl<T, const SHIFT: i16> Half<T, SHIFT> {
    #[inline(always)]
    fn new(low: __m256i, high: __m256i) -> Self {
        Half(low, high, std::marker::PhantomData)
    }

    /// `bits ^ ((bits >> 15) & 0x7fff)`.
    #[inline(always)]
    unsafe fn fold(bits: __m256i) -> __m256i {
        let sign = _mm256_srai_epi16::<15>(bits);
        _mm256_xor_si256(bits, _mm256_and_si256(sign, _mm256_set1_epi16(0x7fff)))
    }

    /// Bit per lane of two comparison results.
    #[inline(always)]
    unsafe fn bits(low: __m256i, high: __m256i) -> u64 {
        // Packing works inside 128-bit halves; the permutation puts the quarters back in order.
        let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi16(low, high));
        u64::from(_mm256_movemask_epi8(bytes) as u32)
    }
}

impl<T: Lanes<Lane = i16>, const SHIFT: i16> Vector for Half<T, SHIFT> {
    type Item = T;
    const LANES: usize = 32;

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        let from: *const __m256i = from.cast();
        let shift = _mm256_set1_epi16(SHIFT);
        let (low, high) = (_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1)));
        Self::new(_mm256_add_epi16(Self::fold(low), shift), _mm256_add_epi16(Self::fold(high), shift))
    }
    #[inline(always)]
    unsafe fn splat(lane: i16) -> Self {
        Self::new(_mm256_set1_epi16(lane), _mm256_set1_epi16(lane))
    }
    #[inline(always)]
    unsafe fn reaches(self, bound: Self) -> u64 {
        !bound.exceeds_any(self) & 0xffff_ffff
    }
    #[inline(always)]
    unsafe fn exceeds(self, bound: Self) -> u64 {
        self.exceeds_any(bound) & !self.exceeds_any(Self::splat(T::TOP))
    }
    #[inline(always)]
    unsafe fn misses(self, bound: Self) -> u64 {
        bound.exceeds_any(self)
    }
    #[inline(always)]
    unsafe fn max(self, so_far: Self) -> Self {
        Self::new(_mm256_max_epi16(self.0, so_far.0), _mm256_max_epi16(self.1, so_far.1))
    }
    #[inline(always)]
    unsafe fn max_under(self, so_far: Self, ceiling: Self) -> Self {
        let over = (_mm256_cmpgt_epi16(self.0, ceiling.0), _mm256_cmpgt_epi16(self.1, ceiling.1));
        let best = self.max(so_far);
        Self::new(_mm256_blendv_epi8(best.0, so_far.0, over.0), _mm256_blendv_epi8(best.1, so_far.1, over.1))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        let to: *mut __m256i = to.cast();
        let shift = _mm256_set1_epi16(SHIFT);
        _mm256_storeu_si256(to, Self::fold(_mm256_sub_epi16(self.0, shift)));
        _mm256_storeu_si256(to.add(1), Self::fold(_mm256_sub_epi16(self.1, shift)));
    }
}

impl<T: Lanes<Lane = i16>, const SHIFT: i16> Half<T, SHIFT> {
    /// Bit per lane: above `bound`, NaN included.
    #[inline(always)]
    unsafe fn exceeds_any(self, bound: Self) -> u64 {
        Self::bits(_mm256_cmpgt_epi16(self.0, bound.0), _mm256_cmpgt_epi16(self.1, bound.1))
    }
}

//! AVX-512: comparisons give bit masks directly.

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
/// Needs AVX-512 F, BW, DQ and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt,bmi1,bmi2")]
pub(super) unsafe fn hits<T: HasVector>(values: &[T], bounds: &Thresholds<T>, hits: &mut Vec<Hit>) -> Counts {
    if bounds.counted {
        vector::hits::<T::Vector, true>(values, bounds, hits)
    } else {
        vector::hits::<T::Vector, false>(values, bounds, hits)
    }
}

/// # Safety
/// Needs AVX-512 F, BW, DQ and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt,bmi1,bmi2")]
pub(super) unsafe fn maxima<T: HasVector>(values: &[T], per_group: usize, ceiling: Option<T>, maxima: &mut Vec<T>) {
    match ceiling {
        Some(ceiling) => vector::maxima::<T::Vector, true>(values, per_group, ceiling, maxima),
        None => vector::maxima::<T::Vector, false>(values, per_group, T::HIGHEST, maxima),
    }
}

macro_rules! float_vector {
    ($name:ident, $float:ty, $register:ty, $lanes:expr, $load:ident, $splat:ident, $compare:ident, $max:ident,
     $mask_max:ident, $store:ident) => {
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
                u64::from($compare::<_CMP_NLT_UQ>(self.0, bound.0))
            }
            #[inline(always)]
            unsafe fn exceeds(self, bound: Self) -> u64 {
                u64::from($compare::<_CMP_GT_OQ>(self.0, bound.0))
            }
            #[inline(always)]
            unsafe fn misses(self, bound: Self) -> u64 {
                u64::from($compare::<_CMP_LT_OQ>(self.0, bound.0))
            }
            #[inline(always)]
            unsafe fn max(self, so_far: Self) -> Self {
                // The instruction returns its second operand where either is NaN.
                $name($max(self.0, so_far.0))
            }
            #[inline(always)]
            unsafe fn max_under(self, so_far: Self, ceiling: Self) -> Self {
                let under = $compare::<_CMP_LE_OQ>(self.0, ceiling.0);
                $name($mask_max(so_far.0, under, self.0, so_far.0))
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
    __m512,
    16,
    _mm512_loadu_ps,
    _mm512_set1_ps,
    _mm512_cmp_ps_mask,
    _mm512_max_ps,
    _mm512_mask_max_ps,
    _mm512_storeu_ps
);
float_vector!(
    F64,
    f64,
    __m512d,
    8,
    _mm512_loadu_pd,
    _mm512_set1_pd,
    _mm512_cmp_pd_mask,
    _mm512_max_pd,
    _mm512_mask_max_pd,
    _mm512_storeu_pd
);

/// 32 lanes of a 16-bit float.
pub(super) struct Half<T, const SHIFT: i16>(__m512i, std::marker::PhantomData<T>);

impl<T, const SHIFT: i16> Clone for Half<T, SHIFT> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, const SHIFT: i16> Copy for Half<T, SHIFT> {}

impl<T, const SHIFT: i16> Half<T, SHIFT> {
    #[inline(always)]
    fn new(register: __m512i) -> Self {
        Half(register, std::marker::PhantomData)
    }

    /// `bits ^ ((bits >> 15) & 0x7fff)`.
    #[inline(always)]
    unsafe fn fold(bits: __m512i) -> __m512i {
        const A_XOR_B_AND_C: i32 = 0x78;
        let sign = _mm512_srai_epi16::<15>(bits);
        _mm512_ternarylogic_epi32::<A_XOR_B_AND_C>(bits, sign, _mm512_set1_epi16(0x7fff))
    }
}

impl<T: Lanes<Lane = i16>, const SHIFT: i16> Vector for Half<T, SHIFT> {
    type Item = T;
    const LANES: usize = 32;

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        let bits = _mm512_loadu_si512(from.cast());
        Self::new(_mm512_add_epi16(Self::fold(bits), _mm512_set1_epi16(SHIFT)))
    }
    #[inline(always)]
    unsafe fn splat(lane: i16) -> Self {
        Self::new(_mm512_set1_epi16(lane))
    }
    #[inline(always)]
    unsafe fn reaches(self, bound: Self) -> u64 {
        u64::from(_mm512_cmpge_epi16_mask(self.0, bound.0))
    }
    #[inline(always)]
    unsafe fn exceeds(self, bound: Self) -> u64 {
        let number = _mm512_cmple_epi16_mask(self.0, _mm512_set1_epi16(T::TOP));
        u64::from(_mm512_mask_cmpgt_epi16_mask(number, self.0, bound.0))
    }
    #[inline(always)]
    unsafe fn misses(self, bound: Self) -> u64 {
        u64::from(_mm512_cmplt_epi16_mask(self.0, bound.0))
    }
    #[inline(always)]
    unsafe fn max(self, so_far: Self) -> Self {
        Self::new(_mm512_max_epi16(self.0, so_far.0))
    }
    #[inline(always)]
    unsafe fn max_under(self, so_far: Self, ceiling: Self) -> Self {
        let under = _mm512_cmple_epi16_mask(self.0, ceiling.0);
        Self::new(_mm512_mask_max_epi16(so_far.0, under, self.0, so_far.0))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        let folded = _mm512_sub_epi16(self.0, _mm512_set1_epi16(SHIFT));
        _mm512_storeu_si512(to.cast(), Self::fold(folded));
    }
}

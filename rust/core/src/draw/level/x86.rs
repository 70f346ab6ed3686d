//! [`Level`] for AVX-512 and AVX2.

// Dozens of intrinsics, every one used once.
#![allow(clippy::inline_always, clippy::wildcard_imports)]

use std::arch::x86_64::*;

use super::{AtLevel, Level, LANES};

/// AVX-512.
pub(super) struct Wide;

/// AVX2: two registers for a vector.
pub(super) struct Narrow;

/// # Safety
/// The machine must have AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,popcnt")]
pub(super) unsafe fn run_wide<W: AtLevel>(work: W) -> W::Out {
    // SAFETY: the caller's promise.
    unsafe { work.run::<Wide>() }
}

/// # Safety
/// The machine must have AVX2.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run_narrow<W: AtLevel>(work: W) -> W::Out {
    // SAFETY: the caller's promise.
    unsafe { work.run::<Narrow>() }
}

/// A function of the trait in one expression of intrinsics.
macro_rules! lanes {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty = $body:expr;)*) => {
        $(
            #[inline(always)]
            unsafe fn $name($($arg: $type),*) -> $out {
                // SAFETY: the caller promises the level, and room behind pointers.
                unsafe { $body }
            }
        )*
    };
}

impl Level for Wide {
    type Int = __m512i;
    type Float = __m512;

    lanes! {
        load(from: *const i32) -> __m512i = _mm512_loadu_si512(from.cast());
        store(to: *mut i32, x: __m512i) -> () = _mm512_storeu_si512(to.cast(), x);
        load_rounded(from: *const f64) -> __m512 = {
            let (low, high) = (_mm512_loadu_pd(from), _mm512_loadu_pd(from.add(8)));
            _mm512_insertf32x8::<1>(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high))
        };
        ints(x: i32) -> __m512i = _mm512_set1_epi32(x);
        floats(x: f32) -> __m512 = _mm512_set1_ps(x);
        as_ints(x: __m512) -> __m512i = _mm512_castps_si512(x);
        as_floats(x: __m512i) -> __m512 = _mm512_castsi512_ps(x);
        to_floats(x: __m512i) -> __m512 = _mm512_cvtepi32_ps(x);
        add_ints(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32(a, b);
        and(a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512(a, b);
        xor(a: __m512i, b: __m512i) -> __m512i = _mm512_xor_si512(a, b);
        sign(x: __m512i) -> __m512i = _mm512_srai_epi32::<31>(x);
        max(a: __m512i, b: __m512i) -> __m512i = _mm512_max_epi32(a, b);
        min(a: __m512i, b: __m512i) -> __m512i = _mm512_min_epi32(a, b);
        pick_if_above(x: __m512i, y: __m512i, a: __m512i, b: __m512i) -> __m512i =
            _mm512_mask_blend_epi32(_mm512_cmpgt_epi32_mask(x, y), b, a);
        count_above(count: __m512i, x: __m512i, y: __m512i) -> __m512i =
            _mm512_mask_add_epi32(count, _mm512_cmpgt_epi32_mask(x, y), count, _mm512_set1_epi32(1));
        bits_above(x: __m512i, y: __m512i) -> u32 = u32::from(_mm512_cmpgt_epi32_mask(x, y));
        bits_equal(x: __m512i, y: __m512i) -> u32 = u32::from(_mm512_cmpeq_epi32_mask(x, y));
        add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        madd(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        nmadd(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fnmadd_ps(a, b, c);
        compress(x: __m512i, bits: u32, first: u32, positions: *mut u32, keys: *mut i32) -> usize = {
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let own = _mm512_add_epi32(lanes, _mm512_set1_epi32(first as i32));
            let mask = bits as u16;
            _mm512_storeu_si512(positions.cast(), _mm512_maskz_compress_epi32(mask, own));
            _mm512_storeu_si512(keys.cast(), _mm512_maskz_compress_epi32(mask, x));
            bits.count_ones() as usize
        };
    }

    #[inline(always)]
    unsafe fn shift<const BITS: i32>(x: __m512i) -> __m512i {
        // SAFETY: the caller promises the level.
        unsafe { _mm512_srl_epi32(x, _mm_cvtsi32_si128(BITS)) }
    }
}

type Ints = [__m256i; 2];
type Floats = [__m256; 2];

/// Both halves.
macro_rules! both {
    ($f:expr; $($arg:expr),*) => { [$f($($arg[0]),*), $f($($arg[1]),*)] };
}

impl Level for Narrow {
    type Int = Ints;
    type Float = Floats;

    lanes! {
        load(from: *const i32) -> Ints =
            [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(8).cast())];
        store(to: *mut i32, x: Ints) -> () = {
            _mm256_storeu_si256(to.cast(), x[0]);
            _mm256_storeu_si256(to.add(8).cast(), x[1]);
        };
        load_rounded(from: *const f64) -> Floats = {
            let (a, b) = (_mm256_cvtpd_ps(_mm256_loadu_pd(from)), _mm256_cvtpd_ps(_mm256_loadu_pd(from.add(4))));
            let (c, d) = (_mm256_cvtpd_ps(_mm256_loadu_pd(from.add(8))), _mm256_cvtpd_ps(_mm256_loadu_pd(from.add(12))));
            [_mm256_set_m128(b, a), _mm256_set_m128(d, c)]
        };
        ints(x: i32) -> Ints = [_mm256_set1_epi32(x); 2];
        floats(x: f32) -> Floats = [_mm256_set1_ps(x); 2];
        as_ints(x: Floats) -> Ints = both!(_mm256_castps_si256; x);
        as_floats(x: Ints) -> Floats = both!(_mm256_castsi256_ps; x);
        to_floats(x: Ints) -> Floats = both!(_mm256_cvtepi32_ps; x);
        add_ints(a: Ints, b: Ints) -> Ints = both!(_mm256_add_epi32; a, b);
        and(a: Ints, b: Ints) -> Ints = both!(_mm256_and_si256; a, b);
        xor(a: Ints, b: Ints) -> Ints = both!(_mm256_xor_si256; a, b);
        sign(x: Ints) -> Ints = both!(_mm256_srai_epi32::<31>; x);
        max(a: Ints, b: Ints) -> Ints = both!(_mm256_max_epi32; a, b);
        min(a: Ints, b: Ints) -> Ints = both!(_mm256_min_epi32; a, b);
        pick_if_above(x: Ints, y: Ints, a: Ints, b: Ints) -> Ints = {
            let above = both!(_mm256_cmpgt_epi32; x, y);
            both!(_mm256_blendv_epi8; b, a, above)
        };
        count_above(count: Ints, x: Ints, y: Ints) -> Ints = {
            let above = both!(_mm256_cmpgt_epi32; x, y);
            both!(_mm256_sub_epi32; count, above)
        };
        bits_above(x: Ints, y: Ints) -> u32 = {
            let above = both!(_mm256_cmpgt_epi32; x, y);
            let [low, high] = both!(_mm256_castsi256_ps; above);
            _mm256_movemask_ps(low) as u32 | (_mm256_movemask_ps(high) as u32) << 8
        };
        bits_equal(x: Ints, y: Ints) -> u32 = {
            let equal = both!(_mm256_cmpeq_epi32; x, y);
            let [low, high] = both!(_mm256_castsi256_ps; equal);
            _mm256_movemask_ps(low) as u32 | (_mm256_movemask_ps(high) as u32) << 8
        };
        add(a: Floats, b: Floats) -> Floats = both!(_mm256_add_ps; a, b);
        mul(a: Floats, b: Floats) -> Floats = both!(_mm256_mul_ps; a, b);
        madd(a: Floats, b: Floats, c: Floats) -> Floats = both!(_mm256_fmadd_ps; a, b, c);
        nmadd(a: Floats, b: Floats, c: Floats) -> Floats = both!(_mm256_fnmadd_ps; a, b, c);
        compress(x: Ints, bits: u32, first: u32, positions: *mut u32, keys: *mut i32) -> usize = {
            let mut found = 0;
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            for (half, keys_of_half) in x.into_iter().enumerate() {
                let mask = (bits >> (8 * half)) as usize & 0xFF;
                let order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(ORDERS[mask] as i64));
                let own = _mm256_add_epi32(lanes, _mm256_set1_epi32(first as i32 + 8 * half as i32));
                let to = positions.add(found).cast();
                _mm256_storeu_si256(to, _mm256_permutevar8x32_epi32(own, order));
                _mm256_storeu_si256(keys.add(found).cast(), _mm256_permutevar8x32_epi32(keys_of_half, order));
                found += usize::from(COUNTS[mask]);
            }
            found
        };
    }

    #[inline(always)]
    unsafe fn shift<const BITS: i32>(x: Ints) -> Ints {
        // SAFETY: the caller promises the level.
        unsafe { both!(_mm256_srli_epi32::<BITS>; x) }
    }
}

/// For every set of eight lanes: its lanes in order, a byte each.
static ORDERS: [u64; 256] = orders();

const fn orders() -> [u64; 256] {
    let mut orders = [0; 256];
    let mut set = 0;
    while set < 256 {
        let (mut lane, mut found) = (0, 0);
        while lane < 8 {
            if set >> lane & 1 == 1 {
                orders[set] |= lane << (8 * found);
                found += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    orders
}

/// For every set of eight lanes: how many they are, which AVX2 alone has no instruction for.
static COUNTS: [u8; 256] = {
    let mut counts = [0; 256];
    let mut set = 0;
    while set < 256 {
        counts[set] = (set as u32).count_ones() as u8;
        set += 1;
    }
    counts
};

const _: () = assert!(LANES == 16);

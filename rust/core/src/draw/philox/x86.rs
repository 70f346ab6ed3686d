//! Philox rounds in vector registers: 8 (AVX-512) or 4 (AVX2) counters each, several registers interleaved, because one
//! round is a chain of a multiplication, a shift and an exclusive or that would otherwise wait for itself.

// A lane is one register in each of four arrays.
#![allow(clippy::needless_range_loop, clippy::wildcard_imports)]

use std::arch::x86_64::*;

use super::{in_chunks, round_keys, RowStart, Schedule, BLOCKS, MULTIPLIER, ROUNDS, TOPS};

/// Registers interleaved at AVX-512 and at AVX2.
const WIDE: usize = BLOCKS / 8;
const NARROW: usize = BLOCKS / 4;

/// Truth table of a ^ b ^ c.
const XOR3: i32 = 0x96;
/// Moves the high half of every 64-bit lane into its low half; a shuffle runs beside the multiplications, a shift does not.
const HIGH_TO_LOW: i32 = 0b11_11_01_01;
/// Moves the low half of every 64-bit lane into its high half.
const LOW_TO_HIGH: i32 = 0b10_10_00_00;

/// The key of every round in every lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn keys_512(key: [u32; 2]) -> [[__m512i; 2]; ROUNDS] {
    let mut keys = [[_mm512_set1_epi64(0); 2]; ROUNDS];
    for (to, [k0, k1]) in keys.iter_mut().zip(round_keys(key)) {
        *to = [_mm512_set1_epi64(k0 as i64), _mm512_set1_epi64(k1 as i64)];
    }
    keys
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn rounds_512(mut c: [[__m512i; WIDE]; 4], keys: &[[__m512i; 2]; ROUNDS]) -> [[__m512i; WIDE]; 4] {
    let multiplier = [_mm512_set1_epi64(MULTIPLIER[0] as i64), _mm512_set1_epi64(MULTIPLIER[1] as i64)];
    for &[k0, k1] in keys {
        for lane in 0..WIDE {
            let p0 = _mm512_mul_epu32(c[0][lane], multiplier[0]);
            let p1 = _mm512_mul_epu32(c[2][lane], multiplier[1]);
            let (h0, h1) = (_mm512_shuffle_epi32::<HIGH_TO_LOW>(p0), _mm512_shuffle_epi32::<HIGH_TO_LOW>(p1));
            c[0][lane] = _mm512_ternarylogic_epi64::<XOR3>(h1, c[1][lane], k0);
            c[2][lane] = _mm512_ternarylogic_epi64::<XOR3>(h0, c[3][lane], k1);
            c[1][lane] = p1;
            c[3][lane] = p0;
        }
    }
    c
}

/// Low halves of `low` below low halves of `high`.
#[inline]
#[target_feature(enable = "avx512f")]
fn pack_512(low: __m512i, high: __m512i) -> __m512i {
    _mm512_mask_shuffle_epi32::<LOW_TO_HIGH>(low, 0xAAAA, high)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn words64_512(key: [u32; 2], low: &[u64], high: u64, out: &mut [u64]) {
    let keys = keys_512(key);
    in_chunks(low, out, |low, out| {
        let mut c = [[_mm512_set1_epi64(0); WIDE]; 4];
        for lane in 0..WIDE {
            // SAFETY: 8 values from 8 * lane on lie inside the array of 8 * WIDE.
            c[0][lane] = unsafe { _mm512_loadu_si512(low.as_ptr().add(8 * lane).cast()) };
            c[1][lane] = _mm512_srli_epi64::<32>(c[0][lane]);
            c[2][lane] = _mm512_set1_epi64(high as i64);
            c[3][lane] = _mm512_set1_epi64((high >> 32) as i64);
        }
        let c = rounds_512(c, &keys);
        for lane in 0..WIDE {
            // SAFETY: as above.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(8 * lane).cast(), pack_512(c[0][lane], c[1][lane])) };
        }
    });
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn stream_512(key: [u32; 2], first: u64, high: u64, out: &mut [[[u64; 2]; BLOCKS]]) {
    let keys = keys_512(key);
    let (front, back) = (_mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15));
    let mut next = _mm512_set1_epi64(first as i64);
    next = _mm512_add_epi64(next, _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
    for out in out {
        let mut c = [[_mm512_set1_epi64(0); WIDE]; 4];
        for lane in 0..WIDE {
            c[0][lane] = next;
            c[1][lane] = _mm512_srli_epi64::<32>(next);
            c[2][lane] = _mm512_set1_epi64(high as i64);
            c[3][lane] = _mm512_set1_epi64((high >> 32) as i64);
            next = _mm512_add_epi64(next, _mm512_set1_epi64(8));
        }
        let c = rounds_512(c, &keys);
        for lane in 0..WIDE {
            let (a, b) = (pack_512(c[0][lane], c[1][lane]), pack_512(c[2][lane], c[3][lane]));
            // SAFETY: 16 values from 16 * lane on lie inside the array of 16 * WIDE.
            unsafe {
                let to = out.as_mut_ptr().cast::<u64>().add(16 * lane);
                _mm512_storeu_si512(to.cast(), _mm512_permutex2var_epi64(a, front, b));
                _mm512_storeu_si512(to.add(8).cast(), _mm512_permutex2var_epi64(a, back, b));
            }
        }
    }
}

/// Vectors of 8 that make the words of one step.
const TOP_WIDE: usize = TOPS / 8;

/// One round on counters; `KEEP` tells whether all words are wanted, or c2 alone.
#[inline]
#[target_feature(enable = "avx512f")]
fn round_512<const KEEP: bool>(c: &mut [[__m512i; TOP_WIDE]; 4], [k0, k1]: [u64; 2]) {
    let multiplier = [_mm512_set1_epi64(MULTIPLIER[0] as i64), _mm512_set1_epi64(MULTIPLIER[1] as i64)];
    let (k0, k1) = (_mm512_set1_epi64(k0 as i64), _mm512_set1_epi64(k1 as i64));
    for lane in 0..TOP_WIDE {
        let p0 = _mm512_mul_epu32(c[0][lane], multiplier[0]);
        let h0 = _mm512_shuffle_epi32::<HIGH_TO_LOW>(p0);
        if KEEP {
            let p1 = _mm512_mul_epu32(c[2][lane], multiplier[1]);
            let h1 = _mm512_shuffle_epi32::<HIGH_TO_LOW>(p1);
            c[0][lane] = _mm512_ternarylogic_epi64::<XOR3>(h1, c[1][lane], k0);
            c[1][lane] = p1;
        }
        c[2][lane] = _mm512_ternarylogic_epi64::<XOR3>(h0, c[3][lane], k1);
        c[3][lane] = p0;
    }
}

/// Words 1 of 16 counters, the first three rounds of which have been made.
#[inline]
#[target_feature(enable = "avx512f")]
fn finish_tops_512(mut c: [[__m512i; TOP_WIDE]; 4], schedule: &Schedule) -> __m512i {
    for &keys in &schedule.keys[3..ROUNDS - 2] {
        round_512::<true>(&mut c, keys);
    }
    round_512::<false>(&mut c, schedule.keys[ROUNDS - 2]);
    let multiplier = _mm512_set1_epi64(MULTIPLIER[1] as i64);
    let (front, back) = (_mm512_mul_epu32(c[2][0], multiplier), _mm512_mul_epu32(c[2][1], multiplier));
    let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    _mm512_permutex2var_epi32(front, even, back)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn tops_512(schedule: &Schedule, low: &[u64], high: u64, out: &mut [u32]) {
    let start = RowStart::new(schedule, high);
    let constant = |word: u64| _mm512_set1_epi64(word as i64);
    let multiplier = [constant(MULTIPLIER[0]), constant(MULTIPLIER[1])];
    let step = |low: [__m512i; TOP_WIDE]| {
        let zero = _mm512_setzero_si512();
        let mut c = [low, [zero; TOP_WIDE], [zero; TOP_WIDE], [zero; TOP_WIDE]];
        if _mm512_test_epi32_mask(_mm512_or_si512(low[0], low[1]), constant(u64::MAX << 32)) == 0 {
            for lane in 0..TOP_WIDE {
                let p = _mm512_mul_epu32(low[lane], multiplier[0]);
                let c2 = _mm512_xor_si512(_mm512_shuffle_epi32::<HIGH_TO_LOW>(p), constant(start.c2_first));
                let q = _mm512_mul_epu32(c2, multiplier[1]);
                let c0 = _mm512_xor_si512(_mm512_shuffle_epi32::<HIGH_TO_LOW>(q), constant(start.c0_second));
                let c2 = _mm512_xor_si512(p, constant(start.c2_second));
                let (p0, p1) = (_mm512_mul_epu32(c0, multiplier[0]), _mm512_mul_epu32(c2, multiplier[1]));
                let h1 = _mm512_shuffle_epi32::<HIGH_TO_LOW>(p1);
                c[0][lane] = _mm512_ternarylogic_epi64::<XOR3>(h1, q, constant(schedule.keys[2][0]));
                c[1][lane] = p1;
                let h0 = _mm512_shuffle_epi32::<HIGH_TO_LOW>(p0);
                c[2][lane] = _mm512_xor_si512(h0, constant(start.c2_third));
                c[3][lane] = p0;
            }
        } else {
            for lane in 0..TOP_WIDE {
                c[1][lane] = _mm512_srli_epi64::<32>(low[lane]);
                (c[2][lane], c[3][lane]) = (constant(high), constant(high >> 32));
            }
            for &keys in &schedule.keys[..3] {
                round_512::<true>(&mut c, keys);
            }
        }
        finish_tops_512(c, schedule)
    };
    let (whole, rest) = low.as_chunks::<TOPS>();
    let mut padded = [0; TOPS];
    padded[..rest.len()].copy_from_slice(rest);
    let last = (!rest.is_empty()).then_some(&padded);
    for (low, out) in whole.iter().chain(last).zip(out.as_chunks_mut::<TOPS>().0) {
        // SAFETY: the chunks hold 16 values each.
        unsafe {
            let low = [_mm512_loadu_si512(low.as_ptr().cast()), _mm512_loadu_si512(low.as_ptr().add(8).cast())];
            _mm512_storeu_si512(out.as_mut_ptr().cast(), step(low));
        }
    }
}

/// The key of every round in every lane.
#[inline]
#[target_feature(enable = "avx2")]
fn keys_256(key: [u32; 2]) -> [[__m256i; 2]; ROUNDS] {
    let mut keys = [[_mm256_set1_epi64x(0); 2]; ROUNDS];
    for (to, [k0, k1]) in keys.iter_mut().zip(round_keys(key)) {
        *to = [_mm256_set1_epi64x(k0 as i64), _mm256_set1_epi64x(k1 as i64)];
    }
    keys
}

#[inline]
#[target_feature(enable = "avx2")]
fn rounds_256(mut c: [[__m256i; NARROW]; 4], keys: &[[__m256i; 2]; ROUNDS]) -> [[__m256i; NARROW]; 4] {
    let multiplier = [_mm256_set1_epi64x(MULTIPLIER[0] as i64), _mm256_set1_epi64x(MULTIPLIER[1] as i64)];
    for &[k0, k1] in keys {
        for lane in 0..NARROW {
            let p0 = _mm256_mul_epu32(c[0][lane], multiplier[0]);
            let p1 = _mm256_mul_epu32(c[2][lane], multiplier[1]);
            let (h0, h1) = (_mm256_shuffle_epi32::<HIGH_TO_LOW>(p0), _mm256_shuffle_epi32::<HIGH_TO_LOW>(p1));
            c[0][lane] = _mm256_xor_si256(h1, _mm256_xor_si256(c[1][lane], k0));
            c[2][lane] = _mm256_xor_si256(h0, _mm256_xor_si256(c[3][lane], k1));
            c[1][lane] = p1;
            c[3][lane] = p0;
        }
    }
    c
}

/// Low halves of `low` below low halves of `high`.
#[inline]
#[target_feature(enable = "avx2")]
fn pack_256(low: __m256i, high: __m256i) -> __m256i {
    _mm256_blend_epi32::<0b1010_1010>(low, _mm256_slli_epi64::<32>(high))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn words64_256(key: [u32; 2], low: &[u64], high: u64, out: &mut [u64]) {
    let keys = keys_256(key);
    in_chunks(low, out, |low, out| {
        let mut c = [[_mm256_set1_epi64x(0); NARROW]; 4];
        for lane in 0..NARROW {
            // SAFETY: 4 values from 4 * lane on lie inside the array of 4 * NARROW.
            c[0][lane] = unsafe { _mm256_loadu_si256(low.as_ptr().add(4 * lane).cast()) };
            c[1][lane] = _mm256_srli_epi64::<32>(c[0][lane]);
            c[2][lane] = _mm256_set1_epi64x(high as i64);
            c[3][lane] = _mm256_set1_epi64x((high >> 32) as i64);
        }
        let c = rounds_256(c, &keys);
        for lane in 0..NARROW {
            // SAFETY: as above.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(4 * lane).cast(), pack_256(c[0][lane], c[1][lane])) };
        }
    });
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn stream_256(key: [u32; 2], first: u64, high: u64, out: &mut [[[u64; 2]; BLOCKS]]) {
    let keys = keys_256(key);
    let mut next = _mm256_set1_epi64x(first as i64);
    next = _mm256_add_epi64(next, _mm256_setr_epi64x(0, 1, 2, 3));
    for out in out {
        let mut c = [[_mm256_set1_epi64x(0); NARROW]; 4];
        for lane in 0..NARROW {
            c[0][lane] = next;
            c[1][lane] = _mm256_srli_epi64::<32>(next);
            c[2][lane] = _mm256_set1_epi64x(high as i64);
            c[3][lane] = _mm256_set1_epi64x((high >> 32) as i64);
            next = _mm256_add_epi64(next, _mm256_set1_epi64x(4));
        }
        let c = rounds_256(c, &keys);
        for lane in 0..NARROW {
            let (a, b) = (pack_256(c[0][lane], c[1][lane]), pack_256(c[2][lane], c[3][lane]));
            let (even, odd) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
            // SAFETY: 8 values from 8 * lane on lie inside the array of 8 * NARROW.
            unsafe {
                let to = out.as_mut_ptr().cast::<u64>().add(8 * lane);
                _mm256_storeu_si256(to.cast(), _mm256_permute2x128_si256::<0x20>(even, odd));
                _mm256_storeu_si256(to.add(4).cast(), _mm256_permute2x128_si256::<0x31>(even, odd));
            }
        }
    }
}

/// Words made in one step at AVX2, and vectors of 4 that make them.
const TOPS_NARROW: usize = 8;
const TOP_NARROW: usize = TOPS_NARROW / 4;

#[inline]
#[target_feature(enable = "avx2")]
fn round_256<const KEEP: bool>(c: &mut [[__m256i; TOP_NARROW]; 4], [k0, k1]: [u64; 2]) {
    let multiplier = [_mm256_set1_epi64x(MULTIPLIER[0] as i64), _mm256_set1_epi64x(MULTIPLIER[1] as i64)];
    let (k0, k1) = (_mm256_set1_epi64x(k0 as i64), _mm256_set1_epi64x(k1 as i64));
    for lane in 0..TOP_NARROW {
        let p0 = _mm256_mul_epu32(c[0][lane], multiplier[0]);
        let h0 = _mm256_shuffle_epi32::<HIGH_TO_LOW>(p0);
        if KEEP {
            let p1 = _mm256_mul_epu32(c[2][lane], multiplier[1]);
            let h1 = _mm256_shuffle_epi32::<HIGH_TO_LOW>(p1);
            c[0][lane] = _mm256_xor_si256(h1, _mm256_xor_si256(c[1][lane], k0));
            c[1][lane] = p1;
        }
        c[2][lane] = _mm256_xor_si256(h0, _mm256_xor_si256(c[3][lane], k1));
        c[3][lane] = p0;
    }
}

/// Words 1 of 8 counters, the first three rounds of which have been made.
#[inline]
#[target_feature(enable = "avx2")]
fn finish_tops_256(mut c: [[__m256i; TOP_NARROW]; 4], schedule: &Schedule) -> __m256i {
    for &keys in &schedule.keys[3..ROUNDS - 2] {
        round_256::<true>(&mut c, keys);
    }
    round_256::<false>(&mut c, schedule.keys[ROUNDS - 2]);
    let multiplier = _mm256_set1_epi64x(MULTIPLIER[1] as i64);
    let (front, back) = (_mm256_mul_epu32(c[2][0], multiplier), _mm256_mul_epu32(c[2][1], multiplier));
    let even = _mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castsi256_ps(front), _mm256_castsi256_ps(back));
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(even))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn tops_256(schedule: &Schedule, low: &[u64], high: u64, out: &mut [u32]) {
    let start = RowStart::new(schedule, high);
    let constant = |word: u64| _mm256_set1_epi64x(word as i64);
    let multiplier = [constant(MULTIPLIER[0]), constant(MULTIPLIER[1])];
    let step = |low: &[u64; TOPS_NARROW], out: &mut [u32; TOPS_NARROW]| {
        // SAFETY: the array holds 8 values.
        let low = unsafe { [_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(low.as_ptr().add(4).cast())] };
        let zero = _mm256_setzero_si256();
        let mut c = [low, [zero; TOP_NARROW], [zero; TOP_NARROW], [zero; TOP_NARROW]];
        if _mm256_testz_si256(_mm256_or_si256(low[0], low[1]), constant(u64::MAX << 32)) == 1 {
            for lane in 0..TOP_NARROW {
                let p = _mm256_mul_epu32(low[lane], multiplier[0]);
                let c2 = _mm256_xor_si256(_mm256_shuffle_epi32::<HIGH_TO_LOW>(p), constant(start.c2_first));
                let q = _mm256_mul_epu32(c2, multiplier[1]);
                let c0 = _mm256_xor_si256(_mm256_shuffle_epi32::<HIGH_TO_LOW>(q), constant(start.c0_second));
                let c2 = _mm256_xor_si256(p, constant(start.c2_second));
                let (p0, p1) = (_mm256_mul_epu32(c0, multiplier[0]), _mm256_mul_epu32(c2, multiplier[1]));
                let h1 = _mm256_shuffle_epi32::<HIGH_TO_LOW>(p1);
                c[0][lane] = _mm256_xor_si256(h1, _mm256_xor_si256(q, constant(schedule.keys[2][0])));
                c[1][lane] = p1;
                let h0 = _mm256_shuffle_epi32::<HIGH_TO_LOW>(p0);
                c[2][lane] = _mm256_xor_si256(h0, constant(start.c2_third));
                c[3][lane] = p0;
            }
        } else {
            for lane in 0..TOP_NARROW {
                c[1][lane] = _mm256_srli_epi64::<32>(low[lane]);
                (c[2][lane], c[3][lane]) = (constant(high), constant(high >> 32));
            }
            for &keys in &schedule.keys[..3] {
                round_256::<true>(&mut c, keys);
            }
        }
        // SAFETY: the array holds 8 values.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), finish_tops_256(c, schedule)) };
    };
    let (whole, rest) = low.as_chunks::<TOPS_NARROW>();
    let mut padded = [0; TOPS_NARROW];
    padded[..rest.len()].copy_from_slice(rest);
    let last = (!rest.is_empty()).then_some(&padded);
    for (low, out) in whole.iter().chain(last).zip(out.as_chunks_mut::<TOPS_NARROW>().0) {
        step(low, out);
    }
}

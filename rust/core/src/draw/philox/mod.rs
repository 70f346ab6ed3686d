//! Philox4x32-10: a bijection of 128-bit counters under a 64-bit key whose outputs pass every published test of
//! randomness (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! Words are kept in the low halves of 64-bit lanes: that is the shape which the vector multiplication 32 x 32 -> 64 asks
//! for on every x86 level, and the high halves may hold garbage, since only multiplications read them and those mask.

mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::isa::Isa;
pub use plain::{block, word64, BLOCKS};
pub(super) use plain::{in_chunks, round_keys, RowStart, Schedule, MULTIPLIER, ROUNDS, TOPS};
use plain::{rounds, top, LOW};

/// [`word64`] of every `low`, into `out` of the same length.
pub fn words64(isa: Isa, key: [u32; 2], low: &[u64], high: u64, out: &mut [u64]) {
    assert_eq!(low.len(), out.len());
    by_isa!(
        isa,
        avx512: x86::words64_512(key, low, high, out),
        avx2: x86::words64_256(key, low, high, out),
        portable: for (word, &low) in out.iter_mut().zip(low) {
            *word = word64(key, low, high);
        },
    );
}

/// Word 1 of the block with counter (`low`, `high`) for every `low`: the top half of [`word64`]. What `out` holds beyond
/// them is left as it is or overwritten; its length must be a multiple of [`TOPS`].
pub(super) fn tops(isa: Isa, schedule: &Schedule, low: &[u64], high: u64, out: &mut [u32]) {
    assert!(out.len() >= low.len() && out.len().is_multiple_of(TOPS));
    by_isa!(
        isa,
        avx512: x86::tops_512(schedule, low, high, out),
        avx2: x86::tops_256(schedule, low, high, out),
        portable: tops_plain(schedule, low, high, out),
    );
}

fn tops_plain(schedule: &Schedule, low: &[u64], high: u64, out: &mut [u32]) {
    let start = RowStart::new(schedule, high);
    for (low, out) in low.chunks(TOPS).zip(out.chunks_mut(TOPS)) {
        if low.iter().fold(0, |all, low| all | low) > LOW {
            for (out, &low) in out.iter_mut().zip(low) {
                *out = rounds([low, low >> 32, high, high >> 32], &schedule.keys)[1] as u32;
            }
        } else {
            for (out, &low) in out.iter_mut().zip(low) {
                *out = top(schedule, start, low);
            }
        }
    }
}

/// Blocks with counters (`first`, `high`), (`first + 1`, `high`), ...: words 0 and 1, then words 2 and 3 of each.
pub fn stream(isa: Isa, key: [u32; 2], first: u64, high: u64, out: &mut [[[u64; 2]; BLOCKS]]) {
    by_isa!(
        isa,
        avx512: x86::stream_512(key, first, high, out),
        avx2: x86::stream_256(key, first, high, out),
        portable: for (index, pair) in (0u64..).zip(out.as_flattened_mut()) {
            let low = first.wrapping_add(index);
            let [w0, w1, w2, w3] = rounds([low, low >> 32, high, high >> 32], &round_keys(key));
            *pair = [(w0 & LOW) | (w1 << 32), (w2 & LOW) | (w3 << 32)];
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kat_vectors` of the authors' library Random123.
    #[test]
    fn published_known_answers() {
        assert_eq!(block([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(block([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(block(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn many_counters_equal_one_at_a_time_at_every_level() {
        let key = [0xa409_3822, 0x299f_31d0];
        let high = 0x1234_5678_9abc_def0;
        for len in [0usize, 1, 7, 8, 9, 100] {
            let low: Vec<u64> = (0..len as u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
            let expected = |low: u64| block([low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32], key);
            for isa in Isa::available() {
                let mut words = vec![0; len];
                words64(isa, key, &low, high, &mut words);
                for (&low, &word) in low.iter().zip(&words) {
                    let [w0, w1, _, _] = expected(low);
                    assert_eq!(word, u64::from(w0) | u64::from(w1) << 32);
                }
            }
        }
        let first = u64::from(u32::MAX) - 3;
        let schedule = Schedule::new(key);
        for len in [0usize, 1, 3, 8, 15, 16, 17, 31, 33, 100] {
            for wide in [0u64, 1 << 32, u64::MAX << 32] {
                // Wide keys alone, or one of them among narrow ones.
                let low = (0..len as u64).map(|i| i.wrapping_mul(0x9E37_79B9) | if i % 7 == 3 { wide } else { 0 });
                let low: Vec<u64> = low.collect();
                for isa in Isa::available() {
                    let mut found = vec![0; len.next_multiple_of(TOPS)];
                    tops(isa, &schedule, &low, high, &mut found);
                    for (&low, &found) in low.iter().zip(&found) {
                        assert_eq!(found, (word64(key, low, high) >> 32) as u32, "{len} {}", isa.name());
                    }
                }
            }
        }
        for isa in Isa::available() {
            let mut pairs = [[[0; 2]; BLOCKS]; 5];
            stream(isa, key, first, high, &mut pairs);
            for (index, pair) in (0u64..).zip(pairs.as_flattened().iter().copied()) {
                let low = first + index;
                let words =
                    block([low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32], key).map(u64::from);
                assert_eq!(pair, [words[0] | words[1] << 32, words[2] | words[3] << 32]);
            }
        }
    }
}

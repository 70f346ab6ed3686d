//! Philox4x32-10: a bijection of 128-bit counters under a 64-bit key whose outputs pass every published test of
//! randomness (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! Words are kept in the low halves of 64-bit lanes: that is the shape which the vector multiplication 32 x 32 -> 64 asks
//! for on every x86 level, and the high halves may hold garbage, since only multiplications read them and those mask.

#[cfg(target_arch = "x86_64")]
mod x86;

use crate::isa::Isa;

/// Blocks computed together.
pub const BLOCKS: usize = 8;

/// Words computed together by [`tops`].
pub(super) const TOPS: usize = 16;

pub(super) const ROUNDS: usize = 10;
pub(super) const MULTIPLIER: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEP: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const LOW: u64 = 0xFFFF_FFFF;

/// Keys of the ten rounds.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn round_keys(key: [u32; 2]) -> [[u64; 2]; ROUNDS] {
    let mut keys = [[0; 2]; ROUNDS];
    for (round, keys) in (0u32..).zip(&mut keys) {
        for word in 0..2 {
            keys[word] = u64::from(key[word].wrapping_add(KEY_STEP[word].wrapping_mul(round)));
        }
    }
    keys
}

/// The keys of the ten rounds, made once for many rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) keys: [[u64; 2]; ROUNDS],
}

impl Schedule {
    pub(super) fn new(key: [u32; 2]) -> Self {
        Schedule { keys: round_keys(key) }
    }
}

/// What the first two rounds make of the upper half of a counter, which a row has in common, where the lower half is below
/// 2^32: of their four multiplications two remain.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowStart {
    /// Round 1: c2 = high half of the product ^ this.
    pub(super) c2_first: u64,
    /// Round 2: c0 = high half of the product ^ this.
    pub(super) c0_second: u64,
    /// Round 2: c2 = low half of the product of round 1 ^ this.
    pub(super) c2_second: u64,
    /// Round 3: c2 = high half of the product ^ this.
    pub(super) c2_third: u64,
}

impl RowStart {
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn new(schedule: &Schedule, high: u64) -> Self {
        let keys = &schedule.keys;
        let first = (high & LOW) * MULTIPLIER[1];
        let second = ((first >> 32) ^ keys[0][0]) * MULTIPLIER[0];
        RowStart {
            c2_first: (high >> 32) ^ keys[0][1],
            c0_second: (first & LOW) ^ keys[1][0],
            c2_second: (second >> 32) ^ keys[1][1],
            c2_third: (second & LOW) ^ keys[2][1],
        }
    }
}

/// Word 1 of the block with counter (`low`, the row's half), `low` below 2^32: the last two rounds compute nothing else.
#[inline(always)]
#[allow(clippy::inline_always)]
fn top(schedule: &Schedule, start: RowStart, low: u64) -> u32 {
    let keys = &schedule.keys;
    let half = |word: u64, multiplier: usize| (word & LOW).wrapping_mul(MULTIPLIER[multiplier]);
    let p = half(low, 0);
    let c2 = (p >> 32) ^ start.c2_first;
    let q = half(c2, 1);
    let (c0, c2) = ((q >> 32) ^ start.c0_second, p ^ start.c2_second);
    let (p0, p1) = (half(c0, 0), half(c2, 1));
    let (mut c0, mut c1, mut c2, mut c3) = ((p1 >> 32) ^ q ^ keys[2][0], p1, (p0 >> 32) ^ start.c2_third, p0);
    for [k0, k1] in &keys[3..ROUNDS - 2] {
        let (p0, p1) = (half(c0, 0), half(c2, 1));
        (c0, c1, c2, c3) = ((p1 >> 32) ^ c1 ^ k0, p1, (p0 >> 32) ^ c3 ^ k1, p0);
    }
    let _ = c1;
    let c2 = (half(c0, 0) >> 32) ^ c3 ^ keys[ROUNDS - 2][1];
    half(c2, 1) as u32
}

/// The ten rounds on lanes whose high halves are ignored, and garbage in the result.
#[inline(always)]
#[allow(clippy::inline_always)]
fn rounds(counter: [u64; 4], keys: &[[u64; 2]; ROUNDS]) -> [u64; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    for [k0, k1] in keys {
        let p0 = (c0 & LOW).wrapping_mul(MULTIPLIER[0]);
        let p1 = (c2 & LOW).wrapping_mul(MULTIPLIER[1]);
        c0 = (p1 >> 32) ^ c1 ^ k0;
        c2 = (p0 >> 32) ^ c3 ^ k1;
        c1 = p1;
        c3 = p0;
    }
    [c0, c1, c2, c3]
}

/// One block: four 32-bit words.
#[must_use]
pub fn block(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    rounds(counter.map(u64::from), &round_keys(key)).map(|word| word as u32)
}

/// Words 0 (low half) and 1 of the block with counter (`low`, `high`), each 64 bits, lower word first.
#[inline(always)]
#[must_use]
#[allow(clippy::inline_always)]
pub fn word64(key: [u32; 2], low: u64, high: u64) -> u64 {
    let [w0, w1, _, _] = rounds([low, low >> 32, high, high >> 32], &round_keys(key));
    (w0 & LOW) | (w1 << 32)
}

/// Runs `chunk` on whole arrays of counters and results. The last array overlaps the one before it; padding is left for
/// inputs shorter than one.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn in_chunks(low: &[u64], out: &mut [u64], chunk: impl Fn(&[u64; BLOCKS], &mut [u64; BLOCKS])) {
    let (whole, rest) = low.as_chunks::<BLOCKS>();
    for (low, out) in whole.iter().zip(out.as_chunks_mut::<BLOCKS>().0) {
        chunk(low, out);
    }
    if rest.is_empty() {
        return;
    }
    if let (Some(low), Some(out)) = (low.last_chunk(), out.last_chunk_mut()) {
        chunk(low, out);
    } else {
        let (mut padded, mut words) = ([0; BLOCKS], [0; BLOCKS]);
        padded[..rest.len()].copy_from_slice(rest);
        chunk(&padded, &mut words);
        out.copy_from_slice(&words[..rest.len()]);
    }
}

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

//! The rounds of Philox in plain Rust, and what every level shares.

/// Blocks computed together.
pub const BLOCKS: usize = 8;

/// Words computed together by [`tops`].
pub(in crate::draw) const TOPS: usize = 16;

pub(in crate::draw) const ROUNDS: usize = 10;
pub(in crate::draw) const MULTIPLIER: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
pub(in crate::draw) const KEY_STEP: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
pub(in crate::draw) const LOW: u64 = 0xFFFF_FFFF;

/// Keys of the ten rounds.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(in crate::draw) fn round_keys(key: [u32; 2]) -> [[u64; 2]; ROUNDS] {
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
pub(in crate::draw) struct Schedule {
    pub(in crate::draw) keys: [[u64; 2]; ROUNDS],
}

impl Schedule {
    pub(in crate::draw) fn new(key: [u32; 2]) -> Self {
        Schedule { keys: round_keys(key) }
    }
}

/// What the first two rounds make of the upper half of a counter, which a row has in common, where the lower half is below
/// 2^32: of their four multiplications two remain.
#[derive(Debug, Clone, Copy)]
pub(in crate::draw) struct RowStart {
    /// Round 1: c2 = high half of the product ^ this.
    pub(in crate::draw) c2_first: u64,
    /// Round 2: c0 = high half of the product ^ this.
    pub(in crate::draw) c0_second: u64,
    /// Round 2: c2 = low half of the product of round 1 ^ this.
    pub(in crate::draw) c2_second: u64,
    /// Round 3: c2 = high half of the product ^ this.
    pub(in crate::draw) c2_third: u64,
}

impl RowStart {
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(in crate::draw) fn new(schedule: &Schedule, high: u64) -> Self {
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
pub(in crate::draw) fn top(schedule: &Schedule, start: RowStart, low: u64) -> u32 {
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
pub(in crate::draw) fn rounds(counter: [u64; 4], keys: &[[u64; 2]; ROUNDS]) -> [u64; 4] {
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
pub(in crate::draw) fn in_chunks(low: &[u64], out: &mut [u64], chunk: impl Fn(&[u64; BLOCKS], &mut [u64; BLOCKS])) {
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

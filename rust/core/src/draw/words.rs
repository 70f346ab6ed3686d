//! The random words of one row, one after the other, and unbiased integers made of them.

use crate::draw::philox::{self, BLOCKS};
use crate::isa::Isa;

const CHUNKS: usize = 8;

/// Word w of a row is half of word64 w / 2; two word64 make a Philox block with counter (block number, row key).
#[derive(Debug, Clone)]
pub(super) struct Words {
    isa: Isa,
    key: [u32; 2],
    row_key: u64,
    next_block: u64,
    buffer: [[[u64; 2]; BLOCKS]; CHUNKS],
    used: usize,
}

impl Words {
    pub(super) fn new(isa: Isa, key: [u32; 2]) -> Self {
        let used = CHUNKS * BLOCKS * 2;
        Words { isa, key, row_key: 0, next_block: 0, buffer: [[[0; 2]; BLOCKS]; CHUNKS], used }
    }

    /// Starts the words of a row.
    pub(super) fn start(&mut self, row_key: u64) {
        (self.row_key, self.next_block, self.used) = (row_key, 0, CHUNKS * BLOCKS * 2);
    }

    /// The next 64 bits.
    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        let [word] = self.next_array();
        word
    }

    /// The next N x 64 bits, where N divides what a refill brings.
    #[inline]
    pub(super) fn next_array<const N: usize>(&mut self) -> [u64; N] {
        if self.used + N > CHUNKS * BLOCKS * 2 {
            philox::stream(self.isa, self.key, self.next_block, self.row_key, &mut self.buffer);
            self.next_block += (CHUNKS * BLOCKS) as u64;
            self.used = 0;
        }
        let words = self.buffer.as_flattened().as_flattened();
        let found = *words[self.used..].first_chunk().expect("N divides the buffer");
        self.used += N;
        found
    }

    /// A uniform integer below `range`; 64 bits are used up for each attempt.
    #[inline]
    pub(super) fn below(&mut self, range: u64) -> u64 {
        let bound = Below::new(range);
        loop {
            let word = self.next();
            if let Some(value) = bound.of(word) {
                return value;
            }
        }
    }
}

/// Uniform integers below a bound, from 64 random bits each.
///
/// The product of 64 bits and the range has the integer in its upper half. Lower halves below 2^64 mod range are refused:
/// what remains falls on every integer equally often (Lemire, "Fast random integer generation in an interval", 2019).
#[derive(Debug, Clone, Copy)]
pub(super) struct Below {
    range: u64,
    refused: u64,
}

impl Below {
    pub(super) fn new(range: u64) -> Self {
        Below { range, refused: range.wrapping_neg() % range }
    }

    #[inline]
    pub(super) fn of(self, bits: u64) -> Option<u64> {
        let product = u128::from(bits) * u128::from(self.range);
        (product as u64 >= self.refused).then_some((product >> 64) as u64)
    }
}

/// As [`Below`] from 32 random bits, for ranges of at most 2^32 - 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Below32 {
    range: u32,
    refused: u32,
}

impl Below32 {
    pub(super) fn new(range: u32) -> Self {
        Below32 { range, refused: range.wrapping_neg() % range }
    }

    #[inline]
    pub(super) fn of(self, bits: u32) -> Option<u32> {
        let product = u64::from(bits) * u64::from(self.range);
        (product as u32 >= self.refused).then_some((product >> 32) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value is hit equally often, which the rule makes visible where the words are few: 2^32 words, 3 values would be
    /// too many to walk, so the count of refused words is checked instead.
    #[test]
    fn what_is_not_refused_divides_evenly() {
        for range in [1u32, 2, 3, 5, 7, 1000, 40_000, 1 << 31, (1 << 31) + 1, u32::MAX] {
            let below = Below32::new(range);
            assert_eq!((u64::from(u32::MAX) + 1 - u64::from(below.refused)) % u64::from(range), 0);
            assert_eq!(below.of(u32::MAX), Some(range - 1));
            assert!(below.refused == 0 || below.of(0).is_none());
            let below = Below::new(u64::from(range));
            assert_eq!(((1u128 << 64) - u128::from(below.refused)) % u128::from(range), 0);
        }
    }

    #[test]
    fn words_are_the_blocks_in_order_at_every_level() {
        for isa in Isa::available() {
            let mut words = Words::new(isa, [3, 4]);
            for row_key in [5u64, 1 << 40] {
                words.start(row_key);
                for block in 0..200u32 {
                    let expected = philox::block([block, 0, row_key as u32, (row_key >> 32) as u32], [3, 4]);
                    let expected = expected.map(u64::from);
                    assert_eq!(words.next(), expected[0] | expected[1] << 32);
                    assert_eq!(words.next(), expected[2] | expected[3] << 32);
                }
            }
        }
    }
}

//! Sets of hashed word shingles.

use crate::error::{try_reserve, Result};
use crate::pool::Execution;
use crate::sort;
use crate::steps::STEP;

/// Bytes that are read between two questions whether to go on.
const SOME_BYTES: usize = 1 << 18;

/// A bijection of 64 bits in which every bit of the argument moves about half of the result.
#[inline]
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 29)).wrapping_mul(0xD1B5_4A32_D192_ED03);
    x ^ (x >> 32)
}

/// One hash of the hash of what came before and the next value.
#[inline]
pub(super) fn fold(before: u64, next: u64) -> u64 {
    mix(before.rotate_left(23) ^ next)
}

/// Makes the sets of texts; one per thread, since it owns the scratch space.
pub struct Shingler {
    size: usize,
    words: Vec<u64>,
    sorting: Vec<u64>,
}

impl Shingler {
    /// For shingles of `size` words, at least 1.
    pub fn new(size: usize) -> Self {
        Shingler { size: size.max(1), words: Vec::new(), sorting: Vec::new() }
    }

    /// The hashes of the shingles of a text into `set`, rising, each once.
    pub fn set_of(&mut self, exec: &Execution<'_>, text: &[u8], set: &mut Vec<u64>) -> Result<()> {
        self.hash_words(exec, text)?;
        set.clear();
        if self.words.is_empty() {
            return Ok(());
        }
        let size = self.size.min(self.words.len());
        try_reserve(set, self.words.len() - size + 1)?;
        // About as long between two questions for shingles of many words.
        let some = (STEP / size).max(1);
        for (number, words) in self.words.windows(size).enumerate() {
            if number % some == some - 1 {
                exec.check()?;
            }
            set.push(words.iter().fold(0, |hash, word| fold(hash, *word)));
        }
        sort::sort(exec, set, |hash| *hash, 0, &mut self.sorting)?;
        set.dedup();
        Ok(())
    }

    fn hash_words(&mut self, exec: &Execution<'_>, text: &[u8]) -> Result<()> {
        self.words.clear();
        let mut word = Word::default();
        for (part, bytes) in text.chunks(SOME_BYTES).enumerate() {
            if part > 0 {
                exec.check()?;
            }
            for &byte in bytes {
                if !is_space(byte) {
                    word.push(byte.to_ascii_lowercase());
                } else if word.length > 0 {
                    try_reserve(&mut self.words, 1)?;
                    self.words.push(std::mem::take(&mut word).hash());
                }
            }
        }
        if word.length > 0 {
            try_reserve(&mut self.words, 1)?;
            self.words.push(word.hash());
        }
        Ok(())
    }
}

/// What Python's `str.split` takes for white space among the ASCII characters.
#[inline]
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13 | 28..=31)
}

/// The hash of a word while its bytes are read, eight at a time.
#[derive(Default)]
struct Word {
    hash: u64,
    part: u64,
    length: u64,
}

impl Word {
    #[inline]
    fn push(&mut self, byte: u8) {
        self.part = self.part << 8 | u64::from(byte);
        self.length += 1;
        if self.length.is_multiple_of(8) {
            self.hash = fold(self.hash, self.part);
            self.part = 0;
        }
    }

    #[inline]
    fn hash(self) -> u64 {
        fold(fold(self.hash, self.part), self.length)
    }
}

/// Size of the intersection over size of the union, rounded once to float32; 1 for two empty sets.
pub fn jaccard(exec: &Execution<'_>, a: &[u64], b: &[u64]) -> Result<f32> {
    let (mut i, mut j, mut common, mut steps) = (0, 0, 0usize, 0);
    while i < a.len() && j < b.len() {
        common += usize::from(a[i] == b[j]);
        let (up, down) = (a[i] <= b[j], b[j] <= a[i]);
        i += usize::from(up);
        j += usize::from(down);
        steps += 1;
        if steps == STEP {
            steps = 0;
            exec.check()?;
        }
    }
    let union = a.len() + b.len() - common;
    Ok(if union == 0 { 1.0 } else { (common as f64 / union as f64) as f32 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::steps::tests::{going, stopped};

    fn set(size: usize, text: &str) -> Vec<u64> {
        let mut found = Vec::new();
        Shingler::new(size).set_of(&going(), text.as_bytes(), &mut found).unwrap();
        found
    }

    #[test]
    fn white_space_and_case_of_ascii_do_not_count() {
        let plain = set(2, "the red apple and the red car");
        assert_eq!(plain.len(), 5); // "the red" occurs twice
        assert_eq!(set(2, "\n The\tRED  apple\x1c and\x0bthe red CAR "), plain);
        assert_ne!(set(2, "the red apple and the red cars"), plain);
        assert!(plain.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn short_texts_are_one_shingle_and_order_counts() {
        assert_eq!((set(3, " ").len(), set(3, "a").len(), set(3, "a b").len(), set(3, "a b c").len()), (0, 1, 1, 1));
        assert_ne!(set(2, "a b"), set(2, "b a"));
        assert_ne!(set(3, "a b"), set(2, "a b c"));
        assert_ne!(set(1, "ab"), set(2, "a b"));
        assert_eq!(set(usize::MAX, "a b c"), set(3, "a b c"));
    }

    #[test]
    fn words_of_every_length_differ() {
        let mut hashes: Vec<u64> = (1..200).map(|length| set(1, &"a".repeat(length))[0]).collect();
        hashes.extend((0..100).map(|at| set(1, &format!("{}b{}", "a".repeat(at), "a".repeat(99 - at)))[0]));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 299);
    }

    #[test]
    fn jaccard_counts_what_is_shared() {
        let of = |a: &[u64], b: &[u64]| jaccard(&going(), a, b).unwrap();
        assert_eq!((of(&[], &[]), of(&[], &[1]), of(&[1, 2, 3], &[2, 3, 9, 10])), (1.0, 0.0, 0.4));
        assert_eq!(of(&(0..10).collect::<Vec<_>>(), &(0..9).collect::<Vec<_>>()), 0.9);
    }

    #[test]
    fn long_texts_end_when_asked() {
        let text = "word ".repeat(SOME_BYTES);
        let found = Shingler::new(1).set_of(&stopped(), text.as_bytes(), &mut Vec::new());
        assert_eq!(found, Err(Error::Interrupted));
        let long: Vec<u64> = (0..2 * STEP as u64).collect();
        assert_eq!(jaccard(&stopped(), &long, &long), Err(Error::Interrupted));
    }
}

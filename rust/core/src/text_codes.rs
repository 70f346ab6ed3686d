//! Which texts are equal: numbers in the place of texts.

use std::hash::{BuildHasher, RandomState};

use crate::error::{try_reserve, try_reserve_exact, try_vec, Result};
use crate::pool::{self, Execution};
use crate::shingles::Texts;
use crate::sort;
use crate::steps::{in_steps, STEP};

/// Texts of one task.
const TASK_ROWS: usize = 1024;

/// The different ones among many texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// The number of every text among the different ones, which are numbered as they come.
    pub codes: Vec<i64>,
    /// Where each of the different ones comes first.
    pub first: Vec<i64>,
}

/// Numbers the different texts: by hashes, and texts of equal hashes are compared.
///
/// Texts come from outside, so the hash has a secret: nobody can choose texts that all share one. Nothing that comes out
/// depends on it.
///
/// # Errors
/// [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`].
pub fn text_codes(exec: &Execution<'_>, texts: &Texts<'_>) -> Result<Codes> {
    let secret = RandomState::new();
    by_hashes(exec, texts, |text| secret.hash_one(text))
}

fn by_hashes(exec: &Execution<'_>, texts: &Texts<'_>, hash: impl Fn(&[u8]) -> u64 + Sync) -> Result<Codes> {
    let rows = texts.rows();
    let mut hashes = try_vec::<(u64, u64)>(rows)?;
    pool::map(
        exec,
        hashes.chunks_mut(TASK_ROWS),
        || (),
        |(), task, out| {
            for (row, out) in (task * TASK_ROWS..).zip(out) {
                *out = (hash(texts.text(row)), row as u64);
            }
            Ok(())
        },
    )?;
    // Rows rise along the items already, and go on to rise among equal hashes.
    let key = |&(hash, row): &(u64, u64)| u128::from(hash) << u64::BITS | u128::from(row);
    sort::sort(exec, &mut hashes, key, u64::BITS, &mut Vec::new())?;

    // For every text the row of the first that equals it, and its number afterwards.
    let mut codes = try_vec::<i64>(rows)?;
    let (mut start, mut seen, mut known) = (0, 0, Vec::<u64>::new());
    for alike in hashes.chunk_by(|left, right| left.0 == right.0) {
        known.clear();
        for &(_, row) in alike {
            let text = texts.text(row as usize);
            let equal = known.iter().find(|&&other| texts.text(other as usize) == text);
            codes[row as usize] = equal.copied().unwrap_or(row) as i64;
            if equal.is_none() {
                try_reserve(&mut known, 1)?;
                known.push(row);
                seen += 1;
            }
            start += 1;
            if start % STEP == 0 {
                exec.check()?;
            }
        }
    }
    let mut first = Vec::new();
    try_reserve_exact(&mut first, seen)?;
    in_steps(exec, rows, |some| {
        for row in some {
            // Rows before this one have their numbers, this one has a row.
            let earlier = codes[row] as usize;
            if earlier == row {
                codes[row] = first.len() as i64;
                first.push(row as i64);
            } else {
                codes[row] = codes[earlier];
            }
        }
        Ok(())
    })?;
    Ok(Codes { codes, first })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::isa::Isa;
    use crate::steps::tests::stopped;
    use crate::Error;

    fn numbers(words: &[String], threads: usize, hash: impl Fn(&[u8]) -> u64 + Sync) -> Codes {
        let data = words.concat();
        let mut offsets = vec![0i64];
        offsets.extend(words.iter().scan(0, |end, word| {
            *end += word.len() as i64;
            Some(*end)
        }));
        let texts = Texts::new("texts", &offsets, data.as_bytes()).unwrap();
        let exec = Execution::new(NonZeroUsize::new(threads).unwrap(), Isa::Portable, &|| false);
        let found = text_codes(&exec, &texts).unwrap();
        assert_eq!(by_hashes(&exec, &texts, hash).unwrap(), found);
        found
    }

    #[test]
    fn texts_are_numbered_as_they_come() {
        let words = ["b", "", "ab", "b", "a", "", "a", "ab", "c"].map(String::from);
        // Whatever the hashes: all equal, of the first byte alone, of the length.
        for hash in [
            |_: &[u8]| 7,
            |text: &[u8]| u64::from(text.first().copied().unwrap_or(0)),
            |text: &[u8]| u64::MAX - text.len() as u64,
        ] {
            let found = numbers(&words, 1, hash);
            assert_eq!(found.codes, [0, 1, 2, 0, 3, 1, 3, 2, 4]);
            assert_eq!(found.first, [0, 1, 2, 4, 8]);
        }
        assert_eq!(numbers(&[], 1, |_| 7), Codes { codes: vec![], first: vec![] });
    }

    #[test]
    fn many_texts_on_any_number_of_threads() {
        let words: Vec<String> = (0..30_000u64).map(|i| format!("text {}", i.wrapping_mul(i) % 10_007)).collect();
        let mut first = std::collections::HashMap::new();
        let wanted: Vec<i64> = words
            .iter()
            .map(|word| {
                let count = first.len() as i64;
                *first.entry(word).or_insert(count)
            })
            .collect();
        for threads in [1, 3] {
            let found = numbers(&words, threads, |text| text.iter().fold(0, |sum, byte| sum + u64::from(*byte)) % 997);
            assert_eq!(found.codes, wanted);
            assert!(found.first.iter().enumerate().all(|(code, row)| found.codes[*row as usize] == code as i64));
            assert!(found.first.is_sorted() && found.first.len() == first.len());
        }
    }

    #[test]
    fn stopping_is_noticed() {
        let texts = Texts::new("texts", &[0, 1, 2], b"ab").unwrap();
        assert_eq!(text_codes(&stopped(), &texts), Err(Error::Interrupted));
    }
}

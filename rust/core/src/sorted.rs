//! Sorting what may be long: nobody waits half a second for an answer to Ctrl-C.

use crate::error::{try_reserve, Result};
use crate::pool::Execution;

/// Values that are sorted, or merged, between two questions whether to go on: some milliseconds.
const RUN: usize = 1 << 16;

/// Sorts by a key, in no order among equal keys.
///
/// # Errors
/// [`crate::Error::Interrupted`]; [`crate::Error::OutOfMemory`] where more than one run has no room to be merged in.
pub fn sort_by_key<T: Copy, K: Ord>(exec: &Execution<'_>, values: &mut Vec<T>, key: impl Fn(&T) -> K) -> Result<()> {
    if values.len() <= RUN {
        values.sort_unstable_by_key(&key);
        return Ok(());
    }
    for run in values.chunks_mut(RUN) {
        run.sort_unstable_by_key(&key);
        exec.check()?;
    }
    let mut merged = Vec::new();
    try_reserve(&mut merged, values.len())?;
    let mut width = RUN;
    while width < values.len() {
        merged.clear();
        for pair in values.chunks(2 * width) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(exec, left, right, &mut merged, &key)?;
        }
        std::mem::swap(values, &mut merged);
        width *= 2;
    }
    Ok(())
}

/// Appends two sorted slices to `merged`, which has room for them, in order; the left comes first among equals.
fn merge<T: Copy, K: Ord>(
    exec: &Execution<'_>,
    mut left: &[T],
    mut right: &[T],
    merged: &mut Vec<T>,
    key: impl Fn(&T) -> K,
) -> Result<()> {
    let mut until_check = RUN;
    while let (Some(a), Some(b)) = (left.first(), right.first()) {
        if key(b) < key(a) {
            merged.push(*b);
            right = &right[1..];
        } else {
            merged.push(*a);
            left = &left[1..];
        }
        until_check -= 1;
        if until_check == 0 {
            exec.check()?;
            until_check = RUN;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    exec.check()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::{Error, Isa};

    #[test]
    fn every_length_is_sorted() {
        let exec = Execution::new(NonZeroUsize::MIN, Isa::Portable, &|| false);
        for len in [0, 1, RUN - 1, RUN, RUN + 1, 2 * RUN, 2 * RUN + 1, 5 * RUN + 77] {
            let mut values: Vec<u64> = (0..len as u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44).collect();
            let mut expected = values.clone();
            expected.sort_unstable();
            sort_by_key(&exec, &mut values, |value| *value).unwrap();
            assert_eq!(values, expected);
        }
    }

    #[test]
    fn a_long_sort_can_be_stopped() {
        let exec = Execution::new(NonZeroUsize::MIN, Isa::Portable, &|| true);
        let mut values: Vec<u64> = (0..200 * RUN as u64).rev().collect();
        assert_eq!(sort_by_key(&exec, &mut values, |value| *value), Err(Error::Interrupted));
    }
}

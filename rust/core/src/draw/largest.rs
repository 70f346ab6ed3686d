//! The n largest keys of a row.

use crate::error::{try_reserve, Result};
use crate::exact_sum::exact_sum;
use crate::order::Score;
use crate::pool::Execution;
use crate::sort;
use crate::steps::{self, STEP};

/// A key and its position: sorts first for the largest key, then for the lowest position.
pub(super) type Pair = (u64, u32);

#[inline]
pub(super) fn descending(key: f64, position: u32) -> Pair {
    (!key.key(), position)
}

/// What the key of [`descending`] leaves out of log-weight + noise: smallest for the largest rest.
///
/// From 1e15 up float64 has no room for the noise beside the weight. Sums that agree in what it holds differ here.
#[inline]
pub(super) fn rest(log_weight: f64, noise: f64) -> u64 {
    let (sum, rest) = exact_sum(log_weight, noise);
    !if sum.is_finite() { rest } else { 0.0 }.key()
}

/// Fills `out` with the positions of the `n` smallest pairs, ascending. Of equal keys the one of the smallest `rest` comes
/// first, then the lowest position. Positions rise along `pairs`, whose order is lost.
pub(super) fn smallest(
    exec: &Execution<'_>,
    pairs: &mut [Pair],
    n: usize,
    out: &mut Vec<u32>,
    rest: impl Fn(u32) -> u64,
) -> Result<()> {
    out.clear();
    try_reserve(out, n.min(pairs.len()))?;
    if n >= pairs.len() {
        out.extend(pairs.iter().map(|&(_, position)| position));
        return Ok(());
    }
    if pairs.len() <= STEP {
        let (lower, &mut (key, _), _) = pairs.select_nth_unstable(n);
        if lower.iter().any(|pair| pair.0 == key) {
            return smallest_by_rest(exec, pairs, key, n, out, rest);
        }
        out.extend(pairs[..n].iter().map(|&(_, position)| position));
        out.sort_unstable();
        return Ok(());
    }
    let Some(last) = n.checked_sub(1) else { return Ok(()) };
    sort::select(exec, pairs, last, |&(key, position)| u128::from(key) << u32::BITS | u128::from(position))?;
    let (key, mut is_tied) = (pairs[last].0, false);
    steps::each(exec, &pairs[n..], |others| is_tied |= others.iter().any(|pair| pair.0 == key))?;
    if is_tied {
        return smallest_by_rest(exec, pairs, key, n, out, rest);
    }
    steps::append(exec, out, &pairs[..n], |(_, position)| position)?;
    sort::sort(exec, out, |position| *position, 0, &mut Vec::new())
}

/// As [`smallest`], where `key` is both that of the n-th smallest pair and of the next.
fn smallest_by_rest(
    exec: &Execution<'_>,
    pairs: &[Pair],
    key: u64,
    n: usize,
    out: &mut Vec<u32>,
    rest: impl Fn(u32) -> u64,
) -> Result<()> {
    let mut tied = Vec::new();
    try_reserve(&mut tied, pairs.len())?;
    steps::each(exec, pairs, |pairs| {
        out.extend(pairs.iter().filter(|pair| pair.0 < key).map(|pair| pair.1));
        tied.extend(pairs.iter().filter(|pair| pair.0 == key).map(|&(_, position)| (rest(position), position)));
    })?;
    sort::sort_by_key(exec, &mut tied, |item| *item)?;
    let more = n - out.len();
    steps::append(exec, out, &tied[..more], |(_, position)| position)?;
    sort::sort(exec, out, |position| *position, 0, &mut Vec::new())
}

/// Sorts pairs; equal keys as in [`smallest`].
pub(super) fn sort_pairs(exec: &Execution<'_>, pairs: &mut Vec<Pair>, rest: impl Fn(u32) -> u64) -> Result<()> {
    sort::sort_by_key(exec, pairs, |pair| *pair)?;
    if pairs.windows(2).all(|two| two[0].0 < two[1].0) {
        return Ok(());
    }
    let mut finer = Vec::new();
    steps::append(exec, &mut finer, pairs, |(key, position)| (key, rest(position), position))?;
    sort::sort_by_key(exec, &mut finer, |item| *item)?;
    steps::write(exec, pairs, &finer, |(key, _, position)| (key, position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use crate::steps::tests::alone;

    fn smallest_of(keys: &[f64], n: usize) -> Vec<u32> {
        smallest_with(keys, n, |_| 0)
    }

    fn smallest_with(keys: &[f64], n: usize, rest: impl Fn(u32) -> u64) -> Vec<u32> {
        let mut pairs: Vec<Pair> = keys.iter().zip(0..).map(|(key, position)| descending(*key, position)).collect();
        let mut out = Vec::new();
        smallest(&alone(Isa::Portable), &mut pairs, n, &mut out, rest).unwrap();
        out
    }

    #[test]
    fn ties_go_to_the_lower_position() {
        assert_eq!(smallest_of(&[1.0, 3.0, 2.0, 3.0, 3.0], 2), [1, 3]);
        assert_eq!(smallest_of(&[-0.0, 0.0, -1e300, f64::INFINITY], 2), [0, 3]);
        assert_eq!(smallest_of(&[5.0, 4.0], 0), [0u32; 0]);
        assert_eq!(smallest_of(&[], 4), [0u32; 0]);
    }

    /// Few pairs by comparison, many by digits.
    #[test]
    fn agrees_with_a_full_sort() {
        for len in [500u32, STEP as u32, STEP as u32 + 1, 3 * STEP as u32 + 5] {
            for kinds in [1u32, 97, u32::MAX] {
                let keys: Vec<f64> =
                    (0..len).map(|i| f64::from(i.wrapping_mul(2_654_435_761) % kinds) * 1e-3 - 20.0).collect();
                let mut order: Vec<u32> = (0..len).collect();
                order.sort_by_key(|&i| descending(keys[i as usize], i));
                for n in [0, 1, 2, len / 3, len - 1, len, len + 1] {
                    let mut expected = order[..n.min(len) as usize].to_vec();
                    expected.sort_unstable();
                    assert!(smallest_of(&keys, n as usize) == expected, "{n} of {len}");
                    let rest = |position: u32| u64::from(position % 5);
                    order.sort_by_key(|&i| (descending(keys[i as usize], 0), rest(i), i));
                    let mut expected = order[..n.min(len) as usize].to_vec();
                    expected.sort_unstable();
                    assert!(smallest_with(&keys, n as usize, rest) == expected, "{n} of {len} by their rests");
                    let mut pairs: Vec<Pair> = expected.iter().map(|&i| descending(keys[i as usize], i)).collect();
                    sort_pairs(&alone(Isa::Portable), &mut pairs, rest).unwrap();
                    assert!(pairs.iter().map(|pair| pair.1).eq(order[..n.min(len) as usize].iter().copied()));
                    order.sort_by_key(|&i| descending(keys[i as usize], i));
                }
            }
        }
    }
}

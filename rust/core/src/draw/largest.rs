//! The n largest keys of a row.

use crate::draw::steps::{in_steps, STEP};
use crate::error::{try_reserve, try_vec, Result};
use crate::order::Score;
use crate::pool::Execution;

/// A key and its position: sorts first for the largest key, then for the lowest position.
pub(super) type Pair = (u64, u32);

/// Bits that one pass over many pairs tells apart.
const DIGIT: u32 = 12;

#[inline]
pub(super) fn descending(key: f64, position: u32) -> Pair {
    (!key.key(), position)
}

/// Appends the positions of the `n` smallest pairs, ascending. Positions rise along `pairs`, whose order is lost.
pub(super) fn smallest(exec: &Execution<'_>, pairs: &mut [Pair], n: usize, out: &mut Vec<u32>) -> Result<()> {
    try_reserve(out, n.min(pairs.len()))?;
    if n >= pairs.len() {
        out.extend(pairs.iter().map(|&(_, position)| position));
        return Ok(());
    }
    if pairs.len() <= STEP {
        pairs.select_nth_unstable(n);
        out.extend(pairs[..n].iter().map(|&(_, position)| position));
        out.sort_unstable();
        return Ok(());
    }
    let Some(before) = n.checked_sub(1) else { return Ok(()) };
    let last = at_rank(exec, pairs, before)?;
    in_steps(exec, pairs.len(), |some| {
        out.extend(pairs[some].iter().filter(|pair| **pair <= last).map(|&(_, position)| position));
        Ok(())
    })
}

/// The pair that `rank` of many others are below: digit after digit, until few share all digits so far.
fn at_rank(exec: &Execution<'_>, pairs: &[Pair], mut rank: usize) -> Result<Pair> {
    let value = |(key, position): Pair| u128::from(key) << u32::BITS | u128::from(position);
    let (mut prefix, mut shift) = (0u128, u64::BITS + u32::BITS);
    loop {
        shift -= DIGIT;
        let mut counts: Vec<usize> = try_vec(1 << DIGIT)?;
        in_steps(exec, pairs.len(), |some| {
            for value in pairs[some].iter().map(|pair| value(*pair) >> shift) {
                if value >> DIGIT == prefix {
                    counts[value as usize % (1 << DIGIT)] += 1;
                }
            }
            Ok(())
        })?;
        let mut digit = 0;
        while rank >= counts[digit] {
            rank -= counts[digit];
            digit += 1;
        }
        prefix = prefix << DIGIT | digit as u128;
        if counts[digit] <= STEP {
            let mut few = Vec::new();
            try_reserve(&mut few, counts[digit])?;
            in_steps(exec, pairs.len(), |some| {
                few.extend(pairs[some].iter().filter(|pair| value(**pair) >> shift == prefix));
                Ok(())
            })?;
            return Ok(*few.select_nth_unstable(rank).1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::steps::tests::alone;
    use crate::isa::Isa;

    fn smallest_of(keys: &[f64], n: usize) -> Vec<u32> {
        let mut pairs: Vec<Pair> = keys.iter().zip(0..).map(|(key, position)| descending(*key, position)).collect();
        let mut out = Vec::new();
        smallest(&alone(Isa::Portable), &mut pairs, n, &mut out).unwrap();
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
                }
            }
        }
    }
}

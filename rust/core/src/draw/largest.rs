//! The n largest keys of a row.

use crate::error::{try_reserve, Result};
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

/// Fills `out` with the positions of the `n` smallest pairs, ascending. Positions rise along `pairs`, whose order is lost.
pub(super) fn smallest(exec: &Execution<'_>, pairs: &mut [Pair], n: usize, out: &mut Vec<u32>) -> Result<()> {
    out.clear();
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
    let Some(last) = n.checked_sub(1) else { return Ok(()) };
    sort::select(exec, pairs, last, |&(key, position)| u128::from(key) << u32::BITS | u128::from(position))?;
    steps::append(exec, out, &pairs[..n], |(_, position)| position)?;
    sort::sort(exec, out, |position| *position, 0, &mut Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use crate::steps::tests::alone;

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

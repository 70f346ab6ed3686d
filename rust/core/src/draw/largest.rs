//! The n largest keys of a row.

use crate::order::Score;

/// Writes the positions of the `n` largest keys into `out`, ascending by position; fewer where fewer keys are above -inf.
///
/// Among equal keys the lower positions win. -inf is never taken. NaN has no place here: callers refuse it first.
/// `pairs` is scratch space.
pub fn largest_positions(keys: &[f64], n: usize, pairs: &mut Vec<(u64, u32)>, out: &mut Vec<u32>) {
    pairs.clear();
    out.clear();
    if n == 0 {
        return;
    }
    pairs.extend(
        keys.iter().zip(0u32..).filter(|(key, _)| **key > f64::NEG_INFINITY).map(|(key, p)| descending(*key, p)),
    );
    keep_smallest(pairs, n);
    out.extend(pairs.iter().map(|&(_, position)| position));
    out.sort_unstable();
}

/// A pair that sorts first for the largest key, then for the lowest position.
#[inline]
pub(crate) fn descending(key: f64, position: u32) -> (u64, u32) {
    (!key.key(), position)
}

/// Cuts `pairs` to its `n` smallest, in no order.
pub(crate) fn keep_smallest(pairs: &mut Vec<(u64, u32)>, n: usize) {
    if n < pairs.len() {
        pairs.select_nth_unstable(n);
        pairs.truncate(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest(keys: &[f64], n: usize) -> Vec<u32> {
        let (mut pairs, mut out) = (Vec::new(), Vec::new());
        largest_positions(keys, n, &mut pairs, &mut out);
        out
    }

    #[test]
    fn ties_go_to_the_lower_position_and_minus_infinity_is_never_taken() {
        let inf = f64::INFINITY;
        assert_eq!(largest(&[1.0, 3.0, 2.0, 3.0, 3.0], 2), [1, 3]);
        assert_eq!(largest(&[-0.0, 0.0, -inf, inf], 2), [0, 3]);
        assert_eq!(largest(&[-inf, -1e300, -inf], 3), [1]);
        assert_eq!(largest(&[5.0, 4.0], 0), [0u32; 0]);
        assert_eq!(largest(&[], 4), [0u32; 0]);
    }

    #[test]
    fn agrees_with_a_full_sort() {
        let keys: Vec<f64> = (0..500u32).map(|i| f64::from((i * 7919) % 97)).collect();
        for n in [1, 2, 96, 97, 250, 499, 500, 501] {
            let mut order: Vec<u32> = (0..500).collect();
            order.sort_by_key(|&i| (std::cmp::Reverse(keys[i as usize].key()), i));
            order.truncate(n);
            order.sort_unstable();
            assert_eq!(largest(&keys, n), order);
        }
    }
}

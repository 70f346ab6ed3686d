//! Which sums need no second look.
//!
//! A sum of all products in the order of the definition is the score before its one rounding. One of some products, in
//! any order, is off by what the others may add, and by the roundings of two sums of n products in float64: n units of
//! 2^-53 each, of the sum of the sizes of the products. The bound counts them twice.

/// The largest float64 that rounds to at most `least` as a float32; NaN, which bounds nothing, where that is -inf.
#[must_use]
pub fn rounds_to_at_most(least: f32) -> f64 {
    if least == f32::NEG_INFINITY {
        return f64::NAN;
    }
    if least == f32::INFINITY {
        return f64::INFINITY;
    }
    let next = if least == f32::MAX { 2f64.powi(128) } else { f64::from(least.next_up()) };
    // Exact: two neighbours of float32 have 25 bits between them.
    let middle = f64::midpoint(f64::from(least), next);
    if middle as f32 <= least {
        middle
    } else {
        middle.next_down()
    }
}

/// What a sum of some of `terms` products may lack: at most `others` that are not in it, and roundings, where the sizes
/// of all products add up to `size`.
#[must_use]
pub fn lacking(terms: usize, others: f64, size: f64) -> f64 {
    others + (2 * terms + 4) as f64 * 2f64.powi(-52) * size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparse::tests::numbers;

    #[test]
    fn the_last_float64_before_the_next_float32() {
        for least in
            [0.0f32, -0.0, 1.0, -1.0, 0.1, -0.1, 1e-45, -1e-45, 1e-38, f32::MAX, f32::MIN, 1.5e38, 16_777_217.0]
        {
            let last = rounds_to_at_most(least);
            assert!(last as f32 <= least && last.next_up() as f32 > least, "{least}");
        }
        assert!(rounds_to_at_most(f32::NEG_INFINITY).is_nan());
        assert_eq!(rounds_to_at_most(f32::INFINITY), f64::INFINITY);
    }

    #[test]
    fn no_order_of_adding_leaves_the_bound() {
        let mut next = numbers(7);
        for round in 0..20_000u32 {
            let spread = [1, 8, 60][round as usize % 3];
            let mut number = || {
                let scale = 2f64.powi((next() % spread) as i32);
                let sign = if round % 2 == 0 && next().is_multiple_of(2) { -1.0 } else { 1.0 };
                (f64::from(next()) + 1.0) * scale * sign
            };
            let products: Vec<f64> = (0..=round % 60).map(|_| number()).collect();
            let size: f64 = products.iter().map(|product| product.abs()).sum();
            let score = products.iter().fold(-0.0, |sum, product| sum + product);
            let (kept, left): (Vec<f64>, Vec<f64>) =
                products.iter().rev().partition(|product| product.abs() > size / 20.0);
            let others: f64 = left.iter().map(|product| product.max(0.0)).sum();
            let sum = kept.iter().fold(-0.0, |sum, product| sum + product);
            assert!(score <= sum + lacking(products.len(), others, size), "{products:?}");
        }
    }
}

//! Sums of two floats without a rounding.

/// The nearest float64 to a + b, and what that leaves out: the two together are a + b exactly (Knuth; Shewchuk 1997).
///
/// Both are finite, and so is their sum.
#[inline]
#[must_use]
pub fn exact_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        assert_eq!(exact_sum(1e16, 1.0), (1e16, 1.0));
        assert_eq!(exact_sum(-0.75, 1e300), (1e300, -0.75));
        assert_eq!(exact_sum(1.0, f64::EPSILON / 4.0), (1.0, f64::EPSILON / 4.0));
        assert_eq!(exact_sum(0.5, 0.25), (0.75, 0.0));
    }
}

//! Bounds that a wanted number of scores are known to reach.

use super::kernels::Scan;
use crate::isa::Isa;

/// Steps in the middle between two values, before steps in the middle between two ranks: the first find the place in
/// well-behaved scores, the second end soon for any scores.
const STEPS_BY_VALUE: usize = 12;

/// A score that at least `wanted` of `values` reach, where there are so many and, unless scores are equal, at most `slack`
/// more do. Where NaN is among the values it is any score.
pub(super) fn reached_by<T: Scan>(isa: Isa, values: &[T], wanted: usize, slack: usize) -> T {
    let (lowest, highest) = T::extent(isa, values);
    let (mut low, mut high, mut count) = (lowest.rank(), highest.rank().saturating_add(1), values.len());
    if wanted >= values.len() || low >= high {
        return T::LOWEST;
    }
    let mut step = 0;
    while count > wanted + slack && high - low > 1 {
        let mut middle = low + (high - low) / 2;
        if step < STEPS_BY_VALUE {
            let (low_value, high_value) = (T::from_rank(low).to_f64(), T::from_rank(high - 1).to_f64());
            let by_value = T::nearest((low_value / 2.0 + high_value / 2.0) as f32);
            if !by_value.is_nan() && by_value.rank() > low && by_value.rank() < high {
                middle = by_value.rank();
            }
        }
        step += 1;
        let reaching = T::count(isa, values, T::from_rank(middle));
        if reaching >= wanted {
            (low, count) = (middle, reaching);
        } else {
            high = middle;
        }
    }
    T::from_rank(low).flush_safe()
}

//! Thresholds that a wanted number of scores are known to reach.

use super::kernels::Scan;
use crate::error::Result;
use crate::pool::Execution;

/// Steps in the middle between two values, before steps in the middle between two ranks: the first find the place in
/// well-behaved scores, the second end soon for any scores.
const STEPS_BY_VALUE: usize = 12;

/// Scores counted between two looks at whether to go on.
const COUNTED_AT_ONCE: usize = 1 << 20;

/// A score that at least `wanted` of `values` reach, where there are so many and, unless scores are equal, at most `slack`
/// more do. Where NaN is among the values it is any score.
pub(super) fn reached_by<T: Scan>(exec: &Execution<'_>, values: &[T], wanted: usize, slack: usize) -> Result<T> {
    if wanted >= values.len() {
        return Ok(T::LOWEST);
    }
    let (lowest, highest) = extent(exec, values)?;
    let (mut low, mut high, mut count) = (lowest.rank(), highest.rank().saturating_add(1), values.len());
    if low >= high {
        return Ok(T::LOWEST);
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
        let reaching = reaching(exec, values, T::from_rank(middle))?;
        if reaching >= wanted {
            (low, count) = (middle, reaching);
        } else {
            high = middle;
        }
    }
    Ok(T::from_rank(low))
}

/// How many of `values` are at least `least`.
#[inline]
fn reaching<T: Scan>(exec: &Execution<'_>, values: &[T], least: T) -> Result<usize> {
    if values.len() <= COUNTED_AT_ONCE {
        return Ok(T::count(exec.isa(), values, least));
    }
    let mut total = 0;
    for part in values.chunks(COUNTED_AT_ONCE) {
        total += T::count(exec.isa(), part, least);
        exec.check()?;
    }
    Ok(total)
}

/// Lowest and highest of `values`, where none is NaN.
#[inline]
fn extent<T: Scan>(exec: &Execution<'_>, values: &[T]) -> Result<(T, T)> {
    if values.len() <= COUNTED_AT_ONCE {
        return Ok(T::extent(exec.isa(), values));
    }
    let (mut lowest, mut highest) = (T::HIGHEST, T::LOWEST);
    for part in values.chunks(COUNTED_AT_ONCE) {
        let (low, high) = T::extent(exec.isa(), part);
        lowest = if low.rank() < lowest.rank() { low } else { lowest };
        highest = if high.rank() > highest.rank() { high } else { highest };
        exec.check()?;
    }
    Ok((lowest, highest))
}

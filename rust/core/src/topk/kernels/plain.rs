//! Loops over a whole row that compilers vectorise well on their own: written once, compiled once per instruction set.

use super::lanes::{Lanes, Order};

/// Items of one step: a few registers of any instruction set.
const STEP: usize = 64;

/// Items between two looks at a sum or a maximum.
const PART: usize = 1 << 12;

/// See [`super::Scan::count`].
#[inline(always)]
pub(super) fn count<T: Lanes>(values: &[T], least: T) -> usize {
    let least = least.low_lane();
    let mut total = 0;
    for part in values.chunks(PART) {
        let (steps, rest) = part.as_chunks::<STEP>();
        let mut lanes = [0u32; STEP / 2];
        for step in steps {
            for (lane, count) in lanes.iter_mut().enumerate() {
                *count += u32::from(step[lane].lane() >= least) + u32::from(step[lane + STEP / 2].lane() >= least);
            }
        }
        let rest: u32 = rest.iter().map(|value| u32::from(value.lane() >= least)).sum();
        total += (lanes.iter().sum::<u32>() + rest) as usize;
    }
    total
}

/// See [`super::Scan::extent`].
#[inline(always)]
pub(super) fn extent<T: Lanes>(values: &[T]) -> (T, T) {
    const LANES: usize = 32;
    let Some(first) = values.first() else { return (T::HIGHEST, T::LOWEST) };
    let (mut low, mut high) = ([first.lane(); LANES], [first.lane(); LANES]);
    let (steps, rest) = values.as_chunks::<LANES>();
    for step in steps {
        for lane in 0..LANES {
            let next = step[lane].lane();
            low[lane] = if next < low[lane] { next } else { low[lane] };
            high[lane] = if next > high[lane] { next } else { high[lane] };
        }
    }
    let rest = rest.iter().map(|value| value.lane());
    let low = rest.clone().chain(low).fold(first.lane(), |a, b| if b < a { b } else { a });
    let high = rest.chain(high).fold(first.lane(), |a, b| if b > a { b } else { a });
    (T::from_lane(low), T::from_lane(high))
}

/// See [`super::Scan::order`].
#[inline(always)]
pub(super) fn order<T: Lanes>(values: &[T]) -> Order {
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return Order::Falling };
    // NaN of either sign would lie at an end.
    if first.is_nan() || last.is_nan() {
        return Order::Mixed;
    }
    let start = &values[..values.len().min(6)];
    if starts(start, |a, b| a >= b) && all_pairs(values, |a, b| a >= b) {
        return Order::Falling;
    }
    if starts(start, |a, b| a <= b) && all_pairs(values, |a, b| a <= b) {
        return Order::Rising;
    }
    Order::Mixed
}

/// Whether `holds` is true of all neighbours. Ends soon where it is not.
#[inline(always)]
fn all_pairs<T: Lanes>(values: &[T], holds: impl Fn(T::Folded, T::Folded) -> bool) -> bool {
    const PAIRS: usize = 32;
    if values.len() <= PAIRS {
        return starts(values, holds);
    }
    let mut start = 0;
    loop {
        let (left, right) = (&values[start..start + PAIRS], &values[start + 1..=start + PAIRS]);
        let mut all = true;
        for (a, b) in left.iter().zip(right) {
            all &= holds(a.folded(), b.folded());
        }
        let last = values.len() - PAIRS - 1;
        if !all || start == last {
            return all;
        }
        // The last step looks at some pairs twice.
        start = (start + PAIRS).min(last);
    }
}

/// As `all_pairs`, for the few scores that settle it for most rows.
#[inline(always)]
fn starts<T: Lanes>(values: &[T], holds: impl Fn(T::Folded, T::Folded) -> bool) -> bool {
    values.windows(2).all(|pair| holds(pair[0].folded(), pair[1].folded()))
}

/// See [`super::Scan::first_best`].
#[inline(always)]
pub(super) fn first_best<T: Lanes>(values: &[T]) -> Option<usize> {
    const LANES: usize = 32;
    let first = values.first()?;
    // Integers, whose order tells NaN of either sign too.
    let (mut best, mut best_part, mut lowest) = (first.folded(), 0, first.folded());
    for (index, part) in values.chunks(PART).enumerate() {
        let (mut low, mut high) = ([part[0].folded(); LANES], [part[0].folded(); LANES]);
        let (steps, rest) = part.as_chunks::<LANES>();
        for step in steps {
            for lane in 0..LANES {
                let next = step[lane].folded();
                low[lane] = low[lane].min(next);
                high[lane] = high[lane].max(next);
            }
        }
        let rest = rest.iter().map(|value| value.folded());
        lowest = rest.clone().chain(low).fold(lowest, Ord::min);
        let here = rest.chain(high).fold(part[0].folded(), Ord::max);
        // Zeros of either sign are equal, so the first part that holds the other one may be earlier.
        if here > best {
            let equal = T::of_folded(here).rank() == T::of_folded(best).rank();
            (best, best_part) = (here, if equal { best_part } else { index });
        }
    }
    // NaN lies beyond both infinities.
    if T::of_folded(best).is_nan() || T::of_folded(lowest).is_nan() {
        return None;
    }
    let key = T::of_folded(best).key();
    let start = best_part * PART;
    let (steps, rest) = values[start..].as_chunks::<LANES>();
    for (index, step) in steps.iter().enumerate() {
        if step.iter().fold(false, |any, value| any | (value.key() == key)) {
            return step.iter().position(|value| value.key() == key).map(|at| start + index * LANES + at);
        }
    }
    rest.iter().position(|value| value.key() == key).map(|at| start + steps.len() * LANES + at)
}

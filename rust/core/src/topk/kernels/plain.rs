//! Loops over a whole row that compilers vectorise well on their own: written once, compiled once per instruction set.

use super::super::entry::Packed;
use super::{Order, Scan};

/// Items of one step: a few registers of any instruction set.
const STEP: usize = 64;

/// The loops of this file as functions of one instruction set.
macro_rules! compile_plain {
    ($features:literal) => {
        compile_plain! { $features:
            fn count(values: &[T], least: T) -> usize;
            fn extent(values: &[T]) -> (T, T);
            fn order(values: &[T]) -> Order;
            fn first_best(values: &[T]) -> Option<usize>;
            fn collect(values: &[T], least: T, first_id: i64, entries: &mut Vec<T::Entry>) -> bool;
        }
    };
    ($features:literal: $(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        /// # Safety
        /// Needs the instruction set of this file.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name<T: Scan>($($argument: $type),*) -> $result {
            plain::$name($($argument),*)
        }
    )*};
}

/// See [`Scan::count`].
#[inline(always)]
pub(super) fn count<T: Scan>(values: &[T], least: T) -> usize {
    let least = least.low_lane();
    let mut total = 0;
    for part in values.chunks(1 << 12) {
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

/// See [`Scan::extent`].
#[inline(always)]
pub(super) fn extent<T: Scan>(values: &[T]) -> (T, T) {
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

/// See [`Scan::order`].
#[inline(always)]
pub(super) fn order<T: Scan>(values: &[T]) -> Order {
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return Order::Falling };
    let (lowest, highest) = (T::LOWEST.key(), T::HIGHEST.key());
    let within = |value: &T| (lowest..=highest).contains(&value.key());
    if !within(first) || !within(last) {
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

/// Whether `holds` is true of the keys of all neighbours. Ends soon where it is not.
#[inline(always)]
fn all_pairs<T: Scan>(values: &[T], holds: impl Fn(T::Key, T::Key) -> bool) -> bool {
    let mut start = 0;
    while start + STEP < values.len() {
        let (left, right) = (&values[start..start + STEP], &values[start + 1..=start + STEP]);
        let mut all = true;
        for (a, b) in left.iter().zip(right) {
            all &= holds(a.key(), b.key());
        }
        if !all {
            return false;
        }
        start += STEP;
    }
    starts(&values[start..], holds)
}

/// As `all_pairs`, for the few scores that settle it for most rows.
#[inline(always)]
fn starts<T: Scan>(values: &[T], holds: impl Fn(T::Key, T::Key) -> bool) -> bool {
    values.windows(2).all(|pair| holds(pair[0].key(), pair[1].key()))
}

/// See [`Scan::first_best`].
#[inline(always)]
pub(super) fn first_best<T: Scan>(values: &[T]) -> Option<usize> {
    const LANES: usize = 32;
    let lowest = T::LOWEST.lane();
    let (mut best, mut odd) = ([lowest; LANES], [false; LANES]);
    let (steps, rest) = values.as_chunks::<LANES>();
    for step in steps {
        for lane in 0..LANES {
            let next = step[lane].lane();
            best[lane] = if next > best[lane] { next } else { best[lane] };
            // NaN is not at most +inf, whichever way it compares.
            odd[lane] |= !(next <= T::TOP);
        }
    }
    if odd.iter().any(|odd| *odd) || rest.iter().any(|value| value.is_nan()) {
        return None;
    }
    let best = rest.iter().map(|value| value.lane()).chain(best).fold(lowest, |a, b| if b > a { b } else { a });
    let best = T::from_lane(best);
    if best.flush_safe().rank() != best.rank() || best.rank() == T::default().rank() {
        // Near zero, floats are not to be trusted where the caller's thread flushes subnormals; keys are.
        let key = values.iter().map(|value| value.key()).max()?;
        return values.iter().position(|value| value.key() == key);
    }
    let (steps, rest) = values.as_chunks::<LANES>();
    let least = best.low_lane();
    for (index, step) in steps.iter().enumerate() {
        if step.iter().fold(false, |any, value| any | (value.lane() >= least)) {
            return step.iter().position(|value| value.lane() >= least).map(|at| index * LANES + at);
        }
    }
    rest.iter().position(|value| value.lane() >= least).map(|at| steps.len() * LANES + at)
}

/// See [`Scan::collect`].
#[inline(always)]
pub(super) fn collect<T: Scan>(values: &[T], least: T, first_id: i64, entries: &mut Vec<T::Entry>) -> bool {
    entries.reserve(values.len());
    let start = entries.len();
    let spare = &mut entries.spare_capacity_mut()[..values.len()];
    let least = least.low_lane();
    let (mut found, mut nan) = (0, false);
    for (value, id) in values.iter().zip(first_id..) {
        // Always written, kept only if it reaches the bound: that is too unpredictable for a branch.
        spare[found].write(T::Entry::pack(value.rank(), id));
        found += usize::from(value.lane() >= least);
        nan |= value.is_nan();
    }
    // SAFETY: the first `found` of the spare places have been written.
    unsafe { entries.set_len(start + found) };
    nan
}

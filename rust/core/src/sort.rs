//! Sorting and selection of any number of items by digits of an integer key: linear whatever the order of the items, and
//! in steps, so that ten million of them do not make a call deaf. Few items are left to the standard library, and keys
//! that are no integers are compared.

use std::cmp::Ordering;

use crate::error::{try_reserve, try_vec, Result};
use crate::pool::Execution;
use crate::steps::{self, STEP};

/// Below so many items a comparison sort is the faster one.
const FEW: usize = 192;

/// From so many items on, wide digits pay for their larger tables.
const MANY: usize = 4096;

/// Up to so many items a selection by comparison takes some milliseconds.
const SELECTED_AT_ONCE: usize = 1 << 20;

/// Bits of a wide digit.
const WIDE_DIGIT: u32 = 11;

/// An unsigned integer to sort by.
pub trait Word: Copy + Ord {
    /// Bits of it.
    const BITS: u32;
    /// No bit set.
    const NONE: Self;

    /// The bits from `shift` on, at most 64 of them.
    fn bits(self, shift: u32) -> u64;
    /// Bits in which `self` differs from `other`.
    #[must_use]
    fn differing(self, other: Self) -> Self;
    /// Bits set in either.
    #[must_use]
    fn union(self, other: Self) -> Self;
    /// Zeros above the highest bit set.
    fn leading_zeros(self) -> u32;
}

macro_rules! word {
    ($($word:ty),*) => {$(
        impl Word for $word {
            const BITS: u32 = <$word>::BITS;
            const NONE: Self = 0;

            // The narrowest of the words would rather be widened by `From`, which the widest lacks.
            #[allow(clippy::cast_lossless)]
            #[inline(always)]
            fn bits(self, shift: u32) -> u64 {
                (self >> shift) as u64
            }
            #[inline(always)]
            fn differing(self, other: Self) -> Self {
                self ^ other
            }
            #[inline(always)]
            fn union(self, other: Self) -> Self {
                self | other
            }
            #[inline(always)]
            fn leading_zeros(self) -> u32 {
                self.leading_zeros()
            }
        }
    )*};
}

word!(u32, u64, u128);

/// How many items share a digit, and then where the next of them goes.
trait Place: Copy + Default {
    /// Counts one more; returns how many there were before.
    fn step(&mut self) -> usize;
    /// Becomes `start`; returns how many were counted.
    fn become_start(&mut self, start: usize) -> usize;
}

macro_rules! place {
    ($($place:ty),*) => {$(
        impl Place for $place {
            #[inline(always)]
            fn step(&mut self) -> usize {
                *self += 1;
                (*self - 1) as usize
            }
            #[inline(always)]
            fn become_start(&mut self, start: usize) -> usize {
                std::mem::replace(self, start as $place) as usize
            }
        }
    )*};
}

place!(u32, u64);

/// Sorts by the bits of the key from `from` on; those below rise along the items already. Equal keys keep no order.
///
/// # Errors
/// [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`]: the items are then in any order, some of them lost.
pub fn sort<T: Copy, W: Word>(
    exec: &Execution<'_>,
    items: &mut Vec<T>,
    key: impl Fn(&T) -> W + Copy,
    from: u32,
    scratch: &mut Vec<T>,
) -> Result<()> {
    if items.len() < FEW {
        items.sort_unstable_by_key(key);
        return Ok(());
    }
    if is_sorted(exec, items, key)? {
        return Ok(());
    }
    // Narrow counters keep the tables of usual sizes in the first cache.
    if u32::try_from(items.len()).is_ok() {
        by_digits::<T, W, u32>(exec, items, key, from, scratch)
    } else {
        by_digits::<T, W, u64>(exec, items, key, from, scratch)
    }
}

fn is_sorted<T, W: Word>(exec: &Execution<'_>, items: &[T], key: impl Fn(&T) -> W + Copy) -> Result<bool> {
    for start in (0..items.len()).step_by(STEP) {
        // One item of the next step, so that no pair is left out.
        if !items[start..items.len().min(start + STEP + 1)].is_sorted_by_key(key) {
            return Ok(false);
        }
        if start > 0 {
            exec.check()?;
        }
    }
    Ok(true)
}

/// The bits in which any two keys differ.
fn varying<T, W: Word>(exec: &Execution<'_>, items: &[T], key: impl Fn(&T) -> W + Copy) -> Result<W> {
    let Some(first) = items.first().map(key) else { return Ok(W::NONE) };
    let mut varying = W::NONE;
    steps::each(exec, items, |part| {
        varying = part.iter().fold(varying, |bits, item| bits.union(key(item).differing(first)));
    })?;
    Ok(varying)
}

fn by_digits<T: Copy, W: Word, P: Place>(
    exec: &Execution<'_>,
    items: &mut Vec<T>,
    key: impl Fn(&T) -> W + Copy,
    from: u32,
    scratch: &mut Vec<T>,
) -> Result<()> {
    let varying = varying(exec, items, key)?;
    let width = if items.len() < MANY { 8 } else { WIDE_DIGIT };
    // Each pass keeps the order of those before it; digits that do not vary need none.
    let mut shift = from;
    let mut shifts = Vec::with_capacity(W::BITS.div_ceil(8) as usize);
    while shift < W::BITS {
        let ahead = varying.bits(shift);
        if ahead == 0 {
            shift += 64;
            continue;
        }
        shift += ahead.trailing_zeros();
        shifts.push(shift);
        shift += width;
    }
    let (size, mask) = (1 << width, (1 << width) - 1);
    let mut counts = try_vec::<P>(size * shifts.len())?;
    steps::each(exec, items, |part| {
        for item in part {
            for (counts, shift) in counts.chunks_exact_mut(size).zip(&shifts) {
                counts[key(item).bits(*shift) as usize & mask].step();
            }
        }
    })?;
    steps::copy(exec, scratch, items)?;
    for (counts, shift) in counts.chunks_exact_mut(size).zip(&shifts) {
        let mut start = 0;
        for count in counts.iter_mut() {
            start += count.become_start(start);
        }
        steps::each(exec, items, |part| {
            for item in part {
                scratch[counts[key(item).bits(*shift) as usize & mask].step()] = *item;
            }
        })?;
        std::mem::swap(items, scratch);
    }
    Ok(())
}

/// Puts the item of rank `nth` at its place, lower keys before it and higher ones behind it.
///
/// # Errors
/// [`crate::Error::Interrupted`]: the items are then in any order.
pub fn select<T: Copy, W: Word>(
    exec: &Execution<'_>,
    items: &mut [T],
    nth: usize,
    key: impl Fn(&T) -> W + Copy,
) -> Result<()> {
    let (mut start, mut end) = (0, items.len());
    while end - start > SELECTED_AT_ONCE {
        let part = &mut items[start..end];
        let varying = varying(exec, part, key)?;
        if varying == W::NONE {
            return Ok(());
        }
        // Keys agree above this digit and differ in it: each round looks at a part only, and at most `BITS / 11` follow.
        let shift = (W::BITS - varying.leading_zeros()).saturating_sub(WIDE_DIGIT);
        let digit = |item: &T| key(item).bits(shift) as usize & ((1 << WIDE_DIGIT) - 1);
        let mut counts = try_vec::<usize>(1 << WIDE_DIGIT)?;
        steps::each(exec, part, |part| part.iter().for_each(|item| counts[digit(item)] += 1))?;
        let (mut before, mut wanted) = (0, 0);
        while before + counts[wanted] <= nth - start {
            before += counts[wanted];
            wanted += 1;
        }
        split(exec, part, digit, wanted)?;
        (start, end) = (start + before, start + before + counts[wanted]);
    }
    items[start..end].select_nth_unstable_by_key(nth - start, key);
    Ok(())
}

/// Items of lower digits first, then those of the wanted one, then the rest.
fn split<T: Copy>(exec: &Execution<'_>, items: &mut [T], digit: impl Fn(&T) -> usize, wanted: usize) -> Result<()> {
    let (mut low, mut at, mut high) = (0, 0, items.len());
    while at < high {
        exec.check()?;
        for _ in 0..STEP.min(high - at) {
            match digit(&items[at]).cmp(&wanted) {
                Ordering::Less => {
                    items.swap(low, at);
                    (low, at) = (low + 1, at + 1);
                }
                Ordering::Equal => at += 1,
                Ordering::Greater => {
                    high -= 1;
                    items.swap(at, high);
                }
            }
        }
    }
    Ok(())
}

/// Sorts by a key, in no order among equal keys.
///
/// # Errors
/// [`crate::Error::Interrupted`]; [`crate::Error::OutOfMemory`] where more than one run has no room to be merged in.
pub fn sort_by_key<T: Copy, K: Ord>(exec: &Execution<'_>, values: &mut Vec<T>, key: impl Fn(&T) -> K) -> Result<()> {
    if values.len() <= STEP {
        values.sort_unstable_by_key(&key);
        return Ok(());
    }
    for run in values.chunks_mut(STEP) {
        run.sort_unstable_by_key(&key);
        exec.check()?;
    }
    let mut merged = Vec::new();
    try_reserve(&mut merged, values.len())?;
    let mut width = STEP;
    while width < values.len() {
        merged.clear();
        for pair in values.chunks(2 * width) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(exec, left, right, &mut merged, &key)?;
        }
        std::mem::swap(values, &mut merged);
        width *= 2;
    }
    Ok(())
}

/// Appends two sorted slices to `merged`, which has room for them, in order; the left comes first among equals.
fn merge<T: Copy, K: Ord>(
    exec: &Execution<'_>,
    mut left: &[T],
    mut right: &[T],
    merged: &mut Vec<T>,
    key: impl Fn(&T) -> K,
) -> Result<()> {
    let mut until_check = STEP;
    while let (Some(a), Some(b)) = (left.first(), right.first()) {
        if key(b) < key(a) {
            merged.push(*b);
            right = &right[1..];
        } else {
            merged.push(*a);
            left = &left[1..];
        }
        until_check -= 1;
        if until_check == 0 {
            exec.check()?;
            until_check = STEP;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    exec.check()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::steps::tests::{going, stopped};

    fn mix(i: u64) -> u64 {
        i.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    }

    fn lists(length: u64) -> Vec<Vec<u128>> {
        let wide = |i: u64| (u128::from(mix(i)) << 64) | u128::from(mix(i + 77));
        vec![
            (0..length).map(wide).collect(),
            (0..length).map(|i| wide(i) & 0xffff_ffff).collect(),
            (0..length).map(|i| (u128::from(mix(i) % 5) << 64) | u128::from(i)).collect(),
            (0..length).map(|i| wide(i % 7)).collect(),
            (0..length).map(|_| 5).collect(),
            (0..length).map(u128::from).collect(),
            (0..length).rev().map(|i| u128::from(i) << 60).collect(),
            // Keys that agree but for a few: what a strided sample would never see.
            (0..length).map(|i| if i % 1001 == 3 { wide(i) } else { u128::from(i % 3) }).collect(),
        ]
    }

    #[test]
    fn items_of_every_number_and_order_are_sorted() {
        for length in [0, 1, 2, 191, 192, 193, 4095, 4096, 20_000, STEP as u64 + 1, 3 * STEP as u64 + 11] {
            for list in lists(length) {
                let mut expected = list.clone();
                expected.sort_unstable();
                let (mut found, mut scratch) = (list.clone(), Vec::new());
                sort(&going(), &mut found, |item| *item, 0, &mut scratch).unwrap();
                assert_eq!(found, expected, "{length}");
                let mut found = list.clone();
                by_digits::<_, _, u64>(&going(), &mut found, |item| *item, 0, &mut scratch).unwrap();
                assert_eq!(found, expected, "{length}, wide counters");
            }
        }
    }

    #[test]
    fn the_bits_below_need_no_sorting_where_they_rise() {
        let mut items: Vec<u64> = (0..10_000).map(|i| (mix(i) << 32) | i).collect();
        let mut expected = items.clone();
        expected.sort_unstable();
        sort(&going(), &mut items, |item| *item, 32, &mut Vec::new()).unwrap();
        assert_eq!(items, expected);
    }

    #[test]
    fn selection_splits_at_every_rank() {
        for length in [1, 1000, SELECTED_AT_ONCE as u64 * 5 / 4 + 5] {
            for list in lists(length) {
                let mut expected = list.clone();
                expected.sort_unstable();
                for nth in [0, list.len() / 3, list.len() / 2, list.len() - 1] {
                    let mut found = list.clone();
                    select(&going(), &mut found, nth, |item| *item).unwrap();
                    assert_eq!(found[nth], expected[nth], "{nth} of {length}");
                    found[..nth].sort_unstable();
                    found[nth..].sort_unstable();
                    assert_eq!(found, expected, "{nth} of {length}");
                }
            }
        }
    }

    /// No order of the items makes either quadratic, nor worse than some passes.
    #[test]
    fn the_work_is_linear() {
        for list in lists(SELECTED_AT_ONCE as u64 * 5 / 4) {
            let looks = std::cell::Cell::new(0);
            let key = |item: &u128| {
                looks.set(looks.get() + 1);
                *item
            };
            select(&going(), &mut list.clone(), list.len() / 2, key).unwrap();
            // Twelve digits at most, three passes each over what is left; what is left shrinks in all but odd lists.
            assert!(looks.take() < 12 * list.len());
            sort(&going(), &mut list.clone(), key, 0, &mut Vec::new()).unwrap();
            assert!(looks.take() < 30 * list.len());
        }
    }

    #[test]
    fn long_lists_end_when_asked() {
        let list = || (0..SELECTED_AT_ONCE as u64 * 5 / 4).map(mix).collect::<Vec<u64>>();
        let ends = Err(Error::Interrupted);
        let mut rising = list();
        rising.sort_unstable();
        assert_eq!(sort(&stopped(), &mut list(), |item| *item, 0, &mut Vec::new()), ends);
        assert_eq!(sort(&stopped(), &mut rising, |item| *item, 0, &mut Vec::new()), ends);
        assert_eq!(select(&stopped(), &mut list(), 1000, |item| *item), ends);
        assert_eq!(split(&stopped(), &mut list(), |item| (item & 7) as usize, 3), ends);
    }

    #[test]
    fn every_length_is_sorted_by_any_key() {
        let exec = going();
        for len in [0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP, 2 * STEP + 1, 5 * STEP + 77] {
            let mut values: Vec<u64> = (0..len as u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44).collect();
            let mut expected = values.clone();
            expected.sort_unstable();
            sort_by_key(&exec, &mut values, |value| *value).unwrap();
            assert_eq!(values, expected);
        }
    }

    #[test]
    fn a_long_sort_by_any_key_can_be_stopped() {
        let exec = stopped();
        let mut values: Vec<u64> = (0..200 * STEP as u64).rev().collect();
        assert_eq!(sort_by_key(&exec, &mut values, |value| *value), Err(Error::Interrupted));
    }
}

//! Long work in short steps, between which Ctrl-C is noticed. What fits into one step never asks.

use crate::error::{try_reserve, Result};
use crate::pool::Execution;

/// Values of one step: well below a millisecond of any work here. A multiple of every vector.
pub(super) const STEP: usize = 1 << 14;

/// Calls `work` on the stretches of `0..len`, one after the other.
#[inline]
pub(super) fn in_steps(
    exec: &Execution<'_>,
    len: usize,
    mut work: impl FnMut(std::ops::Range<usize>) -> Result<()>,
) -> Result<()> {
    let mut start = 0;
    while start < len {
        if start > 0 {
            exec.check()?;
        }
        let end = len.min(start + STEP);
        work(start..end)?;
        start = end;
    }
    Ok(())
}

/// Copies `from` into `to`, which is emptied first.
pub(super) fn copy<T: Copy>(exec: &Execution<'_>, from: &[T], to: &mut Vec<T>) -> Result<()> {
    to.clear();
    try_reserve(to, from.len())?;
    in_steps(exec, from.len(), |some| {
        to.extend_from_slice(&from[some]);
        Ok(())
    })
}

/// Sorts: steps by themselves, then pairs of runs into runs of twice the length.
pub(super) fn sort<T: Ord + Copy>(exec: &Execution<'_>, items: &mut Vec<T>) -> Result<()> {
    in_steps(exec, items.len(), |some| {
        items[some].sort_unstable();
        Ok(())
    })?;
    if items.len() <= STEP {
        return Ok(());
    }
    let mut merged = Vec::new();
    try_reserve(&mut merged, items.len())?;
    let mut run = STEP;
    while run < items.len() {
        merged.clear();
        for both in items.chunks(2 * run) {
            let (mut left, mut right) = both.split_at(run.min(both.len()));
            in_steps(exec, both.len(), |some| {
                for _ in some {
                    let from = if right.is_empty() || left.first().is_some_and(|first| *first <= right[0]) {
                        &mut left
                    } else {
                        &mut right
                    };
                    merged.push(from[0]);
                    *from = &from[1..];
                }
                Ok(())
            })?;
            exec.check()?;
        }
        std::mem::swap(items, &mut merged);
        run *= 2;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use std::num::NonZeroUsize;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::error::Error;
    use crate::isa::Isa;

    /// Alone, never stopped.
    pub(in crate::draw) fn alone(isa: Isa) -> Execution<'static> {
        Execution::new(NonZeroUsize::MIN, isa, &|| false)
    }

    #[test]
    fn steps_cover_everything_once() {
        for len in [0, 1, STEP - 1, STEP, STEP + 1, 5 * STEP + 7] {
            let mut next = 0;
            in_steps(&alone(Isa::Portable), len, |some| {
                assert!(some.start == next && some.len() <= STEP);
                next = some.end;
                Ok(())
            })
            .unwrap();
            assert_eq!(next, len);
        }
    }

    #[test]
    fn sorts_what_takes_one_step_or_many() {
        for len in [0, 1, 2, STEP, STEP + 1, 3 * STEP, 4 * STEP - 1, 9 * STEP + 5] {
            for spread in [3u64, 1 << 40] {
                let mut items: Vec<u64> =
                    (0..len as u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % spread).collect();
                let mut expected = items.clone();
                expected.sort_unstable();
                sort(&alone(Isa::Portable), &mut items).unwrap();
                assert!(items == expected);
            }
        }
    }

    #[test]
    fn a_stopped_call_stops_between_steps() {
        let asked = AtomicU32::new(0);
        let poll = || asked.fetch_add(1, Ordering::Relaxed) == 2;
        let exec = Execution::new(NonZeroUsize::MIN, Isa::Portable, &poll);
        let mut steps = 0u32;
        let slow = |_| {
            steps += 1;
            std::thread::sleep(std::time::Duration::from_millis(20));
            Ok(())
        };
        assert_eq!(in_steps(&exec, 1000 * STEP, slow), Err(Error::Interrupted));
        assert!(steps < 100);
    }
}

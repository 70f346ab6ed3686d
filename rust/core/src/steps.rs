//! Work on inputs of any length, in steps of well under a millisecond: after each the call is asked whether to go on, and
//! room is asked for before it is filled.

use crate::error::{try_reserve, try_reserve_exact, Result};
use crate::pool::Execution;

/// Items of one step: a multiple of every vector.
pub const STEP: usize = 1 << 14;

/// Calls `work` on the stretches of `0..len`, one after the other.
#[inline]
pub fn in_steps(
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

/// Calls `work` on one step of `items` after the other.
#[inline]
pub fn each<'a, T>(exec: &Execution<'_>, items: &'a [T], mut work: impl FnMut(&'a [T])) -> Result<()> {
    for part in items.chunks(STEP) {
        work(part);
        if part.len() == STEP {
            exec.check()?;
        }
    }
    Ok(())
}

/// Appends what `of` makes of every item.
#[inline]
pub fn append<A: Copy, B>(exec: &Execution<'_>, to: &mut Vec<B>, from: &[A], of: impl Fn(A) -> B) -> Result<()> {
    try_reserve(to, from.len())?;
    each(exec, from, |part| to.extend(part.iter().map(|item| of(*item))))
}

/// Becomes a copy of `from`, with no more memory than that needs (unless it has more already).
pub fn copy<T: Copy>(exec: &Execution<'_>, to: &mut Vec<T>, from: &[T]) -> Result<()> {
    to.clear();
    if to.capacity() < from.len() {
        // The old contents need not be moved along.
        *to = Vec::new();
        try_reserve_exact(to, from.len())?;
    }
    each(exec, from, |part| to.extend_from_slice(part))
}

/// Writes what `of` makes of `from` into the places of `to`, as far as both reach.
#[inline]
pub fn write<A: Copy, B>(exec: &Execution<'_>, to: &mut [B], from: &[A], of: impl Fn(A) -> B) -> Result<()> {
    for (to, from) in to.chunks_mut(STEP).zip(from.chunks(STEP)) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = of(*from);
        }
        if to.len() == STEP {
            exec.check()?;
        }
    }
    Ok(())
}

/// Keeps the items that `keep` says, in their order.
pub fn retain<T: Copy>(exec: &Execution<'_>, items: &mut Vec<T>, keep: impl Fn(&T) -> bool) -> Result<()> {
    let mut kept = 0;
    for start in (0..items.len()).step_by(STEP) {
        let end = items.len().min(start + STEP);
        for at in start..end {
            items[kept] = items[at];
            kept += usize::from(keep(&items[kept]));
        }
        if end - start == STEP {
            exec.check()?;
        }
    }
    items.truncate(kept);
    Ok(())
}

/// Moves `length` items from place `from` down to place `to`.
pub fn move_down<T: Copy>(exec: &Execution<'_>, items: &mut [T], from: usize, to: usize, length: usize) -> Result<()> {
    debug_assert!(to <= from);
    if from == to {
        return Ok(());
    }
    for start in (0..length).step_by(STEP) {
        let size = STEP.min(length - start);
        items.copy_within(from + start..from + start + size, to + start);
        if size == STEP {
            exec.check()?;
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::num::NonZeroUsize;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::error::Error;
    use crate::isa::Isa;

    /// An execution that has been asked to stop: whatever takes a step from now on ends with an error.
    pub(crate) fn stopped() -> Execution<'static> {
        let exec = Execution::new(NonZeroUsize::MIN, Isa::Portable, &|| true);
        while exec.check().is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
        exec
    }

    pub(crate) fn going() -> Execution<'static> {
        alone(Isa::Portable)
    }

    /// One thread at a level, never stopped.
    pub(crate) fn alone(isa: Isa) -> Execution<'static> {
        Execution::new(NonZeroUsize::MIN, isa, &|| false)
    }

    #[test]
    fn steps_cover_everything_once() {
        for len in [0, 1, STEP - 1, STEP, STEP + 1, 5 * STEP + 7] {
            let mut next = 0;
            in_steps(&going(), len, |some| {
                assert!(some.start == next && some.len() <= STEP);
                next = some.end;
                Ok(())
            })
            .unwrap();
            assert_eq!(next, len);
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

    #[test]
    fn steps_cover_everything_and_end_when_asked() {
        for length in [0, 1, STEP - 1, STEP, STEP + 1, 3 * STEP + 7] {
            let items: Vec<u32> = (0..length as u32).collect();
            let (mut seen, mut copied, mut appended) = (0, vec![9; 5], vec![7u64]);
            each(&going(), &items, |part| seen += part.len()).unwrap();
            copy(&going(), &mut copied, &items).unwrap();
            append(&going(), &mut appended, &items, u64::from).unwrap();
            assert_eq!((seen, &copied, appended[1..].len()), (length, &items, length));
            let mut moved = vec![0; 3];
            moved.extend_from_slice(&items);
            move_down(&going(), &mut moved, 3, 1, length).unwrap();
            assert_eq!(moved[1..=length], items);
            let mut written = vec![0; length];
            write(&going(), &mut written, &items, |item| item + 1).unwrap();
            assert!(written.iter().zip(&items).all(|(a, b)| *a == b + 1));
            let mut kept = items.clone();
            retain(&going(), &mut kept, |item| item % 3 == 1).unwrap();
            assert_eq!(kept, items.iter().copied().filter(|item| item % 3 == 1).collect::<Vec<_>>());
            let ends = if length < STEP { Ok(()) } else { Err(Error::Interrupted) };
            assert_eq!(each(&stopped(), &items, |_| ()), ends);
            assert_eq!(copy(&stopped(), &mut copied, &items), ends);
            assert_eq!(append(&stopped(), &mut appended, &items, u64::from), ends);
            assert_eq!(write(&stopped(), &mut written, &items, |item| item), ends);
            assert_eq!(retain(&stopped(), &mut kept.clone(), |_| true).is_err(), kept.len() >= STEP);
            assert_eq!(move_down(&stopped(), &mut moved, 3, 1, length), ends);
        }
    }
}

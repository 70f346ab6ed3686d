//! The parts of a call, on the calling thread and on those of the pool that are free.

mod execution;
mod processors;
#[cfg(test)]
mod tests;
mod workers;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use execution::Execution;
pub use processors::available_threads;

use crate::error::{check_room, try_collect, Result};
use workers::Turn;

/// Runs `task(scratch, index, part)` on every part and returns the results in order.
///
/// A part is whatever one task owns alone, usually `&mut` chunks of the output: hence no `unsafe` to share it. `scratch`
/// is built once per thread (anew where a thread comes back). Parts are handed out in ascending order, so the error
/// returned is always that of the lowest failing index. A task should stay below some 50 ms: Ctrl-C is noticed, and
/// threads go over to other calls, between tasks.
///
/// The calling thread starts at once; threads of the pool join where they are free, and are waited for only where they
/// joined. So a call never waits for another, and one of a single part wakes nobody.
pub fn map<P, S, R>(
    exec: &Execution<'_>,
    parts: impl IntoIterator<Item = P>,
    scratch: impl Fn() -> S + Sync,
    task: impl Fn(&mut S, usize, P) -> Result<R> + Sync,
) -> Result<Vec<R>>
where
    P: Send,
    R: Send,
{
    let parts = parts.into_iter();
    let threads = exec.threads();
    if threads == 1 {
        return map_serial(exec, parts, scratch(), task);
    }
    let slots: Vec<Mutex<Slot<P, R>>> = try_collect(parts.map(|part| Ok(Mutex::new(Slot::Todo(part)))))?;
    check_room::<R>(slots.len())?;
    let threads = threads.min(slots.len());
    if threads <= 1 {
        let parts = slots.into_iter().filter_map(|slot| match slot.into_inner() {
            Ok(Slot::Todo(part)) => Some(part),
            _ => None,
        });
        return map_serial(exec, parts, scratch(), task);
    }

    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    // Works until the parts run out, or the turn of this thread is over: whether parts are left.
    let work = |mut turn: Option<&mut Turn>| {
        let halt_on_panic = HaltOnPanic(&stop);
        let mut own = None;
        let mut left = true;
        while left && turn.as_mut().is_none_or(|turn| !turn.is_over()) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = slots.get(index) else { break };
            let taken = std::mem::replace(&mut *lock(slot), Slot::Running);
            if let Slot::Todo(part) = taken {
                let result = task(own.get_or_insert_with(&scratch), index, part);
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                *lock(slot) = Slot::Done(result);
            }
            if exec.check().is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            left = !stop.load(Ordering::Relaxed);
        }
        std::mem::forget(halt_on_panic);
        left && next.load(Ordering::Relaxed) < slots.len()
    };
    let help = |turn: &mut Turn| work(Some(turn));
    let own = || {
        work(None);
    };
    let waiting = || {
        if exec.check().is_err() {
            stop.store(true, Ordering::Relaxed);
        }
    };
    workers::with_helpers(threads - 1, &help, own, waiting);

    exec.check_seen()?;
    try_collect(slots.into_iter().map(|slot| match slot.into_inner() {
        Ok(Slot::Done(result)) => result,
        // A part that was never started: a lower one failed, and its error ended the collection.
        _ => unreachable!("a part was left without a failure before it"),
    }))
}

fn map_serial<P, S, R>(
    exec: &Execution<'_>,
    parts: impl Iterator<Item = P>,
    mut scratch: S,
    task: impl Fn(&mut S, usize, P) -> Result<R>,
) -> Result<Vec<R>> {
    try_collect(parts.enumerate().map(|(index, part)| {
        let result = task(&mut scratch, index, part)?;
        exec.check()?;
        Ok(result)
    }))
}

enum Slot<P, R> {
    Todo(P),
    Running,
    Done(Result<R>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No panic happens while one is held, so a poisoned lock would still guard a whole value.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Set off by unwinding only: the other threads then take no further part.
struct HaltOnPanic<'a>(&'a AtomicBool);

impl Drop for HaltOnPanic<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

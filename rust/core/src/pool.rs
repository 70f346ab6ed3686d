//! The only place that starts threads: one lazily built rayon pool per process, safe across fork.
//!
//! A forked child inherits the pool's memory but none of its threads, so a pool is bound to the process id that built
//! it. The slot is one atomic pointer, never a lock: a lock could be held by a thread that does not exist in the child.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::error::{check_room, try_collect, Error, Result};
use crate::isa::Isa;

/// How often the calling thread asks whether to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(40);

/// How a call runs: never what it computes. Shared with every thread that works on the call.
pub struct Execution<'a> {
    threads: NonZeroUsize,
    isa: Isa,
    poll: &'a (dyn Fn() -> bool + Sync),
    caller: ThreadId,
    started: Instant,
    /// Milliseconds after `started` at which the calling thread asks again.
    next_poll: AtomicU64,
    interrupted: AtomicBool,
}

impl<'a> Execution<'a> {
    /// `poll` is asked on the calling thread alone, now and then; `true` stops the call with [`Error::Interrupted`].
    #[must_use]
    pub fn new(threads: NonZeroUsize, isa: Isa, poll: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Execution {
            threads,
            isa,
            poll,
            caller: std::thread::current().id(),
            started: Instant::now(),
            next_poll: AtomicU64::new(POLL_INTERVAL.as_millis() as u64),
            interrupted: AtomicBool::new(false),
        }
    }

    /// Number of threads that may work on the call, the calling one included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.get()
    }

    /// Instruction-set level of the call.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Whether to go on: an error once the caller has asked to stop. Every loop that can outlast some 50 ms calls it now
    /// and then, on whatever thread it runs: the calling thread asks the poll, all others see its answer. It costs tens of
    /// nanoseconds, so once every few thousand steps is often enough and dear to nobody.
    pub fn check(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        if std::thread::current().id() == self.caller {
            let now = self.started.elapsed().as_millis() as u64;
            if now >= self.next_poll.load(Ordering::Relaxed) {
                self.next_poll.store(now + POLL_INTERVAL.as_millis() as u64, Ordering::Relaxed);
                if (self.poll)() {
                    self.interrupted.store(true, Ordering::Relaxed);
                    return Err(Error::Interrupted);
                }
            }
        }
        Ok(())
    }
}

/// Processors this process may use: affinity and cgroup limits included.
#[must_use]
pub fn available_threads() -> NonZeroUsize {
    // Asked of the system once, at the first call: reading the limits of a cgroup takes longer than a small selection.
    static FOUND: AtomicUsize = AtomicUsize::new(0);
    NonZeroUsize::new(FOUND.load(Ordering::Relaxed)).unwrap_or_else(|| {
        let found = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        FOUND.store(found.get(), Ordering::Relaxed);
        found
    })
}

/// Runs `task(scratch, index, part)` on every part and returns the results in order.
///
/// A part is whatever one task owns alone, usually `&mut` chunks of the output: hence no `unsafe` to share it. `scratch`
/// is built once per thread. Parts are handed out in ascending order, so the error returned is always that of the lowest
/// failing index. A task should stay below some 50 ms: Ctrl-C is noticed between tasks.
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
    // Works until the parts run out.
    let work = || {
        let halt_on_panic = HaltOnPanic(&stop);
        let mut scratch = scratch();
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = slots.get(index) else { break };
            let taken = std::mem::replace(&mut *lock(slot), Slot::Running);
            if let Slot::Todo(part) = taken {
                let result = task(&mut scratch, index, part);
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                *lock(slot) = Slot::Done(result);
            }
            if exec.check().is_err() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        std::mem::forget(halt_on_panic);
    };
    shared_pool(threads - 1).in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| work());
        }
        work();
    });

    if exec.interrupted.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic never happens while a slot is held, so a poisoned lock still guards a whole value.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Set off by unwinding only: the other threads then take no further part.
struct HaltOnPanic<'a>(&'a AtomicBool);

impl Drop for HaltOnPanic<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct ProcessPool {
    process: u32,
    workers: usize,
    pool: rayon::ThreadPool,
}

static POOL: AtomicPtr<ProcessPool> = AtomicPtr::new(std::ptr::null_mut());

/// The pool of this process, with at least `workers` threads. An outgrown or inherited pool is leaked on purpose: another
/// call may be inside the first, and the second has no threads that could be joined.
fn shared_pool(workers: usize) -> &'static rayon::ThreadPool {
    let process = std::process::id();
    let current = POOL.load(Ordering::Acquire);
    // SAFETY: the slot only ever holds null or a pointer from `Box::leak`, which lives for ever.
    if let Some(current) = unsafe { current.as_ref() } {
        if current.process == process && current.workers >= workers {
            return &current.pool;
        }
    }
    let workers = workers.max(available_threads().get() - 1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(workers)
        .thread_name(|index| format!("hardmine-{index}"))
        .build()
        .expect("the operating system refused to start the threads of the pool");
    let fresh = Box::leak(Box::new(ProcessPool { process, workers, pool }));
    // Two first calls may race; the loser's pool works just as well and idles afterwards.
    POOL.store(fresh, Ordering::Release);
    &fresh.pool
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(threads: usize, poll: &(dyn Fn() -> bool + Sync)) -> Execution<'_> {
        Execution::new(NonZeroUsize::new(threads).unwrap(), Isa::Portable, poll)
    }

    #[test]
    fn results_come_in_order_for_any_number_of_threads() {
        for threads in [1, 2, 3, 7] {
            let mut out = vec![0usize; 1003];
            let squares = map(
                &exec(threads, &|| false),
                out.chunks_mut(10),
                || 0usize,
                |seen, index, chunk| {
                    *seen += 1;
                    chunk.fill(index);
                    Ok(index * index)
                },
            )
            .unwrap();
            assert_eq!(squares, (0..101).map(|i| i * i).collect::<Vec<_>>());
            assert!(out.iter().enumerate().all(|(i, &value)| value == i / 10));
        }
    }

    #[test]
    fn the_lowest_failing_part_is_reported() {
        for threads in [1, 2, 7] {
            let error = map(
                &exec(threads, &|| false),
                0..1000,
                || (),
                |(), index, _| {
                    if index >= 500 {
                        Err(Error::OutOfMemory { bytes: index })
                    } else {
                        Ok(())
                    }
                },
            );
            assert_eq!(error, Err(Error::OutOfMemory { bytes: 500 }));
        }
    }

    #[test]
    fn a_poll_stops_the_call() {
        for threads in [1, 2] {
            let started = Instant::now();
            let result = map(
                &exec(threads, &|| true),
                0..1_000_000,
                || (),
                |(), _, _| {
                    std::thread::sleep(Duration::from_micros(200));
                    Ok(())
                },
            );
            assert_eq!(result, Err(Error::Interrupted));
            assert!(started.elapsed() < Duration::from_secs(20));
        }
    }

    #[test]
    fn a_panic_leaves_a_usable_pool() {
        for _ in 0..3 {
            let panicked = std::panic::catch_unwind(|| {
                map(
                    &exec(2, &|| false),
                    0..100,
                    || (),
                    |(), index, _| {
                        assert!(index != 37, "planted");
                        Ok(())
                    },
                )
            });
            assert!(panicked.is_err());
            assert_eq!(map(&exec(2, &|| false), 0..100, || (), |(), i, _| Ok(i)).unwrap().len(), 100);
        }
    }
}

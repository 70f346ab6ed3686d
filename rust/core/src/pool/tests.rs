//! What a caller may rely on, and the ways in which a pool goes wrong: every test that could hang has a watchdog.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::*;
use crate::error::Error;
use crate::isa::Isa;

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

/// Ends the process where it is not dropped in time: a hang must not look like a slow machine for ever.
fn watchdog() -> Sender<()> {
    let (alive, ended) = mpsc::channel::<()>();
    let watch = move || {
        if ended.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
            std::process::abort();
        }
    };
    #[allow(clippy::disallowed_methods)] // no worker: it watches them
    std::thread::Builder::new().spawn(watch).unwrap();
    alive
}

#[test]
fn a_call_waits_for_no_other() {
    let _watchdog = watchdog();
    let (begun, release) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let long = scope.spawn(|| {
            let wait = |(): &mut (), _, _| {
                begun.fetch_add(1, Ordering::SeqCst);
                while !release.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                Ok(())
            };
            // More threads than there are workers: all of them are inside for as long as the small calls run.
            map(&exec(200, &|| false), 0..200, || (), wait)
        });
        while begun.load(Ordering::SeqCst) < 2 {
            std::thread::yield_now();
        }
        for round in 0..200 {
            let small = map(&exec(2 + round % 3, &|| false), 0..50, || (), |(), i, _| Ok(i)).unwrap();
            assert_eq!(small.len(), 50);
        }
        assert!(!long.is_finished());
        release.store(true, Ordering::SeqCst);
        assert_eq!(long.join().unwrap().unwrap().len(), 200);
    });
}

#[test]
fn a_long_call_lends_its_workers_to_others() {
    let _watchdog = watchdog();
    let (begun, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let long = scope.spawn(|| {
            // Endless, with seats for more workers than there are.
            let poll = || done.load(Ordering::SeqCst);
            let tick = |(): &mut (), _, _| {
                begun.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
                Ok(())
            };
            map(&exec(200, &poll), 0..10_000_000, || (), tick)
        });
        while begun.load(Ordering::SeqCst) < 1000 {
            std::thread::yield_now();
        }
        // Each part waits for the other: the call can only end if a worker comes over from the long one.
        let inside = AtomicUsize::new(0);
        let meet = |(): &mut (), _, _| {
            inside.fetch_add(1, Ordering::SeqCst);
            while inside.load(Ordering::SeqCst) < 2 {
                std::thread::yield_now();
            }
            Ok(())
        };
        map(&exec(2, &|| false), 0..2, || (), meet).unwrap();
        done.store(true, Ordering::SeqCst);
        assert_eq!(long.join().unwrap(), Err(Error::Interrupted));
    });
}

#[test]
fn the_caller_hears_the_poll_while_it_waits() {
    let _watchdog = watchdog();
    let helped = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    // A signal handler is free to make calls of its own.
    let poll = || {
        let inner = map(&exec(2, &|| false), 0..5, || (), |(), i, _| Ok(i)).unwrap();
        assert_eq!(inner.len(), 5);
        helped.load(Ordering::SeqCst) && asked.fetch_add(1, Ordering::SeqCst) >= 2
    };
    let exec = exec(2, &poll);
    let caller = std::thread::current().id();
    let result = map(
        &exec,
        0..2,
        || (),
        |(), _, _| {
            if std::thread::current().id() == caller {
                while !helped.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                return Ok(());
            }
            helped.store(true, Ordering::SeqCst);
            loop {
                exec.check()?;
                std::thread::yield_now();
            }
        },
    );
    assert_eq!(result, Err(Error::Interrupted));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_worker_starts_every_job_in_the_default_mode() {
    use crate::float_mode::{tests::spoil, Mode};
    let _watchdog = watchdog();
    let caller = std::thread::current().id();
    for _ in 0..50 {
        let helped = AtomicBool::new(false);
        let look = |(): &mut (), _, _| {
            if std::thread::current().id() == caller {
                while !helped.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                return Ok(None);
            }
            let found = (!helped.swap(true, Ordering::SeqCst)).then(Mode::current);
            spoil();
            Ok(found)
        };
        // The first of the helpers to come has not computed anything yet.
        let modes = map(&exec(4, &|| false), 0..8, || (), look).unwrap();
        assert!(modes.into_iter().flatten().all(|mode| mode == Mode::DEFAULT));
    }
}

/// Calls of every size from many threads at once, with failures of every kind among them and calls within calls.
#[test]
fn many_threads_mixed_calls() {
    let _watchdog = watchdog();
    std::thread::scope(|scope| {
        for seed in 0..12usize {
            scope.spawn(move || {
                for round in 0..150 {
                    mixed_call(seed * 1000 + round);
                }
            });
        }
    });
}

fn mixed_call(number: usize) {
    let (threads, parts) = ([1, 2, 3, 7, 40][number % 5], [0, 1, 2, 3, 17, 300][number / 5 % 6]);
    let fault = number / 30 % 7;
    let at = number % parts.max(1);
    let started = Instant::now();
    let poll = || fault == 3 && started.elapsed() > Duration::from_millis(1);
    let exec = exec(threads, &poll);
    let task = |seen: &mut Vec<usize>, index: usize, part: usize| {
        assert_eq!(index, part);
        assert!(seen.last().is_none_or(|last| *last < index));
        seen.push(index);
        if number.is_multiple_of(11) {
            std::thread::sleep(Duration::from_micros(300));
        }
        match fault {
            1 if index == at => Err(Error::OutOfMemory { bytes: index }),
            2 if index == at => std::panic::resume_unwind(Box::new("planted")),
            4 => Ok(map(&exec, 0..3, || (), |(), i, _| Ok(i + part))?[0]),
            _ => Ok(part),
        }
    };
    let whole: Vec<usize> = (0..parts).collect();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| map(&exec, 0..parts, Vec::new, task)));
    match (fault, result) {
        (2, Err(panic)) => assert_eq!(*panic.downcast_ref::<&str>().unwrap(), "planted"),
        (1, Ok(Err(error))) => assert_eq!(error, Error::OutOfMemory { bytes: at }),
        (1 | 2, Ok(result)) => assert_eq!((parts, result), (0, Ok(whole))),
        (3, Ok(Err(error))) => assert_eq!(error, Error::Interrupted),
        (_, result) => assert_eq!(result.unwrap().unwrap(), whole),
    }
}

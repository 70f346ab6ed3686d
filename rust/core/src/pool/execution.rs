//! How a call runs, and whether it goes on.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::isa::Isa;

/// How often the calling thread asks whether to stop.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(40);

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
    ///
    /// # Panics
    /// If the machine does not have the level: everything below relies on it.
    #[must_use]
    pub fn new(threads: NonZeroUsize, isa: Isa, poll: &'a (dyn Fn() -> bool + Sync)) -> Self {
        assert!(isa.is_supported(), "this machine has no {}", isa.name());
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
        self.check_seen()?;
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

    /// The answer that the calling thread last got, without asking anew.
    pub(super) fn check_seen(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        Ok(())
    }
}

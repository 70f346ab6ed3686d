//! The only place that starts threads: one lazily built pool per process, safe across fork.
//!
//! A call opens a *job* with so many seats; a worker that is free takes a seat, works, and leaves. Everything that is
//! shared lies in one [`State`] behind one lock, which is held for a few instructions, never during work.
//!
//! **Why a job's borrows are safe.** A worker copies the reference to a job's work under the lock, only from a job in the
//! table with a free seat, and counts itself `inside` in the same step; it counts itself out, under the lock, after its
//! last use. The caller closes its job (no seats) under the lock and takes it off the table only once nobody is inside;
//! [`Open`] does so on every way out of [`with_helpers`], unwinding included. So a worker either sees the job open, and
//! the caller waits for it, or never sees it.
//!
//! **Why nobody waits for a stranger.** The caller works itself and then waits for those inside its job alone: each is
//! between two parts at most one part later. A seat nobody took is simply closed.
//!
//! **Why nobody sleeps through work.** Workers look at the table and go to sleep in one critical section; seats are offered
//! in another, which then wakes sleepers. A worker that leaves a job looks at the table again before it sleeps, so a
//! seat given back at a turn's end is found by the one that gave it back.
//!
//! **Fork.** A child inherits the pool's memory but none of its threads, and the lock may have been held by one of them. So
//! a pool is bound to the process id that built it, the slot that names it is one atomic pointer, and nobody in another
//! process touches what is inside.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::available_threads;
use super::execution::POLL_INTERVAL;
use crate::float_mode::Mode;

/// How long a worker stays with one call while others want it.
const TURN: Duration = Duration::from_millis(10);

/// Workers that any machine may have, however few its processors: more than these and the processors help nobody.
const SOME_WORKERS: usize = 16;

/// What a worker does in a job: it returns whether parts are left.
type Work<'a> = dyn Fn(&mut Turn) -> bool + Sync + 'a;

type Panic = Box<dyn Any + Send>;

/// Runs `own` on the calling thread, and `help` meanwhile on up to `helpers` threads of the pool that are free. Returns once
/// all of them have ended; `waiting` is called every [`POLL_INTERVAL`] of the wait. A panic of a helper goes on here.
pub(super) fn with_helpers(helpers: usize, help: &Work<'_>, own: impl FnOnce(), mut waiting: impl FnMut()) {
    let mut job = Open::new(Pool::of_this_process(), helpers, help);
    own();
    let panic = job.close(&mut waiting);
    drop(job);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// A worker's stay in one job.
pub(super) struct Turn {
    pool: &'static Pool,
    job: u64,
    since: Instant,
}

impl Turn {
    /// Whether the worker has been here for long and another job wants it.
    pub(super) fn is_over(&mut self) -> bool {
        if self.since.elapsed() < TURN {
            return false;
        }
        self.since = Instant::now();
        self.pool.lock().jobs.iter().any(|job| job.id != self.job && job.seats > 0)
    }
}

/// A job on the table, closed on drop.
struct Open {
    pool: &'static Pool,
    id: Option<u64>,
}

impl Open {
    fn new(pool: &'static Pool, seats: usize, work: &Work<'_>) -> Self {
        // SAFETY: only the lifetime changes. The reference is used by workers inside the job alone, and whoever made the
        // job waits for them in `close`, before the borrow ends (see the head of this file); `with_helpers`, the one
        // caller, keeps the guard on its stack.
        let work = unsafe { std::mem::transmute::<&Work<'_>, &'static Work<'static>>(work) };
        Open { pool, id: Some(pool.offer(seats, work)) }
    }

    /// Takes the job off the table once no worker is inside; what a worker panicked with.
    fn close(&mut self, waiting: &mut dyn FnMut()) -> Option<Panic> {
        let id = self.id?;
        if std::process::id() != self.pool.process {
            // A fork in `waiting` or in the caller's own part: the workers stayed behind, and so did what they had begun.
            self.id = None;
            return None;
        }
        let mut state = self.pool.lock();
        state.job(id).shut();
        while state.job(id).inside > 0 {
            let (woken, timeout) =
                self.pool.left.wait_timeout(state, POLL_INTERVAL).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() && state.job(id).inside > 0 {
                // It may take the lock itself: a signal handler is free to make calls.
                drop(state);
                waiting();
                state = self.pool.lock();
            }
        }
        self.id = None;
        state.remove(id).panic
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close(&mut || ());
    }
}

struct Job {
    id: u64,
    work: &'static Work<'static>,
    /// Workers that may still come.
    seats: usize,
    /// Workers that are at work.
    inside: usize,
    /// Whether a worker that leaves with parts left may come back.
    open: bool,
    /// What the first worker to panic panicked with.
    panic: Option<Panic>,
}

impl Job {
    fn shut(&mut self) {
        (self.seats, self.open) = (0, false);
    }
}

#[derive(Default)]
struct State {
    /// The job that was entered longest ago comes first.
    jobs: VecDeque<Job>,
    next_id: u64,
    workers: usize,
    asleep: usize,
}

impl State {
    fn place(&self, id: u64) -> usize {
        let place = self.jobs.iter().position(|job| job.id == id);
        place.expect("a job stays on the table until its caller has taken it off")
    }

    fn job(&mut self, id: u64) -> &mut Job {
        let place = self.place(id);
        &mut self.jobs[place]
    }

    fn remove(&mut self, id: u64) -> Job {
        let place = self.place(id);
        self.jobs.remove(place).expect("`place` is inside")
    }

    /// Takes a seat.
    fn enter(&mut self) -> Option<(u64, &'static Work<'static>)> {
        let place = self.jobs.iter().position(|job| job.seats > 0)?;
        let mut job = self.jobs.remove(place)?;
        job.seats -= 1;
        job.inside += 1;
        let entered = (job.id, job.work);
        self.jobs.push_back(job);
        Some(entered)
    }

    /// Leaves the seat, and gives it back where parts are left.
    fn leave(&mut self, id: u64, left: std::thread::Result<bool>) {
        let job = self.job(id);
        job.inside -= 1;
        match left {
            Ok(left) => job.seats += usize::from(left && job.open),
            Err(panic) => {
                job.shut();
                job.panic.get_or_insert(panic);
            }
        }
    }
}

/// Workers there may be for a call that wants `wanted`.
fn most_workers(wanted: usize) -> usize {
    if wanted <= SOME_WORKERS {
        return wanted;
    }
    wanted.min(SOME_WORKERS.max(available_threads().get()))
}

struct Pool {
    process: u32,
    state: Mutex<State>,
    /// Seats are offered.
    offered: Condvar,
    /// A worker has left a closed job.
    left: Condvar,
}

static POOL: AtomicPtr<Pool> = AtomicPtr::new(std::ptr::null_mut());

impl Pool {
    /// The pool of this process, without any thread at first. An inherited one is leaked: nobody could join its threads.
    fn of_this_process() -> &'static Pool {
        let process = std::process::id();
        let mut current = POOL.load(Ordering::Acquire);
        loop {
            // SAFETY: the slot only ever holds null or a pointer from `Box::into_raw` that was published whole (release and
            // acquire) and is never freed.
            match unsafe { current.as_ref() } {
                Some(pool) if pool.process == process => return pool,
                _ => {}
            }
            let (state, offered, left) = (Mutex::default(), Condvar::new(), Condvar::new());
            let fresh = Box::into_raw(Box::new(Pool { process, state, offered, left }));
            match POOL.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => current = fresh,
                Err(first) => {
                    // SAFETY: another thread was first, so this one was never published: nobody else has the pointer.
                    drop(unsafe { Box::from_raw(fresh) });
                    current = first;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job on the table, wakes who sleeps and starts who is missing.
    fn offer(&'static self, seats: usize, work: &'static Work<'static>) -> u64 {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.jobs.push_back(Job { id, work, seats, inside: 0, open: true, panic: None });
        let wake = seats.min(state.asleep);
        let start = (seats - wake).min(most_workers(seats).saturating_sub(state.workers));
        state.workers += start;
        let first = state.workers - start;
        drop(state);
        for _ in 0..wake {
            self.offered.notify_one();
        }
        for number in first..first + start {
            if self.start(number).is_err() {
                // The system refuses: the call goes on with who is there, its own thread at least.
                self.lock().workers -= 1;
            }
        }
        id
    }

    #[allow(clippy::disallowed_methods)] // the one place that starts threads
    fn start(&'static self, number: usize) -> std::io::Result<()> {
        std::thread::Builder::new().name(format!("hardmine-{number}")).spawn(|| self.serve()).map(drop)
    }

    /// The life of a worker.
    fn serve(&'static self) -> ! {
        let mut state = self.lock();
        loop {
            let Some((job, work)) = state.enter() else {
                state.asleep += 1;
                state = self.offered.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.asleep -= 1;
                continue;
            };
            drop(state);
            let mut turn = Turn { pool: self, job, since: Instant::now() };
            let left = Mode::DEFAULT.during(|| catch_unwind(AssertUnwindSafe(|| work(&mut turn))));
            state = self.lock();
            state.leave(job, left);
            self.left.notify_all();
        }
    }
}

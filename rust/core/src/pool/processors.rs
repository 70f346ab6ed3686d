//! How many processors this process may use.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds for which an answer holds.
const FRESH: u64 = 50;

/// Processors this process may use: affinity and cgroup limits included.
///
/// Reading the limits of a cgroup takes longer than a small selection, and even asking for the affinity can take a tenth of
/// one. So the affinity is asked now and then, and the limits are read at first and where it allows another number of
/// processors than when they were read: a changed affinity is noticed a moment later.
#[must_use]
pub fn available_threads() -> NonZeroUsize {
    /// What the affinity allowed (upper half) when the answer (lower half) was found.
    static FOUND: AtomicU64 = AtomicU64::new(0);
    /// When that was, or was found to hold still.
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let found = FOUND.load(Ordering::Relaxed);
    if let Some(count) = NonZeroUsize::new(found as u32 as usize) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
        // A clock that was set back gives a large difference.
        if now.wrapping_sub(ASKED.load(Ordering::Relaxed)) < FRESH {
            return count;
        }
        ASKED.store(now, Ordering::Relaxed);
        if found >> 32 == u64::from(allowed_by_affinity()) {
            return count;
        }
    }
    let allowed = allowed_by_affinity();
    let found = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let count = u32::try_from(found.get()).unwrap_or(u32::MAX);
    FOUND.store((u64::from(allowed) << 32) | u64::from(count), Ordering::Relaxed);
    found
}

/// Processors that the scheduler may give to this thread; 0 where that is not known.
#[cfg(target_os = "linux")]
fn allowed_by_affinity() -> u32 {
    // SAFETY: a set of processors is plain bits, none of them set at first.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the call writes at most the size given, that of the set behind the pointer; 0 is the calling thread.
    let failed = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) } != 0;
    if failed {
        return 0;
    }
    // SAFETY: it counts the bits of a set that is there.
    let count = unsafe { libc::CPU_COUNT(&set) };
    count as u32
}

#[cfg(not(target_os = "linux"))]
fn allowed_by_affinity() -> u32 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_the_standard_library_twice() {
        let expected = std::thread::available_parallelism().unwrap();
        assert_eq!([available_threads(), available_threads()], [expected; 2]);
    }
}

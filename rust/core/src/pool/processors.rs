//! How many processors this process may use.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

/// Processors this process may use: affinity and cgroup limits included.
///
/// Reading the limits of a cgroup takes longer than a small selection, so they are read once, and again where the affinity
/// of the calling thread allows another number of processors than then: that is asked at every call.
#[must_use]
pub fn available_threads() -> NonZeroUsize {
    /// What the affinity allowed (upper half) when the answer (lower half) was found.
    static FOUND: AtomicU64 = AtomicU64::new(0);
    let allowed = allowed_by_affinity();
    let found = FOUND.load(Ordering::Relaxed);
    if found >> 32 == u64::from(allowed) {
        if let Some(found) = NonZeroUsize::new(found as u32 as usize) {
            return found;
        }
    }
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

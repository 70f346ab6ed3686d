//! Sixteen lanes at a time, for each instruction set: what the cheap look at a row is written in.
//!
//! Plain Rust says the same, but whether a compiler makes vector code of it changes with every release.

mod lanes;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::isa::Isa;
use lanes::Plain;
pub(super) use lanes::{AtLevel, Level, LANES};

/// Runs the copy of the work for a level.
#[inline]
pub(super) fn at_level<W: AtLevel>(isa: Isa, work: W) -> W::Out {
    by_isa!(
        isa,
        avx512: x86::run_wide(work),
        avx2: x86::run_narrow(work),
        // SAFETY: plain Rust needs no feature.
        portable: unsafe { work.run::<Plain>() },
    )
}

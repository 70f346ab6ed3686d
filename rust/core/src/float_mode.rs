//! The floating-point mode of a thread: how it rounds, and whether it flushes subnormal numbers to zero.
//!
//! A caller may have changed it (`torch.set_flush_denormal`, `fesetround`, a library built with `-ffast-math`), and a new
//! thread starts with that of its creator. Results are functions of inputs and seed alone, so every call and every worker
//! computes under [`Mode::DEFAULT`], and the mode that was there before comes back afterwards.

/// What the control registers of a thread's floating-point unit hold, exception flags included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(imp::Registers);

impl Mode {
    /// The mode in which every process starts and which the language assumes: rounding to nearest even, subnormal numbers
    /// kept, every exception masked and none raised.
    pub const DEFAULT: Mode = Mode(imp::DEFAULT);

    /// That of the calling thread.
    #[must_use]
    pub fn current() -> Mode {
        Mode(imp::read())
    }

    /// Runs `work` in this mode; what was there before comes back at its end, also where it panics.
    pub fn during<R>(self, work: impl FnOnce() -> R) -> R {
        let before = Before(imp::read());
        imp::write(self.0);
        let result = apart(work);
        drop(before);
        result
    }
}

/// A call that is never inlined: the compiler, which knows no other mode than the default, could otherwise move arithmetic
/// across the change.
#[inline(never)]
fn apart<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Sets the mode back.
struct Before(imp::Registers);

impl Drop for Before {
    fn drop(&mut self) {
        imp::write(self.0);
    }
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::asm;

    /// MXCSR. The x87 unit has a word of its own, and nothing compiled for x86-64 computes there.
    pub type Registers = u32;

    pub const DEFAULT: Registers = 0x1F80;

    pub fn read() -> Registers {
        let mut mxcsr = 0u32;
        // SAFETY: SSE is part of x86-64; the instruction writes the four bytes that the pointer names.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags)) };
        mxcsr
    }

    pub fn write(mxcsr: Registers) {
        // SAFETY: SSE is part of x86-64; the instruction reads the four bytes that the pointer names. The value is the
        // default or one that was read, so no reserved bit is set. A mode other than the default is only ever set again
        // where it was found, for the code that chose it.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack, preserves_flags)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod imp {
    use std::arch::asm;

    /// FPCR (the mode) and FPSR (the exception flags).
    pub type Registers = (u64, u64);

    pub const DEFAULT: Registers = (0, 0);

    pub fn read() -> Registers {
        let (mode, flags): (u64, u64);
        // SAFETY: both registers are part of AArch64 and readable by every program.
        unsafe { asm!("mrs {}, fpcr", "mrs {}, fpsr", out(reg) mode, out(reg) flags, options(nostack)) };
        (mode, flags)
    }

    pub fn write((mode, flags): Registers) {
        // SAFETY: both registers are part of AArch64 and writable by every program. The values are the default or were
        // read. A mode other than the default is only ever set again where it was found, for the code that chose it.
        unsafe { asm!("msr fpcr, {}", "msr fpsr, {}", in(reg) mode, in(reg) flags, options(nostack)) };
    }
}

/// Elsewhere the mode is left alone.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod imp {
    pub type Registers = ();

    pub const DEFAULT: Registers = ();

    pub fn read() -> Registers {}

    pub fn write(_: Registers) {}
}

#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) mod tests {
    use std::hint::black_box;

    use super::*;

    /// Flush to zero, subnormals read as zero, rounding up; all exceptions masked.
    const STRANGE: Mode = Mode(0x1F80 | 0x8000 | 0x40 | 0x4000);

    /// Leaves the thread in another mode, as foreign code may.
    pub(crate) fn spoil() {
        imp::write(STRANGE.0);
    }

    fn halved(x: f32) -> f32 {
        black_box(x) * black_box(0.5)
    }

    #[test]
    fn the_default_inside_and_the_callers_mode_outside() {
        STRANGE.during(|| {
            assert_eq!(halved(f32::MIN_POSITIVE), 0.0);
            assert_eq!(Mode::DEFAULT.during(|| halved(f32::MIN_POSITIVE)), f32::MIN_POSITIVE / 2.0);
            assert_eq!(halved(f32::MIN_POSITIVE), 0.0);
            let third = |x: f64| black_box(1.0) / black_box(x);
            assert!(Mode::DEFAULT.during(|| third(3.0)) < third(3.0));
        });
    }

    #[test]
    fn no_flag_is_left_behind_and_none_is_taken_away() {
        let clean = Mode::DEFAULT.during(|| {
            Mode::DEFAULT.during(|| black_box(black_box(1.0f64) / black_box(0.0)));
            Mode::current()
        });
        assert_eq!(clean, Mode::DEFAULT);
        let divided = Mode(0x1F80 | 0x4);
        let after = divided.during(|| {
            Mode::DEFAULT.during(|| ());
            Mode::current()
        });
        assert_eq!(after, divided);
    }

    #[test]
    fn a_panic_sets_the_mode_back_too() {
        let before = Mode::current();
        let panicked = std::panic::catch_unwind(|| STRANGE.during(|| panic!("planted")));
        assert!(panicked.is_err());
        assert_eq!(Mode::current(), before);
    }
}

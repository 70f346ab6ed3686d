//! The two inner loops of selection, once per instruction set, chosen by the level of the call.
//!
//! Kernels only *discard*: they report a superset of what can enter the best k, and the exact order of `order.rs`
//! decides about it. So a level can never change a result. What they do decide alone, and exactly, is on which side of
//! a ceiling or floor a score lies: one comparison of numbers, no ties to settle.

// Code is compiled for an instruction set only where it is inlined into the one function that enables it.
#![allow(clippy::inline_always)]

#[macro_use]
mod plain;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
mod portable;
mod vector;

use half::{bf16, f16};

pub use lanes::Lanes;
pub(crate) use lanes::{ceiling_in, floor_in};
pub(super) use lanes::{Counts, Hit, Order, Thresholds, BLOCK};

use crate::isa::Isa;

/// A score type that can be scanned: it has kernels.
pub trait Scan: Lanes {
    #[doc(hidden)]
    fn hits(isa: Isa, values: &[Self], bounds: &Thresholds<Self>, hits: &mut Vec<Hit>) -> Counts;
    #[doc(hidden)]
    fn maxima(isa: Isa, values: &[Self], per_group: usize, ceiling: Option<Self>, maxima: &mut Vec<Self>);
    /// How many values are at least `least`.
    #[doc(hidden)]
    fn count(isa: Isa, values: &[Self], least: Self) -> usize;
    /// Lowest and highest value, where none is NaN.
    #[doc(hidden)]
    fn extent(isa: Isa, values: &[Self]) -> (Self, Self);
    #[doc(hidden)]
    fn order(isa: Isa, values: &[Self]) -> Order;
    /// Place of the best value, the first of equals; nothing where a NaN is among them.
    #[doc(hidden)]
    fn first_best(isa: Isa, values: &[Self]) -> Option<usize>;
}

/// Compiles the loops of `plain.rs` once per instruction set.
macro_rules! plain {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        fn $name(isa: Isa, $($argument: $type),*) -> $result {
            match isa {
                // SAFETY: a call's level is never above what `Isa::detect` found.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => unsafe { avx512::$name::<Self>($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { avx2::$name::<Self>($($argument),*) },
                _ => plain::$name::<Self>($($argument),*),
            }
        }
    )*};
}

macro_rules! dispatch {
    ($($score:ty),*) => {$(impl Scan for $score {
        fn hits(isa: Isa, values: &[Self], bounds: &Thresholds<Self>, hits: &mut Vec<Hit>) -> Counts {
            hits.clear();
            // One more than there are blocks: the slot that the next hit would take is always written.
            hits.reserve(values.len() / BLOCK + 2);
            match isa {
                // SAFETY: a call's level is never above what `Isa::detect` found.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => unsafe { avx512::hits::<Self>(values, bounds, hits) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { avx2::hits::<Self>(values, bounds, hits) },
                _ => portable::hits(values, bounds, hits),
            }
        }

        fn maxima(isa: Isa, values: &[Self], per_group: usize, ceiling: Option<Self>, maxima: &mut Vec<Self>) {
            maxima.clear();
            match isa {
                // SAFETY: a call's level is never above what `Isa::detect` found.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => unsafe { avx512::maxima::<Self>(values, per_group, ceiling, maxima) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { avx2::maxima::<Self>(values, per_group, ceiling, maxima) },
                _ => portable::maxima(values, per_group, ceiling, maxima),
            }
        }

        plain! {
            fn count(values: &[Self], least: Self) -> usize;
            fn extent(values: &[Self]) -> (Self, Self);
            fn order(values: &[Self]) -> Order;
            fn first_best(values: &[Self]) -> Option<usize>;
        }
    })*};
}

dispatch!(f16, bf16, f32, f64);

//! The two inner loops of selection, once per instruction set, chosen by the level of the call.
//!
//! Kernels only *discard*: they report a superset of what can enter the best k, and the exact order of `order.rs`
//! decides about it. So a level can never change a result. What they do decide alone, and exactly, is on which side of
//! a ceiling or floor a score lies: one comparison of numbers, no ties to settle.

// Code is compiled for an instruction set only where it is inlined into the one function that enables it.
#![allow(clippy::inline_always)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
mod plain;
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

// The loops of `plain.rs`, one copy per instruction set.
per_isa! { fn count<T: Lanes>(values: &[T], least: T) -> usize => plain::count }
per_isa! { fn extent<T: Lanes>(values: &[T]) -> (T, T) => plain::extent }
per_isa! { fn order<T: Lanes>(values: &[T]) -> Order => plain::order }
per_isa! { fn first_best<T: Lanes>(values: &[T]) -> Option<usize> => plain::first_best }

macro_rules! dispatch {
    ($($score:ty),*) => {$(impl Scan for $score {
        fn hits(isa: Isa, values: &[Self], bounds: &Thresholds<Self>, hits: &mut Vec<Hit>) -> Counts {
            hits.clear();
            // One more than there are blocks: the slot that the next hit would take is always written.
            hits.reserve(values.len() / BLOCK + 2);
            by_isa!(
                isa,
                avx512: avx512::hits::<Self>(values, bounds, hits),
                avx2: avx2::hits::<Self>(values, bounds, hits),
                portable: portable::hits(values, bounds, hits),
            )
        }

        fn maxima(isa: Isa, values: &[Self], per_group: usize, ceiling: Option<Self>, maxima: &mut Vec<Self>) {
            maxima.clear();
            by_isa!(
                isa,
                avx512: avx512::maxima::<Self>(values, per_group, ceiling, maxima),
                avx2: avx2::maxima::<Self>(values, per_group, ceiling, maxima),
                portable: portable::maxima(values, per_group, ceiling, maxima),
            );
        }

        fn count(isa: Isa, values: &[Self], least: Self) -> usize {
            count(isa, values, least)
        }

        fn extent(isa: Isa, values: &[Self]) -> (Self, Self) {
            extent(isa, values)
        }

        fn order(isa: Isa, values: &[Self]) -> Order {
            order(isa, values)
        }

        fn first_best(isa: Isa, values: &[Self]) -> Option<usize> {
            first_best(isa, values)
        }
    })*};
}

dispatch!(f16, bf16, f32, f64);

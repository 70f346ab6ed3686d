//! Random draws that are functions of keys, never of order: counter-based noise, weighted draws with and without
//! replacement, uniform draws with exclusions, alias tables.
//!
//! One Philox4x32-10 block belongs to each (seed, epoch, domain, query key, document key), so what is drawn for a query
//! does not depend on the other queries, on the order of its candidates, on threads, shards or the instruction set.

/// Wraps a body of plain Rust in one copy per instruction set, chosen by the first argument.
///
/// The body is integer arithmetic or floating-point `+ - * /` in a written order. Rust never fuses a multiplication and an
/// addition by itself, so the copies differ in speed alone.
macro_rules! per_isa {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? => $body:path) => {
        $(#[$doc])*
        #[allow(clippy::inline_always, clippy::too_many_arguments)]
        $vis fn $name(isa: $crate::isa::Isa, $($arg: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                fn avx512($($arg: $type),*) $(-> $result)? {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn avx2($($arg: $type),*) $(-> $result)? {
                    $body($($arg),*)
                }
                debug_assert!(isa.is_within($crate::isa::Isa::detect()));
                match isa {
                    // SAFETY: a level is only ever chosen among those that the machine has.
                    $crate::isa::Isa::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::isa::Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::isa::Isa::Portable => {}
                }
            }
            let _ = isa;
            $body($($arg),*)
        }
    };
}

pub mod alias;
pub mod distributions;
mod largest;
mod level;
pub mod lists;
pub mod logarithm;
mod marks;
pub mod noise;
pub mod philox;
pub mod picker;
mod prefilter;
mod rough;
pub mod rows;
mod steps;
pub mod uniform;
mod words;

pub use alias::AliasTable;
pub use distributions::LogWeight;
pub use lists::draw_lists;
pub use noise::{as_keys, Domain, Noise};
pub use picker::Picker;
pub use rows::{draw_rows, Keys};
pub use uniform::{sample_uniform, Request};

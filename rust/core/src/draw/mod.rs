//! Random draws that are functions of keys, never of order: counter-based noise, weighted draws with and without
//! replacement, uniform draws with exclusions, alias tables.
//!
//! One Philox4x32-10 block belongs to each (seed, epoch, domain, query key, document key), so what is drawn for a query
//! does not depend on the other queries, on the order of its candidates, on threads, shards or the instruction set.

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
pub mod uniform;
mod words;

pub use alias::AliasTable;
pub use distributions::LogWeight;
pub use lists::draw_lists;
pub use noise::{as_keys, Domain, Noise};
pub use picker::Picker;
pub use rows::{draw_rows, Keys};
pub use uniform::{sample_uniform, Request};

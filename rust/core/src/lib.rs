//! Kernels of hardmine over plain slices: no Python, no I/O, no global state but one thread pool per process.
//!
//! Everything here obeys one contract: a result is a function of the inputs and the seed alone. The number of threads,
//! the cut into tiles and the instruction set never change a byte of it.

#[macro_use]
pub mod isa; // first: the others use its macros

pub mod anchor;
pub mod batch;
pub mod ceiling;
pub mod csr;
pub mod distinct;
pub mod draw;
pub mod error;
mod exact_sum;
mod excluded;
pub mod exclusions;
pub mod float_mode;
pub mod fuse;
mod id_set;
pub mod limits;
pub mod matrix;
pub mod merge;
pub mod order;
pub mod pool;
pub mod search;
pub mod select;
pub mod shingles;
mod sort;
pub mod sparse;
mod steps;
pub mod take;
pub mod text_codes;
pub mod topk;

pub use csr::Csr;
pub use error::{Error, Result};
pub use isa::Isa;
pub use limits::{Limits, NanPolicy, Ranked, Tally};
pub use matrix::Matrix;
pub use order::Score;
pub use pool::Execution;
pub use topk::{topk, TopKAccumulator};

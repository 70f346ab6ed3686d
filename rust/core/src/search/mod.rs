//! Exact search over embeddings.
//!
//! One definition of a score ([`exact`]), and two ways to discard what cannot be among the best: codes of one byte per
//! number ([`codes`], made by [`encode`] in a [`frame`], compared by [`kernels`] under [`code_bound`], scanned by
//! [`code_scan`]), and float32 matrix products that somebody else computes (filtered by [`filter`] under [`error_bound`],
//! scanned by [`scan`]). Both feed one state per query ([`query_state`]); nothing trusts more of a product than its bound says.

pub mod block;
pub mod code_bound;
pub mod code_scan;
pub mod codes;
pub mod embeddings;
pub mod encode;
pub mod error_bound;
pub mod exact;
pub mod filter;
pub mod frame;
pub mod kernels;
pub mod query_state;
pub mod scan;
mod settle;

pub use code_scan::Coded;
pub use codes::Codes;
pub use embeddings::{check_finite, Embeddings, RowScratch};
pub use encode::Frame;
pub use exact::{pair_scores, row_norms, Similarity};
pub use scan::{Hits, SearchScan, Source, Tile};

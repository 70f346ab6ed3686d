//! Exact search over embeddings.
//!
//! One definition of a score ([`exact`]), one bound on how far a float32 matrix product may lie from it ([`error_bound`]), a
//! filter that discards what the bound allows ([`filter`]), and the state that turns score tiles into exact top-k lists
//! ([`query_state`] for one query, [`scan`] for many). The tiles are computed by somebody else's matrix product; nothing here
//! trusts more of it than the bound says.

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
pub use embeddings::Embeddings;
pub use encode::Frame;
pub use exact::{pair_scores, row_norms, Similarity};
pub use scan::{Hits, SearchScan, Source, Tile};

//! Exact search over embeddings: the definition of a score, and everything that finds the best without scoring all.

pub mod embeddings;
pub mod exact;

pub use embeddings::Embeddings;
pub use exact::{pair_scores, row_norms, Similarity};

//! Kernels for one training batch, whose score matrix is small and new at every step.

mod labels;
mod mask;
mod triplets;

pub use mask::{in_batch_mask, positive_scores, MaskRules};
pub use triplets::{triplets, Kind};

//! Exact search over sparse rows: few weights among many terms.
//!
//! One definition of a score ([`score`]). An inverted index in blocks of documents ([`postings`]), whose lists are added
//! up block by block ([`sums`]): all of them in the order of the definition, which gives the scores, or only those without
//! which no document can be among the best, under a bound ([`bound`]) of what the others may add ([`scan`]).
//! A document that shares no term with the query is no candidate.

mod block;
mod bound;
mod build;
mod coarse;
mod filter;
mod grids;
mod lists;
pub mod postings;
pub mod rows;
pub mod scan;
pub mod score;
mod shared;
mod state;
mod sums;
#[cfg(test)]
mod tests;
pub mod transpose;

pub use build::build;
pub use postings::{Built, Postings};
pub use rows::{SparseRows, Weights};
pub use scan::{search, working_bytes};
pub use score::pair_scores;

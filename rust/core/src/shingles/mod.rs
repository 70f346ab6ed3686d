//! Near-duplicate texts: the Jaccard similarity of their sets of word shingles, and groups found by min-wise hashes.
//!
//! A word is what stands between ASCII white space, ASCII letters in lower case; a shingle is a run of words, a text
//! shorter than one is a shingle of its own. Shingles are compared by hashes of 64 bits.

mod groups;
mod minhash;
mod sets;
mod texts;

use crate::error::{try_vec, Error, Result};
use crate::pool::{self, Execution};

pub use groups::{near_duplicate_groups, Settings};
use sets::{jaccard, Shingler};
pub use texts::Texts;

/// Rows of one task, about a millisecond for texts of a hundred words.
const TASK_ROWS: usize = 256;

/// Jaccard similarity of every row of `left` and the same row of `right`, rounded once to float32; 1 for two without words.
pub fn similarity(exec: &Execution<'_>, left: &Texts<'_>, right: &Texts<'_>, size: usize) -> Result<Vec<f32>> {
    if left.rows() != right.rows() {
        return Err(Error::Length { argument: "right", found: right.rows(), wanted: left.rows() });
    }
    let mut found = try_vec::<f32>(left.rows())?;
    let scratch = || (Shingler::new(size), Vec::new(), Vec::new());
    pool::map(exec, found.chunks_mut(TASK_ROWS), scratch, |(shingler, own, other), task, out| {
        for (row, out) in (task * TASK_ROWS..).zip(out) {
            exec.check()?;
            shingler.set_of(exec, left.text(row), own)?;
            shingler.set_of(exec, right.text(row), other)?;
            *out = jaccard(exec, own, other)?;
        }
        Ok(())
    })?;
    Ok(found)
}

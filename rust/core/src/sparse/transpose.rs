//! From lists by term to rows by document.

use crate::csr::check_offsets;
use crate::error::{try_vec, Error, Result};
use crate::pool::Execution;
use crate::steps;

/// Rows: offsets, terms, weights.
pub type Rows = (Vec<i64>, Vec<i32>, Vec<f32>);

/// The rows of `rows` documents: column c of the input holds the documents and weights
/// `offsets[c]..offsets[c + 1]`. Terms rise inside a row.
///
/// # Errors
/// A document out of range, offsets or lengths that do not fit; [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn transpose(
    exec: &Execution<'_>,
    offsets: &[i64],
    documents: &[i32],
    weights: &[f32],
    rows: usize,
) -> Result<Rows> {
    if documents.len() != weights.len() {
        return Err(Error::Length { argument: "documents", found: documents.len(), wanted: weights.len() });
    }
    check_offsets("columns", offsets, documents.len(), offsets.len().max(1) - 1)?;
    let mut ends = try_vec::<i64>(rows + 1)?;
    let row_of = |place: usize| {
        let id = i64::from(documents[place]);
        let row = usize::try_from(id).ok().filter(|row| *row < rows);
        row.ok_or(Error::IdOutOfRange { argument: "documents", row: place, id, limit: rows as i64 })
    };
    steps::in_steps(exec, documents.len(), |places| {
        for place in places {
            ends[row_of(place)? + 1] += 1;
        }
        Ok(())
    })?;
    for row in 0..rows {
        ends[row + 1] += ends[row];
    }
    let (mut terms, mut found) = (try_vec::<i32>(documents.len())?, try_vec::<f32>(documents.len())?);
    let mut next = ends.clone();
    for column in 0..offsets.len() - 1 {
        for place in (offsets[column].max(0) as usize)..(offsets[column + 1].max(0) as usize).min(documents.len()) {
            let next = &mut next[row_of(place)?];
            // Should the documents have changed since they were counted, they stay within the arrays.
            let at = (*next as usize).min(terms.len() - 1);
            (terms[at], found[at]) = (column as i32, weights[place]);
            *next += 1;
        }
        if column % 64 == 0 {
            exec.check()?;
        }
    }
    Ok((ends, terms, found))
}

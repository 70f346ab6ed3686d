//! Which centre and rotation leave the codes of a corpus the smallest residuals: tried on a sample of its documents.

use crate::error::{try_reserve_exact, try_vec, Result};
use crate::pool::Execution;

use super::embeddings::{Embeddings, RowScratch};
use super::encode::{Encoder, Frame, DOCUMENT_LEVELS};
use super::exact::Similarity;

/// Documents that the centre is the mean of.
const AVERAGED: usize = 2048;
/// Documents that get codes under every frame.
const TRIED: usize = 128;
/// What a frame that costs something must leave of the width without it.
const WORTH_IT: f64 = 0.9;

/// A centre, empty where none pays, and whether a rotation pays. Any answer is right: they differ in speed alone.
///
/// # Errors
/// [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`].
pub fn choose(
    exec: &Execution<'_>,
    documents: Embeddings<'_>,
    norms: &[f64],
    similarity: Similarity,
) -> Result<(Vec<f32>, bool)> {
    let (rows, h) = (documents.rows().min(norms.len()), documents.dimension());
    let mut scratch = RowScratch::default();
    scratch.reserve(&documents)?;
    let mut mean = try_vec::<f64>(h)?;
    for (row, norm) in spread(rows, AVERAGED).map(|row| (row, norms[row])) {
        exec.check()?;
        let factor = if similarity == Similarity::Cosine && norm > 0.0 { 1.0 / norm } else { 1.0 };
        let values = documents.row(row, &mut scratch);
        mean.iter_mut().zip(values).for_each(|(mean, x)| *mean += f64::from(*x) * factor);
    }
    let count = rows.clamp(1, AVERAGED) as f64;
    let mut centre = Vec::new();
    try_reserve_exact(&mut centre, h)?;
    centre.extend(mean.iter().map(|sum| (sum / count) as f32));
    if centre.iter().any(|x| !x.is_finite()) {
        centre.clear();
    }
    let mut encoder = Encoder::default();
    encoder.reserve(h)?;
    let mut width = |frame: &Frame<'_>| -> Result<f64> {
        let mut sum = 0.0;
        for (row, norm) in spread(rows, TRIED).map(|row| (row, norms[row])) {
            exec.check()?;
            let values = documents.row(row, &mut scratch);
            // Queries are taken to be like documents, but they are not moved.
            let query = encoder.encode(exec.isa(), values, norm, frame, false, DOCUMENT_LEVELS);
            let document = encoder.encode(exec.isa(), values, norm, frame, true, DOCUMENT_LEVELS);
            sum += f64::from(query.length) * f64::from(document.residual)
                + f64::from(query.residual) * f64::from(document.length);
        }
        Ok(sum)
    };
    let mut best = (f64::INFINITY, Vec::new(), false);
    for (moved, rotated) in [(false, false), (true, false), (false, true), (true, true)] {
        let centre = if moved { &centre[..] } else { &[] };
        let found = width(&Frame { similarity, centre, rotated })?;
        if found < best.0 * WORTH_IT || (!moved && !rotated) {
            best = (found, exact_copy(centre)?, rotated);
        }
    }
    Ok((best.1, best.2))
}

fn exact_copy(values: &[f32]) -> Result<Vec<f32>> {
    let mut copy = Vec::new();
    try_reserve_exact(&mut copy, values.len())?;
    copy.extend_from_slice(values);
    Ok(copy)
}

/// At most `count` rows, evenly spread.
fn spread(rows: usize, count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(rows);
    (0..count).map(move |at| at * rows / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::search::row_norms;
    use crate::steps::tests::going;

    fn chosen(value: impl Fn(usize, usize) -> f32) -> (bool, bool) {
        let (rows, h) = (300, 96);
        let values: Vec<f32> = (0..rows * h).map(|i| value(i / h, i % h)).collect();
        let documents = Embeddings::F32(Matrix::from_slice(&values, rows, h));
        let norms = row_norms(&going(), "documents", documents).unwrap();
        let (centre, rotated) = choose(&going(), documents, &norms, Similarity::Dot).unwrap();
        (!centre.is_empty(), rotated)
    }

    fn noise(row: usize, column: usize) -> f32 {
        let x = ((row * 96 + column) as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((x >> 40) as f32 / 16_777_216.0) - 0.5
    }

    #[test]
    fn a_frame_is_chosen_where_it_pays() {
        assert_eq!(chosen(noise), (false, false));
        assert_eq!(chosen(|row, column| noise(row, column) + 2.0), (true, false));
        assert!(chosen(|row, column| if column == 5 { 40.0 * noise(row, 5) } else { noise(row, column) }).1);
        assert_eq!(chosen(|_, _| 0.0), (false, false));
        assert_eq!(chosen(|_, _| f32::MAX), (false, false));
    }
}

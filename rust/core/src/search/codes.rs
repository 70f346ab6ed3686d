//! Documents as codes of one byte per number: `block` has the layout.

use crate::error::{Error, Result};
use crate::pool::{self, Execution};

use super::block::{block_bytes, blocks, BlockView, BLOCK, STEP, TERMS};
use super::embeddings::{Embeddings, RowScratch};
use super::encode::{Encoder, Frame, DOCUMENT_LEVELS};

/// Longest embeddings that have codes: their sums fit 32 bits.
pub const MAX_DIMENSION: usize = 32_768;

/// Documents as codes.
#[derive(Debug, Clone, Copy)]
pub struct Codes<'a> {
    bytes: &'a [u8],
    terms: &'a [f32],
    rows: usize,
    dimension: usize,
}

impl<'a> Codes<'a> {
    /// Views what [`encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Value`].
    pub fn new(bytes: &'a [u8], terms: &'a [f32], rows: usize, dimension: usize) -> Result<Self> {
        check_dimension(dimension)?;
        let lengths = [
            ("codes", bytes.len(), blocks(rows) * block_bytes(dimension)),
            ("terms", terms.len(), blocks(rows) * TERMS),
        ];
        match lengths.into_iter().find(|(_, found, wanted)| found != wanted) {
            Some((argument, found, wanted)) => Err(Error::Length { argument, found, wanted }),
            None => Ok(Codes { bytes, terms, rows, dimension }),
        }
    }

    /// Number of documents.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers per document.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Block `index`.
    #[inline]
    #[must_use]
    pub fn block(&self, index: usize) -> BlockView<'a> {
        let bytes = block_bytes(self.dimension);
        let terms = &self.terms[index * TERMS..(index + 1) * TERMS];
        BlockView::new(&self.bytes[index * bytes..(index + 1) * bytes], terms)
    }

    /// One bit for every document of the block that exists.
    #[inline]
    #[must_use]
    pub fn present(&self, index: usize) -> u64 {
        match self.rows.saturating_sub(index * BLOCK) {
            count if count >= BLOCK => u64::MAX,
            count => (1 << count) - 1,
        }
    }
}

fn check_dimension(dimension: usize) -> Result<()> {
    if dimension <= MAX_DIMENSION {
        return Ok(());
    }
    let problem = format!("dimension {dimension}, expected at most {MAX_DIMENSION} for codes");
    Err(Error::Value { argument: "documents", problem })
}

/// Writes the codes of the documents `first..first + rows` of `documents`, whose float64 norms are all given, into `bytes`
/// and `terms`.
///
/// # Errors
/// [`Error::Length`], [`Error::Value`], [`Error::OutOfMemory`], [`Error::Interrupted`].
pub fn encode(
    exec: &Execution<'_>,
    documents: Embeddings<'_>,
    norms: &[f64],
    (first, rows): (usize, usize),
    frame: &Frame<'_>,
    bytes: &mut [u8],
    terms: &mut [f32],
) -> Result<()> {
    let dimension = documents.dimension();
    Codes::new(bytes, terms, rows, dimension)?;
    let wanted = documents.rows();
    if norms.len() != wanted || first.checked_add(rows).is_none_or(|end| end > wanted) {
        return Err(Error::Length { argument: "document_norms", found: norms.len().min(first + rows), wanted });
    }
    frame.check(dimension)?;
    if dimension == 0 {
        terms.fill(0.0);
        return Ok(());
    }
    let blocks_per_task = (262_144 / block_bytes(dimension)).max(1);
    let parts =
        terms.chunks_mut(blocks_per_task * TERMS).zip(bytes.chunks_mut(blocks_per_task * block_bytes(dimension)));
    pool::map(
        exec,
        parts,
        || (RowScratch::default(), Encoder::default()),
        |(scratch, encoder), part, (terms, mut bytes)| {
            scratch.reserve(&documents)?;
            encoder.reserve(dimension)?;
            for (block, terms) in terms.chunks_mut(TERMS).enumerate() {
                let (here, rest) = bytes.split_at_mut(block_bytes(dimension));
                bytes = rest;
                let before = (part * blocks_per_task + block) * BLOCK;
                for lane in 0..BLOCK {
                    let place = before + lane;
                    if place < rows {
                        let row = first + place;
                        let values = documents.row(row, scratch);
                        let encoded = encoder.encode(exec.isa(), values, norms[row], frame, true, DOCUMENT_LEVELS);
                        (terms[lane], terms[BLOCK + lane], terms[2 * BLOCK + lane]) =
                            (encoded.scale, encoded.residual, encoded.length);
                    } else {
                        encoder.clear(dimension);
                        (terms[lane], terms[BLOCK + lane], terms[2 * BLOCK + lane]) = (0.0, 0.0, 0.0);
                    }
                    scatter(&encoder.codes, lane, here);
                }
            }
            Ok(())
        },
    )
    .map(drop)
}

/// Writes a document's codes to its place in a block.
fn scatter(codes: &[i8], lane: usize, block: &mut [u8]) {
    for (codes, out) in codes.chunks_exact(STEP).zip(block.chunks_exact_mut(BLOCK * STEP)) {
        // A byte plus 128, without regard to its sign, is its highest bit turned.
        let word = [codes[0], codes[1], codes[2], codes[3]].map(|code| code as u8 ^ 128);
        out[lane * STEP..(lane + 1) * STEP].copy_from_slice(&word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::search::Similarity;
    use crate::steps::tests::going;

    #[test]
    fn codes_lie_where_the_layout_says() {
        let (rows, h) = (70, 6);
        let values: Vec<f32> = (0..rows * h).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
        let documents = Embeddings::F32(Matrix::from_slice(&values, rows, h));
        let norms = crate::search::row_norms(&going(), "documents", documents).unwrap();
        let frame = Frame::plain(Similarity::Dot);
        let (mut bytes, mut terms) = (vec![0; blocks(rows) * block_bytes(h)], vec![9.0; blocks(rows) * TERMS]);
        encode(&going(), documents, &norms, (0, rows), &frame, &mut bytes, &mut terms).unwrap();
        let codes = Codes::new(&bytes, &terms, rows, h).unwrap();
        for row in 0..128 {
            let block = codes.block(row / BLOCK);
            let [scales, residuals, lengths] = block.terms();
            let lane = row % BLOCK;
            for at in 0..8 {
                let code = i32::from(block.codes[(at / STEP * BLOCK + lane) * STEP + at % STEP]) - 128;
                let value = if row < rows && at < h { values[row * h + at] } else { 0.0 };
                assert!((code as f32 * scales[lane] - value).abs() <= scales[lane] * 0.501, "{row} {at}");
            }
            let length = if row < rows { norms[row] as f32 } else { 0.0 };
            assert!((lengths[lane] - length).abs() <= 1e-3 * length && residuals[lane] <= 0.02 * length);
            assert_eq!(codes.present(row / BLOCK) >> lane & 1 == 1, row < rows);
        }
        assert!(Codes::new(&bytes[1..], &terms, rows, h).is_err() && Codes::new(&bytes, &terms, 129, h).is_err());
        assert!(Codes::new(&[], &[], 0, MAX_DIMENSION + 1).is_err());
    }
}

//! How the codes of documents lie in memory: for the kernels.
//!
//! 64 documents form a block. A block holds, step after step, 4 numbers of every document side by side, so that one
//! dot-accumulate instruction takes 4 numbers of 16 documents. A code is the number over the document's scale, rounded, plus
//! 128: unsigned, as the instruction wants one of its sides. Per block there are three lines of 64 floats: the documents'
//! scales, what the codes leave of them (the norm of the residual) and their lengths, the last two rounded up. The last
//! block is filled up with documents of scale, residual and length 0.

/// Documents of a block.
pub const BLOCK: usize = 64;
/// Numbers of a document that lie side by side.
pub const STEP: usize = 4;
/// Floats per block: scales, residuals, lengths.
pub const TERMS: usize = 3 * BLOCK;
/// Number of blocks that `rows` documents take.
#[must_use]
pub fn blocks(rows: usize) -> usize {
    rows.div_ceil(BLOCK)
}

/// Bytes of the codes of a block.
#[must_use]
pub fn block_bytes(dimension: usize) -> usize {
    dimension.div_ceil(STEP) * STEP * BLOCK
}

/// One block.
#[derive(Debug, Clone, Copy)]
pub struct BlockView<'a> {
    /// Codes, step after step.
    pub codes: &'a [u8],
    terms: &'a [f32],
}

impl<'a> BlockView<'a> {
    /// Views the codes and terms of one block.
    #[inline]
    #[must_use]
    pub fn new(codes: &'a [u8], terms: &'a [f32]) -> Self {
        BlockView { codes, terms }
    }

    /// Scales, residuals and lengths.
    #[inline]
    #[must_use]
    pub fn terms(&self) -> [&'a [f32; BLOCK]; 3] {
        let line = |at: usize| self.terms[at * BLOCK..(at + 1) * BLOCK].try_into().expect("a line of a block");
        [line(0), line(1), line(2)]
    }
}

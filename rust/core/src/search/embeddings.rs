//! Embeddings of any accepted type, read row by row as float32: every accepted type widens to it exactly.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::error::{try_reserve_exact, Error, Result};
use crate::matrix::Matrix;
use crate::pool::{self, Execution};

/// A matrix of embeddings, one per row.
#[derive(Debug, Clone, Copy)]
pub enum Embeddings<'a> {
    /// IEEE half precision.
    F16(Matrix<'a, f16>),
    /// bfloat16.
    Bf16(Matrix<'a, bf16>),
    /// Single precision.
    F32(Matrix<'a, f32>),
}

/// Buffers that one thread reuses from row to row.
#[derive(Debug, Default)]
pub struct RowScratch {
    f16: Vec<f16>,
    bf16: Vec<bf16>,
    f32: Vec<f32>,
}

impl RowScratch {
    /// Makes room for an embedding, so that reading one allocates nothing.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn reserve(&mut self, embeddings: &Embeddings<'_>) -> Result<()> {
        fn room<T>(row: &mut Vec<T>, dimension: usize) -> Result<()> {
            row.clear();
            try_reserve_exact(row, dimension)
        }
        let dimension = embeddings.dimension();
        match embeddings {
            Embeddings::F32(m) if m.has_contiguous_rows() => return Ok(()),
            Embeddings::F32(_) => {}
            Embeddings::F16(m) if m.has_contiguous_rows() => {}
            Embeddings::F16(_) => room(&mut self.f16, dimension)?,
            Embeddings::Bf16(m) if m.has_contiguous_rows() => {}
            Embeddings::Bf16(_) => room(&mut self.bf16, dimension)?,
        }
        room(&mut self.f32, dimension)
    }
}

impl Embeddings<'_> {
    /// Number of embeddings.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Embeddings::F16(m) => m.rows(),
            Embeddings::Bf16(m) => m.rows(),
            Embeddings::F32(m) => m.rows(),
        }
    }

    /// Numbers per embedding.
    #[must_use]
    pub fn dimension(&self) -> usize {
        match self {
            Embeddings::F16(m) => m.columns(),
            Embeddings::Bf16(m) => m.columns(),
            Embeddings::F32(m) => m.columns(),
        }
    }

    /// Embedding `row` as float32: borrowed where it is float32 and contiguous, widened into `scratch`
    /// otherwise, which has room for it after [`RowScratch::reserve`].
    #[inline]
    pub fn row<'s>(&'s self, row: usize, scratch: &'s mut RowScratch) -> &'s [f32] {
        match self {
            Embeddings::F32(m) => m.row(row, &mut scratch.f32),
            Embeddings::F16(m) => {
                let narrow = m.row(row, &mut scratch.f16);
                scratch.f32.resize(narrow.len(), 0.0);
                narrow.convert_to_f32_slice(&mut scratch.f32);
                &scratch.f32
            }
            Embeddings::Bf16(m) => {
                let narrow = m.row(row, &mut scratch.bf16);
                scratch.f32.clear();
                scratch.f32.extend(narrow.iter().map(|x| f32::from_bits(u32::from(x.to_bits()) << 16)));
                &scratch.f32
            }
        }
    }

    /// Asks the processor to load embedding `row`, which will be read soon. Never changes a result.
    #[inline]
    pub fn prefetch(&self, row: usize) {
        match self {
            Embeddings::F16(m) => m.prefetch(row),
            Embeddings::Bf16(m) => m.prefetch(row),
            Embeddings::F32(m) => m.prefetch(row),
        }
    }

    /// Writes the embeddings from `first` on into `out`, row after row, as float32; where `norms` (those of all rows) are
    /// given, divided by them in float64 and rounded once. An embedding of norm 0 stays 0.
    pub fn widen(&self, exec: &Execution<'_>, first: usize, norms: Option<&[f64]>, out: &mut [f32]) -> Result<()> {
        let h = self.dimension();
        if h == 0 {
            return Ok(());
        }
        let rows_per_task = (32_768 / h).max(1);
        pool::map(exec, out.chunks_mut(rows_per_task * h), RowScratch::default, |scratch, task, out| {
            scratch.reserve(self)?;
            for (index, out) in out.chunks_mut(h).enumerate() {
                let row = first + task * rows_per_task + index;
                let values = self.row(row, scratch);
                match norms {
                    None => out.copy_from_slice(values),
                    Some(norms) => {
                        let norm = if norms[row] > 0.0 { norms[row] } else { 1.0 };
                        out.iter_mut().zip(values).for_each(|(out, x)| *out = (f64::from(*x) / norm) as f32);
                    }
                }
            }
            Ok(())
        })
        .map(drop)
    }
}

/// Fails where `values`, row `row` of `argument`, hold NaN or an infinity, naming the first.
pub fn check_finite(argument: &'static str, row: usize, values: &[f32]) -> Result<()> {
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(column) => {
            let found = values[column];
            let problem = format!("{found} at row {row}, column {column}, expected finite embeddings");
            Err(Error::Value { argument, problem })
        }
    }
}

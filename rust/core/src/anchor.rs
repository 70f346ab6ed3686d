//! Anchor scores: how much a candidate resembles a positive of its query, as documents.
//!
//! The likeness is the cosine of the two embeddings after the corpus mean is subtracted: without centring, every pair of
//! documents looks alike. All sums are float64 in a fixed order, so the bits do not depend on threads or instruction set.

use std::ops::Range;

use crate::csr::Csr;
use crate::error::{check_room, try_vec, try_zeros, Error, Result};
use crate::matrix::Matrix;
use crate::order::Score;
use crate::pool::{self, Execution};

/// Documents summed before the partial sums are added, in order.
const MEAN_BLOCK: usize = 8192;
/// Candidates of one task, about.
const SOME_CANDIDATES: usize = 2048;
/// Independent sums of a dot product: element i belongs to lane i % 16.
const LANES: usize = 16;

/// The largest centred cosine between every candidate and a positive of its query, aligned with the candidates.
///
/// A candidate of a query without positives, and a document that equals the mean, have 0.
pub fn anchor_scores<T: Score>(
    exec: &Execution<'_>,
    candidates: Csr<'_>,
    positives: Csr<'_>,
    documents: &Matrix<'_, T>,
) -> Result<Vec<f32>> {
    if candidates.rows() != positives.rows() {
        return Err(Error::Length { argument: "positives", found: positives.rows(), wanted: candidates.rows() });
    }
    let mean = mean(exec, documents)?;
    let isa = exec.isa();
    let block = SOME_CANDIDATES / (candidates.ids().len() / candidates.rows().max(1) + 1) + 1;
    let starts = (0..candidates.rows()).step_by(block);
    let blocks: Vec<Range<usize>> = starts.map(|start| start..(start + block).min(candidates.rows())).collect();
    let mut anchors = try_zeros(candidates.ids().len())?;
    let mut rest = anchors.as_mut_slice();
    let parts = blocks.into_iter().map(|block| {
        // Offsets and ids are read more than once, and may be overwritten in between: then any answer will do.
        let size = candidates.range(block.end - 1).end.saturating_sub(candidates.range(block.start).start);
        let size = size.min(rest.len());
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(size);
        rest = tail;
        (block, part)
    });
    pool::map(exec, parts, Scratch::default, |scratch, _, (block, mut part)| {
        for query in block {
            let size = candidates.row(query).len().min(part.len());
            let (row, tail) = std::mem::take(&mut part).split_at_mut(size);
            part = tail;
            scratch.load_positives(documents, positives.row(query), &mean, isa);
            for (number, (anchor, &id)) in row.iter_mut().zip(candidates.row(query)).enumerate() {
                if number % SOME_CANDIDATES == SOME_CANDIDATES - 1 {
                    exec.check()?;
                }
                scratch.load(documents, id as usize, &mean);
                *anchor = scratch.best(mean.len(), isa);
            }
        }
        Ok(())
    })?;
    Ok(anchors)
}

/// Mean embedding; refuses NaN and infinities.
fn mean<T: Score>(exec: &Execution<'_>, documents: &Matrix<'_, T>) -> Result<Vec<f64>> {
    check_room::<[f64; 4]>(documents.columns())?; // one row and its sums
    let starts = (0..documents.rows()).step_by(MEAN_BLOCK);
    let sums = pool::map(exec, starts, Vec::new, |scratch, _, start| {
        let mut sum: Vec<f64> = try_vec(documents.columns())?;
        for row in start..(start + MEAN_BLOCK).min(documents.rows()) {
            let values = documents.row(row, scratch);
            if let Some(column) = values.iter().position(|value| !value.to_f64().is_finite()) {
                let found = values[column].to_f64();
                let problem = format!("{found} at row {row}, column {column}, expected finite numbers");
                return Err(Error::Value { argument: "document_embeddings", problem });
            }
            for (total, value) in sum.iter_mut().zip(values) {
                *total += value.to_f64();
            }
        }
        Ok(sum)
    })?;
    let mut mean: Vec<f64> = try_vec(documents.columns())?;
    for sum in sums {
        for (total, part) in mean.iter_mut().zip(sum) {
            *total += part;
        }
    }
    let count = documents.rows() as f64;
    for total in &mut mean {
        *total /= count;
    }
    Ok(mean)
}

struct Scratch<T> {
    gathered: Vec<T>,
    document: Vec<f64>,
    /// Centred positives of the query, one after another, and their norms.
    positives: Vec<f64>,
    norms: Vec<f64>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Scratch { gathered: Vec::new(), document: Vec::new(), positives: Vec::new(), norms: Vec::new() }
    }
}

impl<T: Score> Scratch<T> {
    fn load(&mut self, documents: &Matrix<'_, T>, id: usize, mean: &[f64]) {
        let values = documents.row(id.min(documents.rows() - 1), &mut self.gathered);
        self.document.clear();
        self.document.extend(values.iter().zip(mean).map(|(value, mean)| value.to_f64() - mean));
    }

    fn load_positives(&mut self, documents: &Matrix<'_, T>, ids: &[i64], mean: &[f64], isa: crate::Isa) {
        self.positives.clear();
        self.norms.clear();
        for &id in ids {
            self.load(documents, id as usize, mean);
            self.norms.push(dot(isa, &self.document, &self.document).sqrt());
            self.positives.extend_from_slice(&self.document);
        }
    }

    /// Largest cosine between the loaded document and the loaded positives.
    fn best(&self, dimensions: usize, isa: crate::Isa) -> f32 {
        let norm = dot(isa, &self.document, &self.document).sqrt();
        let cosine = |(index, positive_norm): (usize, &f64)| {
            let product = norm * positive_norm;
            let positive = &self.positives[index * dimensions..][..dimensions];
            if product == 0.0 {
                0.0
            } else {
                (dot(isa, &self.document, positive) / product) as f32
            }
        };
        self.norms.iter().enumerate().map(cosine).reduce(f32::max).unwrap_or(0.0)
    }
}

per_isa! {
    /// Dot product in 16 lanes that are added pairwise: the same bits at every level.
    fn dot(a: &[f64], b: &[f64]) -> f64 => dot_any
}

#[inline(always)]
#[allow(clippy::inline_always)] // one copy per instruction set
fn dot_any(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (mut left, mut right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (x, y) in left.by_ref().zip(right.by_ref()) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    for ((lane, x), y) in lanes.iter_mut().zip(left.remainder()).zip(right.remainder()) {
        *lane += x * y;
    }
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    #[test]
    fn centred_cosines_by_hand() {
        // Mean (1, 1); centred: (1, 0), (0, 1), (-1, 0), (0, -1), (0, 0).
        let documents = [2f32, 1., 1., 2., 0., 1., 1., 0., 1., 1.];
        let documents = Matrix::from_slice(&documents, 5, 2);
        let candidates = Csr::new("candidates", &[0, 5, 6], &[0, 1, 2, 3, 4, 0], 2, Some(5)).unwrap();
        let positives = Csr::new("positives", &[0, 2, 2], &[0, 1], 2, Some(5)).unwrap();
        for isa in crate::Isa::available() {
            for threads in [1, 2] {
                let exec = Execution::new(NonZeroUsize::new(threads).unwrap(), isa, &|| false);
                let found = anchor_scores(&exec, candidates, positives, &documents).unwrap();
                assert_eq!(found, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
            }
        }
    }
}

//! (anchor, positive, negative) triples of a batch, by the distances within it.
//!
//! Two passes over the distances: one counts, so that the result is allocated once and every task writes its own part of
//! it, one writes. A row is widened to float64 with NaN in place of whatever is no negative of the anchor, which no
//! comparison accepts: the inner loops are plain comparisons.

// Code is compiled for an instruction set only where it is inlined into the one function that enables it.
#![allow(clippy::inline_always)]

use super::labels::{Labels, NONE};
use crate::error::{try_zeros, Error, Result};
use crate::isa::Isa;
use crate::limits::NanPolicy;
use crate::matrix::Matrix;
use crate::order::Score;
use crate::pool::{self, Execution};

/// Comparisons of one task, about: some milliseconds.
const TASK_WORK: usize = 1 << 22;
/// Negatives whose comparisons make one word of bits.
const WORD: usize = 64;

/// Which triples; D is the distance, (a, p, n) anchor, positive and negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Every valid one.
    All,
    /// D(a, n) <= D(a, p).
    Hard,
    /// D(a, p) < D(a, n) < D(a, p) + margin.
    SemiHard(f64),
    /// D(a, n) >= D(a, p) + margin.
    Easy(f64),
    /// Each anchor's farthest positive and nearest negative.
    BatchHard,
}

/// Which distances a negative may have.
#[derive(Debug, Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
    /// Whether the bounds themselves are outside.
    open: bool,
}

impl Kind {
    /// Distances of the negatives that go with a positive at `distance`; none go with one at NaN.
    fn accepted(self, distance: f64) -> Range {
        let (low, high, open) = match self {
            Kind::Hard => (f64::NEG_INFINITY, distance, false),
            Kind::SemiHard(margin) => (distance, distance + margin, true),
            Kind::Easy(margin) => (distance + margin, f64::INFINITY, false),
            Kind::All | Kind::BatchHard if distance.is_nan() => (distance, distance, false),
            Kind::All | Kind::BatchHard => (f64::NEG_INFINITY, f64::INFINITY, false),
        };
        Range { low, high, open }
    }
}

/// Triples in lexicographic order. An item of label -1 is in none.
///
/// # Errors
/// [`Error::NotANumber`] at the first NaN off the diagonal in row-major order under [`NanPolicy::Raise`]; a matrix that is
/// not square, or labels of another length; [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn triplets<T: Score + Into<f64>>(
    exec: &Execution<'_>,
    distances: &Matrix<'_, T>,
    labels: &[i64],
    kind: Kind,
    nan: NanPolicy,
) -> Result<Vec<i64>> {
    let size = distances.rows();
    for (argument, found) in [("distances", distances.columns()), ("labels", labels.len())] {
        if found != size {
            return Err(Error::Length { argument, found, wanted: size });
        }
    }
    let batch =
        Batch { distances, labels, by_label: Labels::new(labels.iter().copied().zip(0..)), kind, isa: exec.isa() };
    let tasks = batch.tasks();
    let found = pool::map(exec, tasks.iter().cloned(), Scratch::default, |scratch, _, anchors| {
        let mut count = 0;
        for anchor in anchors {
            let nan_at = batch.read(anchor, scratch);
            if let (Some(column), NanPolicy::Raise) = (nan_at, nan) {
                return Err(Error::NotANumber { argument: "distances", row: anchor, column });
            }
            count += batch.count(scratch);
        }
        Ok(count)
    })?;

    let total = found.iter().try_fold(0usize, |sum, count| sum.checked_add(*count));
    let items = total.and_then(|total| total.checked_mul(3)).ok_or(Error::OutOfMemory { bytes: usize::MAX })?;
    let mut out = try_zeros(items)?;
    let mut rest = out.as_chunks_mut::<3>().0;
    let mut parts = Vec::new();
    for (anchors, count) in tasks.into_iter().zip(found) {
        let (part, behind) = std::mem::take(&mut rest).split_at_mut(count);
        rest = behind;
        parts.push((anchors, part));
    }
    pool::map(exec, parts, Scratch::default, |scratch, _, (anchors, part)| {
        let mut slots = part.iter_mut();
        for anchor in anchors {
            batch.read(anchor, scratch);
            batch.write(anchor, scratch, &mut slots);
        }
        Ok(())
    })?;
    Ok(out)
}

/// What one anchor needs.
#[derive(Default)]
struct Scratch {
    /// Distances to the negatives, NaN elsewhere.
    negatives: Vec<f64>,
    /// Distances and columns of the positives, ascending by column.
    positives: Vec<(f64, i64)>,
}

struct Batch<'a, T> {
    distances: &'a Matrix<'a, T>,
    labels: &'a [i64],
    by_label: Labels,
    kind: Kind,
    isa: Isa,
}

impl<T: Score + Into<f64>> Batch<'_, T> {
    /// Stretches of anchors with about as many comparisons.
    fn tasks(&self) -> Vec<std::ops::Range<usize>> {
        let (mut tasks, mut start, mut work) = (Vec::new(), 0, 0);
        for anchor in 0..self.labels.len() {
            work += self.labels.len() * (1 + self.by_label.columns(self.labels[anchor]).count());
            if work >= TASK_WORK || anchor + 1 == self.labels.len() {
                tasks.push(start..anchor + 1);
                (start, work) = (anchor + 1, 0);
            }
        }
        tasks
    }

    /// Fills the scratch; the first column with NaN off the diagonal, if any.
    fn read(&self, anchor: usize, scratch: &mut Scratch) -> Option<usize> {
        let Scratch { negatives, positives } = scratch;
        negatives.clear();
        let mut gathered = Vec::new();
        negatives.extend(self.distances.row(anchor, &mut gathered).iter().map(|value| (*value).into()));
        negatives[anchor] = 0.0;
        let nan_at = if has_nan(negatives) { negatives.iter().position(|value| value.is_nan()) } else { None };
        negatives[anchor] = f64::NAN;

        positives.clear();
        let label = self.labels[anchor];
        for column in self.by_label.columns(label) {
            let distance = std::mem::replace(&mut negatives[column], f64::NAN);
            if column != anchor {
                positives.push((distance, column as i64));
            }
        }
        for (value, label) in negatives.iter_mut().zip(self.labels) {
            *value = if *label == NONE { f64::NAN } else { *value };
        }
        nan_at
    }

    fn count(&self, scratch: &Scratch) -> usize {
        if self.kind == Kind::BatchHard {
            return usize::from(hardest(scratch).is_some());
        }
        let bounds = scratch.positives.iter().map(|(distance, _)| self.kind.accepted(*distance));
        bounds.map(|range| count(self.isa, &scratch.negatives, range)).sum()
    }

    fn write<'s>(&self, anchor: usize, scratch: &Scratch, slots: &mut impl Iterator<Item = &'s mut [i64; 3]>) {
        let anchor = anchor as i64;
        // Where another thread changed the distances between the passes, there are too few slots or too many: whatever is
        // written then, nothing is written elsewhere.
        let mut put = |positive: i64, negative: usize| {
            if let Some(slot) = slots.next() {
                *slot = [anchor, positive, negative as i64];
            }
        };
        if self.kind == Kind::BatchHard {
            if let Some((positive, negative)) = hardest(scratch) {
                put(positive, negative);
            }
            return;
        }
        for &(distance, positive) in &scratch.positives {
            let range = self.kind.accepted(distance);
            for (word, values) in scratch.negatives.chunks(WORD).enumerate() {
                let mut bits = bits(self.isa, values, range);
                while bits != 0 {
                    put(positive, word * WORD + bits.trailing_zeros() as usize);
                    bits &= bits - 1;
                }
            }
        }
    }
}

/// Farthest positive and nearest negative, the lower column among equals.
fn hardest(scratch: &Scratch) -> Option<(i64, usize)> {
    let Scratch { negatives, positives } = scratch;
    let mut farthest: Option<(f64, i64)> = None;
    for &(distance, column) in positives.iter().filter(|(distance, _)| !distance.is_nan()) {
        if farthest.is_none_or(|(most, _)| distance > most) {
            farthest = Some((distance, column));
        }
    }
    // In two loops that compilers vectorise; NaN is below nothing and equals nothing.
    let nearest = least(negatives);
    Some((farthest?.1, negatives.iter().position(|distance| *distance == nearest)?))
}

/// The least value that is not NaN, +inf if there is none.
fn least(values: &[f64]) -> f64 {
    let mut lanes = [f64::INFINITY; 8];
    for values in values.chunks(lanes.len()) {
        for (lane, &value) in lanes.iter_mut().zip(values) {
            *lane = if value < *lane { value } else { *lane };
        }
    }
    lanes.into_iter().fold(f64::INFINITY, f64::min)
}

fn has_nan(values: &[f64]) -> bool {
    !values.iter().fold(true, |all, value| all & !value.is_nan())
}

per_isa! {
    /// How many values lie in the range.
    fn count(values: &[f64], range: Range) -> usize => count_plain
}

per_isa! {
    /// Bit i: value i of at most 64 lies in the range.
    fn bits(values: &[f64], range: Range) -> u64 => bits_plain
}

#[inline(always)]
#[allow(clippy::needless_bitwise_bool)] // no branch: compilers vectorise it
fn count_plain(values: &[f64], Range { low, high, open }: Range) -> usize {
    if open {
        values.iter().filter(|value| (**value > low) & (**value < high)).count()
    } else {
        values.iter().filter(|value| (**value >= low) & (**value <= high)).count()
    }
}

#[inline(always)]
#[allow(clippy::needless_bitwise_bool)] // as above
fn bits_plain(values: &[f64], Range { low, high, open }: Range) -> u64 {
    let mut bits = 0;
    if open {
        for (at, &value) in values.iter().enumerate() {
            bits |= u64::from((value > low) & (value < high)) << at;
        }
    } else {
        for (at, &value) in values.iter().enumerate() {
            bits |= u64::from((value >= low) & (value <= high)) << at;
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    const LABELS: [i64; 4] = [5, 5, 2, NONE];
    const DISTANCES: [f32; 16] =
        [f32::NAN, 0.5, 0.25, 0.0, 0.5, f32::NAN, 0.5, 0.0, 0.75, 1.0, f32::NAN, 0.0, 0.0, 0.0, 0.0, f32::NAN];

    fn found(distances: &[f32], labels: &[i64], kind: Kind, nan: NanPolicy) -> Result<Vec<i64>> {
        let size = labels.len();
        let results = Isa::available().flat_map(|isa| [1, 2].map(|threads| (isa, threads))).map(|(isa, threads)| {
            let exec = Execution::new(NonZeroUsize::new(threads).unwrap(), isa, &|| false);
            triplets(&exec, &Matrix::from_slice(distances, size, size), labels, kind, nan)
        });
        let results: Vec<_> = results.collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
        results.into_iter().next().unwrap()
    }

    fn of(kind: Kind) -> Vec<i64> {
        found(&DISTANCES, &LABELS, kind, NanPolicy::Raise).unwrap()
    }

    #[test]
    fn each_kind_takes_its_triples_and_equality_belongs_to_one() {
        assert_eq!(of(Kind::All), [0, 1, 2, 1, 0, 2]);
        assert_eq!(of(Kind::Hard), [0, 1, 2, 1, 0, 2]);
        assert_eq!(of(Kind::SemiHard(0.2)), []);
        assert_eq!(of(Kind::Easy(0.0)), [1, 0, 2]);
        assert_eq!(of(Kind::BatchHard), [0, 1, 2, 1, 0, 2]);
    }

    #[test]
    fn the_first_nan_off_the_diagonal_is_named_or_left_out() {
        let mut distances = DISTANCES;
        distances[2] = f32::NAN;
        let error = found(&distances, &LABELS, Kind::All, NanPolicy::Raise).unwrap_err();
        assert_eq!(error, Error::NotANumber { argument: "distances", row: 0, column: 2 });
        assert_eq!(found(&distances, &LABELS, Kind::All, NanPolicy::Drop).unwrap(), [1, 0, 2]);
        assert_eq!(found(&distances, &LABELS, Kind::BatchHard, NanPolicy::Drop).unwrap(), [1, 0, 2]);
    }

    #[test]
    fn wrong_shapes_are_named() {
        let exec = Execution::new(NonZeroUsize::MIN, Isa::Portable, &|| false);
        let wide = Matrix::from_slice(&DISTANCES, 2, 8);
        let error = triplets(&exec, &wide, &LABELS[..2], Kind::All, NanPolicy::Raise).unwrap_err();
        assert_eq!(error, Error::Length { argument: "distances", found: 8, wanted: 2 });
        let square = Matrix::from_slice(&DISTANCES, 4, 4);
        let error = triplets(&exec, &square, &LABELS[..3], Kind::All, NanPolicy::Raise).unwrap_err();
        assert_eq!(error, Error::Length { argument: "labels", found: 3, wanted: 4 });
    }
}

//! Which documents of a batch are no trustworthy negatives of a query.

// Code is compiled for an instruction set only where it is inlined into the one function that enables it.
#![allow(clippy::inline_always)]

use super::labels::{Labels, NONE};
use crate::csr::Csr;
use crate::error::{try_reserve, try_zeros, Error, Result};
use crate::limits::{refuse_nan, NanPolicy};
use crate::matrix::Matrix;
use crate::pool::{self, Execution};
use crate::topk::{ceiling_in, Scan};

/// Bytes of scores that one task reads.
const TASK_BYTES: usize = 1 << 18;

/// What makes a column untrustworthy; one entry per row or per column of the score matrix.
#[derive(Debug, Clone, Copy)]
pub struct MaskRules<'a> {
    /// Per row: a score above this is masked. Equality keeps.
    pub ceiling: &'a [f32],
    /// Per row: the column of its positive.
    pub positive_columns: &'a [i64],
    /// Each per column: a column with the label of the row's positive is masked. -1 is no label.
    pub labels: &'a [&'a [i64]],
    /// Per row, its query: the positives of rows of the same query are masked. -1 is no query.
    pub queries: Option<&'a [i64]>,
    /// Known positives per query, and the ids of the columns: columns with such an id are masked in rows of the query.
    pub known: Option<(Csr<'a>, &'a [i64])>,
    /// Whether the row's own positive is left out of the mask.
    pub keep_positive: bool,
    /// What to do with NaN scores: masked under [`NanPolicy::Drop`].
    pub nan: NanPolicy,
}

impl MaskRules<'_> {
    fn check(&self, rows: usize, columns: usize) -> Result<()> {
        let mut lengths = vec![
            ("ceiling", self.ceiling.len(), rows),
            ("positive_columns", self.positive_columns.len(), rows),
            ("query_ids", self.queries.map_or(rows, <[i64]>::len), rows),
            ("ids", self.known.map_or(columns, |(_, ids)| ids.len()), columns),
        ];
        lengths.extend(self.labels.iter().map(|labels| ("labels", labels.len(), columns)));
        if let Some(&(argument, found, wanted)) = lengths.iter().find(|(_, found, wanted)| found != wanted) {
            return Err(Error::Length { argument, found, wanted });
        }
        refuse_nan("ceiling", self.ceiling)?;
        within("positive_columns", self.positive_columns, 0..columns as i64)?;
        if let Some((known, _)) = self.known {
            let Some(queries) = self.queries else {
                return Err(Error::Value { argument: "positives", problem: "given without query_ids".to_owned() });
            };
            within("query_ids", queries, NONE..known.rows() as i64)?;
        }
        Ok(())
    }
}

fn within(argument: &'static str, ids: &[i64], range: std::ops::Range<i64>) -> Result<()> {
    match ids.iter().position(|id| !range.contains(id)) {
        Some(row) => Err(Error::IdOutOfRange { argument, row, id: ids[row], limit: range.end }),
        None => Ok(()),
    }
}

/// A copy, which nobody overwrites between its check and its use.
fn own(numbers: &[i64]) -> Result<Vec<i64>> {
    let mut copy = Vec::new();
    try_reserve(&mut copy, numbers.len())?;
    copy.extend_from_slice(numbers);
    Ok(copy)
}

/// Scores of the positives, as float32.
///
/// # Errors
/// A positive outside the columns; one whose score is NaN or infinite.
pub fn positive_scores<T: Scan>(scores: &Matrix<'_, T>, positive_columns: &[i64]) -> Result<Vec<f32>> {
    let (found, wanted) = (positive_columns.len(), scores.rows());
    if found != wanted {
        return Err(Error::Length { argument: "positive_columns", found, wanted });
    }
    let positive_columns = own(positive_columns)?;
    within("positive_columns", &positive_columns, 0..scores.columns() as i64)?;
    let score = |(row, &column): (usize, &i64)| {
        let score = scores.get(row, column as usize).to_f32();
        let problem = || format!("{score} for the positive of row {row} (column {column}), expected a finite number");
        score.is_finite().then_some(score).ok_or_else(|| Error::Value { argument: "scores", problem: problem() })
    };
    positive_columns.iter().enumerate().map(score).collect()
}

/// True where a column is no trustworthy negative of a row: above its ceiling, the same document, text or cluster as its
/// positive, the positive of the same query in another row, or a known positive. Rows back to back.
///
/// # Errors
/// [`Error::NotANumber`] at the first NaN in row-major order under [`NanPolicy::Raise`]; an array of the wrong length; a
/// positive outside the columns; [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn in_batch_mask<T: Scan>(exec: &Execution<'_>, scores: Matrix<'_, T>, rules: &MaskRules<'_>) -> Result<Vec<bool>> {
    let (rows, columns) = (scores.rows(), scores.columns());
    let (positive_columns, queries) = (own(rules.positive_columns)?, rules.queries.map(own).transpose()?);
    let rules = &MaskRules { positive_columns: &positive_columns, queries: queries.as_deref(), ..*rules };
    rules.check(rows, columns)?;
    let shared: Vec<Labels> = rules.labels.iter().map(|labels| Labels::new(labels.iter().copied().zip(0..))).collect();
    let queries = rules.queries.map(|ids| Labels::new(ids.iter().copied().zip(rules.positive_columns.iter().copied())));
    let known = rules.known.map(|(csr, ids)| (csr, Labels::new(ids.iter().copied().zip(0..))));

    let mut mask = try_zeros::<bool>(rows.saturating_mul(columns))?;
    if mask.is_empty() {
        return Ok(mask);
    }
    let rows_per_task = (TASK_BYTES / size_of::<T>() / columns).max(1);
    let isa = exec.isa();
    let parts = mask.chunks_mut(rows_per_task * columns);
    pool::map(exec, parts, Vec::new, |scratch, task, out: &mut [bool]| -> Result<()> {
        for (row, out) in (task * rows_per_task..).zip(out.chunks_mut(columns)) {
            let ceiling = ceiling_in::<T>(rules.ceiling[row]);
            let values = scores.row(row, scratch);
            if above(isa, values, ceiling, out) && rules.nan == NanPolicy::Raise {
                // Another thread may have written meanwhile: then there is no NaN left to name, and any answer will do.
                let column = values.iter().position(|value| value.is_nan()).unwrap_or(0);
                return Err(Error::NotANumber { argument: "scores", row, column });
            }
            let positive = rules.positive_columns[row] as usize;
            for (shared, labels) in shared.iter().zip(rules.labels) {
                shared.columns(labels[positive]).for_each(|column| out[column] = true);
            }
            if let (Some(queries), Some(ids)) = (&queries, rules.queries) {
                queries.columns(ids[row]).for_each(|column| out[column] = true);
                if let (Some((csr, columns)), Ok(query)) = (&known, usize::try_from(ids[row])) {
                    csr.row(query).iter().flat_map(|id| columns.columns(*id)).for_each(|column| out[column] = true);
                }
            }
            out[positive] = !rules.keep_positive;
        }
        Ok(())
    })?;
    Ok(mask)
}

per_isa! {
    /// Writes which values are above the ceiling or NaN, and returns whether any is NaN.
    fn above<T: Scan>(values: &[T], ceiling: T, out: &mut [bool]) -> bool => above_plain
}

/// In a shape that compilers vectorise.
#[inline(always)]
fn above_plain<T: Scan>(values: &[T], ceiling: T, out: &mut [bool]) -> bool {
    let (ceiling, mut all_numbers) = (ceiling.high_lane(), true);
    for (out, value) in out.iter_mut().zip(values) {
        let lane = value.lane();
        *out = !(lane <= ceiling);
        all_numbers &= lane <= T::TOP;
    }
    !all_numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use std::num::NonZeroUsize;

    const RULES: MaskRules<'static> = MaskRules {
        ceiling: &[0.5, 0.5],
        positive_columns: &[0, 1],
        labels: &[],
        queries: None,
        known: None,
        keep_positive: false,
        nan: NanPolicy::Raise,
    };
    const SCORES: [f32; 8] = [0.9, 0.5, 0.6, 0.1, 0.2, 0.4, 0.3, -0.0];

    fn mask_of(scores: &[f32], rules: &MaskRules<'_>) -> Result<Vec<bool>> {
        let results = Isa::available().flat_map(|isa| [1, 2].map(|threads| (isa, threads))).map(|(isa, threads)| {
            let exec = Execution::new(NonZeroUsize::new(threads).unwrap(), isa, &|| false);
            in_batch_mask(&exec, Matrix::from_slice(scores, 2, 4), rules)
        });
        let results: Vec<_> = results.collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
        results.into_iter().next().unwrap()
    }

    fn columns(rules: &MaskRules<'_>) -> [Vec<usize>; 2] {
        let mask = mask_of(&SCORES, rules).unwrap();
        [0, 1].map(|row| (0..4).filter(|column| mask[row * 4 + column]).collect())
    }

    #[test]
    fn each_rule_masks_its_columns() {
        assert_eq!(columns(&RULES), [vec![0, 2], vec![1]]);
        assert_eq!(columns(&MaskRules { keep_positive: true, ..RULES }), [vec![2], vec![]]);
        assert_eq!(columns(&MaskRules { positive_columns: &[0, 3], ..RULES }), [vec![0, 2], vec![3]]);
        assert_eq!(columns(&MaskRules { labels: &[&[4, 5, 6, 5]], ..RULES }), [vec![0, 2], vec![1, 3]]);
        assert_eq!(columns(&MaskRules { labels: &[&[-1, -1, 6, -1]], ..RULES }), [vec![0, 2], vec![1]]);
        assert_eq!(columns(&MaskRules { queries: Some(&[8, 8]), ..RULES }), [vec![0, 1, 2], vec![0, 1]]);
        let known = Csr::new("positives", &[0, 1, 3], &[20, 30, 77], 2, None).unwrap();
        let known = MaskRules { known: Some((known, &[10, 20, 30, 30])), ..RULES };
        assert_eq!(columns(&MaskRules { queries: Some(&[-1, 1]), ..known }), [vec![0, 2], vec![1, 2, 3]]);
        assert_eq!(columns(&MaskRules { queries: Some(&[0, -1]), ..known }), [vec![0, 1, 2], vec![1]]);
    }

    #[test]
    fn the_first_nan_is_named_or_masked() {
        let mut scores = SCORES;
        (scores[6], scores[7]) = (f32::NAN, -f32::NAN);
        let error = mask_of(&scores, &RULES).unwrap_err();
        assert_eq!(error, Error::NotANumber { argument: "scores", row: 1, column: 2 });
        let infinite = MaskRules { ceiling: &[f32::INFINITY; 2], nan: NanPolicy::Drop, ..RULES };
        let mask = mask_of(&scores, &infinite).unwrap();
        assert_eq!(mask, [true, false, false, false, false, true, true, true]);
    }

    #[test]
    fn bad_rules_are_named() {
        let message = |rules: MaskRules<'_>| mask_of(&SCORES, &rules).unwrap_err().to_string();
        let outside = MaskRules { positive_columns: &[0, 4], ..RULES };
        assert_eq!(message(outside), "positive_columns: id 4 of row 1 is outside 0..4");
        let known = Csr::new("positives", &[0, 1], &[20], 1, None).unwrap();
        let known = MaskRules { known: Some((known, &[10, 20, 30, 30])), ..RULES };
        assert_eq!(message(known), "positives: given without query_ids");
        let unknown = MaskRules { queries: Some(&[0, 1]), ..known };
        assert_eq!(message(unknown), "query_ids: id 1 of row 1 is outside 0..1");
        assert_eq!(message(MaskRules { ceiling: &[0.1], ..RULES }), "ceiling: length 1, expected 2");
        let nan = MaskRules { ceiling: &[0.1, f32::NAN], ..RULES };
        assert_eq!(message(nan), "ceiling: NaN for row 1, expected a number");
        assert_eq!(message(MaskRules { labels: &[&[1, 2]], ..RULES }), "labels: length 2, expected 4");
    }
}

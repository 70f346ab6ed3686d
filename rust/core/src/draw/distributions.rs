//! The laws by which candidates are drawn, as log-weights.

use crate::draw::logarithm::{ln, ln_any};
use crate::isa::Isa;

/// A law: what the log-weight of a candidate is.
///
/// s is the candidate's score, p the score of the query's positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LogWeight<'a> {
    /// 0: every candidate alike.
    Uniform,
    /// s / temperature.
    Softmax {
        /// Above 0.
        temperature: f64,
    },
    /// -a (s - p - b)^2, with the sign of b as the paper writes it (Zhou et al., EMNLP 2022, arXiv 2210.11773).
    SimAns {
        /// Sharpness around the peak.
        a: f64,
        /// The peak lies at s = p + b.
        b: f64,
    },
    /// -tau |s - p|.
    Laplace {
        /// Sharpness around the positive's score.
        tau: f64,
    },
    /// -alpha ln(rank).
    RankPower {
        /// Exponent.
        alpha: f64,
    },
    /// alpha ln(count of the document); a count of 0 is never drawn, whatever alpha.
    Popularity {
        /// Count of every document.
        counts: &'a [f64],
        /// Exponent.
        alpha: f64,
    },
    /// Given, aligned with the candidates.
    Weighted {
        /// Log-weight of every candidate of every query.
        log_weights: &'a [f64],
    },
}

/// What a law may look at: the candidates of one row, all slices of one length (those a law does not use may be empty).
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Scores.
    pub scores: &'a [f32],
    /// Ranks, 1-based.
    pub ranks: &'a [i32],
    /// Document indices.
    pub ids: &'a [i64],
    /// Score of the positive.
    pub positive: f64,
    /// The row's own part of [`LogWeight::Weighted`].
    pub given: &'a [f64],
}

impl LogWeight<'_> {
    /// Writes the log-weight of every candidate of the row into `out`.
    ///
    /// A coefficient of 0 makes every candidate alike, infinite scores included.
    pub fn fill(&self, isa: Isa, row: Row<'_>, out: &mut [f64]) {
        match *self {
            LogWeight::Softmax { temperature } => softmax(isa, row.scores, temperature, out),
            LogWeight::Uniform | LogWeight::SimAns { a: 0.0, .. } | LogWeight::Laplace { tau: 0.0 } => out.fill(0.0),
            LogWeight::SimAns { a, b } => sim_ans(isa, row.scores, row.positive, a, b, out),
            LogWeight::Laplace { tau } => laplace(isa, row.scores, row.positive, tau, out),
            LogWeight::RankPower { alpha } => rank_power(isa, row.ranks, alpha, out),
            LogWeight::Popularity { counts, alpha } => {
                gather(row.ids, counts, out);
                popularity(isa, alpha, out);
            }
            LogWeight::Weighted { .. } => out.copy_from_slice(row.given),
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn softmax_body(scores: &[f32], temperature: f64, out: &mut [f64]) {
    assert_eq!(scores.len(), out.len());
    for (weight, &score) in out.iter_mut().zip(scores) {
        *weight = f64::from(score) / temperature;
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn sim_ans_body(scores: &[f32], positive: f64, a: f64, b: f64, out: &mut [f64]) {
    assert_eq!(scores.len(), out.len());
    for (weight, &score) in out.iter_mut().zip(scores) {
        let distance = f64::from(score) - positive - b;
        *weight = -a * (distance * distance);
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn laplace_body(scores: &[f32], positive: f64, tau: f64, out: &mut [f64]) {
    assert_eq!(scores.len(), out.len());
    for (weight, &score) in out.iter_mut().zip(scores) {
        *weight = -tau * (f64::from(score) - positive).abs();
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn rank_power_body(ranks: &[i32], alpha: f64, out: &mut [f64]) {
    assert_eq!(ranks.len(), out.len());
    for (weight, &rank) in out.iter_mut().zip(ranks) {
        *weight = -alpha * ln(f64::from(rank.max(1)));
    }
}

/// Looked up for the candidates alone: documents are many more than a batch ever sees.
fn gather(ids: &[i64], counts: &[f64], out: &mut [f64]) {
    assert_eq!(ids.len(), out.len());
    for (count, &id) in out.iter_mut().zip(ids) {
        *count = counts[id as usize];
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn popularity_body(alpha: f64, out: &mut [f64]) {
    for weight in out {
        let count = *weight;
        *weight = if count == 0.0 { f64::NEG_INFINITY } else { alpha * ln_any(count) };
    }
}

per_isa! {
    fn softmax(scores: &[f32], temperature: f64, out: &mut [f64]) => softmax_body
}
per_isa! {
    fn sim_ans(scores: &[f32], positive: f64, a: f64, b: f64, out: &mut [f64]) => sim_ans_body
}
per_isa! {
    fn laplace(scores: &[f32], positive: f64, tau: f64, out: &mut [f64]) => laplace_body
}
per_isa! {
    fn popularity(alpha: f64, out: &mut [f64]) => popularity_body
}
per_isa! {
    fn rank_power(ranks: &[i32], alpha: f64, out: &mut [f64]) => rank_power_body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(law: LogWeight<'_>, row: Row<'_>) -> Vec<f64> {
        let levels = Isa::available().map(|isa| {
            let mut out = vec![f64::NAN; row.scores.len()];
            law.fill(isa, row, &mut out);
            out
        });
        levels
            .reduce(|lower, higher| {
                assert!(lower.iter().zip(&higher).all(|(a, b)| a.to_bits() == b.to_bits()));
                higher
            })
            .unwrap()
    }

    #[test]
    fn formulas() {
        let scores = [0.5, 0.25, -1.0, f32::NEG_INFINITY];
        let given = [1.0, 2.0, f64::NEG_INFINITY, 4.0];
        let row = Row { scores: &scores, ranks: &[1, 2, 3, 8], ids: &[3, 0, 1, 2], positive: 0.75, given: &given };
        let inf = f64::INFINITY;
        assert_eq!(fill(LogWeight::Uniform, row), [0.0; 4]);
        assert_eq!(fill(LogWeight::Softmax { temperature: 0.5 }, row), [1.0, 0.5, -2.0, -inf]);
        // The peak of b = -0.25 lies at s = p - 0.25.
        assert_eq!(fill(LogWeight::SimAns { a: 2.0, b: -0.25 }, row), [0.0, -0.125, -4.5, -inf]);
        assert_eq!(fill(LogWeight::SimAns { a: 0.0, b: 0.0 }, row), [0.0; 4]);
        assert_eq!(fill(LogWeight::Laplace { tau: 4.0 }, row), [-1.0, -2.0, -7.0, -inf]);
        assert_eq!(fill(LogWeight::Laplace { tau: 0.0 }, row), [0.0; 4]);
        let ranked = fill(LogWeight::RankPower { alpha: 2.0 }, row);
        assert_eq!(ranked[0], 0.0);
        assert!((ranked[3] + 2.0 * 8f64.ln()).abs() < 1e-15);
        let counts = [1.0, 5e-324, 0.0, 9.0];
        let popularity = |alpha| fill(LogWeight::Popularity { counts: &counts, alpha }, row);
        assert_eq!(popularity(0.5), [0.5 * ln_any(9.0), 0.0, 0.5 * ln_any(5e-324), -inf]);
        assert_eq!(popularity(0.0), [0.0, 0.0, -0.0, -inf]);
        assert_eq!(fill(LogWeight::Weighted { log_weights: &[] }, row), given);
    }
}

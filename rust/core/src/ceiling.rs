//! Positive-aware ceilings: how high a negative may score, given the score p of its query's positive.
//!
//! A bound is computed in float64 and rounded once to the nearest float32, the type of the scores it is compared with.

use crate::csr::check_offsets;
use crate::error::{try_vec, Result};
use crate::pool::{self, Execution};

/// Rows of one task.
const TASK_ROWS: usize = 1 << 14;

/// One rule; a candidate is admissible when every rule in force holds. Equality keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ceiling {
    /// `s <= t`.
    Absolute(f64),
    /// `s <= p - m`.
    MarginPos(f64),
    /// `s <= p - |p| (1 - f)`: a negative p lowers the bound, never raises it.
    PercPos(f64),
    /// `s + weight c <= p + (f - 1) |p|`, c the candidate's anchor score; evaluated in float64 per candidate.
    Anchored {
        /// Fraction of p.
        f: f64,
        /// Weight of the anchor score.
        weight: f64,
    },
}

impl Ceiling {
    /// Whether the rule needs p.
    #[must_use]
    pub fn needs_positive(self) -> bool {
        !matches!(self, Ceiling::Absolute(_))
    }

    /// Bound on the score (on score + weight c for [`Ceiling::Anchored`]).
    #[must_use]
    pub fn bound(self, p: f64) -> f64 {
        match self {
            Ceiling::Absolute(t) => t,
            Ceiling::MarginPos(m) => p - m,
            Ceiling::PercPos(f) => p - p.abs() * (1.0 - f),
            Ceiling::Anchored { f, .. } => p + (f - 1.0) * p.abs(),
        }
    }
}

/// The lowest bound on the score alone, +inf where no rule sets one. [`Ceiling::Anchored`] is not among them. A bound that
/// is NaN, since p is, lets nothing through.
#[must_use]
pub fn score_ceiling(rules: &[Ceiling], p: f64) -> f32 {
    let bounds = rules.iter().filter(|rule| !matches!(rule, Ceiling::Anchored { .. })).map(|rule| rule.bound(p) as f32);
    bounds.fold(f32::INFINITY, |lowest, bound| match bound {
        bound if bound.is_nan() => f32::NEG_INFINITY,
        bound if bound < lowest => bound,
        _ => lowest,
    })
}

/// [`score_ceiling`] of every row of `offsets`, whose scores become p by `aggregate`.
pub fn score_ceilings(
    exec: &Execution<'_>,
    rules: &[Ceiling],
    offsets: &[i64],
    scores: &[f32],
    aggregate: Aggregate,
) -> Result<Vec<f32>> {
    let mut bounds = try_vec(offsets.len().max(1) - 1)?;
    check_offsets("positives", offsets, scores.len(), bounds.len())?;
    let tasks = bounds.chunks_mut(TASK_ROWS);
    pool::map(
        exec,
        tasks,
        || (),
        |(), task, bounds| {
            for (bound, pair) in bounds.iter_mut().zip(offsets[task * TASK_ROWS..].windows(2)) {
                let row = scores.get(pair[0] as usize..pair[1] as usize).unwrap_or(&[]);
                *bound = score_ceiling(rules, aggregate.of(row).unwrap_or(f64::NAN));
            }
            Ok(())
        },
    )?;
    Ok(bounds)
}

/// How several positives of a query become one p.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// The lowest: the safest.
    Min,
    /// The mean, summed in float64 in the order given.
    Mean,
    /// The highest.
    Max,
}

impl Aggregate {
    /// p of the given scores, `None` where there are none.
    #[must_use]
    pub fn of(self, scores: &[f32]) -> Option<f64> {
        let (&first, rest) = scores.split_first()?;
        Some(match self {
            Aggregate::Min => f64::from(rest.iter().fold(first, |a, &b| if b < a { b } else { a })),
            Aggregate::Max => f64::from(rest.iter().fold(first, |a, &b| if b > a { b } else { a })),
            Aggregate::Mean => rest.iter().fold(f64::from(first), |a, &b| a + f64::from(b)) / scores.len() as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_positive_lowers_the_bound() {
        assert!(score_ceiling(&[Ceiling::PercPos(0.95)], -0.2) < -0.2);
        assert_eq!(score_ceiling(&[Ceiling::PercPos(0.95)], 0.0), 0.0);
        assert!(Ceiling::Anchored { f: 0.9, weight: 1.0 }.bound(-0.2) < -0.2);
    }

    #[test]
    fn the_lowest_bound_rules_and_anchored_sets_none() {
        let rules = [Ceiling::Absolute(0.7), Ceiling::MarginPos(0.25), Ceiling::Anchored { f: 0.1, weight: 1.0 }];
        assert_eq!(score_ceiling(&rules, 1.0), 0.7);
        assert_eq!(score_ceiling(&rules, 0.75), 0.5);
        assert_eq!(score_ceiling(&rules[2..], 0.75), f32::INFINITY);
    }

    #[test]
    fn a_margin_below_zero_lets_pass_what_lies_above_the_positive() {
        assert_eq!(score_ceiling(&[Ceiling::MarginPos(-0.25)], 0.5), 0.75);
        assert_eq!(score_ceiling(&[Ceiling::MarginPos(-1e300)], 0.5), f32::INFINITY);
    }

    #[test]
    fn a_bound_that_is_no_number_lets_nothing_through() {
        let rules = [Ceiling::Absolute(0.7), Ceiling::PercPos(0.95), Ceiling::Absolute(0.9)];
        assert_eq!(score_ceiling(&rules, f64::NAN), f32::NEG_INFINITY);
        assert_eq!(score_ceiling(&rules[..1], f64::NAN), 0.7);
    }

    #[test]
    fn aggregates() {
        let scores = [0.5f32, 0.25, 0.75];
        assert_eq!(Aggregate::Min.of(&scores), Some(0.25));
        assert_eq!(Aggregate::Mean.of(&scores), Some(0.5));
        assert_eq!(Aggregate::Max.of(&scores), Some(0.75));
        assert_eq!(Aggregate::Min.of(&[]), None);
    }
}

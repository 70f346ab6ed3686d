//! What every scan over documents shares: the limits that act inside it, and what it returns.

use crate::csr::Csr;
use crate::error::{Error, Result};

/// What to do with NaN scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NanPolicy {
    /// Stop with the first (row, column).
    Raise,
    /// Never select; count.
    Drop,
}

/// Limits that act inside the scan, so that no row runs short because its top was removed.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// Per row: a score above this is not admissible. Equality keeps.
    pub ceiling: Option<&'a [f32]>,
    /// Per row: a score below this is not admissible. Equality keeps.
    pub floor: Option<&'a [f32]>,
    /// Per row: documents never admissible, in any order, repeats allowed.
    pub exclude: Option<Csr<'a>>,
    /// What to do with NaN scores.
    pub nan: NanPolicy,
    /// Per row: as many admissible documents as are wanted are known to reach this score, elsewhere or here. What lies below is
    /// not listed, and counted as ever; equality keeps, since ids break ties. NaN and -inf say nothing. Only scans over
    /// embeddings and over sparse rows look at it.
    pub reached: Option<&'a [f32]>,
}

impl Limits<'_> {
    /// No limit at all; NaN stops the scan.
    pub const NONE: Limits<'static> =
        Limits { ceiling: None, floor: None, exclude: None, nan: NanPolicy::Raise, reached: None };

    /// Checks that every limit is given for `rows` rows.
    pub fn check(&self, rows: usize) -> Result<()> {
        let lengths = [
            ("ceiling", self.ceiling.map(<[f32]>::len)),
            ("floor", self.floor.map(<[f32]>::len)),
            ("exclude", self.exclude.map(|csr| csr.rows())),
            ("reached", self.reached.map(<[f32]>::len)),
        ];
        for (argument, found) in lengths {
            if let Some(found) = found.filter(|found| *found != rows) {
                return Err(Error::Length { argument, found, wanted: rows });
            }
        }
        refuse_nan("ceiling", self.ceiling.unwrap_or(&[]))?;
        refuse_nan("floor", self.floor.unwrap_or(&[]))
    }
}

/// The ceiling of a row, +inf where there is none. Where it became NaN since the check, nothing is admissible.
#[inline]
pub(crate) fn ceiling_of(ceilings: Option<&[f32]>, row: usize) -> f32 {
    let ceiling = ceilings.map_or(f32::INFINITY, |ceilings| ceilings[row]);
    if ceiling.is_nan() {
        return f32::NEG_INFINITY;
    }
    ceiling
}

/// The floor of a row, -inf where there is none. Where it became NaN since the check, nothing is admissible.
#[inline]
pub(crate) fn floor_of(floors: Option<&[f32]>, row: usize) -> f32 {
    let floor = floors.map_or(f32::NEG_INFINITY, |floors| floors[row]);
    if floor.is_nan() {
        return f32::INFINITY;
    }
    floor
}

/// What is known to be reached in a row, -inf where nothing is.
#[inline]
pub(crate) fn reached_of(reached: Option<&[f32]>, row: usize) -> f32 {
    reached.map_or(f32::NEG_INFINITY, |reached| reached[row].max(f32::NEG_INFINITY))
}

/// Refuses bounds that bound nothing.
pub(crate) fn refuse_nan(argument: &'static str, bounds: &[f32]) -> Result<()> {
    match bounds.iter().position(|bound| bound.is_nan()) {
        Some(row) => Err(Error::Value { argument, problem: format!("NaN for row {row}, expected a number") }),
        None => Ok(()),
    }
}

/// What a scan removed from one row. A document is counted once, under the first that applies in the order of the fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Excluded documents that the scan met.
    pub excluded: i64,
    /// NaN scores.
    pub nan: i64,
    /// Scores above the ceiling.
    pub above_ceiling: i64,
    /// Scores below the floor.
    pub below_floor: i64,
}

/// The best admissible documents of every row, ragged, in ranking order, and what was removed on the way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranked {
    /// Row r owns `offsets[r]..offsets[r + 1]` of `ids` and `scores`.
    pub offsets: Vec<i64>,
    /// Document indices.
    pub ids: Vec<i64>,
    /// Scores as float32.
    pub scores: Vec<f32>,
    /// One tally per row, or none at all where nothing was removed from any row.
    pub tallies: Vec<Tally>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_is_nan_is_refused_and_admits_nothing() {
        let bounds = [0.5, f32::NAN];
        let above = Limits { ceiling: Some(&bounds), ..Limits::NONE };
        let below = Limits { floor: Some(&bounds), ..Limits::NONE };
        let message = |limits: Limits<'_>| limits.check(2).unwrap_err().to_string();
        assert_eq!(message(above), "ceiling: NaN for row 1, expected a number");
        assert_eq!(message(below), "floor: NaN for row 1, expected a number");
        assert_eq!([0, 1].map(|row| ceiling_of(above.ceiling, row)), [0.5, f32::NEG_INFINITY]);
        assert_eq!([0, 1].map(|row| floor_of(below.floor, row)), [0.5, f32::INFINITY]);
        let infinite = [f32::NEG_INFINITY, f32::INFINITY];
        assert_eq!(Limits { ceiling: Some(&infinite), floor: Some(&infinite), ..Limits::NONE }.check(2), Ok(()));
    }
}

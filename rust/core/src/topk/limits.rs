//! The limits of a scan, in terms of its score type.

use super::kernels::{ceiling_in, floor_in, Scan};
use crate::excluded::{between, Excluded};
use crate::limits::{Limits, NanPolicy};

/// The limits of every output row, excluded documents in order.
#[derive(Clone, Copy)]
pub(super) struct ScanLimits<'a> {
    pub ceiling: Option<&'a [f32]>,
    pub floor: Option<&'a [f32]>,
    pub excluded: &'a Excluded,
    pub nan: NanPolicy,
}

impl<'a> ScanLimits<'a> {
    /// `excluded` are those of `limits`.
    pub(super) fn new(limits: &Limits<'a>, excluded: &'a Excluded) -> Self {
        ScanLimits { ceiling: limits.ceiling, floor: limits.floor, excluded, nan: limits.nan }
    }

    /// Whether every score is admissible, NaN aside.
    pub(super) fn admit_all(&self) -> bool {
        self.ceiling.is_none() && self.floor.is_none() && self.excluded.is_empty()
    }

    pub(super) fn row<T: Scan>(&self, row: usize) -> RowLimits<'a, T> {
        // A bound that another thread made NaN since it was checked admits nothing.
        let closed = |bound: f32, closed: f32| if bound.is_nan() { closed } else { bound };
        let ceiling = self.ceiling.map_or(f32::INFINITY, |ceiling| closed(ceiling[row], f32::NEG_INFINITY));
        let floor = self.floor.map_or(f32::NEG_INFINITY, |floor| closed(floor[row], f32::INFINITY));
        let (ceiling, mut floor): (T, T) = (ceiling_in(ceiling), floor_in(floor));
        if floor.rank() > ceiling.rank() {
            // Nothing is admissible; what is above the ceiling must not count as below the floor too.
            floor = T::from_rank(ceiling.rank() + 1);
        }
        let bounded = self.ceiling.is_some() || self.floor.is_some();
        RowLimits { floor, ceiling, bounded, excluded: self.excluded.row(row) }
    }
}

/// The limits of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowLimits<'a, T> {
    pub floor: T,
    pub ceiling: T,
    /// Whether there is a ceiling or a floor.
    pub bounded: bool,
    /// Rising, without repeats.
    pub excluded: &'a [i64],
}

impl<'a, T: Scan> RowLimits<'a, T> {
    pub(super) fn excluded_between(&self, start: i64, end: i64) -> &'a [i64] {
        between(self.excluded, start, end)
    }
}

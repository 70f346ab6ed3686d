//! The limits of a scan, in terms of its score type.

use super::kernels::{ceiling_in, floor_in, Scan};
use crate::excluded::{between, Excluded};
use crate::limits::{ceiling_of, floor_of, Limits, NanPolicy};

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
        let ceiling: T = ceiling_in(ceiling_of(self.ceiling, row));
        let mut floor: T = floor_in(floor_of(self.floor, row));
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

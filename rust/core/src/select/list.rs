//! Candidate lists as a selection reads them: all of a run or some rows of it in place, and the one of a row.

use std::ops::Range;

use crate::csr::Csr;
use crate::take::Rows;

/// Lists inside columns of a run.
#[derive(Debug, Clone, Copy)]
pub enum Ragged<'a> {
    /// Every row.
    All(Csr<'a>),
    /// These rows of the columns, the first of which are the ids. Their ends were read and checked once, so that
    /// offsets in a file that somebody writes to meanwhile cannot lead astray.
    Some(&'a Rows, &'a [i64]),
}

impl<'a> Ragged<'a> {
    /// Number of lists.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Ragged::All(csr) => csr.rows(),
            Ragged::Some(rows, _) => rows.spans().len(),
        }
    }

    /// Where list `row` lies in the columns.
    #[inline]
    #[must_use]
    pub fn range(&self, row: usize) -> Range<usize> {
        match self {
            Ragged::All(csr) => csr.range(row),
            Ragged::Some(rows, _) => rows.spans()[row].clone(),
        }
    }

    /// The column of ids, that of the whole run.
    #[inline]
    #[must_use]
    pub fn ids(&self) -> &'a [i64] {
        match self {
            Ragged::All(csr) => csr.ids(),
            Ragged::Some(_, ids) => ids,
        }
    }

    /// Number of candidates in all lists; a row that occurs twice counts twice.
    #[must_use]
    pub fn total(&self) -> usize {
        match self {
            Ragged::All(csr) => csr.ids().len(),
            Ragged::Some(rows, _) => rows.total(),
        }
    }
}

/// Candidate lists in ranking order, the columns aligned with `lists.ids()`; so are the weights of a law that has them.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'a> {
    /// One list per query, or per row where [`crate::select::Queries::lists_by_pair`] says so.
    pub lists: Ragged<'a>,
    /// Never rising inside a list, no NaN.
    pub scores: &'a [f32],
    /// Rising ranks (1-based) before any score filter; without them the position is the rank.
    pub ranks: Option<&'a [i32]>,
    /// Anchor scores, needed by [`crate::ceiling::Ceiling::Anchored`].
    pub anchors: Option<&'a [f32]>,
    /// Nonzero where a candidate is over a ceiling that was computed elsewhere.
    pub above: Option<&'a [u8]>,
}

/// One candidate list with what is known of its row.
pub struct List<'a> {
    /// Where the list starts in columns aligned with all candidates.
    pub start: usize,
    /// Query of the row.
    pub query: usize,
    /// Noise key of the query.
    pub key: u64,
    /// Documents, best first.
    pub ids: &'a [i64],
    /// Their scores.
    pub scores: &'a [f32],
    /// Their ranks, where they differ from the positions.
    pub ranks: Option<&'a [i32]>,
    /// Score of the positive, NaN where none is known.
    pub p: f64,
}

impl List<'_> {
    /// Rank (1-based) after removal of the excluded, before score filters; `removed` of them stand before `position`.
    #[inline]
    pub fn rank(&self, position: usize, removed: usize) -> i32 {
        // Checked ranks never fall below what was removed; those that somebody overwrites meanwhile may.
        self.ranks.map_or(position as i32 + 1, |ranks| ranks[position]).wrapping_sub(removed as i32)
    }
}

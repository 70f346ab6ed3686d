//! Which lists a selection reads: those of a whole run, or some rows of it in place.

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

//! What all tasks of a search share.

use crate::excluded::Excluded;
use crate::limits::Limits;
use crate::pool::Execution;

use super::postings::Postings;
use super::rows::SparseRows;

pub(super) struct Search<'a> {
    pub exec: &'a Execution<'a>,
    pub queries: &'a SparseRows<'a>,
    pub documents: &'a SparseRows<'a>,
    pub postings: &'a Postings<'a>,
    pub k: usize,
    pub limits: &'a Limits<'a>,
    pub excluded: &'a Excluded,
    /// Row of the first query.
    pub first: usize,
}

//! Ragged ids on their way in: (offsets, ids) as Python hands them over.

use hardmine_core::error::try_reserve;
use hardmine_core::{Csr, Result};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::array::slice;

/// A vector of int64.
pub type Ints<'py> = PyReadonlyArray1<'py, i64>;

/// The pair (offsets, ids).
#[derive(FromPyObject)]
pub struct RaggedArrays<'py>(Ints<'py>, Ints<'py>);

impl RaggedArrays<'_> {
    /// What lies behind the arrays.
    pub fn slices(&self, argument: &'static str) -> PyResult<RaggedSlices<'_>> {
        Ok(RaggedSlices { argument, offsets: slice(argument, &self.0)?, ids: slice(argument, &self.1)? })
    }
}

/// Offsets and ids, not checked yet: that takes time, so it happens behind the door.
#[derive(Clone, Copy)]
pub struct RaggedSlices<'a> {
    /// The argument that they came in.
    pub argument: &'static str,
    /// Row r owns `offsets[r]..offsets[r + 1]`.
    pub offsets: &'a [i64],
    /// The ids.
    pub ids: &'a [i64],
}

impl<'a> RaggedSlices<'a> {
    /// A copy of the offsets. What is sized by them must not find others later, and another thread may write to them.
    pub fn own_offsets(&self) -> Result<Vec<i64>> {
        let mut own = Vec::new();
        try_reserve(&mut own, self.offsets.len())?;
        own.extend_from_slice(self.offsets);
        Ok(own)
    }

    /// The lists that these offsets cut, ids below `limit`.
    pub fn csr(&self, offsets: &'a [i64], limit: Option<usize>) -> Result<Csr<'a>> {
        Csr::new(self.argument, offsets, self.ids, offsets.len().max(1) - 1, limit)
    }
}

//! The one error type of the crate: one variant per way in which an input or a run can be wrong.

use std::fmt;

/// Result of every fallible kernel.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, in terms a caller can map to its own error kinds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A score or embedding is NaN where NaN is refused.
    NotANumber {
        /// Argument that holds the NaN.
        argument: &'static str,
        /// Row (query) of the first NaN.
        row: usize,
        /// Column (document or dimension) of the first NaN.
        column: usize,
    },
    /// The caller asked to stop (Ctrl-C).
    Interrupted,
    /// An allocation that the result needs was refused.
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// CSR offsets do not start at 0, fall, or do not end at the number of ids.
    Offsets {
        /// Argument that holds the CSR.
        argument: &'static str,
        /// What is wrong with them, and where.
        problem: String,
    },
    /// An id lies outside the documents (or items) there are.
    IdOutOfRange {
        /// Argument that holds the id.
        argument: &'static str,
        /// Row (query) of the first such id.
        row: usize,
        /// The id found.
        id: i64,
        /// Ids must be in `0..limit`.
        limit: i64,
    },
    /// An array has another length than the call needs.
    Length {
        /// Argument of the wrong length.
        argument: &'static str,
        /// Length found.
        found: usize,
        /// Length wanted.
        wanted: usize,
    },
    /// A value that no computation can use: which one, and why, in `problem`.
    Value {
        /// Argument that holds the value.
        argument: &'static str,
        /// What came and what was wanted.
        problem: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotANumber { argument, row, column } => write!(
                f,
                "{argument}: NaN at row {row}, column {column}; clean it, or pass nan=\"drop\" where the function offers it"
            ),
            Error::Interrupted => write!(f, "interrupted"),
            Error::OutOfMemory { bytes } => write!(f, "could not allocate {bytes} bytes for the result"),
            Error::Offsets { argument, problem } => write!(f, "{argument}: offsets {problem}"),
            Error::IdOutOfRange { argument, row, id, limit } => {
                write!(f, "{argument}: id {id} of row {row} is outside 0..{limit}")
            }
            Error::Length { argument, found, wanted } => {
                write!(f, "{argument}: length {found}, expected {wanted}")
            }
            Error::Value { argument, problem } => write!(f, "{argument}: {problem}"),
        }
    }
}

impl std::error::Error for Error {}

/// A vector of `len` default values, or [`Error::OutOfMemory`] where the allocator refuses: sizes come from user input,
/// so they must not abort the process.
pub fn try_vec<T: Clone + Default>(len: usize) -> Result<Vec<T>> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len).map_err(|_| out_of_memory::<T>(len))?;
    vec.resize(len, T::default());
    Ok(vec)
}

/// As [`try_vec`], of zeros that the operating system hands out page by page: a large one costs no time up front, during
/// which nobody would notice Ctrl-C.
pub fn try_zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>> {
    check_room::<T>(len)?;
    Ok(vec![T::default(); len])
}

/// Makes room in `vec` for `more` values, or says that the allocator refuses.
pub fn try_reserve<T>(vec: &mut Vec<T>, more: usize) -> Result<()> {
    let wanted = vec.len().saturating_add(more);
    vec.try_reserve(more).map_err(|_| out_of_memory::<T>(wanted))
}

/// Empties `vec`, which then has room for `wanted` values.
pub fn make_room<T>(vec: &mut Vec<T>, wanted: usize) -> Result<()> {
    vec.clear();
    try_reserve(vec, wanted)
}

/// As [`try_reserve`], with no more room than asked for.
pub fn try_reserve_exact<T>(vec: &mut Vec<T>, more: usize) -> Result<()> {
    let wanted = vec.len().saturating_add(more);
    vec.try_reserve_exact(more).map_err(|_| out_of_memory::<T>(wanted))
}

/// Collects without aborting where the allocator refuses; the first error ends it.
pub fn try_collect<T>(items: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    let mut vec = Vec::new();
    let sure = items.size_hint().0;
    vec.try_reserve_exact(sure).map_err(|_| out_of_memory::<T>(sure))?;
    for item in items {
        let item = item?;
        if vec.len() == vec.capacity() {
            vec.try_reserve(1).map_err(|_| out_of_memory::<T>(vec.len() + 1))?;
        }
        vec.push(item);
    }
    Ok(vec)
}

/// Whether `len` values could be allocated now: asked before work whose result would be refused at its end.
pub fn check_room<T>(len: usize) -> Result<()> {
    Vec::<T>::new().try_reserve_exact(len).map_err(|_| out_of_memory::<T>(len))
}

fn out_of_memory<T>(len: usize) -> Error {
    Error::OutOfMemory { bytes: len.saturating_mul(size_of::<T>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_allocated_is_an_error() {
        let refused = Error::OutOfMemory { bytes: usize::MAX };
        assert_eq!(try_vec::<u64>(usize::MAX), Err(refused.clone()));
        assert_eq!(try_zeros::<i64>(usize::MAX), Err(refused.clone()));
        assert_eq!((try_zeros::<bool>(0), try_zeros(3)), (Ok(vec![]), Ok(vec![0; 3])));
        assert_eq!(check_room::<u64>(usize::MAX), Err(refused.clone()));
        assert_eq!(try_reserve(&mut vec![0u64], usize::MAX), Err(refused.clone()));
        assert_eq!(try_collect((0..usize::MAX).map(|_| Ok(0u64))), Err(refused));
        assert_eq!(try_collect((0..1000).filter(|i| i % 2 == 1).map(Ok)).unwrap().len(), 500);
    }
}

//! A score and its document as one integer whose ascending order is the ranking order.

use super::kernels::Scan;

/// Inverted key of the score above, document below: the smaller entry ranks first, and ties go to the lower document.
pub(super) type Entry = u128;

/// Ranks after every document: no threshold yet.
pub(super) const LAST: Entry = Entry::MAX;

#[inline]
pub(super) fn pack(rank: u64, id: i64) -> Entry {
    (u128::from(!rank) << 64) | u128::from(id as u64)
}

#[inline]
pub(super) fn id(entry: Entry) -> i64 {
    entry as u64 as i64
}

#[inline]
pub(super) fn rank(entry: Entry) -> u64 {
    !((entry >> 64) as u64)
}

#[inline]
pub(super) fn score<T: Scan>(entry: Entry) -> T {
    T::from_rank(rank(entry))
}

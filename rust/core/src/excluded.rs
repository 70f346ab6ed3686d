//! Excluded documents of every row, in order: copied and sorted once per call, since the caller's lists may come in any
//! order and may change while they are read.

use crate::csr::Csr;
use crate::error::{try_reserve, Result};
use crate::pool::Execution;
use crate::{sort, steps};

/// Rising ids without repeats, row after row.
#[derive(Debug, Clone, Default)]
pub struct Excluded {
    /// Where each row ends; nothing where no row has any.
    ends: Vec<usize>,
    ids: Vec<i64>,
}

impl Excluded {
    pub fn new(exec: &Execution<'_>, lists: Option<Csr<'_>>) -> Result<Self> {
        let mut excluded = Excluded::default();
        let Some(lists) = lists.filter(|lists| !lists.ids().is_empty()) else { return Ok(excluded) };
        try_reserve(&mut excluded.ends, lists.rows())?;
        try_reserve(&mut excluded.ids, lists.ids().len())?;
        let (mut row, mut scratch) = (Vec::new(), Vec::new());
        for index in 0..lists.rows() {
            if index % 1024 == 0 {
                exec.check()?;
            }
            steps::copy(exec, &mut row, lists.row(index))?;
            sort::sort(exec, &mut row, |id| *id as u64, 0, &mut scratch)?;
            let mut last = None;
            row.retain(|id| last.replace(*id) != Some(*id));
            steps::append(exec, &mut excluded.ids, &row, |id| id)?;
            excluded.ends.push(excluded.ids.len());
        }
        Ok(excluded)
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn row(&self, row: usize) -> &[i64] {
        let Some(&end) = self.ends.get(row) else { return &[] };
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.ids[start..end]
    }
}

/// Those of rising `ids` that lie in `start..end`.
#[inline]
pub fn between(ids: &[i64], start: i64, end: i64) -> &[i64] {
    let ids = &ids[ids.partition_point(|id| *id < start)..];
    &ids[..ids.partition_point(|id| *id < end)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::tests::going;

    #[test]
    fn rows_are_sorted_and_without_repeats() {
        let lists = Csr::new("exclude", &[0, 4, 4, 6], &[5, 2, 5, 9, 1, 1], 3, None).unwrap();
        let excluded = Excluded::new(&going(), Some(lists)).unwrap();
        assert_eq!((0..3).map(|row| excluded.row(row)).collect::<Vec<_>>(), [&[2, 5, 9][..], &[], &[1]]);
        assert_eq!(between(excluded.row(0), 3, 9), [5]);
        assert_eq!(between(excluded.row(0), 10, 20), [0i64; 0]);
        let none = Excluded::new(&going(), None).unwrap();
        assert!(none.is_empty() && none.row(7).is_empty());
    }
}

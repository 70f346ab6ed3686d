//! Ragged lists of ids: row `r` holds `ids[offsets[r]..offsets[r + 1]]`.

use crate::error::{try_reserve, Error, Result};

/// A validated, borrowed CSR: offsets start at 0, never fall and end at the number of ids.
#[derive(Debug, Clone, Copy)]
pub struct Csr<'a> {
    offsets: &'a [i64],
    ids: &'a [i64],
}

impl Default for Csr<'_> {
    /// No rows.
    fn default() -> Self {
        Csr { offsets: &[0], ids: &[] }
    }
}

impl<'a> Csr<'a> {
    /// Checks the offsets of `rows` rows and, where `limit` is given, that every id is in `0..limit`.
    pub fn new(
        argument: &'static str,
        offsets: &'a [i64],
        ids: &'a [i64],
        rows: usize,
        limit: Option<usize>,
    ) -> Result<Self> {
        check_offsets(argument, offsets, ids.len(), rows)?;
        let csr = Csr { offsets, ids };
        limit.map_or(Ok(()), |limit| csr.check_ids(argument, limit))?;
        Ok(csr)
    }

    /// Raises where an id is not in `0..limit`.
    pub fn check_ids(&self, argument: &'static str, limit: usize) -> Result<()> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let is_outside = |id: &&i64| !(0..limit).contains(*id);
        if self.ids.iter().all(|id| (0..limit).contains(id)) {
            return Ok(());
        }
        for row in 0..self.rows() {
            if let Some(&id) = self.row(row).iter().find(is_outside) {
                return Err(Error::IdOutOfRange { argument, row, id, limit });
            }
        }
        Ok(())
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Range of row `row` inside arrays that are aligned with the ids: inside them whatever somebody wrote to the offsets
    /// since they were checked.
    #[inline]
    #[must_use]
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        let end = (self.offsets[row + 1] as usize).min(self.ids.len());
        (self.offsets[row] as usize).min(end)..end
    }

    /// Ids of row `row`.
    #[inline]
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [i64] {
        &self.ids[self.range(row)]
    }

    /// All ids, row after row.
    #[must_use]
    pub fn ids(&self) -> &'a [i64] {
        self.ids
    }
}

/// Checks that `offsets` cut `len` items into `rows` rows.
pub fn check_offsets(argument: &'static str, offsets: &[i64], len: usize, rows: usize) -> Result<()> {
    let problem = if offsets.len() != rows + 1 {
        format!("have length {}, expected {} (rows + 1)", offsets.len(), rows + 1)
    } else if offsets[0] != 0 {
        format!("start at {}, expected 0", offsets[0])
    } else if let Some(row) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
        format!("fall from {} to {} at row {row}", offsets[row], offsets[row + 1])
    } else if usize::try_from(offsets[rows]).ok() != Some(len) {
        format!("end at {}, expected {len} (the number of ids)", offsets[rows])
    } else {
        return Ok(());
    };
    Err(Error::Offsets { argument, problem })
}

/// Offsets of so many rows of the given lengths.
pub fn offsets_of(rows: usize, lengths: impl Iterator<Item = i64>) -> Result<Vec<i64>> {
    let mut offsets = Vec::new();
    try_reserve(&mut offsets, rows + 1)?;
    let mut end = 0;
    offsets.push(end);
    offsets.extend(lengths.map(|length| {
        end += length;
        end
    }));
    Ok(offsets)
}

/// The values of the parts, one after the other; each part is freed once it is copied.
pub fn concat<T: Copy>(parts: Vec<Vec<T>>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    try_reserve(&mut all, parts.iter().map(Vec::len).sum())?;
    for part in parts {
        all.extend_from_slice(&part);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_inside_the_ids_whatever_the_offsets_became() {
        for offsets in [[0, 9], [5, 1], [-1, 2], [i64::MIN, i64::MAX], [2, -7]] {
            let row = Csr { offsets: &offsets, ids: &[7, 8, 9] }.row(0);
            assert!(row.len() <= 3);
        }
    }

    #[test]
    fn parts_become_one() {
        assert_eq!(offsets_of(3, [2, 0, 1].into_iter()), Ok(vec![0, 2, 2, 3]));
        assert_eq!(concat(vec![vec![1, 2], vec![], vec![3]]), Ok(vec![1, 2, 3]));
        assert_eq!(try_reserve(&mut vec![1u64], usize::MAX), Err(Error::OutOfMemory { bytes: usize::MAX }));
    }

    #[test]
    fn bad_offsets_are_named() {
        let message = |offsets: &[i64], ids: &[i64], rows| {
            Csr::new("exclude", offsets, ids, rows, Some(5)).unwrap_err().to_string()
        };
        assert_eq!(message(&[0], &[], 1), "exclude: offsets have length 1, expected 2 (rows + 1)");
        assert_eq!(message(&[1, 1], &[4], 1), "exclude: offsets start at 1, expected 0");
        assert_eq!(message(&[0, 2, 1], &[4], 2), "exclude: offsets fall from 2 to 1 at row 1");
        assert_eq!(message(&[0, 2], &[4], 1), "exclude: offsets end at 2, expected 1 (the number of ids)");
        assert_eq!(message(&[0, 1, 3], &[4, 0, 5], 2), "exclude: id 5 of row 1 is outside 0..5");
        assert_eq!(message(&[0, 1], &[-1], 1), "exclude: id -1 of row 0 is outside 0..5");
    }
}

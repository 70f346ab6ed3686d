//! Some rows of ragged columns, gathered: what a data loader does once a batch.
//!
//! Only the rows asked for are looked at and checked, so that the cost is that of the batch and not that of the run.

use std::ops::Range;

use crate::error::{try_zeros, Error, Result};
use crate::pool::{self, Execution};
use crate::steps;

/// Items of one task, about: far below a tenth of a second even from a cold memory map.
const SOME_ITEMS: i64 = 1 << 20;

/// Where each of the rows asked for lies, checked.
#[derive(Debug)]
pub struct Rows {
    spans: Vec<Range<usize>>,
    offsets: Vec<i64>,
}

impl Rows {
    /// Finds `rows` in a CSR of `len` items. A row may occur several times, in any order.
    pub fn new(argument: &'static str, offsets: &[i64], len: usize, rows: &[i64]) -> Result<Self> {
        let limit = offsets.len().max(1) as i64 - 1;
        let mut spans = Vec::with_capacity(rows.len());
        let mut taken = Vec::with_capacity(rows.len() + 1);
        taken.push(0);
        let mut total = 0i64;
        for (at, &row) in rows.iter().enumerate() {
            if !(0..limit).contains(&row) {
                return Err(Error::IdOutOfRange { argument: "rows", row: at, id: row, limit });
            }
            let (start, end) = (offsets[row as usize], offsets[row as usize + 1]);
            if start < 0 || start > end || end as usize > len {
                let problem = format!("give row {row} the items {start}..{end}, expected a range inside 0..{len}");
                return Err(Error::Offsets { argument, problem });
            }
            spans.push(start as usize..end as usize);
            total = total.checked_add(end - start).ok_or(Error::OutOfMemory { bytes: usize::MAX })?;
            taken.push(total);
        }
        Ok(Rows { spans, offsets: taken })
    }

    /// The items of these rows, row after row. `column` has as many items as the CSR that the rows were found in.
    pub fn gather<T: Copy + Default + Send + Sync>(&self, exec: &Execution<'_>, column: &[T]) -> Result<Vec<T>> {
        let mut out = try_zeros(self.offsets[self.spans.len()] as usize)?;
        let mut rest = &mut out[..];
        let parts: Vec<_> = self
            .tasks()
            .into_iter()
            .map(|task| {
                let len = (self.offsets[task.end] - self.offsets[task.start]) as usize;
                let (part, behind) = std::mem::take(&mut rest).split_at_mut(len);
                rest = behind;
                (task, part)
            })
            .collect();
        pool::map(
            exec,
            parts,
            || (),
            |(), _, (task, mut part): (_, &mut [T])| {
                for span in &self.spans[task] {
                    let (to, behind) = part.split_at_mut(span.len());
                    steps::write(exec, to, &column[span.clone()], |item| item)?;
                    part = behind;
                }
                Ok(())
            },
        )?;
        Ok(out)
    }

    /// Where each row lies.
    #[must_use]
    pub fn spans(&self) -> &[Range<usize>] {
        &self.spans
    }

    /// Number of items in all rows.
    #[must_use]
    pub fn total(&self) -> usize {
        self.offsets[self.spans.len()] as usize
    }

    /// Raises where an id of these rows is not in `0..limit`.
    pub fn check_ids(&self, argument: &'static str, ids: &[i64], limit: usize) -> Result<()> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        for (row, span) in self.spans.iter().enumerate() {
            if let Some(&id) = ids[span.clone()].iter().find(|id| !(0..limit).contains(*id)) {
                return Err(Error::IdOutOfRange { argument, row, id, limit });
            }
        }
        Ok(())
    }

    /// Offsets of the rows taken.
    #[must_use]
    pub fn into_offsets(self) -> Vec<i64> {
        self.offsets
    }

    /// The rows in stretches of about as many items.
    fn tasks(&self) -> Vec<Range<usize>> {
        let mut tasks = Vec::new();
        let mut start = 0;
        for end in 1..=self.spans.len() {
            if end == self.spans.len() || self.offsets[end] - self.offsets[start] >= SOME_ITEMS {
                tasks.push(start..end);
                start = end;
            }
        }
        tasks
    }
}

/// Strings `rows` of a table of UTF-8 bytes: string i is `data[offsets[i]..offsets[i + 1]]`.
pub fn strings<'a>(argument: &'static str, offsets: &[i64], data: &'a [u8], rows: &[i64]) -> Result<Vec<&'a str>> {
    let rows = Rows::new(argument, offsets, data.len(), rows)?;
    let text = |(at, span): (usize, &Range<usize>)| {
        std::str::from_utf8(&data[span.clone()]).map_err(|error| Error::Value {
            argument,
            problem: format!("string {at} of those asked for is no UTF-8 ({error})"),
        })
    };
    rows.spans.iter().enumerate().map(text).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::isa::Isa;

    fn take(offsets: &[i64], column: &[i32], rows: &[i64]) -> Result<(Vec<i64>, Vec<i32>)> {
        let rows = Rows::new("lists", offsets, column.len(), rows)?;
        let exec = Execution::new(NonZeroUsize::new(2).unwrap(), Isa::Portable, &|| false);
        let items = rows.gather(&exec, column)?;
        Ok((rows.into_offsets(), items))
    }

    #[test]
    fn rows_come_in_the_order_asked_for() {
        let taken = take(&[0, 2, 2, 5], &[1, 2, 3, 4, 5], &[2, 0, 1, 2]).unwrap();
        assert_eq!(taken, (vec![0, 3, 5, 5, 8], vec![3, 4, 5, 1, 2, 3, 4, 5]));
        assert_eq!(take(&[0, 2], &[1, 2], &[]).unwrap(), (vec![0], vec![]));
        assert_eq!(take(&[], &[], &[]).unwrap(), (vec![0], vec![]));
    }

    #[test]
    fn many_items_are_cut_into_tasks() {
        let len = 3 * SOME_ITEMS + 7;
        let column: Vec<i32> = (0..len as i32).collect();
        let offsets: Vec<i64> = (0..=len / 5).map(|row| row * 5).chain([len]).collect();
        let rows: Vec<i64> = (0..offsets.len() as i64 - 1).rev().collect();
        let (taken, items) = take(&offsets, &column, &rows).unwrap();
        for (at, &row) in rows.iter().enumerate() {
            let own = &items[taken[at] as usize..taken[at + 1] as usize];
            assert_eq!(own, &column[offsets[row as usize] as usize..offsets[row as usize + 1] as usize]);
        }
    }

    #[test]
    fn bad_rows_and_offsets_are_named() {
        let message = |offsets: &[i64], rows: &[i64]| take(offsets, &[1, 2, 3], rows).unwrap_err().to_string();
        assert_eq!(message(&[0, 3], &[0, 1]), "rows: id 1 of row 1 is outside 0..1");
        assert_eq!(message(&[0, 3], &[-1]), "rows: id -1 of row 0 is outside 0..1");
        assert_eq!(message(&[], &[0]), "rows: id 0 of row 0 is outside 0..0");
        for (offsets, items) in [([2, 1], "2..1"), ([-1, 2], "-1..2"), ([0, 4], "0..4"), ([5, 9], "5..9")] {
            let expected = format!("lists: offsets give row 0 the items {items}, expected a range inside 0..3");
            assert_eq!(message(&offsets, &[0]), expected);
        }
    }

    #[test]
    fn strings_are_checked() {
        let data = "aé".as_bytes();
        assert_eq!(strings("texts", &[0, 1, 3], data, &[1, 0, 1]).unwrap(), ["é", "a", "é"]);
        let error = strings("texts", &[0, 2, 3], data, &[1]).unwrap_err().to_string();
        assert!(error.starts_with("texts: string 0 of those asked for is no UTF-8"), "{error}");
    }
}

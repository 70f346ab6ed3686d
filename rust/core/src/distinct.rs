//! Whether the ids of every row differ.

use std::ops::Range;

use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::pool::{self, Execution};

/// Items of one task, about: some milliseconds.
const SOME_ITEMS: usize = 1 << 20;
/// An empty place of the table; ids are at least 0.
const EMPTY: i64 = -1;

/// The first row that has an id twice, and the least such id.
pub fn first_repeat(exec: &Execution<'_>, lists: Csr<'_>) -> Result<Option<(usize, i64)>> {
    let mean_length = lists.ids().len() / lists.rows().max(1) + 1;
    let block = (SOME_ITEMS / mean_length).max(1);
    let blocks = (0..lists.rows()).step_by(block).map(|start| start..(start + block).min(lists.rows()));
    let found = pool::map(exec, blocks, Vec::new, |table: &mut Vec<i64>, _, mut block: Range<usize>| {
        for row in &mut block {
            if repeats(lists.row(row), table)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    })?;
    let Some(row) = found.into_iter().flatten().next() else { return Ok(None) };
    let mut sorted = lists.row(row).to_vec();
    sorted.sort_unstable();
    Ok(sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| (row, pair[0])))
}

/// Whether an id occurs twice, by a hash table with open addressing, at most half full.
fn repeats(ids: &[i64], table: &mut Vec<i64>) -> Result<bool> {
    let size = (2 * ids.len()).next_power_of_two().max(2);
    if table.len() < size {
        let bytes = size * size_of::<i64>();
        table.try_reserve(size - table.len()).map_err(|_| Error::OutOfMemory { bytes })?;
        table.resize(size, EMPTY);
    }
    let table = &mut table[..size];
    table.fill(EMPTY);
    let shift = u64::BITS - size.trailing_zeros();
    for &id in ids {
        // Fibonacci hashing: the high bits of a product with 2^64 / golden ratio.
        let mut at = ((id as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> shift) as usize;
        while table[at] != EMPTY {
            if table[at] == id {
                return Ok(true);
            }
            at = (at + 1) & (size - 1);
        }
        table[at] = id;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::isa::Isa;

    fn check(offsets: &[i64], ids: &[i64]) -> Option<(usize, i64)> {
        let lists = Csr::new("lists", offsets, ids, offsets.len() - 1, None).unwrap();
        let exec = Execution::new(NonZeroUsize::new(2).unwrap(), Isa::Portable, &|| false);
        first_repeat(&exec, lists).unwrap()
    }

    #[test]
    fn the_first_row_and_its_least_repeat_are_found() {
        assert_eq!(check(&[0], &[]), None);
        assert_eq!(check(&[0, 2, 2, 4], &[5, 6, 6, 5]), None);
        assert_eq!(check(&[0, 1, 6, 8], &[0, 9, 3, 9, 3, 0, 1, 1]), Some((1, 3)));
        let mut many: Vec<i64> = (0..3 * SOME_ITEMS as i64).map(|id| id << 20).collect();
        let offsets: Vec<i64> = (0..=many.len() as i64 / 64).map(|row| row * 64).collect();
        assert_eq!(check(&offsets, &many), None);
        assert_eq!(check(&[0, many.len() as i64], &many), None);
        let last = many.len() - 1;
        many[last] = many[last - 63];
        assert_eq!(check(&offsets, &many), Some((offsets.len() - 2, many[last])));
    }
}

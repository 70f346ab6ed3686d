//! Whether the ids of every row differ.

use std::ops::Range;

use crate::csr::Csr;
use crate::error::Result;
use crate::id_set::IdSet;
use crate::pool::{self, Execution};

/// Items of one task, about: some milliseconds.
const SOME_ITEMS: usize = 1 << 20;
/// Items between two questions whether to go on.
const STEP: usize = 1 << 14;

/// The first row that has an id twice, and the least such id.
pub fn first_repeat(exec: &Execution<'_>, lists: Csr<'_>) -> Result<Option<(usize, i64)>> {
    let mean_length = lists.ids().len() / lists.rows().max(1) + 1;
    let block = (SOME_ITEMS / mean_length).max(1);
    let blocks = (0..lists.rows()).step_by(block).map(|start| start..(start + block).min(lists.rows()));
    let found = pool::map(exec, blocks, IdSet::new, |seen, _, mut block: Range<usize>| {
        for row in &mut block {
            if let Some(id) = least_repeat(exec, lists.row(row), seen)? {
                return Ok(Some((row, id)));
            }
        }
        Ok(None)
    })?;
    Ok(found.into_iter().flatten().next())
}

/// The least id that occurs twice.
fn least_repeat(exec: &Execution<'_>, ids: &[i64], seen: &mut IdSet) -> Result<Option<i64>> {
    seen.reserve(exec, ids.len())?;
    let mut least = None;
    for some in ids.chunks(STEP) {
        for &id in some {
            if !seen.insert(id) {
                least = Some(least.map_or(id, |least: i64| least.min(id)));
            }
        }
        if ids.len() > STEP {
            exec.check()?;
        }
    }
    seen.clear();
    Ok(least)
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

    /// Ids whose products with 2^64 / golden ratio share their high bits: a known hash puts them into one slot.
    #[test]
    fn chosen_ids_take_no_more_steps_than_others() {
        let inverse =
            (0..6).fold(1u64, |x, _| x.wrapping_mul(2u64.wrapping_sub(x.wrapping_mul(0x9E37_79B9_7F4A_7C15))));
        let ids: Vec<i64> =
            (0u64..).map(|i| i.wrapping_mul(inverse) as i64).filter(|id| *id >= 0).take(20_000).collect();
        let exec = Execution::new(NonZeroUsize::MIN, Isa::Portable, &|| false);
        let mut seen = IdSet::new();
        assert_eq!(least_repeat(&exec, &ids, &mut seen).unwrap(), None);
        assert!(seen.steps() < 20 * ids.len() as u64, "{}", seen.steps());
    }
}

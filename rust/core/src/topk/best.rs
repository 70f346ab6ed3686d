//! Entries into ranking order.

use super::entry::Packed;
use crate::error::Result;
use crate::pool::Execution;
use crate::sort;

/// Leaves the first `k` of `entries`, in ranking order. `by_id`: documents rise along the entries already.
pub(super) fn best<E: Packed>(
    exec: &Execution<'_>,
    entries: &mut Vec<E>,
    k: usize,
    by_id: bool,
    scratch: &mut Vec<E>,
) -> Result<()> {
    let mut by_id = by_id;
    if entries.len() > k + k / 2 + 32 {
        if k == 0 {
            entries.clear();
            return Ok(());
        }
        sort::select(exec, entries, k - 1, |entry| *entry)?;
        entries.truncate(k);
        by_id = false;
    }
    sort::sort(exec, entries, |entry| *entry, if by_id { E::ID_BITS } else { 0 }, scratch)?;
    entries.truncate(k);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::tests::going;

    fn sorts<E: Packed + std::fmt::Debug>(ranks: impl Fn(u64) -> u64) {
        for len in [0, 1, 2, 31, 191, 192, 193, 1000, 4095, 4096, 20_000] {
            let entries: Vec<E> = (0..len).map(|i| E::pack(ranks(i), i as i64)).collect();
            let mut expected = entries.clone();
            expected.sort_unstable();
            let shuffled: Vec<E> = (0..len).map(|i| entries[(i * 7919 % len) as usize]).collect();
            for k in [0, 1, len as usize / 10, len as usize / 2, len as usize] {
                let (mut some, mut others, mut scratch) = (entries.clone(), shuffled.clone(), Vec::new());
                best(&going(), &mut some, k, true, &mut scratch).unwrap();
                assert_eq!(some, expected[..k.min(expected.len())]);
                if len % 7919 != 0 {
                    best(&going(), &mut others, k, false, &mut scratch).unwrap();
                    assert_eq!(others, expected[..k.min(expected.len())]);
                }
            }
        }
    }

    #[test]
    fn entries_of_every_number_are_sorted() {
        let mix = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 7;
        sorts::<u64>(|i| mix(i) & 0xffff_ffff);
        sorts::<u64>(|i| mix(i) % 5);
        sorts::<u64>(|i| (mix(i) & 3) << 30);
        sorts::<u128>(mix);
        sorts::<u128>(|i| (mix(i) % 5) << 60);
        sorts::<u128>(|i| i);
    }
}

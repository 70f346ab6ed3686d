//! Entries into ranking order: by comparison where there are few, by digits where there are many.

use super::entry::Packed;

/// Below so many entries a comparison sort is the faster one.
const FEW: usize = 192;

/// From so many entries on, wide digits pay for their larger tables.
const MANY: usize = 4096;

/// Leaves the first `k` of `entries`, in ranking order. `by_id`: documents rise along the entries already.
pub(super) fn best<E: Packed>(entries: &mut Vec<E>, k: usize, by_id: bool, scratch: &mut Vec<E>) {
    let mut by_id = by_id;
    if entries.len() > k + k / 2 + 32 {
        if k == 0 {
            entries.clear();
            return;
        }
        entries.select_nth_unstable(k - 1);
        entries.truncate(k);
        by_id = false;
    }
    sort(entries, by_id, scratch);
    entries.truncate(k);
}

/// Sorts all of `entries`.
fn sort<E: Packed>(entries: &mut Vec<E>, by_id: bool, scratch: &mut Vec<E>) {
    if entries.len() < FEW || entries.len() > u32::MAX as usize {
        entries.sort_unstable();
        return;
    }
    if entries.is_sorted() {
        return;
    }
    let first = entries[0];
    let varying = entries.iter().fold(first.differing(first), |bits, entry| bits.union(entry.differing(first)));
    let width = if entries.len() < MANY { 8 } else { 11 };
    // Each pass keeps the order of those before it; where documents rise already, only keys need sorting.
    let (mut shift, end) = (if by_id { E::ID_BITS } else { 0 }, 2 * E::ID_BITS);
    let mut shifts = Vec::with_capacity(12);
    while shift < end {
        let ahead = varying.bits(shift);
        if ahead == 0 {
            shift += 64;
            continue;
        }
        shift += ahead.trailing_zeros();
        shifts.push(shift);
        shift += width;
    }
    let (size, mask) = (1 << width, (1 << width) - 1);
    let mut counts = vec![0u32; size * shifts.len()];
    for entry in &*entries {
        for (counts, shift) in counts.chunks_exact_mut(size).zip(&shifts) {
            counts[entry.bits(*shift) as usize & mask] += 1;
        }
    }
    scratch.clear();
    scratch.extend_from_slice(entries);
    for (counts, shift) in counts.chunks_exact_mut(size).zip(&shifts) {
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for entry in &*entries {
            let at = &mut counts[entry.bits(*shift) as usize & mask];
            scratch[*at as usize] = *entry;
            *at += 1;
        }
        std::mem::swap(entries, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorts<E: Packed + std::fmt::Debug>(ranks: impl Fn(u64) -> u64) {
        for len in [0, 1, 2, 31, 191, 192, 193, 1000, 4095, 4096, 20_000] {
            let mut entries: Vec<E> = (0..len).map(|i| E::pack(ranks(i), i as i64)).collect();
            let mut expected = entries.clone();
            expected.sort_unstable();
            let mut shuffled: Vec<E> = (0..len).map(|i| entries[(i * 7919 % len) as usize]).collect();
            for k in [0, 1, len as usize / 10, len as usize / 2, len as usize] {
                let (mut some, mut others, mut scratch) = (entries.clone(), shuffled.clone(), Vec::new());
                best(&mut some, k, true, &mut scratch);
                assert_eq!(some, expected[..k.min(expected.len())]);
                if len % 7919 != 0 {
                    best(&mut others, k, false, &mut scratch);
                    assert_eq!(others, expected[..k.min(expected.len())]);
                }
            }
            entries.clear();
            shuffled.clear();
        }
    }

    #[test]
    fn entries_of_every_size_are_sorted() {
        let mix = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 7;
        sorts::<u64>(|i| mix(i) & 0xffff_ffff);
        sorts::<u64>(|i| mix(i) % 5);
        sorts::<u64>(|i| (mix(i) & 3) << 30);
        sorts::<u128>(mix);
        sorts::<u128>(|i| (mix(i) % 5) << 60);
        sorts::<u128>(|i| i);
    }
}

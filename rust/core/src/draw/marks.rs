//! A set of item numbers that is cheap to empty again.

/// Up to this many items a bit each is kept (16 MiB for a thread); beyond, a hash table of the marked ones.
const BITS_LIMIT: u64 = 1 << 27;

/// Marked items.
#[derive(Debug, Clone)]
pub(super) enum Marks {
    /// One bit for each item.
    Bits(Vec<u64>),
    /// Open addressing; a slot holds item + 1, or 0.
    Table {
        /// A power of two of slots, at least twice as many as items were ever marked.
        slots: Vec<u64>,
        /// Number of marked items.
        used: usize,
    },
}

impl Marks {
    pub(super) fn new(num_items: u64) -> Self {
        if num_items <= BITS_LIMIT {
            Marks::Bits(vec![0; num_items.div_ceil(64) as usize])
        } else {
            Marks::Table { slots: vec![0; 64], used: 0 }
        }
    }

    /// Marks an item; false where it was marked before.
    #[inline]
    pub(super) fn mark(&mut self, item: u64) -> bool {
        match self {
            Marks::Bits(words) => {
                let (word, bit) = (&mut words[(item / 64) as usize], 1 << (item % 64));
                let fresh = *word & bit == 0;
                *word |= bit;
                fresh
            }
            Marks::Table { slots, used } => {
                let slot = find(slots, item);
                if slots[slot] != 0 {
                    return false;
                }
                slots[slot] = item + 1;
                *used += 1;
                if *used * 2 > slots.len() {
                    let old = std::mem::take(slots);
                    slots.resize(old.len() * 4, 0);
                    for entry in old.into_iter().filter(|entry| *entry != 0) {
                        let slot = find(slots, entry - 1);
                        slots[slot] = entry;
                    }
                }
                true
            }
        }
    }

    /// Whether an item is marked.
    #[inline]
    pub(super) fn contains(&self, item: u64) -> bool {
        match self {
            Marks::Bits(words) => words[(item / 64) as usize] & (1 << (item % 64)) != 0,
            Marks::Table { slots, .. } => slots[find(slots, item)] != 0,
        }
    }

    /// Takes the marks off again; `items` must name all of them, and may name others.
    pub(super) fn clear(&mut self, items: impl Iterator<Item = i64>) {
        match self {
            Marks::Bits(words) => items.for_each(|item| words[item as usize / 64] = 0),
            Marks::Table { slots, used } => {
                slots.fill(0);
                *used = 0;
            }
        }
    }
}

/// The slot of an item, or the free one where it belongs.
#[inline]
fn find(slots: &[u64], item: u64) -> usize {
    let mask = slots.len() - 1;
    let mut slot = (item.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & mask;
    while slots[slot] != 0 && slots[slot] != item + 1 {
        slot = (slot + 1) & mask;
    }
    slot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_behave_as_a_set() {
        for num_items in [1000, BITS_LIMIT + 1] {
            let mut marks = Marks::new(num_items);
            for _ in 0..2 {
                let items = (0..500u64).map(|i| i * 7 % 991);
                assert!(items.clone().all(|item| marks.mark(item)));
                assert!(items.clone().all(|item| !marks.mark(item) && marks.contains(item)));
                assert!(!marks.contains(999));
                marks.clear(items.clone().map(|item| item as i64));
                assert!((0..1000).all(|item| !marks.contains(item)));
            }
        }
    }
}

//! Marks on item numbers that are cheap to take off again.

use crate::error::{try_reserve, try_vec, Result};
use crate::id_set::IdSet;
use crate::pool::Execution;
use crate::steps::in_steps;

/// Up to this many items a bit each is kept (16 MiB for a thread); beyond, a set of the marked ones.
const BITS_LIMIT: u64 = 1 << 27;

/// Marked items. They are remembered here: nobody has to name them again for the marks to come off.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    num_items: u64,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// One bit for each item, none before the first mark, and the marked ones.
    Bits(Vec<u64>, Vec<u64>),
    Set(IdSet),
}

impl Marks {
    pub(super) fn new(num_items: u64) -> Self {
        let kind = if num_items <= BITS_LIMIT { Kind::Bits(Vec::new(), Vec::new()) } else { Kind::Set(IdSet::new()) };
        Marks { num_items, kind }
    }

    /// Makes room for `additional` marks; to be called before they are set.
    #[inline]
    pub(super) fn reserve(&mut self, exec: &Execution<'_>, additional: usize) -> Result<()> {
        match &mut self.kind {
            Kind::Bits(words, marked) => {
                if words.is_empty() {
                    *words = try_vec(self.num_items.div_ceil(64) as usize)?;
                }
                try_reserve(marked, additional)
            }
            Kind::Set(set) => set.reserve(exec, additional),
        }
    }

    /// Marks items, repeats allowed, and tells how many were not marked before.
    pub(super) fn mark_all(&mut self, exec: &Execution<'_>, items: &[i64]) -> Result<u64> {
        let mut fresh = 0;
        in_steps(exec, items.len(), |some| {
            self.reserve(exec, some.len())?;
            fresh += items[some].iter().filter(|item| self.mark(**item as u64)).count() as u64;
            Ok(())
        })?;
        Ok(fresh)
    }

    /// Marks an item; false where it was marked before.
    #[inline]
    pub(super) fn mark(&mut self, item: u64) -> bool {
        match &mut self.kind {
            Kind::Bits(words, marked) => {
                let (word, bit) = (&mut words[(item / 64) as usize], 1 << (item % 64));
                let fresh = *word & bit == 0;
                if fresh {
                    *word |= bit;
                    marked.push(item);
                }
                fresh
            }
            Kind::Set(set) => set.insert(item as i64),
        }
    }

    /// Whether an item is marked.
    #[inline]
    pub(super) fn contains(&self, item: u64) -> bool {
        match &self.kind {
            Kind::Bits(words, _) => words.get((item / 64) as usize).is_some_and(|word| word & (1 << (item % 64)) != 0),
            Kind::Set(set) => set.contains(item as i64),
        }
    }

    /// Takes all marks off.
    pub(super) fn clear(&mut self) {
        match &mut self.kind {
            Kind::Bits(words, marked) => marked.drain(..).for_each(|item| words[(item / 64) as usize] = 0),
            Kind::Set(set) => set.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use crate::steps::tests::alone;

    #[test]
    fn both_kinds_behave_as_a_set() {
        for num_items in [1000, BITS_LIMIT + 1] {
            let mut marks = Marks::new(num_items);
            for _ in 0..2 {
                let items = (0..500u64).map(|i| i * 7 % 991);
                assert!(!marks.contains(7));
                marks.reserve(&alone(Isa::Portable), 500).unwrap();
                assert!(items.clone().all(|item| marks.mark(item)));
                assert!(items.clone().all(|item| !marks.mark(item) && marks.contains(item)));
                assert!(!marks.contains(999));
                marks.clear();
                assert!((0..1000).all(|item| !marks.contains(item)));
            }
        }
    }
}

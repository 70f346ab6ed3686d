//! A set of ids: the one hash table of the crate.

#[cfg(test)]
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use crate::error::{try_reserve, try_zeros, Error, Result};
use crate::pool::Execution;

/// Slots of an empty set.
const FEWEST: usize = 16;
/// Ids that are moved between two questions whether to go on.
const SOME: usize = 1 << 14;

/// Ids, at least 0 each. Open addressing, at most half full, cheap to empty again.
///
/// Ids come from outside, so the hash has a secret: nobody can choose ids that meet in one slot. Nothing that the set
/// tells depends on it.
#[derive(Debug, Clone)]
pub(crate) struct IdSet {
    /// id + 1, or 0 where free.
    slots: Vec<i64>,
    /// How many of the slots are in use now, a power of two: few ids stay close together, whatever there was before.
    size: usize,
    /// Slots that hold an id.
    taken: Vec<u64>,
    seed: [u64; 2],
    /// Slots that were looked at or wiped.
    #[cfg(test)]
    steps: Cell<u64>,
}

/// Both halves of a product, one upon the other.
#[inline]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

impl IdSet {
    pub(crate) fn new() -> Self {
        let secret = RandomState::new();
        IdSet {
            slots: vec![0; FEWEST],
            size: FEWEST,
            taken: Vec::new(),
            seed: [secret.hash_one(0), secret.hash_one(1) | 1],
            #[cfg(test)]
            steps: Cell::new(0),
        }
    }

    /// Makes room for `additional` more ids; to be called before they are inserted.
    #[inline]
    pub(crate) fn reserve(&mut self, exec: &Execution<'_>, additional: usize) -> Result<()> {
        try_reserve(&mut self.taken, additional)?;
        let wanted = (self.taken.len() + additional).checked_mul(2).and_then(usize::checked_next_power_of_two);
        match wanted {
            Some(wanted) if wanted <= self.size => Ok(()),
            Some(wanted) => self.grow(exec, wanted),
            None => Err(Error::OutOfMemory { bytes: usize::MAX }),
        }
    }

    fn grow(&mut self, exec: &Execution<'_>, size: usize) -> Result<()> {
        for some in self.taken.chunks_mut(SOME) {
            for taken in some {
                *taken = std::mem::take(&mut self.slots[*taken as usize]) as u64;
            }
            exec.check()?;
        }
        if size > self.slots.len() {
            self.slots = Vec::new(); // first, so that both are never there at once
            self.slots = try_zeros(size)?;
        }
        self.size = size;
        let mut taken = std::mem::take(&mut self.taken);
        for some in taken.chunks_mut(SOME) {
            for taken in some {
                let entry = *taken as i64;
                let slot = self.find(entry);
                self.slots[slot] = entry;
                *taken = slot as u64;
            }
            exec.check()?;
        }
        self.taken = taken;
        Ok(())
    }

    /// Adds an id; false where it was there before.
    #[inline]
    pub(crate) fn insert(&mut self, id: i64) -> bool {
        debug_assert!(2 * self.taken.len() < self.size, "no room was made");
        let entry = id.wrapping_add(1);
        let slot = self.find(entry);
        let fresh = self.slots[slot] == 0;
        if fresh {
            self.slots[slot] = entry;
            self.taken.push(slot as u64);
        }
        fresh
    }

    #[inline]
    pub(crate) fn contains(&self, id: i64) -> bool {
        self.slots[self.find(id.wrapping_add(1))] != 0
    }

    /// Takes all ids out again, in no more steps than they are.
    pub(crate) fn clear(&mut self) {
        if self.taken.len() > self.size / 8 {
            self.slots[..self.size].fill(0);
        } else {
            self.taken.iter().for_each(|&slot| self.slots[slot as usize] = 0);
        }
        #[cfg(test)]
        self.steps.set(self.steps.get() + (self.size as u64).min(8 * self.taken.len() as u64));
        self.taken.clear();
        self.size = FEWEST;
    }

    /// The slot of an entry, or the free one where it belongs.
    #[inline]
    fn find(&self, entry: i64) -> usize {
        let mask = self.size - 1;
        // Once would leave ids of one distance at one distance: under one secret in hundreds, in few of the slots.
        let mut slot = folded(folded(entry as u64 ^ self.seed[0], self.seed[1]), self.seed[0] | 1) as usize & mask;
        #[cfg(test)]
        self.steps.set(self.steps.get() + 1);
        while self.slots[slot] != 0 && self.slots[slot] != entry {
            slot = (slot + 1) & mask;
            #[cfg(test)]
            self.steps.set(self.steps.get() + 1);
        }
        slot
    }

    #[cfg(test)]
    pub(crate) fn steps(&self) -> u64 {
        self.steps.get()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::num::NonZeroUsize;

    use super::*;
    use crate::isa::Isa;

    fn exec() -> Execution<'static> {
        Execution::new(NonZeroUsize::MIN, Isa::Portable, &|| false)
    }

    #[test]
    fn behaves_as_the_standard_set() {
        let (mut set, exec) = (IdSet::new(), exec());
        for round in 0..20i64 {
            let mut expected = HashSet::new();
            let mut state = round as u64;
            for step in 0..(round * 37) % 500 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let id = [(state >> 60) as i64, (state >> 1) as i64, i64::MAX - step][(state >> 40) as usize % 3];
                assert_eq!(set.contains(id), expected.contains(&id));
                set.reserve(&exec, 1).unwrap();
                assert_eq!(set.insert(id), expected.insert(id));
                assert!(set.contains(id));
            }
            set.clear();
            assert!(expected.iter().all(|&id| !set.contains(id)));
            assert!(set.slots.iter().all(|&slot| slot == 0));
        }
    }

    /// Of a set each; a hash that is bad under one secret in hundreds is found by this many.
    const SECRETS: usize = 100;

    /// Ids that meet in one slot under hashes with known factors, cut from their product's top, middle or end.
    #[test]
    fn chosen_ids_take_no_more_steps_than_others() {
        let exec = exec();
        let count = 20_000u64;
        for factor in [0x9E37_79B9_7F4A_7C15u64, 0xD251_1F53, 1, 0xFF51_AFD7_ED55_8CCD] {
            // Newton's iteration for the inverse of an odd number modulo 2^64.
            let inverse = (0..6).fold(factor, |x, _| x.wrapping_mul(2u64.wrapping_sub(factor.wrapping_mul(x))));
            for shift in [0u32, 20, 32, 46] {
                let ids = (0u64..).map(|i| (i << shift).wrapping_mul(inverse)).filter(|id| *id < i64::MAX as u64);
                let ids: Vec<i64> = ids.take(count as usize).map(|id| id as i64).collect();
                for _ in 0..SECRETS {
                    let mut set = IdSet::new();
                    set.reserve(&exec, ids.len()).unwrap();
                    for &id in &ids {
                        assert!(set.insert(id));
                    }
                    assert!(set.steps() < 4 * count, "{} steps under {factor:x}, {shift}", set.steps());
                }
            }
        }
    }

    #[test]
    fn two_sets_have_two_secrets() {
        assert_ne!(IdSet::new().seed, IdSet::new().seed);
    }

    /// One row of many ids, then many rows of few: what comes later costs what it is itself.
    #[test]
    fn few_ids_after_many_are_cheap() {
        let (mut set, exec) = (IdSet::new(), exec());
        set.reserve(&exec, 100_000).unwrap();
        (0..100_000).for_each(|id| assert!(set.insert(id)));
        set.clear();
        let before = set.steps();
        for row in 0..1000 {
            set.reserve(&exec, 4).unwrap();
            (row..row + 4).for_each(|id| assert!(set.insert(id)));
            set.clear();
        }
        assert!(set.steps() - before < 1000 * 4 * 12, "{}", set.steps() - before);
    }
}

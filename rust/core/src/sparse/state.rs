//! The best documents of a query so far.

use crate::error::{make_room, try_reserve, Result};
use crate::limits::Tally;
use crate::order::Score;
use crate::pool::Execution;
use crate::sort;

/// Inverted key of the score above, document below: the smaller entry ranks first, and ties go to the lower document.
type Entry = u64;

fn entry_of(score: f32, document: usize) -> Entry {
    Entry::from(!score.key()) << 32 | document as u64
}

pub(super) fn document_of(entry: Entry) -> i64 {
    i64::from(entry as u32)
}

pub(super) fn score_of(entry: Entry) -> f32 {
    f32::from_key(!((entry >> 32) as u32))
}

/// Limits of one query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub ceiling: f32,
    pub floor: f32,
    /// Rising.
    pub excluded: &'a [i64],
}

/// A document that is not scored yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    /// Its score is at most this.
    pub most: f32,
    /// Its score is at least this; -inf also where the document may be inadmissible.
    pub least: f32,
    pub document: u32,
}

/// What is known of one query.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub entries: Vec<Entry>,
    pub tally: Tally,
    k: usize,
    /// Ranks at or before all that cannot be among the best any more.
    worst: Entry,
    /// Entries after the last cut.
    settled: usize,
    /// Documents that may be among the best, or above the ceiling.
    pub open: Vec<Open>,
    /// Open documents after the last look at all of them.
    looked: usize,
    /// Score that a document must exceed because of the open ones, or to reach `reached`.
    bar: f32,
    /// Nothing below is wanted: k documents elsewhere score as much.
    reached: f32,
}

impl State {
    pub fn new(k: usize, reached: f32) -> Self {
        let worst = if k == 0 { 0 } else { Entry::MAX };
        State {
            entries: Vec::new(),
            tally: Tally::default(),
            k,
            worst,
            settled: 0,
            open: Vec::new(),
            looked: 0,
            bar: reached.next_down(),
            reached,
        }
    }

    /// Entries that the state of a query may hold.
    pub fn capacity(k: usize) -> usize {
        k.saturating_add((k / 2).max(256))
    }

    /// Documents that may be open before a block, and that may join them from one.
    pub fn most_open(k: usize) -> usize {
        k.saturating_mul(2).saturating_add(512)
    }

    /// Bytes of the documents that the state of a query may hold.
    pub fn bytes(k: usize) -> usize {
        // A vector that grows may have twice the room that it needs.
        let open = Self::most_open(k).saturating_mul(2 * 2 * size_of::<Open>());
        Self::capacity(k).saturating_mul(size_of::<Entry>()).saturating_add(open)
    }

    /// Takes in a document with its score.
    #[inline]
    pub fn offer(&mut self, exec: &Execution<'_>, document: usize, score: f32, bounds: &Bounds<'_>) -> Result<()> {
        if score > bounds.ceiling {
            self.tally.above_ceiling += i64::from(!is_in(bounds.excluded, document));
        } else if score < bounds.floor {
            self.tally.below_floor += i64::from(!is_in(bounds.excluded, document));
        } else {
            let entry = entry_of(score, document);
            if entry < self.worst && score >= self.reached && !is_in(bounds.excluded, document) {
                if self.entries.len() == Self::capacity(self.k) {
                    self.cut(exec)?;
                }
                try_reserve(&mut self.entries, 1)?;
                self.entries.push(entry);
            }
        }
        Ok(())
    }

    /// Drops what ranks behind the k-th best.
    pub fn cut(&mut self, exec: &Execution<'_>) -> Result<()> {
        if self.entries.len() >= self.k && self.entries.len() != self.settled {
            sort::select(exec, &mut self.entries, self.k - 1, |entry| *entry)?;
            self.entries.truncate(self.k);
            (self.worst, self.settled) = (self.entries[self.k - 1], self.k);
        }
        Ok(())
    }

    /// Score that a document of a later block must exceed, -inf where any will do.
    pub fn least(&self) -> f32 {
        let least = match self.worst {
            Entry::MAX => f32::NEG_INFINITY,
            0 => f32::INFINITY,
            entry => score_of(entry),
        };
        least.max(self.bar)
    }

    /// Raises what a document must exceed by what is known of the open ones, and drops those of them that do not.
    pub fn look(&mut self, exec: &Execution<'_>, ceiling: f32, scratch: &mut Vec<u32>) -> Result<()> {
        if self.open.len() < self.looked + self.looked / 2 + 64 {
            return Ok(());
        }
        self.look_now(exec, ceiling, scratch)
    }

    fn look_now(&mut self, exec: &Execution<'_>, ceiling: f32, scratch: &mut Vec<u32>) -> Result<()> {
        make_room(scratch, self.entries.len() + self.open.len())?;
        scratch.extend(self.entries.iter().map(|entry| score_of(*entry).key()));
        scratch.extend(self.open.iter().map(|open| open.least.key()));
        if let Some(nth) = self.k.checked_sub(1).filter(|nth| *nth < scratch.len()) {
            sort::select(exec, scratch, nth, |key| !key)?;
            // A document that scores as much may be among the best.
            self.raise(f32::from_key(scratch[nth]).next_down());
        }
        // Documents of later blocks may be known by now: one that scores as much may rank before them.
        let last = self.least().next_down().min(ceiling);
        self.open.retain(|open| open.most > last);
        self.looked = self.open.len();
        Ok(())
    }

    /// At least k documents score more than this.
    pub fn raise(&mut self, bar: f32) {
        self.bar = self.bar.max(bar);
    }

    /// Takes the open documents, those that must be scored.
    pub fn take_open(
        &mut self,
        exec: &Execution<'_>,
        ceiling: f32,
        scratch: &mut Vec<u32>,
        taken: &mut Vec<u32>,
    ) -> Result<()> {
        self.look_now(exec, ceiling, scratch)?;
        make_room(taken, self.open.len())?;
        taken.extend(self.open.iter().map(|open| open.document));
        self.open.clear();
        self.looked = 0;
        Ok(())
    }

    /// The best k in ranking order.
    pub fn finish(&mut self, exec: &Execution<'_>, scratch: &mut Vec<Entry>) -> Result<()> {
        self.cut(exec)?;
        sort::sort(exec, &mut self.entries, |entry| *entry, 0, scratch)
    }

    /// Takes over what another part of the documents gave.
    pub fn join(&mut self, exec: &Execution<'_>, other: &State) -> Result<()> {
        try_reserve(&mut self.entries, other.entries.len())?;
        self.entries.extend_from_slice(&other.entries);
        self.tally.excluded += other.tally.excluded;
        self.tally.above_ceiling += other.tally.above_ceiling;
        self.tally.below_floor += other.tally.below_floor;
        self.cut(exec)
    }
}

#[inline]
pub(super) fn is_in(excluded: &[i64], document: usize) -> bool {
    !excluded.is_empty() && excluded.binary_search(&(document as i64)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::tests::going;

    #[test]
    fn an_open_document_is_not_passed_over_for_a_later_one_of_the_same_score() {
        let exec = going();
        let limits = Bounds { ceiling: f32::INFINITY, floor: f32::NEG_INFINITY, excluded: &[] };
        let mut state = State::new(1, f32::NEG_INFINITY);
        state.offer(&exec, 50, 2.0, &limits).unwrap();
        state.cut(&exec).unwrap();
        for (document, most) in [(10, 2.0), (11, 1.5)] {
            state.open.push(Open { most, least: f32::NEG_INFINITY, document });
        }
        let mut rows = Vec::new();
        state.take_open(&exec, f32::INFINITY, &mut Vec::new(), &mut rows).unwrap();
        assert_eq!(rows, [10]);
    }
}

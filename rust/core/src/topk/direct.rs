//! Whole rows without limits, straight into the output: rows that lie in order already, single winners, short rows and
//! rows of which a large part is wanted.

use super::bound;
use super::entry::{self, Entry, Packed};
use super::kernels::{Bounds, Hit, Order, Scan, BLOCK};
use super::selector::RowState;
use super::sort;
use crate::isa::Isa;

/// Rows up to this long stay in the first cache, and are handled here for any k.
const SHORT: usize = 4096;

/// Longer rows are handled here where at least one score in so many is wanted.
const DENSE: usize = 8;

/// Rows up to this long are counted whole for their bound, longer ones by groups or by a sample.
const COUNTED: usize = 1024;

/// Scores looked at for the bound of a long row.
const SAMPLE: usize = 4096;

/// Memory of one thread.
pub(super) struct Direct<T: Scan> {
    isa: Isa,
    entries: Vec<T::Entry>,
    scratch: Vec<T::Entry>,
    some: Vec<T>,
    hits: Vec<Hit>,
}

impl<T: Scan> Direct<T> {
    pub(super) fn new(isa: Isa) -> Self {
        Direct { isa, entries: Vec::new(), scratch: Vec::new(), some: Vec::new(), hits: Vec::new() }
    }

    /// Writes the best `ids.len()` of `values`, which has at least so many and at least one. Writes nothing and returns
    /// false where there is NaN, and where a scan under a rising bound is the better way.
    pub(super) fn fill(&mut self, values: &[T], ids: &mut [i64], scores: &mut [f32]) -> bool {
        let k = ids.len();
        match T::order(self.isa, values) {
            Order::Falling => {
                for (((at, id), score), value) in ids.iter_mut().enumerate().zip(scores).zip(values) {
                    (*id, *score) = (at as i64, plain(*value));
                }
            }
            Order::Rising => rising(values, ids, scores),
            Order::Mixed if k == 1 => match T::first_best(self.isa, values) {
                Some(best) => (ids[0], scores[0]) = (best as i64, plain(values[best])),
                None => return false,
            },
            Order::Mixed => {
                let suits = values.len() <= SHORT || k >= values.len() / DENSE;
                if !suits || !self.collect(values, k) {
                    return false;
                }
                sort::best(&mut self.entries, k, true, &mut self.scratch);
                for ((entry, id), score) in self.entries.iter().zip(ids).zip(scores) {
                    *id = entry.id();
                    *score = entry::score::<T>(*entry).to_f32();
                }
            }
        }
        true
    }

    /// Gathers at least the best k in rising order of documents; false where there is NaN.
    fn collect(&mut self, values: &[T], k: usize) -> bool {
        let least = self.bound(values, k);
        if !self.pick(values, least) {
            return false;
        }
        if self.entries.len() < k {
            // The sample was no good picture of the row.
            let least = bound::reached_by(self.isa, values, k, k / 8);
            return self.pick(values, least);
        }
        true
    }

    /// A bound for k scores. Only for a long row of which much is wanted it may be too high.
    fn bound(&mut self, values: &[T], k: usize) -> T {
        let dense = k >= values.len() / DENSE;
        if values.len() <= COUNTED || (dense && values.len() <= SAMPLE) {
            return bound::reached_by(self.isa, values, k, k / 16 + 4);
        }
        if !dense {
            let per_group = (values.len() / (4 * k).max(256)).max(1);
            T::maxima(self.isa, values, per_group, None, &mut self.some);
            if self.some.len() < k || self.some.iter().any(|max| max.is_nan()) {
                return bound::reached_by(self.isa, values, k, k / 16 + 4);
            }
            return bound::reached_by(self.isa, &self.some, k, k / 16 + 2);
        }
        self.some.clear();
        self.some.extend(values.iter().step_by(values.len() / SAMPLE));
        // Four standard deviations of a sample's count on the safe side.
        let (sampled, part) = (self.some.len() as f64, k as f64 / values.len() as f64);
        let wanted = sampled * part + 4.0 * (sampled * part * (1.0 - part)).sqrt() + 1.0;
        bound::reached_by(self.isa, &self.some, wanted as usize, self.some.len() / 256)
    }

    /// Gathers what reaches the bound; false where there is NaN.
    fn pick(&mut self, values: &[T], least: T) -> bool {
        let bounds = Bounds { least, floor: T::LOWEST, ceiling: T::HIGHEST, counted: false };
        T::hits(self.isa, values, &bounds, &mut self.hits);
        self.entries.clear();
        let mut nan = false;
        for hit in &self.hits {
            let (mut mask, first) = (hit.mask, hit.block as usize * BLOCK);
            let block = &values[first..values.len().min(first + BLOCK)];
            self.entries.reserve(BLOCK);
            while mask != 0 {
                let at = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                nan |= block[at].is_nan();
                self.entries.push(T::Entry::pack(block[at].rank(), (first + at) as i64));
            }
        }
        !nan
    }
}

/// What a scan of part of a row would find, where the scores lie in order: a state that holds the best k alone.
pub(super) fn ordered<T: Scan>(isa: Isa, values: &[T], first_id: i64, k: usize) -> Option<RowState<T>> {
    let k = k.min(values.len());
    let mut ids = vec![0; k];
    match T::order(isa, values) {
        Order::Falling => ids.iter_mut().zip(0..).for_each(|(id, at)| *id = at),
        Order::Rising => rising(values, &mut ids, &mut vec![0.0; k]),
        Order::Mixed => return None,
    }
    let mut state = RowState::new();
    state.entries.extend(ids.iter().map(|&id| Entry::pack(values[id as usize].rank(), first_id + id)));
    Some(state)
}

/// As it comes out: zeros as 0.0.
#[inline]
fn plain<T: Scan>(value: T) -> f32 {
    T::from_rank(value.rank()).to_f32()
}

/// The last scores of a row that never falls, last first but equal ones in the order in which they lie.
fn rising<T: Scan>(values: &[T], ids: &mut [i64], scores: &mut [f32]) {
    let first = values.len() - ids.len();
    let best = &values[first..];
    let places = ids.iter_mut().zip(&mut *scores);
    for ((value, at), (id, score)) in best.iter().zip(first..values.len()).rev().zip(places) {
        (*id, *score) = (at as i64, plain(*value));
    }
    // Few rows have ties, and only those are worth a closer look.
    let seen = &values[first.saturating_sub(1)..];
    if seen.windows(2).fold(false, |any, pair| any | (pair[0].rank() == pair[1].rank())) {
        ties(values, ids);
    }
}

/// Puts the documents of equal scores in order, where the last scores of a row that never falls came last first.
fn ties<T: Scan>(values: &[T], ids: &mut [i64]) {
    let (mut end, mut done) = (values.len(), 0);
    while done < ids.len() && end > 0 {
        let rank = values[end - 1].rank();
        let mut start = end - 1;
        while start > 0 && values[start - 1].rank() == rank {
            start -= 1;
        }
        for (id, at) in ids[done..].iter_mut().zip(start..end) {
            *id = at as i64;
        }
        done += end - start;
        end = start;
    }
}

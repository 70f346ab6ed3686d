//! Whole rows without limits, straight into the output: rows that lie in order already, single winners, short rows and
//! rows of which a large part is wanted.

use super::bound;
use super::entry::{self, Packed};
use super::kernels::{Bounds, Hit, Order, Scan, BLOCK};
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
            Order::Falling => (0..k).for_each(|at| put(values, at, &mut ids[at], &mut scores[at])),
            Order::Rising => rising(values, ids, scores),
            Order::Mixed if k == 1 => match T::first_best(self.isa, values) {
                Some(best) => put(values, best, &mut ids[0], &mut scores[0]),
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
        let (least, about) = self.bound(values, k);
        self.entries.clear();
        if about < values.len() / DENSE {
            return self.pick(values, least);
        }
        if T::collect(self.isa, values, least, 0, &mut self.entries) {
            return false;
        }
        if self.entries.len() < k {
            // The sample was no good picture of the row.
            let (least, _) = bound::reached_by(self.isa, values, k, k / 8);
            self.entries.clear();
            return !T::collect(self.isa, values, least, 0, &mut self.entries);
        }
        true
    }

    /// A bound for k scores, and about how many reach it. Only for a long row it may be too high.
    fn bound(&mut self, values: &[T], k: usize) -> (T, usize) {
        let dense = k >= values.len() / DENSE;
        if values.len() <= COUNTED || (dense && values.len() <= SAMPLE) {
            return bound::reached_by(self.isa, values, k, k / 16 + 4);
        }
        if !dense {
            T::maxima(self.isa, values, (values.len() / (4 * k).max(256)).max(1), None, &mut self.some);
            if self.some.len() < k || self.some.iter().any(|max| max.is_nan()) {
                return bound::reached_by(self.isa, values, k, k / 16 + 4);
            }
            let (least, groups) = bound::reached_by(self.isa, &self.some, k, k / 16 + 2);
            return (least, groups + groups / 4);
        }
        self.some.clear();
        self.some.extend(values.iter().step_by(values.len() / SAMPLE));
        // Four standard deviations of a sample's count on the safe side.
        let (sampled, part) = (self.some.len(), k as f64 / values.len() as f64);
        let wanted = sampled as f64 * part + 4.0 * (sampled as f64 * part * (1.0 - part)).sqrt() + 1.0;
        let (least, _) = bound::reached_by(self.isa, &self.some, wanted as usize, sampled / 256);
        (least, values.len())
    }

    /// As `T::collect`, where little reaches the bound.
    fn pick(&mut self, values: &[T], least: T) -> bool {
        let bounds = Bounds { least, floor: T::LOWEST, ceiling: T::HIGHEST, counted: false };
        T::hits(self.isa, values, &bounds, &mut self.hits);
        let mut nan = false;
        for hit in &self.hits {
            let (mut mask, first) = (hit.mask, hit.block as usize * BLOCK);
            while mask != 0 {
                let at = first + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                nan |= values[at].is_nan();
                self.entries.push(T::Entry::pack(values[at].rank(), at as i64));
            }
        }
        !nan
    }
}

#[inline]
fn put<T: Scan>(values: &[T], at: usize, id: &mut i64, score: &mut f32) {
    *id = at as i64;
    // Through the key: zeros come out as 0.0.
    *score = T::from_rank(values[at].rank()).to_f32();
}

/// The last scores of a row that never falls, last first but equal ones in the order in which they lie.
fn rising<T: Scan>(values: &[T], ids: &mut [i64], scores: &mut [f32]) {
    let (mut end, mut done) = (values.len(), 0);
    while done < ids.len() {
        let rank = values[end - 1].rank();
        let mut start = end - 1;
        while start > 0 && values[start - 1].rank() == rank {
            start -= 1;
        }
        for at in start..end.min(start + ids.len() - done) {
            put(values, at, &mut ids[done], &mut scores[done]);
            done += 1;
        }
        end = start;
    }
}

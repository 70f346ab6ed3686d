//! Whole rows without limits, straight into the output: rows that lie in order already, single winners, short rows and
//! rows of which a large part is wanted.

use super::entry::Packed;
use super::kernels::{Hit, Order, Scan, Thresholds, BLOCK};
use super::ordered::{falling, order, plain, rising};
use super::{best, output, threshold};
use crate::error::{make_room, try_reserve, Result};
use crate::pool::Execution;

/// Rows up to this long stay in the first cache, and are handled here for any k.
const SHORT: usize = 4096;

/// Longer rows are handled here where at least one score in so many is wanted.
const DENSE: usize = 8;

/// Rows up to this long are counted whole for their bound, longer ones by groups or by a sample.
const COUNTED: usize = 1024;

/// Scores looked at for the bound of a long row.
const SAMPLE: usize = 4096;

/// Scores scanned between two looks at whether to go on.
const SCANNED_AT_ONCE: usize = 1 << 18;

/// Memory of one thread.
pub(super) struct Direct<'e, T: Scan> {
    exec: &'e Execution<'e>,
    entries: Vec<T::Compact>,
    scratch: Vec<T::Compact>,
    some: Vec<T>,
    hits: Vec<Hit>,
}

impl<'e, T: Scan> Direct<'e, T> {
    pub(super) fn new(exec: &'e Execution<'e>) -> Self {
        Direct { exec, entries: Vec::new(), scratch: Vec::new(), some: Vec::new(), hits: Vec::new() }
    }

    /// Writes the best `ids.len()` of `values`, which has at least so many and at least one. Writes nothing and returns
    /// false where there is NaN, and where a scan under a rising threshold is the better way.
    pub(super) fn fill(&mut self, values: &[T], ids: &mut [i64], scores: &mut [f32]) -> Result<bool> {
        let k = ids.len();
        match order(self.exec, values)? {
            Order::Falling => falling(self.exec, values, ids, scores)?,
            Order::Rising => rising(self.exec, values, ids, scores)?,
            Order::Mixed if k == 1 => match T::first_best(self.exec.isa(), values) {
                Some(best) => (ids[0], scores[0]) = (best as i64, plain(values[best])),
                None => return Ok(false),
            },
            Order::Mixed => {
                let suits = values.len() <= SHORT || k >= values.len() / DENSE;
                if !suits || !self.collect(values, k)? {
                    return Ok(false);
                }
                best::best(self.exec, &mut self.entries, k, true, &mut self.scratch)?;
                output::write::<T, _>(self.exec, &self.entries, ids, scores)?;
            }
        }
        Ok(true)
    }

    /// Gathers at least the best k in rising order of documents; false where there is NaN.
    fn collect(&mut self, values: &[T], k: usize) -> Result<bool> {
        let least = self.threshold(values, k)?;
        if !self.pick(values, least)? {
            return Ok(false);
        }
        if self.entries.len() < k {
            // The sample was no good picture of the row.
            let least = threshold::reached_by(self.exec, values, k, k / 8)?;
            // Fewer even now only where the scores change while they are read.
            return Ok(self.pick(values, least)? && self.entries.len() >= k);
        }
        Ok(true)
    }

    /// A threshold for k scores. Only for a long row of which much is wanted it may be too high.
    fn threshold(&mut self, values: &[T], k: usize) -> Result<T> {
        let dense = k >= values.len() / DENSE;
        if values.len() <= COUNTED || (dense && values.len() <= SAMPLE) {
            return threshold::reached_by(self.exec, values, k, k / 16 + 4);
        }
        if !dense {
            let per_group = (values.len() / (4 * k).max(256)).max(1);
            T::maxima(self.exec.isa(), values, per_group, None, &mut self.some);
            if self.some.len() < k || self.some.iter().any(|max| max.is_nan()) {
                return threshold::reached_by(self.exec, values, k, k / 16 + 4);
            }
            return threshold::reached_by(self.exec, &self.some, k, k / 16 + 2);
        }
        make_room(&mut self.some, 2 * SAMPLE)?;
        self.some.extend(values.iter().step_by(values.len() / SAMPLE));
        // Four standard deviations of a sample's count on the safe side.
        let (sampled, part) = (self.some.len() as f64, k as f64 / values.len() as f64);
        let wanted = sampled * part + 4.0 * (sampled * part * (1.0 - part)).sqrt() + 1.0;
        threshold::reached_by(self.exec, &self.some, wanted as usize, self.some.len() / 256)
    }

    /// Gathers what reaches the threshold; false where there is NaN.
    fn pick(&mut self, values: &[T], least: T) -> Result<bool> {
        let bounds = Thresholds { least, floor: T::LOWEST, ceiling: T::HIGHEST, counted: false };
        self.entries.clear();
        let mut nan = false;
        for (part, values) in values.chunks(SCANNED_AT_ONCE).enumerate() {
            make_room(&mut self.hits, values.len() / BLOCK + 2)?;
            T::hits(self.exec.isa(), values, &bounds, &mut self.hits);
            for hit in &self.hits {
                let (mut mask, first) = (hit.mask, hit.block as usize * BLOCK);
                let block = &values[first..values.len().min(first + BLOCK)];
                let first_id = part * SCANNED_AT_ONCE + first;
                try_reserve(&mut self.entries, BLOCK)?;
                while mask != 0 {
                    let at = mask.trailing_zeros() as usize;
                    mask &= mask - 1;
                    nan |= block[at].is_nan();
                    self.entries.push(T::Compact::pack(block[at].rank(), (first_id + at) as i64));
                }
            }
            if values.len() == SCANNED_AT_ONCE {
                self.exec.check()?;
            }
        }
        Ok(!nan)
    }
}

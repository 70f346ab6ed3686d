//! A few long rows without limits of which a large part is wanted: each is cut twice, into parts of its columns that are
//! searched by themselves, and into ranges of scores that are sorted by themselves.

use super::entry::Packed;
use super::kernels::{Hit, Lanes, Order, Scan, Thresholds, BLOCK};
use super::ordered::order;
use super::plan::MIN_PART;
use super::{best, output, threshold};
use crate::error::{make_room, try_collect, try_reserve, Result};
use crate::isa::Isa;
use crate::matrix::Matrix;
use crate::pool::{self, Execution};
use crate::steps;

/// At least one score in so many must be wanted.
const DENSE: usize = 32;

/// Longest part of a row, and scores wanted of one range: short tasks keep every thread busy to the end.
const LONGEST: usize = 1 << 20;

/// Scores looked at for the bound of a row and for the limits of its ranges.
const SAMPLE: usize = 16_384;

/// Most ranges of scores: a sample tells no more apart well.
const MOST_RANGES: usize = 128;

/// What one part of a row holds of each range of scores.
type Ranges<T> = Vec<Vec<<T as Lanes>::Compact>>;

/// Whether the rows of a scan without limits are better cut than given to one thread each.
pub(super) fn suits<T: Scan>(threads: usize, scores: &Matrix<'_, T>, outputs: usize, k: usize) -> bool {
    let columns = scores.columns();
    let wanted = threads == 1 || outputs < threads || columns > 4 * LONGEST;
    wanted && columns >= 4 * MIN_PART && k >= columns / DENSE && scores.has_contiguous_rows()
}

/// Writes the best `ids.len()` of `values`. Writes nothing and returns false where there is NaN, and where the scores lie
/// in order, which another way makes better use of.
pub(super) fn fill<T: Scan>(exec: &Execution<'_>, values: &[T], ids: &mut [i64], scores: &mut [f32]) -> Result<bool> {
    let k = ids.len();
    let sample = try_collect(values.iter().step_by(values.len() / SAMPLE).map(|value| Ok(*value)))?;
    if sample.iter().any(|value| value.is_nan()) || order(exec, values)? != Order::Mixed {
        return Ok(false);
    }
    // Four standard deviations of a sample's count on the safe side.
    let (sampled, part) = (sample.len() as f64, k as f64 / values.len() as f64);
    let wanted = sampled * part + 4.0 * (sampled * part * (1.0 - part)).sqrt() + 1.0;
    let mut least = threshold::reached_by(exec, &sample, wanted as usize, sample.len() / 512)?;
    let ranges = (4 * exec.threads()).max(k.div_ceil(LONGEST / 2)).min(MOST_RANGES);
    let limits = limits(&sample, least, ranges);
    let Some(mut found) = pick(exec, values, least, &limits)? else { return Ok(false) };
    if count(&found) < k {
        // The sample was no good picture of the row.
        least = threshold::reached_by(exec, values, k, k / 8)?;
        let Some(again) = pick(exec, values, least, &limits)? else { return Ok(false) };
        found = again;
    }
    if count(&found) < k {
        // Only where the scores change while they are read.
        return Ok(false);
    }
    let (mut ids, mut scores, mut places) = (ids, scores, Vec::with_capacity(ranges));
    for range in 0..=limits.len() {
        let size = found.iter().map(|part| part[range].len()).sum::<usize>().min(ids.len());
        let (these_ids, these_scores);
        (these_ids, ids) = ids.split_at_mut(size);
        (these_scores, scores) = scores.split_at_mut(size);
        places.push((these_ids, these_scores));
    }
    let memory = <(Vec<T::Compact>, Vec<T::Compact>)>::default;
    pool::map(exec, places, memory, |(entries, scratch), range, (ids, scores)| {
        if ids.is_empty() {
            return Ok(());
        }
        entries.clear();
        for part in &found {
            steps::append(exec, entries, &part[range], |entry| entry)?;
        }
        best::best(exec, entries, ids.len(), true, scratch)?;
        output::write::<T, _>(exec, entries, ids, scores)
    })?;
    Ok(true)
}

/// Falling ranks that cut what reaches the bound into about equal ranges.
fn limits<T: Scan>(sample: &[T], least: T, ranges: usize) -> Vec<u64> {
    let mut ranks: Vec<u64> = sample.iter().map(|value| value.rank()).filter(|rank| *rank >= least.rank()).collect();
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    let mut limits: Vec<u64> =
        (1..ranges).filter_map(|range| ranks.get(range * ranks.len() / ranges).copied()).collect();
    limits.dedup();
    limits
}

/// What reaches the bound, by part of the row and by range of scores, in rising order of documents; nothing where a NaN is
/// among it.
fn pick<T: Scan>(exec: &Execution<'_>, values: &[T], least: T, limits: &[u64]) -> Result<Option<Vec<Ranges<T>>>> {
    let size = values.len().div_ceil(4 * exec.threads()).clamp(MIN_PART, LONGEST);
    let isa = exec.isa();
    let found = pool::map(exec, values.chunks(size), Vec::new, |hits, part, values| {
        pick_part(isa, values, part * size, least, limits, hits)
    })?;
    Ok(found.into_iter().collect())
}

fn pick_part<T: Scan>(
    isa: Isa,
    values: &[T],
    first: usize,
    least: T,
    limits: &[u64],
    hits: &mut Vec<Hit>,
) -> Result<Option<Ranges<T>>> {
    let bounds = Thresholds { least, floor: T::LOWEST, ceiling: T::HIGHEST, counted: false };
    make_room(hits, values.len() / BLOCK + 2)?;
    T::hits(isa, values, &bounds, hits);
    let mut found: Vec<Vec<T::Compact>> = (0..=limits.len()).map(|_| Vec::new()).collect();
    for hit in hits {
        let (mut mask, start) = (hit.mask, hit.block as usize * BLOCK);
        let block = &values[start..values.len().min(start + BLOCK)];
        while mask != 0 {
            let at = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let score = block[at];
            if score.is_nan() {
                return Ok(None);
            }
            let rank = score.rank();
            let range = limits.partition_point(|limit| *limit > rank);
            let found = &mut found[range];
            if found.len() == found.capacity() {
                try_reserve(found, 1)?;
            }
            found.push(T::Compact::pack(rank, (first + start + at) as i64));
        }
    }
    Ok(Some(found))
}

fn count<E>(found: &[Vec<Vec<E>>]) -> usize {
    found.iter().flatten().map(Vec::len).sum()
}

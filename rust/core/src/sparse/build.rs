//! Making an inverted index: first where each list lies, block by block, then what is in it, some terms at a time.

use std::ops::Range;

use crate::error::{make_room, try_reserve, try_reserve_exact, try_vec, Result};
use crate::pool::{self, Execution};
use crate::{sort, steps};

use super::coarse::{code_of, GRID_FROM};
use super::grids::set_code;
use super::postings::{Built, BLOCK};
use super::rows::SparseRows;

/// A term in a block: the term above the block, and how many documents have it.
#[derive(Debug, Clone, Copy, Default)]
struct Met {
    key: u64,
    count: u32,
}

/// Makes the index of some documents. Beyond the result it takes 8 bytes per weight of a block on every thread, 32 for
/// every list, and the grids a second time.
///
/// # Errors
/// [`crate::Error::OutOfMemory`], [`crate::Error::Interrupted`].
pub fn build(exec: &Execution<'_>, rows: &SparseRows<'_>) -> Result<Built> {
    let mut met = meetings(exec, rows)?;
    let mut built = Built::default();
    let total = lay_out(exec, &mut met, &mut built)?;
    drop(met);
    (built.places, built.weights, built.codes) = (try_vec(total)?, try_vec(total)?, try_vec(total)?);
    (built.high, built.low) = (try_vec(built.blocks.len())?, try_vec(built.blocks.len())?);
    let Built { terms, lists, starts, high, low, places, weights, codes, .. } = &mut built;
    let finder = Finder::new(terms)?;
    let (mut rest, mut parts) = (Part { high, low, places, weights, codes, ..Part::default() }, Vec::new());
    let count = 2 * exec.threads();
    try_reserve_exact(&mut parts, count)?;
    for part in 1..=count {
        // About as many postings for each; the last takes what is left.
        let wanted = (total / count * part) as i64;
        let end = lists.partition_point(|&list| starts[list as usize] < wanted).clamp(rest.terms.end, terms.len());
        parts.push(rest.split(if part == count { terms.len() } else { end }, lists, starts));
    }
    let shared = Shared { exec, rows, terms, lists, starts, finder: &finder };
    let grids = pool::map(exec, parts, Vec::new, |next, _, mut part| shared.fill(next, &mut part))?;
    let count = grids.iter().map(|(gridded, _)| gridded.len()).sum::<usize>();
    try_reserve_exact(&mut built.gridded, count)?;
    try_reserve_exact(&mut built.grids, count * (BLOCK / 2))?;
    for (gridded, grids) in grids {
        built.gridded.extend_from_slice(&gridded);
        steps::append(exec, &mut built.grids, &grids, |codes| codes)?;
    }
    Ok(built)
}

/// Every term of every block, with the number of documents that have it, sorted by term and block.
fn meetings(exec: &Execution<'_>, rows: &SparseRows<'_>) -> Result<Vec<Met>> {
    let blocks = (0..rows.len().div_ceil(BLOCK)).map(|block| block * BLOCK..rows.len().min((block + 1) * BLOCK));
    let parts = pool::map(exec, blocks, <(Vec<u32>, Vec<u32>)>::default, |(terms, spare), block, documents| {
        terms.clear();
        let entries = rows.range(documents.start).start..rows.range(documents.end - 1).end;
        if !entries.is_empty() {
            steps::append(exec, terms, rows.terms(entries), |term| term as u32)?;
        }
        sort::sort(exec, terms, |term| *term, 0, spare)?;
        let mut met = Vec::new();
        try_reserve_exact(&mut met, terms.chunk_by(|a, b| a == b).count())?;
        met.extend(
            terms
                .chunk_by(|a, b| a == b)
                .map(|same| Met { key: u64::from(same[0]) << 32 | block as u64, count: same.len() as u32 }),
        );
        Ok(met)
    })?;
    let mut all = Vec::new();
    try_reserve_exact(&mut all, parts.iter().map(Vec::len).sum())?;
    for part in parts {
        steps::append(exec, &mut all, &part, |met| met)?;
    }
    sort::sort(exec, &mut all, |met| met.key, 0, &mut Vec::new())?;
    Ok(all)
}

/// Writes where terms and lists lie; gives the number of postings.
fn lay_out(exec: &Execution<'_>, met: &mut [Met], built: &mut Built) -> Result<usize> {
    let distinct = met.chunk_by(|a, b| a.key >> 32 == b.key >> 32).count();
    try_reserve_exact(&mut built.terms, distinct)?;
    try_reserve_exact(&mut built.lists, distinct + 1)?;
    try_reserve_exact(&mut built.blocks, met.len())?;
    try_reserve_exact(&mut built.starts, met.len() + 1)?;
    let mut start = 0;
    for (at, of_term) in met.chunk_by(|a, b| a.key >> 32 == b.key >> 32).enumerate() {
        if at % 4096 == 4095 {
            exec.check()?;
        }
        built.terms.push((of_term[0].key >> 32) as i32);
        built.lists.push(built.blocks.len() as i64);
        for list in of_term {
            built.blocks.push(list.key as i32);
            built.starts.push(start);
            start += i64::from(list.count);
        }
    }
    built.lists.push(met.len() as i64);
    built.starts.push(start);
    Ok(start as usize)
}

/// Finds terms among rising ones, most of them in one step.
struct Finder<'a> {
    terms: &'a [i32],
    shift: u32,
    /// Terms t with `t >> shift == h` are `ends[h]..ends[h + 1]`.
    ends: Vec<u32>,
}

impl<'a> Finder<'a> {
    fn new(terms: &'a [i32]) -> Result<Self> {
        let most = terms.last().map_or(0, |&term| term as u32);
        let mut shift = 0;
        while (most >> shift) as usize > 4 * terms.len() {
            shift += 1;
        }
        let mut ends = try_vec((most >> shift) as usize + 2)?;
        for &term in terms {
            ends[(term as u32 >> shift) as usize + 1] += 1;
        }
        for at in 1..ends.len() {
            ends[at] += ends[at - 1];
        }
        Ok(Finder { terms, shift, ends })
    }

    #[inline]
    fn find(&self, term: i32) -> Option<usize> {
        let at = (term as u32 >> self.shift) as usize;
        let range = *self.ends.get(at)? as usize..*self.ends.get(at + 1)? as usize;
        let found = self.terms[range.clone()].binary_search(&term).ok()?;
        Some(range.start + found)
    }
}

/// What all parts are filled from.
struct Shared<'a> {
    exec: &'a Execution<'a>,
    rows: &'a SparseRows<'a>,
    terms: &'a [i32],
    lists: &'a [i64],
    starts: &'a [i64],
    finder: &'a Finder<'a>,
}

/// The lists of some terms, to be filled.
#[derive(Default)]
struct Part<'a> {
    terms: Range<usize>,
    high: &'a mut [f32],
    low: &'a mut [f32],
    places: &'a mut [u16],
    weights: &'a mut [f32],
    codes: &'a mut [u8],
}

impl<'a> Part<'a> {
    /// The terms before `end`; what follows stays.
    fn split(&mut self, end: usize, lists: &[i64], starts: &[i64]) -> Part<'a> {
        let terms = self.terms.start..end;
        let of_terms = lists[terms.start] as usize..lists[end] as usize;
        let postings = (starts[of_terms.end] - starts[of_terms.start]) as usize;
        self.terms = end..end;
        Part {
            terms,
            high: self.high.split_off_mut(..of_terms.len()).unwrap_or_default(),
            low: self.low.split_off_mut(..of_terms.len()).unwrap_or_default(),
            places: self.places.split_off_mut(..postings).unwrap_or_default(),
            weights: self.weights.split_off_mut(..postings).unwrap_or_default(),
            codes: self.codes.split_off_mut(..postings).unwrap_or_default(),
        }
    }
}

impl Shared<'_> {
    /// Fills the lists of some terms; gives those that have grids, and the grids.
    fn fill(&self, next: &mut Vec<usize>, part: &mut Part<'_>) -> Result<(Vec<i64>, Vec<u16>)> {
        let (mut gridded, mut grids) = (Vec::new(), Vec::new());
        if part.terms.is_empty() {
            return Ok((gridded, grids));
        }
        let first_list = self.lists[part.terms.start] as usize;
        let first = self.starts[first_list] as usize;
        make_room(next, part.terms.len())?;
        next.extend(part.terms.clone().map(|term| self.starts[self.lists[term] as usize] as usize - first));
        let (lowest, highest) = (self.terms[part.terms.start], self.terms[part.terms.end - 1]);
        for row in 0..self.rows.len() {
            if row % 1024 == 1023 {
                self.exec.check()?;
            }
            let range = self.rows.range(row);
            let terms = self.rows.terms(range.clone());
            let start = terms.partition_point(|&term| term < lowest);
            for (at, &term) in terms[start..].iter().enumerate().take_while(|(_, term)| **term <= highest) {
                let Some(of_term) = self.finder.find(term) else { continue };
                let Some(next) = next.get_mut(of_term.wrapping_sub(part.terms.start)) else { continue };
                // Should the rows have changed since they were counted, the lists stay within the arrays.
                if let (Some(place), Some(weight)) = (part.places.get_mut(*next), part.weights.get_mut(*next)) {
                    (*place, *weight) = ((row % BLOCK) as u16, self.rows.weight(range.start + start + at));
                    *next += 1;
                }
            }
        }
        for list in 0..part.high.len() {
            let range =
                self.starts[first_list + list] as usize - first..self.starts[first_list + list + 1] as usize - first;
            let (places, weights) = (&part.places[range.clone()], &part.weights[range.clone()]);
            let codes = &mut part.codes[range];
            let high = weights.iter().fold(f32::NEG_INFINITY, |high, &weight| high.max(weight));
            let low = weights.iter().fold(f32::INFINITY, |low, &weight| low.min(weight));
            (part.high[list], part.low[list]) = (high, low);
            let most = high.max(-low);
            for (code, &weight) in codes.iter_mut().zip(weights) {
                *code = code_of(weight, most);
            }
            if places.len() >= GRID_FROM {
                try_reserve(&mut gridded, 1)?;
                try_reserve(&mut grids, BLOCK / 2)?;
                gridded.push((first_list + list) as i64);
                let from = grids.len();
                grids.resize(from + BLOCK / 2, 0);
                for (&place, &code) in places.iter().zip(&*codes) {
                    set_code(&mut grids[from..], place, code);
                }
            }
            if list % 1024 == 1023 {
                self.exec.check()?;
            }
        }
        Ok((gridded, grids))
    }
}

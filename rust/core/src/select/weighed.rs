//! Draws among survivors: gathers what a law looks at, and picks.

use crate::draw::distributions::Row;
use crate::draw::{as_keys, Domain, LogWeight, Noise, Picker};
use crate::error::{try_reserve, Error, Result};
use crate::pool::Execution;
use crate::select::hits::{self, Hit};
use crate::select::list::List;
use crate::select::strata::{Bin, Bins, By, Strata};
use crate::select::Law;
use crate::steps::{self, in_steps, STEP};

/// Survivors that are weighed between two questions whether to go on.
const STRETCH: usize = 1 << 16;

/// Where the survivors stand in the list.
#[derive(Clone, Copy)]
pub enum Source<'s> {
    /// List positions low..high without the excluded ones: so many before low, and these inside.
    Stretch(usize, usize, usize, &'s [Hit]),
    /// These list positions, among these hits.
    Listed(&'s [u32], &'s [Hit]),
}

/// Finds survivors in the list, one after the other: all of them in the time of one pass.
pub struct Locator<'s> {
    source: Source<'s>,
    skipped: usize,
}

impl Locator<'_> {
    /// List position of survivor `index`, which never falls from call to call, and the number of excluded documents
    /// before it.
    #[inline]
    pub fn locate(&mut self, index: usize) -> (usize, usize) {
        match self.source {
            Source::Stretch(low, _, removed, inside) => {
                while inside.get(self.skipped).is_some_and(|hit| hit.at <= low + index + self.skipped) {
                    self.skipped += 1;
                }
                (low + index + self.skipped, removed + self.skipped)
            }
            Source::Listed(positions, hits) => {
                let at = positions[index] as usize;
                (at, hits::before(hits, at))
            }
        }
    }
}

impl<'s> Source<'s> {
    /// Finds its survivors from the first on.
    pub fn locator(self) -> Locator<'s> {
        Locator { source: self, skipped: 0 }
    }

    fn len(self) -> usize {
        match self {
            Source::Stretch(low, high, _, inside) => high - low - inside.len(),
            Source::Listed(positions, _) => positions.len(),
        }
    }

    /// The values of the survivors in a column of the list: borrowed where they stand side by side, else gathered.
    fn of<'c, T: Copy>(self, column: &'c [T], scratch: &'c mut Vec<T>) -> Result<&'c [T]> {
        match self {
            Source::Stretch(low, high, _, []) => Ok(&column[low..high]),
            _ => Ok(self.copy(column, scratch)?),
        }
    }

    fn copy<'c, T: Copy>(self, column: &[T], scratch: &'c mut Vec<T>) -> Result<&'c mut [T]> {
        scratch.clear();
        try_reserve(scratch, self.len())?;
        match self {
            Source::Stretch(mut low, high, _, inside) => {
                for hit in inside {
                    scratch.extend_from_slice(&column[low..hit.at]);
                    low = hit.at + 1;
                }
                scratch.extend_from_slice(&column[low..high]);
            }
            Source::Listed(positions, _) => scratch.extend(positions.iter().map(|&at| column[at as usize])),
        }
        Ok(scratch)
    }
}

/// Draws from rows; one per thread, since it owns the scratch space.
pub struct Weighed {
    picker: Picker,
    /// Noise of the bins that give one more.
    lots: Noise,
    bins: Bins,
    ids: Vec<i64>,
    scores: Vec<f32>,
    ranks: Vec<i32>,
    given: Vec<f64>,
    keys: Vec<u64>,
    log_weights: Vec<f64>,
    drawn: Vec<u32>,
    /// (key, position) in the order of the draws.
    ordered: Vec<(u64, u32)>,
    /// Survivors beyond the share of their bin.
    left: Vec<u32>,
    of_bin: Vec<u32>,
}

impl Weighed {
    /// Draws are a function of (seed, epoch, query key, document keys) and what the law looks at.
    pub fn new(seed: u64, epoch: u64) -> Self {
        let noise = Noise::new(seed, epoch, Domain::Select);
        Weighed {
            picker: Picker::new(noise),
            lots: noise.arrival(1),
            bins: Bins::default(),
            ids: Vec::new(),
            scores: Vec::new(),
            ranks: Vec::new(),
            given: Vec::new(),
            keys: Vec::new(),
            log_weights: Vec::new(),
            drawn: Vec::new(),
            ordered: Vec::new(),
            left: Vec::new(),
            of_bin: Vec::new(),
        }
    }

    /// Draws `n` survivors of `list` under `law`; gives their indices among the survivors, rising.
    pub fn draw(
        &mut self,
        exec: &Execution<'_>,
        law: Law<'_>,
        document_keys: Option<&[u64]>,
        list: &List<'_>,
        source: Source<'_>,
        n: usize,
    ) -> Result<&[u32]> {
        match law {
            Law::Weights(law) => {
                self.weigh(exec, law, list, source)?;
                let keys = keys_of(exec, document_keys, list, source, &mut self.ids, &mut self.keys)?;
                self.picker.pick(exec, list.key, keys, &self.log_weights, n, &mut self.drawn)?;
            }
            Law::Strata(strata) => self.draw_from_bins(exec, strata, document_keys, list, source, n)?,
        }
        Ok(&self.drawn)
    }

    /// Offers survivors of `list` in the order in which `law` draws them, until `n` were taken; `take` tells whether it
    /// takes one. From every bin its share is taken first; then bins from the hardest on give what others lacked.
    #[allow(clippy::too_many_arguments)]
    pub fn walk(
        &mut self,
        exec: &Execution<'_>,
        law: Law<'_>,
        document_keys: Option<&[u64]>,
        list: &List<'_>,
        source: Source<'_>,
        n: usize,
        mut take: impl FnMut(u32) -> Result<bool>,
    ) -> Result<()> {
        let whole = [Bin::all(source.len(), n)];
        let bins = match law {
            Law::Weights(law) => {
                self.weigh(exec, law, list, source)?;
                &whole
            }
            Law::Strata(strata) => {
                self.cut(exec, strata, list, source, n)?;
                resize(&mut self.log_weights, source.len())?;
                self.log_weights.fill(0.0);
                self.bins.filled()
            }
        };
        let keys = keys_of(exec, document_keys, list, source, &mut self.ids, &mut self.keys)?;
        self.left.clear();
        let mut taken = 0;
        for bin in bins {
            let (keys, weights) = (&keys[bin.start..bin.end], &self.log_weights[bin.start..bin.end]);
            self.picker.pick_in_order(exec, list.key, keys, weights, keys.len(), &mut self.ordered)?;
            let mut share = bin.share;
            for (number, &(_, position)) in self.ordered.iter().enumerate() {
                if number % STEP == STEP - 1 {
                    exec.check()?;
                }
                let index = bin.start as u32 + position;
                if share > 0 {
                    share -= usize::from(take(index)?);
                } else if bins.len() == 1 {
                    break;
                } else {
                    try_reserve(&mut self.left, 1)?;
                    self.left.push(index);
                }
            }
            taken += bin.share - share;
        }
        for (number, &index) in self.left.iter().enumerate() {
            if taken == n {
                break;
            }
            if number % STEP == STEP - 1 {
                exec.check()?;
            }
            taken += usize::from(take(index)?);
        }
        Ok(())
    }

    /// Makes the log-weights of the survivors.
    fn weigh(&mut self, exec: &Execution<'_>, law: LogWeight<'_>, list: &List<'_>, source: Source<'_>) -> Result<()> {
        let scores = source.of(list.scores, &mut self.scores)?;
        let mut row = Row { scores, ranks: &[], ids: &[], positive: list.p, given: &[] };
        match law {
            LogWeight::RankPower { .. } => row.ranks = ranks_of(exec, list, source, &mut self.ranks)?,
            LogWeight::Weighted { log_weights } => {
                row.given = source.of(&log_weights[list.start..][..list.ids.len()], &mut self.given)?;
            }
            LogWeight::Popularity { counts, .. } => {
                let ids = source.copy(list.ids, &mut self.ids)?;
                // They were checked; another thread may have written since.
                for id in ids.iter_mut() {
                    *id = (*id).max(0).min(counts.len() as i64 - 1);
                }
                row.ids = ids;
            }
            _ => {}
        }
        resize(&mut self.log_weights, scores.len())?;
        if scores.len() <= STRETCH {
            law.fill(exec.isa(), row, &mut self.log_weights);
            return Ok(());
        }
        for (stretch, out) in self.log_weights.chunks_mut(STRETCH).enumerate() {
            if stretch > 0 {
                exec.check()?;
            }
            let start = stretch * STRETCH;
            law.fill(exec.isa(), part(row, start..start + out.len()), out);
        }
        Ok(())
    }

    /// Draws its share from every bin, uniformly: what is drawn from one bin alone is what [`LogWeight::Uniform`] draws.
    fn draw_from_bins(
        &mut self,
        exec: &Execution<'_>,
        strata: Strata,
        document_keys: Option<&[u64]>,
        list: &List<'_>,
        source: Source<'_>,
        n: usize,
    ) -> Result<()> {
        self.cut(exec, strata, list, source, n)?;
        let keys = keys_of(exec, document_keys, list, source, &mut self.ids, &mut self.keys)?;
        resize(&mut self.log_weights, keys.len())?;
        self.log_weights.fill(0.0);
        self.drawn.clear();
        try_reserve(&mut self.drawn, n.min(keys.len()))?;
        for (number, bin) in self.bins.filled().iter().enumerate() {
            if number % STEP == STEP - 1 {
                exec.check()?;
            }
            let keys = &keys[bin.start..bin.end];
            self.picker.pick(exec, list.key, keys, &self.log_weights[..keys.len()], bin.share, &mut self.of_bin)?;
            self.drawn.extend(self.of_bin.iter().map(|at| at + bin.start as u32));
        }
        Ok(())
    }

    /// Cuts the survivors into bins, and shares `n` out among these.
    fn cut(
        &mut self,
        exec: &Execution<'_>,
        strata: Strata,
        list: &List<'_>,
        source: Source<'_>,
        n: usize,
    ) -> Result<()> {
        let bins = match strata.by {
            By::Score => {
                let scores = source.of(list.scores, &mut self.scores)?;
                refuse_infinite(list.query, scores)?;
                self.bins.by_score(exec, strata.bins, scores)?
            }
            By::Rank => self.bins.by_rank(exec, strata.bins, ranks_of(exec, list, source, &mut self.ranks)?)?,
        };
        bins.share(exec, &self.lots, list.key, n.min(source.len()))
    }
}

/// Makes room for values that are all written afterwards: those of an earlier row are not cleared first.
fn resize(values: &mut Vec<f64>, len: usize) -> Result<()> {
    if let Some(more) = len.checked_sub(values.len()) {
        try_reserve(values, more)?;
    }
    values.resize(len, 0.0);
    Ok(())
}

/// A stretch of a row; what the row lacks, its parts lack too.
fn part(row: Row<'_>, range: std::ops::Range<usize>) -> Row<'_> {
    Row {
        scores: &row.scores[range.clone()],
        ranks: row.ranks.get(range.clone()).unwrap_or_default(),
        ids: row.ids.get(range.clone()).unwrap_or_default(),
        positive: row.positive,
        given: row.given.get(range).unwrap_or_default(),
    }
}

/// Noise keys of the survivors.
fn keys_of<'c>(
    exec: &Execution<'_>,
    document_keys: Option<&[u64]>,
    list: &List<'c>,
    source: Source<'_>,
    ids: &'c mut Vec<i64>,
    keys: &'c mut Vec<u64>,
) -> Result<&'c [u64]> {
    let ids = source.of(list.ids, ids)?;
    let Some(document_keys) = document_keys else { return Ok(as_keys(ids)) };
    keys.clear();
    steps::append(exec, keys, ids, |id| document_keys.get(id as usize).copied().unwrap_or_default())?;
    Ok(keys)
}

/// Ranks of the survivors.
fn ranks_of<'c>(
    exec: &Execution<'_>,
    list: &List<'_>,
    source: Source<'_>,
    ranks: &'c mut Vec<i32>,
) -> Result<&'c [i32]> {
    ranks.clear();
    try_reserve(ranks, source.len())?;
    let mut locator = source.locator();
    in_steps(exec, source.len(), |some| {
        ranks.extend(some.map(|index| {
            let (at, removed) = locator.locate(index);
            list.rank(at, removed)
        }));
        Ok(())
    })?;
    Ok(ranks)
}

fn refuse_infinite(query: usize, scores: &[f32]) -> Result<()> {
    match scores.iter().find(|score| !score.is_finite()) {
        None => Ok(()),
        Some(score) => Err(Error::Value {
            argument: "candidates",
            problem: format!(
                "query {query} has the score {score} among the admissible, but Stratified needs finite scores to divide \
                 their range; set a ceiling and a floor, or by=\"rank\""
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exclusions::Kind;

    #[test]
    fn all_survivors_are_located_in_one_pass() {
        let hits: Vec<Hit> = (0..5000).map(|i| Hit { at: 2 * i + 1, kind: Kind::Excluded }).collect();
        let source = Source::Stretch(4, 9001, 2, &hits[2..4500]);
        let positions: Vec<u32> = (4..9001).filter(|at| at % 2 == 0).collect();
        let (mut stretch, mut listed) = (source.locator(), Source::Listed(&positions, &hits).locator());
        for (index, &at) in positions.iter().enumerate() {
            assert_eq!(stretch.locate(index), (at as usize, at as usize / 2));
            assert_eq!(listed.locate(index), (at as usize, at as usize / 2));
            // A locator never goes back, so all it does is one step per excluded document.
            assert_eq!(stretch.skipped, index);
        }
        assert_eq!(source.len(), positions.len());
    }
}

//! Draws among survivors: gathers what a law looks at, and picks.

use crate::draw::distributions::Row;
use crate::draw::{as_keys, LogWeight, Picker};
use crate::error::Result;
use crate::pool::Execution;
use crate::select::hits::{self, Hit};
use crate::select::row::List;

/// Where the survivors stand in the list.
#[derive(Clone, Copy)]
pub enum Source<'s> {
    /// List positions low..high without the excluded ones: so many before low, and these inside.
    Stretch(usize, usize, usize, &'s [Hit]),
    /// These list positions, among these hits.
    Listed(&'s [u32], &'s [Hit]),
}

impl Source<'_> {
    /// List position of survivor `index`, and the number of excluded documents before it.
    #[inline]
    pub fn locate(self, index: usize) -> (usize, usize) {
        match self {
            Source::Stretch(low, _, removed, inside) => {
                let skipped = inside.iter().enumerate().take_while(|(skipped, hit)| hit.at <= low + index + skipped);
                let skipped = skipped.count();
                (low + index + skipped, removed + skipped)
            }
            Source::Listed(positions, hits) => {
                let at = positions[index] as usize;
                (at, hits::before(hits, at))
            }
        }
    }

    fn len(self) -> usize {
        match self {
            Source::Stretch(low, high, _, inside) => high - low - inside.len(),
            Source::Listed(positions, _) => positions.len(),
        }
    }

    /// The values of the survivors in a column of the list: borrowed where they stand side by side, else gathered.
    fn of<'c, T: Copy>(self, column: &'c [T], scratch: &'c mut Vec<T>) -> &'c [T] {
        scratch.clear();
        match self {
            Source::Stretch(low, high, _, []) => &column[low..high],
            Source::Stretch(mut low, high, _, inside) => {
                for hit in inside {
                    scratch.extend_from_slice(&column[low..hit.at]);
                    low = hit.at + 1;
                }
                scratch.extend_from_slice(&column[low..high]);
                scratch
            }
            Source::Listed(positions, _) => {
                scratch.extend(positions.iter().map(|&at| column[at as usize]));
                scratch
            }
        }
    }
}

/// Scratch space of a draw.
#[derive(Default)]
pub struct Weighed {
    ids: Vec<i64>,
    scores: Vec<f32>,
    ranks: Vec<i32>,
    given: Vec<f64>,
    keys: Vec<u64>,
    log_weights: Vec<f64>,
    drawn: Vec<u32>,
}

impl Weighed {
    /// Draws `n` survivors of `list` under `law`; gives their indices among the survivors, rising.
    #[allow(clippy::too_many_arguments)]
    pub fn draw(
        &mut self,
        exec: &Execution<'_>,
        picker: &mut Picker,
        law: LogWeight<'_>,
        document_keys: Option<&[u64]>,
        list: &List<'_>,
        source: Source<'_>,
        n: usize,
    ) -> Result<&[u32]> {
        let ids = source.of(list.ids, &mut self.ids);
        let scores = source.of(list.scores, &mut self.scores);
        self.ranks.clear();
        if matches!(law, LogWeight::RankPower { .. }) {
            self.ranks.extend((0..source.len()).map(|index| {
                let (at, removed) = source.locate(index);
                list.rank(at, removed)
            }));
        }
        let given = match law {
            LogWeight::Weighted { log_weights } => {
                source.of(&log_weights[list.start..][..list.ids.len()], &mut self.given)
            }
            _ => &[],
        };
        let row = Row { scores, ranks: &self.ranks, ids, positive: list.p, given };
        self.log_weights.resize(source.len(), 0.0);
        law.fill(exec.isa(), row, &mut self.log_weights);
        let keys = match document_keys {
            None => as_keys(ids),
            Some(document_keys) => {
                self.keys.clear();
                self.keys.extend(ids.iter().map(|&id| document_keys[id as usize]));
                &self.keys
            }
        };
        picker.pick(exec, list.key, keys, &self.log_weights, n, &mut self.drawn)?;
        Ok(&self.drawn)
    }
}

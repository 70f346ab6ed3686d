//! Draws of equal shares from equal bins of what is admissible (after arXiv 2604.04734).

use std::cmp::Reverse;

use crate::draw::Noise;
use crate::error::{try_reserve, Result};
use crate::exact_sum::exact_sum;
use crate::pool::Execution;
use crate::sort;
use crate::steps::{self, in_steps, STEP};

/// Bins of equal width, from the hardest candidate down to the easiest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strata {
    /// Number of bins, at least 1.
    pub bins: u32,
    /// What they divide.
    pub by: By,
}

/// What bins divide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The range from the lowest admissible score to the highest. Candidates that score alike share a bin.
    Score,
    /// The range from the first admissible rank to the last.
    Rank,
}

/// Candidates `start..end` of those that take part, and how many of them are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    number: u32,
    /// First candidate.
    pub start: usize,
    /// First candidate of the next bin that has any.
    pub end: usize,
    /// How many are drawn.
    pub share: usize,
}

impl Bin {
    /// One bin of all candidates.
    pub fn all(candidates: usize, share: usize) -> Self {
        Bin { number: 0, start: 0, end: candidates, share }
    }

    fn size(&self) -> usize {
        self.end - self.start
    }
}

/// The bins of one row that have candidates, the hardest first.
#[derive(Default)]
pub struct Bins {
    filled: Vec<Bin>,
    sizes: Vec<usize>,
    /// (noise, index in `filled`) of those that may give one more.
    lots: Vec<(u64, usize)>,
}

impl Bins {
    /// Cuts the scores of a row, finite and never rising.
    pub fn by_score(&mut self, exec: &Execution<'_>, bins: u32, scores: &[f32]) -> Result<&mut Self> {
        let range = Range { bins, high: scores[0], low: scores[scores.len() - 1] };
        if range.high > range.low {
            self.cut(exec, bins, scores, |score| range.number(score))
        } else {
            self.cut(exec, bins, scores, |_| 0)
        }
    }

    /// Cuts the ranks of a row, which rise.
    pub fn by_rank(&mut self, exec: &Execution<'_>, bins: u32, ranks: &[i32]) -> Result<&mut Self> {
        let first = i64::from(ranks[0]);
        let range = i64::from(ranks[ranks.len() - 1]) - first + 1;
        let number = |rank: i32| (i64::from(rank) - first).max(0) * i64::from(bins) / range.max(1);
        self.cut(exec, bins, ranks, |rank| number(rank) as u32)
    }

    /// The bins as they are cut and shared out.
    pub fn filled(&self) -> &[Bin] {
        &self.filled
    }

    fn cut<T: Copy>(
        &mut self,
        exec: &Execution<'_>,
        bins: u32,
        items: &[T],
        number: impl Fn(T) -> u32,
    ) -> Result<&mut Self> {
        let filled = &mut self.filled;
        filled.clear();
        in_steps(exec, items.len(), |some| {
            for (at, &item) in some.clone().zip(&items[some]) {
                let number = number(item).min(bins - 1);
                match filled.last_mut() {
                    // Numbers never fall, unless another thread overwrites what they come from: then any bins will do.
                    Some(bin) if bin.number >= number => bin.end = at + 1,
                    _ => {
                        try_reserve(filled, 1)?;
                        filled.push(Bin { number, start: at, end: at + 1, share: 0 });
                    }
                }
            }
            Ok(())
        })?;
        Ok(self)
    }

    /// Shares `n` out, at most as many as there are candidates. In every round each bin that has one left gives one more; in
    /// the last round, which needs fewer than that, those do that `noise` chooses, every set of them alike.
    pub fn share(&mut self, exec: &Execution<'_>, noise: &Noise, query_key: u64, n: usize) -> Result<()> {
        self.sizes.clear();
        steps::append(exec, &mut self.sizes, &self.filled, |bin| bin.size())?;
        sort::sort_by_key(exec, &mut self.sizes, |size| *size)?;
        let (mut level, mut left) = (0, n);
        for (emptied, &size) in self.sizes.iter().enumerate() {
            if emptied % STEP == STEP - 1 {
                exec.check()?;
            }
            let giving = self.sizes.len() - emptied;
            let rounds = (size - level).min(left / giving);
            level += rounds;
            left -= rounds * giving;
            if level < size {
                break;
            }
        }
        for bin in &mut self.filled {
            bin.share = level.min(bin.size());
        }
        if left > 0 {
            self.draw_lots(exec, noise, query_key, level, left)?;
        }
        Ok(())
    }

    fn draw_lots(
        &mut self,
        exec: &Execution<'_>,
        noise: &Noise,
        query_key: u64,
        level: usize,
        left: usize,
    ) -> Result<()> {
        let Bins { filled, lots, .. } = self;
        lots.clear();
        try_reserve(lots, filled.len())?;
        in_steps(exec, filled.len(), |some| {
            let giving = some.clone().zip(&filled[some]).filter(|(_, bin)| bin.size() > level);
            lots.extend(giving.map(|(at, bin)| (noise.bits(query_key, u64::from(bin.number)), at)));
            Ok(())
        })?;
        sort::sort_by_key(exec, lots, |&(bits, at)| (Reverse(bits), at))?;
        for (_, at) in &self.lots[..left.min(self.lots.len())] {
            self.filled[*at].share += 1;
        }
        Ok(())
    }
}

/// The range of scores that bins of equal width divide.
#[derive(Clone, Copy)]
struct Range {
    bins: u32,
    high: f32,
    /// Below `high`.
    low: f32,
}

/// More than four roundings add up to, relative to the result.
const ROUNDINGS: f64 = 1.0 / (1u64 << 50) as f64;

impl Range {
    /// How many whole bins lie above a score. A bin holds its upper bound and not its lower one, so this is its bin; but for
    /// the last bin, which holds both.
    fn number(self, score: f32) -> u32 {
        let (high, low) = (f64::from(self.high), f64::from(self.low));
        let place = (high - f64::from(score)) / (high - low) * f64::from(self.bins);
        // Where roundings may have crossed the edge of a bin, and only there, it takes the exact place.
        let (least, most) = ((place * (1.0 - ROUNDINGS)) as u32, (place * (1.0 + ROUNDINGS)) as u32);
        if least == most || self.reaches(score, most.min(self.bins)) {
            most
        } else {
            least
        }
    }

    /// Whether `number` whole bins lie above a score: high - number / bins (high - low) >= score, in exact arithmetic.
    fn reaches(self, score: f32, number: u32) -> bool {
        // Times bins: high (bins - number) + low number - score bins >= 0. The products of a score, of 24 bits, and half of
        // an integer are exact in float64, and so is their sum as an expansion (Shewchuk 1997): floats that do not overlap.
        let terms = [(self.high, self.bins - number), (self.low, number), (-score, self.bins)];
        let mut sum = [0.0; 6];
        for (count, term) in terms.into_iter().flat_map(|(score, factor)| products(score, factor)).enumerate() {
            let mut carried = term;
            for part in &mut sum[..count] {
                (carried, *part) = exact_sum(carried, *part);
            }
            sum[count] = carried;
        }
        sum.into_iter().rev().find(|part| *part != 0.0).is_none_or(|largest| largest > 0.0)
    }
}

/// score * factor as the sum of two exact products.
fn products(score: f32, factor: u32) -> [f64; 2] {
    [factor & 0xFFFF_0000, factor & 0xFFFF].map(|half| f64::from(score) * f64::from(half))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Domain;
    use crate::error::Error;
    use crate::steps::tests::{going, stopped};

    fn shares(bins: u32, scores: &[f32], n: usize) -> Vec<(u32, usize, usize)> {
        let noise = Noise::new(3, 0, Domain::Select).arrival(1);
        let mut found = Bins::default();
        found.by_score(&going(), bins, scores).unwrap().share(&going(), &noise, 0, n).unwrap();
        found.filled().iter().map(|bin| (bin.number, bin.size(), bin.share)).collect()
    }

    #[test]
    fn a_bin_holds_its_upper_bound_and_the_last_its_lower_too() {
        assert_eq!(shares(2, &[1.0, 0.75, 0.5, 0.25, 0.0], 2), [(0, 2, 1), (1, 3, 1)]);
        assert_eq!(shares(4, &[1.0, 0.75, 0.5, 0.25, 0.0], 4), [(0, 1, 1), (1, 1, 1), (2, 1, 1), (3, 2, 1)]);
        assert_eq!(shares(5, &[0.5; 7], 3), [(0, 7, 3)]);
        assert_eq!(shares(3, &[f32::MAX, 0.0, f32::MIN], 3), [(0, 1, 1), (1, 1, 1), (2, 1, 1)]);
    }

    #[test]
    fn what_a_bin_lacks_the_others_give_in_turn() {
        let scores = [1.0, 0.9, 0.9, 0.9, 0.3, 0.1, 0.1, 0.0, 0.0, 0.0];
        assert_eq!(shares(3, &scores, 9), [(0, 4, 4), (2, 6, 5)]);
        assert_eq!(shares(4, &scores, 7).iter().map(|bin| bin.2).sum::<usize>(), 7);
        assert_eq!(shares(4, &scores, 10), [(0, 4, 4), (2, 1, 1), (3, 5, 5)]);
        assert_eq!(shares(4, &scores, 7), [(0, 4, 3), (2, 1, 1), (3, 5, 3)]);
    }

    #[test]
    fn ranks_are_cut_where_they_stand() {
        let mut found = Bins::default();
        let bins = &found.by_rank(&going(), 2, &[3, 4, 8, 12]).unwrap().filled;
        assert_eq!(bins.iter().map(|bin| (bin.number, bin.start, bin.end)).collect::<Vec<_>>(), [(0, 0, 2), (1, 2, 4)]);
    }

    /// Of the scores W, W - 1, ..., 0 each is the upper bound of a bin, whatever float64 makes of the quotient.
    #[test]
    fn scores_on_the_edges_lie_in_the_bin_below() {
        for bins in 2..=300u32 {
            for unit in [1.0, 0.25, 1e-45, 3.0] {
                let scores: Vec<f32> = (0..=bins).rev().map(|number| number as f32 * unit).collect();
                let sizes: Vec<_> = shares(bins, &scores, 1).iter().map(|&(number, size, _)| (number, size)).collect();
                let expected: Vec<_> = (0..bins).map(|number| (number, 1 + usize::from(number == bins - 1))).collect();
                assert_eq!(sizes, expected, "{bins} bins of {unit}");
            }
        }
    }

    /// Against integers, where the scores are such: on edges, just beside them, and with as many bins as there can be.
    #[test]
    fn bins_are_those_of_exact_arithmetic() {
        let scores = [8_388_607i64, 8_388_606, 4_194_304, 2_796_203, 2_796_202, 1_398_101, 12, 7, 3, 1, 0, -1, -5];
        for bins in [2u32, 3, 7, 49, 1_000_003, (1 << 31) - 1] {
            for low in [-8_388_608i64, -5] {
                let range = Range { bins, high: scores[0] as f32, low: low as f32 };
                for score in scores {
                    let exact = (scores[0] - score) * i64::from(bins) / (scores[0] - low);
                    assert_eq!(i64::from(range.number(score as f32)), exact, "{score} of {bins} bins from {low}");
                }
            }
        }
        // Far beyond float64, which holds f32::MAX and the least float32 above 0 to 53 bits together, not to all 277.
        let range = Range { bins: 2, high: f32::MAX, low: -f32::MAX };
        assert_eq!([1e-45f32, 0.0, -1e-45].map(|score| range.number(score)), [0, 1, 1]);
        let range = Range { bins: 2, high: f32::MAX, low: f32::from_bits(1) };
        let middle = f32::MAX / 2.0;
        assert_eq!([middle.next_up(), middle].map(|score| range.number(score)), [0, 1]);
    }

    #[test]
    fn many_bins_end_when_asked() {
        let noise = Noise::new(3, 0, Domain::Select);
        let ranks: Vec<i32> = (0..3 * STEP as i32).collect();
        let mut found = Bins::default();
        assert!(matches!(found.by_rank(&stopped(), u32::MAX, &ranks), Err(Error::Interrupted)));
        for (sizes, lots) in [(STEP, 0), (0, STEP)] {
            found.by_rank(&going(), 3 * STEP as u32, &ranks).unwrap();
            assert_eq!(found.filled.len(), ranks.len());
            let ended = if lots == 0 {
                found.share(&stopped(), &noise, 0, sizes).err()
            } else {
                found.draw_lots(&stopped(), &noise, 0, 0, lots).err()
            };
            assert_eq!(ended, Some(Error::Interrupted));
        }
    }
}

//! Draws of equal shares from equal bins of what is admissible (after arXiv 2604.04734).

use crate::draw::Noise;
use crate::error::{try_reserve, Result};

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
    pub fn by_score(&mut self, bins: u32, scores: &[f32]) -> Result<&mut Self> {
        let (high, low) = (f64::from(scores[0]), f64::from(scores[scores.len() - 1]));
        let width = high - low;
        // A bin holds its upper bound and not its lower one; the last holds both.
        let number = |score: f32| ((high - f64::from(score)) / width * f64::from(bins)) as u32;
        self.cut(bins, scores.iter().map(|&score| if width > 0.0 { number(score) } else { 0 }))
    }

    /// Cuts the ranks of a row, which rise.
    pub fn by_rank(&mut self, bins: u32, ranks: &[i32]) -> Result<&mut Self> {
        let first = i64::from(ranks[0]);
        let range = i64::from(ranks[ranks.len() - 1]) - first + 1;
        let number = |rank: i32| (i64::from(rank) - first).max(0) * i64::from(bins) / range.max(1);
        self.cut(bins, ranks.iter().map(|&rank| number(rank) as u32))
    }

    fn cut(&mut self, bins: u32, numbers: impl Iterator<Item = u32>) -> Result<&mut Self> {
        self.filled.clear();
        for (at, number) in numbers.enumerate() {
            let number = number.min(bins - 1);
            match self.filled.last_mut() {
                // Numbers never fall, unless another thread overwrites what they come from: then any bins will do.
                Some(bin) if bin.number >= number => bin.end = at + 1,
                _ => {
                    try_reserve(&mut self.filled, 1)?;
                    self.filled.push(Bin { number, start: at, end: at + 1, share: 0 });
                }
            }
        }
        Ok(self)
    }

    /// Shares `n` out, at most as many as there are candidates. In every round each bin that has one left gives one more; in
    /// the last round, which needs fewer than that, those do that `noise` chooses, every set of them alike.
    pub fn share(&mut self, noise: &Noise, query_key: u64, n: usize) -> Result<&[Bin]> {
        self.sizes.clear();
        try_reserve(&mut self.sizes, self.filled.len())?;
        self.sizes.extend(self.filled.iter().map(Bin::size));
        self.sizes.sort_unstable();
        let (mut level, mut left) = (0, n);
        for (emptied, &size) in self.sizes.iter().enumerate() {
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
            self.draw_lots(noise, query_key, level, left)?;
        }
        Ok(&self.filled)
    }

    fn draw_lots(&mut self, noise: &Noise, query_key: u64, level: usize, left: usize) -> Result<()> {
        self.lots.clear();
        try_reserve(&mut self.lots, self.filled.len())?;
        let giving = self.filled.iter().enumerate().filter(|(_, bin)| bin.size() > level);
        self.lots.extend(giving.map(|(at, bin)| (noise.bits(query_key, u64::from(bin.number)), at)));
        self.lots.sort_unstable_by_key(|&(bits, at)| (std::cmp::Reverse(bits), at));
        for (_, at) in &self.lots[..left.min(self.lots.len())] {
            self.filled[*at].share += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Domain;

    fn shares(bins: u32, scores: &[f32], n: usize) -> Vec<(u32, usize, usize)> {
        let noise = Noise::new(3, 0, Domain::Select).arrival(1);
        let mut found = Bins::default();
        let bins = found.by_score(bins, scores).unwrap().share(&noise, 0, n).unwrap();
        bins.iter().map(|bin| (bin.number, bin.size(), bin.share)).collect()
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
        let bins = &found.by_rank(2, &[3, 4, 8, 12]).unwrap().filled;
        assert_eq!(bins.iter().map(|bin| (bin.number, bin.start, bin.end)).collect::<Vec<_>>(), [(0, 0, 2), (1, 2, 4)]);
    }
}

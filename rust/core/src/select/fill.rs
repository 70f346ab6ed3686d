//! Random documents for rows that ran short.

use crate::draw::{Domain, Noise};
use crate::error::{try_reserve, Result};
use crate::pool::Execution;
use crate::sort;

/// Steps between two questions whether to go on.
const SOME_STEPS: usize = 1 << 16;

/// Draws documents uniformly from those that are not forbidden.
pub struct Filler {
    noise: Noise,
    forbidden: Vec<i64>,
    steps: Vec<Step>,
    drawn: Vec<i64>,
}

/// One step of the sampling, the `number`-th.
#[derive(Clone, Copy)]
struct Step {
    pick: u64,
    number: usize,
    /// Whether the pick had been drawn before.
    collides: bool,
}

impl Filler {
    /// A filler whose draws are a function of (seed, epoch, query key) and what is forbidden.
    pub fn new(seed: u64, epoch: u64) -> Self {
        let noise = Noise::new(seed, epoch, Domain::Fill);
        Filler { noise, forbidden: Vec::new(), steps: Vec::new(), drawn: Vec::new() }
    }

    /// Forgets what the last row forbade.
    pub fn start(&mut self) -> &mut Vec<i64> {
        self.forbidden.clear();
        &mut self.forbidden
    }

    /// `count` distinct documents out of `0..documents` in rising order, none of them forbidden since [`Filler::start`];
    /// fewer where fewer are left. Every `round` has noise of its own.
    ///
    /// Floyd's sampling (Bentley, Floyd, CACM 1987): exactly one random number per document, every subset alike. Step i
    /// takes a pick out of `0..=last`, or `last` itself where the pick had been taken; `last` grows by one a step. Which
    /// picks had been taken is found by sorting: another step had the same pick before, or took it for its `last`.
    pub fn draw(
        &mut self,
        exec: &Execution<'_>,
        query_key: u64,
        documents: usize,
        count: usize,
        round: u32,
    ) -> Result<&[i64]> {
        self.forbidden.retain(|id| usize::try_from(*id).is_ok_and(|id| id < documents));
        sort::sort_by_key(exec, &mut self.forbidden, |id| *id)?;
        self.forbidden.dedup();
        let allowed = documents - self.forbidden.len();
        let count = count.min(allowed);
        self.pick(exec, self.noise.arrival(round), query_key, allowed - count, count)?;
        sort::sort_by_key(exec, &mut self.steps, |step| (step.pick, step.number))?;
        for same in self.steps.chunk_by_mut(|a, b| a.pick == b.pick) {
            same[1..].iter_mut().for_each(|step| step.collides = true);
        }
        sort::sort_by_key(exec, &mut self.steps, |step| step.number)?;
        self.take(exec, (allowed - count) as u64)?;
        sort::sort_by_key(exec, &mut self.drawn, |id| *id)?;
        // From numbers of allowed documents to documents: each forbidden one at or before it moves a number up.
        let mut skipped = 0;
        for id in &mut self.drawn {
            while self.forbidden.get(skipped).is_some_and(|&forbidden| forbidden <= *id + skipped as i64) {
                skipped += 1;
            }
            *id += skipped as i64;
        }
        Ok(&self.drawn)
    }

    /// Forbids what was drawn last.
    pub fn forbid_drawn(&mut self) -> Result<()> {
        try_reserve(&mut self.forbidden, self.drawn.len())?;
        self.forbidden.extend_from_slice(&self.drawn);
        Ok(())
    }

    fn pick(&mut self, exec: &Execution<'_>, noise: Noise, query_key: u64, base: usize, count: usize) -> Result<()> {
        self.steps.clear();
        try_reserve(&mut self.steps, count)?;
        for number in 0..count {
            if number % SOME_STEPS == SOME_STEPS - 1 {
                exec.check()?;
            }
            let bits = noise.bits(query_key, number as u64);
            // The high word of a 64 x 64-bit product: uniform on 0..=last up to 2^-64 of its range.
            let pick = ((u128::from(bits) * ((base + number) as u128 + 1)) >> 64) as u64;
            self.steps.push(Step { pick, number, collides: false });
        }
        Ok(())
    }

    /// What every step draws, given which picks another step had before.
    fn take(&mut self, exec: &Execution<'_>, base: u64) -> Result<()> {
        self.drawn.clear();
        try_reserve(&mut self.drawn, self.steps.len())?;
        for number in 0..self.steps.len() {
            if number % SOME_STEPS == SOME_STEPS - 1 {
                exec.check()?;
            }
            let step = self.steps[number];
            let earlier = step.pick.checked_sub(base).filter(|earlier| *earlier < number as u64);
            let collides = step.collides || earlier.is_some_and(|earlier| self.steps[earlier as usize].collides);
            self.steps[number].collides = collides;
            self.drawn.push(if collides { base as i64 + number as i64 } else { step.pick as i64 });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::num::NonZeroUsize;

    use super::*;
    use crate::Isa;

    fn draw(filler: &mut Filler, query: u64, documents: usize, forbidden: &[i64], count: usize) -> Vec<i64> {
        let exec = Execution::new(NonZeroUsize::MIN, Isa::Portable, &|| false);
        filler.start().extend_from_slice(forbidden);
        filler.draw(&exec, query, documents, count, 0).unwrap().to_vec()
    }

    #[test]
    fn never_forbidden_never_twice_and_all_where_all_are_needed() {
        let mut filler = Filler::new(1, 0);
        for query in 0..200 {
            let found = draw(&mut filler, query, 10, &[3, 0, 99, 7, 3], 4);
            assert_eq!(found.len(), 4);
            assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(found.iter().all(|id| [1, 2, 4, 5, 6, 8, 9].contains(id)));
            assert_eq!(draw(&mut filler, query, 10, &[3, 0, 99, 7, 3], 20), [1, 2, 4, 5, 6, 8, 9]);
            assert_eq!(draw(&mut filler, query, 2, &[1, 0], 4), [0i64; 0]);
        }
    }

    #[test]
    fn sorting_finds_what_a_set_would() {
        let mut filler = Filler::new(7, 2);
        let noise = Noise::new(7, 2, Domain::Fill);
        for (documents, count) in [(1usize, 1usize), (5, 5), (9, 4), (40, 39), (1000, 700), (100_000, 99_000)] {
            for query in 0..if count > 1000 { 1 } else { 50 } {
                let mut set = BTreeSet::new();
                for (step, last) in (documents - count..documents).enumerate() {
                    let pick = ((u128::from(noise.bits(query, step as u64)) * (last as u128 + 1)) >> 64) as i64;
                    if !set.insert(pick) {
                        set.insert(last as i64);
                    }
                }
                assert_eq!(draw(&mut filler, query, documents, &[], count), set.into_iter().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn every_subset_is_alike() {
        let mut filler = Filler::new(5, 0);
        let mut counts = [0u32; 6];
        for query in 0..6000 {
            let pair = match draw(&mut filler, query, 5, &[2], 2)[..] {
                [0, 1] => 0,
                [0, 3] => 1,
                [0, 4] => 2,
                [1, 3] => 3,
                [1, 4] => 4,
                [3, 4] => 5,
                ref other => panic!("{other:?}"),
            };
            counts[pair] += 1;
        }
        let chi_square: f64 = counts.iter().map(|&count| (f64::from(count) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi_square < 20.5, "{counts:?}"); // alpha 0.001, 5 degrees of freedom
    }
}

//! Random documents for rows that ran short.

use crate::draw::{Domain, Noise};

/// Draws documents uniformly from those that are not forbidden.
pub struct Filler {
    noise: Noise,
    forbidden: Vec<i64>,
    drawn: Vec<i64>,
}

impl Filler {
    /// A filler whose draws are a function of (seed, epoch, query key) and what is forbidden.
    pub fn new(seed: u64, epoch: u64) -> Self {
        Filler { noise: Noise::new(seed, epoch, Domain::Fill), forbidden: Vec::new(), drawn: Vec::new() }
    }

    /// `count` distinct documents out of `0..documents` in rising order, none of them `excluded` or in `list`; fewer where
    /// fewer are left.
    ///
    /// Floyd's sampling (Bentley, Floyd, CACM 1987): exactly one random number per document, every subset alike.
    pub fn draw(&mut self, query_key: u64, documents: usize, excluded: &[i64], list: &[i64], count: usize) -> &[i64] {
        let inside = |id: &&i64| usize::try_from(**id).is_ok_and(|id| id < documents);
        self.forbidden.clear();
        self.forbidden.extend(excluded.iter().chain(list).filter(inside));
        self.forbidden.sort_unstable();
        self.forbidden.dedup();
        let allowed = documents - self.forbidden.len();
        let count = count.min(allowed);
        self.drawn.clear();
        for (step, last) in (allowed - count..allowed).enumerate() {
            let bits = self.noise.bits(query_key, step as u64);
            // The high word of a 64 x 64-bit product: uniform on 0..=last up to 2^-64 of its range.
            let pick = ((u128::from(bits) * (last as u128 + 1)) >> 64) as i64;
            let (value, at) = match self.drawn.binary_search(&pick) {
                Ok(_) => (last as i64, self.drawn.len()),
                Err(at) => (pick, at),
            };
            self.drawn.insert(at, value);
        }
        // From numbers of allowed documents to documents: each forbidden one at or before it moves a number up.
        let mut skipped = 0;
        for id in &mut self.drawn {
            while self.forbidden.get(skipped).is_some_and(|&forbidden| forbidden <= *id + skipped as i64) {
                skipped += 1;
            }
            *id += skipped as i64;
        }
        &self.drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_forbidden_never_twice_and_all_where_all_are_needed() {
        let mut filler = Filler::new(1, 0);
        for query in 0..200 {
            let found = filler.draw(query, 10, &[3, 0, 99], &[7, 3], 4).to_vec();
            assert_eq!(found.len(), 4);
            assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(found.iter().all(|id| [1, 2, 4, 5, 6, 8, 9].contains(id)));
            assert_eq!(filler.draw(query, 10, &[3, 0, 99], &[7, 3], 20), [1, 2, 4, 5, 6, 8, 9]);
            assert_eq!(filler.draw(query, 2, &[1], &[0], 4), [0i64; 0]);
        }
    }

    #[test]
    fn every_subset_is_alike() {
        let mut filler = Filler::new(5, 0);
        let mut counts = [0u32; 6];
        for query in 0..6000 {
            let pair = match filler.draw(query, 5, &[2], &[], 2) {
                [0, 1] => 0,
                [0, 3] => 1,
                [0, 4] => 2,
                [1, 3] => 3,
                [1, 4] => 4,
                [3, 4] => 5,
                other => panic!("{other:?}"),
            };
            counts[pair] += 1;
        }
        let chi_square: f64 = counts.iter().map(|&count| (f64::from(count) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi_square < 20.5, "{counts:?}"); // alpha 0.001, 5 degrees of freedom
    }
}

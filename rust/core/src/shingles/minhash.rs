//! Signatures of min-wise hashes (Broder 1997), of which only the hash of each band is kept.

use crate::draw::{Domain, Noise};
use crate::error::Result;
use crate::pool::Execution;
use crate::shingles::sets::fold;
use crate::steps;

/// Permutations of 32 bits: x -> (x xor shift) * factor, the factor odd.
pub struct Permutations {
    shifts: Vec<u32>,
    factors: Vec<u32>,
}

impl Permutations {
    /// So many of them, from the noise of (seed, number of the permutation).
    pub fn new(seed: u64, count: usize) -> Self {
        let noise = Noise::new(seed, 0, Domain::NearDuplicates);
        let bits: Vec<u64> = (0..count as u64).map(|number| noise.bits(0, number)).collect();
        Permutations {
            shifts: bits.iter().map(|bits| *bits as u32).collect(),
            factors: bits.iter().map(|bits| (bits >> 32) as u32 | 1).collect(),
        }
    }

    /// The least image of a set under each permutation, into `signature`, which has one place for each.
    pub fn signature(&self, exec: &Execution<'_>, set: &[u64], signature: &mut [u32]) -> Result<()> {
        signature.fill(u32::MAX);
        steps::each(exec, set, |some| lower(exec.isa(), some, &self.shifts, &self.factors, signature))
    }
}

#[inline(always)]
#[allow(clippy::inline_always)] // one copy per instruction set
fn lower_body(set: &[u64], shifts: &[u32], factors: &[u32], signature: &mut [u32]) {
    for hash in set {
        let x = (hash >> 32) as u32;
        for ((least, shift), factor) in signature.iter_mut().zip(shifts).zip(factors) {
            *least = (*least).min((x ^ shift).wrapping_mul(*factor));
        }
    }
}

per_isa! {
    fn lower(set: &[u64], shifts: &[u32], factors: &[u32], signature: &mut [u32]) => lower_body
}

/// One hash for each band of `rows` places of a signature: equal where all of them are.
pub fn bands(signature: &[u32], rows: usize, out: &mut [u64]) {
    for (band, out) in signature.chunks_exact(rows).zip(out) {
        *out = band.iter().fold(0, |hash, least| fold(hash, u64::from(*least)));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::error::Error;
    use crate::isa::Isa;
    use crate::shingles::sets::mix;
    use crate::steps::tests::stopped;

    #[test]
    fn levels_agree_and_the_share_of_equal_places_is_the_similarity() {
        let set = |range: std::ops::Range<u64>| range.map(mix).collect::<Vec<_>>();
        // 300 of 500 shared.
        let (a, b) = (set(0..400), set(100..500));
        let permutations = Permutations::new(5, 4001);
        let mut equal = 0;
        let mut signatures = [vec![0; 4001], vec![0; 4001]];
        for isa in Isa::available() {
            let mut again = [vec![0; 4001], vec![0; 4001]];
            let exec = Execution::new(NonZeroUsize::MIN, isa, &|| false);
            permutations.signature(&exec, &a, &mut again[0]).unwrap();
            permutations.signature(&exec, &b, &mut again[1]).unwrap();
            assert!(equal == 0 || again == signatures, "{isa:?}");
            equal = again[0].iter().zip(&again[1]).filter(|(a, b)| a == b).count();
            signatures = again;
        }
        assert!((equal as f64 / 4001.0 - 0.6).abs() < 4.0 * (0.24f64 / 4001.0).sqrt(), "{equal}");
    }

    #[test]
    fn large_sets_end_when_asked() {
        let set: Vec<u64> = (0..2 * steps::STEP as u64).collect();
        let found = Permutations::new(0, 3).signature(&stopped(), &set, &mut [0; 3]);
        assert_eq!(found, Err(Error::Interrupted));
    }

    #[test]
    fn a_band_is_the_hash_of_its_places_alone() {
        let mut first = [0; 3];
        bands(&[1, 2, 3, 4, 5, 6, 7], 2, &mut first);
        let mut other = [0; 3];
        bands(&[1, 2, 4, 3, 5, 6, 8], 2, &mut other);
        assert_eq!((first[0], first[2]), (other[0], other[2]));
        assert_ne!(first[1], other[1]);
        assert_ne!(first[0], first[1]);
    }
}

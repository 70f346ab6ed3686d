//! Draws from one row of log-weights: the n largest of log-weight + Gumbel noise.
//!
//! Those n are distributed exactly as n sequential draws without replacement, each proportional to the weights that are
//! left (the Plackett-Luce law; Yellott 1977; Kool, van Hoof, Welling, ICML 2019).

use crate::draw::gather::{self, Gather};
use crate::draw::largest::{descending, keep_smallest};
use crate::draw::noise::{gumbel, Noise};
use crate::draw::prefilter::{Contenders, Rough};
use crate::isa::Isa;

/// Below this many candidates per draw the prefilter cannot win.
const WORTHWHILE: usize = 3;

/// Draws from rows; one per thread, since it owns the scratch space.
#[derive(Debug, Clone)]
pub struct Picker {
    isa: Isa,
    noise: Noise,
    scratch: Scratch,
}

#[derive(Debug, Clone, Default)]
struct Scratch {
    /// Random bits of every candidate.
    bits: Vec<u64>,
    /// Approximate keys.
    rough: Rough,
    /// Positions that may be among the n largest.
    contenders: Contenders,
    /// Random bits of those.
    some_bits: Vec<u64>,
    /// Exact keys of those.
    keys: Vec<f64>,
    /// (descending key, position) where the survivors are many.
    pairs: Vec<(u64, u32)>,
}

impl Picker {
    /// A picker that draws with `noise`.
    #[must_use]
    pub fn new(isa: Isa, noise: Noise) -> Self {
        Picker { isa, noise, scratch: Scratch::default() }
    }

    /// Draws `n` positions without replacement into `out`, ascending; fewer where fewer log-weights are above -inf.
    ///
    /// `log_weights` are aligned with `document_keys` and hold no NaN. Equal keys go to the lower position.
    pub fn pick(&mut self, query_key: u64, document_keys: &[u64], log_weights: &[f64], n: usize, out: &mut Vec<u32>) {
        assert_eq!(document_keys.len(), log_weights.len());
        out.clear();
        if n > 0 {
            self.scratch.bits.resize(document_keys.len(), 0);
            self.noise.bits_into(self.isa, query_key, document_keys, &mut self.scratch.bits);
            pick(self.isa, log_weights, n, &mut self.scratch, out);
        }
    }

    /// As [`Picker::pick`], but the drawn positions come with their keys, largest first: in the order of the draws.
    pub fn pick_in_order(
        &mut self,
        query_key: u64,
        document_keys: &[u64],
        log_weights: &[f64],
        n: usize,
        out: &mut Vec<(f64, u32)>,
    ) {
        let mut positions = Vec::new();
        self.pick(query_key, document_keys, log_weights, n, &mut positions);
        out.clear();
        out.extend(positions.iter().map(|&position| {
            let at = position as usize;
            (log_weights[at] + gumbel(self.noise.bits(query_key, document_keys[at])), position)
        }));
        out.sort_unstable_by_key(|&(key, position)| descending(key, position));
    }
}

fn pick(isa: Isa, log_weights: &[f64], n: usize, scratch: &mut Scratch, out: &mut Vec<u32>) {
    match isa {
        // SAFETY: a level is only ever chosen among those that the machine has.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { pick_512(log_weights, n, scratch, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { pick_256(log_weights, n, scratch, out) },
        _ => pick_body::<gather::Plain>(log_weights, n, scratch, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,popcnt")]
fn pick_512(log_weights: &[f64], n: usize, scratch: &mut Scratch, out: &mut Vec<u32>) {
    pick_body::<gather::Wide>(log_weights, n, scratch, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn pick_256(log_weights: &[f64], n: usize, scratch: &mut Scratch, out: &mut Vec<u32>) {
    pick_body::<gather::Narrow>(log_weights, n, scratch, out);
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn pick_body<L: Gather>(log_weights: &[f64], n: usize, scratch: &mut Scratch, out: &mut Vec<u32>) {
    let Scratch { bits, rough, contenders, .. } = scratch;
    if log_weights.len() / n >= WORTHWHILE && rough.fill(bits, log_weights) && rough.contenders::<L>(n, contenders) {
        let settled = match contenders.positions().len() {
            0..=16 => contenders.settle::<16>(n, out),
            17..=32 => contenders.settle::<32>(n, out),
            _ => false,
        };
        if settled {
            return;
        }
    } else {
        let eligible = log_weights.iter().zip(0..).filter(|(weight, _)| **weight > f64::NEG_INFINITY);
        contenders.replace(eligible.map(|(_, position)| position));
        if contenders.positions().len() <= n {
            out.extend_from_slice(contenders.positions());
            return;
        }
    }
    exact_keys(log_weights, scratch);
    let Scratch { contenders, keys, pairs, .. } = scratch;
    pairs.clear();
    pairs.extend(keys.iter().zip(contenders.positions()).map(|(&key, &position)| descending(key, position)));
    keep_smallest(pairs, n);
    out.extend(pairs.iter().map(|&(_, position)| position));
    out.sort_unstable();
}

/// Exact keys of the contenders, none of whose log-weights is -inf.
#[inline(always)]
#[allow(clippy::inline_always)]
fn exact_keys(log_weights: &[f64], scratch: &mut Scratch) {
    let Scratch { bits, contenders, keys, some_bits, .. } = scratch;
    let positions = contenders.positions().iter().map(|&position| position as usize);
    keys.clear();
    keys.extend(positions.clone().map(|position| log_weights[position]));
    some_bits.clear();
    some_bits.extend(positions.map(|position| bits[position]));
    for (key, &bits) in keys.iter_mut().zip(&*some_bits) {
        *key += gumbel(bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::largest::largest_positions;
    use crate::draw::Domain;
    use proptest::prelude::*;

    /// Noise for every candidate, then a full selection.
    fn plain(noise: Noise, query: u64, documents: &[u64], log_weights: &[f64], n: usize) -> Vec<u32> {
        let mut keys = vec![0.0; documents.len()];
        noise.gumbel_into(Isa::Portable, query, documents, &mut keys);
        keys.iter_mut().zip(log_weights).for_each(|(key, weight)| *key += weight);
        let (mut pairs, mut out) = (Vec::new(), Vec::new());
        largest_positions(&keys, n, &mut pairs, &mut out);
        out
    }

    fn agrees(query: u64, documents: &[u64], log_weights: &[f64], n: usize) {
        let noise = Noise::new(11, 5, Domain::Select);
        let expected = plain(noise, query, documents, log_weights, n);
        for isa in Isa::available() {
            let mut out = vec![9];
            Picker::new(isa, noise).pick(query, documents, log_weights, n, &mut out);
            assert_eq!(out, expected, "{} of {} at {}", n, documents.len(), isa.name());
        }
    }

    #[test]
    fn every_width_and_number_of_draws() {
        for len in 0..150usize {
            let documents: Vec<u64> = (0..len as u64).map(|i| i * 31 + 5).collect();
            let weights: Vec<f64> = (0..len).map(|i| ((i * i) % 17) as f64 * 0.3 - 2.0).collect();
            for n in [0, 1, 2, 8, len / 4, len / 3, len / 2, len.saturating_sub(1), len, len + 1] {
                agrees(len as u64, &documents, &weights, n);
            }
        }
    }

    #[test]
    fn extreme_log_weights() {
        let documents: Vec<u64> = (0..300).collect();
        let (inf, n) = (f64::INFINITY, 20);
        let rows: [&dyn Fn(usize) -> f64; 10] = [
            &|i| if i % 7 == 0 { 0.0 } else { -inf },
            &|i| if i % 50 == 0 { 0.0 } else { -inf },
            &|i| -1e30 * i as f64,
            &|i| -1e300 * (i % 5) as f64,
            &|i| 3.402_823_6e38 * (1.0 + i as f64 * 1e-9),
            &|i| -3.402_823_6e38 * (1.0 + i as f64 * 1e-9),
            &|i| if i % 40 == 3 { inf } else { i as f64 },
            &|i| 1e7 + (i % 3) as f64 * 1e-3,
            &|i| 1e17 + (i % 3) as f64,
            &|i| if i < 250 { -1e5 } else { -1e5 - 5.0 },
        ];
        for weight in rows {
            let weights: Vec<f64> = (0..300).map(weight).collect();
            for query in 0..20 {
                agrees(query, &documents, &weights, n);
            }
        }
    }

    /// Equal document keys have equal noise: whole groups of equal keys, cut by position.
    #[test]
    fn ties_go_to_the_lower_position() {
        let documents: Vec<u64> = (0..200u64).map(|i| i % 6).collect();
        for n in 1..70 {
            agrees(3, &documents, &vec![0.0; 200], n);
        }
    }

    #[test]
    fn wide_rows_reach_the_untrusted_ends() {
        let documents: Vec<u64> = (0..400_000).collect();
        let weights = vec![0.0; documents.len()];
        for query in 0..6 {
            agrees(query, &documents, &weights, 50);
        }
    }

    #[test]
    fn order_of_the_draws() {
        let noise = Noise::new(1, 1, Domain::Draw);
        let documents: Vec<u64> = (0..64).collect();
        let weights = vec![0.5; 64];
        let (mut sets, mut ordered) = (Vec::new(), Vec::new());
        let mut picker = Picker::new(Isa::detect(), noise);
        picker.pick(4, &documents, &weights, 9, &mut sets);
        picker.pick_in_order(4, &documents, &weights, 9, &mut ordered);
        assert!(ordered.windows(2).all(|pair| pair[0].0 >= pair[1].0));
        let mut positions: Vec<u32> = ordered.iter().map(|pair| pair.1).collect();
        positions.sort_unstable();
        assert_eq!(positions, sets);
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_way(
            weights in prop::collection::vec(prop_oneof![8 => -30.0..30.0f64, 1 => Just(f64::NEG_INFINITY), 1 => -1e6..1e6f64], 0..200),
            n in 0usize..40,
            query: u64,
        ) {
            let documents: Vec<u64> = (0..weights.len() as u64).map(|i| i.wrapping_mul(query | 1)).collect();
            agrees(query, &documents, &weights, n);
        }
    }
}

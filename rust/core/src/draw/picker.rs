//! Draws from one row of log-weights: the n largest of log-weight + Gumbel noise.
//!
//! Those n are distributed exactly as n sequential draws without replacement, each proportional to the weights that are
//! left (the Plackett-Luce law; Yellott 1977; Kool, van Hoof, Welling, ICML 2019).

use crate::draw::largest::{descending, keep_smallest};
use crate::draw::level::{at_level, AtLevel, Level};
use crate::draw::noise::{gumbel, Noise};
use crate::draw::philox::Schedule;
use crate::draw::prefilter::{Contenders, Rough};
use crate::isa::Isa;

/// Below this many candidates per draw the prefilter cannot win.
const WORTHWHILE: usize = 3;

/// Draws from rows; one per thread, since it owns the scratch space.
#[derive(Debug, Clone)]
pub struct Picker {
    isa: Isa,
    noise: Noise,
    schedule: Schedule,
    /// Approximate keys.
    rough: Rough,
    /// Positions that may be among the n largest.
    contenders: Contenders,
    scratch: Scratch,
}

/// The contenders in full.
#[derive(Debug, Clone, Default)]
struct Scratch {
    document_keys: Vec<u64>,
    bits: Vec<u64>,
    keys: Vec<f64>,
    /// (descending key, position).
    pairs: Vec<(u64, u32)>,
}

impl Picker {
    /// A picker that draws with `noise`.
    #[must_use]
    pub fn new(isa: Isa, noise: Noise) -> Self {
        Picker {
            isa,
            noise,
            schedule: Schedule::new(noise.key()),
            rough: Rough::default(),
            contenders: Contenders::default(),
            scratch: Scratch::default(),
        }
    }

    /// Draws `n` positions without replacement into `out`, ascending; fewer where fewer log-weights are above -inf.
    ///
    /// `log_weights` are aligned with `document_keys` and hold no NaN. Equal keys go to the lower position.
    pub fn pick(&mut self, query_key: u64, document_keys: &[u64], log_weights: &[f64], n: usize, out: &mut Vec<u32>) {
        assert_eq!(document_keys.len(), log_weights.len());
        out.clear();
        if n == 0 {
            return;
        }
        let Picker { rough, contenders, .. } = self;
        let mut looked = false;
        if log_weights.len() / n >= WORTHWHILE {
            rough.draw(self.isa, &self.schedule, query_key, document_keys);
            match at_level(self.isa, Look { log_weights, n, rough, contenders, out }) {
                Looked::Settled => return,
                Looked::Narrowed => looked = true,
                Looked::Useless => {}
            }
        }
        if !looked {
            let eligible = log_weights.iter().zip(0..).filter(|(weight, _)| **weight > f64::NEG_INFINITY);
            contenders.replace(eligible.map(|(_, position)| position));
            if contenders.positions().len() <= n {
                out.extend_from_slice(contenders.positions());
                return;
            }
        }
        self.decide(query_key, document_keys, log_weights, n, out);
    }

    /// Draws the `n` largest by the exact keys of the contenders, none of whose log-weights is -inf.
    fn decide(&mut self, query_key: u64, document_keys: &[u64], log_weights: &[f64], n: usize, out: &mut Vec<u32>) {
        let Scratch { document_keys: some_documents, bits, keys, pairs } = &mut self.scratch;
        let positions = self.contenders.positions();
        some_documents.clear();
        some_documents.extend(positions.iter().map(|&position| document_keys[position as usize]));
        bits.resize(positions.len(), 0);
        self.noise.bits_into(self.isa, query_key, some_documents, bits);
        keys.clear();
        keys.extend(positions.iter().map(|&position| log_weights[position as usize]));
        add_noise(self.isa, bits, keys);
        pairs.clear();
        pairs.extend(keys.iter().zip(positions).map(|(&key, &position)| descending(key, position)));
        keep_smallest(pairs, n);
        out.extend(pairs.iter().map(|&(_, position)| position));
        out.sort_unstable();
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

/// The cheap look at a row whose random words have been drawn.
struct Look<'a> {
    log_weights: &'a [f64],
    n: usize,
    rough: &'a mut Rough,
    contenders: &'a mut Contenders,
    out: &'a mut Vec<u32>,
}

/// What a look brought.
enum Looked {
    /// The draws themselves.
    Settled,
    /// The contenders.
    Narrowed,
    /// Nothing.
    Useless,
}

impl AtLevel for Look<'_> {
    type Out = Looked;

    #[inline(always)]
    #[allow(clippy::inline_always)] // one copy per instruction set
    unsafe fn run<L: Level>(self) -> Looked {
        let Look { log_weights, n, rough, contenders, out } = self;
        // SAFETY: the caller promises the level.
        let settled = unsafe {
            if !rough.fill::<L>(log_weights) || !rough.contenders::<L>(n, contenders) {
                return Looked::Useless;
            }
            match contenders.positions().len() {
                0..=16 => contenders.settle::<L, 1>(n, out),
                17..=32 => contenders.settle::<L, 2>(n, out),
                _ => false,
            }
        };
        if settled {
            Looked::Settled
        } else {
            Looked::Narrowed
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn add_noise_body(bits: &[u64], keys: &mut [f64]) {
    for (key, &bits) in keys.iter_mut().zip(bits) {
        *key += gumbel(bits);
    }
}

per_isa! {
    fn add_noise(bits: &[u64], keys: &mut [f64]) => add_noise_body
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

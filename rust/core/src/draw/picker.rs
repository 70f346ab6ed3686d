//! Draws from one row of log-weights: the n largest of log-weight + Gumbel noise, the sum taken exactly.
//!
//! Those n are distributed exactly as n sequential draws without replacement, each proportional to the weights that are
//! left (the Plackett-Luce law; Yellott 1977; Kool, van Hoof, Welling, ICML 2019).

use crate::draw::largest::{descending, rest, smallest, sort_pairs, Pair};
use crate::draw::level::{at_level, AtLevel, Level};
use crate::draw::noise::{gumbel, Noise};
use crate::draw::philox::Schedule;
use crate::draw::prefilter::{Contenders, Rough};
use crate::error::{try_reserve, Error, Result};
use crate::pool::Execution;
use crate::steps::{self, in_steps};

/// Below this many candidates per draw the prefilter cannot win.
const WORTHWHILE: usize = 3;

/// Candidates whose noise is computed together.
const TOGETHER: usize = 512;

/// Draws from rows; one per thread, since it owns the scratch space.
#[derive(Debug, Clone)]
pub struct Picker {
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
    pairs: Vec<Pair>,
    positions: Vec<u32>,
}

impl Picker {
    /// A picker that draws with `noise`.
    #[must_use]
    pub fn new(noise: Noise) -> Self {
        Picker {
            noise,
            schedule: Schedule::new(noise.key()),
            rough: Rough::default(),
            contenders: Contenders::default(),
            scratch: Scratch::default(),
        }
    }

    /// Draws `n` positions without replacement into `out`, ascending; fewer where fewer log-weights are above -inf.
    ///
    /// `log_weights` are aligned with `document_keys` and hold no NaN. Equal sums go to the lower position.
    pub fn pick(
        &mut self,
        exec: &Execution<'_>,
        query_key: u64,
        document_keys: &[u64],
        log_weights: &[f64],
        n: usize,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        assert_eq!(document_keys.len(), log_weights.len());
        check_width("log_weights", log_weights.len())?;
        out.clear();
        if n == 0 {
            return Ok(());
        }
        let Picker { rough, contenders, .. } = self;
        let mut looked = false;
        if log_weights.len() / n >= WORTHWHILE {
            rough.draw(exec, &self.schedule, query_key, document_keys)?;
            match at_level(exec.isa(), Look { exec, log_weights, n, rough, contenders, out })? {
                Looked::Settled => return Ok(()),
                Looked::Narrowed => looked = true,
                Looked::Useless => {}
            }
        }
        if !looked {
            contenders.all(exec, log_weights)?;
            if contenders.positions().len() <= n {
                return steps::copy(exec, out, contenders.positions());
            }
        }
        let mut pairs = std::mem::take(&mut self.scratch.pairs);
        pairs.clear();
        let positions = self.contenders.positions();
        exact(exec, self.noise, query_key, document_keys, log_weights, positions, &mut self.scratch, &mut pairs)?;
        smallest(exec, &mut pairs, n, out, rest_of(self.noise, query_key, document_keys, log_weights))?;
        self.scratch.pairs = pairs;
        Ok(())
    }

    /// As [`Picker::pick`], but the drawn positions come with their keys, largest first: in the order of the draws.
    pub fn pick_in_order(
        &mut self,
        exec: &Execution<'_>,
        query_key: u64,
        document_keys: &[u64],
        log_weights: &[f64],
        n: usize,
        out: &mut Vec<Pair>,
    ) -> Result<()> {
        let mut positions = std::mem::take(&mut self.scratch.positions);
        self.pick(exec, query_key, document_keys, log_weights, n, &mut positions)?;
        out.clear();
        exact(exec, self.noise, query_key, document_keys, log_weights, &positions, &mut self.scratch, out)?;
        self.scratch.positions = positions;
        sort_pairs(exec, out, rest_of(self.noise, query_key, document_keys, log_weights))
    }
}

/// What the key of a position leaves out, as [`rest`] says.
fn rest_of<'a>(
    noise: Noise,
    query_key: u64,
    document_keys: &'a [u64],
    log_weights: &'a [f64],
) -> impl Fn(u32) -> u64 + 'a {
    move |position| {
        let position = position as usize;
        rest(log_weights[position], gumbel(noise.bits(query_key, document_keys[position])))
    }
}

/// Whether the positions of a row have numbers.
pub(super) fn check_width(argument: &'static str, columns: usize) -> Result<()> {
    if u32::try_from(columns).is_ok() {
        return Ok(());
    }
    let problem = format!("{columns} in a row, expected at most {}", u32::MAX);
    Err(Error::Value { argument, problem })
}

/// Appends the exact keys of some positions, none of whose log-weights is -inf.
#[allow(clippy::too_many_arguments)]
fn exact(
    exec: &Execution<'_>,
    noise: Noise,
    query_key: u64,
    document_keys: &[u64],
    log_weights: &[f64],
    positions: &[u32],
    scratch: &mut Scratch,
    pairs: &mut Vec<Pair>,
) -> Result<()> {
    try_reserve(pairs, positions.len())?;
    let Scratch { document_keys: some_documents, bits, keys, .. } = scratch;
    in_steps(exec, positions.len(), |some| {
        for positions in positions[some].chunks(TOGETHER) {
            some_documents.clear();
            some_documents.extend(positions.iter().map(|&position| document_keys[position as usize]));
            bits.resize(positions.len(), 0);
            noise.bits_into(exec.isa(), query_key, some_documents, bits);
            keys.clear();
            keys.extend(positions.iter().map(|&position| log_weights[position as usize]));
            add_noise(exec.isa(), bits, keys);
            pairs.extend(keys.iter().zip(positions).map(|(&key, &position)| descending(key, position)));
        }
        Ok(())
    })
}

/// The cheap look at a row whose random words have been drawn.
struct Look<'a> {
    exec: &'a Execution<'a>,
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
    type Out = Result<Looked>;

    #[inline(always)]
    #[allow(clippy::inline_always)] // one copy per instruction set
    unsafe fn run<L: Level>(self) -> Result<Looked> {
        let Look { exec, log_weights, n, rough, contenders, out } = self;
        // SAFETY: the caller promises the level.
        let settled = unsafe {
            if !rough.fill::<L>(exec, log_weights)? || !rough.contenders::<L>(exec, n, contenders)? {
                return Ok(Looked::Useless);
            }
            match contenders.positions().len() {
                0..=16 => contenders.settle::<L, 1>(n, out),
                17..=32 => contenders.settle::<L, 2>(n, out),
                _ => false,
            }
        };
        Ok(if settled { Looked::Settled } else { Looked::Narrowed })
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
    use crate::draw::Domain;
    use crate::isa::Isa;
    use crate::steps::tests::alone;
    use proptest::prelude::*;

    /// Noise for every candidate, then a full sort.
    fn plain(noise: Noise, query: u64, documents: &[u64], log_weights: &[f64], n: usize) -> Vec<u32> {
        let mut keys = vec![0.0; documents.len()];
        noise.gumbel_into(Isa::Portable, query, documents, &mut keys);
        let mut order: Vec<u32> =
            (0..keys.len() as u32).filter(|&i| log_weights[i as usize] > f64::NEG_INFINITY).collect();
        let sum = |i: u32| {
            let (weight, noise) = (log_weights[i as usize], keys[i as usize]);
            (descending(weight + noise, 0).0, rest(weight, noise), i)
        };
        order.sort_by_key(|&i| sum(i));
        order.truncate(n);
        order.sort_unstable();
        order
    }

    fn agrees(query: u64, documents: &[u64], log_weights: &[f64], n: usize) {
        let noise = Noise::new(11, 5, Domain::Select);
        let expected = plain(noise, query, documents, log_weights, n);
        for isa in Isa::available() {
            let mut out = vec![9];
            Picker::new(noise).pick(&alone(isa), query, documents, log_weights, n, &mut out).unwrap();
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

    /// Beside a weight of 1e15 and more float64 has no room for the noise: it decides all the same.
    #[test]
    fn equal_weights_are_drawn_alike_whatever_their_size() {
        let noise = Noise::new(2, 0, Domain::Draw);
        let documents: Vec<u64> = (0..40).collect();
        let mut picker = Picker::new(noise);
        for n in [1, 3, 20] {
            for query in 0..50 {
                let mut of = |weights: &[f64]| {
                    let (mut set, mut ordered) = (Vec::new(), Vec::new());
                    picker.pick(&alone(Isa::detect()), query, &documents, weights, n, &mut set).unwrap();
                    picker.pick_in_order(&alone(Isa::detect()), query, &documents, weights, n, &mut ordered).unwrap();
                    (set, ordered.iter().map(|pair| pair.1).collect::<Vec<_>>())
                };
                let expected = of(&[0.0; 40]);
                for size in [1e12, -1e15, 1e16, -1e17, 1e300, f64::MAX, f64::MIN] {
                    assert_eq!(of(&[size; 40]), expected, "{n} of weight {size}");
                }
                // Also among those that come after all others.
                let mut weights = [-1e18; 40];
                weights[7] = 0.0;
                let (set, ordered) = of(&weights);
                assert_eq!(ordered[0], 7);
                weights.fill(0.0);
                weights[7] = 100.0;
                assert_eq!((set, ordered), of(&weights));
            }
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

    /// What masks leave in a row: numbers near the ends of float32 and float64, in any company, around every width.
    #[test]
    fn thresholds_at_the_ends_of_the_numbers() {
        let f32s = [f32::MIN, f32::MAX, f32::MIN_POSITIVE, -1e-45, 3.402_823e38, -3.402_823e38].map(f64::from);
        let f64s = [f64::MIN, f64::MAX, -5e-324, -3.402_823_567_797_337e38, -1e39, 1e39, f64::NEG_INFINITY, -65504.0];
        let masks = f32s.into_iter().chain(f64s);
        for mask in masks {
            for len in [20usize, 100, 111, 112, 113, 300, 500] {
                let documents: Vec<u64> = (0..len as u64).collect();
                for free in [0, 1, 5, 15, 16, 17, 49, 99].into_iter().filter(|free| *free <= len) {
                    let mut weights = vec![mask; len];
                    weights[..free].fill(0.0);
                    for n in [1, free.saturating_sub(1), free, free + 1, free + 3, 2 * free + 1] {
                        agrees(len as u64, &documents, &weights, n);
                    }
                    weights[len / 2..].fill(f64::NEG_INFINITY);
                    agrees(1, &documents, &weights, free + 1);
                    weights[len - 1] = f64::MAX;
                    agrees(2, &documents, &weights, free + 1);
                }
            }
        }
    }

    #[test]
    fn order_of_the_draws() {
        let noise = Noise::new(1, 1, Domain::Draw);
        let exec = alone(Isa::detect());
        // Enough for both ways of sorting.
        let documents: Vec<u64> = (0..50_000).collect();
        let weights = vec![0.5; documents.len()];
        let mut picker = Picker::new(noise);
        for n in [9, 40_000] {
            let (mut sets, mut ordered) = (Vec::new(), Vec::new());
            picker.pick(&exec, 4, &documents, &weights, n, &mut sets).unwrap();
            picker.pick_in_order(&exec, 4, &documents, &weights, n, &mut ordered).unwrap();
            assert!(ordered.is_sorted());
            assert_eq!(ordered[0].0, descending(0.5 + gumbel(noise.bits(4, u64::from(ordered[0].1))), 0).0);
            let mut positions: Vec<u32> = ordered.iter().map(|pair| pair.1).collect();
            positions.sort_unstable();
            assert_eq!(positions, sets);
        }
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

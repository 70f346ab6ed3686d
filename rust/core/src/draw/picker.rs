//! Draws from one row of log-weights: the n largest of log-weight + Gumbel noise.
//!
//! Those n are distributed exactly as n sequential draws without replacement, each proportional to the weights that are
//! left (the Plackett-Luce law; Yellott 1977; Kool, van Hoof, Welling, ICML 2019).

use crate::draw::largest::{descending, keep_smallest};
use crate::draw::noise::{gumbel, Noise};
use crate::draw::prefilter::{Rough, LANES};
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
    /// Positions still in the race, ascending.
    positions: Vec<u32>,
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

/// The one step that plain Rust does not turn into good vector code: which of 32 keys reach the cut, as a mask.
trait Level {
    /// # Safety
    /// The machine must have the level.
    unsafe fn reaching(keys: &[f32; LANES], cut: f32) -> u32;
}

struct Plain;

impl Level for Plain {
    #[inline(always)]
    unsafe fn reaching(keys: &[f32; LANES], cut: f32) -> u32 {
        keys.iter().zip(0..).map(|(&key, lane)| u32::from(key >= cut) << lane).sum()
    }
}

fn pick(isa: Isa, log_weights: &[f64], n: usize, scratch: &mut Scratch, out: &mut Vec<u32>) {
    match isa {
        // SAFETY: a level is only ever chosen among those that the machine has.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { x86::pick_512(log_weights, n, scratch, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { x86::pick_256(log_weights, n, scratch, out) },
        _ => pick_body::<Plain>(log_weights, n, scratch, out),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_cmp_ps, _mm256_loadu_ps, _mm256_movemask_ps, _mm256_set1_ps, _mm512_cmp_ps_mask, _mm512_loadu_ps,
        _mm512_set1_ps, _CMP_GE_OQ,
    };

    use super::{pick_body, Level, Scratch, LANES};

    struct Wide;

    impl Level for Wide {
        #[inline]
        #[target_feature(enable = "avx512f")]
        unsafe fn reaching(keys: &[f32; LANES], cut: f32) -> u32 {
            let mask = |at: usize| {
                // SAFETY: 16 values from 0 and from 16 on lie inside the array of 32.
                let keys = unsafe { _mm512_loadu_ps(keys.as_ptr().add(at)) };
                u32::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(keys, _mm512_set1_ps(cut)))
            };
            mask(0) | mask(16) << 16
        }
    }

    struct Narrow;

    impl Level for Narrow {
        #[inline]
        #[target_feature(enable = "avx2")]
        unsafe fn reaching(keys: &[f32; LANES], cut: f32) -> u32 {
            let mask = |at: usize| {
                // SAFETY: 8 values from 0, 8, 16 and 24 on lie inside the array of 32.
                let keys = unsafe { _mm256_loadu_ps(keys.as_ptr().add(at)) };
                _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(keys, _mm256_set1_ps(cut))) as u32
            };
            mask(0) | mask(8) << 8 | mask(16) << 16 | mask(24) << 24
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,popcnt")]
    pub(super) fn pick_512(log_weights: &[f64], n: usize, scratch: &mut Scratch, out: &mut Vec<u32>) {
        pick_body::<Wide>(log_weights, n, scratch, out);
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn pick_256(log_weights: &[f64], n: usize, scratch: &mut Scratch, out: &mut Vec<u32>) {
        pick_body::<Narrow>(log_weights, n, scratch, out);
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn pick_body<L: Level>(log_weights: &[f64], n: usize, scratch: &mut Scratch, out: &mut Vec<u32>) {
    let eligible: usize = log_weights.iter().map(|w| usize::from(*w > f64::NEG_INFINITY)).sum();
    if eligible <= n {
        out.extend(log_weights.iter().zip(0..).filter(|(w, _)| **w > f64::NEG_INFINITY).map(|(_, p)| p));
        return;
    }
    if !(eligible / n >= WORTHWHILE && shortlist::<L>(log_weights, n, scratch)) {
        scratch.positions.clear();
        scratch.positions.extend(0..log_weights.len() as u32);
    }
    exact_keys(log_weights, scratch);
    let Scratch { positions, keys, pairs, .. } = scratch;
    match positions.len() {
        0..=16 => rank_few::<16>(positions, keys, n, out),
        17..=32 => rank_few::<32>(positions, keys, n, out),
        _ => {
            pairs.clear();
            let eligible = keys.iter().zip(&*positions).filter(|(key, _)| **key > f64::NEG_INFINITY);
            pairs.extend(eligible.map(|(&key, &position)| descending(key, position)));
            keep_smallest(pairs, n);
            out.extend(pairs.iter().map(|&(_, position)| position));
            out.sort_unstable();
        }
    }
}

/// Leaves in `scratch.positions` all that can be among the n largest; false where that was not possible.
#[inline(always)]
#[allow(clippy::inline_always)]
fn shortlist<L: Level>(log_weights: &[f64], n: usize, scratch: &mut Scratch) -> bool {
    let Scratch { bits, rough, positions, .. } = scratch;
    if !rough.fill(bits, log_weights) {
        return false;
    }
    let Some(cut) = rough.cut(n) else { return false };
    positions.clear();
    for (first, chunk) in (0u32..).step_by(LANES).zip(rough.chunks()) {
        // SAFETY: a level is only ever chosen among those that the machine has.
        let mut mask = unsafe { L::reaching(chunk, cut) };
        while mask != 0 {
            positions.push(first + mask.trailing_zeros());
            mask &= mask - 1;
        }
    }
    true
}

/// Exact keys of the positions, padded with -inf to whole vectors.
#[inline(always)]
#[allow(clippy::inline_always)]
fn exact_keys(log_weights: &[f64], scratch: &mut Scratch) {
    let Scratch { bits, positions, keys, some_bits, .. } = scratch;
    let padded = positions.len().next_multiple_of(16);
    keys.clear();
    keys.extend(positions.iter().map(|&position| log_weights[position as usize]));
    keys.resize(padded, f64::NEG_INFINITY);
    some_bits.clear();
    some_bits.extend(positions.iter().map(|&position| bits[position as usize]));
    some_bits.resize(padded, 0);
    for (key, &bits) in keys.iter_mut().zip(&*some_bits) {
        *key += gumbel(bits);
    }
}

/// The `n` largest of at most L keys: a key stays where fewer than n come before it.
#[inline(always)]
#[allow(clippy::inline_always)]
fn rank_few<const L: usize>(positions: &[u32], keys: &[f64], n: usize, out: &mut Vec<u32>) {
    let mut padded = [f64::NEG_INFINITY; L];
    padded[..keys.len().min(L)].copy_from_slice(&keys[..keys.len().min(L)]);
    let mut before = [0u64; L];
    for (index, &rival) in (0u64..).zip(&padded) {
        for ((before, &own), lane) in before.iter_mut().zip(&padded).zip(0u64..) {
            *before += u64::from(rival > own) | (u64::from(rival == own) & u64::from(index < lane));
        }
    }
    for ((&position, &key), &before) in positions.iter().zip(&padded).zip(&before) {
        if before < n as u64 && key > f64::NEG_INFINITY {
            out.push(position);
        }
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

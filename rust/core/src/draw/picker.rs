//! Draws from one row of log-weights: the n largest of log-weight + Gumbel noise.
//!
//! Those n are distributed exactly as n sequential draws without replacement, each proportional to the weights that are
//! left (the Plackett-Luce law; Yellott 1977, Kool, van Hoof, Welling, ICML 2019).

use crate::draw::largest::largest_positions;
use crate::draw::noise::Noise;
use crate::isa::Isa;

/// Draws from rows; one per thread, since it owns the scratch space.
#[derive(Debug, Clone)]
pub struct Picker {
    isa: Isa,
    noise: Noise,
    keys: Vec<f64>,
    pairs: Vec<(u64, u32)>,
}

impl Picker {
    /// A picker that draws with `noise`.
    #[must_use]
    pub fn new(isa: Isa, noise: Noise) -> Self {
        Picker { isa, noise, keys: Vec::new(), pairs: Vec::new() }
    }

    /// Draws `n` positions without replacement into `out`, ascending; fewer where fewer log-weights are above -inf.
    ///
    /// `log_weights` are aligned with `document_keys` and hold no NaN. Equal keys go to the lower position.
    pub fn pick(&mut self, query_key: u64, document_keys: &[u64], log_weights: &[f64], n: usize, out: &mut Vec<u32>) {
        self.keys.resize(log_weights.len(), 0.0);
        self.noise.gumbel_into(self.isa, query_key, document_keys, &mut self.keys);
        for (key, &log_weight) in self.keys.iter_mut().zip(log_weights) {
            *key += log_weight;
        }
        largest_positions(&self.keys, n, &mut self.pairs, out);
    }
}

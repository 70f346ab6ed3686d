//! Gumbel noise, one value for each (seed, epoch, domain, query key, document key).

use crate::draw::logarithm::ln;
use crate::draw::philox;
use crate::isa::Isa;

/// Whose noise it is: a part of every key, so that no two users under one seed ever see the same noise. Every public
/// function that draws has a domain of its own, and a new one gets a new domain: this is the whole table.
///
/// The key is (seed, epoch, domain), then what the domain says. Numbers are never given twice, nor changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// `draw`: row key, column key.
    Draw = 0,
    /// `select`, and what is selection by another door (`mine_scores`, batches of a dataset, a dynamic miner's
    /// `negatives`): query key, document key.
    Select = 1,
    /// Random documents that fill a short list of `select`: query key, number of the draw.
    Fill = 2,
    /// `sample_uniform`: row key, number of the draw.
    Uniform = 3,
    /// `AliasTable.sample`: row key, number of the draw; without replacement row key, item.
    Alias = 4,
    /// The teacher of each row of `ensemble(scheme="cross_sample")`: key of the (query, positive) row, teacher.
    CrossSample = 5,
    /// `ensemble(scheme="joint")`: key of the (query, positive) row, document.
    Joint = 6,
    /// Which positive a dataset shows of a query that has several: query key, document key.
    Positives = 7,
    /// `DynamicMiner.dns`: query id, number of the draw.
    Dynamic = 8,
    /// The vectors that `spherical_kmeans` starts from: number of the draw.
    Clusters = 9,
    /// The vector that `OnlineClusters` starts from: number of the draw.
    OnlineClusters = 10,
    /// The permutations of `near_duplicate_groups`: number of the permutation.
    NearDuplicates = 11,
}

impl Domain {
    /// All of them.
    pub const ALL: [Domain; 12] = [
        Domain::Draw,
        Domain::Select,
        Domain::Fill,
        Domain::Uniform,
        Domain::Alias,
        Domain::CrossSample,
        Domain::Joint,
        Domain::Positives,
        Domain::Dynamic,
        Domain::Clusters,
        Domain::OnlineClusters,
        Domain::NearDuplicates,
    ];

    /// Name by which the Python layer asks for the domain.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Domain::Draw => "draw",
            Domain::Select => "select",
            Domain::Fill => "fill",
            Domain::Uniform => "uniform",
            Domain::Alias => "alias",
            Domain::CrossSample => "cross_sample",
            Domain::Joint => "joint",
            Domain::Positives => "positives",
            Domain::Dynamic => "dynamic",
            Domain::Clusters => "clusters",
            Domain::OnlineClusters => "online_clusters",
            Domain::NearDuplicates => "near_duplicates",
        }
    }

    /// Domain of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|domain| domain.name() == name)
    }
}

/// One family of noise values; cheap to make and to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    seed: u64,
    epoch: u64,
    domain: Domain,
    key: [u32; 2],
}

impl Noise {
    /// The noise of (seed, epoch, domain).
    ///
    /// One block of Philox under the key `seed`, with counter (epoch, domain, arrival 0), gives the key of the stream.
    #[must_use]
    pub fn new(seed: u64, epoch: u64, domain: Domain) -> Self {
        Noise { seed, epoch, domain, key: stream_key(seed, epoch, domain, 0) }
    }

    /// The independent noise of the `arrival`-th time an item is met, for draws with replacement; 0 is this noise itself.
    #[must_use]
    pub fn arrival(&self, arrival: u32) -> Self {
        Noise { key: stream_key(self.seed, self.epoch, self.domain, arrival), ..*self }
    }

    /// Philox key of the stream.
    #[must_use]
    pub fn key(&self) -> [u32; 2] {
        self.key
    }

    /// 64 random bits of one (query key, document key).
    #[inline]
    #[must_use]
    pub fn bits(&self, query_key: u64, document_key: u64) -> u64 {
        philox::word64(self.key, document_key, query_key)
    }

    /// 64 random bits of every document key, into `out` of the same length.
    pub fn bits_into(&self, isa: Isa, query_key: u64, document_keys: &[u64], out: &mut [u64]) {
        assert_eq!(document_keys.len(), out.len());
        philox::words64(isa, self.key, document_keys, query_key, out);
    }

    /// Standard Gumbel noise of every document key, into `out` of the same length; see [`gumbel`].
    pub fn gumbel_into(&self, isa: Isa, query_key: u64, document_keys: &[u64], out: &mut [f64]) {
        assert_eq!(document_keys.len(), out.len());
        let mut bits = [0; 256];
        for (document_keys, out) in document_keys.chunks(bits.len()).zip(out.chunks_mut(256)) {
            let bits = &mut bits[..out.len()];
            self.bits_into(isa, query_key, document_keys, bits);
            gumbels(isa, bits, out);
        }
    }
}

fn stream_key(seed: u64, epoch: u64, domain: Domain, arrival: u32) -> [u32; 2] {
    let counter = [epoch as u32, (epoch >> 32) as u32, domain as u32, arrival];
    let [k0, k1, _, _] = philox::block(counter, [seed as u32, (seed >> 32) as u32]);
    [k0, k1]
}

/// A uniform value from the top 52 of 64 random bits: an odd multiple of 2^-53.
///
/// Never 0 and never 1, symmetric around one half, and exact in float64. (With 53 bits, half of the values above one half
/// would have to be rounded, the last of them to 1.)
#[inline(always)]
#[must_use]
#[allow(clippy::inline_always)]
pub fn unit(bits: u64) -> f64 {
    (f64::from_bits(0x3FF0_0000_0000_0000 | bits >> 12) - 1.0) + 1.110_223_024_625_156_5e-16
}

/// A standard exponential value from 64 random bits: -ln u, off by less than one unit in the last place.
#[inline(always)]
#[must_use]
#[allow(clippy::inline_always)]
pub fn exponential(bits: u64) -> f64 {
    -ln(unit(bits))
}

/// A standard Gumbel value from 64 random bits: -ln(-ln u), in [-3.61, 36.74].
///
/// The inner logarithm is off by less than one unit in its last place, which moves the outer one by at most 2.3e-16, and
/// that is rounded within one unit of its own last place: the error is below 2.3e-16 + 2.3e-16 max(1, |g|).
#[inline(always)]
#[must_use]
#[allow(clippy::inline_always)]
pub fn gumbel(bits: u64) -> f64 {
    -ln(exponential(bits))
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn gumbels_body(bits: &[u64], out: &mut [f64]) {
    for (noise, &bits) in out.iter_mut().zip(bits) {
        *noise = gumbel(bits);
    }
}

per_isa! {
    fn gumbels(bits: &[u64], out: &mut [f64]) => gumbels_body
}

/// Ids as document keys, without a copy.
#[must_use]
pub fn as_keys(ids: &[i64]) -> &[u64] {
    // SAFETY: i64 and u64 have one size and one alignment, and every bit pattern is a value of both.
    unsafe { std::slice::from_raw_parts(ids.as_ptr().cast(), ids.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_values_are_inside_and_symmetric() {
        assert_eq!(unit(0), 2f64.powi(-53));
        assert_eq!(unit(u64::MAX), 1.0 - 2f64.powi(-53));
        for bits in [0u64, 1 << 12, 0x1234_5678_9abc_def0, 1 << 63] {
            assert_eq!(unit(bits) + unit(!bits), 1.0);
        }
        assert!((gumbel(0) + 3.604_3).abs() < 1e-3 && (gumbel(u64::MAX) - 36.736_8).abs() < 1e-3);
    }

    #[test]
    fn every_level_gives_the_same_bits_as_one_value_at_a_time() {
        let documents: Vec<u64> = (0..1003u64).map(|i| i.wrapping_mul(i) ^ i << 40).collect();
        let noise = Noise::new(7, 3, Domain::Select);
        for isa in Isa::available() {
            let mut out = vec![0.0; documents.len()];
            noise.gumbel_into(isa, 99, &documents, &mut out);
            for (found, &document) in out.iter().zip(&documents) {
                assert_eq!(found.to_bits(), gumbel(noise.bits(99, document)).to_bits());
            }
        }
    }

    #[test]
    fn every_domain_has_its_own_number_name_and_noise() {
        for (number, domain) in Domain::ALL.into_iter().enumerate() {
            assert_eq!((domain as usize, Domain::from_name(domain.name())), (number, Some(domain)));
            for other in &Domain::ALL[..number] {
                assert_ne!(Noise::new(0, 0, domain).key(), Noise::new(0, 0, *other).key());
            }
        }
    }

    #[test]
    fn seed_epoch_domain_and_arrival_make_other_noise() {
        let base = Noise::new(1, 2, Domain::Draw);
        let others = [
            Noise::new(2, 2, Domain::Draw),
            Noise::new(1, 3, Domain::Draw),
            Noise::new(1, 2, Domain::Select),
            Noise::new(1 << 32 | 1, 2, Domain::Draw),
            Noise::new(1, 1 << 32 | 2, Domain::Draw),
            base.arrival(1),
        ];
        for other in others {
            assert_ne!(base.bits(0, 0), other.bits(0, 0));
        }
        assert_eq!(base.arrival(0), base);
        assert_ne!(base.bits(0, 1), base.bits(1, 0));
    }
}

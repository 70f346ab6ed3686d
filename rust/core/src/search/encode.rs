//! From an embedding to codes: moved by a centre, turned by a fixed rotation where that helps, divided by a scale, rounded.
//!
//! Neither the centre nor the rotation changes what is computed in the end: they make what the codes leave of an embedding
//! small. Embeddings of a corpus share a mean, often most of their length, and some have a few numbers far larger than the
//! rest, which would take all codes for themselves. The product of a query with the centre is known beforehand, and a
//! rotation of both sides changes no product.

use crate::error::{try_reserve_exact, Error, Result};
use crate::isa::Isa;

use super::block::STEP;
use super::exact::Similarity;

/// Codes of documents lie in `-127..=127`.
pub const DOCUMENT_LEVELS: i32 = 127;
/// Numbers beyond these, where float32 might overflow or lose digits on the way, get no codes: 2^100 and its inverse.
const LARGEST: f32 = 1.267_650_6e30;
const SMALLEST: f32 = 1.0 / LARGEST;
/// Two to the 23 times 1.5: adding it rounds a small number to an integer, which its lowest bits then hold.
const ROUNDER: f32 = 12_582_912.0;
const LANES: usize = 16;

/// How embeddings are moved and turned before they get their codes.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// How they are compared: for the cosine they are divided by their norms first.
    pub similarity: Similarity,
    /// What is taken from every document; nothing where empty.
    pub centre: &'a [f32],
    /// Whether both sides are turned.
    pub rotated: bool,
}

impl Frame<'_> {
    /// Neither moved nor turned.
    #[must_use]
    pub fn plain(similarity: Similarity) -> Self {
        Frame { similarity, centre: &[], rotated: false }
    }

    /// # Errors
    /// [`Error::Length`] where the centre is no embedding, [`Error::Value`] where it is not finite.
    pub fn check(&self, dimension: usize) -> Result<()> {
        let (argument, found) = ("centre", self.centre.len());
        if found != 0 && found != dimension {
            return Err(Error::Length { argument, found, wanted: dimension });
        }
        super::embeddings::check_finite(argument, 0, self.centre)
    }
}

/// What an embedding became, besides its codes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Encoded {
    /// The codes times this are the embedding, but for the residual.
    pub scale: f32,
    /// Norm of what the codes leave, rounded up.
    pub residual: f32,
    /// Norm of the embedding, moved and turned, rounded up.
    pub length: f32,
}

/// Buffers that one thread reuses from embedding to embedding.
#[derive(Debug, Default)]
pub struct Encoder {
    /// The codes of the last embedding, filled up with zeros to whole steps.
    pub codes: Vec<i8>,
    values: Vec<f32>,
}

impl Encoder {
    /// Makes room for an embedding.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn reserve(&mut self, dimension: usize) -> Result<()> {
        self.values.clear();
        self.codes.clear();
        try_reserve_exact(&mut self.values, dimension)?;
        try_reserve_exact(&mut self.codes, dimension.next_multiple_of(STEP))
    }

    /// The codes of an embedding of zeros.
    pub fn clear(&mut self, dimension: usize) {
        self.codes.clear();
        self.codes.resize(dimension.next_multiple_of(STEP), 0);
    }

    /// Fills the codes. `values` are finite and `norm` is their norm; `moved` says whether the centre is taken from them.
    pub fn encode(
        &mut self,
        isa: Isa,
        values: &[f32],
        norm: f64,
        frame: &Frame<'_>,
        moved: bool,
        levels: i32,
    ) -> Encoded {
        let Encoder { codes, values: turned } = self;
        codes.resize(values.len().next_multiple_of(STEP), 0);
        turned.resize(values.len(), 0.0);
        let factor = match frame.similarity {
            Similarity::Cosine if norm > 0.0 => 1.0 / norm,
            Similarity::Cosine | Similarity::Dot => 1.0,
        };
        move_by(isa, values, factor, if moved { frame.centre } else { &[] }, turned);
        let largest = largest(isa, turned);
        let bound = round_up(f64::from(largest) * (values.len() as f64).sqrt() * (1.0 + 1.0 / 1_048_576.0));
        let without_codes = Encoded { scale: 0.0, residual: bound, length: bound };
        if !(SMALLEST..=LARGEST).contains(&largest) {
            codes.fill(0);
            return without_codes;
        }
        let scale = levels as f32;
        let scale = if frame.rotated {
            rotate(isa, turned);
            self::largest(isa, turned) / scale
        } else {
            largest / scale
        };
        digits(isa, turned, scale, &mut codes[..values.len()])
    }
}

per_isa! {
    /// `values * factor - centre`, in float64 and rounded once.
    fn move_by(values: &[f32], factor: f64, centre: &[f32], out: &mut [f32]) => move_by_body
}

#[allow(clippy::inline_always)] // compiled anew for every level
#[inline(always)]
fn move_by_body(values: &[f32], factor: f64, centre: &[f32], out: &mut [f32]) {
    if centre.is_empty() && factor == 1.0 {
        out.copy_from_slice(values);
    } else if centre.is_empty() {
        out.iter_mut().zip(values).for_each(|(out, x)| *out = (f64::from(*x) * factor) as f32);
    } else {
        for ((out, x), centre) in out.iter_mut().zip(values).zip(centre) {
            *out = (f64::from(*x) * factor - f64::from(*centre)) as f32;
        }
    }
}

per_isa! {
    /// The largest magnitude.
    fn largest(values: &[f32]) -> f32 => largest_body
}

#[allow(clippy::inline_always)]
#[inline(always)]
fn largest_body(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let tail = chunks.remainder();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = if x.abs() > *lane { x.abs() } else { *lane };
        }
    }
    tail.iter().chain(&lanes).fold(0.0, |largest, x| largest.max(x.abs()))
}

per_isa! {
    /// Codes of numbers that are at most 127 times the scale, which is neither tiny nor huge.
    fn digits(values: &[f32], scale: f32, codes: &mut [i8]) -> Encoded => digits_body
}

#[allow(clippy::inline_always)]
#[inline(always)]
fn digits_body(values: &[f32], scale: f32, codes: &mut [i8]) -> Encoded {
    let inverse = 1.0 / scale;
    let (mut errors, mut squares) = ([0.0f32; LANES], [0.0f32; LANES]);
    let whole = values.len() / LANES * LANES;
    let mut one = |lane: usize, x: f32, code: &mut i8| {
        let scaled = x * inverse;
        let rounded = scaled + ROUNDER;
        *code = rounded.to_bits() as i8;
        let error = scaled - (rounded - ROUNDER);
        errors[lane] += error * error;
        squares[lane] += scaled * scaled;
    };
    for (values, codes) in values[..whole].chunks_exact(LANES).zip(codes[..whole].chunks_exact_mut(LANES)) {
        for lane in 0..LANES {
            one(lane, values[lane], &mut codes[lane]);
        }
    }
    for (lane, (x, code)) in values[whole..].iter().zip(&mut codes[whole..]).enumerate() {
        one(lane, *x, code);
    }
    // Every term passes through at most h / 16 + 4 additions and a product.
    let slack = 1.0 + (values.len() as f64 / 16.0 + 16.0) / 8_388_608.0;
    let norm = |lanes: [f32; LANES]| {
        let sum: f64 = lanes.iter().map(|lane| f64::from(*lane)).sum();
        round_up(f64::from(scale) * sum.sqrt() * slack)
    };
    Encoded { scale, residual: norm(errors), length: norm(squares) }
}

/// Turns the numbers by a fixed rotation that spreads every number over all of them: signs by the place, then a Hadamard
/// transform of the first 2^p numbers and, where that is not all, other signs and one of the last 2^p. Without signs of
/// their own the second would undo the first where both work.
fn rotate(isa: Isa, values: &mut [f32]) {
    let Some(power) = values.len().checked_ilog2() else { return };
    let (size, h) = (1 << power, values.len());
    flip(values, 0);
    hadamard(isa, &mut values[..size]);
    if size < h {
        let last = &mut values[h - size..];
        flip(last, h);
        hadamard(isa, last);
    }
}

/// Gives the numbers signs that look random, those of the places from `first` on.
fn flip(values: &mut [f32], first: usize) {
    for (place, x) in (first..).zip(values) {
        if mix(place as u64) >> 63 == 1 {
            *x = -*x;
        }
    }
}

per_isa! {
    /// Hadamard transform, orthonormal; the length is a power of two.
    fn hadamard(values: &mut [f32]) => hadamard_body
}

#[allow(clippy::inline_always)]
#[inline(always)]
fn hadamard_body(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (left, right) = pair.split_at_mut(half);
            for (a, b) in left.iter_mut().zip(right) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let factor = (1.0 / (values.len() as f64).sqrt()) as f32;
    for x in values {
        *x *= factor;
    }
}

/// A word that looks random (the finaliser of `SplitMix64`).
fn mix(place: u64) -> u64 {
    let x = (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The smallest float32 that is not below `x`.
#[must_use]
pub fn round_up(x: f64) -> f32 {
    let nearest = x as f32;
    if f64::from(nearest) < x {
        nearest.next_up()
    } else {
        nearest
    }
}

/// The largest float32 that is not above `x`.
#[must_use]
pub fn round_down(x: f64) -> f32 {
    -round_up(-x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_leaves_lengths_and_spreads_every_number() {
        for h in [1, 2, 3, 64, 96, 100, 384, 768, 1000, 1024] {
            for place in 0..h {
                let mut values = vec![0.0f32; h];
                values[place] = 1.0;
                rotate(Isa::Portable, &mut values);
                let length = values.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
                assert!((length - 1.0).abs() < 1e-6, "h {h}, place {place}: {length}");
                let largest = values.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
                let most = 4.0 / (h as f32).sqrt() + 0.1;
                assert!(largest < most, "h {h}, place {place}: a number stays {largest}, most {most}");
            }
        }
    }
}

//! A cheap look at a row: which positions can be among the n largest keys at all.
//!
//! Gumbel noise is first computed in float32 from the top 32 of its 64 bits, under a proven bound on the error; the other 32
//! bits are not even drawn. A position
//! whose approximate key lies further below the n-th largest than both errors can add up to has no chance, and is never
//! computed in full. What is picked is therefore the same to the bit as without this step.

use crate::draw::level::{Level, LANES};
use crate::draw::philox::{self, Schedule};
use crate::draw::rough::{rough_key, NOISE_BOUND, TRUSTED};
use crate::error::{try_reserve, Result};
use crate::pool::Execution;
use crate::steps::{in_steps, STEP};

/// Bound on the relative error of an approximate key: the log-weight is rounded to float32, then the sum; 2^-24 each.
const KEY_BOUND: f32 = 1.0 / 4_194_304.0;

/// Room for the rounding of the bounds themselves.
const ROOM: f32 = 1.0 + 1.0 / 64.0;

/// Most groups of positions whose largest keys are told apart: LANES in each of so many vectors.
const MOST: usize = 4;

/// A float as an integer of the same order.
#[inline(always)]
#[allow(clippy::inline_always)]
fn ordered(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

/// The float of [`ordered`].
#[inline(always)]
#[allow(clippy::inline_always)]
fn float(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) & i32::MAX)) as u32)
}

/// [`ordered`] of -inf.
const NEVER: i32 = f32::NEG_INFINITY.to_bits() as i32 ^ i32::MAX;

/// Changes the length, as `Vec::resize` does, where the allocator agrees.
fn resize<T: Clone + Default>(vec: &mut Vec<T>, len: usize) -> Result<()> {
    try_reserve(vec, len.saturating_sub(vec.len()))?;
    vec.resize(len, T::default());
    Ok(())
}

/// What is known of the keys computed so far.
struct Seen<L: Level> {
    largest: [L::Int; MOST],
    /// Least and greatest top half, as signed integers.
    least: L::Int,
    most: L::Int,
}

#[allow(clippy::inline_always)]
impl<L: Level> Seen<L> {
    /// # Safety
    /// The machine must have the level.
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: the caller promises the level.
        unsafe { Seen { largest: [L::ints(NEVER); MOST], least: L::ints(i32::MAX), most: L::ints(i32::MIN) } }
    }

    /// Computes the keys of a vector.
    ///
    /// # Safety
    /// The machine must have the level.
    #[inline(always)]
    unsafe fn add(&mut self, group: usize, tops: &[u32; LANES], weights: &[f64; LANES], keys: &mut [i32; LANES]) {
        // SAFETY: every pointer is that of an array of LANES values; the caller promises the level.
        unsafe {
            let top = L::load(tops.as_ptr().cast());
            let signed = L::xor(top, L::ints(i32::MIN));
            (self.least, self.most) = (L::min(self.least, signed), L::max(self.most, signed));
            let key = L::as_ints(rough_key::<L>(top, L::load_rounded(weights.as_ptr())));
            let key = L::xor(key, L::and(L::sign(key), L::ints(i32::MAX)));
            L::store(keys.as_mut_ptr(), key);
            self.largest[group] = L::max(self.largest[group], key);
        }
    }
}

/// Approximate keys of a row as ordered integers, padded with -inf to whole vectors.
#[derive(Debug, Clone)]
pub(super) struct Rough {
    tops: Vec<u32>,
    keys: Vec<i32>,
    /// Largest key of the positions of each remainder modulo MOST * LANES.
    largest: [[i32; LANES]; MOST],
}

impl Default for Rough {
    fn default() -> Self {
        Rough { tops: Vec::new(), keys: Vec::new(), largest: [[NEVER; LANES]; MOST] }
    }
}

impl Rough {
    /// Draws the random words of a row.
    pub(super) fn draw(
        &mut self,
        exec: &Execution<'_>,
        schedule: &Schedule,
        query_key: u64,
        document_keys: &[u64],
    ) -> Result<()> {
        let len = document_keys.len();
        resize(&mut self.tops, len.next_multiple_of(LANES))?;
        resize(&mut self.keys, len.next_multiple_of(LANES))?;
        in_steps(exec, len, |some| {
            let padded = some.start..some.end.next_multiple_of(LANES);
            philox::tops(exec.isa(), schedule, &document_keys[some], query_key, &mut self.tops[padded]);
            Ok(())
        })?;
        self.tops[len..].fill(*TRUSTED.start());
        Ok(())
    }

    /// Computes the keys of what was drawn. Returns whether every one of them may be trusted.
    ///
    /// # Safety
    /// The machine must have the level.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) unsafe fn fill<L: Level>(&mut self, exec: &Execution<'_>, log_weights: &[f64]) -> Result<bool> {
        let (whole, rest) = log_weights.as_chunks::<LANES>();
        let mut last = [f64::NEG_INFINITY; LANES];
        last[..rest.len()].copy_from_slice(rest);
        let tops = self.tops.as_chunks::<LANES>().0;
        let keys = self.keys.as_chunks_mut::<LANES>().0;
        // SAFETY: the pointers are those of arrays of LANES values; the caller promises the level.
        unsafe {
            let mut seen = Seen::<L>::new();
            for (step, (keys, tops)) in keys.chunks_mut(STEP / LANES).zip(tops.chunks(STEP / LANES)).enumerate() {
                if step > 0 {
                    exec.check()?;
                }
                let weights = &whole[(step * (STEP / LANES)).min(whole.len())..];
                for (index, ((keys, tops), weights)) in keys.iter_mut().zip(tops).zip(weights).enumerate() {
                    seen.add(index % MOST, tops, weights, keys);
                }
                if let Some(keys) = keys.get_mut(weights.len()) {
                    seen.add(weights.len() % MOST, &tops[weights.len()], &last, keys);
                }
            }
            for (to, largest) in self.largest.iter_mut().zip(seen.largest) {
                L::store(to.as_mut_ptr(), largest);
            }
            let signed = |top: u32| L::ints((top ^ 1 << 31) as i32);
            let (least, most) = (signed(*TRUSTED.start()), signed(*TRUSTED.end()));
            Ok(L::bits_above(least, seen.least) | L::bits_above(seen.most, most) == 0)
        }
    }

    /// Gathers the positions that can be among the `n` largest, ascending; false where no threshold can be told.
    ///
    /// With e(a) = `NOISE_BOUND + KEY_BOUND |a|`, n positions reach t, so n keys are at least t - e(t), and a position of
    /// approximate key a can only compete where a + e(a) reaches that. It does not below t - `2 NOISE_BOUND - 4 KEY_BOUND |t|`,
    /// since a + e(a) rises with a, and there |a| is little more than |t|: 2 of the 4 are needed, rounding takes less than 1.
    ///
    /// # Safety
    /// The machine must have the level.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) unsafe fn contenders<L: Level>(
        &self,
        exec: &Execution<'_>,
        n: usize,
        contenders: &mut Contenders,
    ) -> Result<bool> {
        // SAFETY: the caller promises the level.
        let threshold = float(unsafe { self.reached_by::<L>(exec, n)? });
        if !threshold.is_finite() {
            return Ok(false);
        }
        let cut = threshold - (2.0 * NOISE_BOUND * ROOM + 4.0 * KEY_BOUND * threshold.abs());
        // The cut below the largest negative numbers is -inf, which nothing reaches that can be drawn: what rounds to it
        // lies below every finite key, and the padding is no position at all.
        let below = (ordered(cut) - 1).max(NEVER);
        contenders.make_room(self.keys.len())?;
        let Contenders { positions, keys, found } = contenders;
        *found = 0;
        for (step, chunks) in self.keys.as_chunks::<LANES>().0.chunks(STEP / LANES).enumerate() {
            if step > 0 {
                exec.check()?;
            }
            for (index, chunk) in chunks.iter().enumerate() {
                let first = (step * STEP + index * LANES) as u32;
                // SAFETY: the caller promises the level; there is room for two chunks more than there are positions.
                unsafe {
                    let own = L::load(chunk.as_ptr());
                    let bits = L::bits_above(own, L::ints(below));
                    let (positions, keys) = (positions.as_mut_ptr().add(*found), keys.as_mut_ptr().add(*found));
                    *found += L::compress(own, bits, first, positions, keys);
                }
            }
        }
        Ok(true)
    }

    /// A threshold that at least `n` keys reach, and not many more; [`NEVER`] where equal keys hide it.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    unsafe fn reached_by<L: Level>(&self, exec: &Execution<'_>, n: usize) -> Result<i32> {
        // n of the largest keys of G groups are n keys. At three quarters of the groups, about twice as many reach it.
        // SAFETY: the caller promises the level.
        Ok(unsafe {
            match n {
                0..=12 => self.largest_of_groups::<L, 1>(n),
                13..=24 => self.largest_of_groups::<L, 2>(n),
                25..=48 => self.largest_of_groups::<L, MOST>(n),
                _ => self.bisect(exec, n)?,
            }
        })
    }

    /// The n-th largest among the largest keys of V * LANES groups of positions, group = position modulo their number.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    unsafe fn largest_of_groups<L: Level, const V: usize>(&self, n: usize) -> i32 {
        let mut merged = [[NEVER; LANES]; V];
        // SAFETY: the caller promises the level; the pointers are those of arrays of LANES values.
        unsafe {
            for (vector, merged) in merged.iter_mut().enumerate() {
                let mut largest = L::load(self.largest[vector].as_ptr());
                for other in self.largest.iter().skip(vector + V).step_by(V) {
                    largest = L::max(largest, L::load(other.as_ptr()));
                }
                L::store(merged.as_mut_ptr(), largest);
            }
            let above = count_above::<L, V>(&merged);
            at_rank::<L, V>(&merged, above, n - 1).unwrap_or(NEVER)
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn count_from(&self, exec: &Execution<'_>, threshold: i32) -> Result<usize> {
        let mut count = 0;
        for (step, keys) in self.keys.chunks(STEP).enumerate() {
            if step > 0 {
                exec.check()?;
            }
            count += keys.iter().map(|&key| u32::from(key >= threshold)).sum::<u32>() as usize;
        }
        Ok(count)
    }

    /// Halves an interval of thresholds until little more than `n` keys reach its lower end.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn bisect(&self, exec: &Execution<'_>, n: usize) -> Result<i32> {
        let mut high = i64::from(self.keys.iter().copied().max().unwrap_or(NEVER));
        let mut low = i64::from(NEVER);
        let mut found = self.keys.len();
        while found > n + n / 4 && low + 1 < high {
            let middle = (low + high) >> 1;
            let count = self.count_from(exec, middle as i32)?;
            if count >= n {
                (low, found) = (middle, count);
            } else {
                high = middle;
            }
        }
        Ok(low as i32)
    }
}

/// How many of all keys are larger than each.
#[inline(always)]
#[allow(clippy::inline_always)]
unsafe fn count_above<L: Level, const V: usize>(keys: &[[i32; LANES]; V]) -> [L::Int; V] {
    // SAFETY: the caller promises the level; the pointers are those of arrays of LANES values.
    unsafe {
        let (mut own, mut above) = ([L::ints(0); V], [L::ints(0); V]);
        for vector in 0..V {
            own[vector] = L::load(keys[vector].as_ptr());
        }
        // Hidden, lest the compiler takes the rivals out of registers with shuffles, of which a machine makes one at a time.
        for &rival in std::hint::black_box(keys).as_flattened() {
            let rival = L::ints(rival);
            for vector in 0..V {
                above[vector] = L::count_above(above[vector], rival, own[vector]);
            }
        }
        above
    }
}

/// The key that `rank` keys are above of, `None` where equal keys leave that place empty.
#[inline(always)]
#[allow(clippy::inline_always)]
unsafe fn at_rank<L: Level, const V: usize>(keys: &[[i32; LANES]; V], above: [L::Int; V], rank: usize) -> Option<i32> {
    for (keys, above) in keys.iter().zip(above) {
        // SAFETY: the caller promises the level.
        let bits = unsafe { L::bits_equal(above, L::ints(rank as i32)) };
        if bits != 0 {
            return Some(keys[bits.trailing_zeros() as usize % LANES]);
        }
    }
    None
}

/// Positions that can be among the n largest, ascending, and their approximate keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Contenders {
    positions: Vec<u32>,
    keys: Vec<i32>,
    /// How many there are; what lies behind them in the two vectors is left over.
    found: usize,
}

impl Contenders {
    pub(super) fn positions(&self) -> &[u32] {
        &self.positions[..self.found]
    }

    /// Room for `len` positions, and for what compressing a chunk overwrites behind them.
    fn make_room(&mut self, len: usize) -> Result<()> {
        let room = len + 2 * LANES;
        if self.positions.len() < room {
            resize(&mut self.positions, room)?;
            resize(&mut self.keys, room)?;
        }
        Ok(())
    }

    /// Lets every position contend whose log-weight is not -inf.
    pub(super) fn all(&mut self, exec: &Execution<'_>, log_weights: &[f64]) -> Result<()> {
        self.make_room(log_weights.len())?;
        let Contenders { positions, found, .. } = self;
        *found = 0;
        in_steps(exec, log_weights.len(), |some| {
            for (&weight, position) in log_weights[some.clone()].iter().zip(some.start as u32..) {
                positions[*found] = position;
                *found += usize::from(weight > f64::NEG_INFINITY);
            }
            Ok(())
        })
    }

    /// Writes the positions of the `n` largest if the approximate keys (at most V * LANES) tell them already: where the n-th
    /// and the next lie further apart than both errors. That is nearly always so.
    ///
    /// # Safety
    /// The machine must have the level.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) unsafe fn settle<L: Level, const V: usize>(&self, n: usize, out: &mut Vec<u32>) -> bool {
        let Some(found) = self.keys.first_chunk::<32>() else { return false };
        let mut keys = [[NEVER; LANES]; V];
        for ((key, &found), index) in keys.as_flattened_mut().iter_mut().zip(found).zip(0..) {
            *key = if index < self.found as u32 { found } else { NEVER };
        }
        // SAFETY: the caller promises the level; the pointers are those of arrays of LANES values.
        unsafe {
            let above = count_above::<L, V>(&keys);
            let last = at_rank::<L, V>(&keys, above, n - 1);
            let (Some(last), Some(next)) = (last, at_rank::<L, V>(&keys, above, n)) else { return false };
            // n keys are above `next`, so they are those with fewer than n above them.
            if next != NEVER {
                let (last, next) = (float(last), float(next));
                let bound = 2.0 * NOISE_BOUND * ROOM + 2.0 * KEY_BOUND * (last.abs() + next.abs());
                if !(last - next > bound) {
                    return false;
                }
            }
            let mut inside = 0u64;
            for (vector, above) in above.into_iter().enumerate() {
                inside |= u64::from(L::bits_above(L::ints(n as i32), above)) << (vector * LANES);
            }
            while inside != 0 {
                out.push(self.positions[inside.trailing_zeros() as usize]);
                inside &= inside - 1;
            }
            true
        }
    }
}

//! The score of a (query, document) pair, the same bits on every instruction set.
//!
//! Products are taken in float64, where the product of two float32 numbers is exact; so a fused and an unfused
//! multiply-add agree. Element `i` is added to lane `i % 16`; the lanes are summed pairwise (lane `j` += lane `j + 8`,
//! then 4, 2, 1); the sum is rounded once to float32. One body of plain Rust is compiled per instruction set: the
//! compiler may not reorder float additions, so it can only vectorise across the lanes.

use crate::error::{Error, Result};
use crate::isa::Isa;
use crate::pool::{self, Execution};

use super::embeddings::{check_finite, Embeddings, RowScratch};

/// How two embeddings are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarity {
    /// Inner product.
    Dot,
    /// Inner product over the product of the norms (all in float64); 0 where a norm is 0.
    Cosine,
}

impl Similarity {
    /// Score from the float64 inner product and the float64 norms.
    #[inline]
    #[must_use]
    pub fn score(self, dot: f64, query_norm: f64, document_norm: f64) -> f32 {
        match self {
            Similarity::Dot => dot as f32,
            // The norms are square roots of sums of exact squares of float32 numbers: neither their product nor the
            // quotient can overflow or underflow in float64.
            Similarity::Cosine if query_norm > 0.0 && document_norm > 0.0 => {
                (dot / (query_norm * document_norm)) as f32
            }
            Similarity::Cosine => 0.0,
        }
    }
}

const LANES: usize = 16;

/// Sums of products by lane, of as many whole blocks of lanes as there are.
#[inline]
fn whole_blocks<A: Copy + Into<f64>>(a: &[A], b: &[f32]) -> [f64; LANES] {
    let mut lanes = [0.0f64; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            lanes[lane] += a[lane].into() * f64::from(b[lane]);
        }
    }
    lanes
}

/// The rest of the products, and the sum of the lanes.
#[inline]
fn sum<A: Copy + Into<f64>>(mut lanes: [f64; LANES], a: &[A], b: &[f32]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    let whole = a.len() / LANES * LANES;
    for (lane, (&a, &b)) in a[whole..].iter().zip(&b[whole..]).enumerate() {
        lanes[lane] += a.into() * f64::from(b);
    }
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

/// Inner product in float64, in the fixed lane order: the same bits on every level. The product of two float32 numbers is
/// exact in float64, so it makes no difference whether it is rounded before it is added, or one instruction does both.
#[inline]
#[must_use]
pub fn dot(isa: Isa, a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let lanes = by_isa!(isa, avx512: x86::dot_avx512(a, b), avx2: x86::dot_avx2(a, b), portable: whole_blocks(a, b));
    sum(lanes, a, b)
}

/// As [`dot`], of a row that was widened once for many.
#[inline]
#[must_use]
pub fn dot_wide(isa: Isa, a: &[f64], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let lanes =
        by_isa!(isa, avx512: x86::dot_wide_avx512(a, b), avx2: x86::dot_wide_avx2(a, b), portable: whole_blocks(a, b));
    sum(lanes, a, b)
}

/// [`whole_blocks`] in vectors: left to itself, the compiler shuffles more than it adds.
#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(clippy::wildcard_imports)] // a dozen intrinsics
    use std::arch::x86_64::*;

    use super::LANES;

    macro_rules! dot {
        (#[$features:meta] $name:ident, $a:ty, $width:literal, $zero:ident, $widen:ident, $narrow:ident, $load:expr,
         $fused:ident, $store:ident) => {
            #[$features]
            pub fn $name(a: &[$a], b: &[f32]) -> [f64; LANES] {
                let mut sums = [$zero(); LANES / $width];
                for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
                    for (at, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: both have 16 numbers, and at * width + width <= 16.
                        let a = unsafe { $load(a.as_ptr().add(at * $width)) };
                        // SAFETY: as above.
                        let b = unsafe { $narrow(b.as_ptr().add(at * $width)) };
                        *sum = $fused(a, $widen(b), *sum);
                    }
                }
                let mut lanes = [0.0; LANES];
                for (at, sum) in sums.iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { $store(lanes.as_mut_ptr().add(at * $width), *sum) };
                }
                lanes
            }
        };
    }

    dot!(
        #[target_feature(enable = "avx512f,avx2")]
        dot_avx512,
        f32,
        8,
        _mm512_setzero_pd,
        _mm512_cvtps_pd,
        _mm256_loadu_ps,
        |a| _mm512_cvtps_pd(_mm256_loadu_ps(a)),
        _mm512_fmadd_pd,
        _mm512_storeu_pd
    );
    dot!(
        #[target_feature(enable = "avx512f,avx2")]
        dot_wide_avx512,
        f64,
        8,
        _mm512_setzero_pd,
        _mm512_cvtps_pd,
        _mm256_loadu_ps,
        _mm512_loadu_pd,
        _mm512_fmadd_pd,
        _mm512_storeu_pd
    );
    dot!(
        #[target_feature(enable = "avx2,fma")]
        dot_avx2,
        f32,
        4,
        _mm256_setzero_pd,
        _mm256_cvtps_pd,
        _mm_loadu_ps,
        |a| _mm256_cvtps_pd(_mm_loadu_ps(a)),
        _mm256_fmadd_pd,
        _mm256_storeu_pd
    );
    dot!(
        #[target_feature(enable = "avx2,fma")]
        dot_wide_avx2,
        f64,
        4,
        _mm256_setzero_pd,
        _mm256_cvtps_pd,
        _mm_loadu_ps,
        _mm256_loadu_pd,
        _mm256_fmadd_pd,
        _mm256_storeu_pd
    );
}

/// Euclidean norm in float64: the square root of the inner product with itself.
#[inline]
#[must_use]
pub fn norm(isa: Isa, a: &[f32]) -> f64 {
    dot(isa, a, a).sqrt()
}

/// Norms of all rows. Fails on the first embedding that holds NaN or an infinity, naming it.
pub fn row_norms(exec: &Execution<'_>, argument: &'static str, embeddings: Embeddings<'_>) -> Result<Vec<f64>> {
    let isa = exec.isa();
    let mut norms = crate::error::try_vec::<f64>(embeddings.rows())?;
    let rows_per_task = (65_536 / embeddings.dimension().max(1)).max(1);
    pool::map(exec, norms.chunks_mut(rows_per_task), RowScratch::default, |scratch, task, out| {
        scratch.reserve(&embeddings)?;
        for (index, out) in out.iter_mut().enumerate() {
            let row = task * rows_per_task + index;
            let values = embeddings.row(row, scratch);
            *out = norm(isa, values);
            // A sum of squares of finite float32 numbers cannot overflow in float64.
            if !out.is_finite() {
                check_finite(argument, row, values)?;
            }
        }
        Ok(())
    })?;
    Ok(norms)
}

/// Exact scores of the pairs (`query_ids[i]`, `document_ids[i]`). Fails on an id out of range, and on the first pair
/// with an embedding that holds NaN or an infinity.
pub fn pair_scores(
    exec: &Execution<'_>,
    queries: Embeddings<'_>,
    documents: Embeddings<'_>,
    query_ids: &[i64],
    document_ids: &[i64],
    similarity: Similarity,
) -> Result<Vec<f32>> {
    check_ids("query_ids", query_ids, queries.rows())?;
    check_ids("document_ids", document_ids, documents.rows())?;
    if document_ids.len() != query_ids.len() {
        let (found, wanted) = (document_ids.len(), query_ids.len());
        return Err(Error::Length { argument: "document_ids", found, wanted });
    }
    let isa = exec.isa();
    let mut scores = crate::error::try_vec::<f32>(query_ids.len())?;
    let pairs_per_task = (1_048_576 / (queries.dimension() + 64)).max(1);
    let parts = scores
        .chunks_mut(pairs_per_task)
        .zip(query_ids.chunks(pairs_per_task))
        .zip(document_ids.chunks(pairs_per_task));
    pool::map(
        exec,
        parts,
        || (RowScratch::default(), RowScratch::default()),
        |(query_scratch, document_scratch), part, ((out, query_ids), document_ids)| {
            query_scratch.reserve(&queries)?;
            document_scratch.reserve(&documents)?;
            let first = part * pairs_per_task;
            for (index, ((out, &q), &d)) in out.iter_mut().zip(query_ids).zip(document_ids).enumerate() {
                // Again, each as it is used: the ids may have changed since they were checked.
                let q = row_of("query_ids", first + index, q, queries.rows())?;
                let d = row_of("document_ids", first + index, d, documents.rows())?;
                let query = queries.row(q, query_scratch);
                let document = documents.row(d, document_scratch);
                let dot = dot(isa, query, document);
                // Finite float32 numbers cannot overflow in float64, and any other number makes the sum non-finite.
                if !dot.is_finite() {
                    check_finite("queries", q, query)?;
                    check_finite("documents", d, document)?;
                }
                *out = match similarity {
                    Similarity::Dot => similarity.score(dot, 1.0, 1.0),
                    Similarity::Cosine => similarity.score(dot, norm(isa, query), norm(isa, document)),
                };
            }
            Ok(())
        },
    )?;
    Ok(scores)
}

fn check_ids(argument: &'static str, ids: &[i64], rows: usize) -> Result<()> {
    ids.iter().enumerate().try_for_each(|(place, id)| row_of(argument, place, *id, rows).map(drop))
}

/// The row that the id at `place` names.
#[inline]
fn row_of(argument: &'static str, place: usize, id: i64, rows: usize) -> Result<usize> {
    let row = usize::try_from(id).ok().filter(|row| *row < rows);
    row.ok_or(Error::IdOutOfRange { argument, row: place, id, limit: rows as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_gives_the_same_bits() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / 16_777_216.0 - 0.5) * 2f32.powi((state % 40) as i32 - 20)
        };
        for length in 0..100 {
            let a: Vec<f32> = (0..length).map(|_| next()).collect();
            let b: Vec<f32> = (0..length).map(|_| next()).collect();
            let mut lanes = [0.0f64; 16];
            for i in 0..length {
                lanes[i % 16] = f64::from(a[i]).mul_add(f64::from(b[i]), lanes[i % 16]);
            }
            for width in [8, 4, 2, 1] {
                (0..width).for_each(|j| lanes[j] += lanes[j + width]);
            }
            for isa in Isa::available() {
                assert_eq!(dot(isa, &a, &b).to_bits(), lanes[0].to_bits(), "{isa:?} {length}");
                let wide: Vec<f64> = a.iter().map(|x| f64::from(*x)).collect();
                assert_eq!(dot_wide(isa, &wide, &b).to_bits(), lanes[0].to_bits(), "{isa:?} {length}");
            }
        }
    }
}

//! The index holds every weight once, and a search equals the definition, pair by pair.

use std::num::NonZeroUsize;

use half::f16;

use super::coarse::GRID_FROM;
use super::grids::set_code;
use super::postings::BLOCK;
use super::{build, pair_scores, search, transpose, Built, Postings, SparseRows, Weights};
use crate::error::Error;
use crate::order::Score;
use crate::{Csr, Execution, Isa, Limits};

/// Rows that own their parts.
struct Owned {
    offsets: Vec<i64>,
    terms: Vec<i32>,
    weights: Vec<f32>,
}

impl Owned {
    fn rows(&self) -> SparseRows<'_> {
        SparseRows::new("rows", &self.offsets, &self.terms, Weights::F32(&self.weights)).unwrap()
    }
}

/// Numbers that look drawn, the same for the same seed.
pub(super) fn numbers(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    }
}

/// Rows of weights of both signs, more of them for the first terms, and empty ones.
fn random(rows: usize, terms: i32, seed: u64) -> Owned {
    let mut next = numbers(seed);
    let mut made = Owned { offsets: vec![0], terms: Vec::new(), weights: Vec::new() };
    for _ in 0..rows {
        for term in 0..terms {
            if next().is_multiple_of(term as u32 + 2) {
                made.terms.push(term * 7);
                made.weights.push((next() % 9 + 1) as f32 * if next().is_multiple_of(4) { -0.37 } else { 0.51 });
            }
        }
        made.offsets.push(made.terms.len() as i64);
    }
    made
}

fn exec(threads: usize, isa: Isa) -> Execution<'static> {
    Execution::new(NonZeroUsize::new(threads).unwrap(), isa, &|| false)
}

fn postings(built: &Built, documents: usize) -> Postings<'_> {
    Postings {
        documents,
        terms: &built.terms,
        lists: &built.lists,
        blocks: &built.blocks,
        starts: &built.starts,
        high: &built.high,
        low: &built.low,
        places: &built.places,
        weights: &built.weights,
        codes: &built.codes,
        gridded: &built.gridded,
        grids: &built.grids,
    }
}

#[test]
fn the_index_holds_every_weight_once() {
    let documents = random(BLOCK + 300, 9, 1);
    let built = build(&exec(3, Isa::Portable), &documents.rows()).unwrap();
    assert_eq!(built, build(&exec(1, Isa::Portable), &documents.rows()).unwrap());
    let postings = postings(&built, BLOCK + 300);
    let mut found = Vec::new();
    for (at, &term) in built.terms.iter().enumerate() {
        for list in built.lists[at] as usize..built.lists[at + 1] as usize {
            let (places, weights, codes) = postings.list(list);
            let (high, low) = (built.high[list], built.low[list]);
            assert!(places.is_sorted() && !places.is_empty());
            for ((&place, &weight), &code) in places.iter().zip(weights).zip(codes) {
                assert!(low <= weight && weight <= high);
                assert!(f64::from(code) / 255.0 * f64::from(high.max(-low)) * (1.0 + 1e-12) >= f64::from(weight.abs()));
                assert!(f64::from(code - 1) / 255.0 * f64::from(high.max(-low)) < f64::from(weight.abs()));
                found.push((built.blocks[list] as usize * BLOCK + usize::from(place), term, weight));
            }
            assert!(weights.contains(&low) && weights.contains(&high));
            let grid = postings.grid(list);
            assert_eq!(grid.is_some(), places.len() >= GRID_FROM);
            if let Some(grid) = grid {
                let mut wanted = [0; BLOCK / 2];
                places.iter().zip(codes).for_each(|(&place, &code)| set_code(&mut wanted, place, code));
                assert_eq!(*grid, wanted);
            }
        }
    }
    found.sort_unstable_by_key(|(document, term, _)| (*document, *term));
    let rows = documents.rows();
    let wanted = (0..rows.len())
        .flat_map(|row| rows.range(row).map(move |entry| (row, entry)))
        .map(|(row, entry)| (row, documents.terms[entry], documents.weights[entry]));
    assert!(found.into_iter().eq(wanted));
}

#[test]
fn a_search_equals_the_definition() {
    let (queries, documents) = (random(5, 14, 2), random(2 * BLOCK + 41, 14, 3));
    let count = documents.rows().len();
    let ids: Vec<i64> = (0..count as i64).collect();
    let built = build(&exec(2, Isa::Portable), &documents.rows()).unwrap();
    let postings = postings(&built, count);
    let (ceiling, exclude) = ([6.0f32; 5], Csr::new("exclude", &[0, 2, 2, 3, 3, 3], &[4, 30_000, 9], 5, None));
    let exclude = Some(exclude.unwrap());
    let truth: Vec<(Vec<f32>, Vec<usize>)> = (0..5)
        .map(|query| {
            let of_query = vec![query as i64; count];
            let portable = exec(2, Isa::Portable);
            let scores = pair_scores(&portable, &queries.rows(), &documents.rows(), &of_query, &ids).unwrap();
            let terms = queries.rows().terms(queries.rows().range(query));
            let shares = |document: &usize| {
                documents.terms[documents.rows().range(*document)].iter().any(|term| terms.contains(term))
            };
            (scores, (0..count).filter(shares).collect())
        })
        .collect();
    for isa in Isa::available() {
        for (limits, k) in [
            (Limits::NONE, 7),
            (Limits { ceiling: Some(&ceiling), exclude, ..Limits::NONE }, 50),
            (Limits { floor: Some(&[0.5; 5]), ..Limits::NONE }, 3),
            (Limits { ceiling: Some(&ceiling), ..Limits::NONE }, 0),
        ] {
            let found: Vec<_> = [1, 2, 4]
                .into_iter()
                .map(|t| {
                    search(&exec(t, isa), &queries.rows(), 0..5, &documents.rows(), &postings, k, &limits).unwrap()
                })
                .collect();
            assert!(found[1..].iter().all(|other| *other == found[0]));
            for (query, (scores, shared)) in truth.iter().enumerate() {
                let excluded: &[i64] = limits.exclude.map_or(&[], |lists| lists.row(query));
                let seen: Vec<usize> = shared.iter().copied().filter(|d| !excluded.contains(&(*d as i64))).collect();
                let (most, least) = (limits.ceiling.map(|c| c[query]), limits.floor.map(|f| f[query]));
                let above = seen.iter().filter(|&&d| most.is_some_and(|most| scores[d] > most)).count();
                let below = seen.iter().filter(|&&d| least.is_some_and(|least| scores[d] < least)).count();
                let mut kept: Vec<usize> = seen
                    .into_iter()
                    .filter(|&d| !most.is_some_and(|most| scores[d] > most))
                    .filter(|&d| !least.is_some_and(|least| scores[d] < least))
                    .collect();
                kept.sort_by(|&a, &b| scores[b].key().cmp(&scores[a].key()).then(a.cmp(&b)));
                kept.truncate(k);
                let range = found[0].offsets[query] as usize..found[0].offsets[query + 1] as usize;
                let got: Vec<usize> = found[0].ids[range.clone()].iter().map(|id| *id as usize).collect();
                assert_eq!(got, kept, "{isa:?} {query}");
                assert!(kept.iter().zip(&found[0].scores[range]).all(|(&d, score)| scores[d] == *score));
                let tally = found[0].tallies.get(query).copied().unwrap_or_default();
                assert_eq!((tally.above_ceiling, tally.below_floor), (above as i64, below as i64));
            }
        }
    }
}

#[test]
fn pairs_of_rows_of_any_length_equal_the_definition() {
    // More terms than a query has slots, and rows that end where what is looked at together does.
    let lengths = [0usize, 1, 15, 16, 17, 255, 256, 257, 511, 512, 3000];
    let mut made = Owned { offsets: vec![0], terms: Vec::new(), weights: Vec::new() };
    for (row, &length) in lengths.iter().chain(lengths[..8].iter()).enumerate() {
        let step = [1, 2, 7, 40_000][row % 4];
        made.terms.extend((0..length as i32).map(|term| term * step));
        made.weights.extend((0..length).map(|entry| (entry % 13) as f32 * 0.3 - 1.1 + row as f32));
        made.offsets.push(made.terms.len() as i64);
    }
    let rows = made.rows();
    let pairs: Vec<(i64, i64)> = (0..rows.len() as i64 * rows.len() as i64)
        .map(|pair| (pair / rows.len() as i64, pair % rows.len() as i64))
        .collect();
    let definition = |&(query, document): &(i64, i64)| {
        let mut sum = 0.0;
        for entry in rows.range(document as usize) {
            let same = rows.range(query as usize).find(|&other| made.terms[other] == made.terms[entry]);
            sum += same.map_or(0.0, |other| f64::from(made.weights[other]) * f64::from(made.weights[entry]));
        }
        sum as f32
    };
    let wanted: Vec<f32> = pairs.iter().map(definition).collect();
    let (query_ids, document_ids): (Vec<i64>, Vec<i64>) = pairs.into_iter().unzip();
    for isa in Isa::available() {
        let found = pair_scores(&exec(2, isa), &rows, &rows, &query_ids, &document_ids).unwrap();
        assert_eq!(found, wanted, "{isa:?}");
    }
}

#[test]
fn half_precision_is_widened() {
    let halves = [f16::from_f32(0.1), f16::from_f32(2.0)];
    let wide = halves.map(f16::to_f32);
    let narrow = SparseRows::new("rows", &[0, 2], &[1, 2], Weights::F16(&halves)).unwrap();
    let same = SparseRows::new("rows", &[0, 2], &[1, 2], Weights::F32(&wide)).unwrap();
    let exec = exec(1, Isa::Portable);
    assert_eq!(build(&exec, &narrow), build(&exec, &same));
    let score = |rows| pair_scores(&exec, rows, &same, &[0], &[0]).unwrap();
    assert_eq!(score(&narrow), score(&same));
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let made = random(3, 4, 5);
    let exec = exec(1, Isa::Portable);
    let built = build(&exec, &made.rows()).unwrap();
    let message = |postings: Postings<'_>| {
        search(&exec, &made.rows(), 0..1, &made.rows(), &postings, 1, &Limits::NONE).unwrap_err().to_string()
    };
    assert_eq!(message(postings(&built, 4)), "documents: length 3, expected 4");
    let cut = Postings { high: &[], ..postings(&built, 3) };
    assert_eq!(message(cut), "postings: arrays of lengths that do not fit");
    let outside = transpose::transpose(&exec, &[0, 1], &[3], &[1.0], 3);
    assert_eq!(outside, Err(Error::IdOutOfRange { argument: "documents", row: 0, id: 3, limit: 3 }));
    assert!(SparseRows::new("rows", &[0, 1], &[], Weights::F32(&[])).is_err());
}

#[test]
fn what_a_file_holds_never_leads_out_of_place() {
    let made = random(40, 6, 6);
    let exec = exec(2, Isa::Portable);
    let built = build(&exec, &made.rows()).unwrap();
    for wrong in [-1, 7, i64::MAX, i64::MIN] {
        let mut other = built.clone();
        other.starts.iter_mut().step_by(2).for_each(|start| *start = wrong);
        other.lists[1] = wrong;
        other.blocks.iter_mut().step_by(3).for_each(|block| *block = wrong as i32);
        other.gridded.iter_mut().for_each(|list| *list = wrong);
        other.places.iter_mut().for_each(|place| *place = !*place);
        let found = search(&exec, &made.rows(), 0..40, &made.rows(), &postings(&other, 40), 9, &Limits::NONE).unwrap();
        assert!(found.ids.iter().all(|id| (0..40).contains(id)));
    }
}

#[test]
fn long_rows_are_interrupted_between_few_pairs() {
    let terms: Vec<i32> = (0..20_000).collect();
    let (offsets, weights) = ([0, 20_000], vec![1.0; 20_000]);
    let rows = SparseRows::new("rows", &offsets, &terms, Weights::F32(&weights)).unwrap();
    let stopped = Execution::new(NonZeroUsize::new(1).unwrap(), Isa::Portable, &|| true);
    let pairs = vec![0; 4000]; // one task, that outlasts what lies between two polls many times
    assert_eq!(pair_scores(&stopped, &rows, &rows, &pairs, &pairs), Err(Error::Interrupted));
}

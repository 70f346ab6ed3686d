//! What the codes say of a score, against the score: every interval holds it, and every decision of every kernel is right,
//! for embeddings made to break them. Statements about all pairs, so no error level: one wrong pair fails.

use std::num::NonZeroUsize;

use hardmine_core::search::block::{block_bytes, blocks, BLOCK, STEP, TERMS};
use hardmine_core::search::code_bound::QueryTerms;
use hardmine_core::search::codes::{self, Codes};
use hardmine_core::search::encode::{Encoded, Encoder, DOCUMENT_LEVELS};
use hardmine_core::search::kernels::{compare, shape, Found};
use hardmine_core::search::query_state::Wanted;
use hardmine_core::search::{exact, row_norms, Embeddings, Frame, Similarity};
use hardmine_core::{Execution, Isa, Matrix};

struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// In -1..1.
    fn number(&mut self) -> f32 {
        (self.word() >> 40) as f32 / 8_388_608.0 - 1.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.word() % limit as u64) as usize
    }
}

/// One embedding of a kind that is hard on codes; `other` is one of the other side.
fn embedding(random: &mut Random, h: usize, other: &[f32]) -> Vec<f32> {
    let mut values: Vec<f32> = (0..h).map(|_| random.number()).collect();
    match random.below(12) {
        // Residuals that point along the other side: codes of a ramp, plus a step that each rounds the same way.
        0 => values.iter_mut().zip(other).for_each(|(x, y)| *x = (*x * 9.0).round() / 9.0 + y.signum() * 0.003_9),
        1 => values
            .iter_mut()
            .zip(other)
            .for_each(|(x, y)| *x = (x.abs() * 126.0).floor() / 127.0 * y.signum() + 0.49 / 127.0 * y.signum()),
        // Saturating: all numbers at the largest code.
        2 => values.iter_mut().for_each(|x| *x = x.signum()),
        3 => values.fill(1.0),
        4 => values.fill(0.0),
        // One huge number beside small ones.
        5 => values[random.below(h)] = 1e6,
        6 => {
            for x in &mut values {
                *x *= 1e-3;
            }
            values[0] = 1.0;
        }
        7 => values.iter_mut().for_each(|x| *x *= f32::MIN_POSITIVE / 64.0),
        8 => values.iter_mut().for_each(|x| *x *= 2e38),
        9 => values.iter_mut().for_each(|x| *x *= 1e-25),
        10 => values.iter_mut().for_each(|x| *x = *x * 0.01 + 5.0),
        _ => {}
    }
    values
}

/// Checks that many rounds of 8 queries and 128 documents; gives the number of pairs.
fn check(rounds: usize, seed: u64) -> usize {
    let mut random = Random(seed);
    let mut pairs = 0;
    for round in 0..rounds {
        let h = 1 + random.below(if round % 8 == 0 { 1100 } else { 90 });
        let (queries, rows) = (8, 2 * BLOCK - 7);
        let ones = vec![1.0; h];
        let mut q: Vec<f32> = (0..queries).flat_map(|_| embedding(&mut random, h, &ones)).collect();
        let d: Vec<f32> = (0..rows)
            .flat_map(|_| {
                let at = random.below(queries) * h;
                embedding(&mut random, h, &q[at..at + h])
            })
            .collect();
        // A document's own direction: the largest products there are.
        q[..h].copy_from_slice(&d[..h]);
        let similarity = if random.below(2) == 0 { Similarity::Dot } else { Similarity::Cosine };
        let centre: Vec<f32> =
            if random.below(2) == 0 { Vec::new() } else { (0..h).map(|_| 3.0 * random.number()).collect() };
        let frame = Frame { similarity, centre: &centre, rotated: random.below(2) == 0 };
        for isa in Isa::available() {
            pairs += check_level(isa, &q, &d, h, &frame, &mut random);
        }
    }
    pairs
}

fn check_level(isa: Isa, q: &[f32], d: &[f32], h: usize, frame: &Frame<'_>, random: &mut Random) -> usize {
    let exec = Execution::new(NonZeroUsize::MIN, isa, &|| false);
    let rows = d.len() / h;
    let documents = Embeddings::F32(Matrix::from_slice(d, rows, h));
    let norms = row_norms(&exec, "documents", documents).unwrap();
    let mut bytes = vec![0; blocks(rows) * block_bytes(h)];
    let mut terms = vec![0.0; blocks(rows) * TERMS];
    codes::encode(&exec, documents, &norms, (0, rows), frame, &mut bytes, &mut terms).unwrap();
    let coded = Codes::new(&bytes, &terms, rows, h).unwrap();
    let (shape, steps) = (shape(isa), h.div_ceil(STEP));
    assert!(shape.levels <= DOCUMENT_LEVELS);
    let mut encoder = Encoder::default();
    let centre_norm = exact::norm(isa, frame.centre);
    let mut pairs = 0;
    for group in q.chunks(shape.group * h) {
        let size = group.len() / h;
        let mut packed = vec![0; steps * size];
        let (mut all_terms, mut lines, mut limits, mut scores) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (lane, query) in group.chunks(h).enumerate() {
            let norm = exact::norm(isa, query);
            let encoded = encoder.encode(isa, query, norm, frame, false, shape.levels);
            for (word, code) in packed[lane..].iter_mut().step_by(size).zip(encoder.codes.chunks_exact(STEP)) {
                *word = i32::from_le_bytes([code[0], code[1], code[2], code[3]].map(|code| code as u8));
            }
            let cosine = frame.similarity == Similarity::Cosine && norm > 0.0;
            let product = if frame.centre.is_empty() { 0.0 } else { exact::dot(isa, query, frame.centre) };
            let (offset, length) = if cosine { (product / norm, 1.0) } else { (product, norm) };
            let found = QueryTerms::new(&encoded, &encoder.codes, offset, [length, centre_norm]);
            let row: Vec<f32> = (0..rows)
                .map(|at| frame.similarity.score(exact::dot(isa, query, &d[at * h..(at + 1) * h]), norm, norms[at]))
                .collect();
            // Bounds that are scores of documents, and their neighbours.
            let mut pick = || match random.below(4) {
                0 => row[random.below(rows)],
                1 => row[random.below(rows)].next_up(),
                2 => row[random.below(rows)].next_down(),
                _ => row[random.below(rows)] * 1.001,
            };
            let (theta, mut ceiling, mut floor) = (pick(), pick(), pick());
            match random.below(4) {
                0 => ceiling = f32::INFINITY,
                1 => floor = f32::NEG_INFINITY,
                2 => (ceiling, floor) = (f32::INFINITY, f32::NEG_INFINITY),
                _ => {}
            }
            let theta = theta.max(floor); // as in a scan
            let wanted = Wanted { k: 1, capacity: 1, ceiling, floor, least: floor };
            lines.push(found.line(theta, &wanted));
            all_terms.push(found);
            limits.push((theta, ceiling, floor));
            scores.push(row);
        }
        for block in 0..blocks(rows) {
            let view = coded.block(block);
            let (mut plain, mut found) = (Found::default(), Found::default());
            compare::<false>(isa, &view, &packed, &lines, &mut plain);
            compare::<true>(isa, &view, &packed, &lines, &mut found);
            let [scales, residuals, lengths] = view.terms();
            for lane in 0..size {
                let (theta, ceiling, floor) = limits[lane];
                for place in (0..BLOCK).filter(|place| coded.present(block) >> place & 1 == 1) {
                    let score = scores[lane][block * BLOCK + place];
                    let bit = |bits: u64| bits >> place & 1 == 1;
                    let tell = || {
                        format!(
                            "{isa:?} h {h} moved {} rotated {} score {score} {:?} q {:?} row {}",
                            !frame.centre.is_empty(),
                            frame.rotated,
                            limits[lane],
                            &group[lane * h..][..3.min(h)],
                            block * BLOCK + place
                        )
                    };
                    assert!(bit(plain.listed[lane]) || score < theta, "{}", tell());
                    let (listed, above, below) =
                        (bit(found.listed[lane]), bit(found.above[lane]), bit(found.below[lane]));
                    assert!(u8::from(listed) + u8::from(above) + u8::from(below) <= 1, "{}", tell());
                    assert!(!above || score > ceiling, "{}", tell());
                    assert!(!below || (score < floor && score <= ceiling), "{}", tell());
                    if !listed && !above && !below {
                        assert!(score < theta && score <= ceiling && score >= floor, "{}", tell());
                    }
                    if listed {
                        let document =
                            Encoded { scale: scales[place], residual: residuals[place], length: lengths[place] };
                        let interval = all_terms[lane].interval(found.sums[lane][place], &document, 0);
                        assert!(interval.low <= score && score <= interval.high, "{} {interval:?}", tell());
                    }
                    pairs += 1;
                }
            }
        }
    }
    pairs
}

#[test]
fn every_decision_is_right() {
    assert!(check(120, 1) > 300_000);
}

#[test]
#[ignore = "some minutes in release mode: 10^8 pairs"]
fn every_decision_is_right_for_a_hundred_million_pairs() {
    let (mut pairs, mut seed) = (0, 100);
    while pairs < 100_000_000 {
        pairs += check(2000, seed);
        seed += 1;
    }
}

//! Selection against a stable sort over the whole matrix of reliability: every width, order, score type, k, instruction
//! set and number of threads. Prints how many rows it compared.
//!
//! Every width from 1 to 1,024 runs where `PROPTEST_CASES` asks for a thorough run (as the continuous checks do); a
//! spread of widths runs otherwise.

use std::num::NonZeroUsize;

use half::{bf16, f16};
use hardmine_core::topk::Scan;
use hardmine_core::{topk, Error, Execution, Isa, Limits, Matrix, NanPolicy, Ranked, TopKAccumulator};

const WIDEST: usize = 1024;
const THREADS: [usize; 4] = [1, 2, 3, 7];
const PATTERNS: [&str; 9] = [
    "random",
    "sorted",
    "reversed",
    "constant",
    "few values",
    "organ pipe",
    "NaN mix",
    "infinities",
    "maximum at the end",
];

/// Uniform numbers from a counter, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Between -8 and 8, seldom twice the same.
    fn real(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 49) as f64 - 8.0
    }

    fn one_of(&mut self, values: &[f64]) -> f64 {
        values[(self.next() % values.len() as u64) as usize]
    }
}

fn row(pattern: &str, width: usize, numbers: &mut Numbers) -> Vec<f64> {
    let mut reals: Vec<f64> = (0..width).map(|_| numbers.real()).collect();
    match pattern {
        "sorted" => reals.sort_by(f64::total_cmp),
        "reversed" => reals.sort_by(|a, b| b.total_cmp(a)),
        "constant" => reals.fill(0.25),
        "few values" => reals.fill_with(|| numbers.one_of(&[-1.0, -0.5, -0.0, 0.0, 0.5, 1.0])),
        "organ pipe" => reals.iter_mut().enumerate().for_each(|(i, x)| *x = i.min(width - 1 - i) as f64),
        "NaN mix" => {
            for x in &mut reals {
                if numbers.next() % 10 < 3 {
                    *x = numbers.one_of(&[f64::NAN, -f64::NAN]);
                }
            }
        }
        "infinities" => {
            reals.fill_with(|| numbers.one_of(&[f64::INFINITY, f64::NEG_INFINITY, 1.0, -0.0, 0.0, 1e-45, -1e-45]));
        }
        "maximum at the end" => reals[width - 1] = 9.0,
        _ => {}
    }
    reals
}

/// The twin: documents of every row, NaN left out, by a stable sort of plain floats from the highest down.
fn ranking<T: Scan>(values: &[T]) -> Vec<(i64, f32)> {
    let mut rest: Vec<(i64, f64, f32)> = (0i64..)
        .zip(values)
        .map(|(id, value)| (id, value.to_f64(), value.to_f32()))
        .filter(|(_, exact, _)| !exact.is_nan())
        .collect();
    // Adding 0.0 turns -0.0 into 0.0 and nothing else.
    rest.sort_by(|a, b| (b.1 + 0.0).total_cmp(&(a.1 + 0.0)));
    rest.into_iter().map(|(id, _, score)| (id, score)).collect()
}

/// Rows of `found` that are what the twin says, or a failure.
fn agree<T: Scan>(found: &Ranked, values: &[T], wanted: &[Vec<(i64, f32)>], k: usize, case: &str) -> u64 {
    assert_eq!(found.offsets.len(), wanted.len() + 1);
    let width = values.len() / wanted.len();
    for (row, wanted) in wanted.iter().enumerate() {
        let case = || format!("{case}, row of {}, {}", PATTERNS[row % PATTERNS.len()], std::any::type_name::<T>());
        let removed = values[row * width..][..width].iter().filter(|value| value.is_nan()).count();
        let wanted = &wanted[..k.min(wanted.len())];
        let span = found.offsets[row] as usize..found.offsets[row + 1] as usize;
        let (ids, scores) = (&found.ids[span.clone()], &found.scores[span]);
        assert_eq!(ids.len(), wanted.len(), "{}", case());
        for ((id, score), (document, exact)) in ids.iter().zip(scores).zip(wanted) {
            assert!(id == document && score.to_bits() == (exact + 0.0).to_bits(), "{}", case());
        }
        assert_eq!(found.tallies.get(row).map_or(0, |tally| tally.nan), removed as i64, "{}", case());
    }
    wanted.len() as u64
}

/// Compares all nine patterns at one width; returns the number of rows compared.
fn compare<T: Scan>(width: usize, cast: impl Fn(f64) -> T) -> u64 {
    let mut numbers = Numbers(width as u64);
    let rows: Vec<Vec<f64>> = PATTERNS.iter().map(|pattern| row(pattern, width, &mut numbers)).collect();
    let values: Vec<T> = rows.iter().flatten().map(|x| cast(*x)).collect();
    let wanted: Vec<_> = values.chunks(width).map(ranking).collect();
    let matrix = Matrix::from_slice(&values, PATTERNS.len(), width);
    let mut ks = vec![0, 1, 2, width / 2, width - 1, width, width + 1];
    ks.sort_unstable();
    ks.dedup();
    let mut compared = 0;
    for k in ks {
        for isa in Isa::available() {
            for threads in THREADS {
                let exec = Execution::new(NonZeroUsize::new(threads).unwrap(), isa, &|| false);
                // Rows under a limit, even one that holds for every score, take another way through the code.
                for floor in [None, Some(&[f32::NEG_INFINITY; PATTERNS.len()][..])] {
                    let limits = Limits { nan: NanPolicy::Drop, floor, ..Limits::NONE };
                    let found = topk(&exec, matrix, k, &limits, None).unwrap();
                    let case = format!("k = {k} of {width}, {} on {threads} threads", isa.name());
                    compared += agree(&found, &values, &wanted, k, &case);
                }
            }
        }
    }
    compared
}

fn widths() -> Vec<usize> {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return (1..=WIDEST).collect();
    }
    (1..=WIDEST)
        .filter(|width| *width <= 70 || width % 61 == 0 || matches!(width % 64, 63 | 0 | 1) && width % 5 < 2)
        .collect()
}

#[test]
fn every_width_order_type_k_level_and_thread_count() {
    let mut compared = 0;
    let widths = widths();
    for &width in &widths {
        compared += compare(width, f16::from_f64);
        compared += compare(width, bf16::from_f64);
        compared += compare(width, |x| x as f32);
        compared += compare(width, |x| x);
    }
    let levels: Vec<_> = Isa::available().map(Isa::name).collect();
    println!(
        "{compared} rows compared: {} widths up to {WIDEST}, {} orders, 4 types, k of 7 kinds, levels {}, threads {THREADS:?}",
        widths.len(),
        PATTERNS.len(),
        levels.join(", ")
    );
    assert!(compared > 100_000);
}

fn exec(threads: usize, isa: Isa) -> Execution<'static> {
    Execution::new(NonZeroUsize::new(threads).unwrap(), isa, &|| false)
}

/// Every level, some threads, both ways and in tiles; one row.
fn everywhere<T: Scan>(values: &[T], ks: &[usize], case: &str) -> u64 {
    let wanted = [ranking(values)];
    let matrix = Matrix::from_slice(values, 1, values.len());
    let mut compared = 0;
    for isa in Isa::available() {
        for (threads, &k) in [1, 3].into_iter().flat_map(|threads| ks.iter().map(move |k| (threads, k))) {
            let exec = exec(threads, isa);
            let case = format!("{case}: k = {k}, {} on {threads} threads", isa.name());
            for floor in [None, Some(&[f32::NEG_INFINITY][..])] {
                let limits = Limits { nan: NanPolicy::Drop, floor, ..Limits::NONE };
                compared += agree(&topk(&exec, matrix, k, &limits, None).unwrap(), values, &wanted, k, &case);
                let mut tiles = TopKAccumulator::<T>::new(&exec, 1, k, &limits).unwrap();
                let size = values.len().div_ceil(3);
                for (index, tile) in values.chunks(size).enumerate().rev() {
                    let first = (index * size) as i64;
                    tiles.update(&exec, Matrix::from_slice(tile, 1, tile.len()), 0, first).unwrap();
                }
                compared += agree(&tiles.finish(&exec).unwrap(), values, &wanted, k, &case);
            }
        }
    }
    compared
}

#[test]
fn all_16_bit_values_in_one_row() {
    fn check<T: Scan>(of: impl Fn(u16) -> T) -> u64 {
        let rising: Vec<T> = (0..=u16::MAX).map(&of).collect();
        // An odd factor visits every value once.
        let mixed: Vec<T> = (0..=u16::MAX).map(|i| of(i.wrapping_mul(40_503))).collect();
        let numbers: Vec<T> = mixed.iter().copied().filter(|value| !value.is_nan()).collect();
        let ks = [1, 10, 5000, 40_000, 1 << 16];
        everywhere(&rising, &ks, "rising bits")
            + everywhere(&mixed, &ks, "mixed bits")
            + everywhere(&numbers, &ks, "no NaN")
    }
    println!("{} rows of all 65,536 values compared", check(f16::from_bits) + check(bf16::from_bits));
}

/// Rows built against what selection guesses: strided samples, groups, spans, first thresholds.
#[test]
fn killers() {
    let n = 1_000_000;
    let mut numbers = Numbers(1);
    let mut rows: Vec<(&str, Vec<f32>)> = vec![
        // Every place that a strided sample looks at is high, the rest low; and the other way round.
        ("high samples", (0..n).map(|i| if i % (n / 4096) == 0 { 5.0 } else { -1.0 / (1 + i % 977) as f32 }).collect()),
        ("low samples", (0..n).map(|i| if i % (n / 4096) == 0 { -5.0 } else { (i % 977) as f32 }).collect()),
        ("rising but for one", (0..n).map(|i| if i == n - 2 { 0.0 } else { i as f32 }).collect()),
        ("falling but for one", (0..n).map(|i| if i == n - 2 { 9e9 } else { -(i as f32) }).collect()),
        ("equal but for one", (0..n).map(|i| if i == 700_001 { 2.0 } else { 1.0 }).collect()),
        ("best in one group", (0..n).map(|i| if (5000..6000).contains(&i) { i as f32 } else { 0.5 }).collect()),
        ("late flood", (0..n).map(|i| if i > 3 * n / 4 { 1.0 } else { -1.0 }).collect()),
        (
            "neighbouring floats",
            (0..n).map(|i| f32::from_bits(0x3f80_0000 + (i as u32).wrapping_mul(40_503) % 8)).collect(),
        ),
        ("subnormals", (0..n).map(|_| f32::from_bits(numbers.next() as u32 & 0x8000_00ff)).collect()),
    ];
    // Saw teeth whose period is that of the blocks of the scan.
    rows.push(("saw", (0..n).map(|i| (i % 8192) as f32 - (i / 8192) as f32).collect()));
    let compared: u64 = rows.iter().map(|(case, row)| everywhere(row, &[1, 100, 3000, n / 10, n / 2], case)).sum();
    println!("{compared} rows of {n} scores built against the bound compared");
}

#[test]
fn more_columns_than_a_float_can_count() {
    let n = (1 << 24) + 1;
    let mut values = vec![0.5f32; n];
    values[n - 1] = 1.0;
    values[n - 2] = 0.75;
    for isa in Isa::available() {
        for threads in [1, 2] {
            for floor in [None, Some(&[-1.0f32][..])] {
                let limits = Limits { floor, ..Limits::NONE };
                let found = topk(&exec(threads, isa), Matrix::from_slice(&values, 1, n), 4, &limits, None).unwrap();
                assert_eq!(found.ids, [n as i64 - 1, n as i64 - 2, 0, 1], "{} on {threads}", isa.name());
            }
        }
    }
}

#[test]
fn the_first_nan_is_named_by_every_way_through() {
    for (rows, columns, nan) in [(3, 5, (1, 4)), (40, 64, (17, 0)), (2, 5000, (1, 4999)), (2, 300_000, (1, 200_001))] {
        let mut values: Vec<f32> = (0..rows * columns).map(|i| ((i * 7919) % 1013) as f32).collect();
        values[nan.0 * columns + nan.1] = -f32::NAN;
        values[rows * columns - 1] = f32::NAN;
        for isa in Isa::available() {
            for (threads, k) in [(1, 1), (2, 2), (3, columns / 2), (1, columns)] {
                let matrix = Matrix::from_slice(&values, rows, columns);
                let error = topk(&exec(threads, isa), matrix, k, &Limits::NONE, None);
                let wanted = Error::NotANumber { argument: "scores", row: nan.0, column: nan.1 };
                assert_eq!(error, Err(wanted), "{} k = {k}", isa.name());
            }
        }
    }
}

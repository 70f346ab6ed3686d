//! Selection against a sort, and every kernel against what it promises, at every level of the machine.

use std::num::NonZeroUsize;

use half::{bf16, f16};
use proptest::prelude::*;

use super::kernels::{ceiling_in, floor_in, Thresholds, BLOCK};
use super::selector::Selector;
use super::*;
use crate::csr::Csr;
use crate::error::Error;
use crate::isa::Isa;
use crate::limits::{NanPolicy, Tally};
use crate::order::Score;
use crate::steps::tests::stopped;

fn exec(threads: usize, isa: Isa) -> Execution<'static> {
    Execution::new(NonZeroUsize::new(threads).unwrap(), isa, &|| false)
}

/// Scores with many ties, zeros of both signs, infinities, subnormals and NaN.
fn scores() -> impl Strategy<Value = Vec<f64>> {
    let special = prop::sample::select(vec![
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
        1e-40,
        -1e-40,
        1e-7,
    ]);
    let few = (-4i8..4).prop_map(|x| f64::from(x) / 2.0);
    prop::collection::vec(prop_oneof![1 => special, 2 => few, 3 => -8.0..8.0f64], 0..700)
}

struct Case {
    k: usize,
    ceiling: f32,
    floor: f32,
    excluded: Vec<i64>,
}

fn expected<T: Score>(values: &[T], case: &Case) -> (Vec<i64>, Tally) {
    let mut tally = Tally::default();
    let mut kept = Vec::new();
    for (id, &value) in (0i64..).zip(values) {
        if case.excluded.contains(&id) {
            tally.excluded += 1;
        } else if value.is_nan() {
            tally.nan += 1;
        } else if value.to_f64() > f64::from(case.ceiling) {
            tally.above_ceiling += 1;
        } else if value.to_f64() < f64::from(case.floor) {
            tally.below_floor += 1;
        } else {
            kept.push((value, id));
        }
    }
    kept.sort_unstable_by_key(|&(value, id)| (std::cmp::Reverse(value.key()), id));
    (kept.iter().take(case.k).map(|&(_, id)| id).collect(), tally)
}

fn agrees<T: Scan>(values: &[T], case: &Case, tile: usize) {
    let (ids, tally) = expected(values, case);
    let offsets = [0, case.excluded.len() as i64];
    let limits = Limits {
        ceiling: Some(&[case.ceiling]),
        floor: Some(&[case.floor]),
        exclude: Some(Csr::new("exclude", &offsets, &case.excluded, 1, None).unwrap()),
        nan: NanPolicy::Drop,
        ..Limits::NONE
    };
    for isa in Isa::available() {
        let exec = exec(1, isa);
        let found = topk(&exec, Matrix::from_slice(values, 1, values.len()), case.k, &limits, None).unwrap();
        assert_eq!((&found.ids, found.tallies[0]), (&ids, tally), "{}", isa.name());
        let mut accumulator = TopKAccumulator::<T>::new(&exec, 1, case.k, &limits).unwrap();
        let starts: Vec<usize> = (0..values.len()).step_by(tile).collect();
        for &start in starts.iter().rev() {
            let part = &values[start..values.len().min(start + tile)];
            accumulator.update(&exec, Matrix::from_slice(part, 1, part.len()), 0, start as i64).unwrap();
        }
        assert_eq!(accumulator.finish(&exec).unwrap(), found, "{}", isa.name());
    }
}

/// Masks, counts and maxima of every level, from their definition.
fn kernels_agree<T: Scan>(values: &[T], least: f32, case: &Case) {
    let ceiling: T = ceiling_in(case.ceiling);
    let bounds = Thresholds { least: floor_in(least), floor: floor_in(case.floor), ceiling, counted: true };
    let above = |value: T| value.to_f64() > f64::from(case.ceiling);
    for isa in Isa::available() {
        let mut hits = Vec::new();
        let counts = T::hits(isa, values, &bounds, &mut hits);
        let mut masks = vec![0u64; values.len().div_ceil(BLOCK)];
        for hit in &hits {
            masks[hit.block as usize] = hit.mask;
        }
        for (at, &value) in values.iter().enumerate() {
            let reaches = value.to_f64() >= f64::from(least) && !above(value);
            let wanted = value.is_nan() || reaches;
            assert_eq!(masks[at / BLOCK] >> (at % BLOCK) & 1 == 1, wanted, "{} {at}", isa.name());
        }
        assert_eq!(counts.above, values.iter().filter(|value| above(**value)).count() as i64);
        let below = values.iter().filter(|value| value.to_f64() < f64::from(case.floor)).count();
        assert_eq!(counts.below, below as i64);

        let mut maxima = Vec::new();
        for (per_group, cap) in [(1, None), (3, Some(ceiling))] {
            T::maxima(isa, values, per_group, cap, &mut maxima);
            maxima.retain(|max| !max.is_nan());
            maxima.sort_unstable_by_key(|max| std::cmp::Reverse(max.key()));
            let mut admissible: Vec<T> =
                values.iter().copied().filter(|value| !value.is_nan() && (cap.is_none() || !above(*value))).collect();
            admissible.sort_unstable_by_key(|value| std::cmp::Reverse(value.key()));
            // Groups are disjoint, so the i-th largest maximum is never above the i-th largest score.
            for (index, max) in maxima.iter().enumerate() {
                let bounded = admissible.get(index).is_some_and(|value| max.key() <= value.key());
                assert!(bounded || max.key() == T::LOWEST.key(), "{} group {index}", isa.name());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn every_type_and_level_agrees_with_a_sort(
        scores in scores(),
        k in 0usize..300,
        ceiling in prop_oneof![Just(f32::INFINITY), -3.0..8.0f32, Just(0.0), Just(1.0)],
        floor in prop_oneof![Just(f32::NEG_INFINITY), -8.0..3.0f32, Just(-0.0)],
        excluded in prop::collection::vec(0i64..700, 0..20),
        least in -8.0..8.0f32,
        tile in 1usize..200,
    ) {
        let excluded = excluded.into_iter().filter(|id| (*id as usize) < scores.len()).collect::<std::collections::BTreeSet<_>>();
        let case = Case { k, ceiling, floor, excluded: excluded.into_iter().collect() };
        let halves: Vec<f16> = scores.iter().map(|&x| f16::from_f64(x)).collect();
        let brains: Vec<bf16> = scores.iter().map(|&x| bf16::from_f64(x)).collect();
        let singles: Vec<f32> = scores.iter().map(|&x| x as f32).collect();
        agrees(&halves, &case, tile);
        agrees(&brains, &case, tile);
        agrees(&singles, &case, tile);
        agrees(&scores, &case, tile);
        kernels_agree(&halves, least, &case);
        kernels_agree(&brains, least, &case);
        kernels_agree(&singles, least, &case);
        kernels_agree(&scores, least, &case);
    }
}

#[test]
fn bounds_fit_every_16_bit_value() {
    fn fits<T: Scan>(values: impl Iterator<Item = T> + Clone) {
        for value in values.filter(|value| !value.is_nan()) {
            for bound in [value.to_f32(), value.to_f32() * 1.0001, value.to_f32() - 1e-9] {
                let (floor, ceiling): (T, T) = (floor_in(bound), ceiling_in(bound));
                assert!(floor.to_f32() >= bound && ceiling.to_f32() <= bound, "{bound}");
                // Nothing of the type lies between the two.
                assert!(floor == ceiling || floor.rank() - ceiling.rank() <= 2, "{bound}");
                assert!((floor == ceiling) == (floor.to_f32() == bound), "{bound}");
            }
        }
    }
    fits((0..=u16::MAX).map(f16::from_bits));
    fits((0..=u16::MAX).map(bf16::from_bits));
}

#[test]
fn limits_and_rows_are_checked() {
    let values = [1.0f32, 2.0, 3.0, 4.0];
    let matrix = Matrix::from_slice(&values, 2, 2);
    let run = |limits: &Limits<'_>, rows: Option<&[i64]>| {
        topk(&exec(1, Isa::Portable), matrix, 1, limits, rows).unwrap_err().to_string()
    };
    let nan = Limits { ceiling: Some(&[0.0, f32::NAN]), ..Limits::NONE };
    assert_eq!(run(&nan, None), "ceiling: NaN for row 1, expected a number");
    assert_eq!(run(&nan, Some(&[0])), "ceiling: length 2, expected 1");
    assert_eq!(run(&Limits::NONE, Some(&[0, -1])), "rows: id -1 of row 1 is outside 0..2");
}

#[test]
fn a_long_scan_ends_when_asked() {
    let values = vec![1.0f32; 1 << 19];
    let (exec, excluded) = (stopped(), Excluded::default());
    let row = ScanLimits::new(&Limits::NONE, &excluded).row(0);
    let scanned = Selector::new(&exec, 1, NanPolicy::Raise).scan(&mut RowState::new(), &values, 0, &row);
    assert_eq!(scanned, Err(Error::Interrupted));
    let strided = Matrix::from_slice(&values, 1 << 18, 2);
    assert_eq!(topk(&exec, strided, 1, &Limits::NONE, None), Err(Error::Interrupted));
}

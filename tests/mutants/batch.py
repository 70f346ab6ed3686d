"""Planted faults: masks, triplets and rows of a batch."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "mask-trusts-what-was-checked",
        "rust/core/src/batch/mask.rs",
        "MaskRules { positive_columns: &positive_columns, queries: queries.as_deref(), ..*rules }",
        "MaskRules { positive_columns: rules.positive_columns, queries: rules.queries, ..*rules }",
        "tests/test_select_faults.py -k mask_ends",
    ),
    Mutant(
        "triplets-hard-is-strict",
        "rust/core/src/batch/triplets.rs",
        "Kind::Hard => (f64::NEG_INFINITY, distance, false)",
        "Kind::Hard => (f64::NEG_INFINITY, distance, true)",
        "tests/test_triplets.py",
    ),
    Mutant(
        "triplets-unlabelled-are-negatives",
        "rust/core/src/batch/triplets.rs",
        "*value = if *label == NONE { f64::NAN } else { *value };",
        "*value = if *label == NONE { *value } else { *value };",
        "tests/test_triplets.py",
    ),
    Mutant(
        "triplets-batch-hard-last-of-equals",
        "rust/core/src/batch/triplets.rs",
        "negatives.iter().position(|distance| *distance == nearest)?",
        "negatives.iter().rposition(|distance| *distance == nearest)?",
        "tests/test_triplets.py",
    ),
    Mutant(
        "in-batch-equality-dropped",
        "rust/core/src/batch/mask.rs",
        "*out = !(lane <= ceiling);",
        "*out = !(lane < ceiling);",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "in-batch-positive-left-in",
        "rust/core/src/batch/mask.rs",
        "out[positive] = !rules.keep_positive;",
        "out[positive] |= !rules.keep_positive;",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "in-batch-nan-unseen",
        "rust/core/src/batch/mask.rs",
        "all_numbers &= lane <= T::TOP;",
        "all_numbers &= lane <= T::TOP || true;",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "in-batch-no-label-is-a-label",
        "rust/core/src/batch/labels.rs",
        "pairs.filter(|(label, _)| *label != NONE).collect()",
        "pairs.collect()",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "in-batch-label-of-the-row",
        "rust/core/src/batch/mask.rs",
        "shared.columns(labels[positive])",
        "shared.columns(labels[row % labels.len()])",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "in-batch-device-rounds-late",
        "python/hardmine/primitives/batch/mask_on_device.py",
        "bounds[:, None].to(wide.dtype)",
        "bounds[:, None].to(wide.dtype) + 0.125",
        "tests/test_in_batch.py",
    ),
]

"""Planted faults: similarity of texts and groups of near-duplicates."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "shingles-jaccard-over-the-larger",
        "rust/core/src/shingles/sets.rs",
        "let union = a.len() + b.len() - common;",
        "let union = a.len().max(b.len());",
        "tests/test_shingles.py",
    ),
    Mutant(
        "shingles-white-space-of-other-scripts",
        "rust/core/src/shingles/sets.rs",
        "b' ' | 9..=13 | 28..=31",
        "b' ' | 9..=13",
        "tests/test_shingles.py",
    ),
    Mutant(
        "shingles-order-of-words",
        "rust/core/src/shingles/sets.rs",
        "words.iter().fold(0, |hash, word| fold(hash, *word))",
        "words.iter().fold(0, |hash, word| hash ^ *word)",
        "tests/test_shingles.py",
    ),
    Mutant(
        "groups-without-verification",
        "rust/core/src/shingles/groups.rs",
        "Ok(jaccard(exec, own, other)? >= *threshold)",
        "Ok(jaccard(exec, own, other)? >= 0.0)",
        "tests/test_shingles.py",
    ),
    Mutant(
        "groups-strict-bound",
        "rust/core/src/shingles/groups.rs",
        "Ok(jaccard(exec, own, other)? >= *threshold)",
        "Ok(jaccard(exec, own, other)? > *threshold)",
        "tests/test_shingles.py",
    ),
    Mutant(
        "groups-one-band",
        "rust/core/src/shingles/groups.rs",
        "for band in 0..=settings.bands {",
        "for band in 0..=settings.bands.min(1) {",
        "tests/test_shingles.py",
    ),
    Mutant(
        "groups-of-the-last-member",
        "rust/core/src/shingles/groups.rs",
        "self.0[a.max(b) as usize] = a.min(b);",
        "self.0[a.min(b) as usize] = a.max(b);",
        "tests/test_shingles.py",
    ),
    Mutant(
        "shingles-rows-not-normalised",
        "python/hardmine/primitives/shingles.py",
        "[normalised(text).encode() for text",
        "[text.lower().encode() for text",
        "tests/test_shingles.py",
    ),
]

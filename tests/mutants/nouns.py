"""Planted faults: the nouns and what they stand on."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "texts-of-one-hash-and-length-are-one",
        "rust/core/src/text_codes.rs",
        "texts.text(other as usize) == text)",
        "texts.text(other as usize).len() == text.len())",
        "cargo test -p hardmine-core --lib text_codes",
    ),
    Mutant(
        "collection-case-matters",
        "python/hardmine/nouns/normal_form.py",
        ".casefold()",
        ".strip()",
        "tests/test_collection.py",
    ),
    Mutant(
        "container-of-another-kind",
        "python/hardmine/plumbing/container.py",
        "if found != kind:",
        "if found is None:",
        "tests/test_candidates.py",
    ),
    Mutant(
        "formats-given-id-taken-again",
        "python/hardmine/nouns/builder.py",
        "        self._text_of_query[name] = text\n",
        "",
        "tests/test_formats.py -k id",
    ),
    Mutant(
        "ragged-head-behind-its-row",
        "python/hardmine/plumbing/ragged.py",
        "offsets_of(lengths)[:-1] + np.arange(heads.size)",
        "offsets_of(lengths)[1:] + np.arange(heads.size)",
        "tests/test_ragged.py",
    ),
    Mutant(
        "ragged-ranges-forget-their-start",
        "python/hardmine/plumbing/ragged.py",
        "np.repeat(starts - offsets[:-1], lengths)",
        "np.repeat(-offsets[:-1], lengths)",
        "tests/test_ragged.py",
    ),
    Mutant(
        "strings-cut-inside-a-character",
        "python/hardmine/nouns/strings.py",
        "    if inside.any():",
        "    if False:",
        "tests/test_hostile_files.py",
    ),
    Mutant(
        "container-numbers-that-are-none",
        "python/hardmine/plumbing/container.py",
        "if type(value) is not int or not 0 <= value < 2**63:",
        "if False:",
        "tests/test_hostile_files.py",
    ),
]

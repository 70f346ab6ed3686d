"""Similarity of texts, groups of near-duplicates: held to sets of words, then chains, giants, letters and bad input."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.nouns.strings import StringTable
from hardmine.primitives import shingles
from hardmine.primitives.shingles import banding, near_duplicate_groups, similarity
from tests.oracle import shingles as oracle

pa = pytest.importorskip("pyarrow")

WORDS = [
    "a",
    "B",
    "b",
    "ab",
    "straße",
    "STRASSE",
    "ﬁne",
    "fine",
    "\u00e9",
    "e\u0301",
    "İ",
    "中文",
    "-",
    "longer-than-eight-bytes",
    "x" * 16,
]
SPACES = [" ", "  ", "\t", "\n", "\x1c", "\x0b", "\u2003", "\xa0", "\x85"]
texts_of_words = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(SPACES)), max_size=12).map(
    lambda parts: "".join(word + space for word, space in parts)
)


@given(st.lists(st.tuples(texts_of_words, texts_of_words), max_size=8), st.integers(1, 5))
def test_similarity_is_that_of_sets_of_words(pairs, size):
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    wanted = np.array([oracle.similarity(*pair, size) for pair in pairs], np.float32)
    for kind in (list, pa.array, hm.StringTable.from_strings):
        columns = (kind(left), kind(right)) if pairs else ([], [])
        assert similarity(*columns, size=size).tolist() == wanted.tolist()


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=6), st.integers(1, 3))
def test_any_text_is_split_and_folded_as_everywhere(texts, size):
    turned = [text.upper().replace(" ", "\n") for text in texts]
    wanted = [oracle.similarity(a, b, size) for a, b in zip(texts, turned, strict=True)]
    assert similarity(texts, turned, size=size).tolist() == wanted


@given(st.lists(texts_of_words, max_size=25), st.sampled_from([0.2, 0.5, 0.6, 0.75, 1.0]), st.integers(1, 3))
def test_groups_hold_together_by_similar_pairs_and_equal_sets_are_always_found(texts, threshold, size):
    found = near_duplicate_groups(texts, threshold, size=size)
    wanted = oracle.components(texts, threshold, size)
    sets = [frozenset(oracle.shingles(text, size)) for text in texts]
    for group in set(found.tolist()):
        members = np.flatnonzero(found == group).tolist()
        assert members[0] == group
        # A chain leads from each to each: the members alone are one component.
        assert set(oracle.components([texts[member] for member in members], threshold, size)) == {0}
    for at, own in enumerate(sets):
        assert found[sets.index(own)] == found[at]
        assert wanted[found[at]] == wanted[at]


def variants(rng, count, words, edits):
    """Texts in families: a text, and others that differ in some words."""
    texts, families = [], []
    for family in range(count):
        base = [f"w{number}" for number in rng.integers(0, 5000, words)]
        for _ in range(int(rng.integers(1, 5))):
            other = list(base)
            for at in rng.integers(0, words, edits):
                other[at] = f"v{rng.integers(0, 10**9)}"
            texts.append(" ".join(other))
            families.append(family)
    order = rng.permutation(len(texts))
    return [texts[at] for at in order], np.array(families)[order]


def test_groups_are_the_components_up_to_the_stated_recall():
    rng = np.random.default_rng(5)
    texts, _ = variants(rng, 100, 120, 2)
    for threshold in (0.5, 0.7, 0.8):
        found, wanted = near_duplicate_groups(texts, threshold), oracle.components(texts, threshold, 3)
        missed = sum(a != b for a, b in zip(found.tolist(), wanted, strict=True))
        assert missed <= 0.02 * len(texts)
        assert len(set(wanted)) < len(texts)


def test_a_pair_is_found_as_often_as_the_bands_say():
    # Pairs of 100 words that share all but some: of similarity 62/134 each, and no two pairs alike.
    rng = np.random.default_rng(1)
    texts = []
    for pair in range(600):
        base = [f"p{pair}w{at}" for at in range(98)]
        texts += [" ".join(base), " ".join([*base[:62], *(f"q{pair}w{at}" for at in range(36))])]
    order = rng.permutation(len(texts))
    s = float(similarity(texts[:1], texts[1:2], size=1)[0])
    bands, rows = banding(0.4, 3)
    chance = 1 - (1 - s**rows) ** bands
    assert 0.3 < chance < 0.999
    found = near_duplicate_groups([texts[at] for at in order], 0.4, size=1, num_permutations=3)
    together = len(texts) - np.unique(found).size
    assert abs(together - 600 * chance) < 5 * np.sqrt(600 * chance * (1 - chance))


def test_the_same_bytes_for_any_number_of_threads_and_another_seed_for_another_choice():
    texts, _ = variants(np.random.default_rng(2), 800, 30, 1)
    found = [near_duplicate_groups(texts, 0.5, num_threads=threads).tobytes() for threads in (1, 2, 5)]
    assert found[0] == found[1] == found[2]
    weak = {near_duplicate_groups(texts, 0.7, num_permutations=2, seed=seed).tobytes() for seed in range(6)}
    assert len(weak) > 1


@pytest.mark.usefixtures("isa")
def test_levels_give_the_same_groups():
    texts, _ = variants(np.random.default_rng(3), 100, 30, 2)
    found = near_duplicate_groups(texts, 0.6, num_permutations=37, seed=2**64 - 1)
    assert (len(texts), np.unique(found).size, zlib.crc32(found.tobytes())) == (245, 212, 4230818244)


def test_chains_link_and_numbers_are_the_first_members():
    texts = ["c d e f g", "x y", "b c d e", "a b c d", "", "A  b\tc d", " ", "y x"]
    assert near_duplicate_groups(texts, 0.5, size=1).tolist() == [0, 1, 0, 0, 4, 0, 4, 1]


def test_equality_counts():
    a, b = "a b c d e f g h i", "a b c d e f g h i j"
    assert similarity([a], [b], size=1)[0] == np.float32(0.9)
    assert near_duplicate_groups([a, b], 0.9, size=1).tolist() == [0, 0]
    assert near_duplicate_groups([a, b], 0.900001, size=1).tolist() == [0, 1]


def test_a_million_copies_of_a_form_letter_are_no_matter():
    letter = "dear customer thank you for your letter of the other day we shall answer it soon"
    texts = [letter] * 60_000 + [f"{letter} yours sincerely {number}" for number in range(3000)] + ["other"]
    found = near_duplicate_groups(texts, 0.7)
    assert np.unique(found).tolist() == [0, 63_000]


def test_slices_and_chunks_of_arrow_are_read_in_place():
    texts = ["zero words", "one two three", "ONE two three", "Öl", "öl", "x"]
    whole = pa.array(texts)
    wanted = near_duplicate_groups(texts[1:5], 0.9).tolist()
    assert wanted == [0, 0, 2, 2]
    assert near_duplicate_groups(whole.slice(1, 4), 0.9).tolist() == wanted
    assert near_duplicate_groups(pa.chunked_array([whole.slice(1, 2), whole.slice(3, 2)]), 0.9).tolist() == wanted
    assert near_duplicate_groups([], 0.9).tolist() == []


def test_it_needs_numpy_alone():
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from hardmine.primitives.shingles import near_duplicate_groups as groups\n"
        "assert groups(['a b', 'A  b', 'c']).tolist() == [0, 0, 2]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: near_duplicate_groups("text"), TypeError, "texts: str, expected an iterable of strings"),
        (lambda: near_duplicate_groups(["a", None]), TypeError, r"texts\[1\]: NoneType, expected a string"),
        (lambda: near_duplicate_groups(pa.array(["a", None])), TypeError, r"texts\[1\]: null"),
        (lambda: near_duplicate_groups(["a"], 0), ValueError, "threshold: 0, expected above 0"),
        (lambda: near_duplicate_groups(["a"], 1.5), ValueError, "threshold: 1.5, expected at most 1"),
        (lambda: near_duplicate_groups(["a"], float("nan")), ValueError, "threshold: nan"),
        (lambda: near_duplicate_groups(["a"], size=0), ValueError, "size: 0, expected at least 1"),
        (lambda: near_duplicate_groups(["a"], num_permutations=0), ValueError, "num_permutations: 0"),
        (lambda: near_duplicate_groups(["a"], seed=-1), ValueError, "seed: -1"),
        (lambda: near_duplicate_groups(["a"], num_threads=0), ValueError, "num_threads: 0"),
        (lambda: similarity(["a"], ["a", "b"]), ValueError, "right: length 2, expected 1"),
        (lambda: similarity([1], ["a"]), TypeError, r"left\[0\]: int, expected a string"),
        (lambda: similarity(["a"], ["a"], size=1.5), TypeError, "size: float"),
        (lambda: banding(-1), ValueError, "threshold: -1, expected above 0"),
    ],
)
def test_bad_input_is_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_the_longest_bands_that_keep_the_recall_are_taken():
    for threshold in (0.3, 0.5, 0.8, 0.9, 0.99):
        for count in (1, 16, 128, 500):
            bands, rows = banding(threshold, count)
            assert bands * rows <= count < (bands + 1) * rows
            recall = [1 - (1 - threshold**r) ** (count // r) for r in range(1, count + 1)]
            fitting = [r for r, found in enumerate(recall, 1) if found >= 0.99]
            assert rows == (max(fitting) if fitting else 1)
    assert banding(1.0, 128) == (1, 128)


def test_the_table_of_the_page_is_right():
    page = (Path(__file__).resolve().parent.parent / "docs" / "duplicates.md").read_text()
    rows = re.findall(r"^\| (0\.\d) \| (\d+) \| (\d+) \| (\S+) \| (\S+) \| (\S+) \|$", page, flags=re.MULTILINE)
    assert len(rows) == 4
    for threshold, bands, length, *recall in rows:
        t, b, r = float(threshold), int(bands), int(length)
        assert banding(t) == (b, r)
        assert recall == [f"{1 - (1 - s**r) ** b:.3f}" for s in (t - 0.2, t, t + 0.05)]


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
def test_rows_beyond_ascii_however_their_bytes_are_cut(block, monkeypatch):
    monkeypatch.setattr(shingles, "_BLOCK", block)
    rng = np.random.default_rng(block)
    for _ in range(60):
        texts = ["".join(rng.choice(list("aé漢 b"), rng.integers(0, 6))) for _ in range(rng.integers(0, 9))]
        expected = [row for row, text in enumerate(texts) if not text.isascii()]
        assert shingles._beyond_ascii(StringTable.from_strings(texts, "texts")).tolist() == expected

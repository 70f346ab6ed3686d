"""NV-Retriever's arms: equal tuning, and a window of ranks that is as hard on average as PercPos, its rival."""

from itertools import product

import numpy as np
import pytest

import hardmine as hm
from examples.recipes.nv_retriever import RATES, RULES, SCHEMES, TEACHERS, TEMPERATURES, arms, equally_hard, true_share
from examples.recipes.worlds import Part, Side, one_label, positives

COSINES = [[0.92, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3], [1.0, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]]
"""Of either query with its own eight documents, the labelled one first; with the other's eight they are 0."""


def side(vectors, letter):
    """Texts of no meaning with these vectors."""
    texts = [f"{letter} {number}" for number in range(len(vectors))]
    return Side(texts, np.ones((len(texts), 1), np.int64), np.asarray(vectors, np.float32))


@pytest.fixture
def part():
    """The first query has an unlabelled relevant document, its hardest."""
    documents = np.zeros((16, 4))
    for query, cosines in enumerate(np.asarray(COSINES)):
        documents[8 * query : 8 * query + 8, 2 * query : 2 * query + 2] = np.stack(
            [cosines, (1 - cosines**2) ** 0.5], 1
        )
    queries = np.eye(4)[[0, 2]]
    return Part(side(queries, "q"), side(documents, "d"), positives([[0, 1], [8]]))


def test_the_window_lies_between_the_two_that_are_harder_and_easier(part):
    """PercPos 0.9 takes ranks 2 to 5 of the first query and 1 to 4 of the second: half-way between two windows."""
    seed = next(seed for seed in range(99) if one_label(part.truth, seed).ids.tolist() == [0, 8])
    found = equally_hard(part, 0.9, seed)
    assert found["PercPos"].tolist() == [1.0, 1.0]
    assert found["window"] == pytest.approx([0.875, 1.0])


def test_an_arm_has_as_many_settings_as_its_control_and_the_same_rates(part):
    tried = {name: each for name, (each, _) in arms(part).items()}
    sizes = {name: len(set(each)) for name, each in tried.items()}
    assert sizes == {name: len(each) for name, each in tried.items()}, "none twice"
    assert len({sizes[name] for name in (*RULES, *TEACHERS)}) == 1
    assert {sizes[scheme] for scheme in SCHEMES} == {sum(sizes[name] for name in TEACHERS)}
    for name, each in tried.items():
        assert {(rate, heat) for _, rate, heat in each} >= set(product(RATES, TEMPERATURES)), name
        assert len(each) == np.prod([len(set(values)) for values in zip(*each, strict=True)]), "all crossed"


def test_missing_negatives_are_neither_true_nor_false(part):
    run = hm.Candidates([0, 2, 2], [1, 2], [0.9, 0.8])
    short = hm.select(run, hm.Positives([0, 1, 2], [0, 8], [0.95, 1.0]), hm.strategies.naive_top_k(4))
    assert true_share(short, part)[0] == 0.5

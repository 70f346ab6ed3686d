"""Whose noise is whose: any two functions that draw are independent under one seed, and no two share a domain."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

import hardmine as hm
import hardmine._native as _native
from hardmine.primitives.draw import draw_from_lists
from hardmine.training.clusters import _first
from tests.oracle import draw as oracle

ITEMS = 5
ROWS = 6000
SEEDS = 1500
ALPHA = 0.001
"""Error level of each test as a whole: every pair gets its share of it."""

NOBODY = hm.Positives(np.zeros(ROWS + 1, np.int64), np.empty(0, np.int64))
BEYOND = hm.Candidates(np.arange(ROWS + 1), np.full(ROWS, ITEMS), np.zeros(ROWS, np.float32))
"""One candidate per query, which is none of the items."""


def chosen(ids, **settings):
    """What a selection out of the same list for every row keeps."""
    n = len(ids)
    run = hm.Candidates(np.arange(ROWS + 1) * n, np.tile(ids, ROWS), np.zeros(ROWS * n, np.float32))
    return hm.select(run, NOBODY, hm.Selection(**{"num_negatives": n, "ceiling": hm.NoCeiling(), **settings}))


def filled(seed):
    rule = hm.Selection(2, ceiling=hm.NoCeiling(), on_shortage="fill", seed=seed)
    found = hm.select(BEYOND, NOBODY, rule, num_documents=ITEMS + 1)
    return found.ids[found.filled]


def shown_positive(seed):
    pytest.importorskip("torch")
    labels = hm.Positives(np.arange(ROWS + 1) * ITEMS, np.tile(np.arange(ITEMS), ROWS))
    texts = [str(row) for row in range(ROWS)], [str(item) for item in range(ITEMS + 1)]
    rule = hm.Selection(1, ceiling=hm.NoCeiling(), seed=seed)
    return hm.data.NegativeDataset(texts, BEYOND, rule, positives=labels, which_positive="sample").shown()[1]


def dns(seed):
    miner = hm.DynamicMiner(np.ones((ITEMS, 2), np.float32), NOBODY, seed=seed)
    return miner.dns(np.ones((ROWS, 2), np.float32), np.arange(ROWS), num_samples=1)[:, 0]


def joint(seed):
    return hm.ensemble([chosen(range(ITEMS))], scheme="joint", num_negatives=1, seed=seed).ids


def least_word(seed):
    words = [f"word{item}" for item in range(ITEMS)]
    settings = {"size": 1, "num_permutations": 1, "seed": seed, "num_threads": 1}
    return hm.near_duplicate_groups([*words, " ".join(words)], 1 / ITEMS, **settings)[-1]


ALIKE = np.ones(ITEMS)
BY_ROW = {
    "draw": lambda seed: hm.draw(np.zeros((ROWS, ITEMS)), 1, seed=seed)[:, 0],
    "select": lambda seed: chosen(range(ITEMS), num_negatives=1, draw=hm.Uniform(), seed=seed).ids,
    "fill": filled,
    "uniform": lambda seed: hm.sample_uniform(ROWS, 1, ITEMS, seed=seed)[:, 0],
    "alias": lambda seed: hm.AliasTable(ALIKE).sample(ROWS, 1, seed=seed)[:, 0],
    "alias, distinct": lambda seed: hm.AliasTable(ALIKE).sample(ROWS, 1, seed=seed, replace=False)[:, 0],
    "cross_sample": lambda seed: hm.ensemble([chosen([item]) for item in range(ITEMS)], seed=seed).ids,
    "joint": joint,
    "positives": shown_positive,
    "dynamic": dns,
}
"""One of the items for every row, all alike, keyed by the row alone."""

BY_SEED = {
    "uniform": lambda seed: hm.sample_uniform(1, 1, ITEMS, seed=seed)[0, 0],
    "clusters": lambda seed: _first(None, ITEMS, 1, "random", "clusters", seed, 1)[0],
    "online_clusters": lambda seed: _first(None, ITEMS, 1, "random", "online_clusters", seed, 1)[0],
    "near_duplicates": least_word,
}
"""The same for what draws once for each seed."""


def dependence(one, other):
    """The p-value of the choices of two functions as a table of ITEMS x ITEMS counts."""
    table = np.zeros((ITEMS, ITEMS), int)
    np.add.at(table, (one, other), 1)
    return chi2_contingency(table).pvalue


def test_every_domain_is_drawn_from_here_and_known_to_the_twin():
    names = _native.domains()
    assert {name.split(",")[0] for name in (*BY_ROW, *BY_SEED)} == set(names)
    assert [getattr(oracle, name.upper()) for name in names] == list(range(len(names)))
    with pytest.raises(ValueError, match='domain: unknown name "another"'):
        draw_from_lists("another", np.array([0]), np.empty(0, np.int64), 1, seed=0, epoch=0)


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_any_two_functions_are_independent_under_one_seed(seed, count_cases):
    drawn = {name: function(seed) for name, function in BY_ROW.items()}
    pairs = list(itertools.combinations(drawn, 2))
    for name, choice in drawn.items():
        assert choice.shape == (ROWS,), name
        assert chisquare(np.bincount(choice, minlength=ITEMS)).pvalue > ALPHA / len(drawn), name
    for one, other in pairs:
        if {one, other} != {"alias", "alias, distinct"}:  # one function, asked in two ways
            assert dependence(drawn[one], drawn[other]) > ALPHA / len(pairs), (one, other)
    count_cases(len(pairs))


def test_what_draws_once_a_seed_is_independent_too():
    drawn = {name: np.array([function(seed) for seed in range(SEEDS)]) for name, function in BY_SEED.items()}
    for one, other in itertools.combinations(drawn, 2):
        assert dependence(drawn[one], drawn[other]) > ALPHA / 3, (one, other)


def test_one_domain_for_two_would_be_noticed():
    """The check itself: the same lists drawn from in the domain of `select`, by the keys that it has."""
    offsets, keys = np.arange(ROWS + 1) * ITEMS, np.tile(np.arange(ITEMS), ROWS)
    again = draw_from_lists("select", offsets, keys, 1, seed=0, epoch=0)
    assert dependence(BY_ROW["select"](0), keys[again["positions"]]) < 1e-100


def halves(domain, seed, other):
    """How many of the drawn are the first of two equal teachers', which chose 5 of 1000 and 5 of 8 with `seed`."""
    lists = np.arange(1000), np.arange(1000, 1008)
    runs = [chosen(ids, num_negatives=5, draw=hm.Uniform(), seed=seed) for ids in lists]
    if domain == "joint":
        drawn = hm.ensemble(runs, scheme="joint", num_negatives=1, temperature=np.inf, seed=other).ids
    else:
        ids = np.stack([run.ids.reshape(ROWS, 5) for run in runs], axis=1).reshape(ROWS, 10)
        found = draw_from_lists(domain, np.arange(ROWS + 1) * 10, ids.ravel(), 1, seed=other, epoch=0)
        drawn = ids.ravel()[found["positions"]]
    return np.bincount(drawn >= 1000, minlength=2)


@pytest.mark.parametrize(("seed", "other"), [(0, 0), (7, 7), (0, 1)])
def test_a_joint_draw_gives_each_of_two_equal_teachers_its_half(seed, other):
    assert chisquare(halves("joint", seed, other)).pvalue > ALPHA / 3
    if seed == other:  # in the domain of the runs the winners of a longer list win again
        assert chisquare(halves("select", seed, other)).pvalue < 1e-100


def test_samplers_and_streams_shuffle_apart():
    """Orders of batches come from NumPy's generator; they have words of their own in its seed."""
    pytest.importorskip("torch")
    n = 64
    run = hm.Candidates(np.arange(n + 1), np.arange(n) + n, np.zeros(n, np.float32))
    labels = hm.Positives(np.arange(n + 1), np.arange(n))
    texts = [str(row) for row in range(n)], [str(document) for document in range(2 * n)]
    dataset = hm.data.NegativeDataset(texts, run, hm.Selection(1, ceiling=hm.NoCeiling()), positives=labels)
    one = np.zeros(n, int)
    orders = [
        [at for batch in hm.data.NoDuplicatesBatchSampler(dataset, 8, seed=3) for at in batch],
        [at for batch in hm.data.SameClusterBatchSampler(dataset, 8, clusters=one, seed=3) for at in batch],
        [int(item["query_id"]) for item in hm.data.StreamingNegativeDataset(dataset, shuffle=True, seed=3)],
    ]
    for one, other in itertools.combinations(orders, 2):
        assert sorted(one) == sorted(other) == list(range(n))
        assert np.mean(np.array(one) == np.array(other)) < 0.2

"""Pieces of the recipes that train on judged queries or hidden labels: folds, lists, pools, weights, propensities."""

import itertools
import math

import numpy as np
import pytest
import torch

import hardmine as hm
from examples.recipes import cet, sar_pu
from examples.recipes.folds import folds, side_by_side
from examples.recipes.pg_rank import lambda_rank
from examples.recipes.worlds import Part, Side, positives


def test_every_query_is_judged_once_and_never_where_it_trains_or_chooses():
    parts = folds(23)
    assert sorted(np.concatenate([part.test for part in parts])) == list(range(23))
    assert sorted(np.concatenate([part.dev for part in parts])) == list(range(23))
    for part in parts:
        assert sorted(np.concatenate(part)) == list(range(23))


def test_positives_stand_before_negatives_and_short_rows_are_filled():
    ids, positive = side_by_side(positives([[4, 2], [], [7]]), np.array([[1, 3], [5, -1], [0, 6]]))
    assert ids.tolist() == [[4, 2, 1, 3], [-1, -1, 5, -1], [7, -1, 0, 6]]
    assert positive.tolist() == [[True, True, False, False], [False] * 4, [True, False, False, False]]


def test_a_pool_labels_what_bm25_ranks_high_and_nothing_else(monkeypatch):
    monkeypatch.setattr(cet, "POOL", 2)

    def side(*texts):
        return Side(list(texts), np.zeros((len(texts), 1), np.int64), np.eye(4, dtype=np.float32)[: len(texts)])

    # Document 2 has one of the three words and many others; 3 has none.
    documents = side("wing in flow", "wing flow", "flow of heat through a long pipe", "aerofoil")
    part, ranks = cet.pooled(Part(side("wing flow", "heat"), documents, positives([[1, 2, 3], [2]])))
    assert part.labels[0].tolist() == [1]
    assert part.labels[1].tolist() == [2]
    assert ranks[0].tolist() == [1, 0, 2, 4]
    assert part.truth[0].tolist() == [1, 2, 3]


def test_lambda_weights_are_what_a_swap_does_to_ndcg():
    generator = torch.Generator().manual_seed(0)
    scores, relevant = torch.randn(1, 14, generator=generator), torch.arange(14)[None] % 3 == 0
    order = scores.argsort(1, descending=True)
    before, terms = hm.losses.ndcg(relevant.float(), order[None]), []
    for i, j in itertools.product(relevant[0].nonzero()[:, 0], (~relevant[0]).nonzero()[:, 0]):
        swapped = order.clone()
        swapped[order == i], swapped[order == j] = j, i
        change = (hm.losses.ndcg(relevant.float(), swapped[None]) - before).abs().item()
        terms.append(change * math.log1p(math.exp(scores[0, j] - scores[0, i])))
    assert lambda_rank(scores, relevant).item() == pytest.approx(np.mean(terms), rel=1e-5)


def test_the_propensity_is_learnt_from_labels_alone():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(1500, 3, generator=generator)
    relevant = features[:, 1] + features[:, 2] > 0
    propensity = (2 * features[:, 0]).sigmoid()
    labelled = relevant & (torch.rand(1500, generator=generator) < propensity)
    part = sar_pu.Part(features, features[:, :1], relevant, labelled, propensity)
    found = sar_pu.sar_em(part, 0.0001, 80, constant=False)(part)
    assert (found - propensity).abs().mean() < 0.1
    constant = sar_pu.sar_em(part, 0.0001, 80, constant=True)(part)
    assert constant.unique().numel() == 1
    assert (constant - propensity).abs().mean() > 0.2

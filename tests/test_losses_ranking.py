"""PG-RANK: draws, log-probabilities, nDCG, and the estimator against the enumerated expectation."""

import itertools
import math

import numpy as np
import pytest
import torch

from hardmine import losses as L  # noqa: N812
from tests.oracle import losses as slow

SCORES = np.array([[0.4, -0.3, 1.1, 0.0], [1.5, 0.2, -1.0, 0.6]])
GAINS = np.array([[0.0, 3.0, 1.0, 0.0], [1.0, 0.0, 7.0, 1.0]])
ALL = torch.tensor(list(itertools.permutations(range(4))))[:, None, :].expand(-1, 2, -1)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("depth", [None, 1, 2, 9])
def test_log_probability_equals_the_twin(depth):
    scores = torch.tensor(SCORES, requires_grad=True)
    got = L.plackett_luce_log_probability(scores, ALL, depth=depth)
    expected = [[slow.plackett_luce(SCORES[b], order[b].tolist(), depth) for b in range(2)] for order in ALL]
    np.testing.assert_allclose(got.detach().exp().numpy(), expected, rtol=1e-12)
    assert torch.autograd.gradcheck(lambda s: L.plackett_luce_log_probability(s, ALL, depth=depth), [scores])
    if depth is None:
        torch.testing.assert_close(got.exp().sum(0), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("cutoff", [1, 2, 10])
def test_ndcg_equals_the_twin(cutoff):
    got = L.ndcg(torch.tensor(GAINS), ALL, cutoff=cutoff).numpy()
    expected = [[slow.ndcg(GAINS[b], order[b].tolist(), cutoff) for b in range(2)] for order in ALL]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert not L.ndcg(torch.zeros(2, 4), ALL).any()


def test_rankings_follow_plackett_luce():
    """Chi-square of 24 orders, 20,000 draws, alpha 0.001: 49.7 at 23 degrees of freedom."""
    draws = 20_000
    rankings = L.sample_rankings(torch.tensor(SCORES), draws, generator=seeded(0))
    assert bool((rankings.sort(-1).values == torch.arange(4)).all())
    for b in range(2):
        codes, counts = torch.unique(rankings[:, b] @ torch.tensor([64, 16, 4, 1]), return_counts=True)
        found = dict(zip(codes.tolist(), counts.tolist(), strict=True))
        statistic = 0.0
        for order in itertools.permutations(range(4)):
            expected = draws * slow.plackett_luce(SCORES[b], order)
            code = order[0] * 64 + order[1] * 16 + order[2] * 4 + order[3]
            statistic += (found.get(code, 0) - expected) ** 2 / expected
        assert statistic < 49.7


@pytest.mark.parametrize("cutoff", [2, 10])
def test_the_estimate_is_unbiased(cutoff):
    """Mean of 4,000 independent estimates within 4 standard errors of the enumerated value and gradient, each entry."""
    repeats, samples = 4_000, 4
    scores = torch.tensor(SCORES).repeat(repeats, 1).requires_grad_()
    gains = torch.tensor(GAINS).repeat(repeats, 1)
    rows = L.pg_rank(
        scores, gains, num_samples=samples, cutoff=cutoff, generator=seeded(1), reduction="none"
    )  # fmt: skip
    rows.sum().backward()
    values = rows.detach().reshape(repeats, 2).numpy().mean(1)
    gradients = scores.grad.reshape(repeats, 2, 4).numpy() / 2

    def twin(s):
        return slow.expected_loss(s, GAINS, cutoff)

    expected = slow.numerical_gradient(twin, [SCORES], 0)
    for found, wanted in ((values, twin(SCORES)), (gradients, expected)):
        error = found.std(0, ddof=1) / math.sqrt(repeats)
        assert bool((error < 0.01).all())
        assert bool((np.abs(found.mean(0) - wanted) < 4 * error).all())


def test_padding_is_as_absent():
    scores = torch.tensor([[0.4, -0.3, 1.1]], dtype=torch.float64)
    wide = torch.tensor([[0.4, 99.0, -0.3, 1.1, -math.inf]], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[False, True, False, False, False]])
    orders = torch.tensor([[[0, 2, 3, 4, 1]], [[3, 2, 0, 4, 1]]])
    narrow = torch.tensor([[[0, 1, 2]], [[2, 1, 0]]])
    got = L.plackett_luce_log_probability(wide, orders, mask=mask)
    torch.testing.assert_close(got.detach(), L.plackett_luce_log_probability(scores, narrow))
    got.sum().backward()
    assert bool(wide.grad.isfinite().all())
    assert not wide.grad[0, [1, 4]].any()
    rankings = L.sample_rankings(wide, 500, mask=mask, generator=seeded(3))
    assert bool((rankings[:, 0, 3:] == torch.tensor([4, 1])).all())
    gains = torch.tensor([[0.0, 5.0, 1.0, 0.0, 0.0]])
    value = L.pg_rank(wide, gains, mask=mask, generator=seeded(0))
    wide.grad = None
    value.backward()
    assert bool(wide.grad.isfinite().all())
    assert not wide.grad[0, [1, 4]].any()
    everything = torch.ones(1, 5, dtype=torch.bool)
    wide.grad = None
    value = L.pg_rank(wide, gains, mask=everything)
    value.backward()
    assert value.item() == 0
    assert not wide.grad.any()


def test_deterministic_given_a_generator():
    def step(seed):
        scores = torch.tensor(SCORES, requires_grad=True)
        value = L.PGRank()(scores, torch.tensor(GAINS), generator=seeded(seed))
        return value, torch.autograd.grad(value, scores)[0]

    first, again, other = step(7), step(7), step(8)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_narrow_types_and_autocast():
    narrow = torch.tensor(SCORES, dtype=torch.bfloat16, requires_grad=True)
    wide = narrow.detach().float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = L.pg_rank(narrow, torch.tensor(GAINS).bfloat16(), generator=seeded(0))
    expected = L.pg_rank(wide, torch.tensor(GAINS).float(), generator=seeded(0))
    assert torch.equal(got, expected)
    got.backward()
    expected.backward()
    assert torch.equal(narrow.grad, wide.grad.bfloat16())


def test_lambda_weights_by_ranks():
    ranks = torch.tensor([[3, 1, 2]])
    by_place = L.lambda_weights(3, metric_cut=2)
    assert torch.equal(L.lambda_weights(3, metric_cut=2, ranks=ranks)[0], by_place[ranks[0] - 1][:, ranks[0] - 1])


def test_lambda_weights_are_their_formula():
    """|1/r_i - 1/r_j|, ranks beyond 200 counting 0 (arXiv 2104.08051), for ranks in any order."""
    ranks = torch.from_numpy(np.random.default_rng(0).permutation(400) + 1)
    inverse = torch.where(ranks <= 200, 1 / ranks, 0.0)
    weights = L.lambda_weights(400, ranks=ranks[None], dtype=torch.float64)
    torch.testing.assert_close(weights[0].float(), (inverse[:, None] - inverse[None, :]).abs(), rtol=0, atol=1e-6)

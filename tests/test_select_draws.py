"""Draws inside a selection: their laws by counts, their independence of everything but keys, first draws pinned."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import hardmine as hm
from tests.oracle import draw as noise
from tests.oracle import select as oracle
from tests.select_cases import BOUNDED, assert_equals, large_case, small_case, small_extras, small_selection

CHI_SQUARE = {4: 18.467, 9: 27.877, 19: 43.82}
"""0.999 quantiles by degrees of freedom."""


def assert_law(selection, scores, p, law, documents=None, **columns):
    """Unordered pairs drawn over many query keys follow `law`, a log-weight per candidate."""
    rows, width = 20_000, len(scores)
    ids = np.tile(np.arange(width) if documents is None else documents, rows)
    run = hm.Candidates(np.arange(rows + 1) * width, ids, np.tile(np.float32(scores), rows))
    positives = hm.Positives(np.arange(rows + 1), np.full(rows, 99), np.full(rows, p, np.float32))
    found = hm.select(run, positives, selection, **columns).ids.reshape(rows, 2)
    weights = np.exp(np.array(law, float))
    counts, expected = [], []
    for pair in itertools.combinations(range(width), 2):
        i, j = weights[list(pair)] / weights.sum()
        expected.append(rows * i * j * (1 / (1 - i) + 1 / (1 - j)))
        counts.append(int((found == [ids[pair[0]], ids[pair[1]]]).all(1).sum()))
    counts, expected = np.array(counts), np.array(expected)
    assert counts.sum() == rows
    assert ((counts - expected) ** 2 / expected).sum() < CHI_SQUARE[len(counts) - 1]


SCORES = [0.9, 0.7, 0.6, 0.5, 0.1]


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (hm.Uniform(), [0] * 5),
        (hm.Softmax(0.5), [s / 0.5 for s in SCORES]),
        (hm.SimANS(4.0, 0.1), [-4 * (s - 0.6 - 0.1) ** 2 for s in SCORES]),
        (hm.Laplace(3.0), [-3 * abs(s - 0.6) for s in SCORES]),
        (hm.RankPower(1.0), [-np.log(rank) for rank in range(1, 6)]),
        (hm.Popularity([8, 1, 4, 2, 2], 0.75), [0.75 * np.log(c) for c in [8, 1, 4, 2, 2]]),
        (hm.Weighted(np.tile([0.0, 1.0, -1.0, 0.5, 0.2], 20_000)), [0.0, 1.0, -1.0, 0.5, 0.2]),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_draws_follow_their_law(draw, law):
    assert_law(hm.Selection(2, ceiling=hm.NoCeiling(), draw=draw, seed=11), SCORES, 0.6, law)


def test_top_then_keeps_the_first_and_draws_the_rest_uniformly():
    rows = 20_000
    run = hm.Candidates(
        np.arange(rows + 1) * 6, np.tile(np.arange(6), rows), np.tile(np.float32([6, 5, 4, 3, 2, 1]), rows)
    )
    none = hm.Positives(np.zeros(rows + 1, int), [])
    found = hm.select(run, none, hm.Selection(2, ceiling=hm.NoCeiling(), draw=hm.TopThen(1, hm.Uniform()), seed=2))
    ids = found.ids.reshape(rows, 2)
    assert (ids[:, 0] == 0).all()
    counts = np.bincount(ids[:, 1], minlength=6)[1:]
    assert ((counts - rows / 5) ** 2 / (rows / 5)).sum() < CHI_SQUARE[4]


def test_filled_documents_are_uniform_and_never_forbidden():
    rows = 20_000
    run = hm.Candidates(np.arange(rows + 1), np.zeros(rows, int), np.ones(rows, np.float32))
    positives = hm.Positives(np.arange(rows + 1), np.full(rows, 3), np.ones(rows, np.float32))
    rule = hm.Selection(2, on_shortage="fill", seed=9)
    found = hm.select(run, positives, rule, num_documents=7, exclude=(np.arange(rows + 1), np.full(rows, 5)))
    pairs = found.ids.reshape(rows, 2)
    counts = [int((pairs == pair).all(1).sum()) for pair in itertools.combinations([1, 2, 4, 6], 2)]
    assert sum(counts) == rows
    assert ((np.array(counts) - rows / 6) ** 2 / (rows / 6)).sum() < 20.515
    assert np.isnan(found.scores).all()
    assert found.filled.all()
    assert found.num_short == rows


def test_epochs_seeds_and_keys():
    run, positives, _ = large_case(200)
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Uniform(), seed=1)
    base = hm.select(run, positives, rule)
    assert np.array_equal(base.ids, hm.select(run, positives, rule).ids)
    assert not np.array_equal(base.ids, hm.select(run, positives, rule, epoch=1).ids)
    assert not np.array_equal(base.ids, hm.select(run, positives, rule.replace(seed=2)).ids)
    assert np.array_equal(base.ids, hm.select(run, positives, rule, query_keys=np.arange(200)).ids)


def test_keys_make_draws_independent_of_order_and_sharding():
    run, positives, documents = large_case(120)
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.SimANS(20.0), seed=1)
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**64, 120, dtype=np.uint64)
    whole = hm.select(run, positives, rule, query_keys=keys)
    order = rng.permutation(120)
    for part in (order[:50], order[50:]):
        shard = hm.Candidates(
            np.arange(part.size + 1) * 40,
            run.ids.reshape(120, 40)[part].ravel(),
            run.scores.reshape(120, 40)[part].ravel(),
        )
        known = hm.Positives(np.arange(part.size + 1), positives.ids[part], positives.scores[part])
        found = hm.select(shard, known, rule, query_keys=keys[part])
        for row, query in enumerate(part):
            assert np.array_equal(found[row].ids, whole[query].ids)
    # Renumbered documents with their old numbers as keys are the same draws.
    renumber = rng.permutation(documents)
    old = np.empty(documents, np.int64)
    old[renumber] = np.arange(documents)
    moved = hm.Candidates(run.offsets, renumber[run.ids], run.scores)
    known = hm.Positives(positives.offsets, renumber[positives.ids], positives.scores)
    found = hm.select(moved, known, rule, query_keys=keys, document_keys=old)
    assert np.array_equal(found.ids, renumber[whole.ids])


def test_minus_infinity_is_never_drawn():
    run = hm.Candidates([0, 4], [0, 1, 2, 3], [0.4, 0.3, 0.2, 0.1])
    none = hm.Positives.from_lists([[]])
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Weighted([-np.inf, 0.0, -np.inf, -800.0]))
    for epoch in range(50):
        found = hm.select(run, none, rule, epoch=epoch)
        assert found[0].ids.tolist() == [1, 3]
        assert found.reasons["not_drawn"].tolist() == [2]


def test_top_then_flattens():
    run, positives, _ = large_case(100)
    nested = hm.Selection(5, ceiling=hm.NoCeiling(), draw=hm.TopThen(1, hm.TopThen(1, hm.Uniform())))
    flat = nested.replace(draw=hm.TopThen(2, hm.Uniform()))
    assert np.array_equal(hm.select(run, positives, nested).ids, hm.select(run, positives, flat).ids)


def test_first_draws_are_pinned():
    run = hm.Candidates([0, 6, 12], np.tile(np.arange(6), 2), np.tile(np.float32([6, 5, 4, 3, 2, 1]), 2))
    none = hm.Positives.from_lists([[], []])
    rule = hm.Selection(3, ceiling=hm.NoCeiling(), draw=hm.Softmax(2.0), seed=2024)
    found = [hm.select(run, none, rule, epoch=epoch).ids.tolist() for epoch in range(2)]
    gumbel = [noise.noise(2024, epoch, query, np.arange(6), noise.SELECT) for epoch in range(2) for query in range(2)]
    keys = [row + np.array([6, 5, 4, 3, 2, 1]) / 2.0 for row in gumbel]
    expected = [sorted(np.argsort(-row)[:3].tolist()) for row in keys]
    assert found == [expected[0] + expected[1], expected[2] + expected[3]]
    assert found == PINNED


PINNED = [[0, 2, 3, 1, 2, 4], [0, 2, 3, 0, 3, 4]]
"""These change only with a release that says so."""


# Shares of bins, and pools


@pytest.mark.parametrize("part", range(8))
def test_bounded_draws_equal_the_twin(part, count_cases):
    for case in range(1500):
        rng = np.random.default_rng([31, part, case])
        run, positives, documents = small_case(rng)
        selection = small_selection(rng, run, documents, BOUNDED).replace(on_shortage="keep")
        extras = small_extras(rng, run, documents)
        rows, dropped = oracle.select(run, positives, selection, num_documents=documents, **extras)
        assert_equals(hm.select(run, positives, selection, num_threads=1, **extras), rows, dropped)
    count_cases(1500)


def many_rows(scores, selection, rows=20_000):
    """What many queries with one list draw: positions in the list, [rows, n]."""
    width = len(scores)
    run = hm.Candidates(np.arange(rows + 1) * width, np.tile(np.arange(width), rows), np.tile(np.float32(scores), rows))
    found = hm.select(run, hm.Positives(np.zeros(rows + 1, int), []), selection)
    return found.ids.reshape(rows, -1)


def test_a_draw_is_uniform_inside_every_bin():
    # Bins of 4, 5 and 1 candidates over [0, 3].
    scores = [3.0, 2.9, 2.5, 2.25, 2.0, 1.75, 1.5, 1.25, 1.125, 0.0]
    drawn = many_rows(scores, hm.Selection(5, ceiling=hm.NoCeiling(), draw=hm.Stratified(3), seed=4))
    pairs = drawn[:, :2], drawn[:, 2:4] - 4
    assert (drawn[:, 4] == 9).all()
    for pair, size in zip(pairs, (4, 5), strict=True):
        counts = np.array([(pair == both).all(1).sum() for both in itertools.combinations(range(size), 2)])
        expected = len(drawn) / counts.size
        assert counts.sum() == len(drawn)
        assert ((counts - expected) ** 2 / expected).sum() < {6: 20.515, 10: 27.877}[counts.size]


def test_bins_that_give_one_more_are_any_alike():
    # Four bins of very different sizes, six draws: one of each, and one more of two of them.
    scores = np.concatenate([np.linspace(4, 3.01, 20), [2.5, 2.4, 2.3], [1.5, 1.25], np.linspace(0.9, 0, 6)])
    drawn = many_rows(scores, hm.Selection(6, ceiling=hm.NoCeiling(), draw=hm.Stratified(4), seed=8))
    numbers = np.minimum((4 - scores[drawn]).astype(int), 3)
    shares = np.stack([(numbers == number).sum(1) for number in range(4)], axis=1)
    assert set(shares.ravel()) == {1, 2}
    counts = np.array([(shares[:, both] == 2).all(1).sum() for both in itertools.combinations(range(4), 2)])
    expected = len(drawn) / 6
    assert counts.sum() == len(drawn)
    assert ((counts - expected) ** 2 / expected).sum() < 20.515


def test_one_bin_is_the_uniform_draw_and_many_bins_spread_it():
    run, positives, _ = large_case(300)
    uniform = hm.Selection(8, ceiling=hm.NoCeiling(), draw=hm.Uniform(), seed=3)
    base = hm.select(run, positives, uniform)
    for draw in (hm.Stratified(1), hm.Stratified(1, "rank"), hm.Among(40, hm.Uniform())):
        assert np.array_equal(base.ids, hm.select(run, positives, uniform.replace(draw=draw)).ids)
    spread = hm.select(run, positives, uniform.replace(draw=hm.Stratified(39, "rank")))
    one_each = (spread.ranks - 1).reshape(300, 8)
    assert (np.diff(one_each, axis=1) > 0).all()
    epochs = [hm.select(run, positives, uniform.replace(draw=hm.Stratified(4)), epoch=e).ids for e in range(2)]
    assert not np.array_equal(*epochs)


def test_infinite_scores_have_no_range():
    run = hm.Candidates([0, 2, 5], [0, 1, 0, 1, 2], [0.5, 0.25, 0.5, 0.25, -np.inf])
    none = hm.Positives.from_lists([[], []])
    rule = hm.Selection(1, ceiling=hm.NoCeiling(), draw=hm.Stratified(2))
    with pytest.raises(ValueError, match="candidates: query 1 has the score -inf among the admissible"):
        hm.select(run, none, rule)
    assert hm.select(run, none, rule.replace(floor=-1.0)).lengths.tolist() == [1, 1]
    assert hm.select(run, none, rule.replace(draw=hm.Stratified(2, "rank"))).lengths.tolist() == [1, 1]


def test_stratified_draws_are_pinned():
    run, positives, _ = large_case(3)
    rule = hm.Selection(6, ceiling=hm.NoCeiling(), draw=hm.Stratified(4), seed=2024)
    rows, _ = oracle.select(run, positives, rule)
    found = hm.select(run, positives, rule)
    assert found.ranks.reshape(3, 6).tolist() == [[item[2] for item in row["found"]] for row in rows] == STRATA_PINNED


STRATA_PINNED = [[1, 4, 26, 29, 38, 39], [3, 12, 14, 18, 28, 35], [4, 9, 20, 24, 31, 39]]


def test_f2llm_draws_seven_of_the_first_twenty_four_afresh():
    width = 100
    scores = np.linspace(1.0, 0.2, width, dtype=np.float32)
    run = hm.Candidates([0, width], np.arange(width), scores)
    positives = hm.Positives.from_lists([[500]], [[0.8]])
    rule = hm.strategies.f2llm()
    stored = np.flatnonzero(scores <= np.float32(0.8 * 0.95))
    stored = stored[stored >= 5][:24]
    drawn = [hm.select(run, positives, rule, epoch=epoch).ids for epoch in range(60)]
    assert all(len(set(ids.tolist())) == 7 for ids in drawn)
    assert set(np.concatenate(drawn).tolist()) == set(stored.tolist())
    low = hm.Positives.from_lists([[500]], [[2.0]])
    assert (
        hm.select(run, low, rule.replace(num_negatives=24)).ids.tolist() == np.flatnonzero(scores <= 0.8)[:24].tolist()
    )


@pytest.mark.usefixtures("isa")
def test_scores_on_the_edges_of_bins():
    """Scores W, ..., 0 in W bins: one in each but the last, which holds its lower bound too."""
    nobody = hm.Positives([0, 0], np.empty(0, np.int64))
    for bins in range(2, 301):
        run = hm.Candidates([0, bins + 1], range(bins + 1), np.arange(bins, -1, -1, dtype=np.float32))
        rule = hm.Selection(bins, ceiling=hm.NoCeiling(), draw=hm.Stratified(bins), seed=bins)
        scores = hm.select(run, nobody, rule).scores.tolist()
        assert scores[:-1] == list(range(bins, 1, -1)), bins
        assert scores[-1] in (0, 1)


LARGEST = float(np.finfo(np.float32).max)
LAWS = {
    "softmax": (lambda size: hm.Softmax(size), 2e-270, 1e-270),
    "sim-ans": (lambda size: hm.SimANS(size, 1e39), 1e229, 1e231),
    "sim-ans shifted": (lambda size: hm.SimANS(1.0, -size), 1e39, 1e40),
    "laplace": (lambda size: hm.Laplace(size), 1e269, 1e270),
    "rank-power": (lambda size: hm.RankPower(size), 1e305, 1e306),
    "popularity": (lambda size: hm.Popularity([5e-324, 1e308, 1.0], size), 1e305, 1e306),
    "unpopularity": (lambda size: hm.Popularity([5e-324, 1e308, 1.0], -size), 1e305, 1e306),
}
"""A law by its parameter, a value at the end of its range, and one beyond."""


@pytest.mark.parametrize("name", LAWS)
def test_no_parameter_leads_to_an_overflow_that_loses_a_candidate(name):
    law, end, beyond = LAWS[name]
    positives = hm.Positives([0, 1], [9], [-LARGEST])
    run = hm.Candidates([0, 3], [0, 1, 2], [LARGEST, 0.5, -LARGEST])
    for n in (1, 2, 3):
        rule = hm.Selection(n, ceiling=hm.NoCeiling(), draw=law(end))
        assert hm.select(run, positives, rule).ids.size == n
    with pytest.raises(ValueError, match=r"expected at (least|most)"):
        law(beyond)


def test_a_candidate_of_a_lower_score_is_drawn_last_at_the_lowest_temperature():
    positives, run = hm.Positives([0, 0], np.empty(0, np.int64)), hm.Candidates([0, 2], [1, 2], [LARGEST, -LARGEST])
    for seed in range(50):
        rule = hm.Selection(1, ceiling=hm.NoCeiling(), draw=hm.Softmax(2e-270), seed=seed)
        assert hm.select(run, positives, rule).ids.tolist() == [1]

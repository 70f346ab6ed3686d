"""`ensemble` against its slow twin, the law of its draws, and what it keeps."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

import hardmine as hm
from hardmine.primitives.ensemble import SCHEMES
from tests.counting import count_cases
from tests.oracle import ensemble as oracle

ALPHA = 0.001


def chosen(lists, scores, num_negatives=5):
    """What one teacher kept: its best, a list per row."""
    offsets = np.cumsum([0, *map(len, lists)])
    run = hm.Candidates(offsets, np.array([i for row in lists for i in row], np.int64), np.concatenate([[], *scores]))
    nobody = hm.Positives(np.zeros(len(lists) + 1, np.int64), np.empty(0, np.int64))
    return hm.select(run, nobody, hm.Selection(num_negatives, ceiling=hm.NoCeiling()))


@st.composite
def teachers(draw):
    """One to four teachers over few documents; some empty lists, tied scores."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = draw(st.integers(1, 40))
    runs = []
    for _ in range(draw(st.integers(1, 4))):
        lists = [rng.permutation(9)[: rng.integers(0, 7)].tolist() for _ in range(rows)]
        runs.append(chosen(lists, [np.sort(rng.integers(-4, 5, len(ids)) / 4)[::-1] for ids in lists]))
    return runs


@pytest.mark.parametrize("scheme", ["intra_sample", "intra_sample_no_dedup"])
@given(runs=teachers(), wanted=st.none() | st.integers(1, 12), threads=st.integers(1, 3))
def test_taking_turns_equals_the_twin(scheme, runs, wanted, threads):
    both = hm.ensemble(runs, scheme=scheme, num_negatives=wanted, num_threads=threads)
    for row in range(len(both)):
        lists = [run[row].ids.tolist() for run in runs]
        expected = oracle.in_turn(lists, wanted or len(runs), dedup=scheme == "intra_sample")
        part = slice(*both.offsets[row : row + 2])
        assert list(zip(both.ids[part].tolist(), both.sources[part].tolist(), strict=True)) == expected
        for position in range(part.start, part.stop):
            run, document = runs[both.sources[position]], both.ids[position]
            at = run.offsets[row] + run[row].ids.tolist().index(document)
            assert (both.scores[position], both.ranks[position]) == (run.scores[at], run.ranks[at])
    count_cases(len(both))


@given(runs=teachers(), wanted=st.none() | st.integers(1, 4), seed=st.integers(0, 2**64 - 1))
def test_across_samples_a_row_is_one_teachers(runs, wanted, seed):
    both = hm.ensemble(runs, scheme="cross_sample", num_negatives=wanted, seed=seed)
    for row in range(len(both)):
        part = slice(*both.offsets[row : row + 2])
        possible = [
            number for number, run in enumerate(runs) if run[row].ids.tolist()[:wanted] == both[row].ids.tolist()
        ]
        assert possible
        assert set(both.sources[part].tolist()) <= set(possible)
    count_cases(len(both))


@given(runs=teachers(), scheme=st.sampled_from(SCHEMES), wanted=st.integers(1, 6), epoch=st.integers(0, 2**63 - 1))
def test_every_candidate_is_counted_once(runs, scheme, wanted, epoch):
    both = hm.ensemble(runs, scheme=scheme, num_negatives=wanted, epoch=epoch)
    assert both.reasons["kept"].tolist() == both.lengths.tolist()
    total = sum(both.reasons.values())
    seen = np.stack([sum(run.reasons.values()) for run in runs])
    if scheme == "cross_sample":
        assert all(count in column for count, column in zip(total, seen.T, strict=True))
    else:
        assert total.tolist() == seen.sum(axis=0).tolist()
    assert min(count.min() for count in both.reasons.values()) >= 0


def test_each_teacher_supplies_its_share_of_rows_and_epochs_differ():
    rows = 9000
    runs = [chosen([[10 * number + 1]] * rows, [[0.5]] * rows) for number in range(3)]
    first = hm.ensemble(runs, seed=7)
    counts = np.bincount(first.sources, minlength=3)
    assert chisquare(counts).pvalue > ALPHA
    again = hm.ensemble(runs, seed=7, epoch=1)
    assert 0.6 < np.mean(first.sources != again.sources) < 0.73  # two in three
    assert first.ids.tolist() == (10 * first.sources.astype(int) + 1).tolist()


@pytest.mark.parametrize("temperature", [0.5, 1.0, math.inf])
def test_the_joint_draw_has_the_law_of_the_mixture(temperature):
    lists, scores = [[3, 5, 8], [5, 2]], [[0.9, 0.4, -0.2], [1.5, 0.5]]
    rows = 40_000
    runs = [chosen([of] * rows, [values] * rows) for of, values in zip(lists, scores, strict=True)]
    drawn = hm.ensemble(runs, scheme="joint", num_negatives=2, temperature=temperature, seed=3)
    assert (drawn.lengths == 2).all()
    weights = oracle.mixture(lists, scores, temperature)
    total = sum(weights.values())
    pairs = [frozenset(pair) for pair in itertools.combinations(weights, 2)]
    expected = []
    for pair in pairs:
        one, two = (weights[document] / total for document in pair)
        expected.append(rows * (one * two / (1 - one) + two * one / (1 - two)))
    found = [frozenset(pair) for pair in drawn.ids.reshape(-1, 2).tolist()]
    counts = [found.count(pair) for pair in pairs]
    assert sum(counts) == rows
    assert chisquare(counts, expected).pvalue > ALPHA


def test_a_joint_draw_names_the_teacher_with_the_largest_share():
    runs = [chosen([[3, 5]], [[0.9, 0.1]]), chosen([[5, 3]], [[9.0, 0.1]])]
    drawn = hm.ensemble(runs, scheme="joint", num_negatives=2)
    kept = dict(zip(drawn.ids.tolist(), zip(drawn.sources.tolist(), drawn.scores.tolist(), strict=True), strict=True))
    assert kept == {3: (0, np.float32(0.9)), 5: (1, 9.0)}


@pytest.mark.parametrize("scheme", ["cross_sample", "joint"])
def test_with_keys_a_row_is_the_same_in_any_shard(scheme):
    rng = np.random.default_rng(5)
    rows = 50
    lists = [[rng.permutation(30)[:6].tolist() for _ in range(rows)] for _ in range(3)]
    scores = [[np.sort(rng.random(6))[::-1] for _ in range(rows)] for _ in range(3)]
    settings = {"scheme": scheme, "num_negatives": 3, "seed": 11}
    keys = np.arange(rows) * 7919
    whole = hm.ensemble([chosen(*both) for both in zip(lists, scores, strict=True)], query_keys=keys, **settings)
    order = rng.permutation(rows)
    part = hm.ensemble(
        [chosen([of[i] for i in order], [values[i] for i in order]) for of, values in zip(lists, scores, strict=True)],
        query_keys=keys[order],
        num_threads=1,
        **settings,
    )
    for place, row in enumerate(order):
        assert part[place].ids.tolist() == whole[row].ids.tolist()


def test_pairs_of_one_query_choose_for_themselves():
    run = hm.Candidates([0, 2], [90, 91], [0.5, 0.4])
    positives = hm.Positives([0, 40], np.arange(40), np.full(40, 0.9))
    each = hm.Selection(1, positive_agg="each", ceiling=hm.PercPos(0.95))
    other = hm.Candidates([0, 2], [80, 81], [0.5, 0.4])
    both = hm.ensemble([hm.select(candidates, positives, each) for candidates in (run, other)])
    assert both.positives.tolist() == list(range(40))
    assert set(both.sources.tolist()) == {0, 1}
    assert both.positive_scores.tolist() == [np.float32(0.9)] * 40


def test_an_ensemble_saves_and_reads_back(tmp_path):
    runs = [chosen([[1, 2], []], [[0.5, 0.25], []]), chosen([[2], [4]], [[3.0], [1.0]])]
    both = hm.ensemble(runs, scheme="intra_sample")
    both.save(tmp_path / "both.negatives")
    again = hm.Negatives.load(tmp_path / "both.negatives")
    assert again.sources.tolist() == both.sources.tolist() == [0, 1, 1]
    assert again.ids.tolist() == [1, 2, 4]
    assert again.num_short == both.num_short == 1
    assert both.to_arrow()["source"].to_pylist() == [0, 1, 1]
    assert np.isnan(both.positive_scores).all()


def test_samples_across_teachers_take_the_memory_of_what_is_chosen():
    """Of 50 teachers' lists a row takes one: no step may last as long as all of them would."""
    rows, n = 5_000, 4
    run = hm.Candidates(np.arange(rows + 1) * n, np.tile(np.arange(n), rows), np.zeros(rows * n, np.float32))
    one = hm.select(run, hm.Positives(np.arange(rows + 1), np.full(rows, 9)), hm.Selection(n, ceiling=hm.NoCeiling()))
    tracemalloc.start()
    try:
        mixed = hm.ensemble([one] * 50, scheme="cross_sample")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert mixed.ids.tolist() == one.ids.tolist()
    assert np.unique(mixed.sources).size == 50
    assert peak < 10 * sum(column.nbytes for column in (one.ids, one.scores, one.ranks, *one.reasons.values()))

"""Score matrix to negatives: the same as a full ranking followed by `select`."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.nouns.lists import REASONS

DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
CEILINGS = [
    hm.NoCeiling(), hm.Absolute(0.25), hm.MarginPos(0.25), hm.PercPos(0.9), hm.PercPos(1.0) & hm.Absolute(0.5),
]  # fmt: skip
DRAWS = [
    hm.Top(), hm.TopThen(1, hm.Top()), hm.Uniform(), hm.Softmax(0.25), hm.SimANS(4.0), hm.RankPower(1.0),
    hm.TopThen(1, hm.Laplace(2.0)),
]  # fmt: skip
COLUMNS = ("offsets", "ids", "scores", "ranks", "queries", "positives", "positive_scores", "dropped", "filled")


def small_case(rng, dtype):
    queries, documents = int(rng.integers(0, 5)), int(rng.integers(1, 16))
    values = np.array([-1.0, -0.5, -0.25, -0.0, 0.0, 0.25, 0.375, 0.5, 0.75, 1.0])
    scores = rng.choice(values, (queries, documents)).astype(dtype)
    known = [rng.permutation(documents)[: rng.integers(1, min(documents, 3) + 1)] for _ in range(queries)]
    positives = hm.Positives.from_lists(known)
    if rng.random() < 0.3:
        positives = positives.with_scores(rng.choice(values, positives.ids.size).astype(np.float32))
    extras = {"epoch": int(rng.integers(0, 3))}
    if rng.random() < 0.4:
        extras["exclude"] = [rng.integers(0, documents, rng.integers(0, 4)) for _ in range(queries)]
    if rng.random() < 0.4:
        extras["document_groups"] = rng.integers(0, documents, documents)
    if rng.random() < 0.3:
        extras["query_keys"] = rng.integers(0, 2**63, queries)
    if rng.random() < 0.3:
        extras["document_keys"] = rng.integers(0, 2**63, documents)
    low = int(rng.choice([0, 0, 1, 3]))
    selection = hm.Selection(
        int(rng.integers(1, 6)),
        ceiling=CEILINGS[rng.integers(len(CEILINGS))],
        floor=None if rng.random() < 0.6 else float(rng.choice([-0.25, 0.25])),
        range_min=low,
        range_max=None if rng.random() < 0.5 else low + int(rng.integers(1, 8)),
        range_on=str(rng.choice(["raw", "filtered"])),
        draw=DRAWS[rng.integers(len(DRAWS))],
        positive_agg=str(rng.choice(["min", "mean", "max", "each"])),
        on_shortage=str(rng.choice(["keep", "drop"])),
        seed=int(rng.integers(0, 2**63)),
    )
    return scores, positives, selection, extras


def full_route(scores, positives, selection, extras, **options):
    """The whole ranking without any limit, then `select`."""
    run = hm.topk(scores, scores.shape[1], **options)
    if positives.scores is None:
        read = np.asarray(scores)[positives.query_of_each, positives.ids].astype(np.float32)
        positives = positives.with_scores(read)
    return hm.select(run, positives, selection, **extras)


def assert_same(found, other):
    for name in COLUMNS:
        assert getattr(found, name).tobytes() == getattr(other, name).tobytes(), name
    assert np.array_equal(found.reasons["kept"], other.reasons["kept"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_equals_a_full_ranking_and_select(dtype):
    for case in range(1000):
        scores, positives, selection, extras = small_case(np.random.default_rng([DTYPES.index(dtype), case]), dtype)
        expected = full_route(scores, positives, selection, extras)
        found = hm.mine_scores(scores, positives, selection, num_threads=1, **extras)
        assert_same(found, expected)
        removed = [sum(r.reasons[name].sum() for name in REASONS[:3]) for r in (found, expected)]
        assert removed[0] == removed[1]
        deep = hm.mine_scores(scores, positives, selection, k=scores.shape[1], **extras)
        assert_same(deep, expected)
        total = sum(deep.reasons[name] for name in REASONS)
        assert (total == scores.shape[1]).all()
        for name in ("positive", "excluded", "duplicate_text"):
            assert np.array_equal(deep.reasons[name], expected.reasons[name])
        if selection.range_min == 0 and selection.range_max is None:
            assert all(np.array_equal(deep.reasons[name], expected.reasons[name]) for name in REASONS)


@given(st.integers(0, 2**32 - 1), st.sampled_from(DTYPES))
def test_any_case_equals_the_full_route(seed, dtype):
    scores, positives, selection, extras = small_case(np.random.default_rng([9, seed]), dtype)
    assert_same(
        hm.mine_scores(scores, positives, selection, **extras), full_route(scores, positives, selection, extras)
    )


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("agg", ["min", "each"])
def test_levels_threads_and_layouts_give_the_same_bytes(agg):
    rng = np.random.default_rng(0)
    scores = rng.normal(0.5, 0.2, (300, 700)).astype(np.float32)
    positives = hm.Positives.from_lists([rng.permutation(700)[: rng.integers(1, 3)] for _ in range(300)])
    rule = hm.Selection(5, ceiling=hm.PercPos(0.95), draw=hm.SimANS(50.0), positive_agg=agg)
    base = full_route(scores, positives, rule, {})
    for view in (scores, np.asfortranarray(scores), np.repeat(scores, 2, axis=1)[:, ::2], torch.from_numpy(scores)):
        for threads in (1, 2, 7):
            assert_same(hm.mine_scores(view, positives, rule, num_threads=threads), base)


def test_bfloat16_tensors_are_read():
    scores = torch.tensor([[0.5, 1.0, 0.25, 0.75]], dtype=torch.bfloat16)
    found = hm.mine_scores(scores, hm.Positives.from_lists([[3]]), hm.Selection(2, ceiling=hm.PercPos(0.95)))
    assert found[0].ids.tolist() == [0, 2]
    assert found.positive_scores.tolist() == [0.75]


def test_no_query_runs_short_because_its_top_was_filtered():
    scores = np.arange(1000, dtype=np.float32)[None, ::-1] / 1000
    found = hm.mine_scores(scores, hm.Positives.from_lists([[500]]), hm.Selection(3, ceiling=hm.MarginPos(0.0)))
    assert found[0].ids.tolist() == [501, 502, 503]
    assert found.reasons["above_ceiling"].tolist() == [500]
    # 501 documents precede the first of them; the positive is out of the ranking.
    assert found.ranks.tolist() == [501, 502, 503]


def test_reasons_split_the_exclusions():
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.5]], np.float32)
    found = hm.mine_scores(
        scores,
        hm.Positives.from_lists([[1]]),
        hm.Selection(1, ceiling=hm.NoCeiling()),
        k=5,
        exclude=[[1, 2]],
        document_groups=[7, 8, 8, 8, 9],
    )
    assert {name: int(count[0]) for name, count in found.reasons.items() if count[0]} == {
        "positive": 1, "excluded": 1, "duplicate_text": 1, "not_drawn": 1, "kept": 1,
    }  # fmt: skip


def test_nan_is_raised_or_dropped_and_counted():
    scores = np.array([[0.9, np.nan, 0.7], [0.1, 0.2, np.nan]], np.float32)
    rule = hm.Selection(2, ceiling=hm.NoCeiling())
    with pytest.raises(ValueError, match="scores: NaN at row 0, column 1"):
        hm.mine_scores(scores, hm.Positives.from_lists([[0], [2]]), rule)
    with pytest.raises(ValueError, match="scores: NaN at row 0, column 1"):
        hm.mine_scores(scores, hm.Positives.from_lists([[1], [0]]), rule)
    found = hm.mine_scores(scores, hm.Positives.from_lists([[0], [0]]), rule, nan="drop")
    assert [found[row].ids.tolist() for row in range(2)] == [[2], [1]]
    assert found.reasons["nan"].tolist() == [1, 1]
    with pytest.raises(ValueError, match="scores: nan for query 1"):
        hm.mine_scores(scores, hm.Positives.from_lists([[0], [2]]), hm.Selection(1), nan="drop")


def test_masked_positives_are_fine_where_their_scores_are_not_needed():
    scores = np.array([[-np.inf, 0.5, 0.4]], np.float32)
    found = hm.mine_scores(scores, hm.Positives.from_lists([[0]]), hm.Selection(1, ceiling=hm.NoCeiling()))
    assert found[0].ids.tolist() == [1]
    with pytest.raises(ValueError, match="scores: -inf for query 0, expected a finite number"):
        hm.mine_scores(scores, hm.Positives.from_lists([[0]]), hm.Selection(1))


def test_a_shallow_scan_is_the_callers_choice():
    scores = np.array([[0.9, 0.8, 0.7, 0.6]], np.float32)
    rule = hm.Selection(3, ceiling=hm.NoCeiling())
    assert hm.mine_scores(scores, hm.Positives.from_lists([[0]]), rule, k=2).lengths.tolist() == [2]
    assert hm.mine_scores(scores, hm.Positives.from_lists([[0]]), rule, k=0).lengths.tolist() == [0]


def test_empty_matrices():
    rule = hm.Selection(2)
    assert len(hm.mine_scores(np.empty((0, 5), np.float32), hm.Positives([0], []), rule)) == 0
    none = hm.mine_scores(
        np.empty((2, 0), np.float32), hm.Positives([0, 0, 0], []), rule.replace(ceiling=hm.NoCeiling())
    )
    assert none.lengths.tolist() == [0, 0]


SCORES = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4]], np.float32)
KNOWN = hm.Positives.from_lists([[0], [1]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"selection": hm.Selection(ceiling=hm.Anchored())},
            "Anchored needs document embeddings; .* anchor_scores",
        ),
        ({"selection": hm.Selection(draw=hm.Weighted([0.0]))}, "Weighted aligns with candidates"),
        ({"selection": hm.Selection(on_shortage="fill")}, "on_shortage: 'fill' has nothing to draw from"),
        ({"selection": hm.Selection(5, on_shortage="error")}, "on_shortage: query 0 has"),
        ({"selection": hm.Selection(draw=hm.Popularity([1]))}, "counts: length 1, expected 3"),
        ({"positives": hm.Positives.from_lists([[0]])}, "positives: 1 queries, expected 2"),
        ({"positives": hm.Positives.from_lists([[0], []])}, "positives: query 1 has no positive"),
        ({"positives": hm.Positives.from_lists([[0], [3]])}, r"id 3 of row 1 is outside 0\.\.3"),
        ({"exclude": [[1], [3]]}, r"exclude: id 3 of row 1 is outside 0\.\.3"),
        ({"exclude": [[1]]}, "exclude: 1 rows, expected 2"),
        ({"document_groups": [1, 2]}, "document_groups: length 2, expected 3"),
        ({"document_keys": [1, 2]}, "document_keys: length 2, expected 3"),
        ({"query_keys": [1]}, "query_keys: shape"),
        ({"k": -1}, "k: -1, expected at least 0"),
        ({"nan": "keep"}, "nan: 'keep'"),
        ({"epoch": 2**63}, "epoch"),
    ],
)
def test_bad_input_is_named(options, message):
    arguments = {"positives": KNOWN, "selection": hm.Selection(1), **options}
    with pytest.raises(ValueError, match=message):
        hm.mine_scores(SCORES, arguments.pop("positives"), arguments.pop("selection"), **arguments)


@pytest.mark.parametrize("agg", ["mean", "each"])
def test_a_missing_positive_is_named_for_every_aggregate(agg):
    with pytest.raises(ValueError, match="positives: query 1 has no positive"):
        hm.mine_scores(SCORES, hm.Positives.from_lists([[0], []]), hm.Selection(1, positive_agg=agg))


def test_long_lists_are_cut_into_tasks_of_their_own():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(5, 70_000)).astype(np.float32)
    positives = hm.Positives.from_lists([[3], [7], [9], [11], [13]])
    rule = hm.Selection(6, ceiling=hm.MarginPos(0.1), draw=hm.Softmax(0.5))
    first, second = (hm.mine_scores(scores, positives, rule, num_threads=threads) for threads in (1, 3))
    assert_same(first, second)
    assert_same(first, full_route(scores, positives, rule, {}))

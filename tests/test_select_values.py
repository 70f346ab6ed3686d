"""Rules, draws and strategies as values, and every bad input of a selection by message."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import hardmine as hm
from hardmine.rules.ceilings import Ceiling
from hardmine.rules.draws import Draw
from tests.select_cases import (
    CEILINGS,
    DRAWS,
)

RUN = hm.Candidates([0, 2, 4], [0, 1, 2, 3], [0.9, 0.8, 0.7, 0.6])
SCORED = hm.Positives.from_lists([[8], [9]], [[1.0], [1.0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positives": hm.Positives.from_lists([[8], []], [[1.0], []])}, "positives: query 1 has no positive"),
        ({"positives": hm.Positives.from_lists([[8], [9]])}, "positives: no scores"),
        ({"positives": hm.Positives.from_lists([[8]], [[1.0]])}, "positives: 1 queries, expected 2"),
        ({"selection": hm.Selection(ceiling=hm.Anchored())}, "anchor_scores: missing"),
        ({"selection": hm.Selection(3, on_shortage="error")}, "on_shortage: query 0 has 2 admissible .* wanted 3"),
        ({"selection": hm.Selection(on_shortage="fill")}, "num_documents: missing"),
        ({"selection": hm.Selection(draw=hm.Weighted([0.0]))}, "log_weights: length 1, expected 4"),
        ({"selection": hm.Selection(draw=hm.Popularity([1, 2]))}, r"candidates: id 2 of row 1 is outside 0\.\.2"),
        ({"document_groups": [0, 1, 2, 3]}, r"positives: id 8 of row 0 is outside 0\.\.4"),
        ({"document_keys": [1, 2]}, r"candidates: id 2 of row 1 is outside 0\.\.2"),
        ({"document_keys": [1] * 10, "document_groups": [1] * 9}, "document_keys: length 10, expected 9"),
        ({"query_keys": [1]}, r"query_keys: shape \(1,\), expected \(2,\)"),
        ({"epoch": -1}, "epoch: -1, expected at least 0"),
        ({"exclude": [[1]]}, "exclude: 1 rows, expected 2"),
        ({"exclude": [[1], [-1]]}, "exclude: id -1 of row 1"),
        ({"num_threads": 0}, "num_threads: 0"),
    ],
)
def test_bad_input_is_named(options, message):
    arguments = {"positives": SCORED, "selection": hm.Selection(ceiling=hm.PercPos(1.0)), **options}
    with pytest.raises(ValueError, match=message):
        hm.select(RUN, arguments.pop("positives"), arguments.pop("selection"), **arguments)


@pytest.mark.parametrize("agg", ["min", "mean", "max", "each"])
@pytest.mark.parametrize("draw", [hm.SimANS(), hm.Laplace(), hm.TopThen(1, hm.SimANS())])
def test_draws_that_need_a_positive_say_so(agg, draw):
    rule = hm.Selection(ceiling=hm.NoCeiling(), draw=draw, positive_agg=agg)
    with pytest.raises(ValueError, match="positives: query 1 has no positive"):
        hm.select(RUN, hm.Positives.from_lists([[8], []], [[1.0], []]), rule)


def test_ranks_and_anchor_scores_are_checked():
    rule = hm.Selection(ceiling=hm.NoCeiling())
    for ranks in ([1, 2, 4, 4], [1, 2, 0, 3], [1, 2, 5, 3]):
        with pytest.raises(ValueError, match="candidates: ranks of query 1 do not rise"):
            hm.select(RUN.replace(ranks=ranks), SCORED, rule)
    anchored = RUN.replace(anchor_scores=np.float32([0, 0, np.nan, 0]))
    with pytest.raises(ValueError, match="anchor_scores: NaN for query 1"):
        hm.select(anchored, SCORED, hm.Selection(ceiling=hm.Anchored()))


def test_fill_refuses_what_the_scan_hid():
    run = RUN.replace(reasons={"above_ceiling": [0, 3]})
    rule = hm.Selection(3, on_shortage="fill", ceiling=hm.NoCeiling())
    with pytest.raises(ValueError, match="on_shortage: 'fill' could bring back the 3 documents .* query 1"):
        hm.select(run, SCORED, rule, num_documents=20)
    assert hm.select(run, SCORED, rule.replace(num_negatives=2), num_documents=20).lengths.tolist() == [2, 2]


def test_wrong_types_are_named():
    for arguments, message in [
        (([], SCORED, hm.Selection()), "candidates: list, expected Candidates"),
        ((RUN, [[1]], hm.Selection()), "positives: list, expected Positives"),
        ((RUN, SCORED, hm.PercPos()), "selection: PercPos, expected Selection"),
    ]:
        with pytest.raises(TypeError, match=message):
            hm.select(*arguments)


# Value objects


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hm.Absolute(float("nan")), "t: nan, expected a finite number"),
        (lambda: hm.MarginPos(-0.1), "m: -0.1, expected at least 0"),
        (lambda: hm.MarginPos(float("nan")), "m: nan"),
        (lambda: hm.PercPos(float("inf")), "f: inf"),
        (lambda: hm.PercPos(-1), "f: -1, expected at least 0"),
        (lambda: hm.Anchored(1.0, -1.0), "weight: -1, expected at least 0"),
        (lambda: hm.Softmax(0), "temperature: 0, expected above 0"),
        (lambda: hm.Softmax(float("nan")), "temperature: nan"),
        (lambda: hm.SimANS(-1.0), "a: -1, expected at least 0"),
        (lambda: hm.Laplace(-1.0), "tau: -1"),
        (lambda: hm.RankPower(-1.0), "alpha: -1"),
        (lambda: hm.Popularity([1, -1]), "counts: -1 at position 1"),
        (lambda: hm.Popularity([[1]]), "counts: 2 dimensions"),
        (lambda: hm.Weighted([0.0, float("nan")]), "log_weights: nan at position 1"),
        (lambda: hm.Weighted([float("inf")]), "log_weights: inf at position 0"),
        (lambda: hm.TopThen(-1, hm.Top()), "n_top: -1"),
        (lambda: hm.Selection(0), "num_negatives: 0, expected at least 1"),
        (lambda: hm.Selection(floor=float("nan")), "floor: nan"),
        (lambda: hm.Selection(range_min=3, range_max=3), "range_max: 3, expected above range_min"),
        (lambda: hm.Selection(range_on="ranks"), "range_on: 'ranks', expected one of 'raw', 'filtered'"),
        (lambda: hm.Selection(positive_agg="sum"), "positive_agg: 'sum'"),
        (lambda: hm.Selection(on_shortage="pad"), "on_shortage: 'pad'"),
        (lambda: hm.Selection(seed=2**64), "seed: 18446744073709551616, expected at most"),
        (lambda: hm.Selection(seed=-1), "seed: -1"),
        (lambda: hm.Selection.from_dict({"n": 3}), "selection: unknown parameter 'n'"),
        (lambda: hm.Selection.from_dict({"ceiling": {"kind": "x"}}), "ceiling: unknown kind 'x', expected one of abs"),
        (lambda: hm.Selection.from_dict({"draw": {"kind": "softmax", "T": 1}}), "draw softmax: unknown parameter 'T'"),
        (lambda: hm.Selection.from_dict({"draw": {"kind": "weighted"}}), "weighted: .*log_weights"),
        (lambda: hm.Selection.from_dict({"draw": hm.Popularity([1]).to_dict()}), "counts is a fingerprint"),
    ],
)
def test_bad_parameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hm.PercPos("0.9"), "f: str '0.9', expected a number"),
        (lambda: hm.PercPos(True), "f: bool"),
        (lambda: hm.Selection(2.0), "num_negatives: float"),
        (lambda: hm.Selection(True), "num_negatives: bool"),
        (lambda: hm.Selection(ceiling=0.95), "ceiling: float, expected a ceiling"),
        (lambda: hm.Selection(draw="top"), "draw: str, expected a draw"),
        (lambda: hm.TopThen(1, "top"), "draw: str"),
        (lambda: hm.Weighted(["a"]), "log_weights: dtype"),
        (lambda: hm.AllOf((1,)), "ceilings: int"),
        (lambda: hm.Selection().replace(n=3), "n: not a parameter of Selection"),
        (lambda: hm.PercPos(0.9) & 0.7, "unsupported operand"),
    ],
)
def test_wrong_parameter_types_are_named(make, message):
    with pytest.raises(TypeError, match=message):
        make()


VALUES = [*CEILINGS, *(draw for draw in DRAWS if not isinstance(draw, str))]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_compare_print_and_travel(value):
    base = Ceiling if isinstance(value, Ceiling) else Draw
    assert base.from_dict(json.loads(json.dumps(value.to_dict()))) == value
    assert hash(base.from_dict(value.to_dict())) == hash(value)
    assert pickle.loads(pickle.dumps(value)) == value
    assert eval(repr(value), vars(hm)) == value
    with pytest.raises(AttributeError):
        value.kind = "other"


def test_values_with_arrays_compare_and_are_frozen():
    counts = np.array([1, 2, 3])
    draw = hm.Popularity(counts)
    counts[0] = 9
    assert draw == hm.Popularity([1, 2, 3])
    assert draw != hm.Popularity([9, 2, 3])
    assert hash(draw) == hash(hm.Popularity([1, 2, 3]))
    assert draw != hm.Weighted([1, 2, 3])
    with pytest.raises(ValueError, match="read-only"):
        draw.counts[0] = 5
    assert pickle.loads(pickle.dumps(draw)) == draw
    assert Draw.from_dict({"kind": "popularity", "counts": [1, 2, 3]}) == draw
    assert json.dumps(hm.Selection(draw=draw).to_dict())


def test_ceilings_combine_flat_and_without_none():
    a, b, c = hm.Absolute(0.5), hm.PercPos(0.9), hm.MarginPos(0.1)
    assert a & b & c == hm.AllOf((a, b, c))
    assert a & (b & c) == a & b & c
    assert hm.NoCeiling() & a == a & hm.NoCeiling() == a
    assert hm.NoCeiling() & hm.NoCeiling() == hm.NoCeiling()
    assert repr(a & b) == "Absolute(t=0.5) & PercPos(f=0.9)"


STRATEGIES = {
    "naive_top_k": (hm.NoCeiling(), 0, None, "raw", hm.Top()),
    "shifted_top_k": (hm.NoCeiling(), 10, None, "raw", hm.Top()),
    "top_k_abs": (hm.Absolute(0.7), 0, None, "raw", hm.Top()),
    "top_k_margin_pos": (hm.MarginPos(0.05), 0, None, "raw", hm.Top()),
    "top_k_perc_pos": (hm.PercPos(0.95), 0, None, "raw", hm.Top()),
    "sampled_top_k": (hm.PercPos(0.95), 0, 10, "filtered", hm.Softmax(1.0)),
    "top1_sampled_top_k": (hm.PercPos(0.95), 0, 10, "filtered", hm.TopThen(1, hm.Softmax(1.0))),
    "sim_ans": (hm.NoCeiling(), 0, 100, "raw", hm.SimANS(0.5, 0.0)),
    "laplace": (hm.NoCeiling(), 0, 200, "raw", hm.Laplace(3.0)),
    "static_hard": (hm.NoCeiling(), 0, 200, "raw", hm.Uniform()),
    "anchored": (hm.Anchored(1.1, 1.0), 0, None, "raw", hm.Top()),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies_are_their_recipes(name):
    rule = getattr(hm.strategies, name)(7, seed=3, positive_agg="max")
    assert (rule.ceiling, rule.range_min, rule.range_max, rule.range_on, rule.draw) == STRATEGIES[name]
    assert (rule.num_negatives, rule.seed, rule.positive_agg) == (7, 3, "max")
    assert set(STRATEGIES) == set(hm.strategies.__all__)

"""Rows of a run read in place give what the same rows give when they are gathered first."""

from __future__ import annotations

import numpy as np
import pytest

import hardmine as hm
from hardmine.select import _select


@pytest.mark.parametrize("agg", ["min", "mean", "max", "each"])
@pytest.mark.parametrize("draw", [hm.Uniform(), hm.SimANS(5.0), hm.Top()] if hasattr(hm, "Top") else [hm.Uniform()])
@pytest.mark.parametrize("shortage", ["keep", "drop", "fill"])
def test_rows_in_place_are_rows_gathered(agg, draw, shortage):
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 12, 40)
    ids = np.concatenate([rng.permutation(60)[:n] for n in lengths])
    scores = np.concatenate([np.sort(rng.random(n, np.float32))[::-1] for n in lengths])
    run = hm.Candidates(np.concatenate([[0], np.cumsum(lengths)]), ids, scores)
    labels = hm.Positives(np.arange(41) * 2, np.tile([3, 7], 40), rng.random(80, np.float32))
    rule = hm.Selection(4, ceiling=hm.PercPos(0.9), draw=draw, positive_agg=agg, on_shortage=shortage)
    rows = rng.integers(0, 40, 100)
    given = {
        "epoch": 1, "query_keys": rows, "document_keys": None, "document_groups": np.arange(60) // 2,
        "exclude": [[int(row) % 60] for row in rows], "num_documents": 60, "num_threads": 2,
    }  # fmt: skip
    found = _select(run, labels.take(rows), rule, rows=rows, **given)
    expected = _select(run.take(rows), labels.take(rows), rule, **given)
    for name in ("offsets", "ids", "scores", "ranks", "filled", "positive_scores", "queries", "dropped"):
        assert np.array_equal(getattr(found, name), getattr(expected, name), equal_nan=name.endswith("scores")), name
    for name, counts in found.reasons.items():
        assert np.array_equal(counts, expected.reasons[name]), name


def test_a_row_out_of_range_is_refused():
    run = hm.Candidates([0, 1], [2], [0.5])
    given = dict.fromkeys(("query_keys", "document_keys", "document_groups", "exclude", "num_documents"))
    for row in (-1, 1):
        with pytest.raises(ValueError, match="rows"):
            _select(run, hm.Positives([0, 1], [3], [0.8]), hm.Selection(1), rows=np.array([row]), epoch=0,
                    num_threads=1, **given)  # fmt: skip

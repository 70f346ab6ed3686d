"""Batches of rows read where they stand give what `select` gives these rows in the whole run."""

from __future__ import annotations

import numpy as np
import pytest

import hardmine as hm
from hardmine.primitives.select import BatchSelection

ROWS, DOCUMENTS = 40, 60


@pytest.fixture
def run():
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 12, ROWS)
    ids = np.concatenate([rng.permutation(DOCUMENTS)[:n] for n in lengths])
    scores = np.concatenate([np.sort(rng.random(n, np.float32))[::-1] for n in lengths])
    return hm.Candidates(np.concatenate([[0], np.cumsum(lengths)]), ids, scores)


@pytest.mark.parametrize("agg", ["min", "mean", "max"])
@pytest.mark.parametrize("draw", ["top", "uniform", "simans", "weighted", "popularity"])
@pytest.mark.parametrize("shortage", ["keep", "fill"])
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_of_a_batch_are_rows_of_the_run(run, agg, draw, shortage, threads):
    rng = np.random.default_rng(2)
    log_weights = rng.standard_normal(run.ids.size)
    law = {
        "top": hm.Top(),
        "uniform": hm.Uniform(),
        "simans": hm.SimANS(5.0),
        "weighted": hm.Weighted(log_weights),
        "popularity": hm.Popularity(np.arange(1, DOCUMENTS + 1)),
    }[draw]
    labels = hm.Positives(np.arange(ROWS + 1) * 2, np.tile([3, 7], ROWS), rng.random(2 * ROWS, np.float32))
    rule = hm.Selection(4, ceiling=hm.PercPos(0.9), draw=law, positive_agg=agg, on_shortage=shortage, seed=9)
    keys, document_keys = rng.integers(0, 2**63, ROWS), rng.integers(0, 2**63, DOCUMENTS).astype(np.uint64)
    excluded = [[row % DOCUMENTS] for row in range(ROWS)]
    whole = hm.select(
        run, labels, rule, epoch=1, query_keys=keys, document_keys=document_keys, exclude=excluded,
        num_documents=DOCUMENTS,
    )  # fmt: skip

    batches = BatchSelection(
        run, rule, log_weights=log_weights if draw == "weighted" else None, document_keys=document_keys,
        num_documents=DOCUMENTS,
    )  # fmt: skip
    rows = rng.integers(0, ROWS, 100)
    offsets, ids, scores, filled = batches.select(
        rows, labels.take(rows), epoch=1, query_keys=keys[rows].astype(np.uint64),
        exclude=(np.arange(rows.size + 1), rows % DOCUMENTS), num_threads=threads,
    )  # fmt: skip
    for at, row in enumerate(rows):
        mine, theirs = slice(*offsets[at : at + 2]), slice(*whole.offsets[row : row + 2])
        assert ids[mine].tolist() == whole.ids[theirs].tolist()
        np.testing.assert_array_equal(scores[mine], whole.scores[theirs])
        assert filled[mine].tolist() == whole.filled[theirs].tolist()


def test_a_row_out_of_range_is_refused(run):
    batches = BatchSelection(run, hm.Selection(1), log_weights=None, document_keys=None, num_documents=DOCUMENTS)
    labels = hm.Positives([0, 1], [3], [0.8])
    for row in (-1, ROWS):
        with pytest.raises(ValueError, match="rows"):
            batches.select(
                np.array([row]), labels, epoch=0, query_keys=np.zeros(1, np.uint64), exclude=None, num_threads=1
            )

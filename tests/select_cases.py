"""Random small cases of a selection, one large case, and what must hold of every result."""

from __future__ import annotations

import numpy as np

import hardmine as hm
from hardmine.nouns.lists import REASONS

CEILINGS = [
    hm.NoCeiling(), hm.Absolute(0.25), hm.MarginPos(0.25), hm.MarginPos(0.0), hm.PercPos(0.5), hm.PercPos(1.0),
    hm.PercPos(1.2), hm.Anchored(1.0, 0.5), hm.Anchored(0.75, 1.0) & hm.Absolute(0.5),
    hm.PercPos(0.9) & hm.Absolute(0.5),
]  # fmt: skip
DRAWS = [
    hm.Top(), hm.Uniform(), hm.Softmax(0.25), hm.SimANS(4.0, -0.25), hm.SimANS(0.0, 0.0), hm.Laplace(3.0),
    hm.RankPower(1.5), hm.TopThen(1, hm.Uniform()), hm.TopThen(2, hm.Softmax(1.0)), hm.TopThen(0, hm.Laplace(1.0)),
    hm.TopThen(1, hm.Top()), "popularity", "weighted", "then-weighted",
]  # fmt: skip


def small_case(rng):
    """Few queries, few documents, scores from a coarse grid so that ties at every bound are common."""
    queries, documents = int(rng.integers(0, 5)), int(rng.integers(1, 14))
    lengths = rng.integers(0, documents + 1, queries)
    ids = [rng.permutation(documents)[:length] for length in lengths]
    values = np.array([-1.0, -0.5, -0.25, -0.0, 0.0, 0.25, 0.375, 0.5, 0.75, 1.0, np.inf, -np.inf], np.float32)
    pool = values if rng.random() < 0.1 else values[:10]
    scores = [np.sort(rng.choice(pool, length))[::-1] for length in lengths]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.concatenate([np.empty(0, np.int64), *ids]).astype(np.int64)
    columns = {}
    if rng.random() < 0.3:
        columns["ranks"] = np.concatenate(
            [np.empty(0, np.int64), *[np.cumsum(rng.integers(1, 4, length)) for length in lengths]]
        ).astype(np.int32)
    if rng.random() < 0.3:
        columns["reasons"] = {"above_ceiling": rng.integers(0, 3, queries), "nan": rng.integers(0, 2, queries)}
    columns["anchor_scores"] = rng.choice(np.array([-0.5, 0.0, 0.25, 1.0], np.float32), flat.size)
    run = hm.Candidates(offsets, flat, np.concatenate([np.empty(0, np.float32), *scores]).astype(np.float32), **columns)
    # Some queries have many positives, so that both ways of finding them are used.
    most = documents if rng.random() < 0.2 else min(3, documents)
    known = [rng.permutation(documents)[: rng.integers(1, most + 1)] for _ in range(queries)]
    positives = hm.Positives.from_lists(known, [rng.choice(values[:10], len(row)) for row in known])
    return run, positives, documents


def small_selection(rng, run, documents):
    draw = DRAWS[rng.integers(len(DRAWS))]
    if draw == "popularity":
        draw = hm.Popularity(rng.integers(0, 4, documents), float(rng.choice([0.0, 0.75, -1.0])))
    elif draw in ("weighted", "then-weighted"):
        weights = rng.normal(size=run.ids.size)
        weights[rng.random(run.ids.size) < 0.3] = -np.inf
        draw = hm.Weighted(weights) if draw == "weighted" else hm.TopThen(1, hm.Weighted(weights))
    low = int(rng.choice([0, 0, 1, 3]))
    return hm.Selection(
        int(rng.integers(1, 6)),
        ceiling=CEILINGS[rng.integers(len(CEILINGS))],
        floor=None if rng.random() < 0.6 else float(rng.choice([-0.25, 0.25, 0.5])),
        range_min=low,
        range_max=None if rng.random() < 0.5 else low + int(rng.integers(1, 8)),
        range_on=str(rng.choice(["raw", "filtered"])),
        draw=draw,
        positive_agg=str(rng.choice(["min", "mean", "max", "each"])),
        on_shortage=str(rng.choice(["keep", "keep", "drop", "fill", "error"])),
        seed=int(rng.integers(0, 2**63)),
    )


def small_extras(rng, run, documents):
    extras = {"epoch": int(rng.integers(0, 3))}
    if rng.random() < 0.4:
        extras["exclude"] = [rng.integers(0, documents, rng.integers(0, 4)) for _ in range(len(run))]
    if rng.random() < 0.4:
        extras["document_groups"] = rng.integers(0, documents, documents)
    if rng.random() < 0.3:
        extras["query_keys"] = rng.integers(0, 2**63, len(run))
    if rng.random() < 0.3:
        extras["document_keys"] = rng.integers(0, 2**64, documents, dtype=np.uint64)
    return extras


def assert_equals(found, rows, dropped):
    assert found.queries.tolist() == [row["query"] for row in rows]
    assert found.positives.tolist() == [row["positive"] for row in rows]
    assert np.array_equal(found.positive_scores, np.array([row["p"] for row in rows], np.float32), equal_nan=True)
    flat = [item for row in rows for item in row["found"]]
    assert found.lengths.tolist() == [len(row["found"]) for row in rows]
    assert found.ids.tolist() == [item[0] for item in flat]
    assert np.array_equal(found.scores, np.array([item[1] for item in flat], np.float32), equal_nan=True)
    assert found.ranks.tolist() == [item[2] for item in flat]
    assert found.filled.tolist() == [item[2] == 0 for item in flat]
    assert found.dropped.tolist() == dropped
    for reason in REASONS:
        assert found.reasons[reason].tolist() == [row["reasons"][reason] for row in rows], reason


def assert_invariants(found, run, positives, selection):
    seen = run.lengths[found.queries] + sum(
        (counts[found.queries] for counts in (run.reasons or {}).values()), np.zeros(len(found), np.int64)
    )
    assert np.array_equal(sum(found.reasons[reason] for reason in REASONS), seen)
    assert (found.reasons["kept"] + np.diff(np.concatenate([[0], np.cumsum(found.filled)])[found.offsets])
            == found.lengths).all()  # fmt: skip
    assert (found.lengths <= selection.num_negatives).all()
    for row, query in enumerate(found.queries):
        ids = found[row].ids
        assert len(set(ids.tolist())) == len(ids)
        assert not set(ids.tolist()) & set(positives[query].tolist())
        listed = run[query].ids.tolist()
        filled = found.filled[found.offsets[row] : found.offsets[row + 1]]
        places = [listed.index(i) for i in ids[~filled]]
        assert places == sorted(places)
        assert not set(ids[filled].tolist()) & set(listed)


def large_case(queries=3000, width=40, documents=5000, seed=0):
    rng = np.random.default_rng(seed)
    ids = np.argsort(rng.random((queries, 2 * width)), axis=1)[:, :width] * 50 + rng.integers(0, 50, (queries, width))
    scores = np.sort(rng.normal(0.5, 0.1, (queries, width)).astype(np.float32), axis=1)[:, ::-1]
    run = hm.Candidates(np.arange(queries + 1) * width, ids.ravel(), scores.ravel())
    at = rng.integers(0, 20, queries)
    positives = hm.Positives(np.arange(queries + 1), ids[np.arange(queries), at], scores[np.arange(queries), at])
    return run, positives, documents

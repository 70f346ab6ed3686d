"""P3: PercPos, first 8 of 100 candidates. P4: SimANS, 8 of 100 without replacement. P8: two threads against one."""

import os
import random

import numpy as np
import pytest

import hardmine as hm

SCALE = float(os.environ.get("HARDMINE_BENCH_SCALE", "1"))
QUERIES, DEPTH, WANTED = int(100_000 * SCALE), 100, 8
A, B = 50.0, 0.0
CASE_TOP = f"{QUERIES:,} x {DEPTH}, PercPos 0.95, first {WANTED}"
CASE_DRAW = f"{QUERIES:,} x {DEPTH}, SimANS, {WANTED} without replacement"


@pytest.fixture(scope="module")
def run():
    """Sorted cosine-like lists; every query's positive sits somewhere near the top of its list."""
    rng = np.random.default_rng(0)
    scores = -np.sort(-rng.normal(0.5, 0.12, (QUERIES, DEPTH)).astype(np.float32), axis=1)
    ids = np.argsort(rng.random((QUERIES, 4 * DEPTH), dtype=np.float32), axis=1)[:, :DEPTH].astype(np.int64)
    place = rng.integers(0, 20, QUERIES)
    rows = np.arange(QUERIES)
    positives = hm.Positives(np.arange(QUERIES + 1), ids[rows, place], scores[rows, place])
    candidates = hm.Candidates(np.arange(QUERIES + 1) * DEPTH, ids.ravel(), scores.ravel())
    return candidates, positives, ids, scores


def numpy_top(ids, scores, positive_ids, p):
    """Mask, stable order of the survivors, first 8: the vectorised way."""
    ceiling = (p - np.abs(p) * np.float32(0.05))[:, None]
    admissible = (scores <= ceiling) & (ids != positive_ids[:, None])
    order = np.argsort(~admissible, axis=1, kind="stable")[:, :WANTED]
    kept = np.take_along_axis(admissible, order, axis=1)
    return np.where(kept, np.take_along_axis(ids, order, axis=1), -1)


def torch_top(ids, scores, positive_ids, p):
    """The mask and topk of sentence-transformers' miner."""
    import torch

    ceiling = (p - p.abs() * 0.05)[:, None]
    masked = scores.masked_fill((scores > ceiling) | (ids == positive_ids[:, None]), -torch.inf)
    best, at = torch.topk(masked, WANTED, dim=1)
    return ids.gather(1, at).masked_fill(best == -torch.inf, -1)


@pytest.mark.benchmark(group="P3")
@pytest.mark.parametrize("peer", ["hardmine", "numpy", "torch"])
def test_first_admissible(record, run, peer):
    candidates, positives, ids, scores = run
    p = positives.scores
    rule = hm.strategies.top_k_perc_pos(WANTED)
    if peer == "hardmine":
        record(peer, CASE_TOP).pedantic(hm.select, (candidates, positives, rule), rounds=15, warmup_rounds=2)
        return
    if peer == "numpy":
        found = record(peer, CASE_TOP).pedantic(numpy_top, (ids, scores, positives.ids, p), rounds=5, warmup_rounds=1)
    else:
        torch = pytest.importorskip("torch")
        given = tuple(torch.tensor(x) for x in (ids, scores, positives.ids, p))
        found = record(peer, CASE_TOP).pedantic(torch_top, given, rounds=5, warmup_rounds=1).numpy()
    ours = hm.select(candidates, positives, rule).padded()[0]
    # The peers round the ceiling in float32 at every step: a candidate within one rounding of it may differ.
    assert (found[:, : ours.shape[1]] == ours).mean() > 0.9999


def log_weights(scores, p):
    return -A * np.square(scores - p[:, None] - np.float32(B))


def numpy_gumbel(weights, rng):
    keys = weights + rng.gumbel(size=weights.shape).astype(np.float32)
    return np.argpartition(-keys, WANTED, axis=1)[:, :WANTED]


def choice_loop(weights, rng):
    chances = np.exp(weights.astype(np.float64))
    chances /= chances.sum(axis=1, keepdims=True)
    return [rng.choice(DEPTH, WANTED, replace=False, p=row) for row in chances]


def choices_loop(weights):
    """As the SimANS code draws: with replacement into a set until it is full."""
    positions = range(DEPTH)
    rows = []
    for row in np.exp(weights).tolist():
        found = set()
        while len(found) < WANTED:
            found.update(random.choices(positions, row, k=WANTED))
        rows.append(list(found)[:WANTED])
    return rows


@pytest.mark.benchmark(group="P4")
@pytest.mark.parametrize(
    "peer", ["hardmine", "numpy Gumbel", "torch.multinomial", "Generator.choice loop", "random.choices loop"]
)
def test_ambiguous_draw(record, run, peer):
    candidates, positives, ids, scores = run
    p = positives.scores
    rng = np.random.default_rng(0)
    timed = record(peer, CASE_DRAW)
    if peer == "hardmine":
        rule = hm.Selection(WANTED, ceiling=hm.NoCeiling(), draw=hm.SimANS(A, B))
        chosen = timed.pedantic(hm.select, (candidates, positives, rule), rounds=9, warmup_rounds=2)
        assert set(chosen.lengths.tolist()) == {WANTED}
        assert not (chosen.ids.reshape(QUERIES, WANTED) == positives.ids[:, None]).any()
        return

    def weights():
        return np.where(ids == positives.ids[:, None], -np.inf, log_weights(scores, p)).astype(np.float32)

    if peer == "numpy Gumbel":
        found = timed.pedantic(lambda: numpy_gumbel(weights(), rng), rounds=3, warmup_rounds=1)
    elif peer == "torch.multinomial":
        torch = pytest.importorskip("torch")
        found = timed.pedantic(
            lambda: torch.multinomial(torch.from_numpy(weights()).exp(), WANTED), rounds=3, warmup_rounds=1
        )
    elif peer == "Generator.choice loop":
        found = timed.pedantic(lambda: choice_loop(weights(), rng), rounds=1)
    else:
        found = timed.pedantic(lambda: choices_loop(weights()), rounds=1)
    assert np.asarray(found).shape == (QUERIES, WANTED)


@pytest.mark.benchmark(group="P8-select")
@pytest.mark.parametrize("draw", [hm.Top(), hm.SimANS(A, B)], ids=["PercPos", "SimANS"])
@pytest.mark.parametrize("threads", [2, 1])
def test_threads(record, run, draw, threads):
    candidates, positives, _, _ = run
    rule = hm.Selection(WANTED, ceiling=hm.PercPos(0.95) if draw.is_top else hm.NoCeiling(), draw=draw)
    peer = "hardmine" if threads == 2 else "hardmine, one thread"
    record(peer, CASE_TOP if draw.is_top else CASE_DRAW).pedantic(
        hm.select, (candidates, positives, rule), {"num_threads": threads}, rounds=15, warmup_rounds=2
    )

"""P3: ceiling and top n over candidate lists; P4: SimANS draws; P8-select: two threads against one.

`HARDMINE_BENCH_SCALE` below 1 shrinks the number of queries, for a smoke run.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import torch

import hardmine as hm
import hardmine._native as _native

SCALE = float(os.environ.get("HARDMINE_BENCH_SCALE", "1"))
NUM_QUERIES, NUM_CANDIDATES, NUM_NEGATIVES = max(int(100_000 * SCALE), 100), 100, 8
THREADS = min(2, _native.available_threads())
SHAPE = f"{NUM_QUERIES} x {NUM_CANDIDATES}, n = {NUM_NEGATIVES}"
A = 50.0
"""SimANS' sharpness for scores on the scale of cosines."""
TOP = hm.Selection(NUM_NEGATIVES, ceiling=hm.PercPos(0.95))
SIM_ANS = hm.Selection(NUM_NEGATIVES, ceiling=hm.NoCeiling(), draw=hm.SimANS(A))
ROUNDS = {"rounds": 7, "warmup_rounds": 1}
LOOP_ROUNDS = {"rounds": 2, "warmup_rounds": 0}


class Run:
    """Candidates as the library and as its peers hold them; one positive among the first 20 of every query."""

    def __init__(self):
        rng = np.random.default_rng(0)
        shape = (NUM_QUERIES, NUM_CANDIDATES)
        self.scores = np.ascontiguousarray(np.sort(rng.normal(0.5, 0.1, shape).astype(np.float32), axis=1)[:, ::-1])
        # Distinct ids in every row, in no order.
        self.ids = rng.integers(0, 10**6, shape) * NUM_CANDIDATES + rng.permuted(
            np.broadcast_to(np.arange(NUM_CANDIDATES), shape), axis=1
        )
        rows, at = np.arange(NUM_QUERIES), rng.integers(0, 20, NUM_QUERIES)
        self.positive, self.p = self.ids[rows, at].copy(), self.scores[rows, at].copy()
        self.candidates = hm.Candidates(
            np.arange(NUM_QUERIES + 1) * NUM_CANDIDATES, self.ids.ravel(), self.scores.ravel()
        )
        self.positives = hm.Positives(np.arange(NUM_QUERIES + 1), self.positive, self.p)

    @property
    def tensors(self):
        return map(torch.from_numpy, (self.ids, self.scores, self.positive, self.p))


@pytest.fixture(scope="module")
def run():
    return Run()


def select(run, selection, threads=THREADS):
    return hm.select(run.candidates, run.positives, selection, num_threads=threads)


# P3


def numpy_prefix(run):
    """Uses that lists are sorted: counts the admissible and takes the first n."""
    ceiling = (run.p - np.abs(run.p) * np.float32(0.05))[:, None]
    admissible = (run.scores <= ceiling) & (run.ids != run.positive[:, None])
    taken = admissible & (np.cumsum(admissible, axis=1, dtype=np.int8) <= NUM_NEGATIVES)
    return run.ids[taken], taken.sum(axis=1)


def numpy_mask(run):
    """Masks and selects again."""
    ceiling = (run.p - np.abs(run.p) * np.float32(0.05))[:, None]
    masked = np.where((run.scores > ceiling) | (run.ids == run.positive[:, None]), np.float32(-np.inf), run.scores)
    best = np.argpartition(-masked, NUM_NEGATIVES, axis=1)[:, :NUM_NEGATIVES]
    return np.take_along_axis(run.ids, best, axis=1), np.take_along_axis(masked, best, axis=1)


def torch_mask(run):
    """As sentence-transformers does it: mask to -inf, top k, gather."""
    ids, scores, positive, p = run.tensors
    bad = (scores > (p - p.abs() * 0.05)[:, None]) | (ids == positive[:, None])
    best, at = torch.topk(scores.masked_fill(bad, -torch.inf), NUM_NEGATIVES, dim=1)
    return ids.gather(1, at), best


TOP_PEERS = {"numpy (prefix)": numpy_prefix, "numpy (mask)": numpy_mask, "torch (mask, topk)": torch_mask}


def test_top_is_what_the_peers_find(run):
    found, _ = select(run, TOP).padded()
    flat, counts = numpy_prefix(run)
    prefix = np.full(found.shape, -1)
    prefix[np.arange(NUM_NEGATIVES) < counts[:, None]] = flat
    results = [prefix]
    for ids, scores in (numpy_mask(run), map(np.asarray, torch_mask(run))):
        results.append(np.where(np.isfinite(scores), ids, -1))
    # The peers compute their ceiling in float32, so a row with a score within one step of it may differ.
    for ids in results:
        assert (np.sort(ids, axis=1) == np.sort(found, axis=1)).all(axis=1).mean() > 0.999


@pytest.mark.benchmark(group="P3")
def test_p3_hardmine(record, run):
    record("hardmine", SHAPE).pedantic(select, (run, TOP), **ROUNDS)


@pytest.mark.benchmark(group="P3")
@pytest.mark.parametrize("peer", TOP_PEERS)
def test_p3_peers(record, run, peer):
    record(peer, SHAPE).pedantic(TOP_PEERS[peer], (run,), **ROUNDS)


# P4


def log_weights(run):
    weights = -np.float32(A) * (run.scores - run.p[:, None]) ** 2
    weights[run.ids == run.positive[:, None]] = -np.inf
    return weights


def numpy_gumbel(run):
    """The n largest of log-weight + noise, all at once."""
    noise = np.random.default_rng(0).random(run.scores.shape, dtype=np.float32)
    keys = log_weights(run) - np.log(-np.log(noise + np.float32(1e-12)))
    best = np.argpartition(-keys, NUM_NEGATIVES, axis=1)[:, :NUM_NEGATIVES]
    return np.take_along_axis(run.ids, best, axis=1)


def torch_multinomial(run):
    ids, scores, positive, p = run.tensors
    weights = torch.exp(-A * (scores - p[:, None]) ** 2).masked_fill_(ids == positive[:, None], 0)
    return ids.gather(1, torch.multinomial(weights, NUM_NEGATIVES, replacement=False)).numpy()


def generator_choice(run):
    rng = np.random.default_rng(0)
    weights = np.exp(log_weights(run).astype(np.float64))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.stack(
        [rng.choice(ids, NUM_NEGATIVES, replace=False, p=row) for ids, row in zip(run.ids, weights, strict=True)]
    )


def random_choices(run):
    """The loop of SimANS' own code: draw with replacement until enough differ."""
    rng = random.Random(0)
    out = []
    for ids, row in zip(run.ids.tolist(), np.exp(log_weights(run)).tolist(), strict=True):
        chosen = set()
        while len(chosen) < NUM_NEGATIVES:
            chosen.update(rng.choices(ids, row, k=NUM_NEGATIVES))
        out.append(list(chosen)[:NUM_NEGATIVES])
    return np.array(out)


DRAW_PEERS = {"numpy (Gumbel keys)": numpy_gumbel, "torch.multinomial": torch_multinomial}
LOOPS = {"Generator.choice loop": generator_choice, "random.choices loop": random_choices}


def test_draws_follow_one_law(run):
    """The share of draws at each rank: the peers' noise differs, so the law is all that can be compared."""

    order = np.argsort(run.ids, axis=1)

    def shares(drawn):
        lists = zip(run.ids, order, drawn, strict=True)
        ranks = np.concatenate([by_id[np.searchsorted(ids[by_id], row)] for ids, by_id, row in lists])
        return np.bincount(ranks, minlength=NUM_CANDIDATES) / drawn.size

    found = select(run, SIM_ANS)
    assert (found.lengths == NUM_NEGATIVES).all()
    mine = shares(found.ids.reshape(NUM_QUERIES, NUM_NEGATIVES))
    noise = 5 * np.sqrt(2 * mine.max() / found.ids.size)
    for peer in (*DRAW_PEERS.values(), generator_choice):
        assert np.abs(mine - shares(peer(run))).max() < noise


@pytest.mark.benchmark(group="P4")
def test_p4_hardmine(record, run):
    record("hardmine", SHAPE).pedantic(select, (run, SIM_ANS), **ROUNDS)


@pytest.mark.benchmark(group="P4")
@pytest.mark.parametrize("peer", DRAW_PEERS)
def test_p4_peers(record, run, peer):
    record(peer, SHAPE).pedantic(DRAW_PEERS[peer], (run,), **ROUNDS)


@pytest.mark.benchmark(group="P4")
@pytest.mark.parametrize("peer", LOOPS)
def test_p4_loops(record, run, peer):
    record(peer, SHAPE).pedantic(LOOPS[peer], (run,), **LOOP_ROUNDS)


# P8


@pytest.mark.benchmark(group="P8-select")
@pytest.mark.parametrize("name", ["P3", "P4"])
@pytest.mark.parametrize("threads", [1, 2])
def test_p8_select(record, run, name, threads):
    selection = TOP if name == "P3" else SIM_ANS
    label = "hardmine" if threads == 2 else "hardmine, one thread"
    record(label, f"{name}, {SHAPE}").pedantic(select, (run, selection, threads), **ROUNDS)

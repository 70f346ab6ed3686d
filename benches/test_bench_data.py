"""P9: batches of 256 items with fresh draws from a run of 1M queries with 100 candidates each, mapped from a file.

The peer draws item by item in Python, as loaders do today: mask what is positive or above the ceiling, weigh the rest
as SimANS does, `Generator.choice` or `random.choices`, and look the texts up in a list. `HARDMINE_BENCH_SCALE` below 1
shrinks the number of queries, for a smoke run.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

import hardmine as hm

SCALE = float(os.environ.get("HARDMINE_BENCH_SCALE", "1"))
NUM_QUERIES, NUM_CANDIDATES, NUM_NEGATIVES, BATCH = max(int(1_000_000 * SCALE), 1000), 100, 8, 256
NUM_DOCUMENTS = NUM_QUERIES
A = 50.0
RULE = hm.Selection(NUM_NEGATIVES, ceiling=hm.PercPos(0.95), draw=hm.SimANS(A))
SHAPE = f"{NUM_QUERIES:,} x {NUM_CANDIDATES}, batch of {BATCH}, n = {NUM_NEGATIVES}"
CASES = {"ids": f"draw alone, {SHAPE}", "all": f"with texts of 0.4 kB, {SHAPE}"}
ROUNDS = {"rounds": 200, "warmup_rounds": 10}


def texts(count):
    """Texts of 100 to 700 characters, built as one table: a list of a million would be slow to make."""
    rng = np.random.default_rng(1)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(100, 700, count))])
    words = (b"hard negatives are documents that look relevant and are not; " * 100)[:4096]
    data = np.tile(np.frombuffer(words, np.uint8), int(offsets[-1]) // len(words) + 1)
    return hm.StringTable(offsets, data[: offsets[-1]])


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The dataset's file."""
    rng = np.random.default_rng(0)
    scores = np.empty((NUM_QUERIES, NUM_CANDIDATES), np.float32)
    for start in range(0, NUM_QUERIES, 50_000):
        part = rng.normal(0.5, 0.1, scores[start : start + 50_000].shape).astype(np.float32)
        scores[start : start + 50_000] = np.sort(part, axis=1)[:, ::-1]
    # Distinct ids in every row: a random start and a random odd stride.
    ids = rng.integers(0, NUM_DOCUMENTS, (NUM_QUERIES, 1)) + rng.integers(1, 1000, (NUM_QUERIES, 1)) * np.arange(
        NUM_CANDIDATES
    )
    ids = (ids % NUM_DOCUMENTS).ravel() if NUM_DOCUMENTS > 100_000 else np.tile(np.arange(NUM_CANDIDATES), NUM_QUERIES)
    run = hm.Candidates(np.arange(NUM_QUERIES + 1) * NUM_CANDIDATES, ids, scores.ravel())
    at = rng.integers(0, 20, NUM_QUERIES) + np.arange(NUM_QUERIES) * NUM_CANDIDATES
    labels = hm.Positives(np.arange(NUM_QUERIES + 1), run.ids[at], run.scores[at])
    path = tmp_path_factory.mktemp("p9") / "set.hm"
    collection = texts(NUM_QUERIES), texts(NUM_DOCUMENTS)
    hm.data.NegativeDataset(collection, run, RULE, positives=labels).save(path)
    return path


@pytest.fixture(scope="module", params=CASES)
def dataset(request, stored):
    return hm.data.NegativeDataset.load(stored, columns=request.param)


class Peer:
    """The same arrays and texts, item by item."""

    def __init__(self, dataset, draw):
        arrays = dataset._parts.arrays
        self.offsets, self.ids, self.scores = (arrays[f"run.{name}"] for name in ("offsets", "ids", "scores"))
        self.positive, self.p = arrays["positives.ids"], arrays["positives.scores"]
        self.texts = dataset.columns == "all"
        self.queries, self.documents = dataset._queries, dataset._documents
        self.draw = draw
        self.rng, self.random = np.random.default_rng(0), random.Random(0)

    def item(self, query):
        start, end = self.offsets[query], self.offsets[query + 1]
        ids, scores, p, positive = self.ids[start:end], self.scores[start:end], self.p[query], self.positive[query]
        keep = (scores <= p - abs(p) * np.float32(0.05)) & (ids != positive)
        ids, scores = ids[keep], scores[keep]
        weights = np.exp(-A * (scores.astype(np.float64) - p) ** 2)
        chosen = self.draw(self, ids, weights) if len(ids) > NUM_NEGATIVES else ids
        item = {"query_id": query, "positive_id": int(positive), "negative_ids": chosen}
        if self.texts:
            item |= {"query": self.queries[query], "positive": self.documents[positive]}
            item["negatives"] = [self.documents[i] for i in chosen]
        return item

    def generator_choice(self, ids, weights):
        return self.rng.choice(ids, NUM_NEGATIVES, replace=False, p=weights / weights.sum())

    def random_choices(self, ids, weights):
        """With replacement until enough differ, as SimANS' own code draws."""
        ids, weights, chosen = ids.tolist(), weights.tolist(), set()
        while len(chosen) < NUM_NEGATIVES:
            chosen.update(self.random.choices(ids, weights, k=NUM_NEGATIVES))
        return list(chosen)[:NUM_NEGATIVES]

    def __call__(self, indices):
        return [self.item(index) for index in indices]


PEERS = {"Generator.choice per item": Peer.generator_choice, "random.choices per item": Peer.random_choices}


def batches():
    """Random items, another batch each time, as a shuffling sampler gives them."""
    rng = np.random.default_rng(3)
    while True:
        yield rng.integers(0, NUM_QUERIES, BATCH).tolist()


def test_items_are_admissible_for_the_peers_too(dataset):
    peer = Peer(dataset, Peer.generator_choice)
    for item in dataset.__getitems__(next(batches())):
        query = item["query_id"]
        p, row = peer.p[query], slice(peer.offsets[query], peer.offsets[query + 1])
        keep = (peer.scores[row] <= p - abs(p) * 0.05) & (peer.ids[row] != item["positive_id"])
        assert len(item["negative_ids"]) == min(NUM_NEGATIVES, keep.sum())
        assert np.isin(item["negative_ids"], peer.ids[row][keep]).all()


@pytest.mark.benchmark(group="P9")
def test_p9_hardmine(record, dataset):
    wanted = batches()
    call = record("hardmine", CASES[dataset.columns]).pedantic
    call(dataset.__getitems__, setup=lambda: ((next(wanted),), {}), **ROUNDS)


@pytest.mark.benchmark(group="P9")
def test_p9_as_dictionaries(record, dataset):
    wanted = batches()
    call = record("hardmine, items as dictionaries", CASES[dataset.columns]).pedantic
    call(lambda batch: list(dataset.__getitems__(batch)), setup=lambda: ((next(wanted),), {}), **ROUNDS)


@pytest.mark.benchmark(group="P9")
@pytest.mark.parametrize("peer", PEERS)
def test_p9_peers(record, dataset, peer):
    wanted = batches()
    call = record(peer, CASES[dataset.columns]).pedantic
    call(Peer(dataset, PEERS[peer]), setup=lambda: ((next(wanted),), {}), rounds=15, warmup_rounds=2)

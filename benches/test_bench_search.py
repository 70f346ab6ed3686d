"""P2: exact search against faiss, torch and sentence-transformers; P8: two threads against one.

`HARDMINE_BENCH_SCALE` below 1 shrinks the corpus, for a smoke run. Outputs are checked against each other first.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

import hardmine as hm
import hardmine._native as _native
from hardmine.primitives.limits import Limits
from hardmine.primitives.search import tiles

SCALE = float(os.environ.get("HARDMINE_BENCH_SCALE", "1"))
NUM_QUERIES, NUM_DOCUMENTS = max(int(10_000 * SCALE), 8), max(int(100_000 * SCALE), 400)
DIMENSION, K = 384, 100
ROUNDS = 1
"""A call takes seconds: the passes of the report repeat it, hardmine and its peers in turns."""
TILE = 1024
"""Queries at a time, for the peers that write scores."""


@pytest.fixture(scope="module")
def arrays():
    """Unit vectors around a few thousand topics, as encoders give them."""
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((2000, DIMENSION), dtype=np.float32)

    def draw(count):
        rows = topics[rng.integers(0, len(topics), count)] + rng.standard_normal((count, DIMENSION), dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    return draw(NUM_QUERIES), draw(NUM_DOCUMENTS)


def hardmine_search(queries, documents):
    return hm.search(queries, documents, K).ids.reshape(len(queries), K)


def faiss_flat(queries, documents):
    import faiss

    index = faiss.IndexFlatIP(documents.shape[1])
    index.add(documents)
    return index.search(queries, K)[1]


def torch_topk(queries, documents):
    import torch

    documents = torch.from_numpy(documents)
    tiles = (torch.from_numpy(queries[start : start + TILE]) @ documents.T for start in range(0, len(queries), TILE))
    return torch.cat([tile.topk(K).indices for tile in tiles]).numpy()


def numpy_argpartition(queries, documents):
    best = []
    for start in range(0, len(queries), TILE):
        scores = queries[start : start + TILE] @ documents.T
        best.append(np.argpartition(scores, -K, axis=1)[:, -K:])
    return np.concatenate(best)


def semantic_search(queries, documents):
    import torch
    from sentence_transformers import util

    found = util.semantic_search(
        torch.from_numpy(queries), torch.from_numpy(documents), top_k=K, score_function=util.dot_score
    )
    return np.array([[hit["corpus_id"] for hit in row] for row in found])


PEERS = {
    "hardmine": hardmine_search,
    "faiss IndexFlatIP": faiss_flat,
    "torch matmul + topk": torch_topk,
    "sentence-transformers semantic_search": semantic_search,
    "numpy matmul + argpartition": numpy_argpartition,
}
CASE = f"{NUM_QUERIES} x {NUM_DOCUMENTS} x {DIMENSION}, k = {K}"


@pytest.mark.benchmark(group="P2")
@pytest.mark.parametrize("peer", PEERS)
def test_search(record, arrays, peer):
    queries, documents = arrays
    pytest.importorskip(
        {"f": "faiss", "t": "torch", "s": "sentence_transformers", "h": "hardmine", "n": "numpy"}[peer[0]]
    )
    some = queries[:50]
    # float32 peers may swap neighbours whose scores differ by rounding alone.
    ours, theirs = hardmine_search(some, documents), PEERS[peer](some, documents)
    shared = np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(ours, theirs, strict=True)])
    assert shared > 0.999
    record(peer, CASE).pedantic(PEERS[peer], (queries, documents), rounds=ROUNDS, warmup_rounds=0)


@pytest.mark.benchmark(group="P2")
def test_products_alone(record, arrays):
    """What the products cost in float32 without keeping the best: the least that a search by BLAS can take."""
    queries, documents = arrays

    def products():
        for start in range(0, len(queries), TILE):
            queries[start : start + TILE] @ documents.T

    products()
    record("numpy matmul alone", CASE).pedantic(products, rounds=ROUNDS, warmup_rounds=0)


@pytest.mark.benchmark(group="P5-search")
@pytest.mark.parametrize("peer", ["hardmine", "sentence-transformers semantic_search"])
def test_search_under_a_ceiling(benchmark, arrays, peer):
    """Positive scores, PercPos ceilings and 10 negatives: what mining needs of search (the peer filters afterwards)."""
    queries, documents = arrays
    positives = np.arange(len(queries)) % len(documents)

    def ours():
        scores = hm.pair_scores(queries, documents, np.arange(len(queries)), positives)
        ceilings = (scores - np.abs(scores) * 0.05).astype(np.float32)
        offsets = np.arange(len(queries) + 1)
        return hm.search(queries, documents, 10, ceiling=ceilings, exclude=(offsets, positives))

    def theirs():
        return semantic_search(queries, documents)

    if peer != "hardmine":
        pytest.importorskip("sentence_transformers")
    benchmark.extra_info.update(peer=peer, case=f"{NUM_QUERIES} x {NUM_DOCUMENTS} x {DIMENSION}, 10 under a ceiling")
    benchmark.pedantic(ours if peer == "hardmine" else theirs, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.benchmark(group="P8-search")
@pytest.mark.parametrize("threads", [1, 2])
def test_filter_threads(benchmark, arrays, threads):
    """The filter and the rescoring alone, on tiles computed before: BLAS takes its threads from elsewhere."""
    queries, documents = arrays
    queries = queries[:1024]
    rows = [tiles.Rows(x, "f32", _native.row_norms("x", (x, "f32"), threads)) for x in (queries, documents)]
    source = tiles.Source(*rows)
    starts = range(0, len(documents), 4096)
    blocks = [np.ascontiguousarray(queries @ documents[start : start + 4096].T) for start in starts]

    def run():
        state = _native.SearchScan("dot", len(queries), len(documents), K, Limits())
        for start, tile in zip(starts, blocks, strict=True):
            state.update(source, tile, 0, start, threads)
        return state.finish(source, threads)

    benchmark.extra_info.update(peer=f"hardmine, {threads} threads", case=f"{len(queries)} x {NUM_DOCUMENTS}, k = {K}")
    benchmark.pedantic(run, rounds=7, warmup_rounds=1)

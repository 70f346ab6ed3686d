"""P-sparse: exact sparse search against bm25s (numba), tantivy, SciPy and the engines of `sparse_engines`.

`HARDMINE_BENCH_SCALE` below 1 shrinks the corpus, for a smoke run; `HARDMINE_BENCH_QUERIES` is the number of queries.
Peers that are not installed are left out: ``pip install numba tantivy scipy``. Scores are checked against each other
first; tantivy rounds the lengths of documents, so its scores are others, and it is timed unchecked.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import pytest
from sparse_engines import APPROXIMATE, ENGINES

import hardmine as hm

SCALE = float(os.environ.get("HARDMINE_BENCH_SCALE", "1"))
K, THREADS, ROUNDS = 100, 2, 1
NUM_QUERIES = int(os.environ.get("HARDMINE_BENCH_QUERIES", "400"))


class World(NamedTuple):
    name: str
    documents: hm.SparseRows
    queries: hm.SparseRows
    words: tuple[list[list[int]], list[list[int]]] | None
    """Documents and queries as words, where the weights are BM25's."""


def zipf(rng, rows, per_row, terms, shift, exponent, floor=0):
    """Terms of rows, with repeats: term t with chance 1 / (t + shift)^exponent."""
    chance = 1 / (np.arange(terms) + shift) ** exponent
    chance[:floor] = 0
    found = np.searchsorted(np.cumsum(chance / chance.sum()), rng.random((rows, per_row)))
    return np.minimum(found, terms - 1)


def text_world(name, queries_of):
    """Documents of 40 words, Zipf's law over 50,000; queries as `queries_of` draws them."""
    rng = np.random.default_rng(0)
    documents = zipf(rng, max(int(500_000 * SCALE), 500), 40, 50_000, 1, 1.0)
    queries = queries_of(rng)
    words, number = np.unique(documents, return_inverse=True)
    known = np.isin(queries, words)
    asked = [np.searchsorted(words, row[is_known]).tolist() for row, is_known in zip(queries, known, strict=True)]
    return weighed(name, number.reshape(documents.shape).tolist(), asked, words.size)


def weighed(name, documents, asked, size):
    """A world of texts as numbers of words below `size`: the weights are bm25s'."""
    import bm25s

    model = bm25s.BM25(method="lucene", backend="numpy")
    model.index((documents, {str(i): i for i in range(size)}), create_empty_token=False, show_progress=False)
    found = model.scores
    rows = hm.SparseRows.from_columns(found["indptr"], found["indices"], found["data"], len(documents))
    terms = [np.unique(np.array(row, np.int64), return_counts=True) for row in asked]
    counted = hm.SparseRows(
        np.cumsum([0, *(t.size for t, _ in terms)]),
        np.concatenate([t for t, _ in terms]),
        np.concatenate([c for _, c in terms]).astype(np.float32),
        size,
    )
    return World(name, rows, counted, (documents, asked))


def natural(rng):
    """Queries of 8 words of the law of the documents."""
    return zipf(rng, NUM_QUERIES, 8, 50_000, 1, 1.0)


def content(rng):
    """Queries of 8 words without the 100 most frequent ones."""
    return zipf(rng, NUM_QUERIES, 8, 50_000, 1, 1.0, floor=100)


def stop_words(rng):
    """Queries of 8 of the 10 most frequent words."""
    return np.array([rng.permutation(10)[:8] for _ in range(NUM_QUERIES)])


def splade():
    """Rows as learned sparse encoders make them: 120 terms a document, 40 a query, of 30,000."""
    rng = np.random.default_rng(0)
    sides = []
    for rows, per_row in ((max(int(200_000 * SCALE), 500), 120), (NUM_QUERIES, 40)):
        terms = np.sort(zipf(rng, rows, per_row, 30_000, 20, 0.8), axis=1)
        distinct = np.ones(terms.shape, bool)
        distinct[:, 1:] = terms[:, 1:] != terms[:, :-1]
        weights = rng.exponential(0.5, int(distinct.sum())).astype(np.float32)
        sides.append(hm.SparseRows(np.cumsum([0, *distinct.sum(axis=1)]), terms[distinct], weights, 30_000))
    return World("splade-like, 200,000 documents x 120 terms, 40 a query", *sides, None)


WORLDS = {
    "natural": lambda: text_world("500,000 documents x 40 words, 8 a query", natural),
    "content": lambda: text_world("500,000 documents x 40 words, 8 a query without stop words", content),
    "stop words": lambda: text_world("500,000 documents x 40 words, 8 stop words a query", stop_words),
    "splade": splade,
}


def hardmine(world):
    index = hm.SparseIndex(world.documents)
    return lambda count: index.search(world.queries.take(np.arange(count)), K, num_threads=THREADS)


def bm25s_numba(world):
    pytest.importorskip("numba")
    bm25s = pytest.importorskip("bm25s")
    if world.words is None:
        pytest.skip("rows of a learned encoder have no words, which this peer counts")
    documents, queries = world.words
    vocabulary = {str(i): i for i in range(world.documents.num_terms)}
    model = bm25s.BM25(method="lucene", backend="numba")
    model.index((documents, vocabulary), create_empty_token=False, show_progress=False)
    asked = bm25s.tokenization.Tokenized(queries, vocabulary)

    def search(count):
        some = bm25s.tokenization.Tokenized(asked.ids[:count], vocabulary)
        found = model.retrieve(some, k=K, show_progress=False, n_threads=THREADS)
        return found.documents, found.scores

    search(8)  # compiled here
    return search


def tantivy_search(world):
    tantivy = pytest.importorskip("tantivy")
    if world.words is None:
        pytest.skip("rows of a learned encoder have no words, which this peer counts")
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", stored=False, tokenizer_name="whitespace", index_option="freq")
    builder.add_integer_field("id", stored=True, fast=True)
    index = tantivy.Index(builder.build())
    writer = index.writer(500_000_000, 1)
    for number, row in enumerate(world.words[0]):
        writer.add_document(tantivy.Document(body=[" ".join(map(str, row))], id=number))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    queries = [index.parse_query(" ".join(map(str, row)), ["body"]) for row in world.words[1]]

    def search(count):
        return [searcher.search(query, K, count=False).hits for query in queries[:count]]

    return search


def scipy_product(world):
    pytest.importorskip("scipy")
    queries, documents = world.queries.to_scipy(), world.documents.to_scipy().T.tocsr()

    def search(count):
        lists = []
        for start in range(count):
            row = queries[start : start + 1] @ documents
            keep = np.argpartition(-row.data, min(K, row.nnz - 1))[:K] if row.nnz > K else np.arange(row.nnz)
            lists.append(np.sort(row.data[keep])[::-1])
        return lists

    return search


PEERS = {
    "hardmine": hardmine,
    "bm25s numba": bm25s_numba,
    "tantivy, 1 thread": tantivy_search,
    "scipy product + topk": scipy_product,
    **{name: lambda world, engine=engine: engine(world, K, THREADS) for name, engine in ENGINES.items()},
}
EXACT = ("bm25s numba", "scipy product + topk", "splade-index numba")


@pytest.fixture(scope="module", params=WORLDS)
def world(request):
    return WORLDS[request.param]()


def check(world, peer, found):
    """The peer's scores are hardmine's, where it is exact."""
    count = 20
    ours = [row.scores for row in hardmine(world)(count)]
    theirs = found[1][:count] if peer.endswith("numba") else found[:count]
    for mine, other in zip(ours, theirs, strict=True):
        other = np.asarray(other)[: mine.size]  # bm25s fills lists up with documents that score 0
        np.testing.assert_allclose(mine, other, rtol=1e-5)


def recall(world, found):
    """Share of hardmine's lists that an approximate peer found, over the queries that it answered."""
    ours = hardmine(world)(len(found))
    return np.mean([np.isin(row.ids, ids).mean() for row, ids in zip(ours, found, strict=True) if row.ids.size])


@pytest.mark.benchmark(group="P-sparse")
@pytest.mark.parametrize("peer", PEERS)
def test_search(world, peer, record):
    search = PEERS[peer](world)
    if peer in EXACT:
        check(world, peer, search(20))
    if peer in APPROXIMATE:
        peer = f"{peer}: recall {recall(world, search(min(NUM_QUERIES, 200))):.3f}"
    record(peer, world.name).pedantic(search, args=(NUM_QUERIES,), rounds=ROUNDS)

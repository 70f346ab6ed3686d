"""Engines for rows of learned sparse encoders, as peers of P-sparse: ``pip install pyseismic-lsr bmp splade-index``.

splade-index adds up every posting, in float32, with numba: exact. Seismic discards by summaries of clusters, and
block-max pruning (bmp) rounds weights to integers: both are approximate, so their searches give ids, whose recall is
said.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest


def _of_learned(world):
    if world.words is not None:
        pytest.skip("made for rows of learned encoders")


_BUILT: dict[str, object] = {}


def _seismic_index(seismic, world, threads):
    """Made once for all settings of its search, with the defaults of the package."""
    if world.name not in _BUILT:
        columns = world.documents.offsets, world.documents.terms, world.documents.weights
        offsets, terms, weights = (column.tolist() for column in columns)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "documents.jsonl"
            with file.open("w") as lines:
                for row, (start, end) in enumerate(itertools.pairwise(offsets)):
                    vector = dict(zip(map(str, terms[start:end]), weights[start:end], strict=True))
                    lines.write(json.dumps({"id": row, "content": "", "vector": vector}) + "\n")
            _BUILT[world.name] = seismic.SeismicIndex.build(str(file), load_content=False, num_threads=threads)
    return _BUILT[world.name]


def seismic(query_cut, heap_factor):
    """A contender with these settings of the search."""

    def contender(world, k, threads):
        _of_learned(world)
        package = pytest.importorskip("seismic")
        index = _seismic_index(package, world, threads)
        string = package.get_seismic_string()
        names = np.array([str(term) for term in range(world.documents.num_terms)], dtype=string)
        numbers = np.array([str(row) for row in range(len(world.queries))], dtype=string)
        asked = [(names[row.terms], row.weights) for row in world.queries]

        def search(count):
            terms, weights = zip(*asked[:count], strict=True)
            found = index.batch_search(
                numbers[:count], list(terms), list(weights), k=k, query_cut=query_cut, heap_factor=heap_factor,
                num_threads=threads,
            )  # fmt: skip
            ids = [[]] * count
            for row in found:  # in any order
                if row:
                    ids[int(row[0][0])] = [int(hit[2]) for hit in row]
            return ids

        return search

    return contender


def block_max_pruning(world, k, threads):  # noqa: ARG001 - it has one thread
    """Without any pruning that could lose documents (alpha = beta = 1): what is lost is lost by rounding."""
    _of_learned(world)
    bmp = pytest.importorskip("bmp")
    names = [str(term) for term in range(world.documents.num_terms)]
    scale = 255 / float(world.documents.weights.max())
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "index.bmp")
        indexer = bmp.Indexer(file, bsize=32, compress_range=False)
        for row, (terms, weights) in enumerate(world.documents):
            rounded = np.rint(weights * scale).astype(np.int64)
            kept = {
                names[term]: weight for term, weight in zip(terms.tolist(), rounded.tolist(), strict=True) if weight
            }
            indexer.add_document(str(row), kept)
        indexer.finish()
        searcher = bmp.Searcher(file)
    asked = [
        {names[term]: weight for term, weight in zip(row.terms.tolist(), row.weights.tolist(), strict=True)}
        for row in world.queries
    ]

    def search(count):
        found = (searcher.search(query, k=k, alpha=1.0, beta=1.0) for query in asked[:count])
        return [[int(document) for document in ids] for ids, _ in found]

    return search


def splade_index(world, k, threads):
    """Its model is one that hands out the rows that are there."""
    _of_learned(world)
    torch, package = pytest.importorskip("torch"), pytest.importorskip("splade_index")
    documents = world.documents.to_scipy().tocsc()
    tensor, size = torch.sparse_coo_tensor, documents.shape[1:]
    rows = [
        tensor(terms[None].astype(np.int64), weights, size, check_invariants=True).coalesce()
        for terms, weights in world.queries
    ]
    model = SimpleNamespace(encode_query=lambda texts, **_: rows[: len(texts)])
    index = package.SPLADE(backend="numba")
    index.scores = {
        "data": documents.data, "indices": documents.indices, "indptr": documents.indptr,
        "num_docs": documents.shape[0],
    }  # fmt: skip
    index.model, index.corpus = model, np.arange(documents.shape[0])
    index.document_ids = index.corpus

    def search(count):
        found = index.retrieve([""] * count, k=k, show_progress=False, n_threads=threads)
        return found.doc_ids, found.scores

    search(8)  # compiled here
    return search


ENGINES = {
    "splade-index numba": splade_index,
    "seismic, query_cut 10, heap_factor 0.8": seismic(10, 0.8),
    "seismic, query_cut 40, heap_factor 1": seismic(40, 1.0),
    "bmp, 1 thread": block_max_pruning,
}
APPROXIMATE = tuple(name for name in ENGINES if name.startswith(("seismic", "bmp")))

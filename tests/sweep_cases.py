"""What the tests of the sweep try settings on."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

import hardmine as hm

K = 15
RULES = [
    "naive", "naive range-min=3", "naive range-max=5", "abs=2.0", "margin-pos=1.0", "perc-pos=0.9",
    "perc-pos=0.9 & abs=3.0 draw=softmax=2.0", "naive draw=uniform",
]  # fmt: skip


def make(seed=0, num_queries=60, num_documents=90, positives=None):
    """A collection with repeated texts, and embeddings whose scores are whole numbers: ties everywhere."""
    rng = np.random.default_rng(seed)
    texts = [f"document {i % (num_documents - 8)}" for i in range(num_documents)]
    queries = rng.integers(-2, 3, (num_queries, 4)).astype(np.float32)
    documents = rng.integers(-2, 3, (num_documents, 4)).astype(np.float32)
    documents[num_documents - 8 :] = documents[:8]
    if positives is None:
        best = np.argsort(-(queries @ documents.T) + rng.random((num_queries, num_documents)), axis=1)
        positives = [rng.permutation(row[:25])[: rng.integers(1, 6)].tolist() for row in best]
    collection = hm.Collection(
        pa.table({"id": [f"q{i}" for i in range(num_queries)], "text": [f"query {i}" for i in range(num_queries)]}),
        pa.table({"id": [f"d{i}" for i in range(num_documents)], "text": texts}),
        hm.Positives.from_lists(positives),
    )
    return collection, queries, documents


def sweep(world, grid=RULES, **options):
    collection, run, _ = world
    return hm.sweep(collection, run, grid, **{"num_negatives": 3, "progress": False, **options})


def num_labels(collection):
    groups = collection.document_groups
    return sum(len({int(groups[d]) for d in collection.positives[q]}) for q in range(collection.num_queries))


def words(queries, documents):
    """Scores of another teacher, whole numbers from the two texts."""
    return [
        float((7 * int(q.split()[1]) + 5 * int(d.split()[1])) % 11 - 4) for q, d in zip(queries, documents, strict=True)
    ]


def with_labels(num_labels, num_queries=60):
    """A collection whose queries all have so many labels."""
    rng = np.random.default_rng(4)
    collection, queries, documents = make(4, num_queries=num_queries)
    labels = hm.Positives.from_lists([rng.choice(80, num_labels, replace=False).tolist() for _ in range(num_queries)])
    collection = dataclasses.replace(collection, positives=labels)
    teacher = hm.teachers.precomputed(queries, documents, similarity="dot")
    return collection, hm.retrieve(collection, teacher, k=40, progress=False), documents


def world_of():
    """A collection, its run and the embeddings of its documents."""
    collection, queries, documents = make()
    teacher = hm.teachers.precomputed(queries, documents, similarity="dot")
    run = hm.retrieve(collection, teacher, k=K, anchors=True, progress=False)
    return collection, run, documents


def fixtures():
    """Fixtures of a module: a world, and a run of its queries by a second teacher."""

    @pytest.fixture(scope="module")
    def world():
        return world_of()

    @pytest.fixture(scope="module")
    def second(world):
        collection, _, documents = world
        rng = np.random.default_rng(9)
        queries = rng.integers(-2, 3, (collection.num_queries, 4)).astype(np.float32)
        return hm.retrieve(
            collection, hm.teachers.precomputed(queries, documents, similarity="dot"), k=9, progress=False
        )

    return world, second

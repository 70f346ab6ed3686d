"""What the tests of shards share: a collection, teachers of every kind, and what one process finds."""

import numpy as np

import hardmine as hm
from hardmine.distributed.shard_run import whole
from hardmine.distributed.shard_search import search_shard
from tests.store_job import Toy
from tests.texts import random_beir

SHARDS = (1, 3, 8, 17)
SELECTION = hm.Selection(3, ceiling=hm.PercPos(0.9), draw=hm.Softmax(0.2), seed=7)


def collection_in(folder, **more):
    return hm.Collection.read(random_beir(folder / "collection", num_queries=23, num_documents=150, **more))


def teacher_of(kind, collection):
    """A teacher of each kind; scores of the precomputed one hold many ties."""
    rng = np.random.default_rng(3)
    if kind == "precomputed":
        rows = [
            rng.integers(-2, 3, (count, 6)).astype(np.float32)
            for count in (collection.num_queries, collection.num_documents)
        ]
        return hm.teachers.precomputed(*rows, similarity="dot")
    return Toy() if kind == "toy" else "bm25"


def merged(collection, teacher, num_shards, **more):
    """What the shards find, each in a process that knows nothing of the others."""
    cache = more.pop("cache", None)
    shards = [
        search_shard(
            collection, teacher, number + 1, num_shards, progress=False,
            cache=None if cache is None else cache / f"{number}-of-{num_shards}", **more,
        )
        for number in range(num_shards)
    ]  # fmt: skip
    return whole(shards, [f"shard {number}" for number in range(num_shards)])


def saved(run, path):
    run.save(path)
    return path.read_bytes()

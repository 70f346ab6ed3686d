"""The embeddings of a collection's texts, for whoever needs more of them than a search: through the same cache."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hardmine.pipeline import cached
from hardmine.pipeline.scorers import chosen, expect_collection
from hardmine.plumbing.progress import Reporting, reporting
from hardmine.plumbing.threads import thread_count

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection
    from hardmine.teachers import DenseTeacher


def embed(
    collection: Collection,
    teacher: DenseTeacher | str,
    *,
    cache: str | os.PathLike[str] | None = None,
    cache_policy: str = "refuse",
    progress: Reporting = True,
) -> tuple[Any, Any]:
    """Embed the queries and the documents of a collection.

    For what needs the numbers themselves: a loss that learns from the teacher's scores, a `Selection` with
    ``near_cosine``, `spherical_kmeans`. `hardmine.teachers.precomputed` makes a teacher of them.

    Parameters
    ----------
    collection : Collection
    teacher : DenseTeacher or str
        What `hardmine.teachers.load` gives of an encoder, or a name for it; anything that makes embeddings.
    cache, cache_policy : path-like, str
        As for `retrieve`, which shares the folder: what either has embedded, the other finds there.
    progress : bool or callable
        As for `retrieve`.

    Returns
    -------
    queries, documents : floats [num_queries, dimension], [num_documents, dimension]
        Row i for query or document i, as the teacher gives it, float32 of what `hardmine.teachers.load` loads; not
        normalised. From a cache they are read-only, bfloat16 is widened to float32, and what is larger than 64 MiB is
        mapped from the disk. Without one the queries are a copy wherever the teacher, or another array, may hold them
        too; the documents are what the teacher gave: where that is a buffer of its own, they change when it is called
        again. What `hardmine.teachers.precomputed` was made of comes back as it is, with a cache or without.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, or the teacher makes no embeddings, or not as many as there are texts. With a cache: they
        hold NaN or infinities or are of a type that no store keeps (float64), or the cache holds other files or a shard
        that is refused. Without one, or where they are precomputed, NaN and infinities are refused by what the
        embeddings are given to.
    OSError
        The cache cannot be written, or its disk is full: what it held before is there still.

    Notes
    -----
    Equal texts have equal embeddings where there is a cache; without one, and from one cache to another, the last bits
    may differ with the texts that share a batch. See ``docs/cache.md``.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(["red apples"], ["an apple is red"], ["red cars", "green leaves"])
    >>> teacher = hm.teachers.precomputed(np.eye(1, 4, dtype=np.float32), np.eye(3, 4, dtype=np.float32))
    >>> queries, documents = hm.embed(collection, teacher, progress=False)
    >>> queries.shape, documents.shape
    ((1, 4), (3, 4))
    """
    progress = reporting(progress)
    expect_collection(collection)
    folder, policy = cached.checked_cache(cache), cached.checked_policy(cache_policy)
    known, kind = chosen(collection, teacher, embeddings_for="embed")
    with cached.keeping(folder, policy, known) as kept:
        scorer = kind(collection, known, max_memory=None, num_threads=thread_count(None), progress=progress, kept=kept)
    return scorer.queries, scorer.documents

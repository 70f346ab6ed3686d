"""Texts to candidates: a teacher scores, known positives and their text duplicates are left out inside the scan."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hardmine.nouns.candidates import Candidates
from hardmine.pipeline.scorers import expect_collection, scored_candidates
from hardmine.plumbing import checks
from hardmine.plumbing.progress import Reporting

if TYPE_CHECKING:
    import numpy.typing as npt

    from hardmine.nouns.collection import Collection
    from hardmine.teachers import Teacher

DEFAULT_K = 200


def retrieve(
    collection: Collection,
    teacher: Teacher | str,
    k: int = DEFAULT_K,
    *,
    ceiling: float | npt.ArrayLike | None = None,
    exclude_positives: bool = True,
    anchors: bool = False,
    cache: str | os.PathLike[str] | None = None,
    cache_policy: str = "refuse",
    max_memory: int | str | None = None,
    num_threads: int | None = None,
    progress: Reporting = True,
) -> Candidates:
    """Find the k best documents of every query under a teacher.

    Parameters
    ----------
    collection : Collection
    teacher : Teacher or str
        What `hardmine.teachers.load` or `hardmine.teachers.precomputed` gives, or a name for the former.
    k : int
        Documents per query.
    ceiling : float or float32 [num_queries], optional
        Only documents that score at most this are found.
    exclude_positives : bool
        Leave out the labelled positives of the query and the documents with the same text (see
        `Collection.document_groups`), inside the scan: a query gets k others.
    anchors : bool
        Add the column that the ceiling `Anchored` needs; for teachers with embeddings.
    cache : path-like, optional
        Folder that keeps embeddings and candidates, made where it is not there: a run that was killed goes on from its
        last finished shard and gives the same bytes; other queries, rules and k share the embeddings, and more
        documents cost only their own. See ``docs/cache.md``. The teacher needs a ``fingerprint`` (see `DenseTeacher`),
        as those of `hardmine.teachers` have.
    cache_policy : {"refuse", "reuse", "overwrite"}
        What becomes of shards that are there. "refuse", the default, reuses what fits, and stops at a shard that is
        damaged or not of this place, by name: what wrote there, or the disk, may have done worse, and hours of work are
        not thrown away unasked. "reuse" throws such a shard away and computes its rows again. "overwrite" computes all
        rows of this run again.
    max_memory : int or str, optional
        Working memory of the search beyond embeddings and result, in bytes or as "2GB".
    num_threads : int, optional
        Threads of the search; the result does not depend on them.
    progress : bool or callable
        Whether to show progress on standard error: bars on a terminal, plain lines otherwise. Or what to call with each
        `ProgressEvent` instead, at most ten times a second; what it raises ends the work.

    Returns
    -------
    Candidates
        Best first, equal scores by lower index, with string ids. ``reasons`` counts what the scan left out.
        ``positives`` are those of the collection with their scores under the same teacher. ``metadata`` holds
        ``teacher``, ``k``, ``similarity`` and ``version``, and the ``dtype`` that an encoder computed in.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, or embeddings do not fit the collection or hold NaN or infinities; or the cache holds
        other files, or a shard that is refused.
    OSError
        The cache cannot be written, or its disk is full: what it held before is there still.

    Notes
    -----
    Dense teachers are searched exactly; see `hardmine.search`. BM25 finds only documents that share a word with the
    query, so its lists may be shorter than k.

    Examples
    --------
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(
    ...     ["red apples", "green pears"], ["an apple is red", "a pear is green"], ["red cars", "green leaves"]
    ... )
    >>> run = hm.retrieve(collection, "bm25", k=2, progress=False)
    >>> [collection.documents["text"][i].as_py() for i in run[0].ids]
    ['red cars']
    """
    k = checks.integer("k", k)
    expect_collection(collection)
    bounds = checks.per_query("ceiling", ceiling, collection.num_queries)
    return scored_candidates(
        collection,
        teacher,
        lambda _: k,
        bounds=lambda _: bounds,
        exclude_positives=exclude_positives,
        anchors=anchors,
        cache=cache,
        cache_policy=cache_policy,
        max_memory=max_memory,
        num_threads=num_threads,
        progress=progress,
    )

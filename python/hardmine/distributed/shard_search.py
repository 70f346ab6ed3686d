"""One shard of a corpus searched by a process of its own: nothing is shared but files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.distributed.cuts import part, within
from hardmine.distributed.shard_run import Labels, ShardRun
from hardmine.nouns.identity import identity
from hardmine.pipeline import cached
from hardmine.pipeline.mine import depth_of, scan_ceiling
from hardmine.pipeline.mined import refuse_unfit
from hardmine.pipeline.retrieve import DEFAULT_K
from hardmine.pipeline.scorers import Scorer, chosen, expect_collection, facts_of_run, left_out_of, seen_reasons
from hardmine.plumbing import checks
from hardmine.plumbing.progress import Reporting, reporting
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.teacher_ceilings import refuse_teachers
from hardmine.store import fingerprint
from hardmine.store.matrix import Matrix

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.sparse import SparseRows
    from hardmine.rules.selection import Selection
    from hardmine.teachers import Teacher


def search_shard(
    collection: Collection,
    teacher: Teacher | str,
    shard: int,
    num_shards: int,
    *,
    k: int | None = None,
    selection: Selection | None = None,
    scored: Candidates | None = None,
    cache: str | os.PathLike[str] | None = None,
    cache_policy: str = "refuse",
    max_memory: int | str | None = None,
    num_threads: int | None = None,
    progress: Reporting = True,
) -> ShardRun:
    """Search one shard of the documents; `shard_run.whole` merges what all shards gave.

    Parameters
    ----------
    collection, teacher, k, cache, cache_policy, max_memory, num_threads, progress
        As for `hardmine.mine` where there is a selection, else as for `hardmine.retrieve`. The embeddings of a model
        are those of a run over all documents with a cache: groups of texts that lie in two shards are computed by both.
    shard, num_shards : int
        Which of how many, from 1.
    selection : Selection, optional
        Its ceiling acts inside the scan where it does so in `hardmine.mine`.
    scored : Candidates, optional
        A run of this collection with the scores of all positives, which a selection needs: a search with k=0 of all
        shards gives it.

    Raises
    ------
    TypeError, ValueError
        As in `hardmine.mine`, or `scored` is missing or of another collection.
    """
    expect_collection(collection)
    progress = reporting(progress)
    num_shards = checks.integer("num_shards", num_shards, minimum=1)
    shard = checks.integer("shard", shard, minimum=1, maximum=num_shards)
    k = None if k is None else checks.integer("k", k)
    checks.memory("max_memory", max_memory, 1)
    threads = thread_count(num_threads)
    folder, policy = cached.checked_cache(cache), cached.checked_policy(cache_policy)
    ceiling = None
    if selection is not None:
        refuse_unfit(collection, selection)
        refuse_teachers(selection.ceiling, "a shard has the scores of one")
        if selection.ceiling.needs_anchor_scores:
            raise ValueError(
                "selection: the ceiling Anchored needs the embeddings of all documents, which no shard has; expected "
                "another"
            )
        if scored is None:
            raise ValueError("scored: missing, but a selection needs the scores of all positives, in whatever shard")
        ceiling = scan_ceiling(collection.scored_positives(scored), selection)
        k = depth_of(selection, in_scan=ceiling is not None) if k is None else k
    k = DEFAULT_K if k is None else k
    known, kind = chosen(collection, teacher)
    start, stop = part(collection.num_documents, num_shards, shard - 1)
    left_out = left_out_of(collection, threads, exclude_positives=True)
    exclude = left_out.offsets, left_out.ids
    with cached.keeping(folder, policy, known) as kept:
        scorer: Scorer = kind(
            collection,
            known,
            max_memory=max_memory,
            num_threads=threads,
            progress=progress,
            kept=kept,
            span=(start, stop),
        )
        labels = _labels(collection, scorer, start, stop)
        found = cached.scan(kept, scorer, k, ceiling=ceiling, exclude=within(exclude, start, stop), progress=progress)
    run = found.replace(
        reasons=seen_reasons(scorer, found),
        query_ids=collection.query_ids,
        document_ids=collection.document_ids.rows(np.arange(start, stop)),
        metadata=facts_of_run(known, k),
    )
    common = {
        **facts_of_run(known, k),
        "num_documents": collection.num_documents,
        "collection": identity(collection),
        "queries": _digest(scorer.queries),
        "ceiling": None if ceiling is None else fingerprint.of_matrix(ceiling),
        "exclusions": [fingerprint.of_matrix(column) for column in exclude],
    }
    return ShardRun(start, stop, run, labels, left_out.counts, common)


def _labels(collection: Collection, scorer: Scorer, start: int, stop: int) -> Labels:
    labels = collection.positives
    places = np.flatnonzero((labels.ids >= start) & (labels.ids < stop))
    ids = labels.ids[places]
    return Labels(labels.offsets, places, ids, scorer.pair_scores(labels.query_of_each[places], ids - start))


def _digest(rows: Any) -> str | list[str]:
    """What tells the rows of queries of one teacher from those of another."""
    if hasattr(rows, "terms"):
        sparse: SparseRows = rows
        return [fingerprint.of_matrix(column) for column in (sparse.offsets, sparse.terms, sparse.weights)]
    return Matrix(rows).digest

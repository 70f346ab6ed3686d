"""The main job: a collection, a teacher and a rule to training rows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.nouns.positives import Positives
from hardmine.pipeline.mined import Mined, refuse_unfit
from hardmine.pipeline.retrieve import DEFAULT_K
from hardmine.pipeline.scorers import scored_candidates
from hardmine.plumbing import checks
from hardmine.plumbing.progress import Reporting
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.limits import score_ceilings
from hardmine.primitives.teacher_ceilings import refuse_teachers
from hardmine.rules.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardmine.nouns.collection import Collection
    from hardmine.pipeline.cached import Scanner
    from hardmine.pipeline.scorers import Scorer
    from hardmine.plumbing.checks import Float32Array
    from hardmine.teachers import Teacher


def mine(
    collection: Collection,
    teacher: Teacher | str,
    selection: Selection,
    *,
    k: int | None = None,
    epoch: int = 0,
    cache: str | os.PathLike[str] | None = None,
    cache_policy: str = "refuse",
    num_threads: int | None = None,
    max_memory: int | str | None = None,
    progress: Reporting = True,
) -> Mined:
    """Mine hard negatives: score, retrieve, select.

    Positive scores are computed directly and give every query its ceiling. Where the rule bounds the score alone, the
    ceiling acts inside the scan, which then finds the best *admissible* documents: no query runs short because its top
    was filtered away. Labelled positives and documents with the same text are never candidates.

    Parameters
    ----------
    collection : Collection
    teacher : Teacher or str
        What `hardmine.teachers.load` or `hardmine.teachers.precomputed` gives, or a name for the former.
    selection : Selection
        Which candidates are admissible, how many negatives, how they are drawn; see also `hardmine.strategies`. A
        ceiling that names a teacher is refused: here there is one.
    k : int, optional
        Candidates per query. Default: what the selection needs when it takes the top under a score ceiling (and keeps
        no near-duplicates out), else its ``range_max``, else 200.
    epoch : int
        Another epoch gives other draws under the same seed.
    cache : path-like, optional
        Folder that keeps embeddings and candidates, so that a run that was killed goes on from its last finished shard;
        as in `hardmine.retrieve`.
    cache_policy : {"refuse", "reuse", "overwrite"}
        What becomes of shards that are there, as in `hardmine.retrieve`: damaged ones stop the run by default.
    num_threads : int, optional
        Threads; the result does not depend on them.
    max_memory : int or str, optional
        Working memory of the search beyond embeddings and result, in bytes or as "2GB".
    progress : bool or callable
        As in `retrieve`.

    Returns
    -------
    Mined
        ``.negatives``, ``.positives``, ``.candidates``, ``.report`` and ``.write(path, format=...)``.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, a query has no positive under a rule that needs one, or a row is short under
        ``on_shortage="error"``; or the cache holds a shard that is refused.
    OSError
        The cache cannot be written, or its disk is full.

    Examples
    --------
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(
    ...     ["red apples", "green pears"],
    ...     ["red apples are apples", "green pears are pears"],
    ...     ["red cars", "green leaves", "red and green"],
    ... )
    >>> mined = hm.mine(collection, "bm25", hm.Selection(2, ceiling=hm.PercPos(0.95)), progress=False)
    >>> [[collection.documents["text"][i].as_py() for i in row.ids] for row in mined.negatives]
    [['red cars', 'red and green'], ['green leaves', 'red and green']]
    """
    return mined_through(
        None,
        collection,
        teacher,
        selection,
        k=k,
        epoch=epoch,
        cache=cache,
        cache_policy=cache_policy,
        num_threads=num_threads,
        max_memory=max_memory,
        progress=progress,
    )


def mined_through(
    spread: Callable[[Scorer], Scanner] | None,
    collection: Collection,
    teacher: Teacher | str,
    selection: Selection,
    *,
    k: int | None,
    epoch: int,
    cache: str | os.PathLike[str] | None,
    cache_policy: str,
    num_threads: int | None,
    max_memory: int | str | None,
    progress: Reporting,
) -> Mined:
    """`mine`, by what `spread` makes of the scorer where it is given; see `scored_candidates`."""
    refuse_unfit(collection, selection)
    refuse_teachers(
        selection.ceiling, "mine() has the scores of one; retrieve(), then rescore(), then Mined.from_run() has several"
    )
    epoch = checks.integer("epoch", epoch)
    if k is not None:
        k = checks.integer("k", k, minimum=1)
    anchors = selection.ceiling.needs_anchor_scores
    document_embeddings: list[Any] = []
    candidates = scored_candidates(
        collection,
        teacher,
        lambda bounds: k or depth_of(selection, in_scan=bounds is not None and not anchors),
        bounds=lambda positives: scan_ceiling(positives, selection),
        anchors=anchors,
        keep=document_embeddings.append if selection.near_cosine is not None else None,
        spread=spread,
        cache=cache,
        cache_policy=cache_policy,
        max_memory=max_memory,
        num_threads=num_threads,
        progress=progress,
    )
    return Mined.from_run(
        collection,
        candidates,
        selection,
        positives=candidates.positives,
        document_embeddings=document_embeddings[0] if document_embeddings else None,
        epoch=epoch,
        num_threads=num_threads,
        progress=progress,
    )


def scan_ceiling(positives: Positives, selection: Selection) -> Float32Array | None:
    """Bound on the score alone per query, None where the rule sets none or the scan must not use it."""
    # Pairs of one query have ceilings of their own. Documents that fill a shortage are drawn from what is not listed,
    # so what a rule rejects has to be listed.
    if selection.positive_agg == "each" or selection.on_shortage == "fill":
        return None
    bounds = score_ceilings(selection, positives, thread_count(None))
    return None if bounds is None or np.isposinf(bounds).all() else bounds


def depth_of(selection: Selection, *, in_scan: bool) -> int:
    """Candidates that the selection needs."""
    needed = min(selection.range_min + selection.num_negatives, 2**62)
    no_rule = not selection.ceiling._native()
    # What is a near-duplicate is passed over, and nobody knows how often.
    if selection.draw.is_top and (in_scan or no_rule) and not selection.tells_apart:
        return needed
    return max(needed, selection.range_max or DEFAULT_K)

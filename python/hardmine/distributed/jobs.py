"""`hardmine.retrieve` and `hardmine.mine` on a cluster: the same signatures, the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.distributed.cluster import connected
from hardmine.distributed.spread import Spread
from hardmine.pipeline.mine import mined_through
from hardmine.pipeline.retrieve import DEFAULT_K
from hardmine.pipeline.scorers import Scorer, expect_collection, scored_candidates
from hardmine.plumbing import arrays, checks
from hardmine.plumbing.progress import Reporting, reporting
from hardmine.plumbing.threads import thread_count

if TYPE_CHECKING:
    import numpy.typing as npt

    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection
    from hardmine.pipeline.mined import Mined
    from hardmine.rules.selection import Selection
    from hardmine.teachers import Teacher

_NOT_FINITE = ", expected finite embeddings"
_ROWS = 4_096


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
    num_shards: int | None = None,
    resources: Mapping[str, float] | None = None,
    address: str | None = None,
) -> Candidates:
    """Find the k best documents of every query under a teacher, on a Ray cluster.

    The documents are cut into shards. Each shard and block of queries is searched by a task, and what the tasks find is
    merged by others: by the same total order, into the same bytes as `hardmine.retrieve`.

    Parameters
    ----------
    collection : Collection
    teacher : Teacher or str
        As for `hardmine.retrieve`. Texts are embedded, or indexed, by this process: `embed` does it on the cluster,
        beforehand, into the same cache.
    k : int
        Documents per query.
    ceiling : float or float32 [num_queries], optional
        As for `hardmine.retrieve`.
    exclude_positives, anchors : bool
        As for `hardmine.retrieve`.
    cache, cache_policy : path-like, str
        As for `hardmine.retrieve`, and for this process alone. A run that was killed goes on from the candidates that
        were kept, here or on one machine.
    max_memory : int or str, optional
        Working memory of each task beyond its shard, its queries and its result, in bytes or as "2GB".
    num_threads : int, optional
        Threads of each task. Default: its processors. The result does not depend on them.
    progress : bool or callable
        As for `hardmine.retrieve`.
    num_shards : int, optional
        Parts of the documents; none is empty. Default: as many as tasks run at a time, and more where these would take
        more than half of the object stores. The result does not depend on it.
    resources : mapping of str to float, optional
        What a task asks of the cluster: ``num_cpus`` (default 1), ``num_gpus``, ``memory`` in bytes, and resources of
        the cluster's own.
    address : str, optional
        Of a cluster, as ``ray.init`` takes it; ``"auto"`` is one that was started on this machine. Default: the one
        that this process is connected to, else that of ``RAY_ADDRESS``, else one that is started here and ends with the
        call.

    Returns
    -------
    Candidates
        The bytes of `hardmine.retrieve`.

    Raises
    ------
    TypeError, ValueError
        As in `hardmine.retrieve`, or the resources are no numbers above 0.
    OSError
        There is no cluster at the address, or this process is connected to another; or for ``HARDMINE_RAY_PATIENCE``
        seconds (300) no task could be placed, since no node has what it asks for or others have taken it; or work was
        lost more often than it is tried again.
    ModuleNotFoundError
        Ray is not installed.

    Notes
    -----
    At most one task more than run at a time is submitted, and only the shards of these are in the object store, or all
    of them where they take less than half of it. What a lost process or node had is made again, with the same bytes.
    """
    k = checks.integer("k", k)
    expect_collection(collection)
    bounds = checks.per_query("ceiling", ceiling, collection.num_queries)
    with _spreading(num_shards, resources, address, num_threads, progress) as spread:
        return scored_candidates(
            collection,
            teacher,
            lambda _: k,
            bounds=lambda _: bounds,
            exclude_positives=exclude_positives,
            anchors=anchors,
            spread=spread,
            cache=cache,
            cache_policy=cache_policy,
            max_memory=max_memory,
            num_threads=None,
            progress=progress,
        )


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
    num_shards: int | None = None,
    resources: Mapping[str, float] | None = None,
    address: str | None = None,
) -> Mined:
    """Mine hard negatives on a Ray cluster: `hardmine.mine`, with the search of `hardmine.distributed.retrieve`.

    Positive scores come first, in one pass over the pairs, so that ceilings act inside the search of every shard. Draws
    are keyed by seed, epoch, query and document: they need no communication, and give the same negatives.

    Parameters
    ----------
    collection, teacher, selection, k, epoch
        As for `hardmine.mine`.
    cache, cache_policy, num_threads, max_memory, progress, num_shards, resources, address
        As for `retrieve`.

    Returns
    -------
    Mined
        As `hardmine.mine` gives it, byte for byte.

    Raises
    ------
    TypeError, ValueError
        As in `hardmine.mine`.
    OSError, ModuleNotFoundError
        As in `retrieve`.
    """
    with _spreading(num_shards, resources, address, num_threads, progress) as spread:
        return mined_through(
            spread,
            collection,
            teacher,
            selection,
            k=k,
            epoch=epoch,
            cache=cache,
            cache_policy=cache_policy,
            num_threads=None,
            max_memory=max_memory,
            progress=progress,
        )


@contextmanager
def _spreading(
    num_shards: int | None, resources: Any, address: str | None, num_threads: int | None, progress: Reporting
) -> Iterator[Callable[[Scorer], Spread]]:
    """What makes of a scorer one that searches on the cluster."""
    num_shards = None if num_shards is None else checks.integer("num_shards", num_shards, minimum=1)
    threads = None if num_threads is None else thread_count(num_threads)
    shown = reporting(progress)
    scorers: list[Scorer] = []
    with _naming_rows(scorers), connected(address, resources) as cluster:

        def spread(scorer: Scorer) -> Spread:
            scorers.append(scorer)
            most = max(len(scorer.documents), 1)  # an empty shard is a task for nothing
            return Spread(scorer, cluster, None if num_shards is None else min(num_shards, most), threads, shown)

        yield spread


@contextmanager
def _naming_rows(scorers: Sequence[Scorer]) -> Iterator[None]:
    """A task that meets NaN or infinity names the row of its shard: the caller is told that of the whole."""
    try:
        yield
    except ValueError as error:
        if str(error).endswith(_NOT_FINITE):
            for scorer in scorers:
                _refuse_not_finite("documents", scorer.documents)
                _refuse_not_finite("queries", scorer.queries)
        raise


def _refuse_not_finite(name: str, rows: Any) -> None:
    """Raise `ValueError` as a search does of the first embedding that is not finite."""
    array, kind = arrays.matrix(name, rows)
    for start in range(0, len(array), _ROWS):
        block = arrays.widen(array[start : start + _ROWS], kind) if kind == "bf16" else array[start : start + _ROWS]
        places = np.argwhere(~np.isfinite(block))
        if places.size:
            row, column = places[0].tolist()
            value = str(float(block[row, column])).replace("nan", "NaN")
            raise ValueError(f"{name}: {value} at row {start + row}, column {column}{_NOT_FINITE}")

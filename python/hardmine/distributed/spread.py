"""A search spread over a cluster: a task for each shard of documents and block of queries, and a tree of merges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.distributed.bounds import Arriving, heads
from hardmine.distributed.cluster import BEGUN, Cluster, Watch, fetched, several_outcomes
from hardmine.distributed.cuts import Csr, cut, rows_of, within
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.sparse import SparseRows
from hardmine.pipeline import cached
from hardmine.plumbing.progress import Progress, Reporting, say
from hardmine.primitives.merge import merge
from hardmine.primitives.search.index import search_reaching

if TYPE_CHECKING:
    from hardmine.pipeline.scorers import Scorer

FAN_IN = 4
"""Lists of so many shards are merged at a time."""
ATTEMPTS = 3
"""How often a search is made anew, where a node was lost with what could not be made again otherwise."""

_Float32 = npt.NDArray[np.float32]
_Int64 = npt.NDArray[np.int64]


class Spread:
    """Scans in the place of a scorer, with the same result; see `cached.Scanner`.

    Parameters
    ----------
    scorer : Scorer
        Whose rows are searched.
    cluster : Cluster
    num_shards : int, optional
        By default as many as tasks run at a time, and more where these would fill more than half of the object stores.
    num_threads : int, optional
        Of a task; by default its processors.
    progress : bool or callable
    """

    takes_many = True

    def __init__(
        self, scorer: Scorer, cluster: Cluster, num_shards: int | None, num_threads: int | None, progress: Reporting
    ) -> None:
        self._scorer, self._cluster, self._progress = scorer, cluster, progress
        self._threads = num_threads or cluster.threads
        self._slots = max(cluster.slots(), 1)
        size, room = _size(scorer.documents), max(cluster.object_memory() // 2, 1)
        self._num_shards = num_shards or max(self._slots, -(-size * (self._slots + 1) // room))
        self._shards = dict[int, Any]() if size <= room else None
        """What was put into the cluster stays there for the next search, where it fits."""

    def search_keys(self, kept: cached.Kept) -> cached.SearchKeys:
        """Those of the scorer."""
        return self._scorer.search_keys(kept)

    def scan(self, k: int, *, ceiling: _Float32 | None, exclude: Csr, queries: _Int64 | None = None) -> Candidates:
        """The k best admissible documents of every query, or of these queries."""
        lost = self._cluster.ray.exceptions.ObjectLostError
        task_error = self._cluster.ray.exceptions.RayTaskError
        for left in reversed(range(ATTEMPTS)):
            try:
                return self._scan(k, ceiling, exclude, queries)
            except (lost, task_error) as error:
                if not left or not isinstance(getattr(error, "cause", error), lost):
                    raise
                say("ray: a node was lost with what it had found; searched again")
        raise AssertionError  # the last attempt returns or raises

    def _scan(self, k: int, ceiling: _Float32 | None, exclude: Csr, queries: _Int64 | None) -> Candidates:
        cluster, watch = self._cluster, Watch(self._cluster)
        count = exclude[0].size - 1
        shards = cut(_length(self._scorer.documents), self._num_shards)
        blocks = cut(count, max(1, -(-count // cached.most_queries(k))))
        trees = [_Tree(cluster, len(shards), k) for _ in blocks]
        pairs = count * _length(self._scorer.documents)
        bounds = [Arriving(cluster) for _ in blocks]
        starts = self._starts(shards, blocks, bounds, k, ceiling, exclude, queries)
        with Progress("searching (query, document) pairs", pairs, self._progress if queries is None else False) as bar:
            for (shard, block), (found, best) in several_outcomes(cluster, starts, self._slots, watch, 2):
                trees[block].add(found)
                bounds[block].add(best)
                (first, last), (start, stop) = blocks[block], shards[shard]
                bar.update((last - first) * (stop - start))
            return joined([fetched(cluster, tree.root(), watch) for tree in trees])

    def _starts(
        self,
        shards: Sequence[tuple[int, int]],
        blocks: Sequence[tuple[int, int]],
        bounds: Sequence[Arriving],
        k: int,
        ceiling: _Float32 | None,
        exclude: Csr,
        queries: _Int64 | None,
    ) -> Iterator[tuple[tuple[int, int], Callable[[], Any]]]:
        """What starts the task of each shard and block; only shards in work are in the cluster at a time."""
        ray, scorer = self._cluster.ray, self._scorer
        task = self._cluster.remote(searched, num_returns="streaming")
        about = {
            "similarity": "dot" if isinstance(scorer.documents, SparseRows) else scorer.teacher.similarity,
            "floor": scorer.floor,
            "max_memory": scorer.max_memory,
            "num_threads": self._threads,
        }
        asked = []
        for first, last in blocks:
            numbers = np.arange(first, last) if queries is None else queries[first:last]
            asked.append(ray.put(_taken(scorer.queries, numbers)))
        for shard, (start, stop) in enumerate(shards):
            documents = None
            for block, (first, last) in enumerate(blocks):
                documents = self._put(shard, start, stop) if documents is None else documents
                limits = None if ceiling is None else ceiling[first:last]
                left_out = within(rows_of(exclude, first, last), start, stop)
                given = (documents, asked[block], start, k, limits, left_out, about)
                yield (shard, block), partial(_started, task, bounds[block], *given)

    def _put(self, shard: int, start: int, stop: int) -> Any:
        if self._shards is not None and shard in self._shards:
            return self._shards[shard]
        documents = self._scorer.documents
        if isinstance(documents, SparseRows):
            part: Any = documents.take(np.arange(start, stop))
        else:
            part = documents[start:stop]
            part = np.asarray(part) if isinstance(part, np.memmap) else part
        reference = self._cluster.ray.put(part)
        if self._shards is not None:
            self._shards[shard] = reference
        return reference


def _started(task: Any, bounds: Arriving, *given: Any) -> Any:
    """A task that was told what is known by now."""
    return task.remote(bounds.reached(), *given)


def searched(
    reached: _Float32 | None,
    documents: Any,
    queries: Any,
    start: int,
    k: int,
    ceiling: _Float32 | None,
    exclude: Csr,
    about: dict[str, Any],
) -> Iterator[Any]:
    """What a task does: the candidates of some queries in one shard, by the numbers of the corpus, and their `heads`.

    What lies below `reached`, which the best k of other shards exceed, is left out.
    """
    yield BEGUN
    found = search_reaching(queries, documents, k, reached, ceiling=ceiling, exclude=exclude, **about)
    columns = {name: getattr(found, name) for name in found._columns()}
    yield Candidates._trusted({**columns, "ids": found.ids + start})
    yield heads(found, k)


def merged(k: int, *runs: Candidates) -> Candidates:
    """What a task does: the candidates in several shards as those in all of them."""
    return merge(runs, k=k, num_threads=1)


class _Tree:
    """The merges of what is found for one block of queries, whatever comes first."""

    def __init__(self, cluster: Cluster, count: int, k: int) -> None:
        self._k, self._waiting, self._left = k, list[Any](), count
        self._task = cluster.ray.remote(merged).options(num_cpus=min(1, cluster.asked["CPU"]), max_retries=5)

    def add(self, reference: Any) -> None:
        """What one shard gave."""
        self._waiting.append(reference)
        self._left -= 1
        while len(self._waiting) >= FAN_IN or (not self._left and len(self._waiting) > 1):
            some, self._waiting = self._waiting[:FAN_IN], self._waiting[FAN_IN:]
            self._waiting.append(self._task.remote(self._k, *some))

    def root(self) -> Any:
        """What all gave."""
        (reference,) = self._waiting
        return reference


def joined(runs: Sequence[Candidates]) -> Candidates:
    """The candidates of blocks of queries as those of all queries."""
    if len(runs) == 1:
        return runs[0]
    lengths = np.concatenate([run.lengths for run in runs])
    counts = {}
    for name in ("above_ceiling", "below_floor", "nan", "excluded"):
        counts[name] = np.concatenate([(run.reasons or {}).get(name, np.zeros(len(run), np.int64)) for run in runs])
    return Candidates._from_native(
        {
            "offsets": np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
            "ids": np.concatenate([run.ids for run in runs]),
            "scores": np.concatenate([run.scores for run in runs]),
            "above_ceiling": counts["above_ceiling"],
            "below_floor": counts["below_floor"],
            "nan": counts["nan"],
            "excluded": counts["excluded"],
        }
    )


def _length(rows: Any) -> int:
    return len(rows) if isinstance(rows, SparseRows) else int(rows.shape[0])


def _size(rows: Any) -> int:
    """Bytes of rows."""
    if isinstance(rows, SparseRows):
        return int(rows.offsets.nbytes + rows.terms.nbytes + rows.weights.nbytes)
    return int(rows.nbytes)


def _taken(rows: Any, numbers: _Int64) -> Any:
    return rows.take(numbers) if isinstance(rows, SparseRows) else rows[numbers]

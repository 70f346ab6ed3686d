"""What the shards that were searched say about the others: a score below which no document need be listed.

A shard tells a few of its scores, those at some ranks. They add up: where a shard's i-th one and another's j-th one are
at least t, so many documents reach t as both ranks say. Documents below a score that k others reach are not among the k
best of all, whichever shards told it, so what is known when a task starts changes its work and never the result.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from hardmine.distributed.cluster import Cluster
    from hardmine.nouns.candidates import Candidates

HEADS = 8
"""Scores that a shard tells of a query."""
_PATIENCE = 0.1
"""Seconds to wait for them on their way from another node: a task that knows less is no worse than one that waits."""

_Float32 = npt.NDArray[np.float32]


def ranks(k: int) -> npt.NDArray[np.int64]:
    """The ranks whose scores are told: as many parts of `k`, rounded up."""
    count = min(k, HEADS)
    return -(-np.arange(1, count + 1) * k // max(count, 1))


def heads(found: Candidates, k: int) -> _Float32:
    """The scores of every query at `ranks`, -inf behind the end of its list: float32 [num_queries, number of ranks]."""
    told = ranks(k)
    places = found.offsets[:-1, None] + told - 1
    scores = np.append(found.scores, np.float32(-np.inf))
    places[told > found.lengths[:, None]] = found.scores.size
    chosen: _Float32 = scores[places]
    return chosen


class Bounds:
    """What is known of one block of queries."""

    def __init__(self) -> None:
        self._best: _Float32 | None = None

    def add(self, told: _Float32) -> None:
        """The `heads` of one more shard."""
        some = told if self._best is None else np.concatenate([self._best, told], axis=1)
        self._best = np.sort(some, axis=1)[:, some.shape[1] - told.shape[1] :]

    def reached(self) -> _Float32 | None:
        """By query a score that k documents of the shards that were added reach, -inf where so many are not known.

        Of as many heads as a shard tells, the best of all shards, the last: i of one shard are at least i parts of k
        documents, and all of them together k.
        """
        if self._best is None or not self._best.shape[1]:
            return None
        return np.ascontiguousarray(self._best[:, 0])


class Arriving:
    """The bounds of a block whose `heads` come from tasks.

    Parameters
    ----------
    cluster : Cluster
    """

    def __init__(self, cluster: Cluster) -> None:
        self._ray, self._bounds, self._waiting = cluster.ray, Bounds(), list[Any]()

    def add(self, reference: Any) -> None:
        """What one more shard tells."""
        self._waiting.append(reference)

    def reached(self) -> _Float32 | None:
        """As `Bounds.reached`, of what has arrived."""
        ray = self._ray
        if self._waiting:
            arrived, self._waiting = ray.wait(self._waiting, num_returns=len(self._waiting), timeout=_PATIENCE)
            for reference in arrived:
                # What is lost says nothing; whether it is needed shows where the candidates of the task are.
                with suppress(ray.exceptions.RayError):
                    self._bounds.add(ray.get(reference))
        return self._bounds.reached()

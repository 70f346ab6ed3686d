"""Spherical k-means on top of exact search: clusters for in-batch masks, batches of one topic and hard centroids."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import arrays, checks
from hardmine.plumbing.arrays import widen
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.draw import sample_uniform_as
from hardmine.primitives.search.embeddings import BLOCK, checked, row_norms, unit
from hardmine.primitives.search.index import search

__all__ = ["Clusters", "OnlineClusters", "spherical_kmeans"]

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]


class Clusters:
    """Centroids, and to which of them vectors belong.

    Attributes
    ----------
    centroids : float32 [num_clusters, dimension]
        Unit vectors.
    assignments : int64 [n]
        Cluster of each vector that `spherical_kmeans` was given.
    iterations : int
        Rounds of assignment and update that were run.
    converged : bool
        Whether the last round moved no vector.
    """

    __slots__ = ("assignments", "centroids", "converged", "iterations")
    centroids: Float32Array
    assignments: Int64Array
    iterations: int
    converged: bool

    def __init__(
        self, centroids: Float32Array, assignments: Int64Array, *, iterations: int = 0, converged: bool = False
    ) -> None:
        array, kind = arrays.matrix("centroids", centroids)
        self.centroids = widen(array, kind)
        self.assignments = checks.int64_vector("assignments", assignments)
        if self.assignments.size and not 0 <= self.assignments.min() <= self.assignments.max() < len(self):
            raise ValueError(f"assignments: expected clusters from 0 to {len(self) - 1}")
        self.iterations = checks.integer("iterations", iterations)
        self.converged = checks.boolean("converged", converged)

    def assign(self, vectors: Any, *, num_threads: int | None = None) -> Int64Array:
        """The cluster of each vector: the most similar centroid by cosine, the lower one among equals.

        Parameters
        ----------
        vectors : float16 | bfloat16 | float32 [n, dimension]
            As in `search`; they need not be those that were clustered.
        num_threads : int, optional
            The result does not depend on it.

        Returns
        -------
        int64 [n]
        """
        return nearest(vectors, self.centroids, 1, num_threads)[:, 0]

    def second_nearest(self, vectors: Any, *, num_threads: int | None = None) -> Int64Array:
        """The second most similar centroid of each vector: ClusterNS's hard negative.

        Parameters
        ----------
        vectors, num_threads : float16 | bfloat16 | float32 [n, dimension], int
            As in `assign`.

        Returns
        -------
        int64 [n]

        Raises
        ------
        ValueError
            There is one cluster alone.
        """
        if len(self) < 2:
            raise ValueError(f"second_nearest: {len(self)} cluster, expected at least 2")
        return nearest(vectors, self.centroids, 2, num_threads)[:, 1]

    @property
    def sizes(self) -> Int64Array:
        """How many of the given vectors each cluster has, int64 [num_clusters]."""
        return np.bincount(self.assignments, minlength=len(self))

    def __len__(self) -> int:
        return int(self.centroids.shape[0])

    def __repr__(self) -> str:
        state = "converged" if self.converged else "not converged"
        return f"Clusters({len(self)} of {self.assignments.size} vectors, {state} after {self.iterations} iterations)"


@in_default_mode
def spherical_kmeans(
    vectors: Any,
    num_clusters: int,
    *,
    iterations: int = 25,
    init: str = "random",
    seed: int = 0,
    num_threads: int | None = None,
) -> Clusters:
    """Cluster vectors by direction: each centroid is the normalised sum of the unit vectors nearest to it.

    Parameters
    ----------
    vectors : float16 | bfloat16 | float32 [n, dimension]
        As in `search`; they need not be normalised. A zero vector is similar to nothing and goes to cluster 0.
    num_clusters : int
        1 to n.
    iterations : int
        Most rounds; fewer where no vector moves any more.
    init : {"random", "farthest"}
        First centroids: distinct vectors drawn at random, or one at random and then always the vector least similar to
        the last one chosen (ClusterNS).
    seed : int
        Names the draw of the first centroids.
    num_threads : int, optional
        Threads of the search; the result does not depend on them.

    Returns
    -------
    Clusters
        A cluster that loses its vectors is given the vector least similar to its own centroid, so none is empty (unless
        fewer distinct vectors than clusters exist).

    Raises
    ------
    TypeError, ValueError
        `vectors` is no matrix of floats or holds NaN or infinities, or a number is out of range.

    Notes
    -----
    Assignment is by the exact cosine of `search` (ties to the lower cluster), sums are float64 in the order of the
    vectors: the same bytes for any number of threads. Dhillon and Modha, Machine Learning 42 (2001).

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> vectors = np.array([[1, 0.1], [0.1, 1], [1, 0.2], [0, 1]], dtype=np.float32)
    >>> found = hm.spherical_kmeans(vectors, 2)
    >>> len(set(found.assignments[[0, 2]])), len(set(found.assignments[[1, 3]])), found.sizes.tolist()
    (1, 1, [2, 2])
    """
    array, kind = checked("vectors", vectors)
    num_vectors = int(array.shape[0])
    num_clusters = checks.integer("num_clusters", num_clusters, minimum=1)
    if num_clusters > num_vectors:
        raise ValueError(f"num_clusters: {num_clusters}, expected at most {num_vectors} (the number of vectors)")
    rounds = checks.integer("iterations", iterations, minimum=1)
    init = checks.choice("init", init, ("random", "farthest"))
    seed = checks.integer("seed", seed, maximum=2**64 - 1)
    threads = thread_count(num_threads)

    row_norms("vectors", (array, kind), threads)  # refuses what is not finite
    chosen = _first(vectors, num_vectors, num_clusters, init, "clusters", seed, threads)
    centroids = unit(widen(array[chosen], kind))
    assignments = np.full(num_vectors, -1, np.int64)
    done, converged = 0, False
    while done < rounds and not converged:
        found = search(vectors, centroids, 1, similarity="cosine", num_threads=threads)
        done += 1
        before, assignments = assignments, found.ids.copy()
        _fill_empty(assignments, found.scores, num_clusters)
        converged = bool(np.array_equal(before, assignments))
        if not converged:
            centroids = _means(array, kind, assignments, centroids)
    return Clusters(centroids, assignments, iterations=done, converged=converged)


class OnlineClusters:
    """ClusterNS's k-means inside training: centroids that follow the batches.

    Parameters
    ----------
    num_clusters : int
        At least 2, at most the batch size.
    rate : float
        Momentum update ``c <- rate * (sum of assigned vectors) + (1 - rate) * c``; 0 to 1. Clusters without a vector in
        the batch stay.
    start_cosine : float
        Clustering starts with the first batch whose mean cosine between samples is at most this: before, the
        embeddings have not spread.
    seed : int
        Names the first centroid.

    Attributes
    ----------
    centroids : float32 [num_clusters, dimension] or None
        None until clustering has started. Not normalised: assignment is by cosine.

    Notes
    -----
    Clustering-Aware Negative Sampling for Unsupervised Sentence Representation, arXiv 2305.09892. The first centroid is
    a random sample of the batch, each further one the sample least similar to the last chosen. The sum, not the mean,
    as in the authors' code: the step grows with the samples assigned.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> batch = np.eye(4, dtype=np.float32)
    >>> online = hm.OnlineClusters(2)
    >>> online.step(batch).tolist()
    [0, 1, 0, 0]
    >>> online.second_nearest(batch).tolist()
    [1, 0, 1, 1]
    """

    def __init__(self, num_clusters: int, *, rate: float = 1e-3, start_cosine: float = 0.4, seed: int = 0) -> None:
        self.num_clusters = checks.integer("num_clusters", num_clusters, minimum=2)
        self.rate = checks.real("rate", rate, minimum=0.0, maximum=1.0)
        self.start_cosine = checks.real("start_cosine", start_cosine, minimum=-1.0, maximum=1.0)
        self.seed = checks.integer("seed", seed, maximum=2**64 - 1)
        self.centroids: Float32Array | None = None

    @in_default_mode
    def step(self, batch: Any, *, num_threads: int | None = None) -> Int64Array | None:
        """Assign a batch, then move the centroids.

        Parameters
        ----------
        batch : float16 | bfloat16 | float32 [n, dimension]
            Embeddings, as in `search`.
        num_threads : int, optional
            The result does not depend on it.

        Returns
        -------
        int64 [n] or None
            The cluster of each sample under the centroids before the move; None while clustering has not started.

        Raises
        ------
        ValueError
            The batch is smaller than the number of clusters when clustering would start, or of another dimension.
        """
        array, kind = checked("batch", batch)
        row_norms("batch", (array, kind), thread_count(num_threads))  # refuses what is not finite
        wide = widen(array, kind)
        if self.centroids is None:
            if wide.shape[0] < 2 or _mean_cosine(wide) > self.start_cosine:
                return None
            if wide.shape[0] < self.num_clusters:
                raise ValueError(f"batch: {wide.shape[0]} samples, expected at least {self.num_clusters} to start with")
            threads = thread_count(num_threads)
            chosen = _first(wide, wide.shape[0], self.num_clusters, "farthest", "online_clusters", self.seed, threads)
            self.centroids = wide[chosen].copy()
        elif wide.shape[1] != self.centroids.shape[1]:
            raise ValueError(f"batch: dimension {wide.shape[1]}, expected {self.centroids.shape[1]} as before")
        found = nearest(wide, self.centroids, 1, num_threads)[:, 0]
        sums = _sums(wide, "f32", found, self.num_clusters, normalise=False)
        moved = np.bincount(found, minlength=self.num_clusters) > 0
        after = self.rate * sums + (1.0 - self.rate) * self.centroids.astype(np.float64)
        self.centroids = np.where(moved[:, None], after, self.centroids).astype(np.float32)
        return found

    def second_nearest(self, batch: Any, *, num_threads: int | None = None) -> Int64Array:
        """The second most similar centroid of each sample: its hard negative.

        Parameters
        ----------
        batch, num_threads : float16 | bfloat16 | float32 [n, dimension], int
            As in `step`; the centroids stay where they are.

        Returns
        -------
        int64 [n]

        Raises
        ------
        ValueError
            Clustering has not started.
        """
        if self.centroids is None:
            raise ValueError("second_nearest: clustering has not started; step() returns None until then")
        return nearest(batch, self.centroids, 2, num_threads)[:, 1]


def nearest(vectors: Any, centroids: Float32Array, k: int, num_threads: int | None) -> Int64Array:
    """The k most similar centroids of each vector, int64 [n, k], best first, ties to the lower one."""
    found = search(vectors, centroids, k, similarity="cosine", num_threads=thread_count(num_threads))
    ids: Int64Array = found.ids.reshape(-1, k)
    return ids


def _first(
    vectors: Any, num_vectors: int, num_clusters: int, init: str, domain: str, seed: int, threads: int
) -> Int64Array:
    """Vectors to start from, drawn in the domain of noise of the function that asks."""
    if init == "random":
        drawn: Int64Array = sample_uniform_as(domain, 1, num_clusters, num_vectors, seed=seed, num_threads=threads)[0]
        return drawn
    chosen = [int(sample_uniform_as(domain, 1, 1, num_vectors, seed=seed, num_threads=threads)[0, 0])]
    array, kind = arrays.matrix("vectors", vectors)
    directions = unit(widen(array, kind))
    free = np.ones(num_vectors, np.bool_)
    while len(chosen) < num_clusters:
        free[chosen[-1]] = False
        similar = np.where(free, directions @ directions[chosen[-1]], np.inf)
        chosen.append(int(similar.argmin()))
    return np.array(chosen, np.int64)


def _fill_empty(assignments: Int64Array, similarities: Float32Array, num_clusters: int) -> None:
    """Give every empty cluster the vector least similar to its centroid, out of clusters that have several."""
    counts = np.bincount(assignments, minlength=num_clusters)
    empty = np.flatnonzero(counts == 0)
    if not empty.size:
        return
    candidates = iter(np.argsort(similarities, kind="stable").tolist())
    for cluster in empty.tolist():
        for vector in candidates:
            if counts[assignments[vector]] > 1:
                counts[assignments[vector]] -= 1
                assignments[vector] = cluster
                break


def _means(array: Any, kind: str, assignments: Int64Array, before: Float32Array) -> Float32Array:
    """Unit vectors along the sums of the unit vectors of each cluster; where the sum is zero, as before."""
    sums = _sums(array, kind, assignments, before.shape[0], normalise=True)
    lengths = np.sqrt((sums * sums).sum(axis=1, keepdims=True))
    means: Float32Array = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1.0), before).astype(np.float32)
    return means


def _sums(array: Any, kind: str, assignments: Int64Array, num_clusters: int, *, normalise: bool) -> npt.NDArray[Any]:
    """float64 sums by cluster, in the order of the vectors."""
    sums = np.zeros((num_clusters, array.shape[1]), np.float64)
    order = np.argsort(assignments, kind="stable")
    for start in range(0, order.size, BLOCK):
        rows = order[start : start + BLOCK]
        clusters = assignments[rows]
        wide = widen(array[rows], kind)
        wide = unit(wide) if normalise else wide
        starts = np.flatnonzero(np.r_[True, clusters[1:] != clusters[:-1]])
        sums[clusters[starts]] += np.add.reduceat(wide.astype(np.float64), starts, axis=0)
    return sums


def _mean_cosine(vectors: Float32Array) -> float:
    """Mean cosine between different samples."""
    count = vectors.shape[0]
    total = unit(vectors).astype(np.float64).sum(axis=0)
    return float((total @ total - count) / (count * (count - 1)))

"""Which items make a batch: no two of the same text, or all of one cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hardmine.data.dataset import NegativeDataset
from hardmine.plumbing import arrays, checks

__all__ = ["NoDuplicatesBatchSampler", "SameClusterBatchSampler"]

_Ints = npt.NDArray[np.int64]


class _Planned(torch.utils.data.Sampler[list[int]], ABC):  # type: ignore[misc]
    """Batches of an epoch, planned at once: the same plan on every rank, of which each takes its share."""

    _word: int
    """In the generator's seed, so that two samplers under one seed shuffle apart; a stream of items has 2."""

    def __init__(
        self, dataset: NegativeDataset, batch_size: int, *, seed: int, drop_last: bool, num_replicas: int, rank: int
    ) -> None:
        if not isinstance(dataset, NegativeDataset):
            raise TypeError(f"dataset: {type(dataset).__name__}, expected a NegativeDataset")
        self.dataset = dataset
        self.batch_size = checks.integer("batch_size", batch_size, minimum=1)
        self.seed = checks.integer("seed", seed, maximum=2**64 - 1)
        self.drop_last = checks.boolean("drop_last", drop_last)
        self.num_replicas = checks.integer("num_replicas", num_replicas, minimum=1)
        self.rank = checks.integer("rank", rank, maximum=self.num_replicas - 1)
        self.epoch = 0
        self._made: tuple[int, list[_Ints]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Another plan; to be called before each epoch beside `NegativeDataset.set_epoch`, with the same number.

        Parameters
        ----------
        epoch : int
            At least 0.
        """
        self.epoch = checks.integer("epoch", epoch)

    @abstractmethod
    def _plan(self, rng: np.random.Generator) -> list[_Ints]:
        """All batches of an epoch."""

    def _batches(self) -> list[_Ints]:
        if self._made is None or self._made[0] != self.epoch:
            plan = self._plan(np.random.default_rng([self.seed, self.epoch, self._word]))
            if self.drop_last:
                plan = [batch for batch in plan if batch.size == self.batch_size]
                plan = plan[: len(plan) - len(plan) % self.num_replicas]
            elif plan:
                # Every rank has to take as many steps: the first batches come again.
                plan += [plan[at % len(plan)] for at in range(-len(plan) % self.num_replicas)]
            self._made = self.epoch, plan[self.rank :: self.num_replicas]
        return self._made[1]

    def __len__(self) -> int:
        return len(self._batches())

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self._batches())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.dataset)} items, batches of {self.batch_size}, epoch {self.epoch})"


class NoDuplicatesBatchSampler(_Planned):
    """Batches in which no query, positive document or positive's text occurs twice.

    What serves one item as positive is then never another one's in-batch negative.

    Parameters
    ----------
    dataset : NegativeDataset
    batch_size : int
        Items of a batch, on each rank.
    seed : int
        Names the shuffles.
    drop_last : bool
        Leave out the batches that stay short. Else every item is in exactly one batch; where few different texts are
        left at the end, batches are short.
    num_replicas, rank : int
        Ranks of a distributed run, and this one. All of them get as many batches: without `drop_last` the first batches
        come twice where the number is uneven.

    Raises
    ------
    TypeError, ValueError
        A parameter is wrong.

    Notes
    -----
    A function of (seed, epoch) and of which positives the dataset shows in the epoch. ``len`` may differ between epochs
    where positives are sampled. Equal texts are those of one text group.

    Examples
    --------
    >>> import hardmine as hm
    >>> texts = ["red", "rot", "blue"], ["a colour", "the sky", "rust"]
    >>> run = hm.Candidates([0, 1, 2, 3], [2, 2, 2], [0.5, 0.5, 0.5])
    >>> labels = hm.Positives.from_lists([[0], [0], [1]])
    >>> rule = hm.Selection(1, ceiling=hm.NoCeiling())
    >>> dataset = hm.data.NegativeDataset(texts, run, rule, positives=labels)
    >>> sampler = hm.data.NoDuplicatesBatchSampler(dataset, 2)
    >>> sorted(len({dataset[i]["positive"] for i in batch}) for batch in sampler)  # "red" and "rot" never meet
    [1, 2]
    """

    _word = 0

    def __init__(
        self,
        dataset: NegativeDataset,
        batch_size: int,
        *,
        seed: int = 0,
        drop_last: bool = False,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        super().__init__(dataset, batch_size, seed=seed, drop_last=drop_last, num_replicas=num_replicas, rank=rank)

    def _plan(self, rng: np.random.Generator) -> list[_Ints]:
        queries, _, groups = self.dataset.shown(self.epoch)
        order = rng.permutation(queries.size)
        # Each item goes into the first batch with room behind the last one that has its query or text.
        after_query, after_group = [0] * (int(queries.max(initial=-1)) + 1), dict.fromkeys(groups.tolist(), 0)
        batches: list[list[int]] = []
        room: list[int] = []  # batch -> a later or equal one that may have room, shortened as it is walked
        for item, query, group in zip(order.tolist(), queries[order].tolist(), groups[order].tolist(), strict=True):
            at = max(after_query[query], after_group[group])
            path = []
            while at < len(batches) and room[at] != at:
                path.append(at)
                at = room[at]
            for passed in path:
                room[passed] = at
            while at >= len(batches):
                room.append(len(batches))
                batches.append([])
            batches[at].append(item)
            if len(batches[at]) == self.batch_size:
                room[at] = at + 1
            after_query[query] = after_group[group] = at + 1
        return [np.array(batch, np.int64) for batch in batches if batch]


class SameClusterBatchSampler(_Planned):
    """Batches of items whose queries lie in one cluster: what is near in the corpus is then hard in the batch.

    Parameters
    ----------
    dataset : NegativeDataset
    batch_size : int
        Items of a batch, on each rank.
    clusters : int64 [num_queries] or sequence of str
        Cluster, topic or source of each query of the dataset's run, for instance
        ``hm.spherical_kmeans(query_embeddings, 1000).assignments``; -1 is none.
    seed, drop_last, num_replicas, rank
        As for `NoDuplicatesBatchSampler`.

    Raises
    ------
    TypeError, ValueError
        A parameter is wrong.

    Notes
    -----
    Clusters are cut into whole batches; what is left of them, and the items without a cluster, fill the last batches,
    each cluster's together. The order of the batches is shuffled. A function of (seed, epoch). Mask what answers the
    same question with ``in_batch_mask``. TAS-B (arXiv 2104.06967), NGAME (arXiv 2207.06940).

    Examples
    --------
    >>> import hardmine as hm
    >>> texts = ["red", "blue", "cat", "dog"], ["colour", "pet", "rust"]
    >>> run = hm.Candidates([0, 1, 2, 3, 4], [2, 2, 2, 2], [0.5, 0.5, 0.5, 0.5])
    >>> labels = hm.Positives.from_lists([[0], [0], [1], [1]])
    >>> rule = hm.Selection(1, ceiling=hm.NoCeiling())
    >>> dataset = hm.data.NegativeDataset(texts, run, rule, positives=labels)
    >>> sorted(sorted(batch) for batch in hm.data.SameClusterBatchSampler(dataset, 2, [0, 0, 1, 1]))
    [[0, 1], [2, 3]]
    """

    _word = 1

    def __init__(
        self,
        dataset: NegativeDataset,
        batch_size: int,
        clusters: Any,
        *,
        seed: int = 0,
        drop_last: bool = False,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        super().__init__(dataset, batch_size, seed=seed, drop_last=drop_last, num_replicas=num_replicas, rank=rank)
        self.clusters = arrays.labels("clusters", clusters, dataset.num_queries)

    def _plan(self, rng: np.random.Generator) -> list[_Ints]:
        clusters = self.clusters[self.dataset.shown(self.epoch)[0]]
        # Clusters in a shuffled order, too: leftovers of the same clusters would else meet in every epoch.
        names, numbers = np.unique(clusters, return_inverse=True)
        rank = rng.permutation(names.size)[numbers]
        order = np.lexsort((rng.permutation(clusters.size), rank))
        ordered = rank[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if ordered.size else np.empty(0, np.int64)
        counts = np.diff(np.r_[starts, ordered.size])
        within = np.arange(ordered.size) - np.repeat(starts, counts)
        whole = within < np.repeat(counts - counts % self.batch_size, counts)
        whole &= clusters[order] >= 0
        batches = list(order[whole].reshape(-1, self.batch_size))
        left = order[~whole]
        batches += [left[start : start + self.batch_size] for start in range(0, left.size, self.batch_size)]
        return [batches[at] for at in rng.permutation(len(batches))]

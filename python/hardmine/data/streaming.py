"""The items of a `NegativeDataset` as a stream: one pass an epoch, shared out over ranks and workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from hardmine.data.batch import NegativeBatch
from hardmine.data.dataset import NegativeDataset
from hardmine.plumbing import checks

__all__ = ["StreamingNegativeDataset"]

_BLOCK = 256
"""Items drawn by one call where they are handed out singly."""


class StreamingNegativeDataset(torch.utils.data.IterableDataset[Any]):  # type: ignore[misc]
    """Iterate over the items of a dataset; the draws are those of the dataset itself.

    Parameters
    ----------
    dataset : NegativeDataset
        Load it from a file, so that workers map it.
    batch_size : int, optional
        Give whole `NegativeBatch` es of as many items, for ``DataLoader(..., batch_size=None)`` with a
        `HardNegativeCollator`: the fastest way. Default: single items.
    shuffle : bool
        Another order every epoch.
    seed : int
        Names the orders.
    num_replicas, rank : int
        Ranks of a distributed run, and this one.

    Raises
    ------
    TypeError, ValueError
        A parameter is wrong.

    Notes
    -----
    Every item comes once an epoch, on one rank and in one worker. Ranks differ by one item at most; workers of one
    rank, which cut their own batches, by one item and one short batch each. The order is a function of (seed, epoch),
    the rank and the number of workers.

    `state_dict` and `load_state_dict` say how far this copy of the dataset has come: a loader that keeps the state of
    its workers resumes in the middle of an epoch.

    Examples
    --------
    >>> import hardmine as hm
    >>> texts = ["red", "blue", "cat"], ["colour", "pet", "rust"]
    >>> run = hm.Candidates([0, 1, 2, 3], [2, 2, 2], [0.5, 0.5, 0.5])
    >>> labels = hm.Positives.from_lists([[0], [0], [1]])
    >>> dataset = hm.data.NegativeDataset(texts, run, hm.Selection(1, ceiling=hm.NoCeiling()), positives=labels)
    >>> stream = hm.data.StreamingNegativeDataset(dataset, shuffle=True)
    >>> sorted(item["query"] for item in stream)
    ['blue', 'cat', 'red']
    """

    def __init__(
        self,
        dataset: NegativeDataset,
        *,
        batch_size: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        if not isinstance(dataset, NegativeDataset):
            raise TypeError(f"dataset: {type(dataset).__name__}, expected a NegativeDataset")
        self.dataset = dataset
        self.batch_size = None if batch_size is None else checks.integer("batch_size", batch_size, minimum=1)
        self.shuffle = checks.boolean("shuffle", shuffle)
        self.seed = checks.integer("seed", seed, maximum=2**64 - 1)
        self.num_replicas = checks.integer("num_replicas", num_replicas, minimum=1)
        self.rank = checks.integer("rank", rank, maximum=self.num_replicas - 1)
        # An epoch and how many items of it were handed out: the copies of persistent workers learn of a new epoch by
        # the dataset's alone.
        self._done = self.dataset.epoch, 0
        self._resume: tuple[int, int] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Fresh draws and, with `shuffle`, another order, from the first item on; every worker sees it.

        Parameters
        ----------
        epoch : int
            At least 0. The epoch of a state that was just loaded goes on where the state was taken.
        """
        self.dataset.set_epoch(epoch)
        if self._resume is None or self._resume[0] != self.dataset.epoch:
            self._resume = None
            self._done = self.dataset.epoch, 0

    def __iter__(self) -> Iterator[dict[str, Any]] | Iterator[NegativeBatch]:
        """Items, or batches, of this rank and worker."""
        epoch = self.dataset.epoch
        order = np.arange(len(self.dataset))
        if self.shuffle:
            # The last word keeps it apart from the orders of the batch samplers, which have 0 and 1.
            order = np.random.default_rng([self.seed, epoch, 2]).permutation(order.size)
        order = order[self.rank :: self.num_replicas]
        worker = torch.utils.data.get_worker_info()
        if worker is not None:
            order = order[worker.id :: worker.num_workers]
        resume, self._resume = self._resume, None
        start = resume[1] if resume is not None and resume[0] == epoch else 0
        self._done = epoch, start
        return self._items(order, epoch, start) if self.batch_size is None else self._batches(order, epoch, start)

    def _items(self, order: Any, epoch: int, start: int) -> Iterator[dict[str, Any]]:
        for first in range(start, order.size, _BLOCK):
            for place, item in enumerate(self.dataset.__getitems__(order[first : first + _BLOCK]), start=first):
                self._done = epoch, place + 1
                yield item

    def _batches(self, order: Any, epoch: int, start: int) -> Iterator[NegativeBatch]:
        assert self.batch_size is not None  # noqa: S101
        for first in range(start, order.size, self.batch_size):
            batch = self.dataset.__getitems__(order[first : first + self.batch_size])
            self._done = epoch, first + len(batch)
            yield batch

    def _num_items(self) -> int:
        return len(range(self.rank, len(self.dataset), self.num_replicas))

    def __len__(self) -> int:
        """Items, or without workers batches, of this rank."""
        items = self._num_items()
        return items if self.batch_size is None else -(-items // self.batch_size)

    def state_dict(self) -> dict[str, int]:
        """Epoch, and how many items of it this copy has handed out: 0 from `set_epoch` to the first item."""
        epoch = self.dataset.epoch
        return {"epoch": epoch, "done": self._done[1] if self._done[0] == epoch else 0}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """The next pass goes on where `state_dict` was taken, with the same number of ranks and workers.

        Nothing is left of an epoch whose last item was handed out; `set_epoch` with the next one gives all of it.

        Parameters
        ----------
        state : mapping
            What `state_dict` gave.

        Raises
        ------
        TypeError, ValueError
            Not what `state_dict` gives, or of more items than there are.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state: {type(state).__name__}, expected the mapping that state_dict gives")
        missing = {"epoch", "done"} - set(state)
        if missing:
            raise ValueError(f"state: no {min(missing)!r}, expected what state_dict gives")
        epoch = checks.integer("epoch", state["epoch"])
        done = checks.integer("done", state["done"], maximum=self._num_items())
        self.dataset.set_epoch(epoch)
        self._resume = self._done = epoch, done

    def __repr__(self) -> str:
        return f"StreamingNegativeDataset({self.dataset!r})"

"""Negatives mined against the model in training: fresh query vectors over an index that is frozen or refreshed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine import _checks, _labels, _native
from hardmine._checks import Float32Array, Int64Array
from hardmine._extras import need
from hardmine.candidates import Candidates, Negatives, Positives
from hardmine.draw import sample_uniform
from hardmine.search import ExactIndex
from hardmine.select import select
from hardmine.selection import Selection

__all__ = ["DynamicLists", "DynamicMiner"]


@dataclass(frozen=True, eq=False)
class DynamicLists:
    """What a step retrieved, as rectangles for a listwise loss: ``adore(scores, relevant, mask=padding, ranks=ranks)``.

    Attributes
    ----------
    ids : int64 [b, w]
        Documents, best first, then the positives that were not retrieved; -1 behind the end of a row.
    scores : float32 [b, w]
        -inf behind the end.
    ranks : int64 [b, w]
        1-based; positives that were not retrieved come from k + 1 on. 1 behind the end.
    relevant : bool [b, w]
        Labelled positives of the query.
    padding : bool [b, w]
        True behind the end of a row.
    """

    ids: Int64Array
    scores: Float32Array
    ranks: Int64Array
    relevant: npt.NDArray[np.bool_]
    padding: npt.NDArray[np.bool_]

    def torch(self) -> DynamicLists:
        """The same as tensors that share the memory."""
        torch = need("torch", what="DynamicLists.torch", extra="torch")
        return DynamicLists(*(torch.from_numpy(getattr(self, name)) for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    def __repr__(self) -> str:
        rows, width = self.ids.shape
        return f"DynamicLists({rows} queries, up to {width} documents)"


class DynamicMiner:
    """Search the documents with the query vectors of the step: lists to rank, negatives, or the hardest of a sample.

    Parameters
    ----------
    documents : float16 | bfloat16 | float32 [d, h] or ExactIndex
        Embeddings, frozen until `refresh`. Kept by reference.
    positives : Positives
        Labelled positives of every query of the collection.
    selection : Selection, optional
        What `negatives` selects, and how it draws.
    k : int
        How deep to search; ADORE takes 200.
    similarity : {"dot", "cosine"}
        Of an index made here; an `ExactIndex` brings its own.
    exclude : (offsets, ids) or sequence of id sequences, optional
        Further documents that are never returned, per query of the collection.
    refresh_every : int, optional
        For `due`.
    seed : int
        Names the samples of `dns`; `negatives` takes the selection's.
    num_threads : int, optional
        The results do not depend on it.

    Notes
    -----
    ADORE (arXiv 2104.08051) trains the query side against an index that stays; ANCE (arXiv 2007.00808) and SimANS
    (arXiv 2210.11773) encode the documents anew every few thousand steps: `refresh_async` does so beside the training.
    What a query gets depends on its vector, its number, the index and the epoch: not on the batch it comes in.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> documents = np.array([[1, 0], [0.9, 0.1], [0.5, 0.5], [0, 1]], dtype=np.float32)
    >>> miner = hm.DynamicMiner(documents, hm.Positives.from_lists([[0], [3]]), hm.strategies.naive_top_k(1), k=2)
    >>> vectors = np.array([[0, 1]], dtype=np.float32)  # the model now takes query 0 for something else
    >>> lists = miner.lists(vectors, [0])
    >>> lists.ids.tolist(), lists.ranks.tolist(), lists.relevant.tolist()
    ([[3, 2, 0]], [[1, 2, 3]], [[False, False, True]])
    >>> miner.negatives(vectors, [0])[0].ids.tolist()
    [3]
    >>> miner.dns(vectors, [0], num_samples=3).tolist()
    [[3]]
    """

    def __init__(
        self,
        documents: Any,
        positives: Positives,
        selection: Selection | None = None,
        *,
        k: int = 200,
        similarity: str = "dot",
        exclude: Any = None,
        refresh_every: int | None = None,
        seed: int = 0,
        num_threads: int | None = None,
    ) -> None:
        if not isinstance(positives, Positives):
            raise TypeError(f"positives: {type(positives).__name__}, expected Positives")
        if selection is not None and not isinstance(selection, Selection):
            raise TypeError(
                f"selection: {type(selection).__name__}, expected a Selection (or a recipe of hm.strategies)"
            )
        self._similarity = _checks.choice("similarity", similarity, ("dot", "cosine"))
        self._threads = None if num_threads is None else _checks.num_threads(num_threads)
        self._index = self._made(documents)
        self._positives, self._selection = positives, selection
        self.k = _checks.integer("k", k, minimum=1)
        self.seed = _checks.integer("seed", seed, maximum=2**64 - 1)
        self.refresh_every = (
            None if refresh_every is None else _checks.integer("refresh_every", refresh_every, minimum=1)
        )
        if positives.ids.size and int(positives.ids.max()) >= len(self._index):
            raise ValueError(f"positives: id {int(positives.ids.max())}, expected below {len(self._index)} documents")
        banned = _checks.csr("exclude", exclude, len(positives))
        none = _checks.per_query("ceiling", None, len(positives)), _checks.per_query("floor", None, len(positives))
        _native.check_limits((*none, banned, False), len(positives), len(self._index))
        self._exclude = None if banned is None else Positives._trusted(*banned, None)
        self.version = 0
        """How often the index was replaced."""
        self._job: _Job | None = None

    # Mining

    def lists(self, query_vectors: Any, query_ids: Any) -> DynamicLists:
        """The k best documents of each query, its positives among them or appended: what ADORE learns from.

        Parameters
        ----------
        query_vectors : float16 | bfloat16 | float32 [b, h]
            Of the model as it is now; NumPy array or torch tensor on any device. Gradients are not followed: compute
            the scores of the ids again inside the graph.
        query_ids : int64 [b]
            Which queries of the collection.

        Returns
        -------
        DynamicLists

        Raises
        ------
        TypeError, ValueError
            Wrong dtype, dimension or length; NaN or infinities; a query that is not there.
        RuntimeError
            An asynchronous refresh has failed since.
        """
        vectors, queries = self._step(query_vectors, query_ids)
        found, banned = self._found(vectors, queries)
        ids, scores = found.padded()
        labels = self._positives.take(queries)
        rows = labels.query_of_each
        retrieved = self._keys(found._row_of_each(), found.ids)
        known = self._keys(rows, labels.ids)
        missing = ~np.isin(known, retrieved)
        if banned is not None:
            missing &= ~np.isin(known, self._keys(banned.query_of_each, banned.ids))
        width, more = ids.shape[1], np.bincount(rows[missing], minlength=len(queries))
        shape = (len(queries), width + int(more.max(initial=0)))
        place = width + np.arange(int(missing.sum())) - np.repeat(np.cumsum(more) - more, more)
        wide_ids, wide_scores = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
        wide_ids[:, :width], wide_scores[:, :width] = ids, scores
        wide_ids[rows[missing], place] = labels.ids[missing]
        wide_scores[rows[missing], place] = self._pairs(vectors, rows[missing], labels.ids[missing])
        ranks = np.broadcast_to(np.arange(1, shape[1] + 1), shape).copy()
        ranks[:, width:] += self.k - width
        padding = wide_ids < 0
        ranks[padding] = 1
        relevant = np.isin(self._keys(np.arange(len(queries))[:, None], wide_ids), known) & ~padding
        return DynamicLists(wide_ids, wide_scores, ranks, relevant, padding)

    def negatives(self, query_vectors: Any, query_ids: Any, *, epoch: int = 0) -> Negatives:
        """Select negatives of each query from what its vector finds now; the positives' scores are computed now too.

        Parameters
        ----------
        query_vectors, query_ids
            As for `lists`.
        epoch : int
            Names the draws: give the step for fresh ones.

        Returns
        -------
        Negatives
            A row for each query, in the order given (for each of its positives under ``positive_agg="each"``).

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As for `lists`, and as `select`; the miner was made without a selection.
        """
        if self._selection is None:
            raise ValueError("negatives: the miner was made without a selection")
        vectors, queries = self._step(query_vectors, query_ids)
        found, banned = self._found(vectors, queries)
        labels = self._positives.take(queries)
        scored = Positives(labels.offsets, labels.ids, self._pairs(vectors, labels.query_of_each, labels.ids))
        return select(
            found,
            scored,
            self._selection,
            epoch=epoch,
            query_keys=queries,
            exclude=None if banned is None else (banned.offsets, banned.ids),
            num_threads=self._threads,
        )

    def dns(
        self, query_vectors: Any, query_ids: Any, *, num_samples: int, num_negatives: int = 1, epoch: int = 0
    ) -> Int64Array:
        """The hardest of a uniform sample: dynamic negative sampling, DNS(M).

        Parameters
        ----------
        query_vectors, query_ids
            As for `lists`.
        num_samples : int
            M: distinct documents that are no positives of the query.
        num_negatives : int
            How many of them, the most similar first, the lower id among equals.
        epoch : int
            Names the sample: give the step for a fresh one.

        Returns
        -------
        int64 [b, num_negatives]
            -1 where there are fewer.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As for `lists`.

        Notes
        -----
        Zhang et al., Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling, SIGIR 2013.
        """
        samples = _checks.integer("num_samples", num_samples, minimum=1)
        wanted = _checks.integer("num_negatives", num_negatives, minimum=1, maximum=samples)
        vectors, queries = self._step(query_vectors, query_ids)
        drawn = sample_uniform(
            len(queries),
            samples,
            len(self._index),
            exclude=self._never(queries),
            seed=self.seed,
            epoch=epoch,
            row_keys=queries,
            num_threads=self._threads,
        )
        drawn = np.sort(drawn, axis=1)
        there = drawn >= 0
        scores = np.full(drawn.shape, -np.inf, np.float32)
        scores[there] = self._pairs(vectors, np.nonzero(there)[0], drawn[there])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :wanted]
        found: Int64Array = np.take_along_axis(drawn, best, axis=1)
        return found

    # Refreshing

    def due(self, step: int) -> bool:
        """Whether a refresh is due at this step: every `refresh_every` steps, never at 0."""
        step = _checks.integer("step", step)
        return self.refresh_every is not None and step > 0 and step % self.refresh_every == 0

    def refresh(self, documents: Any) -> None:
        """Replace the documents' embeddings at once.

        Raises
        ------
        TypeError, ValueError
            They are no embeddings, or of another number or dimension. The old ones stay.
        """
        index = self._made(documents)
        found, wanted = ((len(each), each.dimension) for each in (index, self._index))
        if found != wanted:
            raise ValueError(f"documents: shape {found}, expected {wanted} as before")
        self._index = index
        self.version += 1

    def refresh_async(self, encode: Callable[[], Any]) -> None:
        """Run `encode` on a thread of its own; `poll` or `wait` put what it returns in place.

        Parameters
        ----------
        encode : callable
            Without arguments; returns what `refresh` takes. It must work on a copy of the model, which trains on.

        Raises
        ------
        RuntimeError
            One is running or waiting to be polled.
        """
        if not callable(encode):
            raise TypeError(f"encode: {type(encode).__name__}, expected a callable")
        if self._job is not None:
            raise RuntimeError("refresh_async: a refresh is under way; poll() or wait() for it first")
        self._job = _Job(encode)

    def poll(self) -> bool:
        """Put a finished refresh in place; whether there was one.

        Raises
        ------
        RuntimeError
            The refresh failed, with its error as the cause; said once, and the old documents stay.
        """
        if self._job is None or self._job.thread.is_alive():
            return False
        job, self._job = self._job, None
        job.thread.join()
        try:
            if job.error is not None:
                raise job.error
            self.refresh(job.result)
        except BaseException as error:
            raise RuntimeError(f"refresh: {type(error).__name__}: {error}; the old documents stay in use") from error
        return True

    def wait(self) -> bool:
        """As `poll`, once the refresh under way has ended."""
        if self._job is not None:
            self._job.thread.join()
        return self.poll()

    # Pieces

    def _made(self, documents: Any) -> ExactIndex:
        if isinstance(documents, ExactIndex):
            return documents
        tensor = _labels.tensor(documents)
        return ExactIndex(
            documents if tensor is None else tensor.cpu(), similarity=self._similarity, num_threads=self._threads
        )

    def _step(self, query_vectors: Any, query_ids: Any) -> tuple[Any, Int64Array]:
        """What every call begins with: the failure of a refresh, if there is one, and the queries checked."""
        if self._job is not None and not self._job.thread.is_alive() and self._job.error is not None:
            self.poll()
        tensor = _labels.tensor(query_vectors)
        vectors = _checks.matrix("query_vectors", query_vectors if tensor is None else tensor.cpu())[0]
        queries = _checks.int64_vector("query_ids", _labels.host(query_ids), length=len(vectors))
        if queries.size and not 0 <= queries.min() <= queries.max() < len(self._positives):
            raise ValueError(f"query_ids: expected queries from 0 to {len(self._positives) - 1}")
        return (query_vectors if tensor is None else tensor.cpu()), queries

    def _found(self, vectors: Any, queries: Int64Array) -> tuple[Candidates, Positives | None]:
        banned = None if self._exclude is None else self._exclude.take(queries)
        exclude = None if banned is None else (banned.offsets, banned.ids)
        return self._index.search(vectors, self.k, exclude=exclude, num_threads=self._threads), banned

    def _pairs(self, vectors: Any, rows: Int64Array, ids: Int64Array) -> Float32Array:
        return self._index.pair_scores(vectors, rows, ids, num_threads=self._threads)

    def _never(self, queries: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Positives and excluded documents of each query, ascending, once."""
        parts = [self._positives.take(queries)]
        if self._exclude is not None:
            parts.append(self._exclude.take(queries))
        keys = np.unique(np.concatenate([self._keys(part.query_of_each, part.ids) for part in parts]))
        rows, ids = np.divmod(keys, len(self._index))
        return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(queries)))]), ids

    def _keys(self, rows: Int64Array, ids: Int64Array) -> Int64Array:
        """One number for each (row, document)."""
        return rows * len(self._index) + ids

    def __repr__(self) -> str:
        return f"DynamicMiner({len(self._positives)} queries, {self._index!r}, k = {self.k}, version {self.version})"


class _Job:
    """A call on a thread that does not keep the interpreter from ending."""

    def __init__(self, encode: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(encode,), name="hardmine-refresh", daemon=True)
        self.thread.start()

    def _run(self, encode: Callable[[], Any]) -> None:
        try:
            self.result = encode()
        except BaseException as error:
            self.error = error

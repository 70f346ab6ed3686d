"""Negatives mined inside training: an exact index searched with fresh query vectors, and refreshed now and then."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import take_rows
from hardmine.nouns.negatives import Negatives
from hardmine.nouns.positives import Positives
from hardmine.plumbing import arrays, checks, extras, ragged
from hardmine.plumbing.checks import Int64Array
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.draw import sample_uniform_as
from hardmine.primitives.limits import Limits, refuse_misfits
from hardmine.primitives.near import refuse_near
from hardmine.primitives.search import embeddings
from hardmine.primitives.search.index import ExactIndex
from hardmine.primitives.select import select
from hardmine.primitives.teacher_ceilings import refuse_teachers
from hardmine.rules.draws import Draw, Weighted, Wrapping
from hardmine.rules.selection import Selection

__all__ = ["DynamicLists", "DynamicMiner"]

_Csr = tuple[Int64Array, Int64Array]


@dataclasses.dataclass(frozen=True, eq=False)
class DynamicLists:
    """Retrieved lists with labels, as a rectangle: what `hardmine.losses.adore` takes.

    Made by `DynamicMiner.lists`. A list has the retrieved documents first, best first, then the positives that were not
    retrieved.

    Attributes
    ----------
    ids : int64 [b, w]
        Documents; -1 is padding.
    scores : float32 [b, w]
        Exact scores; -inf is padding. They carry no gradient: compute them again from the vectors of `ids`.
    ranks : int64 [b, w]
        1-based; 0 is padding.
    relevant : bool [b, w]
        Labelled positives of the query.
    mask : bool [b, w]
        True = padding, as in every loss.

    Examples
    --------
    >>> import numpy as np, torch, hardmine as hm
    >>> documents = np.array([[3, 0], [2, 0], [1, 0], [0, 1]], np.float32)
    >>> miner = hm.DynamicMiner(documents, hm.Positives.from_lists([[1], [2]]), k=2)
    >>> queries = torch.tensor([[1.0, 0.0], [1.0, 1.0]], requires_grad=True)
    >>> found = miner.lists(queries, [0, 1]).torch()
    >>> scores = (queries[:, None] * torch.from_numpy(documents)[found.ids]).sum(-1)
    >>> loss = hm.losses.adore(scores, found.relevant, mask=found.mask, ranks=found.ranks)
    >>> loss.backward()
    >>> round(float(loss.detach()), 4)
    0.7375
    """

    ids: Any
    scores: Any
    ranks: Any
    relevant: Any
    mask: Any

    def torch(self, device: Any = None) -> DynamicLists:
        """The same as torch tensors.

        Parameters
        ----------
        device : str or torch.device, optional
            By default the CPU.

        Raises
        ------
        ModuleNotFoundError
            PyTorch is not installed.
        """
        package = extras.need("torch", what="hardmine.DynamicLists.torch", extra="torch")
        columns = (getattr(self, field.name) for field in dataclasses.fields(self))
        return DynamicLists(*(package.as_tensor(column, device=device) for column in columns))


class DynamicMiner:
    """Documents that stay for a while, queries that change at every step.

    Parameters
    ----------
    documents : float16 | bfloat16 | float32 [d, h], or ExactIndex
        Embeddings, as for `ExactIndex`; kept by reference.
    positives : Positives
        Of every query of the collection; scores are not read.
    selection : Selection, optional
        What `negatives` keeps.
    k : int
        Documents retrieved per query, at least 1.
    similarity : {"dot", "cosine"}
        Of embeddings; an `ExactIndex` brings its own.
    exclude : (offsets, ids) or sequence of id sequences, optional
        Documents per query that are never negatives. A positive that stands here too remains a positive.
    seed : int
        Of `dns`, 0 to 2**64 - 1; the draws of `negatives` use the seed of `selection`.
    refresh_every : int, optional
        What `due` counts by, at least 1.
    num_threads : int, optional
        As everywhere; no result depends on it.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, an id lies outside the documents, or the selection cannot go with lists that change: the
        draw `Weighted` belongs to one run, the ceiling `Anchored` needs a pass over all documents.

    Notes
    -----
    What a query gets depends on its vector, its id, the index, seed and epoch: not on the batch that it stands in, nor
    on threads. A miner is for one thread; only `refresh_async` works beside it.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> documents = np.array([[1, 0], [0.9, 0.1], [0.8, 0], [0, 1]], np.float32)
    >>> rule = hm.Selection(1, ceiling=hm.NoCeiling())
    >>> miner = hm.DynamicMiner(documents, hm.Positives.from_lists([[0], [3]]), rule, k=3, refresh_every=1000)
    >>> miner
    DynamicMiner(4 documents, 2 queries, k=3, dot, version 0)
    >>> vectors = np.array([[0, 1], [1, 0]], np.float32)  # of a batch of the queries 1 and 0
    >>> miner.negatives(vectors, [1, 0]).ids.tolist()
    [1, 1]
    >>> miner.dns(vectors, [1, 0], num_samples=3).tolist()
    [[1], [1]]
    >>> miner.due(2000)
    True
    >>> miner.refresh(documents[:, ::-1])
    >>> miner.version
    1
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
        seed: int = 0,
        refresh_every: int | None = None,
        num_threads: int | None = None,
    ) -> None:
        if not isinstance(positives, Positives):
            raise TypeError(f"positives: {type(positives).__name__}, expected Positives")
        self._k = checks.integer("k", k, minimum=1)
        self._seed = checks.integer("seed", seed, maximum=2**64 - 1)
        self._every = None if refresh_every is None else checks.integer("refresh_every", refresh_every, minimum=1)
        self._num_threads = num_threads
        threads = thread_count(num_threads)
        self._selection = _suited(selection)
        checks.similarity(similarity)
        if not isinstance(documents, ExactIndex):
            documents = ExactIndex(documents, similarity=similarity, num_threads=threads)
        self._index: ExactIndex = documents
        self._positives = Positives._checked(positives.offsets, positives.ids)
        queries, count = len(positives), len(self._index)
        if positives.ids.size and int(positives.ids.max()) >= count:
            at = int(positives.ids.argmax())
            query = int(positives.query_of_each[at])
            raise ValueError(f"positives: id {int(positives.ids[at])} of query {query}, expected below {count}")
        csr = ragged.csr("exclude", exclude, queries)
        refuse_misfits(Limits(exclude=csr), queries, count)
        self._exclude, self._barred = _without(csr, self._positives, count)
        self._version, self._job = 0, None

    _job: _Refresh | None

    @property
    def index(self) -> ExactIndex:
        """The index in use."""
        return self._index

    @property
    def version(self) -> int:
        """How often the index was swapped."""
        return self._version

    def __repr__(self) -> str:
        return (
            f"DynamicMiner({len(self._index)} documents, {len(self._positives)} queries, k={self._k},"
            f" {self._index.similarity}, version {self._version})"
        )

    @in_default_mode
    def lists(self, query_vectors: Any, query_ids: Any) -> DynamicLists:
        """The k best documents of each query, labelled, and the positives that are not among them.

        Parameters
        ----------
        query_vectors : float16 | bfloat16 | float32 [b, h]
            NumPy array or torch tensor.
        query_ids : int64 [b]
            Which queries they are of.

        Returns
        -------
        DynamicLists
            Best first, ties to the lower id. Positives that were not retrieved come after the others with the ranks
            k + 1, k + 2, ..., best first too.

        Raises
        ------
        TypeError, ValueError
            Wrong dtype, dimension or length; NaN or infinities; an id that is no query.
        RuntimeError
            A refresh in the background has failed; raised once.

        Notes
        -----
        ADORE, arXiv 2104.08051. Its published code appends positives only where none was retrieved; here every positive
        has its place.
        """
        index, batch, rows, threads = self._batch(query_vectors, query_ids)
        labels = self._positives.take(rows)
        found = self._search(index, query_vectors, rows, threads)
        row, of_label = found.row_of_each, labels.query_of_each
        seen, known = row * len(index) + found.ids, of_label * len(index) + labels.ids
        missing = np.flatnonzero(~np.isin(known, seen))
        scores = index._pair_scores(batch, of_label[missing], labels.ids[missing], threads)
        order = np.lexsort((labels.ids[missing], -scores, of_label[missing]))
        missing, scores = missing[order], scores[order]
        added = np.bincount(of_label[missing], minlength=rows.size)
        lengths = found.lengths + added
        ranks = np.arange(1, int(lengths.max(initial=0)) + 1, dtype=np.int64)
        there = ranks <= lengths[:, None]
        retrieved = ranks <= found.lengths[:, None]
        ids = np.full(there.shape, -1, np.int64)
        values = np.full(there.shape, -np.inf, np.float32)
        relevant = there & ~retrieved
        ids[retrieved], values[retrieved] = found.ids, found.scores
        ids[relevant], values[relevant] = labels.ids[missing], scores
        relevant[retrieved] = np.isin(seen, known)
        return DynamicLists(ids, values, np.where(there, ranks, 0), relevant, ~there)

    def negatives(self, query_vectors: Any, query_ids: Any, *, epoch: int = 0) -> Negatives:
        """Negatives of each query among its k best documents, by the selection.

        Parameters
        ----------
        query_vectors : float16 | bfloat16 | float32 [b, h]
            NumPy array or torch tensor.
        query_ids : int64 [b]
            Which queries they are of; also the keys of the draws.
        epoch : int
            Another epoch gives other draws; the number of the step gives fresh ones at each step.

        Returns
        -------
        Negatives
            `queries` and `dropped` hold query ids. The k best may contain positives, which leave that many fewer.
            Positive scores are exact under the same index and vectors, whether or not the positive was retrieved.

        Raises
        ------
        TypeError, ValueError
            As for `lists`; the miner has no selection; a query without a positive under a rule that needs one; a short
            row under ``on_shortage="error"`` (the message then counts rows of the batch).
        RuntimeError
            A refresh in the background has failed; raised once.

        Notes
        -----
        With the draw `SimANS` and the step as epoch: SimANS (arXiv 2210.11773) with the positive's true score.
        """
        if self._selection is None:
            raise ValueError("selection: None, but negatives needs one; give it to DynamicMiner")
        index, batch, rows, threads = self._batch(query_vectors, query_ids)
        epoch = checks.integer("epoch", epoch)
        labels = self._positives.take(rows)
        lacking = np.diff(labels.offsets) == 0
        if self._selection.needs_positive and lacking.any():
            query = int(rows[lacking.argmax()])
            raise ValueError(f"query_ids: query {query} has no positive, but this ceiling or draw needs its score")
        scores = index._pair_scores(batch, labels.query_of_each, labels.ids, threads)
        chosen = select(
            self._search(index, query_vectors, rows, threads),
            labels.with_scores(scores),
            self._selection,
            epoch=epoch,
            query_keys=rows,
            exclude=_rows_of(self._exclude, rows),
            num_documents=len(index),
            num_threads=threads,
        )
        chosen._set("queries", rows[chosen.queries])
        chosen._set("dropped", rows[chosen.dropped])
        return chosen

    @in_default_mode
    def dns(
        self, query_vectors: Any, query_ids: Any, *, num_samples: int, num_negatives: int = 1, epoch: int = 0
    ) -> Int64Array:
        """The hardest of some random documents: dynamic negative sampling, DNS(M).

        Parameters
        ----------
        query_vectors : float16 | bfloat16 | float32 [b, h]
            NumPy array or torch tensor.
        query_ids : int64 [b]
            Which queries they are of; also the keys of the draws.
        num_samples : int
            M: distinct documents drawn uniformly per query, positives and exclusions left out.
        num_negatives : int
            At least 1, at most `num_samples`.
        epoch : int
            Another epoch gives other draws; give the number of the step.

        Returns
        -------
        int64 [b, num_negatives]
            Highest exact score first, ties to the lower id; -1 where a query has fewer documents.

        Raises
        ------
        TypeError, ValueError
            As for `lists`; a number out of its range.
        RuntimeError
            A refresh in the background has failed; raised once.

        Notes
        -----
        Zhang, Chen, Wang and Yu, SIGIR 2013.
        """
        num_samples = checks.integer("num_samples", num_samples, minimum=1)
        num_negatives = checks.integer("num_negatives", num_negatives, minimum=1, maximum=num_samples)
        index, batch, rows, threads = self._batch(query_vectors, query_ids)
        drawn = sample_uniform_as(
            "dynamic", rows.size, num_samples, len(index), exclude=_rows_of(self._barred, rows), seed=self._seed,
            epoch=epoch, row_keys=rows, num_threads=threads,
        )  # fmt: skip
        there = drawn >= 0
        scores = np.full(drawn.shape, -np.inf, np.float32)
        scores[there] = index._pair_scores(batch, np.flatnonzero(there) // num_samples, drawn[there], threads)
        order = np.lexsort((drawn, -scores, ~there), axis=-1)[:, :num_negatives]
        return np.take_along_axis(drawn, order, axis=1)

    def due(self, step: int) -> bool:
        """Whether the index should be refreshed at this step: at every multiple of `refresh_every` but 0.

        Parameters
        ----------
        step : int
            Number of the training step, at least 0.
        """
        step = checks.integer("step", step)
        return self._every is not None and step > 0 and step % self._every == 0

    def refresh(self, documents: Any) -> None:
        """Use these embeddings of the same documents from now on.

        Parameters
        ----------
        documents : float16 | bfloat16 | float32 [d, h], or ExactIndex

        Raises
        ------
        TypeError, ValueError
            Another number of documents, dimension or similarity; NaN or infinities. The old index stays in use.
        RuntimeError
            A refresh is under way in the background.
        """
        self._refuse_second()
        self._index = _fitting(documents, self._index, thread_count(self._num_threads))
        self._version += 1

    def refresh_async(self, encode: Callable[[], Any]) -> None:
        """Make new embeddings in a background thread; `poll` or `wait` puts them to use.

        Parameters
        ----------
        encode : callable
            Called without arguments in a thread of its own; returns what `refresh` takes. It should encode with a copy
            of the weights, and switch gradients off itself (PyTorch keeps that per thread).

        Raises
        ------
        TypeError
            `encode` cannot be called.
        RuntimeError
            Another refresh runs, or has ended and was not yet put to use; or it has failed (raised once).

        Notes
        -----
        ANCE, arXiv 2007.00808. Where `poll` finds new embeddings depends on time; for runs that repeat to the bit, call
        `wait` at a fixed step. What `encode` raises comes out of the next call of the miner, once, and the old index
        stays in use. The thread does not keep the interpreter from ending.
        """
        if not callable(encode):
            raise TypeError(f"encode: {type(encode).__name__}, expected a callable without arguments")
        self._refuse_second()
        self._job = _Refresh(encode, self._index, thread_count(self._num_threads))

    def poll(self) -> bool:
        """Put the embeddings of `refresh_async` to use if they are there; True where they were.

        Raises
        ------
        RuntimeError
            The refresh has failed.
        """
        job = self._job
        if job is None or job.thread.is_alive():
            return False
        self._job = None
        if job.index is None:
            error = job.error
            what = "its thread is gone" if error is None else " ".join(f"{type(error).__name__}: {error}".split())
            raise RuntimeError(f"the refresh has failed, the old index stays in use ({what})") from error
        self._index = job.index
        self._version += 1
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """As `poll`, once the background thread has ended.

        Parameters
        ----------
        timeout : float, optional
            Seconds after which waiting ends, too. Default: none.
        """
        if timeout is not None:
            timeout = checks.real("timeout", timeout, minimum=0.0, maximum=threading.TIMEOUT_MAX)
        if self._job is not None:
            self._job.thread.join(timeout)
        return self.poll()

    def __getstate__(self) -> dict[str, Any]:
        if self._job is not None:
            raise RuntimeError("DynamicMiner: cannot be copied or pickled while a refresh is under way; call wait()")
        return dict(self.__dict__)

    def _surface(self) -> None:
        """Raise what the refresh in the background raised."""
        job = self._job
        if job is not None and job.index is None and not job.thread.is_alive():
            self.poll()

    def _refuse_second(self) -> None:
        self._surface()
        if self._job is not None:
            raise RuntimeError("refresh: another one runs, or has ended and waits for poll(); call wait() first")

    def _batch(
        self, query_vectors: Any, query_ids: Any
    ) -> tuple[ExactIndex, tuple[npt.NDArray[Any], str], Int64Array, int]:
        """The index of this call, the vectors on the host, the checked ids, and the threads."""
        self._surface()
        threads = thread_count(self._num_threads)
        tensor = arrays.tensor(query_vectors)
        batch = embeddings.checked("query_vectors", query_vectors if tensor is None else tensor.cpu())
        size, dimension = batch[0].shape
        if dimension != self._index.dimension:
            raise ValueError(f"query_vectors: dimension {dimension}, expected {self._index.dimension}")
        embeddings.row_norms("query_vectors", batch, threads)  # refuses what is not finite
        tensor = arrays.tensor(query_ids)
        rows = checks.int64_vector("query_ids", query_ids if tensor is None else tensor.cpu().numpy(), length=size)
        wrong = (rows < 0) | (rows >= len(self._positives))
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(f"query_ids: {int(rows[at])} at position {at}, expected 0 to {len(self._positives) - 1}")
        return self._index, batch, rows, threads

    def _search(self, index: ExactIndex, vectors: Any, rows: Int64Array, threads: int) -> Candidates:
        return index.search(vectors, self._k, exclude=_rows_of(self._exclude, rows), num_threads=threads)


class _Refresh:
    """One refresh in the background. It knows the index to replace, not the miner, which may go before it ends."""

    def __init__(self, encode: Callable[[], Any], current: ExactIndex, threads: int) -> None:
        self.index: ExactIndex | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(
            target=self._run, args=(encode, current, threads), name="hardmine-refresh", daemon=True
        )
        self.thread.start()

    def _run(self, encode: Callable[[], Any], current: ExactIndex, threads: int) -> None:
        try:
            self.index = _fitting(encode(), current, threads)
        except BaseException as error:  # the next call of the miner raises it
            self.error = error


def _fitting(documents: Any, current: ExactIndex, threads: int) -> ExactIndex:
    """An index that can take the place of the current one."""
    similarity = current.similarity
    given = isinstance(documents, ExactIndex)
    index: ExactIndex = documents if given else ExactIndex(documents, similarity=similarity, num_threads=threads)
    if len(index) != len(current):
        raise ValueError(f"documents: {len(index)}, expected {len(current)} as before")
    if index.dimension != current.dimension:
        raise ValueError(f"documents: dimension {index.dimension}, expected {current.dimension} as before")
    if index.similarity != similarity:
        raise ValueError(f"documents: similarity {index.similarity!r}, expected {similarity!r} as before")
    return index


def _suited(selection: Any) -> Selection | None:
    """The selection, if it can go with lists that change."""
    if selection is None:
        return None
    if not isinstance(selection, Selection):
        raise TypeError(f"selection: {type(selection).__name__}, expected Selection")
    law: Draw = selection.draw
    while isinstance(law, Wrapping):
        law = law.draw
    if isinstance(law, Weighted):
        raise ValueError("selection: its draw Weighted weighs the candidates of one run, expected another draw")
    refuse_teachers(selection.ceiling, "lists that change have the scores of one, expected a ceiling without a name")
    refuse_near(selection, "lists that change")
    if selection.ceiling.needs_anchor_scores:
        raise ValueError("selection: its ceiling Anchored needs a pass over all documents, expected another ceiling")
    return selection


def _without(csr: _Csr | None, positives: Positives, count: int) -> tuple[_Csr | None, _Csr]:
    """The exclusions that are no positives, and both together."""
    own = positives.offsets, positives.ids
    if csr is None:
        return None, own
    labels = positives.query_of_each * count + positives.ids
    rows = np.repeat(np.arange(len(positives), dtype=np.int64), np.diff(csr[0]))
    named = np.setdiff1d(rows * count + csr[1], labels)

    def ragged(keys: Int64Array) -> _Csr:
        return np.searchsorted(keys, np.arange(len(positives) + 1) * count).astype(np.int64), keys % max(count, 1)

    return ragged(named), ragged(np.union1d(named, labels))


def _rows_of(csr: _Csr | None, rows: Int64Array) -> _Csr | None:
    if csr is None:
        return None
    offsets, (ids,) = take_rows(csr[0], [csr[1]], rows)
    return offsets, ids

"""Exact search over sparse rows, and exact scores of given pairs of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import VERSION
from hardmine.nouns.sparse import MOST_TERMS, SparseRows
from hardmine.plumbing import checks, container
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.limits import Limits, refuse_misfits, scan_limits
from hardmine.primitives.search import tiles
from hardmine.primitives.search.reporter import reporter

# Queries between two reports of progress.
_PANEL = 4096
# Where memory is short, threads are given up before there are fewer queries.
_FEWEST = 64
_DTYPES = {"terms": "int32", "lists": "int64", "blocks": "int32", "starts": "int64", "high": "float32",
           "low": "float32", "places": "uint16", "weights": "float32", "codes": "uint8", "gridded": "int64",
           "grids": "uint16"}  # fmt: skip


class Postings(NamedTuple):
    """An inverted index: the fields of the core's `Postings`."""

    documents: int
    terms: npt.NDArray[np.int32]
    lists: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    high: npt.NDArray[np.float32]
    low: npt.NDArray[np.float32]
    places: npt.NDArray[np.uint16]
    weights: npt.NDArray[np.float32]
    codes: npt.NDArray[np.uint8]
    gridded: npt.NDArray[np.int64]
    grids: npt.NDArray[np.uint16]


class SparseIndex:
    """Sparse documents, indexed once and searched many times, exactly.

    The score of a (query, document) pair is the sum of the products of their weights, over the terms that both have in
    rising order, in float64, rounded once to float32. A document that shares no term with the query is no candidate: it
    is never listed, lists may be shorter than `k`, and no count of removed documents holds it. With negative weights, a
    document that shares a term is listed whatever the sum is.

    Parameters
    ----------
    documents : SparseRows, or what `SparseRows.of` takes
        Kept by reference: do not change the arrays while the index is in use.
    num_threads : int, optional
        Of building the index, and default of every search.

    Raises
    ------
    TypeError, ValueError
        What `SparseRows.of` raises.

    Notes
    -----
    Beside the rows, the index takes 7 bytes per weight, 12 for every term, 20 for every term of every 16,384 documents,
    and 16 kB where a sixteenth of them or more have it. Building it takes more: 32 bytes for every such term, and on
    every thread 8 per weight of 16,384 documents.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> documents = hm.SparseRows([0, 2, 3, 4], [0, 3, 3, 1], np.array([1, 2, 3, 4], dtype=np.float32))
    >>> index = hm.SparseIndex(documents)
    >>> index
    SparseIndex(3 documents, 4 weights, open vocabulary, float32)
    >>> queries = hm.SparseRows([0, 2], [0, 3], np.array([1, 0.5], dtype=np.float32))
    >>> found = index.search(queries, k=3)
    >>> found.ids.tolist(), found.scores.tolist()
    ([0, 1], [2.0, 1.5])
    """

    __slots__ = ("_documents", "_num_threads", "_postings")

    def __init__(self, documents: Any, *, num_threads: int | None = None) -> None:
        self._documents = SparseRows.of(documents, "documents")
        self._num_threads = num_threads if num_threads is None else thread_count(num_threads)
        if len(self._documents) >= 2**32:
            raise ValueError(f"documents: {len(self._documents)}, expected fewer than 2^32; search them in parts")
        self._postings = _postings(self._documents, thread_count(num_threads))

    @property
    def documents(self) -> SparseRows:
        """The rows that are indexed."""
        return self._documents

    @property
    def nbytes(self) -> int:
        """Bytes of the index beyond the rows."""
        return sum(column.nbytes for column in self._postings if isinstance(column, np.ndarray))

    def __len__(self) -> int:
        return len(self._documents)

    def __repr__(self) -> str:
        return repr(self._documents).replace("SparseRows", "SparseIndex").replace(" rows", " documents")

    def search(
        self,
        queries: Any,
        k: int,
        *,
        ceiling: float | npt.ArrayLike | None = None,
        floor: float | npt.ArrayLike | None = None,
        exclude: Any = None,
        max_memory: int | str | None = None,
        num_threads: int | None = None,
        progress: bool | Callable[[int, int], object] | None = None,
    ) -> Candidates:
        """The k best admissible documents that share a term with the query, for every query.

        Parameters
        ----------
        queries : SparseRows, or what `SparseRows.of` takes
        k : int
            Documents wanted per query.
        ceiling, floor : float or float32 [num_queries], optional
            Only documents with ``floor <= score <= ceiling`` (in float32; equality keeps) are admissible. A floor has
            its price: every document that shares a term is counted on one side of it, so that none is passed over.
        exclude : (offsets, ids) or sequence of id sequences, optional
            Documents that are never admissible, per query.
        max_memory : int or str, optional
            Bound on working memory beyond rows, index, result and a copy of the exclusions, in bytes or as "2GB".
            Default 256 MB. The result does not depend on it.
        num_threads : int, optional
            Default: that of the index, else ``HARDMINE_NUM_THREADS``, else every processor.
        progress : callable or bool, optional
            Called as ``progress(pairs_done, pairs_total)`` now and then; True shows progress on standard error.

        Returns
        -------
        Candidates
            Best first, equal scores by lower index; ``ranks`` and ``reasons`` as those of `hardmine.search`, of
            documents that share a term. The same bytes for any number of threads and instruction set.

        Raises
        ------
        ValueError
            What `SparseRows.of` raises, another vocabulary than that of the documents, a negative `k`, a NaN bound, an
            exclusion out of range, a `max_memory` too small for one query.
        TypeError
            Queries that are no sparse rows; a `k` that is not an integer.
        """
        return self._reaching(
            queries, k, None, ceiling, floor, exclude,
            max_memory=max_memory, num_threads=num_threads, progress=progress,
        )  # fmt: skip

    def _reaching(
        self,
        queries: Any,
        k: int,
        reached: npt.NDArray[np.float32] | None,
        ceiling: float | npt.ArrayLike | None,
        floor: float | npt.ArrayLike | None,
        exclude: Any,
        *,
        max_memory: int | str | None,
        num_threads: int | None,
        progress: bool | Callable[[int, int], object] | None,
    ) -> Candidates:
        """`search` without what lies below a score that is `reached`; see `index.search_reaching`."""
        k = checks.integer("k", k)
        budget = checks.memory("max_memory", max_memory, tiles.DEFAULT_MEMORY)
        threads = thread_count(self._num_threads if num_threads is None else num_threads)
        rows = SparseRows.of(queries, "queries")
        _same_vocabulary(rows, self._documents)
        limits = scan_limits(len(rows), ceiling, floor, exclude)._replace(reached=reached)
        refuse_misfits(limits, len(rows), len(self))
        most = min(k, len(self))
        panel, threads = _cut(len(rows), _longest(rows), most, budget, threads)
        with reporter(progress, len(rows) * len(self)) as report:

            def some(start: int, stop: int) -> _native.Ranked:
                found = self._search(rows, start, stop, most, limits, threads)
                if report is not None:
                    report(stop * len(self), len(rows) * len(self))
                return found

            found = tiles.join(some, len(rows), most, panel)
        about = {"k": k, "similarity": "dot", "num_documents": len(self), "version": VERSION}
        return Candidates._from_native(found, metadata=about)

    def _search(self, rows: SparseRows, start: int, stop: int, k: int, limits: Limits, threads: int) -> _native.Ranked:
        part = limits.cut(start, stop)
        return _native.sparse_search(rows, start, stop - start, self._documents, self._postings, k, part, threads)

    def pair_scores(
        self, queries: Any, query_ids: npt.ArrayLike, document_ids: npt.ArrayLike, *, num_threads: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Scores of given pairs, bit-identical to those of `search`; 0 where they share no term.

        Parameters
        ----------
        queries : SparseRows, or what `SparseRows.of` takes
        query_ids, document_ids : integers [n]
            Rows of the queries and of the documents.
        num_threads : int, optional
            As for `search`.

        Returns
        -------
        float32 [n]
        """
        threads = thread_count(self._num_threads if num_threads is None else num_threads)
        return pair_scores(queries, self._documents, query_ids, document_ids, threads)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one memory-mappable file (safetensors layout, no pickle), whole or not at all.

        It holds the rows and the index, so that a process that loads it searches at once.

        Parameters
        ----------
        path : path-like
            File to write; its folder must exist.
        """
        rows = self._documents
        held = {f"index.{name}": getattr(self._postings, name) for name in _DTYPES}
        held |= {"offsets": rows.offsets, "terms": rows.terms, "weights": rows.weights}
        container.save(path, "sparse-index", held, {"num_terms": rows.num_terms, "block": _native.sparse_block()})

    @classmethod
    def load(cls, path: str | os.PathLike[str], mmap: bool = True) -> SparseIndex:  # noqa: FBT001, FBT002
        """Open a file written by `save`.

        Parameters
        ----------
        path : path-like
        mmap : bool
            Map the file (default): it is read from disk where a search needs it. False reads it now.

        Raises
        ------
        ValueError
            The file is truncated, malformed or of another kind.

        Notes
        -----
        Rows and index are taken from the file as they are: one that anything but `save` wrote to may give wrong
        results.
        """
        arrays, about = container.load(path, "sparse-index")
        rows, postings = _loaded(arrays, about)
        if rows is None:
            raise ValueError(f"{os.fspath(path)}: malformed sparse-index")
        if not mmap:
            rows = SparseRows._trusted({name: _copy(getattr(rows, name)) for name in SparseRows._columns()})
            postings = postings and Postings(*map(_copy, postings))
        self = cls.__new__(cls)
        self._documents, self._num_threads = rows, None
        # Of a version with blocks of another size: better made anew.
        self._postings = _postings(rows, thread_count(None)) if postings is None else postings
        return self

    @classmethod
    def merge(cls, indices: Iterable[SparseIndex]) -> SparseIndex:
        """One index over the documents of several, in their order.

        Parameters
        ----------
        indices : iterable of SparseIndex
            Of one dtype and vocabulary.

        Returns
        -------
        SparseIndex

        Raises
        ------
        TypeError, ValueError
            What `SparseRows.concatenate` raises.
        """
        parts = list(indices)
        for at, part in enumerate(parts):
            if not isinstance(part, cls):
                raise TypeError(f"indices[{at}]: {type(part).__name__}, expected a SparseIndex")
        return cls(SparseRows.concatenate([part.documents for part in parts]))


def pair_scores(
    queries: Any, documents: Any, query_ids: npt.ArrayLike, document_ids: npt.ArrayLike, threads: int
) -> npt.NDArray[np.float32]:
    """`hardmine.pair_scores` of sparse rows."""
    rows = SparseRows.of(queries, "queries"), SparseRows.of(documents, "documents")
    _same_vocabulary(*rows)
    query_ids = checks.int64_vector("query_ids", query_ids)
    document_ids = checks.int64_vector("document_ids", document_ids, length=query_ids.size)
    return _native.sparse_pair_scores(*rows, query_ids, document_ids, threads)


def _postings(rows: SparseRows, threads: int) -> Postings:
    return Postings(len(rows), **_native.sparse_postings(rows, threads))


def _same_vocabulary(queries: SparseRows, documents: SparseRows) -> None:
    sizes = queries.num_terms, documents.num_terms
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(f"queries: {sizes[0]} terms, expected {sizes[1]} (those of documents)")


def working_bytes(num_queries: int, longest: int, k: int, max_memory: int | str | None, threads: int) -> int:
    """Working memory of a search for queries of so many terms at most, beyond rows, index and result."""
    budget = checks.memory("max_memory", max_memory, tiles.DEFAULT_MEMORY)
    return _needed(longest, k, *_cut(num_queries, longest, k, budget, threads))


def _longest(queries: SparseRows) -> int:
    return int(np.diff(queries.offsets).max(initial=0))


def _needed(longest: int, k: int, panel: int, threads: int) -> int:
    per_query = 24 * k + 128  # as the threads found them, and joined
    return int(_native.sparse_working_bytes(k, panel, longest, threads) + panel * per_query)


def _cut(num_queries: int, longest: int, k: int, budget: int, threads: int) -> tuple[int, int]:
    """Queries whose lists are made at a time, and threads that make them, within `budget` bytes."""
    panel = max(min(num_queries, _PANEL), 1)
    while (needed := _needed(longest, k, panel, threads)) > budget:
        if (panel, threads) == (1, 1):
            raise ValueError(f"max_memory: {budget} bytes, expected at least {needed} for these rows")
        if threads > 1 and panel <= _FEWEST:  # each thread has sums of its own
            threads //= 2
        else:
            panel //= 2
    return panel, threads


def _loaded(
    arrays: dict[str, npt.NDArray[Any]], about: dict[str, Any]
) -> tuple[SparseRows, Postings | None] | tuple[None, None]:
    """The rows in a file, None where they are malformed, and its index, None where it has other blocks."""
    num_terms = about.get("num_terms")
    wanted = {"offsets": "int64", "terms": "int32"} | {f"index.{name}": dtype for name, dtype in _DTYPES.items()}
    found = {name: array for name, array in arrays.items() if array.ndim == 1}
    fits = all(name in found and found[name].dtype.name == dtype for name, dtype in wanted.items())
    fits = fits and "weights" in found and found["weights"].dtype.name in ("float16", "float32")
    if not fits or not (num_terms is None or (type(num_terms) is int and 0 <= num_terms <= MOST_TERMS)):
        return None, None
    columns = {name: found[name] for name in ("offsets", "terms", "weights")}
    if not _are_offsets(columns["offsets"], columns["terms"].size) or columns["terms"].size != columns["weights"].size:
        return None, None
    rows = SparseRows._trusted(columns | {"num_terms": num_terms})
    if about.get("block") != _native.sparse_block():
        return rows, None
    postings = Postings(len(rows), *(found[f"index.{name}"] for name in Postings._fields[1:]))
    return (rows, postings) if _fits(postings, rows) else (None, None)


def _are_offsets(offsets: npt.NDArray[np.int64], end: int) -> bool:
    return offsets.size > 0 and int(offsets[0]) == 0 and int(offsets[-1]) == end


def _fits(postings: Postings, rows: SparseRows) -> bool:
    """Whether the arrays of an index fit each other and the rows, as far as their sizes and ends tell."""
    lists, weights = postings.blocks.size, postings.weights.size
    fits = postings.lists.size == postings.terms.size + 1 and postings.starts.size == lists + 1
    fits = fits and postings.high.size == postings.low.size == lists
    fits = fits and postings.places.size == postings.codes.size == weights == rows.terms.size
    fits = fits and postings.grids.size == postings.gridded.size * (_native.sparse_block() // 2)
    fits = fits and _are_offsets(postings.lists, lists) and _are_offsets(postings.starts, weights)
    # The terms rise: the highest is the last.
    known = rows.num_terms is None or not postings.terms.size or bool(postings.terms[-1] < rows.num_terms)
    return fits and known


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value

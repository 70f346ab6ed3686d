"""Exact search over embeddings, and exact scores of given pairs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import VERSION
from hardmine.nouns.sparse import is_sparse
from hardmine.plumbing import checks, container
from hardmine.plumbing.arrays import DTYPE_NAMES
from hardmine.plumbing.checks import SIMILARITIES
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.limits import Limits, refuse_misfits, scan_limits
from hardmine.primitives.search import codes, embeddings, sparse, tiles
from hardmine.primitives.search.plan import decide
from hardmine.primitives.search.reporter import reporter

if TYPE_CHECKING:
    from hardmine.primitives.search.device_documents import Documents


def search(
    queries: npt.ArrayLike,
    documents: npt.ArrayLike,
    k: int,
    *,
    similarity: str = "dot",
    ceiling: float | npt.ArrayLike | None = None,
    floor: float | npt.ArrayLike | None = None,
    exclude: Any = None,
    device: Any = None,
    max_memory: int | str | None = None,
    num_threads: int | None = None,
    progress: bool | Callable[[int, int], object] | None = None,
) -> Candidates:
    """The k best admissible documents of every query, exactly.

    Scores are those of `pair_scores`, bit for bit. What surely is not among the k best is discarded by cheaper
    arithmetic, under a proven bound of all its roundings, and the rest is rescored: on processors that multiply bytes
    fast (AVX2 and better) by products of codes of one byte per number, made of both sides for the purpose; else, for
    few queries or documents, and for a corpus whose codes tell its documents too badly apart, by float32 matrix
    products. Ceiling, floor and exclusions act inside the scan, so no query runs short because its top was removed.

    Parameters
    ----------
    queries : float16 | bfloat16 | float32 [num_queries, dimension]
    documents : float16 | bfloat16 | float32 [num_documents, dimension]
        NumPy arrays of any strides, memory maps, or torch tensors. The two dtypes may differ. float32 is never copied
        as a whole, other types are widened tile by tile. Or sparse rows on both sides (`SparseRows`, or what
        `SparseRows.of` takes): then only documents that share a term are candidates, as `SparseIndex` says.
    k : int
        Documents wanted per query; more than there are gives what there is.
    similarity : "dot" | "cosine"
        Cosine with a zero vector is 0.
    ceiling, floor : float or float32 [num_queries], optional
        Only documents with ``floor <= score <= ceiling`` (in float32; equality keeps) are admissible.
    exclude : (offsets, ids) or sequence of id sequences, optional
        Documents that are never admissible, per query.
    device : str or torch.device, optional
        "cuda" (or "cuda:1", ...): codes are made and multiplied there with PyTorch, survivors rescored on the CPU.
        Default: the device of the tensors where they lie on one, else the CPU without PyTorch. It takes some 2 GB
        there at most, and, where codes are needed more than once, a byte per number and 9 per document, unless that is
        more than half of what is free. Embeddings of more than 32,768 numbers are searched on the CPU.
    max_memory : int or str, optional
        Bound on working memory beyond inputs and result, in bytes or as "2GB". Default 256 MB. It sets how many
        queries and documents are worked on at a time, never the result: `search_plan` says beforehand. With `device`
        it bounds the state on the host.
    num_threads : int, optional
        Default: ``HARDMINE_NUM_THREADS``, else every processor. Only float32 matrix products run on NumPy's BLAS, which
        takes its own number from its own variable (such as ``OPENBLAS_NUM_THREADS``).
    progress : callable or bool, optional
        Called as ``progress(pairs_done, pairs_total)`` after every tile; True shows progress on
        standard error (a bar where tqdm is installed).

    Returns
    -------
    Candidates
        Best first, equal scores by lower index. ``ranks`` count documents above the ceiling; ``reasons`` count exactly
        what exclusions, ceiling and floor removed. The same bytes for any tile sizes, number of threads, instruction
        set, BLAS and device.

    Raises
    ------
    ValueError
        NaN or an infinity in an embedding (the message gives row and column), dimensions that differ, a negative `k`,
        an unknown similarity, a NaN bound, an exclusion out of range, a `max_memory` too small for one tile.
    TypeError
        float64 or any other dtype; a `k` that is not an integer.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> queries = np.array([[1.0, 0.0]], dtype=np.float32)
    >>> documents = np.array([[0.5, 0.5], [1.0, 0.0], [0.9, 0.1]], dtype=np.float32)
    >>> found = hm.search(queries, documents, k=2, ceiling=0.95)
    >>> found.ids.tolist(), found.ranks.tolist()
    ([2, 0], [2, 3])
    """
    return search_reaching(
        queries,
        documents,
        k,
        None,
        similarity=similarity,
        ceiling=ceiling,
        floor=floor,
        exclude=exclude,
        device=device,
        max_memory=max_memory,
        num_threads=num_threads,
        progress=progress,
    )


def search_reaching(
    queries: npt.ArrayLike,
    documents: npt.ArrayLike,
    k: int,
    reached: npt.NDArray[np.float32] | None,
    *,
    similarity: str = "dot",
    ceiling: float | npt.ArrayLike | None = None,
    floor: float | npt.ArrayLike | None = None,
    exclude: Any = None,
    device: Any = None,
    max_memory: int | str | None = None,
    num_threads: int | None = None,
    progress: bool | Callable[[int, int], object] | None = None,
) -> Candidates:
    """As `search`, of documents that are a part of those to be searched: the others need not be looked for here.

    Parameters
    ----------
    reached : float32 [num_queries], optional
        For each query a score that at least `k` admissible documents, here or in other parts, have or exceed. What lies
        below is not listed; equal scores are, since ids break ties. NaN and -inf say nothing.

    Returns
    -------
    Candidates
        The lists of `search` without what lies below `reached`, so they may be shorter than `k`. Counts of removed
        documents are the same.

    Raises
    ------
    ValueError, TypeError
        As for `search`.
    """
    if is_sparse(queries) or is_sparse(documents):
        _refuse_for_sparse(similarity, device)
        held = sparse.SparseIndex(documents, num_threads=num_threads)
        return held._reaching(
            queries, k, reached, ceiling, floor, exclude, max_memory=max_memory, num_threads=None, progress=progress
        )
    index = ExactIndex(documents, similarity=similarity, num_threads=num_threads)
    index._keeps = False
    return index._reaching(
        queries, k, reached, ceiling, floor, exclude,
        device=device, max_memory=max_memory, num_threads=None, progress=progress,
    )  # fmt: skip


class ExactIndex:
    """Documents checked once and searched many times, exactly.

    Where codes of one byte per number pay (see `search`), the first search makes them, and the index keeps them: a
    quarter of the size of float32 embeddings, and 12 bytes per document. Those that a search on a GPU made stay there,
    so that the next one reads nothing from the host but survivors.

    Parameters
    ----------
    documents : float16 | bfloat16 | float32 [num_documents, dimension]
        As for `search`. Kept by reference: do not change the array while the index is in use.
    similarity : "dot" | "cosine"
    num_threads : int, optional
        Default of every search.

    Raises
    ------
    ValueError, TypeError
        As for `search`.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> index = hm.ExactIndex(np.eye(3, dtype=np.float32), similarity="cosine")
    >>> index
    ExactIndex(3 documents, dimension 3, float32, cosine)
    >>> index.search(np.array([[0.0, 2.0, 1.0]], dtype=np.float32), k=2).ids.tolist()
    [1, 2]
    """

    __slots__ = (
        "_array", "_codes", "_keeps", "_kind", "_norms", "_num_threads", "_on_device", "_similarity", "_tensor"
    )  # fmt: skip

    def __init__(self, documents: npt.ArrayLike, *, similarity: str = "dot", num_threads: int | None = None) -> None:
        self._similarity = checks.similarity(similarity)
        self._num_threads = num_threads if num_threads is None else thread_count(num_threads)
        self._norms: npt.NDArray[np.float64] | None = None
        self._codes: codes.Codes | None = None
        self._keeps = True
        self._on_device: Documents | None = None
        self._tensor = _device_tensor("documents", documents)
        if self._tensor is None:
            self._array, self._kind = embeddings.checked("documents", documents)
            self._rows(thread_count(num_threads))

    @classmethod
    def _of(cls, rows: tiles.Rows, similarity: str, kept: codes.Codes | None) -> ExactIndex:
        """An index over rows whose norms are known, and who are therefore finite, and the codes of them."""
        self = cls.__new__(cls)
        self._array, self._kind, self._norms = rows
        self._tensor, self._codes, self._keeps, self._on_device = None, kept, False, None
        self._similarity, self._num_threads = similarity, None
        return self

    @property
    def similarity(self) -> str:
        """How embeddings are compared: "dot" or "cosine"."""
        return self._similarity

    @property
    def dimension(self) -> int:
        """Numbers per embedding."""
        return int((self._array if self._tensor is None else self._tensor).shape[1])

    def __len__(self) -> int:
        return int((self._array if self._tensor is None else self._tensor).shape[0])

    def __repr__(self) -> str:
        dtype = DTYPE_NAMES[self._kind] if self._tensor is None else str(self._tensor.dtype).removeprefix("torch.")
        return f"ExactIndex({len(self)} documents, dimension {self.dimension}, {dtype}, {self._similarity})"

    def search(
        self,
        queries: npt.ArrayLike,
        k: int,
        *,
        ceiling: float | npt.ArrayLike | None = None,
        floor: float | npt.ArrayLike | None = None,
        exclude: Any = None,
        device: Any = None,
        max_memory: int | str | None = None,
        num_threads: int | None = None,
        progress: bool | Callable[[int, int], object] | None = None,
    ) -> Candidates:
        """The k best admissible documents of every query; see `hardmine.search`.

        Parameters
        ----------
        queries : float16 | bfloat16 | float32 [num_queries, dimension]
        k, ceiling, floor, exclude, device, max_memory, num_threads, progress
            As for `hardmine.search`.

        Returns
        -------
        Candidates
        """
        return self._reaching(
            queries, k, None, ceiling, floor, exclude,
            device=device, max_memory=max_memory, num_threads=num_threads, progress=progress,
        )  # fmt: skip

    def _reaching(
        self,
        queries: npt.ArrayLike,
        k: int,
        reached: npt.NDArray[np.float32] | None,
        ceiling: float | npt.ArrayLike | None,
        floor: float | npt.ArrayLike | None,
        exclude: Any,
        *,
        device: Any,
        max_memory: int | str | None,
        num_threads: int | None,
        progress: bool | Callable[[int, int], object] | None,
    ) -> Candidates:
        """`search` without what lies below a score that is `reached`; see `search_reaching`."""
        k = checks.integer("k", k)
        budget = checks.memory("max_memory", max_memory, tiles.DEFAULT_MEMORY)
        threads = thread_count(self._num_threads if num_threads is None else num_threads)
        tensor = _device_tensor("queries", queries)
        if tensor is not None:
            queries = tensor.cpu()
            device = tensor.device if device is None else device
        if self._tensor is not None:
            device = self._tensor.device if device is None else device
        array, kind = embeddings.checked("queries", queries)
        if array.shape[1] != self.dimension:
            raise ValueError(f"queries: dimension {array.shape[1]}, expected {self.dimension} (that of documents)")
        limits = scan_limits(len(array), ceiling, floor, exclude)._replace(reached=reached)
        refuse_misfits(limits, len(array), len(self))
        rows = tiles.Rows(array, kind, embeddings.row_norms("queries", (array, kind), threads))
        on_device = device is not None and str(device) != "cpu"
        if on_device:
            from hardmine.primitives.search.device_documents import checked

            device = checked(device)
        with reporter(progress, len(array) * len(self)) as report:
            if on_device and self.dimension <= codes.MAX_DIMENSION:
                found = self._scan_on_device(rows, k, limits, budget, threads, report, device)
            else:
                found = self._scan(rows, k, limits, budget, threads, report)
        about = {"k": k, "similarity": self._similarity, "num_documents": len(self), "version": VERSION}
        return Candidates._from_native(found, metadata=about)

    def _scan(
        self,
        queries: tiles.Rows,
        k: int,
        limits: Limits,
        budget: int,
        threads: int,
        report: tiles.Progress | None,
    ) -> _native.Ranked:
        """The scan on the host: over codes where they pay, else over float32 products."""
        documents = self._rows(threads)
        kept = self._kept_codes(threads) if len(queries.array) else None
        copied = (
            tiles.needs_copy(queries, self._similarity),
            tiles.needs_copy(documents, self._similarity),
        )
        cut, tiling = decide(len(queries.array), documents.shape, k, budget, threads, copied, kept=kept is not None)
        if cut is None:
            return tiles.scan(queries, documents, k, self._similarity, limits, tiling, threads, report)
        return codes.scan(queries, documents, k, self._similarity, limits, cut, tiling, threads, report, codes=kept)

    def _scan_on_device(
        self,
        queries: tiles.Rows,
        k: int,
        limits: Limits,
        budget: int,
        threads: int,
        report: tiles.Progress | None,
        device: Any,
    ) -> _native.Ranked:
        """The scan with PyTorch; codes stay on the device for the next one."""
        from hardmine.primitives.search.device import scan
        from hardmine.primitives.search.device_documents import Documents

        documents = self._on_device
        if documents is None or documents.device != device:
            rows = self._rows(threads) if self._tensor is None else self._tensor
            documents = Documents(rows, self._similarity, device, threads, keep=self._keeps)
            self._on_device = documents if self._keeps else None
        return scan(queries, documents, k, limits, budget, threads, report)

    def _kept_codes(self, threads: int) -> codes.Codes | None:
        """The codes of all documents, made when first asked for; None where they are not kept or cannot be made."""
        documents = self._rows(threads)
        if self._codes is None and self._keeps and codes.can(documents.shape):
            frame = codes.choose_frame(documents, self._similarity, threads)
            self._codes = codes.encode(documents, frame, threads)
        return self._codes if codes.can(documents.shape) else None

    def _pair_scores(
        self,
        queries: tuple[npt.NDArray[Any], str],
        query_ids: npt.NDArray[np.int64],
        document_ids: npt.NDArray[np.int64],
        threads: int,
    ) -> npt.NDArray[np.float32]:
        """`pair_scores` of checked queries with these documents; from a device only the rows that are named come."""
        if self._tensor is None:
            documents = self._array, self._kind
        else:
            needed, document_ids = np.unique(document_ids, return_inverse=True)
            places = sys.modules["torch"].from_numpy(needed).to(self._tensor.device)
            documents = embeddings.checked("documents", self._tensor[places].cpu())
        return _native.pair_scores(queries, documents, query_ids, document_ids, self._similarity, threads)

    def _rows(self, threads: int) -> tiles.Rows:
        """The documents on the host, checked, with their norms."""
        if self._tensor is not None:
            self._array, self._kind = embeddings.checked("documents", self._tensor.cpu())
            self._tensor = None
        if self._norms is None:
            self._norms = embeddings.row_norms("documents", (self._array, self._kind), threads)
        return tiles.Rows(self._array, self._kind, self._norms)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one memory-mappable file (safetensors layout, no pickle), whole or not at all; dtypes are kept.

        It holds the norms and codes too, so that a process that loads it searches at once.

        Parameters
        ----------
        path : path-like
            File to write; its folder must exist.
        """
        threads = thread_count(self._num_threads)
        rows = self._rows(threads)
        kept = self._kept_codes(threads)
        about: dict[str, Any] = {"similarity": self._similarity, "kind": rows.kind}
        held: dict[str, npt.NDArray[Any]] = {"documents": rows.array, "norms": rows.norms}
        if kept is not None:
            about["turned"] = kept.frame.rotated
            held |= {"codes": kept.data, "terms": kept.terms, "centre": kept.frame.centre}
        container.save(path, "exact-index", held, about)

    @classmethod
    def load(cls, path: str | os.PathLike[str], mmap: bool = True) -> ExactIndex:  # noqa: FBT001, FBT002
        """Open a file written by `save`.

        Parameters
        ----------
        path : path-like
        mmap : bool
            Map the file (default): documents are read from disk when a search needs them. False reads them now.

        Raises
        ------
        ValueError
            The file is truncated, malformed or of another kind.

        Notes
        -----
        Norms and codes are taken from the file as they are, and documents are read where a search needs them: a file
        that anything but `save` wrote to may give wrong results. In a file without norms every embedding is checked by
        the first search.
        """
        arrays, about = container.load(path, "exact-index")
        array = arrays.get("documents")
        kinds = {"float16": "f16", "uint16": "bf16", "float32": "f32"}
        known = isinstance(about, dict) and about.get("similarity") in SIMILARITIES
        if array is None or array.ndim != 2 or not known or kinds.get(array.dtype.name) != about.get("kind"):
            raise ValueError(f"{os.fspath(path)}: malformed exact-index")
        if "turned" not in about:  # codes of another rotation, which an earlier version made: better made anew
            arrays.pop("codes", None)
        norms, kept = arrays.get("norms"), _loaded_codes(arrays, about, array.shape)
        wrong = norms is not None and (norms.shape != array.shape[:1] or norms.dtype != np.float64)
        if wrong or (kept is None and "codes" in arrays):
            raise ValueError(f"{os.fspath(path)}: malformed exact-index")
        self = cls.__new__(cls)
        self._array, self._kind, self._tensor = array if mmap else array.copy(), about["kind"], None
        self._similarity, self._num_threads, self._norms = about["similarity"], None, norms
        if kept is not None and not mmap:
            kept = kept._replace(data=kept.data.copy(), terms=kept.terms.copy())
        self._codes, self._keeps, self._on_device = kept, True, None
        return self


def pair_scores(
    queries: npt.ArrayLike,
    documents: npt.ArrayLike,
    query_ids: npt.ArrayLike,
    document_ids: npt.ArrayLike,
    *,
    similarity: str = "dot",
    num_threads: int | None = None,
) -> npt.NDArray[np.float32]:
    """Exact scores of given (query, document) pairs, bit-identical to those of `search`.

    Products are taken in float64 (exact for these types), summed in 16 float64 lanes in a fixed order, and rounded once
    to float32. ``"cosine"`` first divides the float64 sum by the product of the float64 norms; it is 0 where one is 0.

    Parameters
    ----------
    queries : float16 | bfloat16 | float32 [num_queries, dimension]
    documents : float16 | bfloat16 | float32 [num_documents, dimension]
        NumPy arrays of any strides, memory maps, or torch tensors on the CPU. The two dtypes may differ. Nothing is
        copied. Or sparse rows on both sides: the products of the terms that both have are then summed in rising order
        of the terms, and the score is 0 where there is none.
    query_ids, document_ids : integers [n]
        Rows of the two matrices.
    similarity : "dot" | "cosine"
    num_threads : int, optional
        Default: ``HARDMINE_NUM_THREADS``, else every processor.

    Returns
    -------
    float32 [n]
        The same bytes for any number of threads and on every instruction set.

    Raises
    ------
    ValueError
        An id out of range, dimensions or lengths that differ, an unknown similarity; NaN or an infinity in an embedding
        that a pair names (the message gives row and column; other embeddings are not read).
    TypeError
        float64 or any other dtype; ids that are not integers.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> queries = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    >>> documents = np.array([[3.0, 4.0], [0.0, 1.0]], dtype=np.float32)
    >>> hm.pair_scores(queries, documents, [0, 1, 1], [0, 0, 1])
    array([3., 8., 2.], dtype=float32)
    """
    similarity = checks.similarity(similarity)
    if is_sparse(queries) or is_sparse(documents):
        _refuse_for_sparse(similarity)
        return sparse.pair_scores(queries, documents, query_ids, document_ids, thread_count(num_threads))
    rows = embeddings.checked("queries", queries), embeddings.checked("documents", documents)
    query_ids = checks.int64_vector("query_ids", query_ids)
    document_ids = checks.int64_vector("document_ids", document_ids, length=query_ids.size)
    return _native.pair_scores(*rows, query_ids, document_ids, similarity, thread_count(num_threads))


def _refuse_for_sparse(similarity: str, device: Any = None) -> None:
    if checks.similarity(similarity) != "dot":
        raise ValueError(f"similarity: {similarity!r}, expected 'dot' for sparse rows (divide them by their norms)")
    if device is not None and str(device) != "cpu":
        raise ValueError(f"device: {str(device)!r}, expected None for sparse rows, which are searched on the CPU")


def _loaded_codes(
    arrays: dict[str, npt.NDArray[Any]], about: dict[str, Any], shape: tuple[int, ...]
) -> codes.Codes | None:
    """The codes in a file, None where there are none that fit."""
    data, terms, centre = (arrays.get(name) for name in ("codes", "terms", "centre"))
    if data is None or terms is None or centre is None or shape[1] > codes.MAX_DIMENSION:
        return None
    types = [held.dtype.name for held in (data, terms, centre)]
    if types != ["uint8", "float32", "float32"] or not isinstance(about.get("turned"), bool):
        return None
    sizes = *_native.code_sizes(shape[0], shape[1]), centre.size
    if (data.size, terms.size) != sizes[:2] or centre.size not in (0, shape[1]) or not np.isfinite(centre).all():
        return None
    frame = codes.Frame(about["similarity"], centre.ravel(), about["turned"])
    return codes.Codes(data.ravel(), terms.ravel(), frame, 0, shape[0])


def _device_tensor(name: str, value: Any) -> Any:
    """`value` where it is a torch tensor on a device other than the CPU, else None."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor) or value.device.type == "cpu":
        return None
    tensor = value.detach()
    if tensor.device.type == "meta":
        raise TypeError(f"{name}: a tensor on meta, which holds no numbers")
    if tensor.ndim != 2:
        raise ValueError(f"{name}: {tensor.ndim} dimensions, shape {tuple(tensor.shape)}, expected 2")
    if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise TypeError(f"{name}: dtype {tensor.dtype}, expected float16, bfloat16 or float32")
    return tensor

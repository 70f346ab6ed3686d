"""Rows of few weights among many terms: what lexical and learned sparse teachers make of texts."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.frozen import Frozen
from hardmine.nouns.lists import row_span, take_rows
from hardmine.plumbing import checks, ragged
from hardmine.plumbing.float_mode import in_default_mode

MOST_TERMS = 2**31
"""Terms there can be: ids are int32."""


class SparseRow(NamedTuple):
    """One row.

    Attributes
    ----------
    terms : int32 [n]
        Rising.
    weights : float32 | float16 [n]
    """

    terms: npt.NDArray[np.int32]
    weights: npt.NDArray[Any]


class SparseRows(Frozen):
    """Weights of terms, row by row (CSR): texts as lexical and learned sparse teachers see them.

    Parameters
    ----------
    offsets : integers [num_rows + 1]
        Row r owns ``terms[offsets[r]:offsets[r + 1]]``.
    terms : integers [n]
        At least 0, below 2^31 and `num_terms`; in any order inside a row, none twice.
    weights : float32 | float16 [n]
        Finite, of any sign. A weight of 0 is the same as none, and is left out.
    num_terms : int, optional
        Size of the vocabulary. None: open, as with hashed terms. Where queries and documents both name one, they must
        agree.

    Attributes
    ----------
    offsets : int64 [num_rows + 1]
    terms : int32 [n]
        Rising inside a row.
    weights : float32 | float16 [n]
    num_terms : int or None

    Raises
    ------
    TypeError, ValueError
        A dtype, an offset, a term or a weight is wrong; the message names the argument, the row and the term.

    Notes
    -----
    What is sorted already and without zeros is kept by reference: do not change the arrays while the rows are in use.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> rows = hm.SparseRows([0, 2, 3], [7, 2, 2], np.array([0.5, 1.0, -2.0], dtype=np.float32), num_terms=8)
    >>> rows
    SparseRows(2 rows, 3 weights, 8 terms, float32)
    >>> rows[0].terms.tolist(), rows[0].weights.tolist()
    ([2, 7], [1.0, 0.5])
    """

    __slots__ = ("num_terms", "offsets", "terms", "weights")
    offsets: npt.NDArray[np.int64]
    terms: npt.NDArray[np.int32]
    weights: npt.NDArray[Any]
    num_terms: int | None

    def __init__(
        self, offsets: npt.ArrayLike, terms: npt.ArrayLike, weights: npt.ArrayLike, num_terms: int | None = None
    ) -> None:
        self._check("", offsets, terms, weights, num_terms)

    def _check(self, name: str, offsets: Any, terms: Any, weights: Any, num_terms: int | None) -> None:
        """Set the columns from what came; `name` is that of the argument that they came in, followed by a space."""
        if num_terms is not None:
            num_terms = checks.integer(f"{name}num_terms", num_terms, maximum=MOST_TERMS)
        offset_array = checks.int64_vector(f"{name}offsets", offsets)
        weight_array = _weights(f"{name}weights", weights)
        ragged.check_offsets(offset_array, weight_array.size, f"{name}offsets", "the number of weights")
        term_array = _terms(f"{name}terms", terms, offset_array, weight_array.size, num_terms)
        if not np.isfinite(weight_array).all():
            at = int((~np.isfinite(weight_array)).argmax())
            row = _row_at(offset_array, at)
            raise ValueError(
                f"{name}weights: {weight_array[at]} in row {row} for term {term_array[at]}, expected a finite number"
            )
        offset_array, term_array, weight_array = _sorted(name, offset_array, term_array, weight_array)
        for column, value in (
            ("offsets", offset_array), ("terms", term_array), ("weights", weight_array), ("num_terms", num_terms),
        ):  # fmt: skip
            self._set(column, value)

    @classmethod
    def of(cls, value: Any, name: str = "rows") -> SparseRows:
        """Sparse rows of whatever holds some.

        Parameters
        ----------
        value : SparseRows | SciPy sparse array or matrix | torch sparse tensor | (offsets, terms, weights)
            SciPy's and torch's come in any format, in one with repeats an entry is their sum, as they define it.
            float32 or float16.
        name : str
            What messages call it.

        Returns
        -------
        SparseRows

        Raises
        ------
        TypeError, ValueError
            Anything else, or what the constructor raises.

        Examples
        --------
        >>> import numpy as np
        >>> import scipy.sparse
        >>> import hardmine as hm
        >>> matrix = scipy.sparse.csr_array(np.array([[0, 1, 0], [2, 0, 3]], dtype=np.float32))
        >>> hm.SparseRows.of(matrix)
        SparseRows(2 rows, 3 weights, 3 terms, float32)
        """
        if isinstance(value, cls):
            return value
        parts: tuple[Any, Any, Any, int | None] | None = _scipy(name, value) or _torch(name, value)
        if parts is None and isinstance(value, tuple) and [hasattr(part, "__len__") for part in value] == [True] * 3:
            parts = (*value, None)
        if parts is None:
            raise TypeError(
                f"{name}: {type(value).__name__}, expected SparseRows, a SciPy sparse array, a torch sparse tensor or "
                "(offsets, terms, weights)"
            )
        self = cls.__new__(cls)
        self._check(f"{name} ", *parts)
        return self

    @classmethod
    def from_columns(
        cls, offsets: npt.ArrayLike, rows: npt.ArrayLike, weights: npt.ArrayLike, num_rows: int
    ) -> SparseRows:
        """Sparse rows of lists by term (CSC), such as those of an inverted index.

        Parameters
        ----------
        offsets : integers [num_terms + 1]
            Term t owns ``rows[offsets[t]:offsets[t + 1]]``.
        rows : integers [n]
            Below `num_rows`, none twice in one term.
        weights : float32 [n]
        num_rows : int

        Returns
        -------
        SparseRows

        Raises
        ------
        TypeError, ValueError
            A row out of range, or what the constructor raises.

        Examples
        --------
        >>> import numpy as np
        >>> import hardmine as hm
        >>> rows = hm.SparseRows.from_columns([0, 1, 3], [1, 0, 1], np.array([1, 2, 3], dtype=np.float32), 2)
        >>> rows[1].terms.tolist(), rows[1].weights.tolist()
        ([0, 1], [1.0, 3.0])
        """
        count = checks.integer("num_rows", num_rows, maximum=2**31)
        starts, array = checks.int64_vector("offsets", offsets), _weights("weights", weights)
        if array.dtype != np.float32:
            raise TypeError(f"weights: dtype {array.dtype.name}, expected float32")
        numbers = _terms("rows", rows, starts, array.size, count)
        return cls(*_native.sparse_transpose(starts, numbers, array, count), starts.size - 1)

    @classmethod
    def concatenate(cls, parts: Iterable[SparseRows]) -> SparseRows:
        """The rows of several, one after the other.

        Parameters
        ----------
        parts : iterable of SparseRows
            Of one dtype. Where some name their `num_terms`, they must agree, and no part may have terms beyond.

        Returns
        -------
        SparseRows

        Raises
        ------
        TypeError, ValueError
            No parts, parts that are none, several dtypes or vocabularies.
        """
        found = list(parts)
        for at, part in enumerate(found):
            if not isinstance(part, cls):
                raise TypeError(f"parts[{at}]: {type(part).__name__}, expected SparseRows")
        if not found:
            raise ValueError("parts: none, expected at least one")
        for at, part in enumerate(found):
            if part.weights.dtype != found[0].weights.dtype:
                raise TypeError(f"parts[{at}]: {part.weights.dtype}, expected {found[0].weights.dtype} as the first")
        sizes = {part.num_terms for part in found if part.num_terms is not None}
        if len(sizes) > 1:
            raise ValueError(f"parts: of {sorted(sizes)} terms, expected one vocabulary")
        size = sizes.pop() if sizes else None
        for at, part in enumerate(found):
            beyond = int(part.terms.max(initial=-1))
            if size is not None and beyond >= size:
                raise ValueError(f"parts[{at}]: term {beyond}, expected below {size}, which another part names")
        lengths = np.concatenate([np.diff(part.offsets) for part in found])
        return cls._trusted(
            {
                "offsets": ragged.offsets_of(lengths),
                "terms": np.concatenate([part.terms for part in found]),
                "weights": np.concatenate([part.weights for part in found]),
                "num_terms": size,
            }
        )

    def take(self, rows: npt.ArrayLike) -> SparseRows:
        """Some rows, in the order asked for.

        Parameters
        ----------
        rows : integers [n]
            Row numbers, at least 0; a row may occur several times.

        Returns
        -------
        SparseRows

        Raises
        ------
        ValueError
            A row is out of range.
        """
        dtype = self.weights.dtype
        weights = (
            self.weights.view(np.int16) if dtype == np.float16 else self.weights
        )  # bits are copied, whatever they are
        offsets, (terms, weights) = take_rows(self.offsets, [self.terms, weights], rows)
        return self._trusted(
            {"offsets": offsets, "terms": terms, "weights": weights.view(dtype), "num_terms": self.num_terms}
        )

    def to_scipy(self) -> Any:
        """The rows as ``scipy.sparse.csr_array`` of float32, for SciPy has no float16 (the same numbers).

        An open vocabulary ends with the highest term.

        Raises
        ------
        ValueError
            The rows are of a damaged file: a term is beyond the vocabulary.
        """
        import scipy.sparse

        highest = int(self.terms.max(initial=-1))
        width = highest + 1 if self.num_terms is None else self.num_terms
        if highest >= width:
            raise ValueError(f"terms: {highest}, expected below {width}")
        weights = _widened(self.weights)
        return scipy.sparse.csr_array((weights, self.terms, self.offsets), shape=(len(self), width))

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    def __getitem__(self, row: int) -> SparseRow:
        span = row_span(self.offsets, row)
        return SparseRow(self.terms[span], self.weights[span])

    def __repr__(self) -> str:
        terms = "open vocabulary" if self.num_terms is None else f"{self.num_terms} terms"
        return f"SparseRows({len(self)} rows, {self.terms.size} weights, {terms}, {self.weights.dtype})"


def is_sparse(value: Any) -> bool:
    """Whether `SparseRows.of` is to judge a value: it holds sparse rows, or looks as if it should."""
    if isinstance(value, (SparseRows, tuple)):
        return isinstance(value, SparseRows) or _is_csr(value)
    scipy, torch = sys.modules.get("scipy.sparse"), sys.modules.get("torch")
    if scipy is not None and scipy.issparse(value):
        return True
    return torch is not None and isinstance(value, torch.Tensor) and value.layout is not torch.strided


@in_default_mode
def _scipy(name: str, value: Any) -> tuple[Any, Any, Any, int] | None:
    scipy = sys.modules.get("scipy.sparse")
    if scipy is None or not scipy.issparse(value):
        return None
    if value.ndim != 2:
        raise ValueError(f"{name}: {value.ndim} dimensions, shape {value.shape}, expected 2")
    _refuse_dtype(f"{name} weights", value.dtype)  # before the work, and before SciPy widens float16 to add
    rows = value.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy() if rows is value else rows
        rows.sum_duplicates()
    used = int(rows.indptr[-1])  # SciPy lets the arrays be longer
    return rows.indptr, rows.indices[:used], rows.data[:used], rows.shape[1]


@in_default_mode
def _torch(name: str, value: Any) -> tuple[Any, Any, Any, int] | None:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor) or value.layout is torch.strided:
        return None
    if value.ndim != 2:
        raise ValueError(f"{name}: {value.ndim} dimensions, shape {tuple(value.shape)}, expected 2")
    if value.dtype not in (torch.float16, torch.float32):
        raise TypeError(f"{name}: a tensor of {value.dtype}, expected float16 or float32")
    if value.dense_dim():
        raise ValueError(f"{name}: a sparse tensor of {value.dense_dim()} dense dimensions, expected none")
    if value.device.type == "meta":
        raise TypeError(f"{name}: a tensor on meta, which holds no numbers")
    # COO is the one layout whose repeats torch adds up.
    found = value.detach().cpu().to_sparse_coo().coalesce()
    rows, terms = found.indices().numpy()
    offsets = ragged.offsets_of(np.bincount(rows, minlength=value.shape[0]))
    return offsets, terms, found.values().numpy(), int(value.shape[1])


def _is_csr(value: tuple[Any, ...]) -> bool:
    """Three arrays or tensors, of which two hold integers: no embeddings do."""
    return len(value) == 3 and all("int" in str(getattr(part, "dtype", "")) for part in value[:2])


@in_default_mode
def _widened(weights: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return weights.astype(np.float32, copy=False)


def _weights(name: str, value: Any) -> npt.NDArray[Any]:
    array = checks.as_array(name, value)
    if array.ndim != 1:
        raise ValueError(f"{name}: {array.ndim} dimensions, shape {array.shape}, expected 1")
    _refuse_dtype(name, array.dtype)
    return np.ascontiguousarray(array)


def _refuse_dtype(name: str, dtype: np.dtype[Any]) -> None:
    if dtype not in (np.float32, np.float16) or not dtype.isnative:
        order = "" if dtype.isnative else " in the other byte order"
        raise TypeError(f"{name}: dtype {dtype.name}{order}, expected float16 or float32")


def _terms(
    name: str, value: Any, offsets: npt.NDArray[np.int64], length: int, num_terms: int | None
) -> npt.NDArray[np.int32]:
    limit = MOST_TERMS if num_terms is None else num_terms
    array = checks.as_array(name, value)
    if array.dtype != np.int32 or array.shape != (length,):
        array = checks.int64_vector(name, value, length=length)
    if array.size and not (int(array.min()) >= 0 and int(array.max()) < limit):
        at = int(((array < 0) | (array >= limit)).argmax())
        raise ValueError(f"{name}: {int(array[at])} in row {_row_at(offsets, at)}, expected at least 0, below {limit}")
    return np.ascontiguousarray(array, dtype=np.int32)


@in_default_mode
def _sorted(
    name: str, offsets: npt.NDArray[np.int64], terms: npt.NDArray[np.int32], weights: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[Any]]:
    """Rows in order of their terms, without zeros."""
    if not np.all(weights):
        kept = weights != 0
        offsets = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])[offsets]
        terms, weights = terms[kept], weights[kept]
    rises = np.ones(terms.size + 1, dtype=bool)
    np.greater(terms[1:], terms[:-1], out=rises[1:-1])
    rises[offsets] = True  # a row starts with whatever it starts with
    if not rises.all():
        key = (ragged.rows_of(offsets) << 31) | terms
        order = np.argsort(key, kind="stable")
        key, terms, weights = key[order], terms[order], weights[order]
        repeats = key[1:] == key[:-1]
        if repeats.any():
            at = int(repeats.argmax())
            raise ValueError(f"{name}terms: {terms[at]} occurs twice in row {_row_at(offsets, at)}")
    return offsets, terms, weights


def _row_at(offsets: npt.NDArray[np.int64], at: int) -> int:
    return int(np.searchsorted(offsets, at, side="right")) - 1

"""What a search finds and a selection chooses from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns import teacher_scores as teachers
from hardmine.nouns.lists import REASONS, Lists, mapping, refuse_repeats, take_rows
from hardmine.nouns.positives import Positives
from hardmine.nouns.run_files import RunFiles
from hardmine.nouns.strings import StringTable
from hardmine.plumbing import checks, container, ragged
from hardmine.plumbing.float_mode import in_default_mode

if TYPE_CHECKING:
    import pyarrow as pa


class Candidates(RunFiles, Lists):
    """Retrieved documents per query, best first, ragged (CSR): what a search finds and `select` chooses from.

    Parameters
    ----------
    offsets : int64 [num_queries + 1]
        Query i owns the positions ``offsets[i]:offsets[i + 1]`` of the arrays below.
    ids : int64 [n]
        Document indices, at least 0, no id twice in one query.
    scores : float32 [n]
        Never rising inside a query; no NaN. Among equal scores the lower index comes first (not checked: a run made
        elsewhere may break ties in its own way, and its order is kept).
    ranks : int32 [n], optional
        1-based rank in the query's ranking before ceiling and floor, known positives and exclusions of the scan left
        out. Absent when no filter acted inside the scan: then the position is the rank. A scan with more than
        2**31 - 1 documents of a query above the ceiling raises ValueError: its ranks do not fit.
    sources : int16 [n], optional
        Number of the teacher that gave each candidate.
    anchor_scores : float32 [n], optional
        Largest centred cosine between the candidate and a positive of its query; what `Anchored` needs.
    teacher_scores : mapping of str to float32 [n], optional
        Scores of the same candidates under further teachers, by their names; no NaN. `rescore` leaves here what it
        found in ``scores``, and a ceiling such as ``PercPos(0.95, teacher="bm25")`` acts on them. Absent where empty.
    query_ids, document_ids : iterable of str, optional
        Names of the rows and of the documents.
    reasons : mapping of str to int64 [num_queries], optional
        What the scan removed before these lists: a subset of `REASONS`. `select` adds its own counts to these.
    positives : Positives, optional
        The labelled positives of the same queries with their scores under the teacher of the run: `retrieve` leaves
        them here, so that a stored run can be selected from without the teacher.
    metadata : mapping, optional
        JSON-able facts about the run: teacher, k, similarity, versions.

    Raises
    ------
    TypeError, ValueError
        A dtype, a length, an offset, an id or the order of scores is wrong; the message names the argument.

    Examples
    --------
    >>> import hardmine as hm
    >>> run = hm.Candidates([0, 2, 3], [7, 2, 5], [0.9, 0.4, 0.8])
    >>> len(run), run[0].ids.tolist()
    (2, [7, 2])
    """

    __slots__ = (
        "anchor_scores", "document_ids", "metadata", "positives", "query_ids", "ranks", "reasons", "sources",
        "teacher_scores",
    )  # fmt: skip
    ranks: npt.NDArray[np.int32] | None
    sources: npt.NDArray[np.int16] | None
    anchor_scores: npt.NDArray[np.float32] | None
    teacher_scores: Mapping[str, npt.NDArray[np.float32]] | None
    query_ids: StringTable | None
    document_ids: StringTable | None
    positives: Positives | None
    reasons: Mapping[str, npt.NDArray[np.int64]] | None
    metadata: Mapping[str, Any]

    def __init__(
        self,
        offsets: npt.ArrayLike,
        ids: npt.ArrayLike,
        scores: npt.ArrayLike,
        *,
        ranks: npt.ArrayLike | None = None,
        sources: npt.ArrayLike | None = None,
        anchor_scores: npt.ArrayLike | None = None,
        teacher_scores: Mapping[str, npt.ArrayLike] | None = None,
        query_ids: Iterable[str] | None = None,
        document_ids: Iterable[str] | None = None,
        reasons: Mapping[str, npt.ArrayLike] | None = None,
        positives: Positives | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._set_lists(offsets, ids, scores)
        self._check_order()
        refuse_repeats(self.offsets, self.ids)
        self._set_columns(
            ranks=ranks,
            sources=sources,
            anchor_scores=anchor_scores,
            teacher_scores=teacher_scores,
            query_ids=query_ids,
            document_ids=document_ids,
            reasons=reasons,
            positives=positives,
            metadata=metadata,
        )

    def _set_columns(self, **columns: Any) -> None:
        for name, dtype in _ALIGNED.items():
            self._set_column(name, columns[name], dtype, self.ids.size)
        self._set("teacher_scores", teachers.checked(columns["teacher_scores"], self.ids.size))
        for name in ("query_ids", "document_ids"):
            self._set(name, None if columns[name] is None else StringTable.from_strings(columns[name], name))
        if self.query_ids is not None and len(self.query_ids) != len(self):
            raise ValueError(f"query_ids: {len(self.query_ids)} names, expected {len(self)}")
        if self.document_ids is not None and self.ids.size and int(self.ids.max()) >= len(self.document_ids):
            raise ValueError(f"document_ids: {len(self.document_ids)} names, but id {int(self.ids.max())} occurs")
        positives = columns["positives"]
        if positives is not None and not isinstance(positives, Positives):
            raise TypeError(f"positives: {type(positives).__name__}, expected Positives")
        if positives is not None and len(positives) != len(self):
            raise ValueError(f"positives: {len(positives)} queries, expected {len(self)}")
        self._set("positives", positives)
        reasons = columns["reasons"]
        self._set("reasons", None if reasons is None else self._counts(mapping("reasons", reasons)))
        metadata = columns["metadata"]
        self._set("metadata", {} if metadata is None else mapping("metadata", metadata))

    def _counts(self, reasons: dict[str, Any]) -> dict[str, npt.NDArray[np.int64]]:
        unknown = sorted(set(reasons) - set(REASONS), key=str)
        if unknown:
            raise ValueError(f"reasons: unknown {unknown[0]!r}, expected names out of {', '.join(REASONS)}")
        counts = {}
        for name, given in reasons.items():
            count = checks.int64_vector(f"reasons[{name!r}]", given, length=len(self))
            if count.min(initial=0) < 0:
                raise ValueError(f"reasons[{name!r}]: {int(count.min())}, expected at least 0")
            counts[name] = count
        return counts

    @in_default_mode
    def _check_order(self) -> None:
        rises = self.scores[1:] > self.scores[:-1]
        starts = self.offsets[1:-1]
        rises[starts[(starts > 0) & (starts < self.scores.size)] - 1] = False
        if rises.any():
            position = int(rises.argmax()) + 1
            query = int(np.searchsorted(self.offsets, position, side="right")) - 1
            raise ValueError(f"scores: they rise inside query {query} at position {position}, expected best first")

    @classmethod
    def _from_native(cls, found: _native.Ranked, metadata: dict[str, Any] | None = None) -> Candidates:
        """Build from what a scan of the native module returns, which is right by construction."""
        self = cls.__new__(cls)
        offsets, ids, scores = found["offsets"], found["ids"], found["scores"]
        above_ceiling, below_floor = found["above_ceiling"], found["below_floor"]
        nan, excluded = found["nan"], found["excluded"]
        for name in Candidates.__slots__:
            object.__setattr__(self, name, None)
        for name, array in (("offsets", offsets), ("ids", ids), ("scores", scores)):
            array.setflags(write=False)  # made for this object alone: no view needed to protect it
            object.__setattr__(self, name, array)
        counts = {}
        if excluded is not nan:  # one array of zeros stands for all where nothing was removed
            if above_ceiling.any():
                # A ceiling removes the top of the ranking and nothing else, so it shifts every rank below by one count.
                shift = np.repeat(above_ceiling - offsets[:-1], np.diff(offsets))
                ranks = np.arange(1, ids.size + 1, dtype=np.int64) + shift
                if ranks.max(initial=0) > _MOST_RANKS:
                    at = int(ranks.argmax())
                    query = int(np.searchsorted(offsets, at, side="right")) - 1
                    raise ValueError(
                        f"ceiling: {int(above_ceiling[query])} documents of query {query} stand above it, so that a "
                        f"rank is {int(ranks[at])}, expected at most 2**31 - 1 (ranks are int32)"
                    )
                self._set("ranks", ranks.astype(np.int32))
            counts = {"excluded": excluded, "above_ceiling": above_ceiling, "below_floor": below_floor, "nan": nan}
            counts = {name: count for name, count in counts.items() if count.any()}
        self._set("reasons", counts)
        self._set("metadata", metadata or {})
        return self

    @classmethod
    def _trusted(cls, columns: Mapping[str, Any]) -> Candidates:
        return super()._trusted({**columns, "metadata": dict(columns.get("metadata") or {})})

    @classmethod
    def from_padded(cls, ids: npt.ArrayLike, scores: npt.ArrayLike, fill_id: int = -1, **columns: Any) -> Candidates:
        """Build from the rectangle that a search library gives: faiss, cuVS, a pair of .npy files.

        Parameters
        ----------
        ids : integers [num_queries, width]
            Document indices, best first in a row.
        scores : floats [num_queries, width]
            Never rising inside a row: higher is better, so give distances negated. What stands beside `fill_id` is not
            looked at.
        fill_id : int
            The id that stands where a row has no more documents.
        **columns
            Optional columns of the constructor that speak of whole queries: ``query_ids``, ``document_ids``,
            ``reasons``, ``positives``, ``metadata``.

        Raises
        ------
        TypeError, ValueError
            The two shapes differ or are not 2-d, or what the constructor raises.

        Examples
        --------
        >>> import numpy as np, hardmine as hm
        >>> hm.Candidates.from_padded([[7, 2], [5, -1]], np.float32([[0.9, 0.4], [0.8, -3e38]]))
        Candidates(2 queries, 3 candidates, 1 to 2 each)
        """
        fill_id = checks.integer("fill_id", fill_id, minimum=-(2**63), maximum=2**64 - 1)
        table, values = checks.as_array("ids", ids), checks.as_array("scores", scores)
        for name, array in (("ids", table), ("scores", values)):
            if array.ndim != 2:
                raise ValueError(f"{name}: {array.ndim} dimensions, shape {array.shape}, expected 2")
        if table.shape != values.shape:
            raise ValueError(f"scores: shape {values.shape}, expected {table.shape} as ids")
        if table.dtype.kind not in "iu":
            raise TypeError(f"ids: dtype {table.dtype.name}, expected integers")
        for name in columns.keys() & {"offsets", "teacher_scores", *_ALIGNED}:
            raise TypeError(f"{name}: a column of single candidates, expected columns of whole queries alone")
        filled = table != fill_id
        return cls(ragged.offsets_of(filled.sum(axis=1)), table[filled], values[filled], **columns)

    def take(self, rows: npt.ArrayLike, *, num_threads: int | None = None) -> Candidates:
        """The candidates of some queries, in the order asked for: the cost is that of these rows alone.

        Parameters
        ----------
        rows : integers [n]
            Query numbers, at least 0; a query may occur several times.
        num_threads : int, optional
            Threads; the result does not depend on them.

        Raises
        ------
        ValueError
            A row is out of range.

        Examples
        --------
        >>> import hardmine as hm
        >>> run = hm.Candidates([0, 2, 3], [7, 2, 5], [0.9, 0.4, 0.8])
        >>> run.take([1, 0]).ids.tolist()
        [5, 7, 2]
        """
        wanted = checks.int64_vector("rows", rows)
        names = ["ids", "scores", *(name for name in _ALIGNED if getattr(self, name) is not None)]
        offsets, taken = take_rows(self.offsets, [getattr(self, name) for name in names], wanted, num_threads)
        columns: dict[str, Any] = {"offsets": offsets, **dict(zip(names, taken, strict=True))}
        columns["teacher_scores"] = teachers.taken(self.teacher_scores, self.offsets, wanted, num_threads)
        if self.reasons is not None:
            columns["reasons"] = {name: counts[wanted] for name, counts in self.reasons.items()}
        if self.query_ids is not None:
            columns["query_ids"] = self.query_ids.rows(wanted)
        if self.positives is not None:
            columns["positives"] = self.positives.take(wanted)
        return Candidates._trusted({**columns, "document_ids": self.document_ids, "metadata": self.metadata})

    def replace(self, **changes: Any) -> Candidates:
        """Copy with some columns changed.

        Parameters
        ----------
        **changes
            Any keyword of the constructor.

        Returns
        -------
        Candidates

        Raises
        ------
        TypeError, ValueError
            As in the constructor.
        """
        if not changes.keys() & {"offsets", "ids", "scores"} and changes.keys() <= set(Candidates.__slots__):
            # The lists were checked when they were made.
            copy = Candidates.__new__(Candidates)
            for name in ("offsets", "ids", "scores"):
                copy._set(name, getattr(self, name))
            copy._set_columns(**{name: changes.get(name, getattr(self, name)) for name in Candidates.__slots__})
            return copy
        return Candidates(**{name: changes.pop(name, getattr(self, name)) for name in self._columns()}, **changes)

    def __repr__(self) -> str:
        extra = [name for name in (*_ALIGNED, "query_ids") if getattr(self, name) is not None]
        extra += [f"scores of {name}" for name in self.teacher_scores or ()]
        columns = f", with {', '.join(extra)}" if extra else ""
        lengths = self.lengths
        span = f"{int(lengths.min(initial=2**62))} to {int(lengths.max())} each" if len(self) else "empty"
        return f"Candidates({len(self)} queries, {self.ids.size} candidates, {span}{columns})"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one memory-mappable file (safetensors layout, no pickle), whole or not at all.

        Parameters
        ----------
        path : path-like
            The file; its folder must exist.

        Raises
        ------
        TypeError, ValueError
            The metadata are none that JSON can hold.
        OSError
            The file cannot be written; what was there before is there still.
        """
        arrays = {name: getattr(self, name) for name in ("offsets", "ids", "scores", *_ALIGNED)}
        arrays = {name: array for name, array in arrays.items() if array is not None}
        arrays |= {f"reasons.{name}": counts for name, counts in (self.reasons or {}).items()}
        arrays |= teachers.flattened(self.teacher_scores)
        for name, parts in _NESTED.items():
            found = getattr(self, name)
            for part in parts if found is not None else ():
                if getattr(found, part) is not None:
                    arrays[f"{name}.{part}"] = getattr(found, part)
        labels = None if self.positives is None else self.positives.teacher_scores
        arrays |= {f"positives.{name}": column for name, column in teachers.flattened(labels).items()}
        container.save(path, "candidates", arrays, dict(self.metadata))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Candidates:
        """Map a file written by `save`.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        Candidates

        Raises
        ------
        ValueError
            The file is truncated, malformed or of another kind.
        """
        arrays, metadata = container.load(path, "candidates")
        try:
            return cls(**unflattened(arrays), metadata=metadata)
        except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise ValueError(f"{os.fspath(path)}: malformed candidates ({error})") from None

    def to_arrow(self) -> pa.Table:
        """One row per candidate: ``query``, ``document``, ``score`` and the optional columns (needs pyarrow).

        Scores of further teachers are columns ``teacher_scores.NAME``.
        """
        import pyarrow as pa

        columns: dict[str, Any] = {"query": self.row_of_each, "document": self.ids, "score": self.scores}
        for name, column in (("rank", self.ranks), ("source", self.sources), ("anchor_score", self.anchor_scores)):
            if column is not None:
                columns[name] = column
        return pa.table(columns | teachers.flattened(self.teacher_scores))

    @classmethod
    def from_arrow(cls, table: pa.Table, *, num_queries: int | None = None) -> Candidates:
        """Read the table that `to_arrow` gives.

        Parameters
        ----------
        table : pyarrow.Table
            Its rows are grouped by rising ``query``.
        num_queries : int, optional
            Default: the last query's number and one, which forgets queries at the end that found nothing.

        Returns
        -------
        Candidates

        Raises
        ------
        TypeError, ValueError
            The rows are not grouped, there are more queries, or what the constructor raises.
        """
        queries = table["query"].to_numpy()
        offsets = ragged.group("query", queries, num_queries)
        names = (("ranks", "rank"), ("sources", "source"), ("anchor_scores", "anchor_score"))
        extra = {name: table[column].to_numpy() for name, column in names if column in table.column_names}
        others = {name: table[name].to_numpy() for name in table.column_names if name.startswith(teachers.PREFIX)}
        extra |= teachers.gathered(others)
        return cls(offsets, table["document"].to_numpy(), table["score"].to_numpy(), **extra)


_ALIGNED: dict[str, type[np.generic]] = {"ranks": np.int32, "sources": np.int16, "anchor_scores": np.float32}
"""Optional columns with an entry for every candidate."""

_MOST_RANKS = 2**31 - 1

_NESTED = {
    "query_ids": ("offsets", "data"),
    "document_ids": ("offsets", "data"),
    "positives": ("offsets", "ids", "scores"),
}
"""Optional columns that are objects of several arrays."""


def unflattened(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Columns of candidates from arrays named as `Candidates.save` names them."""
    columns: dict[str, Any] = {name: array for name, array in arrays.items() if "." not in name}
    nested: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, array in arrays.items():
        outer, dot, inner = name.partition(".")
        if dot:
            nested.setdefault(outer, {})[inner] = array
    for name, parts in nested.items():
        if name == "positives":
            columns[name] = Positives(**teachers.gathered(parts))
        else:
            columns[name] = parts if name in ("reasons", "teacher_scores") else StringTable(**parts)
    return columns

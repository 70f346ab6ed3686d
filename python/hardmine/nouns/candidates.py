"""The nouns that travel between modules: candidates, positives, negatives."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.nouns.strings import StringTable
from hardmine.plumbing import checks, container
from hardmine.plumbing.threads import thread_count

if TYPE_CHECKING:
    import pyarrow as pa

REASONS = (
    "positive", "excluded", "duplicate_text", "outside_window", "above_ceiling", "below_floor", "nan", "not_drawn",
    "kept",
)  # fmt: skip
"""What can become of a candidate, in the order in which the tests are made; columns of the reason counts."""


_SET = object.__setattr__
"""How a frozen object sets its own fields."""


class Ranking(NamedTuple):
    """The documents of one query, best first."""

    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


class _Lists:
    """Ragged (ids, scores) per row, frozen: what candidates and negatives share."""

    __slots__ = ("ids", "offsets", "scores")
    offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def _set(self, name: str, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.flags.writeable:
            value = value.view()
            value.flags.writeable = False
        _SET(self, name, value)

    def _column(self, name: str, value: Any, dtype: type[np.generic], length: int) -> None:
        if value is not None:
            array = np.ascontiguousarray(value)
            if array.shape != (length,):
                raise ValueError(f"{name}: shape {array.shape}, expected ({length},)")
            if not np.can_cast(array.dtype, dtype, casting="same_kind"):
                raise TypeError(f"{name}: dtype {array.dtype}, expected {np.dtype(dtype)}")
            kept = array.astype(dtype, copy=False)
            if array.dtype.kind in "iu" and not np.array_equal(kept, array):
                at = int((kept != array).argmax())
                raise ValueError(f"{name}: {array[at]} at position {at}, expected what {np.dtype(dtype)} can hold")
            value = kept
        self._set(name, value)

    def _init_lists(self, offsets: Any, ids: Any, scores: Any) -> None:
        ids = checks.int64_vector("ids", ids)
        offsets = checks.int64_vector("offsets", offsets)
        scores = checks.float32_vector("scores", scores, length=ids.size)
        if offsets.size == 0 or offsets[0] != 0 or offsets[-1] != ids.size or (np.diff(offsets) < 0).any():
            raise ValueError(f"offsets: expected to start at 0, never fall and end at {ids.size} (the number of ids)")
        if ids.size and int(ids.min()) < 0:
            raise ValueError(f"ids: {int(ids.min())}, expected at least 0")
        if np.isnan(scores).any():
            raise ValueError(f"scores: NaN at position {int(np.isnan(scores).argmax())}")
        self._set("offsets", offsets)
        self._set("ids", ids)
        self._set("scores", scores)

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    def __getitem__(self, row: int) -> Ranking:
        row = checks.integer("row", row, minimum=-(2**63))
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        start, end = self.offsets[row % len(self)], self.offsets[row % len(self) + 1]
        return Ranking(self.ids[start:end], self.scores[start:end])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of documents per row, int64 [rows]."""
        return np.diff(self.offsets)

    def padded(
        self, fill_id: int = -1, fill_score: float = -np.inf
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The lists as a rectangle.

        Parameters
        ----------
        fill_id, fill_score : int, float
            What stands behind the end of a short row.

        Returns
        -------
        ids : int64 [rows, width]
        scores : float32 [rows, width]
            Width is the length of the longest row.
        """
        lengths = self.lengths
        width = int(lengths.max(initial=0))
        ids = np.full((len(self), width), fill_id, dtype=np.int64)
        scores = np.full((len(self), width), fill_score, dtype=np.float32)
        filled = np.arange(width) < lengths[:, None]
        ids[filled] = self.ids
        scores[filled] = self.scores
        return ids, scores

    def _row_of_each(self) -> npt.NDArray[np.int64]:
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)


def _strings(name: str, table: Iterable[str] | None) -> StringTable | None:
    if table is None:
        return None
    try:
        return StringTable.from_strings(table)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("strings", name, 1)) from None


def _refuse_repeats(offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.int64]) -> None:
    found = _native.first_repeat(offsets, ids, thread_count(None))
    if found is not None:
        raise ValueError(f"ids: {found[1]} occurs twice for query {found[0]}")


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: {type(value).__name__}, expected a mapping")
    return dict(value)


class Candidates(_Lists):
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
        out. Absent when no filter acted inside the scan: then the position is the rank.
    sources : int16 [n], optional
        Number of the teacher that gave each candidate.
    anchor_scores : float32 [n], optional
        Largest centred cosine between the candidate and a positive of its query; what `Anchored` needs.
    query_ids, document_ids : iterable of str, optional
        Names of the rows and of the documents.
    reasons : mapping of str to int64 [num_queries], optional
        What the scan removed before these lists: a subset of `REASONS`. `select` adds its own counts to these.
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

    __slots__ = ("anchor_scores", "document_ids", "metadata", "query_ids", "ranks", "reasons", "sources")
    ranks: npt.NDArray[np.int32] | None
    sources: npt.NDArray[np.int16] | None
    anchor_scores: npt.NDArray[np.float32] | None
    query_ids: StringTable | None
    document_ids: StringTable | None
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
        query_ids: Iterable[str] | None = None,
        document_ids: Iterable[str] | None = None,
        reasons: Mapping[str, npt.ArrayLike] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._init_lists(offsets, ids, scores)
        self._check_order()
        _refuse_repeats(self.offsets, self.ids)
        self._init_columns(ranks, sources, anchor_scores, query_ids, document_ids, reasons, metadata)

    def _init_columns(
        self,
        ranks: Any,
        sources: Any,
        anchor_scores: Any,
        query_ids: Any,
        document_ids: Any,
        reasons: Any,
        metadata: Any,
    ) -> None:
        self._column("ranks", ranks, np.int32, self.ids.size)
        self._column("sources", sources, np.int16, self.ids.size)
        self._column("anchor_scores", anchor_scores, np.float32, self.ids.size)
        self._set("query_ids", _strings("query_ids", query_ids))
        self._set("document_ids", _strings("document_ids", document_ids))
        if self.query_ids is not None and len(self.query_ids) != len(self):
            raise ValueError(f"query_ids: {len(self.query_ids)} names, expected {len(self)}")
        if self.document_ids is not None and self.ids.size and int(self.ids.max()) >= len(self.document_ids):
            raise ValueError(f"document_ids: {len(self.document_ids)} names, but id {int(self.ids.max())} occurs")
        if reasons is not None:
            reasons = _mapping("reasons", reasons)
            unknown = sorted(set(reasons) - set(REASONS), key=str)
            if unknown:
                raise ValueError(f"reasons: unknown {unknown[0]!r}, expected names out of {', '.join(REASONS)}")
            counts = {n: checks.int64_vector(f"reasons[{n!r}]", c, length=len(self)) for n, c in reasons.items()}
            for name, count in counts.items():
                if count.min(initial=0) < 0:
                    raise ValueError(f"reasons[{name!r}]: {int(count.min())}, expected at least 0")
            reasons = MappingProxyType(counts)
        self._set("reasons", reasons)
        self._set("metadata", MappingProxyType(_mapping("metadata", {} if metadata is None else metadata)))

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
        offsets, ids, scores, above_ceiling, below_floor, nan, excluded = found
        for name in Candidates.__slots__:
            _SET(self, name, None)
        for name, array in (("offsets", offsets), ("ids", ids), ("scores", scores)):
            array.setflags(write=False)  # made for this object alone: no view needed to protect it
            _SET(self, name, array)
        counts = {}
        if excluded is not nan:  # one array of zeros stands for all where nothing was removed
            if above_ceiling.any():
                # A ceiling removes the top of the ranking and nothing else, so it shifts every rank below by one count.
                shift = np.repeat(above_ceiling - offsets[:-1], np.diff(offsets))
                self._set("ranks", (np.arange(1, ids.size + 1, dtype=np.int64) + shift).astype(np.int32))
            counts = {"excluded": excluded, "above_ceiling": above_ceiling, "below_floor": below_floor, "nan": nan}
            counts = {name: count for name, count in counts.items() if count.any()}
        _SET(self, "reasons", MappingProxyType(counts))
        _SET(self, "metadata", MappingProxyType(metadata or {}))
        return self

    @classmethod
    def _trusted(cls, columns: Mapping[str, Any]) -> Candidates:
        """Build from columns that have been checked before: rows of checked candidates, or a file read again."""
        self = cls.__new__(cls)
        for name in ("offsets", "ids", "scores", *Candidates.__slots__):
            self._set(name, columns.get(name))
        for name in ("reasons", "metadata"):
            value = columns.get(name)
            self._set(name, value if name == "reasons" and value is None else MappingProxyType(dict(value or {})))
        return self

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
        names = ["ids", "scores"]
        names += [name for name in ("ranks", "anchor_scores", "sources") if getattr(self, name) is not None]
        threads = thread_count(num_threads)
        offsets, taken = _native.take_rows(self.offsets, [getattr(self, name) for name in names], wanted, threads)
        columns: dict[str, Any] = {"offsets": offsets, **dict(zip(names, taken, strict=True))}
        if self.reasons is not None:
            columns["reasons"] = {name: counts[wanted] for name, counts in self.reasons.items()}
        if self.query_ids is not None:
            columns["query_ids"] = StringTable.from_strings(self.query_ids.take(wanted))
        return Candidates._trusted({**columns, "document_ids": self.document_ids, "metadata": self.metadata})

    def replace(self, **changes: Any) -> Candidates:
        """Copy with some columns changed: any keyword of the constructor."""
        if not changes.keys() & {"offsets", "ids", "scores"} and changes.keys() <= set(Candidates.__slots__):
            # The lists were checked when they were made.
            copy = Candidates.__new__(Candidates)
            for name in ("offsets", "ids", "scores"):
                copy._set(name, getattr(self, name))
            copy._init_columns(**{name: changes.get(name, getattr(self, name)) for name in Candidates.__slots__})
            return copy
        names = ("offsets", "ids", "scores", *Candidates.__slots__)
        return Candidates(**{name: changes.pop(name, getattr(self, name)) for name in names}, **changes)

    def __repr__(self) -> str:
        extra = [name for name in ("ranks", "sources", "anchor_scores", "query_ids") if getattr(self, name) is not None]
        columns = f", with {', '.join(extra)}" if extra else ""
        lengths = self.lengths
        span = f"{int(lengths.min(initial=2**62))} to {int(lengths.max())} each" if len(self) else "empty"
        return f"Candidates({len(self)} queries, {self.ids.size} candidates, {span}{columns})"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one memory-mappable file (safetensors layout, no pickle), whole or not at all."""
        arrays = {name: getattr(self, name) for name in ("offsets", "ids", "scores")}
        for name in ("ranks", "sources", "anchor_scores"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        for name, counts in (self.reasons or {}).items():
            arrays[f"reasons.{name}"] = counts
        _add_tables(arrays, query_ids=self.query_ids, document_ids=self.document_ids)
        container.save(path, "candidates", arrays, dict(self.metadata))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Candidates:
        """Map a file written by `save`; raises ValueError where it is truncated, malformed or of another kind."""
        arrays, metadata = container.load(path, "candidates")
        return _build(path, cls, arrays, metadata)

    def to_arrow(self) -> pa.Table:
        """One row per candidate: ``query``, ``document``, ``score`` and the optional columns (needs pyarrow)."""
        import pyarrow as pa

        columns: dict[str, Any] = {"query": self._row_of_each(), "document": self.ids, "score": self.scores}
        for name, column in (("rank", self.ranks), ("source", self.sources), ("anchor_score", self.anchor_scores)):
            if column is not None:
                columns[name] = column
        return pa.table(columns)

    @classmethod
    def from_arrow(cls, table: pa.Table, *, num_queries: int | None = None) -> Candidates:
        """Read the table that `to_arrow` gives; rows must be grouped by rising ``query``."""
        queries = table["query"].to_numpy()
        offsets = _group("query", queries, num_queries)
        names = (("ranks", "rank"), ("sources", "source"), ("anchor_scores", "anchor_score"))
        extra = {name: table[column].to_numpy() for name, column in names if column in table.column_names}
        return cls(offsets, table["document"].to_numpy(), table["score"].to_numpy(), **extra)


class Positives:
    """Labelled positives per query, ragged (CSR).

    Parameters
    ----------
    offsets : int64 [num_queries + 1]
    ids : int64 [n]
        Document indices, at least 0, no id twice in one query.
    scores : float32 [n], optional
        Score of each positive under the teacher that scored the candidates; finite.

    Raises
    ------
    TypeError, ValueError
        A dtype, an offset, an id or a score is wrong; the message names the argument and the query.

    Examples
    --------
    >>> import hardmine as hm
    >>> positives = hm.Positives.from_lists([[3], [1, 7]])
    >>> len(positives), positives[1].tolist()
    (2, [1, 7])
    """

    __slots__ = ("ids", "offsets", "scores")
    offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32] | None

    def __init__(self, offsets: npt.ArrayLike, ids: npt.ArrayLike, scores: npt.ArrayLike | None = None) -> None:
        id_array = checks.int64_vector("ids", ids)
        offset_array = checks.int64_vector("offsets", offsets)
        falls = (np.diff(offset_array) < 0).any()
        if offset_array.size == 0 or offset_array[0] != 0 or offset_array[-1] != id_array.size or falls:
            raise ValueError(
                f"offsets: expected to start at 0, never fall and end at {id_array.size} (the number of ids)"
            )
        rows = np.repeat(np.arange(offset_array.size - 1), np.diff(offset_array))
        if id_array.size and int(id_array.min()) < 0:
            at = int(id_array.argmin())
            raise ValueError(f"ids: {int(id_array[at])} for query {int(rows[at])}, expected at least 0")
        _refuse_repeats(offset_array, id_array)
        score_array = None
        if scores is not None:
            score_array = checks.float32_vector("scores", scores, length=id_array.size)
            if not np.isfinite(score_array).all():
                at = int((~np.isfinite(score_array)).argmax())
                raise ValueError(f"scores: {score_array[at]} for query {int(rows[at])}, expected a finite number")
        for name, value in (("offsets", offset_array), ("ids", id_array), ("scores", score_array)):
            if value is not None:
                value = value.view()
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Positives is frozen: {name} cannot be set")

    @classmethod
    def from_lists(cls, rows: Sequence[Sequence[int]], scores: Sequence[Sequence[float]] | None = None) -> Positives:
        """Build from one sequence of document indices per query (and of their scores)."""
        offsets, ids = checks.lists_to_csr("positives", rows)
        if scores is None:
            return cls(offsets, ids)
        checks.sized("scores", scores)
        for index, row in enumerate(scores):
            checks.sized(f"scores[{index}]", row)
        if [len(row) for row in scores] != [len(row) for row in rows]:
            raise ValueError("scores: their rows differ in length from the ids'")
        flat = [
            s if isinstance(s, (float, np.floating)) else checks.real(f"scores[{i}]", s)
            for i, row in enumerate(scores)
            for s in row
        ]
        return cls(offsets, ids, np.array(flat, dtype=np.float64))

    @classmethod
    def _trusted(cls, offsets: Any, ids: Any, scores: Any) -> Positives:
        """Build from arrays that have been checked before."""
        self = cls.__new__(cls)
        for name, value in (("offsets", offsets), ("ids", ids), ("scores", scores)):
            object.__setattr__(self, name, value)
        return self

    def take(self, rows: npt.ArrayLike) -> Positives:
        """The positives of some queries, in the order asked for; a query may occur several times.

        Raises
        ------
        ValueError
            A row is out of range.
        """
        columns: list[npt.NDArray[Any]] = [self.ids] if self.scores is None else [self.ids, self.scores]
        offsets, taken = _native.take_rows(self.offsets, columns, checks.int64_vector("rows", rows), 1)
        for array in (offsets, *taken):
            array.flags.writeable = False
        return Positives._trusted(offsets, taken[0], taken[1] if len(taken) > 1 else None)

    def with_scores(self, scores: npt.ArrayLike) -> Positives:
        """These positives with the given scores, float32 [n]."""
        return Positives(self.offsets, self.ids, scores)

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    def __getitem__(self, row: int) -> npt.NDArray[np.int64]:
        row = checks.integer("row", row, minimum=-(2**63))
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return self.ids[self.offsets[row % len(self)] : self.offsets[row % len(self) + 1]]

    @property
    def query_of_each(self) -> npt.NDArray[np.int64]:
        """Query of every (query, positive) pair, int64 [n]."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))

    def __repr__(self) -> str:
        scored = ", scored" if self.scores is not None else ""
        return f"Positives({len(self)} queries, {self.ids.size} positives{scored})"


class Negatives(_Lists):
    """Chosen negatives, ragged (CSR): one row per query, or per (query, positive) pair with ``positive_agg="each"``.

    Made by `select`, `mine_scores` and `mine`; read by writers and data loaders.

    Attributes
    ----------
    offsets : int64 [rows + 1]
    ids : int64 [n]
        Document indices, in ranking order inside a row; documents of ``on_shortage="fill"`` come last.
    scores : float32 [n]
        Teacher scores; NaN for filled documents, whose score nobody computed.
    ranks : int32 [n]
        1-based rank before any filter; 0 for filled documents.
    filled : bool [n]
        Documents that were drawn at random because too few candidates were admissible.
    sources : int16 [n], optional
        Number of the teacher that gave each negative, where `ensemble` made them of several.
    queries : int64 [rows]
        Query of each row.
    positives : int64 [rows]
        Positive document of each row, or -1 where a row stands for all positives of its query.
    positive_scores : float32 [rows]
        The positive score that the rules used (aggregated); NaN where none is known.
    reasons : mapping of str to int64 [rows]
        What became of every candidate seen; the names are `REASONS`, and the counts of a row add up exactly.
    dropped : int64 [m]
        Queries left out by ``on_shortage="drop"``.
    metadata : mapping
        Rule, draw, seed, epoch, versions.
    """

    __slots__ = (
        "dropped", "filled", "metadata", "positive_scores", "positives", "queries", "ranks", "reasons", "sources",
    )  # fmt: skip
    ranks: npt.NDArray[np.int32]
    filled: npt.NDArray[np.bool_]
    sources: npt.NDArray[np.int16] | None
    queries: npt.NDArray[np.int64]
    positives: npt.NDArray[np.int64]
    positive_scores: npt.NDArray[np.float32]
    reasons: Mapping[str, npt.NDArray[np.int64]]
    dropped: npt.NDArray[np.int64]
    metadata: Mapping[str, Any]

    def __init__(self, **columns: Any) -> None:
        columns.setdefault("sources", None)
        names = ("offsets", "ids", "scores", *Negatives.__slots__)
        lacking = [name for name in names if name not in columns]
        if lacking:
            raise TypeError(f"{lacking[0]}: missing; expected the columns that select() makes")
        for name in names:
            value = columns.pop(name)
            if name in ("reasons", "metadata"):
                value = MappingProxyType(dict(value))
            self._set(name, value)
        if columns:
            raise TypeError(f"unexpected columns: {', '.join(columns)}")

    @property
    def num_short(self) -> int:
        """Rows with fewer negatives than asked for, filled ones not counted, dropped ones counted."""
        wanted = int(self.metadata["num_negatives"])
        found = self.reasons["kept"]
        return int((found < wanted).sum()) + int(self.dropped.size)

    def __repr__(self) -> str:
        dropped = f", {self.dropped.size} dropped" if self.dropped.size else ""
        return f"Negatives({len(self)} rows, {self.ids.size} negatives, {self.num_short} short{dropped})"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one memory-mappable file (safetensors layout, no pickle), whole or not at all."""
        names = ("offsets", "ids", "scores", "ranks", "filled", "queries", "positives", "positive_scores", "dropped")
        arrays = {name: getattr(self, name) for name in names}
        if self.sources is not None:
            arrays["sources"] = self.sources
        arrays["reasons"] = np.stack([self.reasons[name] for name in REASONS])
        container.save(path, "negatives", arrays, dict(self.metadata))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Negatives:
        """Map a file written by `save`; raises ValueError where it is truncated, malformed or of another kind."""
        arrays, metadata = container.load(path, "negatives")
        try:
            counts = arrays.pop("reasons")
            _check_columns(arrays, counts)
            return cls(**arrays, reasons=dict(zip(REASONS, counts, strict=True)), metadata=metadata)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ValueError(f"{os.fspath(path)}: malformed negatives ({error})") from None

    def to_arrow(self) -> pa.Table:
        """One row per negative: query, positive, document, score, rank, filled, if known source (needs pyarrow)."""
        import pyarrow as pa

        rows = self._row_of_each()
        columns: dict[str, Any] = {
            "query": self.queries[rows],
            "positive": self.positives[rows],
            "document": self.ids,
            "score": self.scores,
            "rank": self.ranks,
            "filled": self.filled,
        }
        if self.sources is not None:
            columns["source"] = self.sources
        return pa.table(columns)


def _add_tables(arrays: dict[str, npt.NDArray[Any]], **tables: StringTable | None) -> None:
    for name, table in tables.items():
        if table is not None:
            arrays[f"{name}.offsets"] = table.offsets
            arrays[f"{name}.data"] = table.data


_NEGATIVES = {
    "offsets": np.int64, "ids": np.int64, "scores": np.float32, "ranks": np.int32, "filled": np.bool_,
    "queries": np.int64, "positives": np.int64, "positive_scores": np.float32, "dropped": np.int64,
}  # fmt: skip


def _check_columns(arrays: Mapping[str, npt.NDArray[Any]], counts: npt.NDArray[Any]) -> None:
    """Refuse columns of saved negatives whose dtype, shape or offsets cannot be."""
    known = {**_NEGATIVES, "sources": np.int16} if "sources" in arrays else _NEGATIVES
    for name, dtype in known.items():
        if arrays[name].dtype != dtype or arrays[name].ndim != 1:
            raise ValueError(f"{name}: {arrays[name].ndim}-d {arrays[name].dtype}, expected 1-d {np.dtype(dtype)}")
    offsets, ids = arrays["offsets"], arrays["ids"]
    if not offsets.size or offsets[0] != 0 or offsets[-1] != ids.size or (offsets[1:] < offsets[:-1]).any():
        raise ValueError("offsets do not cut the ids")
    rows = offsets.size - 1
    lengths = {"scores": ids.size, "ranks": ids.size, "filled": ids.size, "sources": ids.size}
    lengths.update(queries=rows, positives=rows, positive_scores=rows)
    for name, length in lengths.items():
        if name in known and arrays[name].size != length:
            raise ValueError(f"{name}: length {arrays[name].size}, expected {length}")
    if counts.dtype != np.int64 or counts.shape != (len(REASONS), rows):
        raise ValueError(f"reasons: {counts.dtype} {counts.shape}, expected int64 {(len(REASONS), rows)}")
    if ids.min(initial=0) < 0 or arrays["queries"].min(initial=0) < 0:
        raise ValueError("ids or queries below 0")


def _build(path: Any, cls: type[Candidates], arrays: dict[str, npt.NDArray[Any]], metadata: Any) -> Candidates:
    try:
        for name in ("query_ids", "document_ids"):
            if f"{name}.offsets" in arrays:
                arrays[name] = StringTable(arrays.pop(f"{name}.offsets"), arrays.pop(f"{name}.data"))  # type: ignore[assignment]
        reasons = {name[8:]: arrays.pop(name) for name in list(arrays) if name.startswith("reasons.")}
        return cls(**arrays, reasons=reasons or None, metadata=metadata)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{os.fspath(path)}: malformed candidates ({error})") from None


def _group(name: str, rows: npt.NDArray[Any], num_rows: int | None) -> npt.NDArray[np.int64]:
    if rows.size and (np.diff(rows) < 0).any():
        raise ValueError(f"{name}: rows are not grouped by rising {name}")
    count = int(rows[-1]) + 1 if rows.size else 0
    if num_rows is not None:
        if count > num_rows:
            raise ValueError(f"{name}: {count - 1}, expected below {num_rows}")
        count = num_rows
    return np.searchsorted(rows, np.arange(count + 1)).astype(np.int64)

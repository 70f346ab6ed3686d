"""What a selection chose."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.lists import REASONS, Lists
from hardmine.plumbing import checks, container, ragged

if TYPE_CHECKING:
    import pyarrow as pa


class Negatives(Lists):
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
        names = self._columns()
        lacking = [name for name in names if name not in columns]
        if lacking:
            raise TypeError(f"{lacking[0]}: missing; expected the columns that select() makes")
        for name in names:
            value = columns.pop(name)
            self._set(name, dict(value) if name in ("reasons", "metadata") else value)
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
        arrays = {name: getattr(self, name) for name in _DTYPES}
        if self.sources is not None:
            arrays["sources"] = self.sources
        arrays |= {f"reasons.{name}": self.reasons[name] for name in REASONS}
        container.save(path, "negatives", arrays, dict(self.metadata))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Negatives:
        """Map a file written by `save`.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        Negatives

        Raises
        ------
        ValueError
            The file is truncated, malformed or of another kind.
        """
        arrays, metadata = container.load(path, "negatives")
        try:
            counts = _taken_reasons(arrays)
            _check_columns(arrays, counts)
            _check_metadata(arrays, metadata)
            return cls(**arrays, reasons=counts, metadata=metadata)
        except (KeyError, ValueError, IndexError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"{os.fspath(path)}: malformed negatives ({error})") from None

    def to_arrow(self) -> pa.Table:
        """One row per negative: query, positive, document, score, rank, filled, if known source (needs pyarrow)."""
        import pyarrow as pa

        rows = self.row_of_each
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


_DTYPES = {
    "offsets": np.int64, "ids": np.int64, "scores": np.float32, "ranks": np.int32, "filled": np.bool_,
    "queries": np.int64, "positives": np.int64, "positive_scores": np.float32, "dropped": np.int64,
}  # fmt: skip


def _taken_reasons(arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The counts of saved negatives, taken out of their columns.

    A reason that the file does not know, because it was written before there was one, removed nothing. Files of then
    have the counts as the rows of one array, in the order of the reasons that there were.
    """
    rows = arrays["offsets"].size - 1
    if "reasons" in arrays:
        before = [name for name in REASONS if name != "near_duplicate"]
        found = dict(zip(before, arrays.pop("reasons"), strict=True))
    else:
        known = [name for name in REASONS if f"reasons.{name}" in arrays]
        found = {name: arrays.pop(f"reasons.{name}") for name in known}
        if "kept" not in found:
            raise KeyError("reasons.kept")
    return {name: found.get(name, np.zeros(rows, np.int64)) for name in REASONS}


def _check_columns(arrays: Mapping[str, npt.NDArray[Any]], counts: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse columns of saved negatives whose dtype, shape or offsets cannot be."""
    known = {**_DTYPES, "sources": np.int16} if "sources" in arrays else _DTYPES
    for name, dtype in known.items():
        if arrays[name].dtype != dtype or arrays[name].ndim != 1:
            raise ValueError(f"{name}: {arrays[name].ndim}-d {arrays[name].dtype}, expected 1-d {np.dtype(dtype)}")
    offsets, ids = arrays["offsets"], arrays["ids"]
    ragged.check_offsets(offsets, ids.size)
    rows = offsets.size - 1
    lengths = {"scores": ids.size, "ranks": ids.size, "filled": ids.size, "sources": ids.size}
    lengths.update(queries=rows, positives=rows, positive_scores=rows)
    for name, length in lengths.items():
        if name in known and arrays[name].size != length:
            raise ValueError(f"{name}: length {arrays[name].size}, expected {length}")
    for name, count in counts.items():
        if count.dtype != np.int64 or count.shape != (rows,):
            raise ValueError(f"reasons[{name!r}]: {count.dtype} {count.shape}, expected int64 {(rows,)}")
    for name, lowest in (("ids", 0), ("queries", 0), ("dropped", 0), ("ranks", 0), ("positives", -1), ("sources", 0)):
        if name in known and arrays[name].min(initial=lowest) < lowest:
            raise ValueError(f"{name}: {int(arrays[name].min())}, expected at least {lowest}")


def _check_metadata(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, Any]) -> None:
    """Refuse metadata that a report or a writer would stumble over."""
    if "num_negatives" not in metadata:
        raise ValueError("metadata: no num_negatives")
    checks.integer("num_negatives", metadata["num_negatives"], minimum=1)
    runs = metadata.get("runs", [])
    if not isinstance(runs, list):
        raise TypeError(f"runs: {type(runs).__name__}, expected a list")
    for about in (*runs, metadata):
        found = about.get("candidates", {})
        if not isinstance(found, dict):
            raise TypeError(f"candidates: {type(found).__name__}, expected an object")
    if "sources" in arrays and arrays["sources"].max(initial=-1) >= len(runs):
        raise ValueError(f"sources: {int(arrays['sources'].max())}, expected below {len(runs)} (the number of runs)")

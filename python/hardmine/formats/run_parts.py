"""What every reader of runs shares: ids into numbers, order, repeats, scores of positives.

A reader gives tables with the columns ``query``, ``document`` (ids, dictionary-encoded or strings) and ``score``, one
row for each candidate, some hundred thousand at a time, in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.formats.errors import FormatError
from hardmine.formats.rows import shorten
from hardmine.formats.run_order import best_first
from hardmine.nouns import arrow
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import VERSION
from hardmine.nouns.positives import Positives
from hardmine.nouns.strings import StringTable
from hardmine.nouns.tables import labels
from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.plumbing.ragged import offsets_of

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.collection import Collection

_FOLD = 1 << 22
"""Candidates whose ids wait together until the tables of ids that they brought become one."""
HOW_TO_DROP = "unknown='drop'"
"""What messages tell to whoever wants to leave out what a collection does not have: an argument of `read_run`."""
UNKNOWN = ("error", "drop")
"""What may be done with ids that the collection does not have."""

_Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """What the user said of a run that is read.

    Attributes
    ----------
    collection : Collection, optional
    unknown : {"error", "drop"}
    teacher : str, optional
    """

    collection: Collection | None = None
    unknown: str = "error"
    teacher: str | None = None

    def __post_init__(self) -> None:
        checks.choice("unknown", self.unknown, UNKNOWN)


class Coder:
    """Strings on their way into numbers: different strings are numbered as they appear."""

    def __init__(self) -> None:
        self._pa = need("pyarrow", what="reading runs", extra="mine")
        self._known = self._pa.array([], self._pa.string())
        self._waiting: list[Any] = []
        self._count = 0
        self._codes: list[npt.NDArray[np.int32]] = []

    def add(self, column: Any) -> None:
        """Add a column of strings, dictionary-encoded or not."""
        for chunk in column.chunks if isinstance(column, self._pa.ChunkedArray) else [column]:
            encoded = chunk if self._pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
            encoded = encoded.cast(self._pa.dictionary(self._pa.int32(), self._pa.string()))
            self._waiting.append(encoded)
            self._count += len(chunk)
        if self._count >= _FOLD:
            self._fold()

    def _fold(self) -> None:
        known = self._pa.DictionaryArray.from_arrays(self._pa.array([], self._pa.int32()), self._known)
        chunks = self._pa.chunked_array([known, *self._waiting]).unify_dictionaries().chunks
        self._known = chunks[-1].dictionary if chunks else self._known
        self._codes += [chunk.indices.to_numpy() for chunk in chunks if len(chunk)]
        self._waiting, self._count = [], 0

    def finish(self) -> tuple[npt.NDArray[np.int32], pa.LargeStringArray]:
        """Number of every string, and the strings of the numbers."""
        self._fold()
        codes = np.concatenate(self._codes) if self._codes else np.empty(0, np.int32)
        return codes, self._known.cast(self._pa.large_string())


@dataclass
class Facts:
    """What a reader learns besides candidates.

    Attributes
    ----------
    teacher : str
        Who scored, as the file says.
    first_is_positive : bool
        Whether the first document of every row is a positive of its query: tables then have a column ``is_first``.
        Several rows of a query may share documents that have the same score in each.
    """

    teacher: str = ""
    first_is_positive: bool = False


class _Numbered(NamedTuple):
    queries: _Int64
    documents: _Int64
    query_ids: StringTable
    document_ids: StringTable


def candidates(
    path: Path,
    tables: Callable[[], Iterable[pa.Table]],
    asked: Asked,
    *,
    format: str,  # noqa: A002
    facts: Facts,
    unit: str = "line",
) -> Candidates:
    """The run that some tables hold.

    Parameters
    ----------
    path : Path
        Their file; for messages.
    tables : callable
        Gives the tables, with the number of each candidate in the file as ``line`` where they have one; is asked again
        only where something is wrong, to say where.
    asked : Asked
    format : str
    facts : Facts
        Filled when the tables have all been read.
    unit : {"line", "row"}
        What ``line`` counts.

    Raises
    ------
    FormatError
        An id that the collection does not have (unless these are dropped), a document twice for a query, or nothing.
    """
    coders, scores, heads = (Coder(), Coder()), [], []
    for table in tables():
        for coder, name in zip(coders, ("query", "document"), strict=True):
            coder.add(table[name])
        scores.append(nearest(table["score"].to_numpy()))
        if facts.first_is_positive:
            heads.append(table["is_first"].to_numpy())
    score = np.concatenate(scores) if scores else np.empty(0, np.float32)
    if not score.size:
        raise FormatError(path, "no candidates", "at least one")
    place = _Place(path, tables, unit)
    numbered, kept, dropped = _numbered(coders, asked, place)
    score = score if kept is None else score[kept]
    first = None
    if heads:
        is_first = np.concatenate(heads)
        rows = np.cumsum(is_first)
        is_first, rows = (is_first, rows) if kept is None else (is_first[kept], rows[kept])
        first = _positives(numbered, is_first) if asked.collection is None else None
        once = _once(numbered, score, rows)
        if not once.all():
            numbered = numbered._replace(queries=numbered.queries[once], documents=numbered.documents[once])
            kept = np.ones(once.size, bool) if kept is None else kept
            kept[kept] = once
            score = score[once]
    run = _checked(_ordered(numbered, score), first, numbered, kept, place)
    return _about(run, asked, facts, format, path, dropped)


def nearest(numbers: Any) -> npt.NDArray[np.float32]:
    """Scores as the nearest float32; beyond its range an infinity."""
    with np.errstate(over="ignore"):
        return np.asarray(numbers).astype(np.float32, copy=False)


class _Place:
    """Where in the file the candidates stand; the file is read again to say it."""

    def __init__(self, path: Path, tables: Callable[[], Iterable[pa.Table]], unit: str) -> None:
        self._path, self._tables, self._unit = path, tables, unit

    def error(self, position: int, came: str, wanted: str, column: str | None = None) -> FormatError:
        """What is wrong with the candidate at this position."""
        line = None
        for table in self._tables():
            if position < table.num_rows:
                line = table["line"][position].as_py() if "line" in table.column_names else None
                break
            position -= table.num_rows
        return FormatError(self._path, came, wanted, line=line, field=column, unit=self._unit)


def _numbered(
    coders: tuple[Coder, Coder], asked: Asked, place: _Place
) -> tuple[_Numbered, npt.NDArray[np.bool_] | None, dict[str, int]]:
    """Numbers in place of ids; which candidates are kept (None for all); how many were dropped, and why."""
    collection = asked.collection
    numbers: list[_Int64] = []
    names: list[StringTable] = []
    for coder, kind in zip(coders, ("query", "document"), strict=True):
        codes, known = coder.finish()
        if collection is None:
            numbers.append(codes.astype(np.int64))
            names.append(StringTable.from_strings(known))
        else:
            table: StringTable = getattr(collection, f"{kind}_ids")
            numbers.append(arrow.places(known, arrow.of_table(table))[codes])
            names.append(table)
    found = _Numbered(numbers[0], numbers[1], names[0], names[1])
    if collection is None:
        return found, None, {}
    unknown = {"query": found.queries < 0, "document": (found.documents < 0) & (found.queries >= 0)}
    kept = ~(unknown["query"] | unknown["document"])
    if kept.all():
        return found, None, {}
    if asked.unknown == "error":
        at = int((~kept).argmax())
        kind = "query" if unknown["query"][at] else "document"
        codes, known = coders[["query", "document"].index(kind)].finish()
        came = repr(shorten(known[int(codes[at])].as_py()))
        wanted = f"the id of a {kind} of the collection; {HOW_TO_DROP} leaves out and counts what it does not have"
        raise place.error(at, came, wanted, kind)
    if not kept.any():
        raise place.error(0, "no candidate whose query and document the collection has", "at least one")
    dropped = {f"unknown_{name}": int(which.sum()) for name, which in unknown.items()}
    return found._replace(queries=found.queries[kept], documents=found.documents[kept]), kept, dropped


def _positives(found: _Numbered, is_first: npt.NDArray[np.bool_]) -> Positives:
    """The documents that come first in the rows of each query, in their order."""
    pairs = found.queries[is_first], found.documents[is_first]
    offsets, ids, _ = labels(*pairs, len(found.query_ids), len(found.document_ids))
    return Positives(offsets, ids)


def _once(found: _Numbered, scores: npt.NDArray[np.float32], rows: _Int64) -> npt.NDArray[np.bool_]:
    """All candidates but those that came before, with the same score, where their query has several rows."""
    queries = found.queries
    first_row = np.zeros(len(found.query_ids), np.int64)
    first_row[queries[::-1]] = rows[::-1]
    has_several = np.zeros(len(found.query_ids), bool)
    has_several[queries[rows != first_row[queries]]] = True
    at = np.flatnonzero(has_several[queries])
    keys = queries[at] * max(len(found.document_ids), 1) + found.documents[at]
    order = np.lexsort((scores[at], keys))
    keys, at = keys[order], at[order]
    is_again = (keys[1:] == keys[:-1]) & (scores[at[1:]] == scores[at[:-1]])
    kept = np.ones(queries.size, bool)
    kept[at[1:][is_again]] = False
    return kept


class _Sorted(NamedTuple):
    offsets: _Int64
    ids: _Int64
    scores: npt.NDArray[np.float32]


def _ordered(found: _Numbered, scores: npt.NDArray[np.float32]) -> _Sorted:
    """Lists by query, best first, equal scores by lower index."""
    queries, ids = found.queries, found.documents
    rises = np.diff(queries)
    is_sorted = (rises > 0) | (
        (rises == 0) & ((scores[1:] < scores[:-1]) | ((scores[1:] == scores[:-1]) & (np.diff(ids) > 0)))
    )
    if not is_sorted.all():
        order = best_first(queries, ids, scores)
        queries, ids, scores = queries[order], ids[order], scores[order]
    offsets = offsets_of(np.bincount(queries, minlength=len(found.query_ids)))
    return _Sorted(offsets, ids, scores)


def _checked(
    run: _Sorted,
    first: Positives | None,
    found: _Numbered,
    kept: npt.NDArray[np.bool_] | None,
    place: _Place,
) -> Candidates:
    """The lists as candidates, none of which comes twice for a query."""
    try:
        return Candidates(
            run.offsets, run.ids, run.scores, query_ids=found.query_ids, document_ids=found.document_ids,
            positives=None if first is None else scored(first, run.offsets, run.ids, run.scores)[0],
        )  # fmt: skip
    except ValueError:
        keys = found.queries * max(len(found.document_ids), 1) + found.documents
        order = np.argsort(keys, kind="stable")
        again = order[1:][keys[order[1:]] == keys[order[:-1]]]
        if not again.size:
            raise
    at = int(again.min())
    query, document = found.query_ids[int(found.queries[at])], found.document_ids[int(found.documents[at])]
    position = at if kept is None else int(np.flatnonzero(kept)[at])
    came = f"document {document!r} occurs twice for query {query!r}"
    raise place.error(position, came, "every document once for a query")


def scored(
    positives: Positives, offsets: _Int64, ids: _Int64, scores: npt.NDArray[np.float32]
) -> tuple[Positives | None, int]:
    """Positives with their scores where the run has them all, else None; and how many it lacks."""
    width = int(max(ids.max(initial=0), positives.ids.max(initial=0))) + 1
    wanted = positives.query_of_each * width + positives.ids
    order = np.argsort(wanted)
    found = np.full(wanted.size, np.nan, np.float32)
    queries = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    for start in range(0, ids.size, _FOLD):
        keys = queries[start : start + _FOLD] * width + ids[start : start + _FOLD]
        at = np.searchsorted(wanted, keys, sorter=order).clip(max=max(wanted.size - 1, 0))
        hit = wanted[order[at]] == keys if wanted.size else np.zeros(keys.size, bool)
        found[order[at[hit]]] = scores[start : start + _FOLD][hit]
    lacking = int((~np.isfinite(found)).sum())
    return (None if lacking else positives.with_scores(found)), lacking


def _about(
    run: Candidates,
    asked: Asked,
    facts: Facts,
    name: str,
    path: Path,
    dropped: dict[str, int],
) -> Candidates:
    """The run with what is known about it."""
    metadata: dict[str, Any] = {
        "teacher": asked.teacher or facts.teacher or path.name,
        "k": int(run.lengths.max(initial=0)),
        "format": name,
        "version": VERSION,
        **dropped,
    }
    positives = run.positives
    if asked.collection is not None:
        positives, lacking = scored(asked.collection.positives, run.offsets, run.ids, run.scores)
        if lacking:
            metadata["positives_without_score"] = lacking
    return run.replace(positives=positives, metadata=metadata)

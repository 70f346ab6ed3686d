"""What every writer of training rows shares: files that are whole or absent, rows left out and counted, the side file.

A format says in a `RowWriter` which files it has, what it wants of documents and how a chunk of rows becomes the tables
of its files; `write_mined`, `write_chunks` and `mined_tables` do the rest.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.formats.arrow import compute, pa
from hardmine.formats.chunks import SCHEMA, Side
from hardmine.formats.layouts import check_layout, sink
from hardmine.formats.mined_pairs import Pairs, check_scores, chunks_of
from hardmine.formats.provenance import provenance_tables
from hardmine.formats.side_path import provenance_path
from hardmine.plumbing.files import atomic_writes, check_target
from hardmine.plumbing.progress import Progress, Reporting

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives

_Int64 = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]


class File(NamedTuple):
    """One file of a format.

    Attributes
    ----------
    path : Path
    frame : (str, str)
        What stands before and behind its rows where it is one JSON document.
    is_bare : bool
        Whether a line of jsonl is the value of the one column, without its name.
    """

    path: Path
    frame: tuple[str, str] = ("[\n", "\n]\n")
    is_bare: bool = False


class Options(NamedTuple):
    """What a user asks of rows that are written.

    Attributes
    ----------
    scores : bool
        Whether the teacher's scores are written.
    names : (str, str)
        What the query and the positive are called where a format leaves that open.
    num_negatives : int, optional
        How many negatives a row should have, where that is known.
    parts : bool
        Whether parts of rows are written too, where the format makes a record of each document.
    """

    scores: bool = False
    names: tuple[str, str] = ("anchor", "positive")
    num_negatives: int | None = None
    parts: bool = False


class RowWriter(ABC):
    """How the rows of one format are written.

    Parameters
    ----------
    name : str
        Of the format; for messages.
    options : Options

    Attributes
    ----------
    layouts : tuple of str
        Suffixes of the file of the rows.
    takes : frozenset of str
        What it needs of documents, among "ids", "titles", "texts" and "scores".
    fewest : int
        Negatives that a row needs; rows with fewer are left out.
    parts : tuple of str
        What the tables of `tables` are called in a `datasets.DatasetDict`.
    per_positive : bool
        Whether each positive has a row of its own.
    has_scores : bool
        Whether the format has a place for scores.
    """

    layouts: tuple[str, ...] = (".jsonl", ".parquet")
    takes: frozenset[str] = frozenset({"texts"})
    fewest: int = 1
    parts: tuple[str, ...] = ("train",)
    per_positive: bool = False
    has_scores: bool = True

    def __init__(self, name: str, options: Options) -> None:
        self.name, self.scores = name, options.scores
        self._has_begun = False
        if options.scores:
            self.refuse_scores(has_scores=self.has_scores)
            self.takes = self.takes | {"scores"}

    def refuse_scores(self, *, has_scores: bool) -> None:
        """Raise where scores are asked for that have no place."""
        if self.scores and not has_scores:
            raise ValueError(f"scores: {self.name} has no place for them, expected scores=False")

    def check(self, path: Path) -> None:
        """Raise where `path` cannot hold these rows."""
        check_layout(path, self.layouts)

    def files(self, path: Path) -> list[File]:
        """The files of a format, that of the rows first; they lie beside `path` or in folders beside it."""
        return [File(path)]

    def begin(self, chunk: pa.Table) -> None:
        """Look at the first chunk, so that all tables have one schema; later ones are passed over."""
        if not self._has_begun:
            self._has_begun = True
            self.start(chunk)

    def start(self, chunk: pa.Table) -> None:  # noqa: B027 - most formats need nothing of it
        """What a format does with the first chunk."""

    @abstractmethod
    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        """The rows of a chunk as one table for each part."""

    def kept(self, positives: _Int64, negatives: _Int64) -> _Bools:
        """Which rows are written, by how many positives and negatives they have."""
        kept: _Bools = (positives > 0) & (negatives >= self.fewest)
        return kept

    def rows(self, positives: _Int64, negatives: _Int64) -> _Int64:  # noqa: ARG002
        """How many rows of the file a row of a chunk gives, unless each positive has its own."""
        return np.ones(positives.size, dtype=np.int64)

    def kept_pairs(self, pairs: Pairs) -> tuple[_Bools, _Int64, int]:
        """Which pairs get into the file, in which row of it each of them begins (-1 for none), and how many it has."""
        kept = self.kept(np.ones(len(pairs), dtype=np.int64), pairs.length)
        is_first = np.diff(pairs.row, prepend=-1) != 0
        begins = np.flatnonzero(kept if self.per_positive else kept & is_first)
        counts = np.diff(np.append(np.flatnonzero(is_first), len(pairs)))
        rows = np.zeros(len(pairs), dtype=np.int64)
        positives = np.repeat(counts, counts)[begins]
        rows[begins] = 1 if self.per_positive else self.rows(positives, pairs.length[begins])
        before = np.cumsum(rows) - rows
        if not self.per_positive:
            before = before[np.maximum.accumulate(np.where(is_first, np.arange(len(pairs)), 0))]
        return kept, np.where(kept, before, -1), int(rows.sum())

    def of_mined(self, collection: Collection, negatives: Negatives, pairs: Pairs) -> Iterator[list[pa.Table]]:
        """The tables of what was mined, from the pairs that are kept."""
        yield from self.of_chunks(chunk for _, chunk in chunks_of(collection, negatives, pairs, self.takes))

    def of_chunks(self, chunks: Iterable[pa.Table]) -> Iterator[list[pa.Table]]:
        """The tables of chunks whose rows are all kept; at least one of each, so that an empty file has its columns."""
        for chunk in chunks:
            self.begin(chunk)
            yield self.tables(chunk)
        if not self._has_begun:
            yield self.tables(SCHEMA.empty_table())


def check_output(path: Path, writer: RowWriter, *, provenance: bool) -> None:
    """Raise what writing would raise for this path, before any work is done."""
    writer.check(path)
    for target in [file.path for file in writer.files(path)] + ([provenance_path(path)] if provenance else []):
        folder = target.parent
        if folder == path.parent or folder.is_dir():
            check_target(target)
        elif folder.exists():
            raise NotADirectoryError(f"{folder}: a file, expected a folder or nothing")


def write_mined(
    path: Path,
    writer: RowWriter,
    *,
    collection: Collection,
    negatives: Negatives,
    positives: Positives,
    provenance: bool,
    progress: Reporting,
) -> dict[str, int]:
    """Write what was mined and the side file that says where it comes from, all of it or nothing.

    Returns
    -------
    dict
        ``rows`` written; ``pairs`` of (query, positive) that were mined, ``dropped_pairs`` of them without a row.
    """
    pairs, kept, first_rows, total = _pairs(writer, negatives, positives)
    tables = writer.of_mined(collection, negatives, pairs.take(kept))
    side = provenance_tables(collection, negatives, pairs, first_rows) if provenance else None
    with Progress(f"writing rows of {path.name}", total + len(pairs) * provenance, progress) as bar:
        rows = _put(path, writer, tables, side, bar)
    return {"rows": rows, "pairs": len(pairs), "dropped_pairs": int((~kept).sum())}


def mined_tables(
    writer: RowWriter, *, collection: Collection, negatives: Negatives, positives: Positives
) -> dict[str, pa.Table]:
    """What was mined as one table for each part of the format, in memory."""
    pairs, kept, *_ = _pairs(writer, negatives, positives)
    found = list(writer.of_mined(collection, negatives, pairs.take(kept)))
    return {part: pa.concat_tables(tables) for part, tables in zip(writer.parts, zip(*found, strict=True), strict=True)}


def _pairs(writer: RowWriter, negatives: Negatives, positives: Positives) -> tuple[Pairs, _Bools, _Int64, int]:
    pairs = Pairs(negatives, positives)
    if writer.scores:
        check_scores(negatives, pairs)
    return pairs, *writer.kept_pairs(pairs)


def write_chunks(path: Path, writer: RowWriter, chunks: Iterable[pa.Table]) -> dict[str, int]:
    """Write rows that come from elsewhere, all of them or nothing; a side file of other rows is removed.

    Returns
    -------
    dict
        ``rows`` written; ``pairs`` of (query, positive) that came, ``dropped_pairs`` of them without a row.
    """
    counts = {"rows": 0, "pairs": 0, "dropped_pairs": 0}
    counts["rows"] = _put(path, writer, writer.of_chunks(_kept(writer, chunks, counts)), None, None)
    return counts


def _kept(writer: RowWriter, chunks: Iterable[pa.Table], counts: dict[str, int]) -> Iterator[pa.Table]:
    done = 0
    for chunk in chunks:
        if not isinstance(chunk, pa.Table) or not chunk.schema.equals(SCHEMA):
            came = f"columns {', '.join(chunk.schema.names)}" if isinstance(chunk, pa.Table) else type(chunk).__name__
            raise TypeError(f"chunks: {came}, expected tables of the schema hardmine.formats.chunks.SCHEMA")
        writer.begin(chunk)
        positives, negatives = Side(chunk, "positive"), Side(chunk, "negative")
        kept = writer.kept(positives.lengths, negatives.lengths)
        counts["pairs"] += len(positives)
        counts["dropped_pairs"] += int(positives.lengths[~kept].sum())
        _refuse_unknown(writer, chunk["query"], (positives, negatives), kept, done)
        done += chunk.num_rows
        yield chunk if kept.all() else chunk.filter(pa.array(kept))


def _refuse_unknown(writer: RowWriter, queries: pa.Array, sides: Iterable[Side], kept: _Bools, done: int) -> None:
    """Raise where the format needs what a row that is kept does not know."""
    if "texts" in writer.takes:
        _refuse(queries.is_null(), np.arange(kept.size), kept, "no text of the query", "one", done)
    for side in sides:
        rows = np.repeat(np.arange(kept.size), side.lengths)
        texts = side.values("texts").is_null()
        nameless = compute.and_(texts, side.values("ids").is_null())
        for kind, missing, wanted in (
            ("texts", texts, "a text"),
            ("ids", nameless, "an id or a text"),
            ("scores", side.values("scores").is_null(), "a number, or scores=False"),
        ):
            if kind in writer.takes:
                _refuse(missing, rows, kept, f"no {kind[:-1]} of a {side.name}", wanted, done)


def _refuse(missing: pa.Array, rows: _Int64, kept: _Bools, came: str, wanted: str, done: int) -> None:
    if not compute.any(missing).as_py():
        return
    wrong = np.asarray(missing.to_numpy(zero_copy_only=False) if isinstance(missing, pa.Array) else missing.to_numpy())
    wrong = wrong & kept[rows]
    if wrong.any():
        raise ValueError(f"row {done + int(rows[wrong.argmax()]) + 1}: {came}, expected {wanted}")


def _put(
    path: Path,
    writer: RowWriter,
    tables: Iterator[list[pa.Table]],
    side: Iterator[pa.Table] | None,
    bar: Progress | None,
) -> int:
    """Write all files of a format and the side file; one of an earlier write is removed where there is no new one."""
    side_path = provenance_path(path)
    files = writer.files(path)
    wrong = []
    if side is None:
        wrong = [side_path]
    else:
        files = [*files, File(side_path)]
    rows = 0
    paths = [file.path for file in files]
    with _made(paths), atomic_writes(paths, removed=wrong) as handles, contextlib.ExitStack() as closing:
        puts = [closing.enter_context(sink(handle, *file)) for handle, file in zip(handles, files, strict=True)]
        for each in tables:
            rows += each[0].num_rows
            for put, table in zip(puts, each, strict=False):
                put(table)
            if bar is not None:
                bar.update(each[0].num_rows)
        for table in side or ():
            puts[-1](table)
            if bar is not None:
                bar.update(table.num_rows)
    return rows


@contextlib.contextmanager
def _made(paths: list[Path]) -> Iterator[None]:
    """Make the folders beside the first file that are not there; they vanish again where what is to fill them fails."""
    wanted = dict.fromkeys(path.parent for path in paths if path.parent != paths[0].parent)
    made = [folder for folder in wanted if not folder.exists()]
    try:
        for folder in made:
            folder.mkdir()
        yield
    except BaseException:
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise

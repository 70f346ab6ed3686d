"""A page's material from a file of training rows, whoever wrote it, and from the side file beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.access import read_rows
from hardmine.formats.chunks import Side
from hardmine.formats.opening import reading
from hardmine.formats.side_path import provenance_path
from hardmine.nouns.arrow import flat
from hardmine.plumbing.extras import need
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.progress import Reporting
from hardmine.plumbing.ragged import offsets_of
from hardmine.report.html.material import (
    MOST_SHOWN,
    Document,
    Example,
    Float32s,
    Float64s,
    Int64s,
    Material,
    choose,
    leaning,
    relative,
    row_maxima,
)
from hardmine.report.html.others import lowest
from hardmine.report.html.side_file import SideFile, digests
from hardmine.report.html.texts import cut

if TYPE_CHECKING:
    import pyarrow as pa

    Chunks = Callable[[], Iterator[pa.Table]]


_SPREAD = {
    "triplet": "neighbours with the same query and positive",
    "labeled-pair": "neighbours with the same query",
    "arctic": "neighbours with the same query",
}
"""Formats in which a row is spread over several lines."""


@in_default_mode
def of_rows(path: Path, format: str, *, examples: int, progress: Reporting = False) -> Material:  # noqa: A002
    """The material of a file of training rows; it is read twice, and some 24 bytes of every document stay in memory.

    Parameters
    ----------
    path : Path
        Its side file, where one lies beside it, gives the scores and ranks that the format has no place for.
    format : str
        One of the names that `hardmine.formats.read_rows` takes.
    examples : int
        Rows to show at most.
    progress : bool or callable
        As in `hardmine.retrieve`; bytes of the file are counted.
    """
    columns = _Columns()
    with _reading(path, "counting", progress):
        for chunk in read_rows(path, format):
            columns.add(chunk)
    found = columns.finish()
    counts, notes = found["counts"], []
    offsets = offsets_of(counts)
    side = SideFile.beside(provenance_path(path), counts, found["names"])
    scores, row_positives, positive_scores = found["scores"], found["row_positives"], found["positive_scores"]
    ranks, label_scores = None, row_positives
    if side is not None:
        notes += side.notes
    if side is not None and side.scores is not None:
        if np.isnan(scores).all():
            scores, positive_scores, label_scores = side.scores, side.positive_scores, side.label_scores
        if np.array_equal(scores, side.scores, equal_nan=True):
            row_positives, ranks = side.row_positives, side.ranks
        else:
            notes.append("The rows hold other scores than the side file: those of the rows are shown.")
    elif found["num_positives"] > counts.size and not np.isnan(row_positives).all():
        notes.append("Some rows have several positives: the score of the lowest is the positive score of a row here.")
    if format.rpartition(":")[2] in _SPREAD:
        notes.append(f"Lines that belong together ({_SPREAD[format.rpartition(':')[2]]}) are read as one row.")
    ratios = relative(scores, np.repeat(row_positives, counts))
    leanings = leaning(scores, np.repeat(row_positives, counts))
    suspicions = row_maxima(offsets, leanings)
    # A shorter row than the others is a shortage, whatever was asked for.
    wanted = int(counts.max()) if counts.size and counts.max() > counts.min() else None
    shown = dict(choose(suspicions, counts, wanted, examples))
    keys = found["keys"]
    kept = _Kept(shown, offsets, scores, ratios, leanings > 1, ranks, suspicions, label_scores)

    def named(wanted_keys: Sequence[int]) -> list[Document]:
        return _named(lambda: read_rows(path, format), wanted_keys)

    first = 0
    with _reading(path, "taking out the rows to show", progress):
        for chunk in read_rows(path, format) if shown else ():
            kept.add(chunk, first)
            first += chunk.num_rows
    about = [
        ("File", path.name),
        ("Format", format),
        ("Rows", f"{counts.size:,}"),
        ("Positives", f"{found['num_positives']:,}"),
        ("Negatives", f"{keys.size:,}"),
    ]
    if side is not None:
        about = [("Teacher", side.teacher), *about, ("Side file", provenance_path(path).name)]
    return Material(
        noun="negatives",
        about=about,
        positive_scores=positive_scores[~np.isnan(positive_scores)],
        offsets=offsets,
        scores=scores,
        row_positives=row_positives,
        keys=keys,
        named=named,
        examples=[kept.examples[row] for row in shown],
        reasons={} if side is None else side.reasons,
        ranks=ranks,
        lengths=found["lengths"],
        notes=notes,
    )


def _reading(path: Path, what: str, progress: Reporting) -> AbstractContextManager[None]:
    return reading(f"{path.name} ({what})", [path], progress) if path.is_file() else nullcontext()


class _Columns:
    """What is kept of every chunk."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Any]] = {}
        self._num_positives = 0

    def add(self, chunk: pa.Table) -> None:
        """Keep the numbers of some rows."""
        compute = need("pyarrow.compute", what="the report", extra="mine")
        positives, negatives = Side(chunk, "positive"), Side(chunk, "negative")
        self._num_positives += len(positives)
        positive_scores, scores = (_scores(side) for side in (positives, negatives))
        found = {
            "counts": negatives.lengths,
            "scores": scores,
            "positive_scores": positive_scores,
            "row_positives": lowest(offsets_of(positives.lengths), positive_scores),
            "keys": digests(negatives.ids()),
            "query_id": digests(flat(chunk["query_id"])),
            "negative_ids": digests(negatives.values("ids")),
        }
        for side in (positives, negatives):
            if side.knows("texts"):
                lengths = compute.fill_null(compute.utf8_length(side.texts()), 0)
                found[f"{side.name}s"] = lengths.to_numpy(zero_copy_only=False).astype(np.int32)
        for name, values in found.items():
            self._parts.setdefault(name, []).append(values)

    def finish(self) -> dict[str, Any]:
        """All of them, end to end."""
        empty = {"counts": np.int64, "scores": np.float32, "positive_scores": np.float32, "row_positives": np.float32,
                 "keys": np.int64, "query_id": np.int64, "negative_ids": np.int64}  # fmt: skip
        found: dict[str, Any] = {name: np.empty(0, dtype) for name, dtype in empty.items()}
        found |= {name: np.concatenate(parts) for name, parts in self._parts.items()}
        lengths = {name: found.pop(name) for name in ("positives", "negatives") if name in found}
        names = {name: found.pop(name) for name in ("query_id", "negative_ids")}
        return {**found, "lengths": lengths, "names": names, "num_positives": self._num_positives}


def _scores(side: Side) -> Float32s:
    """Scores as float32, NaN where there is none; one that float32 cannot hold is infinite."""
    with np.errstate(over="ignore"):
        found: Float32s = side.values("scores").to_numpy(zero_copy_only=False).astype(np.float64).astype(np.float32)
    return found


def _named(chunks: Chunks, keys: Sequence[int]) -> list[Document]:
    """The documents of some keys: the first that has each."""
    found: dict[int, Document] = {}
    wanted = set(keys)
    for chunk in chunks():
        if len(found) == len(wanted):
            break
        side = Side(chunk, "negative")
        here = digests(side.ids())
        for key in wanted - found.keys():
            places = np.flatnonzero(here == key)
            if places.size:
                found[key] = _documents(side, places[:1])[0]
    return [found.get(key, Document()) for key in keys]


def _documents(side: Side, places: Int64s) -> list[Document]:
    columns = (side.values(kind).take(places).to_pylist() for kind in ("ids", "titles", "texts"))
    return [cut(*parts) for parts in zip(*columns, strict=True)]


class _Kept:
    """The rows that are shown, taken out of the chunks that hold them."""

    def __init__(
        self,
        shown: Mapping[int, str],
        offsets: Int64s,
        scores: Float32s,
        ratios: Float64s,
        above: npt.NDArray[np.bool_],
        ranks: npt.NDArray[np.int32] | None,
        suspicions: Float64s,
        label_scores: Float32s,
    ) -> None:
        self._shown, self._offsets, self._label_scores = shown, offsets, label_scores
        self._above = above
        self._scores, self._ratios, self._ranks, self._suspicions = scores, ratios, ranks, suspicions
        self.examples: dict[int, Example] = {}

    def add(self, chunk: pa.Table, first: int) -> None:
        """Take out what a chunk holds, whose first row has this number."""
        here = [row for row in self._shown if first <= row < first + chunk.num_rows]
        if not here:
            return
        names = zip(chunk["query_id"].to_pylist(), chunk["query"].to_pylist(), strict=True)
        queries = [cut(name, None, text) for name, text in names]
        sides = {name: Side(chunk, name) for name in ("positive", "negative")}
        starts = {name: offsets_of(side.lengths) for name, side in sides.items()}
        own = _scores(sides["positive"])
        for row in here:
            at = row - first
            places = {name: np.arange(*bounds[at : at + 2])[:MOST_SHOWN] for name, bounds in starts.items()}
            positives = _documents(sides["positive"], places["positive"])
            scores = own[places["positive"]]
            if scores.size == 1:  # the side file knows it where the row has no place for it
                scores = self._label_scores[row : row + 1]
            negatives = _documents(sides["negative"], places["negative"])
            self.examples[row] = Example(
                row=row,
                why=self._shown[row],
                suspicion=float(self._suspicions[row]),
                query=queries[at],
                positives=[
                    Document(each.id, each.text, each.size, score)
                    for each, score in zip(positives, scores.tolist(), strict=True)
                ],
                negatives=[self._scored(each, int(self._offsets[row]) + n) for n, each in enumerate(negatives)],
                num_positives=int(sides["positive"].lengths[at]),
                num_negatives=int(sides["negative"].lengths[at]),
            )

    def _scored(self, document: Document, place: int) -> Document:
        rank = 0 if self._ranks is None else int(self._ranks[place])
        score, ratio = float(self._scores[place]), float(self._ratios[place])
        above = bool(self._above[place])
        return Document(document.id, document.text, document.size, score, ratio, rank, is_above=above)

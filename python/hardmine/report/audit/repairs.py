"""What is wrong with rows and has one safe repair, repaired: the rows are written again in their own format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.formats.access import check_output, write_rows
from hardmine.formats.arrow import compute, pa
from hardmine.formats.chunks import Side, column, lists
from hardmine.formats.touched import files_read, files_written, holds_scores
from hardmine.report.audit.across import other_positives, row_keys
from hardmine.report.audit.seen import FirstSeen, Keys
from hardmine.report.audit.sources import Source
from hardmine.report.audit.spread import SPREAD
from hardmine.report.audit.view import Documents, View
from hardmine.report.audit.within import repeated_positives, wrong_negatives

_Bools = npt.NDArray[np.bool_]


_NAMES = "every other column; columns get their usual names"
NOT_CARRIED = {
    "flag-embedding": "every field but query, pos, neg and their scores, such as prompt, type, pos_id",
    "tevatron": "every field but query_id, query, docid, title, text, score; ids become strings, null titles empty",
    "dpr": "every field but question, passage_id, title, text, score; answers are empty, all negatives hard ones",
    "ms-swift": "every message but the last of each conversation, and every other field",
    "llama-index": "every field but query, relevant_passages, hard_negatives",
    "tevatron-ids": "every field but ids and texts; ids become strings, titles a part of texts, unused documents go",
    "automodel": "every field but the question, ids, texts, scores; ids become strings, unused documents go",
    "pylate": "every column but ids, texts, scores; ids become strings, unused queries and documents go",
    "ids": "every field but query_id, the ids of documents, scores; ids become strings, each positive has a row",
    "msmarco-hard-negatives": "which system found a negative, and every field but qid, pos, neg",
    "gpl": "which system found a negative, and every field but qid, pos, neg; ids become strings",
    "colbert": "scores of documents",
    "arctic": "every other column; of the records that stand together, those of positives come first",
    "sentence-transformers:triplet": _NAMES,
    "sentence-transformers:n-tuple": _NAMES,
    "sentence-transformers:labeled-pair": "every other column; columns get their usual names, and of the records that "
    "stand together, those of positives come first",
    "sentence-transformers:labeled-list": "every other column; columns get their usual names, positives come first",
}
"""What rows lose when they are written again, by format."""


class Target(NamedTuple):
    """Where repaired rows go."""

    path: Path
    format: str

    def write(self, views: Iterable[View], others: Keys, *, scores: bool) -> dict[str, Any]:
        """Write the rows with their repairs, whole or not at all.

        Parameters
        ----------
        views : iterable of View
            All rows.
        others : uint64
            As `other_positives` takes them.
        scores : bool
            Whether the rows have scores.

        Returns
        -------
        dict
            ``output``, ``format``, ``rows`` written, ``pairs_left_out`` that the format cannot hold, in ``not_carried``
            what else is lost, and under ``repairs`` how many there were for each check.
        """
        repairs: Counter[str] = Counter()
        scores = scores and holds_scores(self.format)
        written = self._written(views, others, repairs, scores=scores)
        left_out = written["dropped_pairs"]
        while self.format in SPREAD:  # rows may follow each other once what stood between them is gone
            more: Counter[str] = Counter()
            again = Source(str(self.path), self.format, self.path).views(0, lambda *_: None)
            written = self._written(again, others, more, scores=scores)
            left_out += written["dropped_pairs"]
            repairs += more
            if not more:
                break
        return {
            "output": str(self.path),
            "format": self.format,
            "rows": written["rows"],
            "pairs_left_out": left_out,
            "not_carried": NOT_CARRIED[self.format],
            "repairs": dict(sorted(repairs.items())),
        }

    def _written(self, views: Iterable[View], others: Keys, repairs: Counter[str], *, scores: bool) -> dict[str, int]:
        seen = FirstSeen()
        is_spread = self.format in SPREAD
        chunks = (_repaired(view, others, seen, repairs, is_spread=is_spread) for view in views)
        return write_rows(self.path, chunks, self.format, scores=scores, parts=is_spread)


def target(path: Path, found: Sequence[Source]) -> Target:
    """Where to write the repaired rows of some sources.

    Raises
    ------
    ValueError, OSError
        The sources are no files, of several formats, or of one that is not written; the path is no place for a file of
        the format; or what would be written there, side files too, is one of the files that are read.
    """
    formats = list(dict.fromkeys(source.format for source in found))
    if any(source.path is None for source in found):
        raise ValueError("fix: rows that are no file, expected files")
    if len(formats) > 1:
        raise ValueError(f"fix: files of the formats {', '.join(formats)}, expected one format")
    if any(source.path is not None and path.resolve() == source.path.resolve() for source in found):
        raise ValueError(f"fix: {path} is one of the files that are looked at, expected another")
    check_output(path, formats[0], provenance=False)
    read = {each.resolve(): source for source in found for each in files_read(source.name, source.format)}
    for each in files_written(path, formats[0]):
        if each.resolve() in read:
            name = read[each.resolve()].name
            raise ValueError(
                f"fix: {path} would replace {each}, a file of {name}, which is looked at; expected another"
            )
    return Target(path, formats[0])


def _repaired(view: View, others: Keys, seen: FirstSeen, repairs: Counter[str], *, is_spread: bool) -> pa.Table:
    wrong = wrong_negatives(view)
    taken = np.any(list(wrong.values()), axis=0)
    wrong["other_positive_in_negatives"] = other_positives(view, others) & ~taken
    dropped = {"negative": np.any(list(wrong.values()), axis=0), "positive": repeated_positives(view)}
    repairs.update({name: int(flags.sum()) for name, flags in wrong.items() if flags.any()})
    if dropped["positive"].any():
        repairs["duplicate_positive"] += int(dropped["positive"].sum())
    chunk = view.chunk
    for side in view.sides:
        chunk = _without(chunk, side, dropped[side.name])
    view = View(chunk, view.lines, view.file, view.unit, 0)
    lacks = view.positives.lengths == 0
    again = np.zeros(view.num_rows, bool)
    if is_spread:  # the positive may stand elsewhere
        lacks &= view.negatives.lengths == 0
    again[~lacks] = seen.add(row_keys(view)[~lacks], view.places[~lacks])[1]
    for name, flags in (("no_positive", lacks & (not is_spread)), ("duplicate_row", again)):
        if flags.any():
            repairs[name] += int(flags.sum())
    return chunk.filter(pa.array(~(lacks | again)))


def _without(chunk: pa.Table, side: Documents, dropped: _Bools) -> pa.Table:
    """The chunk without some documents of a side; scores that are not known are NaN, which every writer takes."""
    kept = ~dropped
    lengths = np.bincount(side.rows[kept], minlength=side.lengths.size)
    held = Side(chunk, side.name)
    for kind in ("ids", "titles", "texts", "scores"):
        if not held.knows(kind) and kind != "scores":
            continue
        values = held.values(kind).filter(pa.array(kept))
        values = compute.fill_null(values, float("nan")) if kind == "scores" else values
        at = chunk.schema.get_field_index(column(side.name, kind))
        chunk = chunk.set_column(at, chunk.schema.field(at), lists(values, lengths))
    return chunk

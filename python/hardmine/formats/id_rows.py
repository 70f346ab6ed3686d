"""Rows of ids alone, for readers that look the texts up themselves.

``ids``
    A query, one positive, its negatives: what ``sentence_transformers.util.resolve_ids`` and data loaders take. The
    positive's score stands first in ``scores``, a name that trainers read as the target.
``msmarco-hard-negatives``, ``gpl``
    Ids, with the negatives of each system that found some. Those of MS MARCO are integers.
``colbert``
    Lists of integers: a query, a positive, its negatives; or, in files of others, a query and pairs of a document and
    its score, of which the first is the positive.
``arctic``
    A table of a query, a document and whether it is relevant (1 or -1), all integers.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.formats import fields
from hardmine.formats.arrow import compute, pa
from hardmine.formats.chunks import Documents, Record, Side, exploded, headed, lists, named, tables
from hardmine.formats.layouts import check_layout
from hardmine.formats.records import rows_of
from hardmine.formats.rows import Row, kind, lines, shorten
from hardmine.formats.tolerance import each
from hardmine.formats.training_rows import File, Options, RowWriter
from hardmine.nouns.arrow import flat
from hardmine.plumbing.ragged import offsets_of, with_heads
from hardmine.plumbing.ragged import rows_of as rows_of_each

_Int64 = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]

_POSITIVE = ("positive_id", "positive_ids")
_SYSTEM = "hardmine"
_INTEGER = r"^-?[0-9]{1,18}$"
_AS_WRITTEN = r"^(0|-?[1-9][0-9]*)$"


def read_rows(path: Path, name: str) -> Iterator[pa.Table]:
    """Rows of a file of the named format."""
    check_layout(path, _WRITERS[name].layouts)
    if name == "colbert":
        numbered = ((number, line) for number, line in lines(path) if line.strip())
        yield from tables(each(partial(_colbert_record, path), numbered))
    elif name == "arctic":
        yield from tables(_arctic_records(rows_of(path)))
    else:
        yield from tables(each(_record if name == "ids" else _systems_record, rows_of(path)))


def row_writer(name: str, options: Options) -> RowWriter:
    """A writer of the named format."""
    return _WRITERS[name](name, options)


def _record(row: Row) -> Record:
    name, value = fields.value_of(row, _POSITIVE, "an id or a list of ids", needed=True)
    if isinstance(value, list):
        name, value = fields.list_of(row, _POSITIVE, "ids", needed=True)
        positives = fields.identifiers(row, name, value or [])
    else:
        positives = [fields.identifier(row, name, value)]
    name, values = fields.list_of(row, ("negative_ids", "negative_id"), "ids", needed=False, single=True)
    negatives = fields.identifiers(row, name, values or [])
    scores = fields.numbers(row, "scores", len(positives) + len(negatives), "the positives and negatives")
    count = len(positives)
    return Record(
        row.identifier(("query_id",)),
        None,
        Documents(positives, scores=scores and scores[:count]),
        Documents(negatives, scores=scores and scores[count:]),
        row.number,
    )


class _Ids(RowWriter):
    takes = frozenset({"ids"})
    fewest = 0
    per_positive = True

    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        each = exploded(chunk)
        positives, negatives = Side(each, "positive"), Side(each, "negative")
        columns = {
            "query_id": query_ids(each),
            "positive_id": positives.ids(),
            "negative_ids": negatives.lists(negatives.ids()),
        }
        if self.scores:
            columns["scores"] = headed(positives, negatives, lambda side: side.values("scores"))
        return [pa.table(columns)]


def query_ids(chunk: pa.Table) -> Any:
    """Ids of the queries of a chunk; one without is named after its text."""
    return named(flat(chunk["query_id"]), lambda: flat(chunk["query"]))


def _systems_record(row: Row) -> Record:
    name, values = fields.list_of(row, ("pos",), "ids", needed=True)
    positives = fields.identifiers(row, name, values or [])
    name, systems = fields.value_of(row, ("neg",), "an object of lists by system", needed=False)
    if systems is not None and not isinstance(systems, dict):
        raise row.error(name, f"{kind(systems)} ({shorten(systems)})", "an object of lists by system")
    negatives: dict[str, None] = {}  # what several systems found stands where the first of them has it
    for system, found in (systems or {}).items():
        if not isinstance(found, list):
            raise row.error(f"neg.{shorten(system)}", f"{kind(found)} ({shorten(found)})", "a list of ids")
        negatives |= dict.fromkeys(fields.identifiers(row, f"neg.{shorten(system)}", found))
    return Record(row.identifier(("qid",)), None, Documents(positives), Documents(list(negatives)), row.number)


class _Systems(RowWriter):
    layouts = (".jsonl",)
    takes = frozenset({"ids"})
    has_scores = False

    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        positives, negatives = Side(chunk, "positive"), Side(chunk, "negative")
        columns = {
            "qid": self._ids(query_ids(chunk), "query"),
            "pos": positives.lists(self._ids(positives.ids(), "document")),
            "neg": pa.StructArray.from_arrays([negatives.lists(self._ids(negatives.ids(), "document"))], [_SYSTEM]),
        }
        return [pa.table(columns)]

    def _ids(self, ids: Any, what: str) -> Any:
        return ids if self.name == "gpl" else integers(ids, what, self.name)


def _colbert_record(path: Path, numbered: tuple[int, str]) -> Record:
    number, line = numbered
    row = Row(path, number, {})
    wanted = "a list of a query, a positive and negatives"
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise row.error(None, repr(shorten(line)), wanted) from None
    if not isinstance(values, list) or len(values) < 2:
        raise row.error(None, f"{kind(values)} ({shorten(line)})", wanted)
    query, *documents = values
    scores: list[float | None] | None = None
    if isinstance(documents[0], list):
        for at, pair in enumerate(documents, start=1):
            if not isinstance(pair, list) or len(pair) != 2:
                raise row.error(f"[{at}]", f"{kind(pair)} ({shorten(pair)})", "a list of a document and its score")
        scores = [fields.number(row, f"[{at}][1]", pair[1]) for at, pair in enumerate(documents, start=1)]
        documents = [pair[0] for pair in documents]
    ids = [fields.identifier(row, f"[{at}]", value) for at, value in enumerate(documents, start=1)]
    return Record(
        fields.identifier(row, "[0]", query),
        None,
        Documents(ids[:1], scores=scores and scores[:1]),
        Documents(ids[1:], scores=scores and scores[1:]),
        number,
    )


class _ColBERT(RowWriter):
    layouts = (".jsonl",)
    takes = frozenset({"ids"})
    per_positive = True
    has_scores = False

    def files(self, path: Path) -> list[File]:
        return [File(path, is_bare=True)]

    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        each = exploded(chunk)
        positives, negatives = Side(each, "positive"), Side(each, "negative")
        queries = integers(query_ids(each), "query", self.name)
        documents = headed(positives, negatives, lambda side: integers(side.ids(), "document", self.name))
        lengths = negatives.lengths + 1
        order = with_heads(np.arange(len(queries)), len(queries) + np.arange(int(lengths.sum())), lengths)
        values = pa.concat_arrays([queries, documents.values]).take(pa.array(order))
        return [pa.table({"triple": lists(values, lengths + 1)})]


def _arctic_records(rows: Iterator[Row]) -> Iterator[Record]:
    """Rows of one query that follow each other are one."""
    for query, group in itertools.groupby(each(_judged, rows), lambda judged: judged.query):
        sides: dict[bool, list[str]] = {True: [], False: []}
        line = 0
        for judged in group:
            line = line or judged.line
            sides[judged.is_positive].append(judged.document)
        yield Record(query, None, Documents(sides[True]), Documents(sides[False]), line)


class _Judged(NamedTuple):
    query: str
    document: str
    is_positive: bool
    line: int


def _judged(row: Row) -> _Judged:
    query, relevance = row.identifier(("QUERY_ID",)), row.fields.get("RELEVANCE")
    if relevance not in (1, -1):
        raise row.error("RELEVANCE", f"{kind(relevance)} ({shorten(relevance)})", "1 or -1")
    return _Judged(query, row.identifier(("DOCUMENT_ID",)), relevance == 1, row.number)


class _Arctic(RowWriter):
    layouts = (".parquet",)
    takes = frozenset({"ids"})
    has_scores = False

    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        sides = Side(chunk, "positive"), Side(chunk, "negative")
        ids = pa.concat_arrays([integers(side.ids(), "document", self.name) for side in sides])
        rows = np.concatenate([rows_of_each(offsets_of(side.lengths)) for side in sides])
        order = np.argsort(rows, kind="stable")
        relevance = np.where(order < len(sides[0]), 1, -1).astype(np.int8)
        queries = integers(query_ids(chunk), "query", self.name).take(pa.array(rows[order]))
        columns = {"QUERY_ID": queries, "DOCUMENT_ID": ids.take(pa.array(order)), "RELEVANCE": pa.array(relevance)}
        return [pa.table(columns)]

    def __init__(self, name: str, options: Options) -> None:
        super().__init__(name, options)
        self._parts = options.parts

    def kept(self, positives: _Int64, negatives: _Int64) -> _Bools:
        return positives + negatives > 0 if self._parts else super().kept(positives, negatives)

    def rows(self, positives: _Int64, negatives: _Int64) -> _Int64:
        return positives + negatives


def integers(ids: Any, what: str, name: str) -> Any:
    """Ids as the integers that they spell.

    Raises
    ------
    ValueError
        One spells none, or would come back as another id: 7 for 007.
    """
    odd = compute.invert(compute.match_substring_regex(ids, _INTEGER))
    if compute.any(odd).as_py():
        first = ids.filter(odd)[0].as_py()
        raise ValueError(f"{what} id {shorten(first)!r}, expected an integer, which is what {name} holds")
    changed = compute.invert(compute.match_substring_regex(ids, _AS_WRITTEN))
    if compute.any(changed).as_py():
        first = ids.filter(changed)[0].as_py()
        raise ValueError(
            f"{what} id {first!r}, expected {int(first)}: {name} holds integers, which keep no zeros in front"
        )
    return ids.cast(pa.int64())


_WRITERS: dict[str, type[RowWriter]] = {
    "ids": _Ids, "msmarco-hard-negatives": _Systems, "gpl": _Systems, "colbert": _ColBERT, "arctic": _Arctic
}  # fmt: skip

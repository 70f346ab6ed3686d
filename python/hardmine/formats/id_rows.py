"""Rows of ids alone, for readers that look the texts up themselves.

``ids``
    A query, one positive, its negatives: what ``sentence_transformers.util.resolve_ids`` and data loaders take. The
    positive's score stands first in ``scores``, a name that trainers read as the target.
``msmarco-hard-negatives``
    The numbers of MS MARCO, with the negatives of each system that found some.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hardmine.formats import fields
from hardmine.formats.arrow import compute, pa
from hardmine.formats.chunks import Documents, Record, Side, exploded, headed, named, tables
from hardmine.formats.layouts import check_layout
from hardmine.formats.records import rows_of
from hardmine.formats.rows import Row, kind, shorten
from hardmine.formats.training_rows import Options, RowWriter
from hardmine.nouns.arrow import flat

_POSITIVE = ("positive_id", "positive_ids")
_SYSTEM = "hardmine"
_INTEGER = r"^-?[0-9]{1,18}$"


def read_rows(path: Path, name: str) -> Iterator[pa.Table]:
    """Rows of a file of the named format."""
    check_layout(path, _WRITERS[name].layouts)
    decode = {"ids": _record, "msmarco-hard-negatives": _msmarco_record}[name]
    yield from tables(decode(row) for row in rows_of(path))


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


def _msmarco_record(row: Row) -> Record:
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
    return Record(row.identifier(("qid",)), None, Documents(positives), Documents(list(negatives)))


class _Msmarco(RowWriter):
    layouts = (".jsonl",)
    takes = frozenset({"ids"})
    has_scores = False

    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        positives, negatives = Side(chunk, "positive"), Side(chunk, "negative")
        found = negatives.lists(integers(negatives.ids(), "document", self.name))
        columns = {
            "qid": integers(query_ids(chunk), "query", self.name),
            "pos": positives.lists(integers(positives.ids(), "document", self.name)),
            "neg": pa.StructArray.from_arrays([found], [_SYSTEM]),
        }
        return [pa.table(columns)]


def integers(ids: Any, what: str, name: str) -> Any:
    """Ids as the integers that they spell.

    Raises
    ------
    ValueError
        One spells none.
    """
    odd = compute.invert(compute.match_substring_regex(ids, _INTEGER))
    if compute.any(odd).as_py():
        first = ids.filter(odd)[0].as_py()
        raise ValueError(f"{what} id {shorten(first)!r}, expected an integer, which is what {name} holds")
    return ids.cast(pa.int64())


_WRITERS: dict[str, type[RowWriter]] = {"ids": _Ids, "msmarco-hard-negatives": _Msmarco}

"""Which format the rows of a file are of, told from the fields of its first record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from hardmine.formats.errors import FormatError
from hardmine.formats.json_stream import array_rows
from hardmine.formats.layouts import FLAT
from hardmine.formats.quoted import quoted_rows
from hardmine.formats.records import rows_of
from hardmine.formats.registry import names_of
from hardmine.formats.rows import Row, lines, shorten
from hardmine.formats.sentence_transformers_rows import TARGETS
from hardmine.formats.tolerance import tolerant
from hardmine.plumbing.files import suffix

_SIGNS = [
    ({"query", "pos"}, "flag-embedding"),
    ({"query", "positive_passages"}, "tevatron"),
    ({"question", "positive_ctxs"}, "dpr"),
    ({"messages", "positive_messages"}, "ms-swift"),
    ({"query", "relevant_passages"}, "llama-index"),
    ({"query_id", "positive_document_ids"}, "tevatron-ids"),
    ({"pos_doc"}, "automodel"),
    ({"corpus", "data"}, "automodel"),
    ({"query_id", "document_ids"}, "pylate"),
    ({"query_id", "positive_id"}, "ids"),
    ({"query_id", "positive_ids"}, "ids"),
    ({"QUERY_ID", "DOCUMENT_ID", "RELEVANCE"}, "arctic"),
]
"""Fields that only one format has together."""

_SHAPES = "sentence-transformers:"


def format_of_rows(path: Path) -> str:
    """The name of the format.

    Raises
    ------
    ValueError
        The first record could be of several formats, or is of none; the message says what it holds.
    FormatError, OSError
        There is no record to look at, or no such file.
    """
    layout = suffix(path)
    if path.is_dir():
        return "pylate"
    if layout not in (".jsonl", ".json", ".parquet", *FLAT):
        raise ValueError(f"{path}: suffix {layout!r}, {_wanted()}")
    first = _first(path, layout)
    if isinstance(first, list):
        return "colbert"
    if first is None:
        raise FormatError(path, "no rows", "at least one")
    names = set(first)
    found = next((name for signs, name in _SIGNS if signs <= names), None) or _shape(first)
    if found is None:
        raise ValueError(f"{path}: {shorten(', '.join(first)) or 'no fields'}, {_wanted(first)}")
    return found


_ASKED = [
    ({"qid", "pos", "neg"}, "msmarco-hard-negatives or gpl, which look the same"),
    ({"label"}, "sentence-transformers:labeled-pair, which has two columns beside its label and no others"),
    ({"negative"}, "sentence-transformers:triplet, which has three columns and no others but scores"),
    ({"negative_1"}, "sentence-transformers:n-tuple, which has columns of texts alone"),
]
"""Fields of files whose format is not told, and what they are like."""


def _wanted(fields: Iterable[str] = ()) -> str:
    near = next((what for signs, what in _ASKED if signs <= set(fields)), None)
    like = "" if near is None else f"; it is like {near}"
    return f"expected to be told by format what it is: {', '.join(names_of('rows', 'reads'))}{like}"


def _first(path: Path, layout: str) -> Any:
    """The fields of the first record that can be read; a list is ColBERT's; None where there is none."""

    def pass_on(_: FormatError) -> None:
        """What is wrong with records before it does not matter here."""

    read = partial(quoted_rows, layout=layout) if layout in FLAT else _objects if layout == ".json" else rows_of
    for row in tolerant(read(path), pass_on):
        return row.fields
    if layout == ".jsonl" and next((line for _, line in lines(path) if line.strip()), "").lstrip().startswith("["):
        return []
    return None


def _objects(path: Path) -> Iterator[Row]:
    """The records of a document that is an array; of one that is an object, its keys are enough."""
    try:
        yield from array_rows(path)
    except FormatError:
        yield Row(path, 1, {"corpus": None, "data": None})


def _shape(first: dict[str, Any]) -> str | None:
    """The shape of sentence-transformers that a record has."""
    columns = [name for name in first if name not in TARGETS]
    if any(isinstance(first[name], list) for name in columns[1:]):
        return f"{_SHAPES}labeled-list" if len(columns) == 2 and {"labels", "scores"} & set(first) else None
    if not all(isinstance(first[name], str) for name in columns):
        return None
    if len(columns) == 2 and "label" in first:
        return f"{_SHAPES}labeled-pair"
    if {"qid", "pos", "neg"} <= set(first):
        return None
    if len(columns) == 3 and columns[2] == "negative":
        return f"{_SHAPES}triplet"
    is_numbered = all(name.startswith("negative") for name in columns[2:])
    return f"{_SHAPES}n-tuple" if len(columns) > 2 and is_numbered else None

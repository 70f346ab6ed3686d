"""The texts of a dataset of (query, positive) rows, each once, and which belong together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.nouns.arrow import codes_of
from hardmine.nouns.positives import Positives
from hardmine.nouns.tables import labels
from hardmine.plumbing.extras import need

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.plumbing.checks import Int64Array


_BLOCK = 16_384
"""Rows that are read at a time."""


@dataclass(frozen=True)
class Texts:
    """Distinct texts and the labels between them.

    Attributes
    ----------
    queries, documents : pyarrow.LargeStringArray
        Each text once, in the order of first occurrence; the given corpus comes before the positives.
    positives : Positives
        The documents of every query, each once, in the order of the rows.
    rows_per_query : int64 [num_queries]
        Rows of the dataset that hold the query: more than its positives where a row is repeated.
    given : list of str
        The first documents as the Python strings that the caller has: a list without repeats, else none.
    """

    queries: pa.LargeStringArray
    documents: pa.LargeStringArray
    positives: Positives
    rows_per_query: Int64Array
    given: list[str]


def read(dataset: Any, anchor: str, positive: str, corpus: Any, num_threads: int | None = None) -> Texts:
    """Texts of two columns of a dataset, and of the corpus where there is one.

    Raises
    ------
    TypeError, ValueError
        A column or the corpus holds anything but text; the message has the position.
    """
    pa = need("pyarrow", what="hardmine.compat", extra="mine")
    anchors, labelled = _columns(dataset, [anchor, positive])
    given = pa.array([], pa.large_string()) if corpus is None else _strings("corpus", corpus)
    query_of_row, queries = codes_of(anchors, num_threads)
    codes, documents = codes_of(pa.concat_arrays([given, labelled]), num_threads)
    of_corpus, positive_of_row = np.split(codes, [len(given)])
    offsets, ids, _ = labels(query_of_row, positive_of_row, len(queries), len(documents))
    differ = of_corpus.size > 0 and of_corpus[-1] == of_corpus.size - 1
    return Texts(
        queries,
        documents,
        Positives(offsets, ids),
        np.bincount(query_of_row, minlength=len(queries)),
        corpus if differ and isinstance(corpus, list) and set(map(type, corpus)) == {str} else [],
    )


def _columns(dataset: Any, names: list[str]) -> list[pa.LargeStringArray]:
    """Columns as the dataset shows them: a transform of the user's is applied, any other format is passed by."""
    if dataset.format["type"] == "custom":
        return [_strings(f"dataset[{name!r}]", dataset[name]) for name in names]
    # Block by block: shuffled rows are gathered, and a whole column may be more than one string array can hold.
    blocks = dataset.select_columns(names).with_format("arrow").iter(_BLOCK)
    table = need("pyarrow", what="hardmine.compat", extra="mine").concat_tables(blocks)
    return [_strings(f"dataset[{name!r}]", table[name]) for name in names]


def _strings(name: str, values: Any) -> pa.LargeStringArray:
    """Strings without nulls as one Arrow array."""
    pa = need("pyarrow", what="hardmine.compat", extra="mine")
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.cast(pa.large_string()).chunks) if _is_text(values.type) else values
    elif not isinstance(values, pa.Array):
        values = _of_objects(name, values)
    if not _is_text(values.type) and len(values):
        raise TypeError(f"{name}: {values.type}, expected text")
    if values.null_count:
        at = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
        raise TypeError(f"{name}[{at}]: None, expected text")
    return values.cast(pa.large_string())


def _of_objects(name: str, values: Any) -> pa.Array:
    pa = need("pyarrow", what="hardmine.compat", extra="mine")
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: {type(values).__name__}, expected a list of texts")
    values = list(values)
    try:
        if any(issubclass(kind, (bytes, bytearray, memoryview)) for kind in set(map(type, values))):
            raise pa.ArrowTypeError  # which Arrow would take for text
        return pa.array(values, pa.large_string())
    except (pa.ArrowTypeError, pa.ArrowInvalid, UnicodeEncodeError):
        for at, value in enumerate(values):
            if not isinstance(value, str):
                raise TypeError(f"{name}[{at}]: {type(value).__name__}, expected text") from None
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError(f"{name}[{at}]: {value!a}, expected text that UTF-8 can hold") from None
        raise


def _is_text(kind: Any) -> bool:
    pa = need("pyarrow", what="hardmine.compat", extra="mine")
    is_view = getattr(pa.types, "is_string_view", lambda _: False)  # since Arrow 16
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or is_view(kind))

"""The parameters of a `Collection` from columns of (query, positive): equal texts are one document (or unnamed query).

What `PairsBuilder` does row by row, at the speed of Arrow.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.nouns import arrow
from hardmine.nouns.tables import parts
from hardmine.plumbing.extras import need

if TYPE_CHECKING:
    import pyarrow as pa

_Int64 = npt.NDArray[np.int64]


class Corpus(NamedTuple):
    """Documents that were there before the pairs; further columns by name."""

    ids: pa.LargeStringArray
    titles: pa.LargeStringArray
    texts: pa.LargeStringArray
    extra: dict[str, Any]


class TextPairs(NamedTuple):
    """Rows of a query and its positives.

    Attributes
    ----------
    queries : pyarrow.LargeStringArray [n]
        Texts.
    query_ids : pyarrow.LargeStringArray [n], optional
    rows : int64 [m]
        The row of each positive, rising.
    positives : pyarrow.LargeStringArray [m], or int64 [m]
        Their texts, or their numbers in the corpus.
    extra : dict of str to array [n]
        Further columns of the queries.
    """

    queries: pa.LargeStringArray
    query_ids: pa.LargeStringArray | None
    rows: _Int64
    positives: Any
    extra: dict[str, Any]


def another_text(pairs: TextPairs) -> int | None:
    """The first row whose query id came before with another text."""
    if pairs.query_ids is None:
        return None
    texts, ids = arrow.codes_of(pairs.queries)[0], arrow.codes_of(pairs.query_ids)[0]
    _, first = np.unique(ids, return_index=True)
    other = texts != texts[first][ids]
    return int(other.argmax()) if other.any() else None


def parts_of_columns(
    pairs: TextPairs, corpus: Corpus | None, *, source: str | os.PathLike[str], column_names: tuple[str, str]
) -> dict[str, Any]:
    """The parameters of a `Collection`; no id has two texts."""
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    if pairs.query_ids is None:
        query_codes, first_rows, texts = _different(pairs.queries)
        names = arrow.digits(np.arange(first_rows.size))
    else:
        query_codes, first_rows, names = _different(pairs.query_ids)
        texts = pairs.queries.take(pa.array(first_rows))
    extra = {name: column.take(pa.array(first_rows)) for name, column in pairs.extra.items()}
    if isinstance(pairs.positives, np.ndarray):
        assert corpus is not None  # noqa: S101
        numbers, documents = pairs.positives, _table(corpus)
    else:
        numbers, documents = _documents(pairs.positives, corpus)
    return parts(
        {"id": names, "text": texts, **extra},
        documents,
        (query_codes[pairs.rows], numbers),
        source=source,
        column_names=column_names,
        merged_queries=len(pairs.queries) - first_rows.size,
    )


def _different(strings: Any) -> tuple[_Int64, _Int64, Any]:
    """Number of each string among the different ones, where each of these comes first, and these (shared if all)."""
    codes, unique = arrow.codes_of(strings)
    if len(unique) == len(strings):
        return codes, np.arange(codes.size), strings
    return codes, np.unique(codes, return_index=True)[1], unique


def _table(corpus: Corpus) -> dict[str, Any]:
    return {"id": corpus.ids, "title": corpus.titles, "text": corpus.texts, **corpus.extra}


def _documents(positives: Any, corpus: Corpus | None) -> tuple[_Int64, dict[str, Any]]:
    """The document of each positive text, and all documents: texts that no document has are added."""
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    codes, _, texts = _different(positives)
    if corpus is None:
        return codes, {"id": arrow.digits(np.arange(len(texts))), "text": texts}
    found = arrow.places(texts, joined(corpus.titles, corpus.texts))
    is_new = found < 0
    count = int(is_new.sum())
    if not count:
        return found[codes], _table(corpus)
    found[is_new] = len(corpus.ids) + np.arange(count)
    names = [f"positive-{number}" for number in found[is_new].tolist()]
    taken = arrow.places(pa.array(names, pa.large_string()), corpus.ids)
    for at in np.flatnonzero(taken >= 0).tolist():  # hardly ever
        while names[at] in set(corpus.ids.to_pylist()):
            names[at] += "+"
    columns = {
        "id": (corpus.ids, pa.array(names, pa.large_string())),
        "title": (corpus.titles, arrow.constant("", count)),
        "text": (corpus.texts, texts.filter(pa.array(is_new))),
        **{name: (column, pa.nulls(count, column.type)) for name, column in corpus.extra.items()},
    }
    return found[codes], {name: pa.concat_arrays(both) for name, both in columns.items()}


def joined(titles: Any, texts: Any) -> Any:
    """Title, a space and the text; the text alone where the title is empty."""
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    compute = need("pyarrow.compute", what="hardmine.Collection", extra="mine")
    if not compute.any(compute.greater(compute.binary_length(titles), 0)).as_py():
        return texts
    both = compute.binary_join_element_wise(titles, texts, pa.scalar(" ", pa.large_string()))
    return arrow.flat(compute.if_else(compute.equal(titles, ""), texts, both))

"""Which items a judge is asked about: distinct triples of texts in their order, up to the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.nouns.strings import StringTable
from hardmine.pipeline.judge_calls import Texts
from hardmine.pipeline.judge_pairs import Pairs
from hardmine.pipeline.scorers import texts_of
from hardmine.plumbing.ragged import distinct
from hardmine.store import fingerprint

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

_Int64 = npt.NDArray[np.int64]


class Items(NamedTuple):
    """Distinct triples of texts in the order in which they are asked about.

    Attributes
    ----------
    texts : Texts
    first : int64 [items]
        The pair that each stands for.
    of_each : int64 [pairs]
        Item of each pair; -1 where there is none.
    """

    texts: Texts
    first: _Int64
    of_each: _Int64


def items_of(
    collection: Collection, pairs: Pairs, suspicious: npt.NDArray[np.float64] | None, budget: int | None
) -> Items:
    """What there is to ask within the budget."""
    wanted = np.flatnonzero(~pairs.is_known)
    if suspicious is not None:
        keys = (pairs.documents[wanted], pairs.queries[wanted], -suspicious[wanted])
        wanted = wanted[np.lexsort(keys)]
    # Documents with one text, up to case and white space, have one verdict: that on the first of them in the corpus.
    groups = collection.document_groups
    _, first_of_group = np.unique(groups, return_index=True)
    queries, documents = pairs.queries[wanted], first_of_group[groups[pairs.documents[wanted]]]
    positives = pairs.positives[wanted]
    query_texts, document_texts = (StringTable.from_strings(texts) for texts in texts_of(collection))
    text_of_query = _numbered(query_texts, queries)
    text_of_document = _numbered(document_texts, np.concatenate([documents, positives]))
    count = text_of_document.size + 1
    both = distinct(text_of_query * count + text_of_document[documents.size :])[1]
    first, number = distinct(both * count + text_of_document[: documents.size])
    if budget is not None:
        first = first[:budget]
        number = np.where(number < budget, number, -1)
    of_each = np.full(pairs.queries.size, -1, np.int64)
    of_each[wanted] = number
    parts = (query_texts, queries), (document_texts, documents), (document_texts, positives)
    return Items(Texts(*((table, rows[first]) for table, rows in parts)), wanted[first], of_each)


def _digests(table: StringTable, rows: _Int64) -> tuple[fingerprint.Keys, _Int64]:
    """Digests of the texts of the different rows, and which of them each row has; no row (-1) has an empty text."""
    used, place = np.unique(rows, return_inverse=True)
    found = np.repeat(fingerprint.of_texts([""]), used.size, axis=0)
    found[used >= 0] = fingerprint.of_texts(table.rows(used[used >= 0]))
    return found, place.reshape(-1)


def _numbered(table: StringTable, rows: _Int64) -> _Int64:
    """A number below that of the rows for each of them, the same for equal texts."""
    found, place = _digests(table, rows)
    numbers = np.unique(found.view(f"S{fingerprint.SIZE}").reshape(-1), return_inverse=True)[1]
    return numbers.reshape(-1).astype(np.int64)[place]


def keys_of(texts: Texts) -> fingerprint.Keys:
    """Digest of the three texts of every item."""
    columns = []
    for table, rows in texts:
        found, place = _digests(table, rows)
        columns.append(found[place])
    return fingerprint.of_rows(columns[0].shape[0], *columns)

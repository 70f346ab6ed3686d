"""Split a collection so that no query of the test, and no answer to one, is in what trains.

Two documents are one answer where their texts are equal or nearly so (at least 90 % of their word shingles). Queries
that share an answer, a text or a label from outside (such as a module) go to the same side, and so do a query and those
that its text answers; where the split is given, what leaks is dropped from the test and counted. What answers a test
query, or has its text, is no document of the training side either: it would else be shown as a negative.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import hardmine as hm

NEAR = 0.9


class Split(NamedTuple):
    """The two sides. Documents of `test` are the whole corpus, those of `train` neither answer nor are its queries."""

    train: hm.Collection
    test: hm.Collection
    dropped: int
    """Test queries that leaked, and were dropped."""

    def __str__(self) -> str:
        withheld = self.test.num_documents - self.train.num_documents
        return (
            f"{self.train.num_queries:,} queries train, {self.test.num_queries:,} test ({self.dropped:,} leaky ones "
            f"dropped); {self.train.num_documents:,} documents to mine in ({withheld:,} that answer a test query "
            f"or have its text are withheld), {self.test.num_documents:,} to search in the test"
        )


def by_groups(
    collection: hm.Collection, labels: Sequence[str] | None = None, *, share: float = 0.2, seed: int = 0
) -> Split:
    """Draw whole groups of queries for the test, up to a share of the queries.

    A group is connected: queries that share an answer, their text, or the label that `labels` gives each of them, and
    queries whose text answers another.
    """
    group = _groups(collection, labels)
    is_test = np.zeros(collection.num_queries, bool)
    numbers, sizes = np.unique(group, return_counts=True)
    for at in np.random.default_rng(seed).permutation(numbers.size):
        if int(is_test.sum()) + sizes[at] <= share * collection.num_queries:
            is_test |= group == numbers[at]
    return _parted(collection, ~is_test, is_test)


def as_given(train: hm.Collection, test: hm.Collection) -> Split:
    """Take a split of queries over one corpus as it is, but for the test queries that leak."""
    if not train.documents["id"].equals(test.documents["id"]):
        raise ValueError("train and test have different documents, expected one corpus")
    counts = np.r_[np.diff(train.positives.offsets), np.diff(test.positives.offsets)]
    both = hm.Collection(
        pa.concat_tables([side.queries.select(["id", "text"]) for side in (train, test)]),
        train.documents,
        hm.Positives(np.r_[0, np.cumsum(counts)], np.r_[train.positives.ids, test.positives.ids]),
        source=train.source,
        ignore_identical_ids=train.ignore_identical_ids,
    )
    is_train = np.arange(both.num_queries) < train.num_queries
    return _parted(both, is_train, ~is_train)


def with_few_labels(collection: hm.Collection, most: int, *, seed: int = 0) -> hm.Collection:
    """The collection as it were if at most so many positives of each query were known, drawn by chance."""
    labels = collection.positives
    order = np.lexsort((np.random.default_rng(seed).random(labels.ids.size), labels.query_of_each))
    place = np.arange(order.size) - labels.offsets[:-1][labels.query_of_each]
    kept = np.sort(order[place < most])
    counts = np.minimum(np.diff(labels.offsets), most)
    return dataclasses.replace(collection, positives=hm.Positives(np.r_[0, np.cumsum(counts)], labels.ids[kept]))


def refuse_leaks(train: hm.Collection, test: hm.Collection) -> None:
    """Raise where the text of a query of the test, or of an answer to one, is among what trains."""
    answers = test.document_texts.take(np.unique(test.positives.ids))
    tests = {"a query of the test": _texts(test.query_texts), "an answer to a query of the test": _texts(answers)}
    trains = {"the queries": _texts(train.query_texts), "the documents": _texts(train.document_texts)}
    for what, texts in tests.items():
        for where, others in trains.items():
            if not set(texts).isdisjoint(others):
                raise AssertionError(f"{what} is among {where} of the training")


def _groups(collection: hm.Collection, labels: Sequence[str] | None) -> np.ndarray:
    """Number of the group of every query."""
    queries = np.arange(collection.num_queries)
    links = [_touched(collection, _answers(collection)), (queries, _numbered(_texts(collection.query_texts)))]
    if labels is not None:
        links.append((queries, _numbered(labels)))
    rows, columns, beyond = [], [], queries.size
    for owners, names in links:
        rows.append(owners)
        columns.append(beyond + names)
        beyond += int(names.max(initial=-1)) + 1
    row, column = np.concatenate(rows), np.concatenate(columns)
    graph = coo_array((np.ones(row.size), (row, column)), shape=(beyond, beyond))
    return connected_components(graph, directed=False)[1][: queries.size]


def _answers(collection: hm.Collection) -> np.ndarray:
    """One number for documents that are one answer."""
    return np.asarray(hm.near_duplicate_groups(collection.document_texts, NEAR))


def _touched(collection: hm.Collection, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Queries, and what each is about: the numbers of its answers, and of the documents that have its own text."""
    labels = collection.positives
    numbers = dict(zip(_texts(collection.document_texts), answers.tolist(), strict=True))
    own = [(at, numbers[text]) for at, text in enumerate(_texts(collection.query_texts)) if text in numbers]
    owners, texts = np.asarray(own, np.int64).reshape(-1, 2).T
    return np.r_[labels.query_of_each, owners], np.r_[answers[labels.ids], texts]


def _parted(collection: hm.Collection, is_train: np.ndarray, is_test: np.ndarray) -> Split:
    """The sides, without the test queries that share a text or an answer with a training query."""
    texts, answers = _numbered(_texts(collection.query_texts)), _answers(collection)
    owner, touched = _touched(collection, answers)
    leaks = np.isin(texts, texts[is_train])
    leaks[owner[np.isin(touched, touched[is_train[owner]])]] = True
    clean = is_test & ~leaks
    withheld = np.isin(answers, touched[clean[owner]])
    train = _part(collection, np.flatnonzero(is_train), np.flatnonzero(~withheld))
    test = _part(collection, np.flatnonzero(clean), np.arange(collection.num_documents))
    for name, side in (("training", train), ("test", test)):
        if not side.num_queries:
            why = f"{int((is_test & leaks).sum())} leaked" if name == "test" else "all are in the test"
            raise ValueError(
                f"no {name} queries left of {collection.num_queries}: {why}, or too few groups to draw from"
            )
    refuse_leaks(train, test)
    return Split(train, test, int((is_test & leaks).sum()))


def _part(collection: hm.Collection, queries: np.ndarray, documents: np.ndarray) -> hm.Collection:
    """Some queries, and some documents, their answers among them."""
    number = np.full(collection.num_documents, -1)
    number[documents] = np.arange(documents.size)
    labels = collection.positives.take(queries)
    return dataclasses.replace(
        collection,
        queries=collection.queries.take(queries),
        documents=collection.documents.take(documents),
        positives=hm.Positives(labels.offsets, number[labels.ids]),
    )


def _texts(texts: pa.Array) -> list[str]:
    """In the form in which `hm.audit` compares texts: NFKC, case folded, white space collapsed."""
    return [" ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in texts.to_pylist()]


def _numbered(names: Sequence[str]) -> np.ndarray:
    return np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)[1]

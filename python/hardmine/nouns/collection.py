"""The noun that holds texts: queries, documents and the labels between them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns import arrow
from hardmine.nouns.builder import parts_of_texts
from hardmine.nouns.by_id import parts_of_ids
from hardmine.nouns.collection_files import CollectionFiles
from hardmine.nouns.frozen import FrozenDict
from hardmine.nouns.lists import mapping
from hardmine.nouns.normal_form import normalised
from hardmine.nouns.positives import Positives
from hardmine.nouns.strings import StringTable
from hardmine.nouns.text_pairs import joined
from hardmine.plumbing import checks, ragged
from hardmine.plumbing.extras import is_a, need

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.candidates import Candidates

need("pyarrow", what="hardmine.Collection", extra="mine")

_ID_ALONE = "collection: ids without texts (hardmine.Collection.from_ids), expected a collection of texts"
_CHUNK = 16_384


@dataclass(frozen=True, repr=False, eq=False)
class Collection(CollectionFiles):
    """Queries, documents and positives as Arrow tables: the row number is the index used everywhere else.

    Made by `Collection.read`, `from_pairs`, `from_dataset` and `from_ids`.

    Parameters
    ----------
    queries : pyarrow.Table
        Columns ``id`` and ``text`` (strings without nulls), one row per query.
    documents : pyarrow.Table
        Columns ``id``, ``title`` (may be missing) and ``text``, one row per document. Where neither table has a
        ``text``, the collection is one of ids alone; see `from_ids`. Further columns of either table stay in it.
    positives : Positives
        Labelled documents of every query.
    source : str, optional
        Where the texts come from; for messages.
    column_names : (str, str), optional
        What training files call the query and the positive: the names of the input where it has them. Two names, and
        none that a shape of training rows gives to a column of its own.
    ignore_identical_ids : bool, optional
        Never retrieve a document for the query that has the same id (collections whose queries are documents).
    counts : mapping of str to int, optional
        What the reader met: ``duplicate_judgements``, ``judged_not_relevant``, ``merged_queries``,
        ``queries_without_positives``.

    Raises
    ------
    TypeError, ValueError
        A column is missing, has another type or nulls, or the positives do not fit the tables.

    Examples
    --------
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(
    ...     ["what is rust?", "what is a snake?"],
    ...     ["a systems language", ["a legless reptile", "a long animal"]],
    ... )
    >>> collection
    Collection(2 queries, 3 documents, 3 positives)
    >>> collection.positives[1].tolist()
    [1, 2]
    """

    queries: pa.Table
    documents: pa.Table
    positives: Positives
    source: str = ""
    column_names: tuple[str, str] = ("anchor", "positive")
    ignore_identical_ids: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        queries, documents = _checked(self.queries, self.documents)
        object.__setattr__(self, "queries", queries)
        object.__setattr__(self, "documents", documents)
        object.__setattr__(self, "counts", FrozenDict(mapping("counts", self.counts)))
        checks.boolean("ignore_identical_ids", self.ignore_identical_ids)
        object.__setattr__(self, "column_names", _two_names(self.column_names))
        if not isinstance(self.positives, Positives):
            raise TypeError(f"positives: {type(self.positives).__name__}, expected Positives")
        if len(self.positives) != self.num_queries:
            raise ValueError(f"positives: {len(self.positives)} rows, expected {self.num_queries} (one per query)")
        highest = int(self.positives.ids.max(initial=-1))
        if highest >= self.num_documents:
            raise ValueError(f"positives: document {highest}, expected below {self.num_documents}")

    @classmethod
    def from_pairs(
        cls,
        queries: Iterable[str],
        positives: Iterable[str | Iterable[str]],
        corpus: Iterable[str] | Mapping[str, str] | None = None,
        *,
        ignore_identical_ids: bool = False,
    ) -> Collection:
        """Build a collection from texts.

        Parameters
        ----------
        queries : iterable of str
            Equal texts become one query with the positives of all of them.
        positives : iterable of str, or of iterables of str
            One or several positives of each query.
        corpus : iterable of str, or mapping of id to text, optional
            Documents to mine in. Positives that are not among them are added.
        ignore_identical_ids : bool
            Never retrieve a document for the query that has the same id.
        """
        return cls(**parts_of_texts(queries, positives, corpus), ignore_identical_ids=ignore_identical_ids)

    @classmethod
    def from_ids(
        cls, query_ids: Any, document_ids: Any, positives: Any, *, ignore_identical_ids: bool = False
    ) -> Collection:
        """Build a collection without texts: images, audio or products, known by their ids and mined from embeddings.

        Parameters
        ----------
        query_ids, document_ids : iterable of str or int, array of integers, pyarrow array
            Every id once. An integer is the string of its digits.
        positives : sequence with an entry for each query, Positives, or a pair (offsets, ids) of arrays
            In a sequence: the id of a document, or several of them. Never positions: those come as `Positives` or as
            the pair, whose ids are row numbers of `document_ids`.
        ignore_identical_ids : bool
            Never retrieve a document for the query that has the same id.

        Raises
        ------
        TypeError, ValueError
            An id comes twice or is none, a positive is no id of a document, a query has no positive, or lengths differ.

        Notes
        -----
        The teacher is `hardmine.teachers.precomputed`, or one of your own with ``needs_texts = False``, which is given
        the ids. Documents with the same text are not detected. Training rows are written by a format of ids.

        Examples
        --------
        >>> import hardmine as hm
        >>> images = ["a.png", "b.png", "c.png"]
        >>> collection = hm.Collection.from_ids(["q1", "q2"], images, ["b.png", ["a.png", "c.png"]])
        >>> collection, collection.has_texts, collection.positives[1].tolist()
        (Collection(2 queries, 3 documents, 3 positives), False, [0, 2])
        """
        return cls(**parts_of_ids(query_ids, document_ids, positives), ignore_identical_ids=ignore_identical_ids)

    @property
    def num_queries(self) -> int:
        """Number of queries."""
        return int(self.queries.num_rows)

    @property
    def num_documents(self) -> int:
        """Number of documents."""
        return int(self.documents.num_rows)

    @cached_property
    def query_ids(self) -> StringTable:
        """Id of every query."""
        return StringTable.from_strings(self.queries["id"])

    @cached_property
    def document_ids(self) -> StringTable:
        """Id of every document."""
        return StringTable.from_strings(self.documents["id"])

    @property
    def has_texts(self) -> bool:
        """Whether the collection holds texts; one that `from_ids` made holds ids alone."""
        return arrow.holds(self.documents, "text")

    @cached_property
    def query_texts(self) -> pa.LargeStringArray:
        """Text of every query; ValueError where the collection has none."""
        if not self.has_texts:
            raise ValueError(_ID_ALONE)
        return arrow.flat(self.queries["text"])

    @cached_property
    def document_texts(self) -> pa.LargeStringArray:
        """Text of every document: title, a space and the text; the text alone where the title is empty.

        ValueError where the collection has none.
        """
        if not self.has_texts:
            raise ValueError(_ID_ALONE)
        return joined(arrow.flat(self.documents["title"]), arrow.flat(self.documents["text"]))

    @cached_property
    def document_groups(self) -> npt.NDArray[np.int64]:
        """Group of every document, int64 [num_documents]: same number, same text.

        Texts are compared after Unicode NFKC, case folding and collapsing white space. Groups are numbered in the order
        of their first document. Without texts every document is a group of its own.
        """
        if not self.has_texts:
            return np.arange(self.num_documents)
        numbers: dict[bytes, int] = {}
        groups = np.fromiter(
            (numbers.setdefault(_digest(text), len(numbers)) for text in _iterate(self.document_texts)),
            dtype=np.int64,
            count=self.num_documents,
        )
        groups.flags.writeable = False
        return groups

    def identical_ids(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Documents that have the id of a query, as a CSR (offsets [num_queries + 1], ids)."""
        where = arrow.places(self.queries["id"], self.documents["id"])
        return ragged.offsets_of(where >= 0), where[where >= 0]

    def scored_positives(self, run: Candidates) -> Positives:
        """The positives of this collection with their scores under the teacher that made `run`.

        Parameters
        ----------
        run : Candidates
            What `hardmine.retrieve` or `hardmine.mine` found in this collection, fresh or loaded from a file.

        Raises
        ------
        TypeError, ValueError
            The run has no positive scores, or was made from other queries, documents or labels.
        """
        self._refuse_foreign(run)
        for name in ("query", "document"):
            if getattr(run, f"{name}_ids") is None:
                raise ValueError(f"run: has no {name} ids, expected a run made by hardmine retrieve")
        scored = run.positives
        if scored is None or scored.scores is None:
            lacking = run.metadata.get("positives_without_score", self.positives.ids.size)
            raise ValueError(
                f"run: no scores of positives, expected them from a run made by hardmine retrieve (of this one "
                f"{lacking} of {self.positives.ids.size} are not among its candidates); else give positives with "
                "scores, or take a rule that needs none, such as abs=0.7"
            )
        if scored.ids.size != self.positives.ids.size:
            count = self.positives.ids.size
            raise ValueError(f"run: {scored.ids.size} scores of positives, expected {count} (made with other labels?)")
        if not scored.has_labels_of(self.positives):
            raise ValueError("run: its positives are other documents than the collection's (made with other labels?)")
        return scored

    def positives_under(self, run: Candidates, *, scores: bool) -> Positives:
        """The positives with their scores where the run has any, or where they are needed; else as they are.

        Parameters
        ----------
        run : Candidates
        scores : bool
            Whether whoever asks needs scores.

        Raises
        ------
        TypeError, ValueError
            As in `scored_positives`.
        """
        if scores:
            return self.scored_positives(run)
        self._refuse_foreign(run)
        return self.positives if run.positives is None else self.scored_positives(run)

    def _refuse_foreign(self, run: Any) -> None:
        """Raise where a run cannot be of this collection: other ids where it has any, or other numbers."""
        if not is_a(run, "hardmine.nouns.candidates", "Candidates"):
            raise TypeError(f"run: {type(run).__name__}, expected Candidates")
        for name, found, wanted in (
            ("query", run.query_ids, self.query_ids),
            ("document", run.document_ids, self.document_ids),
        ):
            if found is None or found is wanted:
                continue
            if len(found) != len(wanted):
                raise ValueError(f"run: {len(found)} {name} ids, expected {len(wanted)} as in the collection")
            at = found.first_difference(wanted)
            if at is not None:
                raise ValueError(f"run: {name} {at} is {found[at]!r}, expected {wanted[at]!r} as in the collection")
        if len(run) != self.num_queries:
            raise ValueError(f"run: {len(run)} queries, expected {self.num_queries} as in the collection")
        highest = int(run.ids.max(initial=-1))
        if highest >= self.num_documents:
            raise ValueError(f"run: document {highest}, expected below {self.num_documents} as in the collection")

    def __getstate__(self) -> dict[str, Any]:
        # What is cached is made again where it is needed.
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __repr__(self) -> str:
        labels = self.positives.ids.size
        return f"Collection({self.num_queries} queries, {self.num_documents} documents, {labels} positives)"


def _two_names(value: Any) -> tuple[str, str]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"column_names: {value!r}, expected two strings")
    for name in value:
        if not isinstance(name, str):
            raise TypeError(f"column_names: {type(name).__name__} {name!r}, expected two strings")
    if value[0] == value[1]:
        raise ValueError(f"column_names: {value[0]!r} twice, expected two names")
    return value[0], value[1]


def _digest(text: str) -> bytes:
    # A 128-bit digest stands for the text: the map of a large corpus then costs tens of bytes a document.
    return hashlib.blake2b(normalised(text).encode(), digest_size=16).digest()


def _iterate(texts: pa.LargeStringArray) -> Iterator[str]:
    for start in range(0, len(texts), _CHUNK):
        yield from texts.slice(start, _CHUNK).to_pylist()


def _checked(queries: Any, documents: Any) -> tuple[pa.Table, pa.Table]:
    """The two tables with the columns that a collection has, strings without nulls.

    Texts are there for both or for neither: a collection without them has columns of ids alone.
    """
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    both = {"queries": queries, "documents": documents}
    for name, table in both.items():
        if not isinstance(table, pa.Table):
            raise TypeError(f"{name}: {type(table).__name__}, expected a pyarrow.Table")
    needed = ["id", "text"] if any(arrow.holds(table, "text") for table in both.values()) else ["id"]
    found = {}
    for name, table in both.items():
        for column in needed:
            if not arrow.holds(table, column):
                raise ValueError(f"{name}: no column {column!r}, found {', '.join(table.column_names)}")
        columns = {column: arrow.large_strings(name, table, column) for column in needed}
        if name == "documents" and "text" in needed:
            titles = arrow.large_strings(name, table, "title") if arrow.holds(table, "title") else None
            titles = arrow.constant("", table.num_rows) if titles is None else titles
            columns = {"id": columns["id"], "title": titles, "text": columns["text"]}
        columns |= {column: table[column] for column in table.column_names if column not in columns}
        found[name] = pa.table(columns)
    return found["queries"], found["documents"]

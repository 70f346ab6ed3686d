"""The ways in which formats write the documents of one side of a row, each with its encoder and its decoder.

Encoders work on the columns of a chunk, decoders on one record; what a format does not say stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from hardmine.formats import fields
from hardmine.formats.arrow import compute, pa
from hardmine.formats.chunks import Documents, Side
from hardmine.formats.rows import Row, kind


class Way(Protocol):
    """How one side is written."""

    @property
    def takes(self) -> frozenset[str]:
        """What it needs of documents, among "ids", "titles" and "texts"."""

    @property
    def field(self) -> str:
        """The name of the documents."""

    @property
    def scores(self) -> str:
        """The name of the scores; empty where there is no place for them."""

    def encode(self, side: Side, *, titles: bool, scores: bool) -> dict[str, Any]:
        """The columns of a side."""

    def decode(self, row: Row, *, needed: bool) -> Documents:
        """The documents of a record; at least one where they are needed."""


@dataclass(frozen=True)
class Texts:
    """A list of texts, and a list of scores beside it.

    Parameters
    ----------
    field : str
    scores : str
        Field of the scores; empty for none.
    loose : bool
        Whether one text may stand for a list of it, and an object with a ``text`` for a text.
    """

    field: str
    scores: str = ""
    loose: bool = False

    takes: ClassVar[frozenset[str]] = frozenset({"texts"})

    def encode(self, side: Side, *, titles: bool, scores: bool) -> dict[str, Any]:  # noqa: ARG002
        """As `Way.encode`."""
        columns = {self.field: side.lists(side.texts())}
        if scores and self.scores:
            columns[self.scores] = side.lists(side.values("scores"))
        return columns

    def decode(self, row: Row, *, needed: bool) -> Documents:
        """As `Way.decode`."""
        name, values = fields.list_of(row, (self.field,), "strings", needed=needed, single=self.loose)
        if self.loose:
            values = [
                fields.object_of(row, f"{name}[{at}]", value).text(("text",)) if isinstance(value, dict) else value
                for at, value in enumerate(values or [])
            ]
        found = fields.texts(row, name, values or [])
        scores = fields.numbers(row, self.scores, len(found), self.field) if self.scores else None
        return Documents(texts=found, scores=scores)


@dataclass(frozen=True)
class Ids:
    """A list of ids, and a list of scores beside it.

    Parameters
    ----------
    field : str
    scores : str
        Field of the scores; empty for none.
    """

    field: str
    scores: str = ""

    takes: ClassVar[frozenset[str]] = frozenset({"ids"})

    def encode(self, side: Side, *, titles: bool, scores: bool) -> dict[str, Any]:  # noqa: ARG002
        """As `Way.encode`."""
        columns = {self.field: side.lists(side.ids())}
        if scores and self.scores:
            columns[self.scores] = side.lists(side.values("scores"))
        return columns

    def decode(self, row: Row, *, needed: bool) -> Documents:
        """As `Way.decode`."""
        name, values = fields.list_of(row, (self.field,), "ids", needed=needed)
        found = fields.identifiers(row, name, values or [])
        scores = fields.numbers(row, self.scores, len(found), self.field) if self.scores else None
        return Documents(ids=found, scores=scores)


@dataclass(frozen=True)
class Passages:
    """A list of objects.

    Parameters
    ----------
    field : str
    also : tuple of str
        Other fields of the kind, whose documents come behind; they are written empty.
    id, title, text, scores : str
        Names inside an object; empty for none.
    always_titled : bool
        Whether a reader asks for a title even where all are empty.
    loose : bool
        Whether an id may stand for an object with one.
    """

    field: str
    also: tuple[str, ...] = ()
    id: str = ""
    title: str = ""
    text: str = ""
    scores: str = ""
    always_titled: bool = False
    loose: bool = False

    @property
    def takes(self) -> frozenset[str]:
        """As `Way.takes`."""
        wanted = {"ids": self.id, "titles": self.title, "texts": self.text}
        return frozenset(kind for kind, name in wanted.items() if name)

    def encode(self, side: Side, *, titles: bool, scores: bool) -> dict[str, Any]:
        """As `Way.encode`."""
        parts: dict[str, Any] = {}
        if self.id:
            parts[self.id] = side.ids()
        if self.title and (titles or self.always_titled):
            parts[self.title] = compute.fill_null(side.values("titles"), "")
        if self.text:
            parts[self.text] = side.values("texts") if self.title and titles else side.texts()
        if self.scores and scores:
            parts[self.scores] = side.values("scores")
        columns = {self.field: side.lists(pa.StructArray.from_arrays(list(parts.values()), list(parts)))}
        empty = np.zeros(side.lengths.size, dtype=np.int64)
        for name in self.also:
            values = pa.StructArray.from_arrays([part.slice(0, 0) for part in parts.values()], list(parts))
            columns[name] = pa.LargeListArray.from_arrays(pa.array(np.append(empty, 0)), values)
        return columns

    def decode(self, row: Row, *, needed: bool) -> Documents:
        """As `Way.decode`."""
        passages = []
        for field in (self.field, *self.also):
            is_needed = needed and field == self.field
            name, values = fields.list_of(row, (field,), "objects", needed=is_needed)
            passages += [self._passage(row, f"{name}[{at}]", value) for at, value in enumerate(values or [])]
        ids = [self._id(passage) for passage in passages] if self.id else None
        titles = None
        if self.title and any(self.title in passage.fields for passage in passages):
            titles = [passage.text((self.title,), default="") for passage in passages]
        texts = [passage.text((self.text,)) for passage in passages] if self.text else None
        scores = None
        if self.scores and any(self.scores in passage.fields for passage in passages):
            scores = [fields.number(passage, self.scores, passage.fields.get(self.scores)) for passage in passages]
        known = None if ids is None or None in ids else [name for name in ids if name is not None]
        return Documents(known, titles, texts, scores)

    def _passage(self, row: Row, name: str, value: Any) -> Row:
        if self.loose and not isinstance(value, dict):
            value = {self.id: fields.identifier(row, name, value)}
        return fields.object_of(row, name, value)

    def _id(self, passage: Row) -> str | None:
        if self.text and passage.fields.get(self.id) is None:
            return None  # the text is there: the id is no more than a comfort
        return passage.identifier((self.id,))


@dataclass(frozen=True)
class Messages:
    """A list of conversations, each a list of one message.

    Parameters
    ----------
    field : str
    """

    field: str
    scores: ClassVar[str] = ""

    takes: ClassVar[frozenset[str]] = frozenset({"texts"})

    def encode(self, side: Side, *, titles: bool, scores: bool) -> dict[str, Any]:  # noqa: ARG002
        """As `Way.encode`."""
        return {self.field: side.lists(conversations(side.texts()))}

    def decode(self, row: Row, *, needed: bool) -> Documents:
        """As `Way.decode`."""
        name, values = fields.list_of(row, (self.field,), "lists of messages", needed=needed)
        return Documents(texts=[content(row, f"{name}[{at}]", value) for at, value in enumerate(values or [])])


def conversations(texts: Any) -> Any:
    """One conversation of one message for each text."""
    roles = pa.repeat(pa.scalar("user", pa.large_string()), len(texts))
    messages = pa.StructArray.from_arrays([roles, texts], ["role", "content"])
    return pa.LargeListArray.from_arrays(pa.array(np.arange(len(texts) + 1, dtype=np.int64)), messages)


def content(row: Row, name: str, value: Any) -> str:
    """What the last message of a conversation says: those before it set the scene."""
    if not isinstance(value, list) or not value:
        came = "empty" if value == [] else kind(value)
        raise row.error(name, came, "a list of messages")
    return fields.object_of(row, f"{name}[{len(value) - 1}]", value[-1]).text(("content",))

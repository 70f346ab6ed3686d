"""The items of one batch, kept as columns: no Python loop over them unless somebody looks at single items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, overload

import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float32]

COLUMNS = ("all", "ids", "sentence-transformers")
"""What an item can hold."""


@dataclass(frozen=True, eq=False, repr=False)
class NegativeBatch(Sequence[dict[str, Any]]):
    """What `NegativeDataset.__getitems__` returns: a sequence of items that holds their columns.

    Item i of b has the negatives ``offsets[i]:offsets[i + 1]`` and must not meet the documents
    ``excluded_offsets[i]:excluded_offsets[i + 1]`` as negatives: the labelled positives of its query, documents with
    the text of one, and those that the caller excluded.

    Attributes
    ----------
    columns : str
        What an item shows: see `NegativeDataset`.
    query_ids, positive_ids : int64 [b]
    positive_scores : float32 [b]
        Teacher's score of the positive shown; NaN where none is known.
    offsets : int64 [b + 1]
    negative_ids : int64 [n]
    negative_scores : float32 [n]
        NaN for documents of ``on_shortage="fill"``.
    filled : bool [n]
        Documents that fill a shortage.
    excluded_offsets : int64 [b + 1]
    excluded_ids : int64 [m]
    positive_groups, negative_groups : int64 [b], int64 [n]
        Text groups: same number, same text. The document indices where the dataset knows no groups.
    queries, positives, negatives : list of str, or None
        Texts; None with ``columns="ids"``.
    """

    columns: str
    query_ids: _Ints
    positive_ids: _Ints
    positive_scores: _Floats
    offsets: _Ints
    negative_ids: _Ints
    negative_scores: _Floats
    filled: npt.NDArray[np.bool_]
    excluded_offsets: _Ints
    excluded_ids: _Ints
    positive_groups: _Ints
    negative_groups: _Ints
    queries: list[str] | None
    positives: list[str] | None
    negatives: list[str] | None

    def __len__(self) -> int:
        return int(self.query_ids.size)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self._item(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of a batch of {len(self)} items")
        return self._item(index % len(self))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._item, range(len(self)))

    def _item(self, i: int) -> dict[str, Any]:
        start, end = int(self.offsets[i]), int(self.offsets[i + 1])
        item: dict[str, Any] = {}
        if self.columns == "sentence-transformers":
            texts = self._texts()
            item.update(anchor=texts[0][i], positive=texts[1][i])
            item.update((f"negative_{at}", text) for at, text in enumerate(texts[2][start:end], start=1))
            return item
        if self.columns == "all":
            queries, positives, negatives = self._texts()
            item.update(query=queries[i], positive=positives[i], negatives=negatives[start:end])
        excluded = slice(int(self.excluded_offsets[i]), int(self.excluded_offsets[i + 1]))
        item.update(
            query_id=int(self.query_ids[i]),
            positive_id=int(self.positive_ids[i]),
            negative_ids=self.negative_ids[start:end],
            positive_score=float(self.positive_scores[i]),
            negative_scores=self.negative_scores[start:end],
            filled=self.filled[start:end],
            excluded_ids=self.excluded_ids[excluded],
            positive_group=int(self.positive_groups[i]),
            negative_groups=self.negative_groups[start:end],
        )
        return item

    def _texts(self) -> tuple[list[str], list[str], list[str]]:
        if self.queries is None or self.positives is None or self.negatives is None:
            raise ValueError("items: no texts, expected a dataset with columns='all' or 'sentence-transformers'")
        return self.queries, self.positives, self.negatives

    def text_columns(self) -> dict[str, list[str]]:
        """``anchor``, ``positive``, ``negative_1`` ...: the columns that sentence-transformers trains on.

        Raises
        ------
        ValueError
            There are no texts, or items differ in their number of negatives.
        """
        queries, positives, negatives = self._texts()
        width = self._width()
        columns = {f"negative_{at + 1}": negatives[at::width] for at in range(width)}
        return {"anchor": queries, "positive": positives, **columns}

    def id_column(self) -> list[list[int]]:
        """Numbers of the query, the positive and the negatives of every item: what a loss looks up by.

        Returns
        -------
        list of list of int, [number of items, 2 + number of negatives]
            In the order of the items; negatives in that of the batch. Of no items, an empty list.

        Raises
        ------
        ValueError
            Items differ in their number of negatives.
        """
        negatives = self.negative_ids.reshape(len(self), self._width())
        found: list[list[int]] = np.column_stack([self.query_ids, self.positive_ids, negatives]).tolist()
        return found

    def _width(self) -> int:
        """Negatives of every item, which have the same number of them."""
        lengths = np.diff(self.offsets)
        width = int(lengths.max(initial=0))
        if (lengths != width).any():
            raise ValueError(f"items: {int(lengths.min())} to {width} negatives, expected the same number in each")
        return width

    @classmethod
    def from_items(cls, items: Sequence[dict[str, Any]]) -> NegativeBatch:
        """Columns of single items.

        Parameters
        ----------
        items : sequence of dict
            What a dataset with ``columns="all"`` or ``"ids"`` gave.

        Returns
        -------
        NegativeBatch

        Raises
        ------
        TypeError, ValueError
            An item is no mapping, or lacks a key.
        """
        if isinstance(items, NegativeBatch):
            return items
        for item in items:
            if not isinstance(item, dict):
                raise TypeError(f"items: {type(item).__name__}, expected the dictionaries of a NegativeDataset")
            missing = [key for key in _KEYS if key not in item]
            if missing:
                raise ValueError(f"items: no {missing[0]!r}, expected items of a NegativeDataset with columns='all'")
        with_texts = bool(items) and all("query" in item for item in items)
        return cls(
            columns="all" if with_texts else "ids",
            query_ids=np.array([item["query_id"] for item in items], dtype=np.int64),
            positive_ids=np.array([item["positive_id"] for item in items], dtype=np.int64),
            positive_scores=np.array([item["positive_score"] for item in items], dtype=np.float32),
            offsets=_ends(items, "negative_ids"),
            negative_ids=_joined(items, "negative_ids", np.int64),
            negative_scores=_joined(items, "negative_scores", np.float32),
            filled=_joined(items, "filled", np.bool_),
            excluded_offsets=_ends(items, "excluded_ids"),
            excluded_ids=_joined(items, "excluded_ids", np.int64),
            positive_groups=np.array([item["positive_group"] for item in items], dtype=np.int64),
            negative_groups=_joined(items, "negative_groups", np.int64),
            queries=[item["query"] for item in items] if with_texts else None,
            positives=[item["positive"] for item in items] if with_texts else None,
            negatives=[text for item in items for text in item["negatives"]] if with_texts else None,
        )

    def __repr__(self) -> str:
        return f"NegativeBatch({len(self)} items, {self.negative_ids.size} negatives)"

    def __reduce__(self) -> Any:
        return NegativeBatch, tuple(getattr(self, field.name) for field in fields(self))


_KEYS = (
    "query_id", "positive_id", "negative_ids", "positive_score", "negative_scores", "filled", "excluded_ids",
    "positive_group", "negative_groups",
)  # fmt: skip


def _ends(items: Sequence[dict[str, Any]], key: str) -> _Ints:
    offsets = np.zeros(len(items) + 1, dtype=np.int64)
    np.cumsum([len(item[key]) for item in items], out=offsets[1:])
    return offsets


def _joined(items: Sequence[dict[str, Any]], key: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *(np.asarray(item[key], dtype) for item in items)])

"""A `datasets.Dataset` whose rows are drawn by a `NegativeDataset`. Needs the package datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from hardmine.data.dataset import NegativeDataset

_ITEM = "item"
_IDS = "label"
"""What sentence-transformers hands to the loss beside the texts."""


class Draw:
    """The transform: item numbers to rows. A class, so that it pickles into workers."""

    def __init__(self, source: NegativeDataset, *, ids: bool) -> None:
        self.source, self.ids = source, ids

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        """Rows of a batch."""
        found = self.source.__getitems__(np.asarray(batch[_ITEM], dtype=np.int64))
        texts: dict[str, list[Any]] = {**found.text_columns()}
        return {**texts, _IDS: found.id_column()} if self.ids else texts


class FreshDataset(datasets.Dataset):  # type: ignore[misc]
    """Item numbers in Arrow; texts and negatives are drawn when a row is read."""

    source: NegativeDataset
    ids: bool

    @classmethod
    def of(cls, source: NegativeDataset, items: npt.NDArray[np.int64], *, ids: bool) -> FreshDataset:
        """Some items of `source`."""
        # A fingerprint of its own: the package would otherwise pickle and hash the whole run.
        table = pa.table({_ITEM: items})
        self = cls(datasets.table.InMemoryTable(table), fingerprint=uuid4().hex)
        self.source, self.ids = source, ids
        self._format_type = "custom"
        self._format_kwargs = {"transform": Draw(source, ids=ids)}
        self._format_columns = None
        return self

    def set_epoch(self, epoch: int) -> None:
        """What trainers call before each epoch."""
        self.source.set_epoch(epoch)

    @property
    def column_names(self) -> list[str]:
        """The columns that rows have when they are read."""
        count = self.source.selection.num_negatives
        return ["anchor", "positive", *(f"negative_{at + 1}" for at in range(count)), *([_IDS] if self.ids else [])]

    @property
    def features(self) -> Any:
        """Text, and the numbers."""
        numbers = datasets.Sequence(datasets.Value("int64"))
        kinds = {name: numbers if name == _IDS else datasets.Value("string") for name in self.column_names}
        return datasets.Features(kinds)

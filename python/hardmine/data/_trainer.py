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


class Draw:
    """The transform: item numbers to rows of texts. A class, so that it pickles into workers."""

    def __init__(self, source: NegativeDataset) -> None:
        self.source = source

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[str]]:
        """Rows of a batch."""
        return self.source.__getitems__(np.asarray(batch[_ITEM], dtype=np.int64)).text_columns()


class FreshDataset(datasets.Dataset):  # type: ignore[misc]
    """Item numbers in Arrow; texts and negatives are drawn when a row is read."""

    source: NegativeDataset

    @classmethod
    def of(cls, source: NegativeDataset, items: npt.NDArray[np.int64]) -> FreshDataset:
        """Some items of `source`."""
        # A fingerprint of its own: the package would otherwise pickle and hash the whole run.
        table = pa.table({_ITEM: items})
        self = cls(datasets.table.InMemoryTable(table), fingerprint=uuid4().hex)
        self.source = source
        self._format_type = "custom"
        self._format_kwargs = {"transform": Draw(source)}
        self._format_columns = None
        return self

    def set_epoch(self, epoch: int) -> None:
        """What trainers call before each epoch."""
        self.source.set_epoch(epoch)

    @property
    def column_names(self) -> list[str]:
        """The columns that rows have when they are read."""
        count = self.source.selection.num_negatives
        return ["anchor", "positive", *(f"negative_{at + 1}" for at in range(count))]

    @property
    def features(self) -> Any:
        """All text."""
        return datasets.Features({name: datasets.Value("string") for name in self.column_names})

"""What a selection needs of a collection to keep near-duplicates out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy.typing as npt

from hardmine.primitives.shingles import near_duplicate_groups

if TYPE_CHECKING:
    import numpy as np

    from hardmine.nouns.collection import Collection
    from hardmine.rules.selection import Selection

_GROUPS: WeakKeyDictionary[Collection, dict[float, npt.NDArray[np.int64]]] = WeakKeyDictionary()
"""Of every collection that lives, the groups at each threshold: many selections from one run ask for the same."""


def near_groups(collection: Collection, selection: Selection, num_threads: int | None) -> npt.NDArray[np.int64] | None:
    """Near-duplicates among the documents, at the threshold of the selection; None where it keeps none out."""
    threshold = selection.near_duplicates
    if threshold is None:
        return None
    known = _GROUPS.setdefault(collection, {})
    if threshold not in known:
        groups = near_duplicate_groups(collection.document_texts, threshold, num_threads=num_threads)
        groups.flags.writeable = False
        known[threshold] = groups
    return known[threshold]


def refuse_unknown(collection: Collection, selection: Selection) -> None:
    """Raise where the collection holds no texts to compare."""
    if selection.near_duplicates is not None and not collection.has_texts:
        raise ValueError(
            "collection: ids without texts, but the selection keeps near-duplicates of texts out (near_duplicates); "
            "expected a collection of texts, or near_cosine"
        )


def refuse_without_embeddings(selections: Any, document_embeddings: Any) -> None:
    """Raise where a cosine is asked for and there is nothing to take it of."""
    if document_embeddings is None and any(selection.near_cosine is not None for selection in selections):
        raise ValueError(
            "document_embeddings: missing, which the selection needs for near_cosine; give those of an encoder "
            "(mine() takes its teacher's)"
        )

"""Which collection negatives are of: they keep numbers of its queries and documents, and no ids."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives

_SAMPLED = 1_000


def identity(collection: Collection) -> dict[str, Any]:
    """The sizes of a collection, and a digest of at most 1,000 evenly spaced ids of its queries and documents each."""
    digest = hashlib.blake2b(digest_size=16)
    sizes = {"queries": collection.num_queries, "documents": collection.num_documents}
    for ids, size in zip((collection.query_ids, collection.document_ids), sizes.values(), strict=True):
        taken = min(size, _SAMPLED)
        numbers = np.arange(taken, dtype=np.int64) * size // max(taken, 1)
        for name in ids.take(numbers):
            text = name.encode(errors="surrogatepass")
            digest.update(len(text).to_bytes(8, "little") + text)
    return {**sizes, "ids": digest.hexdigest()}


def foreign(negatives: Negatives, collection: Collection) -> str | None:
    """Why negatives cannot be of a collection; None where nothing speaks against it."""
    sizes = {"queries": collection.num_queries, "documents": collection.num_documents}
    runs = negatives.metadata.get("runs") or [negatives.metadata]
    own = [each["collection"] for each in runs if isinstance(each.get("collection"), dict)]
    if own:
        here = identity(collection)
        for key, size in sizes.items():
            if own[0].get(key) != size:
                return f"mined from {own[0].get(key)} {key}, but the collection has {size}"
        if own[0] != here:
            return "mined from a collection with other ids"
    for name, kind in (
        ("queries", "queries"),
        ("dropped", "queries"),
        ("ids", "documents"),
        ("positives", "documents"),
    ):
        highest = int(getattr(negatives, name).max(initial=-1))
        if highest >= sizes[kind]:
            return f"{name}: number {highest}, but the collection has {sizes[kind]} {kind}"
    rows = np.flatnonzero(negatives.positives >= 0)
    told = len(negatives) + int(negatives.dropped.size)
    if not rows.size and told != sizes["queries"]:  # one row for each query
        return f"rows of {told} queries, but the collection has {sizes['queries']}"
    labels = collection.positives
    span = max(sizes["documents"], 1)
    known = np.isin(
        negatives.queries[rows] * span + negatives.positives[rows], labels.query_of_each * span + labels.ids
    )
    if not known.all():
        return f"row {int(rows[(~known).argmax()]) + 1}: its positive is none of its query in the collection"
    return None

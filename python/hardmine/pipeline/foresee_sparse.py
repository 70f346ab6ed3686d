"""What a retrieval by sparse rows will take: the columns of a `Plan`; see `foresee`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.nouns.sparse import SparseRows
from hardmine.pipeline import cached, cached_sparse, foresee, samples
from hardmine.primitives.search.sparse import working_bytes
from hardmine.store import fingerprint

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

_WEIGHT = 8  # bytes: term and weight
_ROW_ON_DISK = 16 + 8 + 8  # bytes: key, offset, size of the vocabulary


def sparse(
    collection: Collection, teacher: Any, k: int, folder: Path | None, max_memory: int | str | None, threads: int
) -> dict[str, Any]:
    """Of a teacher with sparse rows."""
    kept = cached.looking_at(folder, teacher)
    texts = {"queries": collection.query_texts, "documents": collection.document_texts}
    lacking, held_texts, whole = dict(texts), dict.fromkeys(texts, 0), {}
    for what, some in texts.items():
        rows = cached.embedding_rows(kept, what, some, cached_sparse.KIND) if kept is not None else None
        if rows is not None:
            lacking[what], held_texts[what] = cached.lacking(some, rows), rows.num_held
            if len(rows) and not rows.missing.size:
                whole[what] = cached_sparse.assembled(rows)
    rate, held = None, None
    sample: dict[str, SparseRows] = {}
    for what in ("queries", "documents"):
        if what in whole:
            sample[what] = samples.spread(whole[what], samples.MOST_ROWS)
            continue

        def encode(some: Any, what: str = what) -> SparseRows:
            return cached_sparse.checked(teacher, getattr(teacher, f"encode_{what}")(some), len(some))

        sample[what], found = samples.embedded(encode, lacking[what] if len(lacking[what]) else texts[what])
        rate = found if what == "documents" or rate is None else rate
    if len(whole) == 2 and kept is not None:
        known = cached_sparse.search_keys(teacher, whole["queries"], whole["documents"])
        held = foresee.candidates_held(collection, kept, known, k, threads)
    index, pairs = samples.searched_sparse(sample["queries"], sample["documents"], k, threads)
    longest = int(np.diff(sample["queries"].offsets).max(initial=0))
    mean = {what: rows.terms.size / max(len(rows), 1) for what, rows in sample.items()}
    size = {what: int(mean[what] * _WEIGHT * len(some)) + 8 * (len(some) + 1) for what, some in texts.items()}
    count = {what: len(some) for what, some in lacking.items()}
    growth = 0
    if kept is not None:
        growth = foresee.candidate_bytes(collection, kept, k, held)
        for what, some in lacking.items():
            shards = sum(1 for _ in cached.groups(fingerprint.lengths_of(some), kept.group_bytes))
            growth += int(count[what] * (mean[what] * _WEIGHT + _ROW_ON_DISK))
            growth += shards * foresee.header_bytes(kept.facts[what])
    queries, documents = collection.num_queries, collection.num_documents
    return {
        "dimension": 0,
        "terms": mean["documents"],
        "dtype": "float32",
        "queries_to_embed": count["queries"],
        "documents_to_embed": count["documents"],
        "queries_cached": held_texts["queries"],
        "documents_cached": held_texts["documents"],
        "candidates_cached": held if folder is not None else 0,
        "embeddings": sum(size.values()),
        "mapped": 0,
        "index": int(index * documents / max(len(sample["documents"]), 1)),
        "search": None,
        "working": working_bytes(queries, longest, min(k, documents), max_memory, threads),
        "result": queries * min(k, documents) * foresee.CANDIDATE + 8 * (queries + 1),
        "cache_growth": growth,
        "disk_scratch": 0,
        "texts_per_second": rate,
        "pairs_per_second": pairs,
        "seconds_embedding": sum(count.values()) / rate if rate else 0.0,
        "seconds_searching": foresee.seconds(collection, held, pairs),
    }

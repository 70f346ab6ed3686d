"""What a retrieval by embeddings, or by a lexical index, will take: the columns of a `Plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardmine.pipeline import cached, samples
from hardmine.pipeline.scorers import left_out_of, texts_of
from hardmine.plumbing import arrays
from hardmine.primitives.search.plan import search_plan
from hardmine.primitives.search.sparse import working_bytes
from hardmine.store import fingerprint
from hardmine.store.matrix import IN_MEMORY, Matrix, assembled

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

_DTYPES = {"f16": "float16", "bf16": "bfloat16", "f32": "float32"}
_KEY, _COUNTS = 16, 40  # bytes of a row on disk: its key; of candidates an offset and four counts too
_HEADER = 4_096  # bytes of a shard's header without the teacher's facts, at most
CANDIDATE = 12  # bytes: id and score


def dense(
    collection: Collection, teacher: Any, k: int, folder: Path | None, max_memory: int | str | None, threads: int
) -> dict[str, Any]:
    """Of a teacher with embeddings."""
    texts = dict(zip(("queries", "documents"), texts_of(collection), strict=True))
    kept = cached.looking_at(folder, teacher)
    looks_up = cached.looks_up(kept, teacher)
    rows = {what: cached.embedding_rows(kept, what, texts[what]) for what in texts} if kept is not None else {}
    lacking = {
        what: texts[what] if found is None else cached.lacking(texts[what], found) for what, found in rows.items()
    }
    lacking = dict.fromkeys(texts, ()) if looks_up else {**texts, **lacking}
    if looks_up:
        sample, rate = teacher.embed_documents(texts["documents"]), None
    else:
        # Where nothing is to be embedded, the shape of embeddings is all that is wanted of the sample.
        sample, rate = samples.embedded(
            teacher.embed_documents, lacking["documents"] if len(lacking["documents"]) else texts["documents"]
        )
    matrix, item = arrays.matrix(f"teacher {teacher.name!r}", sample)
    dimension, dtype, count = matrix.shape[1], _DTYPES.get(item, "float32"), {w: len(lacking[w]) for w in texts}
    held_texts = dict.fromkeys(texts, 0) | {what: found.num_held for what, found in rows.items() if found is not None}
    row = dimension * matrix.itemsize
    sides = {what: len(texts[what]) * row for what in texts}
    is_mapped = {what: folder is not None and not looks_up and size > IN_MEMORY for what, size in sides.items()}
    mapped = sum(size for what, size in sides.items() if is_mapped[what])
    held = None
    if kept is not None and not any(count.values()) and not mapped:
        matrices = [
            Matrix(getattr(teacher, f"embed_{what}")(texts[what])) if found is None or not len(found)
            else assembled(found, "embedding", kept.store.folder)
            for what, found in rows.items()
        ]  # fmt: skip
        held = candidates_held(collection, kept, cached.embedding_keys(teacher, *matrices), k, threads)
    foreseen = search_plan(
        len(texts["queries"]), len(texts["documents"]), dimension, k,
        similarity=teacher.similarity, dtype=dtype, max_memory=max_memory, num_threads=threads,
    )  # fmt: skip
    pairs = samples.searched(len(texts["queries"]), len(texts["documents"]), dimension, k, teacher.similarity, threads)
    growth = 0
    if kept is not None:
        growth = sum(count.values()) * (row + _KEY) + candidate_bytes(collection, kept, k, held)
        for what in texts:
            shards = sum(1 for _ in cached.groups(fingerprint.lengths_of(lacking[what]), kept.group_bytes))
            growth += shards * header_bytes(kept.facts[what])
    return {
        "dimension": dimension,
        "terms": 0.0,
        "dtype": dtype,
        "queries_to_embed": count["queries"],
        "documents_to_embed": count["documents"],
        "queries_cached": held_texts["queries"],
        "documents_cached": held_texts["documents"],
        "candidates_cached": held if folder is not None else 0,
        "embeddings": sum(sides.values()),
        "mapped": mapped,
        "index": 0,
        "search": foreseen,
        "working": foreseen.working,
        "result": foreseen.result,
        "cache_growth": growth,
        "disk_scratch": mapped,
        "texts_per_second": rate,
        "pairs_per_second": pairs,
        "seconds_embedding": sum(count.values()) / rate if rate else 0.0,
        "seconds_searching": seconds(collection, held, pairs),
    }


def lexical(
    collection: Collection, teacher: Any, k: int, folder: Path | None, max_memory: int | str | None, threads: int
) -> dict[str, Any]:
    """Of a teacher with an index of words."""
    kept = cached.looking_at(folder, teacher)
    held = 0
    if kept is not None:
        held = candidates_held(collection, kept, cached.text_keys(kept, teacher, collection), k, threads)
    index, longest, rate, pairs = samples.indexed(
        teacher, collection.document_texts, collection.query_texts, k, threads
    )
    queries, documents = collection.num_queries, collection.num_documents
    return {
        "dimension": 0,
        "terms": 0.0,
        "dtype": "",
        "queries_to_embed": 0,
        "documents_to_embed": 0,
        "queries_cached": 0,
        "documents_cached": 0,
        "candidates_cached": held,
        "embeddings": 0,
        "mapped": 0,
        "index": index,
        "search": None,
        "working": working_bytes(queries, longest, min(k, documents), max_memory, threads),
        "result": queries * min(k, documents) * CANDIDATE + 8 * (queries + 1),
        "cache_growth": candidate_bytes(collection, kept, k, held) if kept is not None else 0,
        "disk_scratch": 0,
        "texts_per_second": rate,
        "pairs_per_second": pairs,
        "seconds_embedding": documents / rate if rate else 0.0,
        "seconds_searching": seconds(collection, held, pairs),
    }


def candidates_held(collection: Collection, kept: cached.Kept, known: cached.SearchKeys, k: int, threads: int) -> int:
    """Queries whose candidates a store holds, where no ceiling acts."""
    if not collection.num_queries:
        return 0
    left_out = left_out_of(collection, threads, exclude_positives=True)
    rows = cached.candidate_rows(kept.store, known, k, None, (left_out.offsets, left_out.ids))
    return rows.num_held


def candidate_bytes(collection: Collection, kept: cached.Kept, k: int, held: int | None) -> int:
    """Most that the candidates of the other queries take in a store."""
    row = min(k, collection.num_documents) * CANDIDATE + _KEY + _COUNTS
    queries = collection.num_queries - (held or 0)
    return queries * row + -(-queries // cached.FEWEST_QUERIES) * header_bytes(kept.facts["documents"])


def header_bytes(facts: cached.Facts | None) -> int:
    """Most that the header of a shard takes: facts as JSON within JSON, with a blank for every byte at worst."""
    return _HEADER + 4 * len(fingerprint.spelt(facts or {}))


def seconds(collection: Collection, held: int | None, pairs_per_second: float | None) -> float:
    """How long the search of the other queries takes."""
    pairs = (collection.num_queries - (held or 0)) * collection.num_documents
    return pairs / pairs_per_second if pairs_per_second else 0.0

"""What a retrieval will take before it runs: memory and disk from shapes, time from a sample measured on the spot."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardmine.pipeline import cached, foresee, foresee_sparse
from hardmine.pipeline.retrieve import DEFAULT_K
from hardmine.pipeline.scorers import DenseScorer, chosen, expect_collection
from hardmine.pipeline.sparse_scorers import SparseScorer
from hardmine.plumbing import checks
from hardmine.plumbing.threads import thread_count

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection
    from hardmine.primitives.search.plan import SearchPlan
    from hardmine.teachers import Teacher

_SCALED = "scaled from a measured sample"


@dataclasses.dataclass(frozen=True, repr=False)
class Plan:
    """What `plan` foresees for a retrieval. Sizes are in bytes, times in seconds.

    Attributes
    ----------
    teacher, similarity : str
    num_queries, num_documents, k : int
    dimension : int
        Of the embeddings; 0 for a teacher that has none. Measured.
    terms : float
        Weights of a document under a sparse teacher, on average; 0 for others. Measured.
    dtype : str
        Of the embeddings or weights; empty for a teacher that has none. Measured.
    queries_to_embed, documents_to_embed : int
        Texts that the cache lacks, equal ones once; all of them without a cache.
    queries_cached, documents_cached : int
        Texts whose embeddings, or weights, the cache holds.
    candidates_cached : int or None
        Queries whose candidates the cache holds, for this k, without a ceiling. None where that cannot be seen: while
        embeddings are missing, or are too large to be read for it.
    embeddings : int
        What all embeddings take. Computed; of sparse rows scaled from a measurement.
    mapped : int
        How much of that is mapped from disk and held in memory only while it is in use. Computed.
    index : int
        What the index of a lexical or sparse teacher takes, scaled from that of a sample. Measured.
    search : SearchPlan or None
        How the search will run: `search_plan`. None for a lexical or sparse teacher.
    working : int
        Working memory of the search. Computed.
    result : int
        Most that the candidates take. Computed.
    cache_growth : int
        Most that this run adds to the cache. Computed; of sparse rows scaled from a measurement.
    disk_scratch : int
        What the mapped embeddings take on the disk while the run lasts. Computed.
    disk_free : int or None
        What is free there now. Measured.
    texts_per_second : float or None
        Texts embedded, or indexed. Measured on texts of this collection.
    pairs_per_second : float or None
        (query, document) pairs searched. Measured on a tile.
    seconds_embedding, seconds_searching : float
        Computed from the two rates: what the cache lacks.
    """

    teacher: str
    similarity: str
    num_queries: int
    num_documents: int
    k: int
    dimension: int
    terms: float
    dtype: str
    queries_to_embed: int
    documents_to_embed: int
    queries_cached: int
    documents_cached: int
    candidates_cached: int | None
    embeddings: int
    mapped: int
    index: int
    search: SearchPlan | None
    working: int
    result: int
    cache_growth: int
    disk_scratch: int
    disk_free: int | None
    texts_per_second: float | None
    pairs_per_second: float | None
    seconds_embedding: float
    seconds_searching: float

    @property
    def peak(self) -> int:
        """Most memory that the run takes beyond the collection and the teacher, mapped embeddings not counted."""
        return self.embeddings - self.mapped + self.index + self.working + self.result

    @property
    def seconds(self) -> float:
        """Time of embedding or indexing, and searching."""
        return self.seconds_embedding + self.seconds_searching

    def to_dict(self) -> dict[str, Any]:
        """All attributes, ``peak`` and ``seconds``, of JSON's types."""
        return {**dataclasses.asdict(self), "peak": self.peak, "seconds": self.seconds}

    def summary(self) -> str:
        """The plan as readable text, which says of every number whether it is measured or computed."""
        work = "embedding" if self.dimension or self.terms else "indexing"
        lines = [
            f"{self.num_queries:,} queries x {self.num_documents:,} documents, k = {self.k:,}; "
            f"teacher {self.teacher} ({self.similarity})"
        ]
        if self.dimension or self.terms:
            cached_texts = self.queries_cached + self.documents_cached
            shape = (
                f"embeddings of {self.dimension} {self.dtype} numbers" if self.dimension
                else f"sparse rows of {self.terms:,.0f} {self.dtype} weights on average"
            )  # fmt: skip
            lines += [
                f"{shape} (measured); {cached_texts:,} texts in the cache, "
                f"{self.queries_to_embed:,} queries and {self.documents_to_embed:,} documents to embed"
            ]
        if self.candidates_cached:
            lines += [f"candidates of {self.candidates_cached:,} queries in the cache"]
        disk = "-" if self.disk_free is None else shown_size(self.disk_free)
        groups: dict[str, list[tuple[str, int | str, str]]] = {
            "memory": [
                ("embeddings", self.embeddings, "computed" + _mapped(self.mapped) if self.dimension else _SCALED),
                ("index", self.index, _SCALED),
                ("working memory", self.working, "computed" + self._engine()),
                ("candidates", self.result, "computed, at most"),
                ("peak", self.peak, "computed, beyond texts and teacher"),
            ],
            "disk": [
                ("added to the cache", self.cache_growth, _SCALED if self.terms else "computed, at most"),
                ("while it runs", self.disk_scratch, "computed"),
                ("free", disk, "measured"),
            ],
            "time": [
                (work, shown_duration(self.seconds_embedding), _rate("texts", self.texts_per_second)),
                ("searching", shown_duration(self.seconds_searching), _rate("pairs", self.pairs_per_second)),
                ("all", shown_duration(self.seconds), "computed from both"),
            ],
        }
        for title, rows in groups.items():
            shown = [row for row in rows if row[1]]
            lines += ["", title]
            lines += [f"  {name:<20}{shown_size(v) if isinstance(v, int) else v:>12}  {how}" for name, v, how in shown]
        return "\n".join(lines)

    def _engine(self) -> str:
        return "" if self.search is None else f", {self.search.queries_at_a_time:,} queries at a time"

    def __repr__(self) -> str:
        return (
            f"Plan({self.num_queries} queries, {self.num_documents} documents, k={self.k}, {self.teacher}: "
            f"{shown_size(self.peak)} of memory, {shown_size(self.cache_growth)} added to the cache, "
            f"{shown_duration(self.seconds)})"
        )


def plan(
    collection: Collection,
    teacher: Teacher | str,
    k: int = DEFAULT_K,
    *,
    cache: str | os.PathLike[str] | None = None,
    max_memory: int | str | None = None,
    num_threads: int | None = None,
) -> Plan:
    """What `retrieve` would take: memory, disk, time, and what the cache already has.

    Takes some seconds: a sample of the collection's own texts is embedded (or indexed) and a tile is searched. The
    cache is neither changed nor waited for, and its shards are not compared with their checksums.

    Parameters
    ----------
    collection : Collection
    teacher : Teacher or str
        As for `retrieve`.
    k : int
        Documents per query.
    cache : path-like, optional
        As for `retrieve`.
    max_memory : int or str, optional
        As for `retrieve`.
    num_threads : int, optional
        As for `retrieve`.

    Returns
    -------
    Plan

    Raises
    ------
    TypeError, ValueError
        As in `retrieve`.

    Notes
    -----
    The sample is spread evenly over the texts that are to be embedded, so its rate is that of an average text. A
    search of more queries than the tile's is faster per pair, and one whose time is mostly reading from a disk slower.

    Examples
    --------
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(["red apples"], ["apples are red"], ["red cars", "green apples"])
    >>> found = hm.plan(collection, "bm25", k=2)
    >>> found.num_documents, found.result, found.documents_to_embed
    (3, 40, 0)
    """
    k = checks.integer("k", k)
    expect_collection(collection)
    checks.memory("max_memory", max_memory, 1)
    threads, folder = thread_count(num_threads), cached.checked_cache(cache)
    known, kind = chosen(collection, teacher)
    about: dict[str, Any] = {
        "teacher": known.name,
        "similarity": known.similarity,
        "num_queries": collection.num_queries,
        "num_documents": collection.num_documents,
        "k": k,
        "disk_free": None if folder is None else shutil.disk_usage(_existing(folder)).free,
    }
    if kind is DenseScorer:
        return Plan(**about, **foresee.dense(collection, known, k, folder, max_memory, threads))
    if kind is SparseScorer:
        return Plan(**about, **foresee_sparse.sparse(collection, known, k, folder, max_memory, threads))
    return Plan(**about, **foresee.lexical(collection, known, k, folder, max_memory, threads))


def _existing(folder: Path) -> Path:
    """The folder, or what it will be made in."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _mapped(size: int) -> str:
    return f", {shown_size(size)} of it mapped from disk" if size else ""


def _rate(what: str, rate: float | None) -> str:
    return "nothing to do" if rate is None else f"computed from {rate:,.0f} {what}/s, measured"


def shown_size(count: int) -> str:
    """Bytes as a user reads them."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count} bytes"


def shown_duration(seconds: float) -> str:
    """Seconds as a user reads them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"

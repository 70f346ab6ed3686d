"""A teacher bound to a collection: scores of pairs, and scans, whatever the teacher is made of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import VERSION
from hardmine.nouns.positives import Positives
from hardmine.pipeline import cached
from hardmine.pipeline.sparse_scorers import LexicalScorer, SparseScorer
from hardmine.plumbing import checks
from hardmine.plumbing.extras import is_a
from hardmine.plumbing.progress import Progress, Reporting, reporting
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.anchors import anchor_scores
from hardmine.primitives.limits import Exclusions, exclusions
from hardmine.primitives.search.index import pair_scores, search

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardmine.nouns.collection import Collection
    from hardmine.teachers import Teacher

_Float32 = npt.NDArray[np.float32]
_Csr = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
_Places = npt.NDArray[np.int64]


class Scorer(cached.Scanner, Protocol):
    """A teacher bound to a collection."""

    teacher: Teacher
    num_threads: int
    queries: Any
    documents: Any
    """All rows of each side: embeddings, or `SparseRows`."""
    floor: float | None
    """Scores below it mean that a document is no candidate."""
    max_memory: int | str | None

    def pair_scores(self, query_ids: npt.NDArray[np.int64], document_ids: npt.NDArray[np.int64]) -> _Float32:
        """Score of each pair, float32 [n], the same bits as in `scan`."""
        ...

    @property
    def document_embeddings(self) -> Any:
        """Embeddings of all documents; None where the teacher has none."""
        ...

    @property
    def sees_all(self) -> bool:
        """Whether every document is a candidate; of a lexical teacher one that shares no word is none."""
        ...


class DenseScorer:
    """Embeddings of a collection under a dense teacher, or of a span of its documents, which count from 0 then."""

    sees_all = True
    takes_many = False
    floor: float | None = None

    def __init__(
        self,
        collection: Collection,
        teacher: Any,
        *,
        max_memory: int | str | None,
        num_threads: int,
        progress: Reporting,
        kept: cached.Kept | None,
        span: cached.Span | None = None,
    ) -> None:
        self.teacher, self.num_threads = teacher, num_threads
        self.max_memory, self._progress = max_memory, progress
        queries, documents = texts_of(collection)
        self._queries = cached.embed(kept, teacher, "queries", queries, progress=progress)
        self._documents = cached.embed(kept, teacher, "documents", documents, progress=progress, span=span)
        self.queries, self.documents = self._queries.array, self._documents.array
        counts = collection.num_queries, collection.num_documents if span is None else span[1] - span[0]
        for name, wanted in zip(("queries", "documents"), counts, strict=True):
            rows = getattr(self, name).shape[0]
            if rows != wanted:
                raise ValueError(f"teacher {teacher.name!r}: {rows} embeddings of {name}, expected {wanted}")

    @property
    def document_embeddings(self) -> Any:
        """Embeddings of all documents."""
        return self.documents

    def pair_scores(self, query_ids: npt.NDArray[np.int64], document_ids: npt.NDArray[np.int64]) -> _Float32:
        """Score of each pair, float32 [n]."""
        similarity = self.teacher.similarity
        return pair_scores(
            self.queries, self.documents, query_ids, document_ids, similarity=similarity, num_threads=self.num_threads
        )

    def search_keys(self, kept: cached.Kept) -> cached.SearchKeys:  # noqa: ARG002 - the numbers say all
        """See `cached.embedding_keys`."""
        return cached.embedding_keys(self.teacher, self._queries, self._documents)

    def scan(self, k: int, *, ceiling: _Float32 | None, exclude: _Csr, queries: _Places | None = None) -> Candidates:
        """The k best admissible documents of every query, or of these queries."""
        wanted = self.queries if queries is None else self.queries[queries]
        total = wanted.shape[0] * self.documents.shape[0]
        done = 0
        shown = self._progress if queries is None else False
        with Progress("searching (query, document) pairs", total, shown) as bar:

            def report(pairs_done: int, _: int) -> None:
                nonlocal done
                bar.update(pairs_done - done)
                done = pairs_done

            return search(
                wanted,
                self.documents,
                k,
                similarity=self.teacher.similarity,
                ceiling=ceiling,
                exclude=exclude,
                max_memory=self.max_memory,
                num_threads=self.num_threads,
                progress=report,
            )


def texts_of(collection: Collection) -> tuple[Any, Any]:
    """What a dense teacher is given: texts, or ids where there are none (and the teacher needs none)."""
    if collection.has_texts:
        return collection.query_texts, collection.document_texts
    return collection.query_ids, collection.document_ids


def expect_collection(value: Any) -> None:
    """Raise where an argument is no collection."""
    if not is_a(value, "hardmine.nouns.collection", "Collection"):
        raise TypeError(f"collection: {type(value).__name__}, expected a Collection")


def chosen(collection: Collection, teacher: Teacher | str, *, embeddings_for: str | None = None) -> tuple[Any, Any]:
    """The teacher, loaded where it is a name, and what binds it to the collection.

    `embeddings_for` names what needs one with document embeddings.
    """
    known = loaded(teacher)
    if not collection.has_texts and getattr(known, "needs_texts", True):
        raise ValueError(
            f"teacher {getattr(known, 'name', known)!r}: reads texts, but the collection holds ids alone; expected "
            "embeddings made elsewhere (hardmine.teachers.precomputed)"
        )
    kind = kind_of(known)
    if embeddings_for is not None and kind.document_embeddings is None:
        raise ValueError(
            f"teacher {known.name!r}: has no document embeddings, which {embeddings_for} needs; "
            "expected an encoder or precomputed embeddings"
        )
    return known, kind


def loaded(teacher: Any) -> Any:
    """The teacher that a name stands for; any other as it is."""
    from hardmine import teachers

    return teachers.load(teacher) if isinstance(teacher, str) else teacher


def kind_of(teacher: Any) -> Any:
    """What binds a teacher to a collection."""
    from hardmine import teachers

    if isinstance(teacher, teachers.LexicalTeacher):
        return LexicalScorer
    if isinstance(teacher, teachers.DenseTeacher):
        return DenseScorer
    if isinstance(teacher, teachers.SparseTeacher):
        return SparseScorer
    raise TypeError(f"teacher: {type(teacher).__name__}, expected a name or what hm.teachers.load gives")


def scored_candidates(
    collection: Collection,
    teacher: Teacher | str,
    depth: Callable[[_Float32 | None], int],
    *,
    bounds: Callable[[Positives], _Float32 | None],
    exclude_positives: bool = True,
    anchors: bool = False,
    keep: Callable[[Any], None] | None = None,
    spread: Callable[[Scorer], cached.Scanner] | None = None,
    cache: str | os.PathLike[str] | None,
    cache_policy: str,
    max_memory: int | str | None,
    num_threads: int | None,
    progress: Reporting,
) -> Candidates:
    """One pass of a teacher over a collection: positive scores, bounds made of them, one scan under the bounds.

    Positive scores are computed directly: no positive needs to be among the retrieved. `depth` says how many
    candidates are wanted once the bounds are known; `keep` is given the document embeddings. `spread` gives what scans
    in the place of the scorer. The result holds names, positives, metadata and what was left out, and why.
    """
    exclude_positives = checks.boolean("exclude_positives", exclude_positives)
    anchors, progress = checks.boolean("anchors", anchors), reporting(progress)
    expect_collection(collection)
    checks.memory("max_memory", max_memory, 1)
    threads = thread_count(num_threads)
    folder, policy = cached.checked_cache(cache), cached.checked_policy(cache_policy)
    needed_by = "the ceiling Anchored" if anchors else None if keep is None else "near_cosine"
    known, kind = chosen(collection, teacher, embeddings_for=needed_by)
    with cached.keeping(folder, policy, known) as kept:
        scorer: Scorer = kind(
            collection, known, max_memory=max_memory, num_threads=threads, progress=progress, kept=kept
        )
        labels = collection.positives
        positives = labels.with_scores(scorer.pair_scores(labels.query_of_each, labels.ids))
        ceiling = bounds(positives)
        k = depth(ceiling)
        if keep is not None:
            keep(scorer.document_embeddings)
        left_out = left_out_of(collection, threads, exclude_positives=exclude_positives)
        exclude = left_out.offsets, left_out.ids
        scanner = scorer if spread is None else spread(scorer)
        found = cached.scan(kept, scanner, k, ceiling=ceiling, exclude=exclude, progress=progress)
    found = found.replace(
        reasons=seen_reasons(scorer, found) | left_out_reasons(left_out),
        query_ids=collection.query_ids,
        document_ids=collection.document_ids,
        positives=positives,
        metadata=facts_of_run(known, k),
    )
    if not anchors:
        return found
    return anchor_scores(found, positives, scorer.document_embeddings, num_threads=threads)


def facts_of_run(teacher: Any, k: int) -> dict[str, Any]:
    """The metadata of a run."""
    about = {"teacher": teacher.name, "k": k, "similarity": teacher.similarity, "version": VERSION}
    # The arithmetic of an encoder; how fast it was measured to be would make every run another one.
    return {**about, "dtype": teacher.dtype} if isinstance(getattr(teacher, "dtype", None), str) else about


def seen_reasons(scorer: Scorer, found: Candidates) -> dict[str, npt.NDArray[np.int64]]:
    """What a scan counted, but for what is counted apart, or was no candidate."""
    unseen = {"excluded"} if scorer.sees_all else {"excluded", "below_floor"}
    return {name: count for name, count in (found.reasons or {}).items() if name not in unseen}


def left_out_reasons(left_out: Exclusions) -> dict[str, npt.NDArray[np.int64]]:
    """What was left out of a scan, where anything was."""
    return {name: count for name, count in left_out.counts.items() if count.any()}


def left_out_of(collection: Collection, num_threads: int, *, exclude_positives: bool) -> Exclusions:
    """All that a scan leaves out, and how many documents of each query fall under each reason."""
    identical = collection.identical_ids() if collection.ignore_identical_ids else None
    labels = collection.positives
    if exclude_positives:
        groups = collection.document_groups
        return exclusions((labels.offsets, labels.ids), identical, groups, collection.num_documents, num_threads)
    nothing = np.zeros_like(labels.offsets), labels.ids[:0]
    return exclusions(nothing, identical, None, collection.num_documents, num_threads)

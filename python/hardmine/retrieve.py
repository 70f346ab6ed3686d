"""Texts to candidates: a teacher scores, known positives and their text duplicates are left out inside the scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from hardmine import _checks, _native
from hardmine._progress import Progress
from hardmine.candidates import Candidates, Positives
from hardmine.search import pair_scores, search
from hardmine.topk import TopKAccumulator

if TYPE_CHECKING:
    from hardmine.collection import Collection
    from hardmine.teachers import Teacher

DEFAULT_K = 200
_TILE_MEMORY = 64 * 2**20
_Float32 = npt.NDArray[np.float32]
_Csr = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def retrieve(
    collection: Collection,
    teacher: Teacher | str,
    k: int = DEFAULT_K,
    *,
    ceiling: float | npt.ArrayLike | None = None,
    exclude_positives: bool = True,
    anchors: bool = False,
    max_memory: int | str | None = None,
    num_threads: int | None = None,
    progress: bool = True,
) -> Candidates:
    """Find the k best documents of every query under a teacher.

    Parameters
    ----------
    collection : Collection
    teacher : Teacher or str
        What `hardmine.teachers.load` or `hardmine.teachers.precomputed` gives, or a name for the former.
    k : int
        Documents per query.
    ceiling : float or float32 [num_queries], optional
        Only documents that score at most this are found.
    exclude_positives : bool
        Leave out the labelled positives of the query and the documents with the same text (see
        `Collection.document_groups`), inside the scan: a query gets k others.
    anchors : bool
        Add the column that the ceiling `Anchored` needs; for teachers with embeddings.
    max_memory : int or str, optional
        Working memory of the search beyond embeddings and result, in bytes or as "2GB".
    num_threads : int, optional
        Threads of the search; the result does not depend on them.
    progress : bool
        Show progress on standard error: bars on a terminal, plain lines otherwise.

    Returns
    -------
    Candidates
        Best first, equal scores by lower index, with string ids. ``reasons`` counts what the scan left out.
        ``metadata`` holds ``teacher``, ``k``, ``similarity``, ``version`` and ``positive_scores``: the scores of the
        positives under the same teacher, in the order of ``collection.positives``.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, or embeddings do not fit the collection or hold NaN or infinities.

    Notes
    -----
    Dense teachers are searched exactly; see `hardmine.search`. BM25 finds only documents that share a word with the
    query, so its lists may be shorter than k.

    Examples
    --------
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(
    ...     ["red apples", "green pears"], ["an apple is red", "a pear is green"], ["red cars", "green leaves"]
    ... )
    >>> run = hm.retrieve(collection, "bm25", k=2, progress=False)
    >>> [collection.documents["text"][i].as_py() for i in run[0].ids]
    ['red cars']
    """
    k = _checks.integer("k", k)
    scorer = prepare(collection, teacher, max_memory=max_memory, num_threads=num_threads, progress=progress)
    if anchors:
        refuse_anchors(scorer)
    positives = scored_positives(collection, scorer)
    bounds = _checks.per_query("ceiling", ceiling, collection.num_queries)
    found = scan(collection, scorer, k, ceiling=bounds, exclude_positives=exclude_positives)
    assert positives.scores is not None  # noqa: S101
    found = found.replace(metadata={**found.metadata, "positive_scores": positives.scores.tolist()})
    return add_anchors(found, positives, scorer) if anchors else found


class Scorer(Protocol):
    """A teacher bound to a collection."""

    teacher: Teacher
    num_threads: int

    def pair_scores(self, query_ids: npt.NDArray[np.int64], document_ids: npt.NDArray[np.int64]) -> _Float32:
        """Score of each pair, float32 [n], the same bits as in `scan`."""
        ...

    def scan(self, k: int, *, ceiling: _Float32 | None, exclude: _Csr) -> Candidates:
        """The k best admissible documents of every query."""
        ...


class DenseScorer:
    """Embeddings of a collection under a dense teacher."""

    def __init__(
        self, collection: Collection, teacher: Any, *, max_memory: int | str | None, num_threads: int, progress: bool
    ) -> None:
        self.teacher, self.num_threads = teacher, num_threads
        self._max_memory, self._progress = max_memory, progress
        self.queries = teacher.embed_queries(collection.query_texts, progress=progress)
        self.documents = teacher.embed_documents(collection.document_texts, progress=progress)
        for name in ("queries", "documents"):
            rows, wanted = getattr(self, name).shape[0], getattr(collection, f"num_{name}")
            if rows != wanted:
                raise ValueError(f"teacher {teacher.name!r}: {rows} embeddings of {name}, expected {wanted}")

    def pair_scores(self, query_ids: npt.NDArray[np.int64], document_ids: npt.NDArray[np.int64]) -> _Float32:
        """Score of each pair, float32 [n]."""
        similarity = self.teacher.similarity
        return pair_scores(
            self.queries, self.documents, query_ids, document_ids, similarity=similarity, num_threads=self.num_threads
        )

    def scan(self, k: int, *, ceiling: _Float32 | None, exclude: _Csr) -> Candidates:
        """The k best admissible documents of every query."""
        total = self.queries.shape[0] * self.documents.shape[0]
        done = 0
        with Progress("searching (query, document) pairs", total, enabled=self._progress) as bar:

            def report(pairs_done: int, _: int) -> None:
                nonlocal done
                bar.update(pairs_done - done)
                done = pairs_done

            return search(
                self.queries,
                self.documents,
                k,
                similarity=self.teacher.similarity,
                ceiling=ceiling,
                exclude=exclude,
                max_memory=self._max_memory,
                num_threads=self.num_threads,
                progress=report,
            )


class LexicalScorer:
    """Index of a collection under a lexical teacher."""

    def __init__(
        self, collection: Collection, teacher: Any, *, max_memory: int | str | None, num_threads: int, progress: bool
    ) -> None:
        self.teacher, self.num_threads = teacher, num_threads
        self._memory, self._progress = _checks.memory("max_memory", max_memory, _TILE_MEMORY), progress
        self._queries = collection.query_texts.to_pylist()
        self._num_documents = collection.num_documents
        self._index = teacher.index(collection.document_texts, progress=progress)

    def pair_scores(self, query_ids: npt.NDArray[np.int64], document_ids: npt.NDArray[np.int64]) -> _Float32:
        """Score of each pair, float32 [n]."""
        found: _Float32 = self._index.pair_scores(self._queries, query_ids, document_ids)
        return found

    def scan(self, k: int, *, ceiling: _Float32 | None, exclude: _Csr) -> Candidates:
        """The k best admissible documents of every query."""
        count = len(self._queries)
        best = TopKAccumulator(
            count, k, ceiling=ceiling, floor=self.teacher.floor, exclude=exclude, num_threads=self.num_threads
        )
        rows = max(1, self._memory // (4 * max(self._num_documents, 1)))
        with Progress("retrieving for queries", count, enabled=self._progress) as bar:
            for start in range(0, count, rows):
                tile = self._queries[start : start + rows]
                best.update(self._index.scores(tile), first_query=start)
                bar.update(len(tile))
        return best.finish()


def prepare(
    collection: Collection,
    teacher: Teacher | str,
    *,
    max_memory: int | str | None,
    num_threads: int | None,
    progress: bool,
) -> Scorer:
    """Bind a teacher to a collection: embeds or indexes the texts."""
    from hardmine.collection import Collection

    if not isinstance(collection, Collection):
        raise TypeError(f"collection: {type(collection).__name__}, expected a Collection")
    from hardmine import teachers

    if isinstance(teacher, str):
        teacher = teachers.load(teacher)
    kind: Any
    if isinstance(teacher, teachers.LexicalTeacher):
        kind = LexicalScorer
    elif isinstance(teacher, teachers.DenseTeacher):
        kind = DenseScorer
    else:
        raise TypeError(f"teacher: {type(teacher).__name__}, expected a name or what hm.teachers.load gives")
    threads = _checks.num_threads(num_threads)
    scorer: Scorer = kind(collection, teacher, max_memory=max_memory, num_threads=threads, progress=progress)
    return scorer


def scored_positives(collection: Collection, scorer: Scorer) -> Positives:
    """The positives with their scores under the teacher, computed directly: none needs to be among the retrieved."""
    positives = collection.positives
    return positives.with_scores(scorer.pair_scores(positives.query_of_each, positives.ids))


def scan(
    collection: Collection, scorer: Scorer, k: int, *, ceiling: _Float32 | None, exclude_positives: bool
) -> Candidates:
    """The k best documents per query, with names, metadata and the reasons of what was left out."""
    exclude, counts = _exclusions(collection, scorer.num_threads, exclude_positives=exclude_positives)
    found = scorer.scan(k, ceiling=ceiling, exclude=exclude)
    # What shares no word with the query was not a candidate of a lexical teacher in the first place.
    unseen = ("excluded", "below_floor") if isinstance(scorer, LexicalScorer) else ("excluded",)
    reasons = {name: count for name, count in (found.reasons or {}).items() if name not in unseen}
    reasons |= {name: count for name, count in counts.items() if count.any()}
    teacher = scorer.teacher
    return found.replace(
        reasons=reasons,
        query_ids=collection.queries["id"].to_pylist(),
        document_ids=collection.documents["id"].to_pylist(),
        metadata={"teacher": teacher.name, "k": k, "similarity": teacher.similarity, "version": _native.__version__},
    )


def _exclusions(
    collection: Collection, num_threads: int, *, exclude_positives: bool
) -> tuple[_Csr, Mapping[str, npt.NDArray[np.int64]]]:
    """All that a scan leaves out, and how many documents of each query fall under each reason."""
    identical = collection.identical_ids() if collection.ignore_identical_ids else None
    positives = collection.positives
    groups: npt.NDArray[np.int64] | None = collection.document_groups
    labels = positives.offsets, positives.ids
    if not exclude_positives:
        labels, groups = (np.zeros_like(positives.offsets), positives.ids[:0]), None
    found = _native.exclusions(labels, identical, groups, collection.num_documents, num_threads)
    counts = {"positive": found["positive"], "excluded": found["excluded"], "duplicate_text": found["duplicate_text"]}
    return (found["offsets"], found["ids"]), counts


def refuse_anchors(scorer: Scorer) -> None:
    """Raise where the teacher has no embeddings to take anchor scores from."""
    if not isinstance(scorer, DenseScorer):
        raise ValueError(
            f"teacher {scorer.teacher.name!r}: has no document embeddings, which the ceiling Anchored needs; "
            "expected an encoder or precomputed embeddings"
        )


def add_anchors(candidates: Candidates, positives: Positives, scorer: Scorer) -> Candidates:
    """The candidates with the column that `Anchored` needs."""
    from hardmine import anchor_scores

    assert isinstance(scorer, DenseScorer)  # noqa: S101
    return anchor_scores(candidates, positives, scorer.documents, num_threads=scorer.num_threads)


def positives_of(collection: Collection, run: Candidates) -> Positives:
    """The collection's positives with the scores that `retrieve` left in a run's metadata.

    Raises
    ------
    ValueError
        The run was not made by `retrieve`, or from another collection.
    """
    names = (("query", run.query_ids, collection.queries), ("document", run.document_ids, collection.documents))
    for name, found, table in names:
        if found is None:
            raise ValueError(f"run: has no {name} ids, expected a run made by hardmine retrieve")
        wanted = table["id"].to_pylist()
        if list(found) != wanted:
            if len(found) != len(wanted):
                raise ValueError(f"run: {len(found)} {name} ids, expected {len(wanted)} as in the collection")
            at = next(i for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b)
            raise ValueError(f"run: {name} {at} is {found[at]!r}, expected {wanted[at]!r} as in the collection")
    scores = run.metadata.get("positive_scores")
    positives = collection.positives
    if not isinstance(scores, list) or len(scores) != positives.ids.size:
        came = "no scores" if not isinstance(scores, list) else f"{len(scores)} scores"
        raise ValueError(f"run: {came} of positives, expected {positives.ids.size} (made with other labels?)")
    return positives.with_scores(np.array(scores, dtype=np.float32))

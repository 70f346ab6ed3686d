"""A run under the scores of another teacher, which reads a query and a document together.

What a stored score depends on is what `cached` says of embeddings: its key holds both texts, its facts the scorer, and
the last bits change with the pairs that share its batch, so pairs are cut into groups by their number and length alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import VERSION
from hardmine.nouns.positives import Positives
from hardmine.pipeline import cached
from hardmine.pipeline.scorers import expect_collection
from hardmine.plumbing import checks, ragged
from hardmine.plumbing.float_mode import in_default_mode
from hardmine.plumbing.progress import Progress, Reporting, reporting, say
from hardmine.plumbing.ragged import distinct
from hardmine.store import fingerprint
from hardmine.store.manifest import opened
from hardmine.store.rows import Rows
from hardmine.teachers.pairs import pair_scorer, scores_of
from hardmine.teachers.protocol import PairScorer, strings

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

UNNAMED = "first"
"""What the scores of a run whose teacher is not known are kept under."""

_Float32 = npt.NDArray[np.float32]
_Int64 = npt.NDArray[np.int64]


def rescore(
    collection: Collection,
    run: Candidates,
    scorer: PairScorer | Callable[[list[str], list[str]], Any] | str | os.PathLike[str],
    *,
    k: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    cache_policy: str = "refuse",
    progress: Reporting = True,
) -> Candidates:
    """Score the candidates of a run, and the positives, by a cross-encoder; keep what the first teacher said.

    Parameters
    ----------
    collection : Collection
        The one that the run was made from.
    run : Candidates
        What `retrieve` found, or a run made elsewhere.
    scorer : str, path-like, PairScorer, CrossEncoder of sentence-transformers, or callable
        Name or folder of a cross-encoder, or what `hardmine.teachers.load_cross_encoder` gives; any object with
        ``name`` and ``score_pairs``; or a function of two lists of texts that returns a score for each pair. Equal
        pairs of texts are scored once.
    k : int, optional
        Only the first k candidates of each query are scored and kept; all by default.
    cache : path-like, optional
        Folder that keeps scores, as that of `retrieve`, and the same one if you like: a run that was killed goes on
        from its last finished shard and gives the same bytes, and other runs, rules and k share the scores of the pairs
        that they have in common. The scorer needs a ``fingerprint`` (see `PairScorer`), as cross-encoders have.
    cache_policy : {"refuse", "reuse", "overwrite"}
        What becomes of shards that are there, as in `retrieve`: damaged ones stop the run by default.
    progress : bool or callable
        As in `retrieve`.

    Returns
    -------
    Candidates
        The same documents, best first by the new score, equal scores by lower index. ``positives`` are those of the
        collection with their new scores, so that ceilings act on the new scale. The scores that the run had are kept in
        ``teacher_scores``, of candidates and of positives where these had some, under ``metadata["teacher"]`` of the
        run ("first" where it has none), beside those that were there before. ``ranks`` are absent: the place is the
        rank. ``reasons``, ``sources`` and ``anchor_scores`` go along. ``metadata`` holds ``teacher`` (the scorer's
        name), ``first_teacher``, ``similarity``, ``k``, ``version``, the ``dtype`` of an encoder, and
        ``rescored_from``, the metadata of the run.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong; the run is of another collection, which may hold no texts; the scorer has the name of a
        teacher whose scores are there already; it returns something else than a float for each pair, a NaN, a finite
        number that float32 cannot hold, or an infinity for a positive: the message names query and document. Or the
        cache refuses a shard.
    OSError
        The cache cannot be written, or its disk is full.

    Notes
    -----
    The last bits of a model's score depend on the pairs that share its batch. Pairs are scored in groups that depend on
    the pairs alone, in the order of positives, then candidates, so the same call gives the same bytes, killed or not.
    Scores that a cache holds from another run may differ from fresh ones in the last bits.

    Examples
    --------
    >>> import hardmine as hm
    >>> collection = hm.Collection.from_pairs(["red apples"], ["apples are red"], ["red cars", "green apples"])
    >>> run = hm.retrieve(collection, "bm25", progress=False)
    >>> def shared(queries, documents):
    ...     return [float(len(set(q) & set(d))) for q, d in zip(queries, documents)]
    >>> rescored = hm.rescore(collection, run, shared, progress=False)
    >>> [collection.documents["text"][i].as_py() for i in rescored[0].ids], rescored.positives.scores
    (['green apples', 'red cars'], array([8.], dtype=float32))
    >>> sorted(rescored.teacher_scores)
    ['bm25']
    """
    expect_collection(collection)
    progress = reporting(progress)
    folder, policy = cached.checked_cache(cache), cached.checked_policy(cache_policy)
    if k is not None:
        k = checks.integer("k", k)
    collection._refuse_foreign(run)
    if not collection.has_texts:
        raise ValueError("collection: holds ids alone, but a scorer reads texts")
    labels = _labels(collection, run)
    known = pair_scorer(scorer)
    first = _name_of_scores(run, labels, known.name)
    kept = _first_k(run, k)
    rows = np.repeat(np.arange(len(run)), kept.lengths)
    pairs = _Pairs.of(
        collection, np.concatenate([labels.query_of_each, rows]), np.concatenate([labels.ids, run.ids[kept.places]])
    )
    if folder is None:
        scores = _score_all(known, pairs, progress)
    else:
        facts = _facts(known)  # what cannot be kept is refused before the folder is made
        with opened(folder, policy, say) as store:
            kept_rows = store.rows("scores of pairs", "pair-scores", facts, pairs.keys())
            scores = _score_missing(known, kept_rows, pairs, progress)
    scores = scores[pairs.number]
    count = labels.ids.size
    _refuse_infinite(known, pairs, scores[:count])
    order = _ranking(rows, scores[count:], run.ids[kept.places])
    places = kept.places[order]
    others: Mapping[str, _Float32] = run.teacher_scores or {}
    columns = {name: getattr(run, name) for name in ("sources", "anchor_scores")}
    return Candidates(
        ragged.offsets_of(kept.lengths),
        run.ids[places],
        scores[count:][order],
        **{name: None if column is None else column[places] for name, column in columns.items()},
        teacher_scores={name: column[places] for name, column in {**others, first: run.scores}.items()},
        query_ids=collection.query_ids,
        document_ids=collection.document_ids,
        reasons=run.reasons,
        positives=_rescored(labels, first, scores[:count]),
        metadata=_metadata(run, known, first, k),
    )


class _Kept(NamedTuple):
    """The candidates of a run that are rescored."""

    places: _Int64
    lengths: _Int64


def _first_k(run: Candidates, k: int | None) -> _Kept:
    lengths = run.lengths if k is None else np.minimum(run.lengths, k)
    return _Kept(ragged.ranges(run.offsets[:-1], lengths), lengths)


def _labels(collection: Collection, run: Candidates) -> Positives:
    """The collection's positives with whatever scores the run has of them."""
    if run.positives is None:
        return collection.positives
    if not run.positives.has_labels_of(collection.positives):
        raise ValueError("run: its positives are other documents than the collection's (made with other labels?)")
    return run.positives


def _name_of_scores(run: Candidates, labels: Positives, new: str) -> str:
    """What the run's own scores are kept under."""
    stated = run.metadata.get("teacher")
    own = stated if isinstance(stated, str) and stated else UNNAMED
    others = {**(run.teacher_scores or {}), **(labels.teacher_scores or {})}
    if own in others:
        raise ValueError(f"run: has scores of {own!r} as its own and in teacher_scores, expected names that differ")
    if new == own or new in others:
        raise ValueError(
            f"scorer: its name {new!r} is that of a teacher whose scores the run has, expected another (as of "
            "hardmine.teachers.load_cross_encoder(..., name=...))"
        )
    return own


def _rescored(labels: Positives, first: str, scores: _Float32) -> Positives:
    others = dict(labels.teacher_scores or {})
    if labels.scores is not None:
        others[first] = labels.scores
    return Positives(labels.offsets, labels.ids, scores, teacher_scores=others)


def _metadata(run: Candidates, scorer: Any, first: str, k: int | None) -> dict[str, Any]:
    depths = [depth for depth in (k, run.metadata.get("k")) if isinstance(depth, int)]
    dtype = getattr(scorer, "dtype", None)
    return {
        "teacher": scorer.name,
        "first_teacher": run.metadata.get("first_teacher", first),
        "similarity": str(getattr(scorer, "similarity", "score")),
        **({"k": min(depths)} if depths else {}),
        "version": VERSION,
        **({"dtype": dtype} if isinstance(dtype, str) else {}),
        "rescored_from": dict(run.metadata),
    }


@in_default_mode
def _ranking(rows: _Int64, scores: _Float32, ids: _Int64) -> _Int64:
    return np.lexsort((ids, -scores, rows))


# Pairs


class _Pairs:
    """Pairs of texts, each once, in the order in which they come first."""

    def __init__(self, collection: Collection, queries: _Int64, documents: _Int64, number: _Int64) -> None:
        self.collection, self.queries, self.documents, self.number = collection, queries, documents, number

    @classmethod
    def of(cls, collection: Collection, queries: _Int64, documents: _Int64) -> _Pairs:
        """The pairs of some places; `number` says which pair each is."""
        query, document = _codes(collection.query_texts, queries), _codes(collection.document_texts, documents)
        first, number = distinct(query * (int(document.max(initial=0)) + 1) + document)
        return cls(collection, queries[first], documents[first], number)

    def __len__(self) -> int:
        return self.queries.size

    def keys(self) -> fingerprint.Keys:
        """What a store knows each by: digests of both texts."""
        sides = (self.collection.query_texts, self.queries), (self.collection.document_texts, self.documents)
        columns = []
        for texts, rows in sides:
            used, place = np.unique(rows, return_inverse=True)
            columns.append(fingerprint.of_texts(texts.take(used))[place.reshape(-1)])
        return fingerprint.of_rows(len(self), *columns)

    def groups(self, places: _Int64, size: int) -> Iterator[_Int64]:
        """The pairs at some places, cut into groups."""
        lengths = fingerprint.lengths_of(self.collection.query_texts)[self.queries[places]]
        lengths = lengths + fingerprint.lengths_of(self.collection.document_texts)[self.documents[places]]
        for start, stop in cached.groups(lengths, size):
            yield places[start:stop]

    def texts(self, places: _Int64) -> tuple[list[str], list[str]]:
        """Queries and documents of some pairs."""
        queries, documents = self.queries[places], self.documents[places]
        collection = self.collection
        return strings(collection.query_texts.take(queries)), strings(collection.document_texts.take(documents))

    def named(self, place: int) -> str:
        """A pair, as a message names it."""
        query, document = int(self.queries[place]), int(self.documents[place])
        names = self.collection.query_ids[query], self.collection.document_ids[document]
        return f"query {query} ({names[0]!r}) and document {document} ({names[1]!r})"


def _codes(texts: Any, rows: _Int64) -> _Int64:
    """A number for the text of each row, the same for equal ones; a run may name few of a corpus."""
    from hardmine.nouns.arrow import codes_of

    used, place = np.unique(rows, return_inverse=True)
    codes: _Int64 = codes_of(texts.take(used))[0]
    return codes[place.reshape(-1)]


# Scores


def _facts(scorer: Any) -> dict[str, Any]:
    """What a store knows the scores of a scorer by."""
    given = getattr(scorer, "fingerprint", None)
    whose = f"scorer {scorer.name!r}"
    return {"scorer": cached.known_by(whose, given() if callable(given) else given), "group": _group(scorer)}


def _group(scorer: Any) -> list[int]:
    """The pairs, and the bytes of texts, after which a group ends."""
    size = getattr(scorer, "group_bytes", cached.GROUP_BYTES)
    return [cached.GROUP_TEXTS, checks.integer(f"scorer {scorer.name!r}: group_bytes", size, minimum=1)]


def _score_all(scorer: Any, pairs: _Pairs, progress: Reporting) -> _Float32:
    scores = np.empty(len(pairs), np.float32)
    with Progress("scoring pairs", len(pairs), progress) as bar:
        for group in pairs.groups(np.arange(len(pairs)), _group(scorer)[1]):
            scores[group] = _scored(scorer, pairs, group)
            bar.update(group.size)
    return scores


def _score_missing(scorer: Any, rows: Rows, pairs: _Pairs, progress: Reporting) -> _Float32:
    """The scores that a store holds, and those that it lacks once they are kept."""
    cached._say_reused(rows, "scores of pairs", progress=progress)
    missing = rows.missing
    with Progress("scoring pairs", missing.size, progress) as bar:
        done: list[_Float32] = []
        first, stop, begun = 0, 0, time.monotonic()
        for group in pairs.groups(missing, _group(scorer)[1]):
            done.append(_scored(scorer, pairs, group))
            bar.update(group.size)
            stop += group.size
            if time.monotonic() - begun >= cached.SHARD_SECONDS or stop == missing.size:
                rows.add(missing[first:stop], {"row.score": np.concatenate(done)})
                first, begun, done = stop, time.monotonic(), []
    return rows.column("score") if len(rows) else np.empty(0, np.float32)


def _scored(scorer: Any, pairs: _Pairs, places: _Int64) -> _Float32:
    """What a scorer gives for a group, checked: nothing wrong may be kept."""
    whose = f"scorer {scorer.name!r}"
    found = scorer.score_pairs(*pairs.texts(places), progress=False)
    return scores_of(whose, found, places.size, lambda at: pairs.named(int(places[at])))


def _refuse_infinite(scorer: Any, pairs: _Pairs, scores: _Float32) -> None:
    """A ceiling of an infinite positive would be none."""
    infinite = ~np.isfinite(scores)
    if infinite.any():
        at = int(infinite.argmax())
        raise ValueError(
            f"scorer {scorer.name!r}: {scores[at]} for {pairs.named(int(pairs.number[at]))}, a positive, expected a "
            "finite number"
        )

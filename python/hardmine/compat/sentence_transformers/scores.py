"""Candidates and their scores: exact search where the model's similarity is a dot product, tiles of it elsewhere."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import hardmine as hm
from hardmine.compat.sentence_transformers.embeddings import as_numpy, pool_of
from hardmine.plumbing.progress import Progress
from hardmine.plumbing.ragged import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hardmine.compat.sentence_transformers.embeddings import Embeddings
    from hardmine.compat.sentence_transformers.settings import Settings
    from hardmine.compat.sentence_transformers.texts import Texts
    from hardmine.plumbing.checks import Float32Array

_KINDS = {"cosine": "cosine", "cos_sim": "cosine", "pytorch_cos_sim": "cosine", "dot": "dot", "dot_score": "dot"}
"""How `hardmine.search` calls the similarities of sentence-transformers and the functions that compute them."""

_PAIRS = 65_536
"""Pairs that are scored at a time by a cross-encoder, or by a similarity of the model's own."""


def retrieve(
    model: Any,
    texts: Texts,
    embeddings: Embeddings,
    depth: int,
    settings: Settings,
) -> tuple[hm.Candidates, hm.Positives]:
    """The `depth` best documents of every query, positives among them, and the positives with their scores."""
    if similarity_of(model) is None:  # an infinity may hide in a distance
        _refuse_broken(texts, embeddings)
        return _by_model(model, texts.positives, embeddings, depth, settings)
    with naming_broken(texts, embeddings):
        return search(model, embeddings, depth, settings), score_positives(model, embeddings, texts.positives, settings)


@contextmanager
def naming_broken(texts: Texts, embeddings: Embeddings) -> Iterator[None]:
    """In the place of an error about a row of embeddings that is not finite, one that has its text."""
    try:
        yield
    except ValueError:
        _refuse_broken(texts, embeddings)
        raise


def search(model: Any, embeddings: Embeddings, depth: int, settings: Settings, **limits: Any) -> hm.Candidates:
    """The `depth` best documents of every query by `hardmine.search`, which takes the limits."""
    return hm.search(
        *embeddings,
        depth,
        similarity=_known(model),
        device=_device(model),
        max_memory=settings.max_memory,
        num_threads=settings.num_threads,
        progress=settings.verbose,
        **limits,
    )


def score_positives(model: Any, embeddings: Embeddings, labels: hm.Positives, settings: Settings) -> hm.Positives:
    """The positives with their scores by the similarity that `search` knows."""
    pairs = rows_of(labels.offsets), labels.ids
    scores = hm.pair_scores(*embeddings, *pairs, similarity=_known(model), num_threads=settings.num_threads)
    return labels.with_scores(scores)


def similarity_of(model: Any) -> str | None:
    """How `hardmine.search` calls the similarity of a model; None where it does not know it."""
    function = getattr(model.similarity, "__func__", model.similarity)
    if not str(getattr(function, "__module__", "")).startswith("sentence_transformers."):
        return None
    name = function.__name__
    if name == "similarity":  # the method of SentenceTransformer
        name = str(getattr(model.similarity_fn_name, "value", model.similarity_fn_name))
    return _KINDS.get(name)


def _known(model: Any) -> str:
    similarity = similarity_of(model)
    assert similarity is not None  # noqa: S101 - asked before
    return similarity


def _device(model: Any) -> Any:
    """The model's device where `hardmine.search` can use it."""
    device = getattr(model, "device", None)
    return device if str(device).startswith("cuda") else None


def _by_model(
    model: Any,
    labels: hm.Positives,
    embeddings: Embeddings,
    depth: int,
    settings: Settings,
) -> tuple[hm.Candidates, hm.Positives]:
    """The same by the model's own function, a tile at a time: distances, and whatever a subclass has made of it."""
    queries, documents = embeddings
    best = hm.TopKAccumulator(len(queries), depth, num_threads=settings.num_threads)
    side = max(1, math.isqrt(settings.max_memory // 32))  # float64 at worst, and copies on the way
    with Progress("search", len(queries) * len(documents), settings.verbose) as bar:
        for row in range(0, len(queries), side):
            for column in range(0, len(documents), side):
                tile = model.similarity(queries[row : row + side], documents[column : column + side])
                best.update(as_numpy(tile), first_query=row, first_document=column)
                bar.update(tile.shape[0] * tile.shape[1])
    scores = np.empty(labels.ids.size, np.float32)
    query_of_each = rows_of(labels.offsets)
    for start in range(0, scores.size, _PAIRS):
        some = slice(start, start + _PAIRS)
        scores[some] = as_numpy(model.similarity_pairwise(queries[query_of_each[some]], documents[labels.ids[some]]))
    run = best.finish()
    where = _places(run, labels)
    # One pair has one score: the two functions round differently, and a margin of 0 would tell them apart.
    scores[where >= 0] = run.scores[where[where >= 0]]
    return run, labels.with_scores(scores)


def scores_of(labels: hm.Positives) -> Float32Array:
    """The scores of positives that `retrieve` or `rescore` gave."""
    assert labels.scores is not None  # noqa: S101
    return labels.scores


def _places(run: hm.Candidates, labels: hm.Positives) -> npt.NDArray[np.int64]:
    """Where the positives stand among all candidates, -1 for those that do not."""
    if not run.ids.size:
        return np.full(labels.ids.size, -1)
    span = int(max(run.ids.max(), labels.ids.max())) + 1
    keys = rows_of(run.offsets) * span + run.ids
    wanted = rows_of(labels.offsets) * span + labels.ids
    order = np.argsort(keys)
    found = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), keys.size - 1)]
    return np.where(keys[found] == wanted, found, -1)


def _refuse_broken(texts: Texts, embeddings: Embeddings) -> None:
    """Raise where an embedding is not finite, with its text."""
    for name, vectors in embeddings._asdict().items():
        broken = ~np.isfinite(vectors).all(axis=1)
        if broken.any():
            at = int(broken.argmax())
            value, text = vectors[at][~np.isfinite(vectors[at])][0], getattr(texts, name)[at].as_py()
            raise ValueError(
                f"model: {value} in the embedding of {name}[{at}] (distinct texts): {text!r:.80}, "
                "expected finite numbers"
            )


def rescore(
    cross_encoder: Any,
    texts: Texts,
    run: hm.Candidates,
    labels: hm.Positives,
    *,
    batch_size: int,
    use_multi_process: list[str] | bool,
    verbose: bool,
) -> tuple[hm.Candidates, hm.Positives]:
    """Candidates and positives under the scores of a cross-encoder, best first again."""
    rows, where = rows_of(run.offsets), _places(run, labels)
    others = np.ones(run.ids.size, np.bool_)
    others[where[where >= 0]] = False
    with (
        pool_of(cross_encoder, use_multi_process) as pool,
        Progress("rescore", int(others.sum()) + labels.ids.size, verbose) as bar,
    ):

        def predict(query_ids: npt.NDArray[np.int64], document_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
            scores = np.empty(document_ids.size, np.float32)
            for start in range(0, scores.size, _PAIRS):
                some = slice(start, start + _PAIRS)
                pairs = list(
                    zip(
                        texts.queries.take(query_ids[some]).to_pylist(),
                        texts.documents.take(document_ids[some]).to_pylist(),
                        strict=True,
                    )
                )
                found = cross_encoder.predict(pairs, batch_size=batch_size, convert_to_tensor=True, pool=pool)
                scores[some] = _one_score_each(as_numpy(found), pairs)
                bar.update(len(pairs))
            return scores

        positive_scores = predict(rows_of(labels.offsets), labels.ids)
        scores = np.empty(run.ids.size, np.float32)
        scores[where[where >= 0]] = positive_scores[where >= 0]
        scores[others] = predict(rows[others], run.ids[others])
    order = np.lexsort((run.ids, -scores, rows))
    return hm.Candidates(run.offsets, run.ids[order], scores[order]), labels.with_scores(positive_scores)


def _one_score_each(scores: npt.NDArray[Any], pairs: list[tuple[str, str]]) -> npt.NDArray[Any]:
    if scores.shape != (len(pairs),):
        raise ValueError(f"cross_encoder: scores of shape {scores.shape}, expected ({len(pairs)},): one for each pair")
    broken = ~np.isfinite(scores)
    if broken.any():
        at = int(broken.argmax())
        raise ValueError(f"cross_encoder: {scores[at]} for the pair {pairs[at]!r:.200}, expected a finite number")
    return scores

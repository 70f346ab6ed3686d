"""Folds of judged queries, and a small model for so few of them: a matrix over vectors of queries, documents frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from examples.recipes.shared import TUNING_SEED, Size, tuned
from examples.recipes.students import ndcg
from examples.recipes.worlds import SEED, Part

FOLDS = 5


class QueryMap(torch.nn.Module):
    """Query vectors, and what a matrix that starts at zero adds to them, on the unit sphere."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.change = torch.nn.Linear(dimension, dimension, bias=False)
        torch.nn.init.zeros_(self.change.weight)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Of float [n, d] one unit vector each."""
        return functional.normalize(vectors + self.change(vectors), dim=1)


class Fold(NamedTuple):
    """Rows of the queries that train, that choose settings, that are judged."""

    train: np.ndarray
    dev: np.ndarray
    test: np.ndarray


class Fit(NamedTuple):
    """A trained model and its losses."""

    model: QueryMap
    losses: list[float]


class Validated(NamedTuple):
    """nDCG@10 by arm, [seeds, queries].

    And of one training its losses, and nDCG@10 of the queries that it trained on, before and after.
    """

    figures: dict[str, np.ndarray]
    losses: list[float]
    metric: tuple[float, float]


def folds(count: int, number: int = FOLDS) -> list[Fold]:
    """Every query is judged in one fold, chooses settings in another, and trains in the others."""
    place = np.random.default_rng(SEED).permutation(count) % number
    parts = []
    for each in range(number):
        test, dev = place == each, place == (each + 1) % number
        parts.append(Fold(*map(np.flatnonzero, (~test & ~dev, dev, test))))
    return parts


def judged(part: Part, rows: np.ndarray, model: QueryMap | None = None) -> np.ndarray:
    """nDCG@10 of some queries among all documents; without a model, by MiniLM alone."""
    some = Part(part.queries.take(rows), part.documents, part.truth.take(rows))
    with torch.no_grad():
        vectors = some.queries.vectors if model is None else model(torch.from_numpy(some.queries.vectors)).numpy()
    return ndcg(vectors, part.documents.vectors, some)


def side_by_side(labels: hm.Positives, negatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of every query its positives, then its negatives: documents [q, n], -1 = none; which of them are positives."""
    counts = np.diff(labels.offsets)
    ids = np.full((len(labels), max(counts.max(initial=0), 1)), -1)
    ids[labels.query_of_each, np.arange(labels.ids.size) - labels.offsets[labels.query_of_each]] = labels.ids
    positive = np.arange(ids.shape[1]) < counts[:, None]
    return np.hstack([ids, negatives]), np.hstack([positive, np.zeros(negatives.shape, bool)])


def cross_validated(
    size: Size, part: Part, arms: Mapping[str, Sequence[Any]], fit: Callable[[str, Any, np.ndarray, int], Fit]
) -> Validated:
    """Fit every arm in every fold at the setting that does best on the fold's dev queries; judge each query once.

    `fit(arm, setting, rows, seed)` may look at the labels of those rows alone. Dev queries are judged by all their
    relevant documents, for every arm alike.
    """
    figures = {arm: np.empty((size.seeds, len(part.truth))) for arm in arms}
    for fold in folds(len(part.truth), FOLDS if size.share == 1 else 3):
        for arm, settings in arms.items():
            setting = _chosen(size, part, fold, settings, lambda *given, arm=arm: fit(arm, *given))
            for seed in range(size.seeds):
                last = fit(arm, setting, fold.train, seed)
                figures[arm][seed, fold.test] = judged(part, fold.test, last.model)
    before, after = (float(judged(part, fold.train, model).mean()) for model in (None, last.model))
    return Validated(figures, last.losses, (before, after))


def _chosen(
    size: Size, part: Part, fold: Fold, settings: Sequence[Any], fit: Callable[[Any, np.ndarray, int], Fit]
) -> Any:
    return tuned(
        size,
        settings,
        lambda setting: float(judged(part, fold.dev, fit(setting, fold.train, TUNING_SEED).model).mean()),
    )

"""What the recipes share: a made world of texts whose relevance is known, a projection to train, effects over seeds."""

from __future__ import annotations

import importlib
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm

# Two-sided 95 % quantiles of Student's t by degrees of freedom.
_T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


class Size(NamedTuple):
    """How much a recipe does: "tiny" for the tests, "full" for the table; `data` is a folder of real collections."""

    seeds: int
    steps: int
    topics: int
    data: Path | None = None


SIZES = {"tiny": Size(seeds=2, steps=60, topics=5), "full": Size(seeds=10, steps=300, topics=20)}


class Interval(NamedTuple):
    """A mean difference and its 95 % interval."""

    mean: float
    low: float
    high: float

    def show(self, digits: int) -> str:
        """As text."""
        return f"{self.mean:+.{digits}f} [{self.low:+.{digits}f}, {self.high:+.{digits}f}]"

    @property
    def side(self) -> str:
        """Where the interval lies; nothing stronger is to be read from it."""
        return "above 0" if self.low > 0 else "below 0" if self.high < 0 else "covers 0"


def interval(a: Sequence[float], b: Sequence[float], *, test_to_train: float = 0.0) -> Interval:
    """Mean of a - b, paired, with its 95 % t-interval.

    Independent pairs have the variance s^2 / J. J resplits of one set overlap: with n_test / n_train as `test_to_train`
    it is s^2 (1 / J + n_test / n_train), the corrected resampled t of Nadeau and Bengio (2003).
    """
    differences = np.subtract(a, b)
    mean = float(differences.mean())
    spread = float(differences.std(ddof=1)) * math.sqrt(1 / differences.size + test_to_train)
    half = _T95[differences.size - 1] * spread
    return Interval(mean, mean - half, mean + half)


@dataclass(frozen=True)
class Effect:
    """Two arms, one figure a seed of each, the higher the better; and the control that the comparison lacks."""

    compares: str
    a: Sequence[float]
    b: Sequence[float]
    missing: str


@dataclass(frozen=True)
class Report:
    """Of one system: what it trains, on which data, what was tuned on what, its effects.

    Of one training run the losses, and the metric before and after.
    """

    trains: str
    data: str
    tuned: str
    effects: Sequence[Effect]
    losses: Sequence[float]
    metric: tuple[float, float]


class World:
    """Texts about concepts, three in a subtopic, four subtopics in a topic: relevance is known exactly.

    A text's features say its topic loudly, its subtopic softly, its concept hardly, and carry a style that says
    nothing, all mixed by a rotation. Every document of the query's concept is relevant. To rank well a model has to
    learn to hear the concept, and only negatives of the same subtopic ask that of it.
    """

    WIDTH, DOCUMENTS = 64, 3
    SIZES, LOUDNESS = (16, 12, 12, 24), (1.0, 0.4, 0.2, 0.7)

    def __init__(self, seed: int, topics: int, queries: int = 2) -> None:
        rng = np.random.default_rng(seed)
        counts = (topics, topics * 4, topics * 12)
        self._rng, self._levels = rng, [rng.normal(size=shape) for shape in zip(counts, self.SIZES, strict=False)]
        self._mix = np.linalg.qr(rng.normal(size=(self.WIDTH, self.WIDTH)))[0]
        self.num_concepts = counts[2]
        concepts = np.arange(self.num_concepts)
        self.document_concepts = concepts.repeat(self.DOCUMENTS)
        self.query_concepts, self.test_concepts = concepts.repeat(queries), concepts.repeat(2)
        self.documents = self.views(self.document_concepts)
        self.queries, self.test = self.views(self.query_concepts), self.views(self.test_concepts)
        # One labelled positive for each training query; the others are there, and nobody knows.
        self.labels = self.query_concepts * self.DOCUMENTS + rng.integers(0, self.DOCUMENTS, self.query_concepts.size)

    def views(self, concepts: np.ndarray) -> torch.Tensor:
        """Features of new texts."""
        parts = []
        for level, loud, group in zip(self._levels, self.LOUDNESS, (12, 3, 1), strict=False):
            true = level[concepts // group]
            parts.append(loud * (true + 0.3 * self._rng.normal(size=true.shape)))
        parts.append(self.LOUDNESS[3] * self._rng.normal(size=(concepts.size, self.SIZES[3])))
        return torch.tensor(np.hstack(parts) @ self._mix, dtype=torch.float32)

    def teacher(
        self, seed: int, noise: float = 0.2, hears: tuple[float, float, float, float] = (1.0, 0.8, 0.6, 0.0)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of queries and documents by another model: how well it hears each level and the style; noise."""
        rng = np.random.default_rng([seed, 1])
        gains = np.repeat(np.divide(hears, self.LOUDNESS), self.SIZES)

        def embed(features: torch.Tensor) -> np.ndarray:
            levels = features.numpy() @ self._mix.T * gains
            levels += noise * (gains > 0) * rng.normal(size=levels.shape)
            return (levels / np.linalg.norm(levels, axis=1, keepdims=True)).astype(np.float32)

        return embed(self.queries), embed(self.documents)

    def run(self, teacher: tuple[np.ndarray, np.ndarray], k: int = 100) -> tuple[hm.Candidates, hm.Positives]:
        """What a teacher retrieves, and the labelled positives with its scores."""
        queries, documents = teacher
        scores = hm.pair_scores(queries, documents, np.arange(len(queries)), self.labels)
        return hm.search(queries, documents, k), hm.Positives(np.arange(self.labels.size + 1), self.labels, scores)

    def relevant(self, documents: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Whether documents [q, n] answer the training queries [q]."""
        return self.document_concepts[documents] == self.query_concepts[queries][:, None]

    def false_negatives(self, negatives: hm.Negatives) -> float:
        """Share of negatives that are relevant."""
        rows = negatives.queries.repeat(negatives.lengths)
        return float((self.document_concepts[negatives.ids] == self.query_concepts[rows]).mean())

    def ndcg(self, model: Embedder, queries: Embedder | None = None) -> float:
        """nDCG@10 of the test queries, all relevant documents judged."""
        with torch.no_grad():
            scores = ((queries or model)(self.test) @ model(self.documents).T).numpy()
        found = hm.topk(scores, 10).ids.reshape(-1, 10)
        gains = self.document_concepts[found] == self.test_concepts[:, None]
        discounts = 1 / np.log2(np.arange(2, 12))
        return float((gains @ discounts).mean() / discounts[: self.DOCUMENTS].sum())


Embedder = Callable[[torch.Tensor], torch.Tensor]


class Encoder(torch.nn.Module):
    """A projection onto the unit sphere, trained over frozen features."""

    def __init__(self, seed: int, width: int = World.WIDTH, dimension: int = 32) -> None:
        super().__init__()
        start = torch.empty(dimension, width)
        torch.nn.init.orthogonal_(start, generator=torch.Generator().manual_seed(seed))
        self.weight = torch.nn.Parameter(start)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """One unit vector for each row."""
        return functional.normalize(features @ self.weight.T, dim=-1)


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Shuffled passes over items, cut into batches."""
    rng = np.random.default_rng([seed, 2])
    order = np.empty(0, np.int64)
    for _ in range(steps):
        while order.size < size:
            order = np.concatenate([order, rng.permutation(count)])
        yield order[:size]
        order = order[size:]


def optimise(model: torch.nn.Module, losses: Iterator[torch.Tensor], rate: float = 0.01) -> list[float]:
    """A step of Adam on each loss; returns them."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    seen = []
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen


Draw = Callable[[int], hm.Negatives]
"""Negatives of all training queries for an epoch."""


def contrast(
    world: World, model: Encoder, draw: Draw | None, *, steps: int, seed: int, batch: int = 32
) -> Iterator[torch.Tensor]:
    """InfoNCE over the positives of the batch and each query's own negatives, drawn afresh every epoch."""
    epoch, negatives = -1, None
    for step, rows in enumerate(batches(world.labels.size, batch, steps, seed)):
        if draw is not None and step * batch // world.labels.size != epoch:
            epoch = step * batch // world.labels.size
            negatives = torch.from_numpy(draw(epoch).padded()[0])
        queries, positives = model(world.queries[rows]), model(world.documents[world.labels[rows]])
        hard = absent = None
        if negatives is not None:
            absent = negatives[rows] < 0
            documents = model(world.documents[negatives[rows].clamp(min=0)])
            hard = torch.einsum("bh,bnh->bn", queries, documents)
        yield hm.losses.info_nce(queries @ positives.T, hard, hard_mask=absent, temperature=0.05)


def listwise_cross_entropy(scores: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Softmax over each list against what is right in it, mean over the lists [b, k] that hold something right."""
    own = (scores.logsumexp(1, keepdim=True) - scores).masked_fill(~right, 0.0)
    count = right.sum(1)
    return (own.sum(1) / count.clamp(min=1))[count > 0].mean()


def trained(world: World, draw: Draw | None, *, steps: int, seed: int) -> tuple[Encoder, list[float]]:
    """A fresh encoder after `contrast`, and its losses."""
    model = Encoder(seed)
    return model, optimise(model, contrast(world, model, draw, steps=steps, seed=seed))


def over_seeds(size: Size, one: Callable[[int], dict[str, float]]) -> dict[str, list[float]]:
    """The figures of every seed, by name."""
    found = [one(seed) for seed in range(size.seeds)]
    return {name: [figures[name] for figures in found] for name in found[0]}


def recipe(name: str, size: Size) -> tuple[Report, float]:
    """Run one of them on one thread, which is quicker than two on work as small; how many seconds it took."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    report: Report = importlib.import_module(f"examples.recipes.{name}").run(size)
    return report, time.perf_counter() - start


def ignore_interrupts() -> None:
    """Ctrl-C is for the parent, which ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

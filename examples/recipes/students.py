"""Models that have something to learn from the worlds: a bag of word pieces from a random start, and what judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from examples.recipes.worlds import Part, Side

VOCABULARY = 30_522
"""Of MiniLM's tokenizer."""


class Bag(torch.nn.Module):
    """The mean of its word pieces' vectors, each with a weight of its own, on the unit sphere. Piece 0 is padding.

    The last column of the table is the weight. A gradient is that of the rows of a batch alone.
    """

    def __init__(self, seed: int, dimension: int = 128) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        start = torch.randn(VOCABULARY, dimension, generator=generator) / dimension**0.5
        start = torch.cat([start, torch.zeros(VOCABULARY, 1)], 1)
        self.table = torch.nn.Embedding.from_pretrained(start, freeze=False, sparse=True)

    @staticmethod
    def inputs(side: Side) -> torch.Tensor:
        """What `forward` takes of texts, one row each."""
        return torch.from_numpy(side.tokens)

    def pooled(self, tokens: torch.Tensor) -> torch.Tensor:
        """Of int64 [n, length] one vector each, the weighted sum; a text without pieces is the zero vector."""
        there = tokens > 0
        # Each piece of the batch is looked up once: the sparse gradient is then as small as it can be.
        pieces, place = torch.unique(tokens[there], return_inverse=True)
        rows = self.table(pieces)
        vectors = rows[:, :-1] * functional.softplus(rows[:, -1:])
        sizes = there.sum(1)
        return functional.embedding_bag(place, vectors, sizes.cumsum(0) - sizes, mode="sum")

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Of int64 [n, length] one unit vector each."""
        return functional.normalize(self.pooled(tokens), dim=1)


class Adam:
    """Adam for models whose gradients are sparse, dense, or both."""

    def __init__(self, model: torch.nn.Module, rate: float) -> None:
        sparse = {
            id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) and m.sparse for p in m.parameters()
        }
        parts = [[p for p in model.parameters() if (id(p) in sparse) is which] for which in (True, False)]
        self.parts = [
            make(part, lr=rate)
            for make, part in zip((torch.optim.SparseAdam, torch.optim.Adam), parts, strict=True)
            if part
        ]

    def step(self, loss: torch.Tensor) -> float:
        """One step; returns the loss."""
        for part in self.parts:
            part.zero_grad()
        loss.backward()
        for part in self.parts:
            part.step()
        return loss.item()


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Shuffled passes over items, cut into batches; with the number of the pass that a batch begins in."""
    rng = np.random.default_rng([seed, 2])
    order = np.empty(0, np.int64)
    for step in range(steps):
        while order.size < size:
            order = np.concatenate([order, rng.permutation(count)])
        yield step * size // count, order[:size]
        order = order[size:]


class Training(NamedTuple):
    """How a student is trained."""

    steps: int = 400
    rate: float = 0.003
    temperature: float = 0.05
    batch: int = 64
    random: int = 0
    """Documents drawn afresh for each query beside its negatives."""
    kl: float = 0.0
    """Weight of the divergence from the teacher's scores of the batch's documents."""
    teacher_temperature: float = 0.05
    mask: float | None = None
    """Of the batch's documents those that the teacher scores above this share of the positive's are left out."""


Draw = Callable[[int], np.ndarray]
"""Of an epoch, the negatives of all training queries, int64 [q, n], -1 = none."""


def train(model: torch.nn.Module, part: Part, draw: Draw | None, how: Training, seed: int) -> list[float]:
    """Train queries and documents alike by InfoNCE; returns the losses.

    A batch's documents are its queries' positives and all their negatives, each once, and every query is compared with
    all of them, as practice does. What is labelled as relevant for a query is no negative of it.
    """
    optimizer, losses = Adam(model, how.rate), []
    queries, documents = model.inputs(part.queries), model.inputs(part.documents)
    first = np.unique(part.groups, return_index=True)[1][part.groups]
    labelled = hm.Positives(part.labels.offsets, first[part.labels.ids])
    rng, epoch, negatives = np.random.default_rng([seed, 3]), -1, None
    for now, rows in batches(len(part.labels), how.batch, how.steps, seed):
        if draw is not None and now != epoch:
            epoch, negatives = now, draw(now)
        labels = labelled.take(rows)
        shown = labels.ids[labels.offsets[:-1] + rng.integers(0, np.diff(labels.offsets))]
        others = [np.empty(0, np.int64) if negatives is None else negatives[rows].ravel()]
        others.append(rng.integers(0, len(first), how.random * rows.size))
        others = np.concatenate(others)
        columns, place = np.unique(np.concatenate([shown, first[others[others >= 0]]]), return_inverse=True)
        own = torch.from_numpy(place[: rows.size])
        scores = model(queries[rows]) @ model(documents[columns]).T
        if how.kl or how.mask is not None:
            taught = torch.from_numpy(part.queries.vectors[rows]) @ torch.from_numpy(part.documents.vectors[columns]).T
        # Labelled documents of a query are none of its negatives, but for the column that it has as its positive.
        about = {"ids": columns, "query_ids": rows, "positives": labelled, "positive_columns": own}
        known = barred = hm.in_batch_mask(scores, ceiling=None, keep_positive=True, **about)
        if how.mask is not None:
            barred = hm.in_batch_mask(taught, ceiling=hm.PercPos(how.mask), keep_positive=True, **about)
        loss = hm.losses.info_nce(scores, mask=barred, positive_columns=own, temperature=how.temperature)
        if how.kl:
            loss = loss + how.kl * hm.losses.listwise_kl(
                scores, taught, mask=known, temperature=how.temperature, teacher_temperature=how.teacher_temperature
            )
        losses.append(optimizer.step(loss))
    return losses


@torch.no_grad()
def embed(model: torch.nn.Module, side: Side, size: int = 1024) -> np.ndarray:
    """Vectors of all texts of a side, float32 [n, d]."""
    inputs = model.inputs(side)
    return torch.cat([model(inputs[start : start + size]) for start in range(0, len(inputs), size)]).numpy()


def ndcg(queries: np.ndarray, documents: np.ndarray, part: Part, depth: int = 10) -> np.ndarray:
    """nDCG@10 of every query of a part, all of its relevant documents known; vectors by some model."""
    return ndcg_of(hm.search(queries, documents, min(depth, len(documents))).padded()[0], part)


def ndcg_of(found: np.ndarray, part: Part) -> np.ndarray:
    """The same of ranked documents [q, depth], -1 = none."""
    gains = part.relevant(found, np.arange(len(found)))
    discounts = 1 / np.log2(np.arange(2, gains.shape[1] + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(np.diff(part.truth.offsets), gains.shape[1])]
    return gains @ discounts / np.maximum(ideal, 1e-9)


def judge(model: torch.nn.Module, part: Part, documents: torch.nn.Module | None = None) -> np.ndarray:
    """nDCG@10 of every query of a part after training; `documents` is another model for that side."""
    return ndcg(embed(model, part.queries), embed(documents or model, part.documents), part)

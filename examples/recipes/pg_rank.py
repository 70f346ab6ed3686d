"""Neural PG-RANK (arXiv 2310.04407): raise nDCG itself, by the policy gradient of sampled rankings.

Trains a matrix over MiniLM's query vectors on its own top 100 of judged queries of cranfield and cisi, all of whose
relevant documents are known. Beside it, from the same start and on the same lists: listwise cross-entropy, and
LambdaRank's pairs, each weighted by what swapping it does to nDCG@10.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

import hardmine as hm
from examples.recipes.folds import Fit, QueryMap, cross_validated, judged
from examples.recipes.shared import Effect, Report, Size, listwise_cross_entropy, optimise
from examples.recipes.students import batches
from examples.recipes.worlds import Part, load

DEPTH, BATCH, STEPS, CUTOFF = 100, 32, 40, 10


class Setting(NamedTuple):
    """Of the training; the same are tried for every loss."""

    rate: float
    scale: float
    """Cosines to scores."""


SETTINGS = [Setting(rate, scale) for scale in (20.0, 50.0) for rate in (1e-4, 1e-3, 3e-4)]


def lambda_rank(scores: torch.Tensor, relevant: torch.Tensor) -> torch.Tensor:
    """RankNet, each pair weighted by how much nDCG@10 changes when the two swap places."""
    ranks = scores.detach().argsort(1, descending=True).argsort(1)
    discounts = 1 / torch.log2(torch.arange(scores.shape[1]) + 2.0)
    discounts[CUTOFF:] = 0.0
    ideal = discounts.cumsum(0)[relevant.sum(1) - 1]
    worth = discounts[ranks] / ideal[:, None]
    rows, columns = relevant.nonzero(as_tuple=True)
    weights = (worth[rows, columns][:, None] - worth[rows]).abs()
    return hm.losses.rank_net(scores[rows, columns], scores[rows], mask=relevant[rows], weights=weights)


def losses(
    part: Part, model: QueryMap, loss: str, scale: float, rows: np.ndarray, *, steps: int, seed: int
) -> Iterator[torch.Tensor]:
    """The loss of every batch of the queries `rows`."""
    noise = torch.Generator().manual_seed(seed)
    queries, documents = (torch.from_numpy(side.vectors) for side in (part.queries, part.documents))
    found = hm.search(part.queries.vectors[rows], part.documents.vectors, min(DEPTH, len(documents))).padded()[0]
    gains = part.relevant(found, rows)
    some = gains.any(1)  # a list without anything relevant teaches nothing
    rows, lists, relevant = rows[some], torch.from_numpy(found[some]), torch.from_numpy(gains[some])
    for _, batch in batches(len(rows), BATCH, steps, seed):
        scores = scale * (model(queries[rows[batch]]) @ documents.T).gather(1, lists[batch])
        if loss == "policy":
            yield hm.losses.pg_rank(scores, relevant[batch].float(), num_samples=16, cutoff=CUTOFF, generator=noise)
        elif loss == "lambda":
            yield lambda_rank(scores, relevant[batch])
        else:
            yield listwise_cross_entropy(scores, relevant[batch])


def effects(name: str, size: Size) -> tuple[list[Effect], list[float], tuple[float, float]]:
    """Of one collection."""
    part = load(name, size.data, size.cache).test

    def fit(loss: str, setting: Setting, rows: np.ndarray, seed: int) -> Fit:
        model = QueryMap(part.queries.vectors.shape[1])
        steps = losses(part, model, loss, setting.scale, rows, steps=size.steps(STEPS), seed=seed)
        return Fit(model, optimise(model, steps, setting.rate))

    found, seen, metric = cross_validated(
        size, part, dict.fromkeys(("cross-entropy", "lambda", "policy"), SETTINGS), fit
    )
    start = np.tile(judged(part, np.arange(len(part.truth))), (size.seeds, 1))
    arms = (
        ("listwise cross-entropy", found["cross-entropy"], "same start, lists, steps and grid of rate and scale",
         "cross-entropy, whose gradient has no noise, is as good or better"),
        ("LambdaRank", found["lambda"], "pairs weighted by the change of nDCG@10; same start, lists, steps and grid",
         "pairs weighted by nDCG@10 are as good or better"),
        ("MiniLM untrained", start, "the start of all arms", "so few queries teach nothing that holds for others"),
    )  # fmt: skip
    rows = [
        Effect(
            f"nDCG@10, {name}: policy gradient over {compared}", found["policy"], against, control, other, part.clusters
        )
        for compared, against, control, other in arms
    ]
    return rows, seen, metric


def run(size: Size) -> Report:
    """All of it."""
    (cranfield, seen, metric), (cisi, *_) = (effects(name, size) for name in ("cranfield", "cisi"))
    return Report(
        "matrix over query vectors",
        "cranfield, cisi: judged queries in five folds, three train",
        "a fold of queries beside the judged one",
        [*cranfield, *cisi],
        seen,
        metric,
    )

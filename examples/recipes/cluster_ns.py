"""ClusterNS (arXiv 2305.09892): documents of the positive's cluster are no negatives of the batch.

Trains a projection over frozen features of the made world, few concepts and large batches, so that a batch often holds
another relevant document. Clusters: spherical k-means on the teacher's document embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

import hardmine as hm
from examples.recipes.shared import Effect, Encoder, Report, Size, World, batches, optimise, over_seeds

BATCH = 256


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        world = World(seed, max(size.topics // 4, 2), queries=8)
        _, documents = world.teacher(seed)
        clusters = hm.spherical_kmeans(documents, world.num_concepts, init="farthest", seed=seed).assignments
        figures = {"untrained": world.ndcg(Encoder(seed))}
        for name in ("plain", "masked"):
            model, wrong = Encoder(seed), []

            def losses(name: str = name, model: Encoder = model, wrong: list = wrong) -> Iterator[torch.Tensor]:
                for rows in batches(world.labels.size, BATCH, size.steps, seed):
                    positives = world.labels[rows]
                    scores = model(world.queries[rows]) @ model(world.documents[positives]).T
                    mask = hm.in_batch_mask(
                        scores,
                        ceiling=None,
                        ids=positives,
                        clusters=clusters[positives] if name == "masked" else None,
                        keep_positive=True,
                    )
                    negative = ~(mask.numpy() | np.eye(len(rows), dtype=bool))
                    relevant = world.relevant(np.tile(positives, (len(rows), 1)), rows)
                    wrong.append((relevant & negative).sum() / negative.sum())
                    yield hm.losses.info_nce(scores, mask=mask, temperature=0.05)

            kept[:] = optimise(model, losses())
            figures[name], figures[f"false {name}"] = world.ndcg(model), float(np.mean(wrong))
        return figures

    found = over_seeds(size, one)
    effects = [
        Effect(
            "share of false in-batch negatives: plain over masked",
            found["false plain"],
            found["false masked"],
            "a mask of as many documents at random; clusters of another number",
        ),
        Effect(
            "nDCG@10: same-cluster mask over plain in-batch",
            found["masked"],
            found["plain"],
            "a ceiling on the same batch; clusters of another number",
        ),
    ]
    tuned = "the number of clusters is the true one; batch and steps chosen on worlds made this way"
    data = "made world of few concepts"
    return Report("projection", data, tuned, effects, kept, (found["untrained"][0], found["masked"][0]))

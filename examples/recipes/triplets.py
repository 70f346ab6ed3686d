"""Triplet mining (arXiv 2210.11173): batch-hard in a small dimension collapses, and the monitor says so first.

Trains a small network over frozen features of the made world, from random, to 4 dimensions and on large batches: what
the theory says collapses.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log2
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from examples.recipes.shared import Effect, Report, Size, World, batches, optimise, over_seeds

DIMENSION, CONCEPTS, MARGIN, ALARM = 4, 120, 0.2, 0.9
"""The monitor's alarm is a mean pair cosine above 0.9."""


class Network(torch.nn.Sequential):
    """Two layers onto the unit sphere; with biases, so that it can map everything to one point."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        super().__init__(torch.nn.Linear(World.WIDTH, 64), torch.nn.ReLU(), torch.nn.Linear(64, DIMENSION))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """One unit vector for each row."""
        return functional.normalize(super().forward(features), dim=-1)


class Trace(NamedTuple):
    """Of each step."""

    losses: list[float]
    cosines: list[float]
    ndcg: list[float]


def train(world: World, kind: str, *, steps: int, seed: int) -> Trace:
    """Train on the triplets of one kind."""
    model, trace = Network(seed), Trace([], [], [])
    by_concept = np.arange(world.document_concepts.size).reshape(-1, World.DOCUMENTS)

    def losses() -> Iterator[torch.Tensor]:
        for concepts in batches(world.num_concepts, min(CONCEPTS, world.num_concepts), steps, seed):
            documents = by_concept[concepts].ravel()
            vectors = model(world.documents[documents])
            trace.cosines.append(hm.losses.collapse(vectors.detach()).mean_pair_cosine)
            trace.ndcg.append(world.ndcg(model))
            distances = 2 - 2 * vectors @ vectors.T
            found = hm.triplets(distances, world.document_concepts[documents], kind=kind, margin=MARGIN)
            yield hm.losses.triplet_margin(distances, found, margin=MARGIN)

    trace.losses.extend(optimise(model, losses()))
    return trace


def first(steps: list[bool]) -> int:
    """The first step at which something holds, or the number of steps."""
    return steps.index(True) if True in steps else len(steps)


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        world = World(seed, size.topics)
        hard = train(world, "batch_hard", steps=size.steps, seed=seed)
        semi = train(world, "semi_hard", steps=size.steps, seed=seed)
        kept[:] = semi.losses
        return {
            "hard cosine": hard.cosines[-1],
            "semi cosine": semi.cosines[-1],
            "limit": ALARM,
            "alarm": log2(1 + first([cosine > ALARM for cosine in hard.cosines])),
            "behind": log2(1 + first([2 * ours < theirs for ours, theirs in zip(hard.ndcg, semi.ndcg, strict=True)])),
            "hard": hard.ndcg[-1],
            "semi": semi.ndcg[-1],
            "start": semi.ndcg[0],
        }

    found = over_seeds(size, one)
    effects = [
        Effect(
            "mean pair cosine at the end: batch-hard over 0.9, the alarm",
            found["hard cosine"],
            found["limit"],
            "B is a fixed number; batch-hard in more dimensions and smaller batches, where it need not collapse",
        ),
        Effect(
            "mean pair cosine at the end: 0.9 over semi-hard",
            found["limit"],
            found["semi cosine"],
            "A is a fixed number",
        ),
        Effect(
            "log2 of the step: semi-hard has twice the nDCG@10 over the alarm",
            found["behind"],
            found["alarm"],
            "how often the alarm sounds where nothing collapses",
        ),
        Effect(
            "nDCG@10: semi-hard over batch-hard",
            found["semi"],
            found["hard"],
            "batch-hard at its own rate and margin; random triplets",
        ),
    ]
    tuned = "dimension, batch, margin and rate chosen on worlds made this way so that batch-hard collapses"
    return Report("network to 4 dimensions", "made world", tuned, effects, kept, (found["start"][0], found["semi"][0]))

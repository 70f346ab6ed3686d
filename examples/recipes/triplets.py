"""Triplet mining (arXiv 2210.11173): which triplets train, where batch-hard collapses, and whether an alarm says so.

Trains a bag of word pieces on the texts of banking77's training intents, two batch sizes by two dimensions: the theory
says that batch-hard collapses where the batch is large or the dimension small. Triplets need classes: the intent of
every training text is known here, which is more than the one labelled answer of the other recipes.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import torch

import hardmine as hm
from examples.recipes import worlds
from examples.recipes.shared import TUNING_SEED, Effect, Report, Size, over_seeds, tuned
from examples.recipes.students import Adam, Bag, embed, judge
from examples.recipes.worlds import Part

STEPS, INTENTS, TEXTS, DIMENSIONS, ALARM = 150, (8, 38), 4, (4, 32), 0.9
"""A batch has TEXTS texts of each of its INTENTS; the alarm is a mean pair cosine above that in a training batch."""
KINDS = {"batch-hard": "batch_hard", "semi-hard": "semi_hard", "random": "all"}
"""The mean over all valid triplets is what random ones come to."""


class How(NamedTuple):
    """A setting; margins are of squared distances on the unit sphere."""

    rate: float
    margin: float


SETTINGS = [How(0.003, 0.2), How(0.01, 0.2), How(0.03, 0.2), How(0.1, 0.2), How(0.03, 0.6)]


class Arm(NamedTuple):
    """A kind of triplets in a cell of the grid."""

    kind: str
    intents: int
    dimension: int


class Trained(NamedTuple):
    """A model, and what was seen at each step: the loss, the mean pair cosine of the batch."""

    model: Bag
    losses: list[float]
    cosines: list[float]


def batch(part: Part, intents: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Documents of some intents, TEXTS of each, and which intent each is of."""
    first = np.unique(part.clusters, return_index=True)[1]
    drawn = rng.permutation(first.size)[:intents]
    documents = [rng.choice(part.truth[first[intent]], TEXTS, replace=False) for intent in drawn]
    return np.concatenate(documents), np.repeat(drawn, TEXTS)


def train(part: Part, arm: Arm, how: How, *, steps: int, seed: int) -> Trained:
    """From a random start, by the margin loss of the triplets of one kind."""
    model, losses, cosines = Bag(seed, arm.dimension), [], []
    optimizer, documents, rng = Adam(model, how.rate), Bag.inputs(part.documents), np.random.default_rng([seed, 5])
    for _ in range(steps):
        rows, labels = batch(part, arm.intents, rng)
        vectors = model(documents[rows])
        distances = 2 - 2 * vectors @ vectors.T
        found = hm.triplets(distances, labels, kind=KINDS[arm.kind], margin=how.margin)
        losses.append(optimizer.step(hm.losses.triplet_margin(distances, found, margin=how.margin)))
        cosines.append(hm.losses.mean_pair_cosine(vectors))
    return Trained(model, losses, cosines)


def share(sounded: np.ndarray, among: np.ndarray) -> float:
    """Of some runs, those with an alarm; 0 where there is no such run."""
    return float(sounded[among].mean()) if among.any() else 0.0


def run(size: Size) -> Report:
    """All of it."""
    world, steps, kept = worlds.load("banking77", size.data, size.cache), size.steps(STEPS), []
    arms = [Arm(*each) for each in product(KINDS, INTENTS, DIMENSIONS)]
    shown = Arm("random", INTENTS[-1], DIMENSIONS[-1])

    def on_dev(arm: Arm, how: How) -> float:
        return judge(train(world.train, arm, how, steps=steps, seed=TUNING_SEED).model, world.dev).mean()

    chosen = {arm: tuned(size, SETTINGS, lambda how, arm=arm: on_dev(arm, how)) for arm in arms}

    def one(seed: int) -> dict:
        figures, alarms = {"untrained": judge(Bag(seed, shown.dimension), world.test)}, []
        for arm, how in chosen.items():
            trained = train(world.train, arm, how, steps=steps, seed=seed)
            figures[arm] = judge(trained.model, world.test)
            vectors = torch.from_numpy(embed(trained.model, world.test.documents))
            figures[arm, "cosine"] = hm.losses.mean_pair_cosine(vectors)
            alarms.append(max(trained.cosines) > ALARM)
            if arm == shown:
                kept[:] = trained.losses
        # Collapsed is what ranks half as well as another kind of the same batch and dimension: no word of cosines.
        means = {arm: figures[arm].mean() for arm in arms}
        best = [max(means[arm._replace(kind=kind)] for kind in KINDS) for arm in arms]
        sounded, collapsed = np.asarray(alarms), np.asarray(list(means.values())) < np.asarray(best) / 2
        figures["collapsed"] = collapsed.sum()
        figures["alarm right"], figures["alarm wrong"] = share(sounded, collapsed), share(sounded, ~collapsed)
        return figures

    found = over_seeds(size, one)
    own, rows, effects = "either at its own best rate and margin", [], []
    for intents, dimension in product(INTENTS, DIMENSIONS):
        cell = f"batch {intents * TEXTS}, dimension {dimension}"
        hard, semi, random = (Arm(kind, intents, dimension) for kind in KINDS)
        for a, b in ((semi, hard), (random, hard), (semi, random)):
            compares = f"nDCG@10: {a.kind} over {b.kind}, {cell}"
            effects.append(Effect(compares, found[a], found[b], own, "either way", world.test.clusters))
        rows.append((hard, random, f"batch-hard over random, {cell}"))
    small, wide, large, large_wide = (Arm("batch-hard", *each) for each in product(INTENTS, DIMENSIONS))
    rows += [
        (large, small, f"batch-hard, the large batch over the small, dimension {DIMENSIONS[0]}"),
        (large_wide, wide, f"batch-hard, the large batch over the small, dimension {DIMENSIONS[1]}"),
        (large, large_wide, f"batch-hard, dimension {DIMENSIONS[0]} over {DIMENSIONS[1]}, the large batch"),
    ]
    effects += [
        Effect(f"mean pair cosine: {compares}", found[a, "cosine"], found[b, "cosine"], own, "0 or less: no collapse")
        for a, b, compares in rows
    ]
    compares = f"share of runs with an alarm: collapsed ({found['collapsed'].mean():.1f} of {len(arms)}) over others"
    control = "B: how often it sounds where nothing collapses; collapsed: half the nDCG@10 of the best kind"
    fails = "an alarm that sounds everywhere, or nowhere"
    effects.append(Effect(compares, found["alarm right"], found["alarm wrong"], control, fails))
    tuned_on = f"dev intents, {len(SETTINGS)} settings for each arm: rates and margins"
    metric = float(found["untrained"][0].mean()), float(found[shown][0].mean())
    return Report("bag of word pieces", "banking77, all training intents known", tuned_on, effects, kept, metric)

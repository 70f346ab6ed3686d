"""ClusterNS (arXiv 2305.09892): documents of the positive's cluster are no negatives of the batch.

Trains bags of words from a random start on banking77, where a batch often holds another document of a query's intent.
Clusters follow the student's own embeddings inside the loop; nobody tells how many intents there are.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from examples.recipes.shared import TUNING_SEED, Effect, Report, Size, over_seeds, tuned
from examples.recipes.students import Adam, Bag, batches, judge
from examples.recipes.worlds import Part, load

BATCH, FOLLOW, SPREAD = 64, 0.01, 0.6
"""Centroids follow a batch ten times as far as in the paper, for the training is far shorter; clustering starts at the
highest mean cosine that the paper uses."""
TEMPERATURES = (0.05, 0.1)
"""Tried with each setting of every arm."""
RATES = (0.003, 0.002, 0.005)
"""For arms without a setting of their own; the others learn at the first."""
CLUSTERS, SHARES = (32, 64, 16), (1.0, 0.9, 1.2)
"""How many clusters; f of PercPos under the student's own scores."""
MARGIN = {"weight": 1e-3, "alpha": 0.0, "beta": 0.3}
"""The paper's for BERT-base."""
TUNED = (
    "dev part of banking77 (other intents): 6 settings an arm, 3 of its own (number of clusters, f, learning rate) by "
    "2 temperatures; 100 steps for all"
)


class Setting(NamedTuple):
    """Of one training."""

    temperature: float
    rate: float = RATES[0]
    clusters: int = CLUSTERS[0]
    f: float = SHARES[0]


def alternatives(scores: np.ndarray, same: np.ndarray, free: np.ndarray, seed: list[int]) -> dict[str, np.ndarray]:
    """The cluster's mask, and in each row as many others of what is free: at random, or those that score highest."""
    masks = {"clusters": same & free}
    count = masks["clusters"].sum(1, keepdims=True)
    for name, key in (("random", np.random.default_rng(seed).random(scores.shape)), ("hardest", scores)):
        order = np.argsort(-np.where(free, key, -np.inf), axis=1)
        masks[name] = np.zeros_like(free)
        np.put_along_axis(masks[name], order, np.arange(scores.shape[1]) < count, 1)
    return masks


def trained(part: Part, kind: str, setting: Setting, steps: int, seed: int):
    """By in-batch negatives; `kind` says which are masked. The model, its losses, what share each mask `caught`."""
    model, losses, seen = Bag(seed), [], []
    optimizer = Adam(model, setting.rate)
    online = hm.OnlineClusters(setting.clusters, rate=FOLLOW, start_cosine=SPREAD, seed=seed)
    queries, documents = Bag.inputs(part.queries), Bag.inputs(part.documents)
    for step, (_, rows) in enumerate(batches(len(part.labels), BATCH, steps, seed)):
        shown = part.labels.ids[part.labels.offsets[rows]]
        asked, told = model(queries[rows]), model(documents[shown])
        scores, now = asked @ told.T, None
        ceiling = hm.PercPos(setting.f) if kind == "ceiling" else None
        mask = hm.in_batch_mask(scores, ceiling=ceiling, ids=part.groups[shown], keep_positive=True)
        if kind in ("clusters", "random", "paper"):
            now = online.step(told.detach())  # None until the embeddings have spread
        if now is not None:
            same = hm.in_batch_mask(scores, ceiling=None, clusters=now, keep_positive=True)
            free = ~(mask.numpy() | np.eye(rows.size, dtype=bool))
            masks = alternatives(scores.detach().numpy(), same.numpy(), free, [seed, step])
            seen.append((rows, shown, free, masks))
        if now is not None and kind == "paper":
            # The second nearest centroids are hard negatives of all; what shares a cluster stays, and has a margin.
            hard = functional.normalize(torch.from_numpy(online.centroids.copy()), dim=1)
            scored = asked @ hard[online.second_nearest(told.detach()).copy()].T
            loss = hm.losses.cluster_ns(scores, scored, same, temperature=setting.temperature, **MARGIN)
        else:
            more = torch.from_numpy(masks[kind]) if now is not None else torch.zeros_like(mask)
            loss = hm.losses.info_nce(scores, mask=mask | more, temperature=setting.temperature)
        losses.append(optimizer.step(loss))
    return model, losses, caught(part, seen)


def caught(part: Part, seen: list) -> dict[str, float]:
    """The share of the false in-batch negatives of a run that each mask holds."""
    if not seen:  # clustering never started
        return dict.fromkeys(("clusters", "random", "hardest"), 0.0)
    rows, free = (np.concatenate([batch[n] for batch in seen]) for n in (0, 2))
    false = free & part.relevant(np.concatenate([np.tile(batch[1], (BATCH, 1)) for batch in seen]), rows)
    return {name: float(np.concatenate([batch[3][name] for batch in seen])[false].mean()) for name in seen[0][3]}


SHARE = "share of the false in-batch negatives that are masked: the positive's cluster over "
EFFECTS = (
    ("nDCG@10: cluster mask over plain in-batch", "clusters", "plain", "the same batches without the mask",
     "clusters of a student that knows nothing yet mask true negatives"),
    ("nDCG@10: cluster mask over as many at random", "clusters", "random", "as many masked in every row, at random",
     "fewer negatives alone may help or harm"),
    ("nDCG@10: cluster mask over PercPos on the batch", "clusters", "ceiling", "in_batch_mask with a ceiling, f on dev",
     "scores tell as much as clusters"),
    ("nDCG@10: hard centroids and margin, as published, over plain in-batch", "paper", "plain", "the same batches",
     "centroids of several intents are no answers, and easier than documents"),
)  # fmt: skip


def run(size: Size) -> Report:
    """All of it."""
    world, steps = load("banking77", size.data, size.cache), size.steps(100)

    def best(kind: str, settings: list[Setting]) -> Setting:
        def figure(setting: Setting) -> float:
            return float(judge(trained(world.train, kind, setting, steps, TUNING_SEED)[0], world.dev).mean())

        return tuned(size, settings, figure)

    numbers = [Setting(each, clusters=number) for number, each in product(CLUSTERS, TEMPERATURES)]
    rates = [Setting(each, rate) for rate, each in product(RATES, TEMPERATURES)]
    ceilings = [Setting(each, f=f) for f, each in product(SHARES, TEMPERATURES)]
    grids = {"plain": rates, "ceiling": ceilings, "clusters": numbers, "paper": numbers}
    chosen = {kind: best(kind, settings) for kind, settings in grids.items()}
    number = chosen["clusters"].clusters
    chosen["random"] = best("random", [setting._replace(clusters=number) for setting in rates])

    losses: list[float] = []

    def one(seed: int) -> dict[str, np.ndarray | float]:
        runs = {kind: trained(world.train, kind, setting, steps, seed) for kind, setting in chosen.items()}
        losses[:] = runs["clusters"][1]
        shares = {f"share {name}": share for name, share in runs["clusters"][2].items()}
        return {kind: judge(model, world.test) for kind, (model, *_) in runs.items()} | shares

    found = over_seeds(size, one)
    effects = [
        Effect(compares, found[a], found[b], control, f"yes: {could_fail}", world.test.clusters)
        for compares, a, b, control, could_fail in EFFECTS
    ]
    for name, what in (("random", "as many at random"), ("hardest", "as many of the highest scores")):
        a, b = found["share clusters"], found[f"share {name}"]
        control = f"in every row of the same batches {what}, by the same student"
        effects.append(Effect(SHARE + what, a, b, control, "yes: clusters may follow words and not intents"))
    metric = float(judge(Bag(0), world.test).mean()), float(found["clusters"][0].mean())
    return Report("bag of words", "real: banking77 (split by intent)", TUNED, effects, losses, metric)

"""STAR and ADORE (arXiv 2104.08051): static hard negatives beside random ones; then a fresh search at every step.

STAR trains a bag of word pieces on banking77; a batch's positives and hard negatives are shared by all its queries, as
in its code. ADORE trains the query side alone, against frozen documents. Both go on from a model that in-batch
negatives have trained. One answer of a query is labelled; an oracle knows them all, and says what the others cost.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

import hardmine as hm
from examples.recipes import worlds
from examples.recipes.shared import TUNING_SEED, Effect, Report, Size, over_seeds, tuned
from examples.recipes.students import Adam, Bag, batches, embed, judge
from examples.recipes.worlds import Part

STEPS, BATCH, DIMENSION, SCALE, START_RATE = 120, 64, 32, 20.0, 0.01


class How(NamedTuple):
    """A setting: the rate, and how deep to search (or how many random documents stand in for that)."""

    rate: float
    depth: int = 200


RATES = [How(rate) for rate in (0.001, 0.003, 0.01, 0.03)]
HARD = [How(0.003), How(0.001, 1000), How(0.003, 1000), How(0.01, 1000)]
ORACLE = [How(0.003, 50), How(0.001), How(0.003), How(0.01)]
SEARCHES = [How(0.001, 50), How(0.003, 50), How(0.01, 50), How(0.003, 100)]
STAR = {"in-batch": RATES, "random": RATES, "hard": HARD, "oracle random": RATES, "oracle hard": ORACLE}
ADORE = {"each step": 1, "each 24 steps": 24, "at the start": STEPS, "random lists": 0}
"""Every how many steps the lists are searched anew; 0: no search."""
Losses = Iterator[torch.Tensor]


def known(labels: hm.Positives, documents: np.ndarray, count: int) -> torch.Tensor:
    """Whether each of the batch's queries has documents [n] among its labels; there are `count` documents."""
    pairs = labels.query_of_each * count + labels.ids
    return torch.from_numpy(np.isin(np.arange(len(labels))[:, None] * count + documents, pairs))


def one_each(labels: hm.Positives, rng: np.random.Generator) -> np.ndarray:
    """A labelled document of every query."""
    return labels.ids[labels.offsets[:-1] + rng.integers(0, np.diff(labels.offsets))]


def star(model: Bag, part: Part, kind: str, depth: int, *, steps: int, seed: int) -> Losses:
    """RankNet against all documents of the batch: positives, and one more of each query, "hard", "random" or none."""
    queries, documents = Bag.inputs(part.queries), Bag.inputs(part.documents)
    rng, rule = np.random.default_rng([seed, 3]), hm.strategies.static_hard(1, depth=depth)
    run = retrieved(model, part, depth)
    for step, (_, rows) in enumerate(batches(len(part.labels), BATCH, steps, seed)):
        labels = part.labels.take(rows)
        shown = [one_each(labels, rng)]
        if kind == "hard":
            shown.append(hm.select(run.take(rows), labels, rule, epoch=step, query_keys=rows).ids)
        elif kind == "random":
            shown.append(rng.integers(0, len(documents), rows.size))
        columns = np.concatenate(shown)
        scores = SCALE * model(queries[rows]) @ model(documents[columns]).T
        yield hm.losses.rank_net(scores.diagonal(), scores, mask=known(labels, columns, len(documents)))


def retrieved(model: Bag, part: Part, depth: int) -> hm.Candidates:
    """The best documents of every query, but for those that are labelled."""
    labelled = part.labels.offsets, part.labels.ids
    return hm.search(*(embed(model, side) for side in (part.queries, part.documents)), depth, exclude=labelled)


def adore(model: Bag, part: Part, frozen: np.ndarray, every: int, depth: int, *, steps: int, seed: int) -> Losses:
    """Lambda-weighted pairs of the documents that a search finds; a positive that it does not find weighs 0 itself."""
    queries, documents, depth = Bag.inputs(part.queries), torch.from_numpy(frozen), min(depth, len(frozen))
    rng, miner = np.random.default_rng([seed, 4]), hm.DynamicMiner(frozen, part.labels, k=depth)
    for step, (_, rows) in enumerate(batches(len(part.labels), BATCH // 2, steps, seed)):
        vectors = model(queries[rows])
        if every == 0:
            labels, drawn = part.labels.take(rows), rng.integers(0, len(frozen), depth)
            positives = SCALE * (vectors * documents[one_each(labels, rng)]).sum(1)
            scores = SCALE * vectors @ documents[drawn].T
            yield hm.losses.rank_net(positives, scores, mask=known(labels, drawn, len(frozen)))
            continue
        if every > 1 and step % every == 0:
            kept = embed(model, part.queries)
        lists = miner.lists(vectors if every == 1 else kept[rows], rows).torch()
        scores = SCALE * torch.einsum("bh,bkh->bk", vectors, documents[lists.ids.clamp(min=0)])
        yield hm.losses.adore(scores, lists.relevant, mask=lists.mask, ranks=lists.ranks, metric_cut=depth)


def run(size: Size) -> Report:
    """All of it."""
    world, steps, kept = worlds.load("banking77", size.data, size.cache), size.steps(STEPS), []
    train = world.train
    oracle = Part(train.queries, train.documents, train.truth)

    def start(seed: int) -> Bag:
        model = Bag(seed, DIMENSION)
        optimizer, losses = Adam(model, START_RATE), star(model, train, "in-batch", 1, steps=steps, seed=seed)
        kept[:] = [optimizer.step(loss) for loss in losses]
        return model

    def arm(name: str, how: How, base: Bag, seed: int, judged: Part) -> np.ndarray:
        model = copy.deepcopy(base)
        if name in ADORE:
            frozen = embed(base, train.documents)
            losses = adore(model, train, frozen, ADORE[name], how.depth, steps=steps, seed=seed)
        else:
            part = oracle if name.startswith("oracle") else train
            losses = star(model, part, name.split()[-1], how.depth, steps=steps, seed=seed)
        optimizer = Adam(model, how.rate)
        for loss in losses:
            optimizer.step(loss)
        return judge(model, judged, base if name in ADORE else None)

    base = start(TUNING_SEED)
    chosen = {
        name: tuned(size, grid, lambda how, name=name: arm(name, how, base, TUNING_SEED, world.dev).mean())
        for name, grid in (STAR | dict.fromkeys(ADORE, SEARCHES)).items()
    }

    def one(seed: int) -> dict[str, npt.ArrayLike]:
        base = start(seed)
        hard = retrieved(base, train, chosen["hard"].depth).padded()[0]
        return {
            "untrained": judge(Bag(seed, DIMENSION), world.test),
            "start": judge(base, world.test),
            "false": train.relevant(hard, np.arange(len(hard))).mean(),
            **{name: arm(name, how, base, seed, world.test) for name, how in chosen.items()},
        }

    found = over_seeds(size, one)
    false = f"{found['false'].mean():.0%} of what STAR draws from are answers, unlabelled"
    stale = "lists may not grow stale in so few steps"
    rows = [
        ("hard", "random", "STAR, a hard one a query, over a random one", "as many more, shared by the batch", false),
        ("hard", "in-batch", "STAR over in-batch alone", "as many more steps", false),
        ("oracle hard", "oracle random", "oracle: STAR over a random one", "as above, all answers labelled",
         "what is hard, and no answer, may teach nothing more"),
        ("each step", "at the start", "ADORE, a search each step over the first", "the first lists, kept", stale),
        ("each step", "each 24 steps", "ADORE, a search each step over each 24", "lists half an epoch old", stale),
        ("each step", "random lists", "ADORE over random documents", "RankNet, as many documents and steps",
         "unlabelled answers stand first in the lists and weigh most"),
        ("each step", "start", "ADORE over the model that it starts from", "no more steps", "training may harm"),
    ]  # fmt: skip
    effects = [
        Effect(f"nDCG@10: {compares}", found[a], found[b], control, could_fail, world.test.clusters)
        for a, b, compares, control, could_fail in rows
    ]
    tuned_on = f"dev intents, {len(RATES)} settings for each arm: rates, depths; the start untuned"
    metric = float(found["untrained"][0].mean()), float(found["start"][0].mean())
    return Report("bag of word pieces", "banking77, one label a query; oracle: all", tuned_on, effects, kept, metric)

"""R2anker-style (arXiv 2206.08063): a ranker trained on negatives that several retrievers give jointly, unfiltered.

SciFact. The retrievers are MiniLM and BM25, which nothing is trained of here. The ranker is late interaction over
frozen token states of MiniLM, beside the cosine of whole texts. It orders the union of what the two find among their
first 50, which may lack a relevant abstract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

import hardmine as hm
from examples.recipes.late_interaction import LateInteraction, states
from examples.recipes.shared import TUNING_SEED, Effect, Report, Size, over_seeds, tuned
from examples.recipes.students import Adam, batches, ndcg_of
from examples.recipes.worlds import Part, load

DEPTH, NEGATIVES, BATCH, STEPS = 50, 7, 16, 150


class Setting(NamedTuple):
    """`hardness` is a temperature in standard deviations of a list; of the uniform draw, how many documents."""

    rate: float
    hardness: float = 1.0


SHARP = [Setting(rate, hardness) for rate in (0.0005, 0.002) for hardness in (0.5, 2.0)]
GRIDS = {
    **dict.fromkeys(("joint", "dense", "lexical", "filtered"), SHARP),
    "uniform": [Setting(rate, depth) for rate in (0.0005, 0.002) for depth in (20, 100)],
    "random": [Setting(rate) for rate in (0.0002, 0.0005, 0.001, 0.002)],
}
CONTROLS = {
    "dense": ("draws from MiniLM's list alone", "BM25 may add nothing to the stronger retriever's negatives"),
    "lexical": ("draws from BM25's list alone", "a ranker of tokens may need lexical negatives alone"),
    "uniform": ("uniform draws from the union of both lists", "that there are two lists may count, and no weights"),
    "random": ("random documents", "unfiltered hard negatives hold false ones, which may cost more than they teach"),
    "filtered": ("joint draws under PercPos(0.95) of either retriever", "noise of several retrievers may hurt too"),
    "fused": ("hm.fuse of both lists, no ranker", "a ranker of so few claims may be worse than what it reorders"),
}


def retrieved(part: Part, *, known: bool) -> list[hm.Candidates]:
    """What MiniLM and BM25 find for every claim, with or without the documents labelled as its own.

    Scores are in standard deviations of a list: one temperature then fits both retrievers, and PercPos is unchanged.
    """
    runs = []
    for teacher in (hm.teachers.precomputed(part.queries.vectors, part.documents.vectors), "bm25"):
        run = hm.retrieve(part.collection, teacher, DEPTH, exclude_positives=not known, progress=False)
        unit = np.mean([run[row].scores.std() for row in range(len(run)) if run[row].scores.size])
        own = hm.Positives(run.positives.offsets, run.positives.ids, run.positives.scores / unit)
        runs.append(hm.Candidates(run.offsets, run.ids, run.scores / unit, positives=own))
    return runs


def drawn(part: Part, runs: list[hm.Candidates], arm: str, hardness: float, seed: int) -> Callable[[int], np.ndarray]:
    """Of an epoch, the negatives of all claims."""
    rule = hm.Selection(NEGATIVES, ceiling=hm.NoCeiling(), draw=hm.Softmax(hardness), seed=seed)
    if arm == "random":
        size, own = (len(part.labels), NEGATIVES, len(part.documents.texts)), (part.labels.offsets, part.labels.ids)
        return lambda epoch: hm.sample_uniform(*size, exclude=own, seed=seed, epoch=epoch)
    if arm in ("joint", "filtered"):
        whole = hm.Selection(DEPTH, ceiling=hm.PercPos(0.95) if arm == "filtered" else hm.NoCeiling())
        lists = [hm.select(run, run.positives, whole) for run in runs]
        how = {"scheme": "joint", "num_negatives": NEGATIVES, "temperature": hardness, "seed": seed}
        return lambda epoch: hm.ensemble(lists, epoch=epoch, **how).padded()[0]
    if arm == "uniform":
        run, rule = hm.fuse(runs, method="union"), rule.replace(draw=hm.Uniform(), range_max=int(hardness))
    else:
        run = runs[arm == "lexical"]
    return lambda epoch: hm.select(run, part.labels, rule, epoch=epoch).padded()[0]


def scored(ranker: LateInteraction, part: Part, asked, told, rows: np.ndarray, listed: np.ndarray) -> torch.Tensor:
    """Of the claims [b] the documents listed [b, n], -1 = none."""
    cosines = np.einsum("bd,bnd->bn", part.queries.vectors[rows], part.documents.vectors[listed])
    scores = ranker(asked[rows], told[listed], torch.from_numpy(cosines))
    return scores.masked_fill(torch.from_numpy(listed < 0), -torch.inf)


def trained(part: Part, asked: torch.Tensor, told: torch.Tensor, draw, rate: float, steps: int, seed: int):
    """A ranker and its losses: cross-entropy of a labelled document among the negatives of its claim."""
    ranker, losses, rng, epoch = LateInteraction(), [], np.random.default_rng([seed, 3]), -1
    optimizer = Adam(ranker, rate)
    for now, rows in batches(len(part.labels), BATCH, steps, seed):
        if now != epoch:
            epoch, negatives = now, draw(now)
        labels = part.labels.take(rows)
        own = labels.ids[labels.offsets[:-1] + rng.integers(0, np.diff(labels.offsets))]
        scores = scored(ranker, part, asked, told, rows, np.column_stack([own, negatives[rows]]))
        first = torch.zeros(rows.size, dtype=torch.int64)
        losses.append(optimizer.step(hm.losses.info_nce(scores, positive_columns=first, temperature=1.0)))
    return ranker, losses


@torch.no_grad()
def reranked(
    ranker: LateInteraction, part: Part, asked: torch.Tensor, told: torch.Tensor, pool: np.ndarray
) -> np.ndarray:
    """nDCG@10 of every claim with the pool [q, n], -1 = none, in the ranker's order."""
    cut = np.array_split(np.arange(len(pool)), len(pool) // 16 + 1)
    scores = torch.cat([scored(ranker, part, asked, told, rows, pool[rows]) for rows in cut]).numpy()
    order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return ndcg_of(np.take_along_axis(pool, order, 1), part)


def run(size: Size) -> Report:
    """All of it."""
    world = load("scifact", size.data, size.cache)
    told, *asked = states(world, size.cache)
    mined = retrieved(world.train, known=False)
    pools = [None, *(hm.fuse(retrieved(part, known=True)).padded()[0] for part in (world.dev, world.test))]
    kept: list[float] = []

    def figures(which: int, arm: str, setting: Setting, seed: int) -> np.ndarray:
        draw = drawn(world.train, mined, arm, setting.hardness, seed)
        ranker, losses = trained(world.train, asked[0], told, draw, setting.rate, size.steps(STEPS), seed)
        if arm == "joint":
            kept[:] = losses
        return reranked(ranker, world[1 + which], asked[which], told, pools[which])

    chosen = {
        arm: tuned(size, grid, lambda setting, arm=arm: figures(1, arm, setting, TUNING_SEED).mean())
        for arm, grid in GRIDS.items()
    }
    found = over_seeds(size, lambda seed: {arm: figures(2, arm, chosen[arm], seed) for arm in GRIDS})
    test = world.test
    found["fused"] = np.tile(ndcg_of(pools[2][:, :10], test), (size.seeds, 1))
    effects = [
        Effect(
            f"nDCG@10, {kind} claims: joint draws, unfiltered, over {control}",
            found["joint"][:, rows], found[arm][:, rows],
            control if arm == "fused" else f"{control}; as many, same steps", could_fail, test.clusters[rows],
        )
        for kind, rows in (("clean", ~test.leaky), ("leaky", test.leaky))
        for arm, (control, could_fail) in CONTROLS.items()
    ]  # fmt: skip
    before = reranked(LateInteraction(), test, asked[2], told, pools[2]).mean()
    settings = ", ".join(f"{arm} {setting.rate:g}/{setting.hardness:g}" for arm, setting in chosen.items())
    return Report(
        "late interaction over frozen token states",
        f"real: scifact, official test; {(~test.leaky).sum()} clean claims, {test.leaky.sum()} that share an abstract "
        "with train or dev",
        f"dev claims, {len(size.grid(SHARP))} settings an arm; rate/hardness: {settings}",
        effects, kept, (before, found["joint"][0].mean()),
    )  # fmt: skip

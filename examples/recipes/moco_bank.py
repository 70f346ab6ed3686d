"""MoCo with selected negatives (arXiv 1911.05722, 2501.16360): the hardest of a memory bank, some of it, or all of it.

Trains a bag of word pieces on banking77. Query and labelled document are the two views; keys come from a slow copy of
the model. The paper filters false negatives: what lies above a share of the positive's similarity is left out.
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
from examples.recipes.students import Adam, Bag, Training, batches, judge, train
from examples.recipes.worlds import Part

STEPS, BATCH, DIMENSION, COUNT = 100, 64, 32, 128
"""Of the bank, the hardest or random entries are COUNT; so are the random documents of the arm without a bank."""


class How(NamedTuple):
    """A setting; `ceiling` is the share of the positive's similarity above which entries are left out."""

    rate: float
    temperature: float = 0.05
    momentum: float = 0.9
    size: int = 512
    ceiling: float | None = None


PLAIN = [How(0.003), How(0.01), How(0.03), How(0.01, 0.1), How(0.03, 0.1)]
ALONE = [each._replace(size=BATCH) for each in (*PLAIN[:4], How(0.01, momentum=0.97))]
UNFILTERED = [How(0.003), How(0.01), How(0.01, 0.1), How(0.01, momentum=0.97), How(0.01, size=1024)]
FILTERED = [
    How(0.01, ceiling=0.9),
    How(0.01, ceiling=0.7),
    How(0.01, 0.1, ceiling=0.7),
    How(0.01, momentum=0.97, ceiling=0.7),
    How(0.01, size=1024, ceiling=0.7),
]
ALONE_FILTERED = [*(each._replace(size=BATCH) for each in FILTERED[:4]), How(0.03, 0.1, size=BATCH, ceiling=0.7)]
ARMS = {"in-batch": PLAIN, "random documents": PLAIN, "no bank": ALONE, "hardest unfiltered": UNFILTERED}
ARMS |= dict.fromkeys(("hardest", "random", "all"), FILTERED) | {"no bank, ceiling": ALONE_FILTERED}


def left_out(
    bank: hm.MemoryBank,
    view: torch.Tensor,
    keys: npt.NDArray[np.int64],
    arm: str,
    ceiling: np.ndarray | None,
    step: int,
) -> torch.Tensor:
    """Which entries of the bank are no negatives of which of the batch's texts, bool [b, bank]."""
    found = bank.hardest(view, COUNT if arm.startswith("hardest") else len(bank), keys=keys, ceiling=ceiling)
    if arm == "random":
        rule = hm.strategies.static_hard(COUNT, depth=len(bank))
        found = hm.select(found, hm.Positives.from_lists([[]] * len(keys)), rule, epoch=step)
    mask = np.ones((len(keys), len(bank)), bool)
    mask[found.row_of_each, found.ids] = False
    return torch.from_numpy(mask)


def losses(model: Bag, part: Part, arm: str, how: How, *, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """The dual-view loss: either view against the other one, and the bank, as the slow model sees them.

    The bank holds the batch's documents too: a bank as large as the batch is none.
    """
    bank, slow = hm.MemoryBank(how.size, DIMENSION), copy.deepcopy(model).requires_grad_(requires_grad=False)
    queries, documents = Bag.inputs(part.queries), Bag.inputs(part.documents)
    for step, (_, rows) in enumerate(batches(len(part.labels), BATCH, steps, seed)):
        labelled = part.labels.ids[part.labels.offsets[rows]]
        keys, texts = part.groups[labelled], (queries[rows], documents[labelled])
        (asked, told), (slow_asked, slow_told) = map(model, texts), map(slow, texts)
        bank.push(slow_told, keys)
        entries = torch.tensor(bank.vectors)
        positives = ((asked * slow_told).sum(1) + (told * slow_asked).sum(1)) / 2
        ceiling = None if how.ceiling is None else how.ceiling * positives.detach().numpy()
        masks = [left_out(bank, view.detach(), keys, arm, ceiling, step) for view in (asked, told)]
        yield hm.losses.moco_dual_view(
            positives, asked @ entries.T, told @ entries.T, query_mask=masks[0], key_mask=masks[1],
            temperature=how.temperature,
        )  # fmt: skip
        for old, new in zip(slow.parameters(), model.parameters(), strict=True):
            old.lerp_(new.detach(), 1 - how.momentum)


def fit(part: Part, arm: str, how: How, *, steps: int, seed: int) -> tuple[Bag, list[float]]:
    """The trained model, and its losses."""
    model = Bag(seed, DIMENSION)
    if arm in ("in-batch", "random documents"):
        random = COUNT // BATCH if arm == "random documents" else 0
        training = Training(steps, how.rate, how.temperature, BATCH, random)
        return model, train(model, part, None, training, seed)
    optimizer = Adam(model, how.rate)
    return model, [optimizer.step(loss) for loss in losses(model, part, arm, how, steps=steps, seed=seed)]


def run(size: Size) -> Report:
    """All of it."""
    world, steps, kept = worlds.load("banking77", size.data, size.cache), size.steps(STEPS), []

    def on_dev(arm: str, how: How) -> float:
        return judge(fit(world.train, arm, how, steps=steps, seed=TUNING_SEED)[0], world.dev).mean()

    chosen = {arm: tuned(size, grid, lambda how, arm=arm: on_dev(arm, how)) for arm, grid in ARMS.items()}

    def one(seed: int) -> dict[str, npt.ArrayLike]:
        figures = {"untrained": judge(Bag(seed, DIMENSION), world.test)}
        for arm, how in chosen.items():
            model, seen = fit(world.train, arm, how, steps=steps, seed=seed)
            figures[arm] = judge(model, world.test)
            if arm == "in-batch":
                kept[:] = seen
        return figures

    found = over_seeds(size, one)
    ours = f"hardest {COUNT} of the bank under a ceiling"
    rows = [
        ("in-batch", "in-batch alone", "InfoNCE of the model itself, no slow keys", "the bank's keys are stale"),
        ("no bank", "no bank", "the same dual view and slow keys, the batch's own documents alone",
         "the bank may add nothing"),
        ("no bank, ceiling", "no bank under a ceiling", "as above, under a ceiling: the bank alone differs",
         "the ceiling, not the bank, may be what pays"),
        ("random documents", f"in-batch and {COUNT} random documents", "InfoNCE; encoded afresh, shared",
         "random documents may do as well"),
        ("random", f"{COUNT} of the bank at random under a ceiling", "the same bank and ceiling, equal count",
         "hardness may not matter, or harm"),
        ("all", "all of the bank under a ceiling", "the same bank and ceiling",
         "nothing may be lost by taking all: the easy ones weigh little"),
        ("hardest unfiltered", f"hardest {COUNT} without a ceiling", "no ceiling; settings chosen for it",
         "answers are few in the bank: the filter may drop what teaches"),
    ]  # fmt: skip
    effects = [
        Effect(f"nDCG@10: {ours} over {name}", found["hardest"], found[arm], control, could, world.test.clusters)
        for arm, name, control, could in rows
    ]
    tuned_on = (
        f"dev intents, {len(PLAIN)} settings for each arm: rate, temperature; momentum, bank and ceiling with a bank"
    )
    metric = float(found["untrained"][0].mean()), float(found["in-batch"][0].mean())
    return Report("bag of word pieces", "banking77, one label a query", tuned_on, effects, kept, metric)

"""MoCo with selected negatives (arXiv 1911.05722, 2501.16360): the hardest of the memory bank, all of it, or no bank.

Trains a projection over frozen features of the made world; keys come from a momentum copy of it. The
hardest are those below 90 % of the positive's similarity: the paper filters, and the bank holds other answers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch

import hardmine as hm
from examples.recipes.shared import Effect, Encoder, Report, Size, World, batches, optimise, over_seeds

BANK, HARDEST, MOMENTUM, TEMPERATURE = 512, 128, 0.97, 0.1


def losses(world: World, model: Encoder, kind: str, *, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """The dual-view loss against the bank; without one, InfoNCE within the batch."""
    bank, slow = hm.MemoryBank(BANK, 32), copy.deepcopy(model).requires_grad_(requires_grad=False)
    for rows in batches(world.labels.size, 32, steps, seed):
        labels = world.labels[rows]
        texts = world.queries[rows], world.documents[labels]
        queries, keys = map(model, texts)
        slow_queries, slow_keys = map(slow, texts)
        if kind == "none" or len(bank) < BANK:
            yield hm.losses.info_nce(queries @ keys.T, temperature=TEMPERATURE)
        else:
            # Either view meets the other one, and the bank, as the slow encoder sees them.
            positives = ((queries * slow_keys).sum(1) + (keys * slow_queries).sum(1)) / 2
            views = []
            for view in (queries, keys):
                k = HARDEST if kind == "hardest" else BANK
                ceiling = 0.9 * positives.detach().numpy() if kind == "hardest" else None
                found = bank.hardest(view, k, keys=labels, ceiling=ceiling).padded()[0]
                views += [
                    torch.einsum("bh,bnh->bn", view, torch.from_numpy(bank.vectors[found])),
                    torch.from_numpy(found < 0),
                ]
            of_queries, no_query, of_keys, no_key = views
            yield hm.losses.moco_dual_view(
                positives, of_queries, of_keys, query_mask=no_query, key_mask=no_key, temperature=TEMPERATURE
            )
        for old, new in zip(slow.parameters(), model.parameters(), strict=True):
            old.lerp_(new.detach(), 1 - MOMENTUM)
        bank.push(slow(texts[1]), labels)


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        world = World(seed, size.topics)
        figures = {"untrained": world.ndcg(Encoder(seed))}
        for kind in ("none", "all", "hardest"):
            model = Encoder(seed)
            seen = optimise(model, losses(world, model, kind, steps=size.steps // 2, seed=seed))
            kept[:] = seen[BANK // 32 :]  # those against the full bank
            figures[kind] = world.ndcg(model)
        return figures

    found = over_seeds(size, one)
    effects = [
        Effect(
            f"nDCG@10: hardest {HARDEST} of the bank below 90 % of the positive over all {BANK}",
            found["hardest"],
            found["all"],
            f"all {BANK} under the same ceiling; {HARDEST} at random",
        ),
        Effect(
            "nDCG@10: hardest of the bank over no bank",
            found["hardest"],
            found["none"],
            "batches as large as the bank; the whole bank is the better arm (row above)",
        ),
    ]
    tuned = "bank, ceiling, momentum and temperature chosen on worlds made this way"
    return Report("projection", "made world", tuned, effects, kept, (found["untrained"][0], found["hardest"][0]))

"""SimpleX (arXiv 2109.12613): the cosine contrastive loss with many negatives, and the history in the user's vector.

Trains user and item vectors on the interactions of cf-lastfm. Negatives are drawn for a user at each step and serve all
its items, which costs a thirtieth of drawing them for every pair.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from examples.recipes.interactions import FEWEST, Interactions, judge, neighbours, read
from examples.recipes.shared import TUNING_SEED, Effect, Report, Size, over_seeds, tuned
from examples.recipes.students import Adam, batches

DIMENSION, USERS = 32, 128
PASSES, LOOK, PATIENCE = 50, 2, 3
"""Passes over the users at most; after every second one nDCG@20 on valid is looked at, and the third look in a row that
is no better ends the training: the same for all arms."""


class Setting(NamedTuple):
    """Of a training."""

    loss: str
    negatives: int
    rate: float
    weight: float = 0.0
    margin: float = 0.0
    temperature: float = 0.1
    own: float = 1.0
    """Share of the user's own vector; the rest is the mean of its items' vectors, projected."""


FULL, FEW, BPR, SOFTMAX, HISTORY, NEIGHBOURS = (
    "CCL with 1,000 negatives", "CCL with 10 negatives", "MF-BPR", "softmax with 1,000 negatives",
    "CCL with 1,000 negatives and the history", "nearest users",
)  # fmt: skip
RATES, MARGINS = (0.03, 0.015), ((0.2, 5.0), (0.4, 10.0))
ARMS = {
    FULL: [Setting("ccl", 1000, rate, weight, margin) for rate in RATES for margin, weight in MARGINS],
    FEW: [Setting("ccl", 10, rate, weight, margin) for rate in RATES for margin, weight in MARGINS],
    HISTORY: [Setting("ccl", 1000, 0.03, weight, margin, own=own) for own in (0.5, 0.2) for margin, weight in MARGINS],
    SOFTMAX: [Setting("softmax", 1000, rate, temperature=t) for rate in RATES for t in (0.1, 0.2)],
    BPR: [Setting("bpr", 1, rate, weight) for rate, weight in ((0.01, 0.01), (0.01, 0.03), (0.01, 0.1), (0.03, 0.03))],
}
"""What is tried on valid, as many settings for every arm."""
SIZES = (20, 40, 80, 160)
"""Of neighbourhoods, tried likewise."""
ROWS = (
    (FULL, FEW, "the same loss, as many settings", "fresh draws add up: ten a step see the same items, only later"),
    (FULL, SOFTMAX, "as many negatives, another loss", "then the number does it, and not the loss"),
    (FULL, BPR, "one negative a pair, the paper's baseline", "BPR levels off later, at as good a figure"),
    (HISTORY, FULL, "the user's own vector alone", "a user's items say no more than the vector trained on them"),
    (HISTORY, NEIGHBOURS, "no training: nearest users by their histories", "the histories are enough by themselves"),
)
"""A, B, the control, what else could have come out."""


class Factors(torch.nn.Module):
    """A vector of every user and item; with a share of the history in the user's."""

    def __init__(self, data: Interactions, setting: Setting, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.users, self.items = (
            torch.nn.Parameter(0.1 * torch.randn(count, DIMENSION, generator=generator))
            for count in (len(data.seen), data.items)
        )
        self.projection = torch.nn.Parameter(torch.eye(DIMENSION))
        self.seen, self.own, self.cosine = data.seen, setting.own, setting.loss != "bpr"

    def forward(self, users: np.ndarray) -> torch.Tensor:
        """Scores of all items for some users."""
        vectors, items = self.users[users], self.items
        if self.own < 1:
            lists = self.seen.take(users)
            history = functional.embedding_bag(
                torch.tensor(lists.ids), items, torch.tensor(lists.offsets[:-1]), mode="mean"
            )
            vectors = self.own * vectors + (1 - self.own) * history @ self.projection
        if self.cosine:
            vectors, items = functional.normalize(vectors), functional.normalize(items)
        return vectors @ items.T


def loss_of(model: Factors, data: Interactions, users: np.ndarray, how: Setting, step: int, seed: int) -> torch.Tensor:
    """Of a step on all items of some users; every pair of user and item counts the same."""
    liked, scores = data.seen.take(users), model(users)
    owners, items = torch.tensor(liked.query_of_each), torch.tensor(liked.ids)
    own = scores[owners, items]
    rows, count = (len(owners), 1) if how.loss == "bpr" else (len(users), how.negatives)
    drawn = torch.from_numpy(hm.sample_uniform(rows, count, data.items, seed=seed, epoch=step, replace=True))
    if how.loss == "bpr":
        factors = model.users[users][owners], model.items[items], model.items[drawn[:, 0]]
        return hm.losses.bpr(own, scores[owners, drawn[:, 0]][:, None], *factors, l2=how.weight)
    negative = scores.gather(1, drawn)
    if how.loss == "softmax":
        # A user's negatives as one: the sum of their exponentials is all that the softmax asks of them.
        summed = how.temperature * (negative / how.temperature).logsumexp(1)
        columns = torch.zeros_like(owners)
        return hm.losses.info_nce(
            own[:, None], summed[owners, None], positive_columns=columns, temperature=how.temperature
        )
    # The loss is linear in a cosine of a positive, so a user's mean stands for all of them.
    counts = torch.from_numpy(np.diff(liked.offsets))
    mean = torch.zeros(rows).index_add(0, owners, own) / counts
    losses = hm.losses.ccl(mean, negative, margin=how.margin, negative_weight=how.weight, reduction="none")
    return (losses * counts).sum() / counts.sum()


def train(data: Interactions, how: Setting, seed: int, passes: int) -> tuple[np.ndarray, float, list[float]]:
    """Scores of all users where nDCG@20 on valid was best, that figure, and the losses until then."""
    model, losses = Factors(data, how, seed), []
    optimizer, everyone = Adam(model, how.rate), np.arange(len(data.seen))
    trained, asked = (np.flatnonzero(np.diff(each.offsets)) for each in (data.seen, data.valid))
    steps, since = -(-trained.size // USERS), 0

    def look() -> tuple[np.ndarray, float]:
        with torch.no_grad():
            scores = model(everyone).numpy()
        return scores, float(judge(scores, data, data.valid)[1][asked].mean())

    scores, best = look()
    for step, (_, rows) in enumerate(batches(trained.size, min(USERS, trained.size), steps * passes, seed)):
        losses.append(optimizer.step(loss_of(model, data, trained[rows], how, step, seed)))
        if (step + 1) % (LOOK * steps) == 0:
            found, figure = look()
            since = 0 if figure > best else since + 1
            if figure > best:
                scores, best = found, figure
            if since == PATIENCE:
                break
    return scores, best, losses


def run(size: Size) -> Report:
    """All of it."""
    data, passes = read(size.data), max(6, round(PASSES * size.share))
    valid, test = (np.flatnonzero(np.diff(each.offsets)) for each in (data.valid, data.test))
    chosen = {
        arm: tuned(size, settings, lambda how: train(data, how, TUNING_SEED, passes)[1])
        for arm, settings in ARMS.items()
    }
    count = tuned(size, SIZES, lambda count: judge(neighbours(data, count), data, data.valid)[1][valid].mean())
    losses: list[float] = []

    def one(seed: int) -> dict[str, np.ndarray]:
        scores = {"untrained": train(data, chosen[FULL], seed, 0)[0], NEIGHBOURS: neighbours(data, count)}
        for arm, how in chosen.items():
            scores[arm], _, seen = train(data, how, seed, passes)
            losses[:] = seen if arm == FULL else losses
        figures = {arm: judge(each, data, data.test) for arm, each in scores.items()}
        return {f"{arm} {n}": figure[test] for arm, both in figures.items() for n, figure in enumerate(both)}

    found = over_seeds(size, one)
    effects = [
        Effect(f"{metric}: {a} over {b}", found[f"{a} {n}"], found[f"{b} {n}"], control, could_fail, test)
        for a, b, control, could_fail in ROWS
        for n, metric in enumerate(("Recall@20", "nDCG@20"))
    ]
    return Report(
        "vectors of users and items",
        f"cf-lastfm; items of fewer than {FEWEST} users in training are not scored and count as misses",
        f"valid.txt: {len(SIZES)} settings an arm; it ends every training too",
        effects, losses, (found["untrained 1"][0].mean(), found[f"{FULL} 1"][0].mean()),
    )  # fmt: skip

"""ASL-style (AAAI 2023): an edited copy holds less than its original, so its vector shall be the shorter one.

Trains a projection over made pictures (patches of content) without normalisation: copies keep some of the patches. At
test, references hold crops of the queries too: similar, and no originals. The norm-ratio filter drops them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from examples.recipes.shared import Effect, Encoder, Report, Size, batches, optimise, over_seeds

PATCHES, WIDTH, KEPT = 12, 32, 7


class Pictures:
    """Originals of random patches; its features are the sum of those there, and their share."""

    def __init__(self, count: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._patches = self._rng.normal(size=(count, PATCHES, WIDTH)) + self._rng.normal(size=(count, 1, WIDTH))

    def views(self, rows: np.ndarray, *, cropped: bool) -> torch.Tensor:
        """Features of the originals, or of new crops."""
        there = np.ones((rows.size, PATCHES))
        if cropped:
            there = self._rng.permuted(there * (np.arange(PATCHES) < KEPT), axis=1)
        seen = (self._patches[rows] * there[:, :, None]).sum(1)
        # Scaled to one length, as pictures are to one size: the length to be learnt hangs on the noisy share alone.
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
        features = np.hstack([seen, there.mean(1, keepdims=True) + 0.1 * self._rng.normal(size=(rows.size, 1))])
        return torch.tensor(features + 0.02 * self._rng.normal(size=features.shape), dtype=torch.float32)


class Unnormalised(Encoder):
    """The projection with its length, which depends on the last feature through an exponent."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, WIDTH + 1)
        self.length = torch.nn.Parameter(torch.zeros(WIDTH + 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """One vector for each row."""
        return super().forward(features) * (features @ self.length).exp()[:, None]


def losses(model: Unnormalised, pictures: Pictures, count: int, *, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """Copies find their originals by direction, and are shorter."""
    for rows in batches(count, 64, steps, seed):
        originals = model(pictures.views(rows, cropped=False))
        copies = model(pictures.views(rows, cropped=True))
        cosines = functional.normalize(copies) @ functional.normalize(originals).T
        yield hm.losses.info_nce(cosines, temperature=0.05) + 0.5 * hm.losses.norm_ratio_loss(originals, copies)


@torch.no_grad()
def judge(model: Unnormalised, pictures: Pictures, count: int) -> dict[str, float]:
    """False positives at the cosine that recalls 90 % of the copies' originals, with and without the filter."""
    rows = np.arange(count)
    half = count // 2
    # Queries: copies of the first half of the originals, and originals of the second. References: the other way round.
    queries = torch.cat(
        [model(pictures.views(rows[:half], cropped=True)), model(pictures.views(rows[half:], cropped=False))]
    )
    references = torch.cat(
        [model(pictures.views(rows[:half], cropped=False)), model(pictures.views(rows[half:], cropped=True))]
    )
    cosines = functional.normalize(queries) @ functional.normalize(references).T
    copy_of = torch.eye(count, dtype=torch.bool)
    copy_of[half:] = False
    found: dict[str, float] = {}
    asymmetric = hm.losses.norm_ratio_mask(queries, references)
    found["lost"] = asymmetric[copy_of].float().mean().item()
    for name, dropped in (("all", None), ("kept", asymmetric)):
        scores = cosines if dropped is None else cosines.masked_fill(dropped, -torch.inf)
        threshold = scores[copy_of].quantile(0.1, interpolation="lower")
        wrong = (scores >= threshold) & ~copy_of
        found[name] = wrong.sum().item() / half
        found[f"first {name}"] = (scores[:half].argmax(1) == torch.arange(half)).float().mean().item()
    return found


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        count = 100 * size.topics
        pictures, unseen = Pictures(count, seed), Pictures(count, seed + 1000)
        model = Unnormalised(seed)
        before = judge(model, unseen, count)
        kept[:] = optimise(model, losses(model, pictures, count, steps=size.steps, seed=seed))
        after = judge(model, unseen, count)
        return {**after, "untrained": before["first kept"]}

    found = over_seeds(size, one)
    effects = [
        Effect(
            "false positives a query at 90 % recall: without the filter over with it",
            found["all"],
            found["kept"],
            "a filter on the noisy share that is a feature, untrained; half of the references are made to be dropped",
        ),
        Effect(
            "share of true pairs that the filter drops: 0.01 over what it drops",
            [0.01] * size.seeds,
            found["lost"],
            "A is a fixed number; pictures whose kept share is not a feature",
        ),
    ]
    tuned = "crops, noise and steps chosen on pictures made this way"
    return Report("projection", "made pictures", tuned, effects, kept, (found["untrained"][0], found["first kept"][0]))

"""What the recipes share: how much they do, how a setting is chosen, what they report."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from examples.recipes.intervals import Interval, over_clusters, over_runs

Setting = TypeVar("Setting")


class Size(NamedTuple):
    """How much a recipe does: "tiny" for the tests, "full" for the table.

    `data` is the folder of the real collections, `cache` one where their embeddings are kept.
    """

    seeds: int
    share: float
    settings: int
    data: Path | None = None
    cache: Path | None = None

    def steps(self, full: int) -> int:
        """Of a training that has `full` steps in the table."""
        return max(20, round(full * self.share))

    def grid(self, settings: Sequence[Setting]) -> Sequence[Setting]:
        """The settings that are tried on the dev part."""
        return settings[: self.settings]


SIZES = {"tiny": Size(seeds=2, share=0.05, settings=2), "full": Size(seeds=5, share=1.0, settings=100)}
TUNING_SEED = 1000
"""Of the trainings that choose a setting; the seeds that are judged begin at 0."""


@dataclass(frozen=True)
class Effect:
    """Two arms, the higher figure the better.

    Parameters
    ----------
    compares : str
        "nDCG@10: A over B".
    a, b : float [seeds], or [seeds, items] with `clusters`
        One figure of every run, or of every judged item after every run.
    control : str
        What B is, and that it was given what A was given.
    could_fail : str
        What else could have come out, and of what that would have been a sign.
    clusters : int [items], optional
        What judged items share; the interval is then over clusters and seeds at once, else over runs.
    """

    compares: str
    a: npt.ArrayLike
    b: npt.ArrayLike
    control: str
    could_fail: str
    clusters: np.ndarray | None = None

    @property
    def interval(self) -> Interval:
        """Of a - b."""
        if self.clusters is None:
            return over_runs(self.a, self.b)
        return over_clusters(self.a, self.b, self.clusters)


@dataclass(frozen=True)
class Report:
    """Of one system: what it trains, on which data, what its settings were chosen on, its effects.

    Of one training run the losses, and the metric before and after.
    """

    trains: str
    data: str
    tuned_on: str
    effects: Sequence[Effect]
    losses: Sequence[float]
    metric: tuple[float, float]


def tuned(size: Size, settings: Sequence[Setting], figure: Callable[[Setting], float]) -> Setting:
    """The setting with the highest figure, which must come from a dev part; the first of equals."""
    tried = size.grid(settings)
    found = [figure(setting) for setting in tried]
    return tried[int(np.argmax(found))]


def optimise(model: torch.nn.Module, losses: Iterator[torch.Tensor], rate: float = 0.01) -> list[float]:
    """A step of Adam on each loss; returns them."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    seen = []
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen


def listwise_cross_entropy(scores: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Softmax over each list against what is right in it, mean over the lists [b, k] that hold something right."""
    own = (scores.logsumexp(1, keepdim=True) - scores).masked_fill(~right, 0.0)
    count = right.sum(1)
    return (own.sum(1) / count.clamp(min=1))[count > 0].mean()


def over_seeds(size: Size, one: Callable[[int], dict[str, npt.ArrayLike]]) -> dict[str, np.ndarray]:
    """The figures of every seed, by name: [seeds], or [seeds, items]."""
    found = [one(seed) for seed in range(size.seeds)]
    return {name: np.stack([np.asarray(figures[name], np.float64) for figures in found]) for name in found[0]}


def recipe(name: str, size: Size) -> tuple[Report, float]:
    """Run one of them on one thread, which is quicker than two on work as small; how many seconds it took."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    report: Report = importlib.import_module(f"examples.recipes.{name}").run(size)
    return report, time.perf_counter() - start


def finished(name: str, size: Size) -> tuple[str, Report, float]:
    """The same with its name, for whoever runs several and takes the quickest first."""
    return name, *recipe(name, size)

"""What the study saw, one line of JSON for each training, appended as it is made: what was cut goes on from there."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benches.quality.study import plan
from benches.quality.study.lines import Key, read
from examples.recipes.shared import TUNING_SEED
from examples.recipes.worlds import Part


class UntriedError(LookupError):
    """An arm was to be judged before its settings were tried."""


class Records:
    """All that is there, by key; with `of_plan`, refused where it is of another plan than that of `plan.py`."""

    def __init__(self, path: Path, *, of_plan: bool = True) -> None:
        self.path, self._of_plan = path, of_plan
        self.found = read(path, of_plan=of_plan) if path.exists() else {}

    def add(self, key: Key, **figures: Any) -> None:
        """Append one."""
        record = {**key._asdict(), **figures}
        with self.path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)  # what a run that was killed left of a line
            file.write(json.dumps(record).encode() + b"\n")
        self.found[key] = record

    def best(self, world: str, student: str, arm: str, among: Container[int] | None = None) -> int:
        """The setting with the highest dev figure, the first of equals; of all, or among some."""
        tried = {
            key.setting: record["dev"]
            for key, record in self.found.items()
            if key[:4] == (world, student, arm, "dev") and (among is None or key.setting in among)
        }
        if not tried:
            raise UntriedError(f"{world}, {student}, {arm}: no setting was tried")
        return min(tried, key=lambda number: (-tried[number], number))

    def judged(
        self, world: str, student: str, among: Callable[[str], Container[int] | None] = lambda _: None
    ) -> set[str]:
        """The arms judged with every seed, without those that were cut; `among` is of an arm, as in `test`."""
        named = {key.arm for key in self.found if (key.world, key.student, key.stage) == (world, student, "test")}
        named -= {arm for arm in named if self._of_plan and self._untried(world, student, arm)}
        counts = {arm: len(self.test(world, student, arm, among(arm))) for arm in named}
        every = len(plan.SEEDS) if self._of_plan else max(counts.values(), default=0)
        return {arm for arm, count in counts.items() if count == every > 0}

    def cut(self) -> Iterator[str]:
        """What is left out, since it lacks settings or seeds."""
        for world, student in dict.fromkeys((key.world, key.student) for key in self.found if key.stage == "test"):
            whole = self.judged(world, student)
            for arm in dict.fromkeys(key.arm for key in self.found if key[:2] == (world, student) and key.arm):
                if arm not in whole:
                    yield f"{world}, {student}, {arm}: not judged with all seeds after all settings; left out"

    def _untried(self, world: str, student: str, arm: str) -> bool:
        """Whether settings of an arm were not tried."""
        tried = sum(key[:4] == (world, student, arm, "dev") for key in self.found)
        return tried < (1 if arm == "untrained" else len(plan.settings(plan.ARMS[arm], world, student)))

    def dev(self, world: str, student: str, arm: str) -> float:
        """The dev figure of the best setting."""
        return self.found[Key(world, student, arm, "dev", self.best(world, student, arm), TUNING_SEED)]["dev"]

    def world(self, world: str) -> dict[str, Any]:
        """What is known of a world."""
        return self.found[Key(world, "", "", "world", 0, 0)]

    def test(self, world: str, student: str, arm: str, among: Container[int] | None = None) -> list[dict[str, Any]]:
        """The judged trainings of an arm's best setting, of all or among some, by seed."""
        best = self.best(world, student, arm, among)
        found = [record for key, record in self.found.items() if key[:5] == (world, student, arm, "test", best)]
        return sorted(found, key=lambda record: record["seed"])


def by_cluster(figures: np.ndarray, part: Part) -> list[list[int]]:
    """Of clean and of leaky queries, the sum of the figures of each cluster, in ten-thousandths."""
    numbers, place = np.unique(part.clusters, return_inverse=True)
    kinds = (~part.leaky, part.leaky) if part.leaky.any() else (~part.leaky,)
    sums = (np.bincount(place, figures * kind, minlength=numbers.size) for kind in kinds)
    return [(1e4 * each).round().astype(int).tolist() for each in sums]


def sizes(part: Part) -> list[list[int]]:
    """Of clean and of leaky queries, how many each cluster has."""
    return [[total // 10_000 for total in each] for each in by_cluster(np.ones(len(part.leaky)), part)]

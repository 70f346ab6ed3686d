"""Which negatives train the better retriever: tune on dev, judge once, write the page.

python -m benches.quality.study check --data FOLDER --cache FOLDER --worlds banking77 docstrings
python -m benches.quality.study tune  --data FOLDER --cache FOLDER --worlds banking77 docstrings
python -m benches.quality.study judge --data FOLDER --cache FOLDER --worlds banking77 docstrings
python -m benches.quality.study page  --output docs/study.md
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benches.quality.study import plan, students
from benches.quality.study.arms import Pool
from benches.quality.study.lines import Key, UnreadableError
from benches.quality.study.page import page
from benches.quality.study.plan import ARMS, STEPS, arms, settings, shared
from benches.quality.study.records import Records, UntriedError, by_cluster, sizes
from benches.quality.study.splits import leaks
from examples.recipes import worlds
from examples.recipes.shared import TUNING_SEED
from examples.recipes.students import judge, train

RESULTS = Path(__file__).with_name("results.jsonl.gz")
WORKING = RESULTS.with_suffix("")


class Bench:
    """One world and one kind of student."""

    def __init__(self, world: worlds.World, student: str, records: Records) -> None:
        self.world, self.student, self.records = world, student, records
        self.pool = Pool(world.train)
        self.make = students.STUDENTS[student]

    def _train(self, arm: str, setting: int, seed: int) -> tuple[torch.nn.Module, dict]:
        how = settings(ARMS[arm], self.world.name, self.student)[setting]
        draw = self.pool.draw(ARMS[arm], how.value, seed)
        model = self.make(seed)
        start = time.process_time()
        if arm != "untrained":
            train(model, self.world.train, draw, how.training, seed)
        figures = {"stated": how.stated(), "seconds": round(time.process_time() - start, 1)}
        if draw is not None:
            figures["false"] = round(self.pool.false_negatives(draw(0)), 4)
        return model, figures

    def tune(self, arm: str) -> None:
        """Try all settings of an arm on the dev part."""
        tried = len(settings(ARMS[arm], self.world.name, self.student))
        for number in range(1 if arm == "untrained" else tried):
            key = Key(self.world.name, self.student, arm, "dev", number, TUNING_SEED)
            if key not in self.records.found:
                model, figures = self._train(arm, number, TUNING_SEED)
                dev = float(judge(model, self.world.dev).mean())
                self.records.add(key, dev=round(dev, 5), **figures)

    def judge(self, arm: str) -> None:
        """Train the best setting of an arm, of all and of those that all arms have, with every seed; judge the test."""
        best = {
            self.records.best(self.world.name, self.student, arm, among) for among in (None, shared(arm, self.student))
        }
        for setting in sorted(best):
            for seed in plan.SEEDS:
                key = Key(self.world.name, self.student, arm, "test", setting, seed)
                if key not in self.records.found:
                    model, figures = self._train(arm, setting, seed)
                    found = judge(model, self.world.test)
                    self.records.add(
                        key, test=round(float(found.mean()), 5), sums=by_cluster(found, self.world.test), **figures
                    )

    def check(self) -> None:
        """Audit the split."""
        key = Key(self.world.name, "", "", "split", 0, 0)
        if key not in self.records.found:
            self.records.add(key, **leaks(self.world.train, self.world.test))

    def describe(self) -> None:
        """Keep what the page needs to know of the world; records of other data are not gone on with."""
        key = Key(self.world.name, "", "", "world", 0, 0)
        parts = {
            name: [len(part.queries.texts), len(part.documents.texts)]
            for name, part in zip(("train", "dev", "test"), self.world[1:], strict=True)
        }
        facts = {"parts": parts, "sizes": sizes(self.world.test)}
        if key not in self.records.found:
            self.records.add(key, **facts, teacher=round(students.of_teacher(self.world.test), 5))
        elif any(self.records.found[key][name] != fact for name, fact in facts.items()):
            raise UnreadableError(f"{self.records.path}: was made of another {self.world.name} than that of --data")


def main(arguments: list[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benches.quality.study", description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=("check", "tune", "judge", "page"))
    parser.add_argument("--data", type=Path, help="folder of the collections in BEIR layout")
    parser.add_argument("--cache", type=Path, help="folder where embeddings are kept")
    parser.add_argument("--worlds", nargs="+", choices=list(STEPS), help="all that the student has")
    parser.add_argument("--student", choices=list(students.STUDENTS), default="A")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), metavar="ARM", help="all that the student has")
    parser.add_argument(
        "--results",
        type=Path,
        help="file of all trainings, which is appended to; the page's default: those of docs/study.md",
    )
    parser.add_argument("--output", type=Path, help="file that the page is written to")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        write_page(options) if options.stage == "page" else train_all(options)
    except (OSError, UnreadableError, UntriedError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def write_page(options: argparse.Namespace) -> None:
    """The page, into a file or to standard output."""
    path = options.results or RESULTS
    if not path.exists():
        raise FileNotFoundError(f"--results: no file {path}")
    records = Records(path)
    if not any(records.judged(key.world, key.student) for key in records.found):
        raise UnreadableError(f"{path}: nothing was judged yet")
    for each in records.cut():
        print(each, file=sys.stderr)
    text = page(records)
    print(text) if options.output is None else options.output.write_text(text)


def train_all(options: argparse.Namespace) -> None:
    """One stage of every arm of every world."""
    path = options.results or WORKING
    if path.suffix == ".gz":
        raise UnreadableError(f"--results {path}: is packed, and what is trained is appended; expected a .jsonl")
    records = Records(path)
    names = options.worlds or plan.worlds(options.student)
    for name in names:
        _refuse("--worlds", name, plan.worlds(options.student), options.student)
        for arm in options.arms or ():
            _refuse("--arms", arm, arms(name, options.student), f"{options.student} on {name}")
    for name in names:
        bench = Bench(_world(name, options), options.student, records)
        bench.describe()
        if options.stage == "check":
            bench.check()
            continue
        for arm in options.arms or arms(name, options.student):
            start = time.perf_counter()
            getattr(bench, options.stage)(arm)
            print(f"{name}, {arm}: {time.perf_counter() - start:.0f} s", file=sys.stderr)


def _refuse(option: str, given: str, known: Sequence[str], whose: str) -> None:
    """What is judged beyond the plan would stand among the claims that are adjusted together."""
    if given not in known:
        raise UnreadableError(f"{option} {given}: student {whose} has {', '.join(known)}")


def _world(name: str, options: argparse.Namespace) -> worlds.World:
    try:
        return worlds.load(name, options.data, options.cache)
    except ValueError as error:  # what the readers say of malformed files
        raise UnreadableError(f"{name}: {error}") from None


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; what was trained is kept")

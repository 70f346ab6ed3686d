"""The ratios of earlier runs of the benchmarks, a file for each processor: a regression shows as a line.

    python -m benches.history [--fall 0.8]

says where the last run of a row is well below the runs before it on the same processor and at the same level. What is
compared is the best peer's time over hardmine's in the same run, which a slow spell changes least; hardmine's own time
stands beside it, since a ratio falls too where the peer has become faster. docs/pictures/history.svg draws the runs.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

HISTORY = Path(__file__).resolve().parent / "history"
FALL = 0.8
"""Share of the usual ratio below which a row has fallen."""


class Run(NamedTuple):
    """Of one row of the benchmarks what a run gave: hardmine's seconds, the best peer and its time over hardmine's."""

    date: str
    commit: str
    level: str
    group: str
    case: str
    seconds: float
    peer: str
    ratio: float

    @property
    def row(self) -> tuple[str, str, str]:
        """What runs of the same row have in common."""
        return self.level, self.group, self.case


def read(path: Path) -> list[Run]:
    """All runs of a file, in the order in which they were made."""
    return [Run(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def add(runs: Iterable[Run], processor: str, folder: Path = HISTORY) -> Path:
    """Append runs to the file of a processor."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', processor.lower()).strip('-')}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(run._asdict()) + "\n" for run in runs)
    return path


def commit() -> str:
    """The commit that is measured; with a plus where the tree differs from it."""
    said = ("rev-parse", "--short=9", "HEAD"), ("status", "--porcelain", "--untracked-files=no")
    found = [subprocess.run(["git", *each], cwd=HISTORY.parent, capture_output=True, text=True) for each in said]
    if any(each.returncode for each in found):
        return ""
    return found[0].stdout.strip() + ("+" if found[1].stdout.strip() else "")


def by_row(runs: Iterable[Run]) -> dict[tuple[str, str, str], list[Run]]:
    """The runs of each row."""
    found: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        found[run.row].append(run)
    return found


def named(runs: Iterable[Run]) -> Iterator[tuple[str, Run]]:
    """Each run with its date and commit; what a commit gave a second time on a day has a number."""
    times: Counter[tuple[str, str, tuple[str, str, str]]] = Counter()
    for run in runs:
        key = (run.date, run.commit, run.row)
        times[key] += 1
        count = times[key]
        yield f"{run.date} {run.commit}" + (f" ({count})" if count > 1 else ""), run


def fallen(runs: Iterable[Run], fall: float) -> Iterator[tuple[Run, float, float]]:
    """Last runs below the share `fall` of the median ratio of those before; with that, and their median of seconds."""
    for of_row in by_row(runs).values():
        *before, last = of_row
        if before and last.ratio < fall * (usual := statistics.median(run.ratio for run in before)):
            yield last, usual, statistics.median(run.seconds for run in before)


def main(arguments: list[str] | None = None) -> int:
    """Entry point: 1 where a row has fallen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fall", type=float, default=FALL, help="share of the usual ratio below which a row is named")
    parser.add_argument("--folder", type=Path, default=HISTORY)
    options = parser.parse_args(arguments)
    paths: list[Any] = sorted(options.folder.glob("*.jsonl"))
    count = 0
    for path in paths:
        runs = read(path)
        print(f"{path.stem}: {len(runs)} figures of {len(by_row(runs))} rows")
        for last, usual, seconds in fallen(runs, options.fall):
            count += 1
            ratios = f"{last.ratio:.3g}x {last.peer}, before {usual:.3g}x"
            own = f"{last.seconds:.3g} s of its own, before {seconds:.3g} s"
            print(f"  {last.group}, {last.case} at {last.level}: {ratios}; {own}")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())

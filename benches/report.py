"""Run the benchmarks and write the page of ratios against the peers.

    python -m benches.report [--only P1 P3 ...] [--passes 3] [--levels avx512 avx2] [--coretype SkylakeX]
        [--output docs/benchmarks.md] [--json FILE] [--history benches/history]
    python -m benches.report --from FILE --output docs/benchmarks.md

Every pass runs hardmine and its peers in one process, one after the other; passes repeat the whole round, so a slow
spell of the machine falls on both. A figure is the median over passes of the median of its rounds. The ratio is the
peer's time over hardmine's: above 1 hardmine is faster. Peers do not depend on the level; they are timed again beside
each level, because only figures of the same run are compared.

OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, which some machines set for old builds of OpenBLAS, slow the peers: they are
taken out of the environment of every process that is started here, and the page says which kernels BLAS then chose.
Where an old build does not know the processor and takes kernels without AVX2, --coretype names better ones: a peer is
measured at its best, and the page says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import hardmine._native as _native
from benches import history

BENCHES = Path(__file__).resolve().parent
LEVEL_FREE = ("P6", "P10")
"""Groups whose work does not depend on the instruction-set level: run beside the highest level alone."""
GRIDS = {"P1b": re.compile(r"(?P<row>.*, k = [\d,]+), (?P<column>\w+)")}
"""Groups of many cells, shown as a table of ratios to the best peer."""
GOALS = {
    "P1": "4x torch, 2x faiss heap; reading: 0.5x at 100,000 columns, 0.7x at 1,000,000",
    "P1b": "no cell slower than the best peer",
    "P1c": "16-bit at least as fast as f32",
    "P2": "5x faiss with VNNI, 2x on AVX2",
    "P3": "15x the better of NumPy and torch",
    "P4": "10x the best vectorised, 100x a loop",
    "P4b": "20x NumPy",
    "P5": "10x the torch path, 5x the FAISS path",
    "P5b": "5x either path",
    "P6": "2.5x the default, 1.2x bfloat16",
    "P8": "two threads 1.9x one",
    "P9": "50x per-item Python, below 1 ms",
    "P10": "below 60 ms over NumPy",
    "P-sparse": "3x bm25s numba, no exact peer faster",
}
YARDSTICKS = ("reading alone", "numpy alone", "numpy matmul alone", "hardmine")
"""Contenders that are no peers: what the machine could do, hardmine itself in another setting."""
BLAS_OVERRIDES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
BLAS_WITHOUT_AVX2 = {
    "Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Atom", "Sandybridge", "Barcelona", "Bobcat", "Bulldozer",
    "Piledriver", "Steamroller", "Generic",
}  # fmt: skip
"""OpenBLAS kernels that leave half or more of a present machine idle."""
LIST_BLAS = """
import json, threadpoolctl
known, found = set(), []
for package in ("numpy", "faiss"):
    try:
        __import__(package)
    except ImportError:
        continue
    for info in threadpoolctl.threadpool_info():
        if info["user_api"] == "blas" and info["filepath"] not in known:
            known.add(info["filepath"])
            found.append({"package": package, **info})
print(json.dumps(found))
"""
HEADER = """# Benchmarks

`make bench` writes this page on your machine. Every figure is a median; every ratio is peer's time / hardmine's time in
the same run, outputs checked equal before timing: above 1 hardmine is faster. Machines and spells differ, ratios less
than times. Both sides use two threads where they can use more than one. Other machines, levels and sizes are among
[more measurements](measurements.md).
"""

Key = tuple[str, str]


class Cell(NamedTuple):
    """One case of one group: medians by contender."""

    group: str
    case: str
    seconds: dict[str, float]

    @property
    def ours(self) -> float | None:
        """hardmine's time."""
        return self.seconds.get("hardmine")

    def to_dict(self) -> dict[str, Any]:
        """As data, with the ratio of every contender's time to hardmine's."""
        ratios = {name: seconds / self.ours for name, seconds in self.peers()} if self.ours else {}
        return {**self._asdict(), "ratios": ratios}

    def peers(self) -> Iterator[tuple[str, float]]:
        """(name, seconds) of all others, the fastest first."""
        others = ((name, seconds) for name, seconds in self.seconds.items() if name != "hardmine")
        return iter(sorted(others, key=lambda item: item[1]))

    def best_peer(self) -> tuple[str, float] | None:
        """The fastest true peer and its ratio."""
        for name, seconds in self.peers():
            if self.ours and not name.startswith(YARDSTICKS):
                return name, seconds / self.ours
        return None


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="groups to run, such as P1 P4b (default: all)")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--levels", nargs="*", default=list(reversed(_native.isa_levels()))[:2])
    parser.add_argument("--coretype", help="kernels of OpenBLAS, for builds that do not know this processor")
    parser.add_argument("--output", type=Path, help="write the page to this file")
    parser.add_argument("--json", type=Path, help="write what was measured to this file, as data")
    parser.add_argument("--from", type=Path, dest="source", help="measure nothing: make the page of what --json wrote")
    parser.add_argument("--history", type=Path, help="append the ratios to a file of this processor in a folder")
    options = parser.parse_args()
    forced = {"OPENBLAS_CORETYPE": options.coretype} if options.coretype else {}

    record = json.loads(options.source.read_text()) if options.source else measured(options, forced)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    if options.history and not options.source:
        history.add(kept(record), record["machine"]["processor"], options.history)
    text = page(record)
    print(text)
    if options.output:
        options.output.write_text(text)
    return 0


def measured(options: argparse.Namespace, forced: dict[str, str]) -> dict[str, Any]:
    """What the page says, as data: the machine; medians and ratios by level, group, case and contender."""
    record = {"machine": machine(options.passes, forced), "levels": {}}
    for number, level in enumerate(options.levels):
        skip = LEVEL_FREE if number else ()
        cells = measure(level, options.passes, set(options.only), skip=skip, forced=forced)
        record["levels"][level] = [cell.to_dict() for cell in cells]
    return record


def kept(record: dict[str, Any]) -> Iterator[history.Run]:
    """Of every row with a peer what stays of this run."""
    date, commit = record["machine"]["date"], history.commit()
    for level, found in record["levels"].items():
        for cell in (Cell(each["group"], each["case"], each["seconds"]) for each in found):
            best = cell.best_peer()
            if best is not None:
                yield history.Run(date, commit, level, cell.group, cell.case, cell.ours, best[0], round(best[1], 3))


def page(record: dict[str, Any]) -> str:
    """The page of what was measured."""
    lines = [HEADER, *record["machine"]["said"]]
    for level, found in record["levels"].items():
        cells = [Cell(cell["group"], cell["case"], cell["seconds"]) for cell in found]
        lines += ["", f"## Level {level}", "", *table(cells), *grids(cells), *losses(cells)]
    return "\n".join(lines) + "\n"


def environment(**more: str) -> dict[str, str]:
    """That of the processes started here: ours without what slows the peers, and more."""
    return {name: value for name, value in os.environ.items() if name not in BLAS_OVERRIDES} | more


def blas(forced: dict[str, str]) -> list[dict[str, object]]:
    """What NumPy and faiss multiply matrices with, as a process of the benchmarks finds it."""
    command, variables = [sys.executable, "-c", LIST_BLAS], environment(**forced)
    return json.loads(subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout)


def kernels(found: list[dict[str, object]], forced: dict[str, str]) -> str:
    """A sentence on the BLAS of each package."""
    said = []
    for info in found:
        text = "{package} {internal_api} {version} with {architecture} kernels".format_map(
            {"architecture": "?", **info}
        )
        slow = info.get("architecture") in BLAS_WITHOUT_AVX2
        said.append(text + (" (without AVX2: its times are no measure)" if slow else ""))
    settings = "".join(f" {name}={value} was set: an old build takes slower ones." for name, value in forced.items())
    return f"BLAS: {'; '.join(said) or 'unknown'}.{settings}"


def machine(passes: int, forced: dict[str, str]) -> dict[str, Any]:
    """What the figures are measured on: as data, and as the page says it."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = models[0] if models else model
    versions: dict[str, str | None] = {"hardmine": _native.__version__}
    for name in ("numpy", "torch", "faiss-cpu", "sentence-transformers"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    packages = ", ".join(f"{name} {number or 'absent'}" for name, number in versions.items())
    threads, levels = _native.available_threads(), list(_native.isa_levels())
    load = f"Load average before the run: {os.getloadavg()[0]:.1f}." if hasattr(os, "getloadavg") else ""
    said = [
        f"{model}, {threads} processors, levels {', '.join(levels)}; Python {platform.python_version()}; "
        f"{packages}. Medians over {passes} pass{'es' if passes > 1 else ''}.",
        f"{kernels(blas(forced), forced)} {load}",
    ]
    return {
        "processor": model,
        "date": time.strftime("%Y-%m-%d"),
        "threads": threads,
        "levels": levels,
        "python": platform.python_version(),
        "versions": versions,
        "passes": passes,
        "said": said,
    }


def measure(level: str, passes: int, only: set[str], *, skip: tuple[str, ...], forced: dict[str, str]) -> list[Cell]:
    """All cells at one level."""
    times: dict[Key, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(passes):
        print(f"{level}: pass {number + 1} of {passes}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            command = [sys.executable, "-m", "pytest", str(BENCHES), "-q", "--benchmark-only", "--timeout=0"]
            command += ["-W", "default", "-p", "no:cacheprovider", f"--benchmark-json={result}"]
            variables = environment(
                HARDMINE_ISA=level,
                HARDMINE_BENCH_ONLY=" ".join(sorted(only)),
                HARDMINE_BENCH_SKIP=" ".join(skip),
                HARDMINE_BENCH_FORCED=" ".join(forced),
                **forced,
            )
            run = subprocess.run(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if run.returncode or not result.exists():
                print(run.stdout[-4000:], file=sys.stderr)
                raise SystemExit(f"the benchmarks failed at level {level}")
            for entry in json.loads(result.read_text())["benchmarks"]:
                info = entry["extra_info"]
                key = (entry["group"] or "", str(info.get("case", "")))
                times[key][info.get("peer", entry["name"])].append(entry["stats"]["median"])
    medians = {key: {peer: statistics.median(all_) for peer, all_ in peers.items()} for key, peers in times.items()}
    return [Cell(group, case, seconds) for (group, case), seconds in sorted(medians.items(), key=in_order)]


def in_order(item: tuple[Key, object]) -> tuple[int, str, str]:
    """P1b before P2, P9 before P10."""
    (group, case), _ = item
    number = re.match(r"P(\d+)", group)
    return int(number[1]) if number else 99, group, case


def table(cells: list[Cell]) -> list[str]:
    """One row per group and case, but for the grids."""
    rows = ["| row | case | hardmine | peers: time (ratio) | asked |", "|---|---|---|---|---|"]
    for cell in cells:
        if cell.group in GRIDS:
            continue
        peers = [beside(peer, seconds, cell.ours) for peer, seconds in cell.peers()]
        asked = GOALS.get(cell.group, GOALS.get(cell.group.split("-")[0], ""))
        ours = show(cell.ours) if cell.ours else "-"
        rows.append(f"| {cell.group} | {cell.case} | {ours} | {'; '.join(peers)} | {asked} |")
    return rows


def beside(peer: str, seconds: float, ours: float | None) -> str:
    """A contender's time, and how it compares."""
    if ours is None:
        return f"{peer} {show(seconds)}"
    if peer == "numpy alone":
        return f"{peer} {show(seconds)} (hardmine adds {show(ours - seconds)})"
    return f"{peer} {show(seconds)} ({ratio(seconds / ours)})"


def grids(cells: list[Cell]) -> list[str]:
    """Ratios to the best peer of groups with many cells."""
    lines = []
    for group, pattern in GRIDS.items():
        grid: dict[str, dict[str, Cell]] = defaultdict(dict)
        for cell in cells:
            found = pattern.fullmatch(cell.case)
            if cell.group == group and found:
                grid[found["row"]][found["column"]] = cell
        if not grid:
            continue
        columns = sorted({column for row in grid.values() for column in row})
        lines += ["", f"### {group}: ratio to the best peer ({GOALS[group]})", ""]
        lines += [f"| case | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for name, row in sorted(grid.items(), key=lambda item: numbers_in(item[0])):
            lines.append(f"| {name} | {' | '.join(in_grid(row.get(column)) for column in columns)} |")
    return lines


def numbers_in(name: str) -> list[int]:
    """The numbers of a name such as "4 x 1,000,000 f32, k = 100", to sort by."""
    return [int(found.replace(",", "")) for found in re.findall(r"\d[\d,]*", name)]


def in_grid(cell: Cell | None) -> str:
    """Ratio and name of the best peer."""
    best = cell.best_peer() if cell else None
    return f"{ratio(best[1])} {best[0]}" if best else "-"


def losses(cells: list[Cell]) -> list[str]:
    """Every cell in which some peer is faster."""
    slower = [(cell, best) for cell in cells if (best := cell.best_peer()) and best[1] < 1]
    compared = sum(cell.best_peer() is not None for cell in cells)
    lines = ["", f"A peer is faster in {len(slower)} of {compared} cells{':' if slower else '.'}", ""]
    return lines + [f"- {cell.group}, {cell.case}: {name}, {ratio(factor)}" for cell, (name, factor) in slower]


def ratio(factor: float) -> str:
    """Two or three significant figures."""
    return f"{factor:.0f}x" if factor >= 20 else f"{factor:.1f}x" if factor >= 3 else f"{factor:.2f}x"


def show(seconds: float) -> str:
    """Three significant figures with a unit."""
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


if __name__ == "__main__":
    raise SystemExit(main())

"""Run the benchmarks and print one table of ratios against the peers.

    python benches/report.py [--only P1 P3 ...] [--passes 3] [--levels avx512 avx2] [--markdown FILE]

Every pass runs hardmine and its peers in one process, one after the other; passes repeat the whole round, so a slow
spell of the machine falls on both. A figure is the median over passes of the median of its rounds. The ratio is the
peer's time over hardmine's: above 1 hardmine is faster. Peers do not depend on the level; they are timed again beside
each level, because only figures of the same run are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hardmine import _native

BENCHES = Path(__file__).resolve().parent


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="groups to run, such as P1 P4b (default: all)")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--levels", nargs="*", default=list(reversed(_native.isa_levels()))[:2])
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    options = parser.parse_args()

    lines = [*machine(), ""]
    for level in options.levels:
        times = measure(level, options.passes, set(options.only))
        lines += [f"### {level}", "", *table(times), ""]
    text = "\n".join(lines)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")
    return 0


def machine() -> list[str]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = models[0] if models else model
    packages = []
    for name in ("hardmine", "numpy", "torch", "faiss-cpu", "sentence-transformers"):
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            packages.append(f"{name} absent")
    levels = ", ".join(_native.isa_levels())
    return [
        f"{model}, {_native.available_threads()} processors, levels {levels}; Python {platform.python_version()}.",
        f"{', '.join(packages)}.",
    ]


def measure(level: str, passes: int, only: set[str]) -> dict[tuple[str, str], dict[str, list[float]]]:
    """Median seconds of every pass by (group, case) and contender."""
    times: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(passes):
        print(f"{level}: pass {number + 1} of {passes}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            command = [sys.executable, "-m", "pytest", str(BENCHES), "-q", "--benchmark-only", "--timeout=0"]
            command += ["-W", "default", "-p", "no:cacheprovider", f"--benchmark-json={result}"]
            environment = {**os.environ, "HARDMINE_ISA": level, "HARDMINE_BENCH_ONLY": " ".join(sorted(only))}
            run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if run.returncode or not result.exists():
                print(run.stdout[-4000:], file=sys.stderr)
                raise SystemExit(f"the benchmarks failed at level {level}")
            for entry in json.loads(result.read_text())["benchmarks"]:
                info = entry["extra_info"]
                key = (entry["group"] or "", str(info.get("case", "")))
                times[key][info.get("peer", entry["name"])].append(entry["stats"]["median"])
    return times


def table(times: dict[tuple[str, str], dict[str, list[float]]]) -> list[str]:
    """Markdown rows: one per group and case."""
    rows = ["| group | case | hardmine | peers: time (ratio) |", "|---|---|---|---|"]
    for (group, case), contenders in sorted(times.items()):
        medians = {peer: statistics.median(values) for peer, values in contenders.items()}
        ours = medians.pop("hardmine", None)
        peers = []
        for peer, seconds in sorted(medians.items(), key=lambda item: item[1]):
            ratio = f" ({seconds / ours:.2f}x)" if ours else ""
            peers.append(f"{peer} {show(seconds)}{ratio}")
        rows.append(f"| {group} | {case} | {show(ours) if ours else '-'} | {'; '.join(peers)} |")
    return rows


def show(seconds: float) -> str:
    """Three significant figures with a unit."""
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


if __name__ == "__main__":
    raise SystemExit(main())

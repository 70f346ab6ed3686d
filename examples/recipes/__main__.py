"""Every system of the papers, trained in miniature: what its paper claims, and whether it shows here.

    python -m examples.recipes                             # all of them, some minutes on two cores
    python -m examples.recipes --only simans triplets
    python -m examples.recipes --data FOLDER               # SimpleX on FOLDER/cf-lastfm instead of made interactions

A claim is shown where the 95 % t-interval of the paired difference over seeds lies above zero.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from pathlib import Path

from examples.recipes.shared import SIZES, Report, ignore_interrupts, recipe

SYSTEMS = {
    "nv_retriever": "NV-Retriever",
    "simans": "SimANS",
    "star_adore": "STAR, ADORE",
    "cet": "CET-style",
    "cluster_ns": "ClusterNS",
    "moco_bank": "MoCo bank",
    "r2anker": "R2anker-style",
    "pg_rank": "PG-RANK",
    "triplets": "triplets",
    "sar_pu": "SAR-PU",
    "simplex": "SimpleX",
    "fsc_clip": "FSC-CLIP-style",
    "asl": "ASL-style",
}
PAGE = """# Every system of the papers, in miniature

`python -m examples.recipes --output FILE` writes this page: what each paper claims, trained small, and whether it
shows. A - B is paired by seed; a claim is shown where its 95 % t-interval lies above zero, and what does not show is
left in the table. Most recipes train a projection over the frozen features of a made world whose relevance is known;
each file in [examples/recipes](../examples/recipes) says what it makes and trains, and settings were chosen on these
worlds. A made world says that the pieces work and can do what is claimed, not how much they do on real texts: for that
see [the study](study.md).
"""
HEADER = ("system", "effect (A over B)", "A", "B", "A - B, 95 % interval", "seeds", "shown")


def rows(name: str, report: Report) -> list[tuple[str, ...]]:
    """Table rows of a report."""
    found = []
    for effect in report.effects:
        mean, low, high = effect.difference
        sides = (sum(side) / len(side) for side in (effect.better, effect.worse))
        figures = (*(f"{side:.3f}" for side in sides), f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]")
        found.append((SYSTEMS[name], effect.claim, *figures, str(len(effect.better)), "yes" if effect.shown else "no"))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m examples.recipes", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS), metavar="NAME")
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--output", type=Path, help="write a page with the table to this file")
    parser.add_argument("--data", type=Path, help="folder that holds cf-lastfm")
    options = parser.parse_args(arguments)
    if options.data is not None and not (options.data / "cf-lastfm").is_dir():
        parser.error(f"--data: no folder cf-lastfm in {options.data}")
    size = SIZES[options.size]._replace(data=options.data)

    table = [HEADER]
    workers = min(len(options.only), os.cpu_count() or 1)
    with multiprocessing.get_context("spawn").Pool(
        workers, ignore_interrupts
    ) as pool:  # whatever ends the block ends them too
        running = [pool.apply_async(recipe, (name, size)) for name in options.only]
        for name, result in zip(options.only, running, strict=True):
            report, seconds = result.get()
            table += rows(name, report)
            print(f"{name}: {report.trains}; {seconds:.0f} s", file=sys.stderr)
    lines = ["| " + " | ".join(row) + " |" for row in (table[0], ("---",) * len(HEADER), *table[1:])]
    shown = sum(row[-1] == "yes" for row in table)
    lines += ["", f"{shown} of {len(table) - 1} effects shown."]
    print("\n".join(lines))
    if options.output:
        options.output.write_text("\n".join([PAGE, *lines, ""]))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")

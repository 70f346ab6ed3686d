"""The page of the study, from its records alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benches.quality.study import plan, text
from benches.quality.study.claims import WORLDS, compare, verdicts
from benches.quality.study.records import Records

BASES = ("in-batch", "random, n = 4")


def page(records: Records) -> str:
    """All of it."""
    judged = {key.student for key in records.found if key.stage == "test"}
    students = sorted(judged)
    lines = [text.HEAD]
    for student in students:
        lines += [f"### Student {student}", "", *_verdicts(records, student), ""]
    lines += ["## The collections", "", text.COLLECTIONS, "", *_worlds(records), ""]
    for student in students:
        for world in WORLDS:
            if records.test(world, student, "in-batch"):
                lines += [f"## {world}, student {student}", "", *_arms(records, world, student), ""]
    lines += [text.TAIL.format(hours=_hours(records), count=sum("seconds" in each for each in records.found.values()))]
    return "\n".join(lines)


def _hours(records: Records) -> str:
    return f"{sum(each.get('seconds', 0.0) for each in records.found.values()) / 3600:.1f}"


def _verdicts(records: Records, student: str) -> Iterator[str]:
    yield "| collection | claim | difference, 95 % interval | p, Holm | |"
    yield "|---|---|---|---|---|"
    for each in verdicts(records, student):
        name = f"{each.claim.better} over {each.than}"
        yield f"| {each.world} | {name} | {each.interval.show(4)} | {each.p:.3f} | {each.word} |"


def _worlds(records: Records) -> Iterator[str]:
    yield "| collection | trains | dev | judged | clusters | MiniLM itself |"
    yield "|---|---|---|---|---|---|"
    for name in (key.world for key in records.found if key.stage == "world"):
        found = records.world(name)
        parts = (f"{q:,} queries, {d:,} documents" for q, d in found["parts"].values())
        yield f"| {name} | {' | '.join(parts)} | {np.count_nonzero(found['sizes'][0])} | {found['teacher']:.3f} |"


def _arms(records: Records, world: str, student: str) -> Iterator[str]:
    yield "| beside the positives | false | chosen | dev | test | over in-batch | over random, n = 4 |"
    yield "|---|---|---|---|---|---|---|"
    for arm in plan.ARMS:
        found = records.test(world, student, arm)
        if not found:
            continue
        best = records.best(world, student, arm)
        value = plan.ARMS[arm].values[best % len(plan.ARMS[arm].values)]
        share, rate, temperature = plan.TRAININGS[best]
        chosen = f"{'' if value is None else f'{value}; '}{share:g}, {rate:g}, {temperature:g}"
        false = f"{100 * np.mean([each['false'] for each in found]):.1f} %" if "false" in found[0] else ""
        over = ("" if arm == base else compare(records, world, student, arm, base).show(4) for base in BASES)
        test = np.mean([each["test"] for each in found])
        chosen = "" if arm == "untrained" else chosen
        cells = (arm, false, chosen, f"{records.dev(world, student, arm):.4f}", f"{test:.4f}", *over)
        yield f"| {' | '.join(cells)} |"

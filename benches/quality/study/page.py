"""The page of the study, from its records alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benches.quality.study import plan
from benches.quality.study.claims import CLAIMS, FIRST, SECOND, WORLDS, Verdict, compare, verdicts
from benches.quality.study.records import Key, Records
from benches.quality.study.splits import LEAKS

WORDS = Path(__file__).with_name("page.md")
EARLIER = Path(__file__).with_name("earlier.jsonl.gz")
"""The trainings of the run before, whose claims stand on the page for collections that were not judged again."""
BASES = ("in-batch", "random, n = 4")


def page(records: Records) -> str:
    """All of it: the words of page.md with the tables between them."""
    students = sorted({key.student for key in records.found if key.stage == "test"})
    claimed = []
    for title, claims in CLAIMS.items():
        for student in students:
            found = verdicts(records, student, claims)
            claimed += [f"### {title}, student {student}", "", *_verdicts(found), ""] if found else []
    alike = []
    for student in students:
        found = [each for claims in CLAIMS.values() for each in verdicts(records, student, claims, alike=True)]
        alike += [f"### All claims, student {student}", "", *_verdicts(found), ""]
    arms = []
    for student in students:
        for world in WORLDS:
            if records.judged(world, student):
                arms += [f"### {world}, student {student}", "", *_arms(records, world, student), ""]
    again = {world for world in WORLDS for student in students if records.judged(world, student)}
    before = Records(EARLIER)
    found = [each for claims in (FIRST, SECOND) for each in verdicts(before, "A", claims) if each.world not in again]
    tables = {"claims": claimed, "alike": alike, "earlier": _verdicts(found), "worlds": _worlds(records), "arms": arms}
    seconds = [each["seconds"] for each in records.found.values() if "seconds" in each]
    return WORDS.read_text().format(
        **{name: "\n".join(lines).rstrip() for name, lines in tables.items()},
        count=len(seconds),
        hours=f"{sum(seconds) / 3600:.1f}",
    )


def _verdicts(found: list[Verdict]) -> Iterator[str]:
    yield "| collection | claim | difference, 95 % interval | p, Holm | |"
    yield "|---|---|---|---|---|"
    for each in found:
        name = f"{each.claim.better} over {each.than}"
        yield f"| {each.world} | {name} | {each.interval.show(4)} | {each.p:.3f} | {each.word} |"


def _worlds(records: Records) -> Iterator[str]:
    yield "| collection | trains | dev | judged | clusters | judged queries, answers that train | MiniLM itself |"
    yield "|---|---|---|---|---|---|---|"
    for name in (key.world for key in records.found if key.stage == "world"):
        found, split = records.world(name), records.found.get(Key(name, "", "", "split", 0, 0), {})
        parts = (f"{q:,} queries, {d:,} documents" for q, d in found["parts"].values())
        leaked = ", ".join(f"{split[check]:,}" for check in LEAKS) if split else "not checked"
        clusters = np.count_nonzero(found["sizes"][0])
        yield f"| {name} | {' | '.join(parts)} | {clusters} | {leaked} | {found['teacher']:.3f} |"


def _arms(records: Records, world: str, student: str) -> Iterator[str]:
    yield "| beside the positives | false | chosen | dev | test | over in-batch | over random, n = 4 |"
    yield "|---|---|---|---|---|---|---|"
    judged = records.judged(world, student)
    for arm in plan.arms(world, student):
        if arm not in judged:
            continue
        found = records.test(world, student, arm)
        value, how = plan.settings(plan.ARMS[arm], world, student)[records.best(world, student, arm)]
        weight = f", {how.kl:g}" if how.kl else ""
        chosen = f"{'' if value is None else f'{value}; '}{how.steps}, {how.rate:g}, {how.temperature:g}{weight}"
        told = world in plan.HIDDEN and "false" in found[0]
        false = f"{100 * np.mean([each['false'] for each in found]):.1f} %" if told else ""
        bases = (base if base != arm and base in judged else None for base in BASES)
        over = ("" if base is None else compare(records, world, student, arm, base).show(4) for base in bases)
        test = " and ".join(f"{mean:.4f}" for mean in _means(records, world, found))
        chosen = "" if arm == "untrained" else chosen
        cells = (arm, false, chosen, f"{records.dev(world, student, arm):.4f}", test, *over)
        yield f"| {' | '.join(cells)} |"


def _means(records: Records, world: str, found: list[dict]) -> Iterator[float]:
    """Test figures of clean queries, and of leaky ones where there are any."""
    for kind, counts in enumerate(records.world(world)["sizes"]):
        yield float(np.mean([sum(each["sums"][kind]) for each in found])) / 1e4 / sum(counts)

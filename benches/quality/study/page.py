"""The page of the study, from its records alone."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from benches.quality.study import plan
from benches.quality.study.claims import WORLDS, Verdict, compare, families, verdicts
from benches.quality.study.findings import Findings, full, listed
from benches.quality.study.lines import Key
from benches.quality.study.records import Records
from benches.quality.study.splits import LEAKS

PAGE, PAGE_EARLIER = (Path(__file__).with_name(name) for name in ("page.md", "earlier.md"))
EARLIER = Path(__file__).with_name("earlier.jsonl.gz")
"""The trainings of the run before, whose claims stand on the page for collections that were not judged again."""
PRETRAINED = {"B": "MiniLM, whose top layer learns", "C": "MiniLM, all of which learns"}
"""Students that start where the teacher ended."""
OTHERS = {"A8": f"A in batches of {plan.GRIDS['A8'].batch} instead of {plan.GRIDS['A'].batch}", **PRETRAINED}
"""What is not A."""
START = f": it starts where its teacher ended, and reads {plan.LENGTH} tokens"
ADDED = (
    ", on two collections whose dev part asks what the test asks (docstrings, a third, would have taken too long). It "
    "was added when all of A had been judged, and twelve dev figures of its own (in-batch, random documents and "
    "PercPos on banking77 and cranfield, two lengths of training, one seed) had been read"
)
LENGTHS = plan.GRIDS["A8"].crossed + plan.GRIDS["A8"].more
NUMBERS = {2: "two", 4: "four", 6: "six", 12: "twelve"}
TOLD = (("PercPos + KL", "PercPos"), ("PercPos", "naive"), ("PercPos", "in-batch"), ("PercPos", "random"))
"""What is said in words of the students that are not A."""
TOLD_OF_SMALL = (
    ("random", "in-batch"),
    ("fresh under PercPos", "PercPos"),
    ("PercPos + KL", "in-batch + KL"),
    ("PercPos + KL", "random + KL"),
    ("fresh, no ceiling + KL", "random + KL"),
)
BASES = ("in-batch", "random, n = 4")


def page(records: Records) -> str:
    """All of it: the words of page.md with the tables between them."""
    students = sorted({key.student for key in records.found if key.stage == "test"})
    claimed = []
    for student in students:
        for title, claims in families(student).items():
            found = verdicts(records, student, claims)
            claimed += [f"### {title}, student {student}", "", *_verdicts(found), ""] if found else []
    alike = []
    for student in students:
        same = (verdicts(records, student, claims, alike=True) for claims in families(student).values())
        alike += [f"### All claims, student {student}", "", *_verdicts(chain.from_iterable(same)), ""]
    arms = []
    for student in students:
        for world in WORLDS:
            if records.judged(world, student):
                arms += [f"### {world}, student {student}", "", *_arms(records, world, student), ""]
    before = Records(EARLIER, of_plan=False)
    findings = Findings(records, before)
    tables = {"claims": claimed, "alike": alike, "worlds": _worlds(records), "arms": arms}
    seconds = [each["seconds"] for key, each in records.found.items() if key.arm not in ("", "untrained")]
    text = PAGE.read_text().format(
        **{name: "\n".join(lines).rstrip() for name, lines in tables.items()},
        **_earlier(findings),
        **_said(findings),
        **_others(records, before, students),
        count=len(seconds),
        hours=f"{sum(seconds) / 3600:.1f}",
    )
    return re.sub(r"^- \*\*.*(?:\n  .*)*", _filled, text, flags=re.MULTILINE)


def _filled(item: re.Match[str]) -> str:
    """A list's item in lines of one length, none of which begins with the plus of "+ KL", which would be a list."""
    text = " ".join(item[0].split()).replace(" + ", "\0+\0")
    return textwrap.fill(text, 140, subsequent_indent="  ", break_on_hyphens=False).replace("\0", " ")


def _earlier(findings: Findings) -> dict[str, str]:
    """Of collections that were not judged anew; nothing where all were."""
    if not findings.left:
        return {"left": "", "earlier": ""}
    names = listed(findings.left)
    table = "\n".join(_verdicts(each for each in findings.old if each.world in findings.left))
    left = f"\nNot judged anew: {names}; their claims stand in a table of their own, with the intervals of today."
    return {"left": left, "earlier": PAGE_EARLIER.read_text().format(names=names.capitalize(), table=table)}


def _others(records: Records, before: Records, students: list[str]) -> dict[str, str]:
    """Of the students that are not A: what they are, what came of the claims, and which were not judged."""
    judged = [student for student in OTHERS if student in students]
    unjudged = [f"{student} ({OTHERS[student]})" for student in OTHERS if student not in students]
    items = []
    for student in judged:
        found = Findings(records, before, student)
        grid = plan.GRIDS[student]
        claims = TOLD + (TOLD_OF_SMALL if student == "A8" else ())
        told = "; ".join(f"{a} over {b}: {found.outcome(a, b)}" for a, b in claims)
        same = "; ".join(
            f"{a} over {b} {found.outcome(a, b, alike=True)}" for a, b in claims if not _choose_alike(a, b)
        )
        since = " and ".join(f"{arm} {found.sides(arm, 'untrained')}" for arm in ("in-batch", "PercPos"))
        moved = f" Over the model before training, by intervals that no adjustment has widened: {since}."
        items.append(
            f"- **Student {student}**, {OTHERS[student]}, with {NUMBERS[len(grid.crossed + grid.more)]} trainings an "
            f"arm to choose from: {told}. Where all arms choose among the same {NUMBERS[len(grid.crossed)]} trainings: "
            f"{same}.{moved if student in PRETRAINED else ''}\n"
        )
    what = "".join(f" {each} is {OTHERS[each]}{START if each in PRETRAINED else ADDED}." for each in judged)
    return {
        "students": what,
        "others": "".join(items),
        "unjudged": f" Not judged: student {listed(unjudged)}." if unjudged else "",
    }


def _favoured(findings: Findings) -> str:
    """What dev chose on banking77 for arms that had trainings of their own."""
    if "banking77" not in findings.anew:
        return "banking77 is not judged here"
    arms = ("in-batch", "random, n = 4", "naive, n = 4")
    return "; ".join(f"{arm}: {findings.chosen('banking77', arm)}" for arm in arms)


def _longest(findings: Findings) -> str:
    """A sentence on how often dev chose the longest training of small batches; nothing where none was judged."""
    chosen = [
        findings.setting(world, arm).training.steps == max(round(share * plan.STEPS[world]) for share, *_ in LENGTHS)
        for world in findings.anew
        for arm in sorted(findings.records.judged(world, "A8") - {"untrained"})
    ]
    return f" In small batches dev chose the longest for {sum(chosen)} of {len(chosen)} arms." if chosen else ""


def _oracle(findings: Findings) -> str:
    """An item on what there is to win; nothing where the run before is not there."""
    over = [findings.oracle(than) for than in ("PercPos", "random", "in-batch")]
    if "" in over:
        return ""
    return (
        "- **What a perfect filter of naive mining won.** Naive mining that leaves out what the hidden truth of "
        "banking77 calls relevant was judged in the run before (five seeds, six trainings an arm; no adjustment has "
        f"widened these intervals): over PercPos {over[0]}, over as many random documents {over[1]}, over the batch "
        f"alone {over[2]}. The batch's own documents were not filtered, and of draws from other places than the top "
        "that says nothing.\n"
    )


def _choose_alike(*arms: str) -> bool:
    """Whether all of their trainings are those that every arm has."""
    return all(len(plan.ARMS[full(arm)].values) > 1 or plan.ARMS[full(arm)].kl for arm in arms)


def _said(findings: Findings) -> dict[str, str]:
    """The phrases of "What it says"."""
    claims = {
        "kl": ("PercPos + KL", "PercPos"),
        "random_kl": ("PercPos + KL", "random + KL"),
        "fresh_random_kl": ("fresh, no ceiling + KL", "random + KL"),
        "naive_kl": ("PercPos + KL", "naive + KL"),
        "batch": ("PercPos + KL", "in-batch"),
        "batch_kl": ("PercPos + KL", "in-batch + KL"),
        "percpos_batch": ("PercPos", "in-batch"),
        "percpos_random": ("PercPos", "random"),
        "naive": ("PercPos", "naive"),
        "anchored": ("Anchored 1", "PercPos"),
        "ensemble": ("ensemble", "PercPos"),
        "fresh": ("fresh under PercPos", "PercPos"),
        "one": ("PercPos, n = 1", "PercPos"),
        "masked": ("random, masked", "random"),
    }
    said = {name: findings.outcome(*arms) for name, arms in claims.items()}
    said |= {f"{name}_alike": findings.outcome(*claims[name], alike=True) for name in ("percpos_random", "naive")}
    said |= {f"{name}_before": findings.earlier(*claims[name]) for name in ("naive", "masked")}
    return said | {
        "ceilings": findings.other_values("PercPos + KL", "PercPos"),
        "one_tuned": findings.tuned("PercPos, n = 1", "PercPos"),
        "above_the_batch": findings.above_the_batch(),
        "oracle": _oracle(findings),
        **{
            f"b_{name}": findings.of("B").outcome("PercPos", than)
            for name, than in (("random", "random"), ("batch", "in-batch"))
        },
        "favoured": _favoured(findings),
        "longest": _longest(findings.of("A8")),
        **findings.leaky("PercPos + KL", "PercPos"),
    }


def _verdicts(found: Iterable[Verdict]) -> Iterator[str]:
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
        chosen = plan.settings(plan.ARMS[arm], world, student)[records.best(world, student, arm)].show()
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

"""What the study found, as phrases: for its page, and for the pages that quote it, which a test compares with these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benches.quality.study import plan
from benches.quality.study.claims import CLAIMS, FIRST, SECOND, WORLDS, Verdict, compare, verdicts
from benches.quality.study.records import Records
from examples.recipes.intervals import Interval

WORDS = {"shows": "shows", "the other way round": "is the other way round", "does not show": "does not show"}
SIDES = {"above 0": "is above 0", "below 0": "is below 0", "covers 0": "covers 0"}
"""Of intervals that no adjustment has widened."""


class Found(NamedTuple):
    """A difference on one collection, and a word for it; of the run before, or of this one."""

    world: str
    word: str
    interval: Interval
    before: bool


def full(arm: str) -> str:
    """An arm by its name, or by its name without "n = 4"."""
    return arm if arm in plan.ARMS else f"{arm}, n = 4"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


class Findings:
    """Of student A: this run, and the run before for collections that were not judged anew."""

    def __init__(self, records: Records, before: Records) -> None:
        self.records, self.before = records, before
        self.anew = [world for world in WORLDS if records.judged(world, "A")]
        self.left = [world for world in WORLDS if world not in self.anew and before.judged(world, "A")]
        self.registered = [each for claims in CLAIMS.values() for each in verdicts(records, "A", claims)]
        self.same = [each for claims in CLAIMS.values() for each in verdicts(records, "A", claims, alike=True)]
        self.old = [each for claims in (FIRST, SECOND) for each in verdicts(before, "A", claims)]

    def claim(self, better: str, than: str, *, alike: bool = False) -> list[Found]:
        """What came of a claim; alike: each arm in its best of the trainings that all have, of this run alone."""

        def wanted(each: Verdict) -> bool:
            return (each.claim.better, each.claim.than[0]) == (full(better), full(than))

        found = [
            Found(v.world, v.word, v.interval, False) for v in (self.same if alike else self.registered) if wanted(v)
        ]
        if not alike:
            found += [Found(v.world, v.word, v.interval, True) for v in self.old if wanted(v) and v.world in self.left]
        return found

    def pair(self, a: str, b: str) -> list[Found]:
        """The differences of any two arms, by the sides of their intervals, which no adjustment has widened."""
        sides = ((self.records, self.anew, False), (self.before, self.left, True))
        found = []
        for records, worlds, before in sides:
            for world in worlds:
                if {full(a), full(b)} <= records.judged(world, "A"):
                    interval = compare(records, world, "A", full(a), full(b))
                    found.append(Found(world, interval.side, interval, before))
        return found

    def outcome(self, better: str, than: str, *, alike: bool = False) -> str:
        """A claim on all collections, with the differences: "shows on X (+0.071), does not show on Y (+0.002)"."""
        return told(self.claim(better, than, alike=alike), WORDS)

    def on(self, better: str, than: str, word: str, *, alike: bool = False) -> str:
        """Where a claim has one of the words: "on X and, in the run before, Y", or "nowhere"."""
        return where(each for each in self.claim(better, than, alike=alike) if each.word == word)

    def above_the_batch(self) -> str:
        """How many arms without the teacher's scores in any form are above in-batch negatives alone."""
        arms = [name for name, arm in plan.ARMS.items() if not arm.kl and not arm.masked]
        pairs = [(name, each) for name in arms[2:] for each in self.pair(name, "in-batch")]
        phrases = []
        for world in (*self.anew, *self.left):
            there = [each.word == "above 0" for _, each in pairs if each.world == world]
            before = " in the run before" if world in self.left else ""
            phrases.append(f"{sum(there)} of {len(there)} on {world}{before}")
        return listed(phrases)

    def earlier(self, better: str, than: str) -> str:
        """A sentence on what the run before found of a claim on collections that were judged anew; nothing without."""
        wanted = (full(better), full(than))
        found = [
            each for each in self.old if (each.claim.better, each.claim.than[0]) == wanted and each.world in self.anew
        ]
        if not found:
            return ""
        return f"Of what was judged twice, the run before said: it {told([Found(v.world, v.word, v.interval, False) for v in found], WORDS)}. "

    def leaky(self, a: str, b: str) -> dict[str, str]:
        """A difference on the claims of scifact whose abstract was trained on, and on all."""
        if "scifact" not in self.anew:
            return dict.fromkeys(("leaky", "all", "on_leaky", "on_all"), "(not judged)")
        sizes = [sum(each) for each in self.records.world("scifact")["sizes"]]
        found = (compare(self.records, "scifact", "A", full(a), full(b), kinds=kinds) for kinds in ((1,), (0, 1)))
        on_leaky, on_all = (f"{each.show(3)} ({each.side})" for each in found)
        return {"leaky": f"{sizes[1]}", "all": f"{sum(sizes)}", "on_leaky": on_leaky, "on_all": on_all}

    def other_values(self, a: str, b: str) -> str:
        """A sentence on the collections where two arms of one rule were tuned to other values of it; nothing without."""
        pairs = {world: (self.setting(world, a).value, self.setting(world, b).value) for world in self.anew}
        other = [f"{world} (f = {one} beside {two})" for world, (one, two) in pairs.items() if one != two]
        return f"Their negatives are not the same on {listed(other)}." if other else ""

    def tuned(self, a: str, b: str) -> str:
        """What dev chose for two arms on the collections of this run where it is not the same."""
        pairs = {world: (self.chosen(world, a), self.chosen(world, b)) for world in self.anew}
        return "; ".join(f"{world}: {one} beside {two}" for world, (one, two) in pairs.items() if one != two)

    def chosen(self, world: str, arm: str) -> str:
        """What dev chose for an arm."""
        return self.setting(world, arm).show()

    def setting(self, world: str, arm: str) -> plan.Setting:
        """The same as a value."""
        name = full(arm)
        return plan.settings(plan.ARMS[name], world)[self.records.best(world, "A", name)]


def where(found: Iterable[Found]) -> str:
    """The collections of some differences, with those of the run before named as such."""
    found = list(found)
    if not found:
        return "nowhere"
    old = listed(names) if (names := [each.world for each in found if each.before]) else ""
    now = [each.world for each in found if not each.before]
    if now and old:
        return f"on {listed(now)}, and in the run before on {old}"
    return f"on {listed(now)}" if now else f"in the run before on {old}"


def told(found: Sequence[Found], words: dict[str, str]) -> str:
    """Differences by their words, those of the run before behind the others."""
    parts = []
    for before in (False, True):
        phrases = []
        for word, verb in words.items():
            there = [
                f"{each.world} ({each.interval.mean:+.3f})"
                for each in found
                if (each.word, each.before) == (word, before)
            ]
            if there:
                phrases.append(f"{verb} on {listed(there)}")
        if phrases:
            parts.append(f"{'in the run before it ' if before else ''}{', '.join(phrases)}")
    return "; ".join(parts) or "was not judged"

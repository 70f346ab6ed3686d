"""What the study found, as phrases: for its page, and for the pages that quote it, which a test compares with these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benches.quality.study import plan
from benches.quality.study.claims import FIRST, SECOND, WORLDS, Verdict, compare, families, verdicts
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
    """Of one student: this run, and the run before, of A, for collections that were not judged anew."""

    def __init__(self, records: Records, before: Records, student: str = "A") -> None:
        self.records, self.before, self.student = records, before, student
        self.anew = [world for world in WORLDS if records.judged(world, student)]
        self.left = [world for world in WORLDS if world not in self.anew and before.judged(world, student)]
        self.registered = [each for claims in families(student).values() for each in verdicts(records, student, claims)]
        self.same = [
            each for claims in families(student).values() for each in verdicts(records, student, claims, alike=True)
        ]
        self.old = [each for claims in (FIRST, SECOND) for each in verdicts(before, student, claims)]

    def of(self, student: str) -> Findings:
        """The same of another student."""
        return Findings(self.records, self.before, student)

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
        old = self._pair(self.before, self.left, a, b)
        return self._pair(self.records, self.anew, a, b) + [each._replace(before=True) for each in old]

    def _pair(self, records: Records, worlds: Sequence[str], a: str, b: str) -> list[Found]:
        found = []
        for world in worlds:
            if {full(a), full(b)} <= records.judged(world, self.student):
                interval = compare(records, world, self.student, full(a), full(b))
                found.append(Found(world, interval.side, interval, False))
        return found

    def outcome(self, better: str, than: str, *, alike: bool = False, means: bool = True) -> str:
        """A claim on all collections: "shows on X (+0.071), does not show on Y (+0.002)"."""
        return told(self.claim(better, than, alike=alike), WORDS, means=means)

    @staticmethod
    def at(world: str, found: Sequence[Found]) -> str:
        """One collection's of some differences: "shows (+0.071)"."""
        (one,) = (each for each in found if each.world == world)
        word = {**WORDS, **SIDES}[one.word]
        return f"{word} ({one.interval.mean:+.3f}{', in the run before' if one.before else ''})"

    def above_the_batch(self) -> str:
        """How many arms without the teacher's scores in any form are above in-batch negatives alone."""
        arms = [name for name, arm in plan.ARMS.items() if (arm.rule or arm.random) and not arm.kl and not arm.masked]
        pairs = [each for name in arms for each in self.pair(name, "in-batch")]
        phrases = []
        for world in (*self.anew, *self.left):
            there = [each.word == "above 0" for each in pairs if each.world == world]
            before = " in the run before" if world in self.left else ""
            phrases.append(f"{sum(there)} of {len(there)} on {world}{before}")
        return listed(phrases)

    def sides(self, a: str, b: str) -> str:
        """Any two arms on all collections, with the differences: "is above 0 on X (+0.071), covers 0 on Y (+0.002)"."""
        return told(self.pair(a, b), SIDES)

    def oracle(self, than: str) -> str:
        """By the run before alone, mining that knows the hidden truth of banking77 over an arm; nothing without it."""
        found = self._pair(self.before, ("banking77",), "oracle", than)
        return f"{found[0].interval.show(3)} ({found[0].word})" if found else ""

    def sides_before(self, a: str, b: str) -> str:
        """The same by the run before alone."""
        return told(self._pair(self.before, WORLDS, a, b), SIDES)

    def earlier(self, better: str, than: str) -> str:
        """A sentence on what the run before found of a claim on collections that were judged anew; nothing without."""
        wanted = (full(better), full(than))
        found = [
            each for each in self.old if (each.claim.better, each.claim.than[0]) == wanted and each.world in self.anew
        ]
        if not found:
            return ""
        outcome = told([Found(v.world, v.word, v.interval, False) for v in found], WORDS)
        return f"Of what was judged twice, the run before said: it {outcome}. "

    def leaky(self, a: str, b: str) -> dict[str, str]:
        """A difference on the claims of scifact whose abstract answers another of train or dev, and on all."""
        if "scifact" not in self._both(a, b) or len(self.records.world("scifact")["sizes"]) < 2:
            return dict.fromkeys(("leaky", "all", "on_leaky", "on_all"), "(not judged)")
        sizes = [sum(each) for each in self.records.world("scifact")["sizes"]]
        found = (
            compare(self.records, "scifact", self.student, full(a), full(b), kinds=kinds) for kinds in ((1,), (0, 1))
        )
        on_leaky, on_all = (f"{each.show(3)} ({each.side})" for each in found)
        return {"leaky": f"{sizes[1]}", "all": f"{sum(sizes)}", "on_leaky": on_leaky, "on_all": on_all}

    def other_values(self, a: str, b: str) -> str:
        """A sentence on the collections where two arms were tuned to other values of their rule; nothing without."""
        pairs = {world: (self.setting(world, a).value, self.setting(world, b).value) for world in self._both(a, b)}
        other = [f"{world} (f = {one} beside {two})" for world, (one, two) in pairs.items() if one != two]
        return f"Their negatives are not the same on {listed(other)}." if other else ""

    def tuned(self, a: str, b: str) -> str:
        """What dev chose for two arms on the collections of this run where it is not the same."""
        pairs = {world: (self.chosen(world, a), self.chosen(world, b)) for world in self._both(a, b)}
        return "; ".join(f"{world}: {one} beside {two}" for world, (one, two) in pairs.items() if one != two)

    def _both(self, a: str, b: str) -> list[str]:
        return [world for world in self.anew if {full(a), full(b)} <= self.records.judged(world, self.student)]

    def false(self, arm: str) -> str:
        """The share of the negatives of an arm on banking77 that are relevant."""
        found = self.records.test("banking77", self.student, full(arm))
        return f"{100 * sum(each['false'] for each in found) / len(found):.1f} %"

    def chosen(self, world: str, arm: str) -> str:
        """What dev chose for an arm."""
        return self.setting(world, arm).show()

    def setting(self, world: str, arm: str) -> plan.Setting:
        """The same as a value."""
        name = full(arm)
        return plan.settings(plan.ARMS[name], world, self.student)[self.records.best(world, self.student, name)]


def told(found: Sequence[Found], words: dict[str, str], *, means: bool = True) -> str:
    """Differences by their words, those of the run before behind the others."""
    parts = []
    for before in (False, True):
        phrases = []
        for word, verb in words.items():
            there = [each for each in found if (each.word, each.before) == (word, before)]
            names = [f"{each.world} ({each.interval.mean:+.3f})" if means else each.world for each in there]
            if names:
                phrases.append(f"{verb} on {listed(names)}")
        if phrases:
            parts.append(f"{'in the run before it ' if before else ''}{', '.join(phrases)}")
    return "; ".join(parts) or "was not judged"

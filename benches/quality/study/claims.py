"""What the study claims, and what came of it.

All claims of student A were written down before this run judged anything. The first two groups are older than the
earlier run's test figures; the third was written after an earlier run's test figures of banking77, docstrings,
cranfield and cisi had been read. Of scifact's judged claims the study that this one replaced, whose page is withdrawn,
and the recipe of R2anker had shown figures by then. Those of A8, which is A in small batches, were written down before
it was judged, when A's figures of the same queries had been read, and twelve dev figures of its own: in-batch, random
documents and PercPos, on banking77 and cranfield, two lengths of training, one seed. Students B and C were given their
arms when student A's figures on the same queries had been read: of them nothing was registered.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benches.quality.study.plan import shared
from benches.quality.study.records import Records
from examples.recipes.intervals import Interval, holm, over_clusters

SINGLE = ("PercPos, n = 4", "PercPos of BM25, n = 4")
"""The ensemble's two teachers, each alone; the one with the better dev figure is what the ensemble is compared with."""


class Claim(NamedTuple):
    """That one arm trains a better retriever than another; two others stand for the better of them on dev."""

    better: str
    than: tuple[str, ...]
    why: str


FIRST = (
    Claim("PercPos, n = 4", ("naive, n = 4",), "a ceiling under the positive repairs naive mining"),
    Claim("PercPos, n = 4", ("in-batch",), "mined negatives are worth their cost"),
    Claim("PercPos, n = 4", ("random, n = 4",), "they are worth more than as many random documents"),
    Claim("Anchored 1, n = 4", ("PercPos, n = 4",), "looking at the positive's document too"),
    Claim("ensemble, n = 4", SINGLE, "two teachers against the better one under the same rule"),
)
SECOND = (
    Claim("fresh, no ceiling + KL, n = 4", ("PercPos, n = 4",), "high on both dev parts, against PercPos"),
    Claim("fresh, no ceiling + KL, n = 4", ("random, n = 4",), "against as many random documents"),
    Claim("PercPos + KL, n = 4", ("PercPos, n = 4",), "the same rule, tuned anew: the teacher's scores in the loss"),
    Claim("fresh, no ceiling + KL, n = 4", ("random + KL, n = 4",), "mining still pays when they are in the loss"),
    Claim("random, masked, n = 4", ("random, n = 4",), "a ceiling on the batch's own documents"),
)
"""Found on the dev parts of banking77 and docstrings, before what was judged, or cranfield and cisi, was read."""
THIRD = (
    Claim("PercPos + KL, n = 4", ("in-batch",), "mined negatives and the teacher's scores, against doing nothing"),
    Claim("PercPos + KL, n = 4", ("in-batch + KL",), "with the scores in the loss, further documents pay"),
    Claim("PercPos + KL, n = 4", ("random + KL, n = 4",), "and that they are mined pays"),
    Claim("PercPos + KL, n = 4", ("naive + KL, n = 4",), "and so does the ceiling"),
    Claim("fresh under PercPos, n = 4", ("PercPos, n = 4",), "drawn anew every epoch, against always the top"),
    Claim("PercPos, n = 1", ("PercPos, n = 4",), "fewer of them"),
)
CLAIMS = {
    "Written down first, after dev figures of a first try on banking77": FIRST,
    "Written down after the dev parts of banking77 and docstrings, before what was judged was read": SECOND,
    "Written down after an earlier run, before this one": THIRD,
}
OF_OTHERS = {
    "What its arms allow of the three groups, chosen when student A's figures of the same queries had been read": (
        *FIRST,
        *SECOND,
        *THIRD,
    )
}
SMALL = (
    Claim("random, n = 4", ("in-batch",), "a small batch has few negatives: further documents pay"),
    Claim("PercPos, n = 4", ("in-batch",), "and so do mined ones"),
    Claim("PercPos, n = 4", ("random, n = 4",), "which are worth more than as many random documents"),
    Claim("PercPos, n = 4", ("naive, n = 4",), "a ceiling under the positive repairs naive mining"),
    Claim("fresh under PercPos, n = 4", ("PercPos, n = 4",), "drawn anew every epoch, against always the top"),
    Claim("PercPos + KL, n = 4", ("PercPos, n = 4",), "the same rule, tuned anew: the teacher's scores in the loss"),
    Claim("PercPos + KL, n = 4", ("in-batch + KL",), "with the scores in the loss, further documents pay"),
    Claim("PercPos + KL, n = 4", ("random + KL, n = 4",), "and that they are mined pays"),
    Claim(
        "fresh, no ceiling + KL, n = 4", ("random + KL, n = 4",), "and so it does with fresh draws without a ceiling"
    ),
)
OF_SMALL = {
    "Written down before small batches were judged, when other figures of these queries had been read": SMALL,
}
WORLDS = ("banking77", "docstrings", "cranfield", "cisi", "scifact")


def families(student: str) -> dict[str, tuple[Claim, ...]]:
    """The claims on a student that are adjusted together, by title."""
    return {"A": CLAIMS, "A8": OF_SMALL}.get(student, OF_OTHERS)


class Verdict(NamedTuple):
    """Of a claim on a world: the difference, its p among all claims of the family, and the word for it."""

    world: str
    claim: Claim
    than: str
    interval: Interval
    p: float

    @property
    def word(self) -> str:
        """Nothing stronger is to be read from it."""
        if self.p >= 0.05:
            return "does not show"
        return "shows" if self.interval.mean > 0 else "the other way round"


def compare(
    records: Records, world: str, student: str, a: str, b: str, *, alike: bool = False, kinds: tuple[int, ...] = (0,)
) -> Interval:
    """Test nDCG@10 of one arm over another, paired, by clusters and seeds.

    Alike: each in its best setting of those whose trainings every arm has. Kinds: of clean queries (0), leaky ones (1).
    """
    counts = np.asarray(records.world(world)["sizes"])[list(kinds)].sum(0)
    there = counts > 0  # a cluster of the other kind alone is none of this one
    settings = {arm: shared(arm, student) if alike else None for arm in (a, b)}
    sides = []
    for arm in (a, b):
        sums = np.asarray([each["sums"] for each in records.test(world, student, arm, settings[arm])], np.float64)
        sides.append(sums[:, list(kinds)].sum(1) / 1e4)
    return over_clusters(*(side[:, there] for side in sides), np.flatnonzero(there), sizes=counts[there])


def verdicts(records: Records, student: str, claims: tuple[Claim, ...], *, alike: bool = False) -> list[Verdict]:
    """Of all claims on all worlds that the student was judged on, one family; alike as in `compare`."""
    found = []
    for world in WORLDS:
        judged = records.judged(world, student, lambda arm: shared(arm, student) if alike else None)
        for claim in claims:
            if {claim.better, *claim.than} <= judged:
                than = max(claim.than, key=lambda arm: records.dev(world, student, arm))
                found.append((world, claim, than, compare(records, world, student, claim.better, than, alike=alike)))
    adjusted = holm([each[3].p for each in found])
    return [Verdict(*each, p) for each, p in zip(found, adjusted, strict=True)]

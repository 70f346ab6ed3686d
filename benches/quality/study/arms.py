"""The negatives of an arm: what its teachers retrieve, what its rule keeps."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

import hardmine as hm
from benches.quality.study.plan import DEPTH, Arm
from examples.recipes.students import Draw
from examples.recipes.worlds import Part


class Pool:
    """What the teachers retrieve for the queries that train."""

    def __init__(self, part: Part) -> None:
        self.part = part

    @cached_property
    def dense(self) -> tuple[hm.Candidates, hm.Positives]:
        """MiniLM's candidates, with the cosines of each to the labelled positive."""
        queries, documents, labels = self.part.queries.vectors, self.part.documents.vectors, self.part.labels
        scores = hm.pair_scores(queries, documents, labels.query_of_each, labels.ids)
        scored = labels.with_scores(scores)
        return hm.anchor_scores(hm.search(queries, documents, self._depth), scored, documents), scored

    @cached_property
    def lexical(self) -> tuple[hm.Candidates, hm.Positives]:
        """BM25's."""
        run = hm.retrieve(self.part.collection, "bm25", k=self._depth, progress=False)
        return run, run.positives

    @property
    def _depth(self) -> int:
        return min(DEPTH, len(self.part.documents.texts))

    def draw(self, arm: Arm, value: Any, seed: int) -> Draw | None:
        """Of an epoch its negatives; the same in all epochs where the arm is not fresh. None for an arm without."""
        if arm.rule is None:
            return None
        rule = arm.rule(arm.n, value).replace(seed=seed)

        def select(epoch: int) -> np.ndarray:
            exclude = self.part.truth if arm.truth else None
            runs = [
                hm.select(*getattr(self, teacher), rule, epoch=epoch, document_groups=self.part.groups, exclude=exclude)
                for teacher in arm.teachers
            ]
            if len(runs) == 1:
                return runs[0].padded()[0]
            return hm.ensemble(runs, scheme="intra_sample", num_negatives=arm.n, seed=seed).padded()[0]

        if arm.fresh:
            return select
        kept = select(0)
        return lambda _: kept

    def false_negatives(self, negatives: np.ndarray) -> float:
        """Share of negatives [q, n] that are relevant by the hidden truth."""
        there = negatives >= 0
        return float(self.part.relevant(negatives, np.arange(len(negatives)))[there].mean()) if there.any() else 0.0

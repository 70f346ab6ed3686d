"""The students of the study."""

from __future__ import annotations

import torch

from benches.quality.study import plan
from examples.recipes.students import Bag, ndcg
from examples.recipes.worlds import Part


class RandomStart:
    """A: a bag of word pieces; it shares nothing with the teacher but the word pieces."""

    settings = range(6)

    def __call__(self, seed: int) -> torch.nn.Module:
        """A new one."""
        return Bag(seed)

    @staticmethod
    def arms(world: str) -> tuple[str, ...]:
        """Those that it is trained with."""
        return plan.arms(world)


STUDENTS = {"A": RandomStart}


def of_teacher(part: Part) -> float:
    """nDCG@10 of MiniLM itself."""
    return float(ndcg(part.queries.vectors, part.documents.vectors, part).mean())

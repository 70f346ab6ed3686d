"""Runs of abstracts: originals, and copies that hold less of them.

An original is a run of an abstract's pieces. A copy is a run of the original; half of the copies are filled up to its
length with another abstract, so that counting pieces does not tell them apart. A pair is right if the reference is the
original of the query. The other way round it is wrong, and no threshold on a cosine sees that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from examples.recipes.students import Bag
from examples.recipes.worlds import SEED

RECALL = 0.9


def views(tokens: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """New originals and copies of abstracts, int64 [n, 64] each."""
    count, width = tokens.shape
    sizes = np.maximum((tokens > 0).sum(1), 1)
    lengths = np.ceil(sizes * rng.uniform(0.5, 1.0, count)).astype(int)
    starts = rng.integers(0, sizes - lengths + 1)
    kept = np.ceil(lengths * rng.uniform(0.5, 0.9, count)).astype(int)
    offsets = rng.integers(0, lengths - kept + 1)
    filled = rng.random(count) < 0.5
    places, rows = np.arange(width)[None], np.arange(count)[:, None]

    def run(start: np.ndarray, length: np.ndarray) -> np.ndarray:
        inside = np.minimum(start[:, None] + places, width - 1)
        return np.where(places < length[:, None], tokens[rows, inside], 0)

    copies, other = run(starts + offsets, kept), np.roll(rows, 1)
    filling = tokens[other, (places - kept[:, None]) % sizes[other]]
    own = places < kept[:, None]
    copies = np.where(~own & filled[:, None] & (places < lengths[:, None]), filling, copies)
    return torch.from_numpy(run(starts, lengths)), torch.from_numpy(copies)


class Pairs(NamedTuple):
    """All queries and references: their cosines, which pairs are right, their vectors, how many pieces they have."""

    cosines: torch.Tensor
    right: torch.Tensor
    vectors: list[torch.Tensor]
    pieces: list[torch.Tensor]

    def kept(self, arm: str, ratio: float) -> torch.Tensor:
        """Pairs that the filter of an arm leaves."""
        if arm == "none":
            return torch.ones_like(self.right)
        return ~hm.losses.norm_ratio_mask(*(self.pieces if arm == "pieces" else self.vectors), threshold=ratio)

    def threshold(self, kept: torch.Tensor) -> float:
        """The cosine that finds 90 % of the right pairs; -1 where the filter leaves fewer."""
        return float(self.cosines.masked_fill(~kept, -1.0)[self.right].quantile(1 - RECALL, interpolation="lower"))

    def wrong(self, found: torch.Tensor) -> np.ndarray:
        """False positives of every query."""
        return (found & ~self.right).sum(1).numpy()


@torch.no_grad()
def pairs(model: Bag, tokens: np.ndarray) -> Pairs:
    """Queries are copies of the first half of the abstracts, originals of the rest; references the other way round."""
    originals, copies = views(tokens, np.random.default_rng(SEED))
    half = len(tokens) // 2
    sides = [torch.cat([a[:half], b[half:]]) for a, b in ((copies, originals), (originals, copies))]
    vectors = [model.pooled(side) for side in sides]
    right = torch.diag(torch.arange(len(tokens)) < half)
    cosines = functional.normalize(vectors[0]) @ functional.normalize(vectors[1]).T
    return Pairs(cosines, right, vectors, [(side > 0).sum(1, keepdim=True).float() for side in sides])

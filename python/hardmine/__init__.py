"""Hard-negative mining for retrieval and embedding models: exact, deterministic, fast.

The names below need NumPy alone. What needs an extra (texts, models, files) is imported when first used, and says which
extra to install where it is missing.
"""

from __future__ import annotations

import importlib
from typing import Any

from hardmine._native import __version__
from hardmine._tables import StringTable
from hardmine.bank import MemoryBank
from hardmine.candidates import REASONS, Candidates, Negatives, Positives, Ranking
from hardmine.ceilings import Absolute, AllOf, Anchored, MarginPos, NoCeiling, PercPos
from hardmine.clusters import Clusters, OnlineClusters, spherical_kmeans
from hardmine.draw import AliasTable, draw, sample_uniform
from hardmine.draws import (
    Among,
    Laplace,
    Popularity,
    RankPower,
    SimANS,
    Softmax,
    Stratified,
    Top,
    TopThen,
    Uniform,
    Weighted,
)
from hardmine.dynamic import DynamicLists, DynamicMiner
from hardmine.ensemble import ensemble
from hardmine.fuse import fuse
from hardmine.in_batch import in_batch_mask
from hardmine.merge import merge
from hardmine.mine import Mined, mine
from hardmine.mine_scores import mine_scores
from hardmine.retrieve import retrieve
from hardmine.search import ExactIndex, pair_scores, search
from hardmine.select import anchor_scores, select
from hardmine.selection import Selection
from hardmine.topk import TopKAccumulator, topk
from hardmine.triplets import triplets

_LAZY: dict[str, str] = {
    "Collection": "hardmine.collection",
    "data": "hardmine.data",
    "formats": "hardmine.formats",
    "losses": "hardmine.losses",
    "teachers": "hardmine.teachers",
    "strategies": "hardmine.strategies",
}
"""Public names that live in modules with heavier needs, and those modules."""

__all__ = [
    "REASONS",
    "Absolute",
    "AliasTable",
    "AllOf",
    "Among",
    "Anchored",
    "Candidates",
    "Clusters",
    "Collection",
    "DynamicLists",
    "DynamicMiner",
    "ExactIndex",
    "Laplace",
    "MarginPos",
    "MemoryBank",
    "Mined",
    "Negatives",
    "NoCeiling",
    "OnlineClusters",
    "PercPos",
    "Popularity",
    "Positives",
    "RankPower",
    "Ranking",
    "Selection",
    "SimANS",
    "Softmax",
    "Stratified",
    "StringTable",
    "Top",
    "TopKAccumulator",
    "TopThen",
    "Uniform",
    "Weighted",
    "__version__",
    "anchor_scores",
    "data",
    "draw",
    "ensemble",
    "formats",
    "fuse",
    "in_batch_mask",
    "losses",
    "merge",
    "mine",
    "mine_scores",
    "pair_scores",
    "retrieve",
    "sample_uniform",
    "search",
    "select",
    "spherical_kmeans",
    "strategies",
    "teachers",
    "topk",
    "triplets",
]


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'hardmine' has no attribute {name!r}")
    found = importlib.import_module(module)
    value = found if module == f"hardmine.{name}" else getattr(found, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})

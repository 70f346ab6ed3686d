"""Hard-negative mining for retrieval and embedding models: exact, deterministic, fast.

The names below need NumPy alone. What needs an extra (texts, models, files) is imported when first used, and says which
extra to install where it is missing.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from hardmine._native import __version__
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import REASONS, Ranking
from hardmine.nouns.negatives import Negatives
from hardmine.nouns.positives import Positives
from hardmine.nouns.strings import StringTable
from hardmine.pipeline.mine import mine
from hardmine.pipeline.mined import Mined
from hardmine.pipeline.retrieve import retrieve
from hardmine.primitives.anchors import anchor_scores
from hardmine.primitives.batch.mask import in_batch_mask
from hardmine.primitives.batch.triplets import triplets
from hardmine.primitives.draw import AliasTable, draw, sample_uniform
from hardmine.primitives.ensemble import ensemble
from hardmine.primitives.fuse import fuse
from hardmine.primitives.mine_scores import mine_scores
from hardmine.primitives.search.index import ExactIndex, pair_scores, search
from hardmine.primitives.select import select
from hardmine.primitives.topk import TopKAccumulator, topk
from hardmine.rules.ceilings import Absolute, AllOf, Anchored, MarginPos, NoCeiling, PercPos
from hardmine.rules.draws import (
    Laplace,
    Popularity,
    RankPower,
    SimANS,
    Softmax,
    Top,
    TopThen,
    Uniform,
    Weighted,
)
from hardmine.rules.selection import Selection
from hardmine.training.bank import MemoryBank
from hardmine.training.clusters import Clusters, OnlineClusters, spherical_kmeans
from hardmine.training.dynamic import DynamicLists, DynamicMiner

_LAZY: dict[str, tuple[str, str | None]] = {
    "Collection": ("hardmine.nouns.collection", "pyarrow"),
    "data": ("hardmine.data", "torch"),
    "formats": ("hardmine.formats", None),
    "losses": ("hardmine.losses", "torch"),
    "strategies": ("hardmine.rules.strategies", None),
    "teachers": ("hardmine.teachers", None),
}
"""Public names that live in modules with heavier needs: those modules, and the package without which they are not."""

__all__ = [
    "REASONS",
    "Absolute",
    "AliasTable",
    "AllOf",
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


def _is_there(package: str | None) -> bool:
    try:
        return package is None or importlib.util.find_spec(package) is not None
    except ValueError:  # somebody blocked it
        return False


for _name, (_, _package) in _LAZY.items():
    if not _is_there(_package):  # `import *` takes what there is; asking for the name says which extra brings it
        __all__.remove(_name)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'hardmine' has no attribute {name!r}")
    found = importlib.import_module(_LAZY[name][0])
    value = globals()[name] = getattr(found, name) if name == "Collection" else found
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Hard-negative mining for retrieval and embedding models: exact, deterministic, fast.

The names below need NumPy alone. What needs an extra (texts, models, files) is imported when first used, and says which
extra to install where it is missing.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

import hardmine.plumbing.interrupts  # noqa: F401 - before what takes its time to load
from hardmine._native import __version__
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import REASONS, Ranking
from hardmine.nouns.negatives import Negatives
from hardmine.nouns.positives import Positives
from hardmine.nouns.sparse import SparseRow, SparseRows
from hardmine.nouns.strings import StringTable
from hardmine.primitives.anchors import anchor_scores
from hardmine.primitives.batch.mask import in_batch_mask
from hardmine.primitives.batch.triplets import triplets
from hardmine.primitives.draw import AliasTable, draw, sample_uniform
from hardmine.primitives.mine_scores import mine_scores
from hardmine.primitives.search.index import ExactIndex, pair_scores, search
from hardmine.primitives.search.plan import SearchPlan, search_plan
from hardmine.primitives.search.sparse import SparseIndex
from hardmine.primitives.select import select
from hardmine.primitives.topk import TopKAccumulator, topk
from hardmine.rules.ceilings import Absolute, AllOf, Anchored, MarginPos, NoCeiling, PercPos
from hardmine.rules.draws import (
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
from hardmine.rules.selection import Selection

if TYPE_CHECKING:
    from hardmine.pipeline.embed import embed
    from hardmine.pipeline.judge import judge
    from hardmine.pipeline.judged import Judged
    from hardmine.pipeline.mine import mine
    from hardmine.pipeline.mined import Mined
    from hardmine.pipeline.plan import Plan, plan
    from hardmine.pipeline.rescore import rescore
    from hardmine.pipeline.retrieve import retrieve
    from hardmine.pipeline.sweep import sweep
    from hardmine.pipeline.sweeps.result import Sweep
    from hardmine.plumbing.progress import ProgressEvent
    from hardmine.primitives.ensemble import ensemble
    from hardmine.primitives.fuse import fuse
    from hardmine.primitives.merge import merge
    from hardmine.primitives.shingles import near_duplicate_groups
    from hardmine.report.audit.report import AuditReport
    from hardmine.report.audit.run import audit
    from hardmine.rules.spelling import parse_ceiling, parse_draw, spell
    from hardmine.training.bank import MemoryBank
    from hardmine.training.clusters import Clusters, OnlineClusters, spherical_kmeans
    from hardmine.training.dynamic import DynamicLists, DynamicMiner

_LAZY = {
    "hardmine.nouns.collection": ("Collection",),
    "hardmine.pipeline.embed": ("embed",),
    "hardmine.pipeline.judge": ("judge",),
    "hardmine.pipeline.judged": ("Judged",),
    "hardmine.pipeline.mine": ("mine",),
    "hardmine.pipeline.mined": ("Mined",),
    "hardmine.pipeline.plan": ("Plan", "plan"),
    "hardmine.pipeline.rescore": ("rescore",),
    "hardmine.pipeline.retrieve": ("retrieve",),
    "hardmine.pipeline.sweep": ("sweep",),
    "hardmine.pipeline.sweeps.result": ("Sweep",),
    "hardmine.plumbing.progress": ("ProgressEvent",),
    "hardmine.primitives.ensemble": ("ensemble",),
    "hardmine.primitives.fuse": ("fuse",),
    "hardmine.primitives.merge": ("merge",),
    "hardmine.primitives.shingles": ("near_duplicate_groups",),
    "hardmine.report.audit.report": ("AuditReport",),
    "hardmine.report.audit.run": ("audit",),
    "hardmine.rules.spelling": ("parse_ceiling", "parse_draw", "spell"),
    "hardmine.training.bank": ("MemoryBank",),
    "hardmine.training.clusters": ("Clusters", "OnlineClusters", "spherical_kmeans"),
    "hardmine.training.dynamic": ("DynamicLists", "DynamicMiner"),
}
"""Public names that a data loader's worker does not need, or that need an extra, by the module that holds them."""

_MODULES = {
    "compat": "hardmine.compat",
    "data": "hardmine.data",
    "distributed": "hardmine.distributed",
    "formats": "hardmine.formats",
    "losses": "hardmine.losses",
    "strategies": "hardmine.rules.strategies",
    "teachers": "hardmine.teachers",
}
"""Public names that are modules, imported when asked for."""

_NEEDS = {"Collection": "pyarrow", "audit": "pyarrow", "data": "torch", "losses": "torch"}
"""Public names that are not there without a package."""

__all__ = [
    "REASONS",
    "Absolute",
    "AliasTable",
    "AllOf",
    "Among",
    "Anchored",
    "AuditReport",
    "Candidates",
    "Clusters",
    "Collection",
    "DynamicLists",
    "DynamicMiner",
    "ExactIndex",
    "Judged",
    "Laplace",
    "MarginPos",
    "MemoryBank",
    "Mined",
    "Negatives",
    "NoCeiling",
    "OnlineClusters",
    "PercPos",
    "Plan",
    "Popularity",
    "Positives",
    "ProgressEvent",
    "RankPower",
    "Ranking",
    "SearchPlan",
    "Selection",
    "SimANS",
    "Softmax",
    "SparseIndex",
    "SparseRow",
    "SparseRows",
    "Stratified",
    "StringTable",
    "Sweep",
    "Top",
    "TopKAccumulator",
    "TopThen",
    "Uniform",
    "Weighted",
    "__version__",
    "anchor_scores",
    "audit",
    "compat",
    "data",
    "distributed",
    "draw",
    "embed",
    "ensemble",
    "formats",
    "fuse",
    "in_batch_mask",
    "judge",
    "losses",
    "merge",
    "mine",
    "mine_scores",
    "near_duplicate_groups",
    "pair_scores",
    "parse_ceiling",
    "parse_draw",
    "plan",
    "rescore",
    "retrieve",
    "sample_uniform",
    "search",
    "search_plan",
    "select",
    "spell",
    "spherical_kmeans",
    "strategies",
    "sweep",
    "teachers",
    "topk",
    "triplets",
]


def _is_there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # somebody blocked it
        return False


for _name, _package in _NEEDS.items():
    if not _is_there(_package):  # `import *` takes what there is; asking for the name says which extra brings it
        __all__.remove(_name)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = importlib.import_module(_MODULES[name])
    else:
        home = next((module for module, names in _LAZY.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module 'hardmine' has no attribute {name!r}")
        value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

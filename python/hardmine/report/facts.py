"""The facts of a mining run, JSON-able."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.lists import REASONS
from hardmine.plumbing.float_mode import in_default_mode

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives


def facts(
    collection: Collection,
    candidates: Candidates,
    positives: Positives,
    negatives: Negatives,
    selection: dict[str, Any] | list[dict[str, Any]],
) -> dict[str, Any]:
    """Counts, score statistics, how many candidates each rule removed; `selection` described as data."""
    return {
        "queries": collection.num_queries,
        "documents": collection.num_documents,
        "positives": int(positives.ids.size),
        "teacher": candidates.metadata.get("teacher"),
        **({"first_teacher": known} if (known := candidates.metadata.get("first_teacher")) is not None else {}),
        "candidates_per_query": candidates.metadata.get("k"),
        "selection": selection,
        "rows": len(negatives),
        "negatives": int(negatives.ids.size),
        "filled": int(negatives.filled.sum()),
        "short": negatives.num_short,
        "dropped": int(negatives.dropped.size),
        "scores": {
            "positives": _statistics(positives.scores if positives.scores is not None else np.empty(0, np.float32)),
            "negatives": _statistics(negatives.scores),
        },
        "reasons": {name: int(negatives.reasons[name].sum()) for name in REASONS},
        "collection": dict(collection.counts),
    }


_BEYOND = -1e300, 7e300
"""In place of the infinities among scores: a quartile between a score and one of them, or between the two, is beyond
every float32."""


@in_default_mode
def _statistics(scores: npt.NDArray[np.float32]) -> dict[str, float | int | None] | None:
    """Mean, spread and quartiles of the known scores; None for what infinite scores make infinite or undefined."""
    known = scores[~np.isnan(scores)].astype(np.float64)
    if not known.size:
        return None
    finite = bool(np.isfinite(known).all())
    found = np.percentile(np.clip(known, *_BEYOND), [0, 25, 50, 75, 100]).tolist()
    largest = float(np.finfo(np.float32).max)
    low, quarter, median, three_quarters, high = (value if abs(value) <= largest else None for value in found)
    return {
        "count": int(known.size),
        "mean": float(known.mean()) if finite else None,
        "std": float(known.std()) if finite else None,
        "min": low,
        "25%": quarter,
        "median": median,
        "75%": three_quarters,
        "max": high,
    }

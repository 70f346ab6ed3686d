"""What a selection is told of near-duplicates, and who cannot keep them out."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.primitives.search import embeddings
from hardmine.rules.selection import Selection


class Near(TypedDict):
    """What the kernel is told of near-duplicates."""

    near_groups: npt.NDArray[np.int64] | None
    document_embeddings: tuple[npt.NDArray[Any], str] | None
    near_cosine: float | None


NOT_NEAR: Near = {"near_groups": None, "document_embeddings": None, "near_cosine": None}


def near_of(selection: Selection, near_groups: Any, document_embeddings: Any) -> Near:
    """What a selection needs of near-duplicates, checked; it knows no texts, so it is given groups.

    What the selection does not ask for has no effect.
    """
    groups = rows = None
    if near_groups is not None:
        groups = checks.int64_vector("near_groups", near_groups)
        if groups.min(initial=0) < 0:
            at = int(groups.argmin())
            raise ValueError(f"near_groups: {groups[at]} at position {at}, expected at least 0")
        if selection.near_duplicates is None:
            groups = None
    elif selection.near_duplicates is not None:
        raise ValueError(
            "near_groups: missing, but the selection keeps near-duplicates out; make them with "
            f"near_duplicate_groups(texts, {selection.near_duplicates:g})"
        )
    if selection.near_cosine is not None:
        if document_embeddings is None:
            raise ValueError("document_embeddings: missing, which the selection needs for near_cosine")
        rows = embeddings.checked("document_embeddings", document_embeddings)
    return {"near_groups": groups, "document_embeddings": rows, "near_cosine": selection.near_cosine}


def refuse_near(selection: Selection, where: str) -> None:
    """Raise where near-duplicates would have to be kept out by something that knows none."""
    if selection.tells_apart:
        name = "near_cosine" if selection.near_duplicates is None else "near_duplicates"
        raise ValueError(f"selection: {name}, but {where} cannot keep near-duplicates out; use select()")

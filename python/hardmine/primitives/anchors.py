"""The column that the ceiling `Anchored` needs: how much a candidate resembles a positive."""

from __future__ import annotations

from typing import Any

import hardmine._native as _native
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.positives import Positives
from hardmine.plumbing import arrays
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.select import expect

__all__ = ["anchor_scores"]


def anchor_scores(
    candidates: Candidates,
    positives: Positives,
    document_embeddings: Any,
    *,
    num_threads: int | None = None,
) -> Candidates:
    """Add the column that the ceiling `Anchored` needs.

    The anchor score of a candidate is the largest cosine between its embedding and that of a positive of its query,
    both after the mean embedding of all documents is subtracted. Without centring every pair of documents looks alike.

    Parameters
    ----------
    candidates : Candidates
    positives : Positives
        Of the same queries.
    document_embeddings : float16 | bfloat16 | float32 | float64 [num_documents, h]
        Any strides, memory maps and CPU tensors included; finite.
    num_threads : int, optional
        Threads; the result does not depend on them.

    Returns
    -------
    Candidates
        The same lists with `anchor_scores`, float32 [n]; 0 for a query without positives and for a document that equals
        the mean.

    Raises
    ------
    ValueError
        An embedding is NaN or infinite, or an id lies outside the documents; the message names row and column.

    Notes
    -----
    Sums are float64 in a fixed order: the same bytes for any number of threads and any instruction set.

    Examples
    --------
    >>> import numpy as np, hardmine as hm
    >>> embeddings = np.array([[2, 1], [1, 2], [0, 1], [1, 0]], dtype=np.float32)
    >>> run = hm.Candidates([0, 3], [1, 2, 3], [0.9, 0.8, 0.7])
    >>> hm.anchor_scores(run, hm.Positives.from_lists([[0]]), embeddings).anchor_scores.tolist()
    [0.0, -1.0, 0.0]
    """
    expect("candidates", candidates, Candidates)
    expect("positives", positives, Positives)
    if len(candidates) != len(positives):
        raise ValueError(f"positives: {len(positives)} queries, expected {len(candidates)} as in candidates")
    embeddings, kind = arrays.matrix("document_embeddings", document_embeddings)
    scores = _native.anchor_scores(
        (candidates.offsets, candidates.ids),
        (positives.offsets, positives.ids),
        embeddings,
        kind,
        thread_count(num_threads),
    )
    return candidates.replace(anchor_scores=scores)

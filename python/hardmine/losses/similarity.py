"""Similarities and distances of embeddings, in full precision under autocast too."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs
from hardmine.plumbing import checks

__all__ = ["pairwise_distances", "similarity"]


def similarity(queries: torch.Tensor, documents: torch.Tensor, *, kind: str = "cosine") -> torch.Tensor:
    """Scores of queries against documents, for the losses that take scores.

    Parameters
    ----------
    queries : float [b, h]
    documents : float [c, h], or [b, n, h] where every query has documents of its own
        float16 and bfloat16 are widened before the products.
    kind : {"cosine", "dot"}
        A zero vector has cosine 0 to everything.

    Returns
    -------
    float32 or float64 [b, c] or [b, n]

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.similarity(torch.tensor([[2.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[0.6000, 0.0000]])
    """
    checks.choice("kind", kind, ("cosine", "dot"))
    inputs = Inputs()
    queries = inputs.floats("queries", queries, "b h")
    own = isinstance(documents, torch.Tensor) and documents.ndim == 3
    documents = inputs.floats("documents", documents, "b n h" if own else "c h")
    dtype = torch.promote_types(queries.dtype, documents.dtype)
    queries, documents = queries.to(dtype), documents.to(dtype)
    if kind == "cosine":
        queries, documents = (torch.nn.functional.normalize(vectors, dim=-1) for vectors in (queries, documents))
    with torch.autocast(queries.device.type, enabled=False):
        if own:
            return torch.einsum("bh,bnh->bn", queries, documents)
        return queries @ documents.T


def pairwise_distances(embeddings: torch.Tensor, *, squared: bool = False) -> torch.Tensor:
    """Euclidean distances of all pairs of a batch, as `hardmine.triplets` and the triplet losses take them.

    Parameters
    ----------
    embeddings : float [b, h]
    squared : bool
        FaceNet's squared distance.

    Returns
    -------
    float32 or float64 [b, b]
        Never negative. The root has gradient 0 at distance 0, where it has no derivative.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.pairwise_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    tensor([[0., 5.],
            [5., 0.]])
    """
    embeddings = Inputs().floats("embeddings", embeddings, "b h")
    checks.boolean("squared", squared)
    with torch.autocast(embeddings.device.type, enabled=False):
        norms = embeddings.square().sum(1)
        found = norms[:, None] + norms[None, :] - 2.0 * (embeddings @ embeddings.T)
    own = torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
    found = found.masked_fill(own, 0.0).clamp_min(0.0)
    if squared:
        return found
    same = found == 0.0
    return found.masked_fill(same, 1.0).sqrt().masked_fill(same, 0.0)

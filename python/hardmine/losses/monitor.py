"""Collapse monitor: whether a model maps everything to one point, or onto few directions."""

from __future__ import annotations

from typing import NamedTuple

import torch

from hardmine.losses._inputs import Inputs

__all__ = ["Collapse", "collapse", "effective_rank", "mean_pair_cosine"]


def effective_rank(embeddings: torch.Tensor) -> float:
    """Effective rank: e to the entropy of the singular values' shares.

    Parameters
    ----------
    embeddings : float [n, h]
        A batch, or a sample of the corpus; not centred. Computed in float64.

    Returns
    -------
    float
        From 1 (one direction) to min(n, h); 0 where every embedding is zero.

    Notes
    -----
    Roy and Vetterli (2007); as a check of representations RankMe, arXiv 2210.02885.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> round(hm.losses.effective_rank(torch.eye(4)), 6)
    4.0
    """
    values = torch.linalg.svdvals(_wide(embeddings))
    shares = values / values.sum()
    if not bool(shares.isfinite().all()):
        return 0.0
    return float(torch.special.entr(shares).sum().exp())


def mean_pair_cosine(embeddings: torch.Tensor) -> float:
    """Mean cosine of all pairs of different rows.

    Parameters
    ----------
    embeddings : float [n, h]
        n >= 2. Computed in float64, in time n h. A zero vector has cosine 0 to everything.

    Returns
    -------
    float
        1 where all embeddings point one way; near 0 where they spread.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.mean_pair_cosine(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
    0.3333333333333333
    """
    wide = _wide(embeddings)
    if len(wide) < 2:
        raise ValueError(f"embeddings: shape {tuple(embeddings.shape)}, expected at least two rows")
    unit = torch.nn.functional.normalize(wide, dim=1)
    # The sum over all pairs is the squared length of the sum; take off each row's product with itself.
    total = unit.sum(0).square().sum() - unit.square().sum()
    return float(total) / (len(wide) * (len(wide) - 1))


class Collapse(NamedTuple):
    """What `collapse` saw.

    Attributes
    ----------
    effective_rank, mean_pair_cosine, mean_deviation : float
    """

    effective_rank: float
    mean_pair_cosine: float
    mean_deviation: float


def collapse(embeddings: torch.Tensor) -> Collapse:
    """Effective rank, mean pair cosine, and the mean over dimensions of the standard deviation of unit embeddings.

    Parameters
    ----------
    embeddings : float [n, h]
        n >= 2.

    Returns
    -------
    Collapse
        Named tuple of floats. On its way to one point a model shows a falling rank, a cosine that nears 1 and a
        deviation that nears 0 (it is about 1 / sqrt(h) where embeddings spread evenly).

    Notes
    -----
    Batch-hard triplets collapse where the batch is large or the dimension small: arXiv 2210.11173.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.collapse(torch.ones(8, 4)).mean_deviation
    0.0
    """
    cosine = mean_pair_cosine(embeddings)
    unit = torch.nn.functional.normalize(_wide(embeddings), dim=1)
    return Collapse(effective_rank(embeddings), cosine, float(unit.std(0, correction=0).mean()))


def _wide(embeddings: torch.Tensor) -> torch.Tensor:
    return Inputs().floats("embeddings", embeddings, "b h").detach().double()

"""Triplet losses over mined triplets."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs, mean_where
from hardmine.losses._log_domain import softplus
from hardmine.losses._module import Loss
from hardmine.plumbing import checks

__all__ = ["TripletMargin", "TripletSoftMargin", "triplet_margin", "triplet_soft_margin"]

_REDUCTIONS = ("mean", "mean_positive", "sum", "none")


def triplet_margin(
    distances: torch.Tensor, triplets: torch.Tensor, *, margin: float = 0.2, reduction: str = "mean"
) -> torch.Tensor:
    """max(0, D(a, p) - D(a, n) + margin) over triplets (a, p, n).

    Parameters
    ----------
    distances : float [b, c]
        Of a batch, as `pairwise_distances` gives them; on the unit sphere FaceNet squares them.
    triplets : int [n, 3]
        Anchor, positive, negative as row and columns of `distances`; as `hardmine.triplets` gives them.
    margin : float
        At least 0.
    reduction : {"mean", "mean_positive", "sum", "none"}
        "mean_positive" divides by the triplets with a loss above 0 (batch-all). Without triplets: 0.

    Returns
    -------
    float32 or float64

    Notes
    -----
    FaceNet, arXiv 1503.03832; batch-all and batch-hard, arXiv 1703.07737. Why batch-hard collapses: arXiv 2210.11173;
    `monitor.collapse` sees it.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> distances = torch.tensor([[0.0, 0.5, 0.6], [0.5, 0.0, 0.9], [0.6, 0.9, 0.0]])
    >>> hm.losses.triplet_margin(distances, torch.tensor([[0, 1, 2], [1, 0, 2]]), reduction="none")
    tensor([0.1000, 0.0000])
    """
    margin = checks.real("margin", margin, minimum=0.0)
    gap = _gap(distances, triplets)
    return _reduce(torch.relu(gap + margin), reduction)


def triplet_soft_margin(distances: torch.Tensor, triplets: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
    """log(1 + e^(D(a, p) - D(a, n))) over triplets: no margin to choose, and a pull that never ends.

    Parameters
    ----------
    distances : float [b, c]
    triplets : int [n, 3]
    reduction : {"mean", "mean_positive", "sum", "none"}

    Returns
    -------
    float32 or float64

    Notes
    -----
    Hermans et al., arXiv 1703.07737.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> distances = torch.tensor([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    >>> hm.losses.triplet_soft_margin(distances, torch.tensor([[0, 1, 2]]))
    tensor(0.6931)
    """
    return _reduce(softplus(_gap(distances, triplets)), reduction)


def _gap(distances: torch.Tensor, triplets: torch.Tensor) -> torch.Tensor:
    inputs = Inputs()
    values = inputs.floats("distances", distances, "b c")
    if isinstance(triplets, torch.Tensor) and triplets.ndim == 2 and triplets.shape[1] != 3:
        raise ValueError(f"triplets: shape {tuple(triplets.shape)}, expected [n, 3]")
    rows, columns = values.shape
    inputs.integers("triplets", triplets, "n 3", minimum=0, maximum=max(rows, columns) - 1)
    anchors, positives, negatives = triplets.long().unbind(1)
    inputs.integers("anchors of triplets", anchors, "n", minimum=0, maximum=rows - 1)
    inputs.integers("positives of triplets", positives, "n", minimum=0, maximum=columns - 1)
    inputs.integers("negatives of triplets", negatives, "n", minimum=0, maximum=columns - 1)
    return values[anchors, positives] - values[anchors, negatives]


def _reduce(losses: torch.Tensor, reduction: str) -> torch.Tensor:
    checks.choice("reduction", reduction, _REDUCTIONS)
    if reduction == "mean":
        return mean_where(losses, torch.ones_like(losses, dtype=torch.bool))
    if reduction == "mean_positive":
        return mean_where(losses, losses > 0.0)
    return losses.sum() if reduction == "sum" else losses


class TripletMargin(Loss):
    """`triplet_margin` with its settings held.

    Parameters
    ----------
    margin : float
    reduction : {"mean", "mean_positive", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.TripletMargin()
    TripletMargin(margin=0.2, reduction='mean')
    """

    def __init__(self, margin: float = 0.2, *, reduction: str = "mean") -> None:
        super().__init__(margin=checks.real("margin", margin, minimum=0.0), reduction=reduction)

    def forward(self, distances: torch.Tensor, triplets: torch.Tensor) -> torch.Tensor:
        """As `triplet_margin`."""
        return triplet_margin(distances, triplets, **self.settings)


class TripletSoftMargin(Loss):
    """`triplet_soft_margin` with its setting held.

    Parameters
    ----------
    reduction : {"mean", "mean_positive", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.TripletSoftMargin()
    TripletSoftMargin(reduction='mean')
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)

    def forward(self, distances: torch.Tensor, triplets: torch.Tensor) -> torch.Tensor:
        """As `triplet_soft_margin`."""
        return triplet_soft_margin(distances, triplets, **self.settings)

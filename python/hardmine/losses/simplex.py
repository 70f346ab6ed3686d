"""Cosine contrastive loss (SimpleX)."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs, mean_where, reduce
from hardmine.losses._module import Loss
from hardmine.plumbing import checks

__all__ = ["CCL", "ccl"]


def ccl(
    positive_scores: torch.Tensor,
    negative_scores: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    margin: float = 0.9,
    negative_weight: float | None = 150.0,
    reduction: str = "mean",
) -> torch.Tensor:
    """Cosine contrastive loss: many sampled negatives, of which only those above the margin act.

        max(0, 1 - p_i) + (w / N_i) sum_j max(0, s_ij - m)

    Parameters
    ----------
    positive_scores : float [b]
    negative_scores : float [b, n]
        Cosines of users with items drawn uniformly, hundreds to thousands (`hardmine.sample_uniform`).
    mask : bool [b, n], optional
        True = left out, of the sum and of N_i.
    margin : float
        m. 0.9 on Yelp18 and Gowalla, 0.4 on Amazon-Books.
    negative_weight : float or None
        w of at least 0; None for the plain sum of the negatives' terms.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float32 or float64
        A negative at the margin exactly has gradient 0.

    Notes
    -----
    SimpleX, arXiv 2109.12613; defaults of reczoo/RecZoo for Yelp18.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> p, s = torch.tensor([0.8]), torch.tensor([[0.95, 0.2]])
    >>> round(float(hm.losses.ccl(p, s, negative_weight=4.0)), 4)
    0.3
    """
    margin = checks.real("margin", margin)
    weight = None if negative_weight is None else checks.real("negative_weight", negative_weight, minimum=0.0)
    inputs = Inputs()
    positives = inputs.floats("positive_scores", positive_scores, "b")
    negatives = inputs.floats("negative_scores", negative_scores, "b n", minus_infinity=True)
    left_out = inputs.mask("mask", mask, "b n")
    kept = torch.ones_like(negatives, dtype=torch.bool) if left_out is None else ~left_out
    above = torch.relu(negatives - margin)
    second = above.masked_fill(~kept, 0.0).sum(1) if weight is None else weight * mean_where(above, kept, 1)
    return reduce(torch.relu(1.0 - positives) + second, reduction)


class CCL(Loss):
    """`ccl` with its settings held.

    Parameters
    ----------
    margin : float
    negative_weight : float or None
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.CCL()
    CCL(margin=0.9, negative_weight=150.0, reduction='mean')
    """

    def __init__(self, margin: float = 0.9, negative_weight: float | None = 150.0, *, reduction: str = "mean") -> None:
        super().__init__(
            margin=checks.real("margin", margin),
            negative_weight=None
            if negative_weight is None
            else checks.real("negative_weight", negative_weight, minimum=0.0),
            reduction=reduction,
        )

    def forward(
        self, positive_scores: torch.Tensor, negative_scores: torch.Tensor, *, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As `ccl`."""
        return ccl(positive_scores, negative_scores, mask=mask, **self.settings)

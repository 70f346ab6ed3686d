"""Sums of exponentials that stay finite: -inf terms and empty sums have a value and no gradient."""

from __future__ import annotations

import torch


def log_sum(logits: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Log sum exp; -inf, with gradient 0, where every term is -inf or there is none."""
    if logits.shape[dim] == 0:
        return logits.sum(dim) - torch.inf
    empty = (logits == -torch.inf).all(dim, keepdim=True)
    return logits.masked_fill(empty, 0.0).logsumexp(dim).masked_fill(empty.squeeze(dim), -torch.inf)


def log_difference(larger: torch.Tensor, smaller: torch.Tensor) -> torch.Tensor:
    """log(e^larger - e^smaller); -inf, with gradient 0, where that is not above 0."""
    empty = ~(larger > smaller)
    # expm1 is exact where the two are close, which is where the difference is small.
    gap = (smaller - larger).masked_fill(empty, -1.0)
    return (larger.masked_fill(empty, 0.0) + torch.log(-torch.expm1(gap))).masked_fill(empty, -torch.inf)


def one_against(negatives: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """-log(e^p / (e^p + e^n)) = log(1 + e^(n - p)), where n may be -inf (no negative: 0, without gradient)."""
    empty = negatives == -torch.inf
    gap = negatives.masked_fill(empty, 0.0) - positives
    return softplus(gap).masked_fill(empty, 0.0)


def softplus(x: torch.Tensor) -> torch.Tensor:
    """log(1 + e^x), without the linear tail of torch's own, which rounds from 20 on."""
    return torch.logaddexp(x, torch.zeros_like(x))


def log_weighted(logits: torch.Tensor, weights: torch.Tensor | None, mask: torch.Tensor | None) -> torch.Tensor:
    """log(weight * e^logit): -inf where the weight is 0 or the mask says so."""
    if weights is not None:
        logits = logits + weights.log()
        mask = weights == 0 if mask is None else mask | (weights == 0)
    return logits if mask is None else logits.masked_fill(mask, -torch.inf)

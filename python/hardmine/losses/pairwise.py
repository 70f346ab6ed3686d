"""Pairwise losses: RankNet, its lambda weights in ADORE, and BPR."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs, mean_where
from hardmine.losses._log_domain import softplus
from hardmine.losses._module import Loss
from hardmine.plumbing import checks

__all__ = ["ADORE", "BPR", "RankNet", "adore", "bpr", "lambda_weights", "rank_net"]


def rank_net(
    positive_scores: torch.Tensor,
    negative_scores: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """Mean over pairs of w_ij log(1 + e^-(p_i - s_ij)).

    Parameters
    ----------
    positive_scores : float [b]
    negative_scores : float [b, n]
        In-batch, hard, or both side by side.
    mask : bool [b, n], optional
        True = left out: relevant, not trustworthy, or padding.
    weights : float [b, n], optional
        Factors of at least 0, taken as constants; the mean still divides by the number of pairs.
    reduction : {"mean", "sum", "none"}
        Over the pairs of all rows together (STAR's mean), or float [b, n] with 0 where masked.

    Returns
    -------
    float32 or float64
        0 where there is no pair. A negative of -inf adds 0.

    Notes
    -----
    RankNet (Burges et al. 2005); STAR, arXiv 2104.08051, is its mean over in-batch and static hard negatives.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> round(float(hm.losses.rank_net(torch.tensor([2.0]), torch.tensor([[1.0, 0.0]]))), 4)
    0.2201
    """
    checks.choice("reduction", reduction, ("mean", "sum", "none"))
    inputs = Inputs()
    positives = inputs.floats("positive_scores", positive_scores, "b")
    negatives = inputs.floats("negative_scores", negative_scores, "b n", minus_infinity=True)
    left_out = inputs.mask("mask", mask, "b n")
    absent = torch.isneginf(negatives)
    losses = softplus(negatives.masked_fill(absent, 0.0) - positives[:, None]).masked_fill(absent, 0.0)
    factors = inputs.optional_floats("weights", weights, "b n", like=losses)
    if factors is not None:
        losses = losses * factors
    kept = torch.ones_like(absent) if left_out is None else ~left_out
    if reduction == "mean":
        return mean_where(losses, kept)
    losses = losses.masked_fill(~kept, 0.0)
    return losses.sum() if reduction == "sum" else losses


def lambda_weights(
    num_ranks: int,
    *,
    metric_cut: int = 200,
    ranks: torch.Tensor | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """ADORE's pair weights abs(w_i - w_j), with w_r = 1 / r at rank r <= metric_cut and 0 below.

    Parameters
    ----------
    num_ranks : int
        k. Without `ranks`, position i of a list has rank i + 1.
    metric_cut : int
        At least 1; 200 in the published commands.
    ranks : int [b, k], optional
        1-based ranks, for lists that are not in ranking order.
    dtype : torch.dtype
    device : torch.device or str
        Of the result, where `ranks` does not say it.

    Returns
    -------
    float [k, k], or [b, k, k] with `ranks`

    Notes
    -----
    arXiv 2104.08051; LambdaRank with the reciprocal rank. A function of ranks alone.

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.lambda_weights(3, metric_cut=2)
    tensor([[0.0000, 0.5000, 1.0000],
            [0.5000, 0.0000, 0.5000],
            [1.0000, 0.5000, 0.0000]])
    """
    num_ranks = checks.integer("num_ranks", num_ranks, minimum=1)
    metric_cut = checks.integer("metric_cut", metric_cut, minimum=1)
    if ranks is None:
        places = torch.arange(1, num_ranks + 1, device=device)
    else:
        inputs = Inputs()
        inputs.sizes["k"] = num_ranks
        places = inputs.integers("ranks", ranks, "b k", minimum=1, maximum=2**31 - 1)
    worth = places.to(dtype).reciprocal().masked_fill(places > metric_cut, 0.0)
    return (worth[..., :, None] - worth[..., None, :]).abs()


def adore(
    scores: torch.Tensor,
    relevant: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    ranks: torch.Tensor | None = None,
    metric_cut: int = 200,
    reduction: str = "mean",
) -> torch.Tensor:
    """RankNet over a retrieved list, each pair weighted by what swapping it does to the reciprocal rank.

    Per query, the mean over its pairs (i relevant, j not) of log(1 + e^-(s_i - s_j)) abs(w_i - w_j), with
    `lambda_weights`.

    Parameters
    ----------
    scores : float [b, k]
        Of the documents retrieved with the current query vectors, in ranking order. Where no positive was retrieved,
        append the positives at the end, as ADORE does.
    relevant : bool [b, k]
    mask : bool [b, k], optional
        True = padding.
    ranks : int [b, k], optional
        1-based; by default position + 1. Not read where `mask` is True.
    metric_cut : int
        At least 1. (The published code's own default, none, makes every weight 0; its commands say 200.)
    reduction : {"mean", "sum", "none"}
        Over queries; a query without a pair loses 0 and does not count in the mean.

    Returns
    -------
    float32 or float64

    Notes
    -----
    arXiv 2104.08051. b k k numbers in memory. -inf scores count as masked.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> scores, relevant = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[False, True, False]])
    >>> round(float(hm.losses.adore(scores, relevant)), 4)
    0.3544
    """
    checks.choice("reduction", reduction, ("mean", "sum", "none"))
    inputs = Inputs()
    logits = inputs.floats("scores", scores, "b k", minus_infinity=True)
    labels = inputs.bools("relevant", relevant, "b k")
    left_out = inputs.mask("mask", mask, "b k")
    absent = torch.isneginf(logits)
    left_out = absent if left_out is None else left_out | absent
    logits = logits.masked_fill(left_out, 0.0)
    pairs = (labels & ~left_out)[:, :, None] & (~labels & ~left_out)[:, None, :]
    losses = softplus(logits[:, None, :] - logits[:, :, None])
    if isinstance(ranks, torch.Tensor) and ranks.shape == left_out.shape:
        ranks = ranks.masked_fill(left_out, 1)
    if inputs.sizes["k"]:
        losses = losses * lambda_weights(
            inputs.sizes["k"], metric_cut=metric_cut, ranks=ranks, dtype=losses.dtype, device=losses.device
        )
    per_query = mean_where(losses.flatten(1), pairs.flatten(1), 1)
    if reduction == "mean":
        return mean_where(per_query, pairs.flatten(1).any(1))
    return per_query.sum() if reduction == "sum" else per_query


def bpr(
    positive_scores: torch.Tensor,
    negative_scores: torch.Tensor,
    *factors: torch.Tensor,
    mask: torch.Tensor | None = None,
    l2: float = 0.0,
) -> torch.Tensor:
    """Bayesian personalised ranking: the mean of -log sigmoid(p_i - s_ij), plus l2 / (2 b) times squared factors.

    Parameters
    ----------
    positive_scores : float [b]
    negative_scores : float [b, n]
        Dot products of a user's factors with those of an item of the user, and of items drawn (MF-BPR: n = 1).
    *factors : float tensors
        The user and item vectors of the batch, for the penalty.
    mask : bool [b, n], optional
        True = left out.
    l2 : float
        At least 0.

    Returns
    -------
    float32 or float64, no dimensions

    Notes
    -----
    Rendle et al., arXiv 1205.2618.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> round(float(hm.losses.bpr(torch.tensor([1.0]), torch.tensor([[0.0]]), torch.ones(1, 4), l2=0.5)), 4)
    1.3133
    """
    l2 = checks.real("l2", l2, minimum=0.0)
    total = rank_net(positive_scores, negative_scores, mask=mask)
    for index, factor in enumerate(factors):
        axes = " ".join(f"d{index}_{i}" for i in range(getattr(factor, "ndim", 0)))
        wide = Inputs().floats(f"factors[{index}]", factor, axes)
        total = total + l2 / (2.0 * positive_scores.shape[0]) * wide.square().sum()
    return total


class RankNet(Loss):
    """`rank_net` with its setting held.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.RankNet()
    RankNet(reduction='mean')
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)

    def forward(
        self,
        positive_scores: torch.Tensor,
        negative_scores: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `rank_net`."""
        return rank_net(positive_scores, negative_scores, mask=mask, weights=weights, **self.settings)


class ADORE(Loss):
    """`adore` with its settings held.

    Parameters
    ----------
    metric_cut : int
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.ADORE()
    ADORE(metric_cut=200, reduction='mean')
    """

    def __init__(self, metric_cut: int = 200, *, reduction: str = "mean") -> None:
        super().__init__(metric_cut=checks.integer("metric_cut", metric_cut, minimum=1), reduction=reduction)

    def forward(
        self,
        scores: torch.Tensor,
        relevant: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
        ranks: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `adore`."""
        return adore(scores, relevant, mask=mask, ranks=ranks, **self.settings)


class BPR(Loss):
    """`bpr` with its setting held.

    Parameters
    ----------
    l2 : float

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.BPR(l2=1e-4)
    BPR(l2=0.0001)
    """

    def __init__(self, l2: float = 0.0) -> None:
        super().__init__(l2=checks.real("l2", l2, minimum=0.0))

    def forward(
        self,
        positive_scores: torch.Tensor,
        negative_scores: torch.Tensor,
        *factors: torch.Tensor,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `bpr`."""
        return bpr(positive_scores, negative_scores, *factors, mask=mask, **self.settings)

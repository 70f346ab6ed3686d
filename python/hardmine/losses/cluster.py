"""ClusterNS: a margin loss that keeps false negatives near, but not as near as positives."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs
from hardmine.losses._module import Loss
from hardmine.losses.infonce import info_nce
from hardmine.plumbing import checks

__all__ = ["ClusterNS", "bidirectional_margin", "cluster_ns"]


def bidirectional_margin(
    scores: torch.Tensor, same_cluster: torch.Tensor, *, alpha: float = 0.2, beta: float = 0.5
) -> torch.Tensor:
    """Pull the gap D_ij = cos(x_i, x_j) - cos(x_i, x_i+) of false negatives into [-beta, -alpha].

        mean over the whole matrix of max(0, D_ij + alpha) + max(0, -D_ij - beta)

    Parameters
    ----------
    scores : float [b, b]
        Cosines; the positives are on the diagonal.
    same_cluster : bool [b, b]
        True = a false negative by its cluster. The diagonal is ignored. Where it is False, D is 0: such an entry adds
        the constant max(0, alpha).
    alpha, beta : float
        At least 0, alpha <= beta.

    Returns
    -------
    float32 or float64, no dimensions

    Notes
    -----
    ClusterNS, arXiv 2305.09892, djz233/ClusterNS.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> scores = torch.tensor([[0.9, 0.8], [0.1, 0.9]])
    >>> round(float(hm.losses.bidirectional_margin(scores, torch.ones(2, 2, dtype=torch.bool))), 4)
    0.2
    """
    alpha, beta = _band(alpha, beta)
    inputs = Inputs()
    cosines = inputs.floats("scores", scores, "b b")
    false_negatives = inputs.bools("same_cluster", same_cluster, "b b")
    own = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    gaps = (cosines - cosines.diagonal()[:, None]).masked_fill(~false_negatives | own, 0.0)
    return (torch.relu(gaps + alpha) + torch.relu(-gaps - beta)).mean()


def cluster_ns(
    scores: torch.Tensor,
    centroid_scores: torch.Tensor | None,
    same_cluster: torch.Tensor,
    *,
    temperature: float = 0.05,
    weight: float = 1e-4,
    alpha: float = 0.2,
    beta: float = 0.5,
    own_centroid_logit: float = 0.0,
    mask_same_cluster: bool = False,
) -> torch.Tensor:
    """InfoNCE over the batch and its hard centroids, plus weight times `bidirectional_margin`.

    Parameters
    ----------
    scores : float [b, b]
        Cosines of two views, or of queries and documents; the positives are on the diagonal.
    centroid_scores : float [b, b] or None
        Cosine of row i with the second-nearest centroid of row j, the hard negatives that all rows share.
    same_cluster : bool [b, b]
        True where i and j lie in one cluster. The diagonal is ignored.
    temperature, weight, alpha, beta : float
        The published runs use weights of 5e-5 to 1e-3, alpha 0 to 0.25, beta 0.3 to 0.5.
    own_centroid_logit : float
        Added to the logit of a row's own hard centroid.
    mask_same_cluster : bool
        Also take false negatives out of the InfoNCE; the published code leaves them in.

    Returns
    -------
    float32 or float64, no dimensions

    Notes
    -----
    ClusterNS, arXiv 2305.09892, djz233/ClusterNS (without its consistency loss).

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> round(float(hm.losses.cluster_ns(torch.eye(2), None, torch.ones(2, 2, dtype=torch.bool), weight=1.0)), 4)
    0.35
    """
    weight = checks.real("weight", weight, minimum=0.0)
    bonus = checks.real("own_centroid_logit", own_centroid_logit)
    inputs = Inputs()
    cosines = inputs.floats("scores", scores, "b b")
    inputs.bools("same_cluster", same_cluster, "b b")
    mask = same_cluster if checks.boolean("mask_same_cluster", mask_same_cluster) else None
    hard = None
    if centroid_scores is not None:
        hard = inputs.floats("centroid_scores", centroid_scores, "b b")
        hard = hard + temperature * bonus * torch.eye(len(hard), dtype=hard.dtype, device=hard.device)
    contrast = info_nce(cosines, hard, temperature=temperature, mask=mask)
    return contrast + weight * bidirectional_margin(cosines, same_cluster, alpha=alpha, beta=beta)


def _band(alpha: float, beta: float) -> tuple[float, float]:
    alpha = checks.real("alpha", alpha, minimum=0.0)
    return alpha, checks.real("beta", beta, minimum=alpha)


class ClusterNS(Loss):
    """`cluster_ns` with its settings held.

    Parameters
    ----------
    temperature, weight, alpha, beta, own_centroid_logit : float
    mask_same_cluster : bool

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.ClusterNS(weight=1e-3, alpha=0.0, beta=0.3).settings["beta"]
    0.3
    """

    def __init__(
        self,
        temperature: float = 0.05,
        weight: float = 1e-4,
        alpha: float = 0.2,
        beta: float = 0.5,
        *,
        own_centroid_logit: float = 0.0,
        mask_same_cluster: bool = False,
    ) -> None:
        alpha, beta = _band(alpha, beta)
        super().__init__(
            temperature=temperature, weight=weight, alpha=alpha, beta=beta, own_centroid_logit=own_centroid_logit,
            mask_same_cluster=mask_same_cluster,
        )  # fmt: skip

    def forward(
        self, scores: torch.Tensor, centroid_scores: torch.Tensor | None, same_cluster: torch.Tensor
    ) -> torch.Tensor:
        """As `cluster_ns`."""
        return cluster_ns(scores, centroid_scores, same_cluster, **self.settings)

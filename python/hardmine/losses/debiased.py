"""Contrastive losses that correct for false negatives among sampled ones."""

from __future__ import annotations

import math

import torch

from hardmine.losses._inputs import Inputs, cooled, reduce, temperature_of
from hardmine.losses._log_domain import log_difference, log_sum, one_against
from hardmine.losses._module import Loss
from hardmine.losses.infonce import refuse_missing
from hardmine.plumbing import checks

__all__ = ["DebiasedContrastive", "HardnessWeightedContrastive", "debiased_contrastive", "hardness_contrastive"]


def debiased_contrastive(
    positive_scores: torch.Tensor,
    negative_scores: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    tau_plus: float = 0.1,
    temperature: float = 0.5,
    reduction: str = "mean",
) -> torch.Tensor:
    """Contrastive loss that subtracts what the positives among the negatives are expected to add.

    With P = e^(p/T), N negatives that are not masked and n_j = e^(s_j/T):

        G = max( (sum_j n_j - tau_plus N P) / (1 - tau_plus), N e^(-1/T) ),     loss = -log( P / (P + G) )

    Parameters
    ----------
    positive_scores : float [b]
    negative_scores : float [b, n]
        Cosines: the lower bound of G is the least that N cosines can add.
    mask : bool [b, n], optional
        True = left out, of the sum and of N.
    tau_plus : float
        The chance that a random negative is a positive, in [0, 1).
    temperature : float
    reduction : {"mean", "sum", "none"}
        A row without negatives loses 0.

    Returns
    -------
    float32 or float64
        In the log domain throughout. Where the bound holds, G has no gradient.

    Notes
    -----
    Chuang et al., arXiv 2007.00224; defaults of chingyaoc/DCL. There N = 2B - 2.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> p, s = torch.tensor([0.9]), torch.tensor([[0.2, -0.1]])
    >>> [round(float(hm.losses.debiased_contrastive(p, s, tau_plus=t)), 4) for t in (0.0, 0.1)]
    [0.3235, 0.1841]
    """
    return hardness_contrastive(
        positive_scores, negative_scores, mask=mask, beta=0.0, tau_plus=tau_plus, temperature=temperature,
        reduction=reduction,
    )  # fmt: skip


def hardness_contrastive(
    positive_scores: torch.Tensor,
    negative_scores: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    beta: float = 1.0,
    tau_plus: float = 0.1,
    temperature: float = 0.5,
    reduction: str = "mean",
) -> torch.Tensor:
    """The debiased loss with negatives drawn, in expectation, in proportion to n_j^beta.

    As `debiased_contrastive`, with sum_j n_j replaced by

        sum_j n_j^beta n_j / mean_j n_j^beta

    Parameters
    ----------
    positive_scores : float [b]
    negative_scores : float [b, n]
    mask : bool [b, n], optional
        True = left out.
    beta : float
        Concentration on hard negatives, at least 0; 0 is `debiased_contrastive`. Large values bring false negatives
        back.
    tau_plus : float
        In [0, 1).
    temperature : float
    reduction : {"mean", "sum", "none"}
        A row without negatives loses 0.

    Returns
    -------
    float32 or float64
        The gradient flows through the weights n_j^beta too, as in the published code.

    Notes
    -----
    Robinson et al., arXiv 2010.04592; defaults of joshr17/HCL.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> p, s = torch.tensor([0.9]), torch.tensor([[0.2, -0.1]])
    >>> round(float(hm.losses.hardness_contrastive(p, s)), 4)
    0.2136
    """
    temperature = temperature_of(temperature)
    beta = checks.real("beta", beta, minimum=0.0)
    tau_plus = _share("tau_plus", tau_plus)
    inputs = Inputs()
    positives = cooled("positive_scores", inputs.floats("positive_scores", positive_scores, "b"), temperature)
    negatives = cooled(
        "negative_scores",
        inputs.floats("negative_scores", negative_scores, "b n", minus_infinity=True),
        temperature,
        may_vanish=True,
    )
    left_out = inputs.mask("mask", mask, "b n")
    refuse_missing("positive_scores", positives)
    if left_out is None:
        left_out = torch.zeros_like(negatives, dtype=torch.bool)
    negatives = negatives.masked_fill(left_out, -torch.inf)
    log_count = (~left_out).sum(1).to(negatives.dtype).log()
    none = torch.isneginf(log_count)
    log_count = log_count.masked_fill(none, 0.0)
    total = log_sum(negatives)
    if beta > 0.0:
        # 0 times the -inf of a masked entry would be NaN, so beta 0 has its own path.
        total = log_sum((1.0 + beta) * negatives) - _finite(log_sum(beta * negatives)) + log_count
    if tau_plus > 0.0:
        total = log_difference(total, positives + log_count + math.log(tau_plus)) - math.log1p(-tau_plus)
    bound = log_count - 1.0 / temperature
    total = torch.where(total > bound, total, bound).masked_fill(none, -torch.inf)
    return reduce(one_against(total, positives), reduction)


def _finite(log_total: torch.Tensor) -> torch.Tensor:
    """0 in place of -inf: what is divided by an empty sum is itself empty."""
    return log_total.masked_fill(torch.isneginf(log_total), 0.0)


def _share(name: str, value: float) -> float:
    share = checks.real(name, value, minimum=0.0)
    if share >= 1.0:
        raise ValueError(f"{name}: {share:g}, expected below 1")
    return share


class DebiasedContrastive(Loss):
    """`debiased_contrastive` with its settings held.

    Parameters
    ----------
    tau_plus, temperature : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.DebiasedContrastive()
    DebiasedContrastive(tau_plus=0.1, temperature=0.5, reduction='mean')
    """

    def __init__(self, tau_plus: float = 0.1, temperature: float = 0.5, *, reduction: str = "mean") -> None:
        super().__init__(
            tau_plus=_share("tau_plus", tau_plus),
            temperature=temperature_of(temperature),
            reduction=reduction,
        )

    def forward(
        self, positive_scores: torch.Tensor, negative_scores: torch.Tensor, *, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As `debiased_contrastive`."""
        return debiased_contrastive(positive_scores, negative_scores, mask=mask, **self.settings)


class HardnessWeightedContrastive(Loss):
    """`hardness_contrastive` with its settings held.

    Parameters
    ----------
    beta, tau_plus, temperature : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.HardnessWeightedContrastive(beta=0.5).settings["beta"]
    0.5
    """

    def __init__(
        self, beta: float = 1.0, tau_plus: float = 0.1, temperature: float = 0.5, *, reduction: str = "mean"
    ) -> None:
        super().__init__(
            beta=checks.real("beta", beta, minimum=0.0),
            tau_plus=_share("tau_plus", tau_plus),
            temperature=temperature_of(temperature),
            reduction=reduction,
        )

    def forward(
        self, positive_scores: torch.Tensor, negative_scores: torch.Tensor, *, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As `hardness_contrastive`."""
        return hardness_contrastive(positive_scores, negative_scores, mask=mask, **self.settings)

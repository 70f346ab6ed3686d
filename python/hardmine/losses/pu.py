"""Labels that are positive or missing: SAR-PU risk and weights, and CET-style coupled estimation."""

from __future__ import annotations

from typing import NamedTuple

import torch

from hardmine.losses._inputs import Inputs, reduce
from hardmine.losses._log_domain import log_sum, softplus
from hardmine.losses._module import Loss
from hardmine.plumbing import checks

__all__ = ["CET", "SARPU", "CoupledLosses", "coupled_estimation", "sar_pu_risk", "sar_pu_weights"]


def sar_pu_weights(relevance: torch.Tensor, propensity: torch.Tensor) -> torch.Tensor:
    """Weight of an unlabelled document as a negative: the chance 1 - f (1 - e) / (1 - f e) that it is one.

    Parameters
    ----------
    relevance : float, any shape
        f in [0, 1]: the chance of being relevant, for instance a calibrated teacher's.
    propensity : float, the same shape
        e in [0, 1]: the chance that a relevant document would have been labelled.

    Returns
    -------
    float32 or float64
        1 - f where e = 0, and 1 where e = 1 (also for f = 1, which an unlabelled document cannot have then).
        For `info_nce`, `rank_net` and their like. Constants, without gradient.

    Notes
    -----
    Bekker, Robberechts and Davis, arXiv 1809.03207, mapped to mining.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.sar_pu_weights(torch.tensor([0.5, 0.5, 0.5]), torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.5000, 0.6667, 1.0000])
    """
    inputs = Inputs()
    axes = " ".join(f"d{i}" for i in range(getattr(relevance, "ndim", 0)))
    f = inputs.floats("relevance", relevance, axes).detach()
    e = inputs.floats("propensity", propensity, axes).detach()
    for name, values in (("relevance", f), ("propensity", e)):
        _refuse_outside(name, values)
    # 1 - f (1 - e) / (1 - f e) = (1 - f) / (1 - f e)
    below = 1.0 - f * e
    return torch.where(below > 0.0, (1.0 - f) / below.masked_fill(below == 0.0, 1.0), 1.0)


def sar_pu_risk(
    logits: torch.Tensor,
    labelled: torch.Tensor,
    propensity: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    min_propensity: float = 0.01,
    reduction: str = "mean",
) -> torch.Tensor:
    """Unbiased logistic risk from positive and unlabelled examples.

    A labelled example counts as a positive with weight 1 / e and as a negative with weight 1 - 1 / e; an unlabelled one
    as a negative with weight 1. With z the logit:

        labelled: log(1 + e^z) - z / e        unlabelled: log(1 + e^z)

    Parameters
    ----------
    logits : float [b, n]
        Of relevance, finite.
    labelled : bool [b, n]
    propensity : float [b, n]
        e in [0, 1], a constant; read where `labelled`.
    mask : bool [b, n], optional
        True = padding.
    min_propensity : float
        e is raised to this, in (0, 1]: small values make the estimate unbiased and unsteady. Our choice.
    reduction : {"mean", "sum", "none"}
        Mean over the entries that are not masked (0 if none is); "none" returns float [b, n].

    Returns
    -------
    float32 or float64
        May be negative, and unbounded below for a separable sample: the price of being unbiased.

    Notes
    -----
    arXiv 1809.03207, ML-KULeuven/SAR-PU. With e = 1 it is ordinary cross-entropy against unlabelled = negative.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> z, s = torch.tensor([[1.0, 0.0]]), torch.tensor([[True, False]])
    >>> round(float(hm.losses.sar_pu_risk(z, s, torch.tensor([[0.5, 0.5]]))), 4)
    0.0032
    """
    floor = _floor(min_propensity)
    checks.choice("reduction", reduction, ("mean", "sum", "none"))
    inputs = Inputs()
    z = inputs.floats("logits", logits, "b n")
    positives = inputs.bools("labelled", labelled, "b n")
    e = inputs.floats("propensity", propensity, "b n").detach()
    left_out = inputs.mask("mask", mask, "b n")
    _refuse_outside("propensity", e)
    kept = torch.ones_like(positives) if left_out is None else ~left_out
    losses = (softplus(z) - (z / e.clamp_min(floor)).masked_fill(~positives, 0.0)).masked_fill(~kept, 0.0)
    if reduction == "mean":
        return losses.sum() / kept.sum().clamp_min(1)
    return losses.sum() if reduction == "sum" else losses


class CoupledLosses(NamedTuple):
    """The two losses of `coupled_estimation`; alternate between them, or minimise their sum.

    Attributes
    ----------
    relevance, selection : tensor
    """

    relevance: torch.Tensor
    selection: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """Their sum: no gradient of one reaches the scorer of the other."""
        return self.relevance + self.selection


def coupled_estimation(
    relevance_scores: torch.Tensor,
    selection_scores: torch.Tensor,
    labelled: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    reference: str = "max",
    clip: float = 10.0,
    reduction: str = "mean",
) -> CoupledLosses:
    """CET-style: learn what is relevant and what was selected for labelling, each weighted by the other.

    With r and g the softmax of the two scorers over a query's list, and sums over its labelled positives i:

        L_R = - sum_i (g_ref / g_i) log r_i,      L_S = - sum_i (r_ref / r_i) log g_i

    Parameters
    ----------
    relevance_scores, selection_scores : float [b, k]
        Of two scorers over the same lists; the second sees what decided on labelling (rank, retriever, BM25 score).
    labelled : bool [b, k]
    mask : bool [b, k], optional
        True = padding.
    reference : {"max", "first"}
        ref: the largest of the list, or its first entry (which must not be padding).
    clip : float
        The weights, which are constants, are held in [1 / clip, clip]; at least 1.
    reduction : {"mean", "sum", "none"}
        Over queries; one without labelled positives loses 0.

    Returns
    -------
    CoupledLosses
        Named tuple (relevance, selection), with ``.total``.

    Notes
    -----
    A reconstruction: the full text of arXiv 2209.05072 was not available. The coupling is the dual learning algorithm's
    (Ai et al., arXiv 1804.05938); reference and clip are our choices.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> flat, labelled = torch.zeros(1, 2), torch.tensor([[True, False]])
    >>> hm.losses.coupled_estimation(flat, flat, labelled).total
    tensor(1.3863)
    """
    bound = torch.tensor(checks.real("clip", clip, minimum=1.0), dtype=torch.float64).log().item()
    checks.choice("reference", reference, ("max", "first"))
    inputs = Inputs()
    scores = [
        inputs.floats("relevance_scores", relevance_scores, "b k", minus_infinity=True),
        inputs.floats("selection_scores", selection_scores, "b k", minus_infinity=True),
    ]
    positives = inputs.bools("labelled", labelled, "b k")
    left_out = inputs.mask("mask", mask, "b k")
    if left_out is not None:
        scores = [x.masked_fill(left_out, -torch.inf) for x in scores]
        positives = positives & ~left_out
    chances = [_log_softmax(x, positives) for x in scores]
    losses = []
    for own, other in (chances, chances[::-1]):
        anchor = other.amax(1, keepdim=True) if reference == "max" else other[:, :1]
        anchor = anchor.masked_fill(torch.isneginf(anchor), 0.0)
        weights = (anchor - other).detach().clamp(-bound, bound).exp()
        losses.append(reduce(-(weights * own).masked_fill(~positives, 0.0).sum(1), reduction))
    return CoupledLosses(*losses)


def _log_softmax(scores: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Log-probabilities; a labelled positive of probability 0 is an error, and everything else of 0 stays -inf."""
    if not torch.compiler.is_compiling() and bool((torch.isneginf(scores) & positives).any()):
        raise ValueError("labelled: a labelled document scores -inf, expected a finite score")
    total = log_sum(scores)
    return scores - total.masked_fill(torch.isneginf(total), 0.0)[:, None]


def _refuse_outside(name: str, values: torch.Tensor) -> None:
    if not torch.compiler.is_compiling() and bool(((values < 0) | (values > 1)).any()):
        worst = values.min() if bool((values < 0).any()) else values.max()
        raise ValueError(f"{name}: {float(worst):g}, expected from 0 to 1")


def _floor(min_propensity: float) -> float:
    floor = checks.real("min_propensity", min_propensity, maximum=1.0)
    if floor <= 0.0:
        raise ValueError(f"min_propensity: {floor:g}, expected above 0")
    return floor


class SARPU(Loss):
    """`sar_pu_risk` with its settings held.

    Parameters
    ----------
    min_propensity : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.SARPU()
    SARPU(min_propensity=0.01, reduction='mean')
    """

    def __init__(self, min_propensity: float = 0.01, *, reduction: str = "mean") -> None:
        super().__init__(min_propensity=_floor(min_propensity), reduction=reduction)

    def forward(
        self,
        logits: torch.Tensor,
        labelled: torch.Tensor,
        propensity: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `sar_pu_risk`."""
        return sar_pu_risk(logits, labelled, propensity, mask=mask, **self.settings)


class CET(Loss):
    """`coupled_estimation` with its settings held (CET-style).

    Parameters
    ----------
    reference : {"max", "first"}
    clip : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.CET()
    CET(reference='max', clip=10.0, reduction='mean')
    """

    def __init__(self, reference: str = "max", clip: float = 10.0, *, reduction: str = "mean") -> None:
        super().__init__(
            reference=checks.choice("reference", reference, ("max", "first")),
            clip=checks.real("clip", clip, minimum=1.0),
            reduction=reduction,
        )

    def forward(
        self,
        relevance_scores: torch.Tensor,
        selection_scores: torch.Tensor,
        labelled: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
    ) -> CoupledLosses:
        """As `coupled_estimation`."""
        return coupled_estimation(relevance_scores, selection_scores, labelled, mask=mask, **self.settings)

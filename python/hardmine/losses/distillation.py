"""Learning from a teacher's scores of the mined lists."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs, cooled, mean_where, reduce, temperature_of
from hardmine.losses._log_domain import log_sum
from hardmine.losses._module import Loss

__all__ = ["ListwiseKL", "MarginMSE", "listwise_kl", "margin_mse"]


def margin_mse(
    positive_scores: torch.Tensor,
    negative_scores: torch.Tensor,
    teacher_positive_scores: torch.Tensor,
    teacher_negative_scores: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean over pairs of ((p_i - s_ij) - (t_i - u_ij))^2.

    Parameters
    ----------
    positive_scores, negative_scores : float [b], [b, n]
        The student's.
    teacher_positive_scores, teacher_negative_scores : float [b], [b, n]
        The teacher's, of the same documents; constants.
    mask : bool [b, n], optional
        True = left out.

    Returns
    -------
    float32 or float64, no dimensions
        0 where every pair is masked.

    Notes
    -----
    Hofstaetter et al., arXiv 2010.02666; GPL, arXiv 2112.07577, feeds it mined negatives.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> one = torch.tensor([1.0])
    >>> hm.losses.margin_mse(one, torch.tensor([[0.5]]), one, torch.tensor([[-1.0]]))
    tensor(2.2500)
    """
    inputs = Inputs()
    positives = inputs.floats("positive_scores", positive_scores, "b")
    negatives = inputs.floats("negative_scores", negative_scores, "b n")
    teacher_positives = inputs.floats("teacher_positive_scores", teacher_positive_scores, "b").detach()
    teacher_negatives = inputs.floats("teacher_negative_scores", teacher_negative_scores, "b n").detach()
    left_out = inputs.mask("mask", mask, "b n")
    margins = positives[:, None] - negatives
    errors = (margins - (teacher_positives[:, None] - teacher_negatives)).square()
    return mean_where(errors, torch.ones_like(errors, dtype=torch.bool) if left_out is None else ~left_out)


def listwise_kl(
    scores: torch.Tensor,
    teacher_scores: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    temperature: float = 1.0,
    teacher_temperature: float = 1.0,
    reduction: str = "mean",
) -> torch.Tensor:
    """KL( softmax(teacher / T_t) || softmax(student / T) ) over each query's list.

    Parameters
    ----------
    scores : float [b, k]
        The student's, of the positive and the mined negatives, in any order.
    teacher_scores : float [b, k]
        The teacher's; constants. -inf is a target of 0.
    mask : bool [b, k], optional
        True = padding.
    temperature, teacher_temperature : float
        SimLM's student uses 0.02.
    reduction : {"mean", "sum", "none"}
        Over rows; a row that is all masked loses 0.

    Returns
    -------
    float32 or float64

    Raises
    ------
    ValueError
        Among others: a student's score of -inf, which no target can forgive; mask it.

    Notes
    -----
    SimLM, arXiv 2207.02578; ColBERT-style distillation. The soft labels take care of false negatives, so the lists need
    no ceiling (RLHN, arXiv 2505.16967, Table 3).

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> teacher = torch.tensor([[4.0, 3.0, 0.0]])
    >>> round(float(hm.losses.listwise_kl(torch.zeros(1, 3), teacher)), 4)
    0.4538
    """
    temperature = temperature_of(temperature)
    teacher_temperature = temperature_of(teacher_temperature, "teacher_temperature")
    inputs = Inputs()
    student = inputs.floats("scores", scores, "b k")
    teacher = inputs.floats("teacher_scores", teacher_scores, "b k", minus_infinity=True).detach()
    left_out = inputs.mask("mask", mask, "b k")
    if left_out is None:
        left_out = torch.zeros_like(student, dtype=torch.bool)
    student = cooled("scores", student.masked_fill(left_out, 0.0), temperature).masked_fill(left_out, -torch.inf)
    teacher = teacher.masked_fill(left_out, -torch.inf)
    teacher = cooled("teacher_scores", teacher, teacher_temperature, may_vanish=True)
    log_target = teacher - _total(teacher)
    target = log_target.exp()
    # A target of 0 adds nothing, whatever the student gives; 0 times -inf would be NaN.
    gap = (log_target - (student - _total(student))).masked_fill(target == 0.0, 0.0)
    return reduce((target * gap).sum(1), reduction)


def _total(logits: torch.Tensor) -> torch.Tensor:
    total = log_sum(logits)
    return total.masked_fill(torch.isneginf(total), 0.0)[:, None]


class MarginMSE(Loss):
    """`margin_mse` as a module.

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.MarginMSE()
    MarginMSE()
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(
        self,
        positive_scores: torch.Tensor,
        negative_scores: torch.Tensor,
        teacher_positive_scores: torch.Tensor,
        teacher_negative_scores: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `margin_mse`."""
        return margin_mse(positive_scores, negative_scores, teacher_positive_scores, teacher_negative_scores, mask=mask)


class ListwiseKL(Loss):
    """`listwise_kl` with its settings held.

    Parameters
    ----------
    temperature, teacher_temperature : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.ListwiseKL(temperature=0.02).settings["temperature"]
    0.02
    """

    def __init__(self, temperature: float = 1.0, teacher_temperature: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(
            temperature=temperature_of(temperature),
            teacher_temperature=temperature_of(teacher_temperature, "teacher_temperature"),
            reduction=reduction,
        )

    def forward(
        self, scores: torch.Tensor, teacher_scores: torch.Tensor, *, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As `listwise_kl`."""
        return listwise_kl(scores, teacher_scores, mask=mask, **self.settings)

"""InfoNCE over in-batch and hard negatives."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs, cooled, reduce, temperature_of
from hardmine.losses._log_domain import log_sum, log_weighted, one_against
from hardmine.losses._module import Loss
from hardmine.plumbing import checks

__all__ = ["InfoNCE", "hardness_weights", "info_nce"]


def info_nce(
    scores: torch.Tensor,
    hard_scores: torch.Tensor | None = None,
    *,
    temperature: float = 0.05,
    mask: torch.Tensor | None = None,
    hard_mask: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
    hard_weights: torch.Tensor | None = None,
    positive_columns: torch.Tensor | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """Cross-entropy of a query's positive among the documents of the batch and the query's own hard negatives.

    With p the positive's score and w 1 where no weights are given, row i loses

        -log( e^(p_i/T) / ( e^(p_i/T) + sum_j w_ij e^(s_ij/T) + sum_k v_ik e^(h_ik/T) ) )

    over the columns j that are neither the positive nor masked, and the row's own negatives k that are not masked.

    Parameters
    ----------
    scores : float16 | bfloat16 | float32 | float64 [b, c]
        Query i against document j of the batch. Hard negatives that all rows share are further columns here.
    hard_scores : float [b, n], optional
        Query i against its own negatives; ragged lists are padded and masked.
    temperature : float
        T > 0. SimCSE uses 0.05, E5 0.01, E5-mistral 0.02.
    mask : bool [b, c], optional
        True = not a trustworthy negative, as `hardmine.in_batch_mask` returns it. The positive is always kept.
    hard_mask : bool [b, n], optional
        True = padding, or not trustworthy.
    weights, hard_weights : float [b, c], [b, n], optional
        Factors of at least 0 on the negatives' terms, taken as constants (`hardness_weights`, `sar_pu_weights`).
        The positive's is ignored.
    positive_columns : int [b], optional
        Column of each row's positive; by default row i's is column i.
    reduction : {"mean", "sum", "none"}
        Over rows; "none" returns float [b]. A row without negatives loses 0 and counts as a row.

    Returns
    -------
    float32, or float64 where any input is that
        Computed in the log domain; -inf scores of negatives are terms of 0. Nothing is drawn: the same inputs give the
        same result.

    Raises
    ------
    TypeError, ValueError
        Wrong dtype, shape or device; NaN or +inf scores; a positive's score of -inf; a temperature that is not above
        0; a negative weight; `positive_columns` out of range.

    Notes
    -----
    van den Oord et al., arXiv 1807.03748; in-batch with hard negatives as DPR, arXiv 2004.04906.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> scores = torch.tensor([[0.8, 0.79, 0.2], [0.1, 0.9, 0.3], [0.4, 0.0, 0.7]])
    >>> mask = hm.in_batch_mask(scores)  # document 1 scores too close to query 0's positive
    >>> round(float(hm.losses.info_nce(scores, mask=mask, temperature=0.1)), 4)
    0.0182
    >>> round(float(hm.losses.info_nce(scores, temperature=0.1)), 4)
    0.2327
    """
    temperature = temperature_of(temperature)
    inputs = Inputs()
    logits = inputs.floats("scores", scores, "b c", minus_infinity=True)
    columns = own_columns(inputs, positive_columns)
    mask = inputs.mask("mask", mask, "b c")
    positives = logits.gather(1, columns[:, None])[:, 0]
    refuse_missing("scores", positives)
    positives = cooled("scores", positives, temperature)
    logits = cooled("scores", logits, temperature, may_vanish=True)
    negatives = log_weighted(logits, inputs.optional_floats("weights", weights, "b c", like=logits), mask)
    total = log_sum(negatives.scatter(1, columns[:, None], -torch.inf))
    if hard_scores is not None:
        hard = cooled(
            "hard_scores",
            inputs.floats("hard_scores", hard_scores, "b n", minus_infinity=True),
            temperature,
            may_vanish=True,
        )
        factors = inputs.optional_floats("hard_weights", hard_weights, "b n", like=hard)
        total = join(total, log_sum(log_weighted(hard, factors, inputs.mask("hard_mask", hard_mask, "b n"))))
    elif hard_mask is not None or hard_weights is not None:
        raise ValueError("hard_mask, hard_weights: given without hard_scores, which they speak of")
    return reduce(one_against(total, positives), reduction)


def hardness_weights(scores: torch.Tensor, *, alpha: float = 5.0) -> torch.Tensor:
    """Weights exp(alpha * score) of negatives, harder ones more; constants, without gradient.

    Parameters
    ----------
    scores : float, any shape
        Cosines of the queries with their negatives.
    alpha : float
        5 on hard negatives in EmbeddingGemma, arXiv 2509.20354; 9 on in-batch negatives in LLaVE, arXiv 2503.04812.

    Returns
    -------
    float32 or float64, the shape of `scores`

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.hardness_weights(torch.tensor([0.0, 0.2]), alpha=5.0)
    tensor([1.0000, 2.7183])
    """
    if not isinstance(scores, torch.Tensor):
        raise TypeError(f"scores: {type(scores).__name__}, expected a torch.Tensor")
    wide = Inputs().floats("scores", scores, " ".join(f"d{i}" for i in range(scores.ndim)), minus_infinity=True)
    return torch.exp(checks.real("alpha", alpha, minimum=0.0) * wide.detach())


def own_columns(inputs: Inputs, positive_columns: torch.Tensor | None) -> torch.Tensor:
    """Column of each row's positive in a matrix [b, c] that `inputs` has seen."""
    rows, width = inputs.sizes["b"], inputs.sizes["c"]
    if positive_columns is not None:
        return inputs.integers("positive_columns", positive_columns, "b", minimum=0, maximum=width - 1)
    if rows > width:
        raise ValueError(f"scores: {rows} rows, {width} columns; without positive_columns row i's positive is column i")
    return torch.arange(rows, device=inputs.device)


def refuse_missing(name: str, positives: torch.Tensor) -> None:
    """A positive of -inf cannot be learned from."""
    if torch.compiler.is_compiling():
        return
    missing = positives == -torch.inf
    if bool(missing.any()):
        row = int(missing.nonzero()[0])
        raise ValueError(f"{name}: -inf for the positive of row {row}, expected a finite number")


def join(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """log(e^a + e^b), where either or both may be -inf."""
    return log_sum(torch.stack([a, b], dim=-1))


class InfoNCE(Loss):
    """`info_nce` with its settings held.

    Parameters
    ----------
    temperature : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.InfoNCE(temperature=0.1)(torch.eye(2))
    tensor(4.5399e-05)
    """

    def __init__(self, temperature: float = 0.05, *, reduction: str = "mean") -> None:
        super().__init__(temperature=temperature_of(temperature), reduction=reduction)

    def forward(
        self,
        scores: torch.Tensor,
        hard_scores: torch.Tensor | None = None,
        *,
        mask: torch.Tensor | None = None,
        hard_mask: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
        hard_weights: torch.Tensor | None = None,
        positive_columns: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `info_nce`."""
        return info_nce(
            scores, hard_scores, mask=mask, hard_mask=hard_mask, weights=weights, hard_weights=hard_weights,
            positive_columns=positive_columns, **self.settings,
        )  # fmt: skip

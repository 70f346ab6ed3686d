"""Dual-view contrast against the hardest entries of a memory bank."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs, cooled, reduce, temperature_of
from hardmine.losses._log_domain import log_sum, one_against
from hardmine.losses._module import Loss
from hardmine.losses.infonce import refuse_missing
from hardmine.plumbing import checks

__all__ = ["MoCoDualView", "moco_dual_view"]


def moco_dual_view(
    positive_scores: torch.Tensor,
    query_bank_scores: torch.Tensor,
    key_bank_scores: torch.Tensor,
    *,
    query_mask: torch.Tensor | None = None,
    key_mask: torch.Tensor | None = None,
    num_hardest: int | None = None,
    temperature: float = 0.07,
    reduction: str = "mean",
) -> torch.Tensor:
    """InfoNCE of query and key in both roles, each against its own hardest bank entries: L_q + L_k.

        L_q = -log( e^(q.k/T) / ( e^(q.k/T) + sum over the hardest m of q of e^(q.m/T) ) ),  L_k with q and k swapped

    Parameters
    ----------
    positive_scores : float [b]
        Cosine of each query with its key.
    query_bank_scores, key_bank_scores : float [b, n], [b, m]
        Cosines of queries and of keys with bank entries: with all of them, or with those that a search of the bank
        found.
    query_mask, key_mask : bool [b, n], [b, m], optional
        True = left out: the same id or text, or padding.
    num_hardest : int, optional
        How many of the highest scores take part; all by default. The rest of the bank is ignored.
    temperature : float
        0.07 in MoCo.
    reduction : {"mean", "sum", "none"}
        Over rows; a view without negatives loses 0.

    Returns
    -------
    float32 or float64

    Notes
    -----
    MoCo (arXiv 1911.05722) with enhanced negatives in the style of arXiv 2501.16360, whose full text was not available:
    that both views weigh the same is our reading. Halve the sum for a mean of the views.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> p, s = torch.tensor([0.5]), torch.tensor([[0.5, -1.0, -1.0]])
    >>> round(float(hm.losses.moco_dual_view(p, s, s, num_hardest=1)), 4)
    1.3863
    """
    temperature = temperature_of(temperature)
    inputs = Inputs()
    positives = cooled("positive_scores", inputs.floats("positive_scores", positive_scores, "b"), temperature)
    refuse_missing("positive_scores", positives)
    views = []
    for name, given, mask, size in (
        ("query", query_bank_scores, query_mask, "n"),
        ("key", key_bank_scores, key_mask, "m"),
    ):
        bank = cooled(
            f"{name}_bank_scores",
            inputs.floats(f"{name}_bank_scores", given, f"b {size}", minus_infinity=True),
            temperature,
            may_vanish=True,
        )
        left_out = inputs.mask(f"{name}_mask", mask, f"b {size}")
        if left_out is not None:
            bank = bank.masked_fill(left_out, -torch.inf)
        if num_hardest is not None:
            wanted = checks.integer("num_hardest", num_hardest, minimum=1)
            bank = bank.topk(min(wanted, bank.shape[1]), dim=1).values
        views.append(one_against(log_sum(bank), positives))
    return reduce(views[0] + views[1], reduction)


class MoCoDualView(Loss):
    """`moco_dual_view` with its settings held.

    Parameters
    ----------
    num_hardest : int, optional
    temperature : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.MoCoDualView(num_hardest=64)
    MoCoDualView(num_hardest=64, temperature=0.07, reduction='mean')
    """

    def __init__(self, num_hardest: int | None = None, temperature: float = 0.07, *, reduction: str = "mean") -> None:
        wanted = None if num_hardest is None else checks.integer("num_hardest", num_hardest, minimum=1)
        super().__init__(num_hardest=wanted, temperature=temperature_of(temperature), reduction=reduction)

    def forward(
        self,
        positive_scores: torch.Tensor,
        query_bank_scores: torch.Tensor,
        key_bank_scores: torch.Tensor,
        *,
        query_mask: torch.Tensor | None = None,
        key_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `moco_dual_view`."""
        return moco_dual_view(
            positive_scores, query_bank_scores, key_bank_scores, query_mask=query_mask, key_mask=key_mask,
            **self.settings,
        )  # fmt: skip

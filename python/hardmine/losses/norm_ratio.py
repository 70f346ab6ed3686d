"""Asymmetric similarity by norms (ASL): an edited copy is not longer than what it was made from."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs, positive, reduce
from hardmine.losses._module import Loss

__all__ = ["NormRatio", "norm_ratio_loss", "norm_ratio_mask"]


def norm_ratio_loss(larger: torch.Tensor, smaller: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
    """``exp(1 - |f(larger)| / |f(smaller)|)``: teach the norm how much of the original a view holds.

    Parameters
    ----------
    larger, smaller : float [b, h]
        Embeddings, not normalised, of two views of one original, the first of which shows more of it.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float32 or float64
        A zero vector's norm has gradient 0; one on the right has its norm raised to the smallest number, so that the
        loss is 0 unless both are zero.

    Notes
    -----
    Asymmetrical-similarity learning (AAAI 2023), WangWenhao0716/ASL; its arXiv id, 2205.12358, is unverified.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.norm_ratio_loss(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 5.0]]))
    tensor(1.)
    """
    inputs = Inputs()
    long = _norms(inputs.floats("larger", larger, "b h"))
    short = _norms(inputs.floats("smaller", smaller, "b h"))
    ratio = long / short.clamp_min(torch.finfo(short.dtype).tiny)
    return reduce(torch.exp(1.0 - ratio.clamp_max(1e3)), reduction)


def norm_ratio_mask(queries: torch.Tensor, references: torch.Tensor, *, threshold: float = 1.0) -> torch.Tensor:
    """Pairs that cannot be (edited copy, original): ``|f(q)| / |f(r)| > threshold``.

    Parameters
    ----------
    queries : float [b, h]
    references : float [c, h]
        Embeddings, not normalised.
    threshold : float
        Above 0; 1 in the paper.

    Returns
    -------
    bool [b, c]
        True = drop. Not symmetric. Equality keeps.

    Notes
    -----
    The test-time filter of asymmetrical-similarity learning (AAAI 2023), WangWenhao0716/ASL.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.norm_ratio_mask(torch.tensor([[2.0], [1.0]]), torch.tensor([[1.5], [3.0]]))
    tensor([[ True, False],
            [False, False]])
    """
    threshold = positive("threshold", threshold)
    inputs = Inputs()
    ours = _norms(inputs.floats("queries", queries, "b h")).detach()
    theirs = _norms(inputs.floats("references", references, "c h")).detach()
    return ours[:, None] > threshold * theirs[None, :]


def _norms(vectors: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(vectors, dim=1)


class NormRatio(Loss):
    """`norm_ratio_loss` with its setting held.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.NormRatio()
    NormRatio(reduction='mean')
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)

    def forward(self, larger: torch.Tensor, smaller: torch.Tensor) -> torch.Tensor:
        """As `norm_ratio_loss`."""
        return norm_ratio_loss(larger, smaller, **self.settings)

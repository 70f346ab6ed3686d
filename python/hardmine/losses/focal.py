"""Hard-negative texts with focal weighting and label smoothing (FSC-CLIP), globally and token by token."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs, cooled, mean_where, positive, temperature_of
from hardmine.losses._log_domain import log_sum
from hardmine.losses._module import Loss
from hardmine.plumbing import checks

__all__ = ["SelectiveCalibration", "selective_calibration", "token_scores"]


def selective_calibration(
    positive_scores: torch.Tensor,
    negative_scores: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    gamma: float = 2.0,
    smoothing: float = 0.02,
    temperature: float = 0.01,
    reduction: str = "mean",
) -> torch.Tensor:
    """Cross-entropy of a positive among its own hard negatives, gentle on what is nearly right already.

    Over the n + 1 entries of a row that are not masked, with q = softmax(scores / T) and the smoothed targets
    y = 1 - beta + beta / (n + 1) of the positive and beta / (n + 1) of each negative:

        loss = - sum_k y_k (1 - q_k)^gamma log q_k

    Parameters
    ----------
    positive_scores : float [b]
    negative_scores : float [b, n]
        Of the row's own negatives, for instance edited copies of its positive, globally or from `token_scores`.
    mask : bool [b, n], optional
        True = padding, or not trustworthy.
    gamma : float
        At least 0; 0 is plain cross-entropy.
    smoothing : float
        beta in [0, 1]; 0 is one-hot.
    temperature : float
        CLIP's logit scale of 100 by default.
    reduction : {"mean", "sum", "none"}
        A row without negatives has loss 0 and does not count in the mean.

    Returns
    -------
    float32 or float64
        A negative of -inf counts as masked: log q of a zero probability would make the smoothed loss infinite.

    Notes
    -----
    FSC-CLIP, arXiv 2410.05210, ytaek-oh/fsc-clip, whose focal factor belongs to each term's own probability. There the
    loss is added to the in-batch one with weight 0.5 to 1 (global) and 0.2 (local).

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> p, s = torch.tensor([0.30]), torch.tensor([[0.28, 0.25]])
    >>> round(float(hm.losses.selective_calibration(p, s)), 4)
    0.0469
    >>> round(float(hm.losses.selective_calibration(p, s, gamma=0.0, smoothing=0.0)), 4)
    0.1328
    """
    temperature = temperature_of(temperature)
    gamma = checks.real("gamma", gamma, minimum=0.0)
    smoothing = checks.real("smoothing", smoothing, minimum=0.0, maximum=1.0)
    checks.choice("reduction", reduction, ("mean", "sum", "none"))
    inputs = Inputs()
    positives = cooled("positive_scores", inputs.floats("positive_scores", positive_scores, "b"), temperature)
    negatives = inputs.floats("negative_scores", negative_scores, "b n", minus_infinity=True)
    left_out = inputs.mask("mask", mask, "b n")
    left_out = torch.isneginf(negatives) if left_out is None else left_out | torch.isneginf(negatives)
    negatives = cooled("negative_scores", negatives.masked_fill(left_out, -torch.inf), temperature)
    logits = torch.cat([positives[:, None], negatives], dim=1)
    kept = torch.cat([torch.ones_like(positives[:, None], dtype=torch.bool), ~left_out], dim=1)
    classes = kept.sum(1, keepdim=True).to(logits.dtype)
    first = torch.zeros_like(logits)
    first[:, 0] = 1.0
    targets = smoothing / classes + (1.0 - smoothing) * first
    log_probability = (logits - log_sum(logits)[:, None]).masked_fill(~kept, 0.0)
    # (1 - q)^gamma has an infinite slope at q = 1 for gamma < 1; the smallest number keeps the product at 0.
    doubt = -torch.expm1(log_probability)
    factor = doubt.clamp_min(torch.finfo(doubt.dtype).tiny).pow(gamma)
    losses = -(targets * factor * log_probability).masked_fill(~kept, 0.0).sum(1)
    counts = kept[:, 1:].any(1)
    if reduction == "mean":
        return mean_where(losses, counts)
    losses = losses.masked_fill(~counts, 0.0)
    return losses.sum() if reduction == "sum" else losses


def token_scores(
    text_tokens: torch.Tensor,
    other_tokens: torch.Tensor,
    *,
    text_mask: torch.Tensor | None = None,
    other_mask: torch.Tensor | None = None,
    scale: float = 100.0,
) -> torch.Tensor:
    """Score texts token by token against the tokens (or patches) of the other side.

    For token t of a text, with a_tp = t . o_p over the other side's tokens p, scaled to [0, 1] over p and then to sum 1
    (constants, without gradient), the token meets the mean o_t = sum_p a_tp o_p, and

        score = log sum_t exp( scale * cos(t, o_t) )

    Parameters
    ----------
    text_tokens : float [b, n, t, h]
        Of n texts per row, for instance a positive and its edited copies.
    other_tokens : float [b, p, h]
        Of the row's query, or patches of its image.
    text_mask : bool [b, n, t], optional
        True = padding.
    other_mask : bool [b, p], optional
        True = padding.
    scale : float
        Above 0. The scores carry it: pass ``temperature=1.0`` on.

    Returns
    -------
    float32 or float64 [b, n]
        -inf for a text that is all padding, without gradient. Where all a_tp of a token are equal, each o_p counts
        the same.

    Notes
    -----
    The local hard-negative loss of FSC-CLIP, arXiv 2410.05210. In time and memory b n t p.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> text, query = torch.eye(3)[None, None, :2], torch.eye(3)[None]
    >>> hm.losses.token_scores(text, query, scale=1.0)
    tensor([[1.6931]])
    """
    scale = positive("scale", scale)
    inputs = Inputs()
    texts = inputs.floats("text_tokens", text_tokens, "b n t h")
    others = inputs.floats("other_tokens", other_tokens, "b p h")
    texts, others = (x.to(torch.promote_types(texts.dtype, others.dtype)) for x in (texts, others))
    padding = inputs.mask("text_mask", text_mask, "b n t")
    absent = inputs.mask("other_mask", other_mask, "b p")
    if inputs.sizes["p"] == 0:
        raise ValueError(f"other_tokens: shape {tuple(other_tokens.shape)}, expected at least one token per row")
    with torch.autocast(texts.device.type, enabled=False):
        attention = _min_max(torch.einsum("bnth,bph->bntp", texts.detach(), others.detach()), absent)
        means = torch.einsum("bntp,bph->bnth", attention, others)
        scores = scale * torch.nn.functional.cosine_similarity(texts, means, dim=-1)
    if padding is not None:
        scores = scores.masked_fill(padding, -torch.inf)
    return log_sum(scores)


def _min_max(products: torch.Tensor, absent: torch.Tensor | None) -> torch.Tensor:
    """Products scaled to [0, 1] over the last dimension and then to sum 1; absent entries are 0."""
    out = (
        torch.zeros_like(products, dtype=torch.bool) if absent is None else absent[:, None, None, :].expand_as(products)
    )
    low = products.masked_fill(out, torch.inf).amin(-1, keepdim=True)
    scaled = (products - low).masked_fill(out, 0.0)
    top = scaled.amax(-1, keepdim=True)
    flat = torch.where(out, 0.0, torch.ones_like(scaled))
    scaled = torch.where(top > 0.0, scaled / top.masked_fill(top == 0.0, 1.0), flat)
    return scaled / scaled.sum(-1, keepdim=True).clamp_min(1.0)


class SelectiveCalibration(Loss):
    """`selective_calibration` with its settings held.

    Parameters
    ----------
    gamma, smoothing, temperature : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.SelectiveCalibration()
    SelectiveCalibration(gamma=2.0, smoothing=0.02, temperature=0.01, reduction='mean')
    """

    def __init__(
        self, gamma: float = 2.0, smoothing: float = 0.02, temperature: float = 0.01, *, reduction: str = "mean"
    ) -> None:
        super().__init__(
            gamma=checks.real("gamma", gamma, minimum=0.0),
            smoothing=checks.real("smoothing", smoothing, minimum=0.0, maximum=1.0),
            temperature=temperature_of(temperature),
            reduction=reduction,
        )

    def forward(
        self, positive_scores: torch.Tensor, negative_scores: torch.Tensor, *, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As `selective_calibration`."""
        return selective_calibration(positive_scores, negative_scores, mask=mask, **self.settings)

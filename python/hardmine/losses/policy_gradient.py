"""Plackett-Luce policy gradient on a ranking metric (PG-RANK)."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs, cooled, reduce, temperature_of
from hardmine.losses._module import Loss
from hardmine.plumbing import checks

__all__ = ["PGRank", "ndcg", "pg_rank", "plackett_luce_log_probability", "sample_rankings"]

_ABSENT = -1e30
"""Stands for -inf where a running sum of exponentials has to stay finite; e to this is 0 beside any score."""


def sample_rankings(
    scores: torch.Tensor,
    num_samples: int,
    *,
    mask: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Draw whole rankings from the Plackett-Luce distribution: the order of s + Gumbel noise.

    Parameters
    ----------
    scores : float [b, k]
    num_samples : int
    mask : bool [b, k], optional
        True = padding: comes last, after every -inf score too.
    generator : torch.Generator, optional
        Of the device of `scores`; with the same state, the same rankings. By default PyTorch's own.

    Returns
    -------
    int64 [num_samples, b, k]
        Position to item.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.sample_rankings(torch.tensor([[0.0, 100.0]]), 2)
    tensor([[[1, 0]],
    <BLANKLINE>
            [[1, 0]]])
    """
    num_samples = checks.integer("num_samples", num_samples, minimum=1)
    inputs = Inputs()
    logits = inputs.floats("scores", scores, "b k", minus_infinity=True).detach().clamp_min(_ABSENT)
    left_out = inputs.mask("mask", mask, "b k")
    if left_out is not None:
        logits = logits.masked_fill(left_out, -torch.inf)
    noise = torch.empty((num_samples, *logits.shape), dtype=logits.dtype, device=logits.device)
    noise.exponential_(generator=generator).clamp_min_(torch.finfo(noise.dtype).tiny)
    return (logits - noise.log_()).argsort(dim=-1, descending=True, stable=True)


def plackett_luce_log_probability(
    scores: torch.Tensor, rankings: torch.Tensor, *, mask: torch.Tensor | None = None, depth: int | None = None
) -> torch.Tensor:
    """Log of the chance that the first `depth` places are filled as in a ranking.

        sum_(i <= depth) ( s(r_i) - log sum_(j >= i) e^s(r_j) )

    Parameters
    ----------
    scores : float [b, k]
    rankings : int [n, b, k]
        Permutations, as `sample_rankings` gives them.
    mask : bool [b, k], optional
        True = padding; places filled by padding add 0.
    depth : int, optional
        By default k.

    Returns
    -------
    float32 or float64 [n, b]

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> both = torch.tensor([[[0, 1]], [[1, 0]]])
    >>> hm.losses.plackett_luce_log_probability(torch.tensor([[0.0, 0.0]]), both).exp()
    tensor([[0.5000],
            [0.5000]])
    """
    inputs = Inputs()
    logits = inputs.floats("scores", scores, "b k", minus_infinity=True)
    items = inputs.sizes["k"]
    left_out = inputs.mask("mask", mask, "b k")
    places = inputs.integers("rankings", rankings, "n b k", minimum=0, maximum=max(0, items - 1))
    depth = items if depth is None else checks.integer("depth", depth, minimum=1)
    absent = torch.isneginf(logits)
    absent = absent if left_out is None else absent | left_out
    ordered = logits.masked_fill(absent, _ABSENT).expand(places.shape).gather(2, places)
    chosen = ~absent.expand(places.shape).gather(2, places)
    rest = ordered.flip(2).logcumsumexp(2).flip(2)
    return (ordered - rest).masked_fill(~chosen, 0.0)[:, :, :depth].sum(2)


def ndcg(gains: torch.Tensor, rankings: torch.Tensor, *, cutoff: int = 10) -> torch.Tensor:
    """NDCG of rankings: gains over log2(1 + rank), against the best order's.

    Parameters
    ----------
    gains : float [b, k]
        At least 0; give 2^grade - 1 for exponential gains.
    rankings : int [n, b, k]
    cutoff : int

    Returns
    -------
    float32 or float64 [n, b]
        0 for a query without gains.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> hm.losses.ndcg(torch.tensor([[1.0, 0.0]]), torch.tensor([[[0, 1]], [[1, 0]]]))
    tensor([[1.0000],
            [0.6309]])
    """
    cutoff = checks.integer("cutoff", cutoff, minimum=1)
    inputs = Inputs()
    worth = inputs.floats("gains", gains, "b k").detach()
    if not torch.compiler.is_compiling() and bool((worth < 0).any()):
        raise ValueError(f"gains: {float(worth.min()):g}, expected at least 0")
    items = inputs.sizes["k"]
    places = inputs.integers("rankings", rankings, "n b k", minimum=0, maximum=max(0, items - 1))
    depth = min(cutoff, items)
    discount = torch.log2(torch.arange(2, depth + 2, device=worth.device, dtype=worth.dtype))
    found = (worth.expand(places.shape).gather(2, places)[:, :, :depth] / discount).sum(2)
    best = (worth.sort(dim=1, descending=True).values[:, :depth] / discount).sum(1)
    return torch.where(best > 0.0, found / best.masked_fill(best == 0.0, 1.0), 0.0)


def pg_rank(
    scores: torch.Tensor,
    gains: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    num_samples: int = 16,
    cutoff: int = 10,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """Minus the mean nDCG of rankings drawn from the scores, with the policy gradient as its gradient.

    With n rankings r_i drawn from the Plackett-Luce distribution of scores / T, rewards D_i = nDCG@cutoff(r_i) and the
    baseline b_i = mean of the other rewards, the value is - mean_i D_i and the gradient

        - (1 / n) sum_i (D_i - b_i) grad log pi(first `cutoff` places of r_i)

    which is an unbiased estimate of the gradient of minus the expected nDCG: places beyond the cutoff change neither
    the reward nor the expectation, and are left out of log pi.

    Parameters
    ----------
    scores : float [b, k]
    gains : float [b, k]
        At least 0, as in `ndcg`.
    mask : bool [b, k], optional
        True = padding, of gain 0.
    num_samples : int
        n >= 2 (the baseline needs another one). Our choice: the paper's was not available.
    cutoff : int
    temperature : float
    generator : torch.Generator, optional
        With the same state, the same value and gradient.
    reduction : {"mean", "sum", "none"}
        Over queries.

    Returns
    -------
    float32 or float64

    Notes
    -----
    PG-RANK-style, after arXiv 2310.04407, whose full text was not available: the policy and the objective are the
    paper's, the leave-one-out baseline that of a third-party implementation.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> scores = torch.tensor([[40.0, 0.0, 1.0]])
    >>> hm.losses.pg_rank(scores, torch.tensor([[1.0, 0.0, 0.0]]))
    tensor(-1.)
    """
    temperature = temperature_of(temperature)
    num_samples = checks.integer("num_samples", num_samples, minimum=2)
    cutoff = checks.integer("cutoff", cutoff, minimum=1)
    inputs = Inputs()
    logits = cooled("scores", inputs.floats("scores", scores, "b k", minus_infinity=True), temperature, may_vanish=True)
    worth = inputs.floats("gains", gains, "b k").detach()
    left_out = inputs.mask("mask", mask, "b k")
    if left_out is not None:
        worth = worth.masked_fill(left_out, 0.0)
    rankings = sample_rankings(logits, num_samples, mask=mask, generator=generator)
    rewards = ndcg(worth, rankings, cutoff=cutoff)
    baselines = (rewards.sum(0) - rewards) / (num_samples - 1)
    log_chances = plackett_luce_log_probability(logits, rankings, mask=mask, depth=cutoff)
    pull = ((rewards - baselines) * log_chances).mean(0)
    return reduce(-rewards.mean(0) - (pull - pull.detach()), reduction)


class PGRank(Loss):
    """`pg_rank` with its settings held; a generator is given per call.

    Parameters
    ----------
    num_samples, cutoff : int
    temperature : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.PGRank(num_samples=8)
    PGRank(num_samples=8, cutoff=10, temperature=1.0, reduction='mean')
    """

    def __init__(
        self, num_samples: int = 16, cutoff: int = 10, temperature: float = 1.0, *, reduction: str = "mean"
    ) -> None:
        super().__init__(
            num_samples=checks.integer("num_samples", num_samples, minimum=2),
            cutoff=checks.integer("cutoff", cutoff, minimum=1),
            temperature=temperature_of(temperature),
            reduction=reduction,
        )

    def forward(
        self,
        scores: torch.Tensor,
        gains: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """As `pg_rank`."""
        return pg_rank(scores, gains, mask=mask, generator=generator, **self.settings)

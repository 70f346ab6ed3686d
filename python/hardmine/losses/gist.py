"""False negatives masked by a guide model (GIST)."""

from __future__ import annotations

import torch

from hardmine.losses._inputs import Inputs, reduce, temperature_of
from hardmine.losses._log_domain import log_sum, one_against
from hardmine.losses._module import Loss
from hardmine.losses.infonce import refuse_missing
from hardmine.losses.similarity import similarity
from hardmine.plumbing import checks

__all__ = ["GISTEmbed", "gist_embed", "gist_mask"]

STRATEGIES = ("absolute", "relative")


def gist_mask(
    guide_scores: torch.Tensor,
    guide_positive_scores: torch.Tensor,
    *,
    margin: float = 0.0,
    margin_strategy: str = "absolute",
) -> torch.Tensor:
    """Entries that the guide scores above its own positive, less a margin: probably false negatives.

    Masked where guide_ij > g_i - margin ("absolute") or guide_ij > g_i - abs(g_i) margin ("relative").

    Parameters
    ----------
    guide_scores : float [b, c]
        Of the guide, for any block: queries or positives against documents, queries or positives.
    guide_positive_scores : float [b]
        g: the guide's score of each row's query with its positive.
    margin : float
        At least 0.
    margin_strategy : {"absolute", "relative"}

    Returns
    -------
    bool [b, c]
        True = not a trustworthy negative. Equality keeps. In the query-document block `info_nce` keeps the positive.

    Notes
    -----
    GISTEmbed, arXiv 2402.16829; the margins of sentence-transformers. `hardmine.in_batch_mask` gives the same for the
    query-document block, with ids, texts and clusters beside.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> guide = torch.tensor([[0.8, 0.9], [0.1, 0.7]])
    >>> hm.losses.gist_mask(guide, guide.diagonal())
    tensor([[False,  True],
            [False, False]])
    """
    inputs = Inputs()
    guide = inputs.floats("guide_scores", guide_scores, "b c", minus_infinity=True).detach()
    own = inputs.floats("guide_positive_scores", guide_positive_scores, "b").detach()
    margin = checks.real("margin", margin, minimum=0.0)
    relative = checks.choice("margin_strategy", margin_strategy, STRATEGIES) == "relative"
    threshold = own - own.abs() * margin if relative else own - margin
    return guide > threshold[:, None]


def gist_embed(
    queries: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor | None = None,
    *,
    guide_queries: torch.Tensor,
    guide_positives: torch.Tensor,
    guide_negatives: torch.Tensor | None = None,
    temperature: float = 0.01,
    margin: float = 0.0,
    margin_strategy: str = "absolute",
    contrast_queries: bool = True,
    contrast_positives: bool = True,
    reduction: str = "mean",
) -> torch.Tensor:
    """InfoNCE over four blocks (query-positive, query-query, positive-positive, query-negative), masked by a guide.

    Cosines over the temperature; row i's target is its own positive, and every other entry of row i counts in the
    denominator unless `gist_mask` takes it out.

    Parameters
    ----------
    queries, positives : float [b, h]
    negatives : float [m, h], optional
        Hard negatives, shared by all rows.
    guide_queries, guide_positives, guide_negatives : float [b, g], [b, g], [m, g]
        The guide's embeddings of the same texts; no gradient flows there.
    temperature : float
    margin, margin_strategy
        As in `gist_mask`.
    contrast_queries, contrast_positives : bool
        Whether the query-query and the positive-positive block take part.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float32 or float64

    Notes
    -----
    GISTEmbed, arXiv 2402.16829. An entry of a text with itself is always left out; the published code leaves that to
    the guide's score of 1, which fails where a query equals its positive.

    Examples
    --------
    >>> import torch, hardmine as hm
    >>> x = torch.eye(3)
    >>> round(float(hm.losses.gist_embed(x, x, guide_queries=x, guide_positives=x, temperature=1.0)), 4)
    1.1654
    """
    temperature = temperature_of(temperature)
    if (negatives is None) != (guide_negatives is None):
        raise ValueError("negatives, guide_negatives: one given without the other")
    ours, theirs = Inputs(), Inputs()
    queries = ours.floats("queries", queries, "b h")
    positives = ours.floats("positives", positives, "b h")
    theirs.sizes["b"] = ours.sizes["b"]
    theirs.floats("guide_queries", guide_queries, "b h")
    theirs.floats("guide_positives", guide_positives, "b h")
    blocks = [(queries, positives, guide_queries, guide_positives)]
    if checks.boolean("contrast_queries", contrast_queries):
        blocks.append((queries, queries, guide_queries, guide_queries))
    if checks.boolean("contrast_positives", contrast_positives):
        blocks.append((positives, positives, guide_positives, guide_positives))
    if negatives is not None and guide_negatives is not None:
        negatives = ours.floats("negatives", negatives, "m h")
        theirs.sizes["m"] = ours.sizes["m"]
        theirs.floats("guide_negatives", guide_negatives, "m h")
        blocks.append((queries, negatives, guide_queries, guide_negatives))

    rows = ours.sizes["b"]
    own = torch.eye(rows, dtype=torch.bool, device=queries.device)
    guide_positive_scores = similarity(guide_queries, guide_positives).diagonal()
    target = similarity(queries, positives).diagonal() / temperature
    kept = []
    for left, right, guide_left, guide_right in blocks:
        mask = gist_mask(
            similarity(guide_left, guide_right), guide_positive_scores, margin=margin, margin_strategy=margin_strategy
        )
        if right is not negatives:
            mask = mask | own
        kept.append((similarity(left, right) / temperature).masked_fill(mask, -torch.inf))
    refuse_missing("positives", target)
    return reduce(one_against(log_sum(torch.cat(kept, dim=1)), target), reduction)


class GISTEmbed(Loss):
    """`gist_embed` with its settings held.

    Parameters
    ----------
    temperature, margin : float
    margin_strategy : {"absolute", "relative"}
    contrast_queries, contrast_positives : bool
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.losses.GISTEmbed(margin=0.05, margin_strategy="relative").settings["margin"]
    0.05
    """

    def __init__(
        self,
        temperature: float = 0.01,
        *,
        margin: float = 0.0,
        margin_strategy: str = "absolute",
        contrast_queries: bool = True,
        contrast_positives: bool = True,
        reduction: str = "mean",
    ) -> None:
        super().__init__(
            temperature=temperature_of(temperature),
            margin=checks.real("margin", margin, minimum=0.0),
            margin_strategy=checks.choice("margin_strategy", margin_strategy, STRATEGIES),
            contrast_queries=contrast_queries,
            contrast_positives=contrast_positives,
            reduction=reduction,
        )

    def forward(
        self,
        queries: torch.Tensor,
        positives: torch.Tensor,
        negatives: torch.Tensor | None = None,
        *,
        guide_queries: torch.Tensor,
        guide_positives: torch.Tensor,
        guide_negatives: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `gist_embed`."""
        return gist_embed(
            queries, positives, negatives, guide_queries=guide_queries, guide_positives=guide_positives,
            guide_negatives=guide_negatives, **self.settings,
        )  # fmt: skip

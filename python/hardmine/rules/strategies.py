"""Named recipes from the literature: each function returns a `Selection`.

Every recipe takes the number of negatives n first and passes further keywords (`positive_agg`, `on_shortage`, `seed`,
...) on to `Selection`.
"""

from __future__ import annotations

from typing import Any

from hardmine.rules.ceilings import Absolute, Anchored, MarginPos, NoCeiling, PercPos
from hardmine.rules.draws import Among, Laplace, SimANS, Softmax, Top, TopThen, Uniform
from hardmine.rules.selection import Selection

__all__ = [
    "anchored", "f2llm", "laplace", "naive_top_k", "sampled_top_k", "shifted_top_k", "sim_ans", "static_hard",
    "top1_sampled_top_k", "top_k_abs", "top_k_margin_pos", "top_k_perc_pos",
]  # fmt: skip


def naive_top_k(n: int = 4, **options: Any) -> Selection:
    """The n hardest candidates, no ceiling: "Naive Top-K" of NV-Retriever (arXiv 2407.15831, section 3).

    A baseline: on NQ some 39 % of what it mines are false negatives by the paper's count.

    Parameters
    ----------
    n : int
        Negatives per row.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.strategies.naive_top_k(4).ceiling
    NoCeiling()
    """
    return Selection(n, **{"ceiling": NoCeiling(), "draw": Top(), **options})


def shifted_top_k(n: int = 4, shift: int = 10, **options: Any) -> Selection:
    """Ranks shift + 1 to shift + n: "Top-K shifted by N" of NV-Retriever (arXiv 2407.15831, section 3), N = 10.

    Ranks count after known positives are removed.

    Parameters
    ----------
    n : int
        Negatives per row.
    shift : int
        Ranks passed over.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.strategies.shifted_top_k(4).range_min
    10
    """
    return Selection(n, **{"ceiling": NoCeiling(), "range_min": shift, "draw": Top(), **options})


def top_k_abs(n: int = 4, t: float = 0.7, **options: Any) -> Selection:
    """The n hardest with ``s <= t``: "TopK-Abs" of NV-Retriever (arXiv 2407.15831, section 3), T = 0.7.

    Parameters
    ----------
    n : int
        Negatives per row.
    t : float
        The highest score of a negative.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.strategies.top_k_abs(4).ceiling
    Absolute(t=0.7)
    """
    return Selection(n, **{"ceiling": Absolute(t), "draw": Top(), **options})


def top_k_margin_pos(n: int = 4, m: float = 0.05, **options: Any) -> Selection:
    """The n hardest with ``s <= p - m``: "TopK-MarginPos" of NV-Retriever (arXiv 2407.15831, section 3), m = 0.05.

    Parameters
    ----------
    n : int
        Negatives per row.
    m : float
        Distance kept from the positive's score.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.strategies.top_k_margin_pos(4).ceiling
    MarginPos(m=0.05)
    """
    return Selection(n, **{"ceiling": MarginPos(m), "draw": Top(), **options})


def top_k_perc_pos(n: int = 4, f: float = 0.95, **options: Any) -> Selection:
    """The n hardest below f of the positive's score: "TopK-PercPos" of NV-Retriever (arXiv 2407.15831, section 3).

    The paper's best rule; f = 0.95.

    Parameters
    ----------
    n : int
        Negatives per row.
    f : float
        Share of the positive's score that a negative may reach.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.strategies.top_k_perc_pos(4).ceiling
    PercPos(f=0.95)
    """
    return Selection(n, **{"ceiling": PercPos(f), "draw": Top(), **options})


def sampled_top_k(n: int = 4, k: int = 10, temperature: float = 1.0, **options: Any) -> Selection:
    """Draw n of the k first survivors of PercPos 0.95, by softmax of the score: "Sampled Top-k" of NV-Retriever.

    arXiv 2407.15831; k = 10 is the paper's best for n = 4, the temperature is not stated there.

    Parameters
    ----------
    n : int
        Negatives per row.
    k : int
        Survivors that are drawn from.
    temperature : float
        Of the softmax.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> rule = hm.strategies.sampled_top_k(4)
    >>> rule.range_on, rule.range_max, rule.draw
    ('filtered', 10, Softmax(temperature=1.0))
    """
    recipe = {"ceiling": PercPos(0.95), "range_on": "filtered", "range_max": k, "draw": Softmax(temperature)}
    return Selection(n, **{**recipe, **options})


def top1_sampled_top_k(n: int = 4, k: int = 10, temperature: float = 1.0, **options: Any) -> Selection:
    """Take the first survivor of PercPos 0.95 and draw n - 1 of the next k - 1: "Top-1 + sampled Top-k".

    NV-Retriever (arXiv 2407.15831): its best variant, by a hair; the draw is a softmax of the score.

    Parameters
    ----------
    n : int
        Negatives per row.
    k : int
        Survivors, the first one included.
    temperature : float
        Of the softmax.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.strategies.top1_sampled_top_k(4).draw
    TopThen(n_top=1, draw=Softmax(temperature=1.0))
    """
    draw = TopThen(1, Softmax(temperature))
    recipe = {"ceiling": PercPos(0.95), "range_on": "filtered", "range_max": k, "draw": draw}
    return Selection(n, **{**recipe, **options})


def sim_ans(n: int = 15, a: float = 0.5, b: float = 0.0, depth: int = 100, **options: Any) -> Selection:
    """Draw n of the first 100 candidates near the positive's score: SimANS (arXiv 2210.11773; 1:15, k = 100).

    a = 0.5 is meant for raw inner products; cosine scores need a far larger a (see `SimANS`).

    Parameters
    ----------
    n : int
        Negatives per row.
    a, b : float
        Those of `SimANS`.
    depth : int
        Candidates that are drawn from.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.strategies.sim_ans(15).draw
    SimANS(a=0.5, b=0.0)
    """
    return Selection(n, **{"ceiling": NoCeiling(), "range_max": depth, "draw": SimANS(a, b), **options})


def laplace(n: int = 15, tau: float = 3.0, depth: int = 200, **options: Any) -> Selection:
    """Draw n of the first 200 candidates by ``exp(-tau |s - p|)``: the weight of SimANS' MS MARCO passage code.

    Found in the authors' repository, not in the paper (arXiv 2210.11773).

    Parameters
    ----------
    n : int
        Negatives per row.
    tau : float
        That of `Laplace`.
    depth : int
        Candidates that are drawn from.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.strategies.laplace(15).draw
    Laplace(tau=3.0)
    """
    return Selection(n, **{"ceiling": NoCeiling(), "range_max": depth, "draw": Laplace(tau), **options})


def static_hard(n: int = 1, depth: int = 200, **options: Any) -> Selection:
    """Draw n uniformly from the top 200 without the positives: STAR's static hard negatives (arXiv 2104.08051).

    STAR's code takes one per step from the 200 that a warm-up model retrieves; ANCE (arXiv 2007.00808) draws likewise
    from lists that it refreshes.

    Parameters
    ----------
    n : int
        Negatives per row.
    depth : int
        Candidates that are drawn from.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> rule = hm.strategies.static_hard(1)
    >>> rule.range_max, rule.draw
    (200, Uniform())
    """
    return Selection(n, **{"ceiling": NoCeiling(), "range_max": depth, "draw": Uniform(), **options})


def anchored(n: int = 4, f: float = 1.1, weight: float = 1.0, **options: Any) -> Selection:
    """The n hardest under hardmine's own `Anchored` ceiling, which also looks at the likeness to the positive document.

    Candidates need `anchor_scores`.

    Parameters
    ----------
    n : int
        Negatives per row.
    f, weight : float
        Those of `Anchored`.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.strategies.anchored(4).ceiling
    Anchored(f=1.1, weight=1.0)
    """
    return Selection(n, **{"ceiling": Anchored(f, weight), "draw": Top(), **options})


def f2llm(n: int = 7, stored: int = 24, skip: int = 5, depth: int = 100, **options: Any) -> Selection:
    """Draw n afresh each epoch out of the 24 hardest of the top 100 that pass two ceilings: F2LLM (arXiv 2510.02294).

    The first 5 of the ranking are passed over, since they may answer the query; a candidate must score at most 0.8 and
    at most 95 % of the positive; the first 24 of what is left are kept, and a training step takes 7 of them at random.
    Ask `retrieve` for at least `depth` candidates.

    Parameters
    ----------
    n : int
        Negatives per row.
    stored : int
        Candidates that are kept and drawn from.
    skip : int
        Ranks passed over.
    depth : int
        Candidates that are looked at.
    **options
        Further parameters of `Selection`; they win over the recipe's.

    Returns
    -------
    Selection

    Examples
    --------
    >>> import hardmine as hm
    >>> rule = hm.strategies.f2llm()
    >>> rule.num_negatives, rule.draw, rule.range_min
    (7, Among(pool=24, draw=Uniform()), 5)
    >>> rule.ceiling
    Absolute(t=0.8) & PercPos(f=0.95)
    """
    recipe = {
        "ceiling": Absolute(0.8) & PercPos(0.95),
        "range_min": skip,
        "range_max": depth,
        "draw": Among(stored, Uniform()),
    }
    return Selection(n, **{**recipe, **options})

"""Score matrix to negatives in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.negatives import Negatives
from hardmine.nouns.positives import Positives
from hardmine.plumbing import arrays, checks, ragged
from hardmine.plumbing.checks import Int64Array
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.limits import exclusions, score_ceilings
from hardmine.primitives.near import refuse_near
from hardmine.primitives.select import choose, expect, refuse_missing
from hardmine.primitives.teacher_ceilings import refuse_teachers
from hardmine.primitives.topk import scan
from hardmine.rules.draws import Weighted
from hardmine.rules.selection import Selection

__all__ = ["mine_scores"]


def mine_scores(
    scores: Any,
    positives: Positives,
    selection: Selection,
    *,
    k: int | None = None,
    epoch: int = 0,
    exclude: Any = None,
    query_keys: npt.ArrayLike | None = None,
    document_keys: npt.ArrayLike | None = None,
    document_groups: npt.ArrayLike | None = None,
    nan: str = "raise",
    num_threads: int | None = None,
) -> Negatives:
    """Choose negatives straight from a score matrix.

    Known positives, exclusions, text duplicates, ceiling and floor act inside the scan, so no query runs short because
    its top was filtered away. The result is that of `topk` without limits and k = num_documents, followed by `select`.

    Parameters
    ----------
    scores : float16 | bfloat16 | float32 | float64 [num_queries, num_documents]
        Any strides, memory maps and CPU tensors included; not copied.
    positives : Positives
        One row per query. Without scores of their own, their scores are read from the matrix.
    selection : Selection
        Which documents, how many, how chosen. `Anchored`, `Weighted` and ceilings that name a teacher speak of
        candidate lists and are refused.
    k : int, optional
        Admissible documents that the scan keeps per row. By default what the selection needs: ``range_min +
        num_negatives`` for `Top`, else ``range_max``, else all documents.
    epoch, exclude, query_keys, document_keys, document_groups, num_threads
        As in `select`.
    nan : {"raise", "drop"}
        A NaN score stops with the first (row, column), or is never selected and counted.

    Returns
    -------
    Negatives
        As from `select`. `reasons` count what the scan met: here a document is above the ceiling (or below the floor)
        before it is outside the window, and admissible documents beyond k are not counted.

    Raises
    ------
    ValueError
        As in `select`; also for ``on_shortage="fill"``: every document is a candidate here, so what is missing has been
        rejected, and nothing is left to fill with.

    Notes
    -----
    float64 scores are ranked and compared in float64; positive scores are read as their nearest float32, the type that
    `Candidates` carry.

    Examples
    --------
    >>> import numpy as np, hardmine as hm
    >>> scores = np.array([[0.9, 0.8, 0.7, 0.1]], dtype=np.float32)
    >>> mined = hm.mine_scores(scores, hm.Positives.from_lists([[1]]), hm.Selection(2, ceiling=hm.PercPos(0.95)))
    >>> mined[0].ids.tolist()
    [2, 3]
    """
    expect("positives", positives, Positives)
    expect("selection", selection, Selection)
    array, kind = arrays.matrix("scores", scores)
    num_queries, num_documents = array.shape
    if len(positives) != num_queries:
        raise ValueError(f"positives: {len(positives)} queries, expected {num_queries} (the rows of scores)")
    _refuse_lists(selection)
    threads = thread_count(num_threads)
    groups = None if document_groups is None else checks.int64_vector(
        "document_groups", document_groups, length=num_documents
    )  # fmt: skip
    extra = ragged.csr("exclude", exclude, num_queries)
    offsets, ids, counts = exclusions((positives.offsets, positives.ids), extra, groups, num_documents, threads)
    if positives.scores is None:
        positives = _with_scores(scores, array, kind, positives, selection, nan)
    rows = None
    if selection.ceiling.needs_positive or (selection.positive_agg == "each" and selection.needs_positive):
        refuse_missing(positives)
    if selection.positive_agg == "each":
        rows = positives.query_of_each
        offsets, ids = _repeat_rows(offsets, ids, rows)
        counts = {name: count[rows] for name, count in counts.items()}
    found = scan(
        scores,
        _depth(selection, num_documents) if k is None else checks.integer("k", k),
        ceiling=score_ceilings(selection, positives, threads),
        floor=selection.floor,
        exclude=(offsets, ids),
        nan=nan,
        num_threads=threads,
        rows=rows,
    )
    return choose(
        _with_exact_reasons(found, counts),
        positives,
        selection,
        epoch=epoch,
        query_keys=query_keys,
        document_keys=document_keys,
        document_groups=groups,
        exclude=extra,
        num_documents=num_documents,
        num_threads=threads,
        lists_by_pair=rows is not None,
    )


def _refuse_lists(selection: Selection) -> None:
    refuse_teachers(
        selection.ceiling,
        "a matrix holds the scores of one; make candidates with topk(), give them teacher_scores, then select()",
    )
    refuse_near(selection, "mine_scores")
    if selection.ceiling.needs_anchor_scores:
        raise ValueError(
            "selection: Anchored needs document embeddings; retrieve candidates with topk() or search(), add the"
            " column with anchor_scores(), then select()"
        )
    if selection.draw._native()["name"] == Weighted.kind:
        raise ValueError("selection: Weighted aligns with candidates; make them with topk(), then select()")
    if selection.on_shortage == "fill":
        raise ValueError(
            "on_shortage: 'fill' has nothing to draw from, every document of the matrix is a candidate; use 'keep',"
            " 'drop' or 'error'"
        )


def _depth(selection: Selection, num_documents: int) -> int:
    """Admissible documents that decide the outcome.

    At most range_min of them stand before the window, and at most range_max before its end.
    """
    if selection.draw.is_top:
        return min(selection.range_min + selection.num_negatives, num_documents)
    return num_documents if selection.range_max is None else min(selection.range_max, num_documents)


def _with_scores(
    scores: Any, array: npt.NDArray[Any], kind: str, positives: Positives, selection: Selection, nan: str
) -> Positives:
    values = arrays.widen(array[positives.query_of_each, positives.ids], kind)
    if np.isnan(values).any() and nan == "raise":
        scan(scores, 0, nan="raise")  # names the first NaN of the matrix
    if not selection.needs_positive and not np.isfinite(values).all():
        return positives  # masked positives are no fault where nobody asks for their scores
    return positives.with_scores(values)


def _repeat_rows(offsets: Int64Array, ids: Int64Array, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The CSR whose row i is row ``rows[i]`` of the given one."""
    lengths = np.diff(offsets)[rows]
    return ragged.offsets_of(lengths), ids[ragged.ranges(offsets[:-1][rows], lengths)]


def _with_exact_reasons(found: Candidates, counts: dict[str, Int64Array]) -> Candidates:
    """The scan met every excluded document once, so its one count splits into the counts of the union."""
    reasons = {name: count for name, count in (found.reasons or {}).items() if name != "excluded"}
    return found.replace(reasons=reasons | counts)

"""False negatives inside a training batch."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import hardmine._native as _native
from hardmine.nouns.positives import Positives
from hardmine.plumbing import arrays, checks
from hardmine.plumbing.checks import Float32Array, Int64Array
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.teacher_ceilings import refuse_teachers
from hardmine.rules.ceilings import Ceiling, PercPos

__all__ = ["in_batch_mask"]


def in_batch_mask(
    scores: Any,
    *,
    ceiling: Ceiling | None = PercPos(0.95),  # noqa: B008 (a frozen value)
    ids: Any = None,
    groups: Any = None,
    clusters: Any = None,
    query_ids: Any = None,
    positives: Positives | None = None,
    positive_columns: Any = None,
    positive_scores: Any = None,
    keep_positive: bool = False,
    nan: str = "raise",
    num_threads: int | None = None,
) -> Any:
    """Tell which documents of a batch are no trustworthy negatives of which queries.

    Every document of the batch serves as a negative of every other query for free, also where it answers that query.
    A document is masked when any rule says so: it scores above the ceiling; it is the same document as the row's
    positive, has its text, or lies in its cluster; it is the positive of the same query in another row; it is a known
    positive of the query.

    Parameters
    ----------
    scores : float16 | bfloat16 | float32 | float64 [b, c]
        Query i against document j: of the model in training, or of a guide (GIST, arXiv 2402.16829). NumPy array or
        torch tensor on any device, any strides, not copied; gradients are not followed.
    ceiling : Ceiling or None
        `PercPos`, `MarginPos` and `Absolute`, combined with ``&``; None for no bound. The design's default is
        ``PercPos(0.95)``. `Anchored` speaks of candidate lists and is refused.
    ids, groups, clusters : int64 [c] or sequence of str [c], optional
        Document, text group and cluster of each column. A column that shares one of them with the row's positive is
        masked (same cluster: ClusterNS). -1 is no label and equals nothing.
    query_ids : int64 [b], optional
        Query of each row; -1 is none. Rows of one query share their positives. With `positives`, its rows.
    positives : Positives, optional
        Known positives of every query of the collection, as numbers of `ids`. Needs `query_ids` and integer `ids`.
    positive_columns : int64 [b], optional
        Column of each row's positive; by default row i's is column i.
    positive_scores : float [b], optional
        Scores of the positives under whatever made `scores`; by default read from `scores`.
    keep_positive : bool
        A row's positive is no negative of it, so it is masked; True leaves it out of the mask, so that
        ``logits.masked_fill(mask, -inf)`` can go into cross-entropy as it is.
    nan : {"raise", "drop"}
        A NaN score stops with the first (row, column), or is masked.
    num_threads : int, optional
        As everywhere; by default all processors, one in a data-loader worker.

    Returns
    -------
    bool [b, c]
        True = not a trustworthy negative. A tensor on the device of `scores` where that is a tensor. The same for any
        number of threads, instruction set and device.

    Raises
    ------
    TypeError, ValueError
        Wrong dtype, dimension or length; NaN; a positive's score that a rule needs and that is NaN or infinite;
        `positive_columns`, `query_ids` out of range; labels below -1.

    Notes
    -----
    The ceiling is computed in float64 from the positive's score as float32, rounded once to float32, and equality
    keeps, as in `select`.

    Examples
    --------
    Document 1 scores above 95 % of what query 0 gives its own positive; documents 0 and 2 have the same text.

    >>> import numpy as np, hardmine as hm
    >>> scores = np.array([[0.8, 0.79, 0.2], [0.1, 0.9, 0.3], [0.4, 0.0, 0.7]], dtype=np.float32)
    >>> hm.in_batch_mask(scores, groups=[7, 8, 7]).astype(int)
    array([[1, 1, 1],
           [0, 1, 0],
           [1, 0, 1]])
    """
    tensor = arrays.tensor(scores)
    shape = _shape(scores, tensor)
    rules = _Rules(shape, ceiling, ids, groups, clusters, query_ids, positives, positive_columns, positive_scores)
    drop = checks.choice("nan", nan, ("raise", "drop")) == "drop"
    keep = checks.boolean("keep_positive", keep_positive)
    threads = thread_count(num_threads)
    if tensor is not None and tensor.device.type != "cpu":
        from hardmine.primitives.batch.mask_on_device import in_batch_mask as on_device

        return on_device(
            tensor,
            rules.native_ceiling,
            rules.native_labels,
            needs_positive=rules.needs_positive,
            keep_positive=keep,
            drop_nan=drop,
        )
    array, kind = arrays.matrix("scores", scores)
    mask = _native.in_batch_mask(array, kind, rules.native_ceiling, rules.native_labels, keep, drop, threads)
    if tensor is None:
        return mask
    return sys.modules["torch"].from_numpy(mask)


class _Rules:
    """Checked arguments, as the native module takes them."""

    def __init__(
        self,
        shape: tuple[int, int],
        ceiling: Ceiling | None,
        ids: Any,
        groups: Any,
        clusters: Any,
        query_ids: Any,
        positives: Positives | None,
        positive_columns: Any,
        positive_scores: Any,
    ) -> None:
        rows, columns = shape
        terms = _terms(ceiling)
        self.needs_positive = ceiling is not None and ceiling.needs_positive
        scores: Float32Array | None = None
        if positive_scores is not None:
            scores = checks.float32_vector("positive_scores", arrays.host(positive_scores), length=rows)
            if not np.isfinite(scores).all():
                row = int(np.isfinite(scores).argmin())
                raise ValueError(f"positive_scores: {scores[row]} for row {row}, expected a finite number")
        self.native_ceiling: _native.MaskCeiling = {
            "terms": terms,
            "positive_columns": _columns(positive_columns, rows, columns),
            "positive_scores": scores,
        }

        named = {"ids": ids, "groups": groups, "clusters": clusters}
        labels = {name: arrays.labels(name, given, columns) for name, given in named.items() if given is not None}
        queries = None if query_ids is None else arrays.labels("query_ids", query_ids, rows)
        known: _native.KnownPositives | None = None
        if positives is not None:
            if not isinstance(positives, Positives):
                raise TypeError(f"positives: {type(positives).__name__}, expected Positives")
            if queries is None or ids is None:
                raise ValueError("positives: given without query_ids and ids, which say what they are positives of")
            if any(arrays.is_text(arrays.host(given)) for given in (ids, query_ids)):
                raise TypeError("positives: given with ids or query_ids of strings, expected integers there")
            known = {"offsets": positives.offsets, "ids": positives.ids, "column_ids": labels["ids"]}
        self.native_labels: _native.MaskLabels = {
            "by_column": list(labels.values()),
            "query_ids": queries,
            "known": known,
        }


def _terms(ceiling: Ceiling | None) -> list[tuple[str, float, float]]:
    if ceiling is None:
        return []
    if not isinstance(ceiling, Ceiling):
        raise TypeError(f"ceiling: {type(ceiling).__name__}, expected a ceiling such as PercPos(0.95), or None")
    refuse_teachers(ceiling, "scores of a batch are those of one, expected a rule without a name")
    if ceiling.needs_anchor_scores:
        raise ValueError("ceiling: Anchored needs anchor scores of candidate lists, expected a rule on scores alone")
    return ceiling._native()


def _columns(positive_columns: Any, rows: int, columns: int) -> Int64Array:
    if positive_columns is not None:
        return checks.int64_vector("positive_columns", arrays.host(positive_columns), length=rows)
    if rows > columns:
        raise ValueError(
            f"scores: {rows} rows, {columns} columns; without positive_columns row i's positive is column i"
        )
    return np.arange(rows)


def _shape(scores: Any, tensor: Any) -> tuple[int, int]:
    if tensor is None or tensor.device.type == "cpu":
        rows, columns = arrays.matrix("scores", scores)[0].shape
        return rows, columns
    if tensor.ndim != 2:
        raise ValueError(f"scores: {tensor.ndim} dimensions, shape {tuple(tensor.shape)}, expected 2")
    return tuple(tensor.shape)

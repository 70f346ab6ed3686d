"""Triplets (anchor, positive, negative) of a labelled batch."""

from __future__ import annotations

import sys
from typing import Any

import hardmine._native as _native
from hardmine.plumbing import arrays, checks
from hardmine.plumbing.threads import thread_count

__all__ = ["triplets"]

KINDS = ("hard", "semi_hard", "batch_hard", "all", "easy")


def triplets(
    distances: Any,
    labels: Any,
    *,
    kind: str = "hard",
    margin: float = 0.2,
    nan: str = "raise",
    num_threads: int | None = None,
) -> Any:
    """Mine the triplets of a batch: a positive has the anchor's label, a negative another one.

    Parameters
    ----------
    distances : float16 | bfloat16 | float32 | float64 [b, b]
        Row a, column x: D(a, x), lower is nearer. NumPy array or torch tensor, any strides; gradients are not followed.
        The diagonal is not read. For similarities s give ``-s`` or ``1 - s``.
    labels : int64 [b] or sequence of str [b]
        -1 is no label: such an item is in no triplet.
    kind : {"hard", "semi_hard", "batch_hard", "all", "easy"}
        ``"hard"``
            D(a, n) <= D(a, p).
        ``"semi_hard"``
            D(a, p) < D(a, n) < D(a, p) + margin (FaceNet, arXiv 1503.03832).
        ``"easy"``
            D(a, n) >= D(a, p) + margin.
        ``"all"``
            Every valid triplet.
        ``"batch_hard"``
            One for each anchor: its farthest positive and its nearest negative, the lower index among equals
            (arXiv 1703.07737).
    margin : float
        At least 0; in the unit of `distances`.
    nan : {"raise", "drop"}
        A NaN off the diagonal stops with its place, or leaves out every triplet that would need it.
    num_threads : int, optional
        As everywhere; by default all processors, one in a data-loader worker.

    Returns
    -------
    int64 [n, 3]
        Rows (anchor, positive, negative) in lexicographic order; a tensor on the device of `distances` where that is a
        tensor. An anchor without a positive or a negative has no row. The same for any number of threads and
        instruction set.

    Raises
    ------
    TypeError, ValueError
        Wrong dtype, shape or length; NaN; labels below -1; an unknown kind; a margin that is negative or no number.
    MemoryError
        ``"all"`` of a batch of b items in c equal classes has about b * b * b / c rows of 24 bytes.

    Notes
    -----
    Distances are compared in float64, exactly as they come; D + margin is rounded once to float64. Every valid triplet
    is hard, semi-hard or easy, and one of these alone (at a margin of 0, equal distances are hard and easy). The
    triplets go into `losses.triplet_margin`.

    Examples
    --------
    >>> import numpy as np
    >>> import hardmine as hm
    >>> at = np.array([0.0, 3.0, 4.0, 7.0])
    >>> distances = np.abs(at[:, None] - at)
    >>> hm.triplets(distances, [0, 0, 1, 1], kind="semi_hard", margin=2.0).tolist()
    [[0, 1, 2], [1, 0, 3], [2, 3, 0], [3, 2, 1]]
    >>> hm.triplets(distances, [0, 0, 1, 1], kind="hard").tolist()
    [[1, 0, 2], [2, 3, 1]]
    """
    tensor = arrays.tensor(distances)
    array, dtype = arrays.matrix("distances", distances if tensor is None else tensor.cpu())
    size = int(array.shape[0])
    if array.shape[1] != size:
        raise ValueError(f"distances: shape {array.shape}, expected as many rows as columns")
    found = _native.triplets(
        array,
        dtype,
        arrays.labels("labels", labels, size),
        checks.choice("kind", kind, KINDS),
        checks.real("margin", margin, minimum=0.0),
        checks.choice("nan", nan, ("raise", "drop")) == "drop",
        thread_count(num_threads),
    )
    if tensor is None:
        return found
    return sys.modules["torch"].from_numpy(found).to(tensor.device)

"""The batch mask on a PyTorch device: scores of a training step are there already, and so is who uses the mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import hardmine._native as _native
from hardmine.plumbing.checks import Int64Array
from hardmine.plumbing.threads import thread_count

_NONE = -1


def in_batch_mask(
    scores: torch.Tensor,
    ceiling: _native.MaskCeiling,
    labels: _native.MaskLabels,
    *,
    needs_positive: bool,
    keep_positive: bool,
    drop_nan: bool,
) -> torch.Tensor:
    """As `hardmine.in_batch_mask`, whose checked arguments these are; the same mask to the bit."""
    terms, positive_columns, positive_scores = ceiling["terms"], ceiling["positive_columns"], ceiling["positive_scores"]
    by_column, queries, known = labels["by_column"], labels["query_ids"], labels["known"]
    device = scores.device
    if scores.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        raise TypeError(f"scores: dtype {scores.dtype}, expected one of float16, bfloat16, float32, float64")
    _refuse_outside("positive_columns", positive_columns, 0, scores.shape[1])
    if known is not None and queries is not None:
        _refuse_outside("query_ids", queries, _NONE, len(known["offsets"]) - 1)
    columns = torch.from_numpy(positive_columns).to(device)
    rows = torch.arange(len(columns), device=device)
    invalid = scores.isnan()
    bounds = None
    if terms:
        p = scores[rows, columns].float() if positive_scores is None else torch.from_numpy(positive_scores).to(device)
        if needs_positive:
            _refuse_unbounded(p, columns)
        bounds = _bounds(terms, p)
    if not drop_nan and bool(invalid.any()):
        row, column = divmod(int(invalid.flatten().to(torch.uint8).argmax()), scores.shape[1])
        raise ValueError(
            f'scores: NaN at row {row}, column {column}; clean it, or pass nan="drop" where the function offers it'
        )
    mask = invalid
    if bounds is not None:
        wide = scores if scores.dtype is torch.float64 else scores.float()
        mask = mask | (wide > bounds[:, None].to(wide.dtype))
    for column_labels in by_column:
        own = torch.from_numpy(column_labels).to(device)
        mask = mask | ((own[columns][:, None] == own[None, :]) & (own != _NONE))
    if queries is not None:
        query = torch.from_numpy(queries).to(device)
        same = (query[:, None] == query[None, :]) & (query != _NONE)
        first, second = same.nonzero(as_tuple=True)
        mask[first, columns[second]] = True
        if known is not None:
            mask[_known(queries, known, device)] = True
    mask[rows, columns] = not keep_positive
    return mask


def _refuse_unbounded(p: torch.Tensor, columns: torch.Tensor) -> None:
    finite = p.isfinite()
    if not bool(finite.all()):
        row = int(finite.to(torch.uint8).argmin())
        found = str(float(p[row])).replace("nan", "NaN")
        raise ValueError(
            f"scores: {found} for the positive of row {row} (column {int(columns[row])}), expected a finite number"
        )


def _bounds(terms: list[tuple[str, float, float]], p: torch.Tensor) -> torch.Tensor:
    """The lowest bound per row, from the one home of the formulas: the core."""
    scores = p.cpu().numpy()
    bounds = _native.ceilings(terms, np.arange(scores.size + 1, dtype=np.int64), scores, "min", thread_count(None))
    return torch.from_numpy(bounds).to(p.device)


def _known(queries: Int64Array, known: _native.KnownPositives, device: torch.device) -> tuple[Any, Any]:
    """(row, column) of every known positive in the batch."""
    offsets, ids, columns = known["offsets"], known["ids"], known["column_ids"]
    rows = np.flatnonzero(queries != _NONE)
    counts = np.diff(offsets)[queries[rows]]
    starts = np.repeat(offsets[queries[rows]] - np.cumsum(counts) + counts, counts)
    found = ids[starts + np.arange(counts.sum())]
    order = np.argsort(columns, kind="stable")
    low, high = (np.searchsorted(columns, found, side, sorter=order) for side in ("left", "right"))
    width = np.where(found == _NONE, 0, high - low)
    at = np.repeat(low - np.cumsum(width) + width, width) + np.arange(width.sum())
    pair = np.repeat(np.repeat(rows, counts), width), order[at]
    return tuple(torch.from_numpy(part).to(device) for part in pair)


def _refuse_outside(name: str, values: Int64Array, low: int, high: int) -> None:
    bad = (values < low) | (values >= high)
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"{name}: id {values[row]} of row {row} is outside 0..{high}")

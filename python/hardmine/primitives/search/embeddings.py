"""Embeddings, checked, and as float32: what search and the pieces that keep or average vectors share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import hardmine._native as _native
from hardmine.plumbing import arrays
from hardmine.plumbing.checks import Float32Array

BLOCK = 65536
"""Rows looked at together: bounds the working memory."""


def checked(name: str, value: Any) -> tuple[npt.NDArray[Any], str]:
    """A matrix of embeddings and its kind. That they are finite is seen by whoever computes their norms."""
    array, kind = arrays.matrix(name, value, widest="float32")
    if kind == "f64":
        raise TypeError(f"{name}: dtype float64, expected float16, bfloat16 or float32; convert: .astype(np.float32)")
    return array, kind


def row_norms(name: str, rows: tuple[npt.NDArray[Any], str], threads: int) -> npt.NDArray[np.float64]:
    """float64 norm of every row; NaN and infinities are refused with their place."""
    try:
        return _native.row_norms("queries", rows, threads)
    except ValueError as error:
        raise ValueError(str(error).replace("queries", name, 1)) from None


def unit(vectors: Float32Array) -> Float32Array:
    """The directions; zero where there is none."""
    wide = vectors.astype(np.float64)
    lengths = np.sqrt((wide * wide).sum(axis=1, keepdims=True))
    found: Float32Array = (wide / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return found

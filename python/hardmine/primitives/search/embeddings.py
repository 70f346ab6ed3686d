"""Embeddings, checked, and as float32: what search and the pieces that keep or average vectors share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.plumbing.checks import Float32Array

BLOCK = 65536
"""Rows looked at together: bounds the working memory."""


def checked(name: str, value: Any) -> tuple[npt.NDArray[Any], str]:
    """A matrix of embeddings and its kind. That they are finite is seen by whoever computes their norms."""
    array, kind = checks.matrix(name, value)
    if kind == "f64":
        raise TypeError(f"{name}: dtype float64, expected float16, bfloat16 or float32; convert: .astype(np.float32)")
    return array, kind


def widen(array: npt.NDArray[Any], kind: str) -> Float32Array:
    """The same values as float32; bfloat16 comes as bit patterns."""
    if kind == "bf16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(array, dtype=np.float32)


def unit(vectors: Float32Array) -> Float32Array:
    """The directions; zero where there is none."""
    wide = vectors.astype(np.float64)
    lengths = np.sqrt((wide * wide).sum(axis=1, keepdims=True))
    found: Float32Array = (wide / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return found

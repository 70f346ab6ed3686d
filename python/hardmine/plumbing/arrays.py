"""Labels of the items of a batch, and tensors that come where arrays do."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.plumbing.checks import Int64Array


def labels(name: str, value: Any, length: int) -> Int64Array:
    """Integers from -1 up; strings become their number among the distinct ones."""
    array = host(value)
    if not is_text(array):
        found = checks.int64_vector(name, array, length=length)
        if found.size and int(found.min()) < -1:
            raise ValueError(f"{name}: {int(found.min())}, expected at least -1 (-1: none)")
        return found
    if array.shape != (length,):
        raise ValueError(f"{name}: shape {array.shape}, expected ({length},)")
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def is_text(array: npt.NDArray[Any]) -> bool:
    """Whether labels are strings."""
    return array.dtype.kind == "U"


def host(value: Any) -> npt.NDArray[Any]:
    """An array in main memory."""
    found = tensor(value)
    return np.asarray(value if found is None else found.cpu())


def tensor(value: Any) -> Any:
    """`value` without its gradient where it is a torch tensor, else None."""
    torch = sys.modules.get("torch")
    return value.detach() if torch is not None and isinstance(value, torch.Tensor) else None

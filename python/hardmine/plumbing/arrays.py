"""Arrays and tensors as they come in: score and embedding matrices of any dtype, labels of a batch."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.plumbing.checks import Float32Array, Int64Array
from hardmine.plumbing.float_mode import in_default_mode

ITEM_KINDS = {"float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64"}
"""What the native module calls the types of scores and embeddings."""

DTYPE_NAMES = {kind: name for name, kind in ITEM_KINDS.items()}

_NATIVE_KINDS = {np.dtype(name): ITEM_KINDS[name] for name in ("float16", "float32", "float64")}
"""By dtype: the name of a dtype is made anew each time it is asked for."""


def matrix(name: str, value: Any, *, widest: str = "float64") -> tuple[npt.NDArray[Any], str]:
    """A 2-d float array as (NumPy array, item kind for the native module), without a copy.

    Takes float16, bfloat16 (ml_dtypes or a torch tensor), float32 and float64, any strides. bfloat16 comes back as its
    bit pattern (uint16). `widest` is for messages: where float64 is of no use either.
    """
    array, kind = _floats(name, value, widest)
    if array.ndim != 2:
        raise ValueError(f"{name}: {array.ndim} dimensions, shape {array.shape}, expected 2")
    return array, kind


def _floats(name: str, value: Any, widest: str) -> tuple[npt.NDArray[Any], str]:
    known = _NATIVE_KINDS.get(value.dtype) if type(value) is np.ndarray else None
    if known is not None:
        return value, known
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        tensor = value.detach()
        if tensor.device.type != "cpu":
            raise TypeError(f"{name}: a tensor on {tensor.device}, expected one on the CPU (call .cpu())")
        if tensor.dtype is torch.bfloat16:
            return tensor.view(torch.int16).numpy().view(np.uint16), "bf16"
        try:
            value = tensor.resolve_conj().resolve_neg().numpy()
        except (TypeError, RuntimeError):  # sparse, nested, quantised, or of a dtype that NumPy has not
            kind = f"{str(tensor.layout).removeprefix('torch.')} tensor of {tensor.dtype}"
            raise TypeError(f"{name}: a {kind}, expected a dense one of {_accepted(widest)}") from None
    elif isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: a masked array, whose mask would be lost; expected a plain one (call .filled())")
    elif not isinstance(value, np.ndarray):
        kind = type(value).__name__
        if not hasattr(value, "__array__") and not isinstance(value, (list, tuple)):
            raise TypeError(f"{name}: {kind}, expected an array")
        value = checks.as_array(name, value)
    array: npt.NDArray[Any] = value
    kind_of_item = ITEM_KINDS.get(array.dtype.name)
    if kind_of_item is None or not array.dtype.isnative:
        order = "" if array.dtype.isnative else " with swapped byte order"
        raise TypeError(f"{name}: dtype {array.dtype.name}{order}, expected one of {_accepted(widest)}")
    if kind_of_item == "bf16":
        array = array.view(np.uint16)
    return array, kind_of_item


def _accepted(widest: str) -> str:
    names = list(ITEM_KINDS)
    return ", ".join(names[: names.index(widest) + 1])


@in_default_mode
def widen(array: npt.NDArray[Any], kind: str) -> Float32Array:
    """The same values as float32; bfloat16 comes as bit patterns, the upper halves of float32 ones."""
    if kind == "bf16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(array, dtype=np.float32)


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

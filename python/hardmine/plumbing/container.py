"""Named arrays in one memory-mappable file without pickle: the safetensors layout.

Eight bytes of header length, a JSON header, then the raw arrays, little-endian. Any safetensors reader opens such a
file. https://github.com/huggingface/safetensors describes the layout.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HEADER = 100_000_000
"""Bytes of a header that `load` believes: a broken file must not make it allocate."""
_ALIGNMENT = 64
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}


def save(path: str | os.PathLike[str], kind: str, arrays: Mapping[str, npt.NDArray[Any]], metadata: Any) -> None:
    """Write `arrays` and JSON-able `metadata` as a file of the given kind, whole or not at all."""
    import json  # this and pathlib cost more than all that a worker imports of nouns, and workers seldom read files

    try:
        about = json.dumps(metadata, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        kind_of_error = TypeError if isinstance(error, TypeError) else ValueError
        raise kind_of_error(f"{os.fspath(path)}: metadata: {error}, expected what JSON can hold") from None
    header: dict[str, Any] = {"__metadata__": {"hardmine": kind, "metadata": about}}
    blocks = {}
    position = 0
    # Widest items first: every array then starts at a multiple of its item size.
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        end = position + little.nbytes
        header[name] = {"dtype": _NAMES[little.dtype], "shape": list(little.shape), "data_offsets": [position, end]}
        blocks[name] = little
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % _ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise ValueError(f"{os.fspath(path)}: metadata of {len(text):,} bytes, expected at most {MAX_HEADER:,}")
    with atomic_write(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for block in blocks.values():
            file.write(block.data)


def load(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read what `save` wrote: read-only arrays that map the file, and the metadata.

    Raises
    ------
    ValueError
        The file is truncated, malformed or of another kind. Sizes are checked before anything is allocated.
    """
    import json
    from pathlib import Path

    target = Path(path)
    size = target.stat().st_size
    with target.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MAX_HEADER):
            raise ValueError(f"{target}: not a hardmine file, or truncated")
        try:
            header = json.loads(file.read(length), parse_constant=_refuse)
            about = header.pop("__metadata__")
            found, metadata = about["hardmine"], json.loads(about["metadata"], parse_constant=_refuse)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{target}: not a hardmine file (header: {error})") from None
    if found != kind:
        raise ValueError(f"{target}: holds {found}, expected {kind}")
    if not isinstance(metadata, dict):
        raise ValueError(f"{target}: metadata: {type(metadata).__name__}, expected an object")
    # An empty file cannot be mapped, and needs no mapping.
    data = np.memmap(target, mode="r", dtype=np.uint8, offset=0)[8 + length :]
    arrays = {}
    for name, entry in header.items():
        try:
            arrays[name] = _array(entry, data)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{target}: array {name!r} is malformed or truncated ({error})") from None
    return arrays, metadata


def _array(entry: Any, data: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    shape = tuple(_count(n) for n in entry["shape"])
    start, end = (_count(n) for n in entry["data_offsets"])
    items = math.prod(shape)
    if not start <= end <= data.size or end - start != items * dtype.itemsize:
        raise ValueError("shape and data do not match")
    return np.ndarray(shape, dtype, buffer=data[start:end].data if items else b"")


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r}, expected an integer from 0 to {2**63 - 1}")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant}, which is no JSON")

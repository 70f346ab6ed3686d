"""The embeddings of a run as one matrix: in memory where they are few, else mapped from a file without a name."""

from __future__ import annotations

import os
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import arrays
from hardmine.store import fingerprint
from hardmine.store.rows import Rows

IN_MEMORY = 2**26
"""Bytes up to which a matrix stays in memory."""
_BLOCK = 2**24


class Matrix:
    """Embeddings, and the digest of their numbers once it is asked for.

    Parameters
    ----------
    array : floats [rows, dimension]
    digest : str, optional
        Where it is known already.
    """

    def __init__(self, array: Any, digest: str | None = None) -> None:
        self.array = array
        self._digest = digest

    @cached_property
    def numbers(self) -> npt.NDArray[Any]:
        """The numbers as NumPy holds them; bfloat16 as bit patterns."""
        return arrays.matrix("embeddings", self.array)[0]

    @cached_property
    def digest(self) -> str:
        """Hexadecimal digest of dtype, shape and numbers."""
        return fingerprint.of_matrix(self.numbers) if self._digest is None else self._digest


def assembled(rows: Rows, name: str, folder: Path) -> Matrix:
    """A column of all rows, read-only, in their order.

    A large one is written to a file without a name in `folder`, which goes when the last user of the array does, and
    mapped: the system holds in memory what is in use, once, and can let go of the rest.

    Raises
    ------
    OSError
        The disk is full; the message names the folder.
    """
    first = next(rows.blocks(name, 1))
    total = len(rows) * first.nbytes
    state = fingerprint.Running(first.dtype, (len(rows), *first.shape[1:]))
    step = max(1, _BLOCK // max(first.nbytes, 1))
    if total <= IN_MEMORY:
        array = np.empty((len(rows), *first.shape[1:]), first.dtype)
        for number, block in enumerate(rows.blocks(name, step)):
            array[number * step : number * step + len(block)] = block
            state.add(block)
        array.flags.writeable = False
        return Matrix(array, state.digest())
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".matrix.", suffix=".part") as file:
            # Written, not mapped and filled: a full disk is an error then, and no signal that ends the process.
            for block in rows.blocks(name, step):
                file.write(block.data)
                state.add(block)
            file.flush()
            mapped = np.memmap(file, mode="r", dtype=first.dtype, shape=(len(rows), *first.shape[1:]))
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(folder)) from error
    return Matrix(mapped, state.digest())

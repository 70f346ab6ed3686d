"""The compiled core. Private: the typed wrappers beside it check and document every argument."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

_I64: TypeAlias = npt.NDArray[np.int64]
_F32: TypeAlias = npt.NDArray[np.float32]

# offsets, ids, scores; then per row: above_ceiling, below_floor, nan, excluded
Ranked: TypeAlias = tuple[_I64, _I64, _F32, _I64, _I64, _I64, _I64]
# ceiling, floor, exclude (offsets, ids), whether NaN is dropped
Limits: TypeAlias = tuple[_F32 | None, _F32 | None, tuple[_I64, _I64] | None, bool]
# a 2-d array and the kind of its items: "f16" | "bf16" (as uint16) | "f32" | "f64"
Matrix: TypeAlias = npt.NDArray[Any]

__version__: str

def isa_levels() -> list[str]: ...
def available_threads() -> int: ...
def topk(scores: Matrix, kind: str, k: int, limits: Limits, rows: _I64 | None, threads: int) -> Ranked: ...

class TopKAccumulator:
    def __new__(cls, num_queries: int, k: int, kind: str) -> TopKAccumulator: ...
    def update(
        self, tile: Matrix, kind: str, first_query: int, first_document: int, limits: Limits, threads: int
    ) -> None: ...
    def merge(self, other: TopKAccumulator) -> None: ...
    def finish(self, threads: int) -> Ranked: ...

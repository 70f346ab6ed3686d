"""Which arithmetic a model is faster in on this machine: measured, because no list of processors would stay right."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SECONDS = 1.0
_SECONDS_OF_A_PASS = 0.1
_FEWEST_ROUNDS = 3
_GAIN = 1.2
"""How much faster bfloat16 must be: below, the difference may be noise, and float32 gives the better embeddings."""


@dataclass(frozen=True)
class MeasuredDtype:
    """What ``dtype="auto"`` found.

    Parameters
    ----------
    dtype : {"float32", "bfloat16"}
        The choice.
    float32, bfloat16 : float or None
        Tokens per second in each; None where nothing was measured, because the device decides (CUDA).
    """

    dtype: str
    float32: float | None = None
    bfloat16: float | None = None

    def __str__(self) -> str:
        """Why, in a few words."""
        if self.float32 is None or self.bfloat16 is None:
            return "auto"
        return f"auto: bfloat16 is {self.bfloat16 / self.float32:.2g} times as fast"


def measured(passes: Mapping[str, Callable[[int], object]], tokens: int, most_rows: int) -> MeasuredDtype:
    """Try both dtypes for about a second.

    Parameters
    ----------
    passes : mapping of str to callable
        For "float32" and "bfloat16": embeds that many texts.
    tokens : int
        Length of each.
    most_rows : int
        Texts of a full batch.
    """
    for embed in passes.values():
        embed(1)  # the first pass sets up kernels and memory
    slowest = max(_seconds(embed, 1) for embed in passes.values())  # a processor may have to emulate bfloat16
    rows = max(1, min(most_rows, int(_SECONDS_OF_A_PASS / slowest)))
    best = dict.fromkeys(passes, float("inf"))
    start, rounds = time.perf_counter(), 0
    while rounds < _FEWEST_ROUNDS or time.perf_counter() - start < _SECONDS:
        for name, embed in passes.items():  # in turns: what slows the machine meanwhile slows both
            best[name] = min(best[name], _seconds(embed, rows))
        rounds += 1
    speeds = {name: rows * tokens / seconds for name, seconds in best.items()}
    return MeasuredDtype("bfloat16" if speeds["bfloat16"] >= _GAIN * speeds["float32"] else "float32", **speeds)


def _seconds(embed: Callable[[int], object], rows: int) -> float:
    start = time.perf_counter()
    embed(rows)
    return max(time.perf_counter() - start, 1e-9)

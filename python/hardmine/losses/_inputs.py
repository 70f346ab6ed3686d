"""Checks of tensors and settings that name the argument, what came and what was wanted.

Shapes are written in named sizes: ``Inputs().floats("scores", scores, "b c")`` binds b and c, and what is checked after
it must agree with them.
"""

from __future__ import annotations

from typing import Any

import torch

from hardmine.plumbing import checks

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_COLDEST = 1e-37
REDUCTIONS = ("mean", "sum", "none")


class Inputs:
    """The tensors of one call: one device, and sizes that agree."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self._device: torch.device | None = None
        self._first = ""

    def floats(self, name: str, value: Any, shape: str, *, minus_infinity: bool = False) -> torch.Tensor:
        """`value` as float32, or float64 where it is that; NaN and infinities raise, -inf unless it is allowed."""
        tensor = self._tensor(name, value, shape)
        if tensor.dtype not in _FLOATS:
            raise TypeError(f"{name}: dtype {_dtype(tensor)}, expected one of float16, bfloat16, float32, float64")
        if not torch.compiler.is_compiling():  # a look at the values would cut the compiled graph in two
            bad = ~(tensor < torch.inf) if minus_infinity else ~tensor.isfinite()
            wanted = "a number below infinity" if minus_infinity else "a finite number"
            _refuse(name, tensor, bad, wanted)
        return tensor if tensor.dtype is torch.float64 else tensor.float()

    def optional_floats(self, name: str, value: Any, shape: str, *, like: torch.Tensor) -> torch.Tensor | None:
        """Factors of a negative: None, or finite numbers of at least 0, taken as constants."""
        if value is None:
            return None
        tensor = self.floats(name, value, shape).detach().to(like.dtype)
        if not torch.compiler.is_compiling():
            _refuse(name, tensor, tensor < 0, "at least 0")
        return tensor

    def mask(self, name: str, value: Any, shape: str) -> torch.Tensor | None:
        """None, or a bool tensor where True leaves an entry out."""
        return None if value is None else self.bools(name, value, shape)

    def bools(self, name: str, value: Any, shape: str) -> torch.Tensor:
        """A bool tensor."""
        tensor = self._tensor(name, value, shape)
        if tensor.dtype is not torch.bool:
            raise TypeError(f"{name}: dtype {_dtype(tensor)}, expected bool")
        return tensor

    def integers(self, name: str, value: Any, shape: str, *, minimum: int, maximum: int) -> torch.Tensor:
        """An int64 tensor of values inside [minimum, maximum]."""
        tensor = self._tensor(name, value, shape)
        if tensor.dtype not in _INTEGERS:
            raise TypeError(f"{name}: dtype {_dtype(tensor)}, expected integers")
        if not torch.compiler.is_compiling():
            _refuse(name, tensor, (tensor < minimum) | (tensor > maximum), f"from {minimum} to {maximum}")
        return tensor.long()

    @property
    def device(self) -> torch.device | None:
        """Where the tensors are."""
        return self._device

    def _tensor(self, name: str, value: Any, shape: str) -> torch.Tensor:
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name}: {type(value).__name__}, expected a torch.Tensor")
        letters = shape.split()
        found = dict(zip(letters, value.shape, strict=False)) | self.sizes
        fits = value.ndim == len(letters) and value.shape == tuple(found[letter] for letter in letters)
        if not fits:
            raise ValueError(f"{name}: shape {tuple(value.shape)}, expected {self._wanted(letters)}")
        for letter, size in zip(letters, value.shape, strict=True):
            if letter == "b" and size == 0:
                raise ValueError(f"{name}: shape {tuple(value.shape)}, expected at least one row")
            self.sizes[letter] = size
        if self._device is None:
            self._device, self._first = value.device, name
        elif value.device != self._device:
            raise ValueError(f"{name}: on {value.device}, expected {self._device}, where {self._first} is")
        return value

    def _wanted(self, letters: list[str]) -> str:
        return "[" + ", ".join(f"{x}={self.sizes[x]}" if x in self.sizes else x for x in letters) + "]"


def positive(name: str, value: Any) -> float:
    """`value` as a float above 0."""
    number = checks.real(name, value)
    if number <= 0:
        raise ValueError(f"{name}: {number:g}, expected above 0")
    return number


def temperature_of(value: Any, name: str = "temperature") -> float:
    """`value` as a float above 0 whose inverse float32 can hold."""
    number = positive(name, value)
    if number < _COLDEST:
        raise ValueError(f"{name}: {number:g}, expected at least {_COLDEST:g}")
    return number


def cooled(name: str, scores: torch.Tensor, temperature: float, *, may_vanish: bool = False) -> torch.Tensor:
    """Scores over a temperature; finite ones that it makes infinite raise.

    With `may_vanish` low ones become -inf: a negative that counts nothing. Then padding may hold the lowest number.
    """
    bound = float(torch.finfo(scores.dtype).max) * temperature
    if temperature < 1.0 and not torch.compiler.is_compiling():
        bad = scores > bound if may_vanish else (scores.abs() > bound) & scores.isfinite()
        _refuse(name, scores, bad, f"at most {bound:.3g} in size under a temperature of {temperature:g}")
    return scores / temperature


def reduce(per_row: torch.Tensor, reduction: str) -> torch.Tensor:
    """The mean or the sum over rows, or the rows themselves."""
    if checks.choice("reduction", reduction, REDUCTIONS) == "mean":
        return per_row.mean()
    return per_row.sum() if reduction == "sum" else per_row


def mean_where(values: torch.Tensor, kept: torch.Tensor, dim: int | None = None) -> torch.Tensor:
    """Mean over the kept entries, 0 where there is none; what is not kept gets no gradient."""
    values = values.masked_fill(~kept, 0.0)
    if dim is None:
        return values.sum() / kept.sum().clamp_min(1)
    return values.sum(dim) / kept.sum(dim).clamp_min(1)


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _refuse(name: str, tensor: torch.Tensor, bad: torch.Tensor, wanted: str) -> None:
    if not bool(bad.any()):
        return
    place = tuple(int(i) for i in bad.nonzero()[0])
    found = str(tensor[place].item()).replace("nan", "NaN")
    at = f" at {place[0] if len(place) == 1 else place}" if place else ""
    raise ValueError(f"{name}: {found}{at}, expected {wanted}")

"""Arithmetic in Python that the caller's floating-point mode must not change."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import hardmine._native as _native

_P = ParamSpec("_P")
_R = TypeVar("_R")


def in_default_mode(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a function that converts, compares or computes floats: it runs in the mode that the kernels set too.

    A caller may flush subnormal numbers to zero (``torch.set_flush_denormal``) or round in another direction. The mode
    belongs to the thread, and the caller's comes back at the end.
    """

    @wraps(function)
    def inside(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return _native.in_default_mode(function, args, kwargs)

    return inside

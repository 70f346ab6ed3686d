"""How many threads a call may use, and what threads that share an object must not do at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import hardmine._native as _native
from hardmine.plumbing.checks import integer

_P = ParamSpec("_P")
_R = TypeVar("_R")


class _Shared(Protocol):
    @property
    def _lock(self) -> Any: ...


_S = TypeVar("_S", bound=_Shared)


def one_at_a_time(method: Callable[Concatenate[_S, _P], _R]) -> Callable[Concatenate[_S, _P], _R]:
    """Decorate a method of an object that threads may share: calls wait for each other on ``self._lock``.

    The lock is a `threading.RLock`: a signal handler that runs inside a call, and saves a checkpoint, must not wait for
    the thread it interrupts.
    """

    @wraps(method)
    def waiting(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with self._lock:
            return method(self, *args, **kwargs)

    return waiting


def thread_count(value: Any) -> int:
    """Threads of one call.

    The argument if given, else ``HARDMINE_NUM_THREADS``, else one inside a PyTorch DataLoader worker (the loader is
    parallel already), else every processor the process may use.
    """
    if value is not None:
        return integer("num_threads", value, minimum=1, maximum=4096)
    text = os.environ.get("HARDMINE_NUM_THREADS")
    if text:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 4096:
            raise ValueError(f"HARDMINE_NUM_THREADS: {text!r}, expected an integer from 1 to 4096")
        return int(text)
    worker = sys.modules.get("torch.utils.data")
    if worker is not None and worker.get_worker_info() is not None:
        return 1
    return _native.available_threads()

"""How many threads a call may use, and what threads that share an object must not do at once."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import hardmine._native as _native
from hardmine.plumbing.checks import integer

_P = ParamSpec("_P")
_R = TypeVar("_R")


class _Shared(Protocol):
    _lock: Any


_S = TypeVar("_S", bound=_Shared)


_shared: dict[int, weakref.ref[Any]] = {}
"""The living objects that threads share, by their ids: in a dictionary, whose steps no other thread interrupts."""

_held: list[Any] = []
"""Locks that the thread that forks holds meanwhile."""


def share(item: _Shared) -> None:
    """Give a new object the lock that `one_at_a_time` takes.

    A fork waits for the calls that other threads have begun on the object, so that the child's copy is whole and its
    lock free. The lock is a `threading.RLock`: a signal handler that runs inside a call, and saves a checkpoint or
    forks, must not wait for the thread it interrupts.
    """
    item._lock = threading.RLock()
    number = id(item)
    _shared[number] = weakref.ref(item, lambda _: _shared.pop(number, None))


def _living() -> list[Any]:
    # In the order in which two accumulators are locked to merge.
    return sorted((item for item in (ref() for ref in tuple(_shared.values())) if item is not None), key=id)


def _before_fork() -> None:
    for item in _living():
        lock = item._lock
        lock.acquire()
        _held.append(lock)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()


def _after_fork_in_child() -> None:
    _held.clear()
    for item in _living():
        item._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def one_at_a_time(method: Callable[Concatenate[_S, _P], _R]) -> Callable[Concatenate[_S, _P], _R]:
    """Decorate a method of an object that threads share (see `share`): calls wait for each other."""

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

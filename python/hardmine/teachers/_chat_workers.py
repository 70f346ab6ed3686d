"""Several requests at a time, none of which keeps a run from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any


def each(function: Callable[[Any, threading.Event], Any], items: Sequence[Any], threads: int) -> list[Any]:
    """What a function gives for each item; the first error that it raises ends the whole at once.

    Parameters
    ----------
    function : callable
        Given an item and an event that is set once nobody waits for the result any more: it waits for nothing else but
        by this event, and otherwise as long as a time-out lets it.
    items : sequence
    threads : int

    Notes
    -----
    After Ctrl-C, or an error, no thread is waited for: those that read finish behind the caller's back, take no further
    item, and the process may end before they do.
    """
    results: list[Any] = [None] * len(items)
    done: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()
    todo, guard, is_over = iter(enumerate(items)), threading.Lock(), threading.Event()

    def work() -> None:
        while not is_over.is_set():
            with guard:
                index, item = next(todo, (-1, None))
            if index < 0:
                return
            try:
                done.put((index, function(item, is_over), None))
            except BaseException as error:  # raised again where the caller waits
                done.put((index, None, error))
                return

    try:
        for _ in range(min(threads, len(items))):
            threading.Thread(target=work, name="hardmine-chat", daemon=True).start()
        for _ in items:
            index, found, error = done.get()
            if error is not None:
                raise error
            results[index] = found
        return results
    finally:
        is_over.set()

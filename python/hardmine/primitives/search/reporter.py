"""Whom a search tells how far it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def reporter(progress: Any, pairs: int) -> Iterator[Callable[[int, int], object] | None]:
    """What to call as ``report(pairs_done, pairs_total)`` now and then; None where nobody asked."""
    if progress is None or progress is False:
        yield None
    elif progress is True:
        from hardmine.plumbing.progress import Progress

        with Progress("search", pairs, progress=True) as bar:
            yield lambda done, _total: bar.reach(done)
    elif callable(progress):
        yield progress
    else:
        raise TypeError(f"progress: {type(progress).__name__}, expected None, a bool or a callable")

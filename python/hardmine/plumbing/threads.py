"""How many threads a call may use."""

from __future__ import annotations

import os
import sys
from typing import Any

import hardmine._native as _native
from hardmine.plumbing.checks import integer


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

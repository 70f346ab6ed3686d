"""One run at a time: a lock that the system drops with the process that holds it."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

_LONGEST = 4_096
_PAUSE = 0.1
_NO_LOCKS = {errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL}


@contextmanager
def locked(path: Path, say: Callable[[str], object]) -> Iterator[bool]:
    """Hold the lock of a file, waiting for whoever holds it.

    Parameters
    ----------
    path : Path
        Made where it is not there; never removed, since another run may be waiting on it.
    say : callable
        Told in one line who holds the lock, once, before waiting for it.

    Yields
    ------
    bool
        Whether the lock is held: False on a file system or a platform without such locks, where nobody is kept away.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        held = _wait(descriptor, path, say)
        if held:
            about = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(about).encode(), 0)
        yield held
    finally:
        os.close(descriptor)  # gives the lock back


def _wait(descriptor: int, path: Path, say: Callable[[str], object]) -> bool:
    said = False
    while fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not said:
                say(f"cache {path.parent}: waiting for {holder(descriptor)}")
            said = True
            time.sleep(_PAUSE)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            break
        else:
            return True
    say(f"cache {path.parent}: no locks here; a second run on it at the same time would do the same work again")
    return False


def holder(descriptor: int) -> str:
    """Who says that it holds the lock."""
    try:
        about = json.loads(os.pread(descriptor, _LONGEST, 0))
        return f"process {int(about['pid'])} on {about['host']}, which holds it since {about['since']}"
    except (ValueError, KeyError, TypeError, OSError, RecursionError):  # it is writing at this moment
        return "another process, which holds it"


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")

"""One run at a time: a lock that the system drops with the process that holds it."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

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

    Raises
    ------
    RuntimeError
        This thread holds it already: it would wait for itself.

    Yields
    ------
    bool
        Whether the lock is held: False on a file system or a platform without such locks, where nobody is kept away.
    """
    used = _opened(path)
    try:
        held = _wait(used.descriptor, path, say)
        if held:
            about = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
            os.ftruncate(used.descriptor, 0)
            os.pwrite(used.descriptor, json.dumps(about).encode(), 0)
        yield held
    finally:
        _give_back(used)


class _Used(NamedTuple):
    """A lock file that a thread holds or waits for."""

    descriptor: int
    file: tuple[int, int]
    thread: int
    number: int


_in_use: set[_Used] = set()
_guard = threading.RLock()
_numbers = count()


def _opened(path: Path) -> _Used:
    with _guard:  # no fork between the two
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        about = os.fstat(descriptor)
        used = _Used(descriptor, (about.st_dev, about.st_ino), threading.get_ident(), next(_numbers))
        if any(other[1:3] == used[1:3] for other in _in_use):
            os.close(descriptor)
            raise RuntimeError(
                f"cache {path.parent}: held by a run of this thread, which has not ended (a teacher or a progress "
                "callable that starts another would wait for itself); expected another folder for the run inside"
            )
        _in_use.add(used)
    return used


def _give_back(used: _Used) -> None:
    with _guard:
        if used not in _in_use:
            return  # a fork's child, which does not hold what its parent does
        _in_use.remove(used)
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                # By closing alone it would stay with whatever process has inherited the descriptor.
                fcntl.flock(used.descriptor, fcntl.LOCK_UN)
        os.close(used.descriptor)


def _forget() -> None:
    """In the child of a fork: close what is its parent's, without giving the lock back that both would then lack."""
    for used in _in_use:
        with suppress(OSError):
            os.close(used.descriptor)
    _in_use.clear()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_forget)


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

"""The lock of a cache: who waits, what a fork or a kill leaves, file systems without locks."""

import errno
import json
import multiprocessing
import os
import threading
import time

import numpy as np
import pytest

from hardmine.store import lock
from tests.children import run_script
from tests.store_cases import FACTS, held, keys_of, posix

pytest.importorskip("pyarrow")


def hold(path, entered, leave):
    with held(path):
        entered.set()
        leave.wait(60)


@posix
@pytest.mark.parametrize("end", ["leaves", "is killed"])
def test_the_second_waits_for_the_first(tmp_path, end):
    context = multiprocessing.get_context("spawn")
    entered, leave = context.Event(), context.Event()
    first = context.Process(target=hold, args=(tmp_path / "c", entered, leave), daemon=True)
    first.start()
    assert entered.wait(60)
    said, inside = [], threading.Event()

    def second():
        with held(tmp_path / "c", say=said.append):
            inside.set()

    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not inside.is_set()
    assert len(said) == 1
    assert f"waiting for process {first.pid} on " in said[0]
    assert ", which holds it since 20" in said[0]
    leave.set() if end == "leaves" else first.kill()
    assert inside.wait(60), "a lock of a process that has gone is no lock"
    thread.join(60)
    first.join(60)
    assert len(said) == 1


@posix
@pytest.mark.parametrize("forget", [True, False], ids=["Python forks", "a library forks"])
def test_a_forked_child_does_not_keep_the_lock(tmp_path, forget):
    """Nor does it take away what its parent holds."""
    out = run_script(
        f"""
import ctypes, warnings
from pathlib import Path
from hardmine.store import lock
warnings.simplefilter("ignore", DeprecationWarning)
fork = os.fork if {forget} else ctypes.PyDLL(None).fork
path = Path({str(tmp_path / "lock")!r})
with lock.locked(path, print):
    child = fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    descriptor = os.open(path, os.O_RDWR)
    try:
        lock.fcntl.flock(descriptor, lock.fcntl.LOCK_EX | lock.fcntl.LOCK_NB)
        print("lost")
    except BlockingIOError:
        print("held")
    os.close(descriptor)
with lock.locked(path, print) as held:
    print(held)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
""",
        timeout=100,
    )
    assert out.split() == ["held", "True"]


@posix
def test_the_lock_of_a_killed_parent_does_not_live_on(tmp_path):
    out = run_script(
        f"""
import subprocess
from pathlib import Path
path = Path({str(tmp_path / "lock")!r})
code = '''
import os, signal, sys, time, warnings
from pathlib import Path
from hardmine.store import lock
warnings.simplefilter("ignore", DeprecationWarning)
ready, told = os.pipe()
with lock.locked(Path(sys.argv[1]), print):
    child = os.fork()
    if child == 0:
        signal.alarm(100)
        os.write(told, b"1")
        time.sleep(100)
        os._exit(0)
    os.read(ready, 1)
    print(child, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
'''
parent = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
orphan = int(parent.stdout.readline())
assert parent.wait() == -signal.SIGKILL
from hardmine.store import lock
try:
    with lock.locked(path, lambda line: sys.exit("waits: " + line)) as held:
        print(held)
finally:
    os.kill(orphan, signal.SIGKILL)
""",
        timeout=100,
    )
    assert out.split() == ["True"]


@posix
def test_a_run_inside_a_run_does_not_wait_for_itself(tmp_path):
    out = run_script(
        f"""
from pathlib import Path
from hardmine.store import lock
path = Path({str(tmp_path / "lock")!r})
with lock.locked(path, print):
    for inside in (path, path.parent / "." / "lock"):
        try:
            with lock.locked(inside, print):
                print("entered")
        except RuntimeError as error:
            print(error)
    with lock.locked(path.parent / "other", print) as held:
        print(held)
with lock.locked(path, print) as held:
    print(held)
""",
        timeout=100,
    )
    lines = out.splitlines()
    assert lines[2:] == ["True", "True"]
    said = (
        f"cache {tmp_path}: held by a run of this thread, which has not ended (a teacher or a progress callable that "
        "starts another would wait for itself); expected another folder for the run inside"
    )
    assert lines[:2] == [said, said]


@posix
def test_what_a_lock_says_may_be_anything(tmp_path):
    path = tmp_path / "lock"
    for text in ("", "[", "[]", '{"pid": "x"}', '{"pid": 1}', "\0" * 100):
        path.write_text(text)
        descriptor = os.open(path, os.O_RDWR)
        assert lock.holder(descriptor) == "another process, which holds it"
        os.close(descriptor)
    with lock.locked(path, pytest.fail) as is_held:  # whatever a dead process left there
        assert is_held
        assert json.loads(path.read_text())["pid"] == os.getpid()


@posix
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    said = []
    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with held(tmp_path / "c", say=said.append) as store:
        # Somebody else's half-written file stays: nobody is kept away.
        (tmp_path / "c" / ".x.part").touch()
        store.rows("s", "k", FACTS, keys_of("a")).add(np.array([0]), {"row.v": np.zeros((1, 1))})
    with held(tmp_path / "c", say=said.append) as store:
        assert store.rows("s", "k", FACTS, keys_of("a")).missing.size == 0
    assert (tmp_path / "c" / ".x.part").exists()
    assert len(said) == 2
    assert "no locks here" in said[0]


@posix
def test_other_errors_of_a_lock_are_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output error"), held(tmp_path / "c"):
        pass

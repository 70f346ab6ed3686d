"""The pool: calls beside each other, how many threads it may have, and processors that come and go.

In processes of their own, because a pool belongs to its process.
"""

import os
import sys
from pathlib import Path

import pytest

import hardmine._native as _native
from tests.children import PROMPT, run_script

posix = pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to one process is a POSIX matter")
linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads the threads from /proc")

BESIDE = """
import numpy as np, hardmine as hm
scores = np.random.default_rng(0).standard_normal((256, 3000), dtype=np.float32)
expected = hm.topk(scores, 5, num_threads=1).ids
row = np.random.default_rng(1).standard_normal(10**6, dtype=np.float32)
endless, weights = np.broadcast_to(row, (10**6, row.size)), np.broadcast_to(row[:20_000], (10**6, 20_000))
others = [
    threading.Thread(target=hm.topk, args=(endless, 5), kwargs={"num_threads": 2}, daemon=True),
    threading.Thread(target=hm.draw, args=(weights, 5), kwargs={"seed": 0, "num_threads": 3}, daemon=True),
]
for other in others:
    other.start()
time.sleep(0.5)
"""


def test_a_small_call_waits_for_no_long_one():
    out = run_script(
        BESIDE
        + """
for threads in (1, 2, 3, 7) * 10:
    assert np.array_equal(hm.topk(scores, 5, num_threads=threads).ids, expected)
assert all(other.is_alive() for other in others)
print("ok", flush=True)
os._exit(0)
"""
    )
    assert out.strip() == "ok"


@posix
def test_ctrl_c_reaches_small_calls_beside_long_ones():
    out = run_script(
        BESIDE
        + """
for _ in range(2):
    sent = interrupt_after(0.2)
    try:
        while True:
            hm.topk(scores, 5, num_threads=2)
    except KeyboardInterrupt:
        print(time.monotonic() - sent[0], flush=True)
assert all(other.is_alive() for other in others)
os._exit(0)
"""
    )
    delays = [float(line) for line in out.split()]
    assert len(delays) == 2
    assert max(delays) < PROMPT


@posix
def test_a_signal_handler_may_call_the_library():
    out = run_script(
        """
        import numpy as np, hardmine as hm
        scores = np.random.default_rng(0).standard_normal((256, 3000), dtype=np.float32)
        expected = hm.topk(scores, 5, num_threads=1).ids
        calls = []
        def handler(number, frame):
            calls.append(np.array_equal(hm.topk(scores, 5, num_threads=2).ids, expected))
            if len(calls) == 3:
                raise ZeroDivisionError("enough")
        signal.signal(signal.SIGINT, handler)
        def send():
            while len(calls) < 3:
                time.sleep(0.1)
                os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=send, daemon=True).start()
        try:
            row = np.random.default_rng(1).standard_normal(10**6, dtype=np.float32)
            hm.topk(np.broadcast_to(row, (10**6, row.size)), 5, num_threads=2)
        except ZeroDivisionError:
            print(calls[:3])  # a fourth may come before the thread sees three
        """
    )
    assert out.strip() == "[True, True, True]"


COUNT = """
import numpy as np, hardmine as hm
def workers():
    names = [open(f"/proc/self/task/{task}/comm").read() for task in os.listdir("/proc/self/task")]
    return sum(name.startswith("hardmine") for name in names)
scores = np.random.default_rng(0).standard_normal((4096, 64), dtype=np.float32)
expected = hm.topk(scores, 3, num_threads=1).ids
"""


@linux
def test_one_pool_grows_and_has_a_roof():
    out = run_script(
        COUNT
        + """
import hardmine
assert workers() == 0
for threads in range(1, 61):
    assert np.array_equal(hm.topk(scores, 3, num_threads=threads).ids, expected)
    assert workers() < threads
hm.topk(np.zeros((40_000, 64), np.float32), 3, num_threads=4096)
print(workers())
"""
    )
    assert 1 <= int(out) <= max(16, _native.available_threads())


@linux
def test_a_call_goes_on_where_the_system_refuses_threads():
    out = run_script(
        COUNT
        + """
import resource
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 20),) * 2)  # less than the stack of a thread
for threads in (2, 7, 60):
    assert np.array_equal(hm.topk(scores[:1000], 3, num_threads=threads).ids, expected[:3000])
print(workers())
"""
    )
    assert int(out) == 0


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="sets the affinity to one of several",
)
def test_a_changed_affinity_is_noticed():
    out = run_script(
        """
        from hardmine import _native
        every = os.sched_getaffinity(0)
        for processors in (every, {min(every)}, every, {max(every)}):
            os.sched_setaffinity(0, processors)
            time.sleep(0.3)  # an answer holds for 50 ms
            print(_native.available_threads())
        """
    )
    first, one, again, other = (int(line) for line in out.split())
    assert (one, other) == (1, 1)
    assert first == again >= 1

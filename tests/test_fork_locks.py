"""Objects that threads share, across a fork: the child's copy is whole, and its lock free."""

import os
import sys

import pytest

from tests.children import run_script

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is a POSIX matter"),
    pytest.mark.skipif(sys.platform == "darwin", reason="system libraries there forbid a fork beside threads"),
]

START = """
import copy, pickle, warnings
import numpy as np, hardmine as hm
warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads, which is what is tried

rng = np.random.default_rng(0)
scores = rng.standard_normal((4, 50), dtype=np.float32)

def bank():
    made = hm.MemoryBank(50, 4)
    made.push(scores.T, keys=range(50))
    return made

def best():
    made = hm.TopKAccumulator(4, 3)
    made.update(scores)
    return made

def is_usable(item):
    if isinstance(item, hm.MemoryBank):
        item.push(scores.T[:2], keys=[7, 8])
        assert item.keys[:2].tolist() == [7, 8]
        return item.hardest(scores.T[:1], 1, num_threads=1).ids.tolist() == [0]
    expected = hm.topk(scores, 3).ids.tolist()
    pickle.loads(pickle.dumps(item)).finish()
    return item.finish().ids.tolist() == expected

def in_child(check):
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a lock that stays locked
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""

MADE = {
    "new": "item",
    "unpickled": "pickle.loads(pickle.dumps(item))",
    "copied": "copy.deepcopy(item)",
}


@pytest.mark.parametrize("kind", ["bank", "best"])
@pytest.mark.parametrize("how", MADE)
def test_a_child_can_use_what_another_thread_was_using(kind, how):
    out = run_script(
        START
        + f"""
item = {kind}()
item = {MADE[how]}
entered, done = threading.Event(), []

def use():
    with item._lock:  # as every call does
        entered.set()
        time.sleep(0.5)
        done.append(1)

user = threading.Thread(target=use)
user.start()
entered.wait()
# The fork waits for the call: what the child sees is no half of it.
print(in_child(lambda: done == [1] and is_usable(item)))
user.join()
print(in_child(lambda: is_usable(item)))
print(is_usable(item))
"""
    )
    assert out.split() == ["0", "0", "True"]


def test_forks_beside_calls_that_never_pause():
    """Two accumulators that merge into each other, a bank that is pushed to, and objects that come and go."""
    out = run_script(
        START
        + """
a, b, c = hm.TopKAccumulator(4, 3), hm.TopKAccumulator(4, 3), bank()
a.update(scores[:, :20])
b.update(scores[:, 20:], first_document=20)
stop = threading.Event()

def until_stop(call):
    while not stop.is_set():
        call()

threads = [threading.Thread(target=until_stop, args=(call,)) for call in (
    lambda: copy.deepcopy(a).merge(b), lambda: a.finish(), lambda: c.push(scores.T), lambda: bank(),
)]
for thread in threads:
    thread.start()
codes = {in_child(lambda: is_usable(c) and len(copy.deepcopy(b).finish()) == 4) for _ in range(10)}
stop.set()
for thread in threads:
    thread.join()
print(codes)
"""
    )
    assert out.strip() == "{0}"


def test_a_fork_inside_a_call_of_the_same_thread():
    """As a signal handler does that saves a checkpoint in a process of its own."""
    out = run_script(
        START
        + """
item = bank()
with item._lock:
    print(in_child(lambda: is_usable(item)))
print(is_usable(item))
"""
    )
    assert out.split() == ["0", "True"]


def test_objects_that_are_gone_are_forgotten():
    out = run_script(
        START
        + """
import gc
from hardmine.plumbing import threads
before = len(threads._shared)
items = [bank(), best(), copy.deepcopy(bank()), pickle.loads(pickle.dumps(best()))]
print(len(threads._shared) - before)
del items
gc.collect()
print(len(threads._shared) - before)
"""
    )
    assert out.split() == ["4", "0"]

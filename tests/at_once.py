"""Works in threads that share an object."""

import sys
import threading


def at_once(*works):
    """Runs the works in threads that change places as often as they can; their errors come out."""
    failures, ready = [], threading.Barrier(len(works))

    def kept(work):
        try:
            ready.wait()
            work()
        except Exception as error:
            failures.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=kept, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not failures, failures

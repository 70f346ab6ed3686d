"""How many cases the tests compared: `count_cases(n)` adds to the room of the running test, the summary prints all."""

import os
from collections import Counter
from pathlib import PurePath

COMPARED: Counter[str] = Counter()


def count_cases(number: int = 1) -> None:
    """Add `number` compared cases to the module of the running test (``tests/test_topk.py`` is "topk").

    To be called after the comparison, so that what did not run does not count. Subprocesses return their number to
    the test, which counts it.
    """
    running = os.environ.get("PYTEST_CURRENT_TEST", "outside")
    COMPARED[PurePath(running.partition("::")[0]).stem.removeprefix("test_")] += int(number)


def summary() -> str:
    """One line: "topk 123,456; draw 7,890"."""
    return "; ".join(f"{room} {count:,}" for room, count in sorted(COMPARED.items()))

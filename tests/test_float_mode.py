"""The caller's floating-point mode (flush to zero, rounding), and that the pool was born under, change no byte.

The caller's mode comes back. Flags and modes belong to threads and processes, so the work is a program of its own:
`tests/float_mode_case.py`.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or platform.machine() not in ("x86_64", "aarch64"),
    reason="sets the mode with fesetround of the C library, whose constants are those of the processor",
)
BIRTHS = ["plain", "flush", "upward"]


@pytest.fixture(scope="module")
def digests():
    found = {}
    for birth in BIRTHS:
        run = subprocess.run(
            [sys.executable, "-m", "tests.float_mode_case", birth],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=ROOT,
        )
        assert run.returncode == 0, run.stderr
        found[birth] = json.loads(run.stdout)
    return found


def test_no_mode_of_the_caller_or_of_the_pool_changes_a_byte(digests):
    kernels = digests["plain"]
    assert len(kernels) > 30
    wrong = []
    for kernel, runs in kernels.items():
        expected = runs["plain, 1 threads"]
        for birth in BIRTHS:
            other = [how for how, digest in digests[birth][kernel].items() if digest != expected]
            if other:
                wrong.append(f"{kernel}, pool born under {birth}: {', '.join(other)}")
    assert not wrong, "\n".join(wrong)

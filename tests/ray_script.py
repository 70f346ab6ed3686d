"""Scripts that start a cluster of their own: nothing of it stays in the process of the tests, a hang is a failure."""

from tests.children import run_script

PATIENCE = 200
START = """
import json
import pathlib
import numpy as np
import hardmine as hm
from tests import ray_cases as cases
folder = pathlib.Path({folder!r})
def say(*words):
    print("=", *words, flush=True)  # Ray speaks on the same stream
"""


def script(folder, body):
    """What a script says."""
    out = run_script(START.format(folder=str(folder)) + body, timeout=PATIENCE)
    return [line[2:] for line in out.splitlines() if line.startswith("= ")]

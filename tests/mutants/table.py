"""What a planted fault is."""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent


class Mutant(NamedTuple):
    """One piece of text in one file, what takes its place, and the tests that must then fail."""

    name: str
    file: str
    old: str
    new: str
    tests: str

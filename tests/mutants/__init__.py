"""Known faults, one table per room; ``python -m tests.mutants`` plants them and sees the tests catch them."""

from importlib import import_module
from pathlib import Path

from tests.mutants.table import ROOT, Mutant

__all__ = ["MUTANTS", "ROOMS", "ROOT", "Mutant"]

ROOMS: dict[str, list[Mutant]] = {
    path.stem: import_module(f"tests.mutants.{path.stem}").MUTANTS
    for path in sorted(Path(__file__).parent.glob("*.py"))
    if path.stem not in ("__init__", "__main__", "table")
}
MUTANTS: list[Mutant] = [mutant for table in ROOMS.values() for mutant in table]

"""Plant known faults in the source, one at a time, and see the tests catch them: ``make mutants``.

Each mutant replaces one piece of text in one file of a copy of the tree, rebuilds if it is Rust, and runs the tests
named beside it, which must fail. A mutant that survives is a hole in the tests: the command then exits with 1.
``python tests/mutants.py NAME ...`` runs some of them; `tests/test_mutants.py` keeps the list applicable.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    """One planted fault."""

    name: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS: list[Mutant] = [
    Mutant(
        "draw-tie-to-the-higher",
        "rust/core/src/draw/largest.rs",
        "(!key.key(), position)",
        "(!key.key(), !position)",
        "tests/test_draw.py::test_columns_of_one_key_tie_and_the_lower_wins",
    ),
    Mutant(
        "philox-nine-rounds",
        "rust/core/src/draw/philox.rs",
        "ROUNDS: usize = 10",
        "ROUNDS: usize = 9",
        "tests/test_draw.py::test_noise_equals_the_twin_to_the_bit",
    ),
    Mutant(
        "biased-last-bin",
        "rust/core/src/draw/words.rs",
        "(product as u32 >= self.refused)",
        "(product as u32 >= self.refused.min(0))",
        "tests/test_draw.py::test_no_item_is_favoured",
    ),
    Mutant(
        "prefilter-without-its-bound",
        "rust/core/src/draw/prefilter.rs",
        "NOISE_BOUND: f64 = 1.0 / 512.0",
        "NOISE_BOUND: f64 = 0.0",
        "tests/test_draw.py::test_close_calls_are_decided_in_full",
    ),
    Mutant(
        "first-exclusion-skipped",
        "rust/core/src/draw/uniform.rs",
        "excluded.iter().filter(",
        "excluded.iter().skip(1).filter(",
        "tests/test_draw.py::test_uniform_draws_are_distinct_and_never_excluded",
    ),
    Mutant(
        "minus-infinity-eligible",
        "rust/core/src/draw/picker.rs",
        "**weight > f64::NEG_INFINITY",
        "**weight >= f64::NEG_INFINITY",
        "tests/test_draw.py::test_minus_infinity_is_never_drawn",
    ),
    Mutant(
        "half-of-the-epoch",
        "rust/core/src/draw/noise.rs",
        "[epoch as u32, (epoch >> 32) as u32,",
        "[epoch as u32, 0,",
        "tests/test_draw.py::test_noise_equals_the_twin_to_the_bit",
    ),
    Mutant(
        "alias-swapped",
        "rust/core/src/draw/alias.rs",
        "if coin < cell.threshold",
        "if coin >= cell.threshold",
        "tests/test_draw.py::test_alias_draws_follow_the_weights",
    ),
    Mutant(
        "shuffle-one-short",
        "rust/core/src/draw/uniform.rs",
        "below((total - drawn) as u64)",
        "below((total - drawn).max(2) as u64 - 1)",
        "tests/test_draw.py::test_ordered_pairs_are_uniform",
    ),
    Mutant(
        "one-noise-for-all-arrivals",
        "rust/core/src/draw/noise.rs",
        "self.domain, arrival), ..*self",
        "self.domain, 0), ..*self",
        "tests/test_draw.py::test_draws_with_replacement_are_independent",
    ),
]


def build(tree: Path) -> None:
    """Build the extension of the copy in place."""
    command = ["maturin", "develop", "--skip-install", "--profile", "dev", "-q"]
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix, "CARGO_TARGET_DIR": str(tree / "target")}
    maturin = Path(sys.executable).with_name("maturin")
    subprocess.run([str(maturin), *command[1:]], cwd=tree, env=environment, check=True, stderr=subprocess.DEVNULL)


def fails(tree: Path, tests: str) -> bool:
    """Whether the tests fail on the copy."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()]
    environment = {**os.environ, "PYTHONPATH": str(tree / "python")}
    run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if run.returncode not in (0, 1):
        raise SystemExit(run.stdout[-3000:] + run.stderr[-3000:])
    return run.returncode == 1


def main(names: list[str]) -> int:
    """Entry point."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("target", ".venv", ".git", "*.so", "__pycache__"))
        build(tree)
        for tests in sorted({mutant.tests for mutant in chosen}):
            if fails(tree, tests):
                raise SystemExit(f"{tests} fails without any fault planted")
        for mutant in chosen:
            started = time.monotonic()
            path = tree / mutant.file
            original = path.read_text()
            path.write_text(original.replace(mutant.old, mutant.new))
            rust = path.suffix == ".rs"
            try:
                if rust:
                    build(tree)
                caught = fails(tree, mutant.tests)
            finally:
                path.write_text(original)
            verdict = "caught  " if caught else "SURVIVED"
            print(f"{verdict} {mutant.name} ({time.monotonic() - started:.0f} s)", flush=True)
            if not caught:
                survivors.append(mutant.name)
            elif rust and mutant is not chosen[-1]:
                os.utime(path)
        build(tree)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} planted faults caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

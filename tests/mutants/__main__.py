"""Plant known faults in the source, one at a time, and see the tests catch them: ``make mutants``.

Each mutant replaces one piece of text in one file of a copy of the tree, rebuilds if it is Rust, and runs the tests
named beside it, which must fail. A mutant that survives is a hole in the tests: the command then exits with 1.
``python -m tests.mutants NAME ...`` runs some of them, ``--only ROOM`` those of one room (a table of this folder);
`tests/test_mutants.py` keeps the tables applicable.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants import MUTANTS, ROOMS, ROOT, Mutant

PATIENCE = 300
"""Seconds after which a fault counts as one that hangs."""


def room(mutant: Mutant) -> str:
    """The table that a fault stands in."""
    return next(name for name, table in ROOMS.items() if mutant in table)


def build(tree: Path) -> None:
    """Build the extension of the copy in place."""
    command = ["maturin", "develop", "--skip-install", "--profile", "dev", "-q"]
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix, "CARGO_TARGET_DIR": str(tree / "target")}
    maturin = Path(sys.executable).with_name("maturin")
    subprocess.run([str(maturin), *command[1:]], cwd=tree, env=environment, check=True, stderr=subprocess.DEVNULL)


def fails(tree: Path, tests: str) -> bool:
    """Whether the tests fail on the copy."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()]
    if tests.startswith("cargo "):
        command = tests.split()
    environment = {**os.environ, "PYTHONPATH": str(tree / "python"), "CARGO_TARGET_DIR": str(tree / "target")}
    try:
        run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return True  # the fault never ends
    if run.returncode < 0 or run.returncode == 134:
        return True  # the fault brought the process down
    if tests.startswith("cargo ") and "test result: FAILED" in run.stdout:
        return True
    if run.returncode not in (0, 1):
        raise SystemExit(run.stdout[-3000:] + run.stderr[-3000:])
    return run.returncode == 1


def main(names: list[str]) -> int:
    """Entry point."""
    rooms = []
    while "--only" in names:
        at = names.index("--only")
        rooms += names[at + 1 : at + 2]
        names = names[:at] + names[at + 2 :]
    for what, given, known in (("planted fault", names, {m.name for m in MUTANTS}), ("room", rooms, set(ROOMS))):
        for name in given:
            if name not in known:
                raise SystemExit(f"{name}: no {what} is called so; rooms: {', '.join(sorted(ROOMS))}")
    everything = not names and not rooms
    chosen = [m for m in MUTANTS if everything or m.name in names or room(m) in rooms]
    chosen.sort(key=lambda mutant: (mutant.file.endswith(".py"), room(mutant)))  # Python ones need no build
    caught_of: dict[str, list[bool]] = {}
    survivors, stale = [], False
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
                if rust or stale:
                    build(tree)
                caught = fails(tree, mutant.tests)
            finally:
                path.write_text(original)
            stale = rust  # the extension still holds the fault
            verdict = "caught  " if caught else "SURVIVED"
            print(f"{verdict} {mutant.name} ({time.monotonic() - started:.0f} s)", flush=True)
            caught_of.setdefault(room(mutant), []).append(caught)
            if not caught:
                survivors.append(mutant.name)
            elif rust and mutant is not chosen[-1]:
                os.utime(path)
    for name, results in sorted(caught_of.items()):
        print(f"{name:<12}{sum(results):>4} of {len(results):>3} caught")
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} planted faults caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""The oldest versions that pyproject.toml allows of what a user installs with `hardmine[mine]`, as constraints for pip.

`python release/floors.py` prints them; `--extra torch` those of another extra too; `--installed` says whether the
environment that it runs in holds exactly these.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    try:
        import tomli as tomllib
    except ModuleNotFoundError:  # an environment of floors holds no more than it must; pip carries a copy
        from pip._vendor import tomli as tomllib

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
BOUND = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)>=(?P<version>[0-9.]+)")


def floors(extras: list[str]) -> dict[str, str]:
    """Name to oldest version. Every requirement of a user must have a floor."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    found = {}
    for requirement in wanted:
        bound = BOUND.match(requirement)
        if bound is None:
            sys.exit(f"pyproject.toml: {requirement}: has no floor (>=)")
        found[bound["name"]] = bound["version"]
    return found


def main() -> None:
    """Print the constraints, or compare what is installed."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--extra", action="append", default=["mine"])
    options.add_argument("--installed", action="store_true")
    chosen = options.parse_args()
    for name, version in floors(chosen.extra).items():
        if not chosen.installed:
            print(f"{name}=={version}")
            continue
        there = importlib.metadata.version(name)
        if re.sub(r"(\.0)*$", "", there) != re.sub(r"(\.0)*$", "", version):
            sys.exit(f"{name}: {there} is installed, expected the floor {version}")
        print(f"{name} {there}")


if __name__ == "__main__":
    main()

"""The licences of everything that is linked into the extension, as THIRD-PARTY-LICENSES.txt, which every wheel carries.

`python release/third_party.py` writes the file from Cargo.lock and the sources that Cargo has fetched;
`--check` says what is out of date and writes nothing. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "THIRD-PARTY-LICENSES.txt"
EXTENSION = "hardmine-python"
TAKEN = ("MIT", "BSD-2-Clause")
"""What we take of an offer ("MIT OR Apache-2.0"), the first that is offered."""
FILES = {"MIT": ("LICENSE-MIT", "LICENSE"), "BSD-2-Clause": ("LICENSE-BSD", "LICENSE")}
HEAD = """\
The extension module of hardmine contains compiled code of the packages below, each under the licence that follows its
name. It also contains parts of the Rust standard library, copyright The Rust Project Contributors, under the MIT
licence or the Apache licence 2.0. hardmine itself is under the Apache licence 2.0 (LICENSE).
"""


def packages(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Every crate that is linked into the extension on any platform: no build scripts, no macros, nothing of tests."""
    known = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [key for key, package in known.items() if package["name"] == EXTENSION]
    found: dict[str, dict[str, Any]] = {}
    while waiting:
        key = waiting.pop()
        if key in found or any("proc-macro" in target["kind"] for target in known[key]["targets"]):
            continue
        found[key] = known[key]
        linked = (each for each in nodes[key]["deps"] if any(kind["kind"] is None for kind in each["dep_kinds"]))
        waiting.extend(each["pkg"] for each in linked)
    others = (package for package in found.values() if package["source"] is not None)
    return sorted(others, key=lambda package: (package["name"], package["version"]))


def licence(package: dict[str, Any]) -> tuple[str, str]:
    """Name and text of the licence under which we take a crate."""
    offered = package["license"].replace("/", " OR ").split(" OR ")
    name = next((name for name in TAKEN if name in offered), None)
    if name is None:
        sys.exit(f"{package['name']}: licence {package['license']}, expected an offer of {' or '.join(TAKEN)}")
    folder = Path(package["manifest_path"]).parent
    path = next((folder / file for file in FILES[name] if (folder / file).is_file()), None)
    if path is None:
        sys.exit(f"{package['name']}: no file with the text of {name} in {folder}")
    lines = path.read_text(encoding="utf-8").splitlines()
    return name, "\n".join(line.rstrip() for line in lines).strip()


def text() -> str:
    """The whole file."""
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    parts = [HEAD]
    for package in packages(metadata):
        name, words = licence(package)
        parts.append(f"{'=' * 80}\n{package['name']} {package['version']} ({name})\n\n{words}\n")
    return "\n".join(parts)


def main() -> None:
    """Write the file, or check it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--check", action="store_true")
    found = text()
    if not options.parse_args().check:
        TARGET.write_text(found, encoding="utf-8")
    elif not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != found:
        sys.exit(f"{TARGET.name}: out of date; run python release/third_party.py")


if __name__ == "__main__":
    main()

"""Whether this tree may be released: one version in all places, its golden files, actions pinned by hash.

`python release/check_tree.py` looks at what must hold at any time; with `--tag v1.2.3` at what its
release needs too.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*")
DATED = r"\A# Changelog\n\n## \S+ \((\d{4}-\d\d-\d\d)\)"
USES = re.compile(r"^\s*(?:- )?uses: (.*?)\s*$", re.MULTILINE)


def first(pattern: str, file: str, root: Path) -> str:
    """What a pattern's only group finds in a file first."""
    found = re.search(pattern, (root / file).read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "none"


def versions(root: Path) -> dict[str, str]:
    """The version by the place that says it."""
    return {
        "Cargo.toml": first(r'^\[workspace\.package\]\nversion = "(.*?)"', "Cargo.toml", root),
        "Cargo.lock, core": first(r'^name = "hardmine-core"\nversion = "(.*?)"', "Cargo.lock", root),
        "Cargo.lock, python": first(r'^name = "hardmine-python"\nversion = "(.*?)"', "Cargo.lock", root),
        "CHANGELOG.md": first(r"^## (\S+)", "CHANGELOG.md", root),
        "CITATION.cff": first(r"^version: (\S+)", "CITATION.cff", root),
    }


def unpinned(root: Path) -> Iterator[str]:
    """Actions of workflows that a tag could change under our feet."""
    for path in sorted((root / ".github").rglob("*.yml")):
        for used in USES.findall(path.read_text(encoding="utf-8")):
            if not used.startswith("./") and not PINNED.fullmatch(used):
                yield f"{path.relative_to(root)}: uses {used}, expected OWNER/NAME@HASH # vVERSION"


def always(root: Path) -> Iterator[str]:
    """What must hold in every commit."""
    said = versions(root)
    if len(set(said.values())) != 1:
        yield "the version is not one: " + ", ".join(f"{place} {version}" for place, version in said.items())
    version = said["Cargo.toml"]
    if not (root / "tests" / "golden" / "versions" / version / "expected.json").is_file():
        yield f"tests/golden/versions/{version}: missing; run make golden"
    yield from unpinned(root)


def for_release(tag: str, root: Path) -> Iterator[str]:
    """What the release of a tag needs too."""
    version = versions(root)["Cargo.toml"]
    if tag != f"v{version}":
        yield f"tag {tag}, expected v{version}"
    dates = {first(DATED, "CHANGELOG.md", root), first(r"^date-released: (\S+)", "CITATION.cff", root)}
    if len(dates) != 1 or "none" in dates:
        yield "CHANGELOG.md, CITATION.cff: expected one date, `## VERSION (YYYY-MM-DD)` and `date-released: YYYY-MM-DD`"
    if not re.search(r"^Repository = ", (root / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE):
        yield "pyproject.toml: [project.urls] has no Repository; see RELEASE.md, Once"


def main() -> None:
    """Say what is wrong; exit with 1 if anything is."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--tag")
    tag = options.parse_args().tag
    wrong = [*always(ROOT), *(for_release(tag, ROOT) if tag else ())]
    for each in wrong:
        print(each, file=sys.stderr)
    sys.exit(1 if wrong else print(f"{versions(ROOT)['Cargo.toml']}: ok"))


if __name__ == "__main__":
    main()

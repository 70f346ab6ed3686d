"""Whether wheels and source distributions hold what they must: `python release/check_files.py [--max-mb N] FILE...`."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

IN_SDIST = (
    "Cargo.lock", "Cargo.toml", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "PKG-INFO", "README.md",
    "SECURITY.md", "THIRD-PARTY-LICENSES.txt", "pyproject.toml", "rust/core/Cargo.toml", "rust/python/src/lib.rs",
    "python/hardmine/__init__.py", "python/hardmine/_native.pyi", "tests/conftest.py", "tests/smoke.py",
    "tests/golden/versions/{version}/expected.json", "CONTRIBUTING.md", "examples/fine_tune.py", "release/release.mk",
)  # fmt: skip
IN_WHEEL = (
    "hardmine/__init__.py", "hardmine/_native.pyi", "hardmine/py.typed", "hardmine/report/html/page.css",
    "{info}/entry_points.txt", "{info}/licenses/LICENSE", "{info}/licenses/THIRD-PARTY-LICENSES.txt",
    "{info}/sboms/hardmine-python.cyclonedx.json",
)  # fmt: skip
NEVER = re.compile(r"(^|/)(__pycache__|target|\.venv|\.git|findings)/|\.(pyc|rlib|orig|rej)$")
COMPILED = re.compile(r"\.(so|pyd|dylib|dll)$")
WHEEL_TOPS = re.compile(r"hardmine(-[^/]+\.dist-info)?/")


def of_wheel(path: Path) -> list[str]:
    """What is wrong with a wheel."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        version = path.name.split("-")[1]
        info = f"hardmine-{version}.dist-info"
        wrong = [f"lacks {name.format(info=info)}" for name in IN_WHEEL if name.format(info=info) not in names]
        wrong += [f"holds {name}" for name in sorted(names) if NEVER.search(name) or not WHEEL_TOPS.match(name)]
        compiled = [name for name in names if COMPILED.search(name)]
        if len(compiled) != 1 or not compiled[0].startswith("hardmine/_native."):
            wrong.append(f"holds the modules {sorted(compiled)}, expected hardmine/_native alone")
        if not re.search(r"-cp310-abi3-", path.name):
            wrong.append("is not tagged cp310-abi3")
        about = f"{info}/sboms/hardmine-python.cyclonedx.json"
        if about in names:
            listed = {part["name"] for part in json.loads(archive.read(about)).get("components", [])}
            wrong += [f"has an SBOM without {name}" for name in sorted({"hardmine-core", "numpy", "pyo3"} - listed)]
    return wrong


def of_sdist(path: Path) -> list[str]:
    """What is wrong with a source distribution."""
    version = path.name.removesuffix(".tar.gz").rpartition("-")[2]
    with tarfile.open(path) as archive:
        members = {str(PurePosixPath(*PurePosixPath(each.name).parts[1:])): each for each in archive.getmembers()}
    wrong = [
        f"lacks {name.format(version=version)}" for name in IN_SDIST if name.format(version=version) not in members
    ]
    wrong += [f"holds {name}" for name in sorted(members) if NEVER.search(name) or COMPILED.search(name)]
    wrong += [
        f"holds {name}, which is no plain file" for name, each in members.items() if not (each.isfile() or each.isdir())
    ]
    return wrong


def main() -> None:
    """Say what is wrong with each file; exit with 1 if anything is."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--max-mb", type=float, default=6)
    options.add_argument("files", nargs="+", type=Path)
    chosen = options.parse_args()
    bad = False
    for path in chosen.files:
        wrong = of_wheel(path) if path.suffix == ".whl" else of_sdist(path)
        size = path.stat().st_size / 1e6
        if size > chosen.max_mb:
            wrong.append(f"has {size:.1f} MB, expected at most {chosen.max_mb:g}")
        for each in wrong:
            print(f"{path.name}: {each}", file=sys.stderr)
        bad = bad or bool(wrong)
        print(f"{path.name}: {size:.2f} MB, {'ok' if not wrong else f'{len(wrong)} faults'}")
    sys.exit(int(bad))


if __name__ == "__main__":
    main()

"""Who may know whom: the rules of the map, kept by reading the source."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = sorted((ROOT / "rust/core/src").rglob("*.rs"))
DOORS = sorted((ROOT / "rust/python/src").rglob("*.rs"))
PYTHON = sorted((ROOT / "python/hardmine").rglob("*.py"))


def code(path):
    """Rust source without comments."""
    return re.sub(r"//.*", "", path.read_text())


def imports(path):
    """Top-level packages that a Python file imports anywhere, but for typing alone."""
    tree = ast.parse(path.read_text())
    guarded = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            guarded |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_there_is_something_to_check():
    assert len(CORE) > 5
    assert len(DOORS) > 3
    assert len(PYTHON) > 5


@pytest.mark.parametrize("path", CORE, ids=lambda p: p.name)
def test_the_core_knows_neither_python_nor_files(path):
    found = re.findall(r"\b(pyo3|numpy|std::fs|std::net|std::env|println!|eprintln!)", code(path))
    assert not found, found


def test_the_core_depends_on_nothing_of_python():
    manifest = (ROOT / "rust/core/Cargo.toml").read_text()
    assert "pyo3" not in manifest
    assert "numpy" not in manifest


@pytest.mark.parametrize("path", CORE + DOORS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_one_home_each(path):
    text = code(path)
    if path.name != "order.rs":
        assert not re.findall(r"partial_cmp|total_cmp", text), "scores are compared in order.rs alone"
    if path.parent.name != "pool":
        threads = re.findall(r"rayon|thread::spawn|thread::Builder|ThreadPool", text)
        assert not threads, "threads start in pool/ alone"
    if path in DOORS and path.name != "door.rs":
        assert not re.findall(r"\.detach\(|check_signals|catch_unwind", text), "only door.rs does this"


@pytest.mark.parametrize("path", CORE + DOORS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_unsafe_carries_its_proof(path):
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.search(r"\bunsafe (\{|impl)", line.split("//")[0]):
            above = "\n".join(lines[max(0, number - 6) : number + 1])
            assert "SAFETY" in above, f"{path.name}:{number + 1}"


@pytest.mark.parametrize("path", PYTHON, ids=lambda p: str(p.relative_to(ROOT / "python/hardmine")))
def test_python_layers(path):
    place = path.relative_to(ROOT / "python/hardmine")
    used = set(imports(path))
    packages = {name.split(".")[0] for name in used}
    if place.parts[0] not in ("teachers", "data", "losses") and not place.name.startswith("_device"):
        assert not packages & {"torch", "transformers", "sentence_transformers"}, "torch has its own rooms"
    if place.parts[0] == "teachers":
        assert "hardmine.search" not in used, "teachers know texts and arrays, not search"
        assert "hardmine.select" not in used
    if place.name == "retrieve.py":
        rules = {f"hardmine.{name}" for name in ("ceilings", "draws", "select", "selection", "strategies")}
        assert not used & rules, "retrieval knows no rules"
    if place.name not in ("mine.py", "cli.py", "collection.py", "_demo.py") and place.parts[0] != "formats":
        assert not any(name.startswith("hardmine.formats") for name in used), "nobody below mine.py knows file formats"
    if place.parts[0] not in ("formats", "teachers") and place.name in (
        "select.py",
        "selection.py",
        "topk.py",
        "search.py",
        "draw.py",
    ):
        assert not packages & {"pyarrow", "tqdm", "bm25s"}, "the base install needs NumPy alone"


def test_the_version_has_one_home():
    import hardmine

    manifest = (ROOT / "Cargo.toml").read_text()
    assert f'version = "{hardmine.__version__}"' in manifest
    assert f"## {hardmine.__version__}" in (ROOT / "CHANGELOG.md").read_text()

"""Who may know whom: the rules of the map, kept by reading the source."""

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import hardmine

ROOT = Path(__file__).resolve().parent.parent
CORE = sorted((ROOT / "rust/core/src").rglob("*.rs"))
DOORS = sorted((ROOT / "rust/python/src").rglob("*.rs"))
HOUSE = ROOT / "python/hardmine"
PYTHON = sorted(HOUSE.rglob("*.py"))


def code(path):
    """Rust source without comments."""
    return re.sub(r"//.*", "", path.read_text())


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


PLUMBING = {"plumbing"}
BELOW = PLUMBING | {"nouns", "rules", "primitives"}
MAY_IMPORT = {
    "plumbing": set(),
    "nouns": PLUMBING,
    "rules": PLUMBING,
    "teachers": PLUMBING | {"nouns"},
    "losses": PLUMBING,
    "primitives": PLUMBING | {"nouns", "rules"},
    "store": PLUMBING | {"nouns"},
    "formats": PLUMBING | {"nouns"},
    "training": BELOW,
    "data": BELOW | {"formats"},
    "report": PLUMBING | {"nouns", "formats", "primitives"},
    "pipeline": BELOW | {"teachers", "store", "formats", "report"},
    "distributed": BELOW | {"teachers", "store", "formats", "report", "pipeline"},
    "cli": None,  # everything, and the face
    "compat": None,
}
"""Which rooms a room may import besides itself. A room that is not built yet has its line already."""

UPWARD = {("nouns/collection_files.py", "formats"), ("nouns/run_files.py", "formats")}
"""The arrows that run up by design: `Collection.read` and `Candidates.read` look their readers up by name."""

NATIVE_PLUMBING = {"plumbing/threads.py", "plumbing/float_mode.py"}

TORCH = {"teachers", "data", "losses"}
TORCH_FILES = {
    "primitives/batch/mask_on_device.py", "primitives/search/device.py", "primitives/search/device_codes.py",
    "primitives/search/device_documents.py",
}  # fmt: skip
EXTRAS = {"pyarrow", "bm25s", "tqdm"}
BASE = {"plumbing", "nouns", "rules", "primitives", "training", "pipeline", "report"}
"""Rooms of the base install, which needs NumPy alone: what an extra brings they import where it is used."""

PLACES = [str(path.relative_to(HOUSE)) for path in PYTHON if path.parent != HOUSE]


class Import(NamedTuple):
    """One import of one file: what it names, whether only type checkers see it, whether it runs at import time."""

    name: str
    guarded: bool
    at_top: bool


def imports(path):
    """Every import of a file, those inside functions too."""
    tree = ast.parse(path.read_text())
    guarded, inner = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            guarded |= {id(each) for each in ast.walk(node)}
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner |= {id(each) for each in ast.walk(node)}
    for node in ast.walk(tree):
        where = id(node) in guarded, id(node) not in inner
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, *where) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (Import(f"{node.module}.{alias.name}", *where) for alias in node.names)


def module_of(name):
    """The file of ours that an import reaches, relative to the house; None for other people's."""
    parts = name.split(".")
    if parts[0] != "hardmine":
        return None
    for length in range(len(parts), 0, -1):
        base = HOUSE.joinpath(*parts[1:length])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if length > 1 and path.is_file():
                return str(path.relative_to(HOUSE))
    return "_native" if parts[1:2] == ["_native"] else "__init__.py"


def room_of(place):
    return place.split("/")[0] if "/" in place else place


def test_every_room_has_its_line():
    rooms = {room_of(place) for place in PLACES}
    assert rooms <= set(MAY_IMPORT), rooms - set(MAY_IMPORT)
    assert {path.name for path in HOUSE.glob("*.py")} == {"__init__.py"}, "modules live in rooms"


@pytest.mark.parametrize("place", PLACES)
def test_arrows_go_down(place):
    room = room_of(place)
    for found in imports(HOUSE / place):
        target = module_of(found.name)
        if target is None:
            continue
        if target == "_native":
            assert room in ("nouns", "primitives") or place in NATIVE_PLUMBING, place
            continue
        if MAY_IMPORT[room] is None:
            continue
        assert target != "__init__.py", f"{place} imports the face ({found.name})"
        other = room_of(target)
        allowed = other == room or other in MAY_IMPORT[room]
        # What only type checkers see binds nobody at run time, but for a name from above it still has to be a noun's.
        allowed = allowed or (found.guarded and other == "nouns") or (place, other) in UPWARD
        assert allowed, f"{place} -> {target}"


def test_the_native_module_is_imported_under_one_name():
    for place in PLACES:
        text = (HOUSE / place).read_text()
        lines = [line for line in text.splitlines() if re.search(r"import.*\b_native\b", line)]
        assert all(line.strip() == "import hardmine._native as _native" for line in lines), (place, lines)


def test_there_is_no_circle():
    graph = {}
    for place in PLACES:
        targets = (module_of(found.name) for found in imports(HOUSE / place) if not found.guarded)
        graph[place] = {
            target for target in targets
            if target not in (None, "_native", "__init__.py", place) and (place, room_of(target)) not in UPWARD
        }  # fmt: skip
    assert circles(graph) == []


def circles(graph):
    """Sets of files that reach each other (Tarjan, in its recursive form)."""
    number, low, stack, found = {}, {}, [], []

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in number:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], number[target])
        if low[node] == number[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("place", PLACES)
def test_extras_have_their_rooms(place):
    used = list(imports(HOUSE / place))
    packages = {found.name.split(".")[0] for found in used if not found.guarded}
    if room_of(place) not in TORCH and place not in TORCH_FILES:
        assert not packages & {"torch", "transformers", "sentence_transformers"}, "torch has its own rooms"
    if room_of(place) in BASE:
        at_top = {found.name.split(".")[0] for found in used if found.at_top and not found.guarded}
        assert not at_top & EXTRAS, "the base install needs NumPy alone"


def test_no_module_hides_behind_a_function():
    for name in hardmine.__all__:
        value = getattr(hardmine, name)
        if not inspect.ismodule(value):
            assert importlib.util.find_spec(f"hardmine.{name}") is None, name


def test_everything_is_reachable_without_extras():
    code = (
        "import sys, inspect\n"
        "for name in ('pyarrow', 'torch', 'bm25s', 'transformers'): sys.modules[name] = None\n"
        "import hardmine\n"
        "names = dict(inspect.getmembers(hardmine))\n"
        "assert 'topk' in names and 'strategies' in names and 'Collection' not in names, sorted(names)\n"
        "from hardmine import *\n"
        "assert topk is hardmine.topk\n"
        "try: hardmine.Collection\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.strip() == "hardmine.Collection needs pyarrow: pip install 'hardmine[mine]'", run.stderr


def test_the_version_has_one_home():
    manifest = (ROOT / "Cargo.toml").read_text()
    assert f'version = "{hardmine.__version__}"' in manifest
    assert f"## {hardmine.__version__}" in (ROOT / "CHANGELOG.md").read_text()

"""No circle among the modules of the core: the graph of ``use crate::`` and ``use super::``, read from the source.

A module is a file. What a file names of another is an arrow, wherever it stands in it; tests inside a file and the
declarations and re-exports of a parent are none, and a name that a parent re-exports leads to where it is defined.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parent.parent / "rust/core/src"


def module_of(path: Path) -> str:
    parts = path.relative_to(CORE).with_suffix("").parts
    return "::".join(part for part in parts if part not in ("mod", "lib"))


def code(path: Path) -> str:
    """Source without comments and without what is compiled for tests alone."""
    text = re.sub(r"//.*", "", path.read_text())
    return text.split("#[cfg(test)]\nmod tests {")[0].split("#[cfg(test)]\npub(crate) mod tests {")[0]


def leaves(tree: str) -> list[str]:
    """The paths of a use tree: ``a::{b, c::{d, e}}`` names a::b, a::c::d and a::c::e."""
    head, brace, rest = tree.strip().partition("{")
    if not brace:
        return [head.split(" as ")[0].strip()]
    inner, depth, start, parts = rest.rpartition("}")[0], 0, 0, []
    for at, char in enumerate(inner):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(inner[start:at])
            start = at + 1
    parts.append(inner[start:])
    return [head.strip() + leaf for part in parts if part.strip() for leaf in leaves(part)]


def absolute(path: str, module: str) -> str | None:
    """From the root of the crate; None for another crate."""
    here, steps = module.split("::") if module else [], path.split("::")
    if steps[0] == "crate":
        return "::".join(steps[1:])
    if steps[0] not in ("super", "self"):
        return None
    while steps[0] in ("super", "self"):
        here = here[:-1] if steps[0] == "super" else here
        steps = steps[1:] or [""]
    return "::".join([*here, *steps]).removesuffix("::")


class Modules:
    """The modules of a crate and who names whom."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.sources = sources
        self.children = {m: set(re.findall(r"\bmod (\w+);", text)) for m, text in sources.items()}
        self.exports: dict[str, dict[str, str]] = {}
        for module, text in sources.items():
            for tree in re.findall(r"\bpub(?:\([^)]*\))? use ([^;]+);", text):
                for leaf in leaves(tree):
                    self.exports.setdefault(module, {})[leaf.split("::")[-1]] = self.root(leaf, module) or leaf

    def root(self, path: str, module: str) -> str | None:
        first = path.split("::")[0]
        if first in self.children[module]:
            return f"{module}::{path}" if module else path
        return absolute(path, module)

    def home(self, path: str) -> str | None:
        """The module that a path leads into."""
        module, steps = "", path.split("::")
        while steps and (inside := f"{module}::{steps[0]}".removeprefix("::")) in self.sources:
            module, steps = inside, steps[1:]
        exported = self.exports.get(module, {}).get(steps[0]) if steps else None
        if exported is not None:
            return self.home(exported)
        return module

    def arrows(self, module: str) -> set[str]:
        text = re.sub(r"\bpub(?:\([^)]*\))? use [^;]+;", "", self.sources[module])
        text = re.sub(r"\bpub\((?:in [^)]*|crate|super)\)", "", text)
        named = [leaf for tree in re.findall(r"\buse ([^;]+);", text) for leaf in leaves(tree)]
        named += re.findall(r"(?<![\w:])(?:crate|super)(?:::\w+)+", re.sub(r"\buse [^;]+;", "", text))
        # A parent calls into its children without importing them.
        named += [f"self::{child}" for child in self.children[module] if re.search(rf"(?<![\w:]){child}::", text)]
        found = set()
        for path in named:
            rooted = self.root(path, module)
            if rooted is not None and (home := self.home(rooted)) is not None:
                found.add(home)
        return found - {module}

    def circles(self) -> list[list[str]]:
        """Strongly connected groups of more than one module."""
        reach = {module: self.arrows(module) for module in self.sources}
        changed = True
        while changed:
            changed = False
            for targets in reach.values():
                more = set().union(*(reach[target] for target in targets)) if targets else set()
                changed |= not more <= targets
                targets |= more
        groups = {tuple(sorted(o for o in ts if m in reach[o])) for m, ts in reach.items() if m in ts}
        return sorted(list(group) for group in groups)


def read_core() -> Modules:
    paths = [path for path in sorted(CORE.rglob("*.rs")) if path.name != "tests.rs"]
    return Modules({module_of(path): code(path) for path in paths})


def test_the_core_has_no_circles():
    modules = read_core()
    assert len(modules.sources) > 50
    assert modules.circles() == []


def test_the_graph_sees_what_there_is():
    modules = read_core()
    assert {"order", "topk::entry"} <= modules.arrows("topk::kernels::lanes")
    assert "topk::kernels::lanes" in modules.arrows("batch::mask"), "through two re-exports"
    assert "topk::kernels" in modules.arrows("topk::whole")
    assert modules.arrows("topk::entry") == {"sort"}


@pytest.mark.parametrize(
    ("sources", "circles"),
    [
        ({"": "mod a; mod b;", "a": "use crate::b::X;", "b": "use super::a::{Y, Z};"}, [["a", "b"]]),
        ({"": "mod a; mod b;", "a": "fn f() { crate::b::g() }", "b": "struct X;"}, []),
        ({"": "mod a;", "a": "mod c; pub use c::X; fn f() {}", "a::c": "use super::f;"}, []),
        ({"": "mod a;", "a": "mod c; use c::X; fn f() {}", "a::c": "use super::f;"}, [["a", "a::c"]]),
        ({"": "mod a;", "a": "mod c; fn f() { c::g() }", "a::c": "fn g() { super::f() }"}, [["a", "a::c"]]),
        (
            {"": "mod a; mod b;", "a": "mod c; pub use c::X;", "a::c": "use crate::b::Y;", "b": "use crate::a::X;"},
            [["a::c", "b"]],
        ),
        (
            {"": "mod a; mod b; mod c;", "a": "use crate::b::X;", "b": "use crate::c::X;", "c": "use crate::{a::X};"},
            [["a", "b", "c"]],
        ),
    ],
)
def test_a_circle_is_found(sources, circles):
    assert Modules(sources).circles() == circles

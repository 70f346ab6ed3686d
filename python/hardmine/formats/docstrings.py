"""The demo's collection: docstrings of the installed Python's standard library, and the functions they describe."""

from __future__ import annotations

import ast
import os
import sysconfig
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hardmine.nouns.builder import Builder
from hardmine.nouns.collection import Collection, normalised
from hardmine.plumbing.progress import Progress

_SKIPPED_FOLDERS = {
    "__pycache__", "dist-packages", "ensurepip", "idle_test", "lib2to3", "site-packages", "test", "tests", "turtledemo",
}  # fmt: skip
_FEWEST_WORDS = 3
_SHORTEST_BODY = 60


class Pair(NamedTuple):
    """A function: its dotted name, the first line of its docstring, its source without the docstring."""

    name: str
    query: str
    source: str


def docstring_collection(folder: Path | None = None, *, progress: bool = False) -> Collection:
    """Collection of the docstrings below `folder`, by default the standard library of the running Python.

    Query: the first line of a function's docstring; document: its source without the docstring. Tests, trivial bodies
    and repeated texts are left out. The order is that of the sorted paths: the same Python, the same collection.

    Raises
    ------
    FileNotFoundError
        There are no sources (a Python without them).
    """
    folder = folder or Path(sysconfig.get_path("stdlib"))
    files = list(_sources(folder))
    builder = Builder()
    seen: set[str] = set()
    with Progress("reading docstrings", len(files), enabled=progress) as bar:
        for file in files:
            for pair in _pairs(file, folder):
                keys = {"q" + normalised(pair.query), "d" + normalised(pair.source)}
                if not keys & seen and pair.name not in builder.query_numbers:
                    seen |= keys
                    document = builder.add_document(pair.name, "", pair.source)
                    builder.add_positive(builder.add_query(pair.name, pair.query), document)
            bar.update(1)
    if not seen:
        raise FileNotFoundError(f"{folder}: no Python sources with docstrings, expected those of the standard library")
    return builder.collection(folder)


def _sources(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - _SKIPPED_FOLDERS)
        yield from (Path(parent, name) for name in sorted(files) if name.endswith(".py"))


def _pairs(file: Path, folder: Path) -> Iterator[Pair]:
    try:
        text = file.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
        return  # some sources are broken on purpose
    lines = text.split("\n")  # as ast counts them: a form feed ends no line
    module = ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
    yield from _functions(tree, module, lines)


def _functions(node: ast.AST, prefix: str, lines: list[str]) -> Iterator[Pair]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}.{child.name}", lines)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            pair = _pair(child, prefix, lines)
            if pair is not None:
                yield pair
        elif isinstance(child, (ast.If, ast.Try, ast.With)):
            yield from _functions(child, prefix, lines)


def _pair(node: ast.FunctionDef | ast.AsyncFunctionDef, prefix: str, lines: list[str]) -> Pair | None:
    docstring = ast.get_docstring(node)
    if not docstring or len(node.body) < 2:
        return None
    query = " ".join(docstring.strip().splitlines()[0].split())
    place = node.body[0]
    assert place.end_lineno is not None and node.end_lineno is not None  # noqa: S101, PT018
    head, body = lines[node.lineno - 1 : place.lineno - 1], lines[place.end_lineno : node.end_lineno]
    if len(query.split()) < _FEWEST_WORDS or not head or len("".join("\n".join(body).split())) < _SHORTEST_BODY:
        return None
    return Pair(f"{prefix}.{node.name}", query, textwrap.dedent("\n".join([*head, *body])).strip())

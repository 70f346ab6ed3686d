"""Python sources as a collection: the first line of a function's docstring, and the function that it describes.

Every Python brings one along, its own standard library: a collection without a download.
"""

from __future__ import annotations

import ast
import os
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hardmine.formats.errors import FormatError
from hardmine.nouns.builder import Builder
from hardmine.nouns.collection import Collection
from hardmine.nouns.normal_form import normalised
from hardmine.plumbing.progress import Progress, Reporting

_SKIPPED_FOLDERS = {
    "__pycache__", "dist-packages", "ensurepip", "idle_test", "lib2to3", "site-packages", "test", "tests", "turtledemo",
}  # fmt: skip
_FEWEST_WORDS = 3
_SHORTEST_BODY = 60


class Function(NamedTuple):
    """Its dotted name, the first line of its docstring, its source without the docstring."""

    name: str
    query: str
    source: str


def read_collection(path: Path, *, progress: Reporting = False, **options: Any) -> Collection:
    """Read the functions below a folder.

    Parameters
    ----------
    path : Path
        The folder. Folders of tests and of installed packages below it are left out; it may be one itself.
    progress : bool or callable
        As in `hardmine.Collection.read`.
    **options
        Handed on to the collection.

    Notes
    -----
    Left out are trivial bodies, docstrings of fewer than three words, functions whose docstring or source was there
    before, and files that are no Python of this version in UTF-8. The order is that of the sorted paths: the same
    sources, the same collection.
    """
    if not path.is_dir():
        came = "a file" if path.exists() else "no such folder"
        raise FileNotFoundError(f"{path}: {came}, expected a folder of Python sources")
    files = list(_sources(path))
    builder = Builder()
    seen: set[str] = set()
    with Progress("reading docstrings", len(files), progress) as bar:
        for file in files:
            for function in _functions(file, path):
                keys = {"q" + normalised(function.query), "d" + normalised(function.source)}
                if not keys & seen and function.name not in builder.query_numbers:
                    seen |= keys
                    document = builder.add_document(function.name, "", function.source)
                    builder.add_positive(builder.add_query(function.name, function.query), document)
            bar.update(1)
    if not seen:
        raise FormatError(path, f"no functions with docstrings in {len(files)} Python sources", "at least one")
    return Collection(**builder.parts(path), **options)


def _sources(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - _SKIPPED_FOLDERS)
        yield from (Path(parent, name) for name in sorted(files) if name.endswith(".py"))


def _functions(file: Path, folder: Path) -> Iterator[Function]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, FileNotFoundError):
        return  # broken on purpose, made to break parsers, or a link into nothing
    lines = text.split("\n")  # as ast counts them: a form feed ends no line
    module = ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
    # A stack of our own: a long chain of elif is as deep as it is long.
    waiting: list[tuple[ast.AST, str]] = [(tree, module)]
    while waiting:
        node, prefix = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = _function(node, prefix, lines)
            if function is not None:
                yield function
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.If, ast.Try, ast.With)):
            inside = f"{prefix}.{node.name}" if isinstance(node, ast.ClassDef) else prefix
            waiting += [(child, inside) for child in reversed(list(ast.iter_child_nodes(node)))]


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, prefix: str, lines: list[str]) -> Function | None:
    docstring = ast.get_docstring(node)
    if not docstring or len(node.body) < 2:
        return None
    query = " ".join("".join(docstring.strip().splitlines()[:1]).split())
    place = node.body[0]
    assert place.end_lineno is not None and node.end_lineno is not None  # noqa: S101, PT018
    head, body = lines[node.lineno - 1 : place.lineno - 1], lines[place.end_lineno : node.end_lineno]
    if len(query.split()) < _FEWEST_WORDS or not head or len("".join("\n".join(body).split())) < _SHORTEST_BODY:
        return None
    found = Function(f"{prefix}.{node.name}", query, textwrap.dedent("\n".join([*head, *body])).strip())
    try:
        "".join(found).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, from an escape or a file name
        return None
    return found

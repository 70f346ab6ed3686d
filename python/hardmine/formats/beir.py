"""BEIR folders: corpus.jsonl, queries.jsonl, qrels/{train,dev,test}.tsv, each plain or packed (.gz, .zst).

Layout: https://github.com/beir-cellar/beir/wiki/Load-your-custom-dataset
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from hardmine.formats.errors import FormatError
from hardmine.formats.rows import json_rows, lines, shorten
from hardmine.nouns.builder import Builder
from hardmine.nouns.collection import Collection
from hardmine.plumbing.files import compression, stem, suffix

_ID = ("_id", "id")
_SPLITS = ("train", "dev", "test")
_WANTED = "three columns separated by tabs: query-id, corpus-id, score"


def read_collection(path: Path, *, split: str | None = None, **options: Any) -> Collection:
    """Read a BEIR folder.

    Parameters
    ----------
    path : Path
        The folder.
    split : str, optional
        Which judgements, the name of a file in qrels/. Without it: train if there is one, else dev, else test, else
        the only one there is.
    **options
        Handed on to the collection.

    Notes
    -----
    Ids stand in the judgements as they do in the other files, to the letter and the space. A plain file goes before its
    packed copy. A judgement with score 0 or below is not a positive. A judgement that comes twice counts once. Queries
    without a positive are left out. All three are counted in ``Collection.counts``.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder")
    judgements = _split(path, split)
    builder = Builder()
    corpus = _file(path, "corpus")
    for row in json_rows(corpus):
        title, text = row.text(("title",), default=""), row.text(("text",))
        name = row.identifier(_ID)
        if name in builder.document_numbers:
            raise row.error(None, f"document id {name!r} occurs twice", "every document once")
        builder.add_document(name, title, text)
    if not builder.document_numbers:
        raise FormatError(corpus, "no documents", "at least one")
    queries = _file(path, "queries")
    for row in json_rows(queries):
        name, text = row.identifier(_ID), row.text(("text",))
        if name in builder.query_numbers:
            raise row.error(None, f"query id {name!r} occurs twice", "every query once")
        builder.add_query(name, text)
    _read_judgements(judgements, builder, corpus, queries)
    collection = Collection(**builder.parts(path), **options)
    if not len(collection.positives):
        raise FormatError(judgements, "no judgement with a score above 0", "at least one")
    return collection


def _read_judgements(path: Path, builder: Builder, corpus: Path, queries: Path) -> None:
    is_first = True
    for number, line in lines(path):
        if not line or line.isspace():
            continue
        cells = line.split("\t")
        if len(cells) != 3:
            came = f"{len(cells)} column{'s' * (len(cells) != 1)} ({shorten(line)!r})"
            raise FormatError(path, came, _WANTED, line=number)
        query, document = cells[:2]  # as they are: white space may be part of an id, here as in the corpus
        score = _number(cells[2])
        if is_first:
            is_first = False
            if score is not None or (query in builder.query_numbers and document in builder.document_numbers):
                raise FormatError(
                    path, f"no header ({shorten(line)!r})", "the line query-id, corpus-id, score", line=number
                )
            continue
        if score is None or not math.isfinite(score):
            raise FormatError(path, repr(shorten(cells[2])), "a finite number", line=number, field="score")
        if query not in builder.query_numbers:
            raise FormatError(path, repr(query), f"an id of {queries.name}", line=number, field="query-id")
        if score <= 0:
            builder.counts["judged_not_relevant"] += 1
            continue
        if document not in builder.document_numbers:
            raise FormatError(path, repr(document), f"an id of {corpus.name}", line=number, field="corpus-id")
        builder.add_positive(builder.query_numbers[query], builder.document_numbers[document])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _files(folder: Path, wanted: str) -> dict[str, Path]:
    """The files of a folder with one suffix by their stems; a plain one goes before its packed copy.

    Hidden files are none: systems leave their own notes under such names.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*"), key=lambda path: (compression(path), path.name)):
        if suffix(path) == wanted and not path.name.startswith(".") and path.is_file():
            found.setdefault(stem(path), path)
    return found


def _file(folder: Path, name: str) -> Path:
    found = _files(folder, ".jsonl").get(name)
    if found is None:
        raise FileNotFoundError(
            f"{folder / name}.jsonl: no such file (nor with .gz or .zst), expected in a BEIR folder"
        )
    return found


def _split(folder: Path, split: str | None) -> Path:
    qrels = folder / "qrels"
    there = _files(qrels, ".tsv")
    if not there:
        raise FileNotFoundError(f"{qrels}: no judgements (*.tsv), expected in a BEIR folder")
    names = ", ".join(sorted(there))
    if split is None:
        split = next((name for name in _SPLITS if name in there), next(iter(there)) if len(there) == 1 else None)
        if split is None:
            raise ValueError(f"{qrels}: holds {names}; say which one with split")
    if split not in there:
        raise ValueError(f"split: {split!r}, expected one of {names} ({qrels})")
    return there[split]

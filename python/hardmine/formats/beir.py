"""BEIR folders: corpus.jsonl, queries.jsonl, qrels/{train,dev,test}.tsv, each plain or gzipped.

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

_ID = ("_id", "id")
_SPLITS = ("train", "dev", "test")
_WANTED = "three columns separated by tabs: query-id, corpus-id, score"


def read(path: Path, *, split: str | None = None, **options: Any) -> Collection:
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
    A judgement with score 0 or below is not a positive. A judgement that comes twice counts once. Queries without a
    positive are left out. All three are counted in ``Collection.counts``.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder")
    judgements = _split(path, split)
    builder = Builder()
    corpus = _file(path, "corpus.jsonl")
    for row in json_rows(corpus):
        title, text = row.text(("title",), default=""), row.text(("text",))
        name = row.identifier(_ID)
        if name in builder.document_numbers:
            raise row.error(None, f"document id {name!r} occurs twice", "every document once")
        builder.add_document(name, title, text)
    if not builder.document_numbers:
        raise FormatError(corpus, "no documents", "at least one")
    queries = _file(path, "queries.jsonl")
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
    for number, line in lines(path):
        if not line or line.isspace():
            continue
        cells = line.split("\t")
        if len(cells) != 3:
            came = f"{len(cells)} column{'s' * (len(cells) != 1)} ({shorten(line)!r})"
            raise FormatError(path, came, _WANTED, line=number)
        score = _number(cells[2])
        if number == 1:
            if score is not None:
                raise FormatError(path, f"no header ({shorten(line)!r})", "the line query-id, corpus-id, score", line=1)
            continue
        query, document = cells[0].strip(), cells[1].strip()
        if score is None:
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
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _existing(path: Path) -> Path | None:
    return next((p for p in (path, path.with_name(path.name + ".gz")) if p.is_file()), None)


def _file(folder: Path, name: str) -> Path:
    found = _existing(folder / name)
    if found is None:
        raise FileNotFoundError(f"{folder / name}: no such file (nor with .gz), expected in a BEIR folder")
    return found


def _split(folder: Path, split: str | None) -> Path:
    qrels = folder / "qrels"
    there = {p.name.removesuffix(".gz").removesuffix(".tsv"): p for p in sorted(qrels.glob("*.tsv*")) if p.is_file()}
    if not there:
        raise FileNotFoundError(f"{qrels}: no judgements (*.tsv), expected in a BEIR folder")
    names = ", ".join(there)
    if split is None:
        split = next((name for name in _SPLITS if name in there), next(iter(there)) if len(there) == 1 else None)
        if split is None:
            raise ValueError(f"{qrels}: holds {names}; say which one with split")
    if split not in there:
        raise ValueError(f"split: {split!r}, expected one of {names} ({qrels})")
    return there[split]

"""The collections of MS MARCO as they are published: tab-separated, without header and without quotes.

Passages: ``collection.tsv`` (id, text), ``queries.SPLIT.tsv`` (id, text), ``qrels.SPLIT.tsv`` (query, 0, passage, 1).
Documents: ``msmarco-docs.tsv`` (id, url, title, body), ``msmarco-docSPLIT-queries.tsv`` and ``-qrels.tsv``.
https://microsoft.github.io/msmarco/
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hardmine.formats.delimited import Layout, tables
from hardmine.formats.errors import FormatError
from hardmine.formats.lines import joined_lines, refuse_white_space
from hardmine.formats.qrels import JUDGEMENT
from hardmine.nouns import arrow
from hardmine.nouns.collection import Collection
from hardmine.nouns.tables import parts
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import atomic_writes, compression, stem, suffix

_TEXT = Layout({"id": "id", "text": "text"})
_DOCUMENT = Layout({"id": "id", "url": "any", "title": "text", "body": "text"})
_SPLITS = ("train", "dev", "test")


def read_collection(path: Path, *, split: str | None = None, **options: Any) -> Collection:
    """Read a folder.

    Parameters
    ----------
    path : Path
        The folder; each of its files plain or packed (.gz, .zst).
    split : str, optional
        The split of queries and qrels, such as "train" or "dev.small". Without it train if there is one, else dev, else
        test, else the only one there is.
    **options
        Handed on to the collection.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder")
    files = _files(path)
    has_documents = "collection" not in files and "msmarco-docs" in files
    start = "msmarco-doc" if has_documents else "qrels."
    end = "-qrels" if has_documents else ""
    splits = [name.removeprefix(start).removesuffix(end) for name in files if _is_split(name, start, end)]
    split = _chosen(path, splits, split)
    qrels = files[f"{start}{split}{end}"]
    queries = _file(path, files, f"msmarco-doc{split}-queries" if has_documents else f"queries.{split}")
    corpus = _file(path, files, "msmarco-docs" if has_documents else "collection")
    ids, titles, texts = _texts(corpus, _DOCUMENT if has_documents else _TEXT)
    query_ids, _, query_texts = _texts(queries, _TEXT)
    labels, not_relevant = _labels(qrels, query_ids, ids, queries.name, corpus.name)
    found = parts(
        {"id": query_ids, "text": query_texts}, {"id": ids, "title": titles, "text": texts}, labels,
        source=path, judged_not_relevant=not_relevant,
    )  # fmt: skip
    return Collection(**found, **options)


def _files(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*"), key=lambda path: (compression(path), path.name)):
        if suffix(path) == ".tsv" and not path.name.startswith(".") and path.is_file():
            found.setdefault(stem(path), path)
    return found


def _is_split(name: str, start: str, end: str) -> bool:
    return name.startswith(start) and name.endswith(end) and len(name) > len(start) + len(end)


def _chosen(path: Path, splits: list[str], split: str | None) -> str:
    names = ", ".join(sorted(splits))
    if not splits:
        raise FileNotFoundError(f"{path}: no judgements (qrels.*.tsv), expected in a folder of MS MARCO")
    if split is None:
        split = next((name for name in _SPLITS if name in splits), splits[0] if len(splits) == 1 else None)
        if split is None:
            raise ValueError(f"{path}: holds {names}; say which one with split")
    if split not in splits:
        raise ValueError(f"split: {split!r}, expected one of {names} ({path})")
    return split


def _file(path: Path, files: dict[str, Path], name: str) -> Path:
    if name not in files:
        raise FileNotFoundError(f"{path / name}.tsv: no such file (nor with .gz or .zst), expected in the folder")
    return files[name]


def _texts(path: Path, layout: Layout) -> tuple[Any, Any, Any]:
    """Ids, titles and texts; no id twice."""
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    grown = {name: arrow.GrowingStrings() for name, kind in layout.columns.items() if kind != "any"}
    for table in tables(path, layout):
        for name, column in grown.items():
            values = table[name]
            column.add(arrow.flat(values.cast(pa.string()).cast(pa.large_string())))
    found = {name: column.finish() for name, column in grown.items()}
    ids = found["id"]
    if not len(ids):
        raise FormatError(path, "no lines", "at least one")
    repeated = arrow.first_repeat(ids)
    if repeated is not None:
        for table in tables(path, layout):
            if repeated < table.num_rows:
                line = table["line"][repeated].as_py()
                raise FormatError(path, f"id {ids[repeated].as_py()!r} occurs twice", "every id once", line=line)
            repeated -= table.num_rows
    titles = found.get("title", arrow.constant("", len(ids)))
    return ids, titles, found["body" if "body" in found else "text"]


def _labels(path: Path, query_ids: Any, ids: Any, queries: str, corpus: str) -> tuple[tuple[Any, Any], int]:
    """Query and document of every judgement above 0, and how many others there are."""
    numbers: list[tuple[Any, Any]] = []
    not_relevant = 0
    for table in tables(path, JUDGEMENT):
        relevant = table["relevance"].to_numpy() > 0
        query, document = arrow.places(table["query"], query_ids), arrow.places(table["document"], ids)
        for name, number, where in (("query", query, queries), ("document", document, corpus)):
            missing = (number < 0) & relevant
            if missing.any():
                at = int(missing.argmax())
                line, came = table["line"][at].as_py(), repr(table[name][at].as_py())
                raise FormatError(path, came, f"an id of {where}", line=line, field=name)
        numbers.append((query[relevant], document[relevant]))
        not_relevant += int((~relevant).sum())
    if not sum(part[0].size for part in numbers):
        raise FormatError(path, "no judgement with a relevance above 0", "at least one")
    return (np.concatenate([part[0] for part in numbers]), np.concatenate([part[1] for part in numbers])), not_relevant


def write_collection(path: Path, collection: Collection, *, format: str) -> None:  # noqa: A002, ARG001
    """Write a folder of passages, with the split train: no white space in ids, no tab or line end in texts."""
    pa = need("pyarrow", what="writing MS MARCO", extra="mine")
    labels = collection.positives
    queries, documents = arrow.of_table(collection.query_ids), arrow.of_table(collection.document_ids)
    pairs = queries.take(pa.array(labels.query_of_each)), documents.take(pa.array(labels.ids))
    files = {
        "collection.tsv": ((documents, collection.document_texts), ("\t", "\n")),
        "queries.train.tsv": ((queries, collection.query_texts), ("\t", "\n")),
        "qrels.train.tsv": (pairs, ("\t0\t", "\t1\n")),
    }
    for name, (columns, _) in files.items():
        for column in columns:
            _refuse_tabs(path / name, column)
        ids = columns if name.startswith("qrels") else columns[:1]
        for column in ids:
            refuse_white_space(path / name, column, r"\s")
    path.mkdir(exist_ok=True)
    with atomic_writes([path / name for name in files]) as targets:
        for target, (columns, behind) in zip(targets, files.values(), strict=True):
            target.write(arrow.bytes_of(joined_lines(columns, behind)))


def _refuse_tabs(path: Path, column: Any) -> None:
    compute = need("pyarrow.compute", what="writing MS MARCO", extra="mine")
    broken = compute.match_substring_regex(column, "[\t\n\r]")
    if compute.any(broken).as_py():
        text = column.filter(broken)[0].as_py()
        raise FormatError(path, f"{text[:40]!r}", "ids and texts without tabs and line ends: MS MARCO has no quotes")

"""BEIR folders: corpus.jsonl, queries.jsonl, qrels/{train,dev,test}.tsv, each plain or packed (.gz, .zst).

Layout: https://github.com/beir-cellar/beir/wiki/Load-your-custom-dataset
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.formats.columns import Field, records
from hardmine.formats.delimited import Layout, number_of, tables
from hardmine.formats.errors import FormatError
from hardmine.formats.layouts import sink
from hardmine.formats.lines import joined_lines, refuse_white_space
from hardmine.formats.opening import reading
from hardmine.formats.rows import lines, shorten
from hardmine.nouns.arrow import bytes_of, flat, places
from hardmine.nouns.collection import Collection
from hardmine.nouns.tables import parts
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import atomic_writes, compression, stem, suffix
from hardmine.plumbing.progress import Reporting

_ID = Field(("_id", "id"), is_id=True)
_TITLE = Field(("title",), default="")
_TEXT = Field(("text",))
_CHUNK = 16_384
_SPLITS = ("train", "dev", "test")
_JUDGEMENT = Layout({"query-id": "id", "corpus-id": "id", "score": "number"})


def read_collection(path: Path, *, split: str | None = None, progress: Reporting = False, **options: Any) -> Collection:
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
    corpus, queries = _file(path, "corpus"), _file(path, "queries")
    with reading(path.name, [corpus, queries, judgements], progress):
        titles, texts, ids = records(corpus, "jsonl", (_TITLE, _TEXT, _ID), "document")
        if not len(ids):
            raise FormatError(corpus, "no documents", "at least one")
        query_ids, query_texts = records(queries, "jsonl", (_ID, _TEXT), "query")
        labels = _judgements(judgements, query_ids, ids)
        if labels is None:
            labels = _judgements_by_line(judgements, query_ids, ids, corpus.name, queries.name)
    found = parts(
        {"id": query_ids, "text": query_texts},
        {"id": ids, "title": titles, "text": texts},
        (labels.queries, labels.documents),
        source=path,
        judged_not_relevant=labels.not_relevant,
    )
    if not len(found["positives"]):
        raise FormatError(judgements, "no judgement with a score above 0", "at least one")
    return Collection(**found, **options)


class _Labels(NamedTuple):
    """Judgements with a score above 0, by the numbers of query and document, and how many have another."""

    queries: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int64]
    not_relevant: int


def _judgements(path: Path, query_ids: Any, document_ids: Any) -> _Labels | None:
    """All judgements at once; None where a line may be wrong."""
    compute = need("pyarrow.compute", what="hardmine.Collection", extra="mine")

    def is_header(line: str) -> bool:
        cells = line.split("\t")
        if len(cells) != 3 or number_of(cells[2]) is not None:
            return False
        known = (query_ids, document_ids)
        return any(compute.index(among, cell).as_py() < 0 for cell, among in zip(cells, known, strict=False))

    each: list[tuple[Any, Any, Any]] = []
    try:
        for table in tables(path, _JUDGEMENT, is_header=is_header):
            query, document = (
                places(table[name], known) for name, known in (("query-id", query_ids), ("corpus-id", document_ids))
            )
            each.append((query, document, table["score"].to_numpy() > 0))
    except FormatError:
        return None
    if not each:
        return None
    query, document, relevant = (np.concatenate(part) for part in zip(*each, strict=True))
    if (query < 0).any() or (document[relevant] < 0).any():
        return None
    return _Labels(query[relevant], document[relevant], int((~relevant).sum()))


def _judgements_by_line(path: Path, query_ids: Any, document_ids: Any, corpus: str, queries: str) -> _Labels:
    """The same, one line after another: says what is wrong with which."""
    query_numbers = {name: number for number, name in enumerate(query_ids.to_pylist())}
    document_numbers = {name: number for number, name in enumerate(document_ids.to_pylist())}
    found: list[tuple[int, int]] = []
    not_relevant = 0
    is_first = True
    for number, line in lines(path):
        if not line or line.isspace():
            continue
        cells = line.split("\t")
        if len(cells) != 3:
            came = f"{len(cells)} column{'s' * (len(cells) != 1)} ({shorten(line)!r})"
            raise FormatError(path, came, _JUDGEMENT.wanted, line=number)
        query, document = cells[:2]  # as they are: white space may be part of an id, here as in the corpus
        score = number_of(cells[2])
        if is_first:
            is_first = False
            if score is not None or (query in query_numbers and document in document_numbers):
                raise FormatError(
                    path, f"no header ({shorten(line)!r})", "the line query-id, corpus-id, score", line=number
                )
            continue
        if score is None or not math.isfinite(score):
            raise FormatError(path, repr(shorten(cells[2])), "a finite number", line=number, field="score")
        if query not in query_numbers:
            raise FormatError(path, repr(query), f"an id of {queries}", line=number, field="query-id")
        if score <= 0:
            not_relevant += 1
            continue
        if document not in document_numbers:
            raise FormatError(path, repr(document), f"an id of {corpus}", line=number, field="corpus-id")
        found.append((query_numbers[query], document_numbers[document]))
    numbers = np.array(found, dtype=np.int64).reshape(-1, 2)
    return _Labels(numbers[:, 0], numbers[:, 1], not_relevant)


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


def write_collection(path: Path, collection: Collection, *, format: str) -> None:  # noqa: A002, ARG001
    """Write a BEIR folder, with the judgements in qrels/train.tsv; all three files or none.

    A folder with other splits is refused: their judgements would be read with queries that are not theirs.
    """
    pa = need("pyarrow", what="writing BEIR", extra="mine")
    queries, documents = collection.queries, collection.documents
    texts = {"text": collection.query_texts}  # raises where there are none
    labels = collection.positives
    pairs = pa.table(
        {
            "query-id": queries["id"].take(pa.array(labels.query_of_each)),
            "corpus-id": documents["id"].take(pa.array(labels.ids)),
        }
    )
    for name in pairs.column_names:
        refuse_white_space(path / "qrels" / "train.tsv", flat(pairs[name]), r"\t\n\r")
    tables_of = {
        "corpus.jsonl": pa.table({"_id": documents["id"], "title": documents["title"], "text": documents["text"]}),
        "queries.jsonl": pa.table({"_id": queries["id"], **texts}),
    }
    others = sorted(file.name for name, file in _files(path / "qrels", ".tsv").items() if name != "train")
    if others:
        came = f"holds qrels of another collection: {shorten(', '.join(others))}"
        raise FormatError(path, came, "a new folder, or one without other splits")
    (path / "qrels").mkdir(parents=True, exist_ok=True)
    names = [*tables_of, "qrels/train.tsv"]
    with atomic_writes([path / name for name in names]) as files:
        for file, (name, table) in zip(files, tables_of.items(), strict=False):
            with sink(file, path / name) as put:
                for start in range(0, table.num_rows, _CHUNK):
                    put(table.slice(start, _CHUNK))
        files[-1].write(b"query-id\tcorpus-id\tscore\n")
        columns = [flat(pairs[name]) for name in pairs.column_names]
        files[-1].write(bytes_of(joined_lines(columns, ["\t", "\t1\n"])))

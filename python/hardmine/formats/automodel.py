"""NeMo Automodel: one JSON document of ids with its corpus in a folder beside it, or jsonl with the texts inside.

The suffix says which: .json or .jsonl.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hardmine.formats import fields
from hardmine.formats.arrow import pa
from hardmine.formats.chunks import Record, tables
from hardmine.formats.corpora import CorpusTable, Strings
from hardmine.formats.errors import FormatError
from hardmine.formats.json_stream import array_rows, member
from hardmine.formats.layouts import check_layout
from hardmine.formats.records import Codec, CodecWriter, record_of, rows_of
from hardmine.formats.rows import Row, kind, shorten
from hardmine.formats.sides import Passages, Texts
from hardmine.formats.tolerance import each
from hardmine.formats.training_rows import File, Options, RowWriter
from hardmine.plumbing.files import stem, suffix

_INLINE = Codec(("query", "question"), Texts("pos_doc", loose=True), Texts("neg_doc", loose=True), layouts=(".jsonl",))
_BY_ID = Codec(
    ("question",), Passages("pos_doc", id="id", scores="score", loose=True),
    Passages("neg_doc", id="id", scores="score", loose=True), query_id="question_id", layouts=(".json",),
)  # fmt: skip
_ABOUT = "merlin_metadata.json"
_KIND = "TextQADataset"


def read_rows(path: Path, name: str) -> Iterator[pa.Table]:  # noqa: ARG001
    """Rows of a file, with the texts of the corpora that it names."""
    check_layout(path, (".json", ".jsonl"))
    if suffix(path) == ".jsonl":
        yield from tables(each(partial(record_of, _INLINE), rows_of(path)))
        return
    corpora = dict(_corpus(path, place) for place in _places(path))
    yield from tables(each(partial(_record, corpora), array_rows(path, "data")))


def others_of(path: Path) -> Iterator[Path]:
    """The files of the corpora that reading the rows opens too."""
    for folder in _places(path) if suffix(path) == ".json" else ():
        yield folder / _ABOUT
        yield from sorted(folder.glob("*.parquet"))


def _places(path: Path) -> list[Path]:
    """The folders of the corpora; a path that is not absolute begins where the document lies."""
    value = member(path, "corpus")
    entries = [value] if isinstance(value, dict) else value
    if not isinstance(entries, list) or not entries:
        came = "missing or empty" if not entries else f"{kind(entries)} ({shorten(entries)})"
        raise FormatError(path, came, "a list of objects with a path", field="corpus")
    rows = (fields.object_of(Row(path, 1, {}), f"corpus[{at}]", entry) for at, entry in enumerate(entries))
    return [path.parent / row.text(("path",)) for row in rows]


def _corpus(path: Path, folder: Path) -> tuple[str, Strings]:
    """The id of a corpus, and its texts."""
    about = folder / _ABOUT
    if not about.is_file():
        raise FileNotFoundError(f"{about}: no such file, expected in the corpus that {path.name} names")
    try:
        found = json.loads(about.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise FormatError(about, shorten(error), "one JSON object") from None
    row = fields.object_of(Row(about, 1, {}), "", found)
    name = row.text(("class",))
    if name != _KIND:
        raise row.error("class", repr(shorten(name)), repr(_KIND))
    files = sorted(folder.glob("*.parquet"))
    if len(files) != 1:
        raise FileNotFoundError(f"{folder}: {len(files)} parquet files, expected one, train.parquet")
    return row.identifier(("corpus_id",)), Strings.read(files[0], ("id",), ("text",))


def _record(corpora: dict[str, Strings], row: Row) -> Record:
    """A row with the texts that belong to its ids."""
    corpus_id = row.identifier(("corpus_id",))
    if corpus_id not in corpora:
        raise row.error("corpus_id", repr(shorten(corpus_id)), f"one of {shorten(', '.join(corpora))}")
    record, corpus = record_of(_BY_ID, row), corpora[corpus_id]
    sides = {}
    for name, field in (("positives", "pos_doc"), ("negatives", "neg_doc")):
        documents = getattr(record, name)
        texts = []
        for at, document in enumerate(documents.ids):
            text = corpus.text(document)
            if text is None:
                raise row.error(f"{field}[{at}]", repr(shorten(document)), f"an id of {corpus.path.parent.name}")
            texts.append(text)
        sides[name] = documents._replace(texts=texts)
    return record._replace(**sides)


def row_writer(name: str, options: Options) -> RowWriter:
    """A writer of either layout."""
    return _Writer(name, options)


class _Writer(RowWriter):
    """Rows of the layout that the path names; texts inside where there is no path."""

    layouts = (".json", ".jsonl")

    def __init__(self, name: str, options: Options) -> None:
        self._inline = CodecWriter(name, _INLINE, options._replace(scores=False))
        self._by_id = CodecWriter(name, _BY_ID, options)
        self._corpus = CorpusTable("id", "text")
        self._corpus_id = ""
        super().__init__(name, options)

    def check(self, path: Path) -> None:
        super().check(path)
        if suffix(path) == ".jsonl":
            self.refuse_scores(has_scores=False)
        else:
            self._corpus_id = stem(path)
            self.takes = self.takes | {"ids"}

    def files(self, path: Path) -> list[File]:
        if not self._corpus_id:
            return [File(path)]
        folder = path.with_name(f"{self._corpus_id}.corpus")
        about = {"class": _KIND, "corpus_id": self._corpus_id}
        head = f'{{"corpus": {json.dumps([{"path": folder.name}], ensure_ascii=False)}, "data": [\n'
        return [
            File(path, (head, "\n]}\n")),
            File(folder / "train.parquet"),
            File(folder / _ABOUT, (json.dumps(about, ensure_ascii=False) + "\n", "")),
        ]

    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        if not self._corpus_id:
            return self._inline.tables(chunk)
        rows = self._by_id.tables(chunk)[0]
        ids = pa.repeat(pa.scalar(self._corpus_id, pa.large_string()), len(chunk))
        return [rows.add_column(2, "corpus_id", ids), self._corpus(chunk)]

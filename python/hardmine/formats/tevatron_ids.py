"""Tevatron's rows of ids, and the corpus file that lies beside them.

The trainer looks at ``text`` alone, and the encoder puts ``title`` in front of it: we write the title into the text, so
that both see the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hardmine.formats.arrow import pa
from hardmine.formats.chunks import tables
from hardmine.formats.corpora import CorpusTable, Strings, beside, found_beside, resolved
from hardmine.formats.layouts import check_layout
from hardmine.formats.records import Codec, CodecWriter, record_of, rows_of
from hardmine.formats.sides import Ids
from hardmine.formats.tolerance import each
from hardmine.formats.training_rows import File, Options, RowWriter

_CODEC = Codec(
    ("query_text",), Ids("positive_document_ids"), Ids("negative_document_ids"), query_id="query_id"
)  # fmt: skip


def read_rows(path: Path, name: str) -> Iterator[pa.Table]:  # noqa: ARG001
    """Rows of a file, with texts where there is a corpus beside it."""
    check_layout(path, _CODEC.layouts)
    documents = None
    for corpus in others_of(path):
        documents = Strings.read(corpus, ("docid",), ("text",), titles=True)
    yield from resolved(path, tables(each(partial(record_of, _CODEC), rows_of(path))), documents)


def others_of(path: Path) -> Iterator[Path]:
    """The files beside that of the rows which reading it opens too."""
    corpus = found_beside(path, "corpus")
    if corpus is not None:
        yield corpus


def row_writer(name: str, options: Options) -> RowWriter:
    """A writer of rows and their corpus."""
    return _Writer(name, options)


class _Writer(CodecWriter):
    parts = ("train", "corpus")

    def __init__(self, name: str, options: Options) -> None:
        super().__init__(name, _CODEC, options)
        self.takes = self.takes | {"texts"}
        self._corpus = CorpusTable("docid", "text")

    def files(self, path: Path) -> list[File]:
        return [File(path), File(beside(path, "corpus"))]

    def tables(self, chunk: pa.Table) -> list[pa.Table]:
        return [*super().tables(chunk), self._corpus(chunk)]

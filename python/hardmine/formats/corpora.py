"""Formats whose rows name documents by id: the corpus beside them, read and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hardmine.formats.arrow import compute, pa
from hardmine.formats.chunks import SIDES, Side, column, named
from hardmine.formats.columns import Field, records
from hardmine.formats.errors import FormatError
from hardmine.formats.rows import shorten
from hardmine.formats.tolerance import leave_out, line_of, pass_over
from hardmine.nouns.arrow import flat
from hardmine.plumbing.files import compression, stem, suffix


def beside(path: Path, part: str) -> Path:
    """The name of another file of the same rows: ``rows.jsonl.gz`` has its corpus in ``rows.corpus.jsonl.gz``."""
    packing = path.suffix if compression(path) else ""
    layout = (path.with_suffix("") if packing else path).suffix
    return path.with_name(f"{stem(path)}.{part}{layout}{packing}")


def found_beside(path: Path, part: str) -> Path | None:
    """Another file of the same rows that is there: packed as they are, else as it is; None where there is none."""
    plain = path.with_suffix("") if compression(path) else path
    names = [path, plain, *(plain.with_name(f"{plain.name}{packing}") for packing in (".gz", ".zst"))]
    return next((found for found in (beside(name, part) for name in names) if found.exists()), None)


class Strings:
    """Strings by id, such as the texts of a corpus.

    Parameters
    ----------
    path : Path
        Where they come from; for messages.
    ids : pyarrow.LargeStringArray
    columns : mapping of str to pyarrow.LargeStringArray
        What belongs to each id.
    """

    def __init__(self, path: Path, ids: Any, columns: Mapping[str, Any]) -> None:
        self.path, self._columns = path, dict(columns)
        self._numbers = {name: number for number, name in enumerate(ids.to_pylist())}

    @classmethod
    def read(cls, path: Path, names: tuple[str, ...], texts: tuple[str, ...], *, titles: bool = False) -> Strings:
        """Read a file of ids and texts, in jsonl or parquet by its suffix."""
        fields = [Field(names, is_id=True), Field(texts)]
        if titles:
            fields.append(Field(("title",), default=""))
        ids, *columns = records(path, suffix(path)[1:], fields, "document" if titles else "row")
        found = dict(zip(("texts", "titles"), columns, strict=False))
        if titles and not compute.max(compute.binary_length(found["titles"])).as_py():
            del found["titles"]
        return cls(path, ids, found)

    def text(self, name: str) -> str | None:
        """The text of one id; None where it is not there."""
        number = self._numbers.get(name)
        return None if number is None else str(self._columns["texts"][number])

    def find(self, ids: Any) -> tuple[dict[str, Any], list[int]]:
        """What belongs to some ids, null for a null, and the positions of ids that are not there."""
        numbers = [None if name is None else self._numbers.get(name, -1) for name in ids.to_pylist()]
        unknown = [at for at, number in enumerate(numbers) if number == -1] if -1 in numbers else []
        places = pa.array([None if number == -1 else number for number in numbers] if unknown else numbers, pa.int64())
        return {kind: values.take(places) for kind, values in self._columns.items()}, unknown


def resolved(
    path: Path, chunks: Iterable[pa.Table], documents: Strings | None, queries: Strings | None = None
) -> Iterator[pa.Table]:
    """Chunks with the titles and texts that belong to their ids; unchanged where nobody knows them.

    Rows with an id that is not there are wrong: left out where somebody listens.
    """
    done = 0
    for chunk in chunks:
        made = chunk
        known = np.ones(chunk.num_rows, dtype=bool)
        for side in SIDES if documents is not None else ():
            assert documents is not None  # noqa: S101
            found = Side(chunk, side)
            values, unknown = documents.find(found.values("ids"))
            rows = found.row_of(np.array(unknown, np.int64))
            for at, row in zip(unknown, rows.tolist(), strict=True):
                _unknown(path, done, row, column(side, "ids"), found.values("ids")[at].as_py(), documents)
            known[rows] = False
            for kind, strings in values.items():
                made = _with(made, column(side, kind), found.lists(strings))
        if queries is not None:
            values, unknown = queries.find(flat(chunk["query_id"]))
            for row in unknown:
                _unknown(path, done, row, "query_id", chunk["query_id"][row].as_py(), queries)
            known[unknown] = False
            made = _with(made, "query", values["texts"])
        done += chunk.num_rows
        if not known.all():
            leave_out(known)
            made = made.filter(pa.array(known))
        yield made


def _with(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def _unknown(path: Path, done: int, row: int, field: str, name: Any, known: Strings) -> None:
    line, unit = line_of(row), "line"
    if line is None:
        line, unit = done + row + 1, "row"
    pass_over(FormatError(path, repr(shorten(name)), f"an id of {known.path.name}", line=line, field=field, unit=unit))


class NewOnes:
    """Which ids come for the first time, over all chunks."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, ids: Any) -> Any:
        """Positions of the ids that have not come before."""
        codes = ids.dictionary_encode()
        firsts = np.unique(codes.indices.to_numpy(), return_index=True)[1]
        new = []
        for place, name in zip(firsts.tolist(), codes.dictionary.to_pylist(), strict=True):
            if name not in self._seen:
                self._seen.add(name)
                new.append(place)
        return pa.array(new, pa.int64())


class CorpusTable:
    """The documents of rows as a table of ids and texts, each once, in the order in which the rows name them.

    Parameters
    ----------
    id, text : str
        Names of the columns. A title stands in front of its text.
    """

    def __init__(self, id: str, text: str) -> None:  # noqa: A002
        self._names, self._new = (id, text), NewOnes()

    def __call__(self, chunk: pa.Table) -> pa.Table:
        """The documents of a chunk that have not come before."""
        sides = [Side(chunk, side) for side in SIDES]
        ids = pa.concat_arrays([side.ids() for side in sides])
        new = self._new(ids)
        texts = pa.concat_arrays([side.texts() for side in sides])
        return pa.table([ids.take(new), texts.take(new)], names=list(self._names))


class QueryTable:
    """The queries of rows as a table of ids and texts, each once.

    Parameters
    ----------
    id, text : str
        Names of the columns.
    """

    def __init__(self, id: str, text: str) -> None:  # noqa: A002
        self._names, self._new = (id, text), NewOnes()

    def __call__(self, chunk: pa.Table) -> pa.Table:
        """The queries of a chunk that have not come before."""
        texts = flat(chunk["query"])
        ids = named(flat(chunk["query_id"]), lambda: texts)
        new = self._new(ids)
        return pa.table([ids.take(new), texts.take(new)], names=list(self._names))

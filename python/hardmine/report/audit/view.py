"""A chunk of rows as an audit looks at it: texts as numbers that are equal where the texts are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.arrow import compute, pa
from hardmine.formats.chunks import SIDES, Side
from hardmine.nouns.arrow import flat
from hardmine.nouns.normal_form import normalised_all
from hardmine.plumbing.ragged import offsets_of, rows_of
from hardmine.report.audit.seen import Keys, mixed

_Int64 = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]
_LINE_BITS = 40
ID = 1
"""Salt of the keys of ids, which are no texts."""
_SHOWN = 80
Where = Callable[[str], int]
"""Where in a text something begins that an example is of; -1 for nowhere."""


class Texts:
    """Texts with their numbers: null is -1.

    Attributes
    ----------
    codes, folded : int64 [n]
        Equal where the texts are equal, and where they are but for case, white space and Unicode form.
    exact, keys : uint64 [n]
        The same as keys, which are equal in other chunks too; those of a null are 0.
    """

    def __init__(self, codes: _Int64, unique: _Unique) -> None:
        self.codes, self.unique = codes, unique
        self.folded = np.where(codes < 0, -1, unique.folded[codes])
        self.is_known: _Bools = codes >= 0

    @property
    def exact(self) -> Keys:
        """Keys of the texts."""
        return np.where(self.is_known, self.unique.exact[self.codes], 0).astype(np.uint64)

    @property
    def keys(self) -> Keys:
        """Keys of the texts as they are compared for duplicates."""
        return np.where(self.is_known, self.unique.keys[self.folded], 0).astype(np.uint64)

    def where(self, flags: _Bools) -> _Bools:
        """Which texts are of those different ones that a flag is set for."""
        found: _Bools = np.append(flags, False)[self.codes]  # the last is what the number of a null points to
        return found


class _Unique:
    """The different texts of a chunk; one that is there behind the last stands for a null."""

    def __init__(self, texts: Any) -> None:
        self.texts = texts
        encoded = normalised_all(texts).dictionary_encode()
        self.folded = np.append(encoded.indices.to_numpy(), -1).astype(np.int64)
        self.forms = encoded.dictionary

    @cached_property
    def exact(self) -> Keys:
        return keys_of(self.texts)

    @cached_property
    def keys(self) -> Keys:
        return keys_of(self.forms)


def keys_of(strings: Any) -> Keys:
    """A key for each string, and a last one for no string at all; 0 stands for that, for null and for an empty one."""
    found = [0 if text is None else hash(text) & 0xFFFFFFFFFFFFFFFF for text in strings.to_pylist()]
    return np.array([*found, 0], np.uint64)


class Documents:
    """The documents of one side of a chunk, end to end.

    Attributes
    ----------
    name : {"positive", "negative"}
    rows : int64 [n]
        The row of each document.
    places : int64 [n]
        Its place in the list of its row.
    text : Texts
        With the title in front.
    ids : int64 [n]
        Numbers of the ids, -1 for null and for an empty one, which tells nothing apart.
    scores : float64 [n]
        NaN for null too.
    """

    def __init__(self, side: Side, texts: Any) -> None:
        self.name, self.lengths = side.name, side.lengths
        self.offsets = offsets_of(side.lengths)
        self.rows = rows_of(self.offsets)
        self.places = np.arange(self.rows.size) - self.offsets[self.rows]
        self.texts = texts
        self.id_strings = side.values("ids")
        self.has_id: _Bools = np.asarray(self.id_strings.is_valid().to_numpy(zero_copy_only=False))
        scores = side.values("scores")
        self.has_score: _Bools = np.asarray(scores.is_valid().to_numpy(zero_copy_only=False))
        self.scores: npt.NDArray[np.float64] = scores.to_numpy(zero_copy_only=False)
        self.text: Texts
        self.ids: _Int64
        self.unique_ids: Any

    def __len__(self) -> int:
        return int(self.rows.size)

    @property
    def id_keys(self) -> Keys:
        """Keys of the ids; those of a null are 0."""
        return np.where(self.ids < 0, 0, mixed(self.unique_ids, ID)[self.ids]).astype(np.uint64)

    @property
    def keys(self) -> Keys:
        """What tells documents from each other: their texts, or their ids where they have none."""
        return np.where(self.text.is_known, self.text.keys, self.id_keys)

    @property
    def exact(self) -> Keys:
        """The same by the exact text."""
        return np.where(self.text.is_known, self.text.exact, self.id_keys)


class View:
    """A chunk of rows.

    Parameters
    ----------
    chunk : pyarrow.Table
        Of the schema `hardmine.formats.chunks.SCHEMA`.
    lines : int64 [rows]
        Where each row stands.
    file : str
    unit : {"line", "row"}
        What `lines` counts.
    file_number : int
        Which of all files it is.

    Attributes
    ----------
    places : uint64 [rows]
        File and line of each row in one number; see `place_of`.
    """

    def __init__(self, chunk: pa.Table, lines: _Int64, file: str, unit: str, file_number: int) -> None:
        self.chunk, self.lines, self.file, self.unit = chunk, lines, file, unit
        self.num_rows: int = chunk.num_rows
        self.places: Keys = lines.astype(np.uint64) | np.uint64(file_number << _LINE_BITS)
        self.query_texts = flat(chunk["query"])
        sides = [Side(chunk, side) for side in SIDES]
        texts = [side.texts() for side in sides]
        self.positives, self.negatives = (Documents(*both) for both in zip(sides, texts, strict=True))
        everything = pa.concat_arrays([self.query_texts, *(flat(each) for each in texts)]).dictionary_encode()
        codes = _numbers(everything)
        unique = _Unique(everything.dictionary)
        ends = np.cumsum([self.num_rows, len(self.positives)])
        query, positive, negative = np.split(codes, ends)
        self.query = Texts(query, unique)
        self.positives.text, self.negatives.text = Texts(positive, unique), Texts(negative, unique)
        self.unique = unique
        ids = pa.concat_arrays([flat(side.id_strings) for side in (self.positives, self.negatives)])
        encoded = ids.dictionary_encode()
        keys = keys_of(encoded.dictionary)
        numbers = _numbers(encoded)
        numbers[keys[numbers] == 0] = -1
        self.positives.ids, self.negatives.ids = np.split(numbers, [len(self.positives)])
        self.positives.unique_ids = self.negatives.unique_ids = keys
        self.query_id_strings = flat(chunk["query_id"])
        self.has_query_id: _Bools = np.asarray(self.query_id_strings.is_valid().to_numpy(zero_copy_only=False))

    @cached_property
    def query_id_keys(self) -> Keys:
        """Keys of the ids of queries; those of a null and of an empty one are 0."""
        keys = keys_of(self.query_id_strings)[:-1]
        return np.where(keys == 0, 0, mixed(keys, ID)).astype(np.uint64)

    @property
    def query_keys(self) -> Keys:
        """What tells queries from each other: their texts, or their ids where they have none."""
        return np.where(self.query.is_known, self.query.keys, self.query_id_keys)

    @property
    def sides(self) -> tuple[Documents, Documents]:
        """Positives and negatives."""
        return self.positives, self.negatives

    def query_place(self, row: int, where: Where | None = None) -> Example:
        """An example of a query that something is wrong with: its beginning, or what surrounds a place in it."""
        return self._example(row, "query", self.query_texts[row].as_py(), self.query_id_strings[row].as_py(), where)

    def document_place(self, side: Documents, at: int, where: Where | None = None) -> Example:
        """An example of a document that something is wrong with."""
        field = f"{side.name}s[{side.places[at]}]"
        row = int(side.rows[at])
        return self._example(row, field, side.texts[at].as_py(), side.id_strings[at].as_py(), where)

    def row_place(self, row: int, shown: str | None = None) -> Example:
        """An example of a row that something is wrong with."""
        example = self.query_place(row)
        return {**example, "field": None, "shown": example["shown"] if shown is None else shown}

    def _example(self, row: int, field: str, text: str | None, name: str | None, where: Where | None = None) -> Example:
        shown = f"id {name}" if text is None else text
        start = -1 if where is None else where(shown)
        if start > _SHOWN // 2:
            shown = "..." + shown[start - _SHOWN // 3 :]
        place = {"file": self.file, "unit": self.unit, "line": int(self.lines[row])}
        return {**place, "field": field, "shown": shortened(shown)}


Example = dict[str, Any]
"""Where a finding is, and what stands there: ``file``, ``unit`` ("line" or "row"), ``line``, ``field``, ``shown``."""


def place_of(number: int) -> tuple[int, int]:
    """The number of a file, and a line of it, from one of `View.places`."""
    return number >> _LINE_BITS, number & ((1 << _LINE_BITS) - 1)


def shortened(text: str) -> str:
    """A text on one line, cut to a readable length, in letters that every terminal and page takes."""
    line = " ".join(text.split()) if text.strip() else text
    line = line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def _numbers(encoded: Any) -> _Int64:
    """Numbers of dictionary-encoded strings, -1 for null."""
    found: _Int64 = compute.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return found

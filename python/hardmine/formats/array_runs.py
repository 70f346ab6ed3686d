"""Runs as rectangles: ids and scores of a fixed number of documents for each query, as search libraries return them.

A folder of two .npy files or one .npz file. Row i is query i and an id is a row number of the documents; -1 stands
where a row has no more. ``ids`` and ``scores`` are scores, the higher the better; ``I`` and ``D`` are what faiss
returns: similarities where they fall from left to right, distances where they rise, which are taken negated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.errors import FormatError
from hardmine.formats.rows import shorten
from hardmine.formats.run_parts import Asked, nearest
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import VERSION
from hardmine.plumbing.files import absent, atomic_write, atomic_writes, check_target, save_array

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

_FILL = -1
_NAMES = {"npy": ("ids", "scores"), "faiss": ("I", "D")}
_Table = npt.NDArray[Any]


class Arrays:
    """Arrays by name."""

    def __init__(self, names: list[str], load: Callable[[str], Any], path_of: Callable[[str], Path]) -> None:
        self.names, self._load, self.path_of = names, load, path_of

    def __call__(self, name: str) -> _Table:
        """The array of a name."""
        try:
            return np.asarray(self._load(name))
        except Exception as error:  # zip, zlib and NumPy raise all sorts for a broken file
            came = f"unreadable ({shorten(error) or type(error).__name__})"
            raise FormatError(self.path_of(name), came, "an array of numbers or strings", field=name) from None


@contextlib.contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """The arrays of an .npz file, or of the .npy files of a folder; nothing is unpickled."""
    if path.is_dir():
        files = {file.stem: file for file in sorted(path.glob("*.npy"))}
        yield Arrays(
            list(files), lambda name: np.load(files[name], mmap_mode="r", allow_pickle=False), lambda name: files[name]
        )
        return
    if not path.is_file():
        raise absent(path, "file or folder")
    try:
        file = np.load(path, allow_pickle=False)
    except Exception as error:  # zip, zlib and NumPy again, and what it says of pickles
        came = f"unreadable ({shorten(error) or type(error).__name__})"
        raise FormatError(path, came, "an .npz file or a folder of .npy files") from None
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise FormatError(path, "one array", "two: an .npz file or a folder of .npy files")
    with file:
        yield Arrays(list(file.files), lambda name: file[name], lambda _: path)


def read_run(path: Path, *, format: str, asked: Asked) -> Candidates:  # noqa: A002
    """Read two rectangles."""
    names = _NAMES[format]
    with open_arrays(path) as arrays:
        for name in names:
            if name not in arrays.names:
                found = ", ".join(arrays.names) or "nothing"
                raise FormatError(path, f"missing; found {shorten(found)}", "an array of this name", field=name)
        ids, scores = (arrays(name) for name in names)
    ids, scores = _checked(path, names, ids, scores)
    _refuse_strangers(path, names[0], ids, asked.collection)
    filled = ids != _FILL
    is_nan = filled & np.isnan(scores)
    if is_nan.any():
        row = int(is_nan.any(axis=1).argmax())
        raise FormatError(path, "nan", "a number", line=row + 1, field=names[1], unit="row")
    if format == "faiss" and _are_distances(path, scores, filled):
        scores = -scores
    order = np.lexsort(
        (np.where(filled, ids, np.iinfo(np.int64).max), np.where(filled, -scores, np.inf), ~filled), axis=1
    )
    ids, scores = np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)
    _refuse_repeats(path, names[0], ids)
    metadata = {"teacher": asked.teacher or path.name, "k": ids.shape[1], "format": format, "version": VERSION}
    run = Candidates.from_padded(ids, scores, _FILL, metadata=metadata)
    return run if asked.collection is None else of_collection(run, asked.collection)


def of_collection(run: Candidates, collection: Collection) -> Candidates:
    """A run by number with the names of a collection, and the scores of its positives where the run has them all."""
    from hardmine.formats.run_parts import scored

    positives, lacking = scored(collection.positives, run.offsets, run.ids, run.scores)
    metadata = {**run.metadata, **({"positives_without_score": lacking} if lacking else {})}
    return run.replace(
        query_ids=collection.query_ids, document_ids=collection.document_ids, positives=positives, metadata=metadata
    )


def _checked(path: Path, names: tuple[str, str], ids: _Table, scores: _Table) -> tuple[_Table, _Table]:
    for name, array, kinds in ((names[0], ids, "iu"), (names[1], scores, "fiu")):
        if array.ndim != 2:
            raise FormatError(path, f"shape {array.shape}", "two dimensions", field=name)
        if array.dtype.kind not in kinds:
            wanted = "integers" if kinds == "iu" else "numbers"
            raise FormatError(path, f"dtype {array.dtype}", wanted, field=name)
    if ids.shape != scores.shape:
        raise FormatError(path, f"shape {scores.shape}", f"{ids.shape} as {names[0]}", field=names[1])
    if ids.dtype == np.uint64 and ids.size and int(ids.max()) > 2**63 - 1:
        raise FormatError(path, str(int(ids.max())), "a row number", field=names[0])
    return ids.astype(np.int64), nearest(scores)


def _refuse_strangers(path: Path, name: str, ids: _Table, collection: Collection | None) -> None:
    if ids.min(initial=0) < _FILL:
        row = int((ids < _FILL).any(axis=1).argmax())
        raise FormatError(path, str(int(ids[row].min())), "a row number, or -1", line=row + 1, field=name, unit="row")
    if collection is None:
        return
    if ids.shape[0] != collection.num_queries:
        raise FormatError(path, f"{ids.shape[0]} rows", f"{collection.num_queries}, the queries of the collection")
    if ids.max(initial=-1) >= collection.num_documents:
        row = int((ids >= collection.num_documents).any(axis=1).argmax())
        wanted = f"below {collection.num_documents}, the number of documents"
        raise FormatError(path, str(int(ids[row].max())), wanted, line=row + 1, field=name, unit="row")


def _refuse_repeats(path: Path, name: str, ids: _Table) -> None:
    ordered = np.sort(ids, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != _FILL)
    if twice.any():
        row = int(twice.any(axis=1).argmax())
        document = int(ordered[row, 1:][twice[row]][0])
        came = f"document {document} occurs twice"
        raise FormatError(path, came, "every document once", line=row + 1, field=name, unit="row")


def _are_distances(path: Path, scores: _Table, filled: _Table) -> bool:
    """Whether numbers rise from left to right in some row; refuses rows of both kinds."""
    both = filled[:, 1:] & filled[:, :-1]
    rises: Any = (both & (scores[:, 1:] > scores[:, :-1])).any(axis=1)
    falls: Any = (both & (scores[:, 1:] < scores[:, :-1])).any(axis=1)
    if rises.any() and falls.any():
        row = int((rises if falls[0] or not rises[0] else falls).argmax())
        came, wanted = "numbers that rise in one row and fall in another", "similarities or distances in order"
        raise FormatError(path, came, wanted, line=row + 1, field="D", unit="row")
    return bool(rises.any())


def write_run(path: Path, run: Candidates, *, format: str, collection: Collection | None) -> None:  # noqa: A002
    """Write two rectangles: an .npz file where the path says so, else two .npy files into a folder."""
    if collection is not None:
        collection._refuse_foreign(run)
    names = _NAMES[format]
    tables: tuple[Any, Any] = run.padded(_FILL)
    if path.suffix.lower() == ".npz":
        check_target(path)
        with atomic_write(path) as file:
            np.savez(file, **{names[0]: tables[0], names[1]: tables[1]})
        return
    path.mkdir(exist_ok=True)
    with atomic_writes([path / f"{name}.npy" for name in names]) as files:
        for target, table in zip(files, tables, strict=True):
            save_array(target, table)

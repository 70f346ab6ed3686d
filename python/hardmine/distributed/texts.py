"""Texts that tasks of a cluster read: the process that calls knows a digest, the length and the place of each."""

from __future__ import annotations

import codecs
import glob
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from hardmine.distributed.actors import quiet, watched
from hardmine.distributed.cluster import BEGUN, Cluster, Starter, Watch, outcomes
from hardmine.formats import columns as columns_of_files
from hardmine.formats.errors import FormatError
from hardmine.formats.rows import shorten
from hardmine.nouns import arrow
from hardmine.nouns.text_pairs import joined
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import absent
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.store import fingerprint

SPAN = 1 << 26
"""Bytes of a file that a task reads, or more where a line or a row group of a table is longer."""
_SUFFIXES = (".jsonl", ".parquet")


class Named(NamedTuple):
    """The columns of a text."""

    text: str
    title: str | None

    def all(self) -> list[str]:
        """Those to read."""
        return [self.text] if self.title is None else [self.title, self.text]


class Piece(NamedTuple):
    """A part of a file: bytes of lines, or row groups of a table."""

    path: str
    start: int
    stop: int


class Texts(NamedTuple):
    """Texts in the object stores of a cluster, in the order of their source."""

    blocks: tuple[Any, ...]
    """References to arrays of strings."""
    starts: npt.NDArray[np.int64]
    """Number of the first text of each block, and of all."""
    keys: fingerprint.Keys
    lengths: npt.NDArray[np.int64]

    def places(self, numbers: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
        """Block and row of some texts."""
        blocks = np.searchsorted(self.starts, numbers, side="right") - 1
        return {"block": blocks.astype(np.int32), "row": (numbers - self.starts[blocks]).astype(np.int32)}


Source: TypeAlias = list[Piece] | Any
"""Pieces of files, or a `ray.data.Dataset`."""


def source_of(given: Any, named: Named) -> Source:
    """What to read, looked at as far as it can be without a cluster."""
    if isinstance(given, (str, os.PathLike)):
        given = [given]
    if isinstance(given, (list, tuple)):
        pieces = [piece for path in given for file in _files(path) for piece in _pieces(file, named)]
        if not pieces:
            raise ValueError("source: no texts, expected at least one")
        return pieces
    data = need("ray.data", what="hardmine.distributed", extra="ray")
    if isinstance(given, data.Dataset):
        return given
    raise TypeError(f"source: {type(given).__name__}, expected paths of files or a ray.data.Dataset")


def _files(path: Any) -> list[Path]:
    """The files that a path stands for."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str) or not os.fspath(path):
        raise TypeError(f"source: {path!r}, expected the path of a file")
    if "://" in os.fspath(path) or "\0" in os.fspath(path):
        raise ValueError(f"source: {os.fspath(path)!r}: files elsewhere are read by ray.data, expected a path")
    place = Path(path).absolute()
    if place.is_dir():
        found = sorted(file for file in place.iterdir() if _is_known(file) and not file.name.startswith("."))
        if not found:
            raise FileNotFoundError(f"{place}: no file of texts in this folder, expected {' or '.join(_SUFFIXES)}")
    elif place.exists() or not glob.has_magic(os.fspath(path)):
        found = [place]
    else:
        found = sorted(map(Path, glob.glob(os.fspath(place), recursive=True)))  # noqa: PTH207 - any absolute pattern
        if not found:
            raise FileNotFoundError(f"source: {os.fspath(path)!r} matches no file")
    for file in found:
        if not file.is_file():
            raise absent(file)
        if not _is_known(file):
            raise ValueError(f"{file}: unknown suffix {file.suffix!r}, expected {' or '.join(_SUFFIXES)}")
    return found


def _is_known(file: Path) -> bool:
    return file.suffix.lower() in _SUFFIXES


def _pieces(file: Path, named: Named) -> Iterator[Piece]:
    """A file in parts of some 64 MiB."""
    if file.suffix.lower() == ".jsonl":
        size = file.stat().st_size
        for start in range(0, size, SPAN):
            yield Piece(str(file), start, min(start + SPAN, size))
        return
    parquet = need("pyarrow.parquet", what="hardmine.distributed", extra="mine")
    try:
        about = parquet.read_metadata(file)
        names = about.schema.to_arrow_schema().names
    except Exception as error:  # Arrow raises all sorts for a broken file
        raise _unreadable(file, error) from None
    for name in named.all():
        if name not in names:
            found = shorten(", ".join(names)) or "no columns"
            raise FormatError(file, f"missing; found {found}", "a column under this name", field=name)
        if names.count(name) > 1:
            raise FormatError(file, f"{names.count(name)} columns", "one column under this name", field=name)
    first, size = 0, 0
    for group in range(about.num_row_groups):
        size += about.row_group(group).total_byte_size
        if size >= SPAN or group == about.num_row_groups - 1:
            yield Piece(str(file), first, group + 1)
            first, size = group + 1, 0


def _unreadable(file: Path, error: Exception) -> FormatError:
    return FormatError(file, f"unreadable ({shorten(error) or type(error).__name__})", "a parquet file")


def read(cluster: Cluster, source: Source, named: Named, progress: Reporting) -> Texts:
    """Have tasks read all texts and digest them; the texts stay where they were read."""
    watch, window = Watch(cluster), max(cluster.slots(), 1) + 1
    read_task = cluster.remote(texts_of_piece if isinstance(source, list) else texts_of_block, num_returns="streaming")
    digest_task = cluster.remote(digests, num_returns="streaming")
    blocks: dict[int, Any] = {}
    known: dict[int, tuple[fingerprint.Keys, npt.NDArray[np.int64]]] = {}

    def reads() -> Iterator[tuple[int, Starter]]:
        if isinstance(source, list):
            for number, piece in enumerate(source):
                yield number, partial(read_task.remote, piece, named)
        else:
            for number, (block, span) in enumerate(_blocks(source, named, watch)):
                yield number, partial(read_task.remote, block, span, named)

    def starts() -> Iterator[tuple[int, Callable[[], Any]]]:
        for number, reference in outcomes(cluster, reads(), window, watch):
            blocks[number] = reference
            yield number, partial(digest_task.remote, reference)

    shown = progress if isinstance(source, list) else False  # nobody knows how many blocks a dataset will have
    with Progress("reading parts of files", len(source) if isinstance(source, list) else 0, shown) as bar:
        for number, reference in outcomes(cluster, starts(), window, watch):
            known[number] = cluster.ray.get(reference)
            bar.update(1)
    order = sorted(known)
    counts = [len(known[number][1]) for number in order]
    if not sum(counts):
        raise ValueError("source: no texts, expected at least one")
    return Texts(
        tuple(blocks[number] for number in order),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)]),
        np.concatenate([known[number][0] for number in order]),
        np.concatenate([known[number][1] for number in order]),
    )


def _blocks(dataset: Any, named: Named, watch: Watch) -> Iterator[tuple[Any, tuple[int, int] | None]]:
    """References to the blocks of a dataset in their order, and which rows of each are meant where not all are."""
    with quiet():
        names = next(iter(watched(lambda: [dataset.columns() or []], watch, dataset.context)))
    for name in named.all():
        if name not in names:
            raise ValueError(f"source: no column {name!r}, found {shorten(', '.join(names)) or 'no columns'}")
    options = dataset.context.execution_options
    before = options.preserve_order
    options.preserve_order = True
    try:
        with quiet():
            chosen = dataset.select_columns(named.all())
            for bundle in watched(chosen.iter_internal_ref_bundles, watch, chosen.context):
                for entry, part in zip(bundle.blocks, bundle.slices, strict=True):
                    yield entry.ref, None if part is None else (part.start_offset, part.end_offset)
    finally:
        options.preserve_order = before


def texts_of_piece(piece: Piece, named: Named) -> Iterator[Any]:
    """What a task does: reads a part of a file."""
    yield BEGUN
    file = Path(piece.path)
    if file.suffix.lower() == ".jsonl":
        yield _of_lines(file, piece, named)
        return
    parquet = need("pyarrow.parquet", what="hardmine.distributed", extra="mine")
    try:
        with parquet.ParquetFile(file) as opened:
            table = opened.read_row_groups(range(piece.start, piece.stop), columns=named.all())
        table.validate(full=True)
    except Exception as error:
        raise _unreadable(file, error) from None
    yield _of_table(piece.path, table, named)


def _of_lines(file: Path, piece: Piece, named: Named) -> Any:
    """The texts of the lines that begin among these bytes."""
    with file.open("rb") as opened:
        opened.seek(max(piece.start - 1, 0))
        if piece.start:
            opened.readline()  # the rest of a line that begins before
        start = opened.tell()
        block = opened.read(max(piece.stop - start, 0))
        if block and not block.endswith(b"\n"):
            block += opened.readline()
    fields = [columns_of_files.Field((named.text,))]
    if named.title is not None:
        fields.append(columns_of_files.Field((named.title,), default=""))
    block = block.removeprefix(codecs.BOM_UTF8) if not piece.start else block
    if not block:
        return need("pyarrow", what="hardmine.distributed", extra="mine").array([], "large_string")
    try:
        found = columns_of_files.of_block(file, block, 1, fields)
    except FormatError:
        found = columns_of_files.of_block(file, block, 1 + _line_ends(file, start), fields)  # says where in the file
    return found[0] if named.title is None else joined(found[1], found[0])


def _line_ends(file: Path, size: int) -> int:
    """Line ends in so many bytes of a file."""
    count = 0
    with file.open("rb") as opened:
        while size > 0 and (block := opened.read(min(size, 1 << 20))):
            count += block.count(b"\n")
            size -= len(block)
    return count


def texts_of_block(block: Any, span: tuple[int, int] | None, named: Named) -> Iterator[Any]:
    """What a task does: takes the texts out of a block of a dataset."""
    yield BEGUN
    pa = need("pyarrow", what="hardmine.distributed", extra="mine")
    if not isinstance(block, pa.Table):  # Ray Data knows blocks of pandas too
        try:
            block = pa.Table.from_pandas(block[named.all()], preserve_index=False)
        except (pa.ArrowException, KeyError) as error:
            raise TypeError(f"source: {shorten(error)}, expected columns of strings") from None
    block = block if span is None else block.slice(span[0], span[1] - span[0])
    yield _of_table("source", block, named)


def _of_table(name: str, table: Any, named: Named) -> Any:
    pa = need("pyarrow", what="hardmine.distributed", extra="mine")
    compute = need("pyarrow.compute", what="hardmine.distributed", extra="mine")
    if not table.num_rows:
        return pa.array([], pa.large_string())
    strings = {column: _plain(table[column]) for column in named.all()}
    texts = arrow.large_strings(name, pa.table(strings), named.text)
    if named.title is None:
        return texts
    titles = strings[named.title]
    if titles.null_count and pa.types.is_large_string(titles.type):
        strings[named.title] = compute.fill_null(titles, "")
    return joined(arrow.large_strings(name, pa.table(strings), named.title), texts)


def _plain(found: Any) -> Any:
    """A column of strings, or of nothing, of whatever layout as one of large strings; others as they are."""
    pa = need("pyarrow", what="hardmine.distributed", extra="mine")
    kind = found.type.value_type if pa.types.is_dictionary(found.type) else found.type
    known = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return found.cast(pa.large_string()) if any(is_one(kind) for is_one in known) else found


def digests(texts: Any) -> Iterator[Any]:
    """What a task does: a digest and the length of every text."""
    yield BEGUN
    yield fingerprint.of_texts(texts), fingerprint.lengths_of(texts)

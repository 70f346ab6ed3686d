"""Reading and writing by the name of a format: what `hardmine.formats` offers."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardmine.formats.registry import expect, find, lines_of
from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.plumbing.progress import Reporting, reporting

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives


def read(
    path: str | os.PathLike[str],
    format: str | None = None,  # noqa: A002
    *,
    corpus: str | os.PathLike[str] | None = None,
    split: str | None = None,
    progress: Reporting = False,
    **options: Any,
) -> Collection:
    """Read a collection; see `hardmine.Collection.read`.

    Parameters
    ----------
    path : path-like
    format : str, optional
        One of `READ`; by default what the path says.
    corpus : path-like, optional
    split : str, optional
    progress : bool or callable
        As in `hardmine.Collection.read`.
    **options
        Further parameters of `Collection`, such as ``ignore_identical_ids``.

    Returns
    -------
    Collection
    """
    target = Path(path)
    found = expect(target, format, "collection")
    only = {"corpus": None if corpus is None else Path(corpus), "split": split}
    for option, value in only.items():
        if value is not None and option not in found.takes:
            takers = " or ".join(other.what for other in lines_of("collection", "reads") if option in other.takes)
            raise ValueError(f"{option}: {str(value)!r}, but only {takers} takes one")
    given = {"format": format or found.name, "progress": reporting(progress), **only}
    module = found.load()
    if "rows" in found.reads:
        reader = importlib.import_module("hardmine.formats.from_rows").read_collection
        given = {"chunks": module.read_rows(target, given["format"])}
    else:
        reader = module.read_collection
        given = {name: given[name] for name in found.takes}
    if "progress" in given or target.is_dir():
        return reader(target, **given, **options)  # type: ignore[no-any-return]
    from hardmine.formats.opening import reading  # needs an extra, which naming formats does not

    files = [target] if corpus is None else [target, Path(corpus)]
    with reading(target.name, files, progress):
        return reader(target, **given, **options)  # type: ignore[no-any-return]


def read_run(
    path: str | os.PathLike[str],
    format: str | None = None,  # noqa: A002
    *,
    collection: Collection | None = None,
    unknown: str = "error",
    teacher: str | None = None,
) -> Candidates:
    """Read a run of candidates; see `hardmine.Candidates.read`.

    Parameters
    ----------
    path : path-like
    format : str, optional
        By default what the path says.
    collection : Collection, optional
    unknown : str
    teacher : str, optional
        As in `hardmine.Candidates.read`.

    Returns
    -------
    Candidates

    Raises
    ------
    TypeError
        `collection` is no `Collection`, or `teacher` no string.
    ValueError
        The format is unknown, the path does not tell it, or `unknown` is no such word.
    FormatError
        What is wrong with the file; a ValueError.
    OSError
        The file cannot be read.
    """
    from hardmine.formats.run_parts import Asked  # needs pyarrow, which naming formats does not

    _check_collection(collection, "a Collection or None")
    if teacher is not None and not isinstance(teacher, str):
        raise TypeError(f"teacher: {type(teacher).__name__}, expected a string or None")
    found = expect(Path(path), format, "run")
    asked = Asked(collection, unknown, teacher)
    run: Candidates = found.load().read_run(Path(path), format=format or found.name, asked=asked)
    return run


def read_rows(path: str | os.PathLike[str], format: str) -> Iterator[pa.Table]:  # noqa: A002
    """Read training rows, some thousand at a time: nothing is read before it is asked for.

    Parameters
    ----------
    path : path-like
    format : str
        The rows of two formats may look the same, so that it has to be named.

    Returns
    -------
    iterator of pyarrow.Table
        Chunks of the schema `hardmine.formats.chunks.SCHEMA`, in the order of the file. What a chunk has no column for
        (instructions, images) is passed over. What is wrong with the file is raised as a `FormatError` or an `OSError`
        when reading gets there.
    """
    found = find(format, "rows", "reads")
    rows: Iterator[pa.Table] = found.load().read_rows(Path(path), format)
    return rows


def format_of_rows(path: str | os.PathLike[str]) -> str:
    """The format of a file of training rows, told from the fields of its first record.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    str
        A name that `read_rows` takes. A triplet that calls its negative ``negative`` and an n-tuple of one look the
        same, and are read the same way but for rows that follow each other.

    Raises
    ------
    ValueError
        The record may be of several formats, or is of none: the name has to be given.
    FormatError, OSError
        There is no record to look at, or no such file.

    Examples
    --------
    >>> from pathlib import Path
    >>> import hardmine as hm
    >>> size = Path("told.jsonl").write_text('{"query": "q", "pos": ["p"], "neg": ["n"]}')
    >>> hm.formats.format_of_rows("told.jsonl")
    'flag-embedding'
    """
    from hardmine.formats import telling  # needs pyarrow, which naming formats does not

    return telling.format_of_rows(Path(path))


def write_collection(
    path: str | os.PathLike[str],
    collection: Collection,
    format: str | None = None,  # noqa: A002
) -> None:
    """Write a collection; see `hardmine.Collection.write`.

    Parameters
    ----------
    path : path-like
    collection : Collection
    format : str, optional
        By default what the path says.

    Raises
    ------
    TypeError
        `collection` is no `Collection`.
    ValueError
        The format is unknown, the path does not tell it, or the format cannot hold what is written.
    OSError
        The file or folder cannot be written; what was there before is there still.
    """
    _check_collection(collection, "a Collection")
    found = expect(Path(path), format, "collection", does="writes")
    found.load().write_collection(Path(path), collection, format=format or found.name)


def write_run(
    path: str | os.PathLike[str],
    run: Candidates,
    format: str | None = None,  # noqa: A002
    *,
    collection: Collection | None = None,
) -> None:
    """Write a run of candidates; see `hardmine.Candidates.write`.

    Parameters
    ----------
    path : path-like
    run : Candidates
    format : str, optional
        By default what the path says.
    collection : Collection, optional
        What the numbers of the run are numbers of, where the run has no ids itself.

    Raises
    ------
    TypeError
        `run` is no `Candidates`, or `collection` no `Collection`.
    ValueError
        The format is unknown, the path does not tell it, the format cannot hold what is written, or the run is none of
        the collection.
    OSError
        The file or folder cannot be written; what was there before is there still.
    """
    from hardmine.nouns.candidates import Candidates

    if not isinstance(run, Candidates):
        raise TypeError(f"run: {type(run).__name__}, expected Candidates")
    _check_collection(collection, "a Collection or None")
    found = expect(Path(path), format, "run", does="writes")
    found.load().write_run(Path(path), run, format=format or found.name, collection=collection)


def _check_collection(value: object, wanted: str) -> None:
    """Raise where `value` is no collection, nor None where that is wanted."""
    from hardmine.nouns.collection import Collection

    if not isinstance(value, Collection) and not (value is None and wanted.endswith("None")):
        raise TypeError(f"collection: {type(value).__name__}, expected {wanted}")


def check_output(
    path: str | os.PathLike[str],
    format: str,  # noqa: A002
    *,
    provenance: bool = True,
    num_negatives: int | None = None,
    scores: bool = False,
) -> None:
    """Raise what `write` would raise for this path and format, before any work is done.

    Parameters
    ----------
    path : path-like
    format : str
        One of `WRITE`.
    provenance : bool
        Whether the side file is wanted too.
    num_negatives : int, optional
        How many negatives a row wants, where that is known.
    scores : bool
        Whether scores are wanted, which not every layout can hold.

    Raises
    ------
    ValueError, OSError
        Unknown format or suffix, no folder to write in, a folder in the place of a file, or more negatives than a row
        of the format can hold.
    """
    provenance = checks.boolean("provenance", provenance)
    if num_negatives is not None:
        num_negatives = checks.integer("num_negatives", num_negatives, minimum=1)
    writer = _writer(format, checks.boolean("scores", scores), num_negatives=num_negatives)
    _training_rows().check_output(Path(path), writer, provenance=provenance)


def _training_rows() -> Any:
    """The module that every writer of rows stands on; it needs an extra, which reading names does not."""
    return importlib.import_module("hardmine.formats.training_rows")


def _writer(format: str, scores: bool, **options: Any) -> Any:  # noqa: A002, FBT001
    found = find(format, "rows", "writes")
    return found.load().row_writer(format, _training_rows().Options(scores, **options))


def write(
    path: str | os.PathLike[str],
    format: str,  # noqa: A002
    *,
    collection: Collection,
    negatives: Negatives,
    positives: Positives,
    scores: bool = False,
    provenance: bool = True,
    progress: Reporting = False,
) -> dict[str, int]:
    """Write training rows; see `hardmine.Mined.write`.

    Parameters
    ----------
    path : path-like
    format : str
        One of `WRITE`.
    collection : Collection
        The texts.
    negatives, positives : Negatives, Positives
        What was mined in it, and the scored positives.
    scores, provenance : bool
    progress : bool or callable
        As in `hardmine.Mined.write`.

    Returns
    -------
    dict
        ``rows`` written, ``pairs`` mined, ``dropped_pairs`` without a row.
    """
    provenance = checks.boolean("provenance", provenance)
    writer = _mined_writer(format, collection, negatives, scores)
    target, rows = Path(path), _training_rows()
    rows.check_output(target, writer, provenance=provenance)
    parts = {"collection": collection, "negatives": negatives, "positives": positives}
    written: dict[str, int] = rows.write_mined(
        target, writer, provenance=provenance, progress=reporting(progress), **parts
    )
    return written


def to_dataset(
    format: str,  # noqa: A002
    *,
    collection: Collection,
    negatives: Negatives,
    positives: Positives,
    scores: bool = False,
) -> Any:
    """Training rows as a dataset in memory; see `hardmine.Mined.to_dataset`.

    Parameters
    ----------
    format : str
        One of `WRITE`.
    collection, negatives, positives : Collection, Negatives, Positives
        As in `write`.
    scores : bool
        As in `hardmine.Mined.write`.

    Returns
    -------
    datasets.Dataset or datasets.DatasetDict
        The latter for formats of several tables.
    """
    datasets = need("datasets", what="to_dataset", extra="datasets")
    from hardmine.formats.fingerprint import fingerprint

    writer = _mined_writer(format, collection, negatives, scores)
    found = _training_rows().mined_tables(writer, collection=collection, negatives=negatives, positives=positives)
    made = {name: datasets.Dataset(table, fingerprint=fingerprint(table)) for name, table in found.items()}
    return datasets.DatasetDict(made) if len(made) > 1 else next(iter(made.values()))


def _mined_writer(format: str, collection: Collection, negatives: Negatives, scores: bool) -> Any:  # noqa: A002, FBT001
    scores = checks.boolean("scores", scores)
    num_negatives = int(negatives.metadata["num_negatives"])
    return _writer(format, scores, names=collection.column_names, num_negatives=num_negatives)


def write_rows(
    path: str | os.PathLike[str],
    chunks: Iterable[pa.Table],
    format: str,  # noqa: A002
    *,
    scores: bool = False,
    parts: bool = False,
) -> dict[str, int]:
    """Write training rows that come from elsewhere, such as `read_rows`, whole or not at all.

    Parameters
    ----------
    path : path-like
    chunks : iterable of pyarrow.Table
        Rows of the schema `hardmine.formats.chunks.SCHEMA`.
    format : str
        One of `WRITE`.
    scores : bool
        As in `hardmine.Mined.write`.
    parts : bool
        Whether rows without a positive, or without a negative, are written too by the formats that make a record of
        each document: labeled-pair and arctic.

    Returns
    -------
    dict
        ``rows`` written; ``pairs`` of (query, positive) that came, ``dropped_pairs`` of them without a row.
    """
    writer = _writer(format, checks.boolean("scores", scores), parts=checks.boolean("parts", parts))
    target, rows = Path(path), _training_rows()
    rows.check_output(target, writer, provenance=False)
    written: dict[str, int] = rows.write_chunks(target, writer, chunks)
    return written

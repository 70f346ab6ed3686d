"""Which formats there are, and where each is at home: names to modules.

A format is one module of this folder and one line of `FORMATS`. Its module is imported when its name is asked for, so
that the others, and what they need, stay out of the way. A module offers, by what its line says:

``read(path, *, ..., **options) -> Collection``
    For ``reads="collection"``. Keywords are those of `Format.takes`; `options` go to the collection.
``check_output(path, shape, *, provenance, num_negatives)`` and
``write(path, shape, *, collection, negatives, positives, scores, provenance, progress)``
    For ``writes="rows"``. `shape` is one of `Format.shapes`, or "" where there are none.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hardmine.plumbing import checks
from hardmine.plumbing.files import suffix
from hardmine.plumbing.progress import Reporting, reporting

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives


@dataclass(frozen=True)
class Format:
    """What one format is; all that can be known of it without its module.

    Parameters
    ----------
    name : str
        What users write.
    module : str
        Its home in this folder.
    what : str
        A file or folder of it in a few words; for messages.
    reads, writes : str
        What a file of it is read as, and what is written into one; empty for nothing.
    signs : tuple of str
        Paths that are taken for this format where none is named. ``".jsonl"``: files with this suffix (or with .gz
        behind it); ``"/name"``: folders that hold `name`; ``"/"``: any folder. The first format with a sign wins.
    takes : tuple of str
        Keywords of its reader: of ``corpus`` and ``split``, which nobody may give to another format, and of ``format``
        (the name) and ``progress``.
    shapes : tuple of str
        Kinds of rows that it writes; each is a format of its own to users, ``NAME:SHAPE``.
    """

    name: str
    module: str
    what: str
    reads: Literal["", "collection"] = ""
    writes: Literal["", "rows"] = ""
    signs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What users write, one name for each shape."""
        return tuple(f"{self.name}:{shape}" for shape in self.shapes) or (self.name,)

    def load(self) -> Any:
        """The module; what it needs and is not installed is said by the module itself."""
        return importlib.import_module(f"hardmine.formats.{self.module}")


FORMATS = [
    Format("beir", "beir", "a BEIR folder", reads="collection", signs=("/",), takes=("split", "progress")),
    Format(
        "jsonl",
        "pairs",
        "a jsonl file",
        reads="collection",
        signs=(".jsonl", ".ndjson"),
        takes=("format", "corpus", "progress"),
    ),
    Format(
        "parquet",
        "pairs",
        "a parquet file",
        reads="collection",
        signs=(".parquet",),
        takes=("format", "corpus", "progress"),
    ),
    Format("docstrings", "docstrings", "a folder of Python sources", reads="collection", takes=("progress",)),
    Format(
        "sentence-transformers",
        "sentence_transformers",
        "training rows of sentence-transformers",
        writes="rows",
        shapes=("triplet", "n-tuple", "labeled-pair", "labeled-list"),
    ),
]
"""Every format: the one line that each has outside its module."""


def _readers() -> list[Format]:
    return [known for known in FORMATS if known.reads == "collection"]


def _writers() -> list[Format]:
    return [known for known in FORMATS if known.writes == "rows"]


def _names(formats: list[Format]) -> tuple[str, ...]:
    return tuple(name for known in formats for name in known.names)


READ = _names(_readers())
"""Names of the formats that can be read."""

WRITE = _names(_writers())
"""Names of the formats that can be written."""


def _find(name: str, formats: list[Format]) -> Format:
    checks.choice("format", name, _names(formats))
    return next(known for known in formats if name in known.names)


def recognise(path: Path) -> str | None:
    """The format of a path that names none, from its suffix or from what the folder holds; None for an unknown one."""
    is_folder = path.is_dir()
    found = suffix(path)
    for known in FORMATS:
        for sign in known.signs:
            if (path / sign[1:]).exists() if is_folder and sign[0] == "/" else sign == found and not is_folder:
                return known.name
    return None


def _recognised() -> str:
    signs = [known.what if sign[0] == "/" else sign for known in FORMATS for sign in known.signs]
    return f"{', '.join(signs[:-1])} or {signs[-1]}"


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
    if format is None:
        if not target.exists():
            raise FileNotFoundError(f"{target}: no such file or folder")
        format = recognise(target)  # noqa: A001
        if format is None:
            wanted = f"{_recognised()} (or say which with format)"
            raise ValueError(f"{target}: suffix {target.suffix!r}, expected {wanted}")
    found = _find(format, _readers())
    only = {"corpus": None if corpus is None else Path(corpus), "split": split}
    for option, value in only.items():
        if value is not None and option not in found.takes:
            takers = " or ".join(other.what for other in _readers() if option in other.takes)
            raise ValueError(f"{option}: {str(value)!r}, but only {takers} takes one")
    given = {"format": format, "progress": reporting(progress), **only}
    collection: Collection = found.load().read(target, **{name: given[name] for name in found.takes}, **options)
    return collection


def check_output(
    path: str | os.PathLike[str],
    format: str,  # noqa: A002
    *,
    provenance: bool = True,
    num_negatives: int | None = None,
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

    Raises
    ------
    ValueError, OSError
        Unknown format or suffix, no folder to write in, a folder in the place of a file, or more negatives than a row
        of the format can hold.
    """
    provenance = checks.boolean("provenance", provenance)
    if num_negatives is not None:
        num_negatives = checks.integer("num_negatives", num_negatives, minimum=1)
    module, shape = _find(format, _writers()).load(), format.partition(":")[2]
    module.check_output(Path(path), shape, provenance=provenance, num_negatives=num_negatives)


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
    scores = checks.boolean("scores", scores)
    check_output(path, format, provenance=provenance, num_negatives=negatives.metadata["num_negatives"])
    written: dict[str, int] = (
        _find(format, _writers())
        .load()
        .write(
            Path(path),
            format.partition(":")[2],
            collection=collection,
            negatives=negatives,
            positives=positives,
            scores=scores,
            provenance=provenance,
            progress=reporting(progress),
        )
    )
    return written

"""File formats: one module per family, and this registry. Nothing else knows a file layout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardmine.formats import beir, pairs, sentence_transformers
from hardmine.formats.errors import FormatError
from hardmine.formats.rows import format_of
from hardmine.plumbing import checks

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives
    from hardmine.nouns.positives import Positives

__all__ = ["READ", "WRITE", "FormatError", "check_output", "read", "write"]

READ = ("beir", "jsonl", "parquet")
"""Names of the formats that can be read."""

WRITE = tuple(f"sentence-transformers:{shape}" for shape in sentence_transformers.SHAPES)
"""Names of the formats that can be written."""


def read(
    path: str | os.PathLike[str],
    format: str | None = None,  # noqa: A002
    *,
    corpus: str | os.PathLike[str] | None = None,
    split: str | None = None,
    **options: Any,
) -> Collection:
    """Read a collection; see `hardmine.Collection.read`."""
    target = Path(path)
    if format is not None:
        checks.choice("format", format, READ)
    elif not target.exists():
        raise FileNotFoundError(f"{target}: no such file or folder")
    else:
        format = "beir" if target.is_dir() else format_of(target)  # noqa: A001
        if format is None:
            wanted = "a BEIR folder, .jsonl, .jsonl.gz or .parquet (or say which with format)"
            raise ValueError(f"{target}: suffix {target.suffix!r}, expected {wanted}")
    if format == "beir":
        if corpus is not None:
            raise ValueError("corpus: a BEIR folder has its own, expected None")
        return beir.read(target, split=split, **options)
    if split is not None:
        raise ValueError(f"split: {split!r}, but only BEIR folders have splits")
    return pairs.read(target, format=format, corpus=None if corpus is None else Path(corpus), **options)


def check_output(path: str | os.PathLike[str], format: str) -> None:  # noqa: A002
    """Raise what `write` would raise for this path and format, before any work is done."""
    checks.choice("format", format, WRITE)
    sentence_transformers.check_output(Path(path))


def write(
    path: str | os.PathLike[str],
    format: str,  # noqa: A002
    *,
    collection: Collection,
    negatives: Negatives,
    positives: Positives,
    scores: bool = False,
    provenance: bool = True,
) -> dict[str, int]:
    """Write training rows; see `hardmine.Mined.write`."""
    check_output(path, format)
    shape = format.partition(":")[2]
    return sentence_transformers.write(
        Path(path),
        shape,
        collection=collection,
        negatives=negatives,
        positives=positives,
        scores=scores,
        provenance=provenance,
    )

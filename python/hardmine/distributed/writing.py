"""Training rows in several files, written by tasks of a cluster, and a manifest that says what is in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.distributed.cluster import BEGUN, Watch, asked_of, await_room, connected, outcomes
from hardmine.distributed.cuts import cut
from hardmine.distributed.replacing import refuse_others, replacing
from hardmine.formats import access
from hardmine.nouns.lists import VERSION
from hardmine.nouns.negatives import Negatives
from hardmine.nouns.positives import Positives
from hardmine.pipeline.mined import Mined
from hardmine.plumbing import checks
from hardmine.plumbing.progress import Progress, Reporting, reporting

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

_HOLDS = {"hardmine": "rows", "version": VERSION}
_FILE_ROWS = 100_000
_BLOCK = 1 << 20


def write(
    mined: Mined,
    folder: str | os.PathLike[str],
    format: str = "sentence-transformers:n-tuple",  # noqa: A002
    *,
    suffix: str = ".jsonl",
    num_files: int | None = None,
    scores: bool = False,
    provenance: bool = True,
    progress: Reporting = False,
    resources: Mapping[str, float] | None = None,
    address: str | None = None,
) -> dict[str, Any]:
    """Write training rows in several files, each by a task of a Ray cluster: `hardmine.Mined.write`, in parts.

    Parameters
    ----------
    mined : Mined
    folder : path-like
        Where the files go, ``part-00000.jsonl`` and on: made where it is not there, and seen by all nodes.
    format : str
        As for `hardmine.Mined.write`.
    suffix : str
        Of each file, which says the layout: ``.jsonl``, ``.parquet``, ...
    num_files : int, optional
        Default: one for every 100,000 rows that were mined. All rows of a query are in one file.
    scores, provenance : bool
        As for `hardmine.Mined.write`: each file has a side file of its own.
    progress : bool or callable
        As for `hardmine.retrieve`; files are counted.
    resources, address
        As for `retrieve`.

    Returns
    -------
    dict
        What the manifest holds: ``format``, ``version``, ``rows``, ``pairs``, ``dropped_pairs``; ``files``, for each of
        which its ``name``, the same three counts, its ``bytes`` and their BLAKE2b ``digest`` (16 bytes); and
        ``beside``, the names of side files and folders.

    Raises
    ------
    TypeError, ValueError
        As in `hardmine.Mined.write`; or `folder` holds what this function did not write, or is a mount point.
    OSError
        As for `retrieve`, or a file cannot be written.

    Notes
    -----
    The files of JSON lines put together are the one file of `hardmine.Mined.write`. They are written into a folder
    beside, ``.NAME.unfinished-...``, which takes the place of `folder` when all is whole, by two renames: whatever is
    raised, `folder` is what it was or the new one, and what its ``manifest.json`` names is whole. Of runs at the same
    time the last one stays. What a run left that was killed is cleared away by the next one; where it was killed
    between the renames, `folder` is gone until then, and that puts it back. Files that no manifest of this function
    names are others', and are never removed, nor from folders inside. The folder is another one afterwards, so a
    process must not stand in it: that, a mount point and a link to itself are refused with a ValueError.
    """
    if not isinstance(mined, Mined):
        raise TypeError(f"mined: {type(mined).__name__}, expected Mined")
    shown, target = reporting(progress), Path(folder)
    count = max(1, -(-len(mined.negatives) // _FILE_ROWS)) if num_files is None else num_files
    count = checks.integer("num_files", count, minimum=1)
    if not isinstance(suffix, str):
        raise TypeError(f"suffix: {suffix!r}, expected a string such as '.jsonl'")
    if "/" in suffix or "\\" in suffix:
        raise ValueError(f"suffix: {suffix!r}, expected one such as '.jsonl'")
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"folder: {target}: a file, expected a folder")
    names = [f"part-{number:05d}{suffix}" for number in range(count)]
    about = {"scores": scores, "provenance": provenance}
    files: list[dict[str, Any]] = [{} for _ in names]
    asked_of(resources)
    there = next(place for place in (target, *target.absolute().parents) if place.is_dir())
    access.check_output(there / names[0], format, provenance=provenance, scores=scores)
    refuse_others(target, _HOLDS)
    with connected(address, resources) as cluster, Progress("writing files of rows", count, shown) as bar:
        await_room(cluster, Watch(cluster))
        with replacing(target, _HOLDS) as (building, put):
            task = cluster.remote(written, num_returns="streaming")
            shared = cluster.ray.put((mined.collection, mined.positives))

            def starts() -> Iterator[tuple[int, Callable[[], Any]]]:
                for number, (start, stop) in enumerate(_spans(mined.negatives, count)):
                    path, part = str(building / names[number]), _part(mined.negatives, start, stop)
                    yield number, partial(task.remote, shared, part, path, format, about)

            for number, reference in outcomes(cluster, starts(), max(cluster.slots(), 1) + 1, Watch(cluster)):
                files[number] = cluster.ray.get(reference)
                bar.update(1)
            totals = {name: sum(file[name] for file in files) for name in ("rows", "pairs", "dropped_pairs")}
            return put({"format": format, **totals, "files": files})


def written(
    shared: tuple[Collection, Positives],
    negatives: Negatives,
    path: str,
    format: str,  # noqa: A002
    about: dict[str, bool],
) -> Iterator[Any]:
    """What a task does: writes a file, and says what is in it."""
    yield BEGUN
    collection, positives = shared
    counts = access.write(path, format, collection=collection, negatives=negatives, positives=positives, **about)
    state, size = hashlib.blake2b(digest_size=16), 0
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
            size += len(block)
    yield {"name": Path(path).name, **counts, "bytes": size, "digest": state.hexdigest()}


def _spans(negatives: Negatives, count: int) -> list[tuple[int, int]]:
    """Rows of each file: those of one query stay together."""
    first_of_query = np.flatnonzero(np.diff(negatives.queries, prepend=-1))
    bounds = [*first_of_query.tolist(), len(negatives)]
    return [(bounds[start], bounds[stop]) for start, stop in cut(len(bounds) - 1, count)]


def _part(negatives: Negatives, start: int, stop: int) -> Negatives:
    """Some rows that follow one another."""
    first, last = int(negatives.offsets[start]), int(negatives.offsets[stop])
    columns: dict[str, Any] = {name: getattr(negatives, name) for name in negatives._columns()}
    for name in ("ids", "scores", "ranks", "filled", "sources"):
        columns[name] = None if columns[name] is None else columns[name][first:last]
    for name in ("queries", "positives", "positive_scores"):
        columns[name] = columns[name][start:stop]
    columns["offsets"] = negatives.offsets[start : stop + 1] - first
    columns["reasons"] = {name: counts[start:stop] for name, counts in negatives.reasons.items()}
    columns["dropped"] = negatives.dropped[:0]
    return Negatives(**columns)

"""Training rows in several files, written by tasks of a cluster, and a manifest that says what is in them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.distributed.cluster import BEGUN, Watch, asked_of, await_room, connected, outcomes
from hardmine.distributed.cuts import cut
from hardmine.formats import access
from hardmine.nouns.lists import VERSION
from hardmine.nouns.negatives import Negatives
from hardmine.nouns.positives import Positives
from hardmine.pipeline.mined import Mined
from hardmine.plumbing import checks
from hardmine.plumbing.files import atomic_write
from hardmine.plumbing.progress import Progress, Reporting, reporting

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

MANIFEST, UNFINISHED = "manifest.json", "unfinished.json"
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
        What the manifest holds: ``format``, ``version``, ``rows``, ``pairs``, ``dropped_pairs``, and ``files``, for
        each of which its ``name``, the same three counts, its ``bytes`` and their BLAKE2b ``digest`` (16 bytes).

    Raises
    ------
    TypeError, ValueError
        As in `hardmine.Mined.write`, or `folder` holds what this function did not write. Nothing is changed then.
    OSError
        As for `retrieve`: what was there stays where no task finds room; or a file cannot be written.

    Notes
    -----
    The files of JSON lines put together are the one file of `hardmine.Mined.write`. ``manifest.json`` goes first and
    comes last: where it is, the files that it names are whole. Until then ``unfinished.json`` stands there: what a run
    left that was killed is written anew.
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
    target.mkdir(parents=True, exist_ok=True)
    access.check_output(target / names[0], format, provenance=provenance, scores=scores)
    _own_files(target)
    with connected(address, resources) as cluster, Progress("writing files of rows", count, shown) as bar:
        # What is there goes once a task has found room, and not before.
        await_room(cluster, Watch(cluster))
        old = _own_files(target)
        with atomic_write(target / UNFINISHED) as file:
            file.write(json.dumps(_HOLDS).encode() + b"\n")
        for path in old:
            path.unlink(missing_ok=True)
        task = cluster.remote(written, num_returns="streaming")
        shared = cluster.ray.put((mined.collection, mined.positives))

        def starts() -> Iterator[tuple[int, Callable[[], Any]]]:
            for number, (start, stop) in enumerate(_spans(mined.negatives, count)):
                path = str((target / names[number]).absolute())
                yield number, partial(task.remote, shared, _part(mined.negatives, start, stop), path, format, about)

        for number, reference in outcomes(cluster, starts(), max(cluster.slots(), 1) + 1, Watch(cluster)):
            files[number] = cluster.ray.get(reference)
            bar.update(1)
    totals = {name: sum(file[name] for file in files) for name in ("rows", "pairs", "dropped_pairs")}
    manifest = {**_HOLDS, "format": format, **totals, "files": files}
    with atomic_write(target / MANIFEST) as file:
        file.write(json.dumps(manifest, indent=1).encode() + b"\n")
    (target / UNFINISHED).unlink()
    return manifest


def _own_files(folder: Path) -> list[Path]:
    """What this function wrote into a folder before, the manifest first; others' files are not written over."""
    begun = f".{UNFINISHED}."  # what a run leaves that was killed before anything else
    found = sorted(folder.iterdir(), key=lambda path: (path.name != MANIFEST, path.name))
    is_ours = any(_is_mark(folder / name) for name in (MANIFEST, UNFINISHED))
    for path in found:
        is_named_so = path.name.startswith(("part-", ".part-", f".{MANIFEST}.")) or path.name in (MANIFEST, UNFINISHED)
        if not path.is_file() or not (path.name.startswith(begun) or (is_ours and is_named_so)):
            raise ValueError(f"folder: {folder}: holds other files ({path.name!r}), expected an empty folder")
    return [path for path in found if path.name != UNFINISHED]


def _is_mark(path: Path) -> bool:
    """Whether a file says that the others beside it are rows in several files."""
    try:
        about = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and about.get("hardmine") == _HOLDS["hardmine"]


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

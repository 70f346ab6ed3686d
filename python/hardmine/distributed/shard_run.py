"""A file with what a search found in one shard of a corpus: checked whole, and merged with those of the other shards.

It has the safetensors layout (see `plumbing.container`): a run of the documents of the shard, which count from 0 and
have their names, the positives among them with their scores, and what was left out of the search. Its metadata hold
what all shards of one search have in common, and a checksum over everything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates, unflattened
from hardmine.nouns.positives import Positives
from hardmine.plumbing import container
from hardmine.primitives.merge import merge
from hardmine.store.shards import ShardError, checksum

KIND = "shard of a search"
LAYOUT = 1
"""Raised when what a file means changes: files of another number are never read."""
_RUN = ("offsets", "ids", "scores", "ranks")
_NAMED = {"query_ids": ("offsets", "data"), "document_ids": ("offsets", "data")}
_LABELS = ("offsets", "places", "scores", "ids")
_UNLIKE = "expected shards of one search"


class Labels(NamedTuple):
    """All labels of the collection by query, and the scores of those whose document is in the shard."""

    offsets: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    """Which of the labels have their document in the shard, rising."""
    ids: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


class ShardRun(NamedTuple):
    """What a search found in the documents start..stop of a corpus."""

    start: int
    stop: int
    run: Candidates
    """Of the documents of the shard: ids count from 0."""
    labels: Labels
    left_out: Mapping[str, npt.NDArray[np.int64]]
    """Documents of the corpus that were left out for each query, by reason."""
    common: Mapping[str, Any]
    """What all shards of one search have in common."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all."""
        arrays = {name: getattr(self.run, name) for name in _RUN if getattr(self.run, name) is not None}
        for name, parts in _NAMED.items():
            arrays |= {f"{name}.{part}": getattr(getattr(self.run, name), part) for part in parts}
        arrays |= {f"reasons.{name}": counts for name, counts in (self.run.reasons or {}).items()}
        arrays |= {f"labels.{name}": getattr(self.labels, name) for name in _LABELS}
        arrays |= {f"left_out.{name}": counts for name, counts in self.left_out.items()}
        about = {
            "layout": LAYOUT,
            "documents": [self.start, self.stop],
            "run": dict(self.run.metadata),
            "common": dict(self.common),
        }
        container.save(path, KIND, arrays, {**about, "checksum": checksum(KIND, LAYOUT, about, arrays)})


def load(path: str | os.PathLike[str]) -> ShardRun:
    """Map a file that `ShardRun.save` wrote, all of its bytes compared with the checksum.

    Raises
    ------
    ShardError
        It is truncated, damaged, of another kind or layout; the message begins with its path.
    OSError
        It cannot be read.
    """
    name = os.fspath(path)
    try:
        arrays, about = container.load(path, KIND)
    except ValueError as error:
        raise ShardError(str(error)) from None
    stated = about.pop("checksum", None)
    if about.get("layout") != LAYOUT:
        raise ShardError(f"{name}: layout {about.get('layout')!r}, expected {LAYOUT} (made by another release)")
    if checksum(KIND, LAYOUT, about, arrays) != stated:
        raise ShardError(f"{name}: damaged (its bytes do not match its checksum)")
    groups: dict[str, dict[str, Any]] = {"labels": {}, "left_out": {}, "": {}}
    for key, array in arrays.items():
        group, _, inner = key.partition(".")
        groups[group if group in groups else ""][inner if group in groups else key] = array
    run = Candidates(**unflattened(groups[""]), metadata=about["run"])
    start, stop = about["documents"]
    return ShardRun(start, stop, run, Labels(**groups["labels"]), groups["left_out"], about["common"])


def whole(shards: Sequence[ShardRun], names: Sequence[Path], *, num_threads: int | None = None) -> Candidates:
    """Merge all shards of one search into the run that one search of the whole corpus gives, byte for byte.

    Raises
    ------
    ValueError
        Two are of different searches, or hold the same documents, or some documents are in none.
    """
    order = sorted(range(len(shards)), key=lambda number: (shards[number].start, shards[number].stop))
    first = shards[order[0]]
    expected = 0
    for number in order:
        shard, name = shards[number], names[number]
        difference = _difference(shard.common, first.common)
        if difference is not None:
            raise ValueError(f"{name}: {difference} than in {names[order[0]]}, {_UNLIKE}")
        if shard.start != expected:
            wrong = "in no file" if shard.start > expected else "in two files"
            span = sorted((shard.start, expected))
            raise ValueError(f"{name}: documents {span[0]} to {span[1] - 1} are {wrong}, expected each in one")
        expected = shard.stop
    if expected != first.common["num_documents"]:
        raise ValueError(
            f"{names[order[-1]]}: documents {expected} to {first.common['num_documents'] - 1} are in no file, expected "
            "each in one"
        )
    parts = [shards[number] for number in order]
    found = merge(
        [part.run for part in parts], document_offsets=[part.start for part in parts], num_threads=num_threads
    )
    labels = first.labels
    ids = np.empty(int(labels.offsets[-1]), np.int64)
    scores = np.empty(ids.size, np.float32)
    for part in parts:
        ids[part.labels.places], scores[part.labels.places] = part.labels.ids, part.labels.scores
    left_out = {name: counts for name, counts in first.left_out.items() if counts.any()}
    return found.replace(
        reasons={**(found.reasons or {}), **left_out}, positives=Positives(labels.offsets, ids, scores)
    )


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """The first fact in which two searches differ."""
    for name in sorted({*found, *wanted}):
        if json.dumps(found.get(name)) != json.dumps(wanted.get(name)):
            return f"another {name.replace('_', ' ')}"
    return None

"""What a `NegativeDataset` is made of: named arrays and JSON-able settings, in memory or mapped from one file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.data.batch import COLUMNS
from hardmine.nouns.candidates import Candidates, unflattened
from hardmine.nouns.lists import REASONS
from hardmine.nouns.positives import Positives
from hardmine.nouns.strings import StringTable
from hardmine.plumbing import checks, container, ragged
from hardmine.plumbing.extras import is_a
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.limits import exclusions
from hardmine.primitives.teacher_ceilings import above_of_teachers, refuse_teachers
from hardmine.primitives.unlisted import unlisted
from hardmine.rules.draws import Draw, Popularity, Uniform, Weighted, Wrapping
from hardmine.rules.selection import Selection

KIND = "negative-dataset"
WHICH = ("sample", "first", "each")
_TYPES = {
    "offsets": "int64", "ids": "int64", "scores": "float32", "ranks": "int32", "anchor_scores": "float32",
    "data": "uint8", "groups": "int64", "items": "int64", "query_keys": "uint64", "document_keys": "uint64",
    "log_weights": "float64", "counts": "float64", "above": "bool", **dict.fromkeys(REASONS, "int64"),
}  # fmt: skip
"""Types of the arrays by the last part of their names: what is mapped again in a worker is taken as it is."""
Stamp = tuple[int, int]


class Parts(NamedTuple):
    """Arrays by name ("run.ids", "documents.data", ...) and settings."""

    arrays: dict[str, npt.NDArray[Any]]
    settings: dict[str, Any]

    def columns(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays whose names start with ``prefix.``, without it."""
        return {name[len(prefix) + 1 :]: array for name, array in self.arrays.items() if name.startswith(prefix + ".")}

    def table(self, prefix: str) -> StringTable:
        """The string table of that name, not checked again."""
        return StringTable._trusted(self.columns(prefix))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one memory-mappable file, whole or not at all."""
        container.save(path, KIND, self.arrays, self.settings)


def load(path: str | os.PathLike[str]) -> Parts:
    """Map a file written by `Parts.save` and check all of it."""
    parts = Parts(*container.load(path, KIND))
    try:
        check(parts)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"{os.fspath(path)}: malformed {KIND} ({error})") from None
    return parts


def reopen(path: str, stamp: Stamp) -> Parts:
    """Map a file that this process's parent has checked; only that it is still the same file is looked at."""
    if stamp_of(path) != stamp:
        raise ValueError(f"{path}: changed since the dataset was made; load it again")
    return Parts(*container.load(path, KIND))


def stamp_of(path: str) -> Stamp:
    """Size and time of change: what tells one version of a file from the next."""
    about = Path(path).stat()
    return about.st_size, about.st_mtime_ns


def check(parts: Parts) -> None:
    """Raise where arrays do not fit each other, or settings are missing or of another type."""
    settings = parts.settings
    for name in ("columns", "which_positive", "left_out", "selection"):
        if name not in settings:
            raise ValueError(f"settings: no {name!r}")
    for name, array in parts.arrays.items():
        wanted = _TYPES.get(name.rpartition(".")[2])
        if array.dtype.name != wanted:
            raise ValueError(f"{name}: {array.dtype.name}, expected {wanted or 'no such array'}")
    checks.choice("columns", settings["columns"], COLUMNS)
    checks.choice("which_positive", settings["which_positive"], WHICH)
    for reason, count in settings["left_out"].items():
        checks.integer(f"left_out[{reason!r}]", count)
    run, labels = _checked_run(parts), parts.columns("positives")
    positives = Positives(labels["offsets"], labels["ids"], labels.get("scores"))
    queries, documents = (StringTable(**parts.columns(name)) for name in ("queries", "documents"))
    _counts(run, positives, len(queries), len(documents))
    excluded = parts.columns("excluded")
    if excluded:
        offsets = checks.int64_vector("exclude offsets", excluded["offsets"], length=len(run) + 1)
        ids = checks.int64_vector("exclude ids", excluded["ids"])
        ragged.check_offsets(offsets, ids.size, "exclude offsets")
        _inside("exclude ids", ids, len(documents))
    for name, length in (
        ("groups", len(documents)), ("document_keys", len(documents)), ("query_keys", len(run)),
        ("log_weights", run.ids.size), ("counts", len(documents)), ("above", run.ids.size),
    ):  # fmt: skip
        if name in parts.arrays and parts.arrays[name].shape != (length,):
            raise ValueError(f"{name}: shape {parts.arrays[name].shape}, expected ({length},)")
    each = settings["which_positive"] == "each"
    units = positives.ids.size if each else len(run)
    items = parts.arrays.get("items", np.arange(units))
    _inside("items", checks.int64_vector("items", items), units)
    lacking = np.zeros(units, np.bool_) if each else np.diff(positives.offsets) == 0
    if lacking[items].any():
        raise ValueError(f"items: query {int(items[lacking[items].argmax()])} has no positive")
    selection = selection_of(parts)
    if selection.ceiling.teachers and "above" not in parts.arrays:
        raise ValueError(f"above: no such array, which the ceiling {selection.ceiling!r} needs")
    weights = parts.arrays.get("log_weights")
    if weights is not None:
        Weighted(weights)
    _refuse_lacking(run, positives, selection)


def _inside(name: str, numbers: npt.NDArray[np.int64], count: int) -> None:
    if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < count:
        raise ValueError(f"{name}: expected numbers below {count}")


def _checked_run(parts: Parts) -> Candidates:
    return Candidates(**unflattened(parts.columns("run")))


def run_of(parts: Parts) -> Candidates:
    """The candidates, not checked again."""
    return Candidates._trusted(unflattened(parts.columns("run")))


def gather(
    collection: Any,
    candidates: Any,
    selection: Any,
    *,
    positives: Any,
    which_positive: Any,
    document_groups: Any,
    exclude: Any,
    query_keys: Any,
    document_keys: Any,
    columns: str,
) -> Parts:
    """Collect what the constructor was given into checked parts."""
    if not isinstance(candidates, Candidates):
        raise TypeError(f"candidates: {type(candidates).__name__}, expected Candidates")
    if not isinstance(selection, Selection):
        raise TypeError(f"selection: {type(selection).__name__}, expected a Selection (or a recipe of hm.strategies)")
    if which_positive is None:
        which_positive = "each" if selection.positive_agg == "each" else "sample"
    checks.choice("which_positive", which_positive, WHICH)
    if is_a(collection, "hardmine.nouns.collection", "Collection"):
        collection._refuse_foreign(candidates)
        if positives is None:
            positives = collection.positives_under(candidates, scores=selection.needs_positive)
        if document_groups is None:
            document_groups = collection.document_groups
        if exclude is None and collection.ignore_identical_ids:
            exclude = collection.identical_ids()
        collection = (collection.query_texts, collection.document_texts)
    if not isinstance(collection, tuple) or len(collection) != 2:
        raise TypeError(
            f"collection: {type(collection).__name__}, expected a Collection or a pair (query texts, document texts)"
        )
    if not isinstance(positives, Positives):
        raise TypeError(f"positives: {type(positives).__name__}, expected Positives")
    queries, documents = (_table(name, t) for name, t in zip(("queries", "documents"), collection, strict=True))
    _counts(candidates, positives, len(queries), len(documents))
    _refuse_lacking(candidates, positives, selection)
    if selection.positive_agg == "each":
        refuse_teachers(
            selection.ceiling, "a loader has no ceiling of a name for each pair, expected positive_agg='min'"
        )

    arrays: dict[str, Any] = {"run.offsets": candidates.offsets, "run.ids": candidates.ids}
    arrays["run.scores"] = candidates.scores
    if candidates.ranks is not None:
        arrays["run.ranks"] = candidates.ranks
    if selection.ceiling.needs_anchor_scores and candidates.anchor_scores is not None:
        arrays["run.anchor_scores"] = candidates.anchor_scores
    above = above_of_teachers(candidates, positives, selection, thread_count(None))
    if above is not None:
        arrays["above"] = above
    for name in ("offsets", "ids", "scores"):
        if getattr(positives, name) is not None:
            arrays[f"positives.{name}"] = getattr(positives, name)
    for name, table in (("queries", queries), ("documents", documents)):
        arrays[f"{name}.offsets"], arrays[f"{name}.data"] = table.offsets, table.data
    if document_groups is not None:
        arrays["groups"] = checks.int64_vector("document_groups", document_groups, length=len(documents))
    extra = ragged.csr("exclude", exclude, len(candidates))
    if extra is not None or document_groups is not None:
        labels = positives.offsets, positives.ids
        offsets, ids, _ = exclusions(labels, extra, arrays.get("groups"), len(documents), thread_count(None))
        arrays |= {"excluded.offsets": offsets, "excluded.ids": ids}
    if selection.on_shortage == "fill":  # which must not bring back what left the lists
        has_groups, every = document_groups is not None, np.arange(len(candidates))
        left = unlisted(candidates, positives, extra, has_groups=has_groups, rows=every)
        arrays |= {f"run.reasons.{name}": counts for name, counts in left.items()}
    for name, keys, length in (
        ("query_keys", query_keys, len(queries)), ("document_keys", document_keys, len(documents)),
    ):  # fmt: skip
        if keys is not None:
            arrays[name] = checks.keys(name, keys, length)
    settings = {"which_positive": which_positive, "columns": columns, "left_out": {}}
    return _with_selection(Parts(arrays, settings), selection, candidates.ids.size)


def _counts(run: Candidates, positives: Positives, num_queries: int, num_documents: int) -> None:
    for name, found in (("candidates", len(run)), ("positives", len(positives))):
        if found != num_queries:
            raise ValueError(f"{name}: {found} queries, expected {num_queries} as in the collection")
    for name, ids in (("candidates", run.ids), ("positives", positives.ids)):
        highest = int(ids.max(initial=-1))
        if highest >= num_documents:
            raise ValueError(
                f"{name}: document {highest}, expected below {num_documents} (documents of the collection)"
            )


def _refuse_lacking(run: Candidates, positives: Positives, selection: Selection) -> None:
    """What every batch would stumble over is refused before the first."""
    if selection.ceiling.needs_anchor_scores and run.anchor_scores is None:
        raise ValueError(
            "candidates: no anchor_scores, which the ceiling Anchored needs; add them with anchor_scores()"
        )
    if not selection.needs_positive:
        return
    if positives.scores is None:
        raise ValueError(
            "positives: no scores, which this ceiling or draw needs; add them with Positives.with_scores()"
        )
    lacking = np.diff(positives.offsets) == 0
    if lacking.any():
        query = int(lacking.argmax())
        raise ValueError(f"positives: query {query} has no positive, but this ceiling or draw needs its score")


def _table(name: str, texts: Any) -> StringTable:
    """Any sequence of strings as a table; Arrow's large strings without a copy."""
    if isinstance(texts, (str, bytes)) or not hasattr(texts, "__iter__"):
        raise TypeError(f"{name}: {type(texts).__name__}, expected several strings")
    return StringTable.from_strings(texts, name)


def _innermost(draw: Draw) -> Draw:
    return _innermost(draw.draw) if isinstance(draw, Wrapping) else draw


def with_law(draw: Draw, law: Draw) -> Draw:
    """`draw` with another law below its bounds."""
    return draw._around(with_law(draw.draw, law)) if isinstance(draw, Wrapping) else law


def _with_selection(parts: Parts, selection: Selection, num_candidates: int) -> Parts:
    """Add the selection: its arrays among the arrays, the rest as settings."""
    arrays, settings = dict(parts.arrays), dict(parts.settings)
    law = _innermost(selection.draw)
    if isinstance(law, Weighted):
        if law.log_weights.size != num_candidates:
            raise ValueError(
                f"log_weights: length {law.log_weights.size}, expected {num_candidates} (the number of candidates)"
            )
        arrays["log_weights"] = law.log_weights
    elif isinstance(law, Popularity):
        num_documents = arrays["documents.offsets"].size - 1
        if law.counts.size != num_documents:
            raise ValueError(f"counts: length {law.counts.size}, expected {num_documents} (the number of documents)")
        arrays["counts"] = law.counts
        settings["alpha"] = law.alpha
    if isinstance(law, (Weighted, Popularity)):
        selection = selection.replace(draw=with_law(selection.draw, Uniform()))
    settings["selection"] = selection.to_dict()
    return Parts(arrays, settings)


def selection_of(parts: Parts) -> Selection:
    """The selection; the law `Weighted`, whose array has an entry for every candidate, stands as `Uniform`."""
    settings: Mapping[str, Any] = parts.settings
    selection = Selection.from_dict(settings["selection"])
    checks.choice("which_positive", settings["which_positive"], WHICH)
    if "counts" in parts.arrays:
        law = Popularity(parts.arrays["counts"], settings["alpha"])
        selection = selection.replace(draw=with_law(selection.draw, law))
    return selection

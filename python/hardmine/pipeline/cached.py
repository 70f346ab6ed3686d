"""Embeddings and candidates through a store: what it holds is taken, the rest is computed in shards and kept.

What a row is depends on nothing but what its key and its facts say, and, for embeddings, on the texts of its group: the
last bits of an embedding change with the texts that share its batch. So texts that the store lacks are cut into groups
by their number and length alone, and a shard holds whole groups: a run that was killed goes on with the groups that an
undisturbed one would have made.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import VERSION, take_rows
from hardmine.plumbing import arrays, checks
from hardmine.plumbing.progress import Progress
from hardmine.store import fingerprint
from hardmine.store.manifest import Store, opened
from hardmine.store.matrix import Matrix, assembled
from hardmine.store.rows import POLICIES, Rows

if TYPE_CHECKING:
    from hardmine.store.fingerprint import Keys

GROUP_TEXTS = 4_096
GROUP_BYTES = 2**20
"""A group ends with the text that brings it to so many texts, or bytes of them. Both are among the facts of a row."""
SHARD_SECONDS = 20.0
SHARD_BYTES = 2**26
"""A shard is written once it holds so much work, or so much."""
FIRST_QUERIES, FEWEST_QUERIES = 1_024, 256
"""Queries searched for the first shard, whose time says how many the others take, and the fewest of a shard."""
_COUNTED = ("above_ceiling", "below_floor", "nan", "excluded")

_Float32 = npt.NDArray[np.float32]
_Csr = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class Scanner(Protocol):
    """What can find the candidates of some queries."""

    def search_keys(self) -> tuple[dict[str, Any], Any]:
        """What candidates depend on besides the rest: facts of all queries, and a column with an entry for each."""
        ...

    def scan(
        self, k: int, *, ceiling: _Float32 | None, exclude: _Csr, queries: npt.NDArray[np.int64] | None = None
    ) -> Candidates:
        """The k best admissible documents of these queries."""
        ...


def checked_policy(policy: Any) -> str:
    """`policy` if it is one of a cache."""
    return checks.choice("cache_policy", policy, POLICIES)


def store_of(cache: Path | None, policy: str) -> AbstractContextManager[Store | None]:
    """The store that ``cache=`` names, to be held while it is used."""
    return nullcontext(None) if cache is None else opened(cache, policy, _say)


def checked_cache(cache: Any) -> Path | None:
    """The folder that ``cache=`` names, None where there is to be none."""
    if cache is None:
        return None
    if not isinstance(cache, (str, os.PathLike)) or not os.fspath(cache):
        raise TypeError(f"cache: {type(cache).__name__} {cache!r}, expected the path of a folder")
    return Path(cache)


def refuse_unknown(teacher: Any) -> None:
    """Raise where a store could not know the teacher again, before any work is done."""
    for what in ("queries", "documents"):
        if facts_of(teacher, what) is None and not hasattr(teacher, "embed_documents"):
            raise TypeError(f"teacher {teacher.name!r}: fingerprint None, expected that of its scores")


def facts_of(teacher: Any, what: str) -> dict[str, Any] | None:
    """What a store knows a teacher's rows by; None for one that looks them up.

    Raises
    ------
    TypeError, ValueError
        The teacher does not say, or says what JSON cannot hold.
    """
    found = getattr(teacher, "fingerprint", None)
    found, has_one = (found(what), True) if callable(found) else (found, found is not None)
    if found is None and has_one:
        return None
    if not isinstance(found, (str, Mapping)) or not found:
        raise TypeError(
            f"teacher {teacher.name!r}: fingerprint {found!r}, which a cache knows it by; expected an attribute or a "
            "method fingerprint that gives a string, or facts for JSON, that change whenever its scores do"
        )
    facts = {"fingerprint": found} if isinstance(found, str) else dict(found)
    try:
        fingerprint.spelt(facts)
    except (TypeError, ValueError) as error:
        raise type(error)(f"teacher {teacher.name!r}: {error}") from None
    return facts


# Embeddings


def embedding_rows(store: Store, teacher: Any, what: str, texts: Any) -> Rows | None:
    """The embeddings of texts that a store holds and lacks; None for a teacher that looks them up."""
    facts = facts_of(teacher, what)
    if facts is None:
        return None
    facts = {**facts, "texts": what, "group": [GROUP_TEXTS, GROUP_BYTES]}
    return store.rows(f"embeddings of {what}", "embeddings", facts, fingerprint.of_texts(texts))


def embed(store: Store | None, teacher: Any, what: str, texts: Any, *, progress: bool) -> Matrix:
    """Embeddings of ``"queries"`` or ``"documents"``, mapped from the store where there is one."""
    rows = embedding_rows(store, teacher, what, texts) if store is not None and len(texts) else None
    call = getattr(teacher, f"embed_{what}")
    if rows is None or store is None:
        return Matrix(call(texts, progress=progress))
    _say_reused(rows, f"embeddings of {what}", progress=progress)
    missing = rows.missing
    if missing.size:
        with Progress(f"embedding {what}", missing.size, enabled=progress) as bar:
            lacking = texts if missing.size == len(texts) else texts.take(missing)
            _embed_missing(rows, teacher, call, lacking, missing, bar)
    return assembled(rows, "embedding", store.folder)


def _embed_missing(
    rows: Rows, teacher: Any, call: Callable[..., Any], texts: Any, missing: npt.NDArray[np.int64], bar: Progress
) -> None:
    done: list[npt.NDArray[Any]] = []
    first, begun = 0, time.monotonic()
    for start, stop in groups(fingerprint.lengths_of(texts)):
        done.append(_embeddings(teacher, call(texts.slice(start, stop - start), progress=False), stop - start))
        bar.update(stop - start)
        is_full = time.monotonic() - begun >= SHARD_SECONDS or sum(part.nbytes for part in done) >= SHARD_BYTES
        if is_full or stop == missing.size:
            rows.add(missing[first:stop], {"row.embedding": np.concatenate(done)})
            first, begun, done = stop, time.monotonic(), []


def groups(lengths: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """First and last text of every group. A cut depends on what is before it alone, back to the cut before."""
    ends = np.cumsum(lengths)
    start = 0
    while start < ends.size:
        before = int(ends[start - 1]) if start else 0
        full = int(np.searchsorted(ends, before + GROUP_BYTES, side="left")) + 1
        stop = min(full, start + GROUP_TEXTS, ends.size)
        yield start, stop
        start = stop


def _embeddings(teacher: Any, found: Any, count: int) -> npt.NDArray[Any]:
    """What a teacher gave for a group, checked: nothing wrong may be kept."""
    name = f"teacher {teacher.name!r}"
    array, kind = arrays.matrix(name, found)
    if kind == "f64":
        raise TypeError(f"{name}: embeddings of dtype float64, expected float32, float16 or bfloat16")
    if len(array) != count:
        raise ValueError(f"{name}: {len(array)} embeddings, expected {count}")
    array = arrays.widen(array, kind) if kind == "bf16" else array
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: an embedding holds NaN or infinity, expected finite numbers")
    return array


# Candidates


def candidate_rows(store: Store, scanner: Scanner, k: int, ceiling: _Float32 | None, exclude: _Csr) -> Rows:
    """The candidates of all queries that a store holds and lacks."""
    facts, column = scanner.search_keys()
    facts = {**facts, "k": k, "hardmine": VERSION}
    count = exclude[0].size - 1
    bounds = np.full(count, np.inf, np.float32) if ceiling is None else ceiling
    keys: Keys = fingerprint.of_rows(count, column, bounds, exclude)
    return store.rows("candidates", "candidates", facts, keys)


def scan(
    store: Store | None, scanner: Scanner, k: int, *, ceiling: _Float32 | None, exclude: _Csr, progress: bool
) -> Candidates:
    """The k best admissible documents of every query, those of the store among them."""
    count = exclude[0].size - 1
    if store is None or not count:
        return scanner.scan(k, ceiling=ceiling, exclude=exclude)
    rows = candidate_rows(store, scanner, k, ceiling, exclude)
    _say_reused(rows, "candidates", progress=progress)
    missing = rows.missing
    if missing.size:
        with Progress("searching for queries", missing.size, enabled=progress) as bar:
            start, step = 0, FIRST_QUERIES
            while start < missing.size:
                some, begun = missing[start : start + step], time.monotonic()
                offsets, (ids,) = take_rows(exclude[0], [exclude[1]], some)
                bounds = None if ceiling is None else ceiling[some]
                rows.add(some, _columns(scanner.scan(k, ceiling=bounds, exclude=(offsets, ids), queries=some)))
                bar.update(some.size)
                start, step = start + some.size, _next_step(some.size, k, time.monotonic() - begun)
    return _candidates(rows)


def _next_step(queries: int, k: int, seconds: float) -> int:
    """Queries of the next shard, by what these took. Candidates do not depend on it."""
    most = SHARD_BYTES // (12 * (k + 4))
    return max(FEWEST_QUERIES, min(int(queries * SHARD_SECONDS / max(seconds, 1e-3)), most))


def _columns(found: Candidates) -> dict[str, npt.NDArray[Any]]:
    nothing, reasons = np.zeros(len(found), np.int64), found.reasons or {}
    counts = {f"row.{name}": reasons.get(name, nothing) for name in _COUNTED}
    return {"offsets": found.offsets, "list.id": found.ids, "list.score": found.scores, **counts}


def _candidates(rows: Rows) -> Candidates:
    offsets, lists = rows.lists({"id": np.int64, "score": np.float32})
    counts = [rows.column(name) for name in _COUNTED]
    return Candidates._from_native((offsets, lists["id"], lists["score"], *counts))


# What a user is told


def _say_reused(rows: Rows, what: str, *, progress: bool) -> None:
    counts = rows.counts
    if progress and counts.shards_reused:
        _say(f"{what}: {counts.rows_reused:,} in {counts.shards_reused:,} shards reused, {rows.missing.size:,} to do")


def _say(line: str) -> None:
    """A line on standard error: who waits should know for what, whether or not they see progress."""
    if sys.stderr is not None and not sys.stderr.closed:
        with suppress(OSError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

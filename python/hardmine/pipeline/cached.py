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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from hardmine.nouns.candidates import Candidates
from hardmine.nouns.lists import VERSION, take_rows
from hardmine.plumbing import arrays, checks, ragged
from hardmine.plumbing.progress import Progress, Reporting, is_shown, say
from hardmine.store import fingerprint
from hardmine.store.manifest import Store, looked_at, opened
from hardmine.store.matrix import Matrix, assembled
from hardmine.store.rows import POLICIES, Rows
from hardmine.teachers.protocol import DenseTeacher

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection

GROUP_TEXTS = 4_096
GROUP_BYTES = 2**20
"""A group ends with the text that brings it to so many texts, or bytes of them where the teacher does not say how many.
Both are among the facts of a row."""
SHARD_SECONDS = 20.0
SHARD_BYTES = 2**26
"""A shard is written once it holds so much work, or so much."""
FIRST_QUERIES, FEWEST_QUERIES = 1_024, 256
"""Queries searched for the first shard, whose time says how many the others take, and the fewest of a shard."""
MANY_SHARDS = 8
"""What is read anew for every search, such as documents that go to other machines, is read for so many at a time."""
_COUNTED = ("above_ceiling", "below_floor", "nan", "excluded")

_Float32 = npt.NDArray[np.float32]
_Csr = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
Facts: TypeAlias = dict[str, Any]
Span: TypeAlias = tuple[int, int]
"""First row, and the one behind the last."""
Columns: TypeAlias = dict[str, npt.NDArray[Any]]
Made: TypeAlias = Callable[[Iterable[Any]], Iterable[tuple[int, Columns]]]
"""Number and columns of each of some groups of texts, in any order."""
SearchKeys: TypeAlias = tuple[dict[str, Any], npt.NDArray[Any]]
"""What candidates depend on besides limits and k: facts of all queries, and a column with an entry for each."""


class Scanner(Protocol):
    """What can find the candidates of some queries."""

    takes_many: bool
    """Whether the queries of `MANY_SHARDS` of the store are searched at a time, however long they take."""

    def search_keys(self, kept: Kept) -> SearchKeys:
        """What `scan` depends on besides its arguments."""
        ...

    def scan(
        self, k: int, *, ceiling: _Float32 | None, exclude: _Csr, queries: npt.NDArray[np.int64] | None = None
    ) -> Candidates:
        """The k best admissible documents of these queries."""
        ...


class Kept(NamedTuple):
    """A store, and what it knows the rows of a teacher by."""

    store: Store
    facts: Facts
    """By "queries" and "documents"; None for embeddings that are looked up."""
    group_bytes: int
    """A group ends with the text that brings it to so many bytes."""


def checked_policy(policy: Any) -> str:
    """`policy` if it is one of a cache."""
    return checks.choice("cache_policy", policy, POLICIES)


def checked_cache(cache: Any) -> Path | None:
    """The folder that ``cache=`` names, None where there is to be none."""
    if cache is None:
        return None
    if not isinstance(cache, (str, os.PathLike)) or not os.fspath(cache):
        raise TypeError(f"cache: {type(cache).__name__} {cache!r}, expected the path of a folder")
    if "\0" in os.fsdecode(cache):
        raise ValueError(f"cache: {cache!r}, expected a path without NUL")
    return Path(cache)


@contextmanager
def keeping(folder: Path | None, policy: str, teacher: Any) -> Iterator[Kept | None]:
    """The store that ``cache=`` names, held while it is used; what cannot be kept is refused before it is opened."""
    if folder is None:
        yield None
        return
    facts, size = facts_of(teacher), group_bytes_of(teacher)
    with opened(folder, policy, say) as store:
        yield Kept(store, facts, size)


def looking_at(folder: Path | None, teacher: Any) -> Kept | None:
    """The store in a folder, to count in, empty where there is none yet. What cannot be kept is refused."""
    if folder is None:
        return None
    facts, size = facts_of(teacher), group_bytes_of(teacher)
    return Kept(looked_at(folder), facts, size)


def group_bytes_of(teacher: Any) -> int:
    """Bytes of texts that end a group."""
    size = getattr(teacher, "group_bytes", GROUP_BYTES)
    return checks.integer(f"teacher {teacher.name!r}: group_bytes", size, minimum=1)


def looks_up(kept: Kept | None, teacher: Any) -> bool:
    """Whether embeddings are looked up by row: there is nothing to keep.

    The fingerprint of a model is a digest of all of its weights, so without a store none is asked for that reads texts.
    """
    if kept is not None:
        return kept.facts["documents"] is None
    found = getattr(teacher, "fingerprint", "")
    return not getattr(teacher, "needs_texts", True) and callable(found) and found("documents") is None


def facts_of(teacher: Any) -> Facts:
    """What a store knows a teacher's rows by.

    Raises
    ------
    TypeError, ValueError
        The teacher does not say, or says what JSON cannot hold.
    """
    given = getattr(teacher, "fingerprint", None)
    found: Facts = {what: given(what) if callable(given) else given for what in ("queries", "documents")}
    if callable(given) and isinstance(teacher, DenseTeacher) and not any(value is not None for value in found.values()):
        return found
    return {what: known_by(f"teacher {teacher.name!r}", value, texts=what) for what, value in found.items()}


def known_by(whose: str, value: Any, **beside: str) -> Facts:
    """A fingerprint as facts, which must fit into the header of a shard with what stands `beside` them."""
    if not isinstance(value, (str, Mapping)) or not value:
        raise TypeError(
            f"{whose}: fingerprint {value!r}, by which a cache would know it; expected an attribute or a method that "
            "gives a string, or facts for JSON, that change whenever its scores do"
        )
    facts: Facts = {"fingerprint": value} if isinstance(value, str) else dict(value)
    try:
        fingerprint.spelt({"teacher": facts, **beside, "group": [GROUP_TEXTS, 2**63]})
    except (TypeError, ValueError) as error:
        raise type(error)(f"{whose}: fingerprint: {error}") from None
    return facts


# Embeddings


def embedding_rows(kept: Kept, what: str, texts: Any, kind: str = "embeddings") -> Rows | None:
    """The embeddings of texts that a store holds and lacks; None for a teacher that looks them up."""
    return None if kept.facts[what] is None else rows_of_keys(kept, what, fingerprint.of_texts(texts), kind)


def rows_of_keys(kept: Kept, what: str, keys: fingerprint.Keys, kind: str) -> Rows:
    """The embeddings of texts, known by their digests, that a store holds and lacks."""
    # A name of its own for what the teacher says: one of its facts may be called as one of ours.
    facts = {"teacher": kept.facts[what], "texts": what, "group": [GROUP_TEXTS, kept.group_bytes]}
    return kept.store.rows(f"{kind} of {what}", kind, facts, keys)


def lacking(texts: Any, rows: Rows) -> Any:
    """The texts whose embeddings are missing; not copied where that is all of them."""
    missing = rows.missing
    return texts if missing.size == len(texts) else texts.take(missing)


def embed(
    kept: Kept | None, teacher: Any, what: str, texts: Any, *, progress: Reporting, span: Span | None = None
) -> Matrix:
    """Embeddings of ``"queries"`` or ``"documents"``, mapped from the store where there is one.

    Those of a span of the texts are computed in the same groups as those of all: they are the same numbers.
    """
    rows = embedding_rows(kept, what, texts) if kept is not None and len(texts) else None
    if rows is None or kept is None:
        if span is not None and not looks_up(kept, teacher):
            texts, span = texts[slice(*span)], None
        found = getattr(teacher, f"embed_{what}")(texts, progress=progress)
        if what == "queries" and not looks_up(kept, teacher):
            is_held = sys.getrefcount(found) > _ALONE  # a line of its own: an argument would be one more
            found = _ours(found, is_held)
        _matrix(teacher, found)
        return Matrix(found if span is None else found[slice(*span)])
    keep_embeddings(
        kept, teacher, what, texts, rows, one_by_one(teacher, what, columns_of), progress=progress, span=span
    )
    if span is not None and span[0] == span[1]:
        return Matrix(columns_of(teacher, what, texts[:1])["row.embedding"][:0])  # their dtype and dimension
    return assembled(rows if span is None else rows.part(*span), "embedding", kept.store.folder)


def _alone() -> int:
    """References to what a local variable alone holds while it is asked for them: not the same in all interpreters."""
    found = np.empty(0)
    return sys.getrefcount(found)


_ALONE = _alone()


def _ours(found: Any, is_held: bool) -> Any:  # noqa: FBT001 - the caller counts
    """Embeddings that stay as they are when the teacher uses its buffer again: a copy, if it has or may have one."""
    if isinstance(found, np.ndarray):
        # One that is only to be read may be a view of what its owner writes, or the owner lifts the flag.
        return found if found.base is None and not is_held else found.copy()
    return found.clone() if hasattr(found, "clone") else np.array(np.asarray(found))


def columns_of(teacher: Any, what: str, texts: Any) -> Columns:
    """What a store keeps of the embeddings of a group of texts."""
    found = getattr(teacher, f"embed_{what}")(texts, progress=False)
    return {"row.embedding": np.array(_embeddings(teacher, found, len(texts)))}  # a teacher may use its buffer again


def one_by_one(teacher: Any, what: str, made: Callable[[Any, str, Any], Columns]) -> Made:
    """What makes the columns of groups of texts here, one after the other."""
    return lambda groups: ((number, made(teacher, what, texts)) for number, texts in enumerate(groups))


def keep_embeddings(
    kept: Kept,
    teacher: Any,
    what: str,
    texts: Any,
    rows: Rows,
    made: Made,
    *,
    progress: Reporting,
    span: Span | None = None,
    lengths: npt.NDArray[np.int64] | None = None,
) -> None:
    """Keep the embeddings that a store lacks, all of one form; see `keep_missing`."""
    form: tuple[int, np.dtype[Any]] | None = None

    def check(columns: Columns) -> None:
        nonlocal form
        array = columns["row.embedding"]
        form = form or (array.shape[1], array.dtype)
        if (array.shape[1], array.dtype) != form:
            raise ValueError(
                f"teacher {teacher.name!r}: embeddings of {array.shape[1]} {array.dtype} numbers, expected {form[0]} "
                f"{form[1]} ones as for the texts before"
            )

    keep_missing(kept, rows, "embeddings", what, texts, made, check, progress=progress, span=span, lengths=lengths)


def keep_missing(
    kept: Kept,
    rows: Rows,
    kind: str,
    what: str,
    texts: Any,
    made: Made,
    check: Callable[[Columns], None],
    *,
    progress: Reporting,
    span: Span | None = None,
    lengths: npt.NDArray[np.int64] | None = None,
) -> None:
    """Make the rows that a store lacks, group by group, and keep them in shards.

    `made` gives the columns of groups of texts, in any order; ``lengths`` among them are those of the rows of ``list.``
    columns. Of a `span` the groups that it touches are made, whole: what is left out are whole groups too, so that
    whoever makes the others, in whatever order, cuts them in the same places.

    In the place of `texts` may stand an array of the numbers that `made` knows them by, with the `lengths` of all.
    """
    _say_reused(rows, f"{kind} of {what}", progress=progress)
    missing = rows.missing
    if not missing.size:
        return
    wanted = lacking(texts, rows)
    sizes = fingerprint.lengths_of(wanted) if lengths is None else lengths[missing]
    cuts = list(groups(sizes, kept.group_bytes))
    if span is not None:
        is_needed = np.isin(missing, rows.firsts(*span))
        cuts = [(start, stop) for start, stop in cuts if is_needed[start:stop].any()]
    done: list[Columns] = []
    places: list[npt.NDArray[np.int64]] = []
    left, begun = len(cuts), time.monotonic()
    with Progress(f"embedding {what}", sum(stop - start for start, stop in cuts), progress) as bar:
        for number, columns in made(wanted[start:stop] for start, stop in cuts):
            check(columns)
            start, stop = cuts[number]
            left -= 1
            done.append(columns)
            places.append(missing[start:stop])
            bar.update(stop - start)
            size = sum(column.nbytes for part in done for column in part.values())
            if time.monotonic() - begun >= SHARD_SECONDS or size >= SHARD_BYTES or not left:
                columns = {name: np.concatenate([part[name] for part in done]) for name in done[0]}
                if "lengths" in columns:
                    columns["offsets"] = ragged.offsets_of(columns.pop("lengths"))
                rows.add(np.concatenate(places), columns)
                places, begun, done = [], time.monotonic(), []


def groups(lengths: npt.NDArray[np.int64], size: int) -> Iterator[tuple[int, int]]:
    """First and last text of every group. A cut depends on what is before it alone, back to the cut before."""
    ends = np.cumsum(lengths)
    start = 0
    while start < ends.size:
        before = int(ends[start - 1]) if start else 0
        full = int(np.searchsorted(ends, before + size, side="left")) + 1
        stop = min(full, start + GROUP_TEXTS, ends.size)
        yield start, stop
        start = stop


def _matrix(teacher: Any, found: Any) -> tuple[npt.NDArray[Any], str]:
    """What `arrays.matrix` gives, of an array; what is wrong is said of the teacher."""
    name = f"teacher {teacher.name!r}"
    if isinstance(found, (list, tuple)):
        raise TypeError(f"{name}: embeddings as a {type(found).__name__}, expected an array")
    return arrays.matrix(name, found)


def _embeddings(teacher: Any, found: Any, count: int) -> npt.NDArray[Any]:
    """What a teacher gave for a group, checked: nothing wrong may be kept."""
    name = f"teacher {teacher.name!r}"
    array, kind = _matrix(teacher, found)
    if kind == "f64":
        raise TypeError(f"{name}: embeddings of dtype float64, expected float32, float16 or bfloat16")
    if len(array) != count:
        raise ValueError(f"{name}: {len(array)} embeddings, expected {count}")
    array = arrays.widen(array, kind) if kind == "bf16" else array
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: an embedding holds NaN or infinity, expected finite numbers")
    return array


# Candidates


def embedding_keys(teacher: Any, queries: Matrix, documents: Matrix) -> SearchKeys:
    """Candidates of embeddings are known by the numbers alone, whatever these were made of."""
    about = {"similarity": teacher.similarity, "queries": queries.numbers.dtype.str, "documents": documents.digest}
    return {"scores": "embeddings", **about}, queries.numbers


def text_keys(kept: Kept, teacher: Any, collection: Collection) -> SearchKeys:
    """Candidates of a lexical teacher are known by its fingerprint and the texts."""
    documents = fingerprint.of_all_texts(collection.document_texts)
    # Its digits, for JSON has no infinities and no numbers of NumPy's.
    floor = None if teacher.floor is None else float(teacher.floor).hex()
    about = {"scores": kept.facts["documents"], "floor": floor, "documents": documents}
    return about, fingerprint.of_texts(collection.query_texts)


def candidate_rows(store: Store, known: SearchKeys, k: int, ceiling: _Float32 | None, exclude: _Csr) -> Rows:
    """The candidates of all queries that a store holds and lacks."""
    facts, column = known
    facts = {**facts, "k": k, "hardmine": VERSION}
    count = exclude[0].size - 1
    bounds = np.full(count, np.inf, np.float32) if ceiling is None else ceiling
    return store.rows("candidates", "candidates", facts, fingerprint.of_rows(count, column, bounds, exclude))


def scan(
    kept: Kept | None, scanner: Scanner, k: int, *, ceiling: _Float32 | None, exclude: _Csr, progress: Reporting
) -> Candidates:
    """The k best admissible documents of every query, those of the store among them."""
    count = exclude[0].size - 1
    if kept is None or not count:
        return scanner.scan(k, ceiling=ceiling, exclude=exclude)
    rows = candidate_rows(kept.store, scanner.search_keys(kept), k, ceiling, exclude)
    _say_reused(rows, "candidates", progress=progress)
    missing = rows.missing
    if missing.size:
        with Progress("searching for queries", missing.size, progress) as bar:
            most = most_queries(k)
            start, step = 0, most * MANY_SHARDS if scanner.takes_many else FIRST_QUERIES
            while start < missing.size:
                some, begun = missing[start : start + step], time.monotonic()
                offsets, (ids,) = take_rows(exclude[0], [exclude[1]], some)
                bounds = None if ceiling is None else ceiling[some]
                rows.add(some, _columns(scanner.scan(k, ceiling=bounds, exclude=(offsets, ids), queries=some)))
                bar.update(some.size)
                start += some.size
                if not scanner.takes_many:
                    step = _next_step(some.size, most, time.monotonic() - begun)
    return _candidates(rows)


def most_queries(k: int) -> int:
    """Queries whose candidates fill a shard."""
    return max(FEWEST_QUERIES, SHARD_BYTES // (12 * (k + 4)))


def _next_step(queries: int, most: int, seconds: float) -> int:
    """Queries of the next shard, by what these took. Candidates do not depend on it."""
    return max(FEWEST_QUERIES, min(int(queries * SHARD_SECONDS / max(seconds, 1e-3)), most))


def _columns(found: Candidates) -> dict[str, npt.NDArray[Any]]:
    nothing, reasons = np.zeros(len(found), np.int64), found.reasons or {}
    counts = {f"row.{name}": reasons.get(name, nothing) for name in _COUNTED}
    return {"offsets": found.offsets, "list.id": found.ids, "list.score": found.scores, **counts}


def _candidates(rows: Rows) -> Candidates:
    offsets, lists = rows.lists({"id": np.int64, "score": np.float32})
    return Candidates._from_native(
        {
            "offsets": offsets,
            "ids": lists["id"],
            "scores": lists["score"],
            "above_ceiling": rows.column("above_ceiling"),
            "below_floor": rows.column("below_floor"),
            "nan": rows.column("nan"),
            "excluded": rows.column("excluded"),
        }
    )


# What a user is told


def _say_reused(rows: Rows, what: str, *, progress: Reporting) -> None:
    counts = rows.counts
    if is_shown(progress) and counts.shards_reused:
        reused = f"{counts.rows_reused:,} reused (shards: {counts.shards_reused:,})"
        say(f"{what}: {reused}, {rows.missing.size:,} to do")

"""Embeddings made on a Ray cluster, into the store that a run on one machine keeps them in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hardmine.distributed import texts as far
from hardmine.distributed.actors import Given, by_actors, packed, unpacked
from hardmine.distributed.cluster import Cluster, Watch, connected, fetched, last_line
from hardmine.pipeline import cached, cached_sparse
from hardmine.pipeline.scorers import chosen, expect_collection, kind_of, loaded, texts_of
from hardmine.pipeline.sparse_scorers import SparseScorer
from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.plumbing.progress import Reporting, reporting, say
from hardmine.store.manifest import opened

if TYPE_CHECKING:
    from pathlib import Path

    import ray.data

    from hardmine.nouns.collection import Collection
    from hardmine.teachers import Teacher

_SIDES = ("queries", "documents")


def embed(
    collection: Collection,
    teacher: Teacher | str | Callable[[], Teacher],
    *,
    cache: str | os.PathLike[str],
    cache_policy: str = "refuse",
    progress: Reporting = True,
    num_actors: int | None = None,
    resources: Mapping[str, float] | None = None,
    address: str | None = None,
) -> dict[str, dict[str, int]]:
    """Embed the texts of a collection on a Ray cluster, into a cache.

    Ray Data passes the texts to actors that hold the teacher; this process keeps what they give. Where the cache has
    embeddings already, from here or from one machine, the rest is made: rows are the unit, not batches.

    Parameters
    ----------
    collection : Collection
    teacher : Teacher, str or callable
        What `hardmine.teachers.load` gives, or a name for it: loaded here and sent to every actor. Or a function
        without arguments that gives one, called by every actor and not here: where the actors have GPUs and this
        process has none.
    cache, cache_policy : path-like, str
        As for `hardmine.retrieve`, which finds the embeddings there. Only this process uses the folder.
    progress : bool or callable
        As for `hardmine.retrieve`.
    num_actors : int, optional
        Actors at the same time, at most. Default: as many as the cluster has room for.
    resources : mapping of str to float, optional
        What an actor asks of the cluster, as for `retrieve`: ``{"num_gpus": 1}``.
    address : str, optional
        As for `retrieve`.

    Returns
    -------
    dict
        For each side, shards and rows that were reused and that were computed.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong, the teacher makes no embeddings that a cache could keep, or they are none; or the cache
        holds a shard that is refused; or the teacher cannot be sent to the workers.
    OSError
        As for `retrieve`; or the cache cannot be written; or the process of the teacher died, also when it was started
        again five times; or the teacher could not be made or loaded there. What else the teacher raised is raised here,
        or one line of it where it cannot be sent.
    ModuleNotFoundError
        Ray is not installed.

    Notes
    -----
    An actor embeds whole groups of texts, those of a run on one machine (see ``docs/cache.md``), so that it makes the
    same numbers where processors, number of threads and versions are the same: Ray gives an actor as many threads as
    processors. What an actor had that was lost is made again by another. A killed run goes on from what was kept, at
    most 20 seconds or 64 MiB behind.
    """
    expect_collection(collection)

    def bound(known: Any) -> tuple[Any, Any]:
        return chosen(collection, known)

    options = _options(cache, cache_policy, progress, num_actors)
    with connected(address, resources) as cluster, _run(cluster, teacher, bound, options, collection.has_texts) as run:
        for what, texts in zip(_SIDES, texts_of(collection), strict=True):
            rows = cached.embedding_rows(run.kept, what, texts, run.about.kind) if len(texts) else None
            if rows is None:
                continue
            with by_actors(cluster, run.given(what), options.most, _strings) as made:
                run.keep(run.kept, run.about, what, texts, rows, made, progress=options.progress)
        return run.kept.store.report()


def _strings(group: Any) -> dict[str, Any]:
    pa = need("pyarrow", what="hardmine.distributed", extra="mine")
    return {"text": pa.array(group, pa.large_string())}


def embed_dataset(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | ray.data.Dataset,
    teacher: Teacher | str | Callable[[], Teacher],
    *,
    cache: str | os.PathLike[str],
    text: str = "text",
    title: str | None = None,
    what: str = "documents",
    cache_policy: str = "refuse",
    progress: Reporting = True,
    num_actors: int | None = None,
    resources: Mapping[str, float] | None = None,
    address: str | None = None,
) -> dict[str, dict[str, int]]:
    """Embed texts that the workers of a Ray cluster read, into a cache: `embed` without the texts in this process.

    This process holds some 150 bytes a text, whatever its length: a digest, its length, its place. The texts are in the
    object stores of the cluster until they are embedded, on their disks where they are more than fit.

    Parameters
    ----------
    source : path-like, sequence of path-like, or ray.data.Dataset
        Files with the suffix ``.jsonl`` or ``.parquet`` that all nodes see, folders of them, or patterns such as
        ``corpus/*.parquet``. Files are read in the order given; those of a folder or a pattern by path. Lines are read
        as `Collection.read` reads them. What lies elsewhere, or is packed, is a ``ray.data.Dataset``:
        ``ray.data.read_parquet("s3://...")``.
    teacher : Teacher, str or callable
        As for `embed`.
    cache, cache_policy : path-like, str
        As for `embed`. Texts are known by their digests: `hardmine.retrieve` with a collection of the same texts finds
        every embedding, in whatever order they stand there.
    text : str
        Column of the texts.
    title : str, optional
        Column of what goes before each: title, a blank and the text make the text of a document of `Collection.read`.
        Null, or nothing in a line, is no title: a name that no line of a ``.jsonl`` file has is not noticed.
    what : {"documents", "queries"}
        Which side of the teacher embeds them.
    progress : bool or callable
        As for `hardmine.retrieve`.
    num_actors, resources, address
        As for `embed`. Tasks that read ask for the same resources.

    Returns
    -------
    dict
        Shards and rows that were reused and that were computed.

    Raises
    ------
    TypeError, ValueError
        As in `embed`; or a column is missing or stands there twice, holds a null text or no strings, or there is no
        text at all.
    OSError
        As in `embed`; or no file is where one should be.
    ModuleNotFoundError
        Ray is not installed.

    Notes
    -----
    The bytes are those of `embed`, and of one machine with a cache, for a collection with these texts in this order:
    groups of texts follow from texts and their order alone, however files and blocks are cut. The blocks of a dataset
    are taken in its order. A run that was killed reads all texts again and embeds those alone that lack.
    """
    named = far.Named(_column("text", text), None if title is None else _column("title", title))
    side = checks.choice("what", what, _SIDES)
    options = _options(cache, cache_policy, progress, num_actors)
    found = far.source_of(source, named)

    def bound(known: Any) -> tuple[Any, Any]:
        known = loaded(known)
        return known, kind_of(known)

    with connected(address, resources) as cluster, _run(cluster, teacher, bound, options, has_texts=True) as run:
        texts = far.read(cluster, found, named, options.progress)
        if run.about.facts[side] is not None:
            rows = cached.rows_of_keys(run.kept, side, texts.keys, run.about.kind)
            numbers, shown, lengths = np.arange(len(texts.lengths)), options.progress, texts.lengths
            with by_actors(cluster, run.given(side, texts.blocks), options.most, texts.places) as made:
                run.keep(run.kept, run.about, side, numbers, rows, made, progress=shown, lengths=lengths)
        return run.kept.store.report()


def _column(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name}: {value!r}, expected the name of a column")
    return value


class _Options(NamedTuple):
    """What both functions take."""

    folder: Path
    policy: str
    progress: Reporting
    most: int | None


def _options(cache: Any, policy: Any, progress: Any, num_actors: Any) -> _Options:
    shown = reporting(progress)
    folder, policy = cached.checked_cache(cache), cached.checked_policy(policy)
    if folder is None:
        raise TypeError("cache: None, expected the path of a folder, in which embeddings are kept")
    most = None if num_actors is None else checks.integer("num_actors", num_actors, minimum=1)
    return _Options(folder, policy, shown, most)


class _Run(NamedTuple):
    """A teacher in a cluster, and the store that its embeddings go to."""

    kept: cached.Kept
    about: _About
    held: Any
    is_made_there: bool

    @property
    def keep(self) -> Callable[..., None]:
        """What keeps the rows that the store lacks."""
        return cached_sparse.keep_rows if self.about.is_sparse else cached.keep_embeddings

    def given(self, what: str, blocks: tuple[Any, ...] | None = None) -> Given:
        """What its actors are made of."""
        return Given(self.held, self.is_made_there, self.about.is_sparse, what, blocks)


@contextmanager
def _run(
    cluster: Cluster,
    teacher: Any,
    bound: Callable[[Any], tuple[Any, Any]],
    options: _Options,
    has_texts: bool,  # noqa: FBT001
) -> Iterator[_Run]:
    about: _About
    if callable(teacher) and (isinstance(teacher, type) or not hasattr(teacher, "name")):
        held, is_made_there = _sent(cluster, teacher), True
        found = fetched(cluster, cluster.remote(_described_there).remote(held, has_texts), Watch(cluster))
        if isinstance(found, bytes):
            raise unpacked(found)
        about = found
    else:
        known, kind = bound(teacher)
        held, is_made_there = _sent(cluster, known), False
        about = _about(known, is_sparse=kind is SparseScorer)
    with opened(options.folder, options.policy, say) as store:
        yield _Run(cached.Kept(store, about.facts, about.group_bytes), about, held, is_made_there)


def _sent(cluster: Cluster, teacher: Any) -> Any:
    """Reference to a teacher, or to what makes it, in the cluster."""
    try:
        return cluster.ray.put(teacher)
    except (TypeError, AttributeError, PicklingError) as error:
        name = getattr(teacher, "name", None) or getattr(teacher, "__name__", type(teacher).__name__)
        reason = last_line(error.__cause__ or error)
        raise TypeError(
            f"teacher {name!r}: cannot be sent to the workers ({reason}), expected one that pickles, or a function "
            "that makes one there"
        ) from None


class _About(NamedTuple):
    """What this process needs to know of a teacher."""

    name: str
    facts: cached.Facts
    group_bytes: int
    is_sparse: bool

    @property
    def kind(self) -> str:
        return cached_sparse.KIND if self.is_sparse else "embeddings"


def _described_there(make: Callable[[], Any], has_texts: bool) -> _About | bytes:  # noqa: FBT001 - a task is given it
    """What a task does: makes the teacher, and says what it is; or what that raised."""
    try:
        return _described(make(), has_texts=has_texts)
    except (Exception, SystemExit) as raised:
        return packed(raised)


def _described(teacher: Any, *, has_texts: bool) -> _About:
    try:
        kind = kind_of(teacher)
    except TypeError:
        name = type(teacher).__name__
        raise TypeError(f"teacher: the function gives {name}, expected what hm.teachers.load gives") from None
    if not has_texts and getattr(teacher, "needs_texts", True):
        raise ValueError(f"teacher {teacher.name!r}: reads texts, but the collection holds ids alone")
    return _about(teacher, is_sparse=kind is SparseScorer)


def _about(teacher: Any, *, is_sparse: bool) -> _About:
    if not is_sparse and not hasattr(teacher, "embed_documents"):
        raise ValueError(f"teacher {teacher.name!r}: makes no embeddings to keep, expected an encoder")
    facts = cached.facts_of(teacher)
    if all(value is None for value in facts.values()):
        raise ValueError(f"teacher {teacher.name!r}: its embeddings are looked up, expected an encoder")
    return _About(teacher.name, facts, cached.group_bytes_of(teacher), is_sparse)

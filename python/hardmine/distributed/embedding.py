"""Embeddings of a collection made on a Ray cluster, into the store that a run on one machine keeps them in."""

from __future__ import annotations

import io
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from hardmine.distributed.cluster import TICK, Cluster, Watch, connected, fetched
from hardmine.pipeline import cached, cached_sparse
from hardmine.pipeline.scorers import chosen, expect_collection, texts_of
from hardmine.pipeline.sparse_scorers import SparseScorer
from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.plumbing.progress import Reporting, reporting, say
from hardmine.store.manifest import opened

if TYPE_CHECKING:
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
        holds a shard that is refused.
    OSError
        As for `retrieve`; or the cache cannot be written.
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
    shown = reporting(progress)
    folder, policy = cached.checked_cache(cache), cached.checked_policy(cache_policy)
    if folder is None:
        raise TypeError("cache: None, expected the path of a folder, in which embeddings are kept")
    most = None if num_actors is None else checks.integer("num_actors", num_actors, minimum=1)
    with connected(address, resources) as cluster:
        about: _About
        if callable(teacher) and (isinstance(teacher, type) or not hasattr(teacher, "name")):
            held, is_made_there = cluster.ray.put(teacher), True
            described = cluster.remote(_described_there).remote(held, collection.has_texts)
            about = fetched(cluster, described, Watch(cluster))
        else:
            known, kind = chosen(collection, cast("Teacher | str", teacher))
            held, is_made_there = cluster.ray.put(known), False
            about = _about(known, is_sparse=kind is SparseScorer)
        with opened(folder, policy, say) as store:
            kept = cached.Kept(store, about.facts, about.group_bytes)
            for what, texts in zip(_SIDES, texts_of(collection), strict=True):
                rows = cached.embedding_rows(kept, what, texts, about.kind) if len(texts) else None
                if rows is None:
                    continue
                made = _on(cluster, (held, what, about.is_sparse, is_made_there), most)
                keep = cached_sparse.keep_rows if about.is_sparse else cached.keep_embeddings
                keep(kept, about, what, texts, rows, made, progress=shown)
            return store.report()


class _About(NamedTuple):
    """What this process needs to know of a teacher."""

    name: str
    facts: cached.Facts
    group_bytes: int
    is_sparse: bool

    @property
    def kind(self) -> str:
        return cached_sparse.KIND if self.is_sparse else "embeddings"


def _described_there(make: Callable[[], Any], has_texts: bool) -> _About:  # noqa: FBT001 - what a task is given
    """What a task does: makes the teacher, and says what it is."""
    from hardmine import teachers

    teacher = make()
    if not has_texts and getattr(teacher, "needs_texts", True):
        raise ValueError(f"teacher {teacher.name!r}: reads texts, but the collection holds ids alone")
    return _about(teacher, is_sparse=isinstance(teacher, teachers.SparseTeacher))


def _about(teacher: Any, *, is_sparse: bool) -> _About:
    if not is_sparse and not hasattr(teacher, "embed_documents"):
        raise ValueError(f"teacher {teacher.name!r}: makes no embeddings to keep, expected an encoder")
    facts = cached.facts_of(teacher)
    if all(value is None for value in facts.values()):
        raise ValueError(f"teacher {teacher.name!r}: its embeddings are looked up, expected an encoder")
    return _About(teacher.name, facts, cached.group_bytes_of(teacher), is_sparse)


class Embedder:
    """An actor that holds a teacher and embeds groups of texts."""

    def __init__(self, held: Any, what: str, is_sparse: bool, is_made_there: bool) -> None:  # noqa: FBT001
        import ray

        teacher = ray.get(held)
        self._teacher, self._what = (teacher() if is_made_there else teacher), what
        self._columns_of = cached_sparse.columns_of if is_sparse else cached.columns_of

    def __call__(self, batch: Any) -> dict[str, list[Any]]:
        """Number and columns, as the bytes of an .npz file, of each group in a batch; or what the teacher raised."""
        from ray import cloudpickle

        numbers = batch["group"].to_numpy()
        found: dict[str, list[Any]] = {"group": [], "columns": [], "error": []}
        for number in np.unique(numbers).tolist():
            places = np.flatnonzero(numbers == number)
            texts = batch["text"].take(places).combine_chunks()
            file, error = io.BytesIO(), b""
            try:
                columns: dict[str, Any] = self._columns_of(self._teacher, self._what, texts)
                np.savez(file, **columns)
            except Exception as raised:
                error = cloudpickle.dumps(raised)
            found["group"].append(number)
            found["columns"].append(file.getvalue())
            found["error"].append(error)
        return found


def _on(cluster: Cluster, given: tuple[Any, str, bool, bool], most: int | None) -> cached.Made:
    """What makes the columns of groups of texts on the cluster."""

    def made(groups: Iterable[Any]) -> Iterator[tuple[int, cached.Columns]]:
        pa = need("pyarrow", what="hardmine.distributed", extra="mine")
        watch = Watch(cluster)
        # Ray Data waits without a word where there is no room for an actor.
        fetched(cluster, cluster.remote(_is_placed).remote(), watch)
        data = need("ray.data", what="hardmine.distributed", extra="ray")
        context = data.DataContext.get_current().copy()
        context.enable_progress_bars = context.print_on_execution_start = False
        blocks = [
            pa.table({"group": np.full(len(texts), number), "text": pa.array(texts, pa.large_string())})
            for number, texts in enumerate(groups)
        ]
        actors = max(1, min(cluster.slots(), most or len(blocks), len(blocks)))
        with data.DataContext.current(context), _quiet():
            found = data.from_arrow(blocks).map_batches(
                Embedder,
                fn_constructor_args=given,
                batch_size=None,
                batch_format="pyarrow",
                compute=data.ActorPoolStrategy(min_size=1, max_size=actors),
                **cluster.options,
            )
            for row in _watched(found.iter_rows, watch):
                if row["error"]:
                    raise cluster.ray.cloudpickle.loads(row["error"])
                with np.load(io.BytesIO(row["columns"])) as columns:
                    yield int(row["group"]), dict(columns)

    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Ray Data logs of every execution: how far it is is shown as of any other run."""
    logger = logging.getLogger("ray.data")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _is_placed() -> bool:
    return True


def _watched(rows: Callable[[], Iterable[Any]], watch: Watch) -> Iterator[Any]:
    """What an iteration gives that may wait for ever: it runs in a thread, and is watched from here."""
    found: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=2)
    left = threading.Event()

    def put(kind: str, value: Any) -> None:
        while not left.is_set():
            with suppress(queue.Full):
                found.put((kind, value), timeout=TICK)
                return

    def run() -> None:
        try:
            for row in rows():
                put("row", row)
                if left.is_set():
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    threading.Thread(target=run, daemon=True, name="hardmine-ray-data").start()
    try:
        while True:
            try:
                kind, value = found.get(timeout=TICK)
            except queue.Empty:
                watch.idle(running=False)
                continue
            watch.moved()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        left.set()

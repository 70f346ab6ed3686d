"""Actors that hold a teacher and embed groups of texts, fed by Ray Data."""

from __future__ import annotations

import io
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np

from hardmine.distributed.cluster import TICK, Cluster, Watch, await_room
from hardmine.pipeline import cached, cached_sparse
from hardmine.plumbing.extras import need


class Given(NamedTuple):
    """What an actor is made of."""

    held: Any
    """Reference to the teacher, or to what makes it."""
    is_made_there: bool
    is_sparse: bool
    what: str
    """Which side the texts are."""
    blocks: tuple[Any, ...] | None = None
    """References to the texts; None where they are in the batches."""


class Embedder:
    """An actor that holds a teacher and embeds groups of texts."""

    def __init__(self, given: Given) -> None:
        import ray

        held = ray.get(given.held)
        self._teacher, self._what = (held() if given.is_made_there else held), given.what
        self._blocks = given.blocks
        self._columns_of = cached_sparse.columns_of if given.is_sparse else cached.columns_of

    def __call__(self, batch: Any) -> dict[str, list[Any]]:
        """Number and columns, as the bytes of an .npz file, of each group in a batch; or what the teacher raised."""
        from ray import cloudpickle

        numbers = batch["group"].to_numpy()
        found: dict[str, list[Any]] = {"group": [], "columns": [], "error": []}
        for number in np.unique(numbers).tolist():
            places = np.flatnonzero(numbers == number)
            file, error = io.BytesIO(), b""
            try:
                columns: dict[str, Any] = self._columns_of(self._teacher, self._what, self._texts(batch.take(places)))
                np.savez(file, **columns)
            except Exception as raised:
                error = cloudpickle.dumps(raised)
            found["group"].append(number)
            found["columns"].append(file.getvalue())
            found["error"].append(error)
        return found

    def _texts(self, batch: Any) -> Any:
        """The texts of a group, in their order: places rise."""
        if self._blocks is None:
            return batch["text"].combine_chunks()
        import pyarrow as pa
        import ray

        blocks, rows = batch["block"].to_numpy(), batch["row"].to_numpy()
        return pa.concat_arrays(
            [ray.get(self._blocks[block]).take(pa.array(rows[blocks == block])) for block in np.unique(blocks).tolist()]
        )


def by_actors(
    cluster: Cluster, given: Given, most: int | None, table_of: Callable[[Any], dict[str, Any]]
) -> cached.Made:
    """What makes the columns of groups of texts on the cluster.

    Parameters
    ----------
    given : Given
    most : int, optional
        Actors at a time.
    table_of : callable
        Gives the columns that an actor finds the texts of a group in.
    """

    def made(groups: Iterable[Any]) -> Iterator[tuple[int, cached.Columns]]:
        pa = need("pyarrow", what="hardmine.distributed", extra="mine")
        watch = Watch(cluster)
        # Ray Data waits without a word where there is no room for an actor.
        await_room(cluster, watch)
        data = need("ray.data", what="hardmine.distributed", extra="ray")
        context = data.DataContext.get_current().copy()
        context.enable_progress_bars = context.print_on_execution_start = False
        blocks = [
            pa.table({"group": np.full(len(group), number), **table_of(group)}) for number, group in enumerate(groups)
        ]
        actors = max(1, min(cluster.slots(), most or len(blocks), len(blocks)))
        with data.DataContext.current(context), quiet():
            found = data.from_arrow(blocks).map_batches(
                Embedder,
                fn_constructor_args=(given,),
                batch_size=None,
                batch_format="pyarrow",
                compute=data.ActorPoolStrategy(min_size=1, max_size=actors),
                **cluster.options,
            )
            for row in watched(found.iter_rows, watch):
                if row["error"]:
                    raise cluster.ray.cloudpickle.loads(row["error"])
                with np.load(io.BytesIO(row["columns"])) as columns:
                    yield int(row["group"]), dict(columns)

    return made


@contextmanager
def quiet() -> Iterator[None]:
    """Without what Ray Data logs of every execution: how far it is is shown as of any other run."""
    logger = logging.getLogger("ray.data")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def watched(rows: Callable[[], Iterable[Any]], watch: Watch) -> Iterator[Any]:
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

"""Actors that hold a teacher and embed groups of texts, fed by Ray Data."""

from __future__ import annotations

import inspect
import io
import itertools
import logging
import pickle
import queue
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from hardmine.distributed.cluster import RETRIES, TICK, Cluster, ClusterError, Watch, await_room, last_line
from hardmine.pipeline import cached, cached_sparse
from hardmine.plumbing.extras import need

_Rows: TypeAlias = Generator[tuple[int, cached.Columns], None, None]


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
        numbers = batch["group"].to_numpy()
        found: dict[str, list[Any]] = {"group": [], "columns": [], "error": []}
        for number in np.unique(numbers).tolist():
            places = np.flatnonzero(numbers == number)
            file, error = io.BytesIO(), b""
            try:
                columns: dict[str, Any] = self._columns_of(self._teacher, self._what, self._texts(batch.take(places)))
                np.savez(file, **columns)
            except BaseException as raised:  # one that ended the process would leave its actor to the garbage collector
                error = packed(raised)
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


def packed(raised: BaseException) -> bytes:
    """What the teacher raised, for `unpacked` in another process: not every exception pickles, or comes back whole."""
    from ray import cloudpickle

    dumped = b""
    if isinstance(raised, Exception):  # another would end the process that it comes to
        with suppress(Exception):
            dumped = cloudpickle.dumps(raised)
            cloudpickle.loads(dumped)
            return pickle.dumps((dumped, ""))
    return pickle.dumps((b"", f"{type(raised).__name__}: {last_line(raised)}"))


def unpacked(found: bytes) -> Exception:
    """What the teacher raised, or one line that says what it was."""
    from ray import cloudpickle

    dumped, line = pickle.loads(found)  # noqa: S301 - an actor of ours wrote it
    if not dumped:
        return ClusterError(f"ray: the teacher raised {line}")
    raised: Exception = cloudpickle.loads(dumped)
    return raised


@contextmanager
def by_actors(
    cluster: Cluster, given: Given, most: int | None, table_of: Callable[[Any], dict[str, Any]]
) -> Iterator[cached.Made]:
    """What makes the columns of groups of texts on the cluster; nothing of it is left at the end.

    Parameters
    ----------
    given : Given
    most : int, optional
        Actors at a time.
    table_of : callable
        Gives the columns that an actor finds the texts of a group in.
    """
    begun: list[_Rows] = []

    def made(groups: Iterable[Any]) -> _Rows:
        rows = _made(cluster, given, most, table_of, groups)
        begun.append(rows)
        return rows

    try:
        yield made
    finally:
        for rows in begun:
            rows.close()


def _made(
    cluster: Cluster,
    given: Given,
    most: int | None,
    table_of: Callable[[Any], dict[str, Any]],
    groups: Iterable[Any],
) -> _Rows:
    """Number and columns of each group, in any order; the dataset is made while somebody asks for the next."""
    pa = need("pyarrow", what="hardmine.distributed", extra="mine")
    # Ray Data waits without a word where there is no room for an actor.
    await_room(cluster, Watch(cluster))
    watch = Watch(cluster, "room for an actor, and a teacher whose process lives, in this time")
    data = need("ray.data", what="hardmine.distributed", extra="ray")
    context = data.DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    blocks = [
        pa.table({"group": np.full(len(group), number), **table_of(group)}) for number, group in enumerate(groups)
    ]
    actors = max(1, min(cluster.slots(), most or len(blocks), len(blocks)))
    died = cluster.ray.exceptions.ActorDiedError
    with data.DataContext.current(context), quiet():
        source = data.from_arrow(blocks)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that restarts are to be said elsewhere some day: see _restarts
            found = source.map_batches(
                Embedder,
                fn_constructor_args=(given,),
                batch_size=None,
                batch_format="pyarrow",
                compute=data.ActorPoolStrategy(min_size=1, max_size=actors),
                **_restarts(source.map_batches),
                **cluster.options,
            )
        try:
            for row in watched(found.iter_rows, watch, found.context):
                if row["error"]:
                    raise unpacked(row["error"])
                with np.load(io.BytesIO(row["columns"])) as columns:
                    yield int(row["group"]), dict(columns)
        except died as error:
            if getattr(error, "actor_init_failed", False):
                raise ClusterError(f"ray: an actor could not make or load the teacher: {last_line(error)}") from None
            raise ClusterError(
                f"ray: the process of the teacher died, also when started again {RETRIES} times ({_why(error)}); "
                "expected one that lives, with memory for its texts"
            ) from None


def _why(died: Exception) -> str:
    """What Ray says of the death of a process, between whose it was and its advice."""
    said = [line for line in str(died).splitlines()[1:] if line.strip() and not line.startswith("\t")]
    return last_line(said[0].partition(" Some common causes")[0]) if said else type(died).__name__


def _restarts(map_batches: Callable[..., Any]) -> dict[str, int]:
    """How often an actor and its work are started again: Ray Data does it for ever where nothing else is said.

    It deprecates that anything is said, and names no other way yet.
    """
    wanted = {"max_restarts": RETRIES, "max_task_retries": RETRIES}
    taken = inspect.signature(map_batches).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
    return wanted if takes_any or wanted.keys() <= taken.keys() else {}


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


class _Run(NamedTuple):
    """A dataset that is being made."""

    executors: list[Any]
    left: threading.Event
    """Whether nobody waits for it any more."""


_NUMBERS = itertools.count()
_RUNS: dict[int, _Run] = {}


class _Seen:
    """What Ray Data calls in this process while it makes a dataset: there is no other handle before the first row.

    The class is sent with the settings of the dataset, so that it holds a number alone.
    """

    number: int

    def before_execution_starts(self, executor: Any) -> None:
        """The dataset is about to be made."""
        _RUNS[self.number].executors.append(executor)

    def on_execution_step(self, executor: Any) -> None:  # noqa: ARG002 - Ray Data gives it
        """Ends what began when nobody waited for it any more."""
        if self.number not in _RUNS or _RUNS[self.number].left.is_set():
            raise RuntimeError("nobody waits for this dataset")

    def after_execution_succeeds(self, executor: Any) -> None:
        """Nothing is left to do."""

    def after_execution_fails(self, executor: Any, error: Exception) -> None:
        """Nothing is left to do."""


def watched(rows: Callable[[], Iterable[Any]], watch: Watch, context: Any) -> Iterator[Any]:
    """What a dataset gives, which may wait for ever: it runs in a thread, and is watched and ended from here.

    Parameters
    ----------
    context : ray.data.DataContext
        Of the dataset.
    """
    found: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=2)
    run_of_it = _Run([], threading.Event())
    left, number = run_of_it.left, next(_NUMBERS)
    _RUNS[number] = run_of_it

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

    before = context.custom_execution_callback_classes
    context.custom_execution_callback_classes = [*before, type("Seen", (_Seen,), {"number": number})]
    thread = threading.Thread(target=run, daemon=True, name="hardmine-ray-data")
    thread.start()
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
        context.custom_execution_callback_classes = before
        for executor in run_of_it.executors:
            executor.shutdown(force=True)
        thread.join(2 * TICK)
        if not thread.is_alive():
            del _RUNS[number]

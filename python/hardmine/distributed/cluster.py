"""A Ray cluster: connected to, asked what fits into it, and watched, so that nothing waits for ever."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeAlias

from hardmine.distributed.addresses import refuse_strange
from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.plumbing.progress import say

TICK = 2.0
"""Seconds after which somebody who waits looks at the cluster."""
SAID_EVERY = 30.0
PATIENCE_VARIABLE = "HARDMINE_RAY_PATIENCE"
"""Seconds to wait for a cluster in which nothing of ours runs or can run."""
_PATIENCE = 300.0
RETRIES = 5
"""How often a task is started again whose process or node was lost."""
_OF_RAY = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
_LEAST = {"num_cpus": 0.01, "memory": 1.0}
"""Of a task. More than a hundred processes for each processor would be none that a node can bear."""
_FINEST, _MOST = 1e-4, 2**63 // 10**4
"""Ray counts ten-thousandths in 64 bits: what is less is nothing to it, and what is more is less than nothing."""

Starter: TypeAlias = Callable[[], Any]


class ClusterError(OSError):
    """A cluster that has no room for the work, or lost more of it than could be made again."""


class Cluster(NamedTuple):
    """A cluster that this process is connected to, and what a task of ours asks of it."""

    ray: Any
    options: dict[str, Any]
    asked: dict[str, float]
    """By the cluster's names of resources."""

    @property
    def threads(self) -> int:
        """Threads of a task."""
        return max(1, int(self.asked["CPU"]))

    def slots(self) -> int:
        """Tasks that run at the same time."""
        return sum(
            int(min(node["Resources"].get(name, 0) / amount for name, amount in self.asked.items()))
            for node in self.nodes()
        )

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes that are alive."""
        return [node for node in self.ray.nodes() if node["Alive"]]

    def object_memory(self) -> int:
        """Bytes of objects that all nodes hold together."""
        return int(sum(node["Resources"].get("object_store_memory", 0) for node in self.nodes()))

    def remote(self, function: Callable[..., Any], **options: Any) -> Any:
        """A function as tasks, which are started again where their process or node is lost."""
        return self.ray.remote(function).options(**{**self.options, "max_retries": RETRIES, **options})


def asked_of(resources: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """The resources of a task, as Ray's options and by the cluster's names.

    Raises
    ------
    TypeError, ValueError
        They are no mapping of names to numbers above 0 that Ray can count.
    """
    if resources is not None and not isinstance(resources, Mapping):
        raise TypeError(f"resources: {type(resources).__name__}, expected a mapping such as {{'num_cpus': 2}}")
    given = {"num_cpus": 1, **(resources or {})}
    for name, amount in given.items():
        if not isinstance(name, str):
            raise TypeError(f"resources: {name!r}, expected names")
        if not name:
            raise ValueError("resources: an empty name, expected that of a resource")
        if not (name.isascii() and name.isprintable()):
            raise ValueError(f"resources: {name!r}, expected a name of printable ASCII characters")
        if name == "bundle":
            raise ValueError(f"resources: {name!r}, which Ray keeps to itself; expected another")
        if name in _OF_RAY.values() and name not in _OF_RAY:
            raise ValueError(f"resources: {name!r}, expected 'num_cpus' and 'num_gpus'")
        if name == "object_store_memory":
            raise ValueError(f"resources: {name!r}, which no task asks for; expected another")
        found = checks.real(f"resources[{name!r}]", amount)
        if found <= 0:
            raise ValueError(f"resources[{name!r}]: {amount}, expected more than 0")
        checks.real(f"resources[{name!r}]", amount, minimum=_LEAST.get(name, _FINEST), maximum=_MOST)
        if name == "num_gpus" and found > 1 and not found.is_integer():
            raise ValueError(f"resources[{name!r}]: {amount}, expected a whole number, or less than 1")
    given = {name: amount if type(amount) is int else float(amount) for name, amount in given.items()}
    asked = {_OF_RAY.get(name, name): float(amount) for name, amount in given.items()}
    options = {name: given[name] for name in _OF_RAY if name in given}
    custom = {name: amount for name, amount in given.items() if name not in _OF_RAY}
    return {**options, "resources": custom} if custom else options, asked


@contextmanager
def connected(address: str | None, resources: Any) -> Iterator[Cluster]:
    """The cluster at an address; by default the one that this process is connected to, else one of its own.

    A cluster that was started here ends here.

    Raises
    ------
    ModuleNotFoundError
        Ray is not installed.
    ClusterError
        There is no cluster at the address, this process is connected to another, or work was lost for good.
    """
    options, asked = asked_of(resources)
    if address is not None and not isinstance(address, str):
        raise TypeError(f"address: {address!r}, expected a string such as 'HOST:PORT'")
    patience()  # nonsense is said before a cluster is started
    ray = need("ray", what="hardmine.distributed", extra="ray")
    ours = _entered(ray, address)
    try:
        with _told(ray):
            yield Cluster(ray, options, asked)
    finally:
        if ours:
            _left(ray)


_guard = threading.Lock()
_over = threading.Event()
"""Set when the cluster that a thread was kept for has ended."""
_guests = 0
"""Calls in this process that use a cluster which one of them has started: the last one ends it."""


def _entered(ray: Any, address: str | None) -> bool:
    """Connect where this process is not connected; whether the connection is one of ours."""
    global _guests
    with _guard:
        if ray.is_initialized():
            _refuse_another(address, ray)
            _guests += _guests > 0
            return _guests > 0
        # Without an address Ray would take any cluster that was ever started on this machine.
        address = address or os.environ.get("RAY_ADDRESS") or "local"
        local = {"include_dashboard": False} if address == "local" else {}
        try:
            refuse_strange(address)
        except OSError as error:
            raise ClusterError(f"address: {address!r}: {_one_line(error)}, expected that of a Ray cluster") from None
        try:
            _start(ray, address=address, log_to_driver=False, logging_level="ERROR", **local)
        except (Exception, SystemExit) as error:  # of no class of its own where a node does not start in time
            raise ClusterError(f"address: {address!r}: {_one_line(error)}") from None
        _guests = 1
        return True


def _start(ray: Any, **options: Any) -> None:
    """Connect in a thread that lives as long as the cluster: the servers that Ray starts end with that thread."""

    def init() -> None:
        try:
            ray.init(**options)
        except BaseException:
            with suppress(Exception):
                ray.shutdown()  # what it had started already
            raise

    if threading.current_thread() is threading.main_thread():
        init()
        return
    begun, failed = threading.Event(), list[BaseException]()

    def keep() -> None:
        try:
            init()
        except BaseException as error:
            failed.append(error)
        begun.set()
        if not failed:
            _over.wait()

    _over.clear()
    threading.Thread(target=keep, name="hardmine-ray", daemon=True).start()
    begun.wait()
    if failed:
        raise failed[0]


def _left(ray: Any) -> None:
    """End a connection of ours when nobody uses it any more."""
    global _guests
    with _guard:
        _guests -= 1
        if not _guests:
            ray.shutdown()
            _over.set()


def _refuse_another(address: str | None, ray: Any) -> None:
    """Raise where an address is not that of the cluster that this process is connected to; hosts have many names."""
    if not address or address in ("auto", "local"):
        return
    if address.startswith("ray://") and ray.util.client.ray.is_connected():
        return  # through another port, of which nobody here knows
    there = ray.get_runtime_context().gcs_address
    host, colon, port = address.rpartition(":")
    is_plain = bool(colon) and port.isdecimal() and "/" not in host
    if not is_plain or port != there.rpartition(":")[2]:
        raise ClusterError(f"address: {address!r}, but this process is connected to {there!r}")


@contextmanager
def _told(ray: Any) -> Iterator[None]:
    """What a task raised as if it had been raised here; what became of the cluster in one line."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, ray.exceptions.UserCodeException):
            # A step of somebody's dataset; what it raised stands in the text alone, before what Ray makes of it.
            lines = str(error).partition("\n\nThe above exception")[0].splitlines()
            raise ClusterError(f"ray: a step of the dataset failed: {lines[-1].strip()}") from None
        if isinstance(cause, ray.exceptions.RayError) or not isinstance(cause, Exception):
            raise ClusterError(f"ray: {_one_line(cause)}") from None
        raise cause from None
    except ray.exceptions.RayError as error:
        raise ClusterError(f"ray: {type(error).__name__}: {_one_line(error)}") from None


def _one_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


_CODES = re.compile(r"\x1b\[[0-9;]*m")


def last_line(error: object) -> str:
    """The last line of what Ray says of an error, where the cause stands, without a terminal's colours."""
    lines = [line.strip() for line in _CODES.sub("", str(error)).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def patience() -> float:
    """Seconds to wait for a cluster in which nothing of ours runs or can run."""
    given = os.environ.get(PATIENCE_VARIABLE, "") or str(_PATIENCE)
    with suppress(ValueError):
        if 0 < float(given) < math.inf:
            return float(given)
    raise ValueError(f"{PATIENCE_VARIABLE}: {given!r}, expected a number of seconds above 0")


class Watch:
    """Sees to it that nobody waits for what cannot come.

    Parameters
    ----------
    cluster : Cluster
    expected : str
        What is said to lack where nothing comes.
    """

    def __init__(self, cluster: Cluster, expected: str = "room for a task") -> None:
        self._cluster, self._expected = cluster, expected
        self._patience = patience()
        self.moved()

    def moved(self) -> None:
        """Something has begun or ended."""
        self._since = self._said = time.monotonic()

    def idle(self, *, running: bool) -> None:
        """Nothing has come in a tick.

        Parameters
        ----------
        running : bool
            Whether tasks of ours are known to run: they may take as long as they need, unless no node is left that
            could run them again.

        Raises
        ------
        ClusterError
            Nothing runs, or could, for as long as patience lasts.
        """
        if running and self._cluster.slots():
            self.moved()
            return
        now = time.monotonic()
        waited = now - self._since
        if waited >= self._patience:
            raise ClusterError(
                f"ray: nothing has begun or ended for {waited:.0f} s: {self._state()}; expected {self._expected} (the "
                f"wait is set by {PATIENCE_VARIABLE})"
            )
        if now - self._said >= min(SAID_EVERY, self._patience / 2):
            self._said = now
            say(f"ray: nothing has begun or ended for {waited:.0f} s: {self._state()}")

    def _state(self) -> str:
        free = self._cluster.ray.available_resources()
        nodes = self._cluster.nodes()
        parts = []
        for name, amount in self._cluster.asked.items():
            largest = max((node["Resources"].get(name, 0) for node in nodes), default=0)
            parts.append(
                f"{name} {amount:g} per task, at most {largest:g} on a node, {free.get(name, 0):g} free in all"
            )
        return f"{len(nodes)} nodes; " + ", ".join(parts)


BEGUN = b"begun"
"""What a task gives first, so that one that runs can be told from one that waits for its place."""


def outcomes(
    cluster: Cluster, starts: Iterable[tuple[Any, Starter]], window: int, watch: Watch
) -> Iterator[tuple[Any, Any]]:
    """Start tasks, so many at a time, and give key and reference of each that is done, in any order.

    Parameters
    ----------
    starts : iterable of (key, callable)
        The callable starts a task that gives `BEGUN` and then its result.
    """
    for key, (reference,) in several_outcomes(cluster, starts, window, watch, 1):
        yield key, reference


def several_outcomes(
    cluster: Cluster, starts: Iterable[tuple[Any, Starter]], window: int, watch: Watch, count: int
) -> Iterator[tuple[Any, list[Any]]]:
    """As `outcomes`, of tasks that give so many results.

    One start more than the window holds is got ready, so that what it puts into the cluster is there in time. It is
    called once there is room, when what was given has been used.
    """
    ray, keys, begun = cluster.ray, dict[Any, Any](), dict[Any, list[Any]]()
    starts = iter(starts)
    try:
        ready_to_start = next(starts, None)
        while True:
            while len(keys) < window and ready_to_start is not None:
                key, start = ready_to_start
                keys[start()] = key
                ready_to_start = next(starts, None)
            if not keys:
                return
            ready, _ = ray.wait(list(keys), timeout=TICK, fetch_local=False)
            if not ready:
                watch.idle(running=bool(begun))
                continue
            watch.moved()
            for task in ready:
                found = next(task, None)
                if found is None:  # it failed: the last that it gave is no result, and raises what it raised
                    ray.get(begun[task][-1])
                    raise AssertionError("a task that gave too little has not failed")
                if task not in begun:
                    begun[task] = []
                    ray.get(found)  # raises where it could not even begin
                    continue
                begun[task].append(found)
                if len(begun[task]) == count:
                    yield keys.pop(task), begun.pop(task)
    finally:
        for task in keys:
            with suppress(Exception):
                ray.cancel(task, force=True)


def fetched(cluster: Cluster, reference: Any, watch: Watch) -> Any:
    """What a reference stands for, once it is there."""
    while True:
        ready, _ = cluster.ray.wait([reference], timeout=TICK)
        if ready:
            watch.moved()
            return cluster.ray.get(reference)
        watch.idle(running=False)


def await_room(cluster: Cluster, watch: Watch) -> None:
    """Wait until a task has found its place, or patience ends."""
    fetched(cluster, cluster.remote(_is_placed).remote(), watch)


def _is_placed() -> bool:
    return True

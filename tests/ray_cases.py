"""What the scripts of the tests on a cluster share: clusters, work that dies or dawdles, collections."""

import os
import shutil
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")

import numpy as np
import ray

import hardmine as hm
from hardmine.pipeline import cached
from tests import shard_cases
from tests.shard_cases import SELECTION, SHARDS, teacher_of  # noqa: F401 - for the scripts
from tests.store_job import Toy

STORE = 80_000_000


@contextmanager
def cluster(num_cpus=2):
    """A cluster of this machine, of so many processes at a time."""
    for left in reversed(range(3)):
        try:
            ray.init(
                "local",  # not one that another test has started
                num_cpus=num_cpus,
                include_dashboard=False,
                object_store_memory=STORE,
                log_to_driver=False,
                logging_level="ERROR",
            )
            break
        except Exception as error:  # Ray gives a node 30 seconds, which a busy machine may not have
            if not left or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
    try:
        yield ray
    finally:
        ray.shutdown()


class _Second:
    """The second node of a cluster, which can be lost."""

    def __init__(self, nodes, node):
        self._nodes, self._node, self.begun = nodes, node, None

    def lose(self):
        self.begun = time.monotonic()
        self._nodes.remove_node(self._node, allow_graceful=False)

    def is_lost(self, patience=60):
        """Whether the cluster knows that it is lost, which takes some seconds."""
        until = time.monotonic() + patience
        while time.monotonic() < until and sum(node["Alive"] for node in ray.nodes()) > 1:
            time.sleep(0.2)
        return sum(node["Alive"] for node in ray.nodes()) == 1


@contextmanager
def two_nodes():
    """A cluster of two nodes with a processor each; gives the second."""
    from ray.cluster_utils import Cluster

    settings = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=settings)
    second = nodes.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield _Second(nodes, second)
    finally:
        ray.shutdown()
        nodes.shutdown()


def take_all(ray):
    """Actors of somebody else on every processor."""

    @ray.remote(num_cpus=1)
    class Idle:
        def is_there(self):
            return True

    actors = [Idle.remote() for _ in range(int(ray.cluster_resources()["CPU"]))]
    ray.get([actor.is_there.remote() for actor in actors])
    return actors


def case(folder, kind):
    """A collection and a teacher."""
    if not (folder / "collection").exists():
        shard_cases.collection_in(folder)
    collection = hm.Collection.read(folder / "collection", ignore_identical_ids=True)
    return collection, teacher_of(kind, collection)


def large(num_documents, dimension):
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal((rows, dimension), dtype=np.float32) for rows in (20, num_documents))


def by_ids(queries, documents):
    """A collection without texts and its embeddings as a teacher."""
    labels = hm.Positives(np.arange(len(queries) + 1), np.arange(len(queries)) % len(documents))
    collection = hm.Collection.from_ids(range(len(queries)), range(len(documents)), labels)
    return collection, hm.teachers.precomputed(queries, documents)


def blocks_of(queries):
    """Cut queries into blocks of so many."""
    cached.FEWEST_QUERIES = cached.FIRST_QUERIES = queries
    cached.SHARD_BYTES, cached.MANY_SHARDS = 0, 1


def without_candidates(cache):
    """A copy of a cache that holds embeddings alone."""
    copy = cache.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(cache, copy)
    shutil.rmtree(copy / "candidates", ignore_errors=True)
    return copy


def same(one, other):
    """Whether two runs, or negatives, are saved as the same bytes."""
    paths = [Path(f"/tmp/{os.getpid()}-{name}") for name in ("one", "other")]
    try:
        for path, found in zip(paths, (one, other), strict=True):
            found.save(path)
        return paths[0].read_bytes() == paths[1].read_bytes()
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def dying_once(function, flag):
    """Work whose process is killed the first time; a generator where the work is one."""
    import inspect

    def die():
        try:
            flag.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    if inspect.isgeneratorfunction(function):

        def work(*arguments):
            found = function(*arguments)
            yield next(found)
            die()
            yield from found

        return work

    def call(*arguments):
        die()
        return function(*arguments)

    return call


def slowly(function, seconds, folder):
    """Work that takes its time, and leaves a file for each time that it is done."""

    def work(*arguments):
        found = function(*arguments)
        yield next(found)
        time.sleep(seconds)
        (folder / f"ran-{time.time_ns()}").touch()
        yield from found

    return work


def after_files(folder, name, count, action):
    """Do something once so many files are there, in a thread."""

    def wait():
        while len(list(folder.glob(f"{name}-*"))) < count:
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def small_groups():
    """Cut texts into groups of a few, each a shard."""
    cached.GROUP_TEXTS, cached.SHARD_SECONDS = 16, 0.0


def keep_every_other(cache, copy):
    """A copy of a cache that lacks every other shard of embeddings, and all candidates."""
    shutil.copytree(cache, copy)
    shutil.rmtree(copy / "candidates")
    for folder in (copy / "embeddings").iterdir():
        for number, shard in enumerate(sorted(folder.iterdir())):
            if number % 2:
                shard.unlink()


class Dying(Toy):
    """Ends the process of an actor once."""

    def __init__(self, flag):
        super().__init__()
        self.flag = flag

    def embed_documents(self, texts, *, progress=False):
        if not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed_documents(texts, progress=progress)


class Wrong(Toy):
    """Gives what is no embedding."""

    def embed_queries(self, texts, *, progress=False):
        return super().embed_queries(texts, progress=progress) * np.float32(np.nan)

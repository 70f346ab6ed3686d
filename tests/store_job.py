"""Jobs that are killed: a toy teacher whose embeddings depend on their batch, small shards, moments for a kill."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import numpy as np

import hardmine as hm
from hardmine.pipeline import cached
from hardmine.store import matrix, rows


class Toy:
    """Embeds a text by its digest, and, as real models do in the last bits, by what shares its batch."""

    name = "toy"
    similarity = "cosine"

    def __init__(self, *, prompt="", weights=0, dimension=8):
        self.prompt, self.weights, self.dimension = prompt, weights, dimension
        self.seen = {"queries": [], "documents": []}

    def fingerprint(self, what):
        return {"toy": self.weights, "prompt": self.prompt if what == "queries" else ""}

    def embed_queries(self, texts, *, progress=False):  # noqa: ARG002
        return self._embed("queries", texts, self.prompt)

    def embed_documents(self, texts, *, progress=False):  # noqa: ARG002
        return self._embed("documents", texts, "")

    def _embed(self, what, texts, prompt):
        texts = [prompt + text for text in texts.to_pylist()]
        self.seen[what] += texts
        batch = self._numbers("".join(texts)) * np.float32(1e-5)
        rows = [self._numbers(text) + batch for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.dimension)

    def _numbers(self, text):
        digest = hashlib.blake2b(f"{self.weights}{text}".encode(), digest_size=2 * self.dimension).digest()
        return np.frombuffer(digest, dtype=np.uint16).astype(np.float32) / 2**15 - 1


def load_libraries():
    """Import what jobs import as they go, and compute nothing: else each child of a fork imports it for itself."""
    import bm25s  # noqa: F401
    import pyarrow as pa

    pa.scalar("")  # brings pandas in, where there is one


def small_shards(pause=0.0):
    """Cut the work into shards of some rows, with a pause after each, and hold no embeddings in memory."""
    cached.GROUP_TEXTS, cached.SHARD_SECONDS = 16, 0.0
    cached.FIRST_QUERIES = cached.FEWEST_QUERIES = 5
    matrix.IN_MEMORY = 0
    add = rows.Rows.add

    def slowly(*arguments):
        add(*arguments)
        time.sleep(pause)

    rows.Rows.add = slowly


def teacher_of(kind):
    if kind == "toy":
        return Toy()
    if kind == "bm25":
        return "bm25"
    return hm.teachers.load(kind)


def job(kind, collection, cache, output):
    """Mine into a folder: training rows, their side file, and the run."""
    mined = hm.mine(
        hm.Collection.read(collection),
        teacher_of(kind),
        hm.Selection(3, ceiling=hm.PercPos(0.95), draw=hm.Softmax(0.2), seed=1),
        k=12,
        cache=cache,
        num_threads=2,
        progress=False,
    )
    mined.candidates.save(Path(output) / "run.hm")
    mined.write(Path(output) / "rows.jsonl", scores=True)


def killing_at(step):
    """Kill this process at the step-th change that reaches the disk: before it is flushed, renamed, or just after."""
    count = 0

    def counted(function):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    os.fsync, Path.replace, Path.chmod = counted(os.fsync), counted(Path.replace), counted(Path.chmod)


def forked(run, kill_when=None, patience=200):
    """Run in a child of this process, killed once `kill_when()` holds where it is given; its exit status or signal."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(patience)
            run()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    ended, status = 0, 0
    while kill_when is not None and not ended:
        if kill_when():
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.001)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def moment(rng, cache, spread):
    """A random moment: after some more shards, and some time that is up to `spread` seconds."""
    shards, begun = len(shards_in(cache)) + int(rng.integers(0, 3)), None
    delay = rng.uniform(0, spread)

    def has_come():
        nonlocal begun
        if begun is None and len(shards_in(cache)) >= shards:
            begun = time.monotonic()
        return begun is not None and time.monotonic() - begun >= delay

    return has_come


def shards_in(cache):
    """Every finished shard, and what would change if it were written again."""
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in Path(cache).rglob("*.shard")}


def shard_bytes(cache):
    """The content of every finished shard by its path inside the cache."""
    return {str(path.relative_to(cache)): path.read_bytes() for path in Path(cache).rglob("*.shard")}


def bytes_in(folder):
    """The files of a folder, without what a kill left of files that were being written."""
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.name[0] != "."}


def killed_until_done(run, cache, rng, *, kills, spread):
    """Kill a job at random moments, then let it end; how often it was killed, and how many shards that left."""
    killed = 0
    for _ in range(kills):
        before = shards_in(cache)
        status = forked(run, moment(rng, cache, spread))
        assert status in (0, -signal.SIGKILL), status
        killed += status == -signal.SIGKILL
        assert before.items() <= shards_in(cache).items(), "a finished shard was written again"
    before = shards_in(cache)
    assert forked(run) == 0
    after = shards_in(cache)
    assert before.items() <= after.items(), "a finished shard was written again"
    report = json.loads((Path(cache) / "last-run.json").read_text())
    assert sum(stage["shards_reused"] for stage in report.values()) == len(before), (report, len(before))
    assert sum(stage["shards_computed"] for stage in report.values()) == len(after) - len(before)
    assert not list(Path(cache).rglob(".*.part"))
    return killed, len(before)

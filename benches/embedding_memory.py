"""Memory of an actor that embeds and of the process that calls, against the formulas of `docs/scale.md`.

    python benches/embedding_memory.py [--texts 80000] [--bytes 200] [--dimension 384]

The teacher gives numbers that cost nothing, so that what grows is what the library holds; a model's own memory comes
on top. Texts are lines of a file that tasks read. Anonymous memory of each process is read all the while, and what is
shown is the most of it less what there was before the first group.
"""

import argparse
import json
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import ray

import hardmine as hm
from hardmine.pipeline import cached


def anonymous():
    """Bytes of this process that no file and no object store is behind."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


class Most(threading.Thread):
    """The most that this process holds, kept in a file beside what it held at first."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.first = self.most = anonymous()
        self.path = path

    def run(self):
        part = self.path.with_suffix(".part")
        while self.path.parent.is_dir():
            self.most = max(self.most, anonymous())
            with suppress(OSError):  # the folder goes at the end
                part.write_text(f"{self.first} {self.most}")
                part.replace(self.path)
            time.sleep(0.002)


class Cheap:
    """Gives numbers without a model, and has the process watched."""

    name, similarity = "cheap", "dot"

    def __init__(self, folder, dimension):
        self.folder, self.dimension, self.most = folder, dimension, None

    def fingerprint(self, what):
        return {"cheap": self.dimension, "texts": what}

    def embed_documents(self, texts, *, progress=False):  # noqa: ARG002
        if self.most is None:
            self.most = Most(self.folder / f"actor-{time.monotonic_ns()}")
            self.most.start()
        time.sleep(0.1)
        return np.full((len(texts), self.dimension), 0.5, np.float32)

    embed_queries = embed_documents


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=80_000)
    parser.add_argument("--bytes", type=int, default=200)
    parser.add_argument("--dimension", type=int, default=384)
    given = parser.parse_args()
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / "texts.jsonl").open("w") as file:
            for number in range(given.texts):
                file.write(json.dumps({"text": f"{number:>{given.bytes}}"}) + "\n")
        small = folder / "small.jsonl"
        small.write_text('{"text": "what is imported once is in memory before"}\n')
        (folder / "first").mkdir()
        hm.distributed.embed_dataset(small, Cheap(folder / "first", 8), cache=folder / "small", progress=False)
        caller = Most(folder / "caller")
        caller.start()
        teacher = Cheap(folder, given.dimension)
        hm.distributed.embed_dataset(folder / "texts.jsonl", teacher, cache=folder / "cache", progress=False)
        group = min(cached.GROUP_TEXTS, -(-cached.GROUP_BYTES // given.bytes))
        size = 4 * given.dimension * group
        said = {
            "actor": 2 * group * given.bytes + 6 * size,
            "caller": 2 * cached.SHARD_BYTES + 6 * size + 150 * given.texts,
        }
        for kind, formula in said.items():
            for path in sorted(path for path in folder.glob(f"{kind}*") if not path.suffix):
                first, most = map(int, path.read_text().split())
                print(f"{kind}: {(most - first) / 1e6:.0f} MB more than the {first / 1e6:.0f} MB before; "
                      f"by the formula at most {formula / 1e6:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()

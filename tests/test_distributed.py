"""Searches on a Ray cluster of several processes: the bytes of one process, whatever is lost on the way.

Every cluster is started by a process of its own, under a limit of time: a hang is a failure, and nothing of a cluster
is left in the process of the tests.
"""

import json
import sys

import pytest

from tests.ray_script import script

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="processes are killed as POSIX kills them"),
    pytest.mark.timeout(300),
]
pytest.importorskip("ray")
pytest.importorskip("pyarrow")
pytest.importorskip("bm25s")


def test_any_number_of_shards_gives_the_bytes_of_one_process(tmp_path):
    """Of every kind of teacher, with ceilings, exclusions and draws, through a cache and without; in any blocks."""
    out = script(
        tmp_path,
        """
with cases.cluster():
    for kind in ("precomputed", "bm25", "toy"):
        collection, teacher = cases.case(folder, kind)
        caches = [None] if kind != "toy" else [folder / "cache"]
        for cache in caches:
            one = hm.retrieve(collection, teacher, 12, cache=cache, progress=False)
            mined = hm.mine(collection, teacher, cases.SELECTION, cache=cache, progress=False)
            for shards in cases.SHARDS:
                for block in (5, 10**6):
                    cases.blocks_of(block)
                    cases.cached.MANY_SHARDS = 3  # so that one search has several blocks
                    # What one process kept would be found again; embeddings are shared.
                    fresh = None if cache is None else cases.without_candidates(cache)
                    many = hm.distributed.retrieve(
                        collection, teacher, 12, cache=fresh, num_shards=shards, progress=False
                    )
                    assert cases.same(many, one), (kind, shards, block)
                    again = hm.distributed.mine(
                        collection, teacher, cases.SELECTION, cache=fresh, num_shards=shards, progress=False
                    )
                    assert cases.same(again.candidates, mined.candidates), (kind, shards, block)
                    assert cases.same(again.negatives, mined.negatives), (kind, shards, block)
                    say(kind, shards, block)
    # The embeddings of all documents are where the call came from: the likeness to a positive is told there.
    collection, teacher = cases.case(folder, "precomputed")
    one = hm.retrieve(collection, teacher, 12, anchors=True, progress=False)
    rule = hm.Selection(3, ceiling=hm.Anchored(1.1, 0.5), draw=hm.Softmax(0.2), seed=7)
    mined = hm.mine(collection, teacher, rule, progress=False)
    for shards in (1, 3, 8):
        many = hm.distributed.retrieve(collection, teacher, 12, anchors=True, num_shards=shards, progress=False)
        again = hm.distributed.mine(collection, teacher, rule, num_shards=shards, progress=False)
        assert many.anchor_scores.any() and cases.same(many, one)
        assert cases.same(again.candidates, mined.candidates) and cases.same(again.negatives, mined.negatives)
        say("anchors", shards)
""",
    )
    assert len(out) == 3 * 4 * 2 + 3


def test_what_is_lost_is_made_again_with_the_same_bytes(tmp_path):
    """A process killed in a search, another in a merge, and more objects than the store of a node holds."""
    out = script(
        tmp_path,
        """
from hardmine.distributed import spread
with cases.cluster():
    collection, teacher = cases.case(folder, "precomputed")
    one = hm.mine(collection, teacher, cases.SELECTION, progress=False)
    for name in ("searched", "merged"):
        flag = folder / name
        setattr(spread, name, cases.dying_once(getattr(spread, name), flag))
        again = hm.distributed.mine(collection, teacher, cases.SELECTION, num_shards=8, progress=False)
        assert flag.exists()
        assert cases.same(again.negatives, one.negatives) and cases.same(again.candidates, one.candidates)
        say(name)
    queries, documents = cases.large(num_documents=120_000, dimension=384)  # 184 MB, in a store of 80 MB
    collection, teacher = cases.by_ids(queries, documents)
    one = hm.retrieve(collection, teacher, 5, progress=False)
    assert cases.same(hm.distributed.retrieve(collection, teacher, 5, num_shards=12, progress=False), one)
    say("full")
""",
    )
    assert out == ["searched", "merged", "full"]


def test_files_of_rows_are_the_one_file_cut(tmp_path):
    """In any number of files, with what they hold in the manifest; after a task that died, and over what is there."""
    out = script(
        tmp_path,
        """
import hashlib
from hardmine.distributed import writing
collection, teacher = cases.case(folder, "precomputed")
with cases.cluster():
    for selection in (cases.SELECTION, hm.Selection(2, positive_agg="each"), hm.Selection(9, on_shortage="drop")):
        mined = hm.mine(collection, teacher, selection, progress=False)
        whole = mined.write(folder / "one.jsonl", "sentence-transformers:triplet", scores=False)
        for count in (1, 4, 40):
            if count == 4:
                normal, writing.written = writing.written, cases.dying_once(writing.written, folder / "died")
            files = hm.distributed.write(mined, folder / "rows", "sentence-transformers:triplet", num_files=count)
            writing.written = normal if count == 4 else writing.written
            assert files == json.loads((folder / "rows/manifest.json").read_text())
            parts = [(folder / "rows" / file["name"]).read_bytes() for file in files["files"]]
            assert b"".join(parts) == (folder / "one.jsonl").read_bytes()
            assert {name: files[name] for name in whole} == whole
            for data, file in zip(parts, files["files"], strict=True):
                assert hashlib.blake2b(data, digest_size=16).hexdigest() == file["digest"]
                assert len(data) == file["bytes"]
            assert len(list((folder / "rows").iterdir())) == 2 * count + 1  # and the side files
    assert (folder / "died").exists()
    files = hm.distributed.write(mined, folder / "tables", suffix=".parquet", num_files=2, provenance=False)
    import pyarrow.parquet as pq
    say(sum(pq.read_table(folder / "tables" / file["name"]).num_rows for file in files["files"]) == files["rows"] > 0)
    foreign = folder / "foreign"
    foreign.mkdir()
    (foreign / "part-00000.parquet").write_text("precious")
    os.environ["HARDMINE_RAY_PATIENCE"] = "4"
    for given in (
        {"suffix": ".doc"}, {"folder": folder}, {"num_files": 0}, {"folder": foreign}, {"suffix": "/../x.jsonl"},
        {"suffix": 3}, {"folder": folder / "one.jsonl"}, *({"resources": {"num_cpus": count}} for count in (-1, 9)),
    ):
        try:
            hm.distributed.write(mined, **{"folder": folder / "rows", **given})
        except (ValueError, TypeError, OSError) as error:
            say(str(error).replace(str(folder), ""))
    assert [path.read_text() for path in foreign.iterdir()] == ["precious"]
    before = {path.name: path.read_bytes() for path in (folder / "rows").iterdir()}
    try:
        hm.distributed.write(mined, folder / "rows", "colbert")
    except ValueError as error:
        say(error)
    assert {path.name: path.read_bytes() for path in (folder / "rows").iterdir()} == before
    for count in (2, 1):
        hm.distributed.write(mined, folder / "ids", "automodel", suffix=".json", num_files=count, provenance=False)
        say(sorted(path.name for path in (folder / "ids").iterdir()))
    say(len(list((folder / "rows").iterdir())))
""",
    )
    assert out[0] == "True"
    assert ".doc" in out[1]
    assert out[2].startswith("folder: : holds other files")
    assert out[3] == "num_files: 0, expected at least 1"
    assert out[4] == "folder: /foreign: holds other files ('part-00000.parquet'), expected an empty folder"
    assert out[5] == "suffix: '/../x.jsonl', expected one such as '.jsonl'"
    assert out[6] == "suffix: 3, expected a string such as '.jsonl'"
    assert out[7] == "folder: /one.jsonl: a file, expected a folder"
    assert out[8] == "resources['num_cpus']: -1, expected more than 0"
    assert "CPU 9 per task, at most 2 on a node" in out[9]
    assert "expected an integer, which is what colbert holds" in out[10], "which a task finds out"
    assert (
        out[11] == "['manifest.json', 'part-00000.corpus', 'part-00000.json', 'part-00001.corpus', 'part-00001.json']"
    )
    assert out[12] == "['manifest.json', 'part-00000.corpus', 'part-00000.json']"
    assert out[13] == "81", "what is refused changes nothing"


def test_a_node_that_is_lost_with_what_it_found(tmp_path):
    out = script(
        tmp_path,
        """
from hardmine.distributed import spread
with cases.two_nodes() as second:
    collection, teacher = cases.case(folder, "precomputed")
    one = hm.retrieve(collection, teacher, 12, progress=False)
    spread.searched = cases.slowly(spread.searched, 0.5, folder)
    lost = cases.after_files(folder, "ran", 6, second.lose)
    found = hm.distributed.retrieve(collection, teacher, 12, num_shards=17, progress=False)
    assert second.begun < time.monotonic() and cases.same(found, one)
    lost.join()
    say(second.is_lost())
""",
    )
    assert out == ["True"]


def test_what_goes_wrong_is_one_line_and_no_hang(tmp_path):
    """An error in a task; more than any node has, a resource that there is not, processors that somebody has taken."""
    out = script(
        tmp_path,
        """
from hardmine.distributed import addresses
os.environ["HARDMINE_RAY_PATIENCE"] = "4"
with cases.cluster() as ray:
    queries, documents = cases.large(num_documents=50, dimension=4)
    for value in (np.nan, -np.inf):
        documents[33, 2] = value
        collection, teacher = cases.by_ids(queries, documents)
        try:
            hm.distributed.retrieve(collection, teacher, 5, num_shards=4, progress=False)
        except ValueError as error:
            say(error)
    collection, teacher = cases.case(folder, "precomputed")
    there = ray.get_runtime_context().gcs_address
    hm.distributed.retrieve(collection, teacher, 12, address=there, num_shards=10**15, progress=False)
    addresses.refuse_strange(there)
    try:
        hm.distributed.retrieve(collection, teacher, 12, address="127.0.0.1:1", progress=False)
    except OSError as error:
        say(str(error).replace(there, "there"))
    for asked in ({"num_cpus": 0}, {"num_cpus": "2"}, [1], {"num_cpus": 64}, {"licence": 1}, None):
        taken = cases.take_all(ray) if asked is None else None
        try:
            hm.distributed.retrieve(collection, teacher, 12, resources=asked, progress=False)
        except (OSError, ValueError, TypeError) as error:
            say(error)
""",
    )
    assert out[0] == "documents: NaN at row 33, column 2, expected finite embeddings"
    assert out.pop(1) == "documents: -inf at row 33, column 2, expected finite embeddings"
    assert out.pop(1) == "address: '127.0.0.1:1', but this process is connected to 'there'"
    assert out[1:4] == [
        "resources['num_cpus']: 0, expected more than 0",
        "resources['num_cpus']: str '2', expected a number",
        "resources: list, expected a mapping such as {'num_cpus': 2}",
    ]
    states = [
        "CPU 64 per task, at most 2 on a node, 2 free in all",
        "licence 1 per task, at most 0 on a node, 0 free in all",
        "CPU 1 per task, at most 2 on a node, 0 free in all",
    ]
    for line, state in zip(out[4:], states, strict=True):
        assert line.startswith("ray: nothing has begun or ended for")
        assert state in line


def test_a_driver_that_is_killed_goes_on_from_what_it_kept(tmp_path):
    body = """
import sys
from hardmine.store import rows
cases.blocks_of(5)
collection, teacher = cases.case(folder, "precomputed")
if "calm" == {mode!r}:
    found = hm.retrieve(collection, teacher, 12, progress=False)
    found.save(folder / "calm")
else:
    if {mode!r} == "killed":
        add = rows.Rows.add
        def once(*arguments):
            add(*arguments)
            if len(list((folder / "kept").rglob("*.shard"))) == 2:
                os.write(1, b"killed")
                os.kill(os.getpid(), signal.SIGKILL)
        rows.Rows.add = once
    with cases.cluster():
        found = hm.distributed.retrieve(collection, teacher, 12, cache=folder / "kept", num_shards=3, progress=False)
    found.save(folder / "shaken")
    say((folder / "calm").read_bytes() == (folder / "shaken").read_bytes())
    say((folder / "kept/last-run.json").read_text().replace("\\n", " "))
"""
    script(tmp_path, body.format(mode="calm"))
    with pytest.raises(AssertionError, match="exit status -9"):
        script(tmp_path, body.format(mode="killed"))
    same, counts = script(tmp_path, body.format(mode="again"))
    assert same == "True"
    assert json.loads(counts)["candidates"]["shards_reused"] == 2


def test_the_command_starts_a_cluster_and_writes_the_rows_of_one_process(tmp_path):
    out = script(
        tmp_path,
        """
from hardmine.cli.main import main
cases.case(folder, "bm25")
words = ["mine", str(folder / "collection"), "--teacher", "bm25", "--num-negatives", "2", "--quiet"]
assert main([*words, "--output", str(folder / "one.jsonl")]) == 0
assert main([*words, "--output", str(folder / "many.jsonl"), "--ray", "--shards", "3"]) == 0
assert main([*words, "--output", str(folder / "none.jsonl"), "--shards", "3"]) == 2
assert main([*words, "--output", str(folder / "none.jsonl"), "--ray", "127.0.0.1:1"]) == 2
same = (folder / "one.jsonl").read_bytes() == (folder / "many.jsonl").read_bytes()
say(same, (folder / "none.jsonl").exists())
""",
    )
    assert out == ["True False"]


def test_embeddings_are_those_of_one_machine_and_go_on_from_them(tmp_path):
    """By a teacher that is sent and one that is made there; from a cache that one machine began, and back again."""
    out = script(
        tmp_path,
        """
cases.small_groups()
collection, teacher = cases.case(folder, "toy")
one = hm.retrieve(collection, teacher, 12, cache=folder / "here", progress=False)
with cases.cluster():
    report = hm.distributed.embed(collection, cases.Toy, cache=folder / "far", progress=False)
    say(report["embeddings of documents"]["rows_computed"])
    local = cases.Toy()
    assert cases.same(hm.retrieve(collection, local, 12, cache=folder / "far", progress=False), one)
    assert local.seen == {"queries": [], "documents": []}
    # One machine made some of the groups, a cluster makes the others, and an actor dies on the way.
    cases.keep_every_other(folder / "here", folder / "begun")
    dying = cases.Dying(folder / "died")
    report = hm.distributed.embed(collection, dying, cache=folder / "begun", progress=False)
    assert (folder / "died").exists()
    say(report["embeddings of documents"]["rows_reused"] > 0)
    assert cases.same(hm.retrieve(collection, cases.Toy(), 12, cache=folder / "begun", progress=False), one)
    for given in (cases.Wrong(), "bm25", hm.teachers.precomputed(np.eye(23, dtype="f4"), np.eye(150, 23, dtype="f4"))):
        try:
            hm.distributed.embed(collection, given, cache=folder / "wrong", progress=False)
        except ValueError as error:
            say(error)
    taken = cases.take_all(cases.ray)
    os.environ["HARDMINE_RAY_PATIENCE"] = "4"
    try:
        hm.distributed.embed(collection, cases.Toy(), cache=folder / "none", progress=False)
    except OSError as error:
        say(error)
""",
    )
    assert out[:2] == ["146", "True"]
    assert out[2:5] == [
        "teacher 'toy': an embedding holds NaN or infinity, expected finite numbers",
        "teacher 'bm25': makes no embeddings to keep, expected an encoder",
        "teacher 'precomputed': its embeddings are looked up, expected an encoder",
    ]
    assert out[5].startswith("ray: nothing has begun or ended for")


def test_a_driver_that_is_killed_while_it_embeds_goes_on(tmp_path):
    body = """
import sys
from hardmine.store import rows
cases.small_groups()
collection, teacher = cases.case(folder, "toy")
if {mode!r} == "killed":
    add = rows.Rows.add
    def once(*arguments):
        add(*arguments)
        if len(list((folder / "kept").rglob("*.shard"))) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    rows.Rows.add = once
with cases.cluster():
    report = hm.distributed.embed(collection, teacher, cache=folder / "kept", progress=False)
say(json.dumps(report["embeddings of documents"]))
one = hm.retrieve(collection, teacher, 12, cache=folder / "here", progress=False)
say(cases.same(hm.retrieve(collection, teacher, 12, cache=folder / "kept", progress=False), one))
"""
    with pytest.raises(AssertionError, match="exit status -9"):
        script(tmp_path, body.format(mode="killed"))
    report, same = script(tmp_path, body.format(mode="again"))
    assert json.loads(report)["shards_reused"] >= 2
    assert same == "True"
